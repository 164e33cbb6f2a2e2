"""Time as a parameter: a clock that stands still, and the machine's own at any pace."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from stormcone.clock import ManualClock, SystemClock

START = datetime(2026, 1, 1, tzinfo=UTC)


class TestAManualClock:
    def test_stands_still_until_it_is_advanced(self):
        clock = ManualClock()
        assert (clock.now(), clock.monotonic()) == (START, 0)
        clock.advance(timedelta(hours=1), minutes=1, seconds=1)
        assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=3661), 3661)

    def test_begins_where_it_is_told_in_utc(self):
        east = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
        assert ManualClock(east).now() == START
        assert ManualClock(east).now().tzinfo is UTC
        with pytest.raises(ValueError, match="aware"):
            ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused

    def test_goes_back_on_the_wall_alone(self):
        clock = ManualClock()
        with pytest.raises(ValueError, match="cannot go back"):
            clock.advance(-1)
        clock.jump(timedelta(hours=-1))
        assert (clock.now(), clock.monotonic()) == (START - timedelta(hours=1), 0)

    @pytest.mark.parametrize("steps", [[10], [4, 6], [60]])
    def test_ends_a_sleep_when_its_time_has_passed(self, steps):
        clock = ManualClock()
        thread = threading.Thread(target=clock.sleep, args=(10,))
        thread.start()
        while not clock._waiters:
            pass
        for step in steps:
            assert thread.is_alive()
            clock.advance(seconds=step)
        thread.join(10)
        assert not thread.is_alive()

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_does_not_wait_for_no_time(self, seconds):
        clock = ManualClock()
        clock.sleep(seconds)
        clock.wait(threading.Event(), seconds)

    def test_does_not_wait_for_what_has_happened(self):
        wake = threading.Event()
        wake.set()
        ManualClock().wait(wake, None)

    def test_tells_who_has_subscribed_of_every_move(self):
        clock, moves = ManualClock(), []
        unsubscribe = clock.subscribe(lambda: moves.append(clock.now()))
        clock.advance(1)
        clock.jump(timedelta(seconds=1))
        unsubscribe()
        unsubscribe()
        clock.advance(1)
        assert moves == [START + timedelta(seconds=1), START + timedelta(seconds=2)]


class TestTheSystemsClock:
    def test_follows_the_machine_unless_it_was_made_another(self):
        before = datetime.now(UTC)
        assert before <= SystemClock().now() <= datetime.now(UTC)

    def test_begins_where_it_is_told_and_can_be_stepped(self):
        clock = SystemClock(start=START)
        assert START <= clock.now() < START + timedelta(hours=1)
        clock.advance(3600)
        assert clock.now() >= START + timedelta(hours=1)
        assert clock.monotonic() >= 3600

    def test_changes_its_pace_without_a_step(self):
        clock = SystemClock(start=START)
        clock.speed = 1e-9
        slow = clock.monotonic()
        assert clock.monotonic() - slow < 1e-3
        assert clock.speed == 1e-9

    @pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
    def test_has_a_pace_above_zero(self, speed):
        with pytest.raises(ValueError, match="above 0"):
            SystemClock(speed=speed)

    def test_does_not_go_back(self):
        with pytest.raises(ValueError, match="cannot go back"):
            SystemClock().advance(-1)

    def test_waits_at_its_own_pace(self):
        clock = SystemClock(speed=1e6)
        clock.sleep(3600)
        clock.wait(threading.Event(), 3600)
        assert clock.monotonic() >= 7200
