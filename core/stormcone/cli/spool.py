"""Lines on their way out: whoever has something to say goes on at once, whether or not anybody reads it.

A pipe that nobody reads takes 64 KiB and then holds up whoever writes to it, for ever. So one thread writes, from a
queue of a bounded length; what finds it full is lost, and counted.
"""

import threading
from collections import deque
from collections.abc import Callable

ROOM = 2000
"""Lines that wait to be written at the most."""

PATIENCE = 2.0
"""Real seconds that the end waits for what is still to be written."""


class Spool:
    """Writes lines in their order, in a thread of its own, from the first line on until `close`.

    Args:
        lost: the line that says how many were lost.
    """

    def __init__(self, lost: Callable[[int], Callable[[], None]]) -> None:
        self._lost_line = lost
        self._lines: deque[Callable[[], None]] = deque()
        self._lost = 0
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None
        self._closing = False

    def put(self, write: Callable[[], None]) -> None:
        """Have a line written, by that function, which never raises; it is lost where too many wait."""
        with self._changed:
            if len(self._lines) >= ROOM:
                self._lost += 1
                return
            if self._lost:
                self._lines.append(self._lost_line(self._lost))
                self._lost = 0
            self._lines.append(write)
            if self._writer is None:
                writer = threading.Thread(target=self._write, name="stormcone-output", daemon=True)
                writer.start()
                self._writer = writer  # only now: a signal may cut this off anywhere, and `close` waits for it
            self._changed.notify()

    def close(self) -> None:
        """Write what is left, for a bounded time."""
        with self._changed:
            self._closing = True
            writer = self._writer
            if self._lost:
                self._lines.append(self._lost_line(self._lost))
            self._changed.notify()
        if writer is not None:
            writer.join(PATIENCE)

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._lines:
                    if self._closing:
                        return
                    self._changed.wait()
                write = self._lines.popleft()
            write()
