"""Deadlines of exchanges: one thread cuts those whose time is up, however their bytes drip in."""

import threading
import time

from stormcone.clouds.http.connection import Connection

_CUT_AGAIN = 0.05
"""Seconds: the connection may not stand yet at the first time."""


class Watched:
    """One request and its answer, while it may be cut.

    Attributes:
        line: what it is made on.
        ended: why it was cut; "" where it was not.
    """

    def __init__(self, line: Connection) -> None:
        self.line = line
        self.ended = ""


class Deadlines:
    """Cuts exchanges at their deadlines, in real time; any number of threads may use it at once.

    The thread begins with the first exchange, and ends by itself where it wakes and none is under way. One that ends
    in time costs no switch of threads: it is only forgotten.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Watched, float] = {}
        self._limits: dict[Watched, float] = {}
        self._thread: threading.Thread | None = None
        self._wakes = 0.0
        self._closed = False

    def begin(self, exchange: Watched, seconds: float) -> None:
        """Cut the exchange once so many seconds have passed, unless it is over by then."""
        due = time.monotonic() + seconds
        with self._changed:
            self._due[exchange] = due
            self._limits[exchange] = seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="stormcone-http-deadline", daemon=True)
                self._thread.start()
            elif due < self._wakes:
                self._changed.notify_all()

    def over(self, exchange: Watched) -> None:
        """The exchange is over: once this returns its connection is cut no more."""
        with self._changed:
            del self._due[exchange], self._limits[exchange]
            if self._closed:
                self._changed.notify_all()

    def close(self, why: str) -> None:
        """Cut what is under way now, and let the thread end; it says why to whoever waited."""
        with self._changed:
            self._closed = True
            now = time.monotonic()
            for exchange in self._due:
                exchange.ended = exchange.ended or why
                self._due[exchange] = now
            self._changed.notify_all()
            thread = None if self._due else self._thread
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        with self._changed:
            while self._due:
                now = time.monotonic()
                for exchange in [each for each, due in self._due.items() if due <= now]:
                    # The lock is held: it cannot end meanwhile, and leave its connection to another one.
                    exchange.ended = exchange.ended or f"no whole answer within {self._limits[exchange]:g} s"
                    exchange.line.cut()
                    self._due[exchange] = now + _CUT_AGAIN
                self._wakes = min(self._due.values())
                self._changed.wait(max(0.0, self._wakes - now))
            self._thread = None
