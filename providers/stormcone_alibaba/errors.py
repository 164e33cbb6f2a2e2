"""What the service's error codes mean, as data: one clear sentence for each, and what to do.

The codes count and the HTTP statuses do not: those differ between Alibaba Cloud's products and operations.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from stormcone.errors import ProviderError, RequestRefused
from stormcone.text import printable
from stormcone_alibaba.redact import redacted

PERMISSION = "ecs:{action}"
"""What RAM calls the permission to call an operation. Source: ECS's documentation of RAM authorisation."""


DRY_RUN = "DryRunOperation"
"""The code of a dry run of what the caller may do. Source: ECS's documentation of the operations that have one."""


class ErrorKind(StrEnum):
    """What becomes of a request that met an error."""

    PASSING = "passing"
    """Asking again later may help."""
    THROTTLED = "throttled"
    """Asking again helps from the next minute on."""
    SETUP = "setup"
    """It stays until somebody cures keys, permissions, the clock or the address."""
    REFUSED = "refused"
    """This request is at fault, or is not wanted."""


class CodeMeaning(NamedTuple):
    """What one code means.

    Attributes:
        kind: what becomes of the request.
        says: why, in plain words; may name `{permission}`.
        cure: what to do, in plain words; may name `{permission}`.
    """

    kind: ErrorKind
    says: str
    cure: str


_WRONG_SECRET = CodeMeaning(
    ErrorKind.SETUP,
    "the signature does not fit, so the access key secret is wrong",
    "check that secret and id belong together",
)
_NOT_ALLOWED = CodeMeaning(ErrorKind.SETUP, "these credentials may not do that", "let a RAM policy allow {permission}")
_AGAIN = "it is asked again"

CODES: tuple[tuple[str, CodeMeaning], ...] = (
    ("SignatureDoesNotMatch", _WRONG_SECRET),
    ("InvalidAccessKeySecret", _WRONG_SECRET),  # what the SDK makes of SignatureDoesNotMatch
    ("IncompleteSignature", _WRONG_SECRET),  # seen in the field for a wrong secret
    (
        "InvalidAccessKeyId.Inactive",
        CodeMeaning(ErrorKind.SETUP, "the access key is disabled", "enable it, or use another one"),
    ),
    (
        "InvalidAccessKeyId*",
        CodeMeaning(ErrorKind.SETUP, "the access key id is not known", "check it, or use another one"),
    ),
    (
        "InvalidSecurityToken*",  # documented for STS, not for ECS: unverified
        CodeMeaning(ErrorKind.SETUP, "the security token is not valid or has expired", "get new temporary credentials"),
    ),
    (
        "InvalidTimeStamp.Expired",
        CodeMeaning(ErrorKind.SETUP, "this machine's clock is more than 15 minutes off", "set the clock, with NTP"),
    ),
    (
        "SignatureNonceUsed",
        CodeMeaning(
            ErrorKind.PASSING, "the same signed request came twice, maybe through a proxy that repeats", _AGAIN
        ),
    ),
    (
        "InvalidRegionId*",  # from other operations of ECS: unverified here
        CodeMeaning(ErrorKind.SETUP, "there is no such region at this address", "check the region and the endpoint"),
    ),
    (
        "Throttling*",
        CodeMeaning(
            ErrorKind.THROTTLED, "the account has asked too often in this minute", "it is asked again in the next"
        ),
    ),
    # STS's, as far as its documentation and the vendor's own tests name them
    (
        "NoPermission",
        CodeMeaning(ErrorKind.SETUP, "these credentials may not assume the role", "let its trust policy name them"),
    ),
    (
        "EntityNotExist*",
        CodeMeaning(ErrorKind.SETUP, "there is no such role", "check its ARN"),
    ),
    (
        "AuthenticationFail.OIDCToken*",
        CodeMeaning(ErrorKind.SETUP, "the token is not valid or has expired", "check its file and its OIDC provider"),
    ),
    (
        "AuthenticationFail*",
        CodeMeaning(ErrorKind.SETUP, "the token does not entitle to the role", "check the role's trust policy"),
    ),
    ("Forbidden.RAM", _NOT_ALLOWED),
    (
        "Forbidden.RiskControl",
        CodeMeaning(ErrorKind.SETUP, "risk control has locked the account", "look into the console for the reason"),
    ),
    ("Forbidden*", _NOT_ALLOWED),
    (
        "OperationDenied.NotInWhiteList",
        CodeMeaning(ErrorKind.SETUP, "the account is not on the list for this", "ask Alibaba Cloud's support"),
    ),
    ("ServiceUnavailable", CodeMeaning(ErrorKind.PASSING, "the service is not available now", _AGAIN)),
    ("InternalError", CodeMeaning(ErrorKind.PASSING, "the service has an internal error", _AGAIN)),
    ("UnknownError", CodeMeaning(ErrorKind.PASSING, "the service has an unknown error", _AGAIN)),
    (
        "InvalidApi.NotFound",
        CodeMeaning(ErrorKind.SETUP, "what answers has no such operation", "check the endpoint"),
    ),
    (
        "InvalidNotBefore.Passed",
        CodeMeaning(ErrorKind.REFUSED, "the time has passed", "name one in the future"),
    ),
    (
        "InvalidInstanceId.NotFound",
        CodeMeaning(ErrorKind.REFUSED, "one of the instances is not in this region", "check the names and the region"),
    ),
    (
        "SimulatedEventLimitExceeded",
        CodeMeaning(
            ErrorKind.REFUSED, "the region has too many simulated events that are active", "call some off first"
        ),
    ),
    (
        "InstanceIdLimitExceeded",
        CodeMeaning(ErrorKind.REFUSED, "more instances than 100 at once", "name fewer"),
    ),
    ("EventIdLimitExceeded", CodeMeaning(ErrorKind.REFUSED, "more events than 100 at once", "name fewer")),
    (
        "CannotCancelSystemEvent.NotSimulated",
        CodeMeaning(ErrorKind.REFUSED, "one of the events is real", "only simulated events can be called off"),
    ),
    (
        "InvalidEventId.NotFound",
        CodeMeaning(ErrorKind.REFUSED, "one of the events is not known", "check the ids and the region"),
    ),
    (
        "InvalidEventId.NoInquiringEventFound",
        CodeMeaning(ErrorKind.REFUSED, "the event does not wait for consent", "nothing is left to do"),
    ),
    (
        "OperationConflict",
        CodeMeaning(ErrorKind.PASSING, "another operation on the instance is going on", _AGAIN),
    ),
    (
        "OperationFail.*",
        CodeMeaning(ErrorKind.REFUSED, "the disk or the instance is in no state for this", "answer it in the console"),
    ),
    (
        "IncorrectInstanceStatus*",
        CodeMeaning(ErrorKind.REFUSED, "the instance is in no state for this", "answer it in the console"),
    ),
    (
        "Missing*",
        CodeMeaning(ErrorKind.REFUSED, "the request lacks a parameter", "report this as a fault of stormcone"),
    ),
    ("InvalidTimeStamp*", CodeMeaning(ErrorKind.REFUSED, "the time stamp is malformed", "update the SDK")),
    ("InvalidSignature*", CodeMeaning(ErrorKind.REFUSED, "the kind of signature is not accepted", "update the SDK")),
    ("InvalidParameter*", CodeMeaning(ErrorKind.REFUSED, "a parameter is not valid", "check ids, names and times")),
)
"""The codes, as shell patterns; the first that fits speaks.

Sources: ECS's pages of each operation, the service's common errors as reposted by its developer community, and
errors seen in the field. Nothing here was checked against the live service.
"""

_UNKNOWN_PASSING = CodeMeaning(ErrorKind.PASSING, "the service does not answer properly now", _AGAIN)
_UNKNOWN_REFUSED = CodeMeaning(ErrorKind.REFUSED, "the request is refused", "look the code up in ECS's documentation")


class ApiFault(ProviderError):
    """The service answered with an error that may pass or can be cured.

    Attributes:
        code: the service's own word, such as `Throttling.User`.
    """

    def __init__(self, message: str, code: str, *, passing: bool, retry_after: float | None = None) -> None:
        super().__init__(message, passing=passing, retry_after=retry_after)
        self.code = code


class ApiRefused(RequestRefused):
    """The service refuses this request.

    Attributes:
        code: the service's own word, such as `InvalidEventId.NotFound`.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def meaning(code: str, status: int | None = None) -> CodeMeaning:
    """What a code means; what is in no table is judged by the status."""
    for pattern, found in CODES:
        if fnmatchcase(code, pattern):
            return found
    may_pass = status is None or status >= 500 or status == 429 or status < 400
    return _UNKNOWN_PASSING if may_pass else _UNKNOWN_REFUSED


def not_allowed(code: str) -> bool:
    """Whether a code says that the caller lacks a permission."""
    return meaning(code) is _NOT_ALLOWED


def api_error(
    action: str, code: str, *, status: int | None, message: str, now: datetime, secrets: Iterable[str] = ()
) -> ApiFault | ApiRefused:
    """The error for an answer with a code.

    Args:
        action: the operation that was called.
        code: the service's own word.
        status: the HTTP status, where there was one.
        message: the service's text; shown, without secrets, only for codes that no table knows.
        now: the wall-clock time, for the wait until throttling ends.
        secrets: values that the text must not hold.
    """
    found = meaning(code, status)
    permission = PERMISSION.format(action=action)
    says, cure = found.says.format(permission=permission), found.cure.format(permission=permission)
    # What the SDK cannot read it hands on whole, ids that are new each time and all.
    if found in (_UNKNOWN_PASSING, _UNKNOWN_REFUSED) and not code.startswith("SDK."):
        quoted = " ".join(printable(redacted(message, secrets)).split())[:200]
        says += f": {quoted!r}" if quoted else ""
    code = redacted(printable(code), secrets)[:100]
    where = code if status is None or found.kind is ErrorKind.THROTTLED else f"{code}, status {status}"
    sentence = f"Alibaba Cloud's {action} failed: {says} ({where}); {cure}"
    if found.kind is ErrorKind.REFUSED:
        return ApiRefused(sentence, code)
    wait = until_next_minute(now) if found.kind is ErrorKind.THROTTLED else None
    passing = found.kind in {ErrorKind.PASSING, ErrorKind.THROTTLED}
    return ApiFault(sentence, code, passing=passing, retry_after=wait)


def until_next_minute(now: datetime) -> float:
    """Seconds until an operation that was throttled now is let through again.

    Source: ECS's documentation of throttling: refused in one minute, it is refused until the next one begins.
    """
    return 61.0 - now.second
