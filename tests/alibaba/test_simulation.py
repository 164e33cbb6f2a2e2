"""Simulated events of the real service: what can be asked for, and what is asked."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from stormcone.errors import ProviderError, SimulationError
from stormcone.model import Impact
from stormcone_alibaba.simulation import SIMULATED_TYPES
from stormcone_alibaba.wire import EVENT_TYPES

CREATE = "CreateSimulatedSystemEvents"
CANCEL = "CancelSimulatedSystemEvents"
LATER = datetime(2026, 4, 12, 6, 32, 31, tzinfo=UTC)


class TestMaking:
    @pytest.mark.parametrize(
        ("impact", "native_type"),
        [
            (Impact.REBOOT, "SystemMaintenance.Reboot"),
            (Impact.STOP, "SystemMaintenance.Stop"),
            (Impact.REDEPLOY, "SystemMaintenance.Redeploy"),
        ],
    )
    def test_an_impact_takes_the_scheduled_type(self, cloud, provider, impact, native_type):
        assert provider.simulate(impact, resources=["i-1"], not_before=LATER) == ("e-made",)
        (asked,) = cloud.calls(CREATE)
        assert asked.query["EventType"] == native_type

    @pytest.mark.parametrize("native_type", SIMULATED_TYPES)
    def test_each_of_the_seven_types_can_be_named(self, cloud, provider, native_type):
        impact = EVENT_TYPES[native_type].impact
        provider.simulate(impact, resources=["i-1"], not_before=LATER, native_type=native_type)
        assert cloud.calls(CREATE)[0].query["EventType"] == native_type

    def test_there_are_seven(self):
        assert len(set(SIMULATED_TYPES)) == 7

    def test_times_go_out_in_utc_and_whole_seconds(self, cloud, provider):
        local = datetime(2026, 4, 12, 14, 32, 30, 1, tzinfo=timezone(timedelta(hours=8)))
        provider.simulate(Impact.REBOOT, resources=["i-1"], not_before=local)
        assert cloud.calls(CREATE)[0].query["NotBefore"] == "2026-04-12T06:32:31Z"

    def test_a_hundred_instances_go_out_in_one_call(self, cloud, provider):
        names = [f"i-{number}" for number in range(100)]
        provider.simulate(Impact.STOP, resources=[*names, "i-0"], not_before=LATER)
        assert cloud.calls(CREATE)[0].values("InstanceId") == names

    def test_answers_an_id_for_each_instance(self, cloud, provider):
        cloud.answers(CREATE, {"RequestId": "R", "EventIdSet": {"EventId": ["e-1", "e-2"]}})
        assert provider.simulate(Impact.STOP, resources=["i-1", "i-2"], not_before=LATER) == ("e-1", "e-2")

    def test_never_lets_the_service_really_stop_anything(self, cloud, provider):
        provider.simulate(Impact.STOP, resources=["i-1"], not_before=LATER)
        assert "triggerrealops" not in cloud.calls(CREATE)[0].target.casefold()

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"impact": Impact.FREEZE}, "cannot simulate freeze; it can simulate reboot, stop, redeploy"),
            ({"native_type": "SystemMaintenance.PerformanceImpact"}, "it can simulate SystemMaintenance.Reboot, "),
            ({"native_type": "SystemFailure.Stop"}, "SystemFailure.Stop is a stop and no reboot"),
            ({"resources": []}, "1 to 100 instances at once, not 0"),
            ({"resources": [f"i-{number}" for number in range(101)]}, "not 101"),
            ({"not_before": datetime(2026, 4, 11, 22, 10, 12, tzinfo=UTC)}, "2026-04-11T22:10:12Z has gone by"),
            ({"duration": timedelta(minutes=1)}, "have no duration"),
        ],
    )
    def test_what_cannot_be_simulated_is_refused_before_the_service_is_asked(self, cloud, provider, options, why):
        asked = {"impact": Impact.REBOOT, "resources": ["i-1"], "not_before": LATER, **options}
        with pytest.raises(SimulationError, match=why):
            provider.simulate(asked.pop("impact"), **asked)
        assert cloud.asked == []

    @pytest.mark.parametrize(
        ("code", "status", "why"),
        [
            ("InvalidNotBefore.Passed", 403, "the time has passed"),
            ("InvalidInstanceId.NotFound", 404, "not in this region"),
            ("SimulatedEventLimitExceeded", 403, "call some off first"),
            ("InstanceIdLimitExceeded", 403, "more instances than 100"),
            ("InvalidParameter", 403, "not valid"),
        ],
    )
    def test_what_the_service_refuses_is_said_in_its_sense(self, cloud, provider, code, status, why):
        cloud.refuses(CREATE, code, status, "%s")
        with pytest.raises(SimulationError, match=why):
            provider.simulate(Impact.REBOOT, resources=["i-1"], not_before=LATER)

    def test_what_may_have_arrived_is_no_refusal(self, cloud, provider):
        cloud.refuses(CREATE, "InternalError", 500)
        with pytest.raises(ProviderError, match="internal error"):
            provider.simulate(Impact.REBOOT, resources=["i-1"], not_before=LATER)
        assert len(cloud.calls(CREATE)) == 1


class TestCallingOff:
    def test_goes_out_a_hundred_at_a_time(self, cloud, provider):
        provider.cancel_simulated([f"e-{number}" for number in range(150)])
        assert [len(asked.values("EventId")) for asked in cloud.calls(CANCEL)] == [100, 50]

    @pytest.mark.parametrize(
        ("code", "why"),
        [
            ("CannotCancelSystemEvent.NotSimulated", "one of the events is real"),
            ("InvalidEventId.NotFound", "one of the events is not known"),
            ("EventIdLimitExceeded", "more events than 100"),
        ],
    )
    def test_what_the_service_refuses_is_said_in_its_sense(self, cloud, provider, code, why):
        cloud.refuses(CANCEL, code, 403)
        with pytest.raises(SimulationError, match=why):
            provider.cancel_simulated(["e-1"])
