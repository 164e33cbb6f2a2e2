"""What the error codes of AWS's APIs mean, as data: one clear sentence for each, and what to do.

The codes count. The HTTP statuses do not: the query protocol answers 400 and 403 to what the JSON protocol answers 400.

Sources: the pages of common errors of EC2, SQS and EC2 Auto Scaling, and the SDK's own models. Nothing here was
checked against the live services.
"""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from stormcone.errors import ProviderError, RequestRefused
from stormcone.text import printable
from stormcone_aws.redact import redacted


class AwsErrorKind(StrEnum):
    """What becomes of a request that met an error."""

    PASSING = "passing"
    """Asking again later may help."""
    SETUP = "setup"
    """It stays until somebody cures credentials, permissions, the clock or the address."""
    REFUSED = "refused"
    """This request is at fault, or is not wanted."""


class AwsCodeMeaning(NamedTuple):
    """What one code means.

    Attributes:
        kind: what becomes of the request.
        says: why, in plain words; may name `{permission}`.
        cure: what to do, in plain words; may name `{permission}`.
    """

    kind: AwsErrorKind
    says: str
    cure: str


_AGAIN = "it is asked again"
_WRONG_SECRET = AwsCodeMeaning(
    AwsErrorKind.SETUP,
    "the signature does not fit, so the secret key is wrong",
    "check that secret and id belong together",
)
_UNKNOWN_KEY = AwsCodeMeaning(AwsErrorKind.SETUP, "the access key is not known", "check it, or use another one")
_EXPIRED = AwsCodeMeaning(AwsErrorKind.SETUP, "the temporary credentials have expired", "get new ones")
_CLOCK = AwsCodeMeaning(AwsErrorKind.SETUP, "this machine's clock is too far off", "set the clock, with NTP")
_NOT_ALLOWED = AwsCodeMeaning(
    AwsErrorKind.SETUP, "these credentials may not do that", "let an IAM policy allow {permission}"
)
_TOO_OFTEN = AwsCodeMeaning(AwsErrorKind.PASSING, "the account has asked too often", _AGAIN)
_NO_QUEUE = AwsCodeMeaning(
    AwsErrorKind.SETUP, "there is no such queue for these credentials", "check the queue, its region and the account"
)
_TROUBLE = AwsCodeMeaning(AwsErrorKind.PASSING, "the service does not answer properly now", _AGAIN)

CODES: tuple[tuple[str, AwsCodeMeaning], ...] = (
    ("SignatureDoesNotMatch", _WRONG_SECRET),
    ("IncompleteSignature*", _WRONG_SECRET),
    ("AuthFailure", _UNKNOWN_KEY),  # EC2's word for an unknown key and for a signature that does not fit
    ("InvalidClientTokenId", _UNKNOWN_KEY),
    ("UnrecognizedClientException", _UNKNOWN_KEY),
    ("InvalidAccessKeyId*", _UNKNOWN_KEY),
    ("MissingAuthenticationToken*", _UNKNOWN_KEY),
    (
        "OptInRequired",
        AwsCodeMeaning(AwsErrorKind.SETUP, "the account does not use this service", "enable it for the account"),
    ),
    (
        "PendingVerification",
        AwsCodeMeaning(AwsErrorKind.SETUP, "the account is being verified", "wait until AWS has done it"),
    ),
    ("Blocked", AwsCodeMeaning(AwsErrorKind.SETUP, "the account is blocked", "ask AWS's support")),
    ("ExpiredToken*", _EXPIRED),
    ("RequestExpired", _CLOCK),
    ("InvalidSignatureException", _WRONG_SECRET),
    ("UnauthorizedOperation", _NOT_ALLOWED),
    ("AccessDenied*", _NOT_ALLOWED),
    ("AccessDeniedException", _NOT_ALLOWED),
    ("NotAuthorized", _NOT_ALLOWED),
    ("RequestLimitExceeded", _TOO_OFTEN),
    ("Throttl*", _TOO_OFTEN),
    ("RequestThrottled*", _TOO_OFTEN),
    ("Bandwidth*", _TOO_OFTEN),
    ("*NonExistentQueue", _NO_QUEUE),
    ("QueueDoesNotExist", _NO_QUEUE),
    ("InvalidAddress", _NO_QUEUE),
    ("*OverLimit", AwsCodeMeaning(AwsErrorKind.PASSING, "too many messages of the queue are in flight", _AGAIN)),
    ("ResourceContention*", AwsCodeMeaning(AwsErrorKind.PASSING, "another change of the group is going on", _AGAIN)),
    ("Unavailable", _TROUBLE),
    ("ServiceUnavailable*", _TROUBLE),
    ("Internal*", _TROUBLE),
    ("ServerInternal", _TROUBLE),
    ("InsufficientCapacity*", _TROUBLE),
    (
        "InvalidInstanceID*",
        AwsCodeMeaning(
            AwsErrorKind.REFUSED, "one of the instances is not in this region", "check the ids and the region"
        ),
    ),
    (
        "InvalidInstanceEventIDNotFound",  # as the SDK's own model does not name errors of EC2: unverified
        AwsCodeMeaning(AwsErrorKind.REFUSED, "the event is not known", "nothing is left to do"),
    ),
    (
        "InvalidInstanceEventStartTime*",  # unverified, as above
        AwsCodeMeaning(AwsErrorKind.REFUSED, "the event cannot begin at that time", "name an earlier one"),
    ),
    (
        "UnsupportedInstanceEventReschedule*",  # unverified, as above
        AwsCodeMeaning(AwsErrorKind.REFUSED, "the event cannot be put off", "nothing is left to do"),
    ),
    (
        "ValidationError",
        AwsCodeMeaning(AwsErrorKind.REFUSED, "the group waits for that instance no longer", "nothing is left to do"),
    ),
    (
        "UnknownOperation*",
        AwsCodeMeaning(AwsErrorKind.SETUP, "what answers has no such operation", "check the endpoint"),
    ),
    ("InvalidAction", AwsCodeMeaning(AwsErrorKind.SETUP, "what answers has no such operation", "check the endpoint")),
    ("ReceiptHandleIsInvalid", AwsCodeMeaning(AwsErrorKind.REFUSED, "the message is no longer ours", "it comes again")),
    ("*MessageNotInflight", AwsCodeMeaning(AwsErrorKind.REFUSED, "the message is no longer ours", "it comes again")),
)
"""The codes, as shell patterns; the first that fits speaks."""

_UNKNOWN_REFUSED = AwsCodeMeaning(
    AwsErrorKind.REFUSED, "the request is refused", "look the code up in AWS's documentation"
)

PERMISSION = "{service}:{action}"
"""What IAM calls the permission to call an operation; one of a batch has that of the single one."""


class AwsFault(ProviderError):
    """A service answered with an error that may pass or can be cured.

    Attributes:
        code: the service's own word, such as `RequestLimitExceeded`.
    """

    def __init__(self, message: str, code: str, *, passing: bool) -> None:
        super().__init__(message, passing=passing)
        self.code = code


class AwsRefused(RequestRefused):
    """A service refuses this request.

    Attributes:
        code: the service's own word, such as `ValidationError`.
        said: the service's own text, without secrets.
        repeats: whether it answers a request that was sent again, since the answer to it had been lost.
    """

    def __init__(self, message: str, code: str, said: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.said = said
        self.repeats = False


class AnswerLost(ProviderError):
    """A request was sent, and no answer came: whether the service has done it is not known."""


def meaning(code: str, status: int) -> AwsCodeMeaning:
    """What a code means; what is in no table is judged by the status."""
    for pattern, found in CODES:
        if fnmatchcase(code, pattern):
            return found
    return _TROUBLE if status >= 500 or status == 429 or status < 400 else _UNKNOWN_REFUSED


def not_allowed(code: str) -> bool:
    """Whether a code says that the caller lacks a permission."""
    return meaning(code, 403) is _NOT_ALLOWED


def api_error(
    service: str, action: str, code: str, *, status: int, message: str, secrets: Iterable[str] = ()
) -> AwsFault | AwsRefused:
    """The error for an answer with a code.

    Args:
        service: whose operation was called, by the SDK's name.
        action: the operation.
        code: the service's own word.
        status: the HTTP status.
        message: the service's text; shown, without secrets, only for codes that no table knows.
        secrets: values that the text must not hold.
    """
    found = meaning(code, status)
    permission = PERMISSION.format(service=service, action=action.removesuffix("Batch"))
    says, cure = found.says.format(permission=permission), found.cure.format(permission=permission)
    if found in (_TROUBLE, _UNKNOWN_REFUSED):
        quoted = " ".join(printable(redacted(message, secrets)).split())[:200]
        says += f": {quoted!r}" if quoted else ""
    code = redacted(printable(code), secrets)[:100]
    sentence = f"AWS's {action} failed: {says} ({code}, status {status}); {cure}"
    if found.kind is AwsErrorKind.REFUSED:
        return AwsRefused(sentence, code, redacted(printable(message), secrets))
    return AwsFault(sentence, code, passing=found.kind is AwsErrorKind.PASSING)
