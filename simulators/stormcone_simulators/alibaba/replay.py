"""Replaying what Alibaba Cloud said; see `stormcone_simulators.replay`.

Signatures are not looked at: they are not in a trace, and whoever replays one has no need of a key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.exchange import Exchange
from stormcone.model import Cause, Impact, Phase
from stormcone.recording import Trace
from stormcone_simulators.alibaba.errors import FAILURES, UNKNOWN_FAILURE, ApiError
from stormcone_simulators.alibaba.gate import Call
from stormcone_simulators.alibaba.metadata import ROOT, failure
from stormcone_simulators.alibaba.rpc import answered, refused
from stormcone_simulators.alibaba.types import EVENT_TYPES, STATUS_OF, EventStatus
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.replay import CloudReplay, ReplaySimulator
from stormcone_simulators.replay.track import Listing, recorded_request, time_in

HISTORY = "DescribeInstanceHistoryEvents"
ACCEPT = "AcceptInquiredSystemEvent"

_REGION_PATH = f"{ROOT}/meta-data/region-id"
_INSTANCE_PATH = f"{ROOT}/meta-data/instance-id"
_OUTCOMES = {status: outcome for outcome, status in STATUS_OF.items()}
_UNUSED_KEY = {"access-key-id": "replay", "access-key-secret": "replay"}


class AlibabaReplay(ReplaySimulator):
    """Alibaba Cloud's API and metadata service as they were recorded; see `ReplaySimulator`."""

    name: ClassVar[str] = "alibaba"

    def protocol(self, traces: Sequence[Trace]) -> CloudReplay:
        """Alibaba Cloud's, in the region that the traces are of."""
        self._region = next((region for trace in traces if (region := _region(trace))), "")
        return _Protocol(self._region)

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {"region": self._region, **super().facts()}

    def provider_options(self, machine: str | None = None) -> ProviderOptions:
        """How a provider reaches API and metadata, as `machine` or the first one; it signs with a key of no meaning.

        Raises:
            SimulationError: there is no such machine.
        """
        return replace(super().provider_options(machine), region=self._region or None, settings=_UNUSED_KEY)


class _Protocol:
    """Alibaba Cloud's `CloudReplay`."""

    def __init__(self, region: str) -> None:
        self._region = region

    def operation(self, request: Request, path: str) -> str | None:
        start = f"{path}/".find(f"{ROOT}/")
        return path[start:].rstrip("/") if start >= 0 else Call.of(request, path).action or None

    def refusal(self, request: Request, path: str) -> Response | None:  # noqa: ARG002 - the protocol's face
        return None

    def approves(self, request: Request, path: str) -> tuple[str, ...]:
        call = Call.of(request, path)
        return (call.parameters.get("EventId", ""),) if call.action == ACCEPT else ()

    def approval(self, request: Request, path: str, unknown: str | None) -> Response:
        call = Call.of(request, path)
        if unknown is not None:
            return refused(call, ApiError("InvalidEventId.NoInquiringEventFound"), self._region)
        return answered(call, {})

    def composed(self, request: Request, path: str, answers: Sequence[Exchange]) -> Response | None:
        """The last that was said of each of the events that are asked for by their ids."""
        call = Call.of(request, path)
        wanted = {value for name, value in call.parameters.items() if name.startswith("EventId.")}
        if not wanted:
            return None
        last = {str(item.get("EventId")): item for answer in answers for item in _items(_object(answer.body))}
        listed = [last[event_id] for event_id in sorted(wanted) if event_id in last]
        return answered(call, {"InstanceSystemEventSet": {"InstanceSystemEventType": listed}})

    def listed(self, request: Request, exchange: Exchange, operation: str) -> Listing | None:
        if operation != HISTORY or exchange.status != 200:
            return None
        document = _object(exchange.body)
        part = "EventId.1" in request.query or "NextToken" in request.query or bool(document.get("NextToken"))
        events = [_event(item, exchange.at) for item in _items(document)]
        return Listing(events, complete=not part)

    def machine(self, exchange: Exchange, operation: str) -> str | None:
        return (
            exchange.body.decode(errors="replace") if operation == _INSTANCE_PATH and exchange.status == 200 else None
        )

    def failure(self, status: int, request: Request, path: str) -> Response:
        if (self.operation(request, path) or "").startswith(ROOT):
            return failure(status)
        code, message = FAILURES.get(status, UNKNOWN_FAILURE)
        return refused(Call.of(request, path), ApiError(code, status=status, message=message), self._region)


def _region(trace: Trace) -> str:
    """The region that the trace is of, or ""."""
    for entry in trace.entries:
        request, path = recorded_request(entry.exchange)
        if "RegionId" in request.query:
            return request.query["RegionId"]
        if path.endswith(_REGION_PATH) and entry.exchange.status == 200:
            return entry.exchange.body.decode(errors="replace")
    return ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = read_json(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _items(document: dict[str, Any]) -> list[dict[str, Any]]:
    items = _inner(_inner(document, "InstanceSystemEventSet"), "InstanceSystemEventType")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _inner(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None


def _named(item: Mapping[str, Any], name: str) -> str:
    return str(_inner(item.get(name), "Name") or "")


def _event(item: Mapping[str, Any], at: datetime) -> SimulatedEvent:
    """The event that an entry means; what cannot be read is as if it were not there."""
    native_type, status = _named(item, "EventType"), _named(item, "EventCycleStatus")
    known = EVENT_TYPES.get(native_type)
    outcome = _OUTCOMES.get(EventStatus(status)) if status in set(EventStatus) else None
    started = Phase.STARTED if status == EventStatus.EXECUTING else Phase.SCHEDULED
    return SimulatedEvent(
        id=str(item.get("EventId", "")),
        impact=known.impact if known else Impact.UNKNOWN,
        cause=known.cause if known else Cause.UNKNOWN,
        native_type=native_type,
        resources=(str(item.get("InstanceId", "")),),
        not_before=time_in(item.get("NotBefore"), at),
        duration=None,
        started_for=None,
        description=str(item.get("Reason", "")),
        created_at=at,
        starts_at=None,
        phase=Phase.ENDED if outcome else started,
        outcome=outcome,
    )
