"""The journal's story of an event: what the cloud said, what each handler did, what was approved, in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from stormcone.journal import ChangeRecord, Episode, JournalStore
from stormcone.model import MaintenanceEvent, Origin
from stormcone.rules.changes import ChangeKind
from stormcone.rules.runs import RunState
from stormcone.rules.succession import succession
from stormcone.text import folded, printable, stamp


@dataclass(frozen=True)
class TimelineEntry:
    """One line of the story.

    Attributes:
        at: when.
        who: `cloud`, `approval` or the handler's label.
        what: the change, the stage, or `asked`.
        result: how it came out, printable; "" where there is nothing to say.
    """

    at: datetime
    who: str
    what: str
    result: str = ""


def timeline(journal: JournalStore, episode: Episode) -> list[TimelineEntry]:
    """The story of one episode, oldest line first."""
    lines = [*_changes(journal, episode), *_attempts(journal, episode), *_approvals(journal, episode)]
    return sorted(lines, key=lambda entry: entry.at)


def bore(journal: JournalStore, episode: Episode, event_id: str) -> bool:
    """Whether the episode's event has, or has had, that id; some clouds give another one as it goes on."""
    wanted = folded(event_id)
    if folded(episode.event.id) == wanted:
        return True
    return any(folded(change.event.id) == wanted for change in journal.changes(episode.id))


def _changes(journal: JournalStore, episode: Episode) -> Iterator[TimelineEntry]:
    before: MaintenanceEvent | None = None
    for change in journal.changes(episode.id):
        said = _said(change, before)
        yield TimelineEntry(change.at, "cloud", change.kind.value, printable(said))
        before = change.event


def _said(change: ChangeRecord, before: MaintenanceEvent | None) -> str:
    kind, event, fields = change.kind, change.event, change.fields
    if before is not None and (why := succession(before, event)):
        return f"as {event.id}, taken for the same: {why}"
    if kind is ChangeKind.ENDED:
        inferred = " (inferred)" if event.outcome_origin is Origin.INFERRED else ""
        return f"{event.outcome}{inferred}"
    time = f"not before {stamp(event.not_before)}" if event.not_before else "at a time not known"
    if kind is ChangeKind.ANNOUNCED:
        return time
    return f"{', '.join(fields)}: {time}" if kind is ChangeKind.REVISED else ""


def _attempts(journal: JournalStore, episode: Episode) -> Iterator[TimelineEntry]:
    for run in journal.runs(episode.id):
        attempts = journal.attempts(run.id)
        for attempt in attempts:
            number = f" (attempt {attempt.number})" if len(attempts) > 1 else ""
            cut_off = attempt.ended is None and (attempt is not attempts[-1] or run.state is not RunState.RUNNING)
            yield TimelineEntry(attempt.begun, run.handler, f"{run.stage} begins{number}", "cut off" if cut_off else "")
            if attempt.ended is None:
                continue
            note = f": {printable(attempt.note)}" if attempt.note else ""
            yield TimelineEntry(attempt.ended, run.handler, f"{run.stage} ends", f"{attempt.verdict}{note}")
        if run.ended is not None and run.state is RunState.DROPPED:
            yield TimelineEntry(run.ended, run.handler, f"{run.stage} {run.state}", printable(run.note))


def _approvals(journal: JournalStore, episode: Episode) -> Iterator[TimelineEntry]:
    for approval in journal.approvals(episode.id):
        what = "approval" if approval.until is None else "postponement"
        note = "" if approval.until is None else f"until {stamp(approval.until)}"
        yield TimelineEntry(approval.asked, what, "asked", note)
        if approval.answered is not None:
            yield TimelineEntry(
                approval.answered,
                what,
                "accepted" if approval.accepted else "refused" if approval.final else "failed",
                printable(approval.note),
            )
