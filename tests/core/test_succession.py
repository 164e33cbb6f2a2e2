"""An event whose id changes as it goes on, as with the vendor's mock server, and two that only look like one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormcone.agent.notices import NoticeKind
from stormcone.errors import ProviderError
from stormcone.handlers import Stage
from stormcone.journal.timeline import bore, timeline
from stormcone.model import Approval, Impact, Machine, Observation, Origin, Outcome, Phase
from stormcone.rules.changes import ChangeKind, Known
from stormcone.rules.lifecycle import advance
from stormcone.rules.succession import SUCCESSIONS, succession

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")
SECOND = timedelta(seconds=1)
ROUND = (Stage.PREPARE, Stage.RECOVER)


def begun(event, identifier="E-2", **changes):
    """What is listed in the place of an event that is gone."""
    return event(**{"id": identifier, "phase": Phase.STARTED, "not_before": None, "approval": "none", **changes})


def after(entries, *seen, verdicts=None, complete=True, now=NOW):
    observation = Observation(events=seen, whole=frozenset({""} if complete else ()))
    known = {entry.event.key: entry for entry in entries}
    return [
        (change.kind, change.event.id, change.before and change.before.id)
        for change in advance(known, observation, now, MACHINE, verdicts)
    ]


class TestTheRules:
    def test_an_announced_event_goes_on_as_the_one_that_has_begun_in_its_place(self, event):
        entry = Known(event=event(), episode=3, approved=True)
        (change,) = advance({event().key: entry}, Observation(events=(begun(event),)), NOW, MACHINE)
        assert (change.kind, change.episode, change.fields) == (ChangeKind.STARTED, 3, ("id",))
        assert (change.before, change.event) == (event(), event(id="E-2", phase="started", approval="none"))

    @pytest.mark.parametrize(("seconds", "same"), [(0, True), (120, True), (121, False)])
    def test_one_that_has_begun_does_so_at_its_beginning_alone(self, event, seconds, same):
        entry = Known(event=event(phase=Phase.STARTED), started=NOW)
        seen = after([entry], begun(event), now=NOW + seconds * SECOND)
        ended, new = (ChangeKind.ENDED, "E-1", "E-1"), (ChangeKind.STARTED, "E-2", None)
        assert seen == ([(ChangeKind.REVISED, "E-2", "E-1")] if same else [new, ended])

    @pytest.mark.parametrize(
        "changes",
        [
            {"phase": Phase.SCHEDULED},
            {"impact": Impact.FREEZE},
            {"native_type": "Redeploy"},
            {"resources": ("web-0", "web-1")},
            {"resources": ()},
            {"provider": "other"},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_nothing_else_is_taken_for_it(self, event, changes):
        known = Known(event=event(native_type="Reboot"))
        seen = after([known], begun(event, **{"native_type": "Reboot", **changes}))
        assert [(kind, before) for kind, _, before in seen if before is None], seen
        assert (ChangeKind.ENDED, "E-1", "E-1") in seen

    def test_the_case_and_the_order_of_names_say_nothing(self, event):
        known = Known(event=event(native_type="Reboot", resources=("web-0", "DB-0")))
        seen = after([known], begun(event, native_type="reboot", resources=("db-0", "WEB-0")))
        assert seen == [(ChangeKind.STARTED, "E-2", "E-1")]

    def test_an_event_that_is_listed_still_goes_on_as_itself(self, event):
        assert after([Known(event=event())], begun(event), event()) == [(ChangeKind.STARTED, "E-2", None)]

    def test_an_answer_with_gaps_says_that_nothing_is_gone(self, event):
        assert after([Known(event=event())], begun(event), complete=False) == [(ChangeKind.STARTED, "E-2", None)]

    def test_an_event_that_is_known_is_nothing_new(self, event):
        ours, other = Known(event=event()), Known(event=begun(event))
        assert after([ours, other], begun(event)) == [(ChangeKind.ENDED, "E-1", "E-1")]
        over = Known(event=begun(event, phase=Phase.ENDED, outcome="completed"))
        assert after([ours, over], begun(event))[0] == (ChangeKind.STARTED, "E-2", None)

    def test_one_is_succeeded_by_one_and_that_which_waited_first(self, event):
        going_on = Known(event=event(phase=Phase.STARTED), started=NOW)
        waiting = Known(event=event(id="E-0"))
        assert after([going_on, waiting], begun(event), begun(event, "E-3")) == [
            (ChangeKind.STARTED, "E-2", "E-0"),
            (ChangeKind.REVISED, "E-3", "E-1"),
        ]
        assert after([going_on, waiting], begun(event)) == [
            (ChangeKind.STARTED, "E-2", "E-0"),
            (ChangeKind.ENDED, "E-1", "E-1"),
        ]

    @pytest.mark.parametrize(
        ("verdicts", "kinds"),
        [
            ({"e-1": Outcome.CANCELED}, [ChangeKind.STARTED, ChangeKind.ENDED]),
            ({"e-1": None}, [ChangeKind.STARTED]),
            ({}, [ChangeKind.STARTED]),
        ],
        ids=["it has ended", "not known", "not asked"],
    )
    def test_the_clouds_own_word_on_an_end_counts_first(self, event, verdicts, kinds):
        said = {event(id=name).key: outcome for name, outcome in verdicts.items()}
        seen = after([Known(event=event())], begun(event), verdicts=said)
        assert [kind for kind, _, _ in seen] == kinds
        assert seen[0][2] == ("E-1" if verdicts == {"e-1": None} else None)

    def test_each_has_its_reason(self, event):
        for rule in SUCCESSIONS:
            assert succession(event(phase=rule.before), begun(event)) == rule.reason
        assert succession(event(), event(phase=Phase.STARTED, id="e-1")) == ""
        assert succession(event(id_origin=Origin.INFERRED), begun(event)) == ""


@pytest.fixture
def renamed(world):
    """An event that was prepared for and approved has begun under another id."""
    world.handler("lb")
    world.handler("db", ROUND)
    world.cloud.announce()
    world.step()
    assert (world.calls, world.cloud.approvals) == (["lb.prepare", "db.prepare"], ["E-1"])
    rename(world)
    world.step(seconds=1)
    return world


def rename(world, old="E-1", new="E-2"):
    event = world.cloud.listed.pop(old)
    world.cloud.listed[new] = event.but(id=new, phase=Phase.STARTED, not_before=None, approval=Approval.NONE)


class TestTheAgent:
    def test_does_not_recover_in_the_middle_of_the_maintenance(self, renamed):
        assert renamed.calls[2:] == ["lb.started"]
        renamed.step(minutes=5)
        assert renamed.calls[2:] == ["lb.started"]

    def test_recovers_once_at_the_end(self, renamed):
        renamed.cloud.forget("E-2")
        renamed.step(minutes=5)
        renamed.step(minutes=5)
        assert renamed.calls[2:] == ["lb.started", "db.recover", "lb.recover"]
        (episode,) = renamed.journal.episodes()
        assert (episode.event.id, episode.event.outcome, episode.approved) == ("E-2", Outcome.COMPLETED, True)
        assert renamed.cloud.approvals == ["E-1"]

    @pytest.mark.parametrize("when", ["before", "between", "after"])
    def test_does_so_over_its_lives(self, world, when):
        world.handler("lb")
        world.cloud.announce()
        world.step()
        for moment, change in (
            ("before", rename),
            ("between", lambda _: None),
            ("after", lambda w: w.cloud.forget("E-2")),
        ):
            if moment == when:
                world.die()
            change(world)
            world.step(seconds=30)
        assert world.calls == ["lb.prepare", "lb.started", "lb.recover"]

    def test_takes_a_second_new_id_for_the_same_too(self, renamed):
        started = renamed.episode().started
        rename(renamed, "E-2", "E-3")
        renamed.step(seconds=2)
        assert renamed.calls[2:] == ["lb.started"]
        assert (renamed.episode().event.id, renamed.episode().started) == ("E-3", started)
        renamed.cloud.forget("E-3")
        renamed.step(minutes=10)
        assert renamed.calls[2:] == ["lb.started", "db.recover", "lb.recover"]

    def test_tells_the_reason_and_keeps_it_in_the_history(self, renamed):
        rename(renamed, "E-2", "E-3")
        renamed.step(seconds=2)
        why, again = (rule.reason for rule in SUCCESSIONS)
        assert renamed.told(NoticeKind.STARTED) == [f"reboot of web-0 has begun as E-2, taken for the same: {why}"]
        assert renamed.told(NoticeKind.REVISED) == [f"reboot of web-0 goes on as E-3, taken for the same: {again}"]
        story = [
            (line.what, line.result) for line in timeline(renamed.journal, renamed.episode()) if line.who == "cloud"
        ]
        assert story[1:] == [
            ("started", f"as E-2, taken for the same: {why}"),
            ("revised", f"as E-3, taken for the same: {again}"),
        ]

    def test_finds_it_by_every_id_that_it_has_had(self, renamed):
        episode = renamed.episode()
        assert [bore(renamed.journal, episode, name) for name in ("e-1", "E-2", "E-3")] == [True, True, False]

    def test_ends_what_still_prepares(self, world, held):
        world.executor = held
        world.handler("lb")
        world.cloud.announce()
        world.step()
        rename(world)
        world.step(seconds=1)
        held.release()
        world.step(seconds=1)
        held.release()
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.started"]
        assert world.cloud.approvals == []


class TestTwoThatWereDifferent:
    def test_lose_nothing_where_the_first_was_only_announced(self, world):
        """It was called off, and a failure of the hardware came in the same second."""
        world.handler("lb")
        world.handler("reader", ROUND, causes={"maintenance"})
        world.cloud.announce(cause="maintenance")
        world.step()
        world.cloud.forget()
        world.cloud.announce(id="E-9", phase=Phase.STARTED, cause="hardware_failure", approval=Approval.NONE)
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "reader.prepare", "lb.started"]
        world.cloud.forget("E-9")
        world.step(seconds=1)
        assert world.calls[3:] == ["reader.recover", "lb.recover"]

    def test_lose_nothing_where_the_first_had_begun_long_ago(self, world):
        world.handler("lb")
        world.cloud.announce()
        world.step()
        world.cloud.start()
        world.step(seconds=1)
        world.cloud.forget()
        world.cloud.announce(id="E-9", phase=Phase.STARTED, approval=Approval.NONE)
        world.step(minutes=10)
        assert sorted(world.calls) == ["lb.prepare", "lb.recover", "lb.started", "lb.started"]
        world.cloud.forget("E-9")
        world.step(seconds=1)
        assert world.calls.count("lb.recover") == 2

    def test_are_two_where_the_cloud_says_that_the_first_has_ended(self, world):
        world.cloud.capabilities = replace(world.cloud.capabilities, reports_outcome=True)
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        rename(world)
        world.cloud.known_outcomes["E-1"] = Outcome.AVOIDED
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.recover"]
        assert len(world.journal.episodes()) == 2

    def test_the_first_is_announced_anew_where_it_comes_back(self, renamed):
        renamed.cloud.announce()
        renamed.step(seconds=1)
        assert renamed.calls[3:] == ["lb.prepare", "db.prepare"]
        assert len(renamed.journal.episodes()) == 2


STEPS = st.lists(
    st.sampled_from(["poll", "poll", "fail", "gaps", "restart", "new id", "another new id"]), min_size=1, max_size=14
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, seconds=st.integers(1, 20))
def test_whatever_happens_on_the_way_each_stage_is_done_once_and_recovery_last(worlds, steps, seconds):
    """The id changes once when it begins and once soon after that, as the mock server's does when it is approved."""
    world = worlds(":memory:")
    world.handler("lb")
    world.cloud.announce()
    world.step()
    current, begun_for = "E-1", 0.0
    for step in steps:
        if step == "fail":
            world.cloud.poll_faults.append(ProviderError("no"))
        elif step == "restart":
            world.begin_anew()
        elif step == "new id" and current == "E-1":
            rename(world, "E-1", "E-2")
            current = "E-2"
        elif step == "another new id" and current == "E-2" and begun_for + seconds <= 120:
            rename(world, "E-2", "E-3")
            current = "E-3"
        world.cloud.complete = step != "gaps" or current != "E-1"  # an answer with gaps is no proof of a new id
        world.step(seconds=seconds)
        begun_for += seconds if current == "E-2" else 0
        assert "lb.recover" not in world.calls
    world.cloud.complete = True
    world.step(seconds=1)
    world.cloud.forget(current)
    world.step(seconds=1)
    begins = ["lb.started"] if current != "E-1" else []
    assert world.calls == ["lb.prepare", *begins, "lb.recover"]
    assert world.cloud.approvals == ["E-1"]
    assert len(world.journal.episodes()) == 1
    world.die()
