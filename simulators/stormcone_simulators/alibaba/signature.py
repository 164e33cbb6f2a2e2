"""The two ways in which requests are signed, as pure functions of what was sent.

`HMAC-SHA1` (signature version 1.0) stands among the parameters and covers only these; `ACS3-HMAC-SHA256` stands in the
header `Authorization` and covers path, parameters, chosen headers and the body.

Sources: the documentation of the RPC signature mechanism, whose example reproduces, and of signature version 3;
both seen to agree with what the vendor's SDKs send.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha1, sha256
from typing import NamedTuple
from urllib.parse import quote

ACS3 = "ACS3-HMAC-SHA256"


def encode(text: str) -> str:
    """A name or a value as it is signed: UTF-8, with all but `A-Za-z0-9-_.~` as `%XX`."""
    return quote(text, safe="~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The parameters as they are signed: in the order of their names, blank ones too."""
    ordered = sorted(parameters.items(), key=lambda pair: pair[0].encode())
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in ordered)


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """What version 1.0 signs of all parameters, of query and form, but `Signature`."""
    signed = {name: value for name, value in parameters.items() if name != "Signature"}
    return f"{method}&%2F&{encode(canonical_query(signed))}"


def sign(secret: str, text: str) -> str:
    """The value of `Signature` for a string to sign."""
    return b64encode(hmac.new(f"{secret}&".encode(), text.encode(), sha1).digest()).decode()


class Authorization(NamedTuple):
    """The header `Authorization` of ACS3.

    Attributes:
        credential: the access key id.
        signed_headers: names in lower case, in the order in which they are signed.
        signature: in hexadecimal.
    """

    credential: str
    signed_headers: tuple[str, ...]
    signature: str


_PART = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]+)\s*")


def read_authorization(header: str) -> Authorization | None:
    """The parts of the header, None where it is not one of ACS3."""
    scheme, _, rest = header.partition(" ")
    matches = [_PART.fullmatch(part) for part in rest.split(",")]
    parts = {match[1]: match[2] for match in matches if match}
    if scheme != ACS3 or len(matches) != len(parts) or len(parts) < len(Authorization._fields):
        return None
    headers = tuple(name.lower() for name in parts["SignedHeaders"].split(";"))
    return Authorization(parts["Credential"], headers, parts["Signature"])


def acs3_string_to_sign(
    method: str,
    path: str,
    parameters: Mapping[str, str],
    headers: Mapping[str, str],
    signed_headers: Sequence[str],
    body: bytes,
) -> str:
    """What ACS3 signs.

    Args:
        method: in upper case.
        path: as it was sent, encoded.
        parameters: of the query.
        headers: names in lower case; those of `signed_headers` are looked up, one that is not there counts as "".
        signed_headers: names in lower case, in the order of the header `Authorization`.
        body: as it was sent.
    """
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in signed_headers)
    request = "\n".join(
        (method, path, canonical_query(parameters), lines, ";".join(signed_headers), sha256(body).hexdigest())
    )
    return f"{ACS3}\n{sha256(request.encode()).hexdigest()}"


def acs3_sign(secret: str, text: str) -> str:
    """The value of `Signature` of ACS3 for a string to sign."""
    return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Whether two signatures are equal; takes the same time wherever they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())
