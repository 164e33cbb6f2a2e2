"""The API on the wire: a call is let in, read, carried out and answered as JSON or XML; no rules.

Source, unless a line says otherwise: the vendor's documentation of RPC-style requests and of common errors.
"""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from stormcone_simulators.alibaba.errors import FAILURES, UNKNOWN_FAILURE, ApiError
from stormcone_simulators.alibaba.gate import Call, Gate
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.operations import OPERATIONS, Caller
from stormcone_simulators.alibaba.parameters import INVALID
from stormcone_simulators.alibaba.site import Site
from stormcone_simulators.http.messages import Request, Response, form_of, repeated_parameters

JSON_TYPE = "application/json;charset=utf-8"
XML_TYPE = "text/xml;charset=utf-8"


class Api:
    """The operations of one region.

    Args:
        model: the rules.
        gate: who is let in.
        site: it.
        ignores_unknown: whether a parameter that an operation does not have is ignored, and not refused.
    """

    def __init__(self, model: AlibabaModel, gate: Gate, site: Site, *, ignores_unknown: bool) -> None:
        self._model = model
        self._gate = gate
        self._site = site
        self._ignores_unknown = ignores_unknown

    def answer(self, call: Call, machine: str, now: datetime) -> Response:
        """What a call is answered."""
        try:
            document = self._carry_out(call, machine, now)
        except ApiError as error:
            return refused(call, error, self._site.region)
        return answered(call, document)

    def failure(self, call: Call, status: int) -> Response:
        """What a call is answered when the service fails with that status."""
        code, message = FAILURES.get(status, UNKNOWN_FAILURE)
        return refused(call, ApiError(code, status=status, message=message), self._site.region)

    def _carry_out(self, call: Call, machine: str, now: datetime) -> dict[str, Any]:
        self._gate.admit(call, now)
        operation = OPERATIONS.get(call.action)
        if operation is None:
            raise ApiError("InvalidApi.NotFound")
        _check_that_all_is_heard(call.request)
        given = operation.schema.read(call.parameters, self._site.region, ignores_unknown=self._ignores_unknown)
        caller = Caller(machine=machine, host=call.request.header("host") or "", site=self._site, now=now)
        try:
            return operation.call(self._model, given, caller)
        except ApiError as error:
            raise operation.schema.refined(error) from error


def _check_that_all_is_heard(request: Request) -> None:
    # Unverified: what the service does with either.
    if repeated := repeated_parameters(request, in_form=True):
        raise ApiError(INVALID, f" {repeated[0]}: it is given more than once")
    if request.body and not form_of(request):
        raise ApiError(INVALID, " The body is no form of parameters; leave it out")


def answered(call: Call, document: dict[str, Any]) -> Response:
    """The answer to a call that was carried out; `document` goes without `RequestId`."""
    return _respond(call, 200, f"{call.action}Response", {"RequestId": _request_id(), **document})


def refused(call: Call, error: ApiError, region: str) -> Response:
    """The answer to a call that was not carried out."""
    document = {
        "RequestId": _request_id(),
        "HostId": f"ecs.{region}.aliyuncs.com",
        "Code": error.code,
        "Message": error.message,
        # Unverified: the address that people are sent to.
        "Recommend": f"https://error-center.aliyun.com/status/search?Keyword={error.code}&source=PopGw",
    }
    return _respond(call, error.status, "Error", document)


def _request_id() -> str:
    return str(uuid.uuid4()).upper()


def _respond(call: Call, status: int, root: str, document: dict[str, Any]) -> Response:
    if call.as_json:
        return Response(status, json.dumps(document, ensure_ascii=False).encode(), content_type=JSON_TYPE)
    return Response(status, xml(root, document), content_type=XML_TYPE)


def xml(root: str, document: dict[str, Any]) -> bytes:
    """A document as XML: a list is its element repeated."""
    return f'<?xml version="1.0" encoding="UTF-8"?>{"".join(_elements(root, document))}'.encode()


# What XML 1.0 cannot hold at all.
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _elements(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _elements(name, each)
        return
    yield f"<{name}>"
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _elements(key, each)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield escape(_IMPOSSIBLE.sub("\ufffd", text), {"\r": "&#13;"})
    yield f"</{name}>"
