"""Waiting on a simulator's clock inside an event loop, without a thread for each who waits."""

import asyncio
from contextlib import nullcontext, suppress
from datetime import datetime

from stormcone.clock import ManualClock, SystemClock


class LoopClock:
    """Lets coroutines of one loop sleep on a clock that other threads advance.

    Made inside the loop that it serves; `close` ends its subscription.
    """

    def __init__(self, clock: ManualClock | SystemClock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._moved = asyncio.Event()
        self.close = clock.subscribe(self.wake)

    def now(self) -> datetime:
        """The clock's time, aware UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds of the clock that only ever grow."""
        return self._clock.monotonic()

    async def until(self, end: float) -> None:
        """Return once the clock's `monotonic` has reached `end`.

        A moment, not a span: a clock that is advanced between two lines of the caller takes nothing from the wait.
        """
        with self._clock.expecting(end) if isinstance(self._clock, ManualClock) else nullcontext():
            while (left := end - self._clock.monotonic()) > 0:
                moved = self._moved
                real = None if isinstance(self._clock, ManualClock) else left / self._clock.speed
                with suppress(TimeoutError):
                    await asyncio.wait_for(moved.wait(), real)

    async def news(self, end: float) -> None:
        """Return once the clock's `monotonic` has reached `end`, or the clock is moved by hand, or `wake` is called.

        Nobody is told that this waits: a test's clock does not go on for whoever waits for news.
        """
        left = end - self._clock.monotonic()
        if left > 0:
            real = None if isinstance(self._clock, ManualClock) else left / self._clock.speed
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), real)

    def wake(self) -> None:
        """Let those who wait look again; from any thread."""
        # The loop may have been closed between the clock's step and this call.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
