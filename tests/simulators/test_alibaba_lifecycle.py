"""The life of system events: simulated ones as the documentation says, the cloud's own, and the neutral words."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from stormcone.clock import ManualClock
from stormcone.errors import SettingsError, SimulationError
from stormcone.model import Impact
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.alibaba.documents import CODES, PUBLIC_CODES
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.instances import InstanceStatus, StoppedMode
from stormcone_simulators.alibaba.model import Query
from stormcone_simulators.alibaba.power import Power
from stormcone_simulators.alibaba.types import EVENT_TYPES, FINISHED, NEUTRAL, SPOT_RELEASE, EventStatus
from stormcone_simulators.scenarios.format import scenario_names

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MAINTENANCE = ["SystemMaintenance.Reboot", "SystemMaintenance.Stop", "SystemMaintenance.Redeploy"]
FAILURES = ["SystemFailure.Reboot", "SystemFailure.Stop", "SystemFailure.Redeploy", "InstanceFailure.Reboot"]
LOCAL_DISK = "SystemMaintenance.IsolateErrorDisk"


class TestSimulatedEvents:
    @pytest.mark.parametrize("event_type", MAINTENANCE)
    def test_maintenance_is_scheduled_executes_at_its_time_and_soon_has_executed(self, ecs, clock, event_type):
        ecs.create(event_type, START + HOUR, "i-aaa")
        clock.advance(seconds=3599)
        assert ecs.statuses() == ["Scheduled"]
        clock.advance(1)
        assert ecs.statuses() == ["Executing"]
        clock.advance(59)
        assert ecs.statuses() == ["Executing"]
        clock.advance(1)
        (event,) = ecs.history()
        assert event["EventCycleStatus"] == {"Code": 0, "Name": "Executed"}
        assert (event["NotBefore"], event["EventFinishTime"]) == ("2026-01-01T01:00:00Z", "2026-01-01T01:01:00Z")

    @pytest.mark.parametrize("event_type", FAILURES)
    def test_a_failure_executes_at_once_and_has_executed_at_its_time(self, ecs, clock, event_type):
        ecs.create(event_type, START + HOUR, "i-aaa")
        assert ecs.statuses() == ["Executing"]
        clock.advance(seconds=3599)
        assert ecs.statuses() == ["Executing"]
        clock.advance(1)
        (event,) = ecs.history()
        assert event["EventCycleStatus"]["Name"] == "Executed"
        assert event["EventFinishTime"] == event["NotBefore"] == "2026-01-01T01:00:00Z"

    @pytest.mark.parametrize("event_type", MAINTENANCE + FAILURES)
    @pytest.mark.parametrize("later", [timedelta(0), HOUR])
    def test_it_is_called_off_as_long_as_it_has_not_ended(self, ecs, clock, event_type, later):
        (event_id,) = ecs.create(event_type, START + 2 * HOUR, "i-aaa")
        clock.advance(later)
        ecs.call("CancelSimulatedSystemEvents", EventId=[event_id])
        clock.advance(hours=5)
        assert ecs.statuses() == ["Canceled"]
        again = ecs.refused("CancelSimulatedSystemEvents", EventId=[event_id])
        assert again == (403, "InvalidEventId.NotFound")

    def test_it_is_called_off_while_it_executes(self, ecs, clock):
        (event_id,) = ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-aaa")
        clock.advance(HOUR)
        assert ecs.statuses() == ["Executing"]
        ecs.call("CancelSimulatedSystemEvents", EventId=[event_id, event_id])
        assert ecs.statuses() == ["Canceled"]

    def test_how_long_maintenance_executes_is_a_setting(self, clock, ecs_of):
        options = SimulatorOptions(machines=["i-aaa"], clock=clock, settings={"executing": "5"})
        with AlibabaSimulator.from_options(options) as simulator:
            ecs = ecs_of(simulator)
            ecs.create("SystemMaintenance.Reboot", START, "i-aaa")
            assert ecs.statuses() == ["Executing"]
            clock.advance(5)
            assert ecs.statuses() == ["Executed"]

    def test_one_event_is_made_for_each_instance_in_their_order(self, ecs):
        ids = ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-bbb", "i-aaa")
        assert [(each["EventId"], each["InstanceId"]) for each in reversed(ecs.history())] == [
            (ids[0], "i-bbb"),
            (ids[1], "i-aaa"),
        ]

    def test_the_second_that_is_running_has_not_passed(self, ecs, clock):
        clock.advance(0.5)
        ecs.create("SystemMaintenance.Reboot", START, "i-aaa")
        assert ecs.statuses() == ["Executing"]

    def test_the_instance_itself_stays_as_it_is(self, ecs, clock):
        ecs.create("SystemMaintenance.Stop", START + HOUR, "i-aaa")
        clock.advance(HOUR)
        (instance,) = ecs.call("DescribeInstances", InstanceIds='["i-aaa"]')["Instances"]["Instance"]
        assert instance["Status"] == "Running"


class TestTheCloudsOwnEvents:
    def test_one_that_inquires_waits_for_its_owners_word_for_ever(self, alibaba, ecs, clock):
        event_id = alibaba.schedule("degraded", resources=["i-aaa"], native_type=LOCAL_DISK, notice=HOUR)
        clock.advance(hours=1000)
        assert ecs.statuses() == ["Inquiring"]
        ecs.call("AcceptInquiredSystemEvent", EventId=event_id)
        assert ecs.statuses() == ["Executing"]
        assert alibaba.events()[0]["approved_by"] == ["i-aaa"]
        again = ecs.refused("AcceptInquiredSystemEvent", EventId=event_id)
        assert again == (404, "InvalidEventId.NoInquiringEventFound")
        clock.advance(60)
        assert ecs.statuses() == ["Executed"]

    def test_the_machine_that_accepts_is_known_by_its_address(self, alibaba, ecs_of):
        event_id = alibaba.schedule("degraded", resources=["i-aaa"], native_type=LOCAL_DISK)
        client = ecs_of(alibaba, url=alibaba.urls()["i-bbb"])
        client.call("AcceptInquiredSystemEvent", EventId=event_id)
        assert alibaba.events()[0]["approved_by"] == ["i-bbb"]

    def test_only_what_inquires_is_accepted(self, ecs):
        (event_id,) = ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-aaa")
        refused = ecs.refused("AcceptInquiredSystemEvent", EventId=event_id)
        assert refused == (404, "InvalidEventId.NoInquiringEventFound")

    def test_it_cannot_be_called_off_as_a_simulated_one(self, alibaba, ecs):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"], native_type="systemmaintenance.reboot:scheduled")
        refused = ecs.refused("CancelSimulatedSystemEvents", EventId=[event_id])
        assert refused == (403, "CannotCancelSystemEvent.NotSimulated")
        alibaba.cancel(event_id)
        assert ecs.statuses() == ["Canceled"]

    def test_it_cannot_be_called_off_once_it_executes(self, alibaba):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"], native_type="SystemMaintenance.Reboot:Scheduled")
        alibaba.start(event_id)
        with pytest.raises(SimulationError, match="cannot be called off: it is started already"):
            alibaba.cancel(event_id)

    def test_it_may_fail(self, alibaba, ecs):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"])
        alibaba.complete(event_id, "failed")
        assert ecs.statuses() == ["Failed"]

    def test_one_that_ended_nobody_knows_how_is_listed_no_more(self, alibaba, ecs):
        alibaba.complete(alibaba.schedule("reboot", resources=["i-aaa"]), "unknown")
        assert ecs.history() == []

    def test_its_reason_is_empty_unless_it_is_given(self, alibaba, ecs):
        alibaba.schedule("degraded", resources=["i-aaa"])
        alibaba.schedule("degraded", resources=["i-aaa"], description="A disk is slow.")
        assert [event["Reason"] for event in ecs.history()] == ["A disk is slow.", ""]

    @pytest.mark.parametrize("name", [name for name in EVENT_TYPES if name != SPOT_RELEASE])
    def test_every_type_can_be_made_as_it_begins(self, alibaba, ecs, name):
        event_type = EVENT_TYPES[name]
        alibaba.schedule(event_type.impact, resources=["i-aaa"], native_type=name)
        (event,) = ecs.history()
        assert (event["EventType"]["Name"], event["EventCycleStatus"]["Name"]) == (name, event_type.first)

    @pytest.mark.parametrize(
        ("impact", "native_type", "why"),
        [
            ("reboot", "SystemMaintenance.LiveMigration", "no event type 'SystemMaintenance.LiveMigration'; it has"),
            ("stop", "SystemMaintenance.Reboot", "SystemMaintenance.Reboot has the impact reboot"),
            ("stop", "SystemMaintenance.Stop:Inquiring", "cannot begin as 'Inquiring'; it has Scheduled, Executing$"),
            ("reboot", "SystemMaintenance.Reboot:Executed", "cannot begin as 'Executed'"),
            ("terminate", f"{SPOT_RELEASE}:Scheduled", "it has no statuses"),
        ],
    )
    def test_a_native_type_that_there_is_not_is_refused(self, alibaba, impact, native_type, why):
        with pytest.raises(SimulationError, match=why):
            alibaba.schedule(impact, resources=["i-aaa"], native_type=native_type)


class TestNeutralWords:
    @pytest.mark.parametrize(("words", "native"), NEUTRAL.items())
    def test_impact_and_cause_choose_the_type(self, alibaba, words, native):
        impact, cause = words
        alibaba.schedule(impact, cause=cause, resources=["i-aaa"])
        (event,) = alibaba.events()
        name = native.removesuffix(":Scheduled")
        assert (event["native_type"], event["impact"], event["cause"]) == (name, impact, cause)

    @pytest.mark.parametrize(
        ("impact", "native"),
        [
            ("reboot", "SystemMaintenance.Reboot"),
            ("redeploy", "SystemMaintenance.Redeploy"),
            ("stop", "SystemMaintenance.Stop"),
            ("terminate", SPOT_RELEASE),
            ("degraded", "SystemMaintenance.PerformanceImpact"),
        ],
    )
    def test_without_a_cause_the_usual_one_is_meant(self, alibaba, impact, native):
        alibaba.schedule(impact, resources=["i-aaa"])
        assert alibaba.events()[0]["native_type"] == native

    @pytest.mark.parametrize("impact", ["freeze", "none", "unknown"])
    def test_an_impact_without_an_event_is_refused_with_those_that_have_one(self, alibaba, impact):
        has = "it has reboot, redeploy, stop, terminate, degraded$"
        with pytest.raises(SimulationError, match=f"impact {impact}(, as a live migration is silent there)?; {has}"):
            alibaba.schedule(impact, resources=["i-aaa"])

    def test_a_cause_without_an_event_is_refused_with_those_that_have_one(self, alibaba):
        has = "with that impact it has maintenance, hardware_failure, guest_failure"
        with pytest.raises(SimulationError, match=has):
            alibaba.schedule("reboot", cause="user", resources=["i-aaa"])

    def test_an_event_is_about_one_instance(self, alibaba):
        with pytest.raises(SimulationError, match="about one instance, not 2; make one for each"):
            alibaba.schedule("reboot", resources=["i-aaa", "i-bbb"])

    def test_an_instance_is_shown_as_it_is_spelt_here(self, alibaba, ecs):
        alibaba.schedule("reboot", resources=["I-AAA"])
        assert ecs.history(InstanceId="i-aaa")[0]["InstanceId"] == "i-aaa"

    def test_what_is_scheduled_can_be_called_off_over_the_api(self, alibaba, ecs):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"])
        ecs.call("CancelSimulatedSystemEvents", EventId=[event_id])
        assert alibaba.events()[0]["outcome"] == "canceled"

    def test_of_a_failure_the_time_of_its_end_is_announced(self, alibaba, ecs, clock):
        order = {"cause": "hardware_failure", "notice": timedelta(0), "started_for": timedelta(minutes=10)}
        alibaba.schedule("reboot", resources=["i-aaa"], **order)
        clock.advance(minutes=9)
        assert ecs.statuses() == ["Executing"]
        clock.advance(minutes=1)
        assert ecs.history()[0]["NotBefore"] == ecs.history()[0]["EventFinishTime"] == "2026-01-01T00:10:00Z"

    def test_a_moved_event_tells_its_first_time_too(self, alibaba, ecs, clock):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"], notice=HOUR)
        alibaba.change(event_id, notice=2 * HOUR, resources=["i-bbb"], description="later", duration=HOUR)
        (event,) = ecs.history(InstanceId="i-bbb")
        assert ecs.history(InstanceId="i-aaa") == []
        assert (event["NotBefore"], event["Reason"]) == ("2026-01-01T02:00:00Z", "later")
        assert event["ExtendedAttribute"] == {"InitialNotBefore": "2026-01-01T01:00:00Z"}
        clock.advance(HOUR)
        assert ecs.statuses() == ["Scheduled"]

    def test_a_change_that_is_refused_changes_nothing(self, alibaba, ecs):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"])
        for resources in (["i-gone"], ["i-aaa", "i-bbb"]):
            with pytest.raises(SimulationError):
                alibaba.change(event_id, resources=resources, notice=HOUR)
        assert [event["NotBefore"] for event in ecs.history(InstanceId="i-aaa")] == ["2026-01-03T00:00:00Z"]

    def test_what_executes_cannot_be_moved_but_can_be_described(self, alibaba, ecs):
        event_id = alibaba.schedule("degraded", resources=["i-aaa"])
        with pytest.raises(SimulationError, match="cannot be moved: it executes"):
            alibaba.change(event_id, notice=HOUR)
        alibaba.change(event_id, description="slow")
        assert ecs.history()[0]["Reason"] == "slow"

    def test_the_codes_that_are_not_public_are_out_of_the_way(self):
        assert {name: code for name, code in CODES.items() if code < 9000} == dict(PUBLIC_CODES)
        invented = [code for code in CODES.values() if code >= 9000]
        assert len(set(invented)) == len(invented)


PLAYS = "plays"
SCENARIOS = {
    "canceled-maintenance": PLAYS,
    "degraded-hardware": PLAYS,
    "fault-domains": PLAYS,
    "hardware-failure": PLAYS,
    "host-stop": PLAYS,
    "host-agent-maintenance": "no event with the impact freeze, as a live migration is silent there",
    "live-migration": "no event with the impact freeze",
    "network-update": "no event with the impact freeze",
    "performance-impact": PLAYS,
    "redeploy": PLAYS,
    "second-impact": "no event with the impact freeze",
    "spot-eviction": PLAYS,
    "subscription-expiry": PLAYS,
    "terminate": "the cause scale_in, as only a release after a failure, for the bill or of a spot",
    "user-reboot": "the cause user, as a restart by a user answers an event and is none",
    "user-redeploy": "no event with the impact redeploy and the cause user",
}
COURSES = {
    "canceled-maintenance": (["Scheduled", "Canceled"], "SystemMaintenance.Reboot"),
    "degraded-hardware": (["Scheduled", "Executing", "Executed"], "SystemFailure.Redeploy"),
    "hardware-failure": (["Executing", "Executed"], "SystemFailure.Reboot"),
    "host-stop": (["Scheduled", "Executing", "Executed"], "SystemMaintenance.Stop"),
    "performance-impact": (["Executing", "Executed"], "SystemMaintenance.PerformanceImpact"),
    "redeploy": (["Scheduled", "Executing", "Executed"], "SystemMaintenance.Redeploy"),
    "subscription-expiry": (["Scheduled", "Executing", "Executed"], "InstanceExpiration.Stop"),
}


class TestScenarios:
    def test_the_table_names_them_all(self):
        assert set(SCENARIOS) == set(scenario_names())

    @pytest.mark.parametrize(("name", "expected"), SCENARIOS.items())
    def test_each_is_played_or_refused_with_the_reason_before_it_begins(self, alibaba, clock, name, expected):
        if expected is PLAYS:
            alibaba.play(name)
            clock.advance(timedelta(days=8))
            assert {event["phase"] for event in alibaba.events()} == {"ended"}
        else:
            with pytest.raises(SimulationError, match=expected):
                alibaba.play(name)
            clock.advance(timedelta(days=8))
            assert alibaba.events() == []

    @pytest.mark.parametrize(("name", "course"), COURSES.items())
    def test_it_takes_the_clouds_own_course(self, alibaba, clock, name, course):
        alibaba.play(name)
        clock.advance(timedelta(days=8))
        sent = [note["content"] for note in alibaba.notifications()]
        assert ([content["eventStatus"] for content in sent], sent[0]["eventType"]) == course

    def test_a_step_about_several_instances_makes_an_event_of_each(self, alibabas, clock):
        simulator = alibabas(("i-a", "i-b", "i-c"))
        simulator.play("fault-domains")
        assert [event["resources"] for event in simulator.events()] == [["i-a"], ["i-c"]]
        clock.advance(minutes=50)
        assert [(event["resources"], event["phase"]) for event in simulator.events()] == [
            (["i-a"], "ended"),
            (["i-c"], "ended"),
            (["i-b"], "ended"),
        ]


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"quota": "many"}, "quota is a whole number"),
            ({"throttle": "-1"}, "throttle is a whole number"),
            ({"executing": "-1"}, "the setting executing cannot be used: '-1' is not a length"),
            ({"token-required": "yes"}, "token-required is a switch"),
            ({"access-key": "id"}, "ID:SECRET"),
            ({"region": "No Region"}, "region"),
            ({"webhook": "ftp://x"}, "not an http URL"),
            ({"webhook": "http://192.0.2.1/"}, "not on this machine"),
            ({"webhook": "http://localhost.example/"}, "not on this machine"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, given, why):
        with pytest.raises(SettingsError, match=why):
            AlibabaSimulator.from_options(SimulatorOptions(settings=given))


POWER = ("start", "stop", "reboot", "redeploy")


class Lives(RuleBasedStateMachine):
    """Whatever is done to events, in any order: they move only forward, and each end is final."""

    events = Bundle("events")

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.simulator = AlibabaSimulator(("i-aaa", "i-bbb"), clock=self.clock)
        self.model = self.simulator._alibaba
        self.seen: dict[str, list[EventStatus]] = {}

    def teardown(self):
        self.simulator.close()

    def attempt(self, call, *arguments, **more):
        try:
            with self.simulator._settled() as now:
                return call(*arguments, now, **more)
        except (ApiError, SimulationError):
            return None

    @rule(
        target=events,
        name=st.sampled_from(MAINTENANCE + FAILURES),
        ahead=st.integers(0, 7200),
        instance=st.sampled_from(["i-aaa", "i-bbb"]),
    )
    def create(self, name, ahead, instance):
        not_before = self.clock.now() + timedelta(seconds=ahead)
        (event_id,) = self.attempt(self.model.create_simulated, name, not_before, [instance])
        return event_id

    @rule(target=events, first=st.sampled_from(["Inquiring", "Scheduled", "Executing"]), ahead=st.integers(0, 7200))
    def announce(self, first, ahead):
        return self.simulator.schedule(
            Impact.REBOOT,
            resources=["i-aaa"],
            notice=timedelta(seconds=ahead),
            native_type=f"SystemMaintenance.Reboot:{first}",
        )

    @rule(event=events)
    def cancel(self, event):
        self.attempt(self.model.cancel_simulated, [event])

    @rule(event=events)
    def accept(self, event):
        self.attempt(self.model.accept, event, "i-aaa")

    @rule(instance=st.sampled_from(["i-aaa", "i-bbb"]), forced=st.booleans(), operation=st.sampled_from(POWER))
    def use(self, instance, forced, operation):
        more = {"forced": forced} if operation in {"stop", "reboot", "redeploy"} else {}
        more |= {"dry_run": False} if operation != "redeploy" else {}
        more |= {"mode": StoppedMode.KEEP_CHARGING} if operation == "stop" else {}
        self.attempt(getattr(Power(self.model), operation), instance, **more)

    @rule(event=events, ahead=st.integers(-10, 7200))
    def put_off(self, event, ahead):
        self.attempt(self.model.move, event, "i-aaa", self.clock.now() + timedelta(seconds=ahead))

    @rule(event=events, ahead=st.integers(0, 7200))
    def move(self, event, ahead):
        with suppress(SimulationError):
            self.simulator.change(event, notice=timedelta(seconds=ahead))

    @rule(seconds=st.integers(1, 4000))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def each_moves_only_forward(self):
        with self.simulator._settled() as now:
            listed = list(self.model.history(Query(), now))
        for event in listed:
            course = self.seen.setdefault(event.id, [])
            if not course or course[-1] is not event.status:
                course.append(event.status)
            assert course == sorted(course, key=ORDER.__getitem__), course
            assert not any(status in FINISHED for status in course[:-1])
            assert (event.ended_at is not None) == (event.status in FINISHED)
            if event.status is EventStatus.SCHEDULED:
                assert event.not_before > now
            if event.simulated:
                assert EventStatus.INQUIRING not in course
                assert EventStatus.FAILED not in course

    @invariant()
    def each_instance_settles_by_itself(self):
        for name in ("i-aaa", "i-bbb"):
            later = self.model.instances.status(name, self.clock.now() + timedelta(minutes=1))
            assert later in {InstanceStatus.RUNNING, InstanceStatus.STOPPED}

    @invariant()
    def nothing_is_listed_twice(self):
        with self.simulator._settled() as now:
            listed = list(self.model.history(Query(), now))
            assert len({event.id for event in listed}) == len(listed)
            by_instance = [
                e for name in ("i-aaa", "i-bbb") for e in self.model.history(Query(instance_ids=[name]), now)
            ]
        assert {event.id for event in by_instance} == {event.id for event in listed}


ORDER = {
    EventStatus.INQUIRING: 0,
    EventStatus.SCHEDULED: 0,
    EventStatus.EXECUTING: 1,
    **dict.fromkeys(FINISHED, 2),
}

TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
