"""Nothing that user code does ends or blocks the agent, or leaves a run running."""

import logging
import threading
from datetime import timedelta

import pytest

from stormcone import Handler, NoticeKind, Retry, Veto
from stormcone.handlers import Stage, bounded
from stormcone.handlers.bounded import NoAnswer, answer_of

PREPARES = [Stage.PREPARE]


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(bounded, "PATIENCE", 0.05)


@pytest.fixture
def gate():
    """What user code hangs on, until the test is over."""
    gate = threading.Event()
    yield gate
    gate.set()


class TestAStage:
    @pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseException("all"), Unspeakable()])
    def test_may_raise_anything(self, world, error):
        world.handler("lb", PREPARES, retries=0).script.append(error)
        world.cloud.announce()
        world.step()
        assert world.states() == {"lb.prepare": "failed"}
        assert world.cloud.approvals == []

    def test_may_raise_what_cannot_be_told(self, world):
        world.handler("lb", PREPARES, retries=0).script.append(Unspeakable())
        world.cloud.announce()
        world.step()
        (told,) = world.told(NoticeKind.RUN_FAILED)
        assert "Unspeakable: (its text cannot be had: RuntimeError)" in told

    def test_may_say_a_word_that_cannot_be_told(self, world):
        class Mute(Veto):
            __str__ = Unspeakable.__str__

        world.handler("lb", PREPARES).script.append(Mute("x"))
        world.cloud.announce()
        world.step()
        assert world.states() == {"lb.prepare": "vetoed"}

    def test_may_spoil_its_own_retry(self, world):
        retry = Retry()
        retry.after = "30"
        world.handler("lb", PREPARES).script.append(retry)
        world.cloud.announce()
        world.step()
        world.step(seconds=2)
        assert world.states() == {"lb.prepare": "succeeded"}

    def test_may_return_a_generator_of_which_nothing_has_run(self, world):
        world.handler("lb", PREPARES).script.append(lambda _event, _context: (each for each in ()))
        world.cloud.announce()
        world.step()
        assert world.states() == {"lb.prepare": "failed"}
        assert world.cloud.approvals == []

    def test_may_log_what_cannot_be_written(self, world, caplog):
        def work(_event, context):
            context.log.info("%d", "three")
            context.log.info("until %s", context.deadline)

        world.handler("lb", PREPARES, timeout=timedelta(minutes=1)).script.append(work)
        world.cloud.announce()
        with caplog.at_level(logging.INFO, logger="stormcone"):
            world.step()
        assert world.states() == {"lb.prepare": "succeeded"}
        assert "until 2026-01-01 00:01:00Z" in caplog.text
        assert "a log line was lost: TypeError" in caplog.text


class TestAPredicate:
    @pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), Unspeakable()])
    def test_that_raises_counts_as_yes(self, world, error):
        def when(_event):
            raise error

        world.handler("lb", PREPARES, when=when)
        world.cloud.announce()
        world.step()
        assert world.calls == ["lb.prepare"]

    def test_that_hangs_counts_as_yes_and_is_not_asked_again_meanwhile(self, world, impatient, gate):
        asked = []

        def when(event):
            asked.append(event.id)
            gate.wait(10)

        world.handler("lb", PREPARES, when=when)
        world.cloud.announce(id="E-1")
        world.cloud.announce(id="E-2")
        world.step()
        assert sorted(world.cloud.approvals) == ["E-1", "E-2"]
        assert asked == ["E-1"]


class TestAPolicy:
    @pytest.mark.parametrize("error", [SystemExit(1), Unspeakable(), KeyError("x")])
    def test_that_raises_says_no(self, world, error):
        def policy(_event, _prepared):
            raise error

        world.app = world.app.but(approve=policy)
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        assert world.cloud.approvals == []
        assert "the app's own policy failed" in world.episode().decision

    def test_that_hangs_says_no_until_it_comes_back(self, world, impatient, gate):
        world.app = world.app.but(approve=lambda _event, _prepared: gate.wait(10))
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        assert world.cloud.approvals == []
        assert "NoAnswer: no answer within 0.05 s" in world.episode().decision
        gate.set()
        while threading.active_count() > 1 and not world.cloud.approvals:
            world.step(seconds=1)
        assert world.cloud.approvals == ["E-1"]

    def test_that_answers_later_says_no(self, world):
        async def later():
            return True

        world.app = world.app.but(approve=lambda _event, _prepared: later())
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        assert world.cloud.approvals == []


class TestAListener:
    def test_that_hangs_holds_up_nothing_and_what_it_misses_is_counted(self, world, impatient, gate):
        heard = []

        def listener(notice):
            heard.append(notice.text)
            gate.wait(10)

        world.handler("lb", PREPARES)
        world.agent._reporter._listener = listener
        world.cloud.announce()
        world.step()
        assert world.cloud.approvals == ["E-1"]
        assert len(heard) == 1
        gate.set()
        while not any("could not be told in time" in text for text in heard):
            world.agent._reporter.tell(NoticeKind.PROBLEM, "again")

    def test_that_ends_in_anything_ends_nothing(self, world):
        def listener(_notice):
            raise SystemExit

        world.handler("lb", PREPARES)
        world.agent._reporter._listener = listener
        world.cloud.announce()
        world.step()
        assert world.cloud.approvals == ["E-1"]


class TestTheLoop:
    def test_goes_on_after_a_fault_of_its_own(self, world, running, monkeypatch):
        world.handler("lb", PREPARES)
        agent = running()
        agent.until(lambda: world.agent.machine is not None)
        usual = type(world.agent._engine).observe
        faults = [ZeroDivisionError("a bug")]

        def observe(*arguments, **named):
            if faults:
                raise faults.pop()
            return usual(*arguments, **named)

        monkeypatch.setattr(type(world.agent._engine), "observe", observe)
        world.cloud.announce()
        agent.until(lambda: world.cloud.approvals == ["E-1"])
        told = world.told(NoticeKind.PROBLEM)
        assert any("the agent has hit a fault of its own, and goes on" in text for text in told)


class TestAnswerOf:
    def test_is_what_it_says_or_raises(self):
        assert answer_of(lambda a, b: a + b, 1, 2) == 3
        with pytest.raises(KeyError):
            answer_of({}.__getitem__, "x")

    def test_of_what_is_ended_by_something_else_is_none(self):
        def ends():
            raise SystemExit(3)

        with pytest.raises(NoAnswer, match="SystemExit: 3"):
            answer_of(ends)

    def test_asks_each_of_several_side_by_side(self, impatient, gate):
        with pytest.raises(NoAnswer, match="no answer within"):
            answer_of(gate.wait, 10)
        assert answer_of(lambda: "free") == "free"
        with pytest.raises(NoAnswer, match="no answer within"):
            answer_of(gate.wait, 10)

    def test_leaves_no_thread_behind(self):
        class Quiet(Handler):
            def when(self, event):
                return True

        before = set(threading.enumerate())
        assert answer_of(Quiet().when, None)
        for thread in set(threading.enumerate()) - before:
            thread.join(5)
        assert set(threading.enumerate()) <= before
