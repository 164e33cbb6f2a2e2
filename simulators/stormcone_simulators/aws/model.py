"""EC2's rules of what it announces to its instances: which events there are, how they move, and where they are told.

Source, unless a line says otherwise: EC2's documentation of scheduled events, spot interruptions and rebalance
recommendations, and of AWS FIS, which interrupts spot instances for tests.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex

from stormcone.errors import SimulationError
from stormcone.model import Impact, Outcome, Phase
from stormcone.text import folded
from stormcone_simulators.aws.site import Ec2Hardware, Ec2Site
from stormcone_simulators.aws.types import (
    EVENT_TYPES,
    POWER,
    SPOT_NOTICE,
    STATE_OF,
    AwsEventType,
    EventState,
    Family,
    type_of,
)
from stormcone_simulators.events import EventBook, EventPlan, Revision, SimulatedEvent, TooLate, start_time
from stormcone_simulators.machines import Machines

KEPT = timedelta(days=7)
"""How long an event that has ended is listed.

Source: EC2's API; that the metadata service does the same is unverified.
"""

IN_SERVICE = "InService"
"""The state of an instance that Auto Scaling takes nowhere."""


@dataclass(kw_only=True)
class AwsEvent(SimulatedEvent):
    """One event, of one instance.

    Attributes:
        told_at: from when on the instance is told of it; until then a spot interruption is only recommended for.
        not_after: when it is over at the latest, `NotAfter`; None: not said.
        deadline: to when its start can be put off, `NotBeforeDeadline`; None: it cannot.
    """

    told_at: datetime
    not_after: datetime | None = None
    deadline: datetime | None = None

    @property
    def instance(self) -> str:
        """The instance that it is about."""
        return self.resources[0]

    @property
    def kind(self) -> AwsEventType:
        """What kind of event it is."""
        return EVENT_TYPES[self.native_type]

    @property
    def state(self) -> EventState | None:
        """`State`; None once it has ended in no way that this cloud has a word for."""
        return EventState.ACTIVE if self.outcome is None else STATE_OF.get(self.outcome)

    @property
    def text(self) -> str:
        """`Description`, which says first that it has ended, where it has."""
        ended = self.state not in {None, EventState.ACTIVE}
        return f"[{str(self.state).capitalize()}] {self.description}" if ended else self.description


@dataclass(frozen=True, kw_only=True)
class AwsRules:
    """How this EC2 differs from the usual one.

    Attributes:
        site: where the instances are.
        on_demand: the instances that are not spot instances, by their ids; the others are.
        heartbeat: how long a lifecycle hook waits until it hears again, `HeartbeatTimeout`.
    """

    site: Ec2Site = field(default_factory=Ec2Site)
    on_demand: Collection[str] = ()
    heartbeat: timedelta = timedelta(hours=1)


class AwsModel:
    """What is announced to the instances of a region.

    Args:
        machines: the instances.
        rules: how this EC2 differs from the usual one.
    """

    def __init__(self, machines: Machines, rules: AwsRules) -> None:
        self.machines = machines
        self.rules = rules
        self.book = EventBook[AwsEvent](self._changed)
        self._on_demand = frozenset(folded(machines.named(name).name) for name in rules.on_demand)
        self._by_instance: dict[str, dict[str, AwsEvent]] = {}
        self._places: dict[str, int] = {}

    def draft(self, plan: EventPlan, now: datetime) -> AwsEvent:
        """The event that the plan would make, not yet announced.

        A spot interruption is told two minutes before it comes. One that is ordered further ahead is a rebalance
        recommendation until then, as AWS FIS makes them.

        Raises:
            SimulationError: EC2 has no such event, or it is not about one known instance that may have it.
        """
        native_type = type_of(plan)
        usual = EVENT_TYPES[native_type]
        name = self._one(plan.resources)
        if usual.family in {Family.SPOT, Family.REBALANCE} and not self.is_spot(name):
            raise SimulationError(f"the instance {name} is on-demand, and only spot instances are interrupted")
        not_before = start_time(plan, now, now + usual.notice)
        if plan.impact is Impact.HIBERNATE and usual.family is Family.SPOT:
            told_at = not_before
        else:
            told_at = max(now, not_before - SPOT_NOTICE) if usual.family is Family.SPOT else now
        description = plan.description
        if description is None:
            power = native_type == "system-maintenance" and plan.impact is Impact.REBOOT
            description = POWER if power else usual.description
        event = AwsEvent(
            id=_new_id(usual.family),
            impact=plan.impact,
            cause=plan.cause or usual.causes[0],
            native_type=native_type,
            resources=(name,),
            not_before=not_before,
            duration=None if plan.duration is None or plan.duration < timedelta(0) else plan.duration,
            started_for=usual.started_for if plan.started_for is None else plan.started_for,
            description=description,
            created_at=now,
            # A recommendation is never followed by anything of its own.
            starts_at=None if usual.family is Family.REBALANCE else max(not_before, now),
            told_at=told_at,
            deadline=None if usual.movable is None else not_before + usual.movable,
        )
        event.not_after = _end(event)
        return event

    def revise(self, event: SimulatedEvent, revision: Revision, now: datetime) -> None:
        """Move an event or change what it says.

        Raises:
            TooLate: it has ended, or it has begun and only its text can change.
            SimulationError: it would not be about one known instance, or its time is none that EC2 moves.
        """
        mine = self.book.get(event.id)
        moved = revision.notice is not None or revision.not_before is not None
        if mine.phase is Phase.ENDED:
            raise TooLate(f"the event {mine.id} cannot change: it has ended")
        if moved and mine.phase is Phase.STARTED:
            raise TooLate(f"the event {mine.id} cannot be moved: it has begun")
        if moved and mine.kind.family is not Family.SCHEDULED:
            raise SimulationError(f"the event {mine.id} cannot be moved: EC2 moves scheduled events and nothing else")
        if revision.resources is not None:
            name = self._one(revision.resources)
            self.about(mine.instance).pop(folded(mine.id))
            mine.resources = (name,)
        if moved:
            mine.not_before = start_time(revision, now, mine.not_before)
            mine.starts_at = max(mine.not_before, now)
        if revision.duration is not None:
            mine.duration = None if revision.duration < timedelta(0) else revision.duration
        mine.not_after = _end(mine)
        mine.description = mine.description if revision.description is None else revision.description
        self.book.touch(mine)

    def cancel(self, event: SimulatedEvent, now: datetime) -> None:
        """Call an event off: scheduled events until they begin, a recommendation or a state at any time.

        Raises:
            TooLate: it is past that, or it is a spot interruption, which nobody calls off.
        """
        mine = self.book.get(event.id)
        if mine.kind.family is Family.SPOT:
            raise TooLate(f"the event {mine.id} cannot be called off: a spot interruption never is")
        if mine.phase is not Phase.SCHEDULED:
            raise TooLate(f"the event {mine.id} cannot be called off: it is {mine.phase} already")
        self.book.end(mine, now, Outcome.CANCELED)

    def scheduled(self, name: str) -> list[AwsEvent]:
        """The scheduled events of an instance that have not ended, oldest first."""
        return list(self._live(name, Family.SCHEDULED))

    def history(self, name: str, now: datetime) -> list[AwsEvent]:
        """The scheduled events of an instance that have ended, of the last seven days, oldest first."""
        return [
            event
            for event in self.about(name).values()
            if event.kind.family is Family.SCHEDULED
            and event.ended_at is not None
            and event.ended_at > now - KEPT
            and event.state is not None
        ]

    def interruption(self, name: str, now: datetime) -> AwsEvent | None:
        """The spot interruption that an instance is told of, None where there is none."""
        return next((event for event in self._live(name, Family.SPOT) if event.told_at <= now), None)

    def recommended_at(self, name: str) -> datetime | None:
        """When a rebalance was recommended for an instance, None where it was not."""
        given = (
            event.created_at
            for family in (Family.REBALANCE, Family.SPOT)
            for event in self._live(name, family)
            if family is Family.REBALANCE or event.told_at > event.created_at
        )
        return min(given, default=None)

    def target_state(self, name: str) -> str:
        """The state that Auto Scaling takes an instance to."""
        return next((event.kind.word for event in self._live(name, Family.LIFECYCLE)), IN_SERVICE)

    def is_spot(self, name: str) -> bool:
        """Whether an instance is a spot instance."""
        return folded(name) not in self._on_demand

    def hardware(self, name: str) -> Ec2Hardware:
        """What an instance is made of."""
        if len(self._places) < len(self.machines):
            self._places = {folded(machine.name): place for place, machine in enumerate(self.machines)}
        return Ec2Hardware(name, self._places[folded(name)], self.rules.site)

    def about(self, name: str) -> dict[str, AwsEvent]:
        """The events of an instance, by id as it is compared."""
        # The book forgets old events; so does the index, the next time that it is asked.
        known = {key: event for key, event in self._by_instance.get(name, {}).items() if self.book.find(key) is event}
        self._by_instance[name] = known
        return known

    def _live(self, name: str, family: Family) -> Iterator[AwsEvent]:
        return (
            event
            for event in self.about(name).values()
            if event.kind.family is family and event.phase is not Phase.ENDED
        )

    def _one(self, names: Collection[str]) -> str:
        if len(names) > 1:
            raise SimulationError(f"an event here is about one instance, not {len(names)}; make one for each")
        return self.machines.named(next(iter(names))).name

    def _changed(self, event: AwsEvent) -> None:
        self.about(event.instance)[folded(event.id)] = event


def _end(event: AwsEvent) -> datetime | None:
    """`NotAfter`: as long after the earliest start as the impact lasts, or else as is usual."""
    length = event.duration if event.duration is not None else event.kind.window
    return None if event.kind.family is not Family.SCHEDULED or length is None else event.not_before + length


def _new_id(family: Family) -> str:
    """An id in the shape of EC2's, such as `instance-event-0d59937288b749b32`; what has none there gets one of ours."""
    number = token_hex(9)[:17]
    return f"instance-event-{number}" if family is Family.SCHEDULED else f"{family}-{number}"
