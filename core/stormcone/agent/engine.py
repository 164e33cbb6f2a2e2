"""What the agent knows and decides: the journal and the pure rules put together. No threads, no network.

Each method is one step that the journal records whole or not at all, so the process may die between any two.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from stormcone.agent.decisions import Decisions
from stormcone.agent.due import NEVER, Beginning, BegunNow, DueRun, Rest, due_now, next_date
from stormcone.agent.outbox import Outbox
from stormcone.agent.unfinished import Unfinished, Work
from stormcone.clock import Instant
from stormcone.handlers import App, Handler, Stage
from stormcone.journal import Episode, JournalStore
from stormcone.journal.offers import Offer, Orders, Standing
from stormcone.model import EventKey, Machine, MaintenanceEvent, Observation, Phase
from stormcone.rules.changes import Change, ChangeKind, Verdicts
from stormcone.rules.lifecycle import Others, advance, stands_still
from stormcone.rules.runs import (
    Attempt,
    Run,
    Settled,
    deadline,
    machines_of,
    plan,
    settle,
)
from stormcone.text import printable


class Engine:
    """What one agent knows of its machine's events, and each step that follows from it.

    Args:
        journal: what is known and done; open for writing.
        app: the handlers and the approval policy.
        machine: the machine that we run on or watch.
        outbox: where each step is written down for sinks; None: there are none.

    Attributes:
        decisions: on what is asked of the clouds, and said to the fleet.

    Every method raises `JournalError` where the journal cannot be written; then nothing has happened.
    """

    def __init__(self, journal: JournalStore, app: App, machine: Machine, outbox: Outbox | None = None) -> None:
        self.app = app
        self.machine = machine
        self._journal = journal
        self._outbox = outbox or Outbox(journal.outbox, used=False)
        self._offers = journal.offers
        self._unfinished = Unfinished(journal, machine)
        self._told: dict[str, Observation] = {}
        self._settled: set[str] = set()
        self._rest = Rest((), NEVER)
        self.decisions = Decisions(self, journal, self._outbox, self._unfinished)

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

    def waited_for(self) -> Iterator[MaintenanceEvent]:
        """The events whose cloud must hear that work goes on: something of their prepare is not over."""
        for work in self._unfinished:
            event = work.episode.event
            prepares = (run for run in work.runs if run.stage is Stage.PREPARE)
            if event.heartbeat and event.phase is Phase.SCHEDULED and any(not run.state.over for run in prepares):
                yield event
