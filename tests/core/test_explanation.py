"""What would be done about an event, held to what an agent then does."""

from datetime import timedelta

import pytest
from tests.core.conftest import NOW, Scripted, make_event

from stormcone.handlers import App, Handler, Stage
from stormcone.handlers.event_rules import EventRule
from stormcone.model import Approval, Cause, Impact, Machine, Phase
from stormcone.rules.agreement import Ballot, EventInFleet, Member, basis_of
from stormcone.rules.approval import ApprovalAnswer
from stormcone.rules.explanation import explain

MACHINE = Machine(provider="test", id="vm-0", name="web-0")


def handler(name="lb", stages=tuple(Stage), **settings):
    return Scripted(name, [], stages, **settings)


def why_not(app, event):
    return [plan.why_not for plan in explain(event, app, MACHINE, NOW).handlers]


def stages(app, event, **more):
    (plan,) = explain(event, app, MACHINE, NOW, **more).handlers
    return {each.stage.value: each for each in plan.stages}


class TestWhoActs:
    @pytest.mark.parametrize(
        ("settings", "changes", "reason"),
        [
            ({}, {}, ""),
            ({}, {"resources": ("db-0",)}, "the event does not name web-0"),
            ({"impacts": {Impact.FREEZE}}, {}, "it does not take reboot (impacts)"),
            ({"causes": {Cause.USER}}, {}, "it does not take what is caused by unknown (causes)"),
            ({}, {"tentative": True}, "the event may never happen, and it does not take such (tentative)"),
            ({"when": lambda event: False}, {}, "its `when` says no"),
        ],
        ids=["who takes it", "not a neighbour's", "impacts", "causes", "tentative", "when"],
    )
    def test_is_said_with_the_reason_of_who_does_not(self, settings, changes, reason):
        assert why_not(App([handler(**settings)]), make_event(**changes)) == [reason]

    def test_a_rule_that_leaves_one_out_is_named(self):
        rules = [EventRule(impacts={Impact.FREEZE}), EventRule(impacts={Impact.REBOOT}, handlers=["db"])]
        app = App([handler("lb"), handler("db")], rules=rules)
        assert why_not(app, make_event()) == ["rule 2 leaves it out", ""]

    def test_who_has_nothing_left_to_do_says_so(self):
        app = App([handler(stages=[Stage.PREPARE])])
        event = make_event(phase=Phase.STARTED)
        assert why_not(app, event) == ["it has nothing to do for an event that has started"]


class TestWhen:
    def test_prepare_begins_its_lead_ahead_and_may_take_its_timeout(self):
        app = App([handler(lead=timedelta(minutes=10), timeout=timedelta(minutes=3))])
        prepare = stages(app, make_event())["prepare"]
        assert (prepare.at, prepare.at_once) == (NOW + timedelta(minutes=5), False)
        assert prepare.deadline == NOW + timedelta(minutes=8)

    def test_it_has_no_longer_than_until_the_events_time(self):
        event = make_event()
        prepare = stages(App([handler(timeout=timedelta(hours=3))]), event)["prepare"]
        assert (prepare.at, prepare.at_once, prepare.deadline) == (NOW, True, event.not_before)

    def test_a_rules_lead_stands_before_the_handlers(self):
        rules = [EventRule(lead=timedelta(minutes=1))]
        prepare = stages(App([handler()], rules=rules), make_event())["prepare"]
        assert prepare.at == NOW + timedelta(minutes=14)

    def test_what_follows_begins_with_the_event(self):
        found = stages(App([handler()]), make_event())
        assert (found["started"].at, found["recover"].at) == (None, None)
        assert stages(App([handler()]), make_event(phase=Phase.STARTED))["started"].at == NOW

    @pytest.mark.parametrize(
        ("own", "phase", "expected"),
        [
            ([Stage.RECOVER], Phase.STARTED, ["recover"]),
            ([Stage.PREPARE, Stage.RECOVER], Phase.STARTED, []),
            ([Stage.PREPARE, Stage.RECOVER], Phase.SCHEDULED, ["prepare", "recover"]),
            ([Stage.STARTED, Stage.RECOVER], Phase.STARTED, ["started", "recover"]),
        ],
    )
    def test_recover_runs_where_something_was_begun_or_there_is_nothing_else(self, own, phase, expected):
        assert list(stages(App([handler(stages=own)]), make_event(phase=phase))) == expected


class TestApproval:
    def test_is_what_is_decided_now_and_once_all_have_prepared(self):
        found = explain(make_event(), App([handler()]), MACHINE, NOW)
        assert (found.now.rule, found.prepared.rule) == ("preparing", "prepared")
        assert found.prepared.answer is ApprovalAnswer.YES

    @pytest.mark.parametrize(
        ("settings", "changes", "rule"),
        [
            ({}, {"resources": ("web-0", "db-0")}, "neighbours"),
            ({}, {"approval": Approval.NONE}, "not_approvable"),
            ({"approve": "never"}, {}, "never"),
            ({"approve_early": timedelta(minutes=5)}, {}, "too_early"),
            ({"approve": lambda event, prepared: 1 / 0}, {}, "policy_failed"),
            ({"approve": lambda event, prepared: prepared}, {}, "policy"),
        ],
    )
    def test_names_the_rule(self, settings, changes, rule):
        assert explain(make_event(**changes), App([handler()], **settings), MACHINE, NOW).prepared.rule == rule

    def test_without_a_handler_that_prepares_it_is_none(self):
        app = App([handler(stages=[Stage.RECOVER])])
        assert explain(make_event(), app, MACHINE, NOW).prepared.rule == "nobody_prepares"

    def test_what_the_journal_knows_counts(self, world):
        world.handler("lb", (Stage.PREPARE,), retries=0).script.append(RuntimeError("boom"))
        event = world.cloud.announce()
        world.step()
        runs = tuple(world.runs().values())
        assert explain(event, world.app, MACHINE, NOW, runs).now.rule == "not_prepared"


def test_an_agent_does_what_was_said(world):
    """The same app on the same event: it begins then, ends by then, and is approved by that rule."""
    lb = world.handler("lb", tuple(Stage), lead=timedelta(minutes=10), timeout=timedelta(minutes=3))
    world.handler("db", (Stage.PREPARE,), impacts={Impact.FREEZE})
    event = world.cloud.announce()
    said = explain(event, world.app, MACHINE, NOW)
    begun = []
    lb.script.append(lambda _event, context: begun.append((world.clock.now(), context.deadline)))
    for _ in range(12):
        world.step(minutes=1)
    (plan, other) = said.handlers
    assert begun == [(plan.stages[0].at, plan.stages[0].deadline)]
    assert (world.calls, other.stages) == (["lb.prepare"], ())
    assert world.cloud.approvals == ["E-1"]
    assert said.prepared.answer is ApprovalAnswer.YES


def test_a_handler_of_the_users_own_class_is_asked_like_any():
    class Mine(Handler):
        def prepare(self, event, context):
            pass

    assert why_not(App([Mine()]), make_event()) == [""]


class TestInAFleet:
    def test_it_is_said_how_prepare_waits_for_a_turn(self):
        app, event = App([handler()]), make_event(not_before=NOW + timedelta(minutes=30))
        assert explain(event, app, MACHINE, NOW).turn is None
        said = explain(event, app, MACHINE, NOW, groups=("web", "db")).turn.clause
        assert said == "waits for its turn in db, web, until 2026-01-01 00:25:00Z at the most"
        sudden = event.but(cause=Cause.PREEMPTION)
        said = explain(sudden, app, MACHINE, NOW, groups=("db",)).turn.clause
        assert said == "does not wait for its turn in db: it is a preemption"
        late = event.but(not_before=NOW + timedelta(minutes=4))
        said = explain(late, app, MACHINE, NOW, groups=("db",)).turn.clause
        assert said == "does not wait for its turn in db: its time allows no more waiting"

    def test_what_waits_for_a_turn_does_not_begin_at_once(self):
        app = App([handler(timeout=timedelta(minutes=10))])
        event = make_event(not_before=NOW + timedelta(minutes=30))
        alone = stages(app, event)["prepare"]
        assert (alone.at_once, alone.waits, alone.deadline) == (True, False, NOW + timedelta(minutes=10))
        grouped = stages(app, event, groups=("db",))
        waiting = grouped["prepare"]  # at its turn by minute 20, and then for ten minutes
        assert (waiting.at_once, waiting.waits, waiting.deadline) == (False, True, event.not_before)
        assert not grouped["recover"].waits
        sudden = stages(app, event.but(cause=Cause.PREEMPTION), groups=("db",))["prepare"]
        assert (sudden.at_once, sudden.waits) == (True, False)

    def test_the_turn_is_asked_for_when_the_first_prepare_is_due(self):
        early, late = handler("early", lead=timedelta(minutes=20)), handler("late", lead=timedelta(minutes=2))
        event = make_event(not_before=NOW + timedelta(minutes=30))
        said = explain(event, App([early, late]), MACHINE, NOW, groups=("db",))
        assert [plan.stages[0].waits for plan in said.handlers] == [True, False]  # the second is due after the waiting
        said = explain(event, App([late]), MACHINE, NOW, groups=("db",))
        assert said.turn.clause == "does not wait for its turn in db: its time allows no more waiting"

    def test_others_are_waited_for_once_ours_has_prepared(self):
        app = App([handler()])
        event = make_event(
            not_before=NOW + timedelta(minutes=30), approval=Approval.STARTS, resources=("web-0", "web-1")
        )
        key = event.key
        ours = Member(id="us", name="web-0", names=frozenset({"web-0"}), seen=NOW, silence=timedelta(minutes=1))
        seen = EventInFleet(ballot=Ballot(key=key), member=ours, basis=basis_of(event), names=event.resources, now=NOW)
        said = explain(event, app, MACHINE, NOW, fleet=seen)
        assert (said.now.rule, said.prepared.rule) == ("preparing", "not_agreed")
        assert said.prepared.reason == "web-1 is unknown to the fleet"
        away = EventInFleet(away="the fleet is down", now=NOW)
        assert explain(event, app, MACHINE, NOW, fleet=away).prepared.reason == (
            "it names other machines, and the fleet is down"
        )
