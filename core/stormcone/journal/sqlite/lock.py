"""One agent per journal: locks that the operating system drops when the process dies, however it dies."""

import fcntl
import os
import re
import stat
import weakref
from contextlib import suppress
from pathlib import Path

from stormcone.errors import JournalError, JournalLocked

_USED = b"a journal was here"
_LINE = 32
_OURS = re.compile(rb"[\d \n\0]*(a journal was here *\n?)?\Z")

_LOCKS = Path("/proc/locks")
_HELD: "weakref.WeakSet[FileLock]" = weakref.WeakSet()


def _lock_file(journal: Path) -> Path:
    return journal.with_name(journal.name + ".lock")


def was_used(journal: Path) -> bool:
    """Whether there has ever been a journal at this path, as far as its lock's file knows."""
    try:
        return _USED in _lock_file(journal).read_bytes()
    except OSError:
        return False


def holder_of(journal: Path) -> int | None:
    """The process that works with the journal now; None where there is none, or where it cannot be told."""
    try:
        file = os.open(_lock_file(journal), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return int(_holder(file) or 0) or None
    finally:
        os.close(file)


class FileLock:
    """An exclusive lock on `PATH.lock`, held until `release` or the end of the process; `cover` adds PATH itself.

    The file has two lines of a fixed length, written over in place, which needs no room on a full disk: the process
    that holds it, and whether there has ever been a journal at PATH. A child that is forked from the process lets go
    of the lock at once: it may outlive the agent.

    Attributes:
        used: whether there has: then what is there now is one, or what is left of one.

    Raises:
        JournalLocked: another process, or another agent in this one, holds it.
        JournalError: what is there is something else, which is not overwritten.
        OSError: the file cannot be made.
    """

    def __init__(self, journal: Path) -> None:
        _HELD.add(self)
        self._journal = journal
        self._covered: int | None = None
        self._file: int | None = None
        path = _lock_file(journal)
        if path.is_symlink():
            raise _foreign(path)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            content = _content(self._file, path)
            self.used = _USED in content
            self._take(self._file, content[:_LINE].strip(b" \n\0"))
        except BaseException:
            self.release()
            raise
        self._write(0, str(os.getpid()).encode())

    def cover(self) -> None:
        """Lock the journal's own file also: it may have another name, or its lock's file may have been removed.

        Raises:
            JournalLocked: another process holds it.
            JournalError: it cannot be opened.
        """
        self._uncover()
        try:
            self._covered = os.open(self._journal, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise JournalError(f"the journal {self._journal} cannot be read: {error.strerror}; name another") from error
        self._take(self._covered, b"")

    def mark(self) -> None:
        """Note that there is a journal."""
        if not self.used:
            self.used = True
            self._write(1, _USED)

    def release(self) -> None:
        """Let go of the lock. Safe to call twice."""
        self._uncover()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _uncover(self) -> None:
        if self._covered is not None:
            os.close(self._covered)
            self._covered = None

    def _take(self, file: int, noted: bytes) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file) or noted.decode(errors="replace")
            who = f"process {holder}" if holder else "another process"
            raise JournalLocked(
                f"the journal {self._journal} is in use by {who}; "
                "stop that agent, or give this one a journal of its own"
            ) from None

    def _write(self, line: int, text: bytes) -> None:
        assert self._file is not None  # noqa: S101 - for the type checker: it is held
        with suppress(OSError):  # on a full disk the lock holds without its text
            os.pwrite(self._file, text.ljust(_LINE - 1) + b"\n", line * _LINE)


def _content(file: int, path: Path) -> bytes:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise _foreign(path)
    content = os.pread(file, 2 * _LINE + 1, 0)
    if not _OURS.match(content):
        raise _foreign(path)
    return content


def _foreign(path: Path) -> JournalError:
    return JournalError(
        f"{path} is not the lock of a journal, and is left as it is; move it away, or name another journal"
    )


def _holder(file: int) -> str:
    """The process that holds the lock on an open file, as Linux knows it; "" where that cannot be found.

    Source: proc_locks(5); a process of another namespace is 0 there.
    """
    found = os.fstat(file)
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with suppress(OSError):
        for line in _LOCKS.read_text().splitlines():
            words = line.split()
            if words[1:2] == ["FLOCK"] and words[5:6] == [device] and words[4] != "0":
                return words[4]
    return ""


def _let_go_in_child() -> None:
    for lock in list(_HELD):
        lock.release()


os.register_at_fork(after_in_child=_let_go_in_child)
