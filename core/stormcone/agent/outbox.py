"""What sinks are to be told: the engine's steps as notifications, written down in the same transactions."""

import uuid
from datetime import datetime
from urllib.parse import quote

from stormcone.agent import notices
from stormcone.agent.notices import Notice
from stormcone.clock import Instant
from stormcone.errors import RequestRefused
from stormcone.journal import Episode, OutboxStore
from stormcone.model import Machine, MaintenanceEvent, Scope
from stormcone.rules.approval import Decision
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import Attempt, Run, RunState, Settled
from stormcone.sinks.notification import (
    PREFIX,
    Notification,
    NotificationData,
    ToldApproval,
    ToldChange,
    ToldRun,
)
from stormcone.text import printable, shortened

MOST_NAMES = 100
"""Machines that a notification names of an event, and other names of each; a document may name many thousands."""

LONGEST_TEXT = 2000
"""Characters of a text in a notification."""

_CHANGES = {
    ChangeKind.ANNOUNCED: "maintenance.scheduled",
    ChangeKind.REVISED: "maintenance.revised",
    ChangeKind.STARTED: "maintenance.started",
    ChangeKind.ENDED: "maintenance.ended",
}


class Outbox:
    """Writes down what sinks are to be told, and nothing where there is none.

    Every method is called within a transaction, and raises `JournalError`.

    Args:
        store: the journal's.
        used: whether there is a sink.

    Attributes:
        written: how many notifications were written down in this life.
        dropped: how many were dropped since too many waited.
    """

    def __init__(self, store: OutboxStore, *, used: bool) -> None:
        self.written = self.dropped = 0
        self._store = store
        self._used = used

    def changed(self, change: Change, machine: Machine, now: Instant) -> None:
        """A step in an event's life."""
        if self._used:
            before = change.before
            earlier = before.id if before is not None and before.id != change.event.id else None
            told = ToldChange(fields=change.fields, earlier_id=earlier)
            notice = notices.change_notice(change, machine, now.date)
            self._add(_CHANGES[change.kind], notice, machine, change.event, change=told)

    def run_begun(self, run: Run, due: datetime | None, episode: Episode, machine: Machine, now: Instant) -> None:
        """An attempt is about to begin."""
        if self._used:
            notice = notices.run_begun_notice(run, episode, due, now.date)
            self._add("run.started", notice, machine, episode.event, run=_run(run))

    def run_ended(
        self,
        run: Run,
        attempt: Attempt,
        settled: Settled,
        episode: Episode,
        machine: Machine,
        begun: Instant,
        now: Instant,
    ) -> None:
        """An attempt has ended."""
        if self._used:
            notice = notices.run_ended_notice(run, attempt, settled, episode, begun, now)
            told = _run(run, ended=now.date, note=settled.note)
            self._add(_kind_of(settled), notice, machine, episode.event, run=told)

    def run_dropped(self, run: Run, episode: Episode, why: str, machine: Machine, now: Instant) -> None:
        """A run will not begin (again)."""
        if self._used:
            notice = notices.run_dropped_notice(run, episode, why, now.date)
            self._add("run.dropped", notice, machine, episode.event, run=_run(run, note=why))

    def denied(self, episode: Episode, decision: Decision, machine: Machine, now: Instant) -> None:
        """An event is not approved."""
        if self._used:
            notice = notices.decision_notice(episode, decision, now.date)
            told = ToldApproval(reason=_text(decision.reason))
            self._add("approval.denied", notice, machine, episode.event, approval=told)

    def asked(self, episode: Episode, reason: str, machine: Machine, now: Instant, *, until: datetime | None) -> None:
        """An approval, or a request to put the event off until then, is about to be sent."""
        if self._used:
            what = "approved" if until is None else "put off"
            text = printable(f"{notices.describe(episode.event)} is to be {what}: {reason}")
            notice = Notice(now.date, notices.NoticeKind.DECIDED, text)
            told = ToldApproval(reason=_text(reason), until=until)
            self._add(f"{_asking(until)}.requested", notice, machine, episode.event, approval=told)

    def answered(
        self,
        episode: Episode,
        reason: str,
        error: Exception | None,
        machine: Machine,
        now: Instant,
        *,
        until: datetime | None,
    ) -> None:
        """The answer has come, or an error in place of one."""
        if self._used:
            came = "accepted" if error is None else "refused" if isinstance(error, RequestRefused) else "failed"
            notice = notices.approval_notice(episode, reason, error, now.date, until=until)
            told = ToldApproval(reason=_text(reason), error=_text(str(error)) if error else None, until=until)
            self._add(f"{_asking(until)}.{came}", notice, machine, episode.event, approval=told)

    def _add(
        self,
        kind: str,
        notice: Notice,
        machine: Machine,
        event: MaintenanceEvent,
        *,
        change: ToldChange | None = None,
        run: ToldRun | None = None,
        approval: ToldApproval | None = None,
    ) -> None:
        about = machine.in_event(event, _named(machine, event, run))
        data = NotificationData(
            text=_text(notice.text),
            resource=about.attributes() | {"service.name": "stormcone"},
            affects_machine=machine.affected_by(event),
            event=_bounded(event),
            change=change,
            run=run,
            approval=approval,
        )
        notification = Notification(
            id=str(uuid.uuid4()),
            type=PREFIX + kind,
            source=source_of(machine),
            subject=about.name,
            time=notice.at,
            correlation=event.id,
            data=data,
        )
        self.dropped += self._store.add(notification)
        self.written += 1


def source_of(machine: Machine) -> str:
    """Who tells, as a URI reference: `/stormcone/azure/web-0`; the machine's id where it has one."""
    return "/stormcone/" + "/".join(quote(part, safe="") for part in (machine.provider, machine.id or machine.name))


def _named(machine: Machine, event: MaintenanceEvent, run: ToldRun | None) -> str:
    """Which of a region's machines it is about; "" where that is the one that we watch, or several."""
    if run is not None:
        return run.machine or ""
    return event.resources[0] if machine.scope is Scope.REGION and len(event.resources) == 1 else ""


def _kind_of(settled: Settled) -> str:
    if settled.state is RunState.PENDING:
        return "run.interrupted" if settled.again is None else "run.retrying"
    return f"run.{settled.state.value}"


def _asking(until: datetime | None) -> str:
    return "approval" if until is None else "postponement"


def _run(run: Run, *, ended: datetime | None = None, note: str = "") -> ToldRun:
    return ToldRun(
        handler=run.handler,
        stage=run.stage.value,
        machine=run.machine or None,
        attempt=run.attempt,
        begun=run.begun,
        ended=ended,
        note=_text(note),
    )


def _text(text: str) -> str:
    return shortened(printable(text), LONGEST_TEXT)


def _bounded(event: MaintenanceEvent) -> MaintenanceEvent:
    """The event without the cloud's payload, and no larger than a message may be."""
    resources = event.resources[:MOST_NAMES]
    kept = {name: names[:MOST_NAMES] for name, names in event.aliases.items() if name in resources}
    return event.model_copy(
        update={"native": {}, "resources": resources, "aliases": kept, "description": _text(event.description)}
    )
