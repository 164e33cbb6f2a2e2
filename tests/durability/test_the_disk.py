"""The journal's disk fails: what is damaged is set aside and told, what is somebody else's is left alone, and while
nothing can be written nothing begins."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from stormcone import Agent, App, Context, Handler, Impact, Journal, MaintenanceEvent, ManualClock
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.workers import InlineExecutor
from stormcone.errors import JournalDamaged, JournalError, JournalLocked, JournalTooNew, NotAJournal
from stormcone.journal.sqlite.connection import PRAGMAS
from stormcone.journal.sqlite.damage import damaged
from stormcone.journal.sqlite.schema import APPLICATION_ID, VERSION
from stormcone.plugins import provider_class
from stormcone_simulators.azure import AzureSimulator

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STOPPED = "until it can be written no handler starts and nothing is approved"


class Recorder(Handler):
    lead = None

    def __init__(self) -> None:
        self.calls: list[str] = []

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        self.calls.append("prepare")

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        self.calls.append("recover")


class World:
    """A simulator, and an agent on a journal at a path."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self.stack, self.path = stack, path
        self.clock = ManualClock(NOW)
        self.simulator = stack.enter_context(AzureSimulator(["web-0"], clock=self.clock))
        self.handler = Recorder()
        self.notices: list[Notice] = []

    def start(self) -> Agent:
        self.journal = self.stack.enter_context(Journal.open(self.path, replace_at=self.clock.now()))
        provider = provider_class("azure").from_options(self.simulator.provider_options())
        self.stack.callback(provider.close)
        self.agent = Agent(
            provider,
            App([self.handler]),
            self.journal,
            clock=self.clock,
            boot_id="boot-1",
            executor=InlineExecutor(),
            listener=self.notices.append,
        )
        return self.agent

    def announce(self) -> str:
        return self.simulator.schedule(Impact.REBOOT, resources=["web-0"], description="x" * 20_000)

    def steps(self, number: int = 3) -> None:
        for _ in range(number):
            self.agent.step()
            self.clock.advance(seconds=1)

    @property
    def approved(self) -> int:
        return sum(request["method"] == "POST" for request in self.simulator.requests())

    @property
    def problems(self) -> list[str]:
        return [notice.text for notice in self.notices if notice.kind is NoticeKind.PROBLEM]

    def nothing_is_done_while(self, text: str) -> None:
        """The agent polls on, does nothing, and says why."""
        self.announce()
        polls = self.agent.status.polls
        asked = len(self.simulator.requests())
        self.steps()
        assert len(self.simulator.requests()) >= asked + 3
        assert (self.handler.calls, self.approved) == ([], 0)
        assert self.agent.status.polls == polls
        assert len(self.problems) == 1
        assert text in self.problems[0]
        assert self.problems[0].endswith(STOPPED)

    def all_is_done(self) -> None:
        self.steps()
        assert (self.handler.calls, self.approved) == (["prepare"], 1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, tmp_path / "journal.db")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 512 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room that a disk has left."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass
    return path


@pytest.fixture
def written(world: World) -> Path:
    """A journal with a few events in it, of an agent that has ended."""
    world.start()
    for _ in range(5):
        world.announce()
    world.steps()
    world.journal.close()
    return world.path


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def spoil_an_event(path: Path) -> None:
    with closing(sqlite3.connect(path)) as book:
        book.execute("UPDATE episodes SET event = '{}' WHERE id = 2")
        book.commit()


def spoil_a_run(path: Path) -> None:
    with closing(sqlite3.connect(path)) as book:
        book.execute("UPDATE runs SET state = 'asleep' WHERE id = 2")
        book.commit()


DAMAGES = {
    "empty": lambda path: os.truncate(path, 0),
    "truncated in its header": lambda path: os.truncate(path, 50),
    "truncated in the middle": lambda path: os.truncate(path, path.stat().st_size // 2),
    "truncated by a page": lambda path: os.truncate(path, path.stat().st_size - 4096),
    "garbage": lambda path: path.write_bytes(b"no database " * 500),
    "garbage in its first page": lambda path: overwrite(path, 100, b"\xa5" * 3000),
    "garbage in the middle": lambda path: overwrite(path, 3 * 4096, b"\xa5" * 8192),
    "an event that cannot be read": spoil_an_event,
    "a state that does not exist": spoil_a_run,
}


class TestADamagedJournal:
    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
    def test_is_said_and_left_as_it_is(self, written: Path, damage: Callable[[Path], None]) -> None:
        damage(written)
        before = written.read_bytes()
        with pytest.raises(JournalDamaged, match=str(written)):
            Journal.open(written)
        assert written.read_bytes() == before
        assert damaged(written) == []

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
    def test_is_set_aside_whole_by_an_agent_that_is_to_go_on(
        self, written: Path, damage: Callable[[Path], None]
    ) -> None:
        damage(written)
        before = written.read_bytes()
        with Journal.open(written, replace_at=NOW) as journal:
            (kept,) = damaged(written)
            assert kept.name == "journal.db.damaged-20260101T000000Z"
            assert kept.read_bytes() == before
            assert journal.episodes() == []
            assert f"it is kept as {kept} and a new one is begun" in journal.loss
        with Journal.open(written, replace_at=NOW) as journal:
            assert journal.loss == ""

    def test_does_not_take_the_name_of_an_earlier_one(self, written: Path) -> None:
        for number in range(3):
            written.write_bytes(b"")
            Journal.open(written, replace_at=NOW).close()
            assert len(damaged(written)) == number + 1

    def test_takes_with_it_what_would_be_rolled_back_into_the_next(self, written: Path) -> None:
        cut_off_while_it_writes(written)
        note = written.with_name("journal.db-journal")
        assert note.stat().st_size > 0
        os.truncate(written, 0)
        with Journal.open(written, replace_at=NOW) as journal:
            assert journal.episodes() == []
        assert not note.exists()
        (kept,) = damaged(written)
        assert kept.with_name(kept.name + "-journal").stat().st_size > 0

    def test_is_told_before_anything_else_and_the_agent_goes_on(self, world: World, written: Path) -> None:
        world.notices.clear()
        world.handler.calls.clear()
        os.truncate(written, 0)
        world.start()
        world.announce()
        world.steps()
        assert world.notices[0].kind is NoticeKind.PROBLEM
        assert "is empty: what it held is lost; it is kept as" in world.problems[0]
        assert len(world.problems) == 1
        assert world.handler.calls == ["prepare"]

    def test_under_a_running_agent_ends_it_and_can_be_set_aside(self, world: World) -> None:
        world.start()
        world.steps()
        overwrite(world.path, 24, b"\xff" * (world.path.stat().st_size - 24))
        world.announce()
        with pytest.raises(JournalDamaged):
            world.steps()
        assert world.handler.calls == []
        loss = world.journal.set_aside(NOW, "it is broken")
        assert loss.startswith("it is broken; it is kept as")
        world.journal.close()
        world.start()
        world.all_is_done()


class TestWhatIsNotADamagedJournal:
    """Whatever happens, it is neither renamed nor changed."""

    def refused(self, path: Path, kind: type[JournalError], text: str) -> None:
        before = path.read_bytes()
        with pytest.raises(kind, match=text):
            Journal.open(path, replace_at=NOW)
        assert path.read_bytes() == before
        assert damaged(path) == []

    def test_a_journal_that_another_agent_has(self, written: Path) -> None:
        with Journal.open(written):
            self.refused(written, JournalLocked, f"in use by process {os.getpid()}; stop that agent")

    def test_a_journal_of_a_newer_version(self, written: Path) -> None:
        with closing(sqlite3.connect(written)) as book:
            book.execute(f"PRAGMA user_version = {VERSION + 1}")
        self.refused(written, JournalTooNew, "run the newer stormcone")

    def test_a_database_of_another_program(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "other.db")) as book:
            book.execute("CREATE TABLE theirs (x)")
        self.refused(tmp_path / "other.db", NotAJournal, "not a stormcone journal; name another file")

    @pytest.mark.parametrize("again", range(2))
    def test_a_file_of_something_else_where_no_journal_was(self, tmp_path: Path, again: int) -> None:
        path = tmp_path / "handlers.py"
        path.write_text("app = App()\n" * 20)
        for _ in range(again + 1):
            self.refused(path, NotAJournal, "file is not a database; name another file")


def cut_off_while_it_writes(path: Path) -> None:
    """A process dies in the middle of a transaction that is larger than its cache: half of it is in the file."""
    code = f"""
        import os, signal
        from stormcone.journal import Journal
        journal = Journal.open({str(path)!r})
        journal._connection.execute("PRAGMA cache_size = 2")
        with journal.transaction():
            for number in range(2000):
                journal._connection.execute("UPDATE episodes SET decision = ?", ("half " * 200 + str(number),))
                journal._session.insert("lives", begun="x" * 500, provider="x", machine="x", name="x", boot_id="x")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL


class TestATransactionThatHadReachedTheFile:
    def test_is_undone_by_the_next_agent(self, written: Path) -> None:
        before = written.read_bytes()
        cut_off_while_it_writes(written)
        assert written.read_bytes() != before
        with Journal.open(written) as journal:
            assert not any("half" in episode.decision for episode in journal.episodes())
            assert len(journal.lives()) == 1

    def test_is_no_riddle_to_a_reader(self, written: Path) -> None:
        cut_off_while_it_writes(written)
        with pytest.raises(JournalError, match="its last transaction was cut off: start the agent, which undoes that"):
            Journal.read(written)


class TestAFullDisk:
    def test_holds_the_agent_up_until_there_is_room(self, world: World, small_disk: Path) -> None:
        world.path = small_disk / "journal.db"
        world.start()
        world.steps()
        ballast = fill(small_disk)
        world.nothing_is_done_while("database or disk is full; make room on its disk")
        ballast.unlink()
        world.all_is_done()

    def test_does_not_keep_an_agent_from_coming_up(self, world: World, small_disk: Path) -> None:
        world.path = small_disk / "journal.db"
        world.start()
        world.steps()
        world.journal.close()
        ballast = fill(small_disk)
        world.start()
        world.nothing_is_done_while("full; make room on its disk")
        ballast.unlink()
        world.all_is_done()

    def test_leaves_no_half_of_a_new_journal(self, small_disk: Path) -> None:
        ballast = fill(small_disk)
        with pytest.raises(JournalError, match=r"full|No space"):
            Journal.open(small_disk / "journal.db")
        assert not (small_disk / "journal.db").exists()
        ballast.unlink()
        Journal.open(small_disk / "journal.db").close()


class TestADiskThatCannotBeWritten:
    def test_is_said_at_the_start(self, small_disk: Path) -> None:
        Journal.open(small_disk / "journal.db").close()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(JournalError, match="Read-only file system; name another with --journal"):
            Journal.open(small_disk / "journal.db", replace_at=NOW)

    def test_holds_the_agent_up_until_it_can(self, world: World) -> None:
        """SQLite cannot make its rollback journal where a folder has that name, whoever asks."""
        world.start()
        world.steps()
        obstacle = world.path.with_name("journal.db-journal")
        obstacle.mkdir()
        world.nothing_is_done_while("disk I/O error; look into its disk")
        obstacle.rmdir()
        world.all_is_done()

    def test_because_the_file_is_not_there_any_more_is_said(self, world: World) -> None:
        world.start()
        world.steps()
        world.path.unlink()
        world.nothing_is_done_while("the file was moved or removed while it was in use: start the agent again")


class TestPowerLoss:
    """What the operating system was told to keep is kept; these are the settings that make SQLite tell it."""

    VALUES: ClassVar = {"DELETE": "delete", "EXTRA": 3, "ON": 1}

    @pytest.mark.parametrize("times", [1, 2], ids=["a new journal", "one that was there"])
    def test_the_pragmas_are_in_force(self, tmp_path: Path, times: int) -> None:
        for _ in range(times):
            with Journal.open(tmp_path / "journal.db") as journal:
                found = {name: self.pragma(journal, name) for name in PRAGMAS}
                assert found == {name: self.VALUES[value] for name, value in PRAGMAS.items()}
                assert self.pragma(journal, "auto_vacuum") == 2
                assert self.pragma(journal, "application_id") == APPLICATION_ID

    def pragma(self, journal: Journal, name: str) -> Any:
        return journal._connection.execute(f"PRAGMA {name}").fetchone()[0]


class TestRetention:
    def test_an_event_goes_90_days_after_its_end_and_what_goes_on_stays(self, world: World) -> None:
        world.start()
        world.announce()
        world.steps()
        world.clock.advance(minutes=11)
        world.steps()
        going_on = world.simulator.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(days=300))
        world.steps()
        assert len(world.journal.episodes()) == 2
        world.agent._engine.app = world.agent.app.but(approve="never")
        world.clock.advance(hours=24 * 89)
        world.steps(1)
        assert len(world.journal.episodes()) == 2
        world.clock.advance(hours=24 * 2)
        world.steps(1)
        assert [episode.event.id for episode in world.journal.episodes()] == [going_on]
