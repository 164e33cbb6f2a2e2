"""Every message that a queue may hold: what it means, and what is kept of it where it is odd."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.model import Approval, Cause, Impact, Origin, Outcome, Phase
from stormcone_aws.messages import SPOT_NOTICE, hook_of, read_message

SENT = datetime(2026, 4, 11, 22, 10, 1, tzinfo=UTC)
AT = datetime(2026, 4, 11, 22, 10, tzinfo=UTC)


def said(message):
    return read_message(message if isinstance(message, str) else json.dumps(message), SENT)


def event_of(message):
    found = said(message)
    assert not found.unread
    (event,) = found.events
    return event


class TestSpot:
    @pytest.mark.parametrize(
        ("action", "impact"),
        [("terminate", Impact.TERMINATE), ("stop", Impact.STOP), ("hibernate", Impact.HIBERNATE)],
    )
    def test_the_action_is_the_impact(self, letters, action, impact):
        event = event_of(letters.spot(action=action))
        assert (event.impact, event.cause, event.native_status) == (impact, Cause.PREEMPTION, action)

    def test_the_id_is_made_of_the_instance_alone(self, letters):
        event = event_of(letters.spot("i-0two"))
        assert (event.id, event.id_origin, event.provider) == ("spot/i-0two", Origin.INFERRED, "aws")
        assert event_of(letters.spot("i-0two", time="2026-04-12T01:00:00Z")).key == event.key

    def test_the_time_is_counted_from_the_messages_own_and_never_from_when_it_is_read(self, letters):
        event = event_of(letters.spot())
        assert (event.not_before, event.not_before_origin) == (AT + SPOT_NOTICE, Origin.INFERRED)
        assert (event.phase, event.phase_origin) == (Phase.SCHEDULED, Origin.INFERRED)
        assert event.ends_by is not None
        assert event.ends_by > event.not_before

    def test_hibernation_begins_as_it_is_told(self, letters):
        assert event_of(letters.spot(action="hibernate")).not_before == AT

    def test_an_action_that_nobody_knows_is_an_interruption_all_the_same(self, letters):
        found = said(letters.spot(action="defrost"))
        assert found.events[0].impact is Impact.UNKNOWN
        assert "'defrost' is not known" in found.problems[0]

    def test_the_instance_may_stand_in_the_arn_alone(self, letters):
        message = letters.spot(resources=["arn:aws:ec2:us-east-2a:instance/i-0abc"])
        del message["detail"]["instance-id"]
        assert event_of(message).resources == ("i-0abc",)

    def test_a_time_that_cannot_be_read_is_that_of_its_sending(self, letters):
        found = said(letters.spot(time="yesterday"))
        assert found.at == SENT
        assert found.events[0].not_before == SENT + SPOT_NOTICE
        assert "its time cannot be read" in found.problems[0]


class TestRebalance:
    def test_is_tentative_and_does_not_count_for_ever(self, letters):
        event = event_of(letters.rebalance())
        assert (event.id, event.tentative) == ("rebalance/i-0one", True)
        assert event.not_before is None
        assert event.ends_by == AT + timedelta(days=1)


class TestStates:
    @pytest.mark.parametrize("state", ["stopped", "terminated"])
    def test_an_instance_that_is_gone_ends_what_was_to_take_it_away(self, letters, state):
        events = said(letters.state(state)).events
        assert {event.id for event in events} == {
            "spot/i-0one",
            "rebalance/i-0one",
            "lifecycle/i-0one",
            "capacity-reservation/i-0one",
        }
        for event in events:
            assert (event.phase, event.outcome, event.outcome_origin) == (
                Phase.ENDED,
                Outcome.COMPLETED,
                Origin.INFERRED,
            )

    @pytest.mark.parametrize("state", ["pending", "running", "stopping", "shutting-down", "rebooting"])
    def test_nothing_follows_from_any_other(self, letters, state):
        found = said(letters.state(state))
        assert (found.events, found.unread) == ((), "")

    def test_an_end_has_its_own_events_type_so_that_it_ends_no_other_of_the_machine(self, letters):
        told = {
            event_of(make()).native_type
            for make in (letters.spot, letters.rebalance, letters.lifecycle, letters.reservation)
        }
        assert {event.native_type for event in said(letters.state("stopped")).events} == told


class TestLifecycle:
    def test_waits_for_our_word_and_has_no_time(self, letters):
        event = event_of(letters.lifecycle())
        assert (event.id, event.impact, event.cause) == ("lifecycle/i-0one", Impact.TERMINATE, Cause.SCALE_IN)
        assert (event.approval, event.not_before) == (Approval.STARTS, None)
        assert event.heartbeat == timedelta(seconds=30)
        assert event.ends_by == AT + timedelta(hours=48)

    def test_means_the_same_in_all_four_forms(self, letters):
        forms = [
            letters.lifecycle(),
            letters.sns(letters.lifecycle()),
            letters.action() | {"Time": "2026-04-11T22:10:00.000Z", "Service": "AWS Auto Scaling"},
            letters.sns(letters.action() | {"Time": "2026-04-11T22:10:00.000Z"}),
        ]
        events = [event_of(form) for form in forms]
        assert len({event.but(native={}).model_dump_json() for event in events}) == 1
        assert {hook_of(event) for event in events} == {
            ("web", "drain", "i-0one", "87654321-4321-4321-4321-210987654321")
        }

    def test_a_launch_takes_nothing_away_and_is_left(self, letters):
        message = letters.action(transition="autoscaling:EC2_INSTANCE_LAUNCHING")
        assert "LAUNCHING" in said(message).unread
        assert "LAUNCHING" in said(letters.lifecycle() | {"detail": message}).unread

    def test_one_that_names_no_hook_is_told_and_cannot_be_approved(self, letters):
        message = letters.lifecycle()
        del message["detail"]["LifecycleHookName"]
        found = said(message)
        assert found.events[0].approval is Approval.NONE
        assert found.events[0].withheld
        assert "which hook waits" in found.problems[0]

    @pytest.mark.parametrize("field", ["Event", "LifecycleTransition"])
    def test_a_test_of_auto_scalings_is_understood_and_means_nothing(self, letters, field):
        test = {"AutoScalingGroupName": "web", "Service": "AWS Auto Scaling", field: "autoscaling:TEST_NOTIFICATION"}
        for form in (test, letters.sns(test)):
            assert (said(form).events, said(form).unread) == ((), "")


class TestHealth:
    def test_is_one_event_for_each_instance(self, letters):
        events = said(letters.health("i-0one", "i-0two")).events
        assert [event.resources for event in events] == [("i-0one",), ("i-0two",)]
        assert len({event.key for event in events}) == 2
        assert {event.impact for event in events} == {Impact.REBOOT}
        assert {event.not_before for event in events} == {datetime(2026, 4, 18, 15, 5, tzinfo=UTC)}
        assert {event.ends_by for event in events} == {datetime(2026, 4, 18, 17, 5, tzinfo=UTC)}
        assert events[0].description == "A reboot is scheduled."

    def test_has_the_scheduled_events_id_where_it_stands_there(self, letters):
        texts = [{"latestDescription": "See instance-event-0d59937288b749b32."}]
        one = letters.health("i-0one", eventDescription=texts)
        assert event_of(one).id == "instance-event-0d59937288b749b32"
        two = letters.health("i-0one", "i-0two", eventDescription=texts)
        assert {event.id.startswith("arn:") for event in said(two).events} == {True}

    @pytest.mark.parametrize(("end", "known"), [("EC2_instance-event-0d59937288b749b32", True), ("EC2_0d59", False)])
    def test_has_the_scheduled_events_id_where_its_arn_ends_with_it(self, letters, end, known):
        arn = f"arn:aws:health:eu-west-1::event/EC2/AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED/{end}"
        event = event_of(letters.health("i-0one", eventArn=arn))
        assert event.id == ("instance-event-0d59937288b749b32" if known else f"{arn}/i-0one")

    def test_without_an_end_it_is_over_a_day_after_its_start(self, letters):
        event = event_of(letters.health(endTime=""))
        assert event.ends_by == datetime(2026, 4, 19, 15, 5, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("start", "outcome"),
        [("Sat, 18 Apr 2026 15:05:00 GMT", Outcome.CANCELED), ("Fri, 10 Apr 2026 15:05:00 GMT", Outcome.COMPLETED)],
    )
    def test_closed_is_an_end_before_or_after_its_time(self, letters, start, outcome):
        event = event_of(letters.health(statusCode="closed", startTime=start))
        assert (event.phase, event.outcome, event.outcome_origin) == (Phase.ENDED, outcome, Origin.INFERRED)

    def test_a_code_that_nobody_knows_is_maintenance_all_the_same(self, letters):
        event = event_of(letters.health(eventTypeCode="AWS_EC2_SOMETHING_SCHEDULED"))
        assert (event.impact, event.cause) == (Impact.UNKNOWN, Cause.MAINTENANCE)

    @pytest.mark.parametrize(
        "changes",
        [{"service": "RDS"}, {"eventTypeCategory": "issue"}, {"affectedEntities": []}, {"eventArn": ""}],
    )
    def test_what_is_of_no_instance_is_left(self, letters, changes):
        assert said(letters.health(**changes)).unread


class TestCapacity:
    def test_a_reservation_that_is_taken_back_says_when(self, letters):
        event = event_of(letters.reservation())
        assert (event.impact, event.not_before_origin) == (Impact.TERMINATE, Origin.REPORTED)
        assert event.not_before == datetime(2026, 4, 11, 22, 12, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        "name", ["Capacity Block Expiration Warning", "Capacity Block Reservation Expiration Warning"]
    )
    def test_a_block_takes_its_instances_half_an_hour_before_its_end(self, letters, name):
        event = event_of(letters.block(name))
        assert (event.id, event.resources) == ("capacity-block/cr-0one", ("cr-0one",))
        assert event.not_before == datetime(2026, 4, 11, 22, 20, tzinfo=UTC)

    def test_the_documented_envelope_with_underscores_is_read_as_well(self, letters):
        message = letters.block()
        message["detail_type"] = message.pop("detail-type")
        assert event_of(message).id == "capacity-block/cr-0one"


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        "body",
        ["", "no JSON", "[]", "17", '"text"', "{}", '{"detail-type": "EC2 Spot Instance Interruption Warning"}'],
    )
    def test_says_why(self, body):
        found = said(body)
        assert found.unread
        assert found.events == ()

    def test_an_unknown_type_is_none_of_ours_to_delete(self, letters):
        assert (
            "'EBS Snapshot Notification' of 'aws.ec2'" in said(letters.letter("EBS Snapshot Notification", {})).unread
        )

    def test_a_known_type_of_another_source_is_not_believed(self, letters):
        assert said(letters.spot(source="my.app")).unread

    def test_messages_within_messages_end(self, letters):
        message = letters.spot()
        for _ in range(5):
            message = letters.sns(message)
        assert "too deeply" in said(message).unread

    def test_a_key_that_stands_twice_keeps_everybody_from_approving(self, letters):
        text = json.dumps(letters.lifecycle())[:-1] + ', "account": "1"}'
        found = said(text)
        assert found.events[0].approval is Approval.NONE
        assert "a key appears twice" in found.problems[0]

    def test_a_time_at_the_end_of_the_calendar_is_told(self, letters):
        for message in (
            letters.spot(time="9999-12-31T23:59:59Z"),
            letters.lifecycle(time="9999-12-31T23:59:59Z"),
            letters.block(**{"end-date": "0001-01-01T00:00:00Z"}),
            letters.health(startTime="9999-12-31T23:59:59Z", endTime=""),
        ):
            assert "at the end of the calendar" in said(message).unread

    def test_odd_values_spoil_nothing_beside_them(self, letters):
        message = letters.spot(time=17, resources=[None, 5])
        message["detail"]["instance-action"] = ["terminate"]
        assert event_of(message).resources == ("i-0one",)


class TestTakenTwice:
    def test_a_message_means_the_same_whenever_it_is_read(self, letters):
        for message in (letters.spot(), letters.rebalance(), letters.lifecycle(), letters.health(), letters.block()):
            text = json.dumps(message)
            assert read_message(text, SENT).events == read_message(text, SENT + timedelta(minutes=5)).events
