"""PostgreSQL as a journal's database: statements and transactions on one connection, which is re-made where it breaks.

A commit whose answer is lost may have been made or not: the server is asked which, by the transaction's number. Where
it cannot say, or another has taken its place (a standby may lack the last commits, and its numbers mean others), the
journal is given up, as by an agent that dies, and whoever opens it next begins from what is there.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.rows import DictRow

from stormcone.errors import JournalError, StormconeError
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.postgresql.lease import Lease, Transaction
from stormcone.journal.sql.session import Row, Session
from stormcone.postgresql.database import HISTORY, Connection, Database

DOUBT = 10.0
"""Seconds for which the server is asked what has become of a commit."""

_PAUSE = 0.05

_STATUS = f"SELECT pg_xact_status(%s::xid8) AS is, {HISTORY} AS history"


@lru_cache(maxsize=256)
def _theirs(statement: str) -> bytes:
    """A statement of ours as psycopg takes it; ours have no question mark but for values, and no per cent sign."""
    return statement.replace("?", "%s").encode()


def _fit(value: Any) -> Any:
    """A value as PostgreSQL takes it: its texts have every character but one."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


class PostgresqlSession(Session):
    """The connection to one journal.

    Args:
        database: the journal's; connections look in its schema.
        path: the journal's, for people.
        lease: by which it is written; None: it is only read.
    """

    LAST = "(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM notifications_id_seq)"

    def __init__(self, database: Database, path: str, lease: Lease | None) -> None:
        super().__init__(path)
        self._database = database
        self._lease = lease
        self._connection: Connection | None = None
        self._within = False
        self._closed = False

    def find(self, query: str, *values: Any) -> Iterator[Row]:
        """The rows that the query finds."""
        with self._database.errors():
            found: list[DictRow] = self._run(query, values).fetchall()
        return iter(found)

    def execute(self, statement: str, *values: Any) -> int:
        """Change something; within a transaction. Answers how many rows."""
        return self._run(statement, values).rowcount

    def insert(self, table: str, **values: Any) -> int:
        """Add a row to a table that gives numbers; within a transaction. Answers its number."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING id"
        row = self._run(statement, tuple(values.values())).fetchone()
        return int(row["id"]) if row else 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes within happen together, or none of them; one within another is a part of it.

        Raises:
            JournalFenced: another agent has taken the journal over.
        """
        if self._within:
            yield
            return
        if self._lease is None:
            raise JournalError(f"the journal {self.path} is open for reading alone")
        with self._database.errors():
            self._run("BEGIN", ())
            self._within = True
            try:
                ours = self._lease.guard(self._connected())
                yield
                reached(Boundary.BEFORE_COMMIT)
                self._commit(ours, self._lease)
                self._lease.committed(ours)
                reached(Boundary.AFTER_COMMIT)
            except BaseException:
                self._undo()
                raise
            finally:
                self._within = False

    def close(self) -> None:
        """Close it, and let another agent have the journal at once. Safe to call twice."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
        if self._lease is not None:
            self._lease.release()

    def _connected(self) -> Connection:
        if self._closed:
            raise JournalError(f"the journal {self.path} is closed")
        if self._connection is None or self._connection.closed:
            self._connection = self._database.connect()
        return self._connection

    def _run(self, statement: str, values: tuple[Any, ...]) -> psycopg.Cursor[DictRow]:
        """Run it; once more on a new connection where that has broken of which nothing hangs."""
        fitting = [_fit(value) for value in values]
        connection = self._connected()
        try:
            return connection.execute(_theirs(statement), fitting)
        except psycopg.OperationalError:
            if self._within or not connection.broken:
                raise
            return self._connected().execute(_theirs(statement), fitting)

    def _undo(self) -> None:
        """Leave the transaction; a connection that cannot is given up, and the server undoes what was on it."""
        connection = self._connection
        if connection is None or connection.closed:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()

    def _commit(self, ours: Transaction, lease: Lease) -> None:
        connection = self._connected()
        try:
            connection.execute("COMMIT")
        except psycopg.OperationalError:
            if not connection.broken or not self._was_committed(ours, lease):
                raise

    def _was_committed(self, ours: Transaction, lease: Lease) -> bool:
        """Whether a transaction was committed whose answer was lost.

        Raises:
            JournalFenced: that cannot be found out.
        """
        end = time.monotonic() + DOUBT
        while time.monotonic() < end:
            try:
                with self._database.connect() as connection:
                    row = connection.execute(_STATUS, [ours.number]).fetchone()
            except (StormconeError, psycopg.Error):
                row = {"is": "in progress", "history": ours.history}
            if row is None or row["is"] is None or row["history"] != ours.history:
                break
            if row["is"] != "in progress":
                return bool(row["is"] == "committed")
            threading.Event().wait(_PAUSE)
        raise lease.lose("the server was lost while it committed, and cannot say whether it did")
