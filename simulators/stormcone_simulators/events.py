"""Simulated events and the moves that time makes with them; what a cloud adds is in that cloud's model.

Time is a parameter everywhere: nothing here reads a clock. An event knows when it moves by itself (`starts_at`,
`ends_at`), so however far a clock has jumped, `EventBook.step` passes through every state in between, in order.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from stormcone.errors import SimulationError
from stormcone.model import Cause, Impact, Outcome, Phase
from stormcone.text import folded

_KEPT = 10_000


class UnknownEvent(SimulationError):
    """There is no event of that id."""


class TooLate(SimulationError):
    """The event is past the point where that can be done to it."""


class Busy(SimulationError):
    """The machine has another event now, beside which this one cannot be."""


@dataclass(frozen=True, kw_only=True)
class EventPlan:
    """An event as it is ordered; what is None is as usual on the cloud.

    Attributes:
        impact: what it does to the machines.
        resources: the machines that it names, in order.
        notice: how long until it starts by itself.
        not_before: when it starts by itself, aware; excludes `notice`.
        duration: how long the impact lasts; negative: not known.
        started_for: how long it is listed as started before it ends by itself.
        cause: why.
        native_type: the cloud's own word.
        description: text for people.

    Raises:
        SimulationError: the parts do not make sense together.
    """

    impact: Impact
    resources: tuple[str, ...]
    notice: timedelta | None = None
    not_before: datetime | None = None
    duration: timedelta | None = None
    started_for: timedelta | None = None
    cause: Cause | None = None
    native_type: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        _check(self)
        if self.started_for is not None and self.started_for < timedelta(0):
            raise SimulationError("an event cannot stay started for a negative time")


@dataclass(frozen=True, kw_only=True)
class Revision:
    """What changes in an announced event; what is None stays. See `EventPlan`.

    Raises:
        SimulationError: the parts do not make sense together.
    """

    resources: tuple[str, ...] | None = None
    notice: timedelta | None = None
    not_before: datetime | None = None
    duration: timedelta | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        _check(self)


def _check(asked: EventPlan | Revision) -> None:
    if asked.resources is not None and not asked.resources:
        raise SimulationError("an event names at least one machine")
    if asked.notice is not None and asked.not_before is not None:
        raise SimulationError("an event takes a notice or a not_before, not both; leave one out")
    if asked.notice is not None and asked.notice < timedelta(0):
        raise SimulationError("the notice of an event cannot be negative")
    if asked.not_before is not None and asked.not_before.tzinfo is None:
        raise SimulationError("the not_before of an event must have a time zone")


def start_time(asked: EventPlan | Revision, now: datetime, otherwise: datetime) -> datetime:
    """When the event is to start by itself: as asked, or else `otherwise`."""
    if asked.notice is not None:
        return now + asked.notice
    return otherwise if asked.not_before is None else asked.not_before.astimezone(UTC)


@dataclass(kw_only=True)
class SimulatedEvent:
    """One event and all that has happened to it.

    Attributes:
        id: the cloud's id; the same from first sight to the end.
        impact: what it does to the machines.
        cause: why.
        native_type: the cloud's own word.
        resources: the machines that it names, in order.
        not_before: the time that it announces.
        duration: how long the impact lasts; None: not known.
        started_for: how long it stays started; None: until somebody ends it.
        description: text for people.
        created_at: when it was announced.
        starts_at: when it starts by itself; None: not by itself.
        phase: where it is in its life.
        outcome: how it ended.
        approved_by: the machines that approved it, in order.
        started_at: when it began.
        ends_at: when it ends by itself; None: not by itself.
        ended_at: when it ended.
    """

    id: str
    impact: Impact
    cause: Cause
    native_type: str
    resources: tuple[str, ...]
    not_before: datetime
    duration: timedelta | None
    started_for: timedelta | None
    description: str
    created_at: datetime
    starts_at: datetime | None
    phase: Phase = Phase.SCHEDULED
    outcome: Outcome | None = None
    approved_by: list[str] = field(default_factory=list)
    started_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def next_move(self) -> datetime | None:
        """When it moves by itself, None if not by itself."""
        if self.phase is Phase.SCHEDULED:
            return self.starts_at
        return self.ends_at if self.phase is Phase.STARTED else None

    def as_json(self) -> dict[str, Any]:
        """The event as the control API lists it; times are ISO 8601 UTC, durations seconds."""
        return {
            "id": self.id,
            "phase": self.phase.value,
            "outcome": self.outcome.value if self.outcome else None,
            "impact": self.impact.value,
            "cause": self.cause.value,
            "native_type": self.native_type,
            "resources": list(self.resources),
            "not_before": iso(self.not_before),
            "duration_seconds": None if self.duration is None else self.duration.total_seconds(),
            "started_for_seconds": None if self.started_for is None else self.started_for.total_seconds(),
            "description": self.description,
            "approved_by": list(self.approved_by),
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
        }


def iso(time: datetime | None) -> str | None:
    """A time as the control API writes it: `2026-01-01T00:15:00Z`."""
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


Event = TypeVar("Event", bound=SimulatedEvent)


class EventBook(Generic[Event]):
    """All events of one simulator, those that have ended too (the last 10,000 of them).

    Args:
        changed: called after every change of an event.

    Attributes:
        changes: how many there were.
    """

    def __init__(self, changed: Callable[[Event], None]) -> None:
        self.changes = 0
        self._changed = changed
        self._events: dict[str, Event] = {}
        self._live: dict[str, Event] = {}
        # Moves to come, the earliest first. An entry that its event has outlived is dropped when it comes up.
        self._moves: list[tuple[datetime, int, Event]] = []
        self._order = itertools.count()
        self._ended: deque[str] = deque()

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events.values())

    def __reversed__(self) -> Iterator[Event]:
        return reversed(self._events.values())

    @property
    def live(self) -> Collection[Event]:
        """The events that have not ended, oldest first."""
        return self._live.values()

    def find(self, event_id: str) -> Event | None:
        """The event of that id, compared without regard to case, or None."""
        return self._events.get(folded(event_id))

    def get(self, event_id: str) -> Event:
        """The event of that id.

        Raises:
            UnknownEvent: there is none.
        """
        event = self.find(event_id)
        if event is None:
            known = [event.id for event in self][-5:]
            raise UnknownEvent(f"there is no event {event_id!r}; the last ones are: {', '.join(known) or 'none'}")
        return event

    def add(self, event: Event) -> None:
        """Announce an event."""
        self._events[folded(event.id)] = self._live[folded(event.id)] = event
        self.touch(event)

    def touch(self, event: Event) -> None:
        """Take note that the event has changed."""
        if event.next_move is not None:
            heapq.heappush(self._moves, (event.next_move, next(self._order), event))
        self.changes += 1
        self._changed(event)

    def start(self, event: Event, at: datetime) -> None:
        """Begin the event.

        Raises:
            TooLate: it has begun already.
        """
        if event.phase is not Phase.SCHEDULED:
            raise TooLate(f"the event {event.id} cannot start: it is {event.phase} already")
        event.phase, event.started_at = Phase.STARTED, at
        event.ends_at = None if event.started_for is None else at + event.started_for
        self.touch(event)

    def end(self, event: Event, at: datetime, outcome: Outcome) -> None:
        """End the event.

        Raises:
            TooLate: it has ended already.
        """
        if event.phase is Phase.ENDED:
            raise TooLate(f"the event {event.id} has ended already: {event.outcome}")
        event.phase, event.outcome, event.ended_at = Phase.ENDED, outcome, at
        del self._live[folded(event.id)]
        self._ended.append(folded(event.id))
        if len(self._ended) > _KEPT:
            del self._events[self._ended.popleft()]
        self.touch(event)

    @property
    def next_move(self) -> datetime | None:
        """When the next event moves by itself, None if none does."""
        while self._moves and self._moves[0][2].next_move != self._moves[0][0]:
            heapq.heappop(self._moves)
        return self._moves[0][0] if self._moves else None

    def step(self) -> None:
        """Make the next move that an event makes by itself, at the time that it is due."""
        at = self.next_move
        if at is None:
            return
        event = heapq.heappop(self._moves)[2]
        if event.phase is Phase.SCHEDULED:
            self.start(event, at)
        else:
            self.end(event, at, Outcome.COMPLETED)
