"""Whether an event is approved, as a table of cases."""

from datetime import UTC, datetime, timedelta

import pytest

from stormcone.handlers import App, Stage
from stormcone.model import Machine, Scope
from stormcone.rules.approval import GUARDS, PREPARED, ApprovalAnswer, Facts, decide
from stormcone.rules.runs import Run, RunState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="test", id="vm-0", name="web-0")
YES, WAIT, NO = ApprovalAnswer


def run(state=RunState.SUCCEEDED, stage=Stage.PREPARE, name="lb", attempt=1):
    return Run(id=1, episode=1, handler=name, stage=stage, position=0, state=state, attempt=attempt)


READY = [run()]
PENDING, RUNNING = run(RunState.PENDING, attempt=0), run(RunState.RUNNING)
FAILED, VETOED = run(RunState.FAILED, name="db"), run(RunState.VETOED, name="db")
DROPPED, DROPPED_LATE = run(RunState.DROPPED, attempt=0), run(RunState.DROPPED, attempt=2)
FREEZE = {"impact": "freeze", "duration": timedelta(seconds=8)}
FLEET = {"resources": ("web-0", "db-0")}
LED = {"resources": ("db-0", "web-0")}
CONSENT = {"approval": "consent"}
TRIGGERS = {"approval": "triggers"}
IN_A_MONTH = {"not_before": NOW + timedelta(days=30)}
EARLY = {"approve_early": timedelta(hours=1)}


def always(_event, _prepared):
    return True


def never(_event, _prepared):
    return False


def if_prepared(_event, prepared):
    return prepared


CASES = {
    "ours and prepared": ({}, {}, READY, YES, "prepared by lb"),
    "no handler": ({}, {}, [], NO, "no handler prepared for it"),
    "only started and recover ran": ({}, {}, [run(stage=Stage.STARTED)], NO, "no handler prepared for it"),
    "one of two is pending": ({}, {}, [*READY, PENDING], WAIT, "waiting for lb to prepare"),
    "one of two is running": ({}, {}, [*READY, RUNNING], WAIT, "waiting for lb to prepare"),
    "one of two failed": ({}, {}, [*READY, FAILED], NO, "db did not prepare"),
    "failed while another runs": ({}, {}, [FAILED, RUNNING], WAIT, "waiting for lb to prepare"),
    "vetoed": ({}, {}, [*READY, VETOED], NO, "vetoed by db"),
    "vetoed while another runs": ({}, {}, [RUNNING, VETOED], NO, "vetoed by db"),
    "dropped before it began": ({}, {}, [*READY, DROPPED], YES, "prepared by lb"),
    "only dropped before it began": ({}, {}, [DROPPED], NO, "no handler prepared for it"),
    "dropped after it failed": ({}, {}, [DROPPED_LATE], NO, "lb did not prepare"),
    "started": ({"phase": "started"}, {}, READY, NO, "it has started"),
    "ended": ({"phase": "ended"}, {}, READY, NO, "it has ended"),
    "cannot be approved": ({"approval": "none"}, {}, READY, NO, "it cannot be approved"),
    "withheld": ({"withheld": "it names no machine"}, {}, READY, NO, "nobody may approve it: it names no machine"),
    "not about us": ({"resources": ("db-0",)}, {}, READY, NO, "it does not name web-0"),
    "names nobody": ({"resources": ()}, {"leader": "first"}, READY, NO, "it does not name web-0"),
    "ours in another case": ({"resources": ("WEB-0",)}, {}, READY, YES, "prepared by lb"),
    "consent not given": (CONSENT, {}, READY, NO, "it waits for its owner's consent"),
    "consent given": (CONSENT, {"approve_consent": True}, READY, YES, "prepared by lb"),
    "consent, not prepared": (CONSENT, {"approve_consent": True}, [FAILED], NO, "db did not prepare"),
    "consent is not the policy's": (CONSENT, {"approve": always}, READY, NO, "it waits for its owner's consent"),
    "would begin now": (TRIGGERS, {}, READY, NO, "it would begin now, and the app does not ask for that"),
    "would begin now, by policy": (TRIGGERS, {"approve": always}, READY, NO, "it would begin now, and the app does"),
    "would begin now, as asked": (TRIGGERS, EARLY, READY, YES, "prepared by lb"),
    "would begin now, as asked, not prepared": (TRIGGERS, EARLY, [FAILED], NO, "db did not prepare"),
    "would begin now, a month ahead": ({**TRIGGERS, **IN_A_MONTH}, EARLY, READY, WAIT, "its time is further ahead"),
    "would begin now, at no time known": (
        {**TRIGGERS, "not_before": None},
        EARLY,
        READY,
        NO,
        "it would begin now, and how far ahead its time is is not known",
    ),
    "may begin a month early": (IN_A_MONTH, {}, READY, YES, "prepared by lb"),
    "may begin an hour early": (IN_A_MONTH, EARLY, READY, WAIT, "its time is further ahead than the app approves"),
    "consent waits for no time": (
        {**CONSENT, **IN_A_MONTH},
        {"approve_consent": True, **EARLY},
        READY,
        YES,
        "prepared",
    ),
    "neighbours without leader": (FLEET, {}, READY, NO, "it also names db-0 and web-0 is not their leader"),
    "neighbours, first is us": (FLEET, {"leader": "first"}, READY, YES, "prepared by lb"),
    "neighbours, first is not us": (LED, {"leader": "first"}, READY, NO, "it also names db-0"),
    "neighbours, leader by name": (LED, {"leader": "WEB-0"}, READY, YES, "prepared by lb"),
    "neighbours, another leader": (FLEET, {"leader": "db-0"}, READY, NO, "it also names db-0"),
    "leader who did not prepare": (FLEET, {"leader": "first"}, [FAILED], NO, "db did not prepare"),
    "alone, another leader": ({}, {"leader": "db-0"}, READY, YES, "prepared by lb"),
    "never": ({}, {"approve": "never"}, READY, NO, "the policy is never to approve"),
    "own policy says yes": ({}, {"approve": always}, [FAILED], YES, "by the app's own policy"),
    "own policy, no handler": ({}, {"approve": always}, [], YES, "by the app's own policy"),
    "own policy says no": ({}, {"approve": never}, READY, NO, "the app's own policy says no"),
    "own policy is told prepared": ({}, {"approve": if_prepared}, READY, YES, "by the app's own policy"),
    "own policy is told unprepared": ({}, {"approve": if_prepared}, [FAILED], NO, "the app's own policy says no"),
    "own policy waits": ({}, {"approve": always}, [PENDING], WAIT, "waiting for lb to prepare"),
    "own policy and a veto": ({}, {"approve": always}, [VETOED], NO, "vetoed by db"),
    "own policy and neighbours": (FLEET, {"approve": always}, READY, NO, "it also names db-0"),
    "short freeze by default": (FREEZE, {}, [PENDING], WAIT, "waiting for lb to prepare"),
    "short freeze": (FREEZE, {"approve_short_freeze": True}, [PENDING], YES, "a freeze of 8 s or less"),
    "short freeze, no handler": (FREEZE, {"approve_short_freeze": True}, [], YES, "a freeze of 8 s or less"),
    "short freeze of neighbours": ({**FREEZE, **FLEET}, {"approve_short_freeze": True}, [], NO, "it also names db-0"),
    "short freeze, vetoed": (FREEZE, {"approve_short_freeze": True}, [VETOED], NO, "vetoed by db"),
    "short freeze, never": (FREEZE, {"approve_short_freeze": True, "approve": "never"}, [], NO, "the policy is never"),
    "freeze of 0 s": (
        {**FREEZE, "duration": timedelta(0)},
        {"approve_short_freeze": True},
        [],
        YES,
        "a freeze of 8 s or less",
    ),
    "freeze of 9 s": (
        {**FREEZE, "duration": timedelta(seconds=9)},
        {"approve_short_freeze": True},
        [],
        NO,
        "no handler prepared",
    ),
    "freeze of unknown length": (
        {**FREEZE, "duration": None},
        {"approve_short_freeze": True},
        [],
        NO,
        "no handler prepared",
    ),
    "short reboot": ({**FREEZE, "impact": "reboot"}, {"approve_short_freeze": True}, [], NO, "no handler prepared"),
}


@pytest.mark.parametrize(("changes", "settings", "runs", "answer", "reason"), CASES.values(), ids=CASES)
def test_an_event_is_approved(event, changes, settings, runs, answer, reason):
    decision = decide(Facts(event=event(**changes), machine=MACHINE, runs=runs, app=App(**settings), now=NOW))
    assert decision.answer is answer
    assert decision.reason.startswith(reason)


def test_the_table_above_has_a_case_for_every_rule(event):
    decisive = set()
    for changes, settings, runs, _, _ in CASES.values():
        facts = Facts(event=event(**changes), machine=MACHINE, runs=runs, app=App(**settings), now=NOW)
        decisive.add(next(index for index, rule in enumerate((*GUARDS, *PREPARED)) if rule.applies(facts)))
    elsewhere = {4}  # a machine whose name is disputed: tests/core/test_disputed_name.py
    assert decisive | elsewhere == set(range(len(GUARDS) + len(PREPARED)))


def test_a_policy_that_raises_is_left_to_the_caller(event):
    def broken(_event, _prepared):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide(Facts(event=event(), machine=MACHINE, runs=READY, app=App(approve=broken), now=NOW))


def test_who_watches_a_region_speaks_for_its_machines(event):
    region = Machine(provider="test", id="", name="cn-hangzhou", scope=Scope.REGION)
    assert decide(Facts(event=event(**FLEET), machine=region, runs=READY, app=App(), now=NOW)).answer is YES


def test_every_rule_has_a_name_of_its_own(event):
    names = [rule.name for rule in (*GUARDS, *PREPARED)]
    assert len(set(names)) == len(names)
    assert decide(Facts(event=event(), machine=MACHINE, runs=(), app=App(), now=NOW)).rule == "nobody_prepares"
