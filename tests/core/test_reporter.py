"""What is wrong is told once; what is wrong in another way at every look does not fill the disk."""

import logging
from datetime import UTC, datetime

import pytest

from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.reporter import SELDOM, SELDOMEST, Reporter
from stormcone.clock import ManualClock
from stormcone.errors import ProviderError
from stormcone.text import LONGEST_TRACE


@pytest.fixture
def clock():
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def told():
    return []


@pytest.fixture
def reporter(clock, told):
    return Reporter(clock, lambda notice: told.append(notice.text))


def test_the_same_trouble_is_told_once_until_it_is_over(reporter, told, clock):
    for _ in range(3):
        reporter.complain("disk", "full")
        clock.advance(seconds=SELDOM)
    assert reporter.complain("disk", "")
    assert not reporter.complain("disk", "")
    reporter.complain("disk", "full")
    assert told == ["full", "full"]


def test_one_that_differs_at_every_look_is_told_seldom_and_counted(reporter, told, clock):
    for second in range(int(SELDOM) * 2 + 1):
        reporter.complain("answer", f"odd {second}")
        clock.advance(seconds=1)
    assert told == ["odd 0", "odd 10 (9 more like it were not told)", "odd 20 (9 more like it were not told)"]


def test_one_that_comes_and_goes_is_told_seldom(reporter, told, clock):
    for _ in range(int(SELDOM) * 2):
        reporter.complain("answer", "odd")
        reporter.complain("answer", "")
        clock.advance(seconds=1)
    assert told == ["odd", "odd (9 more like it were not told)"]


def test_a_second_trouble_that_lasts_is_told_in_the_end(reporter, told, clock):
    reporter.complain("answer", "odd")
    for _ in range(int(SELDOM)):
        clock.advance(seconds=1)
        reporter.complain("answer", "even")
    assert told == ["odd", "even (9 more like it were not told)"]


def test_sources_do_not_silence_each_other(reporter, told):
    reporter.complain("answer", "odd")
    reporter.complain("disk", "full")
    assert told == ["odd", "full"]


def test_a_cloud_that_fails_in_another_way_at_each_poll_is_told_seldom(world):
    for number in range(int(SELDOM) * 3):
        world.cloud.poll_faults.append(ProviderError(f"request {number} failed"))
        world.step(seconds=1)
    unknown = world.told(NoticeKind.UNKNOWN)
    assert len(unknown) == 3
    assert unknown[1].endswith("request 10 failed (9 more like it were not told)")
    assert world.agent.status.error == "request 29 failed"
    world.step(seconds=1)
    assert len(world.told(NoticeKind.ANSWERED)) == 1


def test_an_answer_that_is_odd_in_another_way_at_each_poll_is_told_seldom(world):
    for number in range(int(SELDOM) * 3):
        world.cloud.problems = (f"entry {number} cannot be read",)
        world.step(seconds=1)
    assert len(world.told(NoticeKind.PROBLEM)) == 3


def test_the_trace_of_an_error_that_says_a_megabyte_is_cut_in_the_log(reporter, clock, caplog):
    error = ValueError("x" * 1_000_000)
    reporter.publish(Notice(clock.now(), NoticeKind.RUN_FAILED, "it failed", error=error))
    (record,) = caplog.records
    assert len(logging.Formatter().format(record)) < LONGEST_TRACE + 1000
    assert "... (cut) ..." in record.exc_text


DAY = 86400


class TestADayOfIt:
    """What an outage of a day costs in lines, whatever it looks like."""

    def test_an_outage_with_one_error_is_told_once(self, reporter, told, clock):
        for _ in range(DAY):
            reporter.complain("cloud", "no route to host")
            clock.advance(seconds=1)
        assert told == ["no route to host"]

    @pytest.mark.parametrize("calm", [0, 1, 20], ids=["that never ends", "that comes and goes", "that is often over"])
    def test_an_outage_with_another_error_each_time_is_told_more_and_more_seldom(self, reporter, told, clock, calm):
        for second in range(0, DAY, 1 + calm):
            reporter.complain("cloud", f"request {second} failed")
            clock.advance(seconds=1)
            for _ in range(calm):
                reporter.complain("cloud", "")
                clock.advance(seconds=1)
        assert 100 < len(told) < DAY / SELDOMEST + 50

    def test_one_that_is_new_is_told_at_once(self, reporter, told, clock):
        for second in range(3600):
            reporter.complain("cloud", f"request {second} failed")
            clock.advance(seconds=1)
        reporter.complain("cloud", "")
        clock.advance(seconds=SELDOMEST)
        reporter.complain("cloud", "no route to host")
        assert told[-1].startswith("no route to host")

    def test_an_agent_says_few_lines_of_it(self, world):
        for number in range(DAY // 10):  # the pace of polls that fail
            world.cloud.poll_faults.append(ProviderError(f"request {number} failed"))
            world.step(seconds=10)
        assert len(world.notices) < DAY / SELDOMEST + 50
        world.step(seconds=10)
        assert world.told(NoticeKind.ANSWERED) == ["test answers again"]
