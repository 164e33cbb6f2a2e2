"""What would be done about an event, and why: the rules of runs and of approval, asked without an agent."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stormcone.clock import Instant
from stormcone.handlers import App, Handler, Stage
from stormcone.model import Machine, MaintenanceEvent, Phase
from stormcone.rules.agreement import EventInFleet
from stormcone.rules.approval import Decision, Facts, decide_safely
from stormcone.rules.limits import need_of, waits_until
from stormcone.rules.runs import Run, RunState, begin_at, deadline, machines_of
from stormcone.text import stamp


@dataclass(frozen=True)
class TurnPlan:
    """How prepare waits for the machine's turn in its groups.

    Attributes:
        groups: the machine's, by name.
        need: why nothing waits for it, as a clause; "" where it is waited for.
        until: until when it is waited for at the most, aware UTC; None: no limit.
    """

    groups: tuple[str, ...]
    need: str = ""
    until: datetime | None = None

    @property
    def clause(self) -> str:
        """It in words."""
        named = f"its turn in {', '.join(self.groups)}"
        if self.need:
            return f"does not wait for {named}: {self.need}"
        return f"waits for {named}" + (f", until {stamp(self.until)} at the most" if self.until else "")


@dataclass(frozen=True)
class StagePlan:
    """When a handler's stage would run.

    Attributes:
        stage: which stage.
        at: when it begins at the earliest, aware UTC; None: once the event has begun (`started`) or ended (`recover`).
        at_once: whether that is now, since its time has come and it waits for nothing.
        deadline: until when it may go on at the latest, aware UTC; None: there is no limit, or it is not known before.
        timeout: how long one attempt may take; None: no limit.
        waits: whether it waits for the machine's turn.
    """

    stage: Stage
    at: datetime | None
    at_once: bool
    deadline: datetime | None
    timeout: timedelta | None
    waits: bool = False


@dataclass(frozen=True)
class HandlerPlan:
    """What a handler would do.

    Attributes:
        handler: its label.
        stages: which of its stages would run; none where it does not act.
        why_not: why it does not act, as a clause; "" where it does.
    """

    handler: str
    stages: tuple[StagePlan, ...]
    why_not: str


@dataclass(frozen=True)
class Explanation:
    """What would be done about an event.

    Attributes:
        event: the event.
        handlers: each of the app's, in its order.
        now: what is decided about approving it, as things stand.
        prepared: what would be decided once every handler that acts has prepared.
        turn: how its prepare waits for a turn in the machine's groups; None where it has none to wait for.
    """

    event: MaintenanceEvent
    handlers: tuple[HandlerPlan, ...]
    now: Decision
    prepared: Decision
    turn: TurnPlan | None = None


def explain(
    event: MaintenanceEvent,
    app: App,
    machine: Machine,
    now: datetime,
    runs: Collection[Run] = (),
    known_for: timedelta = timedelta(0),
    fleet: EventInFleet | None = None,
    groups: Collection[str] = (),
) -> Explanation:
    """What would be done about an event.

    Args:
        event: as it is now.
        app: whose handlers and settings decide.
        machine: the machine that we run on or watch.
        now: the time, aware UTC.
        runs: what has been done already, where it is known to the journal; else what would be is assumed.
        known_for: how long it has been known.
        fleet: the event as the machine's fleet knows it; None where it is in none.
        groups: those of the fleet that the machine is in.
    """
    handlers = tuple(_plan_of(handler, event, app, machine, now, runs) for handler in app.handlers)
    preparing = [plan.handler for plan in handlers if any(stage.stage is Stage.PREPARE for stage in plan.stages)]
    assumed = tuple(
        Run(id=number, episode=0, handler=label, stage=Stage.PREPARE, position=number, state=RunState.PENDING)
        for number, label in enumerate(preparing)
    )
    facts = Facts(
        event=event, machine=machine, runs=runs or assumed, app=app, now=now, known_for=known_for, fleet=fleet
    )
    done = tuple(replace(run, state=RunState.SUCCEEDED) for run in facts.runs if run.stage is Stage.PREPARE)
    supposed = fleet.supposing(fleet.member) if fleet and fleet.member else fleet
    prepared = decide_safely(replace(facts, runs=done, fleet=supposed))
    begun = any(run.attempt for run in runs)
    if not (preparing and groups) or begun:
        return Explanation(event, handlers, decide_safely(facts), prepared)
    turn = _turn(event, app, handlers, groups)
    if not turn.need:
        handlers = tuple(
            replace(plan, stages=tuple(_at_turn(stage, plan, event, app, turn) for stage in plan.stages))
            for plan in handlers
        )
    return Explanation(event, handlers, decide_safely(facts), prepared, turn)


def _turn(event: MaintenanceEvent, app: App, plans: Collection[HandlerPlan], groups: Collection[str]) -> TurnPlan:
    """As the agent asks for it, once the first prepare is due."""
    named = tuple(sorted(groups))
    due = {plan.handler: stage.at for plan in plans for stage in plan.stages if stage.stage is Stage.PREPARE}
    first = min(at for at in due.values() if at is not None)
    if need := need_of(event, first):
        return TurnPlan(named, need)
    until = waits_until(event, [handler for label in due if (handler := app.handler(label))])
    if until is not None and until <= first:
        return TurnPlan(named, "its time allows no more waiting")
    return TurnPlan(named, until=until)


def _at_turn(stage: StagePlan, plan: HandlerPlan, event: MaintenanceEvent, app: App, turn: TurnPlan) -> StagePlan:
    """The stage as it is where the machine's turn is waited for."""
    handler = app.handler(plan.handler)
    late = turn.until is not None and stage.at is not None and stage.at >= turn.until
    if stage.stage is not Stage.PREPARE or handler is None or late:
        return stage
    last = Instant.of(turn.until) if turn.until else None
    until = deadline(stage.stage, handler, event, last, last) if last else None
    return replace(stage, at_once=False, deadline=until, waits=True)


def _plan_of(
    handler: Handler, event: MaintenanceEvent, app: App, machine: Machine, now: datetime, runs: Collection[Run]
) -> HandlerPlan:
    why_not = _why_not(handler, event, app, machine)
    if why_not:
        return HandlerPlan(handler.label, (), why_not)
    begun = any(run.attempt for run in runs if run.handler == handler.label)
    stages = tuple(_stage(stage, handler, event, app, now) for stage in _would_run(handler, event, begun=begun))
    why_none = "" if stages else f"it has nothing to do for an event that has {event.phase}"
    return HandlerPlan(handler.label, stages, why_none)


def _why_not(handler: Handler, event: MaintenanceEvent, app: App, machine: Machine) -> str:
    if not machines_of(event, machine):
        return f"the event does not name {machine.name}"
    rule = app.rule_for(event)
    if rule is not None and not rule.allows(handler.label):
        return f"rule {app.rules.index(rule) + 1} leaves it out"
    if event.impact not in handler.impacts:
        return f"it does not take {event.impact} (impacts)"
    if event.cause not in handler.causes:
        return f"it does not take what is caused by {event.cause} (causes)"
    if event.tentative and not handler.tentative:
        return "the event may never happen, and it does not take such (tentative)"
    return "" if handler.takes(event) else "its `when` says no"


def _would_run(handler: Handler, event: MaintenanceEvent, *, begun: bool) -> Iterator[Stage]:
    """Which stages are still to come; recover only where something began before it, or there is nothing before it."""
    earlier = [stage for stage in (Stage.PREPARE, Stage.STARTED) if handler.has(stage)]
    passed: dict[Phase, set[Stage]] = {
        Phase.SCHEDULED: set(),
        Phase.STARTED: {Stage.PREPARE},
        Phase.ENDED: {Stage.PREPARE, Stage.STARTED},
    }
    coming = [stage for stage in earlier if stage not in passed[event.phase]]
    yield from coming
    if handler.has(Stage.RECOVER) and (coming or begun or not earlier):
        yield Stage.RECOVER


def _stage(stage: Stage, handler: Handler, event: MaintenanceEvent, app: App, now: datetime) -> StagePlan:
    if stage is not Stage.PREPARE:
        at_once = stage is Stage.STARTED and event.phase is Phase.STARTED
        return StagePlan(stage, now if at_once else None, at_once, None, handler.timeout)
    due = begin_at(app.lead_of(handler, event), event)
    at = now if due is None else max(due, now)
    begun = Instant.of(at)
    return StagePlan(stage, at, at == now, deadline(stage, handler, event, begun, begun), handler.timeout)
