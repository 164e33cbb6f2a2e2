"""`/metadata/scheduledevents` on the wire: the document, and approvals; no rules.

Source, unless a line says otherwise: Azure's documentation of Scheduled Events.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stormcone.model import Cause, Phase
from stormcone_simulators.azure.errors import refuse
from stormcone_simulators.azure.event_versions import VERSIONS, Version
from stormcone_simulators.azure.model import AzureModel
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.conditional import is_known
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.machines import SimulatedMachine

_LATER_FIELDS: Mapping[str, Callable[[SimulatedEvent], str | int]] = {
    "Description": lambda event: event.description,
    "EventSource": lambda event: "User" if event.cause is Cause.USER else "Platform",
    "DurationInSeconds": lambda event: -1 if event.duration is None else int(event.duration.total_seconds()),
}

_STATUS = {Phase.SCHEDULED: "Scheduled", Phase.STARTED: "Started"}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _StartRequest(_Body):
    id: str = Field(alias="EventId", min_length=1)


class _StartRequests(_Body):
    requests: list[_StartRequest] = Field(alias="StartRequests", min_length=1)
    # Seen in the field: some clients add it, and it changes nothing.
    incarnation: object = Field(None, alias="DocumentIncarnation")


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


class ScheduledEvents:
    """The endpoint.

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
        """What the service answers to a request that is in order."""
        if (wait := self._model.wake(machine, now).total_seconds()) > 0:
            return Later(wait)
        if request.method == "POST":
            return self._start(request, path, machine, now)
        return self._document(request, machine, VERSIONS[request.query["api-version"]])

    def _document(self, request: Request, machine: SimulatedMachine, version: Version) -> Response:
        body = b'{"DocumentIncarnation": %d, "Events": %b}' % (
            self._model.incarnation(machine),
            self._events(machine, version),
        )
        if not self._etag:
            return Response(200, body)
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        headers = (("ETag", etag),)
        return Response(304, headers=headers) if is_known(request, etag) else Response(200, body, headers=headers)

    def _events(self, machine: SimulatedMachine, version: Version) -> bytes:
        if self._model.is_waiting(machine):
            return b"[]"
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

    def _start(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response:
        asked = approved_ids(request.body)
        if asked is None:
            return refuse(request, path, 400, "The body is not a list of StartRequests")
        unknown = self._model.approve(machine, asked, now)
        if unknown is not None:
            return refuse(request, path, 400, f"There is no event {unknown}")
        # Unverified: that the body is empty.
        return Response(200)
