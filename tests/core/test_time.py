"""In time, whatever the clocks do: deadlines are on the wall clock, intervals on the monotonic one."""

import asyncio
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.agent.steady import SteadyClock
from stormcone.clock import Instant, ManualClock
from stormcone.errors import ProviderError, Retry
from stormcone.handlers import App, Stage
from stormcone.handlers.commands import CommandHandler

PREPARES = (Stage.PREPARE,)
ROUND = (Stage.PREPARE, Stage.RECOVER)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def polls_each_second(world, agent, seconds=5):
    """With each second of the monotonic clock comes a poll."""
    for _ in range(seconds):
        polls = world.cloud.polls
        world.clock.advance(seconds=1)
        agent.until(lambda polls=polls: world.cloud.polls > polls, step=0)


class TestAHundredHandlersThatHang:
    HUNG = 100

    @pytest.fixture
    def hung(self, world, gate, running):
        """A hundred events, each with a handler that does not come back."""
        arrived = threading.Semaphore(0)

        def hang(_event, _context):
            arrived.release()
            gate.wait(30)

        handler = world.handler("lb", ROUND)
        handler.script.extend([hang] * self.HUNG)
        for number in range(self.HUNG):
            world.cloud.announce(id=f"E-{number}")
        agent = running()
        for _ in range(self.HUNG):
            assert arrived.acquire(timeout=20)
        return agent

    def test_leave_the_polling_to_the_second(self, world, hung):
        polls_each_second(world, hung)

    def test_leave_the_next_event_alone(self, world, hung):
        world.cloud.announce(id="another")
        hung.until(lambda: world.cloud.approvals == ["another"])

    def test_leave_the_end_within_its_grace(self, world, hung):
        begun = world.clock.monotonic()
        hung.stop()
        assert world.clock.monotonic() - begun >= 10
        assert set(world.states().values()) == {"running"}


class TestAHandlerThatOverruns:
    def test_is_recorded_and_its_event_not_approved_where_it_is_a_coroutine(self, world, running):
        cancelled = []

        async def work(_event, _context):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.append(world.clock.now())
                raise

        world.handler("lb", ROUND, timeout=2 * MINUTE).script.append(work)
        world.cloud.announce()
        agent = running()
        agent.until(lambda: world.told(NoticeKind.DECIDED))
        assert world.told(NoticeKind.DECIDED) == ["reboot of web-0 is not approved: lb did not prepare"]
        assert len(cancelled) == 1
        agent.stop()
        (attempt,) = world.journal.attempts(world.runs()["lb.prepare"].id)
        assert attempt.verdict == "overran"
        assert world.cloud.approvals == []

    def test_is_killed_with_all_that_it_started_where_it_is_a_command_that_does_not_listen(
        self, world, running, tmp_path
    ):
        told = tmp_path / "told"
        script = (
            "import os, pathlib, signal, subprocess, sys, time\n"
            f"told = pathlib.Path({str(told)!r})\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which the child inherits\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "signal.signal(signal.SIGTERM, lambda *_: told.with_suffix('.term').touch())\n"
            "told.with_suffix('.part').write_text(f'{os.getpid()} {child.pid}')\n"
            "told.with_suffix('.part').rename(told)\n"
            "while True: time.sleep(0.01)\n"
        )
        handler = CommandHandler({Stage.PREPARE: [sys.executable, "-c", script]})
        handler.timeout = 2 * MINUTE
        world.app.add(handler)
        world.cloud.announce()
        agent = running()
        agent.until(told.exists, step=0)
        processes = [int(word) for word in told.read_text().split()]
        world.clock.advance(minutes=2)
        agent.until(told.with_suffix(".term").exists, step=0)
        assert all(map(_runs, processes))
        agent.until(lambda: not any(map(_runs, processes)), step=1)
        agent.until(lambda: world.told(NoticeKind.DECIDED))
        agent.stop()
        assert world.states() == {"commands.prepare": "failed"}
        assert world.cloud.approvals == []


def _runs(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestTheTimeThatIsLeft:
    def test_is_that_to_the_moved_time_as_soon_as_the_move_is_seen(self, world, held):
        world.executor = held
        seen = []
        world.handler("lb", PREPARES).script.append(lambda _event, context: seen.append(context.remaining()))
        event = world.cloud.announce()
        world.step()
        (live,) = world.agent._stages.live.values()
        world.cloud.revise(not_before=event.not_before - 10 * MINUTE)
        world.step(seconds=1)
        held.release()
        assert seen == [5 * MINUTE - timedelta(seconds=1)]
        assert not live.control.stopped

    def test_is_none_left_where_the_time_was_moved_to_the_past(self, world, held):
        world.executor = held
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step(seconds=5)
        (live,) = world.agent._stages.live.values()
        world.cloud.revise(not_before=world.clock.now() - MINUTE)
        world.step(seconds=1)
        # The time had passed when the attempt began, as far as the cloud says now, so that there is no limit by it.
        assert live.control.deadline is None
        assert not live.control.stopped

    def test_is_limited_by_the_timeout_and_by_the_events_time_whichever_comes_first(self, world):
        seen = []
        for name, timeout in (("short", 2 * MINUTE), ("long", HOUR)):
            world.handler(name, PREPARES, timeout=timeout).script.append(
                lambda _event, context: seen.append(context.remaining())
            )
        world.cloud.announce()
        world.step()
        assert seen == [2 * MINUTE, 15 * MINUTE]


class TestARetry:
    @pytest.mark.parametrize(("after", "tried"), [(15 * 60 - 1, 2), (15 * 60, 1)])
    def test_is_made_before_the_events_time_or_not_at_all(self, world, after, tried):
        world.handler("lb", PREPARES).script.append(Retry("later", after=after))
        world.cloud.announce()
        world.step()
        world.step(seconds=after)
        world.step(seconds=1)
        assert len(world.calls) == tried

    def test_that_would_be_too_late_is_given_up_at_once_and_said(self, world):
        world.handler("lb", PREPARES).script.append(Retry("later", after=3600))
        world.cloud.announce()
        world.step()
        assert world.states() == {"lb.prepare": "failed"}
        assert world.told(NoticeKind.DECIDED) == ["reboot of web-0 is not approved: lb did not prepare"]


JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])


class TestAWallClockThatJumps:
    @JUMPS
    def test_moves_no_interval_between_polls(self, world, running, jump):
        agent = running()
        agent.until(lambda: world.cloud.polls >= 2)
        world.clock.jump(jump)
        polls_each_second(world, agent)

    @JUMPS
    def test_holds_up_no_retry(self, world, jump):
        world.handler("lb", PREPARES, lead=None).script.append(OSError("x"))
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.clock.jump(jump)
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]
        assert world.cloud.approvals == ["E-1"]

    def test_back_makes_no_hurry_of_retries(self, world):
        world.handler("lb", PREPARES, lead=None).script.extend([OSError("x")] * 9)
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.clock.jump(-HOUR)
        for _ in range(20):
            world.step(seconds=0.1)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]

    @JUMPS
    def test_holds_up_no_approval_that_is_tried_again(self, world, jump):
        world.handler("lb", PREPARES, lead=None)
        world.cloud.approve_faults.append(ProviderError("503"))
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.clock.jump(jump)
        world.step(seconds=1)
        assert world.cloud.approvals == ["E-1", "E-1"]

    @JUMPS
    def test_holds_up_no_recovery_that_is_tried_again(self, world, jump):
        world.handler("lb", ROUND, lead=None).script.extend([None, OSError("x")])
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.cloud.forget()
        world.step(seconds=1)
        world.clock.jump(jump)
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.recover", "lb.recover#2"]

    @JUMPS
    def test_neither_cuts_short_nor_draws_out_a_timeout(self, world, held, jump):
        """An hour back, and a prepare that hangs was never ended; two minutes on, and a short one had no time."""
        world.executor = held
        world.handler("lb", PREPARES, lead=None, timeout=MINUTE)
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        (live,) = world.agent._stages.live.values()
        world.clock.jump(jump)
        world.step(seconds=59)
        assert not live.control.stopped
        assert live.control.deadline == world.clock.now() + timedelta(seconds=1)
        world.step(seconds=1)
        assert live.control.stopped

    @JUMPS
    def test_makes_no_retry_come_early_or_late(self, world, jump):
        world.handler("lb", PREPARES, lead=None).script.append(Retry("later", after=30))
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.clock.jump(jump)
        world.step(seconds=29)
        assert world.calls == ["lb.prepare"]
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]

    @JUMPS
    def test_makes_no_retry_come_early_or_late_after_a_restart_either(self, world, jump):
        world.handler("lb", PREPARES, lead=None).script.append(Retry("later", after=30))
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.clock.jump(jump)
        world.die()
        world.step(seconds=29)
        assert world.calls == ["lb.prepare"]
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]

    @JUMPS
    def test_makes_no_standby_speak_early_or_never(self, world, jump):
        """Six minutes forward, and it spoke for its neighbour at once; an hour back, and it never did."""
        world.app = App(leader="db-0", standby="web-0", standby_after=5 * MINUTE)
        world.handler("lb", PREPARES, lead=None)
        world.cloud.announce(resources=("web-0", "db-0"), not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.clock.jump(jump)
        world.step(minutes=4)
        world.die()
        world.step(seconds=59)
        assert world.cloud.approvals == []
        world.step(seconds=1)
        assert world.cloud.approvals == ["E-1"]

    @JUMPS
    def test_moves_no_end_of_work_after_its_events_end(self, world, held, jump):
        world.executor = held
        world.handler("lb", (Stage.STARTED,))
        world.cloud.announce(not_before=None)
        world.cloud.start()
        world.step()
        world.cloud.forget()
        world.step(seconds=1)
        (live,) = world.agent._stages.live.values()
        world.clock.jump(jump)
        world.step(seconds=29)
        assert not live.control.stopped
        world.step(seconds=1)
        assert live.control.stopped

    @JUMPS
    def test_does_not_hide_that_the_event_has_begun(self, world, held, jump):
        world.executor = held
        world.handler("lb", PREPARES, lead=None)
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        (live,) = world.agent._stages.live.values()
        world.clock.jump(jump)
        world.cloud.start()
        world.step()
        assert live.control.stopped

    def test_forward_past_the_events_time_ends_the_work_on_it(self, world, held):
        world.executor = held
        world.handler("lb", PREPARES, lead=None)
        world.cloud.announce()
        world.step()
        (live,) = world.agent._stages.live.values()
        world.clock.jump(HOUR)
        world.step()
        assert live.control.stopped
        held.release()
        world.step()
        assert world.states() == {"lb.prepare": "failed"}
        assert world.cloud.approvals == []

    def test_back_leaves_the_work_the_time_that_it_has_now(self, world, held):
        world.executor = held
        world.handler("lb", PREPARES, lead=None)
        event = world.cloud.announce()
        world.step()
        (live,) = world.agent._stages.live.values()
        world.clock.jump(-HOUR)
        world.step(minutes=16)
        assert not live.control.stopped
        assert live.control.deadline == event.not_before

    @JUMPS
    def test_moves_the_lead_with_the_events_time(self, world, jump):
        world.handler("lb", PREPARES, lead=5 * MINUTE)
        event = world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        world.step()
        world.clock.jump(jump)
        world.step()
        assert world.calls == []
        world.clock.advance(event.not_before - 5 * MINUTE - world.clock.now())
        world.step()
        assert world.calls == ["lb.prepare"]

    @JUMPS
    def test_does_not_cut_short_or_draw_out_a_wait(self, world, running, jump):
        waited = []

        def work(_event, context):
            begun = world.clock.monotonic()
            waited.append((context.wait(60), world.clock.monotonic() - begun))

        world.handler("lb", PREPARES, lead=None).script.append(work)
        world.cloud.announce(not_before=world.clock.now() + 3 * HOUR)
        agent = running()
        agent.until_called("lb.prepare")
        world.clock.jump(jump)
        agent.until(lambda: waited, step=0.1)
        assert waited[0][0] is True
        assert 60 <= waited[0][1] < HOUR.total_seconds() / 2


def test_a_machine_that_was_suspended_learns_of_what_happened_at_its_next_poll(world):
    """The wall clock has gone on for hours, the monotonic one not at all."""
    world.handler("lb", ROUND, lead=None)
    world.cloud.announce()
    world.step()
    world.cloud.forget()
    world.clock.jump(5 * HOUR)
    world.step(seconds=1)
    assert world.calls == ["lb.prepare", "lb.recover"]
    assert world.episode().event.outcome == "completed"


class TestTheSteadyTimeOfTheNextLife:
    """What lasts goes on over a restart, by whichever of the clocks can be believed."""

    @pytest.fixture
    def clock(self):
        return ManualClock()

    def passed(self, clock, boot_id="boot-1", **between):
        """What the steady time says of one minute, with all that happens between the two lives."""
        last = SteadyClock(clock, "boot-1", None).record()
        clock.advance(minutes=1)
        clock.jump(between.get("jump", timedelta(0)))
        return SteadyClock(clock, boot_id, last).now().steady - last.instant.steady

    @JUMPS
    def test_is_the_monotonic_clocks_on_the_same_boot(self, clock, jump):
        assert self.passed(clock, jump=jump) == MINUTE

    @pytest.mark.parametrize("boot_id", ["boot-2", ""])
    def test_is_the_wall_clocks_where_the_machine_has_booted(self, clock, boot_id):
        assert self.passed(clock, boot_id, jump=HOUR) == HOUR + MINUTE

    def test_never_goes_back(self, clock):
        assert self.passed(clock, "boot-2", jump=-HOUR) == timedelta(0)

    def test_is_the_wall_clocks_where_the_monotonic_one_has_begun_anew(self, clock):
        last = SteadyClock(clock, "boot-1", None).record()
        later = replace(last, seconds=last.seconds + 1e6)
        clock.advance(minutes=1)
        assert SteadyClock(clock, "boot-1", later).now() == Instant.of(clock.now())

    def test_is_written_down_when_the_wall_clock_has_been_moved(self, clock):
        steady = SteadyClock(clock, "boot-1", None)
        clock.advance(minutes=1)
        assert not steady.stepped
        clock.jump(-HOUR)
        assert steady.stepped
        assert steady.record().instant == Instant(clock.now(), clock.now() + HOUR)
        assert not steady.stepped
