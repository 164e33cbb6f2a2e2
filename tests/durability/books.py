"""The journals on which walks go, on SQLite and on PostgreSQL: what a walk must know of one, and do when it ends."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

from stormcone import Journal
from stormcone.journal.places import read_journal
from stormcone.journal.sql.store import SQLJournal
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress

KNOWN = (
    "SELECT key, handler, stage FROM runs JOIN episodes ON episodes.id = runs.episode"
    " WHERE state IN ('succeeded', 'failed', 'vetoed')"
)
"""What the journal knows to be done."""

Done = set[tuple[str, str, str]]


class SQLiteBook:
    """A file, which an agent may take along to another machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._deaths = 0
        self._path = folder / "journal.db"

    def __str__(self) -> str:
        return str(self._path)

    def read(self) -> SQLJournal:
        return Journal.read(self._path)

    def died(self, *, reborn: bool) -> Done:
        """Its agent has been killed, with its machine where another is `reborn`; answers what it knows to be done."""
        survivor = self._folder / f"survivor-{self._deaths}" / "journal.db"
        self._deaths += 1
        if not self._path.exists():
            return set()
        survivor.parent.mkdir()
        survivor.write_bytes(self._path.read_bytes())
        if reborn:
            self._path = survivor
        with closing(sqlite3.connect(survivor)) as book:
            return set(book.execute(KNOWN))

    def is_sound(self) -> None:
        with closing(sqlite3.connect(self._path)) as book:
            assert book.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert book.execute("PRAGMA foreign_key_check").fetchall() == []


class PostgresqlBook:
    """A journal in a database, which outlives machines."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._address = DatabaseAddress.parse(url, own=JOURNAL_OPTIONS)

    def __str__(self) -> str:
        return self._url

    def read(self) -> SQLJournal:
        return read_journal(self._address)

    def died(self, *, reborn: bool) -> Done:
        """Its agent has been killed; answers what it knows to be done. Its lease runs out, as if time had passed."""
        with self._connected() as connection:
            there = connection.execute("SELECT to_regclass('lease') AS found").fetchone()
            if there is None or there["found"] is None:
                return set()
            connection.execute("UPDATE lease SET until = clock_timestamp()")
            return {(row["key"], row["handler"], row["stage"]) for row in connection.execute(KNOWN).fetchall()}

    def lost_a_worker(self) -> Done:
        """A worker has been killed; answers what is known to be done. Its silence is over, as if time had passed."""
        with self._connected() as connection:
            connection.execute("UPDATE workers SET until = clock_timestamp()")
            return {(row["key"], row["handler"], row["stage"]) for row in connection.execute(KNOWN).fetchall()}

    def is_sound(self) -> None:
        """The database itself sees to it."""

    def _connected(self) -> Any:
        from stormcone.journal.postgresql.store import _database

        database, _, _ = _database(self._address, writes=True)
        return database.connect()


def book_for(folder: Path, server: Any) -> SQLiteBook | PostgresqlBook:
    """A journal for a walk: in its folder, or on the server, where there is one."""
    if server is None:
        return SQLiteBook(folder)
    return PostgresqlBook(server.url(journal=f"w{uuid4().hex}"))
