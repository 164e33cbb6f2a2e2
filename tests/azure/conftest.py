"""Azure's documents for its tests, and a clock that never keeps anybody waiting."""

import json
from datetime import UTC, datetime

import pytest

from stormcone.clock import ManualClock
from stormcone_azure.provider import AzureProvider

NOW = datetime(2022, 4, 11, 22, 10, tzinfo=UTC)


class HastyClock(ManualClock):
    """Sleeps by moving on, and remembers how long."""

    def __init__(self):
        super().__init__(NOW)
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.advance(seconds)


@pytest.fixture
def clock():
    return HastyClock()


@pytest.fixture(scope="session")
def entry():
    """The documented event with other fields; `...` takes one away."""

    def make(**changes):
        documented = {
            "EventId": "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
            "EventStatus": "Scheduled",
            "EventType": "Freeze",
            "ResourceType": "VirtualMachine",
            "Resources": ["WestNO_0", "WestNO_1"],
            "NotBefore": "Mon, 11 Apr 2022 22:26:58 GMT",
            "Description": "Virtual machine is being paused because of a memory-preserving Live Migration operation.",
            "EventSource": "Platform",
            "DurationInSeconds": 5,
        }
        return {name: value for name, value in {**documented, **changes}.items() if value is not ...}

    return make


@pytest.fixture(scope="session")
def document():
    """A document of these entries, as the bytes of a body."""

    def make(*entries, incarnation=1):
        return json.dumps({"DocumentIncarnation": incarnation, "Events": list(entries)}).encode()

    return make


@pytest.fixture(scope="session")
def compute():
    """The instance document with other fields, as the bytes of a body; `...` takes one away."""

    def make(**changes):
        documented = {
            "name": "WestNO_0",
            "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
            "location": "westus",
            "zone": "2",
            "subscriptionId": "8d10da13-8125-4ba9-a717-bf7490507b3d",
            "resourceGroupName": "harbour",
            "vmScaleSetName": "WestNO",
            "osProfile": {"computerName": "westno000000"},
        }
        return json.dumps({k: v for k, v in {**documented, **changes}.items() if v is not ...}).encode()

    return make


@pytest.fixture
def provider(clock):
    """Makes providers that are closed after the test."""
    made = []

    def make(url, **options):
        made.append(AzureProvider(endpoint=url, clock=clock, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
