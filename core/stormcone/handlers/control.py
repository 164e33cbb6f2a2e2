"""The agent's end of an attempt: what it tells a stage that is running elsewhere. Handlers see it as `Context`."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from stormcone.clock import Clock

_log = logging.getLogger(__name__)


class RunControl:
    """The agent's end of one attempt: what it tells a stage that is running elsewhere.

    Safe between threads. Callbacks run in the thread that brings the word; one that raises is logged.
    """

    def __init__(self, clock: Clock, deadline: datetime | None = None) -> None:
        self.clock = clock
        self.deadline = deadline
        self.canceled = False
        self.stopping = False
        self.finished = False
        self._lock = threading.Lock()
        self._stop_callbacks: list[Callable[[], None]] = []
        self._kill_callbacks: list[Callable[[], None]] = []
        self._stopped = False
        self._killed = False
        self._wake = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the attempt has been asked to end."""
        return self._stopped

    @property
    def told(self) -> str:
        """Why the attempt was told to end, as a clause; "" where it was not."""
        if self.canceled:
            return "the event was called off"
        if self._stopped:
            return "its time was up"
        return "the agent stops, and its next life runs it again" if self.stopping else ""

    def cancel(self) -> None:
        """The event is called off: the attempt is asked to end."""
        self.canceled = True
        self.stop()

    def tell_stopping(self) -> None:
        """The agent is about to end; the attempt may still finish."""
        self.stopping = True
        self._wake.set()

    def stop(self) -> None:
        """Ask the attempt to end: cancels an `async` stage, terminates a command."""
        self._fire("_stopped", self._stop_callbacks)

    def kill(self) -> None:
        """End whatever can be ended by force."""
        self._fire("_killed", self._kill_callbacks)

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call back when the attempt is asked to end; at once if it was already."""
        self._register("_stopped", self._stop_callbacks, callback)

    def on_kill(self, callback: Callable[[], None]) -> None:
        """Call back when the attempt is to be ended by force; at once if it was already."""
        self._register("_killed", self._kill_callbacks, callback)

    def wait(self, seconds: float) -> bool:
        """Wait that long; False as soon as the attempt should end."""
        end = self.clock.monotonic() + seconds
        while not (self._stopped or self.stopping):
            left = end - self.clock.monotonic()
            if left <= 0:
                return True
            self._wake.clear()
            if not (self._stopped or self.stopping):
                self.clock.wait(self._wake, left)
        return False

    def _fire(self, flag: str, callbacks: list[Callable[[], None]]) -> None:
        with self._lock:
            if getattr(self, flag):
                return
            setattr(self, flag, True)
            due = tuple(callbacks)
        self._wake.set()
        for callback in due:
            try:
                callback()
            except Exception:  # noqa: BLE001 - it is the agent's loop that brings the word, and it must go on
                _log.warning("a callback of a run that is to end failed", exc_info=True)

    def _register(self, flag: str, callbacks: list[Callable[[], None]], callback: Callable[[], None]) -> None:
        with self._lock:
            if not getattr(self, flag):
                callbacks.append(callback)
                return
        callback()
