"""What a stage is told while it works."""

import logging
import threading
from datetime import timedelta

import pytest

from stormcone.clock import ManualClock
from stormcone.handlers.context import Context, control_of
from stormcone.handlers.control import RunControl, Word
from stormcone.model import Machine


@pytest.fixture
def control():
    return RunControl(ManualClock())


@pytest.fixture
def context(control):
    log = logging.LoggerAdapter(logging.getLogger("test"), {})
    return Context(Machine(provider="test", id="1", name="web-0"), 1, log, control)


def waiting(context, seconds):
    """`context.wait` in a thread that is known to have come to its clock; joins to its answer."""
    answers = []
    arrived = threading.Event()

    class Watched(ManualClock):
        def wait(self, wake, left):
            arrived.set()
            super().wait(wake, left)

    control_of(context).clock = Watched()
    thread = threading.Thread(target=lambda: answers.append(context.wait(seconds)))
    thread.start()
    assert arrived.wait(10)

    def join():
        thread.join(10)
        return answers

    return join


class TestTheTimeThatIsLeft:
    def test_is_not_known_without_a_deadline(self, context):
        assert (context.deadline, context.remaining()) == (None, None)

    def test_shrinks_with_the_clock_and_stops_at_zero(self, control, context):
        control.deadline = control.clock.now() + timedelta(minutes=1)
        control.clock.advance(seconds=20)
        assert context.remaining() == timedelta(seconds=40)
        control.clock.advance(seconds=60)
        assert context.remaining() == timedelta(0)

    def test_follows_a_deadline_that_is_moved(self, control, context):
        control.deadline = control.clock.now() + timedelta(minutes=1)
        control.deadline += timedelta(hours=1)
        assert context.remaining() == timedelta(hours=1, minutes=1)

    def test_follows_a_wall_clock_that_is_set(self, control, context):
        control.deadline = control.clock.now() + timedelta(minutes=1)
        control.clock.jump(timedelta(minutes=-1))
        assert context.remaining() == timedelta(minutes=2)


WORDS = [RunControl.cancel, RunControl.stop, lambda control: control.tell(Word.STOPPING)]


class TestWaiting:
    def test_ends_when_the_time_is_over(self, context):
        join = waiting(context, 30)
        control_of(context).clock.advance(seconds=30)
        while control_of(context).clock._waiters:  # the thread may have come to the clock a moment after the step
            control_of(context).clock.advance(seconds=30)
        assert join() == [True]

    @pytest.mark.parametrize("tell", WORDS)
    def test_ends_early_at_any_word(self, context, tell):
        join = waiting(context, 30)
        tell(control_of(context))
        assert join() == [False]

    @pytest.mark.parametrize("tell", WORDS)
    def test_does_not_begin_after_one(self, context, tell):
        tell(control_of(context))
        assert context.wait(30) is False

    def test_of_no_time_is_over_at_once(self, context):
        assert context.wait(0) is True


class TestAWord:
    def test_of_cancelling_is_also_one_to_stop(self, control, context):
        control.cancel()
        assert (context.canceled, context.stopping, control.stopped) == (True, False, True)

    def test_that_the_agent_ends_lets_the_attempt_finish(self, control, context):
        control.tell(Word.STOPPING)
        assert (context.canceled, context.stopping, control.stopped) == (False, True, False)

    @pytest.mark.parametrize("word", Word)
    def test_is_brought_once_and_to_late_comers_at_once(self, control, word):
        brought = []
        control.on(word, lambda: brought.append("early"))
        assert brought == []
        control.tell(word)
        control.tell(word)
        assert brought == ["early"]
        control.on(word, lambda: brought.append("late"))
        assert brought == ["early", "late"]

    def test_reaches_the_others_where_one_callback_fails(self, control, caplog):
        brought = []
        control.on(Word.STOP, lambda: 1 / 0)
        control.on(Word.STOP, lambda: brought.append("second"))
        control.stop()
        assert brought == ["second"]
        assert "a callback of a run that is to end failed" in caplog.text
