"""Replaying what an instance's metadata service said; see `stormcone_simulators.replay`.

Tokens are not looked at: they are not in a trace, and whoever replays one is not refused for want of one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from stormcone.clouds.exchange import Exchange
from stormcone.model import Cause, Impact, Phase
from stormcone.recording import Trace
from stormcone_simulators.aws.imds.pages import page
from stormcone_simulators.aws.types import EVENT_TYPES, STATE_OF, Family
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.replay import CloudReplay, ReplaySimulator
from stormcone_simulators.replay.track import Listing, time_in

_ROOT = "/latest"
_META = f"{_ROOT}/meta-data"
_INSTANCE_PATH = f"{_META}/instance-id"
_HISTORY_PATH = f"{_META}/events/maintenance/history"
_OUTCOMES = {state: outcome for outcome, state in STATE_OF.items()}


class AwsReplay(ReplaySimulator):
    """An instance's metadata service as it was recorded; see `ReplaySimulator`."""

    name: ClassVar[str] = "aws"

    def protocol(self, traces: Sequence[Trace]) -> CloudReplay:  # noqa: ARG002 - it is the same for all
        """AWS's."""
        return _Protocol()

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {"metadata": f"{self.url}{_META}/", **super().facts()}


class _Protocol:
    """AWS's `CloudReplay`."""

    def operation(self, request: Request, path: str) -> str | None:  # noqa: ARG002 - the protocol's face
        start = f"{path}/".find(f"{_ROOT}/")
        return path[start:].rstrip("/") if start >= 0 else None

    def refusal(self, request: Request, path: str) -> None:  # noqa: ARG002 - the protocol's face
        return None

    def approves(self, request: Request, path: str) -> tuple[str, ...]:  # noqa: ARG002 - an instance approves nothing
        return ()

    def approval(self, request: Request, path: str, unknown: str | None) -> Response:  # noqa: ARG002
        return page(404)

    def composed(self, request: Request, path: str, answers: Sequence[Exchange]) -> None:  # noqa: ARG002
        return None

    def listed(self, request: Request, exchange: Exchange, operation: str) -> Listing | None:
        reader = _READERS.get(operation)
        if reader is None or request.method != "GET" or exchange.status not in {200, 404}:
            return None
        events = reader(exchange.body, exchange.at) if exchange.status == 200 else []
        return Listing(events, complete=operation != _HISTORY_PATH, of=_OF.get(operation, operation))

    def machine(self, exchange: Exchange, operation: str) -> str | None:
        if exchange.status != 200:
            return None
        if operation == _INSTANCE_PATH:
            return exchange.body.decode(errors="replace").strip()
        if operation == f"{_ROOT}/dynamic/instance-identity/document":
            name = _object(exchange.body).get("instanceId")
            return name if isinstance(name, str) else None
        return None

    def failure(self, status: int, request: Request, path: str) -> Response:  # noqa: ARG002 - the protocol's face
        return page(status)


def _value(body: bytes) -> Any:
    try:
        return read_json(body)
    except ValueError:
        return None


def _object(body: bytes) -> dict[str, Any]:
    value = _value(body)
    return value if isinstance(value, dict) else {}


def _scheduled(body: bytes, at: datetime) -> list[SimulatedEvent]:
    value = _value(body)
    return [_entry(item, at) for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _entry(item: Mapping[str, Any], at: datetime) -> SimulatedEvent:
    outcome = next((outcome for state, outcome in _OUTCOMES.items() if state == item.get("State")), None)
    event = _event(str(item.get("EventId", "")), str(item.get("Code", "")), time_in(item.get("NotBefore"), at), at)
    event.description, event.outcome = str(item.get("Description", "")), outcome
    event.phase = Phase.ENDED if outcome else event.phase
    return event


def _spot(body: bytes, at: datetime) -> list[SimulatedEvent]:
    found = _object(body)
    return [_event("spot/", f"spot/{found.get('action', '')}", time_in(found.get("time"), at), at)] if found else []


def _rebalance(body: bytes, at: datetime) -> list[SimulatedEvent]:
    return [_event("rebalance/", "rebalance", at, at)] if _object(body) else []


def _lifecycle(body: bytes, at: datetime) -> list[SimulatedEvent]:
    native_type = f"lifecycle/{body.decode(errors='replace').strip()}"
    return [_event("lifecycle/", native_type, at, at)] if native_type in EVENT_TYPES else []


_Reader = Callable[[bytes, datetime], list[SimulatedEvent]]

_READERS: Mapping[str, _Reader] = {
    f"{_META}/events/maintenance/scheduled": _scheduled,
    _HISTORY_PATH: _scheduled,
    f"{_META}/spot/instance-action": _spot,
    f"{_META}/events/recommendations/rebalance": _rebalance,
    f"{_META}/autoscaling/target-lifecycle-state": _lifecycle,
}

_OF: Mapping[str, str] = {_HISTORY_PATH: f"{_META}/events/maintenance/scheduled"}
"""The list in which an event stood before it stands in another."""


def _event(identifier: str, native_type: str, not_before: datetime, at: datetime) -> SimulatedEvent:
    """The event that an answer means; see `Listing.events` for what it leaves open."""
    known = EVENT_TYPES.get(native_type)
    announced = known is not None and known.family is Family.SCHEDULED
    begun = announced or not_before > at or (known is not None and known.family is not Family.SPOT)
    return SimulatedEvent(
        id=identifier,
        impact=known.impacts[0] if known else Impact.UNKNOWN,
        cause=known.causes[0] if known else Cause.UNKNOWN,
        native_type=native_type,
        resources=(),
        not_before=not_before,
        duration=None,
        started_for=None,
        description="",
        created_at=at,
        starts_at=None,
        phase=Phase.SCHEDULED if begun else Phase.STARTED,
    )
