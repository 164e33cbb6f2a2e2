"""Azure's metadata service on the wire: paths, headers, versions, documents; no rules.

Source, unless a line says otherwise: Azure's documentation of Scheduled Events and of the Instance Metadata Service.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from stormcone.model import Cause, Phase
from stormcone_simulators.azure.errors import error
from stormcone_simulators.azure.instance import instance_answer
from stormcone_simulators.azure.model import EVENT_TYPES, AzureModel
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.machines import SimulatedMachine

EVENTS_PATH = "/metadata/scheduledevents"
INSTANCE_PATH = "/metadata/instance"
CURRENT_VERSION = "2020-07-01"

_OLD_TYPES = ("Freeze", "Reboot", "Redeploy")


@dataclass(frozen=True, kw_only=True)
class Version:
    """One `api-version` of Scheduled Events.

    Attributes:
        types: the event types that it knows; events of others are not shown in it.
        fields: what it adds to the fields that every version has.
        prefix: what stands before the names of machines.
        header: whether it demands the header `Metadata: true`.
    """

    types: tuple[str, ...]
    fields: tuple[str, ...] = ()
    prefix: str = ""
    header: bool = True


VERSIONS: Mapping[str, Version] = {
    "2017-03-01": Version(types=_OLD_TYPES, prefix="_", header=False),
    "2017-08-01": Version(types=_OLD_TYPES),
    "2017-11-01": Version(types=(*_OLD_TYPES, "Preempt")),
    "2019-01-01": Version(types=tuple(EVENT_TYPES)),
    "2019-04-01": Version(types=tuple(EVENT_TYPES), fields=("Description",)),
    "2019-08-01": Version(types=tuple(EVENT_TYPES), fields=("Description", "EventSource")),
    CURRENT_VERSION: Version(types=tuple(EVENT_TYPES), fields=("Description", "EventSource", "DurationInSeconds")),
}

_LATER_FIELDS: Mapping[str, Callable[[SimulatedEvent], str | int]] = {
    "Description": lambda event: event.description,
    "EventSource": lambda event: "User" if event.cause is Cause.USER else "Platform",
    "DurationInSeconds": lambda event: -1 if event.duration is None else int(event.duration.total_seconds()),
}

_STATUS = {Phase.SCHEDULED: "Scheduled", Phase.STARTED: "Started"}


class _StartRequest(BaseModel):
    id: str = Field(alias="EventId", min_length=1)


class _StartRequests(BaseModel):
    requests: list[_StartRequest] = Field(alias="StartRequests", min_length=1)


def approved_ids(body: bytes) -> tuple[str, ...] | None:
    """The events that the body of a `POST` approves; None where it is no list of `StartRequests`."""
    try:
        return tuple(start.id for start in _StartRequests.model_validate_json(body).requests)
    except ValidationError:
        return None


def rfc1123(time: datetime) -> str:
    """A time as the service writes it: `Mon, 11 Apr 2022 22:26:58 GMT`."""
    return format_datetime(time.astimezone(UTC), usegmt=True)


def event_document(event: SimulatedEvent, shown_id: str, version: Version) -> dict[str, Any]:
    """The event as that version shows it; the order of the keys is the service's."""
    return {
        "EventId": shown_id,
        "EventStatus": _STATUS[event.phase],
        "EventType": event.native_type,
        "ResourceType": "VirtualMachine",
        "Resources": [version.prefix + name for name in event.resources],
        "NotBefore": rfc1123(event.not_before) if event.phase is Phase.SCHEDULED else "",
        **{name: _LATER_FIELDS[name](event) for name in version.fields},
    }


class AzureWire:
    """The protocol of the metadata service.

    Args:
        model: the rules.
        etag: whether answers carry an `ETag`, as some were seen to.
    """

    def __init__(self, model: AzureModel, *, etag: bool) -> None:
        self._model = model
        self._etag = etag
        # A thousand machines that ask once a second see few changes: their common part is written once for each.
        self._written: dict[tuple[str, Version], tuple[int, bytes]] = {}

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the service answers to `machine`."""
        path = path.rstrip("/").lower()
        if path == EVENTS_PATH:
            return self._scheduled_events(request, machine, now)
        if path == INSTANCE_PATH or path.startswith(f"{INSTANCE_PATH}/"):
            return self._instance(request, path.removeprefix(INSTANCE_PATH), machine)
        return error(404)

    def failure(self, status: int, _request: Request, _path: str) -> Response:
        """What the service says where it fails with that status."""
        return error(status)

    def _scheduled_events(self, request: Request, machine: SimulatedMachine, now: datetime) -> Response | Later:
        version = VERSIONS.get(request.query.get("api-version", ""))
        if version is None:
            return error(400, f"api-version is invalid or missing; there are: {', '.join(VERSIONS)}")
        if version.header and not has_header(request):
            return error(400, "The header Metadata: true is missing")
        if request.method not in {"GET", "HEAD", "POST"}:
            return error(405)
        if (wait := self._model.wake(machine, now).total_seconds()) > 0:
            return Later(wait)
        if request.method == "POST":
            return self._start(request, machine, now)
        return self._document(request, machine, version)

    def _document(self, request: Request, machine: SimulatedMachine, version: Version) -> Response:
        body = b'{"DocumentIncarnation": %d, "Events": %b}' % (
            self._model.incarnation(machine),
            self._events(machine, version),
        )
        if not self._etag:
            return Response(200, body)
        etag = ("ETag", f'"{sha256(body).hexdigest()[:16]}"')
        if request.header("if-none-match") == etag[1]:
            return Response(304, headers=(etag,))
        return Response(200, body, headers=(etag,))

    def _events(self, machine: SimulatedMachine, version: Version) -> bytes:
        key = (self._model.audience(machine), version)
        revision, written = self._written.get(key, (-1, b""))
        if revision != self._model.revision:
            events = [
                event_document(event, self._model.shown_id(event), version)
                for event in self._model.view(machine)
                if event.native_type in version.types
            ]
            written = json.dumps(events).encode()
            self._written[key] = (self._model.revision, written)
        return written

    def _start(self, request: Request, machine: SimulatedMachine, now: datetime) -> Response:
        asked = approved_ids(request.body)
        if asked is None:
            return error(400, "The body is not a list of StartRequests")
        unknown = self._model.approve(machine, asked, now)
        if unknown is not None:
            return error(400, f"There is no event {unknown}")
        # Unverified: that the body is empty.
        return Response(200)

    def _instance(self, request: Request, path: str, machine: SimulatedMachine) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return error(405)
        if not has_header(request):
            return error(400, "The header Metadata: true is missing")
        return instance_answer(request, path, machine, self._model.rules)


def has_header(request: Request) -> bool:
    """Whether the request has the header that every request must have."""
    # Unverified: that the case of the value does not matter.
    return (request.header("metadata") or "").strip().lower() == "true"
