"""One agent per journal: a lock that the operating system drops when the process dies, however it dies."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from stormcone.errors import JournalLocked

_USED = b"a journal was here"
_LINE = 32


def _lock_file(journal: Path) -> Path:
    return journal.with_name(journal.name + ".lock")


def was_used(journal: Path) -> bool:
    """Whether there has ever been a journal at this path, as far as its lock's file knows."""
    try:
        return _USED in _lock_file(journal).read_bytes()
    except OSError:
        return False


class FileLock:
    """An exclusive lock on `PATH.lock`, held until `release` or the end of the process.

    The file has two lines of a fixed length, written over in place, which needs no room on a full disk: the process
    that holds it, and whether there has ever been a journal at PATH.

    Attributes:
        used: whether there has: then what is there now is one, or what is left of one.

    Raises:
        JournalLocked: another process, or another agent in this one, holds it.
        OSError: the file cannot be made.
    """

    def __init__(self, journal: Path) -> None:
        self._file: int | None = os.open(_lock_file(journal), os.O_RDWR | os.O_CREAT, 0o600)
        content = os.pread(self._file, 2 * _LINE, 0)
        self.used = _USED in content
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            holder = content[:_LINE].strip().decode(errors="replace")
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise JournalLocked(
                f"the journal {journal} is in use by {who}; stop that agent, or give this one a journal of its own"
            ) from None
        self._write(0, str(os.getpid()).encode())

    def mark(self) -> None:
        """Note that there is a journal."""
        if not self.used:
            self.used = True
            self._write(1, _USED)

    def release(self) -> None:
        """Let go of the lock. Safe to call twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, line: int, text: bytes) -> None:
        assert self._file is not None  # noqa: S101 - for the type checker: it is held
        with suppress(OSError):  # on a full disk the lock holds without its text
            os.pwrite(self._file, text.ljust(_LINE - 1) + b"\n", line * _LINE)
