"""What the metadata server and the Compute API say when they say no.

Source: the API's errors are of the form in Google's guide to API errors, with the words of Compute Engine's. The texts
are ours where no page has them; unverified, all of the metadata server's texts.
"""

from collections.abc import Mapping
from types import MappingProxyType

from stormcone_simulators.http.messages import JSON_TYPE, Request, Response, json_response

FLAVOR = ("Metadata-Flavor", "Google")
SERVER = ("Server", "Metadata Server for VM")
HTML_TYPE = "text/html; charset=UTF-8"

_PAGE = "<!DOCTYPE html>\n<html lang=en>\n<title>Error {status} ({reason})!!1</title>\n<p><b>{status}.</b> {why}\n"

NO_FLAVOR = "Missing Metadata-Flavor:Google header."
FORWARDED = "Requests with the header X-Forwarded-For are refused."
NO_NOTIFICATIONS = '{ "error": "no notifications have been received yet, try again later" }'
"""What `upcoming-maintenance` says with 503 where nothing was ever scheduled; as other clients have seen it."""

_STATUSES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: ("INVALID_ARGUMENT", "badRequest"),
        401: ("UNAUTHENTICATED", "required"),
        403: ("PERMISSION_DENIED", "forbidden"),
        404: ("NOT_FOUND", "notFound"),
        409: ("ALREADY_EXISTS", "alreadyExists"),
        412: ("FAILED_PRECONDITION", "conditionNotMet"),
        429: ("RESOURCE_EXHAUSTED", "rateLimitExceeded"),
        500: ("INTERNAL", "backendError"),
        501: ("UNIMPLEMENTED", "notImplemented"),
        503: ("UNAVAILABLE", "backendError"),
    }
)
"""The word of a status, and the usual reason that goes with it."""

NO_CREDENTIALS = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
BAD_CREDENTIALS = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


class ComputeError(Exception):
    """The Compute API refuses a request.

    Args:
        status: of HTTP.
        message: for people.
        reason: in place of the status' usual one.
    """

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        self.status = status
        self.message = message
        self.reason = reason
        super().__init__(message)

    def response(self) -> Response:
        """The answer."""
        word, reason = _STATUSES.get(self.status, ("UNKNOWN", "unknown"))
        one = {"message": self.message, "domain": "global", "reason": self.reason or reason}
        error = {"code": self.status, "message": self.message, "errors": [one], "status": word}
        return json_response(self.status, {"error": error})


def metadata_error(status: int, why: str = "") -> Response:
    """The metadata server's answer with that status: a page."""
    reason = Response(status).reason
    page = _PAGE.format(status=status, reason=reason, why=why or reason)
    return Response(status, page.encode(), HTML_TYPE, (FLAVOR, SERVER))


def nothing_yet() -> Response:
    """The metadata server's answer for upcoming maintenance where nothing was ever scheduled."""
    return Response(503, NO_NOTIFICATIONS.encode(), JSON_TYPE, (FLAVOR, SERVER))


def unsupported(request: Request, path: str) -> ComputeError:
    """There is nothing in this simulator at that path of the API."""
    return ComputeError(404, f"The simulator does not support {request.method} {path}.", "notFound")
