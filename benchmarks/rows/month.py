"""How large a fleet's database becomes in a month of events.

A share of the events goes through the real store and the real sink, on each of thirty days. The server's clock is
moved by functions of the same names that the search path finds first, so that the store itself removes what is old.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg

from figures import Curve, Figure, Measured
from fleets import FLEET, database, identity, join
from rows.agreement import Event, go_through
from stormcone.clock import SystemClock
from stormcone.fleet.history import FleetSink, FleetSinkSettings
from stormcone.sinks.notification import Notification
from stormcone.testing.conformance.sinks import sample

DAYS = 30
A_DAY = 24_000
"""Events of a fleet that has 1,000 an hour."""
DONE = 20
"""Of these, so many go through on each day."""
AGENTS = 1_000

TOLD = (
    "maintenance.scheduled", "run.started", "run.succeeded", "approval.requested", "approval.accepted",
    "maintenance.started", "maintenance.ended", "run.started", "run.succeeded",
)  # fmt: skip
"""What is told of one event: by one of its machines all, by the others all but the approval."""

CLOCK = """
CREATE SCHEMA later;
CREATE TABLE later.shift (by interval NOT NULL);
INSERT INTO later.shift VALUES ('0');
CREATE FUNCTION later.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.now() + by FROM later.shift';
CREATE FUNCTION later.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + by FROM later.shift';
"""


def measure(days: int = DAYS, done: int = DONE, agents: int = AGENTS) -> Measured:
    share = A_DAY / done
    agreed, told = [], []
    with database(autovacuum_naptime="1s") as server:
        plain = server.url()
        join(plain, agents)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(CLOCK)
            for day in range(1, days + 1):
                connection.execute("UPDATE later.shift SET by = %s", [timedelta(days=day)])
                url = server.url(options="-csynchronous_commit%3Doff%20-csearch_path%3Dlater%2C{}%2Cpg_catalog")
                events = go_through(url.replace("{}", "stormcone_fleet"), f"day{day:02d}", done, 500.0, agents, 0.005)
                _tell(url.replace("{}", "stormcone_history"), events, day)
                agreed.append((float(day), _size(connection, "said", "approvals") * share / 1e6))
                told.append((float(day), _size(connection, "told") * share / 1e6))
            _settle(connection)
            kept, history = _size(connection, "said", "approvals"), _size(connection, "told")
            row = connection.execute("SELECT count(*) FROM stormcone_fleet.approvals").fetchone()
            for table in ("stormcone_fleet.said", "stormcone_fleet.approvals", "stormcone_history.told"):
                connection.execute(f"VACUUM FULL {table}")
            dense = _size(connection, "said", "approvals")
    figures = [
        Figure("events that went through", days * done, ""),
        Figure("events of the month", days * A_DAY, ""),
        Figure("what is agreed on, of a week: database", kept * share / 1e6, "MB"),
        Figure("the same without gaps", dense * share / 1e6, "MB"),
        Figure("events kept of those that went through", float(row[0]) if row else 0.0, ""),
        Figure("history of the month: database", history * share / 1e9, "GB"),
        Figure("history of one event", history / (days * done) / 1e3, "kB"),
    ]
    series = {"what is agreed on": agreed, "history": told}
    return Measured(figures, [Curve("month", "days", "megabytes, for 1,000 events an hour", series)])


def _tell(url: str, events: Sequence[Event], day: int) -> None:
    """What the agents of these events tell of them."""
    settings = FleetSinkSettings.model_validate({"url": url, "name": FLEET})
    at = datetime.now(UTC) + timedelta(days=day)

    def tell(which: int) -> None:
        sink = FleetSink.from_settings(settings, SystemClock())
        for event in events[which::4]:
            for number in event.machines:
                for place, kind in enumerate(TOLD):
                    if number == event.machines[0] or not kind.startswith("approval."):
                        sink.send(_told(kind, place, event, number, at))
        sink.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(tell, range(4)))


def _told(kind: str, place: int, event: Event, number: int, at: datetime) -> Notification:
    """What one of them tells: as long as a real one."""
    told, member = sample(kind), identity(number)
    seen = told.data.event and told.data.event.model_copy(update={"id": event.name, "resources": event.names})
    return told.model_copy(
        update={
            "id": f"{member.id}/{event.name}/{place}",
            "subject": member.name,
            "time": at,
            "correlation": event.name,
            "data": told.data.model_copy(update={"event": seen}),
        }
    )


SIZE = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relkind = 'r' AND relname = ANY (%s) AND relnamespace::regnamespace::text LIKE 'stormcone_%%'
"""


def _size(connection: "psycopg.Connection[tuple[int, ...]]", *tables: str) -> int:
    row = connection.execute(SIZE, [list(tables)]).fetchone()
    return row[0] if row else 0


def _settle(connection: "psycopg.Connection[tuple[int, ...]]") -> None:
    """Let autovacuum come to its end."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
    end = time.monotonic() + 10.0
    while time.monotonic() < end and (row := connection.execute(busy).fetchone()) and row[0]:
        time.sleep(0.2)
