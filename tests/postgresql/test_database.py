"""Connections to a real PostgreSQL: re-made where they broke, few at a time, and every error in a sentence of ours."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from stormcone.errors import JournalError
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.server import PostgresqlServer

SECRET = "s3cret"


@pytest.fixture
def opened(postgresql, database):
    """Open the test's database with options; it is closed when the test ends."""
    module = pytest.importorskip("stormcone.postgresql.database")
    opened = []

    def open_it(url=None, **options):
        address = DatabaseAddress.parse(url or postgresql.url(database))
        opened.append(module.Database(address, subject="the journal X", kind=JournalError, **options))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


@contextmanager
def down(server: PostgresqlServer):
    """While the server is away."""
    server.stop(signal.SIGKILL)
    try:
        yield
    finally:
        server.start()


class TestConnections:
    def test_say_who_they_are_and_wait_for_nothing_without_end(self, opened):
        with opened(search="one").connection() as connection:
            found = {
                name: connection.execute("SELECT current_setting(%s) AS is", [name]).fetchone()["is"]
                for name in ("application_name", "TimeZone", "search_path", "statement_timeout", "lock_timeout")
            }
        assert found == {
            "application_name": "stormcone",
            "TimeZone": "UTC",
            "search_path": "one",
            "statement_timeout": "10s",
            "lock_timeout": "10s",
        }

    def test_are_few_whoever_asks(self, opened):
        database, together = opened(most=2), threading.Barrier(2)

        def ask(number):
            with database.connection() as connection:
                if number < 2:
                    together.wait(30)
                return connection.execute("SELECT pg_backend_pid() AS pid").fetchone()["pid"]

        with ThreadPoolExecutor(4) as threads:
            assert len(set(threads.map(ask, range(8)))) == 2

    def test_are_made_again_when_the_server_is_back(self, opened, postgresql):
        database = opened()
        with database.connection() as connection:
            connection.execute("CREATE TABLE kept (number int)")
        with down(postgresql), pytest.raises(JournalError, match=r"the journal X cannot be used: .* refused; see that"):
            database.connect()
        with database.connection() as connection:
            assert connection.execute("SELECT * FROM kept").fetchall() == []

    def test_of_a_pool_say_why_there_is_none(self, opened, postgresql, monkeypatch):
        monkeypatch.setattr("stormcone.postgresql.database.WAIT", 0.2)
        with down(postgresql), pytest.raises(JournalError, match="refused; see that the server runs"):  # noqa: SIM117
            with opened().connection():
                pass

    @pytest.mark.parametrize("statement", ["SELECT 1", "COMMIT"])
    def test_to_a_server_that_says_nothing_are_given_up(self, opened, monkeypatch, statement):
        """Frozen, or behind a network that loses all: its own time-outs are of no use then."""
        database = opened()
        connection = database.connect()
        connection.execute("BEGIN")
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        try:
            monkeypatch.setattr("stormcone.postgresql.database.ANSWER", 0.1)
            with pytest.raises(JournalError, match=r"the server has said nothing for 0\.1 s; see that the server runs"):  # noqa: SIM117
                with database.errors():
                    connection.execute(statement)
        finally:
            os.kill(backend, signal.SIGCONT)
        assert (connection.closed, connection.broken) == (True, True)

    def test_that_only_listen_are_never_given_up(self, opened, monkeypatch):
        with opened().connect() as connection:
            connection.execute("LISTEN something")
            monkeypatch.setattr("stormcone.postgresql.database.ANSWER", 0.0)
            assert list(connection.notifies(timeout=0.3)) == []
            assert not connection.closed

    def test_undo_what_failed(self, opened):
        database = opened()
        with database.connection() as connection:
            connection.execute("CREATE TABLE kept (number int)")
        with suppress(ZeroDivisionError), database.connection() as connection, connection.transaction():
            connection.execute("INSERT INTO kept VALUES (1)")
            raise ZeroDivisionError
        with database.connection() as connection:
            assert connection.execute("SELECT * FROM kept").fetchall() == []


class TestErrors:
    @pytest.mark.parametrize(
        ("statement", "text"),
        [
            ("SELECT * FROM nowhere", 'relation "nowhere" does not exist; restore what was removed'),
            ("SET statement_timeout = 1; SELECT pg_sleep(9)", "due to statement timeout; the server took too long"),
            (
                "BEGIN READ ONLY; CREATE TABLE x (y int)",
                "read-only transaction; the server takes",
            ),
            ("SET ROLE pg_monitor; CREATE TABLE x (y int)", "permission denied for schema public; grant that"),
            ("SELECT pg_terminate_backend(pg_backend_pid())", "; see that the server runs and can be reached"),
            ("SELEC", "please report it"),
        ],
    )
    def test_say_what_failed_why_and_what_to_do(self, opened, statement, text):
        database = opened()
        with pytest.raises(JournalError, match=r"^the journal X cannot be used: ") as caught:  # noqa: SIM117
            with database.connection() as connection:
                connection.execute(statement)
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_database_that_is_not_there_can_be_made(self, opened, postgresql):
        with pytest.raises(JournalError, match=r"does not exist; make that database \(createdb\), or name another"):
            opened(postgresql.url("nowhere")).connect()

    def test_say_nothing_of_a_password(self, opened, postgresql, database):
        with opened().connection() as connection:
            connection.execute(f"CREATE ROLE u_{database} LOGIN PASSWORD '{SECRET}'")
        url = f"postgresql://nobody:{SECRET}@127.0.0.1:{postgresql.port}/{database}"
        bad = opened(url)
        with pytest.raises(JournalError) as caught:
            bad.connect()
        assert 'role "nobody" does not exist' in str(caught.value)
        assert SECRET not in f"{caught.value} {caught.value.__cause__} {bad.address!r}"
