"""What the metadata service says when it says no.

Source: the bodies of the statuses are in the definition of the API that Azure publishes, those of the managed identity
in Azure's page on its tokens, and the sentence about `api-version` in the page on the Instance Metadata Service. What
else stands after a status' own words is ours, for people; the vendor promises no words there either.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from stormcone_simulators.azure.endpoints import IDENTITY_PATH, INSTANCE_PATH, ROOT
from stormcone_simulators.http.messages import TEXT_TYPE, Request, Response, json_response

_TEXTS = {
    400: "Bad request",
    403: "Forbidden",
    404: "Not found",
    405: "Not allowed",
    # Unverified.
    410: "Gone",
    429: "Too many requests",
    500: "Server error",
    503: "Service unavailable",
}

# The words of a managed identity's endpoints; 410: unverified.
_IDENTITY_CODES = {
    400: "invalid_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    410: "service_unavailable",
    429: "too_many_requests",
    500: "server_error",
    503: "service_unavailable",
}

NO_HEADER = "Required metadata header not specified"
NO_VERSION = (
    "api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds"
)


def refuse(
    request: Request,
    path: str,
    status: int,
    why: str = "",
    *,
    code: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """An answer with that status.

    Args:
        request: what is refused.
        path: its path, without a machine's prefix.
        status: the status.
        why: a sentence.
        code: a managed identity's word for it, where it is not the usual one of the status.
        headers: more headers.
        fields: what else the body has, where it is no text.
    """
    text = _TEXTS.get(status, "Error")
    sentence = f"{text}. {why}" if why else text
    if path.startswith(f"{IDENTITY_PATH}/"):
        error = code or _IDENTITY_CODES.get(status, "server_error")
        return json_response(status, {"error": error, "error_description": why or text}, *headers)
    # Seen in the field for 429, unverified for others: who asks for text is refused in text.
    if request.query.get("format") == "text" and (path == ROOT or path.startswith(INSTANCE_PATH)):
        return Response(status, sentence.encode(), TEXT_TYPE, headers)
    return json_response(status, {"error": sentence, **fields}, *headers)
