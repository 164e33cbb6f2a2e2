"""`stormcone explain`: what would be done about an event, and why."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import click

from stormcone.cli.commands.events import asked
from stormcone.cli.configured import built, configured, sources_of
from stormcone.cli.console import print_json, say
from stormcone.cli.options import default_journal, scenario_option
from stormcone.cli.render import event_json, event_text
from stormcone.clock import ManualClock
from stormcone.clouds.contract import AUTO, ProviderOptions, Source
from stormcone.config.fleet import FleetSeen, fleet_seen
from stormcone.config.load import Configuration
from stormcone.detect import open_provider
from stormcone.errors import StormconeError
from stormcone.handlers import App, Stage
from stormcone.journal.places import may_be_there, read_journal
from stormcone.journal.timeline import bore
from stormcone.model import EventKey, Machine, MaintenanceEvent
from stormcone.plugins import SIMULATORS, load_plugins, provider_class, simulator_class
from stormcone.rules.approval import ApprovalAnswer, Decision
from stormcone.rules.explanation import Explanation, HandlerPlan, StagePlan, TurnPlan, explain
from stormcone.rules.runs import Run
from stormcone.simulators.contract import SimulatorOptions
from stormcone.simulators.control_client import clock_of
from stormcone.text import folded, iso, printable, span, stamp

_WITHOUT = ("file", "log", "listen", "interval", "keep", "grace", "dry_run", "verbose")

_MACHINES = ("web-0@0", "web-1@0", "db-0@1")
"""The machines of a scenario, with their groups; the first one is ours."""

_LOOKS = (*(10.0,) * 12, *(60.0,) * 28, *(3600.0,) * 24)
"""Seconds between the looks at a scenario: its first half hour closely, then its first day."""


@dataclass(frozen=True)
class Explained:
    """An event that is to be explained.

    Attributes:
        event: as it is.
        machine: whose handlers are asked.
        now: the time of asking, aware UTC.
        runs: what has been done for it already.
        known_for: how long it has been known.
        able: whether its cloud's provider can approve at all.
    """

    event: MaintenanceEvent
    machine: Machine
    now: datetime
    runs: tuple[Run, ...] = ()
    known_for: timedelta = timedelta(0)
    able: bool = True


@click.command("explain")
@click.argument("words", metavar="[FILE.py[:APP]] [ID]", nargs=-1)
@configured(without=_WITHOUT)
@click.option("--event", "event_id", metavar="ID", help="This event, from the journal or announced now.")
@click.option("--scenario", metavar="NAME|FILE", help="The events of a scenario's first day, each as it is first seen.")
@click.option("--cloud", metavar="CLOUD", help="With --scenario: the cloud that it is played on; default: --provider.")
def command(
    read: Callable[..., Configuration],
    words: tuple[str, ...],
    event_id: str | None,
    scenario: str | None,
    cloud: str | None,
) -> None:
    """Say what would be done about an event: by which handlers, when, until when, and whether it would be approved.

    Asks the rules that the agent asks, and does nothing. Without ID and --scenario: everything that is announced. ID is
    the same as --event ID.

    \b
    stormcone explain handlers.py --scenario fault-domains --cloud azure
    stormcone explain 602d9444-d2cd-49c7-8624-8643e7171297
    """
    file, event_id = _file_and_event(words, event_id)
    if scenario is not None and event_id is not None:
        raise click.UsageError("--scenario brings its own events; leave --event out")
    if cloud is not None and scenario is None:
        raise click.UsageError("--cloud is for --scenario; --provider names the cloud that is asked")
    configuration = read(**({"handlers": file} if file else {}))
    app = built(configuration)
    source = sources_of(configuration)[0]
    if scenario is not None:
        cases = list(_of_scenario(scenario, cloud or source.provider))
    else:
        cases = list(_of_journal(configuration, event_id)) if event_id is not None else []
        cases = cases or [_with_journal(case, configuration) for case in _of_cloud(source, event_id)]
    if event_id is not None and not cases:
        raise StormconeError(f"neither the journal nor the cloud knows an event {event_id}; see stormcone events")
    fleet = fleet_seen(configuration, app) if scenario is None else None
    explained = [(case, _explained(case, app, fleet)) for case in cases]
    if configuration.settings.as_json:
        print_json({"events": [_document(case, explanation, app) for case, explanation in explained]})
        return
    if not explained:
        say("Nothing is announced; --scenario explains what is made up.")
    for case, explanation in explained:
        for line in _lines(case, explanation, app):
            say(line)


def _file_and_event(words: tuple[str, ...], event_id: str | None) -> tuple[str | None, str | None]:
    """The handler file and the event's id among the words: a file ends with .py."""
    files = [word for word in words if word.partition(":")[0].endswith(".py")]
    ids = [*([] if event_id is None else [event_id]), *(word for word in words if word not in files)]
    if len(files) > 1 or len(ids) > 1:
        what, many = ("handler files", files) if len(files) > 1 else ("events", ids)
        raise click.UsageError(f"there are two {what}, {' and '.join(many[:2])}; give one")
    return next(iter(files), None), next(iter(ids), None)


def _explained(case: Explained, app: App, fleet: FleetSeen | None) -> Explanation:
    seen = fleet.event(case.event, case.machine, case.now) if fleet else None
    groups = fleet.groups_of(case.machine) if fleet else ()
    return explain(case.event, app, case.machine, case.now, case.runs, case.known_for, seen, groups)


def _of_journal(configuration: Configuration, event_id: str) -> Iterator[Explained]:
    """The last episode of that event in the journal, where there is one."""
    path = configuration.settings.journal or default_journal()
    if not may_be_there(path):
        return
    with read_journal(path) as book:
        found = [episode for episode in book.episodes() if bore(book, episode, event_id)]
        lives = book.lives()
        if not found or not lives:
            return
        episode = found[-1]
        now = clock_of(None).now()
        machine = Machine(provider=lives[-1].provider, id="", name=lives[-1].machine)
        runs = tuple(book.runs(episode.id))
    able = provider_class(episode.event.source or episode.event.provider).capabilities.can_approve
    yield Explained(episode.event, machine, now, runs, max(now - episode.first_seen, timedelta(0)), able)


def _with_journal(case: Explained, configuration: Configuration) -> Explained:
    """What is announced, with what the journal of this machine's agent knows of it."""
    known = next(_of_journal(configuration, case.event.id), None)
    if known is None or known.event.outcome is not None or folded(known.machine.name) != folded(case.machine.name):
        return case
    return replace(case, runs=known.runs, known_for=known.known_for)


def _of_cloud(source: Source, event_id: str | None) -> Iterator[Explained]:
    """What is announced now."""
    clock = clock_of(source.endpoint)
    with closing(open_provider(ProviderOptions.of(source, clock))) as provider:
        seen, machine, trouble = asked(provider)
        if machine is None:
            raise StormconeError(f"it is not known which machine this is; name it with --machine ({trouble})")
        for event in seen.events:
            if event_id is None or folded(event.id) == folded(event_id):
                yield Explained(event, machine, clock.now(), able=provider.capabilities.can_approve)


def _of_scenario(name: str, cloud: str) -> Iterator[Explained]:
    """The events of a scenario's first day, on a simulator in this process."""
    if cloud == AUTO:
        raise click.UsageError(
            f"on which cloud? Give --cloud, one of {', '.join(sorted(load_plugins(SIMULATORS).found))}"
        )
    clock = ManualClock()
    with simulator_class(cloud).from_options(SimulatorOptions(clock=clock, machines=_MACHINES)) as simulator:
        machine_name = next(iter(simulator.urls()))
        simulator.play(scenario_option(name))
        options = simulator.provider_options(machine_name)
        with closing(provider_class(cloud).from_options(options)) as provider:
            machine = provider.identify()
            known: set[EventKey] = set()
            for pause in (0.0, *_LOOKS):
                clock.advance(seconds=pause)
                for event in provider.poll().events:
                    if event.key not in known:
                        known.add(event.key)
                        yield Explained(event, machine, clock.now(), able=provider.capabilities.can_approve)


def _lines(case: Explained, explanation: Explanation, app: App) -> Iterator[str]:
    """An event's explanation for people, in lines of no more than 80 columns where names let that be."""
    yield event_text(case.event, case.machine, case.now)
    for plan in explanation.handlers:
        yield from _plan_lines(plan, case.now)
    if not explanation.handlers:
        yield "  no handler"
    if explanation.turn:
        yield printable(f"  prepare {explanation.turn.clause}")
    for line in _approval_lines(case, explanation, app):
        yield printable(f"  {line}")


def _plan_lines(plan: HandlerPlan, now: datetime) -> Iterator[str]:
    if not plan.stages:
        yield click.style(printable(f"  {plan.handler}: not, since {plan.why_not}"), dim=True)
        return
    for stage in plan.stages:
        yield printable(f"  {plan.handler}.{stage.stage}: {_when(stage, now)}")


def _when(stage: StagePlan, now: datetime) -> str:
    if stage.at is None:
        begins = "once it has begun" if stage.stage is Stage.STARTED else "once it has ended"
    elif stage.waits:
        begins = "at its turn" if stage.at <= now else f"at its turn, from {stamp(stage.at)}"
    else:
        begins = "at once" if stage.at_once else f"at {stamp(stage.at)}"
    if stage.deadline is not None:
        return f"{begins}, until {stamp(stage.deadline)}"
    return f"{begins}, for {span(stage.timeout)} at the most" if stage.timeout else begins


def _approval_lines(case: Explained, explanation: Explanation, app: App) -> Iterator[str]:
    now, prepared = explanation.now, explanation.prepared
    if not case.able:
        yield "approved: never: its provider cannot approve as it is set up"
        return
    yield f"approved now: {_answer(now)}"
    if prepared != now:
        yield f"approved once that is prepared: {_answer(prepared)}"
    early, time = app.approval.approve_early, case.event.not_before
    if prepared.rule == "too_early" and early is not None and time is not None:
        yield f"approved from {stamp(time - early)} on (approve_early)"


def _answer(decision: Decision) -> str:
    word = {ApprovalAnswer.YES: "yes", ApprovalAnswer.WAIT: "not yet", ApprovalAnswer.NO: "no"}[decision.answer]
    return f"{word}: {decision.reason} [{decision.rule}]"


def _document(case: Explained, explanation: Explanation, app: App) -> dict[str, Any]:
    return {
        "event": event_json(case.event, case.machine),
        "at": iso(case.now),
        "machine": case.machine.name,
        "handlers": [
            {
                "handler": plan.handler,
                "acts": bool(plan.stages),
                "why_not": plan.why_not or None,
                "stages": [_stage_json(stage) for stage in plan.stages],
            }
            for plan in explanation.handlers
        ],
        "turn": _turn_json(explanation.turn) if explanation.turn else None,
        "approval": {
            "possible": case.able,
            "now": _decision_json(explanation.now),
            "prepared": _decision_json(explanation.prepared),
            "policy": "app" if callable(app.approval.approve) else app.approval.approve,
        },
    }


def _stage_json(stage: StagePlan) -> dict[str, Any]:
    return {
        "stage": stage.stage.value,
        "at": iso(stage.at) if stage.at else None,
        "at_once": stage.at_once,
        "waits_for_turn": stage.waits,
        "deadline": iso(stage.deadline) if stage.deadline else None,
        "timeout_seconds": stage.timeout.total_seconds() if stage.timeout else None,
    }


def _turn_json(turn: TurnPlan) -> dict[str, Any]:
    return {
        "groups": list(turn.groups),
        "waits": not turn.need,
        "why_not": turn.need or None,
        "until": iso(turn.until) if turn.until else None,
    }


def _decision_json(decision: Decision) -> dict[str, str]:
    return {"answer": decision.answer.value, "reason": decision.reason, "rule": decision.rule}
