"""When an agent is ready, when only in part, when not at all, and what it says of that."""

from dataclasses import replace

import pytest
from tests.core.conftest import NOW

from stormcone.agent.view import AgentView
from stormcone.agent.watch import AgentStatus
from stormcone.handlers import App
from stormcone.health.disk import LEAST_ROOM, journal_size, journal_trouble
from stormcone.health.readiness import LOOP_PATIENCE, Condition, alive, readiness
from stormcone.model import Machine

AT = 1000.0
FRESH = AgentStatus(last_success=NOW, polls=5, succeeded=AT, interval=1.0)
VIEW = AgentView(
    at=NOW,
    seconds=AT,
    app=App(),
    machine=Machine(provider="test", id="vm-0", name="web-0"),
    sources={"test": FRESH},
    journal="/var/lib/stormcone/journal.db",
)


def judged(view=VIEW, seconds=AT, trouble=""):
    found = readiness(view, seconds, trouble)
    return found.condition, found.reasons


def test_an_agent_that_works_is_ready():
    assert judged() == (Condition.READY, ())


class TestTheLoop:
    def test_is_alive_while_it_turns(self):
        assert alive(VIEW, AT + LOOP_PATIENCE).reason == ""

    def test_that_does_not_turn_is_not(self):
        condition, (reason, *_) = judged(seconds=AT + LOOP_PATIENCE + 1)
        assert (condition, reason) == (
            Condition.NOT_READY,
            "loop: it has not turned for 61 s; the watchdog, or a restart, begins it anew",
        )

    def test_of_an_agent_that_stops_is_not_ready(self):
        assert judged(replace(VIEW, stopping=True)) == (Condition.NOT_READY, ("loop: the agent is stopping",))


class TestTheSources:
    @pytest.mark.parametrize(
        ("interval", "age", "ready"),
        [(1.0, 30.0, True), (1.0, 30.1, False), (60.0, 600.0, True), (60.0, 600.1, False)],
        ids=["half a minute at the least", "and no more", "ten of its intervals", "and no more of those"],
    )
    def test_one_is_stale_after_ten_intervals(self, interval, age, ready):
        status = replace(FRESH, interval=interval, succeeded=AT - age)
        assert (judged(replace(VIEW, sources={"test": status}))[0] is Condition.READY) is ready

    def test_a_failed_poll_alone_changes_nothing(self):
        assert judged(replace(VIEW, sources={"test": replace(FRESH, error="timed out")}))[0] is Condition.READY

    def test_one_that_is_stale_says_for_how_long_and_why(self):
        status = replace(FRESH, succeeded=AT - 600, error="no route to host")
        assert judged(replace(VIEW, sources={"test": status})) == (
            Condition.NOT_READY,
            ("source test: it has not answered for 10 min: no route to host",),
        )

    def test_one_of_several_makes_it_degraded_each_by_its_own_interval(self):
        slow = replace(FRESH, interval=60.0, succeeded=AT - 300)
        never = AgentStatus(error="403 Forbidden")
        assert judged(replace(VIEW, sources={"test": FRESH, "slow": slow, "queue": never})) == (
            Condition.DEGRADED,
            ("source queue: it has never answered: 403 Forbidden",),
        )

    def test_all_of_several_make_it_not_ready(self):
        condition, reasons = judged(replace(VIEW, sources={"one": AgentStatus(), "two": AgentStatus()}))
        assert condition is Condition.NOT_READY
        assert reasons == ("source one: it has never answered", "source two: it has never answered")


class TestTheMachine:
    def test_that_is_not_known_makes_it_not_ready(self):
        condition, (reason,) = judged(replace(VIEW, machine=None))
        assert condition is Condition.NOT_READY
        assert reason.startswith("machine: it is not known which machine this is")

    def test_whose_name_is_disputed_makes_it_degraded(self):
        machine = Machine(provider="test", id="vm-0", name="web-9", reported_name="web-0")
        condition, (reason,) = judged(replace(VIEW, machine=machine))
        assert condition is Condition.DEGRADED
        assert "the cloud calls this machine web-0, not web-9" in reason


class TestTheJournal:
    def test_that_could_not_be_written_makes_it_not_ready(self):
        assert judged(replace(VIEW, journal_error="database or disk is full")) == (
            Condition.NOT_READY,
            ("journal: database or disk is full",),
        )

    def test_that_could_not_be_written_now_does_so_too(self):
        assert judged(trouble="the disk is full")[1] == ("journal: the disk is full",)

    def test_on_a_disk_with_room_is_well(self, tmp_path):
        (tmp_path / "journal.db").write_bytes(b"x" * 10)
        assert journal_trouble(str(tmp_path / "journal.db")) == ""
        assert journal_size(str(tmp_path / "journal.db")) == 10

    def test_that_is_gone_is_not(self, tmp_path):
        assert journal_trouble(str(tmp_path / "journal.db")).endswith("cannot be looked at: No such file or directory")
        assert journal_size(str(tmp_path / "journal.db")) is None

    def test_on_a_full_disk_is_not(self, tmp_path, monkeypatch):
        path = tmp_path / "journal.db"
        path.touch()
        room = type("Room", (), {"f_flag": 0, "f_bavail": LEAST_ROOM // 4096 - 1, "f_frsize": 4096})
        monkeypatch.setattr("os.statvfs", lambda _: room)
        assert journal_trouble(str(path)) == f"the disk of {path} is full: {LEAST_ROOM - 4096} bytes are left"

    def test_in_memory_is_always_well(self):
        assert journal_trouble(":memory:") == ""
