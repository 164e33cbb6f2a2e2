"""What the messages of a queue say of events, in the simulator's words: the way back from `events`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from stormcone.model import Outcome, Phase
from stormcone.text import folded
from stormcone_simulators.aws.events import event_of
from stormcone_simulators.aws.sqs.events import HEALTH_CODES
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.replay.track import time_in

_ENVELOPES = 3
_SPOT_NOTICE = timedelta(minutes=2)
_GONE = frozenset({"stopped", "terminated"})
_WORDS = {code: word for word, code in HEALTH_CODES.items()}

_Message = Mapping[str, Any]


class Told:
    """Reads messages one after the other, since one that an instance is gone ends what was told of it before."""

    def __init__(self) -> None:
        self._going_on: dict[str, SimulatedEvent] = {}

    def events(self, body: str, at: datetime) -> list[SimulatedEvent]:
        """What a message means that was received at that time; empty where that is nothing that is known here."""
        message = _opened(body)
        detail = message.get("detail", message)
        if not isinstance(detail, dict):
            return []
        kind = message.get("detail-type", "EC2 Instance-terminate Lifecycle Action")
        if folded(str(kind)) == folded("EC2 Instance State-change Notification"):
            return list(self._over(detail)) if detail.get("state") in _GONE else []
        reader = _READERS.get(folded(str(kind)))
        found = list(reader(detail, time_in(message.get("time"), at))) if reader else []
        self._going_on |= {event.id: event for event in found}
        return found

    def _over(self, detail: _Message) -> Iterator[SimulatedEvent]:
        instance = str(detail.get("instance-id", ""))
        for identifier in (f"spot/{instance}", f"rebalance/{instance}", f"lifecycle/{instance}"):
            event = self._going_on.pop(identifier, None)
            if event is not None:
                event = event_of(event.id, event.native_type, event.not_before, event.created_at, resources=(instance,))
                event.phase, event.outcome = Phase.ENDED, Outcome.COMPLETED
                yield event


def _opened(body: str) -> _Message:
    """The message without what SNS has put around it."""
    for _ in range(_ENVELOPES):
        try:
            message = read_json(body)
        except ValueError:
            return {}
        if not isinstance(message, dict):
            return {}
        inner = message.get("Message")
        if not isinstance(inner, str) or "detail" in message:
            return message
        body = inner
    return {}


def _spot(detail: _Message, at: datetime) -> Iterator[SimulatedEvent]:
    instance = str(detail.get("instance-id", ""))
    native_type = f"spot/{detail.get('instance-action', '')}"
    yield event_of(f"spot/{instance}", native_type, at + _SPOT_NOTICE, at, resources=(instance,))


def _rebalance(detail: _Message, at: datetime) -> Iterator[SimulatedEvent]:
    instance = str(detail.get("instance-id", ""))
    yield event_of(f"rebalance/{instance}", "rebalance", at, at, resources=(instance,))


def _lifecycle(detail: _Message, at: datetime) -> Iterator[SimulatedEvent]:
    instance = detail.get("EC2InstanceId")
    if isinstance(instance, str) and instance:
        yield event_of(f"lifecycle/{instance}", "lifecycle/Terminated", at, at, resources=(instance,))


def _health(detail: _Message, at: datetime) -> Iterator[SimulatedEvent]:
    entities = detail.get("affectedEntities")
    arn = str(detail.get("eventArn", ""))
    native_type = _WORDS.get(str(detail.get("eventTypeCode")), str(detail.get("eventTypeCode", "")))
    for entity in entities if isinstance(entities, list) else ():
        instance = str(entity.get("entityValue", "")).rpartition("/")[2] if isinstance(entity, dict) else ""
        identifier = arn.rpartition("/")[2].removeprefix("EC2_")
        event = event_of(identifier, native_type, time_in(detail.get("startTime"), at), at, resources=(instance,))
        if detail.get("statusCode") == "closed":
            event.phase, event.outcome = Phase.ENDED, Outcome.COMPLETED
        yield event


_READERS: Mapping[str, Callable[[_Message, datetime], Iterator[SimulatedEvent]]] = {
    folded("EC2 Spot Instance Interruption Warning"): _spot,
    folded("EC2 Instance Rebalance Recommendation"): _rebalance,
    folded("EC2 Instance-terminate Lifecycle Action"): _lifecycle,
    folded("AWS Health Event"): _health,
}
"""By `detail-type`."""
