"""What is refused before an endpoint looks at it: whatever the table of `endpoints` does not have.

The order is ours: unverified, but for the header, without which "any request" is rejected.
"""

from functools import partial

from stormcone_simulators.azure.endpoints import Endpoint
from stormcone_simulators.azure.errors import NO_HEADER, NO_VERSION, refuse
from stormcone_simulators.http.messages import Request, Response, repeated_parameters

_NEWEST = 3
"""How many of the newest versions a refusal names."""


def refusal(endpoint: Endpoint | None, request: Request, path: str) -> Response | None:
    """Why the request is refused, or None; without an endpoint there is nothing at its path."""
    no = partial(refuse, request, path)
    version = request.query.get("api-version")
    if request.header("x-forwarded-for") is not None:
        return no(400, "A request with the header X-Forwarded-For is rejected")
    if not has_header(request) and not (endpoint and version in endpoint.bare):
        return no(400, NO_HEADER, code="bad_request_102")
    if endpoint is None:
        return no(404)
    if request.method not in endpoint.methods:
        return no(405, headers=(("Allow", ", ".join(endpoint.methods)),))
    if repeated := repeated_parameters(request):
        return no(400, f"The parameter {repeated[0]} is given more than once")
    if endpoint.versions and version not in endpoint.versions:
        return no(400, NO_VERSION, fields={"newest-versions": endpoint.versions[: -_NEWEST - 1 : -1]})
    why = _parameters(endpoint, request)
    return None if why is None else no(400, why)


def has_header(request: Request) -> bool:
    """Whether the request has the header that every request must have.

    Its value is read without regard to case: the vendor's own agent sends `True`.
    """
    return (request.header("metadata") or "").strip().lower() == "true"


def _parameters(endpoint: Endpoint, request: Request) -> str | None:
    for name in endpoint.required:
        if not request.query.get(name):
            return f"Required query variable '{name}' is missing"
    for name, value in request.query.items():
        if name == "api-version" and endpoint.versions:
            continue
        if name not in endpoint.parameters:
            return f"There is no parameter {name} of {endpoint.path}"
        values = endpoint.parameters[name]
        if values and value not in values:
            return f"The parameter {name} takes {' or '.join(values)}"
    return None
