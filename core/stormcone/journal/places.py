"""Journals by the place that a user names: a file, or a database."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from stormcone.errors import JournalError, SettingsError
from stormcone.journal.offers import Crew, WorkerSide
from stormcone.journal.shards import ShardBook, ShardsSeen, SharedShard
from stormcone.journal.sql.store import SQLJournal
from stormcone.journal.sqlite.damage import damaged
from stormcone.journal.sqlite.store import Journal
from stormcone.postgresql.address import DatabaseAddress

Place = Path | DatabaseAddress
"""Where a journal is. As text it has no secret."""


def open_journal(
    place: Place,
    *,
    replace_at: datetime | None = None,
    wait: Callable[[str, str], None],
    patience: float | None = None,
    workers: bool = False,
) -> SQLJournal:
    """Open for writing; in a database, wait for it.

    Args:
        place: where it is.
        replace_at: for a file: see `Journal.open`.
        wait: for a database: see `PostgresqlJournal.open`.
        patience: for a database: seconds for which it is waited for where it cannot be reached; None: the usual ones.
        workers: for a database: whether runs are offered to workers.

    Raises:
        JournalError: it cannot be opened.
    """
    if isinstance(place, Path):
        return Journal.open(place, replace_at=replace_at)
    try:
        from stormcone.journal.postgresql.store import START, PostgresqlJournal
    except ImportError as error:
        raise _no_driver(place) from error
    return PostgresqlJournal.open(place, wait=wait, patience=START if patience is None else patience, workers=workers)


def open_worker_side(place: Place, silence: float) -> WorkerSide:
    """A worker's side of a journal's offers; nothing is asked of the database yet.

    Args:
        place: the journal's.
        silence: seconds without a word after which the worker has lost what it has taken.

    Raises:
        SettingsError: the journal is a file.
        JournalError: the driver is not installed.
    """
    if isinstance(place, Path):
        raise SettingsError(
            f"a worker shares its watcher's journal in a database, and {place} is a file; name it with --journal "
            "postgresql://..."
        )
    try:
        from stormcone.journal.postgresql.worker_side import PostgresqlWorkerSide
    except ImportError as error:
        raise _no_driver(place) from error
    return PostgresqlWorkerSide(place, silence)


def open_shard_book(place: DatabaseAddress, shards: Sequence[SharedShard]) -> ShardBook:
    """A watcher's face to what it shares with others; nothing is asked of the database yet.

    Raises:
        JournalError: the driver is not installed.
    """
    try:
        from stormcone.journal.postgresql.shards import PostgresqlShardBook
    except ImportError as error:
        raise _no_driver(place) from error
    return PostgresqlShardBook(place, shards)


def read_shared(place: DatabaseAddress) -> ShardsSeen:
    """All watchers and shards of a database; nothing is changed.

    Raises:
        JournalError: nobody has shared anything there, the database cannot be used, or the driver is not installed.
    """
    try:
        from stormcone.journal.postgresql.shards import read_shards
    except ImportError as error:
        raise _no_driver(place) from error
    return read_shards(place)


def forget_shared(place: DatabaseAddress, table: str) -> None:
    """Take a region's shards out, so that it may be shared otherwise from now on.

    Raises:
        SettingsError: there is no such region, or it cannot be taken out now.
        JournalError: as `read_shared`.
    """
    try:
        from stormcone.journal.postgresql.shards import forget_shards
    except ImportError as error:
        raise _no_driver(place) from error
    forget_shards(place, table)


def read_journal(place: Place) -> SQLJournal:
    """Open for reading, beside the agent that writes it.

    Raises:
        JournalError: there is none, or it cannot be opened.
    """
    if isinstance(place, Path):
        return Journal.read(place)
    try:
        from stormcone.journal.postgresql.store import PostgresqlJournal
    except ImportError as error:
        raise _no_driver(place) from error
    return PostgresqlJournal.read(place)


def holder_of_lease(place: DatabaseAddress) -> str:
    """Who holds the lease of a journal in a database, and until when, as a clause; "" where nobody does.

    Raises:
        JournalError: there is no such journal, or the database cannot be used.
    """
    try:
        from stormcone.journal.postgresql.store import holder
    except ImportError as error:
        raise _no_driver(place) from error
    found = holder(place)
    return str(found) if found.remaining > 0 else ""


def crew_of_journal(place: DatabaseAddress) -> Crew:
    """The workers of a journal in a database, and what waits for them.

    Raises:
        JournalError: there is no such journal, or the database cannot be used.
    """
    try:
        from stormcone.journal.postgresql.crew import crew_of
    except ImportError as error:
        raise _no_driver(place) from error
    return crew_of(place)


def may_be_there(place: Place) -> bool:
    """Whether it is worth reading: a file that is there, or a database, which must be asked."""
    return place.exists() if isinstance(place, Path) else True


def set_aside_before(place: Place) -> list[Path]:
    """The damaged journals that this one has replaced: files alone are set aside."""
    return damaged(place) if isinstance(place, Path) else []


def _no_driver(place: DatabaseAddress) -> JournalError:
    return JournalError(
        f"the journal {place} cannot be used: PostgreSQL's driver is not installed; pip install 'stormcone[fleet]'"
    )
