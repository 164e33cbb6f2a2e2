"""Commands of an earlier life that still run: they are ended before anything else is done for their events.

The agent may die while its commands go on: were recovery begun beside them, the old drain would finish after it.
"""

import hashlib
import signal
import uuid
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from stormcone.handlers import processes
from stormcone.journal import JournalStore
from stormcone.rules.runs import STOP_GRACE, Run


def book_of(path: str) -> str:
    """What the marks of one journal's commands begin with: the same in each life of its agent, and no other's.

    Args:
        path: the journal's; the folder's own number keeps a container's agent apart from that of its host.
    """
    if path == ":memory:":  # it has no next life
        return uuid.uuid4().hex[:16]
    real = Path(path).resolve()
    try:
        folder = real.parent.stat()
        where = f"{real}\n{folder.st_dev}\n{folder.st_ino}"
    except OSError:  # it is no file
        where = path
    return hashlib.sha256(where.encode()).hexdigest()[:16]


def mark_of(book: str, run: Run) -> str:
    """The mark of what an attempt at a run starts."""
    return f"{book}/{run.id}/{run.attempt}"


class Leftovers:
    """What is left running of attempts that were cut off with an earlier life.

    Args:
        book: see `book_of`.
        journal: which attempts have no end.
        runs: those of the events with something left to do.
    """

    def __init__(self, book: str, journal: JournalStore, runs: Iterable[Run]) -> None:
        self._episodes = {
            f"{book}/{run.id}/{attempt.number}": run.episode
            for run in runs
            if run.attempt
            for attempt in journal.attempts(run.id)
            if attempt.ended is None
        }
        self._asked: datetime | None = None
        self._told: set[int] = set()

    def end(self, steady: datetime) -> "StillRunning":
        """End what still runs: SIGTERM at first, SIGKILL once its grace is over. Call it again until nothing is left.

        Args:
            steady: the steady time.
        """
        found = processes.running(self._episodes.__contains__) if self._episodes else {}
        if not found:
            self._episodes = {}
            return StillRunning(frozenset(), ())
        self._asked = self._asked or steady
        new = {process: mark for process, mark in found.items() if process not in self._told}
        self._told.update(new)
        if steady - self._asked >= STOP_GRACE:
            processes.send(found, signal.SIGKILL)
        else:
            processes.send(new, signal.SIGTERM)
        return StillRunning(frozenset(self._episodes[mark] for mark in found.values()), tuple(new))


class StillRunning(NamedTuple):
    """What is left running.

    Attributes:
        episodes: of which events.
        new: the processes that were not there at the last look, by number.
    """

    episodes: frozenset[int]
    new: tuple[int, ...]
