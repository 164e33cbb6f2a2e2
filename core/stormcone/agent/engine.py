"""What the agent knows and decides: the journal and the pure rules put together. No threads, no network.

Each method is one step that the journal records whole or not at all, so the process may die between any two.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from stormcone.agent.asking import (
    ApprovalRequest,
    Decided,
    may_ask,
    may_repeat,
    why_again,
)
from stormcone.agent.due import NEVER, Beginning, Rest, due_now, next_date
from stormcone.agent.outbox import Outbox
from stormcone.agent.standing import WAITS, FleetStanding
from stormcone.agent.unfinished import Unfinished, Work
from stormcone.clock import Instant
from stormcone.errors import ProviderError, RequestRefused
from stormcone.handlers import App, Handler, Stage
from stormcone.journal import Episode, JournalStore
from stormcone.journal.offers import Offer, Orders, Standing
from stormcone.model import Approval, EventKey, Machine, MaintenanceEvent, Observation, Phase, Scope
from stormcone.rules.approval import TOLD_WAITS, ApprovalAnswer, Decision, Facts, alone, decide_safely
from stormcone.rules.changes import Change, ChangeKind, Verdicts
from stormcone.rules.lifecycle import Others, advance, stands_still
from stormcone.rules.postponing import put_off_until
from stormcone.rules.runs import (
    Attempt,
    Run,
    Settled,
    backoff,
    deadline,
    machines_of,
    plan,
    settle,
)
from stormcone.text import printable


@dataclass(frozen=True)
class DueRun:
    """A run that is to begin now.

    Attributes:
        run: as the journal has it: running.
        handler: whose it is.
        episode: its event.
        begun: when the attempt began.
        due: the date that it had waited for, or None.
        others: see `Context.others`; none where it begins at a worker, which is told of them itself.
    """

    run: Run
    handler: Handler
    episode: Episode
    begun: Instant
    due: datetime | None
    others: tuple[MaintenanceEvent, ...] = ()


class BegunNow(NamedTuple):
    """What was recorded of what is due.

    Attributes:
        begun: what begins here.
        dropped: what comes to nothing, each with its event and the reason.
    """

    begun: list[DueRun]
    dropped: list[tuple[Run, Episode, str]]


_ANSWERED = Decision(ApprovalAnswer.YES, "the cloud has answered its approval", "answered")


class Engine:
    """The decisions of one agent on one machine.

    Args:
        journal: what is known and done; open for writing.
        app: the handlers and the approval policy.
        machine: the machine that we run on or watch.
        outbox: where each step is written down for sinks; None: there are none.

    Attributes:
        fleet: how we stand with the fleet; None where there is none.
        turns: what waits for its turn, by the journal's number of its episode, and what for.

    Every method raises `JournalError` where the journal cannot be written; then nothing has happened.
    """

    def __init__(self, journal: JournalStore, app: App, machine: Machine, outbox: Outbox | None = None) -> None:
        self.app = app
        self.machine = machine
        self.fleet: FleetStanding | None = None
        self.turns: Mapping[int, str] = {}
        self._journal = journal
        self._outbox = outbox or Outbox(journal.outbox, used=False)
        self._offers = journal.offers
        self._unfinished = Unfinished(journal, machine)
        self._told: dict[str, Observation] = {}
        self._settled: set[str] = set()
        self._rest = Rest((), NEVER)

    def going_on(self) -> dict[EventKey, MaintenanceEvent]:
        """The events that have not ended."""
        return {key: work.episode.event for key, work in self._unfinished.going_on().items()}

    def works(self) -> tuple[Work, ...]:
        """The events with something left to do, each with what was done for it so far."""
        return self._unfinished.all()

    def episode(self, number: int) -> Episode:
        """The episode of that number as it is now.

        Raises:
            KeyError: there is none.
        """
        work = self._unfinished.get(number)
        return work.episode if work else self._journal.episode(number)

    def observe(
        self,
        observation: Observation,
        now: Instant,
        verdicts: Verdicts | None = None,
        *,
        source: str = "",
    ) -> tuple[Change, ...]:
        """Record what an observation of one source means, with the runs that it makes, in one transaction."""
        if source in self._settled and observation == self._told.get(source) and not verdicts:
            return ()  # as at the last look, and what is to be concluded from that has been
        works = self._unfinished.going_on()
        known = {key: work.known for key, work in works.items()}
        others = [key for key in (event.key for event in observation.events) if key not in known]
        known |= {episode.event.key: episode.known() for episode in self._journal.latest(self.machine, others)}
        told = [seen for name, seen in self._told.items() if name != source]
        elsewhere = Others(
            tuple(event for seen in told for event in seen.events if not seen.pushed),
            frozenset().union(*(seen.pushed for seen in told)),
        )
        changes = advance(known, observation, now.date, self.machine, verdicts, elsewhere)
        if changes:
            with self._journal.transaction():
                for change in changes:
                    self._record(change, now)
            self._settled.clear()  # to what one source tells, what the others have told may now mean something else
        self._told[source] = observation
        if not observation.pushed and all(map(stands_still, observation.events)):
            self._settled.add(source)
        return changes

    def resume(self, now: Instant) -> None:
        """Let handlers that the app did not have in its last life take part in the events that go on."""
        with self._journal.transaction():
            for episode in [work.episode for work in self._unfinished.going_on().values()]:
                kind = ChangeKind.REVISED if episode.event.phase is Phase.SCHEDULED else ChangeKind.STARTED
                change = Change(kind=kind, event=episode.event, before=episode.event, episode=episode.number)
                self._plan(change, episode, now)

    def take_app(self, app: App, now: Instant) -> str:
        """Have another app from now on; what runs ends with the handler that it began with.

        Answers why not, as a clause, where what was begun could then not be recovered from; "" where it is taken.
        """
        if why := self._not_recovered_by(app):
            return why
        before, self.app = self.app, app
        try:
            self.resume(now)
        except BaseException:
            self.app = before
            raise
        return ""

    def _not_recovered_by(self, app: App) -> str:
        """Which handler has begun for an event and recovers from it now, and would not by that app; "" if none."""
        for work in self._unfinished:
            for label in work.to_recover:
                before, after = self.app.handler(label), app.handler(label)
                if before is not None and before.has(Stage.RECOVER) and not (after and after.has(Stage.RECOVER)):
                    event = work.episode.event
                    return printable(
                        f"{label} has begun for the {event.impact} {event.id}, and nothing of that name would recover; "
                        "reload again once it is over"
                    )
        return ""

    def _record(self, change: Change, now: Instant) -> None:
        episode = self._journal.save_change(change, now, self.machine)
        self._outbox.changed(change, self.machine, now)
        self._plan(change, episode, now)

    def _plan(self, change: Change, episode: Episode, now: Instant) -> None:
        self._unfinished.changed(episode.id)
        runs: list[Run] = []
        if change.before is not None:
            self._withdraw(episode, now)
            runs = self._journal.runs(episode.id)
        planned = plan(change, self.app, runs, machines_of(change.event, self.machine))
        for run, why in planned.dropped:
            self._drop(run, episode, why, now)
        for run, due in planned.due:
            self._journal.schedule_run(run, due)
        for new in planned.new:
            self._journal.add_run(episode.id, new)

    def runs(self) -> Iterator[Run]:
        """The runs of the events with something left to do."""
        return (run for work in self._unfinished for run in work.runs)

    def begin_due(
        self,
        now: Instant,
        *,
        confirmed: Collection[str],
        held: Collection[int] = frozenset(),
        offered: Collection[int] = frozenset(),
        most: int | None = None,
    ) -> BegunNow:
        """Record, in one transaction, that what is due begins: of each event one run at a time, in order.

        Where there are workers it is offered to them instead, and begins when one takes it: `begin_offered`.

        Of a region's, one for each of its machines. An event that has returned, since it was put off, say, waits for
        what its earlier life has running.

        Args:
            now: on both clocks.
            confirmed: the sources that have been asked in this life; of the events of others only recovery goes on,
                since an event of an earlier life may be over.
            held: the episodes for which nothing begins yet.
            offered: the runs that are offered or taken.
            most: how many runs may begin; None begins all.
        """
        basis = (self._unfinished.version, self.app, frozenset(confirmed), frozenset(held), frozenset(offered))
        if self._rest.holds(basis, now):
            return BegunNow([], [])
        begun, dropped = due_now(
            self._unfinished, self.app, now, confirmed=confirmed, held=held, offered=offered, most=most
        )
        if not begun and not dropped:
            if most != 0:  # else what could begin was held up by the room alone
                self._rest = Rest(basis, next_date(self._unfinished, now))
            return BegunNow([], [])
        with self.together():
            for run, episode, why in dropped:
                self._unfinished.changed(run.episode)
                self._drop(run, episode, why, now)
            if self._offers is None:
                return BegunNow([self._begin(each, now) for each in begun], dropped)
            for each in begun:
                self._offers.add(self._offer(each, now))
            return BegunNow([], dropped)

    def _drop(self, run: Run, episode: Episode, why: str, now: Instant) -> None:
        self._journal.drop_run(run, now.date, why)
        self._outbox.run_dropped(run, episode, why, self.machine, now)

    def _begin(self, beginning: Beginning, now: Instant) -> DueRun:
        run, handler, episode, others = beginning
        self._unfinished.changed(run.episode)
        begun = self._journal.begin_run(run, now.date)
        self._outbox.run_begun(begun, run.due, episode, self.machine, now)
        return DueRun(begun, handler, episode, now, run.due, others)

    def _offer(self, beginning: Beginning, now: Instant) -> Offer:
        run, handler, episode, others = beginning
        return Offer(
            run=run.id,
            attempt=run.attempt + 1,
            episode=episode.id,
            handler=run.handler,
            stage=run.stage,
            event=episode.event,
            machine=self.machine.in_event(episode.event, run.machine),
            orders=Orders(deadline=deadline(run.stage, handler, episode.event, now, now)),
            others=others,
        )

    def _withdraw(self, episode: Episode, now: Instant) -> None:
        """Take back what is offered of an event that has changed: what a worker has taken meanwhile has begun.

        Of that it depends what is dropped, and who recovers.
        """
        if self._offers is None:
            return
        runs = {run.id: run for run in self._journal.runs(episode.id)}
        for taken in self._offers.withdraw(episode.id):
            run = runs[taken.run]
            if run.attempt < taken.attempt:
                begun = self._journal.begin_run(run, now.date)
                self._outbox.run_begun(begun, run.due, episode, self.machine, now)

    def begin_offered(self, taken: Standing, now: Instant) -> DueRun | None:
        """Record that an attempt has begun that a worker has taken, where that is not known yet.

        Answers None, and takes it away again, where it is of an event that is no concern of ours any more.
        """
        work = self._unfinished.get(taken.episode)
        run = next((run for run in work.runs if run.id == taken.run), None) if work else None
        if work is None or run is None or run.attempt > taken.attempt or run.state.over:
            if self._offers is not None:
                self._offers.close(taken.run, taken.attempt, ended=taken.ended is not None)
            return None
        handler = self.app.handler(run.handler) or Handler()  # of one that the app has no more, the usual limits count
        if run.attempt < taken.attempt:
            return self._begin(Beginning(run, handler, work.episode), now)
        begun = run.begun or now.date
        return DueRun(run, handler, work.episode, Instant(begun, now.steady - (now.date - begun)), None)

    def order(self, due: DueRun, orders: Orders) -> None:
        """Tell a worker how its attempt stands now."""
        if self._offers is not None:
            with self._journal.transaction():
                self._offers.order(due.run.id, due.run.attempt, orders)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is recorded within is one transaction: an event more costs no wait for the disk more."""
        with self._unfinished.undone_on_error(), self._journal.transaction():
            yield

    def end_attempt(self, due: DueRun, attempt: Attempt, now: Instant, *, reported: bool = True) -> Settled | None:
        """Record how an attempt ended and what becomes of its run.

        Answers None, and records nothing, where the attempt is given up that its worker has just ended.

        Args:
            due: which attempt.
            attempt: what it came to.
            now: on both clocks.
            reported: whether who carries it out has said so; else it is given up.
        """
        episode = self.episode(due.episode.id)
        settled = settle(due.run, due.handler, episode.event, attempt, now)
        self._unfinished.changed(due.episode.id)
        with self._journal.transaction():
            if self._offers is not None and not self._offers.close(due.run.id, due.run.attempt, ended=reported):
                return None
            self._journal.end_attempt(due.run, attempt, settled, now.date)
            self._outbox.run_ended(due.run, attempt, settled, episode, self.machine, due.begun, now)
        return settled

    def approvals(
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
            decision = self._decide(work, now)
            send = ask and decision.answer is ApprovalAnswer.YES
            told = decision.answer is not ApprovalAnswer.WAIT or decision.rule in TOLD_WAITS
            if send or (told and decision.reason != episode.decision):
                decided.append((work, decision, send))
                sent += send
        if not decided:
            return []
        with self.together():
            return [self._decided(work, decision, now, send=send) for work, decision, send in decided]

    def _decided(self, work: Work, decision: Decision, now: Instant, *, send: bool) -> Decided:
        episode = work.episode
        new = decision.reason != episode.decision
        self._unfinished.changed(episode.id)
        if new:
            self._journal.save_decision(episode.id, decision.reason)
        if new and decision.answer is ApprovalAnswer.NO and episode.event.approval is not Approval.NONE:
            self._outbox.denied(episode, decision, self.machine, now)
        return Decided(episode, decision, new, self._request(work, decision, now) if send else None)

    def _request(self, work: Work, decision: Decision, now: Instant) -> ApprovalRequest:
        repeated = why_again(work.approvals)
        again = now.steady + backoff(len(work.approvals) + 1)
        reason = f"{decision.reason}{repeated}"
        approval = self._journal.ask_approval(work.episode.id, now.date, reason, again)
        self._outbox.asked(work.episode, reason, self.machine, now, until=None)
        return ApprovalRequest(approval, len(work.approvals) + 1, work.episode, decision.reason, repeated)

    def postponements(
        self, now: Instant, in_flight: Collection[int], sources: Collection[str], *, most: int
    ) -> list[ApprovalRequest]:
        """Decide which events are to be put off; answers what to send, recorded already, in one transaction.

        Args:
            now: on both clocks.
            in_flight: the episodes of which a request is on its way.
            sources: whose events can be put off.
            most: how many are to be sent.
        """
        if self.app.approval.postpone == "never":
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
        with self.together():
            return [self._postponement(work, until, now) for work, until in wanted]

    def _postponement(self, work: Work, until: datetime, now: Instant) -> ApprovalRequest:
        asked = work.postponements
        reason, repeated = "the app postpones each event once", why_again(asked)
        self._unfinished.changed(work.episode.id)
        again = now.steady + backoff(len(asked) + 1)
        note = f"{reason}{repeated}"
        number = self._journal.ask_approval(work.episode.id, now.date, note, again, until=until)
        self._outbox.asked(work.episode, note, self.machine, now, until=until)
        return ApprovalRequest(number, len(asked) + 1, work.episode, reason, repeated, until)

    def waited_for(self) -> Iterator[MaintenanceEvent]:
        """The events whose cloud must hear that work goes on: something of their prepare is not over."""
        for work in self._unfinished:
            event = work.episode.event
            prepares = (run for run in work.runs if run.stage is Stage.PREPARE)
            if event.heartbeat and event.phase is Phase.SCHEDULED and any(not run.state.over for run in prepares):
                yield event

    def answer_approval(
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
            self._outbox.answered(request.episode, request.reason, error, self.machine, now, until=request.until)

    def votes(self, now: Instant) -> dict[int, Decision]:
        """What we would decide on each event that may be approved, if it named our machine alone, by the episode.

        Of one whose approval the cloud has answered the app's policy is not asked any more: it may take a while.
        """
        works = (work for work in self._unfinished if work.episode.event.phase is Phase.SCHEDULED)
        return {
            work.episode.id: _ANSWERED if work.answered else decide_safely(self._facts(work, now), alone)
            for work in works
            if work.episode.event.approval is not Approval.NONE and self.machine.scope is Scope.MACHINE
        }

    def waits_for_turns(self) -> list[Decided]:
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
        with self.together():
            for episode, why in told:
                self._unfinished.changed(episode.id)
                self._journal.save_decision(episode.id, why)
        return [Decided(each, Decision(ApprovalAnswer.WAIT, why, "turn"), new=True, request=None) for each, why in told]

    def _facts(self, work: Work, now: Instant) -> Facts:
        turn = self.turns.get(work.episode.id)
        # "": the fleet has not said yet what for.
        return facts_of(work, self.machine, self.app, now, fleet=self.fleet, turn=WAITS if turn == "" else turn or "")

    def _decide(self, work: Work, now: Instant) -> Decision:
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
