"""What the agent knows and decides: the journal and the pure rules put together. No threads, no network.

Each method is one step that the journal records whole or not at all, so the process may die between any two.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from stormcone.rules.approval import ApprovalAnswer, Decision, Facts, decide
from stormcone.errors import ProviderError, RequestRefused
from stormcone.handlers import App, Handler, Stage
from stormcone.journal import ApprovalRecord, Episode, Journal
from stormcone.rules.lifecycle import Change, ChangeKind, advance
from stormcone.model import EventKey, Machine, Observation, Outcome, Phase
from stormcone.rules.runs import Attempt, Run, RunState, Settled, backoff, may_begin, outdated, plan, settle
from stormcone.text import one_line, printable


@dataclass(frozen=True)
class DueRun:
    """A run that is to begin now."""

    run: Run
    handler: Handler
    episode: Episode


@dataclass(frozen=True)
class ApprovalRequest:
    """An approval that is to be sent now.

    Attributes:
        approval: the journal's number for it.
        episode: of which event.
        decision: why.
        repeated: why it is sent once more, as a clause that follows; "" for the first.
    """

    approval: int
    episode: Episode
    decision: str
    repeated: str

    @property
    def reason(self) -> str:
        """Why it is sent, and sent again."""
        return f"{self.decision}{self.repeated}"


class Engine:
    """The decisions of one agent on one machine.

    Args:
        journal: what is known and done; open for writing.
        app: the handlers and the approval policy.
        machine: the machine that we run on or watch.

    Every method raises `JournalError` where the journal cannot be written; then nothing has happened.
    """

    def __init__(self, journal: Journal, app: App, machine: Machine) -> None:
        self.journal = journal
        self.app = app
        self.machine = machine

    def unfinished(self) -> list[Episode]:
        """The events that are going on, or have ended with work left to do."""
        return self.journal.unfinished(self.machine)

    def going_on(self) -> frozenset[EventKey]:
        """The events that have not ended."""
        return frozenset(episode.event.key for episode in self.unfinished() if episode.ended is None)

    def observe(
        self, observation: Observation, now: datetime, verdicts: Mapping[EventKey, Outcome | None] | None = None
    ) -> tuple[Change, ...]:
        """Record what an observation means, with the runs that it makes, in one transaction."""
        episodes = {episode.event.key: episode for episode in self.unfinished() if episode.ended is None}
        others = [event.key for event in observation.events if event.key not in episodes]
        episodes |= {episode.event.key: episode for episode in self.journal.latest(self.machine, others)}
        known = {key: episode.known() for key, episode in episodes.items()}
        changes = advance(known, observation, now, self.machine, verdicts)
        if changes:
            with self.journal.transaction():
                for change in changes:
                    self._record(change, now)
        return changes

    def resume(self, now: datetime) -> None:
        """Let handlers that the app did not have in its last life take part in the events that go on."""
        with self.journal.transaction():
            for episode in self.unfinished():
                if episode.ended is None:
                    kind = ChangeKind.REVISED if episode.event.phase is Phase.SCHEDULED else ChangeKind.STARTED
                    change = Change(kind=kind, event=episode.event, before=episode.event, episode=episode.number)
                    self._plan(change, episode, now)

    def _record(self, change: Change, now: datetime) -> None:
        self._plan(change, self.journal.save_change(change, now, self.machine), now)

    def _plan(self, change: Change, episode: Episode, now: datetime) -> None:
        affected = self.machine.affected_by(change.event)
        planned = plan(change, self.app, self.journal.runs(episode.id), affected=affected)
        for run, why in planned.dropped:
            self.journal.drop_run(run, now, why)
        for run, due in planned.due:
            self.journal.schedule_run(run, due)
        for new in planned.new:
            self.journal.add_run(episode.id, new)

    def begin_due(self, now: datetime, *, confirmed: bool) -> Iterator[DueRun]:
        """Begin what is due, one by one as the orders are taken: of each event at most one run, in order.

        Args:
            now: the wall-clock time.
            confirmed: whether the cloud has been asked in this life; until then only recovery goes on, since
                an event of an earlier life may be over.
        """
        for episode in self.unfinished():
            runs = self.journal.runs(episode.id)
            if any(run.state is RunState.RUNNING for run in runs):
                continue
            due = (run for run in runs if may_begin(run, now))
            for run in due:
                handler = self.app.handler(run.handler)
                if handler is None:
                    self._drop(run, now, "the app has no handler of this name any more")
                elif why := outdated(run, episode.event):  # it was cut off, and meanwhile its event has gone on
                    self._drop(run, now, why)
                elif confirmed or run.stage is Stage.RECOVER:
                    yield DueRun(self.journal.begin_run(run, now), handler, episode)
                    break

    def _drop(self, run: Run, now: datetime, why: str) -> None:
        with self.journal.transaction():
            self.journal.drop_run(run, now, why)

    def end_attempt(self, order: DueRun, attempt: Attempt, now: datetime) -> Settled:
        """Record how an attempt ended and what becomes of its run."""
        event = self.journal.episode(order.episode.id).event
        settled = settle(order.run, order.handler, event, attempt, now)
        self.journal.end_attempt(order.run, attempt, settled, now)
        return settled

    def decide_approvals(self, now: datetime, in_flight: Collection[int]) -> Iterator[tuple[Episode, Decision]]:
        """Decide on each event that may be approved, and record the decisions that are new; answers those.

        To wait is no decision.

        Args:
            now: the wall-clock time.
            in_flight: the episodes whose approval is on its way.
        """
        for episode, _ in self._approvable(now, in_flight):
            decision = self._decide(episode, now)
            if decision.answer is not ApprovalAnswer.WAIT and decision.reason != episode.decision:
                with self.journal.transaction():
                    self.journal.save_decision(episode.id, decision.reason)
                yield episode, decision

    def ask_approvals(self, now: datetime, in_flight: Collection[int]) -> Iterator[ApprovalRequest]:
        """The approvals to send, each recorded, as it is taken, before it is sent.

        Args:
            now: the wall-clock time.
            in_flight: the episodes whose approval is on its way.
        """
        for episode, earlier in self._approvable(now, in_flight):
            decision = self._decide(episode, now)
            if decision.answer is ApprovalAnswer.YES:
                repeated = _repeated(earlier)
                approval = self.journal.ask_approval(episode.id, now, f"{decision.reason}{repeated}")
                yield ApprovalRequest(approval, episode, decision.reason, repeated)

    def answer_approval(self, request: ApprovalRequest, error: ProviderError | None, now: datetime) -> None:
        """Record the answer to an approval; an error that says no is final, after any other it may have arrived."""
        refused = isinstance(error, RequestRefused)
        self.journal.answer_approval(
            request.approval,
            now,
            accepted=False if refused else True if error is None else None,
            final=refused,
            note=printable(f"{error}{request.repeated}") if error else "",
        )

    def _approvable(self, now: datetime, in_flight: Collection[int]) -> Iterator[tuple[Episode, list[ApprovalRecord]]]:
        for episode in self.unfinished():
            if episode.event.phase is Phase.SCHEDULED and episode.id not in in_flight:
                earlier = self.journal.approvals(episode.id)
                if _may_ask(earlier, episode, now):
                    yield episode, earlier

    def _decide(self, episode: Episode, now: datetime) -> Decision:
        runs = self.journal.runs(episode.id)
        try:
            known_for = now - episode.first_seen
            return decide(
                Facts(event=episode.event, machine=self.machine, runs=runs, app=self.app, known_for=known_for)
            )
        except Exception as error:  # noqa: BLE001 - the app's own policy: its fault is a no
            return Decision(ApprovalAnswer.NO, f"the app's own policy failed: {one_line(error)}")


def _repeated(earlier: list[ApprovalRecord]) -> str:
    """What to add to the reason of an approval that is not the first: an earlier one may have arrived."""
    if not earlier:
        return ""
    return f"; repeated, since {'the answer was lost' if earlier[-1].answered is None else 'the last one failed'}"


def _may_ask(earlier: list[ApprovalRecord], episode: Episode, now: datetime) -> bool:
    """Approve once; after a failure again, with backoff, until the event's time; never after a refusal."""
    if not earlier:
        return True
    last = earlier[-1]
    if any(approval.accepted for approval in earlier) or last.final:
        return False
    not_before = episode.event.not_before
    if not_before is not None and now >= not_before:
        return False
    said = last.answered or last.asked
    return now >= said + backoff(len(earlier)) or said > now  # the latter as in `may_begin`
