"""The handlers' stages that run, each attempt in a thread of its own: of this process, or of a worker's.

What is at a worker is a `LiveAttempt` as any other. What it is told goes into its offer, from which is also learnt that
it has begun and what it came to.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from stormcone.agent import notices
from stormcone.agent.attempts import GIVEN_UP, LiveAttempt
from stormcone.agent.due import DueRun
from stormcone.agent.engine import Engine
from stormcone.agent.leftovers import Leftovers, book_of, mark_of
from stormcone.agent.mailbox import Follow, Message
from stormcone.agent.notices import NoticeKind
from stormcone.agent.reporter import Reporter, log
from stormcone.agent.workers import Executor, attempt_stage
from stormcone.clock import Clock, Instant
from stormcone.handlers.context import Context, StageLog
from stormcone.handlers.control import RunControl, Word
from stormcone.journal import JournalStore
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.offers import Orders, Standing
from stormcone.rules.runs import Attempt, Verdict, deadline
from stormcone.text import one_line, printable

DRY_RUN = "dry run: not carried out"

MOST_STAGES = 500
"""Stages that run at the same time, each in a thread of its own; an answer may list thousands of events."""

UNTAKEN = 5.0
"""Seconds after which it is told that no worker has the handler of an offer."""


@dataclass(frozen=True, kw_only=True)
class CrewView:
    """How it stands with the workers of a watcher.

    Attributes:
        living: how many live.
        waiting: how many offers nobody has taken.
        running: how many runs are at workers.
        taken_over: how many attempts were taken from silent workers, in this life.
    """

    living: int
    waiting: int
    running: int
    taken_over: int


_NEARLY = timedelta(seconds=1)
"""By how much a deadline must move for its worker to be told."""


def _nothing() -> None:
    """What follows from a message that came too late."""


class Stages:
    """The stages that run, what an earlier life has left running, and what of that is told.

    Args:
        journal: where commands of an earlier life are found.
        clock: for deadlines.
        executor: where stages run.
        reporter: what is told of them.
        post: takes what an attempt came to to the loop.
        secrets: variables of the environment that commands do not get.
        dry_run: whether nothing is carried out.

    Attributes:
        live: the attempts that go on, by run.
    """

    def __init__(
        self,
        journal: JournalStore,
        clock: Clock,
        executor: Executor,
        reporter: Reporter,
        post: Callable[[Message], None],
        *,
        secrets: Collection[str],
        dry_run: bool,
    ) -> None:
        self.live: dict[int, LiveAttempt] = {}
        self._journal = journal
        self._book = book_of(journal.path)
        self._clock = clock
        self._executor = executor
        self._reporter = reporter
        self._post = post
        self._secrets = tuple(secrets)
        self._dry_run = dry_run
        self._leftovers: Leftovers | None = None
        self._working: set[int] = set()
        self._offers = journal.offers
        self._standings: list[Standing] = []
        self._living = 0
        self._taken_over = 0
        self._ordered: dict[int, Orders] = {}

    @property
    def here(self) -> Mapping[int, LiveAttempt]:
        """The attempts that end with this process, by run."""
        return {} if self._offers is not None else self.live

    @property
    def crew(self) -> CrewView | None:
        """How it stands with the workers; None where there are none to offer runs to."""
        if self._offers is None:
            return None
        waiting = sum(not each.worker for each in self._standings)
        running = sum(bool(each.worker) and each.ended is None for each in self._standings)
        return CrewView(living=self._living, waiting=waiting, running=running, taken_over=self._taken_over)

    @property
    def working(self) -> bool:
        """Whether a handler's code runs, whatever has been recorded."""
        return bool(self._working)

    def begin_life(self, engine: Engine) -> None:
        """Look for what an earlier life has left running."""
        self._leftovers = Leftovers(self._book, self._journal, engine.runs())

    def overrun(self, engine: Engine, now: Instant) -> list[Message]:
        """Tell the attempts what has changed, and end those whose time is up; answers what to record of these."""
        late = [live for live in self.live.values() if live.supervise(engine.episode(live.due.run.episode), now)]
        for live in late:
            live.end()
        given_up: list[Message] = [partial(self._ended, live.due.run.id, GIVEN_UP, reported=False) for live in late]
        if self._offers is None:
            return given_up
        told = [live for live in self.live.values() if self._is_news(live)]
        return [*(partial(self._order, live, live.orders) for live in told), *given_up]

    def heard(self) -> list[Message]:
        """Look what workers have taken and ended, and who of them is silent; answers what to record of that."""
        if self._offers is None:
            return []
        self._standings = self._offers.all()
        self._living = self._offers.living()
        self._complain_of_waiting()
        messages: list[Message] = []
        for each in self._standings:
            if each.worker and each.run not in self.live:
                messages.append(partial(self._taken, each))
            elif each.ended is not None:
                messages.append(partial(self._ended, each.run, each.ended))
            elif each.silent:
                silent = Attempt(Verdict.CUT_OFF, f"worker {each.worker} is silent")
                messages.append(partial(self._ended, each.run, silent, reported=False))
        return messages

    def _complain_of_waiting(self) -> None:
        waiting = [each for each in self._standings if not (each.worker or each.fits) and each.waited >= UNTAKEN]
        names = printable(", ".join(sorted({each.handler for each in waiting})))
        self._reporter.complain("offers", f"no worker has the handler {names}; its runs wait" if waiting else "")

    def _is_news(self, live: LiveAttempt) -> bool:
        """Whether its worker is to be told something; not of a deadline that has moved by next to nothing."""
        before, now = self._ordered.get(live.due.run.id), live.orders
        if before is None or before.deadline is None or now.deadline is None:
            return before != now
        moved = abs(now.deadline - before.deadline) >= _NEARLY
        return moved or (now.canceled, now.stopped) != (before.canceled, before.stopped)

    def _order(self, live: LiveAttempt, orders: Orders, engine: Engine, _now: Instant) -> Follow:
        engine.order(live.due, orders)

        def follow() -> None:
            self._ordered[live.due.run.id] = orders

        return follow

    def _taken(self, standing: Standing, engine: Engine, now: Instant) -> Follow:
        due = engine.begin_offered(standing, now)
        if due is None:
            return _nothing

        def follow() -> None:
            self._ordered[due.run.id] = standing.orders
            self._go_on(due, engine, now, standing.worker)

        return follow

    def begin(self, engine: Engine, now: Instant, *, confirmed: Collection[str], waiting: Collection[int] = ()) -> bool:
        """Begin what is due; True where something was.

        Args:
            engine: which knows what that is.
            now: on both clocks.
            confirmed: the sources that have been asked in this life.
            waiting: the episodes that wait for their turn, so that nothing begins for them.
        """
        held = self._end_leftovers(now) | frozenset(waiting)
        offered = frozenset(each.run for each in self._standings)
        room = MOST_STAGES - len(self.live.keys() | offered)
        waits = "" if room > 0 else f"{MOST_STAGES} stages are running; others wait until one of them ends"
        self._reporter.complain("room", waits)
        begun, dropped = engine.begin_due(now, confirmed=confirmed, held=held, offered=offered, most=room)
        for run, episode, why in dropped:
            self._reporter.publish(notices.run_dropped_notice(run, episode, why, now.date))
        for due in begun:
            self._begin(due, engine, now)
        return bool(begun)

    def _go_on(self, due: DueRun, engine: Engine, now: Instant, worker: str = "") -> Context:
        """From now on an attempt goes on, here or at a worker."""
        run, event = due.run, due.episode.event
        control = RunControl(
            self._clock,
            deadline(run.stage, due.handler, event, due.begun, now),
            mark=mark_of(self._book, run),
            secrets=self._secrets,
        )
        lines = StageLog(log, {"event": event.id, "handler": run.handler, "stage": run.stage.value})
        self.live[run.id] = LiveAttempt(due, control, worker)
        if due.begun != now:
            self._reporter.publish(notices.run_goes_on_notice(run, due.episode, now.date, worker))
        elif not self._dry_run:
            self._reporter.publish(notices.run_begun_notice(run, due.episode, due.due, now.date, worker))
        return Context(engine.machine.in_event(event, run.machine), run.attempt, lines, control, due.others)

    def _begin(self, due: DueRun, engine: Engine, now: Instant) -> None:
        run = due.run
        work = self._attempt(due, self._go_on(due, engine, now))
        try:
            self._executor.submit(work, f"stormcone-{run.handler}-{run.stage}")
        except RuntimeError as error:  # no more threads, now
            self._post(partial(self._ended, run.id, Attempt(Verdict.ERROR, one_line(error))))

    def _end_leftovers(self, now: Instant) -> frozenset[int]:
        """End what an earlier life has left running; answers the episodes that wait for that."""
        if self._leftovers is None:
            return frozenset()
        left = self._leftovers.end(now.steady)
        if left.new:
            numbers = ", ".join(map(str, left.new[:10]))
            self._reporter.tell(
                NoticeKind.PROBLEM,
                f"{len(left.new)} process(es) of an earlier life still run ({numbers}): they are ended first",
            )
        if not left.episodes:
            self._leftovers = None
        return left.episodes

    def _attempt(self, due: DueRun, context: Context) -> Callable[[], None]:
        def work() -> None:
            self._working.add(due.run.id)
            reached(Boundary.BEFORE_STAGE)
            attempt = (
                Attempt(Verdict.SUCCEEDED, DRY_RUN)
                if self._dry_run
                else attempt_stage(due.handler, due.run.stage, due.episode.event, context)
            )
            reached(Boundary.AFTER_STAGE)
            self._working.discard(due.run.id)
            self._post(partial(self._ended, due.run.id, attempt))

        return work

    def _ended(self, run: int, attempt: Attempt, engine: Engine, now: Instant, *, reported: bool = True) -> Follow:
        live = self.live.get(run)
        if live is None:
            return _nothing  # its time was up and it has been settled without waiting for it
        attempt = live.judge(attempt)
        settled = engine.end_attempt(live.due, attempt, now, reported=reported)
        if settled is None:
            return _nothing  # its worker has ended it just now: the next look has that

        def follow() -> None:
            del self.live[run]
            self._ordered.pop(run, None)
            self._taken_over += not reported and attempt.verdict is Verdict.CUT_OFF
            self._reporter.publish(
                notices.run_ended_notice(live.due.run, attempt, settled, live.due.episode, live.due.begun, now)
            )

        return follow

    def stop(self) -> None:
        """Tell all of them that the agent stops; what is at a worker goes on."""
        for live in self.here.values():
            live.control.tell(Word.STOPPING)

    def end(self) -> None:
        """End all of them by all means, but for what is at a worker."""
        for live in self.here.values():
            live.end()
