"""What the metadata service's recorded answers say of events, in the simulator's words."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from stormcone.clouds.exchange import Exchange
from stormcone.model import Phase
from stormcone_simulators.aws.events import event_of
from stormcone_simulators.aws.types import EVENT_TYPES, STATE_OF
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.http.messages import Request
from stormcone_simulators.replay.track import Listing, time_in

ROOT = "/latest"
META = f"{ROOT}/meta-data"
_INSTANCE_PATH = f"{META}/instance-id"
_HISTORY_PATH = f"{META}/events/maintenance/history"
_OUTCOMES = {state: outcome for outcome, state in STATE_OF.items()}


def listed(request: Request, exchange: Exchange, operation: str) -> Listing | None:
    """The events that an answer lists; None where it is not a list of events."""
    reader = _READERS.get(operation)
    if reader is None or request.method != "GET" or exchange.status not in {200, 404}:
        return None
    events = reader(exchange.body, exchange.at) if exchange.status == 200 else []
    return Listing(events, complete=operation != _HISTORY_PATH, of=_OF.get(operation, operation))


def machine(exchange: Exchange, operation: str) -> str | None:
    """The instance that an answer names, where it is one that does."""
    if exchange.status != 200:
        return None
    if operation == _INSTANCE_PATH:
        return exchange.body.decode(errors="replace").strip()
    if operation == f"{ROOT}/dynamic/instance-identity/document":
        name = _object(exchange.body).get("instanceId")
        return name if isinstance(name, str) else None
    return None


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
    event = event_of(str(item.get("EventId", "")), str(item.get("Code", "")), time_in(item.get("NotBefore"), at), at)
    event.description, event.outcome = str(item.get("Description", "")), outcome
    event.phase = Phase.ENDED if outcome else event.phase
    return event


def _spot(body: bytes, at: datetime) -> list[SimulatedEvent]:
    found = _object(body)
    return [event_of("spot/", f"spot/{found.get('action', '')}", time_in(found.get("time"), at), at)] if found else []


def _rebalance(body: bytes, at: datetime) -> list[SimulatedEvent]:
    return [event_of("rebalance/", "rebalance", at, at)] if _object(body) else []


def _lifecycle(body: bytes, at: datetime) -> list[SimulatedEvent]:
    native_type = f"lifecycle/{body.decode(errors='replace').strip()}"
    return [event_of("lifecycle/", native_type, at, at)] if native_type in EVENT_TYPES else []


_Reader = Callable[[bytes, datetime], list[SimulatedEvent]]

_READERS: Mapping[str, _Reader] = {
    f"{META}/events/maintenance/scheduled": _scheduled,
    _HISTORY_PATH: _scheduled,
    f"{META}/spot/instance-action": _spot,
    f"{META}/events/recommendations/rebalance": _rebalance,
    f"{META}/autoscaling/target-lifecycle-state": _lifecycle,
}

_OF: Mapping[str, str] = {_HISTORY_PATH: f"{META}/events/maintenance/scheduled"}
"""The list in which an event stood before it stands in another."""
