"""Replaces whatever names somebody by a pseudonym: the same one for the same name, all through one trace.

It is the unknown that is replaced: a field is kept only where the cloud's rules say that it names nobody. Pseudonyms
are made with a salt that is never written down, since a name of few letters could be found again by trying.
"""

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import TraceRules
from stormcone.recording.secrets import WITHHELD
from stormcone.recording.times import is_time
from stormcone.text import folded

_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MAC = r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}"
_IPV4 = r"(?:\d{1,3}\.){3}\d{1,3}"
_IPV6 = r"(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}"
_SHAPES = re.compile(rf"(?<![\w.:-])(?:{_GUID}|{_MAC}|{_IPV4}|{_IPV6})(?![\w:-]|\.\d)")
_LETTERED = re.compile(r"(?P<kind>[a-z])-(?P<rest>[0-9a-z]{8,}\**)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<base>.*[^_])_(?P<number>\d{1,5})")
_PLACES = re.compile(r"\.\d+")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_FEW_DIGITS = 6
_OPAQUE_HEADERS = frozenset({"etag", "if-none-match"})


class Anonymiser:
    """Gives pseudonyms, and remembers what it gave them for: texts for people are searched for all of it.

    Args:
        rules: what names nobody.
        salt: what the pseudonyms are made with; None for a random one.
    """

    def __init__(self, rules: TraceRules, salt: bytes | None = None) -> None:
        self._salt = salt or secrets.token_bytes(32)
        self._plain = {folded(name) for name in rules.plain_fields}
        self._texts = {folded(name) for name in rules.text_fields}
        self._words = ("localhost", *(folded(word) for word in rules.plain_words))
        self._known: set[str] = set()
        self._search: re.Pattern[str] | None = None

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange, scrubbed already, with pseudonyms throughout; the marks of caches are left out."""
        path = unquote(urlsplit(exchange.url).path)
        # Bodies first: they tell which words of the other parts are names.
        body = self._body(exchange.body, path)
        asked = None if exchange.request_body is None else self._body(exchange.request_body, path)
        return replace(
            exchange,
            url=self._url(exchange.url),
            request_headers=_without_marks(exchange.request_headers),
            request_body=asked,
            headers=_without_marks(exchange.headers),
            body=body,
            reason="",
            fault=self.text(exchange.fault),
        )

    def name(self, value: str) -> str:
        """The pseudonym of a name or an id, in its form; what says nothing (a time, a small number) stays."""
        if not value or value == WITHHELD or is_time(value) or self._is_plain(value):
            return value
        if value.isascii() and value.isdigit():
            return value if len(value) < _FEW_DIGITS else self._remember(value, self._digits(value))
        if "/" in value:
            return "/".join(self.name(part) for part in value.split("/"))
        if _SHAPES.fullmatch(value):
            return self._shaped(value)
        if value.startswith("_"):
            return f"_{self.name(value[1:])}"
        return self._remember(value, self._worded(value))

    def text(self, value: str) -> str:
        """A text for people with pseudonyms for every id in it that has the form of one, and for every known name."""
        value = _SHAPES.sub(lambda match: self._shaped(match[0]), value)
        if self._search is None and self._known:
            longest_first = sorted(self._known, key=len, reverse=True)
            names = "|".join(re.escape(name) for name in longest_first)
            self._search = re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])", re.IGNORECASE)
        return self._search.sub(lambda match: self.name(match[0]), value) if self._search else value

    def _url(self, url: str) -> str:
        split = urlsplit(url)
        host = split.hostname or ""
        try:
            ipaddress.ip_address(host)
            name = self._shaped(host)
        except ValueError:
            name = self.name(host)
        netloc = (f"[{name}]" if ":" in name else name) + (f":{split.port}" if split.port else "")
        path = "/".join(quote(self.name(unquote(part)), safe="") for part in split.path.split("/"))
        query = urlencode(self._pairs(split.query), quote_via=quote, safe="") if split.query else ""
        return urlunsplit((split.scheme, netloc, path, query, ""))

    def _pairs(self, query: str) -> list[tuple[str, str]]:
        pairs = parse_qsl(query, keep_blank_values=True)
        return [(name, self._value(_PLACES.sub("", name), value)) for name, value in pairs]

    def _body(self, body: bytes, path: str) -> bytes:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return WITHHELD.encode()
        try:
            document = json.loads(text)
            # Twice, since the first time a text may come before the names that it holds.
            self._value("", document)
            return json.dumps(self._value("", document)).encode()
        except RecursionError:
            return WITHHELD.encode()
        except ValueError:
            # A bare value is named by the last part of its path, as metadata services do.
            return str(self._value(path.rstrip("/").rpartition("/")[2], text)).encode()

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._value(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(name, item) for item in value]
        if folded(name) in self._plain or value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return int(self.name(str(value))) if value >= 0 else value
        return self.text(value) if folded(name) in self._texts else self.name(value)

    def _is_plain(self, value: str) -> bool:
        return any(fnmatchcase(folded(value), word) for word in self._words)

    def _shaped(self, value: str) -> str:
        """A GUID, a MAC or an IP address; what only looks like an address, or is nobody's, stays."""
        digest = self._digest(value)
        if re.fullmatch(_GUID, value):
            return self._remember(value, "-".join(digest[at:to] for at, to in _GUID_PARTS))
        if re.fullmatch(_MAC, value):
            separator = value[2]
            return self._remember(value, separator.join(["02", *(digest[at : at + 2] for at in range(0, 10, 2))]))
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return value
        if address.is_loopback or address.is_link_local or address.is_unspecified or self._is_plain(value):
            return value
        number = int(digest, 16)
        if address.version == 4:
            return self._remember(value, str(ipaddress.IPv4Address((10 << 24) | number % (1 << 24))))
        return self._remember(value, str(ipaddress.IPv6Address((0xFD << 120) | number % (1 << 120))))

    def _worded(self, value: str) -> str:
        numbered = _NUMBERED.fullmatch(value)
        if numbered:
            return f"{self.name(numbered['base'])}_{numbered['number']}"
        digest = self._digest(value)
        lettered = _LETTERED.fullmatch(value)
        if lettered:
            return f"{lettered['kind']}-{_base36(int(digest, 16), len(lettered['rest']))}"
        return f"name-{digest[:10]}"

    def _digits(self, value: str) -> str:
        smallest = 10 ** (len(value) - 1)
        return str(smallest + int(self._digest(value), 16) % (9 * smallest))

    def _remember(self, value: str, pseudonym: str) -> str:
        if folded(value) not in self._known:
            self._known.add(folded(value))
            self._search = None
        return pseudonym.upper() if value.isupper() else pseudonym

    def _digest(self, value: str) -> str:
        return hmac.new(self._salt, folded(value).encode("utf-8", "replace"), hashlib.sha256).hexdigest()


_GUID_PARTS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def _base36(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[rest])
    return "".join(digits)


def _without_marks(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if folded(name) not in _OPAQUE_HEADERS}
