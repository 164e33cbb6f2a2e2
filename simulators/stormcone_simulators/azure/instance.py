"""`GET /metadata/instance`: a machine's document, whole or in parts.

Source: Azure's page on the Instance Metadata Service, "Route parameters" and "Data format". How a document is listed as
text was seen in clients: a name on each line, and a slash after one that has more below it.
"""

from collections.abc import Mapping
from typing import Any

from stormcone.text import folded
from stormcone_simulators.azure.errors import refuse
from stormcone_simulators.http.messages import TEXT_TYPE, Request, Response, json_response


def instance_answer(request: Request, path: str, part: str, document: dict[str, Any]) -> Response:
    """The part of the document that is named, such as `/network/interface/0/macAddress`.

    A single value is given as text only, and has to be asked for with `format=text`. Unverified: that the case of names
    does not matter.
    """
    node: Any = document
    for name in part.split("/")[1:]:
        below = {folded(known): child for known, child in _children(node).items()}
        if folded(name) not in below:
            return refuse(request, path, 404)
        node = below[folded(name)]
    as_text = request.query.get("format") == "text"
    if isinstance(node, str) and not as_text:
        return refuse(request, path, 400, "A single value is given as text only: add format=text")
    return text_answer(node) if as_text else json_response(200, node)


def text_answer(node: Any) -> Response:
    """A value as text, or a list of what is below it."""
    if isinstance(node, str):
        return Response(200, node.encode(), TEXT_TYPE)
    lines = (name if isinstance(child, str) else f"{name}/" for name, child in _children(node).items())
    return Response(200, "\n".join(lines).encode(), TEXT_TYPE)


def _children(node: Any) -> Mapping[str, Any]:
    if isinstance(node, dict):
        return node
    return {str(place): item for place, item in enumerate(node)} if isinstance(node, list) else {}
