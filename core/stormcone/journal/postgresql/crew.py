"""The workers of a journal on PostgreSQL as they are shown to people: whoever reaches the database may ask."""

from datetime import UTC, datetime

from psycopg.rows import DictRow

from stormcone.errors import JournalError, JournalTooNew
from stormcone.journal.offers import Crew, OfferedRun, WorkerState
from stormcone.journal.postgresql.offers import offer_tables
from stormcone.journal.postgresql.store import reading
from stormcone.postgresql.address import DatabaseAddress

_NOW = "SELECT clock_timestamp() AS now"
_WORKERS = "SELECT id, name, handlers, heard, until <= clock_timestamp() AS silent FROM workers ORDER BY name, heard"
_OFFERS = """
SELECT worker, handler, stage, attempt, coalesce(taken, offered) AS since, event::json ->> 'id' AS event,
    machine::json ->> 'name' AS machine,
    EXISTS (SELECT 1 FROM workers WHERE until > clock_timestamp() AND handler = ANY (handlers)) AS fits
FROM offers WHERE verdict IS NULL ORDER BY offered, run
"""


def crew_of(address: DatabaseAddress) -> Crew:
    """The workers of a journal, and what waits for them.

    Raises:
        JournalError: there is no such journal, it is of another version, or the database cannot be used.
        SettingsError: the address says what cannot be.
    """
    database, schema = reading(address)
    wanted = offer_tables(schema)
    with database.errors(), database.connect() as connection:
        found = wanted.check(connection, database.subject, JournalTooNew)
        if found < len(wanted.steps):
            raise JournalError(f"{database.subject} is of an older stormcone, or not there; start its watcher first")
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            (now,) = connection.execute(_NOW).fetchall()
            workers = connection.execute(_WORKERS).fetchall()
            offers = connection.execute(_OFFERS).fetchall()
    return Crew(
        at=_utc(now["now"]),
        workers=tuple(_worker(row, offers) for row in workers),
        waiting=tuple(_run(row) for row in offers if row["worker"] is None),
    )


def _worker(row: DictRow, offers: list[DictRow]) -> WorkerState:
    return WorkerState(
        name=row["name"],
        heard=_utc(row["heard"]),
        silent=row["silent"],
        handlers=tuple(row["handlers"]),
        runs=tuple(_run(each) for each in offers if each["worker"] == row["id"]),
    )


def _run(row: DictRow) -> OfferedRun:
    known = {name: row[name] for name in ("event", "machine", "handler", "stage", "attempt", "fits")}
    return OfferedRun(since=_utc(row["since"]), **known)


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)
