"""One agent per journal: a lock that the operating system drops when the process dies, however it dies."""

import os
import sys
from pathlib import Path
from typing import IO

from stormcone.errors import JournalLocked


class FileLock:
    """An exclusive lock on `PATH.lock`, held until `release` or the end of the process.

    Raises:
        JournalLocked: another process, or another agent in this one, holds it.
        OSError: the file cannot be made.
    """

    def __init__(self, journal: Path) -> None:
        self._file: IO[str] | None = None
        path = journal.with_name(journal.name + ".lock")
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii")
        try:
            _lock(file)
        except OSError:
            holder = file.read(32).strip()
            file.close()
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise JournalLocked(
                f"the journal {journal} is in use by {who}; stop that agent, or give this one a journal of its own"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go of the lock. Safe to call twice."""
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
