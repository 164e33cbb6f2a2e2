"""Keeps what signs requests out of every text that people or logs may see.

The SDK puts the signed URL, with the access key id, the signature and the security token, into its errors and its
log; urllib3 writes it to its own at DEBUG; and the service repeats it in the error about a wrong signature.
"""

import logging
import re
from collections.abc import Iterable

from stormcone.clouds.redacting import Redacting
from stormcone.clouds.secret_values import SecretValues, hidden

HIDDEN = "***"

_log = logging.getLogger("stormcone.alibaba")

_NAMES = ("AccessKeyId", "AccessKeySecret", "SecurityToken", "SignatureNonce", "Signature", "OIDCToken")
# A value ends where the next parameter begins, which in a string to sign is an encoded "&".
_NAMED = re.compile(
    rf"({'|'.join(_NAMES)})(['\"]?\s*(?:=|:|%3D|%253D)\s*(?:b?['\"])?)(?:(?!%26|%2526)[^&\s'\",}}])+", re.IGNORECASE
)

PACKAGES = frozenset({"aliyunsdkcore", "requests", "urllib3"})
"""Whose loggers may write down signed URLs: any of them, as urllib3 does where it cannot read a header."""


_KNOWN = SecretValues()


def remember(*secrets: str) -> None:
    """Hide these values from now on in what the `PACKAGES` log, also where they stand without their names."""
    _KNOWN.learn(secrets)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the values of the parameters that sign a request, and without `secrets` however encoded."""
    return hidden(_NAMED.sub(rf"\1\2{HIDDEN}", text), secrets, HIDDEN)


def _shown(record: logging.LogRecord) -> bool:
    # Of a fault the provider's error tells; what the SDK says of it besides is a detail.
    return not record.name.startswith("aliyunsdkcore.") or _log.isEnabledFor(logging.DEBUG)


LOGS = Redacting(PACKAGES, lambda text: _KNOWN.hidden(redacted(text), HIDDEN), _shown)
"""Hides the secrets in what the `PACKAGES` log, once it is applied."""
