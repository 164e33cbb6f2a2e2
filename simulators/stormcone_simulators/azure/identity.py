"""`/metadata/identity`: a machine without a managed identity, which says so at once.

Source: the definition of the API that Azure publishes and Azure's page on managed identities' tokens; the answer of a
machine without an identity was seen in the field. A simulator has no token to give that any service would take.
"""

from stormcone_simulators.azure.errors import refuse
from stormcone_simulators.http.messages import Request, Response


def identity_answer(request: Request, path: str) -> Response:
    """The answer to a request that is in order. Unverified for `info`: that it is the same."""
    return refuse(request, path, 400, "Identity not found")
