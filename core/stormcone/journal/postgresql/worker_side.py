"""The worker's side of the offers: it takes them, says that it lives, and ends what is its own.

A worker has no lease and writes nothing of the journal but these rows. Each of its statements is a transaction of its
own and checks what it must: an end is only taken from who the row names, and an offer only given to one who lives.
"""

import os
import socket
from collections.abc import Callable, Collection
from typing import Any
from uuid import uuid4

import psycopg

from stormcone.errors import JournalError, JournalTooNew
from stormcone.handlers import Stage
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.offers import Offer, Orders
from stormcone.journal.postgresql.ear import Ear
from stormcone.journal.postgresql.offers import EVENTS, HEARD, MACHINES, OFFERED, offer_tables, orders_of
from stormcone.journal.postgresql.store import SECRETS, database_of
from stormcone.model import MaintenanceEvent
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.database import Connection
from stormcone.postgresql.errors import passes
from stormcone.rules.runs import Attempt, Verdict
from stormcone.text import printable

_LIVE = """
INSERT INTO workers (id, name, handlers, until, heard)
VALUES (%(id)s, %(name)s, %(handlers)s, clock_timestamp() + %(silence)s * interval '1 second', clock_timestamp())
ON CONFLICT (id) DO UPDATE SET handlers = excluded.handlers, until = excluded.until, heard = excluded.heard
"""
_FORGET = "DELETE FROM workers WHERE until < clock_timestamp() - interval '1 day'"
_MINE = "SELECT run, attempt, deadline, canceled, stopped FROM offers WHERE worker = %(id)s AND verdict IS NULL"
_TAKE = """
WITH chosen AS (
    SELECT run FROM offers WHERE worker IS NULL AND handler = ANY (%(handlers)s)
    ORDER BY offered, run LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE offers SET worker = %(id)s, name = %(name)s, taken = clock_timestamp() FROM chosen
WHERE offers.run = chosen.run
    AND EXISTS (SELECT 1 FROM workers WHERE id = %(id)s AND until > clock_timestamp())
RETURNING offers.*
"""
_END = """
UPDATE offers SET verdict = %(verdict)s, note = %(note)s, after = %(after)s
WHERE run = %(run)s AND attempt = %(attempt)s AND worker = %(id)s RETURNING run
"""
_RECORDED = """
SELECT FROM attempts
WHERE run = %(run)s AND number = %(attempt)s AND verdict = %(verdict)s
    AND starts_with(note, %(note)s) AND strpos(note, %(name)s) > 0
"""
"""Whether the journal has an end as this worker says it: it may have said so before, and the answer was lost."""
_LEAVE = "DELETE FROM workers WHERE id = %(id)s"
_WAKE = "SELECT pg_notify(%s, %s)"


UNREADABLE = Attempt(
    Verdict.GAVE_UP, "its worker cannot read what is offered: the watcher is newer; bring the workers to its version"
)
"""What an attempt comes to that cannot be made out of its row."""


class PostgresqlWorkerSide:
    """One worker's face to a journal. One thread at a time uses it; a connection that breaks is re-made.

    Every method raises `JournalError` where the database cannot be asked.

    Args:
        address: the journal's.
        silence: seconds without a word after which the worker has lost what it has taken.

    Attributes:
        name: the worker's, for people: the host and the process.
        id: the worker's, unlike that of any other, and of any earlier life of it.
        secrets: variables of the environment that may hold the database's password.
    """

    def __init__(self, address: DatabaseAddress, silence: float) -> None:
        self._database, name = database_of(address)
        self._tables = offer_tables(name)
        self._silence = silence
        self._connection: Connection | None = None
        self.secrets: tuple[str, ...] = SECRETS
        self.id = uuid4().hex
        self.name = printable(f"{socket.gethostname()}/{os.getpid()}")

    def reach(self) -> None:
        """Look whether the database is there, before the first word; one that is away, or has no journal yet, may be.

        Raises:
            JournalError: it will not be by itself: a wrong password, say, or a newer stormcone wrote it.
        """
        try:
            with self._database.errors():
                self._connected()
        except JournalError as error:
            if isinstance(error, JournalTooNew) or (isinstance(error.__cause__, psycopg.Error) and not passes(error)):
                raise

    def live(self, handlers: Collection[str]) -> dict[tuple[int, int], Orders]:
        """Say that the worker lives and which handlers it has; answers its attempts and what these are told.

        What it had taken and is not among them is not its own any more.
        """
        with self._database.errors():
            connection = self._connected()
            connection.execute(_LIVE, self._values(handlers=list(handlers), silence=self._silence))
            rows = connection.execute(_MINE, self._values()).fetchall()
        return {(row["run"], row["attempt"]): orders_of(row) for row in rows}

    def take(self, handlers: Collection[str], most: int) -> list[Offer]:
        """Take what is offered to these handlers, the oldest first; nothing where the worker counts as silent.

        What cannot be read is given up at once: the next worker could not read it either.
        """
        with self._database.errors():
            connection = self._connected()
            rows = connection.execute(_TAKE, self._values(handlers=list(handlers), most=most)).fetchall()
            if rows:
                reached(Boundary.AFTER_COMMIT)
                connection.execute(_WAKE, [HEARD, self._tables.schema])
        offers = []
        for row in rows:
            try:
                offers.append(_offer(row))
            except ValueError:
                self.end(row["run"], row["attempt"], UNREADABLE)
        return offers

    def end(self, run: int, attempt: int, came_to: Attempt) -> bool:
        """Say what an attempt came to; answers whether that counts: said again, it may be in the journal already."""
        values = self._values(
            run=run,
            attempt=attempt,
            verdict=came_to.verdict.value,
            note=came_to.note.replace("\0", "\N{REPLACEMENT CHARACTER}"),
            after=None if came_to.after is None else came_to.after.total_seconds(),
        )
        with self._database.errors():
            connection = self._connected()
            reached(Boundary.BEFORE_COMMIT)
            if connection.execute(_END, values).fetchone() is None:
                return connection.execute(_RECORDED, values).fetchone() is not None
            reached(Boundary.AFTER_COMMIT)
            connection.execute(_WAKE, [HEARD, self._tables.schema])
        return True

    def leave(self) -> None:
        """The worker ends: what it has taken and not ended is another's at once."""
        with self._database.errors():
            connection = self._connected()
            connection.execute(_LEAVE, self._values())
            connection.execute(_WAKE, [HEARD, self._tables.schema])

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called, in a thread, soon after something was offered or told; answers how to end that."""
        return Ear(self._database, OFFERED, self._tables.schema, wake).close

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _values(self, **more: Any) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, **more}

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            connection = self._database.connect()
            try:
                self._check(connection)
                connection.execute(_FORGET)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _check(self, connection: Connection) -> None:
        found = self._tables.check(connection, self._database.subject, JournalTooNew)
        if found < len(self._tables.steps):
            raise JournalError(
                f"{self._database.subject} takes no workers yet; start its watcher first, of this version: "
                "stormcone run --workers"
            )


def _offer(row: psycopg.rows.DictRow) -> Offer:
    return Offer(
        run=row["run"],
        attempt=row["attempt"],
        episode=row["episode"],
        handler=row["handler"],
        stage=Stage(row["stage"]),
        event=MaintenanceEvent.model_validate_json(row["event"]),
        machine=MACHINES.validate_json(row["machine"]),
        orders=orders_of(row),
        others=EVENTS.validate_json(row["others"]),
    )
