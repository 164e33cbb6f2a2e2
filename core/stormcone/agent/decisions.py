"""What is asked of the clouds and said to the fleet about each event: decided by rules, recorded before it is sent.

No threads, no network; each method is one step that the journal records whole or not at all.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from stormcone.agent.asking import ApprovalRequest, Decided, may_ask, may_repeat, why_again
from stormcone.agent.outbox import Outbox
from stormcone.agent.standing import WAITS, FleetStanding
from stormcone.agent.unfinished import Unfinished, Work
from stormcone.clock import Instant
from stormcone.errors import ProviderError, RequestRefused
from stormcone.handlers import App
from stormcone.journal import Episode, JournalStore
from stormcone.model import Approval, Machine, Phase, Scope
from stormcone.rules.approval import TOLD_WAITS, ApprovalAnswer, Decision, Facts, alone, decide_safely
from stormcone.rules.postponing import put_off_until
from stormcone.rules.runs import backoff
from stormcone.text import printable

_ANSWERED = Decision(ApprovalAnswer.YES, "the cloud has answered its approval", "answered")


class Decider(Protocol):
    """Who decides: an engine.

    Attributes:
        app: whose settings decide.
        machine: ours.
    """

    app: App
    machine: Machine

    def together(self) -> AbstractContextManager[None]:
        """All that is recorded within is one transaction."""


class Decisions:
    """The approvals, postponements and votes of one agent.

    Args:
        engine: who decides.
        journal: what is known and done; open for writing.
        outbox: where each step is written down for sinks.
        unfinished: the events with something left to do.

    Attributes:
        fleet: how we stand with the fleet; None where there is none.
        turns: what waits for its turn, by the journal's number of its episode, and what for.

    Every method raises `JournalError` where the journal cannot be written; then nothing has happened.
    """

    def __init__(self, engine: Decider, journal: JournalStore, outbox: Outbox, unfinished: Unfinished) -> None:
        self.fleet: FleetStanding | None = None
        self.turns: Mapping[int, str] = {}
        self._engine = engine
        self._journal = journal
        self._outbox = outbox
        self._unfinished = unfinished

    def approve(
        self,
        now: Instant,
        in_flight: Collection[int],
        sources: Collection[str],
        *,
        ask: bool = True,
        most: int | None = None,
    ) -> list[Decided]:
        """Decide on each event that may be approved; answers what is new, and what to send.

        All of that is recorded, in one transaction, before anything is sent. To wait is no decision, but for others.

        Args:
            now: on both clocks.
            in_flight: the episodes whose approval is on its way.
            sources: whose events can be approved.
            ask: whether what is decided is also sent; not so in a dry run.
            most: how many are to be sent; None sends all.
        """
        decided: list[tuple[Work, Decision, bool]] = []
        sent = 0
        for work in self._unfinished:
            if most is not None and sent >= most:
                break
            episode = work.episode
            if work.answered or episode.event.phase is not Phase.SCHEDULED or episode.id in in_flight:
                continue
            if episode.event.source not in sources or not may_ask(work, now):
                continue
            decision = self._decision(work, now)
            send = ask and decision.answer is ApprovalAnswer.YES
            told = decision.answer is not ApprovalAnswer.WAIT or decision.rule in TOLD_WAITS
            if send or (told and decision.reason != episode.decision):
                decided.append((work, decision, send))
                sent += send
        if not decided:
            return []
        with self._engine.together():
            return [self._record(work, decision, now, send=send) for work, decision, send in decided]

    def _record(self, work: Work, decision: Decision, now: Instant, *, send: bool) -> Decided:
        episode = work.episode
        new = decision.reason != episode.decision
        self._unfinished.changed(episode.id)
        if new:
            self._journal.save_decision(episode.id, decision.reason)
        if new and decision.answer is ApprovalAnswer.NO and episode.event.approval is not Approval.NONE:
            self._outbox.denied(episode, decision, self._engine.machine, now)
        return Decided(episode, decision, new, self._request(work, decision, now) if send else None)

    def _request(self, work: Work, decision: Decision, now: Instant) -> ApprovalRequest:
        repeated = why_again(work.approvals)
        again = now.steady + backoff(len(work.approvals) + 1)
        reason = f"{decision.reason}{repeated}"
        approval = self._journal.ask_approval(work.episode.id, now.date, reason, again)
        self._outbox.asked(work.episode, reason, self._engine.machine, now, until=None)
        return ApprovalRequest(approval, len(work.approvals) + 1, work.episode, decision.reason, repeated)

    def postpone(
        self, now: Instant, in_flight: Collection[int], sources: Collection[str], *, most: int
    ) -> list[ApprovalRequest]:
        """Decide which events are to be put off; answers what to send, recorded already, in one transaction.

        Args:
            now: on both clocks.
            in_flight: the episodes of which a request is on its way.
            sources: whose events can be put off.
            most: how many are to be sent.
        """
        if self._engine.app.approval.postpone == "never":
            return []
        wanted: list[tuple[Work, datetime]] = []
        for work in self._unfinished:
            episode = work.episode
            if episode.id in in_flight or episode.event.source not in sources or len(wanted) >= most:
                continue
            until = put_off_until(self._facts(work, now)) if may_repeat(work.postponements, now) else None
            if until is not None:
                wanted.append((work, until))
        if not wanted:
            return []
        with self._engine.together():
            return [self._postponement(work, until, now) for work, until in wanted]

    def _postponement(self, work: Work, until: datetime, now: Instant) -> ApprovalRequest:
        asked = work.postponements
        reason, repeated = "the app postpones each event once", why_again(asked)
        self._unfinished.changed(work.episode.id)
        again = now.steady + backoff(len(asked) + 1)
        note = f"{reason}{repeated}"
        number = self._journal.ask_approval(work.episode.id, now.date, note, again, until=until)
        self._outbox.asked(work.episode, note, self._engine.machine, now, until=until)
        return ApprovalRequest(number, len(asked) + 1, work.episode, reason, repeated, until)

    def answered(
        self, request: ApprovalRequest, error: ProviderError | None, now: Instant, *, pause: float = 0.0
    ) -> None:
        """Record the answer to an approval; an error that says no is final, after any other it may have arrived.

        Args:
            request: what was sent.
            error: in place of an answer, or None.
            now: on both clocks.
            pause: seconds before it is sent again, at the least.
        """
        refused = isinstance(error, RequestRefused)
        self._unfinished.changed(request.episode.id)
        with self._journal.transaction():
            self._journal.answer_approval(
                request.approval,
                now.date,
                accepted=False if refused else True if error is None else None,
                final=refused,
                note=printable(f"{error}{request.repeated}") if error else "",
                again=now.steady + max(backoff(request.number), timedelta(seconds=pause)),
            )
            self._outbox.answered(
                request.episode, request.reason, error, self._engine.machine, now, until=request.until
            )

    def votes(self, now: Instant) -> dict[int, Decision]:
        """What we would decide on each event that may be approved, if it named our machine alone, by the episode.

        Of one whose approval the cloud has answered the app's policy is not asked any more: it may take a while.
        """
        works = (work for work in self._unfinished if work.episode.event.phase is Phase.SCHEDULED)
        return {
            work.episode.id: _ANSWERED if work.answered else decide_safely(self._facts(work, now), alone)
            for work in works
            if work.episode.event.approval is not Approval.NONE and self._engine.machine.scope is Scope.MACHINE
        }

    def waits(self) -> list[Decided]:
        """Record what waits for its turn, and what for, where that is new, and what has its turn now; answers these."""
        told: list[tuple[Episode, str]] = []
        for work in self._unfinished:
            episode, why = work.episode, self.turns.get(work.episode.id)
            if why and why != episode.decision:
                told.append((episode, why))
            elif why is None and episode.decision.startswith(WAITS):
                told.append((episode, ""))
        if not told:
            return []
        with self._engine.together():
            for episode, why in told:
                self._unfinished.changed(episode.id)
                self._journal.save_decision(episode.id, why)
        return [Decided(each, Decision(ApprovalAnswer.WAIT, why, "turn"), new=True, request=None) for each, why in told]

    def _facts(self, work: Work, now: Instant) -> Facts:
        turn = self.turns.get(work.episode.id)
        if turn == "":  # the fleet has not said yet what for
            turn = WAITS
        return facts_of(work, self._engine.machine, self._engine.app, now, fleet=self.fleet, turn=turn or "")

    def _decision(self, work: Work, now: Instant) -> Decision:
        return decide_safely(self._facts(work, now))


def facts_of(
    work: Work, machine: Machine, app: App, now: Instant, *, fleet: FleetStanding | None, turn: str = ""
) -> Facts:
    """What a decision on the event's approval is made of.

    Args:
        work: the event.
        machine: ours.
        app: whose settings decide.
        now: on both clocks.
        fleet: how we stand with the fleet; None where there is none.
        turn: what its prepare waits for, as a clause, or "".
    """
    return Facts(
        event=work.episode.event,
        machine=machine,
        runs=work.runs,
        app=app,
        now=now.date,
        known_for=now.steady - work.episode.seen,
        fleet=fleet.of(work.episode, now) if fleet else None,
        turn=turn,
    )
