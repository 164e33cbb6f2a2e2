"""Time as a parameter: whatever reads or waits for time takes a `Clock`.

Deadlines are on the wall clock (`now`, aware UTC), intervals on the monotonic one (`monotonic`, seconds),
so that a jump of the wall clock moves no interval.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, Self


class Instant(NamedTuple):
    """One instant, on two clocks.

    Attributes:
        date: on the wall clock, aware UTC: for what is a date, such as an event's time, and for people.
        steady: on a clock that no step of the wall clock moves, as an aware time: for what lasts, such as time-outs,
            pauses and silences. It may differ from the date by any amount; only differences of it mean something.
    """

    date: datetime
    steady: datetime

    @classmethod
    def of(cls, date: datetime) -> Self:
        """An instant of a wall clock that has never been moved."""
        return cls(date, date)


class Clock(Protocol):
    """What stormcone asks of time."""

    def now(self) -> datetime:
        """The wall-clock time, aware UTC."""

    def monotonic(self) -> float:
        """Seconds that only ever grow; of the machine's clock, since it booted."""

    def sleep(self, seconds: float) -> None:
        """Return once `seconds` of this clock have passed."""

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        """Return once `wake` is set or `seconds` (None: no limit) of this clock have passed.

        `wake` means "look again": a clock may set it when time has passed, so it must not carry a fact.
        """


class _Listeners:
    """Who wants to know when a clock is moved by hand, as it does not show in waiting alone."""

    def __init__(self) -> None:
        self._listeners: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every step or change of pace, in the thread that made it; answers what ends that."""
        number = next(self._numbers)
        self._listeners[number] = listener

        def unsubscribe() -> None:
            self._listeners.pop(number, None)

        return unsubscribe

    def _tell(self) -> None:
        for listener in tuple(self._listeners.values()):
            listener()


class SystemClock(_Listeners):
    """The machine's clock; `speed`, `start` and `advance` make another one of it, for demonstrations.

    Args:
        speed: seconds of this clock to one real second.
        start: what `now` says at construction; None for the real time.
    """

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._follows = start is None and speed == 1.0
        self._start = start or datetime.now(UTC)
        # One tuple (seconds passed, at this real second, speed since), swapped whole: reading it takes no lock.
        booted = time.monotonic()
        self._pace = (booted, booted, 1.0)
        self._began = booted
        self.speed = speed

    @property
    def speed(self) -> float:
        """Seconds of this clock to one real second; setting it changes the pace from now on, without a step.

        Raises:
            ValueError: it is not above 0.
        """
        return self._pace[2]

    @speed.setter
    def speed(self, speed: float) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"a clock's speed must be above 0, not {speed}")
        with self._lock:
            self._pace = (self.monotonic(), time.monotonic(), speed)
            self._follows = self._follows and speed == 1.0
        self._tell()

    def now(self) -> datetime:
        """The wall-clock time, aware UTC."""
        if self._follows:
            return datetime.now(UTC)
        return self._start + timedelta(seconds=self.monotonic() - self._began)

    def monotonic(self) -> float:
        """Seconds that only ever grow: since the machine booted, and from construction on at this clock's pace."""
        passed, anchor, speed = self._pace
        return passed + (time.monotonic() - anchor) * speed

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of this clock, at the pace that it has now."""
        time.sleep(max(0.0, seconds) / self.speed)

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        """Wait for `wake`, at most `seconds` of this clock at the pace that it has now."""
        wake.wait(None if seconds is None else max(0.0, seconds) / self.speed)

    def advance(self, seconds: float) -> None:
        """Step forward by `seconds`; who sleeps already sleeps on, who has subscribed is told.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("a monotonic clock cannot go back")
        with self._lock:
            self._follows = False
            self._pace = (self.monotonic() + seconds, time.monotonic(), self.speed)
        self._tell()


_MANUAL = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock(_Listeners):
    """A clock that stands still until it is advanced; safe to share between threads.

    Args:
        start: the first `now`, aware; None for 2026-01-01 00:00 UTC.
    """

    def __init__(self, start: datetime | None = None) -> None:
        super().__init__()
        start = start or _MANUAL
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware time; give it a tzinfo")
        self._now = start.astimezone(UTC)
        self._monotonic = (start - _MANUAL).total_seconds()
        self._lock = threading.Lock()
        self._waiters: list[tuple[float, int, threading.Event]] = []
        self._order = itertools.count()
        self._expected: dict[int, float] = {}

    def now(self) -> datetime:
        """The wall-clock time, aware UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since 2026-01-01, as far as `advance` has moved them, so that clocks of two lives go together."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Return once another thread has advanced the clock by `seconds`."""
        wake = threading.Event()
        self.wait(wake, seconds)

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        """Return once `wake` is set; `advance` sets it when `seconds` have passed."""
        if seconds is not None:
            with self._lock:
                if seconds <= 0:
                    return
                heapq.heappush(self._waiters, (self._monotonic + seconds, next(self._order), wake))
        wake.wait()

    def advance(
        self, delta: timedelta | float = 0.0, *, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Move both clocks forward by `delta` (a timedelta or seconds) and the named parts together.

        Raises:
            ValueError: the sum is negative; `jump` moves the wall clock back.
        """
        step = delta if isinstance(delta, timedelta) else timedelta(seconds=delta)
        step += timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if step < timedelta(0):
            raise ValueError("a monotonic clock cannot go back; use jump() to move the wall clock alone")
        with self._lock:
            self._now += step
            self._monotonic += step.total_seconds()
            while self._waiters and self._waiters[0][0] <= self._monotonic:
                heapq.heappop(self._waiters)[2].set()
        self._tell()

    @contextmanager
    def expecting(self, end: float) -> Iterator[None]:
        """Say that something goes on once `monotonic` has come to `end`, without a thread that waits for it here."""
        number = next(self._order)
        self._expected[number] = end
        try:
            yield
        finally:
            del self._expected[number]

    @property
    def expected(self) -> float | None:
        """The first moment, on `monotonic`, that something is `expecting`; None where nothing is."""
        return min(tuple(self._expected.values()), default=None)

    def jump(self, delta: timedelta) -> None:
        """Move the wall clock alone, either way, as NTP or a resumed VM does."""
        with self._lock:
            self._now += delta
        self._tell()
