"""The journal: durable, whole transactions, one agent, and errors in a sentence."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from stormcone.clock import Instant
from stormcone.errors import JournalDamaged, JournalError, JournalTooNew, NotAJournal
from stormcone.handlers import Stage
from stormcone.journal import Journal
from stormcone.journal.sqlite.schema import APPLICATION_ID, VERSION
from stormcone.model import Machine
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import RUN_MOVES, NewRun, RunState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1, microseconds=7)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")


@pytest.fixture
def announce(event):
    """Writes down an announcement with one run to do."""

    def write(journal, machine=MACHINE, **changes):
        with journal.transaction():
            change = Change(kind=ChangeKind.ANNOUNCED, event=event(**changes), before=None, episode=1)
            episode = journal.save_change(change, Instant.of(NOW), machine)
            journal.add_run(episode.id, NewRun("lb", Stage.PREPARE, 0, LATER))
        return journal.episode(episode.id)

    return write


def the_run(journal, episode):
    (run,) = journal.runs(episode.id)
    return run


class TestATransaction:
    def test_that_was_cut_off_with_its_process_leaves_nothing(self, path, announce):
        with Journal.open(path) as journal:
            announce(journal)
        code = f"""
            import os, signal
            from stormcone.journal import Journal
            journal = Journal.open({str(path)!r})
            with journal.transaction():
                journal.save_decision(1, "half")
                os.kill(os.getpid(), signal.SIGKILL)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
        assert done.returncode == -signal.SIGKILL
        with Journal.open(path) as journal:
            assert [episode.decision for episode in journal.episodes()] == [""]


class TestTheFile:
    def test_is_written_through_to_the_disk(self, journal):
        pragma = lambda name: journal._connection.execute(f"PRAGMA {name}").fetchone()[0]  # noqa: E731
        assert pragma("synchronous") == 3  # EXTRA: as FULL, and also the folder once the rollback journal is removed
        assert pragma("journal_mode") == "delete"
        assert pragma("foreign_keys") == 1
        assert (pragma("application_id"), pragma("user_version")) == (APPLICATION_ID, VERSION)

    def test_is_for_its_owner_alone_and_so_is_its_lock(self, path, journal):
        for file in (path, path.with_name("journal.db.lock")):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_is_made_with_its_folders(self, tmp_path):
        path = tmp_path / "some" / "where" / "journal.db"
        Journal.open(path).close()
        assert path.exists()
        assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0

    def test_is_not_needed_for_a_journal_that_keeps_nothing(self, announce):
        with Journal.open(":memory:") as journal:
            announce(journal)
            assert len(journal.episodes()) == 1


class TestAReader:
    def test_needs_a_journal(self, path):
        with pytest.raises(JournalError, match="there is no journal at"):
            Journal.read(path)
        assert not path.exists()

    def test_reads_one_whose_path_needs_quoting(self, tmp_path):
        path = tmp_path / "a b?c#d%20.db"
        Journal.open(path).close()
        with Journal.read(path) as reader:
            assert reader.episodes() == []


@pytest.fixture(params=[Journal.open, Journal.read], ids=["open", "read"])
def opens(request):
    return request.param


def a_database(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


class TestAFileThatIsNoJournal:
    def test_is_refused(self, path, opens):
        path.write_bytes(b"no database " * 100)
        with pytest.raises(NotAJournal, match="file is not a database; name another file"):
            opens(path)

    def test_but_a_database_of_something_else_is_refused_and_left_as_it_is(self, path, opens):
        a_database(path, "PRAGMA journal_mode = WAL", "CREATE TABLE theirs (x)")
        before = path.read_bytes()
        with pytest.raises(NotAJournal, match="but not a stormcone journal; name another file"):
            opens(path)
        assert path.read_bytes() == before

    def test_but_of_a_newer_version_is_refused_and_left_as_it_is(self, path, opens):
        Journal.open(path).close()
        a_database(path, f"PRAGMA user_version = {VERSION + 1}")
        before = path.read_bytes()
        with pytest.raises(JournalTooNew, match=f"has version {VERSION + 1}.*run the newer stormcone"):
            opens(path)
        assert path.read_bytes() == before

    def test_but_a_folder_is_refused(self, tmp_path, opens):
        with pytest.raises(JournalError):
            opens(tmp_path)

    def test_but_has_a_file_where_its_folder_belongs_is_refused(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(JournalError, match=r"cannot be made: .*; name another with --journal"):
            Journal.open(tmp_path / "file" / "journal.db")

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
    def test_and_cannot_be_made_is_refused(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(JournalError, match="cannot be made: Permission denied; name another"):
            Journal.open(tmp_path / "journal.db")

    def test_any_more_because_its_content_was_tampered_with_is_said(self, journal, announce):
        announce(journal)
        journal._connection.execute("UPDATE episodes SET event = '{}'")
        with pytest.raises(JournalDamaged, match="holds what cannot be read"):
            journal.episodes()


class TestAFileThatCannotBeWritten:
    def test_is_an_error_and_nothing_of_the_transaction_has_happened(self, journal, announce):
        announce(journal)
        (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
        journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match="database or disk is full"):
            announce(journal, id="E-2", description="x" * 100_000)
        assert [episode.event.id for episode in journal.episodes()] == ["E-1"]
        journal._connection.execute("PRAGMA max_page_count = 1000000")
        announce(journal, id="E-2", description="x" * 100_000)
        assert len(journal.episodes()) == 2

    def test_is_an_error_where_another_program_holds_it(self, path, journal, announce):
        journal._connection.execute("PRAGMA busy_timeout = 0")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError, match="locked"):
            announce(journal)
        other.execute("COMMIT")
        other.close()
        announce(journal)


class TestARun:
    @pytest.mark.parametrize(("before", "after"), list(product(RunState, RunState)))
    def test_makes_only_allowed_moves(self, journal, announce, before, after):
        run = the_run(journal, announce(journal))
        journal._connection.execute("UPDATE runs SET state = ?", (before,))
        run = the_run(journal, journal.episode(run.episode))
        if (before, after) in RUN_MOVES:
            with journal.transaction():
                journal._move_run(run, after)
        else:
            with pytest.raises(JournalError, match=f"cannot go from {before} to {after}"), journal.transaction():
                journal._move_run(run, after)
        kept = the_run(journal, journal.episode(run.episode))
        assert kept.state is (after if (before, after) in RUN_MOVES else before)
