"""Telling sinks what the outbox holds: each sink in a thread of its own, one after the other, beside the work."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from stormcone.agent.mailbox import Follow, Message
from stormcone.agent.notices import NoticeKind
from stormcone.agent.outbox import Outbox
from stormcone.agent.reporter import Reporter
from stormcone.agent.workers import Executor
from stormcone.clock import Clock, Instant
from stormcone.errors import SinkError, SinkRefused
from stormcone.journal import Delivery, OutboxStore, SinkRecord
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.contract import LONGEST_WAITING, MOST_WAITING
from stormcone.sinks.contract import NamedSink, pause_after
from stormcone.sinks.notification import Notification

MOST_AT_ONCE = 100
"""Notifications that a sink is given before the journal knows what became of them."""

LONGEST_AT_ONCE = 1.0
"""Seconds for which a sink is given one after the other, before the journal knows."""

STUCK = 300.0
"""Seconds after which it is said that a sink does not return."""


@dataclass
class _Standing:
    """How a sink stands in this life, as the journal has it.

    Attributes:
        attempt: how often in a row it could not be told.
        again: the steady time before which it is not tried again, or None.
        since: on the monotonic clock, since when it is being told; None: it is not.
    """

    attempt: int = 0
    again: datetime | None = None
    since: float | None = None


@dataclass
class _Outcome:
    """What became of what a sink was given.

    Attributes:
        position: the number of the last notification that is done with.
        sent: how many it has taken.
        refused: how many it does not take.
        why: why it does not take the last of these.
        error: why it could not be told of the next, or "".
        retry_after: seconds that the receiver asks to wait, or None.
    """

    position: int = 0
    sent: int = 0
    refused: int = 0
    why: str = ""
    error: str = ""
    retry_after: float | None = None


class Deliveries:
    """What sinks are being told.

    Args:
        sinks: who is told; each has a name of its own.
        store: what they are to be told.
        clock: for how long it takes.
        executor: where they are told.
        reporter: what is told of them to people.
        post: takes what became of it to the loop.
        luck: from 0 to 1, see `pause_after`.
    """

    def __init__(
        self,
        sinks: Sequence[NamedSink],
        store: OutboxStore,
        clock: Clock,
        executor: Executor,
        reporter: Reporter,
        post: Callable[[Message], None],
        *,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self.outbox = Outbox(store, used=bool(sinks))
        self._sinks: Mapping[str, NamedSink] = {sink.name: sink for sink in sinks}
        self._standings: dict[str, _Standing] = {}
        self._store = store
        self._clock = clock
        self._executor = executor
        self._reporter = reporter
        self._post = post
        self._luck = luck
        self._settled = 0
        self._records: tuple[SinkRecord, ...] = ()
        self._as_of = (-1, -1)

    @property
    def used(self) -> bool:
        """Whether there is a sink."""
        return bool(self._sinks)

    @property
    def going_on(self) -> bool:
        """Whether a sink is being told."""
        return any(standing.since is not None for standing in self._standings.values())

    def records(self) -> tuple[SinkRecord, ...]:
        """How far each sink has come; the journal is asked where something has changed."""
        now = (self.outbox.written, self._settled)
        if self.used and now != self._as_of:
            self._records, self._as_of = tuple(self._store.sinks()), now
        return self._records

    def begin_life(self) -> None:
        """From now on what happens is written down for these sinks; what an earlier life has left goes first."""
        self._store.subscribe(self._sinks)
        known = {record.name: record for record in self._store.sinks()}
        for name in self._sinks:
            self._standings.setdefault(name, _Standing(known[name].attempt, known[name].again))

    def expire(self, now: datetime) -> None:
        """Drop what has waited for too long."""
        if number := self._store.expire(now - LONGEST_WAITING):
            text = f"{number} notification(s) that have waited for {LONGEST_WAITING.days} days were dropped"
            self._reporter.tell(NoticeKind.PROBLEM, f"{text}; `stormcone sink list` says whose")
            self._settled += 1

    def send(self, now: Instant) -> bool:
        """Give each sink what waits for it, where its pause is over; True where something was given."""
        busy = False
        for name, standing in self._standings.items():
            if standing.since is not None:
                stuck = self._clock.monotonic() - standing.since >= STUCK
                self._reporter.complain(f"stuck sink {name}", f"the sink {name} does not return" if stuck else "")
            elif standing.again is None or now.steady >= standing.again:
                busy = self._give(self._sinks[name], standing) or busy
        if not any(standing.attempt for standing in self._standings.values()):
            self.outbox.dropped = 0
        full = f"more than {MOST_WAITING} notifications wait for sinks: the oldest are dropped"
        self._reporter.complain("outbox", full if self.outbox.dropped else "")
        return busy

    def _give(self, sink: NamedSink, standing: _Standing) -> bool:
        waiting = self._store.waiting(sink.name, MOST_AT_ONCE)
        if not waiting:
            return False
        standing.since = self._clock.monotonic()

        def work() -> None:
            outcome = _told(sink, waiting, self._clock)
            self._post(partial(self._settle, sink, standing, outcome))

        try:
            self._executor.submit(work, f"stormcone-sink-{sink.name}")
        except RuntimeError as error:  # no more threads, now
            self._post(partial(self._settle, sink, standing, _Outcome(error=sink.said(error))))
        return True

    def _settle(self, sink: NamedSink, standing: _Standing, outcome: _Outcome, _engine: object, now: Instant) -> Follow:
        attempt, again = 0, None
        if outcome.error:
            attempt = 1 if outcome.sent or outcome.refused else standing.attempt + 1
            again = now.steady + pause_after(attempt, outcome.retry_after, luck=self._luck())
        self._store.settle(
            sink.name,
            Delivery(
                position=outcome.position,
                sent=outcome.sent,
                refused=outcome.refused,
                attempt=attempt,
                again=again,
                error=outcome.error,
            ),
        )

        def follow() -> None:
            standing.attempt, standing.again, standing.since = attempt, again, None
            self._settled += 1
            self._tell(sink.name, outcome)

        return follow

    def _tell(self, name: str, outcome: _Outcome) -> None:
        trouble = f"the sink {name} cannot be told, and what it is to be told waits: {outcome.error}"
        if self._reporter.complain(f"sink {name}", trouble if outcome.error else ""):
            self._reporter.tell(NoticeKind.ANSWERED, f"the sink {name} is told again")
        if outcome.refused:
            text = f"the sink {name} does not take {outcome.refused} notification(s), which are dropped: {outcome.why}"
            self._reporter.complain(f"refusing sink {name}", text)


def _told(sink: NamedSink, waiting: Sequence[tuple[int, Notification]], clock: Clock) -> _Outcome:
    """Tell the sink of these, one after the other, up to the first that it cannot be told of, whatever it raises."""
    outcome = _Outcome()
    end = clock.monotonic() + LONGEST_AT_ONCE
    for number, notification in waiting:
        try:
            if sink.wants(notification):
                _send(sink, notification)
                outcome.sent += 1
        except SinkRefused as error:
            outcome.refused += 1
            outcome.why = sink.said(error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            outcome.error = sink.said(error) or "it does not say why"
            outcome.retry_after = error.retry_after if isinstance(error, SinkError) else None
            break
        outcome.position = number
        if clock.monotonic() >= end:
            break
    return outcome


def _send(sink: NamedSink, notification: Notification) -> None:
    reached(Boundary.BEFORE_NOTIFICATION)
    try:
        sink.sink.send(notification)
    finally:
        reached(Boundary.AFTER_NOTIFICATION)
