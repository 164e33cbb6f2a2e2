"""Compute Engine's rules: which events there are, what decides their impact, when they begin, and one to a key."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from stormcone.clock import ManualClock
from stormcone.errors import SettingsError, SimulationError
from stormcone.model import Cause, Impact, Outcome
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.google import GoogleSimulator
from stormcone_simulators.scenarios.random import scenarios

FLAVOR = {"Metadata-Flavor": "Google"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def only(simulator):
    (event,) = simulator.events()
    return event


class TestTheKindOfAnEvent:
    @pytest.mark.parametrize(
        ("impact", "order", "native_type"),
        [
            (Impact.FREEZE, {}, "MIGRATE_ON_HOST_MAINTENANCE"),
            (Impact.FREEZE, {"notice": MINUTE}, "MIGRATE_ON_HOST_MAINTENANCE"),
            (Impact.FREEZE, {"notice": 2 * MINUTE}, "SCHEDULED"),
            (Impact.REBOOT, {}, "TERMINATE_ON_HOST_MAINTENANCE"),
            (Impact.STOP, {}, "TERMINATE_ON_HOST_MAINTENANCE"),
            (Impact.REBOOT, {"notice": 90 * 24 * HOUR}, "SCHEDULED"),
            (Impact.REBOOT, {"cause": Cause.HARDWARE_FAILURE}, "UNSCHEDULED"),
            (Impact.TERMINATE, {}, "PREEMPTED"),
            (Impact.STOP, {"cause": Cause.PREEMPTION}, "PREEMPTED"),
            (
                Impact.REBOOT,
                {"native_type": "terminate_on_host_maintenance", "notice": HOUR},
                "TERMINATE_ON_HOST_MAINTENANCE",
            ),
        ],
    )
    def test_follows_from_impact_cause_and_notice(self, google, impact, order, native_type):
        google.schedule(impact, resources=["web-0"], **order)
        assert only(google)["native_type"] == native_type

    @pytest.mark.parametrize(
        ("impact", "order", "why"),
        [
            (Impact.REDEPLOY, {}, "no event with the impact redeploy; it has freeze, reboot, stop, terminate"),
            (Impact.DEGRADED, {}, "no event with the impact degraded"),
            (Impact.REBOOT, {"cause": Cause.USER}, "no event with the cause user"),
            (Impact.TERMINATE, {"cause": Cause.MAINTENANCE}, "no terminate that is caused by maintenance"),
            (Impact.FREEZE, {"native_type": "PREEMPTED"}, "PREEMPTED is a terminate or a stop, not a freeze"),
            (Impact.FREEZE, {"native_type": "Reboot"}, "no event type 'Reboot'; it has MIGRATE_ON_HOST_MAINTENANCE"),
            (Impact.FREEZE, {"native_type": "SCHEDULED", "cause": Cause.PREEMPTION}, "is caused by maintenance"),
            (
                Impact.FREEZE,
                {"native_type": "MIGRATE_ON_HOST_MAINTENANCE", "notice": HOUR},
                "no more than 60 s ahead, not 3600 s; what is announced longer ahead is SCHEDULED",
            ),
            (Impact.TERMINATE, {"notice": HOUR}, "PREEMPTED no more than 150 s ahead"),
        ],
    )
    def test_that_the_cloud_does_not_have_is_refused(self, google, impact, order, why):
        with pytest.raises(SimulationError, match=why):
            google.schedule(impact, resources=["web-0"], **order)
        assert google.events() == []


class TestAVm:
    def test_takes_the_settings_that_its_events_need(self, google):
        for impact in (Impact.FREEZE, Impact.REBOOT, Impact.STOP, Impact.TERMINATE):
            google.complete(google.schedule(impact, resources=["web-0"]))
        assert [event["impact"] for event in google.events()] == ["freeze", "reboot", "stop", "terminate"]

    def test_that_was_set_up_for_good_refuses_others(self, googles):
        google = googles(terminated=["web-0"], spot=["web-1"])
        google.schedule(Impact.REBOOT, resources=["web-0"])
        google.schedule(Impact.TERMINATE, resources=["web-1"])
        for name, impact in (("web-0", Impact.FREEZE), ("web-0", Impact.TERMINATE), ("web-1", Impact.REBOOT)):
            with pytest.raises(SimulationError):
                google.schedule(impact, resources=[name], notice=2 * MINUTE)

    def test_that_is_not_there_cannot_be_set_up(self):
        with pytest.raises(SettingsError, match="there is no machine 'nobody'"):
            GoogleSimulator(["web-0"], spot=["nobody"])

    @pytest.mark.parametrize("setting", ["project", "zone"])
    def test_is_in_a_place_of_the_clouds_form(self, setting):
        with pytest.raises(SettingsError, match=f"the {setting} 'A/B'"):
            GoogleSimulator.from_options(SimulatorOptions(settings={setting: "A/B"}))


class TestAKey:
    def test_announces_one_event_at_a_time(self, google):
        google.schedule(Impact.FREEZE, resources=["web-0"])
        with pytest.raises(SimulationError, match="maintenance-event of web-0 holds one event"):
            google.schedule(Impact.FREEZE, resources=["web-0"])
        google.schedule(Impact.FREEZE, resources=["web-1"])

    def test_goes_beside_others_that_the_same_settings_lead_to(self, google):
        google.schedule(Impact.FREEZE, resources=["web-0"])
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        assert len(google.events()) == 2
        with pytest.raises(SimulationError, match="web-0 cannot have a terminate now"):
            google.schedule(Impact.TERMINATE, resources=["web-0"])

    def test_is_about_one_vm(self, google):
        with pytest.raises(SimulationError, match="about one VM, not 2"):
            google.schedule(Impact.FREEZE, resources=["web-0", "web-1"])


class TestNotice:
    def test_of_60_seconds_is_granted_to_who_reads_the_key(self, google, asking, clock):
        def read():
            asking(google.url, "GET", "/computeMetadata/v1/instance/maintenance-event", headers=FLAVOR)

        def phases():
            return [event["phase"] for event in google.events()]

        google.schedule(Impact.FREEZE, resources=["web-0"], started_for=MINUTE)
        assert phases() == ["started"]
        clock.advance(MINUTE)
        read()
        google.schedule(Impact.FREEZE, resources=["web-0"], started_for=MINUTE)
        assert phases() == ["ended", "scheduled"]
        clock.advance(MINUTE)
        clock.advance(MINUTE)
        google.schedule(Impact.FREEZE, resources=["web-0"])
        assert phases() == ["ended", "ended", "started"]

    def test_is_as_ordered_where_a_test_says_so(self, google):
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(seconds=30))
        assert only(google)["not_before"] == "2026-01-01T00:00:30Z"

    def test_of_a_preemption_is_that_of_the_vm(self, googles):
        google = googles(preemption_notice=timedelta(seconds=120))
        google.schedule(Impact.TERMINATE, resources=["web-0"])
        assert only(google)["not_before"] == "2026-01-01T00:02:30Z"


class TestMoving:
    def test_takes_a_time_that_is_told(self, google, clock):
        event = google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        google.change(event, notice=3 * HOUR, duration=MINUTE, description="x")
        moved = only(google)
        assert (moved["not_before"], moved["duration_seconds"], moved["description"]) == (
            "2026-01-01T03:00:00Z",
            60.0,
            "x",
        )

    def test_is_refused_where_no_time_is_told(self, google):
        event = google.schedule(Impact.TERMINATE, resources=["web-0"])
        with pytest.raises(SimulationError, match="preempted tells no time"):
            google.change(event, notice=HOUR)

    def test_is_refused_of_what_has_begun_or_is_of_another_vm(self, google):
        event = google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        with pytest.raises(SimulationError, match="is of web-0 for good"):
            google.change(event, resources=["web-1"])
        google.start(event)
        with pytest.raises(SimulationError, match="it has started"):
            google.change(event, notice=HOUR)


class TestCallingOff:
    def test_is_refused_of_a_preemption_and_of_what_has_begun(self, google):
        with pytest.raises(SimulationError, match="is taken away"):
            google.cancel(google.schedule(Impact.TERMINATE, resources=["web-0"]))
        event = google.schedule(Impact.FREEZE, resources=["web-1"], notice=HOUR)
        google.start(event)
        with pytest.raises(SimulationError, match="it is started already"):
            google.cancel(event)

    def test_ends_the_rest(self, google):
        event = google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        google.cancel(event)
        assert only(google)["outcome"] == Outcome.CANCELED


class TestScenarios:
    def test_play_what_the_cloud_has(self):
        refused = {piece.name for piece in GoogleSimulator.repertoire() if piece.refusal}
        assert refused == {
            "degraded-hardware",
            "performance-impact",
            "redeploy",
            "subscription-expiry",
            "terminate",
            "user-reboot",
            "user-redeploy",
        }

    def test_leave_out_an_event_beside_which_another_is(self, google, clock):
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        google.play("canceled-maintenance")
        clock.advance(hours=1)
        assert [event["phase"] for event in google.events()] == ["started"]

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(scenarios(GoogleSimulator, max_steps=8))
    def test_by_chance_can_be_played(self, scenario):
        clock = ManualClock()
        google = GoogleSimulator(["machine-0", "machine-1"], clock=clock)
        google.play(scenario)
        clock.advance(timedelta(days=1))
        assert google.events()
