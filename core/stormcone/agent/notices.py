"""What the agent has to tell: one notice for each thing that a person would want to know of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice

from stormcone.clock import Instant
from stormcone.handlers import Stage
from stormcone.journal import Episode
from stormcone.model import Machine, MaintenanceEvent, Origin, Outcome
from stormcone.rules.approval import ApprovalAnswer, Decision
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import Attempt, Run, RunState, Settled, Verdict
from stormcone.rules.succession import succession
from stormcone.text import printable, shortened, span, stamp

MOST_NAMES = 20
"""Machines that a sentence names; of more, it says how many."""

LONGEST_NAME = 100
"""Characters of a machine's name in a sentence; clouds allow no more than 64."""


class NoticeKind(StrEnum):
    """What a notice is about."""

    HANDLER = "handler"
    SERVING = "serving"
    STANDING_BY = "standing_by"
    SHARD = "shard"
    IDENTIFIED = "identified"
    ANNOUNCED = "announced"
    REVISED = "revised"
    STARTED = "started"
    ENDED = "ended"
    NOT_OURS = "not_ours"
    RUN_BEGUN = "run_begun"
    RUN_ENDED = "run_ended"
    RUN_FAILED = "run_failed"
    RUN_CUT_OFF = "run_cut_off"
    APPROVED = "approved"
    POSTPONED = "postponed"
    DECIDED = "decided"
    APPROVAL_FAILED = "approval_failed"
    UNKNOWN = "unknown"
    ANSWERED = "answered"
    PROBLEM = "problem"
    RELOADED = "reloaded"
    NOT_RELOADED = "not_reloaded"
    STOPPING = "stopping"
    STOPPED = "stopped"


WARNINGS = frozenset(
    {
        NoticeKind.RUN_FAILED,
        NoticeKind.APPROVAL_FAILED,
        NoticeKind.UNKNOWN,
        NoticeKind.PROBLEM,
        NoticeKind.NOT_RELOADED,
    }
)
"""Kinds that somebody should look into: an event of neighbours is none, since clouds announce it to all around."""


@dataclass(frozen=True)
class Notice:
    """One thing that has happened.

    Attributes:
        at: when, aware UTC.
        kind: what it is about.
        text: one printable line, without the time.
        event: the event that it is about, or None.
        handler: the handler whose run it is about, or "".
        stage: at which stage, or "".
        error: what a handler raised, where that is what it is about.
        verdict: how an attempt has ended, or "".
        attempt: the number of the attempt that it is about, or 0.
        seconds: of an attempt that begins, since when it could have; of one that has ended, how long it took.
        rule: the name of the rule that decided on the approval, or "".
        answer: what it decided, or "".
        new: whether an event of ours is told of for the first time.
    """

    at: datetime
    kind: NoticeKind
    text: str
    event: MaintenanceEvent | None = None
    handler: str = ""
    stage: str = ""
    error: BaseException | None = None
    verdict: str = ""
    attempt: int = 0
    seconds: float | None = None
    rule: str = ""
    answer: str = ""
    new: bool = False


def describe(event: MaintenanceEvent) -> str:
    """An event in a few words: `reboot of web-0, web-1`; of many machines, the first few."""
    return printable(f"{event.impact} of {_listed(event.resources) or 'no machine'}")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    first = [shortened(name, LONGEST_NAME) for name in names[:MOST_NAMES]]
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def disputed(machine: Machine) -> str:
    """A sentence where the cloud calls the machine otherwise than it was named; "" where it does not."""
    if not machine.disputed:
        return ""
    return printable(
        f"the cloud calls this machine {machine.reported_name}, not {machine.name}: nothing is approved in that name; "
        "leave --machine out, or correct it"
    )


def misnamed(events: Iterable[MaintenanceEvent], machine: Machine) -> Iterator[str]:
    """A sentence where events are announced and none of them names the machine, whose name may be wrong."""
    names = dict.fromkeys(name for event in events for name in event.resources)
    if names and not any(machine.owns(name) for name in names):
        yield printable(f"no event names this machine ({machine.name}); they name {_listed(list(names))}")


def unplaced(events: Iterable[MaintenanceEvent]) -> str:
    """A sentence where events are announced and it is not known which machine this is; "" where there are none."""
    told = [
        f"{describe(event)} ({event.phase}{f', not before {stamp(event.not_before)}' if event.not_before else ''})"
        for event in islice(events, MOST_NAMES)
    ]
    return printable(f"announced, for this machine or for others: {'; '.join(told)}") if told else ""


def orphaned(events: Iterable[MaintenanceEvent]) -> str:
    """A sentence where events go on of which nobody tells any more; "" where there are none."""
    sources = sorted({event.source for event in events})
    if not sources:
        return ""
    return printable(
        f"events go on that {', '.join(sources)} told of, and nobody asks there any more whether they have ended; "
        f"add {' '.join(f'--provider {source}' for source in sources)}"
    )


def meanwhile(machine: Machine | None) -> str:
    """What is done as long as the cloud does not say which machine this is, as a clause.

    Args:
        machine: for which it is taken; None: for none.
    """
    if machine is None:
        return "until it says, events are told of and nothing is done about them"
    return printable(f"until it says, events of {machine.name} are handled and none is approved")


def _time_of(event: MaintenanceEvent, at: datetime) -> str:
    if event.not_before is None:
        return "at a time not known"
    if event.not_before <= at:
        return f"due since {stamp(event.not_before)}"
    return f"not before {stamp(event.not_before)} (in {span(event.not_before - at)})"


def change_notice(change: Change, machine: Machine, at: datetime) -> Notice:
    """What to say of a step in an event's life."""
    event, what = change.event, describe(change.event)
    new = change.before is None
    if new and not machine.affected_by(event):
        text = f"{what}: none of them is this machine ({machine.name}), so nothing is done about it"
        return Notice(at, NoticeKind.NOT_OURS, text, event)
    if change.before is not None and (why := succession(change.before, event)):
        has = "has begun" if change.kind is ChangeKind.STARTED else "goes on"
        kind = NoticeKind(change.kind)
        return Notice(at, kind, printable(f"{what} {has} as {event.id}, taken for the same: {why}"), event)
    if change.kind is ChangeKind.ANNOUNCED:
        text = f"{what} announced, {_time_of(event, at)}, cause: {event.cause}"
        return Notice(at, NoticeKind.ANNOUNCED, text, event, new=True)
    if change.kind is ChangeKind.REVISED:
        fields = ", ".join(change.fields)
        return Notice(at, NoticeKind.REVISED, f"{what} changed ({fields}), {_time_of(event, at)}", event)
    if change.kind is ChangeKind.STARTED:
        notice = " without notice" if new else ""
        return Notice(at, NoticeKind.STARTED, f"{what} has begun{notice}", event, new=new)
    concluded = " (inferred)" if event.outcome_origin is Origin.INFERRED else ""
    return Notice(at, NoticeKind.ENDED, f"{what} has ended: {event.outcome or Outcome.UNKNOWN}{concluded}", event)


def run_begun_notice(run: Run, episode: Episode, due: datetime | None, at: datetime, worker: str = "") -> Notice:
    """What to say of an attempt that begins, at a worker or here; `due` is the date that it had waited for."""
    again = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    by = printable(f" at worker {worker}") if worker else ""
    notice = _of_run(run, episode, at, NoticeKind.RUN_BEGUN, f"begins{again}{by}")
    return replace(notice, seconds=max((at - _could_begin(run, episode, due)).total_seconds(), 0.0))


def run_goes_on_notice(run: Run, episode: Episode, at: datetime, worker: str) -> Notice:
    """What to say of an attempt that a worker began in an earlier life of the agent."""
    again = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    return _of_run(run, episode, at, NoticeKind.RUN_BEGUN, printable(f"goes on{again} at worker {worker}"))


def _could_begin(run: Run, episode: Episode, due: datetime | None) -> datetime:
    """Since when a run could have begun: since its date, and since what it follows was seen."""
    seen = {Stage.STARTED: episode.started, Stage.RECOVER: episode.ended}.get(run.stage) or episode.first_seen
    return max(seen, due) if due else seen


def run_dropped_notice(run: Run, episode: Episode, why: str, at: datetime) -> Notice:
    """What to say of a run that will not begin (again)."""
    return _of_run(run, episode, at, NoticeKind.RUN_CUT_OFF, f"is left out: {why}")


def run_ended_notice(
    run: Run, attempt: Attempt, settled: Settled, episode: Episode, begun: Instant, at: Instant
) -> Notice:
    """What to say of an attempt that has ended."""
    notice = _ended(run, attempt, settled, episode, at)
    return replace(notice, verdict=attempt.verdict.value, seconds=max((at.steady - begun.steady).total_seconds(), 0.0))


def _ended(run: Run, attempt: Attempt, settled: Settled, episode: Episode, at: Instant) -> Notice:
    note = printable(settled.note)
    if settled.state is RunState.SUCCEEDED:
        return _of_run(run, episode, at.date, NoticeKind.RUN_ENDED, "done" + (f" ({note})" if note else ""))
    if settled.state is RunState.VETOED:
        return _of_run(run, episode, at.date, NoticeKind.RUN_FAILED, f"vetoes the approval: {note}", attempt.error)
    if attempt.verdict is Verdict.CUT_OFF:
        return _of_run(run, episode, at.date, NoticeKind.RUN_CUT_OFF, f"was cut off: {note}", attempt.error)
    if settled.state is RunState.PENDING and settled.again is not None:
        text = f"failed and is tried again in {span(settled.again - at.steady)}: {note}"
        return _of_run(run, episode, at.date, NoticeKind.RUN_FAILED, text, attempt.error)
    return _of_run(run, episode, at.date, NoticeKind.RUN_FAILED, f"failed: {note}", attempt.error)


def _of_run(
    run: Run, episode: Episode, at: datetime, kind: NoticeKind, what: str, error: BaseException | None = None
) -> Notice:
    of = f" of {shortened(run.machine, LONGEST_NAME)}" if run.machine else ""
    text = f"{run.handler}.{run.stage}{printable(of)} {what}"
    return Notice(
        at, kind, text, episode.event, handler=run.handler, stage=run.stage.value, error=error, attempt=run.attempt
    )


def decision_notice(episode: Episode, decision: Decision, at: datetime) -> Notice:
    """What to say of a decision about an approval."""
    verb = {
        ApprovalAnswer.YES: "is to be approved",
        ApprovalAnswer.WAIT: "is not approved yet",
        ApprovalAnswer.NO: "is not approved",
    }
    text = printable(f"{describe(episode.event)} {verb[decision.answer]}: {decision.reason}")
    kind = NoticeKind.DECIDED
    return Notice(at, kind, text, episode.event, rule=decision.rule, answer=decision.answer.value)


def turn_notice(episode: Episode, why: str, at: datetime) -> Notice:
    """What to say of a machine's turn to be away: what it waits for; "" where it has its turn."""
    text = printable(f"{describe(episode.event)} {why or 'has its turn: its handlers go on'}")
    return Notice(at, NoticeKind.DECIDED, text, episode.event)


def approval_notice(
    episode: Episode, reason: str, error: Exception | None, at: datetime, *, until: datetime | None = None
) -> Notice:
    """What to say of the answer to an approval, or to a request to put the event off until then."""
    what = describe(episode.event)
    if until is not None:
        to = stamp(until)
        if error is None:
            return Notice(at, NoticeKind.POSTPONED, printable(f"{what} is put off until {to}: {reason}"), episode.event)
        text = printable(f"{what} could not be put off until {to}: {error}")
        return Notice(at, NoticeKind.APPROVAL_FAILED, text, episode.event)
    if error is None:
        return Notice(at, NoticeKind.APPROVED, printable(f"{what} approved: {reason}"), episode.event)
    return Notice(at, NoticeKind.APPROVAL_FAILED, printable(f"{what} could not be approved: {error}"), episode.event)
