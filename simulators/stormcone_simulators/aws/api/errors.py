"""The errors of AWS's APIs: their codes, statuses and texts, and the three forms in which they are written.

Sources: EC2's page of error codes, and the pages of common errors of SQS and EC2 Auto Scaling. Texts for people are
ours where no page has them.
"""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from xml.sax.saxutils import escape

from stormcone_simulators.http.messages import Response, json_response

STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "AuthFailure": 401,
        "DryRunOperation": 412,
        "InvalidClientTokenId": 403,
        "MissingAuthenticationToken": 403,
        "SignatureDoesNotMatch": 403,
        "InternalError": 500,
        "InternalFailure": 500,
        "RequestLimitExceeded": 503,
        "ThrottlingException": 400,
        "ServiceUnavailable": 503,
        "Unavailable": 503,
    }
)
"""The HTTP statuses of codes; of any other it is 400."""

FAILURES: Mapping[int, str] = MappingProxyType(
    {
        400: "InvalidParameterValue",
        401: "AuthFailure",
        403: "UnauthorizedOperation",
        429: "RequestLimitExceeded",
        500: "InternalError",
        503: "Unavailable",
    }
)
"""What code goes with a fault of that status."""

QUERY_CODES: Mapping[str, str] = MappingProxyType(
    {
        "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
        "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
        "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
        "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    }
)
"""SQS's codes as its older protocol calls them, which it still names in a header."""

REQUEST_ID = "00000000-0000-4000-8000-000000000000"
"""The id of every request: what it is says nothing."""


_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """A text as it stands in XML, which has no way to write some characters: a question mark is in their place."""
    return escape(_NOT_IN_XML.sub("?", text))


class AwsError(Exception):
    """A call is refused.

    Attributes:
        code: the service's word.
        message: for people.
        status: the HTTP status.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = STATUSES.get(code, 400) if status is None else status


def missing(name: str) -> AwsError:
    """A parameter that has to be there is not."""
    return AwsError("MissingParameter", f"The request must contain the parameter {name}")


def invalid(name: str, value: str, why: str = "") -> AwsError:
    """A parameter's value cannot be used."""
    return AwsError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {why}".strip())


def unsupported(what: str) -> AwsError:
    """The simulator does not do that."""
    return AwsError("UnsupportedOperation", f"This simulator does not support {what}")


def in_ec2(error: AwsError) -> Response:
    """An error as EC2 writes it."""
    text = (
        f"<Response><Errors><Error><Code>{xml_text(error.code)}</Code><Message>{xml_text(error.message)}</Message></Error>"
        f"</Errors><RequestID>{REQUEST_ID}</RequestID></Response>"
    )
    return _xml(error.status, text)


def in_query(error: AwsError, namespace: str = "http://autoscaling.amazonaws.com/doc/2011-01-01/") -> Response:
    """An error as EC2 Auto Scaling writes it."""
    text = (
        f'<ErrorResponse xmlns="{namespace}"><Error>'
        f"<Type>{_fault(error.status)}</Type><Code>{xml_text(error.code)}</Code>"
        f"<Message>{xml_text(error.message)}</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )
    return _xml(error.status, text)


def in_json(error: AwsError) -> Response:
    """An error as SQS writes it."""
    named = QUERY_CODES.get(error.code, error.code)
    said = {"__type": f"com.amazonaws.sqs#{error.code}", "message": error.message}
    return json_response(error.status, said, ("x-amzn-query-error", f"{named};{_fault(error.status)}"))


def in_sqs_query(error: AwsError) -> Response:
    """An error as SQS writes it to a client of its older protocol."""
    named = AwsError(QUERY_CODES.get(error.code, error.code), error.message, error.status)
    return in_query(named, "http://queue.amazonaws.com/doc/2012-11-05/")


FORMS: Mapping[str, Callable[[AwsError], Response]] = MappingProxyType(
    {"ec2": in_ec2, "autoscaling": in_query, "sqs": in_json, "sqs-query": in_sqs_query}
)
"""How each protocol writes an error."""


def failure(protocol: str, status: int) -> Response:
    """What a service says where it fails with that status."""
    code = FAILURES.get(status, "InternalError")
    words = HTTPStatus(status).phrase if status in set(HTTPStatus) else "It failed"
    return FORMS.get(protocol, in_ec2)(AwsError(code, words, status))


def _fault(status: int) -> str:
    return "Receiver" if status >= 500 else "Sender"


def _xml(status: int, text: str) -> Response:
    return Response(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), "text/xml;charset=UTF-8")
