"""Playing a scenario on a cloud's model: rehearsed whole before its first step happens.

The rehearsal plays it, with nobody listening, on a model of its own: the same machines, the same rules, no events. So
what a cloud cannot do is said at once and not half way through.
"""

import heapq
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from stormcone.clock import ManualClock, SystemClock
from stormcone.errors import SimulationError
from stormcone.model import Cause, Impact
from stormcone_simulators.events import Busy, EventBook, EventPlan, Revision, SimulatedEvent, TooLate, UnknownEvent
from stormcone_simulators.http.faults import FaultPlan
from stormcone_simulators.machines import Machines
from stormcone_simulators.scenarios.format import (
    CancelStep,
    ChangeStep,
    ClearFaultsStep,
    CompleteStep,
    Domain,
    FaultStep,
    PaceStep,
    Role,
    ScheduleStep,
    Script,
    StartStep,
    Step,
)

_log = logging.getLogger(__name__)


class PossibleEvent(NamedTuple):
    """A kind of event that a cloud has, for scenarios by chance.

    Attributes:
        impact: what it does to the machines.
        cause: why.
        native_type: the cloud's own word, where the neutral words do not reach it.
    """

    impact: Impact
    cause: Cause
    native_type: str | None = None


class Playable(Protocol):
    """A cloud's model, as far as scenarios need it."""

    book: EventBook[Any]

    def draft(self, plan: EventPlan, now: datetime) -> SimulatedEvent:
        """The event that the plan would make."""

    def revise(self, event: SimulatedEvent, revision: Revision, now: datetime) -> None:
        """Change an announced event."""

    def cancel(self, event: SimulatedEvent, now: datetime) -> None:
        """Call an event off."""


class Scene(NamedTuple):
    """What a scenario is played on.

    Attributes:
        model: the cloud's rules.
        machines: all machines; the scenario's are those of the first one's group.
        one_each: whether an event is about one machine, so that a step about several makes one for each.
        faults: the rules of faults.
        clock: manual, or the system's.
    """

    model: Playable
    machines: Machines
    one_each: bool
    faults: FaultPlan
    clock: ManualClock | SystemClock


class Agenda:
    """The steps of all scenarios that are being played."""

    def __init__(self) -> None:
        self._steps: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._order = itertools.count()

    def add(self, at: datetime, action: Callable[[datetime], None]) -> None:
        """Have something done at a time."""
        heapq.heappush(self._steps, (at, next(self._order), action))

    @property
    def next_step(self) -> datetime | None:
        """When the next step is due, None after the last one."""
        return self._steps[0][0] if self._steps else None

    def step(self) -> None:
        """Do the next step, at the time that it is due."""
        at, _, action = heapq.heappop(self._steps)
        action(at)


def settle(agenda: Agenda, book: EventBook[Any], now: datetime) -> None:
    """Let all happen that is due by now, in the order of its time."""
    while True:
        scripted, move = agenda.next_step, book.next_move
        # At the same moment the script goes first, so that it can end an event that would end by itself.
        if scripted is not None and scripted <= now and (move is None or scripted <= move):
            agenda.step()
        elif move is not None and move <= now:
            book.step()
        else:
            return


def perform(script: Script, scene: Scene, agenda: Agenda, start: datetime) -> None:
    """Have the scenario's steps happen from `start` on.

    A step that comes too late, as an approval or a caller has taken its event past it, is left out; so is an event
    beside which another one is that somebody else has made.
    """
    performance = Performance(scene)

    def act(step: Step, at: datetime) -> None:
        try:
            performance.do(step, at)
        except (Busy, TooLate, UnknownEvent) as error:
            _log.info("a step of a scenario is left out: %s", error)

    for step in script.scenario.step:
        agenda.add(start + step.at, partial(act, step))


def rehearse(script: Script, scene: Scene, start: datetime) -> None:
    """Play the whole scenario, on a scene of its own.

    Raises:
        SimulationError: this cloud or these machines cannot play it; the text names the step.
    """
    performance, agenda = Performance(scene), Agenda()

    def act(number: int, step: Step, at: datetime) -> None:
        try:
            performance.do(step, at)
        except SimulationError as error:
            raise SimulationError(f"{script.source.at('step', number)}: {error}") from error

    for number, step in enumerate(script.scenario.step):
        agenda.add(start + step.at, partial(act, number, step))
    settle(agenda, scene.model.book, start + script.scenario.step[-1].at)


class Performance:
    """One scenario on its way: which events its names stand for, and what its steps do to them.

    Args:
        scene: what it is played on.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._cast = [machine.name for machine in scene.machines.group(scene.machines.first.group)]
        self._ids: dict[str, tuple[str, ...]] = {}

    def do(self, step: Step, at: datetime) -> None:
        """One step, at its time.

        Raises:
            TooLate: its event is past that.
            SimulationError: this cloud or these machines cannot do it.
        """
        match step:
            case ScheduleStep():
                self._schedule(step, at)
            case ChangeStep():
                self._change(step, at)
            case FaultStep(fault=rule):
                if rule.machine is not None:
                    self._scene.machines.named(rule.machine)
                self._scene.faults.add(rule)
            case ClearFaultsStep():
                self._scene.faults.clear()
            case PaceStep():
                if isinstance(self._scene.clock, SystemClock):
                    self._scene.clock.speed = step.speed
            case _:
                for event in self._events(step.event):
                    self._move(step, event, at)

    def _schedule(self, step: ScheduleStep, at: datetime) -> None:
        model, drafts = self._scene.model, []
        for resources in self._shares(step.resources):
            plan = EventPlan(
                impact=step.impact,
                resources=resources,
                notice=step.notice,
                duration=step.duration,
                started_for=step.started_for,
                cause=step.cause,
                native_type=step.native_type,
                description=step.description,
            )
            drafts.append(model.draft(plan, at))
        for event in drafts:
            model.book.add(event)
        self._ids[step.event] = tuple(event.id for event in drafts)

    def _change(self, step: ChangeStep, at: datetime) -> None:
        events = self._events(step.event)
        shares = [None] * len(events) if step.resources is None else self._shares(step.resources)
        if len(shares) != len(events):
            raise SimulationError(
                f"the event {step.event!r} is {len(events)} here, one for each machine, and cannot change to "
                f"{len(shares)} machines; schedule another"
            )
        for event, resources in zip(events, shares, strict=True):
            revision = Revision(
                resources=resources, notice=step.notice, duration=step.duration, description=step.description
            )
            self._scene.model.revise(event, revision, at)

    def _move(self, step: CancelStep | StartStep | CompleteStep, event: SimulatedEvent, at: datetime) -> None:
        match step:
            case CancelStep():
                self._scene.model.cancel(event, at)
            case StartStep():
                self._scene.model.book.start(event, at)
            case CompleteStep():
                self._scene.model.book.end(event, at, step.outcome)

    def _events(self, label: str) -> list[SimulatedEvent]:
        if label not in self._ids:
            raise UnknownEvent(f"the event {label!r} was left out")
        return [self._scene.model.book.get(event_id) for event_id in self._ids[label]]

    def _shares(self, role: Role) -> list[tuple[str, ...]]:
        """The machines of a role, of each event that it takes."""
        names = _named(role, self._cast)
        return [(name,) for name in names] if self._scene.one_each else [names]


def _named(role: Role, cast: Sequence[str]) -> tuple[str, ...]:
    if isinstance(role, str):
        return tuple(cast) if role == "all" else (cast[0],)
    if isinstance(role, Domain):
        places: Iterable[int] = range(role.domain, len(cast), role.of)
        needed = role.domain + 1
    else:
        if isinstance(role[0], str):
            return tuple(str(name) for name in role)
        places = [int(place) for place in role]
        needed = max(places) + 1
    if needed > len(cast):
        raise SimulationError(
            f"this scenario needs {needed} machines in one group, and there are {len(cast)}; add more"
        )
    return tuple(cast[place] for place in places)
