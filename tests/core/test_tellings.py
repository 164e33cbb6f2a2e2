"""One maintenance of which several lists tell: which telling counts, and that no other is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from stormcone.model import Approval, Cause, Impact, Machine, Observation, Origin, Outcome, Phase
from stormcone.rules.changes import ChangeKind, Known
from stormcone.rules.lifecycle import Others, advance
from stormcone.rules.succession import TOLD_ELSEWHERE, succession
from stormcone.rules.tellings import one_maintenance

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")
HOUR = timedelta(hours=1)
PUSHED = frozenset({"queue"})


@pytest.fixture
def one(event):
    def make(**changes):
        return event(listing="a", approval=Approval.NONE, cause=Cause.MAINTENANCE, **changes)

    return make


@pytest.fixture
def other(one):
    def make(**changes):
        return one(**{"id": "F-1", **changes}).but(listing=changes.get("listing", "b"))

    return make


def known(*events):
    return {event.key: Known(event=event, boot_id="boot-1", first_seen=NOW) for event in events}


def see(before, *seen, whole=("a", "b"), now=NOW, others=None, pushed=frozenset(), verdicts=None):
    observation = Observation(events=seen, whole=frozenset(whole), pushed=pushed)
    return advance(before, observation, now, MACHINE, verdicts, others or Others())


def steps(changes):
    return [(change.kind.value, change.event.id) for change in changes]


class TestTwoListsTellOfOne:
    @pytest.mark.parametrize(
        ("changes", "same"),
        [
            ({}, True),
            ({"impact": Impact.UNKNOWN}, True),
            ({"impact": Impact.STOP}, False),
            ({"impact": Impact.STOP, "tentative": True}, True),
            ({"cause": Cause.PREEMPTION}, False),
            ({"resources": ("WEB-0",)}, True),
            ({"resources": ("web-0", "web-1")}, False),
            ({"provider": "elsewhere"}, False),
            ({"listing": "a"}, False),
            ({"not_before": None}, True),
            ({"not_before": None, "notice": timedelta(minutes=1)}, True),
            ({"not_before": None, "notice": 3 * HOUR}, False),
            ({"not_before": NOW + timedelta(minutes=70)}, True),
            ({"not_before": NOW + timedelta(minutes=80)}, False),
            ({"not_before": NOW + 9 * HOUR, "duration": HOUR}, False),
        ],
        ids=str,
    )
    def test_where_machines_cause_impact_and_times_fit(self, one, other, changes, same):
        assert one_maintenance(one(), other().but(**changes), NOW) is same
        assert one_maintenance(other().but(**changes), one(), NOW) is same

    def test_a_window_overlaps_with_what_begins_within_it(self, one, other):
        window = one(not_before=NOW, not_after=NOW + 8 * HOUR)
        assert one_maintenance(window, other(not_before=NOW + 5 * HOUR), NOW)
        assert not one_maintenance(window, other(not_before=NOW + 10 * HOUR), NOW)

    def test_what_was_begun_early_is_what_begins_now(self, one, other):
        planned, now_told = one(not_before=NOW + 240 * HOUR), other(not_before=NOW + timedelta(minutes=1))
        assert not one_maintenance(planned, now_told, NOW)
        assert one_maintenance(planned.but(phase=Phase.STARTED), now_told, NOW)

    @pytest.mark.parametrize("together", [True, False])
    def test_what_comes_in_a_minute_is_not_what_is_planned_for_another_day(self, one, other, together):
        """A cloud that gives no time but a promise, as Google's `maintenance-event`, tells of now."""
        planned = one(not_before=NOW + 240 * HOUR)
        soon = other(id_origin=Origin.INFERRED).but(not_before=None, notice=timedelta(minutes=1))
        changes = see({} if together else known(planned), planned, soon)
        assert ("announced", "F-1") in steps(changes)
        assert changes[-1].event.not_before == NOW + timedelta(minutes=1)


class TestTheFirstTelling:
    def test_is_the_event_and_the_second_none(self, one, other):
        assert steps(see({}, one(), other())) == [("announced", "E-1")]
        assert see(known(one()), one(), other()) == ()
        assert see(known(one()), other(), whole=("b",)) == ()

    def test_keeps_the_word_over_what_another_says_of_the_time(self, one, other):
        later = other(not_before=NOW + timedelta(minutes=40))
        assert see(known(one()), one(), later) == ()

    def test_of_the_same_id_keeps_it_too(self, one, other):
        again = other(id="E-1", not_before=NOW + timedelta(minutes=40))
        assert see(known(one()), again, whole=("b",)) == ()
        assert see(known(one()), one(), again) == ()

    def test_is_moved_on_by_another(self, one, other):
        (change,) = see(known(one()), one(), other(phase=Phase.STARTED))
        assert (change.kind, change.event.id, change.event.listing) == (ChangeKind.STARTED, "E-1", "a")

    def test_is_not_moved_on_by_what_was_only_concluded(self, one, other):
        begun = other(phase=Phase.STARTED, phase_origin=Origin.INFERRED)
        assert see(known(one()), one(), begun) == ()

    def test_is_ended_by_another_that_knows_its_id(self, one, other):
        over = other(id="E-1", phase=Phase.ENDED, outcome=Outcome.COMPLETED, outcome_origin=Origin.REPORTED)
        (change,) = see(known(one()), over, whole=())
        assert (change.kind, change.event.outcome) == (ChangeKind.ENDED, Outcome.COMPLETED)
        ended = known(change.event)
        assert see(ended, one(), whole=("a",)) != ()  # its own list says that it goes on: it has returned
        assert see(ended, other(id="E-1"), whole=("b",)) == ()  # another has not heard yet

    def test_two_events_of_one_list_stay_two(self, one):
        assert steps(see({}, one(), one(id="E-2"))) == [("announced", "E-1"), ("announced", "E-2")]


class TestTheWordIsTaken:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({}, {"approval": Approval.STARTS}),
            ({"tentative": True}, {}),
        ],
        ids=["by what can be approved", "by what is certain"],
    )
    def test_from_what_says_less(self, one, other, first, second):
        before = one().but(**first)
        (change,) = see(known(before), before, other().but(**second))
        assert (change.kind, change.event.id, change.event.listing) == (ChangeKind.REVISED, "F-1", "b")
        assert succession(before, change.event) == TOLD_ELSEWHERE
        after = known(change.event)
        assert see(after, before, other().but(**second)) == ()
        assert see(after, before, whole=("a",)) == ()

    def test_from_a_message_by_a_list(self, one, other):
        told = one().but(listing="queue")
        (change,) = see(known(told), other(), whole=("b",), others=Others(pushed=PUSHED))
        assert (change.event.id, change.event.listing) == ("F-1", "b")


class TestAListThatNoLongerTells:
    def test_hands_over_to_another_in_the_same_answer(self, one, other):
        (change,) = see(known(one()), other())
        assert (change.kind, change.event.id, change.event.phase) == (ChangeKind.REVISED, "F-1", Phase.SCHEDULED)

    def test_hands_over_to_what_another_provider_told_last(self, one, other):
        (change,) = see(known(one()), whole=("a",), others=Others((other(),)))
        assert (change.kind, change.event.id) == (ChangeKind.REVISED, "F-1")

    def test_ends_the_event_where_no_other_tells_of_it(self, one, other):
        elsewhere = Others((other(resources=("web-1",)),))
        (change,) = see(known(one()), whole=("a",), others=elsewhere)
        assert change.kind is ChangeKind.ENDED

    def test_ends_it_where_the_cloud_says_how_it_ended(self, one, other):
        verdicts = {one().key: Outcome.COMPLETED}
        kinds = [
            change.kind for change in see(known(one()), whole=("a",), others=Others((other(),)), verdicts=verdicts)
        ]
        assert kinds == [ChangeKind.ENDED]

    def test_says_nothing_where_it_could_not_be_read(self, one, other):
        assert see(known(one()), whole=("b",)) == ()
        assert see(known(one()), other(), whole=()) == ()


class TestWhatCameAsAMessage:
    """Nobody says again that it goes on: `Observation.pushed`."""

    def told(self, one, **changes):
        return one(phase_origin=Origin.INFERRED, ends_by=NOW + HOUR).but(listing="queue", **changes)

    def test_goes_on_without_another_word(self, one):
        assert see(known(self.told(one)), whole=(), pushed=PUSHED, now=NOW + timedelta(minutes=1)) == ()

    def test_begins_at_its_time(self, one):
        (change,) = see(known(self.told(one)), whole=(), pushed=PUSHED, now=NOW + timedelta(minutes=16))
        assert (change.kind, change.event.phase_origin) == (ChangeKind.STARTED, Origin.INFERRED)

    def test_is_over_when_it_is_over_at_the_latest(self, one):
        begun = self.told(one, phase=Phase.STARTED)
        (change,) = see(known(begun), whole=(), pushed=PUSHED, now=NOW + HOUR)
        assert (change.kind, change.event.outcome) == (ChangeKind.ENDED, Outcome.COMPLETED)
        assert change.event.outcome_origin is Origin.INFERRED

    def test_is_looked_at_whoever_was_asked(self, one):
        others = Others(pushed=PUSHED)
        (change,) = see(known(self.told(one)), whole=("a",), now=NOW + HOUR, others=others)
        assert change.kind is ChangeKind.ENDED

    def test_that_comes_again_after_its_end_is_no_other_event(self, one):
        (change,) = see(known(self.told(one)), whole=(), pushed=PUSHED, now=NOW + HOUR)
        again = self.told(one)
        assert see(known(change.event), again, whole=(), pushed=PUSHED, now=NOW + HOUR) == ()
        (new,) = see(known(change.event), again.but(not_before=NOW + 2 * HOUR), whole=(), pushed=PUSHED, now=NOW + HOUR)
        assert (new.kind, new.episode) == (ChangeKind.ANNOUNCED, 2)


class TestAnEndThatOthersHaveNotHeardOf:
    @pytest.mark.parametrize(
        ("origin", "later", "new"),
        [
            (Origin.REPORTED, timedelta(0), False),
            (Origin.REPORTED, timedelta(minutes=30), False),
            (Origin.REPORTED, timedelta(minutes=61), True),
            (Origin.INFERRED, timedelta(seconds=30), False),
            (Origin.INFERRED, timedelta(minutes=30), True),
        ],
    )
    def test_is_none_of_the_next_event(self, one, origin, later, new):
        """An id that is ours is that of each reclaim of a machine: two may come within the hour."""
        ended = one(phase=Phase.ENDED, outcome=Outcome.COMPLETED, id_origin=origin)
        seen = one(id_origin=origin, not_before=ended.not_before + later).but(listing="b")
        assert bool(see(known(ended), seen, whole=("b",))) is new
