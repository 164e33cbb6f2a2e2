"""The journal on SQLite: its file, opened for writing with a lock, or for reading beside the writer."""

from datetime import datetime
from pathlib import Path
from typing import Self

from stormcone.errors import JournalDamaged, JournalError
from stormcone.journal.sql.store import SQLJournal
from stormcone.journal.sqlite.connection import connect, connect_to_read, create, errors
from stormcone.journal.sqlite.damage import set_aside
from stormcone.journal.sqlite.files import exposure, locked, look_at, the_file
from stormcone.journal.sqlite.lock import FileLock, was_used
from stormcone.journal.sqlite.session import SQLiteSession


class Journal(SQLJournal):
    """The durable record of one agent, in a file. One thread at a time may use it; `read` opens a read-only view.

    Every method raises `JournalError` where the file cannot be read or written; then nothing of the
    transaction has happened. `JournalDamaged` says that it never will be again.

    Attributes:
        path: its file.
        exposure: who else may use its file, as a sentence; "" where it is its owner's alone.
    """

    def __init__(self, session: SQLiteSession, lock: FileLock | None = None) -> None:
        super().__init__(session)
        self._connection = session.connection
        self._lock = lock
        self.exposure = exposure(Path(self.path)) if lock else ""

    @classmethod
    def open(cls, path: str | Path, *, replace_at: datetime | None = None) -> Self:
        """Open for writing, made if it is not there, brought to this version; `:memory:` keeps nothing.

        Args:
            path: the file.
            replace_at: the time, where a damaged journal is to be set aside and a new one begun, whose `loss` says
                so; None raises `JournalDamaged`.

        Raises:
            JournalLocked: another agent uses it.
            JournalTooNew: a newer stormcone wrote it.
            JournalDamaged: it is not whole any more.
            NotAJournal: the file is something else.
            JournalError: it cannot be made or opened.
        """
        name = str(path)
        if name == ":memory:":
            return cls(SQLiteSession(connect(name), name))
        file = the_file(Path(name))
        name = str(file)
        lock = locked(file)
        try:
            try:
                return cls._open(name, lock)
            except JournalDamaged as error:
                if replace_at is None:
                    raise
                loss = set_aside(file, replace_at, str(error))
                journal = cls._open(name, lock)
                journal.loss = loss
                return journal
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open(cls, name: str, lock: FileLock) -> Self:
        file = Path(name)
        if file.exists():
            lock.cover()
            look_at(file, used=lock.used)
        else:
            create(file)
            lock.cover()
        journal = cls(SQLiteSession(connect(name), name), lock)
        try:
            journal._read_all()
        except BaseException:
            journal._session.close()
            raise
        lock.mark()
        return journal

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Open for reading only, beside the agent that writes it.

        Raises:
            JournalTooNew: a newer stormcone wrote it.
            JournalDamaged: it is not whole any more.
            NotAJournal: the file is something else.
            JournalError: there is no such file, or it cannot be opened.
        """
        name = str(the_file(Path(path)))
        if not Path(name).exists():
            raise JournalError(f"there is no journal at {name}; name another one, or start an agent first")
        look_at(Path(name), used=was_used(Path(name)))
        return cls(SQLiteSession(connect_to_read(name), name))

    def set_aside(self, at: datetime, why: str) -> str:
        """Close it, which has turned out to be damaged, and rename its file; answers the sentence to tell.

        Raises:
            JournalError: it cannot be renamed.
        """
        self._session.close()
        return set_aside(Path(self.path), at, why)

    def close(self) -> None:
        """Close the file and let go of the lock. Safe to call twice."""
        super().close()
        if self._lock is not None:
            self._lock.release()

    def may_act(self) -> bool:
        """Always: the lock is the process's for as long as that lives."""
        return True

    def _give_back(self) -> None:
        with errors(self.path):
            # As a script: `execute` takes a single step, and each step gives back a single page.
            self._connection.executescript("PRAGMA incremental_vacuum")
