"""SQLite as the journal uses it: how the file is made and opened, the pragmas that keep it, its errors as ours."""

import atexit
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType

from stormcone.errors import JournalDamaged, JournalError
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.sqlite.files import ROLLBACK, beside, sync_folder
from stormcone.journal.sqlite.schema import is_older, upgrade

PRAGMAS = MappingProxyType(
    {
        # Write-ahead logging is not used: libraries before 3.51.3 (but 3.50.7 and 3.44.6) can lose a transaction
        # when the log is reset.
        "journal_mode": "DELETE",
        # FULL, and also the folder after the rollback journal is removed: without that a power cut right after a
        # commit may bring the rollback journal back, and with it the state before the commit.
        "synchronous": "EXTRA",
        "foreign_keys": "ON",
    }
)
"""In force on every connection that writes."""

IN_MEMORY = ":memory:"
"""The name of a journal that is kept nowhere."""

AUTO_VACUUM = "INCREMENTAL"
"""Decided when the file is made: pages that are free can be given back."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

# What SQLite says of a file that was a journal a moment ago and has been emptied, or replaced by another database.
_GONE = re.compile("no such (table|column)")

_ADVICE = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: "make room on its disk",
        sqlite3.SQLITE_READONLY_DBMOVED: "the file was moved or removed while it was in use: start the agent again",
        sqlite3.SQLITE_READONLY_ROLLBACK: "its last transaction was cut off: start the agent, which undoes that",
        sqlite3.SQLITE_READONLY: "let the file and its folder be written",
        sqlite3.SQLITE_CANTOPEN: "let the file and its folder be written",
        sqlite3.SQLITE_BUSY: "another program holds it: end that program",
        sqlite3.SQLITE_IOERR: "look into its disk",
    }
)
"""What to do about SQLite's errors, by its extended code or the primary one that is the code's last byte."""


def connect(name: str) -> sqlite3.Connection:
    """Open for writing; what a transaction wrote is on the disk when it returns.

    Raises:
        JournalDamaged: SQLite cannot read it.
        JournalError: it cannot be made or opened.
    """
    with errors(name):
        connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            if name == IN_MEMORY:
                _blank().backup(connection)
            _set_up(connection)
            _examine(connection, name)
        except BaseException:
            connection.close()
            raise
    return connection


@cache
def _blank() -> sqlite3.Connection:
    """An empty journal to copy: to make one takes longer than most tests of handlers, and each opens one in memory."""
    connection = sqlite3.connect(IN_MEMORY, isolation_level=None, check_same_thread=False)
    atexit.register(connection.close)
    _set_up(connection)
    return connection


def connect_to_read(name: str) -> sqlite3.Connection:
    """Open for reading, beside the agent that writes; an older one is read as its agent will upgrade it."""
    with errors(name):
        connection = sqlite3.connect(f"{Path(name).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if is_older(connection):
                connection = _upgraded_copy(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _upgraded_copy(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same in memory, at this version; the one on the disk is left for the agent, and closed."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with closing(connection):
        connection.backup(copy)
    copy.row_factory = sqlite3.Row
    upgrade(copy)
    copy.execute("COMMIT")
    return copy


@contextmanager
def errors(path: str) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None) or 0
        damaged = code & 0xFF in _DAMAGED or _GONE.search(str(error))
        kind = JournalDamaged if damaged else JournalError
        advice = _ADVICE.get(code) or _ADVICE.get(code & 0xFF)
        raise kind(f"the journal {path} cannot be used: {error}" + (f"; {advice}" if advice else "")) from error


def create(path: Path) -> None:
    """Make the file beside its place and move it there whole, so that one that is empty was never made by us.

    Raises:
        JournalError: it cannot be made.
    """
    new = beside(path, ".new")
    try:
        for leftover in (new, beside(new, ROLLBACK), beside(path, ROLLBACK)):  # of a file that was cut off, or removed
            leftover.unlink(missing_ok=True)
        new.touch(mode=0o600)
        with errors(str(path)):
            connection = sqlite3.connect(new, isolation_level=None)
            try:
                connection.execute(f"PRAGMA auto_vacuum = {AUTO_VACUUM}")
                _set_up(connection)
            finally:
                connection.close()
        new.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be made: {error.strerror}; name another") from error


def _set_up(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    for pragma, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {pragma} = {value}")
    if upgrade(connection):
        reached(Boundary.BEFORE_COMMIT)
        connection.execute("COMMIT")
        reached(Boundary.AFTER_COMMIT)


def _examine(connection: sqlite3.Connection, name: str) -> None:
    """Find damage at the start, rather than in the middle of an event."""
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise JournalDamaged(f"the journal {name} cannot be used: {found}")
