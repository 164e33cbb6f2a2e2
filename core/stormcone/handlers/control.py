"""The agent's end of an attempt: what it tells a stage that is running elsewhere. Handlers see it as `Context`."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from stormcone.clock import Clock

_log = logging.getLogger(__name__)


class Word(StrEnum):
    """What an attempt can be told, each once."""

    STOPPING = "stopping"
    """The agent is about to end."""
    STOP = "stop"
    """End: the event is called off, or the time is up."""
    KILL = "kill"
    """Whatever can be ended by force is."""


class RunControl:
    """The agent's end of one attempt: what it tells a stage that is running elsewhere.

    Safe between threads. Callbacks run in the thread that brings the word; one that raises is logged.

    Args:
        clock: of waiting.
        deadline: when the stage must be done, or None.
        mark: what the processes that it starts are known by; "" where nobody looks for them.
        secrets: names of environment variables that hold the provider's credentials.
    """

    def __init__(
        self, clock: Clock, deadline: datetime | None = None, *, mark: str = "", secrets: tuple[str, ...] = ()
    ) -> None:
        self.clock = clock
        self.deadline = deadline
        self.mark = mark
        self.secrets = secrets
        self.canceled = False
        self.finished = False
        self._lock = threading.Lock()
        self._callbacks: dict[Word, list[Callable[[], None]]] = {word: [] for word in Word}
        self._said: set[Word] = set()
        self._wake = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether the attempt has been asked to end."""
        return Word.STOP in self._said

    @property
    def stopping(self) -> bool:
        """Whether the agent is about to end."""
        return Word.STOPPING in self._said

    @property
    def told(self) -> str:
        """Why the attempt was told to end, as a clause; "" where it was not."""
        if self.canceled:
            return "the event was called off"
        if self.stopping:
            return "the agent stops, and its next life runs it again"
        return "its time was up" if self.stopped else ""

    def cancel(self) -> None:
        """The event is called off: the attempt is asked to end."""
        self.canceled = True
        self.tell(Word.STOP)

    def stop(self) -> None:
        """Ask the attempt to end: cancels an `async` stage, terminates a command."""
        self.tell(Word.STOP)

    def tell(self, word: Word) -> None:
        """Bring a word, if it has not been brought yet."""
        with self._lock:
            if word in self._said:
                return
            self._said.add(word)
            due = tuple(self._callbacks[word])
        self._wake.set()
        for callback in due:
            try:
                callback()
            except Exception:  # noqa: BLE001 - it is the agent's loop that brings the word, and it must go on
                _log.warning("a callback of a run that is to end failed", exc_info=True)

    def on(self, word: Word, callback: Callable[[], None]) -> None:
        """Call back when the word is brought; at once if it was already."""
        with self._lock:
            if word not in self._said:
                self._callbacks[word].append(callback)
                return
        callback()

    def wait(self, seconds: float) -> bool:
        """Wait that long; False as soon as the attempt should end."""
        end = self.clock.monotonic() + seconds
        while not (self.stopped or self.stopping):
            left = end - self.clock.monotonic()
            if left <= 0:
                return True
            self._wake.clear()
            if not (self.stopped or self.stopping):
                self.clock.wait(self._wake, left)
        return False
