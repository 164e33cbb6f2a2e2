"""Azure's metadata service on the wire: which endpoint answers a request; no rules."""

from dataclasses import replace
from datetime import datetime

from stormcone_simulators.azure.endpoints import (
    EVENTS_PATH,
    INSTANCE_PATH,
    INSTANCE_VERSIONS,
    LOAD_BALANCER_PATH,
    ROOT,
    VERSIONS_PATH,
    Endpoint,
    find_endpoint,
)
from stormcone_simulators.azure.errors import refuse
from stormcone_simulators.azure.gate import refusal
from stormcone_simulators.azure.identity import identity_answer
from stormcone_simulators.azure.instance import instance_answer, text_answer
from stormcone_simulators.azure.instance_document import InstanceDocuments
from stormcone_simulators.azure.model import AzureModel
from stormcone_simulators.azure.scheduled_events import ScheduledEvents
from stormcone_simulators.azure.throttle import Throttle
from stormcone_simulators.http.messages import Later, Request, Response, json_response
from stormcone_simulators.machines import SimulatedMachine

# Seen in the field; the number is one of many.
_SERVER = ("Server", "IMDS/150.870.65.1015")

# Seen in the field: `instance/`; unverified: the others.
_LISTED = {"identity": {}, "instance": {}, "scheduledevents": "", "versions": ""}

_NO_LOAD_BALANCER = (
    "No load balancer metadata is found. "
    "Check if your virtual machine is using any nonbasic SKU load balancer and retry later."
)


class AzureWire:
    """The protocol of the metadata service.

    Args:
        model: the rules.
        etag: whether the events' answers carry an `ETag`.
        throttle: whether the limits on how often a machine may ask are kept.
    """

    def __init__(self, model: AzureModel, *, etag: bool, throttle: bool) -> None:
        self._events = ScheduledEvents(model, etag=etag)
        self._instances = InstanceDocuments(model.machines, model.rules)
        self._throttle = Throttle() if throttle else None

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the service answers to `machine`."""
        answer = self._answer(request, _plain(path), machine, now)
        return answer if isinstance(answer, Later) else _signed(answer)

    def failure(self, status: int, request: Request, path: str) -> Response:
        """What the service says where it fails with that status."""
        return _signed(refuse(request, _plain(path), status))

    def _answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        if self._throttle and self._throttle.refuses(machine.name, path, now):
            return refuse(request, path, 429)
        endpoint, part = find_endpoint(path)
        refused = refusal(endpoint, request, path)
        if refused is not None or endpoint is None:
            return refused or refuse(request, path, 404)
        return self._of(endpoint, part, request, path, machine, now)

    def _of(
        self, endpoint: Endpoint, part: str, request: Request, path: str, machine: SimulatedMachine, now: datetime
    ) -> Response | Later:
        if endpoint.path == EVENTS_PATH:
            return self._events.answer(request, path, machine, now)
        if endpoint.path == INSTANCE_PATH:
            document = self._instances.document(machine, request.query["api-version"])
            return instance_answer(request, path, part, document)
        if endpoint.path == VERSIONS_PATH:
            return json_response(200, {"apiVersions": INSTANCE_VERSIONS})
        if endpoint.path == ROOT:
            return text_answer(_LISTED)
        if endpoint.path == LOAD_BALANCER_PATH:
            return json_response(404, {"error": _NO_LOAD_BALANCER})
        return identity_answer(request, path)


def _plain(path: str) -> str:
    # Unverified: that neither a slash at the end nor the case of the path matters.
    return path.rstrip("/").lower()


def _signed(response: Response) -> Response:
    return replace(response, headers=(*response.headers, _SERVER))
