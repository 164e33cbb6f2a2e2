"""The API's errors: what each code says, and with which status, unless an operation has another one.

Sources: ECS's pages of the operations (2025; their messages are only `%s` there, so the texts are those of 2018), and
for the gateway's codes the official list as reposted by the vendor's developer community. Unverified against today's
service, all of it; the lines that are not documented at all say so.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class ErrorText(NamedTuple):
    """What an error code stands for."""

    status: int
    message: str


ERRORS: Mapping[str, ErrorText] = MappingProxyType(
    {
        # Of the operations.
        "MissingParameter": ErrorText(
            404, "The input parameter that is mandatory for processing this request is not supplied."
        ),
        "InvalidParameter": ErrorText(403, "The specified parameter is not valid."),
        "InvalidParameter.TimeEndBeforeStart": ErrorText(403, "The end time is before the start time."),
        "InvalidNotBefore.Passed": ErrorText(403, "The NotBefore of system event has passed."),
        "InvalidInstanceId.NotFound": ErrorText(404, "Cannot find InstanceId."),
        "SimulatedEventLimitExceeded": ErrorText(403, "The amount of active simulated system event exceeds limit."),
        "InstanceIdLimitExceeded": ErrorText(403, "The amount of InstanceId specified exceeds limit."),
        "EventIdLimitExceeded": ErrorText(403, "The amount of EventId specified exceeds limit."),
        "CannotCancelSystemEvent.NotSimulated": ErrorText(403, "Only simulated system events can be canceled."),
        "InvalidEventId.NotFound": ErrorText(403, "Cannot find EventId."),
        "InvalidEventId.NoInquiringEventFound": ErrorText(404, "There is no inquiring event of this EventId."),
        "IncorrectInstanceStatus": ErrorText(403, "The current status of the resource does not support this."),
        # The text is that of 2018; what it says of simulated events is not published.
        "InvalidOperation.RedeployInstance": ErrorText(403, "There are no maintenance events found on the instance."),
        # Documented for AcceptInquiredSystemEvent, without a text.
        "OperationConflict": ErrorText(403, "The event is in a status that does not allow this."),
        "DiskIdLimitExceeded": ErrorText(403, "The amount of DiskId specified exceeds limit."),
        # The status is unverified.
        "DryRunOperation": ErrorText(400, "Request validation has been passed with DryRun flag set."),
        # Known from other operations of ECS: unverified here.
        "InvalidRegionId.NotFound": ErrorText(404, "The specified RegionId does not exist."),
        # Of the gateway.
        "InvalidApi.NotFound": ErrorText(404, "Specified api is not found, please check your url and method."),
        "InvalidAccessKeyId.NotFound": ErrorText(404, "Specified access key is not found."),
        "SignatureDoesNotMatch": ErrorText(
            400, "Specified signature is not matched with our calculation. server string to sign is:"
        ),
        "IncompleteSignature": ErrorText(400, "The request signature does not conform to Aliyun standards."),
        "InvalidTimeStamp.Format": ErrorText(400, "Specified time stamp or date value is not well formatted."),
        "InvalidTimeStamp.Expired": ErrorText(400, "Specified time stamp or date value is expired."),
        "SignatureNonceUsed": ErrorText(400, "Specified signature nonce was used already."),
        "InvalidSignatureMethod": ErrorText(400, "Specified signature method is not valid."),
        "InvalidParameter.Format": ErrorText(400, "Specified format is not valid."),
        "UnsupportedHTTPMethod": ErrorText(400, "This http method is not supported."),
        "Throttling.User": ErrorText(400, "Request was denied due to user flow control."),
        # Documented for STS, not for ECS: unverified.
        "InvalidSecurityToken.MismatchWithAccessKey": ErrorText(
            400, "Specified SecurityToken mismatch with the AccessKey."
        ),
    }
)

FAILURES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: ("Throttling", "Request was denied due to request throttling."),
        403: ("Forbidden.RAM", "User not authorized to operate on the specified resource."),
        404: ("InvalidApi.NotFound", ERRORS["InvalidApi.NotFound"].message),
        429: ("Throttling", "Request was denied due to request throttling."),
        500: ("InternalError", "The request processing has failed due to some unknown error."),
        503: ("ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
    }
)
"""Code and message of a failure of which only the status is given; each code is one that goes with that status."""

UNKNOWN_FAILURE = ("UnknownError", "The request processing has failed due to some unknown error.")


class ApiError(Exception):
    """The API refuses a request.

    Args:
        code: a code of `ERRORS`, or one of the gateway's that are made of a parameter's name.
        detail: what follows the code's message.
        status: in place of the code's.
        message: in place of the code's.
    """

    def __init__(self, code: str, detail: str = "", *, status: int | None = None, message: str | None = None) -> None:
        known = ERRORS.get(code, ErrorText(400, ""))
        self.code = code
        self.status = status or known.status
        self.message = (known.message if message is None else message) + detail
        super().__init__(code)


def missing(name: str) -> ApiError:
    """A parameter that every call needs is not there: `MissingAccessKeyId` and the like (text unverified)."""
    return ApiError(f"Missing{name}", message=f"{name} is mandatory for this action.")


def invalid(name: str) -> ApiError:
    """A parameter that every call needs has no possible value: `InvalidVersion` and the like (text unverified)."""
    return ApiError(f"Invalid{name}", message=f"Specified parameter {name} is not valid.")
