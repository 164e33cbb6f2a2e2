"""Waiting for changes beside the polls: it hints at once, survives every fault, and holds up no stop."""

import threading
from datetime import timedelta

import pytest

from stormcone.model import Impact
from stormcone_google import listener

PATIENCE = 120.0
QUIET = 0.2


class Ear:
    """Hears hints."""

    def __init__(self):
        self.heard = threading.Event()

    def __call__(self):
        self.heard.set()

    def settle(self):
        while self.heard.wait(QUIET):
            self.heard.clear()

    def hears(self):
        heard = self.heard.wait(PATIENCE)
        self.heard.clear()
        return heard


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(listener, "FIRST_PAUSE", 0.02)


@pytest.fixture
def ear(provider):
    ear = Ear()
    provider.on_hint(ear)
    ear.settle()
    return ear


class TestAHint:
    def test_comes_for_each_change_of_each_key(self, cloud, ear):
        event = cloud.schedule(Impact.STOP, resources=["web-0"], notice=timedelta(hours=1))
        assert ear.hears()
        cloud.start(event)
        assert ear.hears()
        cloud.complete(event)
        assert ear.hears()
        cloud.schedule(Impact.STOP, resources=["web-0"])
        assert ear.hears()

    def test_comes_when_the_clock_brings_a_change(self, cloud, ear, clock):
        cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(hours=1))
        assert ear.hears()
        ear.settle()
        clock.advance(hours=1)
        assert ear.hears()

    def test_does_not_come_for_another_vm(self, cloud, ear):
        cloud.schedule(Impact.FREEZE, resources=["web-1"], notice=timedelta(hours=1))
        assert not ear.heard.wait(QUIET)

    def test_goes_to_the_last_one_who_asked(self, cloud, provider, ear):
        other = Ear()
        provider.on_hint(other)
        cloud.schedule(Impact.FREEZE, resources=["web-0"])
        assert other.hears()
        assert not ear.heard.is_set()

    @pytest.mark.parametrize("fault", [{"kind": "reset"}, {"kind": "half_body"}, {"status": 500}, {"status": 404}])
    def test_comes_after_a_fault(self, cloud, provider, fault):
        cloud.faults.add(times=3, **fault)
        ear = Ear()
        provider.on_hint(ear)
        ear.settle()
        cloud.schedule(Impact.FREEZE, resources=["web-0"])
        assert ear.hears()


class TestWaiting:
    def test_holds_up_no_poll(self, cloud, provider, ear):
        assert provider.poll().events == ()

    def test_ends_as_it_is_closed(self, provider, ear):
        provider.close()
        provider.close()
        assert not [each.name for each in threading.enumerate() if each.name.startswith("stormcone-google-")]

    def test_is_not_begun_after_the_end(self, provider):
        provider.close()
        provider.on_hint(Ear())
        assert not [each.name for each in threading.enumerate() if each.name.startswith("stormcone-google-")]

    def test_ends_by_the_servers_time_and_begins_anew(self, cloud, provider, ear, clock):
        before = len(cloud.requests())
        clock.advance(seconds=listener.WAIT_SECONDS)
        ear.settle()
        cloud.schedule(Impact.FREEZE, resources=["web-0"])
        assert ear.hears()
        waited = [each for each in cloud.requests()[before:] if each["query"].get("wait_for_change") == "true"]
        assert {each["query"]["timeout_sec"] for each in waited} == {str(listener.WAIT_SECONDS)}
        assert {each["status"] for each in waited} <= {200, 503}
