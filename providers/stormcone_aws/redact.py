"""Keeps what signs requests out of every text that people or logs may see.

AWS signs in headers: botocore writes them to its log at DEBUG, with the string to sign, and EC2 repeats that string,
session token and all, in its error about a wrong signature.
"""

import logging
import re
from collections.abc import Iterable

from stormcone.clouds.redacting import Redacting
from stormcone.clouds.secret_values import SecretValues, hidden

HIDDEN = "***"

PACKAGES = frozenset({"boto3", "botocore", "urllib3"})
"""Whose loggers may write down what signs a request."""

_log = logging.getLogger("stormcone.aws")

_NAMED = re.compile(
    r"(X-Amz-Security-Token|X-Amz-Signature|X-Amz-Credential|SecurityToken|SessionToken|SecretAccessKey"
    r"|aws_secret_access_key|aws_session_token|Credential|Signature)"
    r"(b?['\"]?\s*(?:=|:|%3D)\s*(?:b?['\"])?)[^&\s'\",}<]+",
    re.IGNORECASE,
)
_KNOWN = SecretValues()


def remember(*secrets: str) -> None:
    """Hide these values from now on, also where they stand without their names."""
    _KNOWN.learn(secrets)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the values that sign a request, and without `secrets` however encoded."""
    return _KNOWN.hidden(hidden(_NAMED.sub(rf"\1\2{HIDDEN}", text), secrets, HIDDEN), HIDDEN)


def _shown(record: logging.LogRecord) -> bool:
    # Of a fault the provider's error tells; what the SDK says of it besides is a detail.
    return record.name.partition(".")[0] == "urllib3" or _log.isEnabledFor(logging.DEBUG)


LOGS = Redacting(PACKAGES, redacted, _shown)
"""Hides the secrets in what the `PACKAGES` log, once it is applied."""
