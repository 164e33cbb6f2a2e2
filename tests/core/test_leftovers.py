"""What an earlier life has left running is ended before anything else is done for its event."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.agent.leftovers import Leftovers, book_of
from stormcone.handlers import Stage
from stormcone.handlers.processes import VARIABLE, running

ROUND = (Stage.PREPARE, Stage.RECOVER)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def start(request):
    """Starts a process with a mark, which says that it is there; it ends with the test."""

    def start(mark, code="import time; print(1, flush=True); time.sleep(60)"):
        process = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, VARIABLE: mark}, stdout=subprocess.PIPE
        )
        request.addfinalizer(lambda: (process.kill(), process.communicate()))
        process.stdout.readline()
        return process

    return start


@pytest.fixture
def cut_off(world, held):
    """A life that has died in the middle of prepare; answers the mark of what it started there."""
    world.executor = held
    world.handler("lb", ROUND)
    world.cloud.announce()
    world.step()
    (live,) = world.agent._stages.live.values()
    world.die()
    return live.control.mark


class TestAProcessOfADeadLife:
    def test_is_ended_before_its_event_goes_on(self, world, cut_off, start):
        process = start(cut_off)
        begun = time.monotonic()
        while world.step() or world.states() == {"lb.prepare": "pending"}:
            assert time.monotonic() < begun + 10
        assert world.states() == {"lb.prepare": "running"}
        assert process.poll() == -15

    def test_holds_up_no_other_event(self, world, cut_off, start):
        start(cut_off, STUBBORN)
        world.cloud.announce(id="E-2")
        world.step(seconds=1)
        assert [world.states(0), world.states(1)] == [{"lb.prepare": "pending"}, {"lb.prepare": "running"}]

    def test_holds_up_the_next_life_of_its_event(self, world, cut_off, start):
        process = start(cut_off, STUBBORN)
        world.step(seconds=1)
        world.cloud.forget()
        world.step(seconds=1)
        world.cloud.announce()
        while process.poll() is None:
            world.step(seconds=1)
            assert "running" not in world.states(1).values() or process.poll() is not None
        for _ in range(3):
            world.step(seconds=1)
        assert world.states(0)["lb.recover"] == "running"

    def test_that_does_not_listen_is_killed_after_its_grace(self, world, cut_off, start):
        process = start(cut_off, STUBBORN)
        for _ in range(10):
            world.step(seconds=1)
            assert process.poll() is None
        world.step(seconds=1)
        assert process.wait(10) == -9
        world.step(seconds=1)
        assert world.states() == {"lb.prepare": "running"}

    def test_is_told_once(self, world, cut_off, start):
        process = start(cut_off, STUBBORN)
        for _ in range(3):
            world.step(seconds=1)
        (told,) = [
            notice.text for notice in world.notices if "earlier life" in notice.text and "process" in notice.text
        ]
        assert str(process.pid) in told

    def test_of_another_attempt_or_another_journal_is_left_alone(self, world, cut_off, start):
        others = [start(cut_off + "1"), start("other/" + cut_off.partition("/")[2]), start(cut_off[:-1] + "2")]
        world.step(seconds=1)
        assert world.states() == {"lb.prepare": "running"}
        assert [process.poll() for process in others] == [None, None, None]


STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"


def test_of_an_attempt_that_has_ended_nothing_is_looked_for(world, start):
    """A command may start a service and leave it running: it is nobody's leftover."""
    world.handler("lb", ROUND)
    world.cloud.announce()
    world.step()
    service = start(f"{book_of(world.journal.path)}/1/1")
    world.die()
    world.step(seconds=1)
    world.cloud.forget()
    world.step(minutes=20)
    assert world.calls == ["lb.prepare", "lb.recover"]
    assert service.poll() is None


def test_a_process_is_found_by_its_mark_as_long_as_it_runs(start):
    process = start("some/1/1")
    assert running("some/1/1".__eq__) == {process.pid: "some/1/1"}
    process.kill()
    limit = time.monotonic() + 10
    while running("some/1/1".__eq__):  # it is a zombie then
        assert time.monotonic() < limit
    assert process.wait() < 0


def test_a_journal_has_the_same_mark_by_whatever_name_and_another_one_another(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "journal.db")
    (tmp_path / "else").mkdir()
    assert book_of(str(tmp_path / "link")) == book_of(str(tmp_path / "journal.db"))
    marks = [
        book_of(str(path)) for path in (tmp_path / "journal.db", tmp_path / "other.db", tmp_path / "else/journal.db")
    ]
    assert len({*marks, book_of(":memory:"), book_of(":memory:"), book_of("postgres://somewhere/x")}) == 6


def test_leftovers_without_a_run_that_was_cut_off_look_for_nothing(world, monkeypatch):
    monkeypatch.setattr("stormcone.handlers.processes.running", lambda _wanted: pytest.fail("it looked"))
    assert Leftovers("book", world.journal, ()).end(NOW + timedelta(days=1)).episodes == frozenset()
