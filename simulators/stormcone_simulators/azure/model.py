"""Azure's rules of Scheduled Events: who sees an event, when it starts, and how the incarnation counts.

Source, unless a line says otherwise: Azure's documentation of Scheduled Events.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4, uuid5

from stormcone.errors import NoSuchEvent, SimulationError
from stormcone.model import Cause, Impact, Outcome, Phase
from stormcone.text import folded
from stormcone_simulators.azure.service import Service
from stormcone_simulators.events import EventBook, EventPlan, Revision, SimulatedEvent, TooLate, start_time
from stormcone_simulators.machines import Machines, SimulatedMachine
from stormcone_simulators.scenarios.play import PossibleEvent


@dataclass(frozen=True, kw_only=True)
class AzureEventType:
    """One `AzureEventType` of the service and what is usual for it.

    Attributes:
        impact: what it does to the machine.
        notice: the least notice that is documented; a shorter one was seen in the field.
        started_for: how long it stays `Started` before it is gone.
        duration: `DurationInSeconds`; None: -1.
        cause: why, where nobody says.
    """

    impact: Impact
    notice: timedelta
    started_for: timedelta
    duration: timedelta | None = None
    cause: Cause = Cause.MAINTENANCE


# `started_for`: 10 minutes are documented for a usual operation; 5 for a freeze and 1 for the types that the machine
# does not survive are unverified.
EVENT_TYPES = {
    "Freeze": AzureEventType(
        impact=Impact.FREEZE,
        notice=timedelta(minutes=15),
        started_for=timedelta(minutes=5),
        duration=timedelta(seconds=5),
    ),
    "Reboot": AzureEventType(impact=Impact.REBOOT, notice=timedelta(minutes=15), started_for=timedelta(minutes=10)),
    "Redeploy": AzureEventType(impact=Impact.REDEPLOY, notice=timedelta(minutes=10), started_for=timedelta(minutes=10)),
    "Preempt": AzureEventType(
        impact=Impact.TERMINATE,
        notice=timedelta(seconds=30),
        started_for=timedelta(minutes=1),
        cause=Cause.PREEMPTION,
    ),
    "Terminate": AzureEventType(
        impact=Impact.TERMINATE,
        notice=timedelta(minutes=5),
        started_for=timedelta(minutes=1),
        cause=Cause.SCALE_IN,
    ),
}

# The wording varies and is documented for a few cases only; "" occurs, and stands here for all others.
_LIVE_MIGRATION = "Virtual machine is being paused because of a memory-preserving Live Migration operation."
_BY_USER = "Virtual machine is going to be restarted as requested by authorized user."
_MAINTENANCE = "Host server is undergoing maintenance."
_REPAIR = "Host server is undergoing an emergency repair."
_DESCRIPTIONS = {
    ("Freeze", Cause.MAINTENANCE): _LIVE_MIGRATION,
    ("Reboot", Cause.MAINTENANCE): _MAINTENANCE,
    ("Redeploy", Cause.MAINTENANCE): _MAINTENANCE,
    ("Reboot", Cause.USER): _BY_USER,
    ("Freeze", Cause.HARDWARE_FAILURE): _REPAIR,
    ("Reboot", Cause.HARDWARE_FAILURE): _REPAIR,
    ("Redeploy", Cause.HARDWARE_FAILURE): _REPAIR,
}

POSSIBLE_EVENTS = tuple(
    dict.fromkeys(
        [
            *(PossibleEvent(event_type.impact, event_type.cause) for event_type in EVENT_TYPES.values()),
            *(PossibleEvent(EVENT_TYPES[name].impact, cause) for name, cause in _DESCRIPTIONS),
        ]
    )
)
"""The kinds of events, for scenarios by chance."""


class Shown(NamedTuple):
    """What the service tells of an event; as long as it is the same, the incarnation stays."""

    started: bool
    native_type: str
    resources: tuple[str, ...]
    not_before: datetime | None
    description: str
    user: bool
    duration: timedelta | None


@dataclass(frozen=True, kw_only=True)
class AzureRules:
    """How this Azure differs from the usual one.

    Attributes:
        shared_hardware: an approval does not start an event: other tenants have not approved yet.
        first_call_delay: how long the first answer to a machine takes; up to 2 minutes.
        events_delay: how long after its first request events begin to reach a machine; up to 5 minutes.
        isolated_groups: groups whose machines see only their own events (one fault domain of GPU machines).
        scale_sets: groups that are scale sets; the others are availability sets.
        new_ids: an event is shown under a new id once it has started, as by the vendor's mock server.
    """

    shared_hardware: bool = False
    first_call_delay: timedelta = timedelta(0)
    events_delay: timedelta = timedelta(0)
    isolated_groups: frozenset[str] = field(default_factory=frozenset)
    scale_sets: frozenset[str] = field(default_factory=frozenset)
    new_ids: bool = False


class AzureModel:
    """The events of some machines and what each machine sees of them.

    Attributes:
        revision: changes with every change that any machine sees.
    """

    def __init__(self, machines: Machines, rules: AzureRules) -> None:
        self.machines = machines
        self.rules = rules
        self.revision = 0
        self.book = EventBook[SimulatedEvent](self._changed)
        self._services = {machine.name: Service() for machine in machines}
        self._shown: dict[str, Shown] = {}

    def draft(self, plan: EventPlan, now: datetime) -> SimulatedEvent:
        """The event that the plan would make, not yet announced.

        Raises:
            SimulationError: Azure has no such event, or the resources are not machines of one group.
        """
        native_type = _native_type(plan)
        usual = EVENT_TYPES[native_type]
        cause = plan.cause or usual.cause
        description = plan.description
        if description is None:
            description = _DESCRIPTIONS.get((native_type, cause), "")
        not_before = start_time(plan, now, now + usual.notice)
        return SimulatedEvent(
            id=str(uuid4()).upper(),
            impact=plan.impact,
            cause=cause,
            native_type=native_type,
            resources=self._resources(plan.resources),
            not_before=not_before,
            duration=_duration(plan.duration, usual.duration),
            started_for=usual.started_for if plan.started_for is None else plan.started_for,
            description=description,
            created_at=now,
            starts_at=max(not_before, now),
        )

    def revise(self, event: SimulatedEvent, revision: Revision, now: datetime) -> None:
        """Move an event or change what it says.

        Raises:
            TooLate: it is gone, or it has started and only its duration and description can change.
            SimulationError: the resources are not machines of one group.
        """
        if event.phase is Phase.ENDED:
            raise TooLate(f"the event {event.id} cannot change: it is gone")
        moved = revision.notice is not None or revision.not_before is not None
        if event.phase is Phase.STARTED and moved:
            raise TooLate(f"the event {event.id} cannot be moved: it has started")
        not_before = start_time(revision, now, event.not_before)
        if revision.resources is not None:
            event.resources = self._resources(revision.resources)
        event.not_before, event.starts_at = not_before, max(not_before, now)
        event.duration = _duration(revision.duration, event.duration)
        if revision.description is not None:
            event.description = revision.description
        self.book.touch(event)

    def cancel(self, event: SimulatedEvent, now: datetime) -> None:
        """Call an event off: it goes from `Scheduled` straight to gone.

        Raises:
            TooLate: it has started.
        """
        if event.phase is not Phase.SCHEDULED:
            raise TooLate(f"the event {event.id} cannot be called off: it is {event.phase} already")
        self.book.end(event, now, Outcome.CANCELED)

    def approve(self, machine: SimulatedMachine, event_ids: Collection[str], now: datetime) -> str | None:
        """Take one machine's approval, which speaks for all; answers an id that the machine does not see, or None.

        Unverified: with one such id, no event of the request is approved.
        """
        visible = {folded(self.shown_id(event)): event for event in self.view(machine)}
        events = []
        for event_id in event_ids:
            event = visible.get(folded(event_id))
            if event is None:
                return event_id
            events.append(event)
        for event in events:
            if machine.name not in event.approved_by:
                event.approved_by.append(machine.name)
            if event.phase is Phase.SCHEDULED and not self.rules.shared_hardware:
                self.book.start(event, now)
        return None

    def view(self, machine: SimulatedMachine) -> list[SimulatedEvent]:
        """The events that the machine sees, oldest first."""
        if self.is_waiting(machine):
            return []
        return [event for event in self.book.live if self._sees(machine, event.resources)]

    def shown_id(self, event: SimulatedEvent) -> str:
        """The id under which machines see the event now; ours stays the same from its announcement to its end."""
        if self.rules.new_ids and event.phase is Phase.STARTED:
            return str(uuid5(UUID(event.id), event.phase)).upper()
        return event.id

    def audience(self, machine: SimulatedMachine) -> str:
        """What machines that see the same events have in common."""
        isolated = machine.group in self.rules.isolated_groups
        return f"machine {machine.name}" if isolated else f"group {machine.group}"

    def incarnation(self, machine: SimulatedMachine) -> int:
        """The number of what the machine sees."""
        return self._services[machine.name].incarnation

    def is_waiting(self, machine: SimulatedMachine) -> bool:
        """Whether events have not begun to reach the machine since its first request."""
        return self._services[machine.name].waiting

    def wake(self, machine: SimulatedMachine, now: datetime) -> timedelta:
        """Take note of a request: it switches the service on. Answers how long the machine still has to wait for it."""
        service = self._services[machine.name]
        left = service.wake(now, first_call_delay=self.rules.first_call_delay, events_delay=self.rules.events_delay)
        if service.begin(now) and self.view(machine):
            service.count()
        return left

    def skip_incarnations(self, count: int) -> None:
        """Count on without a change, as happens where a document was never seen."""
        for service in self._services.values():
            service.count(count)

    def restart_incarnations(self) -> None:
        """Start counting at 1 again."""
        for service in self._services.values():
            service.incarnation = 1

    def _resources(self, names: tuple[str, ...]) -> tuple[str, ...]:
        groups = {self.machines.named(name).group for name in names}
        if len(groups) > 1:
            raise SimulationError(
                f"an event names machines of one group only, these are of {', '.join(sorted(groups))}; make two"
            )
        return names

    def _sees(self, machine: SimulatedMachine, resources: tuple[str, ...]) -> bool:
        if machine.group in self.rules.isolated_groups:
            return any(folded(machine.name) == folded(name) for name in resources)
        return self.machines.named(resources[0]).group == machine.group

    def _changed(self, event: SimulatedEvent) -> None:
        before = self._shown.pop(event.id, None)
        after = None
        if event.phase is not Phase.ENDED:
            after = self._shown[event.id] = _shown(event)
        if before == after:
            return
        self.revision += 1
        for machine in self.machines:
            if self.is_waiting(machine):
                continue
            if any(self._sees(machine, shown.resources) for shown in (before, after) if shown is not None):
                self._services[machine.name].count()


def _shown(event: SimulatedEvent) -> Shown:
    started = event.phase is Phase.STARTED
    return Shown(
        started,
        event.native_type,
        event.resources,
        # Shown to the second, and not at all once started.
        None if started else event.not_before.replace(microsecond=0),
        event.description,
        event.cause is Cause.USER,
        event.duration,
    )


def _duration(asked: timedelta | None, otherwise: timedelta | None) -> timedelta | None:
    if asked is None:
        return otherwise
    return None if asked < timedelta(0) else asked


def _native_type(plan: EventPlan) -> str:
    if plan.native_type is not None:
        by_name = {folded(name): name for name in EVENT_TYPES}
        name = by_name.get(folded(plan.native_type))
        if name is None:
            raise SimulationError(f"Azure has no event type {plan.native_type!r}; it has {', '.join(EVENT_TYPES)}")
        if EVENT_TYPES[name].impact is not plan.impact:
            raise SimulationError(f"Azure's event type {name} has the impact {EVENT_TYPES[name].impact}")
        return name
    fitting = [name for name, event_type in EVENT_TYPES.items() if event_type.impact is plan.impact]
    if not fitting:
        impacts = ", ".join(dict.fromkeys(event_type.impact.value for event_type in EVENT_TYPES.values()))
        raise NoSuchEvent(f"Azure has no event with the impact {plan.impact}; it has {impacts}")
    preferred = [name for name in fitting if EVENT_TYPES[name].cause is plan.cause]
    return (preferred or fitting[-1:])[0]
