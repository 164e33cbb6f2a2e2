"""EC2's rules: which events there are, when an instance is told of them, and what becomes of them."""

from datetime import UTC, datetime, timedelta

import pytest

from stormcone.errors import SimulationError
from stormcone.model import Cause, Impact, Outcome, Phase
from stormcone_simulators.aws.model import IN_SERVICE, KEPT, AwsModel, AwsRules
from stormcone_simulators.aws.site import Ec2Site
from stormcone_simulators.aws.types import EVENT_TYPES, NEUTRAL, POSSIBLE_EVENTS, Family
from stormcone_simulators.events import EventPlan, Revision, TooLate
from stormcone_simulators.machines import Machines
from stormcone_simulators.scenarios.play import Agenda, settle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HERE = "i-0123456789abcdef0"
THERE = "i-0123456789abcdef1"


@pytest.fixture
def model():
    return AwsModel(Machines([HERE, THERE]), AwsRules(on_demand=[THERE]))


@pytest.fixture
def announce(model):
    def announce(impact=Impact.REBOOT, resources=(HERE,), **plan):
        event = model.draft(EventPlan(impact=Impact(impact), resources=tuple(resources), **plan), NOW)
        model.book.add(event)
        return event

    return announce


def pass_time(model, **span):
    now = NOW + timedelta(**span)
    settle(Agenda(), model.book, now)
    return now


class TestKinds:
    @pytest.mark.parametrize(
        ("impact", "cause", "native_type"),
        [
            ("reboot", None, "system-reboot"),
            ("degraded", None, "system-maintenance"),
            ("stop", None, "instance-stop"),
            ("stop", "preemption", "spot/stop"),
            ("hibernate", None, "spot/hibernate"),
            ("terminate", None, "spot/terminate"),
            ("terminate", "scale_in", "lifecycle/Terminated"),
            ("terminate", "hardware_failure", "instance-retirement"),
        ],
    )
    def test_neutral_words_mean_one_of_aws(self, announce, impact, cause, native_type):
        event = announce(impact, cause=cause and Cause(cause))
        assert (event.native_type, event.impact) == (native_type, impact)
        assert event.cause == (cause or event.kind.causes[0])

    @pytest.mark.parametrize(("impact", "why"), [("freeze", "live migration is silent"), ("redeploy", "its owner")])
    def test_what_aws_does_not_announce_is_refused_with_the_reason(self, announce, impact, why):
        with pytest.raises(SimulationError, match=why):
            announce(impact)

    @pytest.mark.parametrize(
        ("plan", "says"),
        [
            ({"impact": "reboot", "cause": Cause.PREEMPTION}, "the impact reboot and the cause preemption"),
            ({"impact": "reboot", "native_type": "instance-stop"}, "instance-stop has the impact stop, not reboot"),
            ({"native_type": "Redeploy"}, "no event type 'Redeploy'"),
            (
                {"impact": "stop", "native_type": "spot/stop", "cause": Cause.MAINTENANCE},
                "spot/stop has the cause preemption, not maintenance",
            ),
            ({"resources": [HERE, THERE]}, "about one instance, not 2"),
            ({"impact": "terminate", "resources": [THERE]}, "is on-demand"),
            ({"impact": "terminate", "resources": [THERE], "native_type": "rebalance"}, "is on-demand"),
        ],
    )
    def test_a_plan_that_contradicts_itself_or_the_cloud_is_refused(self, announce, plan, says):
        with pytest.raises(SimulationError, match=says):
            announce(**plan)

    def test_an_on_demand_instance_has_scheduled_events(self, announce, model):
        assert model.scheduled(THERE) == []
        event = announce(resources=[THERE])
        assert model.scheduled(THERE) == [event]

    def test_an_on_demand_instance_that_is_not_there_is_refused(self):
        with pytest.raises(SimulationError, match="'i-nobody'"):
            AwsModel(Machines([HERE]), AwsRules(on_demand=["i-nobody"]))

    def test_every_possible_event_can_be_made(self, announce):
        for impact, cause, native_type in POSSIBLE_EVENTS:
            assert announce(impact, cause=cause, native_type=native_type).cause is cause
        assert set(EVENT_TYPES) >= set(NEUTRAL.values())

    def test_ids_look_like_ec2s_and_differ(self, announce):
        ids = [announce().id for _ in range(3)]
        assert len(set(ids)) == 3
        assert all(each.startswith("instance-event-") and len(each) == len("instance-event-") + 17 for each in ids)


class TestScheduledEvents:
    def test_one_is_told_two_weeks_ahead_with_its_window(self, announce):
        event = announce()
        assert event.not_before - NOW == timedelta(days=14)
        assert event.not_after - event.not_before == timedelta(hours=2)
        assert event.deadline - event.not_before == timedelta(days=7)

    @pytest.mark.parametrize("native_type", ["instance-stop", "instance-retirement"])
    def test_a_stop_has_a_start_and_no_more(self, announce, native_type):
        event = announce("stop", native_type=native_type)
        assert (event.not_after, event.deadline) == (None, None)

    def test_the_window_is_as_long_as_the_impact_where_that_is_said(self, announce, model):
        event = announce(duration=timedelta(minutes=5), notice=timedelta(hours=1))
        assert event.not_after - event.not_before == timedelta(minutes=5)
        model.revise(event, Revision(notice=timedelta(hours=3)), NOW)
        assert event.not_after == NOW + timedelta(hours=3, minutes=5)

    def test_it_is_active_until_it_has_ended_and_then_in_the_history_for_a_week(self, announce, model):
        event = announce(notice=timedelta(hours=1))
        pass_time(model, hours=1)
        assert (event.phase, event.state) == (Phase.STARTED, "active")
        assert model.scheduled(HERE) == [event]
        pass_time(model, hours=1, minutes=10)
        assert (event.phase, event.state) == (Phase.ENDED, "completed")
        assert event.text == "[Completed] scheduled reboot"
        assert model.scheduled(HERE) == []
        assert model.history(HERE, event.ended_at + KEPT - MINUTE) == [event]
        assert model.history(HERE, event.ended_at + KEPT) == []
        assert model.history(THERE, event.ended_at) == []

    def test_one_that_is_called_off_says_so(self, announce, model):
        event = announce()
        model.cancel(event, NOW)
        assert (event.state, event.text) == ("canceled", "[Canceled] scheduled reboot")
        assert model.history(HERE, NOW) == [event]

    def test_an_end_for_which_aws_has_no_word_is_listed_nowhere(self, announce, model):
        event = announce()
        model.book.end(event, NOW, Outcome.FAILED)
        assert (event.state, model.history(HERE, NOW), model.scheduled(HERE)) == (None, [], [])

    def test_maintenance_of_the_power_restarts_and_says_so(self, announce):
        assert "network" in announce("degraded").description
        assert "power" in announce("reboot", native_type="system-maintenance").description

    def test_one_moves_to_another_instance_and_another_time_until_it_has_begun(self, announce, model):
        event = announce(notice=timedelta(hours=1))
        model.revise(event, Revision(resources=(THERE,), notice=timedelta(hours=2), description="moved"), NOW)
        assert (model.scheduled(HERE), model.scheduled(THERE)) == ([], [event])
        assert (event.not_before, event.starts_at) == (NOW + timedelta(hours=2),) * 2
        pass_time(model, hours=2)
        with pytest.raises(TooLate, match="has begun"):
            model.revise(event, Revision(notice=timedelta(hours=9)), NOW)
        with pytest.raises(TooLate, match="already"):
            model.cancel(event, NOW)


class TestSpot:
    def test_an_interruption_is_told_two_minutes_ahead(self, announce, model):
        event = announce("terminate")
        assert event.not_before == NOW + 2 * MINUTE
        assert model.interruption(HERE, NOW) == event
        assert model.recommended_at(HERE) is None

    def test_one_that_is_ordered_further_ahead_is_recommended_for_until_then(self, announce, model):
        event = announce("terminate", notice=5 * MINUTE)
        assert model.interruption(HERE, NOW + 3 * MINUTE - timedelta(seconds=1)) is None
        assert model.interruption(HERE, NOW + 3 * MINUTE) == event
        assert model.recommended_at(HERE) == NOW
        assert model.recommended_at(THERE) is None

    def test_a_hibernation_begins_as_it_is_told(self, announce, model):
        event = announce("hibernate", notice=5 * MINUTE)
        assert model.recommended_at(HERE) == NOW
        assert model.interruption(HERE, NOW + 5 * MINUTE - timedelta(seconds=1)) is None
        pass_time(model, minutes=5)
        assert (event.phase, model.interruption(HERE, NOW + 5 * MINUTE)) == (Phase.STARTED, event)

    def test_nobody_calls_one_off_or_moves_it(self, announce, model):
        event = announce("stop", cause=Cause.PREEMPTION)
        with pytest.raises(TooLate, match="never is"):
            model.cancel(event, NOW)
        with pytest.raises(SimulationError, match="scheduled events and nothing else"):
            model.revise(event, Revision(notice=MINUTE), NOW)

    def test_nothing_is_told_any_more_once_it_is_over(self, announce, model):
        announce("terminate")
        now = pass_time(model, minutes=3)
        assert (model.interruption(HERE, now), model.recommended_at(HERE), model.history(HERE, now)) == (None, None, [])


class TestRebalance:
    def test_a_recommendation_stays_and_begins_nothing(self, announce, model):
        event = announce("terminate", native_type="rebalance")
        pass_time(model, days=30)
        assert (event.phase, event.kind.family) == (Phase.SCHEDULED, Family.REBALANCE)
        assert model.recommended_at(HERE) == NOW

    def test_the_first_of_several_counts(self, announce, model):
        event = announce("terminate", native_type="rebalance")
        announce("terminate", notice=5 * MINUTE)
        model.book.end(event, NOW, Outcome.COMPLETED)
        assert model.recommended_at(HERE) == NOW


class TestTargetState:
    @pytest.mark.parametrize("name", [name for name, kind in EVENT_TYPES.items() if kind.family is Family.LIFECYCLE])
    def test_auto_scaling_takes_an_instance_away_for_an_hour(self, announce, model, name):
        assert model.target_state(HERE) == IN_SERVICE
        event = announce(EVENT_TYPES[name].impacts[0], native_type=name)
        assert model.target_state(HERE) == name.partition("/")[2]
        assert event.not_before == NOW + timedelta(hours=1)
        pass_time(model, hours=2)
        assert model.target_state(HERE) == IN_SERVICE


class TestInstances:
    def test_each_has_an_address_and_a_name_of_its_own(self, model):
        first, second = model.hardware(HERE), model.hardware(THERE)
        assert (first.hostname, second.hostname) == ("ip-10-0-0-10.ec2.internal", "ip-10-0-0-11.ec2.internal")
        assert len({first.mac, second.mac, first.interface, second.interface, first.volume}) == 5

    def test_the_region_is_in_their_names(self):
        there = AwsModel(Machines([HERE]), AwsRules(site=Ec2Site(region="eu-central-1")))
        assert there.hardware(HERE).hostname == "ip-10-0-0-10.eu-central-1.compute.internal"
        assert (there.rules.site.zone, there.rules.site.zone_id) == ("eu-central-1a", "euc1-az1")
