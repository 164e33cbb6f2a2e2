"""What the metadata service says when it says no.

Unverified, all of it: the statuses are documented or were seen in the field, the bodies are not known. So a client
that reads them relies on nothing that Azure promises.
"""

from stormcone_simulators.http.messages import Response, json_response

_TEXTS = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    410: "Gone",
    429: "Too many requests",
    500: "Internal server error",
    503: "Service unavailable",
}


def error(status: int, why: str = "") -> Response:
    """An answer with that status; `why` is a sentence for people."""
    text = _TEXTS.get(status, "Error")
    return json_response(status, {"error": f"{text}. {why}" if why else text})
