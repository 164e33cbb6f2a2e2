"""One agent at a time writes a journal on PostgreSQL: who is frozen, cut off or late writes nothing more.

Time is the server's and real: leases are short or are let run out by hand, and what is waited for is a state.
"""

import os
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from stormcone.errors import JournalError, JournalFenced, JournalLocked, SettingsError
from stormcone.journal.postgresql.lease import Transaction
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.testing.conformance.journals import LATER, MACHINE, NOW, announce

store = pytest.importorskip("stormcone.journal.postgresql.store")
lease = pytest.importorskip("stormcone.journal.postgresql.lease")
PATIENCE = 120.0
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


def until(condition):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return found


@pytest.fixture
def address(journal_address):
    return DatabaseAddress.parse(journal_address, own=JOURNAL_OPTIONS)


@pytest.fixture
def opened(address):
    """Open the journal; all that were opened are closed when the test ends."""
    journals = []

    def open_it(**given):
        journals.append(store.PostgresqlJournal.open(given.pop("address", address), **given))
        return journals[-1]

    yield open_it
    for journal in journals:
        journal.close()


@pytest.fixture
def server_of(address):
    """Makes the test's own connections, once the journal is there."""
    made = []

    def make():
        database, _, _ = store._database(address, writes=True)
        made.append(database.connect())
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def freeze(journal):
    """What SIGSTOP does to the agent, as far as its lease goes: nothing renews it any more."""
    journal._lease._end.set()
    journal._lease._thread.join()


def let_run_out(server):
    server.execute("UPDATE lease SET until = clock_timestamp()")


def row(server):
    return server.execute("SELECT * FROM lease").fetchone()


class TestTheHolder:
    def test_has_it_until_it_is_closed_and_then_another_at_once(self, opened, server_of):
        first = opened()
        with pytest.raises(
            JournalLocked, match=r"is in use: .*, process \d+, holds the lease until \d\d:\d\d:\d\d UTC"
        ):
            opened()
        first.close()
        second = opened()
        assert second.may_act()
        assert row(server_of())["epoch"] == 2

    def test_renews_it(self, opened, address, journal_address, server_of):
        short = DatabaseAddress.parse(f"{journal_address}&lease=0.3", own=JOURNAL_OPTIONS)
        journal = opened(address=short)
        server = server_of()
        first = row(server)["until"]
        until(lambda: row(server)["until"] > first)
        assert row(server)["epoch"] == 1
        announce(journal)

    def test_may_act_only_where_enough_of_it_is_left(self, opened, monkeypatch):
        journal = opened()
        freeze(journal)
        began = lease.seconds()
        for passed, may in ((0.0, True), (8.0, True), (9.5, False), (14.0, False), (1e6, False)):
            monkeypatch.setattr(lease, "seconds", lambda passed=passed: began + passed)
            assert journal.may_act() is may

    def test_goes_on_with_it_where_it_was_over_and_nobody_took_it(self, opened, server_of):
        journal, server = opened(), server_of()
        let_run_out(server)
        with pytest.raises(JournalError, match="the lease is over and not renewed yet; it is tried again"):
            announce(journal)
        journal._lease._renew(server)
        announce(journal)
        assert len(journal.episodes()) == 1


class TestTheFence:
    """What an agent may still do whose lease has passed to another."""

    @pytest.fixture
    def passed(self, opened, server_of):
        """An agent that was frozen, and the one that has taken over since."""
        old = opened()
        announce(old)
        freeze(old)
        let_run_out(server_of())
        return old, opened()

    def test_nothing_is_written(self, passed):
        old, new = passed
        for write in (
            lambda: announce(old, id="E-2"),
            lambda: old.begin_life(LATER, MACHINE),
            lambda: old.ask_approval(1, NOW, "why"),
            lambda: old.begin_run(old.runs(1)[0], NOW),
            lambda: old.outbox.subscribe(["log"]),
            old.may_act,
        ):
            with pytest.raises(
                JournalFenced, match=r"process \d+, has taken it over; this one writes and approves noth"
            ):
                write()
        assert [episode.event.id for episode in new.episodes()] == ["E-1"]
        assert new.lives() == []

    def test_nothing_is_written_although_it_does_not_know_yet(self, passed):
        old, new = passed
        assert old._lease._lost == ""
        with pytest.raises(JournalFenced):
            old.begin_life(LATER, MACHINE)
        assert new.lives() == []

    def test_its_renewal_says_so(self, opened, server_of):
        old, server = opened(), server_of()
        server.execute("UPDATE lease SET epoch = epoch + 1, holder = 'x', name = 'web-9, process 7,'")
        with pytest.raises(JournalFenced, match="web-9, process 7, has taken it over"):
            old._lease._renew(server)
        with pytest.raises(JournalFenced):
            old.may_act()

    def test_the_lease_of_a_database_that_was_restored_is_no_others(self, opened, server_of):
        """A number that comes again, since the database is as it was yesterday, is not enough."""
        old, server = opened(), server_of()
        server.execute("UPDATE lease SET holder = 'another of the same epoch'")
        with pytest.raises(JournalFenced):
            announce(old)

    def test_what_is_in_a_transaction_is_written_before_a_takeover_or_not_at_all(self, opened, server_of):
        """A takeover waits for the transaction that goes on: none ends after it."""
        old, server = opened(), server_of()
        freeze(old)
        taken = []
        other = threading.Thread(target=lambda: taken.append(opened(wait=lambda *_: None)))
        with old.transaction():
            old.begin_life(NOW, MACHINE)
            let_run_out(server)
            other.start()
            until(lambda: waiting_for_a_lock(server))
            assert taken == []
        other.join(PATIENCE)
        assert len(taken[0].lives()) == 1
        with pytest.raises(JournalFenced):
            old.begin_life(LATER, MACHINE)

    def test_a_renewal_does_not_wait_for_a_transaction(self, opened, server_of):
        journal, server = opened(), server_of()
        before = row(server)["until"]
        with journal.transaction():
            journal.begin_life(NOW, MACHINE)
            journal._lease._renew(server)
        assert row(server)["until"] > before

    def test_who_is_frozen_within_a_transaction_holds_nobody_up(self, opened, journal_address, server_of):
        short = DatabaseAddress.parse(f"{journal_address}&lease=0.6", own=JOURNAL_OPTIONS)
        old = opened(address=short)
        freeze(old)
        transaction = old.transaction()
        transaction.__enter__()
        new = opened(address=short, wait=lambda *_: None)
        assert new.lives() == []
        with pytest.raises(JournalError):
            transaction.__exit__(None, None, None)
        with pytest.raises(JournalFenced):
            announce(old)


def waiting_for_a_lock(server):
    return server.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone()


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
@pytest.mark.parametrize("off", ["+5h", "-5h", "+400d"])
def test_whose_clock_is_wrong_by_hours_takes_no_lease_that_another_has(opened, journal_address, server_of, off):
    opened()
    code = f"""
        from stormcone.errors import JournalLocked
        from stormcone.journal.postgresql.store import PostgresqlJournal
        from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
        try:
            PostgresqlJournal.open(DatabaseAddress.parse({journal_address!r}, own=JOURNAL_OPTIONS))
        except JournalLocked:
            print("locked")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "LD_PRELOAD": str(FAKETIME), "FAKETIME": off, "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("locked\n", "")
    assert row(server_of())["epoch"] == 1


class TestStandingBy:
    def test_says_who_holds_it_and_takes_it_when_it_is_over(self, opened, server_of, monkeypatch):
        monkeypatch.setattr(store, "_LOOK", 0.01)
        first, server, told = opened(), server_of(), []
        freeze(first)

        def wait(who, text):
            told.append((who, text))
            let_run_out(server)

        second = opened(wait=wait)
        assert told[0][0] in told[0][1]
        assert "holds the lease until" in told[0][1]
        announce(second)
        with pytest.raises(JournalFenced):
            announce(first)

    def test_goes_on_while_the_database_is_away(self, opened, postgresql, monkeypatch, address, server_of):
        monkeypatch.setattr(store, "_LOOK", 0.01)
        first, told = opened(), []
        freeze(first)

        def wait(who, text):
            told.append(text)
            if len(told) == 1:
                postgresql.stop()
            elif "cannot be used" in text:
                postgresql.start()
                let_run_out(server_of())

        announce(opened(wait=wait))
        assert any("see that the server runs" in text for text in told)


class TestTheServer:
    @contextmanager
    def restarted(self, postgresql):
        postgresql.stop()
        postgresql.start()
        yield

    def test_may_be_started_again_between_two_transactions(self, opened, postgresql):
        journal = opened()
        announce(journal)
        with self.restarted(postgresql):
            announce(journal, id="E-2")
        assert len(journal.episodes()) == 2

    def test_that_dies_within_a_transaction_undoes_it(self, opened, postgresql):
        journal = opened()

        def lives():
            with journal.transaction():
                journal.begin_life(NOW, MACHINE)
                with self.restarted(postgresql):
                    journal.begin_life(LATER, MACHINE)

        with pytest.raises(JournalError, match="see that the server runs"):
            lives()
        assert journal.lives() == []
        announce(journal)

    @pytest.mark.parametrize("committed", [True, False])
    def test_is_asked_what_became_of_a_commit_whose_answer_was_lost(self, opened, server_of, committed, monkeypatch):
        journal = opened()
        session, server = journal._session, server_of()
        connection = session._connected()

        class Cut:
            """A connection that breaks with its commit, before or after the server has that."""

            def __getattr__(self, name):
                return getattr(connection, name)

            def execute(self, query, *values):
                if query != "COMMIT":
                    return connection.execute(query, *values)
                if committed:
                    connection.execute(query)
                server.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
                return connection.execute("SELECT 1")

        session._connection = Cut()
        if committed:
            journal.begin_life(NOW, MACHINE)
        else:
            with pytest.raises(JournalError):
                journal.begin_life(NOW, MACHINE)
        assert len(journal.lives()) == int(committed)

    def test_that_cannot_say_it_ends_the_agents_time_with_the_journal(self, opened, server_of, monkeypatch):
        monkeypatch.setattr("stormcone.journal.postgresql.session.DOUBT", 0.1)
        journal = opened()
        with pytest.raises(JournalFenced, match="cannot say whether it did"):
            journal._session._was_committed(Transaction("999999999999", "00000001"), journal._lease)
        with pytest.raises(JournalFenced):
            announce(journal)

    def test_that_was_a_standby_a_moment_ago_is_not_believed(self, opened, server_of):
        """Its numbers are those of other transactions: the last ones of the lost server may never have reached it."""
        journal = opened()
        with server_of() as server, server.transaction():
            ours = journal._lease.guard(server)
        assert journal._session._was_committed(ours, journal._lease)
        with pytest.raises(JournalFenced, match="cannot say whether it did"):
            journal._session._was_committed(ours._replace(history="00000002"), journal._lease)

    @pytest.mark.parametrize("how", ["anew", "as it was"])
    def test_that_was_restored_is_another_although_the_lease_is_in_it(self, opened, server_of, how):
        """What this agent knows may not be in it: its tables are made anew, or numbers begin where they were."""
        journal, server = opened(), server_of()
        announce(journal)
        if how == "anew":
            server.execute("ALTER TABLE lease RENAME TO old")
            server.execute("CREATE TABLE lease (LIKE old INCLUDING ALL)")
            server.execute("INSERT INTO lease SELECT * FROM old")
        else:
            journal._lease.committed(Transaction("999999999999", "00000001"))
        for _ in range(2):
            with pytest.raises(JournalFenced, match="its database is another one now"):
                announce(journal, id="E-2")
        assert len(journal.episodes()) == 1
        journal.close()
        announce(opened(), id="E-2")

    def test_that_was_restored_is_seen_by_the_renewal_too(self, opened, server_of):
        """So nothing is sent to a cloud that rests on what was lost."""
        journal, server = opened(), server_of()
        journal._lease._place = ("00000007", journal._lease._place[1])
        with pytest.raises(JournalFenced, match="its database is another one now"):
            journal._lease._renew(server)
        with pytest.raises(JournalFenced):
            journal.may_act()

    def test_that_takes_no_writes_is_said(self, opened, server_of):
        journal, server = opened(), server_of()
        server.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
        try:
            with pytest.raises(JournalError, match="read-only; the server takes no writes: name the one that does"):
                announce(journal)
        finally:
            server.execute("ALTER ROLE postgres RESET ALL")
        announce(journal)


class TestTheAddress:
    @pytest.mark.parametrize(
        ("option", "text"),
        [
            ("journal=Public", "'Public' is no name of a journal; take up to 40 of a-z"),
            ("journal=a.b", "is no name of a journal"),
            ("lease=soon", "lease is a number of seconds from 0.1 to 3600, not 'soon'"),
            ("lease=0", "lease is a number of seconds"),
            ("lease=nan", "lease is a number of seconds"),
        ],
    )
    def test_says_what_cannot_be_in_a_sentence(self, postgresql, option, text):
        with pytest.raises(SettingsError, match=text):
            store.PostgresqlJournal.open(DatabaseAddress.parse(postgresql.url() + "?" + option, own=JOURNAL_OPTIONS))

    def test_a_journal_that_is_not_there_is_not_made_to_be_read(self, address):
        with pytest.raises(JournalError, match=r"there is no journal at .*; name another one, or start an agent first"):
            store.PostgresqlJournal.read(address)

    def test_journals_of_one_database_know_nothing_of_each_other(self, opened, postgresql, journal_address):
        other = DatabaseAddress.parse(f"{journal_address}-2", own=JOURNAL_OPTIONS)
        first, second = opened(), opened(address=other)
        announce(first)
        assert (len(first.episodes()), second.episodes()) == (1, [])

    def test_a_text_may_have_any_character(self, opened):
        journal = opened()
        announce(journal, id="E\0-1", description="nul \0 and all")
        (episode,) = journal.episodes()
        assert episode.event.id == "E\0-1"
        assert [found.id for found in journal.latest(MACHINE, [episode.event.key])] == [episode.id]
