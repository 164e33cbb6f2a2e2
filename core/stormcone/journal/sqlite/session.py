"""SQLite as a journal's database: statements and transactions on one connection."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stormcone.errors import JournalDamaged
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.sql.session import Row, Session
from stormcone.journal.sqlite.connection import errors


class SQLiteSession(Session):
    """The connection to one file.

    Args:
        connection: open.
        path: the file's.
    """

    LAST = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'notifications'), 0)"
    UNREADABLE = JournalDamaged

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        super().__init__(path)
        self.connection = connection

    def find(self, query: str, *values: Any) -> Iterator[Row]:
        """The rows that the query finds, one at a time."""
        with errors(self.path):
            yield from self.connection.execute(query, values)

    def execute(self, statement: str, *values: Any) -> int:
        """Change something; within a transaction. Answers how many rows."""
        return self.connection.execute(statement, values).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Add a row to a table that gives numbers; within a transaction. Answers its number."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self.connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))
        return int(cursor.lastrowid or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes within happen together, or none of them; one within another is a part of it."""
        with errors(self.path):
            if self.connection.in_transaction:
                yield
                return
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                reached(Boundary.BEFORE_COMMIT)
                self.connection.execute("COMMIT")
                reached(Boundary.AFTER_COMMIT)
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close it. Safe to call twice."""
        self.connection.close()
