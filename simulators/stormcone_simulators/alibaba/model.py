"""ECS's rules of system events: which there are, how they move, and which of them a question is about.

Source, unless a line says otherwise: ECS's documentation of system events and of its operations.
"""

import itertools
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stormcone.errors import SimulationError
from stormcone.model import Outcome, Phase
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.instances import Instances
from stormcone_simulators.alibaba.types import EVENT_TYPES, SPOT_RELEASE, STATUS_OF, EventOrder, EventStatus, kind_of
from stormcone_simulators.events import EventBook, EventPlan, Revision, SimulatedEvent, TooLate, start_time
from stormcone_simulators.machines import Machines

KEPT = timedelta(days=30)
"""How long the history shows what has ended."""

SIMULATED_REASON = "A simulated event."

_NO_REASON = ""


@dataclass(kw_only=True)
class EcsEvent(SimulatedEvent):
    """One event, of one instance.

    Attributes:
        number: grows from event to event.
        simulated: whether it is a simulated event; the others are the cloud's own.
        first_not_before: the time that it announced at first.
    """

    number: int
    simulated: bool
    first_not_before: datetime

    @property
    def instance(self) -> str:
        """The instance that it is about."""
        return self.resources[0]

    @property
    def status(self) -> EventStatus | None:
        """`EventCycleStatus`; None once it has ended in no way that this cloud has a word for."""
        if self.outcome is not None:
            return STATUS_OF.get(self.outcome)
        if self.phase is Phase.STARTED:
            return EventStatus.EXECUTING
        # What does not start by itself waits for its owner's word.
        return EventStatus.INQUIRING if self.starts_at is None else EventStatus.SCHEDULED


Span = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which events are asked for; what is empty asks for all.

    Attributes:
        statuses: their statuses.
        types: their types.
        event_ids: their ids.
        instance_ids: the instances that they are about.
        not_before: from when to when they begin, both included (unverified).
        published: from when to when they were announced, both included (unverified).
        tags: what the instances are tagged with: keys, each with its value or None for any.
    """

    statuses: Collection[EventStatus] = ()
    types: Collection[str] = ()
    event_ids: Collection[str] = ()
    instance_ids: Collection[str] = ()
    not_before: Span = (None, None)
    published: Span = (None, None)
    tags: Collection[tuple[str, str | None]] = ()

    @property
    def narrows(self) -> bool:
        """Whether it leaves any event out for what the event itself is."""
        return bool(self.types or self.event_ids or any(self.not_before) or any(self.published))


@dataclass(frozen=True, kw_only=True)
class AlibabaRules:
    """How this ECS differs from the usual one.

    Attributes:
        quota: how many simulated events may be active at once; the real number is not public.
        executing: how long maintenance is Executing; the real duration is not documented.
    """

    quota: int
    executing: timedelta


class AlibabaModel:
    """The system events of the instances of a region.

    Args:
        machines: the instances.
        rules: how this ECS differs from the usual one.
        changed: called after every change of an event.
    """

    def __init__(self, machines: Machines, rules: AlibabaRules, changed: Callable[[EcsEvent], None]) -> None:
        self.instances = Instances(machines)
        self.book = EventBook[EcsEvent](self._changed)
        self.rules = rules
        self._tell = changed
        self._numbers = itertools.count(1)
        self._by_instance: dict[str, dict[str, EcsEvent]] = {}

    def draft(self, plan: EventPlan, now: datetime) -> EcsEvent:
        """The event that the plan would make, not yet announced.

        Raises:
            SimulationError: ECS has no such event, or it is not about one known instance.
        """
        return self._make(kind_of(plan), plan, now)

    def revise(self, event: SimulatedEvent, revision: Revision, now: datetime) -> None:
        """Move an event or change what it says.

        Raises:
            TooLate: it has ended, or it executes and only its text can change.
            SimulationError: it would not be about one known instance.
        """
        if event.phase is Phase.ENDED:
            raise TooLate(f"the event {event.id} cannot change: it has ended")
        moved = revision.notice is not None or revision.not_before is not None
        if event.phase is Phase.STARTED and moved:
            raise TooLate(f"the event {event.id} cannot be moved: it executes")
        if revision.resources is not None:
            name = self._one(revision.resources)
            self.about(event.resources[0]).pop(event.id)
            event.resources = (name,)
        event.not_before = start_time(revision, now, event.not_before)
        if event.starts_at is not None:
            event.starts_at = max(event.not_before, now)
        event.duration = event.duration if revision.duration is None else revision.duration
        event.description = event.description if revision.description is None else revision.description
        self.book.touch(self.book.get(event.id))

    def cancel(self, event: SimulatedEvent, now: datetime) -> None:
        """Call an event off: simulated ones until they end, the cloud's own until they execute.

        Raises:
            TooLate: it is past that.
        """
        if not self._can_cancel(self.book.get(event.id)):
            raise TooLate(f"the event {event.id} cannot be called off: it is {event.phase} already")
        self.book.end(self.book.get(event.id), now, Outcome.CANCELED)

    def create_simulated(
        self, event_type: str, not_before: datetime, instance_ids: Collection[str], now: datetime
    ) -> list[str]:
        """CreateSimulatedSystemEvents: one event for each instance, in their order; answers the ids.

        Unverified: the order, and that nothing is made where one of the instances cannot have its event.

        Raises:
            ApiError: the time has passed, an instance is not known, or there would be too many events.
        """
        # The service's times have no fractions, so an event for the second that is running is not late.
        if not_before < now.replace(microsecond=0):
            raise ApiError("InvalidNotBefore.Passed")
        names = [self.instances.named(instance_id) for instance_id in instance_ids]
        if sum(event.simulated for event in self.book.live) + len(names) > self.rules.quota:
            raise ApiError("SimulatedEventLimitExceeded")
        usual = EVENT_TYPES[event_type]
        kind = EventOrder(name=event_type, first=usual.first, simulated=True)
        events = []
        for name in names:
            plan = EventPlan(impact=usual.impact, resources=(name,), not_before=not_before)
            events.append(self._make(kind, plan, now))
        for event in events:
            self.book.add(event)
        return [event.id for event in events]

    def cancel_simulated(self, event_ids: Collection[str], now: datetime) -> None:
        """CancelSimulatedSystemEvents.

        Unverified: that nothing is called off where one of the events cannot be, and that an event that has ended
        counts as not found.

        Raises:
            ApiError: an event is not known, not simulated, or has ended.
        """
        events = {}
        for event_id in event_ids:
            event = self.book.find(event_id)
            if event is None or event.native_type == SPOT_RELEASE:
                raise ApiError("InvalidEventId.NotFound")
            if not event.simulated:
                raise ApiError("CannotCancelSystemEvent.NotSimulated")
            if not self._can_cancel(event):
                raise ApiError("InvalidEventId.NotFound")
            events[event.id] = event
        for event in events.values():
            self.book.end(event, now, Outcome.CANCELED)

    def accept(self, event_id: str, by: str, now: datetime) -> None:
        """AcceptInquiredSystemEvent: the event begins.

        Raises:
            ApiError: it does not wait for that.
        """
        event = self.book.find(event_id)
        if event is None or event.status is not EventStatus.INQUIRING:
            raise ApiError("InvalidEventId.NoInquiringEventFound")
        event.approved_by.append(by)
        self.book.start(event, now)

    def move(self, event_id: str, instance_id: str, not_before: datetime, now: datetime) -> None:
        """ModifySystemEventAttribute: a scheduled event gets another time.

        Unverified: all but what the parameters are, so which events can be moved, and the errors.

        Raises:
            ApiError: the instance has no such event, it is not scheduled, or the time has passed.
        """
        name = self.instances.named(instance_id)
        event = self.book.find(event_id)
        if event is None or event.instance != name or event.native_type == SPOT_RELEASE:
            raise ApiError("InvalidEventId.NotFound")
        if event.status is not EventStatus.SCHEDULED:
            raise ApiError("OperationConflict")
        if not_before < now.replace(microsecond=0):
            raise ApiError("InvalidNotBefore.Passed")
        self.revise(event, Revision(not_before=not_before), now)

    def history(self, query: Query, now: datetime, *, before: int | None = None) -> Iterator[EcsEvent]:
        """The events that are asked for, the latest first (unverified): of the ended ones those of 30 days.

        Args:
            query: what is asked for.
            now: the time.
            before: only events whose number is below that.
        """
        names = frozenset(self.instances.some(query.instance_ids)) if query.instance_ids else None
        for event in self._candidates(query, names):
            if (
                (before is None or event.number < before)
                and (names is None or event.instance in names)
                and _listed(event, now)
                and self._fits(event, query)
            ):
                yield event

    def about(self, name: str) -> dict[str, EcsEvent]:
        """The events of an instance, by id as it is compared."""
        # The book forgets old events; so does the index, the next time that it is asked.
        known = {key: event for key, event in self._by_instance.get(name, {}).items() if self.book.find(key) is event}
        self._by_instance[name] = known
        return known

    def spot_release(self, name: str) -> EcsEvent | None:
        """The event that takes a spot instance away, None where none is announced."""
        live = (event for event in self.about(name).values() if event.phase is not Phase.ENDED)
        return next((event for event in live if event.native_type == SPOT_RELEASE), None)

    def _make(self, kind: EventOrder, plan: EventPlan, now: datetime) -> EcsEvent:
        usual = EVENT_TYPES[kind.name]
        not_before = start_time(plan, now, now + usual.notice)
        started_for = self.rules.executing if plan.started_for is None else plan.started_for
        begun: dict[str, Any] = {"starts_at": None if kind.first is EventStatus.INQUIRING else max(not_before, now)}
        if kind.first is EventStatus.EXECUTING:
            # Of a failure `NotBefore` is when it becomes Executed; it executes from the first.
            not_before = max(not_before, now if plan.started_for is None else now + plan.started_for)
            begun = {"starts_at": now, "phase": Phase.STARTED, "started_at": now, "ends_at": not_before}
            started_for = not_before - now
        description = plan.description
        if description is None:
            description = SIMULATED_REASON if kind.simulated else _NO_REASON
        return EcsEvent(
            id=_new_id(),
            number=next(self._numbers),
            simulated=kind.simulated,
            impact=plan.impact,
            cause=plan.cause or usual.cause,
            native_type=kind.name,
            resources=(self._one(plan.resources),),
            not_before=not_before,
            first_not_before=not_before,
            duration=plan.duration,
            started_for=started_for,
            description=description,
            created_at=now,
            **begun,
        )

    def _one(self, names: Collection[str]) -> str:
        if len(names) > 1:
            raise SimulationError(f"an event here is about one instance, not {len(names)}; make one for each")
        return self.instances.machines.named(next(iter(names))).name

    @staticmethod
    def _can_cancel(event: EcsEvent) -> bool:
        return event.phase is Phase.SCHEDULED or (event.simulated and event.phase is Phase.STARTED)

    def _candidates(self, query: Query, names: Collection[str] | None) -> Iterator[EcsEvent]:
        if query.event_ids:
            found = {event.number: event for each in query.event_ids if (event := self.book.find(each))}
        elif names is not None:
            found = {event.number: event for name in names for event in self.about(name).values()}
        else:
            # The book has them in the order of their numbers.
            return reversed(self.book)
        return (found[number] for number in sorted(found, reverse=True))

    def _fits(self, event: EcsEvent, query: Query) -> bool:
        return (
            (not query.statuses or event.status in query.statuses)
            and (not query.types or event.native_type in query.types)
            and _within(event.not_before, query.not_before)
            and _within(event.created_at, query.published)
            and (not query.tags or self._tagged(event.instance, query.tags))
        )

    def _tagged(self, name: str, wanted: Collection[tuple[str, str | None]]) -> bool:
        tags = self.instances.of(name).tags
        return all(key in tags and value in {None, tags[key]} for key, value in wanted)

    def _changed(self, event: EcsEvent) -> None:
        self.about(event.instance)[event.id] = event
        self._tell(event)


def _listed(event: EcsEvent, now: datetime) -> bool:
    if event.native_type == SPOT_RELEASE or event.status is None:
        return False
    return event.ended_at is None or event.ended_at > now - KEPT


def _within(time: datetime, span: Span) -> bool:
    start, end = span
    if start is None and end is None:
        return True
    shown = time.replace(microsecond=0)
    return (start is None or shown >= start) and (end is None or shown <= end)


def _new_id() -> str:
    """An id in the shape of the service's, such as `e-bp191hqye34x6zl12a3w`."""
    return f"e-bp1{uuid.uuid4().hex[:17]}"
