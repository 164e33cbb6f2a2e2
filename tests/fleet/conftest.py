"""The stores of a fleet: in memory, and in a real PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import FleetError
from stormcone.fleet.memory import MemoryFleet
from stormcone.testing.conformance import FleetUnderTest

BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""Finds a row while somebody waits for a lock."""

CLAIM = timedelta(seconds=250)
"""How long a claim lasts here: no test takes so long, however slow the machine."""


@pytest.fixture(scope="session")
def fleet_database(postgresql: Any) -> str:
    """The address of a database for fleets; each test names one of its own."""
    postgresql.run("createdb", "-h", "127.0.0.1", "-p", str(postgresql.port), "fleets")
    return str(postgresql.url("fleets"))


class OnPostgresql:
    """Fleets in one database; each `new` is another one."""

    def __init__(self, url: str) -> None:
        from stormcone.fleet.postgresql import PostgresqlFleet
        from stormcone.fleet.tables import SCHEMA
        from stormcone.postgresql.address import DatabaseAddress
        from stormcone.postgresql.database import Database

        address = DatabaseAddress.parse(url)
        self._database = Database(address, subject="the test", kind=FleetError, search=SCHEMA, most=1)
        self._open = lambda name: PostgresqlFleet(address, name, claim=CLAIM)
        self.opened: list[Any] = []

    def new(self, name: str) -> FleetUnderTest:
        def opened() -> Any:
            self.opened.append(self._open(name))
            return self.opened[-1]

        def pass_time(delta: timedelta) -> None:
            """Time has passed where everything lies further back."""
            with self._database.connection() as connection:
                for table, columns in {
                    "members": ("seen",),
                    "said": ("since",),
                    "approvals": ("until", "answered"),
                    "groups": ("drawn",),
                }.items():
                    sets = ", ".join(f"{column} = {column} - %(delta)s" for column in columns)
                    connection.execute(
                        f"UPDATE {table} SET {sets} WHERE fleet = %(fleet)s", {"delta": delta, "fleet": name}
                    )

        return FleetUnderTest(opened, pass_time, CLAIM)

    def close(self) -> None:
        for fleet in self.opened:
            fleet.close()
        self._database.close()


def in_memory(_name: str) -> FleetUnderTest:
    """A fleet in memory, on a clock of its own."""
    clock = ManualClock()
    fleet = MemoryFleet(clock, claim=CLAIM)
    return FleetUnderTest(lambda: fleet, clock.advance, CLAIM)


@pytest.fixture(params=["memory", "postgresql"])
def stores(request: pytest.FixtureRequest) -> Iterator[Callable[[str], FleetUnderTest]]:
    """Makes fleets, by their names, in one store or the other."""
    if request.param == "memory":
        yield in_memory
        return
    made = OnPostgresql(request.getfixturevalue("fleet_database"))
    yield made.new
    made.close()


@pytest.fixture
def subject(stores: Callable[[str], FleetUnderTest], request: pytest.FixtureRequest) -> FleetUnderTest:
    """A fleet of the test's own."""
    return stores(request.node.name)


@pytest.fixture
def url(postgresql: Any, database: str) -> str:
    """The address of a database of the test's own."""
    return str(postgresql.url(database))


@pytest.fixture
def fleet(url: str) -> Iterator[Any]:
    """The fleet `shop` there."""
    from stormcone.fleet.postgresql import PostgresqlFleet
    from stormcone.postgresql.address import DatabaseAddress

    fleet = PostgresqlFleet(DatabaseAddress.parse(url), "shop")
    yield fleet
    fleet.close()


@pytest.fixture
def other(url: str) -> Iterator[Any]:
    """A session of its own, which sees the fleet's tables."""
    import psycopg

    with psycopg.connect(url, options="-c search_path=stormcone_fleet") as connection:
        yield connection


def waits_for_a_lock(connection: Any, work: Callable[[], object]) -> bool:
    """Whether the work waits for what the connection has locked; it is let go on then, and ends."""
    import psycopg

    thread = threading.Thread(target=work)
    thread.start()
    waited = False
    with psycopg.connect(connection.info.dsn, autocommit=True) as watch:
        while thread.is_alive() and not waited:
            waited = watch.execute(BLOCKED).fetchone() is not None
    connection.rollback()
    thread.join()
    return waited
