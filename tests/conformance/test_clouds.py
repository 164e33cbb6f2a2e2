"""Every cloud that is installed here, through the suites that anybody's goes through."""

import json

import pytest

from stormcone.model import Impact
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins
from stormcone.testing.conformance import Cloud, ProviderSuite, SimulatorSuite

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
        unknown={
            "query": {"Action": "DescribeInstanceHistoryEvents"},
            "body": json.dumps(_EVACUATION_ON_ALIBABA),
        },
    ),
]


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.name)
def subject(request):
    return request.param


class TestProvider(ProviderSuite):
    pass


class TestSimulator(SimulatorSuite):
    pass


def test_every_cloud_that_is_installed_is_held_to_the_suites():
    clouds = {cloud.name for cloud in CLOUDS}
    assert set(load_plugins(SIMULATORS).found) == set(load_plugins(PROVIDERS).found) == clouds
