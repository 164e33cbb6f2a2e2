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

from stormcone.errors import JournalDamaged, JournalError, JournalLocked, JournalTooNew, NotAJournal
from stormcone.handlers import Stage
from stormcone.journal import Journal
from stormcone.journal.schema import APPLICATION_ID, VERSION
from stormcone.lifecycle import Change, ChangeKind
from stormcone.model import Machine, Phase
from stormcone.runs import RUN_MOVES, Attempt, NewRun, RunState, Settled, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1, microseconds=7)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path):
    with Journal.open(path) as journal:
        yield journal


@pytest.fixture
def announce(event):
    """Writes down an announcement with one run to do."""

    def write(journal, machine=MACHINE, **changes):
        with journal.transaction():
            change = Change(kind=ChangeKind.ANNOUNCED, event=event(**changes), before=None, episode=1)
            episode = journal.save_change(change, NOW, machine)
            journal.add_run(episode.id, NewRun("lb", Stage.PREPARE, 0, LATER))
        return journal.episode(episode.id)

    return write


def the_run(journal, episode):
    (run,) = journal.runs(episode.id)
    return run


def ends(journal, run, state=RunState.SUCCEEDED, due=None):
    return journal.end_attempt(run, Attempt(Verdict.SUCCEEDED, "fine"), Settled(state, due, "fine"), LATER)


class TestWhatIsWritten:
    def test_is_there_after_the_file_was_closed(self, path, announce, event):
        with Journal.open(path) as journal:
            journal.begin_life(NOW, MACHINE)
            episode = announce(journal)
            ends(journal, journal.begin_run(the_run(journal, episode), NOW))
            approval = journal.ask_approval(episode.id, NOW, "prepared by lb")
            journal.answer_approval(approval, LATER, accepted=True, final=False, note="")
            with journal.transaction():
                journal.save_decision(episode.id, "prepared by lb")
        with Journal.open(path) as journal:
            (kept,) = journal.episodes()
            assert (kept.event, kept.boot_id, kept.first_seen) == (event(), "boot-1", NOW)
            assert (kept.decision, kept.approved, kept.started, kept.ended) == ("prepared by lb", True, None, None)
            run = the_run(journal, kept)
            assert (run.state, run.attempt, run.begun, run.ended) == (RunState.SUCCEEDED, 1, NOW, LATER)
            (attempt,) = journal.attempts(run.id)
            assert (attempt.number, attempt.ended, attempt.verdict, attempt.note) == (1, LATER, "succeeded", "fine")
            (approval,) = journal.approvals(kept.id)
            assert (approval.asked, approval.answered, approval.accepted, approval.note) == (
                NOW,
                LATER,
                True,
                "prepared by lb",
            )
            (change,) = journal.changes(kept.id)
            assert (change.at, change.kind, change.event) == (NOW, ChangeKind.ANNOUNCED, event())
            (life,) = journal.lives()
            assert (life.begun, life.ended, life.machine, life.boot_id) == (NOW, None, "web-0", "boot-1")

    def test_follows_an_event_to_its_end(self, journal, announce, event):
        episode = announce(journal)
        for kind, phase in ((ChangeKind.STARTED, Phase.STARTED), (ChangeKind.ENDED, Phase.ENDED)):
            change = Change(kind=kind, event=event(phase=phase), before=episode.event, episode=1)
            with journal.transaction():
                episode = journal.save_change(change, LATER, MACHINE)
        assert (episode.started, episode.ended) == (LATER, LATER)
        assert [step.kind for step in journal.changes(episode.id)] == ["announced", "started", "ended"]

    def test_is_asked_for_by_a_number_that_exists(self, journal):
        with pytest.raises(KeyError):
            journal.episode(7)

    def test_of_the_agents_lives_says_which_ended_in_good_order(self, journal):
        first, _ = journal.begin_life(NOW, MACHINE)
        journal.begin_life(LATER, MACHINE)
        journal.end_life(first, LATER)
        assert [life.ended for life in journal.lives()] == [LATER, None]


class TestATransaction:
    def test_that_fails_leaves_nothing(self, journal, event):
        def half():
            journal.save_change(Change(kind=ChangeKind.ANNOUNCED, event=event(), before=None, episode=1), NOW, MACHINE)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), journal.transaction():
            half()
        assert journal.episodes() == []

    def test_that_fails_does_not_spoil_the_next(self, journal, announce):
        with pytest.raises(ZeroDivisionError), journal.transaction():
            raise ZeroDivisionError
        announce(journal)
        assert len(journal.episodes()) == 1

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

    def test_may_be_closed_twice(self, path):
        journal = Journal.open(path)
        journal.close()
        journal.close()

    def test_is_not_needed_for_a_journal_that_keeps_nothing(self, announce):
        with Journal.open(":memory:") as journal:
            announce(journal)
            assert len(journal.episodes()) == 1


class TestTheLock:
    def test_refuses_a_second_agent_and_names_the_first(self, path, journal):
        with pytest.raises(JournalLocked) as caught:
            Journal.open(path)
        assert str(caught.value) == (
            f"the journal {path} is in use by process {os.getpid()}; "
            "stop that agent, or give this one a journal of its own"
        )

    def test_is_let_go_when_the_journal_is_closed(self, path):
        Journal.open(path).close()
        Journal.open(path).close()

    def test_is_let_go_when_opening_fails(self, path):
        path.write_bytes(b"no database " * 100)
        for _ in range(2):
            with pytest.raises(NotAJournal):
                Journal.open(path)

    def test_is_let_go_by_a_process_that_was_killed(self, path):
        code = f"""
            import time
            from stormcone.journal import Journal
            journal = Journal.open({str(path)!r})
            print("held", flush=True)
            time.sleep(60)
        """
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(JournalLocked, match=f"in use by process {holder.pid};"):
                Journal.open(path)
            holder.kill()
            holder.wait()
        Journal.open(path).close()

    def test_is_not_kept_by_a_process_that_a_command_left_running(self, path):
        journal = Journal.open(path)
        with subprocess.Popen(["sleep", "60"]) as left:
            journal.close()
            Journal.open(path).close()
            left.kill()


class TestAReader:
    def test_sees_what_the_agent_writes_and_does_not_disturb_it(self, path, journal, announce):
        with Journal.read(path) as reader:
            assert reader.episodes() == []
            announce(journal)
            assert len(reader.episodes()) == 1
            announce(journal, id="E-2")
            assert len(reader.episodes()) == 2

    def test_cannot_write(self, path, journal, announce):
        with Journal.read(path) as reader, pytest.raises(JournalError, match="readonly"):
            announce(reader)

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

    def test_is_an_error_after_it_was_closed(self, path, announce):
        journal = Journal.open(path)
        journal.close()
        with pytest.raises(JournalError):
            announce(journal)
        with pytest.raises(JournalError):
            journal.episodes()

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
                journal._set_run_state(run, after)
        else:
            with pytest.raises(JournalError, match=f"cannot go from {before} to {after}"), journal.transaction():
                journal._set_run_state(run, after)
        kept = the_run(journal, journal.episode(run.episode))
        assert kept.state is (after if (before, after) in RUN_MOVES else before)

    def test_moves_only_from_where_it_is(self, journal, announce):
        run = the_run(journal, announce(journal))
        journal.begin_run(run, NOW)
        with pytest.raises(JournalError, match="is no longer pending"):
            journal.begin_run(run, NOW)
        assert len(journal.attempts(run.id)) == 1

    def test_counts_its_attempts(self, journal, announce):
        run = the_run(journal, announce(journal))
        for attempt in (1, 2):
            run = journal.begin_run(run, NOW)
            assert (run.attempt, run.state, run.due) == (attempt, RunState.RUNNING, None)
            run = ends(journal, run, RunState.PENDING, LATER)
            assert (run.state, run.due, run.ended) == (RunState.PENDING, LATER, None)
        assert [attempt.number for attempt in journal.attempts(run.id)] == [1, 2]

    def test_that_was_dropped_can_be_scheduled_again(self, journal, announce):
        run = the_run(journal, announce(journal))
        with journal.transaction():
            journal.drop_run(run, NOW, "the event has changed")
        run = the_run(journal, journal.episode(run.episode))
        assert (run.state, run.ended, run.note) == (RunState.DROPPED, NOW, "the event has changed")
        with journal.transaction():
            journal.schedule_run(run, LATER)
        run = the_run(journal, journal.episode(run.episode))
        assert (run.state, run.ended, run.note, run.due) == (RunState.PENDING, None, "", LATER)

    def test_that_was_cut_off_is_pending_in_the_next_life(self, journal, announce):
        run = journal.begin_run(the_run(journal, announce(journal)), NOW)
        _, cut_off = journal.begin_life(LATER, MACHINE)
        assert cut_off == 1
        (run,) = journal.runs(run.episode)
        assert (run.state, run.attempt) == (RunState.PENDING, 1)
        (attempt,) = journal.attempts(run.id)
        assert (attempt.ended, attempt.verdict) == (None, None)

    def test_of_another_machine_is_not_this_ones(self, journal, announce):
        journal.begin_run(the_run(journal, announce(journal)), NOW)
        other = Machine(provider="test", id="vm-1", name="web-0")
        _, cut_off = journal.begin_life(LATER, other)
        assert cut_off == 0
        assert journal.unfinished(other) == []
        assert [run.state for run in journal.runs(1)] == [RunState.RUNNING]


class TestWhatIsUnfinished:
    def test_is_what_goes_on_or_has_work_left(self, journal, announce, event):
        episode = announce(journal)
        assert [each.id for each in journal.unfinished(MACHINE)] == [episode.id]
        ended = Change(kind=ChangeKind.ENDED, event=event(phase="ended"), before=episode.event, episode=1)
        with journal.transaction():
            journal.save_change(ended, LATER, MACHINE)
        assert [each.id for each in journal.unfinished(MACHINE)] == [episode.id]
        ends(journal, journal.begin_run(the_run(journal, episode), NOW))
        assert journal.unfinished(MACHINE) == []

    def test_is_found_by_the_machines_id_without_regard_to_case(self, journal, announce):
        announce(journal)
        same = Machine(provider="test", id="VM-0", name="another name")
        assert len(journal.unfinished(same)) == 1
        assert journal.unfinished(Machine(provider="other", id="vm-0", name="web-0")) == []

    def test_is_found_by_the_name_where_there_is_no_id(self, journal, announce):
        nameless = Machine(provider="test", id="", name="web-0")
        announce(journal, nameless)
        assert len(journal.unfinished(Machine(provider="test", id="", name="WEB-0"))) == 1

    def test_comes_with_the_latest_episode_of_what_has_ended(self, journal, announce, event):
        announce(journal)
        with journal.transaction():
            journal.save_change(
                Change(kind=ChangeKind.ANNOUNCED, event=event(id="e-1"), before=None, episode=2), LATER, MACHINE
            )
        (latest,) = journal.latest(MACHINE, [event().key, event(id="unknown").key])
        assert latest.number == 2


class TestAnApproval:
    @pytest.mark.parametrize(("accepted", "approved"), [(True, True), (False, False), (None, True)])
    def test_counts_unless_it_was_turned_down(self, journal, announce, accepted, approved):
        episode = announce(journal)
        approval = journal.ask_approval(episode.id, NOW, "why")
        if accepted is not None:
            journal.answer_approval(approval, LATER, accepted=accepted, final=False, note="")
        assert journal.episode(episode.id).approved is approved
        assert journal.episode(episode.id).known().approved is approved
