"""Times that a cloud does not give, and times that move: what is concluded of them, once and for good."""

from datetime import UTC, datetime, timedelta

import pytest

from stormcone.model import Machine, Observation, Origin, Outcome, Phase
from stormcone.rules.changes import ChangeKind, Known
from stormcone.rules.lifecycle import advance
from stormcone.rules.times import PUT_OFF, TENTATIVE_FOR

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = NOW + timedelta(minutes=15)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OURS = {"id": "vm-0:preempted", "id_origin": "inferred"}
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")


def known(event, **fields):
    return {event.key: Known(event=event, boot_id="boot-1", first_seen=NOW, **fields)}


def told(entries, event, now=NOW, machine=MACHINE):
    return advance(entries, Observation(events=(event,)), now, machine)


class TestANoticeWithoutATime:
    def test_counts_from_the_first_sight(self, event):
        (change,) = told({}, event(not_before=None, notice=MINUTE))
        assert (change.event.not_before, change.event.not_before_origin) == (NOW + MINUTE, Origin.INFERRED)

    def test_is_pinned_whatever_is_seen_later_and_by_whichever_life(self, event):
        seen = event(not_before=None, notice=MINUTE)
        (change,) = told({}, seen)
        assert told(known(change.event), seen, NOW + 40 * MINUTE / 60) == ()

    def test_gives_way_to_a_time_of_the_clouds(self, event):
        (change,) = told({}, event(not_before=None, notice=MINUTE))
        (revised,) = told(known(change.event), event(not_before=SOON, not_before_origin="reported", notice=MINUTE))
        assert (revised.fields, revised.event.not_before_origin) == (("not_before",), Origin.REPORTED)

    def test_is_none_of_an_event_that_has_begun(self, event):
        (change,) = told({}, event(phase="started", not_before=None, notice=MINUTE))
        assert change.event.not_before is None


class TestAStartThatTheCloudDoesNotTell:
    def test_is_its_time(self, event):
        waiting = event(phase_origin="inferred", not_before=SOON)
        assert told(known(waiting), waiting, SOON - MINUTE) == ()
        (change,) = told(known(waiting), waiting, SOON)
        assert (change.kind, change.event.phase_origin) == (ChangeKind.STARTED, Origin.INFERRED)
        assert told(known(change.event), waiting, SOON + MINUTE) == ()

    def test_is_the_end_of_its_notice_where_it_has_no_time(self, event):
        waiting = event(phase_origin="inferred", not_before=None, notice=MINUTE)
        (announced,) = told({}, waiting)
        (change,) = told(known(announced.event), waiting, NOW + MINUTE)
        assert change.kind is ChangeKind.STARTED

    def test_is_taken_back_where_its_time_moves_a_little(self, event):
        begun = event(phase="started", phase_origin="inferred", not_before=NOW)
        (change,) = told(known(begun, begun=True), event(phase_origin="inferred", not_before=SOON))
        assert (change.kind, change.fields, change.event.phase) == (
            ChangeKind.REVISED,
            ("phase", "not_before"),
            Phase.SCHEDULED,
        )

    def test_that_the_cloud_did_tell_is_never_taken_back(self, event):
        begun = event(phase="started", not_before=NOW)
        assert told(known(begun, begun=True), event(not_before=NOW + 9 * HOUR)) == ()


class TestATimeThatIsPutOff:
    LATER = SOON + PUT_OFF + timedelta(seconds=1)

    @pytest.mark.parametrize(
        "before", [{}, {"phase": "started", "phase_origin": "inferred"}], ids=["scheduled", "begun by our conclusion"]
    )
    def test_ends_the_notice_once_handlers_have_begun(self, event, before):
        ended, announced = told(known(event(**before), begun=True, approved=True), event(not_before=self.LATER))
        assert (ended.kind, ended.event.outcome, ended.episode) == (ChangeKind.ENDED, Outcome.POSTPONED, 1)
        assert (announced.kind, announced.episode, announced.before) == (ChangeKind.ANNOUNCED, 2, None)
        assert announced.event.not_before == self.LATER

    def test_is_a_revision_where_none_has_begun(self, event):
        (change,) = told(known(event()), event(not_before=self.LATER))
        assert (change.kind, change.fields) == (ChangeKind.REVISED, ("not_before",))

    @pytest.mark.parametrize("time", [SOON + PUT_OFF, NOW, SOON - MINUTE], ids=["by an hour", "to now", "forward"])
    def test_is_a_revision_where_it_moves_by_no_more_than_the_threshold_or_comes_nearer(self, event, time):
        (change,) = told(known(event(), begun=True), event(not_before=time))
        assert change.kind is ChangeKind.REVISED

    def test_is_a_revision_where_the_event_waits_for_consent_anyway(self, event):
        waiting = {"approval": "consent"}
        (change,) = told(known(event(**waiting), begun=True), event(not_before=self.LATER, **waiting))
        assert change.kind is ChangeKind.REVISED


class TestAnIdOfOursThatIsSeenAgain:
    def test_is_the_next_event_where_its_time_is_another_and_the_old_one_has_passed(self, event):
        later = event(**OURS, not_before=SOON + 5 * HOUR)
        ended, announced = told(known(event(**OURS)), later, SOON + 2 * HOUR)
        assert (ended.event.outcome, announced.kind, announced.episode) == (
            Outcome.COMPLETED,
            ChangeKind.ANNOUNCED,
            2,
        )

    def test_is_the_next_event_where_the_machine_has_booted_long_after_its_time(self, event):
        seen = event(**OURS, not_before=None, notice=MINUTE)
        rebooted = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-2")
        now = SOON + 2 * HOUR
        ended, announced = told(known(event(**OURS)), seen, now, rebooted)
        assert (ended.event.outcome, announced.event.not_before) == (Outcome.COMPLETED, now + MINUTE)
        assert told(known(event(**OURS)), seen, SOON + MINUTE, rebooted) == (), "it is still listed after its boot"
        assert told(known(event(**OURS)), seen, now) == (), "it has not booted: it lasts"

    def test_is_the_same_event_where_the_cloud_gives_the_id(self, event):
        (change,) = told(known(event()), event(not_before=SOON + 5 * HOUR), SOON + 2 * HOUR)
        assert change.kind is ChangeKind.REVISED


class TestAnEventThatMayNeverHappen:
    def test_is_waited_for_for_a_day(self, event):
        perhaps = event(tentative=True, not_before=None)
        assert told(known(perhaps), perhaps, NOW + TENTATIVE_FOR - MINUTE) == ()
        (change,) = told(known(perhaps), perhaps, NOW + TENTATIVE_FOR)
        assert (change.event.outcome, change.event.outcome_origin) == (Outcome.UNKNOWN, Origin.INFERRED)

    def test_is_waited_for_until_its_end_where_the_cloud_says_it(self, event):
        perhaps = event(tentative=True, not_before=None, ends_by=NOW + HOUR)
        (change,) = told(known(perhaps), perhaps, NOW + HOUR)
        assert change.kind is ChangeKind.ENDED

    def test_is_no_news_where_it_stays_listed_after_that(self, event):
        ended = event(tentative=True, phase="ended", outcome="unknown")
        assert told(known(ended), event(tentative=True), NOW + 9 * HOUR) == ()

    def test_is_news_where_it_has_become_certain(self, event):
        ended = event(tentative=True, phase="ended", outcome="unknown")
        (change,) = told(known(ended), event(), NOW + 9 * HOUR)
        assert (change.kind, change.episode) == (ChangeKind.ANNOUNCED, 2)


class TestListings:
    def test_end_only_what_stands_in_one_that_was_read_whole(self, event):
        spot, planned = event(id="S", listing="spot"), event(id="P", listing="planned")
        entries = known(spot) | known(planned)
        (change,) = advance(entries, Observation(whole=frozenset({"spot"})), NOW, MACHINE)
        assert (change.kind, change.event.id) == (ChangeKind.ENDED, "S")

    def test_do_not_end_what_has_moved_to_another(self, event):
        moved = event(listing="history")
        (change,) = advance(
            known(event(listing="planned")),
            Observation(events=(moved,), whole=frozenset({"planned", "history"})),
            NOW,
            MACHINE,
        )
        assert (change.kind, change.fields) == (ChangeKind.REVISED, ("listing",))
