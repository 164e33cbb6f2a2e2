"""Keeps what signs requests out of every text that people or logs may see.

AWS signs in headers: botocore writes them to its log at DEBUG, with the string to sign, and EC2 repeats that string,
session token and all, in its error about a wrong signature.
"""

import logging
import re
from collections.abc import Iterable

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
_AS_TEXT = logging.Formatter()


def remember(*secrets: str) -> None:
    """Hide these values from now on, also where they stand without their names."""
    _KNOWN.learn(secrets)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the values that sign a request, and without `secrets` however encoded."""
    return _KNOWN.hidden(hidden(_NAMED.sub(rf"\1\2{HIDDEN}", text), secrets, HIDDEN), HIDDEN)


class _Redacting(logging.Filter):
    """Rewrites a record in place, before any handler sees it; keeps the SDK's to those who want details."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            said = record.getMessage()
        except (TypeError, ValueError):
            return True  # logging itself reports a message that does not fit its arguments
        clean = redacted(said)
        if clean != said:
            record.msg, record.args = clean, ()
        if record.exc_info:
            record.exc_text = redacted(_AS_TEXT.formatException(record.exc_info))
            record.exc_info = None
        # Of a fault the provider's error tells; what the SDK says of it besides is a detail.
        return record.name.partition(".")[0] == "urllib3" or _log.isEnabledFor(logging.DEBUG)


_FILTER = _Redacting()


def redact_logs() -> None:
    """Hide the secrets in what the `PACKAGES` log from now on, as far as they are imported; safe to call again."""
    for name in loggers():
        logging.getLogger(name).addFilter(_FILTER)


def loggers() -> tuple[str, ...]:
    """The names of all loggers of the `PACKAGES`: a filter does not go down to the loggers below its own."""
    return tuple(name for name in tuple(logging.root.manager.loggerDict) if name.partition(".")[0] in PACKAGES)
