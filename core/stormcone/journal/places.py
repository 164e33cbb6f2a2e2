"""Journals by the place that a user names: a file, or a database."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from stormcone.errors import SettingsError
from stormcone.journal.offers import Crew, WorkerSide
from stormcone.journal.shards import ShardBook, ShardsSeen, SharedShard
from stormcone.journal.sql.store import SQLJournal
from stormcone.journal.sqlite.damage import damaged
from stormcone.journal.sqlite.store import Journal
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.driver import driver_for

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
        PluginError: the driver of its database is not installed.
    """
    if isinstance(place, Path):
        return Journal.open(place, replace_at=replace_at)
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.store import START, PostgresqlJournal
    return PostgresqlJournal.open(place, wait=wait, patience=START if patience is None else patience, workers=workers)


def open_worker_side(place: Place, silence: float) -> WorkerSide:
    """A worker's side of a journal's offers; nothing is asked of the database yet.

    Args:
        place: the journal's.
        silence: seconds without a word after which the worker has lost what it has taken.

    Raises:
        SettingsError: the journal is a file.
        PluginError: the driver is not installed.
    """
    if isinstance(place, Path):
        raise SettingsError(
            f"a worker shares its watcher's journal in a database, and {place} is a file; name it with --journal "
            "postgresql://..."
        )
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.worker_side import PostgresqlWorkerSide
    return PostgresqlWorkerSide(place, silence)


def open_shard_book(place: DatabaseAddress, shards: Sequence[SharedShard]) -> ShardBook:
    """A watcher's face to what it shares with others; nothing is asked of the database yet.

    Raises:
        PluginError: the driver is not installed.
    """
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.shards import PostgresqlShardBook
    return PostgresqlShardBook(place, shards)


def read_shared(place: DatabaseAddress) -> ShardsSeen:
    """All watchers and shards of a database; nothing is changed.

    Raises:
        JournalError: nobody has shared anything there, or the database cannot be used.
        PluginError: the driver is not installed.
    """
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.shards import read_shards
    return read_shards(place)


def forget_shared(place: DatabaseAddress, table: str) -> None:
    """Take a region's shards out, so that it may be shared otherwise from now on.

    Raises:
        SettingsError: there is no such region, or it cannot be taken out now.
        JournalError, PluginError: as `read_shared`.
    """
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.shards import forget_shards
    forget_shards(place, table)


def read_journal(place: Place) -> SQLJournal:
    """Open for reading, beside the agent that writes it.

    Raises:
        JournalError: there is none, or it cannot be opened.
        PluginError: the driver of its database is not installed.
    """
    if isinstance(place, Path):
        return Journal.read(place)
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.store import PostgresqlJournal
    return PostgresqlJournal.read(place)


def holder_of_lease(place: DatabaseAddress) -> str:
    """Who holds the lease of a journal in a database, and until when, as a clause; "" where nobody does.

    Raises:
        JournalError: there is no such journal, or the database cannot be used.
        PluginError: the driver of its database is not installed.
    """
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.store import holder
    found = holder(place)
    return str(found) if found.remaining > 0 else ""


def crew_of_journal(place: DatabaseAddress) -> Crew:
    """The workers of a journal in a database, and what waits for them.

    Raises:
        JournalError: there is no such journal, or the database cannot be used.
        PluginError: the driver of its database is not installed.
    """
    with driver_for(f"the journal {place}"):
        from stormcone.journal.postgresql.crew import crew_of
    return crew_of(place)


def may_be_there(place: Place) -> bool:
    """Whether it is worth reading: a file that is there, or a database, which must be asked."""
    return place.exists() if isinstance(place, Path) else True


def set_aside_before(place: Place) -> list[Path]:
    """The damaged journals that this one has replaced: files alone are set aside."""
    return damaged(place) if isinstance(place, Path) else []
