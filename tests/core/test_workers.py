"""One attempt at a stage: whatever a handler does becomes an `Attempt`."""

import asyncio
import logging
import threading
from datetime import timedelta

import pytest

from stormcone.agent.workers import InlineExecutor, ThreadExecutor, attempt_stage
from stormcone.clock import ManualClock
from stormcone.errors import GiveUp, Retry, Veto
from stormcone.handlers import Handler, Stage
from stormcone.handlers.context import Context, control_of
from stormcone.handlers.control import RunControl, Word
from stormcone.model import Machine
from stormcone.rules.runs import Attempt, Verdict
from stormcone.text import LONGEST_SAID


@pytest.fixture
def context():
    log = logging.LoggerAdapter(logging.getLogger("test"), {})
    return Context(Machine(provider="test", id="1", name="web-0"), 1, log, RunControl(ManualClock()))


@pytest.fixture
def attempt(event, context):
    """Runs a function as the stage of a handler."""

    def attempt(function, stage=Stage.PREPARE):
        handler = Handler()
        setattr(handler, stage, function)
        return attempt_stage(handler, stage, event(), context)

    return attempt


def raising(error):
    def work(_event, _context):
        raise error

    async def coroutine(_event, _context):
        await asyncio.sleep(0)
        raise error

    return [work, coroutine]


OUTCOMES = [
    (Retry("not yet"), Attempt(Verdict.RETRY, "not yet", None)),
    (Retry(), Attempt(Verdict.RETRY, "asked to be tried again", None)),
    (Retry("x", after=5), Attempt(Verdict.RETRY, "x", timedelta(seconds=5))),
    (Retry(after=timedelta(minutes=1)), Attempt(Verdict.RETRY, "asked to be tried again", timedelta(minutes=1))),
    (GiveUp("never"), Attempt(Verdict.GAVE_UP, "never")),
    (GiveUp("two\nlines \udcff\x1b[31m"), Attempt(Verdict.GAVE_UP, "two lines   [31m")),
    (Veto("no"), Attempt(Verdict.VETOED, "no")),
    (ValueError("bad\nvalue"), Attempt(Verdict.ERROR, "ValueError: bad value")),
    (ZeroDivisionError(), Attempt(Verdict.ERROR, "ZeroDivisionError")),
    (SystemExit(3), Attempt(Verdict.ERROR, "SystemExit: 3")),
    (asyncio.CancelledError(), Attempt(Verdict.ERROR, "it was cancelled")),
    (TimeoutError(), Attempt(Verdict.ERROR, "TimeoutError")),
]


class TestAStage:
    def test_that_returns_has_succeeded(self, attempt):
        assert attempt(lambda _event, _context: None) == Attempt(Verdict.SUCCEEDED)

    def test_that_returns_something_has_succeeded_too(self, attempt):
        assert attempt(lambda _event, _context: False) == Attempt(Verdict.SUCCEEDED)

    def test_may_be_a_coroutine(self, attempt):
        done = []

        async def work(event, _context):
            await asyncio.sleep(0)
            done.append(event.id)

        assert attempt(work) == Attempt(Verdict.SUCCEEDED)
        assert done == ["E-1"]

    def test_may_return_any_awaitable(self, attempt):
        class Later:
            def __await__(self):
                yield from ()

        assert attempt(lambda _event, _context: Later()) == Attempt(Verdict.SUCCEEDED)

    @pytest.mark.parametrize(("error", "expected"), OUTCOMES, ids=lambda value: repr(value)[:30])
    def test_says_the_rest_by_raising(self, attempt, error, expected):
        assert [attempt(work) for work in raising(error)] == [expected, expected]

    @pytest.mark.parametrize("stage", [Stage.STARTED, Stage.RECOVER])
    def test_cannot_veto_once_there_is_nothing_to_approve(self, attempt, stage):
        assert attempt(raising(Veto("no"))[0], stage) == Attempt(Verdict.GAVE_UP, "no")

    @pytest.mark.parametrize("kind", [ValueError, Retry, GiveUp, Veto])
    def test_that_says_a_megabyte_is_cut_short(self, attempt, kind):
        note = attempt(raising(kind("x" * 1_000_000))[0]).note
        assert note.endswith(f"({1_000_000 - LONGEST_SAID} characters more)")
        assert len(note) < LONGEST_SAID + 100

    def test_that_does_not_fit_its_call_is_an_error_like_any(self, attempt):
        assert attempt(lambda: None).verdict is Verdict.ERROR


class TestAStageThatIsAskedToEnd:
    def test_is_cancelled_where_it_is_a_coroutine(self, attempt, context):
        cleaned = []

        async def work(_event, context):
            threading.Thread(target=control_of(context).cancel).start()
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(context.canceled)

        assert attempt(work) == Attempt(Verdict.CUT_OFF, "the event was called off: it was cancelled")
        assert cleaned == [True]

    def test_is_cancelled_where_it_was_asked_before_it_began(self, attempt, context):
        async def work(_event, _context):
            await asyncio.Event().wait()

        control_of(context).stop()
        assert attempt(work) == Attempt(Verdict.CUT_OFF, "its time was up: it was cancelled")

    def test_may_still_say_how_it_went(self, attempt, context):
        async def work(_event, _context):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise GiveUp("half done") from None

        control_of(context).stop()
        assert attempt(work) == Attempt(Verdict.GAVE_UP, "half done")

    def test_when_it_is_over_takes_no_harm(self, attempt, context, caplog):
        async def work(_event, _context): ...

        attempt(work)
        control_of(context).stop()
        control_of(context).tell(Word.KILL)
        assert caplog.records == []

    def test_is_told_where_it_is_a_function(self, attempt, context):
        def work(_event, context):
            control_of(context).cancel()
            assert context.canceled
            assert not context.wait(60)

        assert attempt(work) == Attempt(Verdict.CUT_OFF, "the event was called off")

    @pytest.mark.parametrize("tell", [RunControl.cancel, RunControl.stop, lambda control: control.tell(Word.STOPPING)])
    def test_has_finished_all_the_same_where_it_says_so(self, attempt, context, tell):
        def work(_event, context):
            tell(control_of(context))
            context.finished()

        assert attempt(work) == Attempt(Verdict.SUCCEEDED)

    def test_is_cut_off_by_the_agents_end_also_where_it_fails_or_asks_for_another_try(self, attempt, context):
        control_of(context).tell(Word.STOPPING)
        for error in (Retry("no time"), KeyError("x")):
            assert attempt(raising(error)[0]).verdict is Verdict.CUT_OFF

    @pytest.mark.parametrize(("error", "verdict"), [(GiveUp("no"), Verdict.GAVE_UP), (Veto("no"), Verdict.VETOED)])
    def test_is_believed_where_it_says_how_it_stands(self, attempt, context, error, verdict):
        control_of(context).tell(Word.STOPPING)
        assert attempt(raising(error)[0]).verdict is verdict

    def test_that_ended_before_it_was_told_has_succeeded(self, attempt, context):
        done = attempt(lambda _event, _context: None)
        control_of(context).tell(Word.STOPPING)
        assert done == Attempt(Verdict.SUCCEEDED)


class TestAnExecutor:
    def test_of_threads_does_not_wait(self):
        go, done = threading.Event(), threading.Event()

        def work():
            go.wait(10)
            done.set()

        ThreadExecutor().submit(work, "work")
        assert not done.is_set()
        go.set()
        assert done.wait(10)

    def test_of_threads_holds_up_no_exit(self):
        daemons = []
        done = threading.Event()

        def work():
            daemons.append((threading.current_thread().name, threading.current_thread().daemon))
            done.set()

        ThreadExecutor().submit(work, "stormcone-lb-prepare")
        assert done.wait(10)
        assert daemons == [("stormcone-lb-prepare", True)]

    def test_inline_does_the_work_before_it_returns(self):
        done = []
        InlineExecutor().submit(lambda: done.append(1), "work")
        assert done == [1]
