"""Time as a parameter: whatever reads or waits for time takes a `Clock`.

Deadlines are on the wall clock (`now`, aware UTC), intervals on the monotonic one (`monotonic`, seconds),
so that a jump of the wall clock moves no interval.
"""

import heapq
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What stormcone asks of time."""

    def now(self) -> datetime:
        """The wall-clock time, aware UTC."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    def sleep(self, seconds: float) -> None:
        """Return once `seconds` of this clock have passed."""

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        """Return once `wake` is set or `seconds` (None: no limit) of this clock have passed.

        `wake` means "look again": a clock may set it when time has passed, so it must not carry a fact.
        """


class SystemClock:
    """The machine's clock; `speed` and `start` make it a fast one for demonstrations.

    Args:
        speed: seconds of this clock to one real second.
        start: what `now` says at construction; None for the real time.
    """

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        if not speed > 0:
            raise ValueError(f"a clock's speed must be above 0, not {speed}")
        self.speed = speed
        self._start = start
        self._wall = time.time()
        self._monotonic = time.monotonic()

    def now(self) -> datetime:
        """The wall-clock time, aware UTC."""
        if self.speed == 1.0 and self._start is None:
            return datetime.now(UTC)
        start = self._start or datetime.fromtimestamp(self._wall, UTC)
        return start + timedelta(seconds=(time.monotonic() - self._monotonic) * self.speed)

    def monotonic(self) -> float:
        """Seconds of this clock that only ever grow."""
        return time.monotonic() * self.speed

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of this clock."""
        time.sleep(max(0.0, seconds) / self.speed)

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        """Wait for `wake`, at most `seconds` of this clock."""
        wake.wait(None if seconds is None else max(0.0, seconds) / self.speed)


class ManualClock:
    """A clock that stands still until it is advanced; safe to share between threads.

    Args:
        start: the first `now`, aware; None for 2026-01-01 00:00 UTC.
    """

    def __init__(self, start: datetime | None = None) -> None:
        start = start or datetime(2026, 1, 1, tzinfo=UTC)
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware time; give it a tzinfo")
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0
        self._lock = threading.Lock()
        self._waiters: list[tuple[float, int, threading.Event]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """The wall-clock time, aware UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since construction, as far as `advance` has moved them."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Return once another thread has advanced the clock by `seconds`."""
        end = self._monotonic + seconds
        while self._monotonic < end:
            wake = threading.Event()
            self.wait(wake, end - self._monotonic)

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

    def jump(self, delta: timedelta) -> None:
        """Move the wall clock alone, either way, as NTP or a resumed VM does."""
        with self._lock:
            self._now += delta
