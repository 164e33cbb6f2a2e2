"""Sinks beside an agent: told of everything, in order, once; whatever they do holds up nothing."""

import sqlite3
from collections import deque
from contextlib import closing
from datetime import timedelta

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.agent.outbox import MOST_NAMES
from stormcone.errors import GiveUp, JournalError, ProviderError, RequestRefused, Retry, SinkError, SinkRefused, Veto
from stormcone.handlers import Stage
from stormcone.journal.contract import LONGEST_WAITING, MOST_WAITING
from stormcone.sinks.contract import LONGEST_PAUSE, NamedSink, pause_after
from stormcone.sinks.notification import PREFIX, TYPES
from stormcone.testing.threads import ObligingClock

SECRET = "s3cr3t-t0ken"


class Told:
    """A sink that keeps what it is told; what it is to raise, or do, is queued beforehand."""

    def __init__(self):
        self.notifications = []
        self.script = deque()

    def send(self, notification):
        step = self.script.popleft() if self.script else None
        if isinstance(step, BaseException):
            raise step
        if step:
            step()
        self.notifications.append(notification)

    def close(self):
        pass

    @property
    def kinds(self):
        return [notification.kind for notification in self.notifications]

    def only(self, kind):
        (found,) = [notification for notification in self.notifications if notification.kind == kind]
        return found


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def sunk(world, told):
    """A world whose agent tells one sink."""
    world.sinks = (NamedSink(name="ops", sink=told, secrets=(SECRET,)),)
    return world


def record(world, name="ops"):
    return {each.name: each for each in world.journal.outbox.sinks()}[name]


def whole_life(world):
    world.cloud.announce()
    world.step()
    world.cloud.start()
    world.step(minutes=15)
    world.cloud.forget()
    world.step(minutes=1)
    world.step(minutes=1)


class TestWhatIsTold:
    def test_every_step_of_an_event_and_of_its_handlers_is_a_message_of_its_own(self, sunk, told):
        sunk.handler("lb", lead=None)
        whole_life(sunk)
        assert told.kinds == [
            "maintenance.scheduled",
            "run.started",
            "run.succeeded",
            "approval.requested",
            "approval.accepted",
            "maintenance.started",
            "run.started",
            "run.succeeded",
            "maintenance.ended",
            "run.started",
            "run.succeeded",
        ]
        assert len({notification.id for notification in told.notifications}) == len(told.notifications)
        assert {notification.kind for notification in told.notifications} <= set(TYPES)
        assert record(sunk).waiting == 0
        assert record(sunk).sent == 11

    def test_it_is_told_when_work_begins_and_not_after_it(self, sunk, told, held):
        handler = sunk.handler("lb", [Stage.PREPARE], lead=None)
        handler.script.append(lambda *_: told.notifications.append("the work"))
        sunk.cloud.announce()
        sunk.executor = held
        sunk.step()
        assert len(held.held) == 2, "the handler's stage and the sink, side by side"
        sunk.executor.held.rotate(-1)
        held.release()
        assert told.kinds == ["maintenance.scheduled", "run.started"]
        held.release()
        assert told.notifications[-1] == "the work"

    def test_it_says_who_what_and_of_which_event(self, sunk, told):
        sunk.handler("lb", lead=None)
        sunk.cloud.announce(native={"secret": SECRET}, resources=("web-0", "web-1"))
        sunk.step()
        first, second = told.notifications[:2]
        assert (first.type, first.subject, first.correlation) == (f"{PREFIX}maintenance.scheduled", "web-0", "E-1")
        assert first.source == "/stormcone/test/vm-0"
        assert first.time == sunk.clock.now()
        assert first.data.resource == {
            "cloud.provider": "test",
            "host.id": "vm-0",
            "host.name": "web-0",
            "service.name": "stormcone",
        }
        assert first.data.event == sunk.episode().event.but(native={})
        assert "reboot of web-0, web-1 announced" in first.data.text
        run = second.data.run
        assert (run.handler, run.stage, run.attempt, run.begun, run.ended) == (
            "lb",
            "prepare",
            1,
            sunk.clock.now(),
            None,
        )

    def test_a_neighbours_event_is_told_as_one(self, sunk, told):
        sunk.cloud.announce(resources=("web-1",), approval="none")
        sunk.step()
        assert [each.data.affects_machine for each in told.notifications] == [False]

    @pytest.mark.parametrize(
        ("raised", "kind", "note"),
        [
            (ValueError("no"), "run.retrying", "ValueError: no"),
            (Retry("later"), "run.retrying", "later"),
            (GiveUp("cannot"), "run.failed", "cannot"),
            (Veto("busy"), "run.vetoed", "busy"),
        ],
    )
    def test_how_a_stage_came_out(self, sunk, told, raised, kind, note):
        sunk.handler("lb", [Stage.PREPARE], lead=None).script.append(raised)
        sunk.cloud.announce()
        sunk.step()
        notification = told.only(kind)
        assert notification.data.run.note == note
        assert notification.data.run.ended == sunk.clock.now()

    def test_why_an_event_is_not_approved(self, sunk, told):
        sunk.handler("lb", [Stage.PREPARE], lead=None).script.append(GiveUp("cannot"))
        sunk.cloud.announce()
        sunk.step()
        assert "lb" in told.only("approval.denied").data.approval.reason

    def test_what_cannot_be_approved_is_not_told_as_denied(self, sunk, told):
        sunk.cloud.announce(approval="none")
        sunk.step()
        assert told.kinds == ["maintenance.scheduled"]

    @pytest.mark.parametrize(
        ("error", "kind"), [(RequestRefused("no"), "approval.refused"), (ProviderError("gone"), "approval.failed")]
    )
    def test_how_an_approval_came_out(self, sunk, told, error, kind):
        sunk.handler("lb", [Stage.PREPARE], lead=None)
        sunk.cloud.approve_faults.append(error)
        sunk.cloud.announce()
        sunk.step()
        assert told.only(kind).data.approval.error == str(error)

    def test_what_will_not_begin_any_more(self, sunk, told):
        sunk.handler("lb", [Stage.PREPARE], lead=timedelta(minutes=1))
        sunk.cloud.announce()
        sunk.step()
        sunk.cloud.start()
        sunk.step(minutes=1)
        assert told.only("run.dropped").data.run.note == "the event has begun"

    def test_an_event_that_gets_another_id_is_still_the_same(self, sunk, told):
        sunk.cloud.announce(native_type="Reboot")
        sunk.step()
        started = sunk.cloud.listed.pop("E-1")
        sunk.cloud.listed["E-2"] = started.but(id="E-2", phase="started", not_before=None, approval="none")
        sunk.step(minutes=15)
        change = told.only("maintenance.started")
        assert (change.correlation, change.data.change.earlier_id) == ("E-2", "E-1")

    def test_a_large_event_is_told_in_a_message_that_is_not(self, sunk, told):
        names = tuple(f"vm-{number}" for number in range(5000))
        sunk.cloud.announce(
            resources=("web-0", *names), description="x" * 100_000, native={"all": "y" * 100_000}, approval="none"
        )
        sunk.step()
        (notification,) = told.notifications
        assert len(notification.data.event.resources) == MOST_NAMES
        assert len(notification.model_dump_json()) < 16_000

    def test_a_sink_may_want_only_some(self, sunk, told):
        sunk.sinks = (NamedSink(name="ops", sink=told, only=("maintenance.*", "run.failed")),)
        sunk.handler("lb", lead=None)
        whole_life(sunk)
        assert told.kinds == ["maintenance.scheduled", "maintenance.started", "maintenance.ended"]
        assert (record(sunk).waiting, record(sunk).sent) == (0, 3)

    def test_in_a_dry_run_nobody_is_told(self, sunk, told):
        sunk.dry_run = True
        sunk.handler("lb", lead=None)
        whole_life(sunk)
        assert told.notifications == []

    def test_without_sinks_nothing_is_kept_for_them(self, world):
        world.handler("lb", lead=None)
        whole_life(world)
        world.die()
        with closing(sqlite3.connect(world.path)) as book:
            assert book.execute("SELECT count(*) FROM notifications").fetchone() == (0,)


class TestASinkThatFails:
    def test_it_is_told_again_after_a_pause_in_order_with_the_same_ids(self, sunk, told):
        told.script.append(SinkError("it answers 500"))
        sunk.cloud.announce(approval="none")
        sunk.step()
        assert (told.kinds, record(sunk).waiting, record(sunk).error) == ([], 1, "it answers 500")
        sunk.cloud.revise(cause="hardware_failure")
        sunk.step(seconds=0.4)
        assert (told.kinds, record(sunk).waiting) == ([], 2)
        sunk.step(seconds=0.6)
        assert told.kinds == ["maintenance.scheduled", "maintenance.revised"]
        assert (record(sunk).waiting, record(sunk).attempt, record(sunk).error) == (0, 0, "")

    def test_handlers_and_approvals_do_not_wait_for_it(self, sunk, told):
        told.script.extend([SinkError("down")] * 1000)
        sunk.handler("lb", lead=None)
        whole_life(sunk)
        assert sunk.calls == ["lb.prepare", "lb.started", "lb.recover"]
        assert sunk.cloud.approvals == ["E-1"]
        assert record(sunk).waiting == 11

    def test_one_that_hangs_holds_up_neither_the_work_nor_another_sink(self, sunk, told, held):
        other = Told()
        sunk.sinks = (*sunk.sinks, NamedSink(name="log", sink=other))
        sunk.handler("lb", [Stage.PREPARE], lead=None)
        stuck = deque()

        class Hangs:
            def submit(self, work, name):
                if name == "stormcone-sink-ops":
                    stuck.append(work)
                else:
                    work()

        sunk.executor = Hangs()
        sunk.cloud.announce()
        sunk.step()
        sunk.step(minutes=6)
        assert sunk.cloud.approvals == ["E-1"]
        assert other.kinds[-1] == "approval.accepted"
        assert (len(stuck), told.kinds) == (1, [])
        assert "the sink ops does not return" in sunk.told(NoticeKind.PROBLEM)

    def test_a_day_away_costs_a_few_lines_and_nothing_is_lost(self, sunk, told):
        told.script.extend([SinkError("nobody listens at 127.0.0.1:9")] * 100_000)
        for number in range(24):
            sunk.cloud.announce(id=f"E-{number}", approval="none")
            sunk.step(hours=1)
        tried = 100_000 - len(told.script)
        told.script.clear()
        assert record(sunk).waiting == 24
        sunk.step(minutes=5)
        assert [each.correlation for each in told.notifications] == [f"E-{number}" for number in range(24)]
        assert tried == 24
        assert len([text for text in sunk.told(NoticeKind.PROBLEM) if "ops" in text]) == 1
        assert sunk.told(NoticeKind.ANSWERED) == ["the sink ops is told again"]

    def test_the_pause_outlives_the_agent(self, sunk, told):
        told.script.extend([SinkError("down", retry_after=120)])
        sunk.cloud.announce(approval="none")
        sunk.step()
        sunk.die()
        sunk.step(seconds=100)
        assert told.kinds == []
        sunk.step(seconds=21)
        assert told.kinds == ["maintenance.scheduled"]

    def test_what_it_refuses_is_dropped_counted_and_told(self, sunk, told):
        told.script.append(SinkRefused(f"400 for {SECRET}"))
        sunk.handler("lb", [Stage.PREPARE], lead=None)
        sunk.cloud.announce(approval="none")
        sunk.step()
        assert told.kinds[0] == "run.started"
        assert (record(sunk).refused, record(sunk).waiting) == (1, 0)
        (text,) = sunk.told(NoticeKind.PROBLEM)
        assert text == "the sink ops does not take 1 notification(s), which are dropped: 400 for ***"

    @pytest.mark.parametrize("error", [SystemExit(1), ZeroDivisionError("what"), BaseException(), RecursionError()])
    def test_whatever_it_raises_ends_nothing(self, sunk, told, error):
        told.script.append(error)
        sunk.cloud.announce(approval="none")
        sunk.step()
        sunk.step(seconds=1)
        assert told.kinds == ["maintenance.scheduled"]

    def test_its_secrets_are_in_no_error(self, sunk, told):
        told.script.append(OSError(f"cannot reach https://ops:{SECRET}@hook.example/{SECRET}"))
        sunk.cloud.announce(approval="none")
        sunk.step()
        assert record(sunk).error == "OSError: cannot reach https://ops:***@hook.example/***"
        assert not [text for notice in sunk.notices if SECRET in (text := notice.text)]

    def test_no_thread_for_it_is_a_failure_like_another(self, sunk, told):
        class NoThreads:
            def submit(self, work, name):
                raise RuntimeError("can't start new thread")

        sunk.executor = NoThreads()
        sunk.cloud.announce(approval="none")
        sunk.agent.step()
        assert "can't start new thread" in record(sunk).error

    def test_too_many_drop_the_oldest_and_that_is_told_once(self, sunk, told):
        told.script.extend([SinkError("down")] * 1000)
        sunk.cloud.announce(approval="none")
        sunk.step()
        with sunk.journal.transaction():
            notification = sunk.journal.outbox.waiting("ops", 1)[0][1]
            for _ in range(MOST_WAITING - 1):
                sunk.journal.outbox.add(notification)
        for impact in ("freeze", "reboot", "freeze"):
            sunk.cloud.revise(impact=impact)
            sunk.step(seconds=1)
        assert (record(sunk).waiting, record(sunk).dropped) == (MOST_WAITING, 3)
        assert len([text for text in sunk.told(NoticeKind.PROBLEM) if "oldest are dropped" in text]) == 1

    def test_what_waits_for_a_week_is_dropped_and_counted(self, sunk, told):
        told.script.extend([SinkError("down")] * 10_000)
        sunk.cloud.announce(approval="none")
        sunk.step()
        sunk.step(seconds=LONGEST_WAITING.total_seconds() + 1)
        assert (record(sunk).waiting, record(sunk).dropped) == (0, 1)


def test_any_thread_may_see_how_far_each_sink_has_come(sunk, told):
    told.script.extend([SinkError("down")] * 2)
    sunk.cloud.announce(approval="none")
    sunk.step()
    assert [(each.name, each.waiting, each.error) for each in sunk.agent.view.sinks] == [("ops", 1, "down")]
    sunk.step(seconds=1)
    sunk.step(seconds=2)
    assert [(each.name, each.waiting, each.sent) for each in sunk.agent.view.sinks] == [("ops", 0, 1)]


class TestTheEndOfALife:
    def test_what_was_written_and_not_told_is_told_by_the_next(self, sunk, told):
        sunk.executor = type("Dies", (), {"submit": lambda self, work, name: None})()
        sunk.cloud.announce(approval="none")
        sunk.agent.step()
        before = sunk.journal.outbox.waiting("ops", 1)[0][1]
        sunk.die()
        sunk.executor = type("Works", (), {"submit": lambda self, work, name: work()})()
        sunk.step()
        assert told.notifications[0] == before

    def test_an_agent_that_stops_tells_what_is_due(self, sunk, told):
        handler = sunk.handler("lb", [Stage.PREPARE], lead=None)
        handler.script.append(lambda *_: sunk.agent.stop())
        sunk.cloud.announce(approval="none")
        sunk.agent.run()
        assert told.kinds[-1] in {"run.succeeded", "run.interrupted"}
        assert record(sunk).waiting == 0

    def test_one_that_stops_waits_two_seconds_for_a_sink_that_hangs(self, sunk, held):
        clock = sunk.clock
        sunk.clock = ObligingClock(clock)
        sunk.executor = held
        sunk.cloud.announce(approval="none")
        sunk.agent.step()
        before = clock.monotonic()
        sunk.agent.stop()
        sunk.agent.run()
        assert clock.monotonic() - before == 2.0
        assert sunk.journal.lives()[-1].ended is not None
        assert record(sunk).waiting == 1

    def test_nothing_is_told_twice_where_the_journal_cannot_be_written_for_a_while(self, sunk, told, monkeypatch):
        settle = sunk.journal.outbox.settle
        faults = deque([JournalError("the disk is full")] * 3)

        def sometimes(*given):
            if faults:
                raise faults.popleft()
            settle(*given)

        monkeypatch.setattr(sunk.journal.outbox, "settle", sometimes)
        sunk.cloud.announce(approval="none")
        for _ in range(5):
            sunk.step(seconds=1)
        assert told.kinds == ["maintenance.scheduled"]
        assert (record(sunk).waiting, record(sunk).sent) == (0, 1)


def test_two_sinks_of_one_name_are_refused(world, told):
    world.sinks = (NamedSink(name="ops", sink=told), NamedSink(name="ops", sink=told))
    with pytest.raises(ValueError, match="two sinks"):
        _ = world.agent


class TestThePause:
    def test_it_doubles_up_to_five_minutes_however_often_it_fails(self):
        pauses = [pause_after(attempt).total_seconds() for attempt in range(1, 12)]
        assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        assert pause_after(10**6) == LONGEST_PAUSE

    def test_luck_takes_away_no_more_than_half(self):
        assert pause_after(5, luck=0.0) == timedelta(seconds=8)

    def test_the_receiver_may_ask_for_a_longer_one_within_reason(self):
        assert pause_after(1, 90) == timedelta(seconds=90)
        assert pause_after(9, 1) == timedelta(seconds=256)
        assert pause_after(1, 86400) == LONGEST_PAUSE
