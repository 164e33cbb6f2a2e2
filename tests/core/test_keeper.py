"""A watcher's keeper: it follows the plan, and no trouble of one shard, or of the database, is another's.

The plan is made by the rules, in memory; processes are what the test says. Time is a manual clock.
"""

from datetime import UTC, datetime, timedelta

import pytest

from stormcone.agent.keeper import AT_ONCE, BEGINS, HOLD, PAUSES, SLACK, START, STUCK, Keeper
from stormcone.agent.notices import NoticeKind
from stormcone.agent.reporter import Reporter
from stormcone.clock import ManualClock
from stormcone.errors import JournalError
from stormcone.journal.shards import LeaseSeen, ShardSeen, ShardsSeen, SharedShard, WatcherSeen, process_name
from stormcone.rules.sharding import WHOLE, Held, plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GRACE = 10.0
SILENCE = 7.5


class Quick(ManualClock):
    """Whoever sleeps finds that the time has passed."""

    def sleep(self, seconds):
        self.advance(seconds=seconds)

    def wait(self, wake, seconds):
        self.advance(seconds=seconds)


class Process:
    """A process that takes its shard's lease at once, and ends when the test says so."""

    numbers = iter(range(1000, 10_000))

    def __init__(self, shard):
        self.shard, self.number, self.status, self.heard = shard, next(self.numbers), None, []
        self.looped = True

    def ended(self):
        return self.status

    def turns(self):
        return self.looped

    def reload(self):
        self.heard.append("reload")

    def stop(self):
        self.heard.append("stop")

    def kill(self):
        self.heard.append("kill")
        self.status = -9


class Book:
    """What the watchers share, in memory."""

    id, silence = "me", SILENCE

    def __init__(self, *names):
        self.watchers = {"me": set(names)}
        self.given = dict.fromkeys(names, "")
        self.leases, self.away, self.looked, self.at = {}, "", [], NOW

    def join(self):
        pass

    def close(self):
        pass

    def look(self, having):
        self._ask()
        self.looked = sorted(having)
        busy = {name for name in having if name in self.leases and self.leases[name].busy}
        held = [Held(name, watcher, name in busy) for name, watcher in self.given.items()]
        self.given = {**dict.fromkeys(self.given, ""), **plan(held, self.watchers)}
        return ShardsSeen(
            at=self.at,
            watchers=tuple(
                WatcherSeen(id=each, name=each, since=NOW, remaining=1.0, knows=frozenset(knows))
                for each, knows in self.watchers.items()
            ),
            shards=tuple(
                ShardSeen(shard=shared(name), watcher=watcher, since=NOW, lease=self.leases.get(name))
                for name, watcher in self.given.items()
            ),
        )

    def leave(self):
        self._ask()
        del self.watchers["me"]

    def _ask(self):
        if self.away:
            raise JournalError(self.away)


def shared(name):
    return SharedShard(name=name, table=name, provider="p", region=name, part=WHOLE, journal=name)


class Stage:
    """A keeper with all that it sees."""

    def __init__(self, *names):
        self.book, self.clock, self.notices, self.views, self.begun = Book(*names), Quick(), [], [], []
        self.refused, self.looped = None, True
        reporter = Reporter(self.clock, self.notices.append)
        self.keeper = Keeper(
            self.book, self.start, clock=self.clock, reporter=reporter, grace=GRACE, on_turn=self.views.append
        )

    def start(self, shard):
        if self.refused:
            raise self.refused
        self.begun.append(Process(shard))
        self.begun[-1].looped = self.looped
        return self.begun[-1]

    def after(self, seconds=0.0):
        """A turn so long after the last one."""
        self.clock.advance(seconds=seconds)
        self.keeper.turn()
        return self

    def process(self, name):
        return self.keeper.processes[name]

    def lease(self, name, *, process=None, busy=False, remaining=10.0, holder=""):
        """Have the shard's lease held, by its process unless said otherwise."""
        holder = holder or process_name((process or self.process(name)).number)
        self.book.leases[name] = LeaseSeen(epoch=1, holder=holder, taken=NOW, remaining=remaining, busy=busy)

    def said(self, kind=None):
        return [notice.text for notice in self.notices if kind in {None, notice.kind}]


@pytest.fixture
def stage():
    return Stage("a", "b", "c", "d")


@pytest.fixture
def watching(stage):
    """One that holds all four shards."""
    stage.after()
    for name in "abcd":
        stage.lease(name)
    return stage.after(1)


class TestTheShare:
    def test_each_shard_has_a_process(self, watching):
        assert sorted(process.shard for process in watching.begun) == ["a", "b", "c", "d"]
        view = watching.views[-1]
        assert sorted(view.wanted) == sorted(view.held) == ["a", "b", "c", "d"]
        assert (view.watchers, view.error) == (1, "")

    def test_what_is_not_held_is_not_said_to_be(self, stage):
        stage.after()
        stage.lease("a")
        stage.lease("b", holder="elsewhere, process 1")
        stage.lease("c", remaining=-1.0)
        view = stage.after(1).views[-1]
        assert (view.held, view.unwatched) == (("a",), ("c", "d"))

    def test_what_no_living_watcher_is_to_have_is_watched_by_nobody(self, stage):
        """No watcher that lives knows it, so it would be missing in the figures of all."""
        stage.book.given.update(orphan="", held="")
        stage.lease("held", holder="elsewhere, process 1")
        stage.after()
        for name in "abcd":
            stage.lease(name)
        assert stage.after(1).views[-1].unwatched == ("orphan",)

    def test_what_no_living_watcher_knows_is_said_once_with_what_to_do(self, stage):
        stage.after()
        stage.book.given.update(orphan="")
        stage.book.at = NOW + timedelta(seconds=SILENCE - 1)  # it may be one that joins just now
        assert not any("orphan" in text for text in stage.after(1).said(NoticeKind.PROBLEM))
        stage.book.at = NOW + timedelta(seconds=SILENCE)
        stage.after(1)
        (said,) = stage.after(1).said(NoticeKind.PROBLEM)
        todo = "start a watcher that has it, or take it out: stormcone shards forget orphan"
        assert said == f"no living watcher has [shards.orphan]; {todo}"

    def test_one_that_comes_has_half_and_those_processes_are_told_to_stop(self, watching):
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        stopped = [process for process in watching.begun if process.heard == ["stop"]]
        assert len(stopped) == 2
        for process in stopped:
            process.status = 0
        watching.after(1)
        assert len(watching.keeper.processes) == 2
        assert len(watching.begun) == 4

    def test_of_many_a_few_are_begun_at_once_and_the_next_when_these_are_at_work(self):
        stage = Stage(*(f"s-{number}" for number in range(20)))
        assert [len(stage.after(1).begun) for _ in range(4)] == [AT_ONCE, 2 * AT_ONCE, 20, 20]

    def test_what_does_not_come_up_holds_up_no_others_for_long(self):
        stage = Stage(*(f"s-{number}" for number in range(12)))
        stage.looped = False
        assert len(stage.after().begun) == AT_ONCE
        assert len(stage.after(BEGINS - 1).begun) == AT_ONCE
        assert len(stage.after(1).begun) == 12

    def test_when_the_other_goes_its_shards_are_begun_anew(self, watching):
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        for process in watching.begun:
            process.status = 0 if process.heard else None
        watching.after(1)
        del watching.book.watchers["other"]
        watching.after(1)
        assert sorted(watching.keeper.processes) == ["a", "b", "c", "d"]

    def test_one_that_was_told_to_stop_ends_first_where_its_shard_comes_back(self, watching):
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        del watching.book.watchers["other"]
        watching.after(1)
        assert len(watching.begun) == 4
        for process in watching.begun:
            process.status = 0 if process.heard else None
        watching.after(1)
        assert len(watching.begun) == 6

    def test_all_are_told_to_reload_once(self, watching):
        watching.keeper.reload()
        watching.after(1).after(1)
        assert [process.heard for process in watching.begun] == [["reload"]] * 4


class TestWorkUnderWay:
    def busy(self, watching):
        """All are busy when another comes; answers the processes of what is the other's then."""
        for name in "abcd":
            watching.lease(name, busy=True)
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        return [watching.process(name) for name, watcher in watching.book.given.items() if watcher == "other"]

    def test_is_let_end_before_the_shard_is_given_up(self, watching):
        lost = self.busy(watching)
        watching.after(60)
        assert [process.heard for process in lost] == [[], []]
        watching.lease(lost[0].shard)
        watching.after(1)
        assert [process.heard for process in lost] == [["stop"], []]

    def test_holds_a_shard_for_a_stated_time_and_no_longer(self, watching):
        lost = self.busy(watching)
        watching.after(HOLD - 1)
        assert [process.heard for process in lost] == [[], []]
        watching.after(1)
        assert [process.heard for process in lost] == [["stop"], ["stop"]]

    def test_that_hangs_is_ended_though_the_shard_is_anothers_by_now(self, watching):
        one, other = self.busy(watching)
        one.looped = other.looped = False
        watching.after(STUCK - 1.1)
        assert (one.heard, other.heard) == ([], [])
        watching.after(1.1)
        assert (one.heard, other.heard) == (["kill"], ["kill"])

    def test_keeps_its_shard_where_another_will_do(self, watching):
        watching.lease("a", busy=True)
        watching.lease("b", busy=True)
        watching.after(1)
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        assert {name for name, watcher in watching.book.given.items() if watcher == "me"} == {"a", "b"}

    def test_of_another_process_holds_nothing(self, watching):
        for name in "abcd":
            watching.lease(name, busy=True, holder="elsewhere, process 1")
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        assert sum(process.heard == ["stop"] for process in watching.begun) == 2

    def test_counts_anew_where_the_shard_came_back_meanwhile(self, watching):
        self.busy(watching)
        watching.after(HOLD - 1)
        del watching.book.watchers["other"]
        watching.after(1)
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        watching.after(HOLD - 1)
        assert not any(process.heard for process in watching.begun)


class TestAProcess:
    def test_that_ends_is_begun_again_after_longer_and_longer_pauses(self):
        stage = Stage("a")
        stage.after()
        for number, pause in enumerate((*PAUSES, PAUSES[-1])):
            stage.process("a").status = 66
            stage.after(0.5)
            assert f"a: its process has ended with status 66; it is begun again after {pause:g} s" in stage.said()[-1]
            stage.after(pause - 0.1)
            assert len(stage.begun) == number + 1
            stage.after(0.1)
            assert len(stage.begun) == number + 2
        assert stage.views[-1].restarts == len(PAUSES) + 1

    def test_that_had_gone_well_is_begun_again_soon(self):
        stage = Stage("a")
        for _ in range(3):
            stage.after(PAUSES[-1])
            stage.process("a").status = 1
            stage.after(0.1)
        stage.after(PAUSES[-1])
        stage.lease("a")
        stage.after(600)
        stage.process("a").status = -9
        stage.after(1)
        assert stage.said()[-1].endswith(f"by signal 9; it is begun again after {PAUSES[0]:g} s")

    def test_that_fails_troubles_no_other_shard(self, watching):
        watching.process("a").status = 70
        watching.after(1)
        assert sorted(watching.keeper.processes) == ["b", "c", "d"]
        assert not any(process.heard for process in watching.begun)

    def test_that_cannot_be_begun_is_told_of_and_tried_again(self, stage):
        stage.refused = BlockingIOError(11, "Resource temporarily unavailable")
        stage.after()
        assert len(stage.said(NoticeKind.PROBLEM)) == 4
        assert "no process can be begun (Resource temporarily unavailable)" in stage.said(NoticeKind.PROBLEM)[0]
        stage.refused = None
        stage.after(PAUSES[-1])
        assert len(stage.begun) == 4

    def test_that_does_not_stop_is_ended_by_force(self, watching):
        watching.book.watchers["other"] = set("abcd")
        watching.after(1)
        (one, other) = [process for process in watching.begun if process.heard]
        one.status = 0
        watching.after(GRACE + SLACK - 0.1)
        assert other.heard == ["stop"]
        watching.after(0.1)
        assert other.heard == ["stop", "kill"]
        assert one.heard == ["stop"]

    def test_that_turns_no_more_hangs_and_is_begun_anew(self, watching):
        hung = watching.process("a")
        hung.looped = False
        watching.after(STUCK - 1.1)
        assert hung.heard == []
        watching.after(1.1)
        assert hung.heard == ["kill"]
        watching.after(1).after(PAUSES[0])
        assert watching.process("a") is not hung
        assert not any(process.heard for process in watching.begun if process is not hung)

    def test_that_has_lost_its_lease_as_well_is_ended_sooner(self, watching):
        hung = watching.process("a")
        hung.looped = False
        watching.lease("a", remaining=-1.0)
        watching.after(1).after(SILENCE - 1)
        assert hung.heard == []
        watching.after(1)
        assert hung.heard == ["kill"]

    def test_that_has_lost_its_lease_and_turns_is_left_alone(self, watching):
        watching.lease("a", remaining=-1.0)
        for _ in range(5):
            watching.after(STUCK)
        assert watching.process("a").heard == []

    def test_that_turns_no_more_and_whose_lease_lapses_for_moments_is_given_its_minute(self, watching):
        hung = watching.process("a")
        hung.looped = False
        for _ in range(3):
            watching.lease("a", remaining=-1.0)
            watching.after(1)
            watching.lease("a")
            watching.after(SILENCE)
        assert hung.heard == []

    def test_that_has_never_turned_has_time_to_begin(self):
        stage = Stage("a")
        stage.looped = False
        stage.after()
        process = stage.process("a")
        stage.after(START - 1)
        assert process.heard == []
        stage.after(1)
        assert process.heard == ["kill"]


class TestTheDatabase:
    def test_away_leaves_every_process_alone(self, watching):
        watching.lease("a", remaining=-1.0)
        watching.after(1)
        watching.book.away = "the server is away"
        for _ in range(10):
            watching.after(STUCK)
        assert not any(process.heard for process in watching.begun)
        told = [text for text in watching.said() if "the shards that are watched here are watched on" in text]
        assert len(told) == 1
        assert watching.views[-1].error == "the server is away"

    def test_away_does_not_keep_a_process_from_being_begun_again(self, watching):
        watching.book.away = "the server is away"
        watching.process("a").status = 74
        watching.after(1).after(PAUSES[0])
        assert sorted(watching.keeper.processes) == ["a", "b", "c", "d"]

    def test_away_at_the_first_look_is_waited_for(self, stage):
        stage.book.away = "the server is away"
        assert stage.after().begun == []
        stage.book.away = ""
        assert len(stage.after(1).begun) == 4


class TestTheLoop:
    def test_goes_on_after_a_fault_that_nobody_has_foreseen_until_it_is_told_to_stop(self, stage):
        looks, ended = stage.book.look, []

        def look(having):
            ended.append(having)
            if len(ended) == 1:
                raise ZeroDivisionError("what is that")
            if len(ended) == 4:
                stage.keeper.stop()
            return looks(having)

        stage.book.look = look
        stage.start = lambda shard: setattr(process := Process(shard), "stop", process.kill) or process
        stage.keeper._start = stage.start
        stage.keeper.run()
        assert len(ended) == 4
        assert "the watcher has hit a fault of its own, and goes on: ZeroDivisionError" in " ".join(stage.said())
        assert "me" not in stage.book.watchers


class TestTheEnd:
    def test_gives_all_up_and_waits_for_the_processes(self, watching):
        for process in watching.begun:
            process.stop = lambda process=process: setattr(process, "status", 0)
        watching.keeper.end()
        assert "me" not in watching.book.watchers
        assert [process.status for process in watching.begun] == [0, 0, 0, 0]

    def test_ends_by_force_what_does_not_stop(self, watching):
        watching.keeper.end()
        assert all(process.heard == ["stop", "kill"] for process in watching.begun)

    def test_comes_also_without_the_database(self, watching):
        watching.book.away = "the server is away"
        watching.keeper.end()
        assert all("stop" in process.heard for process in watching.begun)
        assert "the others take these shards when their leases are over" in watching.said(NoticeKind.PROBLEM)[-1]
