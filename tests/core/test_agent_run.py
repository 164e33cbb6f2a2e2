"""`Agent.run`: polling, handlers and the loop in threads of their own, on a clock that the test moves."""

import asyncio
import threading
from datetime import timedelta

import pytest

from stormcone.agent.loop import Agent
from stormcone.agent.notices import NoticeKind
from stormcone.agent.workers import InlineExecutor
from stormcone.errors import ProviderError
from stormcone.handlers import Stage
from stormcone.journal import Journal

ROUND = (Stage.PREPARE, Stage.RECOVER)


def blocking(gate, arrived=None):
    def work(_event, _context):
        if arrived is not None:
            arrived.set()
        gate.wait(20)

    return work


class TestARun:
    def test_carries_an_event_through(self, world, running):
        world.handler("lb")
        world.handler("db")
        world.cloud.announce()
        agent = running()
        agent.until(lambda: world.cloud.approvals == ["E-1"])
        world.cloud.start()
        agent.until_called("lb.started", "db.started")
        world.cloud.forget()
        agent.until_called("db.recover", "lb.recover")
        agent.until(lambda: "lb.recover done" in world.told(NoticeKind.RUN_ENDED))
        agent.stop()
        assert set(world.states().values()) == {"succeeded"}
        (life,) = world.journal.lives()
        assert life.ended is not None

    def test_can_be_read_meanwhile(self, world, running):
        world.handler("lb", ROUND)
        world.cloud.announce()
        agent = running()
        agent.until(lambda: world.cloud.approvals == ["E-1"])
        with Journal.read(world.path) as reader:
            agent.until(lambda: bool(reader.approvals(1)) and reader.approvals(1)[0].accepted is True)

    def test_goes_on_whatever_the_provider_raises(self, world, running):
        world.cloud.poll_faults.extend([KeyError("x"), ProviderError("503"), ZeroDivisionError()])
        world.handler("lb", ROUND)
        world.cloud.announce()
        running().until_called("lb.prepare")

    def test_polls_when_it_is_told_that_there_may_be_news(self, world, running):
        agent = running()
        agent.until(lambda: world.cloud.polls == 1, step=0)
        agent.until(lambda: agent.agent.poll_soon() or world.cloud.polls > 3, step=0)

    def test_cancels_a_coroutine_whose_event_is_called_off(self, world, running):
        arrived, ends = threading.Event(), []

        async def work(_event, context):
            arrived.set()
            try:
                await asyncio.sleep(60)
            finally:
                ends.append(context.canceled)

        world.handler("lb", ROUND).script.append(work)
        world.cloud.announce()
        agent = running()
        assert arrived.wait(10)
        world.cloud.forget()
        agent.until_called("lb.prepare", "lb.recover")
        assert ends == [True]

    def test_cancels_a_coroutine_whose_timeout_has_passed(self, world, running):
        async def work(_event, _context):
            await asyncio.sleep(60)

        world.handler("lb", ROUND, timeout=timedelta(seconds=30)).script.append(work)
        world.cloud.announce()
        agent = running()
        agent.until(lambda: world.told(NoticeKind.RUN_FAILED) == ["lb.prepare failed: it overran its deadline"])

    def test_wakes_a_handler_that_waits_on_its_clock(self, world, running):
        answers = []
        world.handler("lb", ROUND).script.append(lambda _event, context: answers.append(context.wait(600)))
        world.cloud.announce()
        agent = running()
        agent.until_called("lb.prepare")
        world.cloud.forget()
        agent.until_called("lb.prepare", "lb.recover")
        assert answers == [False]

    def test_says_once_that_a_stage_was_cut_off_whose_event_was_called_off(self, world, running):
        """That it is not tried again goes without saying."""
        world.handler("lb", ROUND).script.append(lambda _event, context: context.wait(600))
        world.cloud.announce()
        agent = running()
        agent.until_called("lb.prepare")
        world.cloud.forget()
        agent.until_called("lb.prepare", "lb.recover")
        assert world.told(NoticeKind.RUN_CUT_OFF) == ["lb.prepare was cut off: the event was called off"]
        assert world.states()["lb.prepare"] == "dropped"


class TestAHandlerThatBlocksForEver:
    @pytest.fixture
    def stuck(self, world, gate, running):
        """The first handler of the first event blocks."""
        arrived = threading.Event()
        world.handler("lb", ROUND).script.append(blocking(gate, arrived))
        world.cloud.announce()
        agent = running()
        assert arrived.wait(10)
        return agent

    def test_does_not_stop_the_polling(self, world, stuck):
        before = world.cloud.polls
        stuck.until(lambda: world.cloud.polls > before + 3)

    def test_does_not_hold_up_other_events(self, world, stuck):
        world.cloud.announce(id="E-2")
        stuck.until(lambda: world.cloud.approvals == ["E-2"])

    def test_does_not_hold_up_the_end(self, world, stuck):
        begun = world.clock.monotonic()
        stuck.stop()
        assert world.clock.monotonic() - begun >= 10
        assert world.states() == {"lb.prepare": "running"}
        assert world.told(NoticeKind.STOPPING) == ["stopping; waiting up to 10 s for 1 run(s)"]

    def test_is_given_up_when_its_time_is_over(self, world, stuck):
        stuck.until(
            lambda: "lb.prepare failed: it did not end when its time was up" in world.told(NoticeKind.RUN_FAILED), 20
        )

    def test_is_repeated_in_the_next_life(self, world, stuck, gate):
        stuck.stop()
        gate.set()
        world.die()
        world.executor = InlineExecutor()
        world.cloud.announce(not_before=world.clock.now() + timedelta(minutes=15))
        world.step()
        assert world.calls == ["lb.prepare", "lb.prepare#2"]


class TestStopping:
    def test_before_the_run_ends_it_at_once(self, world):
        world.agent.stop()
        world.agent.run()
        assert world.calls == []

    def test_with_nothing_to_do_takes_no_time(self, world, running):
        agent = running()
        agent.until(lambda: world.agent.machine is not None)
        begun = world.clock.monotonic()
        agent.agent.stop()
        agent.thread.join(10)
        assert not agent.thread.is_alive()
        assert world.clock.monotonic() == begun

    def test_is_told_to_handlers_who_may_finish(self, world, running):
        told = []

        def work(_event, context):
            told.append((context.wait(600), context.stopping, context.canceled))

        world.handler("lb", ROUND).script.append(work)
        world.handler("db", ROUND)
        world.cloud.announce()
        agent = running()
        agent.until_called("lb.prepare")
        agent.agent.stop()
        agent.thread.join(10)
        assert not agent.thread.is_alive()
        assert told == [(False, True, False)]
        assert world.states() == {"lb.prepare": "pending", "db.prepare": "pending"}
        assert world.told(NoticeKind.RUN_CUT_OFF) == [
            "lb.prepare was cut off: the agent stops, and its next life runs it again"
        ]
        assert world.cloud.approvals == []

    def test_does_not_release_a_machine_whose_prepare_it_cut_off(self, world, running):
        """A `systemctl restart` in mid-drain: the next life drains to the end before it approves."""

        def drains(_event, context):
            if not context.wait(600):
                return
            raise AssertionError("nobody told it to end")

        world.handler("lb", ROUND).script.append(drains)
        world.cloud.announce()
        agent = running()
        agent.until_called("lb.prepare")
        agent.agent.stop()
        agent.thread.join(10)
        world.begin_anew()
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]
        assert world.cloud.approvals == ["E-1"]

    def test_takes_the_word_of_a_stage_that_has_finished_all_the_same(self, world, running):
        def drains(_event, context):
            context.wait(600)
            context.finished()

        world.handler("lb", ROUND).script.append(drains)
        world.cloud.announce()
        agent = running()
        agent.until_called("lb.prepare")
        agent.agent.stop()
        agent.thread.join(10)
        assert world.states() == {"lb.prepare": "succeeded"}

    def test_asks_a_coroutine_to_end_when_the_grace_is_over(self, world, running):
        arrived, ended, ends = threading.Event(), threading.Event(), []

        async def work(_event, context):
            arrived.set()
            try:
                await asyncio.sleep(60)
            finally:
                ends.append((context.stopping, context.canceled))
                ended.set()

        world.handler("lb", ROUND).script.append(work)
        world.cloud.announce()
        agent = running()
        assert arrived.wait(10)
        agent.end()
        assert ended.wait(10)
        assert ends == [(True, False)]
        assert world.states() == {"lb.prepare": "running"}

    def test_takes_in_the_answer_to_an_approval_that_is_on_its_way(self, world, running, gate):
        arrived = threading.Event()

        def approve(_event):
            arrived.set()
            gate.wait(20)

        world.cloud.approve = approve
        world.handler("lb", ROUND)
        world.cloud.announce()
        agent = running()
        assert arrived.wait(10)
        agent.agent.stop()
        gate.set()
        agent.thread.join(10)
        assert not agent.thread.is_alive()
        assert [approval.accepted for approval in world.journal.approvals(1)] == [True]

    def test_does_not_wait_for_a_poll_that_hangs(self, world, gate):
        arrived = threading.Event()

        def poll():
            arrived.set()
            gate.wait(20)
            raise ProviderError("late")

        world.cloud.poll = poll
        agent = Agent(world.cloud, world.app, world.journal, clock=world.clock, boot_id="boot-1")
        thread = threading.Thread(target=agent.run)
        thread.start()
        assert arrived.wait(10)
        agent.stop()
        thread.join(10)
        assert not thread.is_alive()
