"""Opening the journal's file: its lock, its permissions, the pragmas that keep it, SQLite's errors as ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stormcone.errors import JournalDamaged, JournalError, JournalTooNew
from stormcone.journal.lock import FileLock
from stormcone.journal.schema import APPLICATION_ID, VERSION, upgrade


def locked(path: Path) -> FileLock:
    """The lock on a journal, its folder made where it is missing."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(path)
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be made: {error.strerror}; name another with --journal"
        ) from error


def connect(name: str) -> sqlite3.Connection:
    """Open for writing, for the owner alone (0600), with what a transaction wrote on the disk when it returns."""
    if name != ":memory:":
        try:
            Path(name).touch(mode=0o600)
        except OSError as error:
            raise JournalError(f"the journal {name} cannot be made: {error.strerror}; name another") from error
    with errors(name):
        connection = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            connection.row_factory = sqlite3.Row
            check(connection, name)
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            upgrade(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_to_read(name: str) -> sqlite3.Connection:
    """Open for reading, beside the agent that writes."""
    with errors(name):
        connection = sqlite3.connect(f"{Path(name).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            check(connection, name)
        except BaseException:
            connection.close()
            raise
    return connection


def check(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a database of something else, or of a newer stormcone, before anything is changed in it."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and found != APPLICATION_ID:
        raise JournalDamaged(f"{name} is a database, but not a stormcone journal; name another file")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise JournalTooNew(
            f"the journal {name} has version {version} and this stormcone knows versions up to {VERSION}; "
            "run the newer stormcone, or name another journal"
        )


@contextmanager
def errors(path: str) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        kind = JournalError if isinstance(error, sqlite3.OperationalError) else JournalDamaged
        raise kind(f"the journal {path} cannot be used: {error}") from error
