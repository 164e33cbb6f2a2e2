"""A worker: takes runs that a watcher offers, and carries them out with the handlers of its own copy of the file.

It knows no cloud and decides nothing. It says that it lives again and again, and learns at that what its attempts are
told, and which of them are not its own any more: whoever was silent for too long has lost what it had, and its word
counts for nothing. One thread, the loop's, asks the database; each attempt has a thread of its own.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.reporter import Reporter, log
from stormcone.agent.workers import Executor, ThreadExecutor, attempt_stage
from stormcone.clock import Clock, SystemClock
from stormcone.errors import JournalError
from stormcone.handlers import App
from stormcone.handlers.context import Context, StageLog
from stormcone.handlers.control import RunControl, Word
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.offers import Offer, Orders, WorkerSide
from stormcone.rules.runs import Attempt, Verdict
from stormcone.text import one_line, printable

SILENCE = 30.0
"""Seconds without a word after which a worker has lost what it has taken, unless told otherwise."""

AT_ONCE = 10
"""Runs that a worker does at the same time, unless told otherwise."""

GRACE = 10.0
"""Seconds that its runs have when it is told to stop, unless told otherwise."""

_TICK = 1.0
"""Seconds between two looks, where nothing else wakes it; less where its silence is short."""

_WORDS = 4
"""How often it says that it lives in the time after which it counts as silent, at the least."""

NOT_KNOWN = Attempt(Verdict.CUT_OFF, "its worker does not know of it, since an answer was lost; it goes to another")
"""What is said of an attempt that the database gives to this worker, which has not begun it or has given it up."""

_KINDS = {
    Verdict.SUCCEEDED: NoticeKind.RUN_ENDED,
    Verdict.CUT_OFF: NoticeKind.RUN_CUT_OFF,
}


@dataclass
class _Taken:
    """An attempt that goes on here.

    Attributes:
        offer: what was taken.
        control: what it can be told.
        lost: whether it is not this worker's any more.
        came_to: how it has ended, or None.
        doubt: whether that has been said, so that it may be known although no answer came.
    """

    offer: Offer
    control: RunControl
    lost: bool = False
    came_to: Attempt | None = None
    doubt: bool = False

    @property
    def what(self) -> str:
        offer = self.offer
        return printable(f"{offer.handler}.{offer.stage} of {offer.machine.name} (attempt {offer.attempt})")

    def follow(self, orders: Orders) -> None:
        """Tell it what the watcher says."""
        self.control.deadline = orders.deadline
        if orders.canceled:
            self.control.cancel()
        if orders.stopped:
            self.control.stop()

    def end(self) -> None:
        """End it by all means."""
        self.control.stop()
        self.control.tell(Word.KILL)


class Worker:
    """Carries out what a watcher offers.

    Args:
        app: the handlers; what is offered of others is left to others.
        side: its side of the journal.
        silence: the seconds with which `side` was made.
        at_once: how many runs it does at the same time.
        grace: seconds that runs have when it is told to stop.
        clock: the system's, or another one.
        executor: where handlers run.
        listener: told each notice, in the loop's thread.
    """

    def __init__(
        self,
        app: App,
        side: WorkerSide,
        *,
        silence: float = SILENCE,
        at_once: int = AT_ONCE,
        grace: float = GRACE,
        clock: Clock | None = None,
        executor: Executor | None = None,
        listener: Callable[[Notice], None] | None = None,
    ) -> None:
        self._app = app
        self._labels = [handler.label for handler in app.handlers]
        self._side = side
        self._silence = silence
        self._at_once = at_once
        self._grace = grace
        self._clock = clock or SystemClock()
        self._executor = executor or ThreadExecutor()
        self._reporter = Reporter(self._clock, listener)
        self._taken: dict[tuple[int, int], _Taken] = {}
        self._over: deque[tuple[_Taken, Attempt]] = deque()
        self._heard = self._clock.monotonic()
        self._lived = False
        self._wake = threading.Event()
        self._stopping = False

    def run(self) -> None:
        """Work until `stop` is called; a database that cannot be asked is told of and waited for, never raised."""
        deaf = self._side.listen(self._wake.set)
        try:
            while not self._stopping:
                self._wake.clear()
                self.turn()
                if not self._stopping:
                    self._clock.wait(self._wake, self._tick)
            self._finish()
        finally:
            for taken in self._taken.values():
                taken.end()
            deaf()
            self._side.close()

    def stop(self) -> None:
        """Ask `run` to end, from another thread: it takes no more, and gives back what does not end in time."""
        self._stopping = True
        self._wake.set()

    def turn(self) -> None:
        """Say that it lives, say what has ended, take what is offered."""
        self._take_in()
        trouble = ""
        try:
            self._live()
            self._report()
            if not self._stopping:
                self._take()
        except JournalError as error:
            trouble = f"{error}; what runs goes on, and nothing new is taken"
        except Exception as error:  # noqa: BLE001 - to end for it would leave what runs to another's patience
            log.debug("the worker's turn failed", exc_info=True)
            trouble = f"the worker has hit a fault of its own, and goes on: {one_line(error)}"
        self._reporter.complain("journal", trouble)
        if self._clock.monotonic() - self._heard >= self._silence:
            self._lose(list(self._taken.values()), f"nobody has heard of this worker for {self._silence:g} s")

    @property
    def _tick(self) -> float:
        return min(_TICK, self._silence / _WORDS)

    def _live(self) -> None:
        before = self._clock.monotonic()
        orders = self._side.live(self._labels)
        self._heard, self._lived = before, True
        gone = []
        for key, taken in self._taken.items():
            if key in orders:
                taken.follow(orders[key])
            elif not (taken.doubt or taken.lost):
                gone.append(taken)
        self._lose(gone, "it is another's now")
        for run, attempt in orders.keys() - self._taken.keys():
            self._side.end(run, attempt, NOT_KNOWN)

    def _lose(self, gone: list[_Taken], why: str) -> None:
        """What it had is not its own any more: it is ended, so that it hampers nobody."""
        for taken in gone:
            if not taken.lost:
                taken.lost = True
                self._tell(taken, NoticeKind.RUN_CUT_OFF, f"is given up here: {why}; what it did stays done")
                taken.end()

    def _take_in(self) -> None:
        """Take in what other threads have posted."""
        while self._over:
            taken, came_to = self._over.popleft()
            taken.came_to = came_to

    def _report(self) -> None:
        """Say what has ended; what cannot be said now is said at the next turn."""
        for key, taken in list(self._taken.items()):
            came_to = taken.came_to
            if came_to is None:
                continue
            taken.doubt = True
            counts = self._side.end(*key, came_to)
            del self._taken[key]
            note = f": {came_to.note}" if came_to.note else ""
            text = f"{came_to.verdict.replace('_', ' ')}{note}"
            if counts:
                kind = _KINDS.get(came_to.verdict, NoticeKind.RUN_FAILED)
                self._tell(taken, kind, printable(text), came_to)
            else:
                text = f"is another's now; what came of it here counts for nothing ({text})"
                self._tell(taken, NoticeKind.RUN_CUT_OFF, printable(text), came_to)

    def _take(self) -> None:
        room = self._at_once - len(self._taken)
        if room <= 0:
            return
        for offer in self._side.take(self._labels, room):
            self._begin(offer)

    def _begin(self, offer: Offer) -> None:
        mark = f"{self._side.id}/{offer.run}/{offer.attempt}"
        control = RunControl(self._clock, offer.orders.deadline, mark=mark, secrets=self._side.secrets)
        taken = self._taken[offer.run, offer.attempt] = _Taken(offer, control)
        lines = StageLog(log, {"event": offer.event.id, "handler": offer.handler, "stage": offer.stage.value})
        context = Context(offer.machine, offer.attempt, lines, control, offer.others)
        taken.follow(offer.orders)
        self._tell(taken, NoticeKind.RUN_BEGUN, "begins")

        def work() -> None:
            reached(Boundary.BEFORE_STAGE)
            came_to = self._attempt(offer, context)
            reached(Boundary.AFTER_STAGE)
            self._ended(taken, came_to)

        try:
            self._executor.submit(work, f"stormcone-{offer.handler}-{offer.stage}")
        except RuntimeError as error:  # no more threads, now
            self._ended(taken, Attempt(Verdict.ERROR, one_line(error)))

    def _attempt(self, offer: Offer, context: Context) -> Attempt:
        handler = self._app.handler(offer.handler)
        if handler is None or not handler.has(offer.stage):
            why = f"{offer.handler} has no {offer.stage} at worker {self._side.name}; give all the same handler file"
            return Attempt(Verdict.GAVE_UP, printable(why))
        return attempt_stage(handler, offer.stage, offer.event, context)

    def _ended(self, taken: _Taken, came_to: Attempt) -> None:
        self._over.append((taken, came_to))
        self._wake.set()

    def _finish(self) -> None:
        """Let what goes on come to its end for a while; give back what does not, to be begun elsewhere at once."""
        if self._taken:
            text = f"stopping; waiting up to {self._grace:g} s for {len(self._taken)} run(s)"
            self._reporter.tell(NoticeKind.STOPPING, text)
        for taken in self._taken.values():
            taken.control.tell(Word.STOPPING)
        end = self._clock.monotonic() + self._grace
        while self._taken and (left := end - self._clock.monotonic()) > 0:
            self._wake.clear()
            self.turn()
            if self._taken:
                self._clock.wait(self._wake, min(left, self._tick))
        self._lose(list(self._taken.values()), "this worker stops and gives it back")
        if not self._lived:
            return
        try:
            self._side.leave()
        except JournalError as error:
            self._reporter.complain(
                "journal", f"{error}; what this worker may have is given to others once it counts as silent"
            )

    def _tell(self, taken: _Taken, kind: NoticeKind, text: str, came_to: Attempt | None = None) -> None:
        offer = taken.offer
        notice = Notice(
            self._clock.now(),
            kind,
            f"{taken.what} {text}",
            offer.event,
            handler=offer.handler,
            stage=offer.stage.value,
            error=came_to.error if came_to else None,
            verdict=came_to.verdict.value if came_to else "",
            attempt=offer.attempt,
        )
        self._reporter.publish(notice)
