"""Runs: which work a change makes, when it is due and must be done, and what an attempt makes of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.clock import Instant
from stormcone.handlers import App, Handler, Stage
from stormcone.model import Impact, Machine, Phase, Scope
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import (
    LONGEST_PAUSE,
    RUN_MOVES,
    SHORTEST_PAUSE,
    Attempt,
    Run,
    RunState,
    Verdict,
    backoff,
    begin_at,
    deadline,
    machines_of,
    outdated,
    plan,
    settle,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = Instant.of(NOW)
SOON = NOW + timedelta(minutes=15)


def a_minute(minutes):
    return NOW + timedelta(minutes=minutes)


class Everything(Handler):
    def prepare(self, event, context): ...

    def started(self, event, context): ...

    def recover(self, event, context): ...


class OnlyPrepares(Handler):
    def prepare(self, event, context): ...


class OnlyRecovers(Handler):
    def recover(self, event, context): ...


def handler(kind=Everything, **settings):
    made = kind()
    vars(made).update(settings)
    return made


def run(name="Everything", stage=Stage.PREPARE, state=RunState.PENDING, **fields):
    return Run(id=1, episode=1, handler=name, stage=stage, position=0, state=state, **fields)


def change(event, kind, before=None):
    return Change(kind=kind, event=event, before=before, episode=1)


def announced(event):
    return change(event, ChangeKind.ANNOUNCED)


def new(planned):
    return [(made.handler, made.stage.value, made.position) for made in planned.new]


class TestAnAnnouncement:
    def test_makes_a_prepare_for_each_handler_that_takes_it_in_their_order(self, event):
        app = App([handler(name="b"), handler(OnlyRecovers), handler(name="a"), handler(impacts={Impact.FREEZE})])
        assert new(plan(announced(event()), app, [])) == [("b", "prepare", 0), ("a", "prepare", 2)]

    def test_makes_nothing_where_the_event_is_not_about_this_machine(self, event):
        assert plan(announced(event()), App([handler()]), [], machines=()).new == ()

    @pytest.mark.parametrize(
        ("lead", "not_before", "due"),
        [
            (None, SOON, None),
            (timedelta(minutes=5), SOON, a_minute(10)),
            (timedelta(0), SOON, SOON),
            (timedelta(minutes=5), None, None),
            (timedelta(minutes=5), datetime(1, 1, 1, tzinfo=UTC), None),
        ],
    )
    def test_makes_it_due_by_the_lead(self, event, lead, not_before, due):
        assert begin_at(handler(lead=lead).lead, event(not_before=not_before)) == due


class TestARevision:
    def test_moves_what_has_not_begun(self, event):
        waiting = run(due=a_minute(10))
        planned = plan(
            change(event(not_before=a_minute(60)), ChangeKind.REVISED),
            App([handler(lead=timedelta(minutes=5))]),
            [waiting],
            machines=("",),
        )
        assert (planned.new, planned.due) == ((), ((waiting, a_minute(55)),))

    def test_leaves_a_retry_when_it_is(self, event):
        retried = run(attempt=1, due=a_minute(1))
        assert plan(change(event(), ChangeKind.REVISED), App([handler()]), [retried]).due == ()

    @pytest.mark.parametrize("state", [RunState.RUNNING, RunState.SUCCEEDED, RunState.FAILED, RunState.VETOED])
    def test_leaves_what_has_begun_or_is_over(self, event, state):
        planned = plan(
            change(event(), ChangeKind.REVISED), App([handler()]), [run(state=state, attempt=1)], machines=("",)
        )
        assert (planned.new, planned.dropped, planned.due) == ((), (), ())

    def test_drops_the_handler_that_no_longer_takes_it_and_brings_in_the_one_that_does(self, event):
        waiting = run("reboots")
        app = App([handler(name="reboots", impacts={Impact.REBOOT}), handler(name="freezes", impacts={Impact.FREEZE})])
        planned = plan(change(event(impact="freeze"), ChangeKind.REVISED), app, [waiting])
        assert new(planned) == [("freezes", "prepare", 0)]
        assert [dropped for dropped, _ in planned.dropped] == [waiting]

    @pytest.mark.parametrize("attempt", [0, 1])
    def test_brings_back_what_an_earlier_one_dropped(self, event, attempt):
        gone = run(state=RunState.DROPPED, attempt=attempt)
        planned = plan(change(event(), ChangeKind.REVISED), App([handler(lead=None)]), [gone])
        assert (planned.new, planned.due) == ((), ((gone, None),))

    def test_that_no_longer_names_this_machine_drops_everything_that_waits(self, event):
        waiting = run()
        planned = plan(change(event(), ChangeKind.REVISED), App([handler()]), [waiting], machines=())
        assert [dropped for dropped, _ in planned.dropped] == [waiting]


class TestTheStart:
    def test_drops_prepares_that_wait_and_makes_started(self, event):
        waiting, retried, done = run("a"), run("b", attempt=2), run("c", state=RunState.SUCCEEDED, attempt=1)
        app = App([handler(name="a"), handler(name="b"), handler(name="c"), handler(OnlyPrepares)])
        planned = plan(
            change(event(phase="started"), ChangeKind.STARTED), app, [waiting, retried, done], machines=("",)
        )
        assert [dropped for dropped, _ in planned.dropped] == [waiting, retried]
        assert new(planned) == [("a", "started", 0), ("b", "started", 1), ("c", "started", 2)]


class TestTheEnd:
    def ended(self, event, app, runs, **fields):
        end = change(event(phase="ended", outcome="completed"), ChangeKind.ENDED)
        return plan(end, app, runs, **{"machines": ("",), **fields})

    def test_makes_recover_for_those_that_began_in_the_reverse_order(self, event):
        app = App([handler(name=name) for name in "abcd"])
        runs = [
            run("a", state=RunState.SUCCEEDED, attempt=1),
            run("b", state=RunState.DROPPED),
            run("c", state=RunState.RUNNING, attempt=1),
            run("d", state=RunState.FAILED, attempt=3),
        ]
        planned = self.ended(event, app, runs)
        assert new(planned) == [("d", "recover", 0), ("c", "recover", 1), ("a", "recover", 2)]

    @pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.PENDING])
    def test_makes_it_however_the_attempt_went(self, event, state):
        assert new(self.ended(event, App([handler()]), [run(state=state, attempt=1)])) == [("Everything", "recover", 0)]

    def test_makes_it_where_only_started_began(self, event):
        runs = [run(state=RunState.DROPPED), run(stage=Stage.STARTED, state=RunState.SUCCEEDED, attempt=1)]
        assert new(self.ended(event, App([handler()]), runs)) == [("Everything", "recover", 0)]

    def test_makes_none_where_nothing_began(self, event):
        waiting = run()
        planned = self.ended(event, App([handler()]), [waiting])
        assert planned.new == ()
        assert [dropped for dropped, _ in planned.dropped] == [waiting]

    def test_makes_it_for_a_handler_that_only_recovers_if_it_takes_the_event(self, event):
        app = App([handler(OnlyRecovers), handler(OnlyRecovers, name="other", impacts={Impact.FREEZE})])
        assert new(self.ended(event, app, [])) == [("OnlyRecovers", "recover", 0)]
        assert new(self.ended(event, app, [], machines=())) == []

    def test_makes_it_even_where_the_event_no_longer_names_this_machine(self, event):
        begun = run(state=RunState.SUCCEEDED, attempt=1)
        assert new(self.ended(event, App([handler()]), [begun], machines=())) == [("Everything", "recover", 0)]

    def test_makes_none_twice(self, event):
        runs = [run(attempt=1), run(stage=Stage.RECOVER)]
        assert self.ended(event, App([handler()]), runs).new == ()


class TestAnAttemptMakesNoSenseAnyMore:
    @pytest.mark.parametrize(
        ("stage", "phase", "why"),
        [
            (Stage.PREPARE, Phase.SCHEDULED, None),
            (Stage.PREPARE, Phase.STARTED, "the event has begun"),
            (Stage.PREPARE, Phase.ENDED, "the event has ended"),
            (Stage.STARTED, Phase.STARTED, None),
            (Stage.STARTED, Phase.ENDED, "the event has ended"),
            (Stage.RECOVER, Phase.ENDED, None),
        ],
    )
    def test_once_its_event_has_gone_on(self, event, stage, phase, why):
        assert outdated(run(stage=stage), event(phase=phase)) == why


class TestTheDeadline:
    @pytest.mark.parametrize(
        ("stage", "timeout", "not_before", "expected"),
        [
            (Stage.PREPARE, None, 15, 15),
            (Stage.PREPARE, 5, 15, 5),
            (Stage.PREPARE, 30, 15, 15),
            (Stage.PREPARE, None, None, None),
            (Stage.PREPARE, None, -1, None),
            (Stage.PREPARE, 5, -1, 5),
            (Stage.STARTED, None, 15, None),
            (Stage.STARTED, 5, 15, 5),
            (Stage.RECOVER, None, 15, None),
            (Stage.RECOVER, 5, 1, 5),
        ],
    )
    def test_of_an_attempt_that_begins_now(self, event, stage, timeout, not_before, expected):
        of = handler(timeout=None if timeout is None else timedelta(minutes=timeout))
        seen = event(not_before=None if not_before is None else a_minute(not_before))
        assert deadline(stage, of, seen, MOMENT, MOMENT) == (None if expected is None else a_minute(expected))

    def test_of_prepare_is_the_events_start(self, event):
        later = Instant.of(a_minute(3))
        assert deadline(Stage.PREPARE, handler(), event(phase="started"), MOMENT, later) == a_minute(3)

    def test_by_a_timeout_lasts_whatever_the_wall_clock_does(self, event):
        of = handler(timeout=timedelta(minutes=5))
        for hours in (-1, 1):
            now = Instant(NOW + timedelta(hours=hours), a_minute(2))
            assert deadline(Stage.RECOVER, of, event(), MOMENT, now) == now.date + timedelta(minutes=3)

    def test_that_no_calendar_holds_is_far_away(self, event):
        assert deadline(Stage.RECOVER, handler(timeout=timedelta.max), event(), MOMENT, MOMENT).year == 9999


class TestAfterAnAttempt:
    @pytest.mark.parametrize(
        ("verdict", "state"),
        [
            (Verdict.SUCCEEDED, RunState.SUCCEEDED),
            (Verdict.VETOED, RunState.VETOED),
            (Verdict.GAVE_UP, RunState.FAILED),
            (Verdict.OVERRAN, RunState.FAILED),
            (Verdict.RETRY, RunState.PENDING),
            (Verdict.ERROR, RunState.PENDING),
        ],
    )
    def test_the_run_is(self, event, verdict, state):
        settled = settle(run(attempt=1), handler(), event(), Attempt(verdict, "why"), MOMENT)
        assert (settled.state, settled.note) == (state, "why")
        assert (settled.again is not None) == (state is RunState.PENDING)

    @pytest.mark.parametrize(
        ("after", "pause"),
        [
            (None, timedelta(seconds=4)),
            (timedelta(seconds=30), timedelta(seconds=30)),
            (timedelta(0), SHORTEST_PAUSE),
            (timedelta(seconds=-5), SHORTEST_PAUSE),
            (timedelta.max, LONGEST_PAUSE),
        ],
    )
    def test_it_is_due_again_after_a_pause(self, event, after, pause):
        of = event(not_before=None)
        settled = settle(run(attempt=3), handler(), of, Attempt(Verdict.RETRY, "", after), MOMENT)
        assert settled.again == NOW + pause

    @pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False)])
    def test_it_is_tried_again_as_often_as_the_handler_says(self, event, attempt, again):
        settled = settle(run(attempt=attempt), handler(retries=2), event(), Attempt(Verdict.ERROR, "why"), MOMENT)
        assert (settled.state is RunState.PENDING) is again
        assert settled.note == ("why" if again else "why (tried 3 times)")

    def test_it_is_not_tried_after_the_events_time(self, event):
        late = Attempt(Verdict.RETRY, "why", timedelta(minutes=15))
        settled = settle(run(attempt=1), handler(), event(), late, MOMENT)
        assert (settled.state, settled.again) == (RunState.FAILED, None)
        assert settled.note == "why (the next try would come after the event's time)"

    def test_it_is_tried_on_where_the_time_had_passed_already(self, event):
        settled = settle(run(attempt=1), handler(), event(), Attempt(Verdict.ERROR), Instant.of(a_minute(20)))
        assert settled.state is RunState.PENDING

    @pytest.mark.parametrize("stage", [Stage.STARTED, Stage.RECOVER])
    def test_the_events_time_limits_prepare_alone(self, event, stage):
        late = Attempt(Verdict.RETRY, "why", timedelta(hours=1))
        phase = "started" if stage is Stage.STARTED else "ended"
        settled = settle(run(stage=stage, attempt=1), handler(), event(phase=phase), late, MOMENT)
        assert settled.again == NOW + timedelta(hours=1)

    @pytest.mark.parametrize(
        ("changes", "state", "note"),
        [
            ({}, RunState.PENDING, "the agent stops, and its next life runs it again"),
            ({"phase": "started"}, RunState.DROPPED, "the event has begun"),
            ({"phase": "ended", "outcome": "completed"}, RunState.DROPPED, "the event has ended"),
        ],
    )
    def test_what_was_cut_off_is_promised_another_try_only_where_it_has_one(self, event, changes, state, note):
        cut_off = Attempt(Verdict.CUT_OFF, "the agent stops, and its next life runs it again")
        assert settle(run(attempt=1), handler(), event(**changes), cut_off, MOMENT) == (state, None, note)

    def test_of_what_is_called_off_its_own_word_stands(self, event):
        cut_off = Attempt(Verdict.CUT_OFF, "the event was called off: it was cancelled")
        settled = settle(run(attempt=1), handler(), event(phase="ended", outcome="canceled"), cut_off, MOMENT)
        assert settled == (RunState.DROPPED, None, cut_off.note)

    def test_it_is_not_tried_again_once_its_event_has_gone_on(self, event):
        settled = settle(run(attempt=1), handler(), event(phase="started"), Attempt(Verdict.ERROR, "why"), MOMENT)
        assert settled == (RunState.FAILED, None, "why (not tried again: the event has begun)")

    def test_the_backoff_doubles_up_to_a_minute(self):
        assert [backoff(attempt).total_seconds() for attempt in (1, 2, 3, 6, 7, 8, 1000)] == [1, 2, 4, 32, 60, 60, 60]


class TestOrder:
    def test_is_by_stage_and_then_by_place(self):
        runs = [
            replace(run(stage=stage), position=position)
            for stage, position in [(Stage.RECOVER, 0), (Stage.PREPARE, 1), (Stage.STARTED, 0), (Stage.PREPARE, 0)]
        ]
        assert [(each.stage, each.position) for each in sorted(runs, key=lambda each: each.order)] == [
            (Stage.PREPARE, 0),
            (Stage.PREPARE, 1),
            (Stage.STARTED, 0),
            (Stage.RECOVER, 0),
        ]

    def test_of_states_ends_where_something_was_decided(self):
        final = {state for state in RunState if not any(before is state for before, _ in RUN_MOVES)}
        assert final == {RunState.SUCCEEDED, RunState.FAILED, RunState.VETOED}
        assert all(state.over for state in final)


class TestTheMachinesOfARegion:
    REGION = Machine(provider="test", id="region", name="north", scope=Scope.REGION)
    MACHINES = ("web-0", "db-0")

    def made(self, planned):
        return [(run.machine, run.handler, run.stage.value) for run in planned.new]

    def test_are_those_that_the_event_names_each_once(self, event):
        named = event(resources=("web-0", "db-0", "WEB-0"))
        assert machines_of(named, self.REGION) == self.MACHINES

    def test_are_ours_alone_where_we_watch_one(self, event):
        ours = Machine(provider="test", id="", name="web-0")
        assert machines_of(event(resources=("db-0", "web-0")), ours) == ("",)
        assert machines_of(event(resources=("db-0",)), ours) == ()

    def test_get_every_handler_each(self, event):
        app = App([handler(name="a"), handler(name="b")])
        planned = plan(announced(event()), app, [], self.MACHINES)
        assert self.made(planned) == [(name, label, "prepare") for name in self.MACHINES for label in "ab"]

    def test_are_recovered_from_where_something_began(self, event):
        app = App([handler(name="a"), handler(name="b")])
        runs = [
            run("a", machine="web-0", state=RunState.SUCCEEDED, attempt=1),
            run("b", machine="web-0", state=RunState.SUCCEEDED, attempt=1),
            run("a", machine="db-0", state=RunState.FAILED, attempt=1),
            run("b", machine="db-0", state=RunState.DROPPED),
        ]
        end = change(event(phase="ended", outcome="completed"), ChangeKind.ENDED)
        assert self.made(plan(end, app, runs, self.MACHINES)) == [
            ("web-0", "b", "recover"),
            ("web-0", "a", "recover"),
            ("db-0", "a", "recover"),
        ]

    def test_that_are_no_longer_named_are_dropped_and_new_ones_added(self, event):
        app = App([handler(lead=None)])
        waits, moves = run(machine="web-0"), run(machine="db-0")
        planned = plan(change(event(), ChangeKind.REVISED), app, [waits, moves], ("DB-0", "db-1"))
        assert [dropped for dropped, _ in planned.dropped] == [waits]
        assert planned.due == ((moves, None),)
        assert self.made(planned) == [("db-1", "Everything", "prepare")]


class TestTheLead:
    def test_is_an_hour_unless_a_handler_says_otherwise(self, event):
        in_a_month = event(not_before=NOW + timedelta(days=30))
        assert begin_at(Everything.lead, in_a_month) == NOW + timedelta(days=30) - timedelta(hours=1)

    def test_is_none_where_as_soon_as_announced_is_asked_for(self, event):
        assert begin_at(None, event(not_before=NOW + timedelta(days=30))) is None

    def test_is_none_where_the_event_waits_for_consent(self, event):
        assert begin_at(Everything.lead, event(approval="consent", not_before=NOW + timedelta(days=30))) is None
