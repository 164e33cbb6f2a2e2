"""Replaying what Azure's metadata service said; see `stormcone_simulators.replay`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from stormcone.clouds.exchange import Exchange
from stormcone.model import Cause, Impact, Phase
from stormcone.recording import Trace
from stormcone.text import folded
from stormcone_simulators.azure.endpoints import EVENTS_PATH, INSTANCE_PATH
from stormcone_simulators.azure.errors import NO_HEADER, refuse
from stormcone_simulators.azure.event_versions import CURRENT_VERSION
from stormcone_simulators.azure.gate import has_header
from stormcone_simulators.azure.model import EVENT_TYPES
from stormcone_simulators.azure.scheduled_events import approved_ids
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.replay import CloudReplay, ReplaySimulator
from stormcone_simulators.replay.track import Listing, time_in

_ROOT = "/metadata/"


class AzureReplay(ReplaySimulator):
    """Azure's metadata service as it was recorded; see `ReplaySimulator`."""

    name: ClassVar[str] = "azure"

    def protocol(self, traces: Sequence[Trace]) -> CloudReplay:  # noqa: ARG002 - it is the same for all
        """Azure's."""
        return _Protocol()

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        address = f"{self.url}{EVENTS_PATH}?api-version={CURRENT_VERSION}"
        return {"scheduled_events": address, "header": "Metadata: true", **super().facts()}


class _Protocol:
    """Azure's `CloudReplay`."""

    def operation(self, request: Request, path: str) -> str | None:  # noqa: ARG002 - the protocol's face
        path = path.rstrip("/").lower()
        start = path.find(_ROOT)
        return path[start:] if start >= 0 else None

    def refusal(self, request: Request, path: str) -> Response | None:
        return None if has_header(request) else refuse(request, path, 400, NO_HEADER)

    def approves(self, request: Request, path: str) -> tuple[str, ...]:
        if request.method != "POST" or self.operation(request, path) != EVENTS_PATH:
            return ()
        return approved_ids(request.body) or ()

    def approval(self, request: Request, path: str, unknown: str | None) -> Response:
        return Response(200) if unknown is None else refuse(request, path, 400, f"There is no event {unknown}")

    def composed(self, request: Request, path: str, answers: Sequence[Exchange]) -> None:  # noqa: ARG002
        return None

    def listed(self, request: Request, exchange: Exchange, operation: str) -> Listing | None:
        if operation != EVENTS_PATH or request.method != "GET" or exchange.status != 200:
            return None
        document = _document(exchange.body)
        entries = document.get("Events")
        if not isinstance(entries, list):
            return None
        return Listing([_event(entry, exchange.at) for entry in entries if isinstance(entry, dict)])

    def machine(self, exchange: Exchange, operation: str) -> str | None:
        if not operation.startswith(INSTANCE_PATH) or exchange.status != 200:
            return None
        document = _document(exchange.body)
        name = (document.get("compute") or document).get("name")
        return name if isinstance(name, str) else None

    def failure(self, status: int, request: Request, path: str) -> Response:
        return refuse(request, path, status)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = read_json(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _event(entry: dict[str, Any], at: datetime) -> SimulatedEvent:
    """The event that an entry of a document means; what cannot be read is as if it were not there."""
    native_type = str(entry.get("EventType", ""))
    known = EVENT_TYPES.get(native_type)
    seconds = entry.get("DurationInSeconds")
    resources = entry.get("Resources")
    cause = Cause.USER if entry.get("EventSource") == "User" else known.cause if known else Cause.UNKNOWN
    return SimulatedEvent(
        id=str(entry.get("EventId", "")),
        impact=known.impact if known else Impact.UNKNOWN,
        cause=cause,
        native_type=native_type,
        resources=tuple(map(str, resources)) if isinstance(resources, list) else (),
        not_before=time_in(entry.get("NotBefore"), at),
        duration=timedelta(seconds=seconds) if isinstance(seconds, int) and 0 <= seconds < 10**9 else None,
        started_for=None,
        description=str(entry.get("Description", "")),
        created_at=at,
        starts_at=None,
        phase=Phase.STARTED if folded(str(entry.get("EventStatus", ""))) == "started" else Phase.SCHEDULED,
    )
