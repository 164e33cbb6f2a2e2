"""The life of an event: every move, every inference, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.model import Approval, Cause, Impact, Machine, MaintenanceEvent, Observation, Origin, Outcome, Phase
from stormcone.rules.changes import ChangeKind, Known
from stormcone.rules.inferences import INFERENCES, infer_outcome
from stormcone.rules.lifecycle import DOUBT, MOVES, advance

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")


def known(event, **fields):
    return {event.key: Known(event=event, boot_id="boot-1", **fields)}


def kinds(changes):
    return [change.kind for change in changes]


class TestMoves:
    @pytest.mark.parametrize("move", MOVES, ids=lambda move: f"{move.before}-{move.after}")
    def test_each_is_taken(self, event, move):
        before = known(event(phase=move.before, phase_origin="inferred"), started=NOW) if move.before else {}
        new_id = {"id": "E-2"} if move.before is move.after is Phase.STARTED else {"impact": Impact.REDEPLOY}
        seen = event(phase=move.after, **new_id)
        assert kinds(advance(before, Observation(events=(seen,)), NOW, MACHINE)) == [move.kind]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pair
            for pair in product([None, *Phase], Phase)
            if pair not in {(move.before, move.after) for move in MOVES} - {(Phase.STARTED, Phase.SCHEDULED)}
            and pair[0] is not Phase.ENDED
        ],
    )
    def test_no_other_is(self, event, before, after):
        entries = known(event(phase=before)) if before else {}
        seen = event(phase=after, impact=Impact.REDEPLOY)
        assert advance(entries, Observation(events=(seen,)), NOW, MACHINE) == ()

    def test_what_has_begun_and_goes_on_makes_no_step_whatever_is_revised(self, event):
        seen = event(phase=Phase.STARTED, impact=Impact.REDEPLOY, duration=timedelta(hours=1))
        assert advance(known(event(phase=Phase.STARTED)), Observation(events=(seen,)), NOW, MACHINE) == ()

    def test_nothing_leads_out_of_the_end(self):
        assert not [move for move in MOVES if move.before is Phase.ENDED]

    def test_an_id_that_returns_after_its_end_is_a_new_episode(self, event):
        entries = known(event(phase=Phase.ENDED), episode=3)
        for phase, kind in ((Phase.SCHEDULED, ChangeKind.ANNOUNCED), (Phase.STARTED, ChangeKind.STARTED)):
            (change,) = advance(entries, Observation(events=(event(phase=phase),)), NOW, MACHINE)
            assert (change.kind, change.episode, change.before) == (kind, 4, None)

    def test_an_end_that_stays_listed_is_no_news(self, event):
        ended = event(phase=Phase.ENDED, outcome=Outcome.COMPLETED)
        assert advance(known(ended), Observation(events=(ended,)), NOW, MACHINE) == ()


class TestRevisions:
    @pytest.mark.parametrize(
        "changes",
        [
            {"not_before": NOW + timedelta(hours=1)},
            {"not_after": NOW + timedelta(hours=2)},
            {"impact": Impact.REDEPLOY},
            {"cause": Cause.USER},
            {"resources": ("web-0", "db-0")},
            {"duration": timedelta(seconds=5)},
            {"approval": "none"},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_name_the_field_that_changed(self, event, changes):
        (change,) = advance(known(event()), Observation(events=(event(**changes),)), NOW, MACHINE)
        assert (change.kind, change.fields) == (ChangeKind.REVISED, tuple(changes))

    @pytest.mark.parametrize("changes", [{"description": "other words"}, {"native": {"a": 1}}, {"id": "e-1"}])
    def test_are_not_made_by_wording(self, event, changes):
        assert advance(known(event()), Observation(events=(event(**changes),)), NOW, MACHINE) == ()


class TestWhatASightingLeavesUnsaid:
    def test_is_kept_from_before(self, event):
        before = event(
            not_before_origin=Origin.REPORTED, duration=timedelta(seconds=9), not_after=NOW + timedelta(hours=1)
        )
        bare = event(phase=Phase.STARTED, not_before=None, resources=(), impact=Impact.UNKNOWN)
        (change,) = advance(known(before), Observation(events=(bare,)), NOW, MACHINE)
        assert change.event == before.but(phase=Phase.STARTED)

    def test_is_no_revision(self, event):
        bare = event(not_before=None, resources=(), impact=Impact.UNKNOWN)
        assert advance(known(event()), Observation(events=(bare,)), NOW, MACHINE) == ()

    def test_is_not_taken_from_an_earlier_episode(self, event):
        entries = known(event(phase=Phase.ENDED))
        (change,) = advance(entries, Observation(events=(event(not_before=None),)), NOW, MACHINE)
        assert change.event.not_before is None


class TestTheEndOfAnEventThatIsNoLongerListed:
    @pytest.mark.parametrize(
        ("changes", "entry", "boot_id", "after", "outcome"),
        [
            ({"phase": "started"}, {}, "boot-1", 0, Outcome.COMPLETED),
            ({"phase": "started", "not_before": None}, {}, "boot-1", 0, Outcome.COMPLETED),
            ({}, {}, "boot-1", 14, Outcome.CANCELED),
            ({}, {}, "boot-1", 15, Outcome.COMPLETED),
            ({}, {"approved": True}, "boot-1", 0, Outcome.COMPLETED),
            ({}, {}, "boot-2", 0, Outcome.COMPLETED),
            ({}, {}, "", 0, Outcome.CANCELED),
            ({"impact": "freeze"}, {}, "boot-2", 0, Outcome.CANCELED),
            ({"impact": "unknown"}, {}, "boot-2", 0, Outcome.CANCELED),
            ({"resources": ("db-0",)}, {}, "boot-2", 0, Outcome.CANCELED),
            ({"not_before": None}, {}, "boot-1", 0, Outcome.UNKNOWN),
            ({"not_before": None}, {"approved": True}, "boot-1", 0, Outcome.COMPLETED),
            ({"not_before": None}, {}, "boot-2", 0, Outcome.COMPLETED),
        ],
    )
    def test_is_inferred(self, event, changes, entry, boot_id, after, outcome):
        entries = known(event(**changes), **entry)
        now = NOW + timedelta(minutes=after)
        (change,) = advance(entries, Observation(), now, replace(MACHINE, boot_id=boot_id))
        assert (change.kind, change.event.phase) == (ChangeKind.ENDED, Phase.ENDED)
        assert (change.event.outcome, change.event.outcome_origin) == (outcome, Origin.INFERRED)

    def test_is_not_inferred_from_a_boot_id_that_was_not_known_before(self, event):
        assert infer_outcome(Known(event=event()), NOW, MACHINE) is Outcome.CANCELED

    def test_is_decided_by_the_last_rule_where_no_other_does(self, event):
        assert INFERENCES[-1].applies(Known(event=event()), NOW, MACHINE)

    def test_does_not_follow_from_an_answer_with_gaps(self, event):
        gaps = Observation(whole=frozenset())
        assert advance(known(event()), gaps, NOW, MACHINE) == ()

    def test_comes_once(self, event):
        assert advance(known(event(phase=Phase.ENDED)), Observation(), NOW, MACHINE) == ()

    @pytest.mark.parametrize("outcome", Outcome)
    def test_is_what_the_cloud_says_where_it_says(self, event, outcome):
        (change,) = advance(known(event()), Observation(), NOW, MACHINE, {event().key: outcome})
        assert (change.event.outcome, change.event.outcome_origin) == (outcome, Origin.REPORTED)

    def test_is_inferred_where_the_cloud_does_not_know(self, event):
        (change,) = advance(known(event()), Observation(), NOW, MACHINE, {event().key: None})
        assert (change.event.outcome, change.event.outcome_origin) == (Outcome.CANCELED, Origin.INFERRED)

    def test_waits_where_the_cloud_was_not_asked_about_it(self, event):
        assert advance(known(event()), Observation(), NOW, MACHINE, {}) == ()


class TestAListWithGaps:
    """What could not be read in it may be more of an event that could: another entry with its id, say."""

    GAPS = frozenset[str]()

    def see(self, entries, *seen, whole=GAPS):
        (change,) = advance(entries, Observation(events=seen, whole=whole), NOW, MACHINE)
        return change.event

    def test_has_no_event_that_may_be_approved(self, event):
        seen = self.see({}, event())
        assert (seen.approval, seen.withheld) == (Approval.NONE, DOUBT)

    def test_says_so_of_what_could_be_approved_alone(self, event):
        assert self.see({}, event(approval=Approval.NONE)).withheld == ""
        assert self.see({}, event(approval=Approval.NONE, withheld="it names no machine")).withheld != DOUBT

    def test_takes_no_machine_back(self, event):
        before = known(event(resources=("web-0", "db-0")))
        seen = self.see(before, event(resources=("WEB-0",), not_before=NOW + timedelta(minutes=30)))
        assert seen.resources == ("WEB-0", "db-0")

    def test_is_doubted_no_longer_once_it_can_be_read(self, event):
        before = known(event(approval=Approval.NONE, withheld=DOUBT, resources=("web-0", "db-0")))
        seen = self.see(before, event(), whole=frozenset({""}))
        assert (seen.approval, seen.withheld, seen.resources) == (Approval.STARTS, "", ("web-0",))

    def test_is_no_list_of_messages_which_nobody_reads_whole(self, event):
        (change,) = advance({}, Observation(events=(event(),), whole=self.GAPS, pushed=frozenset({""})), NOW, MACHINE)
        assert change.event.approval is Approval.STARTS


class TestIdsThatDifferByCase:
    def test_are_one_event(self, event):
        seen = Observation(events=(event(id="e-1", phase=Phase.STARTED),))
        (change,) = advance(known(event(id="E-1")), seen, NOW, MACHINE)
        assert (change.kind, change.before) == (ChangeKind.STARTED, event(id="E-1"))

    def test_are_one_event_within_one_answer_too_and_the_first_counts(self, event):
        twice = Observation(events=(event(id="E-1"), event(id="e-1", impact=Impact.FREEZE)))
        (change,) = advance({}, twice, NOW, MACHINE)
        assert change.event == event(id="E-1")
        assert advance(known(change.event), twice, NOW, MACHINE) == ()


OFFSETS = st.none() | st.integers(-5, 5).map(lambda minutes: NOW + timedelta(minutes=minutes))
SIGHTINGS = st.builds(
    MaintenanceEvent,
    id=st.sampled_from(["A", "a", "B"]),
    provider=st.just("test"),
    phase=st.sampled_from(Phase),
    impact=st.sampled_from([Impact.REBOOT, Impact.FREEZE, Impact.UNKNOWN]),
    resources=st.sampled_from([(), ("web-0",), ("web-0", "db-0")]),
    not_before=OFFSETS,
)
WHOLE = st.sampled_from([frozenset(), frozenset({""})])
OBSERVATIONS = st.builds(
    Observation,
    events=st.lists(SIGHTINGS, max_size=3).map(tuple),
    whole=WHOLE,
)


def learn(entries, changes, now):
    for change in changes:
        before = entries.pop(change.before.key) if change.before else None
        begins = change.kind is ChangeKind.STARTED
        started = now if begins else before.started if before else None
        entries[change.event.key] = Known(event=change.event, episode=change.episode, boot_id="boot-1", started=started)


@given(st.lists(OBSERVATIONS, max_size=12))
def test_an_event_only_ever_goes_forward(observations):
    order = list(Phase)
    entries = {}
    for number, observation in enumerate(observations):
        now = NOW + timedelta(minutes=number - 5)
        changes = advance(entries, observation, now, MACHINE)
        assert len({change.event.key for change in changes}) == len(changes)
        for change in changes:
            entry = entries.get((change.before or change.event).key)
            if change.before is None:
                assert change.episode == (entry.episode + 1 if entry else 1)
                assert entry is None or entry.event.phase is Phase.ENDED
            else:
                assert (change.before, change.episode) == (entry.event, entry.episode)
                assert order.index(change.event.phase) >= order.index(change.before.phase)
                assert change.before.phase is not Phase.ENDED
            if change.kind is ChangeKind.ENDED and not observation.find(change.event.key):
                assert change.event.outcome is not None
        learn(entries, changes, now)
        assert advance(entries, observation, now, MACHINE) == (), "the same answer again is no news"
