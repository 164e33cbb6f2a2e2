"""Tables that have a version: made, brought up step by step, by one program at a time, all of it or nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from stormcone.errors import JournalError, JournalTooNew
from stormcone.postgresql.address import DatabaseAddress

STEPS = ("CREATE TABLE one (number int); INSERT INTO one VALUES (1)", "CREATE TABLE two (number int)")


@pytest.fixture
def tables():
    return pytest.importorskip("stormcone.postgresql.versions").Tables


@pytest.fixture
def upgraded(postgresql, database):
    """Bring tables to their version, over a connection of its own; answers whether anything was due."""
    module = pytest.importorskip("stormcone.postgresql.database")
    opened = module.Database(
        DatabaseAddress.parse(postgresql.url(database)), subject="the journal X", kind=JournalError
    )

    def upgrade(tables):
        with opened.errors(), opened.connect() as connection:
            return tables.upgrade(connection, "the journal X", JournalTooNew)

    upgrade.database = opened
    return upgrade


class TestTheWayUp:
    def test_goes_through_the_steps_that_are_due(self, tables, upgraded):
        assert upgraded(tables("s", "journal", STEPS[:1]))
        assert upgraded(tables("s", "journal", STEPS))
        assert not upgraded(tables("s", "journal", STEPS))
        with upgraded.database.connect() as connection:
            assert connection.execute("SELECT count(*) AS n FROM s.one, s.version").fetchone()["n"] == 1
            assert tables("s", "journal", STEPS).version(connection) == 2
            assert tables("s", "other", STEPS).version(connection) == 0
            assert tables("nowhere", "journal", STEPS).version(connection) == 0

    def test_is_gone_whole_or_not_at_all(self, tables, upgraded):
        with pytest.raises(JournalError, match="please report it"):
            upgraded(tables("s", "journal", (*STEPS, "CREATE TABL")))
        with upgraded.database.connect() as connection:
            found = connection.execute("SELECT count(*) AS n FROM pg_namespace WHERE nspname = 's'").fetchone()
            assert found["n"] == 0

    def test_is_gone_by_one_program_at_a_time(self, tables, upgraded):
        wanted = tables("s", "journal", STEPS)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: upgraded(wanted), range(4)))
        with upgraded.database.connect() as connection:
            assert connection.execute("SELECT count(*) AS n FROM s.one").fetchone()["n"] == 1

    def test_is_not_gone_back(self, tables, upgraded):
        upgraded(tables("s", "journal", STEPS))
        with pytest.raises(
            JournalTooNew, match="has version 2 and this stormcone knows versions up to 1; run the newer"
        ):
            upgraded(tables("s", "journal", STEPS[:1]))

    def test_needs_no_rights_where_nothing_is_due(self, tables, upgraded):
        wanted = tables("s", "journal", STEPS)
        upgraded(wanted)
        with upgraded.database.connect() as connection:
            connection.execute("GRANT USAGE ON SCHEMA s TO pg_monitor; GRANT SELECT ON s.version TO pg_monitor")
            connection.execute("SET ROLE pg_monitor")
            assert not wanted.upgrade(connection, "the journal X", JournalTooNew)
