"""Every cloud that is installed here, through the suites that anybody's goes through."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from stormcone.model import Cause, Impact
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins
from stormcone.testing.conformance import Cloud, PolledEndpoint, ProviderSuite, SimulatorSuite

_EVACUATION_ON_AZURE = {
    "DocumentIncarnation": 1,
    "Events": [{"EventId": "E-1", "EventStatus": "Scheduled", "EventType": "Evacuate", "Resources": ["web-0"]}],
}

_EVACUATION_ON_ALIBABA = {
    "RequestId": "R-1",
    "InstanceSystemEventSet": {
        "InstanceSystemEventType": [
            {
                "EventId": "e-1",
                "InstanceId": "i-aaa",
                "EventType": {"Name": "Evacuate"},
                "EventCycleStatus": {"Name": "Scheduled"},
                "NotBefore": "2026-01-02T00:00:00Z",
            }
        ]
    },
}

_META = "/latest/meta-data"

_EVACUATION_ON_AWS = [{"EventId": "instance-event-1", "Code": "Evacuate", "State": "active", "Description": ""}]

_LISTS = (
    PolledEndpoint({"path": f"{_META}/events/maintenance/scheduled"}),
    *(
        PolledEndpoint({"path": f"{_META}/{path}"}, may_be_absent=True)
        for path in ("spot", "events/recommendations/rebalance", "autoscaling/target-lifecycle-state")
    ),
)

_INSTANCE = "/computeMetadata/v1/instance"

_KEYS = tuple(
    PolledEndpoint({"path": f"{_INSTANCE}/{key}"}, may_be_absent=True)
    for key in ("maintenance-event", "preempted", "upcoming-maintenance")
)

CLOUDS = [
    Cloud(
        name="azure",
        lacks=Impact.STOP,
        scenario="user-reboot",
        client_path="/metadata/scheduledevents?api-version=2020-07-01",
        client_headers={"Metadata": "true"},
        unknown={"path": "/metadata/scheduledevents", "body": json.dumps(_EVACUATION_ON_AZURE)},
    ),
    Cloud(
        name="alibaba",
        machines=("i-aaa", "i-bbb"),
        lacks=Impact.FREEZE,
        client_path="/latest/meta-data/instance-id",
        approvable={"native_type": "SystemMaintenance.Reboot:Inquiring", "notice": None},
        endpoints=(
            PolledEndpoint({"query": {"Action": "DescribeInstanceHistoryEvents"}}),
            PolledEndpoint({"path": "/latest/meta-data/instance/spot"}, may_be_absent=True),
        ),
        demanding={"token-required": "true"},
        unknown={
            "query": {"Action": "DescribeInstanceHistoryEvents"},
            "body": json.dumps(_EVACUATION_ON_ALIBABA),
        },
    ),
    Cloud(
        name="aws",
        machines=("i-aaa", "i-bbb"),
        lacks=Impact.FREEZE,
        scenario="host-stop",
        client_path=f"{_META}/instance-id",
        endpoints=_LISTS,
        demanding={"imds": "v2"},
        unknown={"path": f"{_META}/events/maintenance/scheduled", "body": json.dumps(_EVACUATION_ON_AWS)},
    ),
    Cloud(
        name="google",
        impact=Impact.FREEZE,
        lacks=Impact.REDEPLOY,
        scenario="canceled-maintenance",
        client_path="/computeMetadata/v1/instance/name",
        client_headers={"Metadata-Flavor": "Google"},
        second={"native_type": "MIGRATE_ON_HOST_MAINTENANCE", "notice": None},
        # Five ways in which Compute Engine says that no maintenance is planned: `null` is one of them.
        nothing=frozenset({"null"}),
        endpoints=_KEYS,
        hints=True,
    ),
]

_AWS = next(cloud for cloud in CLOUDS if cloud.name == "aws")

IN_OTHER_WAYS = {
    "aws, spot": replace(
        _AWS,
        impact=Impact.STOP,
        usual={"cause": Cause.PREEMPTION, "notice": timedelta(minutes=1)},
        second={"cause": Cause.SCALE_IN, "notice": timedelta(hours=1)},
        tells_ends=False,
        unknown=None,
    ),
    "aws, lifecycle": replace(
        _AWS,
        impact=Impact.TERMINATE,
        usual={"cause": Cause.SCALE_IN},
        second={"cause": Cause.PREEMPTION, "notice": timedelta(minutes=1)},
        # So an instance outside of a group is answered, as is one that is brand new.
        nothing=frozenset({"empty"}),
        waits=True,
        tells_ends=False,
        unknown=None,
    ),
    "google, now": replace(
        CLOUDS[-1],
        usual={"native_type": "MIGRATE_ON_HOST_MAINTENANCE", "notice": timedelta(minutes=1)},
        second={"notice": timedelta(hours=1), "native_type": "SCHEDULED"},
        nothing=frozenset(),
        unknown={"path": f"{_INSTANCE}/maintenance-event", "body": "Evacuate"},
    ),
    "google, taken away": replace(
        CLOUDS[-1],
        impact=Impact.TERMINATE,
        usual={"notice": None},
        nothing=frozenset(),
    ),
}
"""Providers of clouds that announce events in more than one way."""


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.name)
def subject(request):
    return request.param


class TestProvider(ProviderSuite):
    @pytest.fixture(params=[*CLOUDS, *IN_OTHER_WAYS.values()], ids=[*(cloud.name for cloud in CLOUDS), *IN_OTHER_WAYS])
    def subject(self, request):
        return request.param


class TestSimulator(SimulatorSuite):
    pass


def test_every_cloud_that_is_installed_is_held_to_the_suites():
    clouds = {cloud.name for cloud in CLOUDS}
    assert set(load_plugins(SIMULATORS).found) == clouds <= set(load_plugins(PROVIDERS).found)
