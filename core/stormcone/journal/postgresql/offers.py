"""Offers to workers on PostgreSQL: their tables, and the watcher's side, in the journal's transactions."""

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

from pydantic import TypeAdapter

from stormcone.journal.offers import Offer, Orders, Standing
from stormcone.journal.postgresql.ear import Ear
from stormcone.journal.sql.rows import maybe_text
from stormcone.journal.sql.session import Row, Session
from stormcone.model import Machine, MaintenanceEvent
from stormcone.postgresql.database import Database
from stormcone.postgresql.versions import Tables
from stormcone.rules.runs import Attempt, Verdict

OFFERED = "stormcone_offered"
"""The channel on which workers are woken; what is said there is the journal's schema."""

HEARD = "stormcone_heard"
"""That on which a watcher is."""

MACHINES = TypeAdapter(Machine)
EVENTS = TypeAdapter(tuple[MaintenanceEvent, ...])

_VERSION_1 = """
-- `until`: from then on the worker counts as silent. Written and read by the server's clock alone.
CREATE TABLE workers (
    id text PRIMARY KEY,
    name text NOT NULL,
    handlers text[] NOT NULL,
    until timestamptz NOT NULL
);
-- A row is there from the offer until the journal has what it came to. Its attempt is in `attempts` once it is taken
-- and the watcher has seen that. Who ends it must be its worker.
CREATE TABLE offers (
    run bigint PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    attempt integer NOT NULL,
    episode bigint NOT NULL,
    handler text NOT NULL,
    stage text NOT NULL,
    event text NOT NULL,
    machine text NOT NULL,
    offered timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline timestamptz,
    canceled boolean NOT NULL DEFAULT false,
    stopped boolean NOT NULL DEFAULT false,
    worker text,
    name text NOT NULL DEFAULT '',
    verdict text,
    note text NOT NULL DEFAULT '',
    after double precision
);
CREATE INDEX offers_open ON offers (offered, run) WHERE worker IS NULL;
"""

_VERSION_2 = """
-- For people: when a worker last said that it lives, and when it took an offer.
ALTER TABLE workers ADD heard timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE offers ADD taken timestamptz;
"""

_VERSION_3 = """
-- The other events of its machine that its handler has begun for, a list in JSON.
ALTER TABLE offers ADD others text NOT NULL DEFAULT '[]';
"""

STEPS = (_VERSION_1, _VERSION_2, _VERSION_3)
"""Step n brings them from version n to n + 1; never edit one that has been released, add one."""

_STANDING = """
SELECT run, attempt, episode, handler, name, verdict, note, after, deadline, canceled, stopped,
    extract(epoch FROM clock_timestamp() - offered)::float AS waited,
    verdict IS NULL AND worker IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM workers WHERE id = worker AND until > clock_timestamp()
    ) AS silent,
    EXISTS (SELECT 1 FROM workers WHERE until > clock_timestamp() AND handler = ANY (handlers)) AS fits
FROM offers
"""


def offer_tables(schema: str) -> Tables:
    """The tables of the offers of a journal, in its schema."""
    return Tables(schema, "offers", STEPS)


class PostgresqlOffers:
    """The watcher's side of the offers of one journal.

    Args:
        session: the journal's.
        database: the same, for a connection that listens.
        schema: the journal's.
    """

    def __init__(self, session: Session, database: Database, schema: str) -> None:
        self._session = session
        self._database = database
        self._schema = schema

    def add(self, offer: Offer) -> None:
        """Offer an attempt; within a transaction."""
        columns = "run, attempt, episode, handler, stage, event, machine, deadline, others"
        self._tell_workers(
            f"INSERT INTO offers ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            offer.run,
            offer.attempt,
            offer.episode,
            offer.handler,
            offer.stage,
            offer.event.model_dump_json(),
            MACHINES.dump_json(offer.machine).decode(),
            maybe_text(offer.orders.deadline),
            EVENTS.dump_json(offer.others).decode(),
        )

    def all(self) -> list[Standing]:
        """How all of them stand."""
        return self._session.all(_standing, f"{_STANDING} ORDER BY run")

    def living(self) -> int:
        """How many workers live."""
        (found,) = self._session.all(_number, "SELECT count(*) AS number FROM workers WHERE until > clock_timestamp()")
        return found

    def withdraw(self, episode: int) -> list[Standing]:
        """Take back what is offered of an event and not taken; within a transaction. Answers what is taken."""
        self._session.execute("DELETE FROM offers WHERE episode = ? AND worker IS NULL", episode)
        return self._session.all(_standing, f"{_STANDING} WHERE episode = ? ORDER BY run", episode)

    def close(self, run: int, attempt: int, *, ended: bool) -> bool:
        """Remove an attempt's offer, so that its worker can say nothing more of it; within a transaction."""
        statement = "DELETE FROM offers WHERE run = ? AND attempt = ? AND (verdict IS NOT NULL) = ?"
        return self._session.execute(statement, run, attempt, ended) == 1

    def order(self, run: int, attempt: int, orders: Orders) -> None:
        """Tell the worker of an attempt; within a transaction."""
        self._tell_workers(
            "UPDATE offers SET deadline = ?, canceled = ?, stopped = ? WHERE run = ? AND attempt = ?",
            maybe_text(orders.deadline),
            orders.canceled,
            orders.stopped,
            run,
            attempt,
        )

    def _tell_workers(self, statement: str, *values: Any) -> None:
        """Change an offer, and wake the workers once the transaction is over, with one question to the server."""
        told = f"WITH changed AS ({statement} RETURNING run) SELECT pg_notify(?, ?) FROM changed"
        self._session.execute(told, *values, OFFERED, self._schema)

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called, in a thread, soon after a worker has done something; answers how to end that."""
        return Ear(self._database, HEARD, self._schema, wake).close


def _number(row: Row) -> int:
    return int(row["number"])


def _standing(row: Row) -> Standing:
    after: float | None = row["after"]
    ended = row["verdict"] and _came_to(
        row["verdict"], row["note"], None if after is None else timedelta(seconds=after)
    )
    known: dict[str, Any] = {
        name: row[name] for name in ("run", "attempt", "episode", "handler", "waited", "silent", "fits")
    }
    return Standing(worker=row["name"], ended=ended or None, orders=orders_of(row), **known)


def orders_of(row: Row) -> Orders:
    """What the worker of an offer is told, by its row."""
    deadline = row["deadline"] and row["deadline"].astimezone(UTC)
    return Orders(deadline=deadline, canceled=row["canceled"], stopped=row["stopped"])


def _came_to(verdict: str, note: str, after: timedelta | None) -> Attempt:
    """What a worker says that it came to; of another version it may say what nobody here knows."""
    try:
        return Attempt(Verdict(verdict), note, after)
    except ValueError:
        return Attempt(Verdict.ERROR, f"its worker says {verdict!r}, which this watcher does not know: {note}")
