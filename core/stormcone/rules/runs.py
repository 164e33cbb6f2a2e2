"""Runs: which work a change in an event's life makes, and what becomes of it. Pure functions over values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from stormcone.clock import Instant
from stormcone.handlers import App, Handler, Stage
from stormcone.model import Machine, MaintenanceEvent, Phase, Scope
from stormcone.rules.changes import Change
from stormcone.rules.times import later, time_of
from stormcone.text import folded

FIRST_BACKOFF = timedelta(seconds=1)
LONGEST_BACKOFF = timedelta(seconds=60)
SHORTEST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(days=365)

END_GRACE = timedelta(seconds=30)
"""How long prepare or started may go on after the event's end, before recover goes ahead without it."""

STOP_GRACE = timedelta(seconds=10)
"""How long an attempt that was asked to end may take to do so."""


class RunState(StrEnum):
    """Where a run is; `RUN_MOVES` says which steps there are."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    VETOED = "vetoed"
    DROPPED = "dropped"

    @property
    def over(self) -> bool:
        """Whether nothing is left to do of it, as things stand."""
        return self not in {RunState.PENDING, RunState.RUNNING}


RUN_MOVES = frozenset(
    {
        (RunState.PENDING, RunState.RUNNING),  # an attempt begins
        (RunState.PENDING, RunState.DROPPED),  # the event has gone on, or its handler has no part in it any more
        (RunState.DROPPED, RunState.PENDING),  # the event has changed again, and its handler takes it after all
        (RunState.RUNNING, RunState.PENDING),  # it is to be tried again, or the agent was cut off
        (RunState.RUNNING, RunState.DROPPED),  # it was cut off, and its event has gone on
        (RunState.RUNNING, RunState.SUCCEEDED),  # the stage returned
        (RunState.RUNNING, RunState.FAILED),  # it gave up, ran out of tries or overran
        (RunState.RUNNING, RunState.VETOED),  # it raised Veto
    }
)
"""Every step that a run can take."""


class Verdict(StrEnum):
    """How one attempt ended, before the retry rules."""

    SUCCEEDED = "succeeded"
    RETRY = "retry"
    ERROR = "error"
    GAVE_UP = "gave_up"
    VETOED = "vetoed"
    OVERRAN = "overran"
    CUT_OFF = "cut_off"
    """It was told to end, and did, without saying that it had finished."""


@dataclass(frozen=True)
class Attempt:
    """What one attempt came to.

    Attributes:
        verdict: how it ended.
        note: one line, or "".
        after: for RETRY, the pause that the handler asked for, or None.
        error: what the handler raised, where it was no word of its own; never written down.
    """

    verdict: Verdict
    note: str = ""
    after: timedelta | None = None
    error: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One handler's work on one stage of one event, as the journal has it.

    Attributes:
        id: the journal's number for it.
        episode: the journal's number for the event's episode.
        handler: the handler's label.
        machine: for which of the event's machines, by the name in its resources; "" where we watch one machine.
        stage: which stage.
        position: its place among the runs of its stage.
        state: where it is.
        attempt: how many attempts have begun.
        due: not to begin before this date; None: at once.
        again: not to be tried again before this steady time; None: at once.
        begun: when the last attempt began.
        ended: when it was over.
        note: the last attempt's note.
    """

    id: int
    episode: int
    handler: str
    stage: Stage
    position: int
    state: RunState
    attempt: int = 0
    due: datetime | None = None
    again: datetime | None = None
    begun: datetime | None = None
    ended: datetime | None = None
    note: str = ""
    machine: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """For which machine, as names are compared, and whose it is."""
        return (folded(self.machine), self.handler)

    @property
    def order(self) -> tuple[int, int]:
        """Its place among all runs of its event."""
        return (list(Stage).index(self.stage), self.position)


class NewRun(NamedTuple):
    """A run to be made."""

    handler: str
    stage: Stage
    position: int
    due: datetime | None
    machine: str = ""


@dataclass(frozen=True)
class RunPlan:
    """What a change means for the runs of its event.

    Attributes:
        new: runs to make.
        dropped: runs that will not begin (again), with the reason.
        due: runs with the time at which they are due now: pending ones, and dropped ones that are wanted again.
    """

    new: tuple[NewRun, ...] = ()
    dropped: tuple[tuple[Run, str], ...] = ()
    due: tuple[tuple[Run, datetime | None], ...] = ()


def machines_of(event: MaintenanceEvent, ours: Machine) -> tuple[str, ...]:
    """For which machines the handlers work: ours, which is "", or of a region each that the event names."""
    if ours.scope is Scope.MACHINE:
        return ("",) if ours.affected_by(event) else ()
    machines: dict[str, str] = {}
    for name in event.resources:
        machines.setdefault(folded(name), name)
    return tuple(machines.values())


def plan(change: Change, app: App, runs: Iterable[Run], machines: Sequence[str] = ("",)) -> RunPlan:
    """What a change means for the runs of its event.

    Args:
        change: the step in the event's life.
        app: whose handlers may take it.
        runs: the runs that its episode has.
        machines: for which machines the handlers work, see `machines_of`; where there is none, nothing new begins.
    """
    runs = tuple(runs)
    taking = app.taking(change.event) if machines else ()
    if change.event.phase is Phase.ENDED:
        return RunPlan(new=_recoveries(app, taking, runs, machines), dropped=_drop_outdated(runs, change.event))
    if change.event.phase is Phase.STARTED:
        return RunPlan(
            new=_missing_runs(Stage.STARTED, change.event, app, taking, runs, machines),
            dropped=_drop_outdated(runs, change.event),
        )
    handlers = {handler.label: handler for handler in taking}
    wanted = {(machine, label): handler for machine in map(folded, machines) for label, handler in handlers.items()}
    prepares = [(run, wanted.get(run.place)) for run in runs if run.stage is Stage.PREPARE]
    return RunPlan(
        new=_missing_runs(Stage.PREPARE, change.event, app, taking, runs, machines),
        dropped=tuple(
            (run, "the event has changed and the handler no longer takes it")
            for run, handler in prepares
            if run.state is RunState.PENDING and handler is None
        ),
        due=tuple(
            (run, begin_at(app.lead_of(handler, change.event), change.event))
            for run, handler in prepares
            if handler is not None and _may_be_moved(run)
        ),
    )


def outdated(run: Run, event: MaintenanceEvent) -> str | None:
    """Why an attempt at the run makes no sense any more, now that its event has gone on; None where it does."""
    if run.stage is not Stage.RECOVER and event.phase is Phase.ENDED:
        return "the event has ended"
    if run.stage is Stage.PREPARE and event.phase is Phase.STARTED:
        return "the event has begun"
    return None


def may_begin(run: Run, now: Instant) -> bool:
    """Whether the run waits, its date has come and the pause after its last attempt is over."""
    come = run.due is None or run.due <= now.date
    return run.state is RunState.PENDING and come and (run.again is None or run.again <= now.steady)


def begin_at(lead: timedelta | None, event: MaintenanceEvent) -> datetime | None:
    """When a handler's prepare begins: its lead before the event's time; None: at once."""
    time = time_of(event)
    if lead is None or time is None:
        return None
    try:
        return time - lead
    except OverflowError:  # some clouds say "no time" with the first day of year 1
        return None


def deadline(stage: Stage, handler: Handler, event: MaintenanceEvent, begun: Instant, now: Instant) -> datetime | None:
    """When an attempt that goes on must be done, as a date of the wall clock as it is now; None: there is no limit.

    Prepare has until the event's time, or its start if that comes first. Where that time had passed when the
    attempt began, the timeout alone counts; so it does for an event that waits for consent, until it has begun.

    Args:
        stage: of which stage.
        handler: whose timeout counts.
        event: as it is now.
        begun: when the attempt began.
        now: the timeout lasts, so what is left of it is added to the date that it is now.
    """
    limits = []
    if handler.timeout is not None:
        limits.append(later(now.date, handler.timeout - (now.steady - begun.steady)))
    if stage is Stage.PREPARE:
        time = time_of(event)
        if time is not None and time > begun.date:
            limits.append(time)
        if event.phase is Phase.STARTED:
            limits.append(now.date)
    return min(limits, default=None)


class Settled(NamedTuple):
    """What becomes of a run after an attempt: its state, the steady time before which it is not tried again, a note."""

    state: RunState
    again: datetime | None
    note: str


def settle(run: Run, handler: Handler, event: MaintenanceEvent, attempt: Attempt, now: Instant) -> Settled:
    """What becomes of a run after an attempt: done, over, or due again."""
    if attempt.verdict is Verdict.SUCCEEDED:
        return Settled(RunState.SUCCEEDED, None, attempt.note)
    if attempt.verdict is Verdict.VETOED:
        return Settled(RunState.VETOED, None, attempt.note)
    if attempt.verdict in {Verdict.GAVE_UP, Verdict.OVERRAN}:
        return Settled(RunState.FAILED, None, attempt.note)
    if attempt.verdict is Verdict.CUT_OFF:
        over = outdated(run, event)
        if over is None:  # it is done again, by the next life or at another worker
            return Settled(RunState.PENDING, None, attempt.note)
        called_off = event.outcome is not None and event.outcome.called_off
        return Settled(RunState.DROPPED, None, attempt.note if called_off else over)
    if handler.retries is not None and run.attempt > handler.retries:
        return Settled(RunState.FAILED, None, f"{attempt.note} (tried {run.attempt} times)")
    wished = backoff(run.attempt) if attempt.after is None else attempt.after
    pause = min(max(wished, SHORTEST_PAUSE), LONGEST_PAUSE)
    begins = time_of(event)
    if run.stage is Stage.PREPARE and begins is not None and now.date + pause >= begins > now.date:
        return Settled(RunState.FAILED, None, f"{attempt.note} (the next try would come after the event's time)")
    if why := outdated(run, event):
        return Settled(RunState.FAILED, None, f"{attempt.note} (not tried again: {why})")
    return Settled(RunState.PENDING, now.steady + pause, attempt.note)


def backoff(attempt: int) -> timedelta:
    """The pause after the given attempt: 1 s, 2 s, 4 s, ... up to 60 s."""
    return min(FIRST_BACKOFF * (1 << min(attempt - 1, 16)), LONGEST_BACKOFF)


def _missing_runs(
    stage: Stage,
    event: MaintenanceEvent,
    app: App,
    taking: tuple[Handler, ...],
    runs: tuple[Run, ...],
    machines: Sequence[str],
) -> tuple[NewRun, ...]:
    have = {run.place for run in runs if run.stage is stage}
    return tuple(
        NewRun(handler.label, stage, position, _due_at(stage, app, handler, event), machine)
        for machine in machines
        for position, handler in enumerate(taking)
        if handler.has(stage) and (folded(machine), handler.label) not in have
    )


def _due_at(stage: Stage, app: App, handler: Handler, event: MaintenanceEvent) -> datetime | None:
    return begin_at(app.lead_of(handler, event), event) if stage is Stage.PREPARE else None


def _recoveries(
    app: App, taking: tuple[Handler, ...], runs: tuple[Run, ...], machines: Sequence[str]
) -> tuple[NewRun, ...]:
    """Recover for each handler whose prepare or started began; also for those that have neither and take the event."""
    began = {run.place for run in runs if run.attempt > 0}
    have = {run.place for run in runs if run.stage is Stage.RECOVER}
    recovering = [handler for handler in reversed(app.handlers) if handler.has(Stage.RECOVER)]
    unbegun = {handler.label for handler in taking if _only_recovers(handler)}
    named = {folded(machine): machine for machine in machines}
    made = []
    for name, machine in {**named, **{folded(run.machine): run.machine for run in runs}}.items():
        wanted = {label for place, label in began if place == name} | (unbegun if name in named else set())
        due = [handler for handler in recovering if handler.label in wanted and (name, handler.label) not in have]
        made += [NewRun(each.label, Stage.RECOVER, position, None, machine) for position, each in enumerate(due)]
    return tuple(made)


def _only_recovers(handler: Handler) -> bool:
    return not (handler.has(Stage.PREPARE) or handler.has(Stage.STARTED))


def _may_be_moved(run: Run) -> bool:
    """Whether a revision decides when the run is due: not where it has begun and its own backoff does."""
    return run.state is RunState.DROPPED or (run.state is RunState.PENDING and run.attempt == 0)


def _drop_outdated(runs: tuple[Run, ...], event: MaintenanceEvent) -> tuple[tuple[Run, str], ...]:
    return tuple((run, why) for run in runs if run.state is RunState.PENDING and (why := outdated(run, event)))
