"""What Google Cloud said becomes a test: recorded, replayed, and told anew from a journal."""

from datetime import timedelta

import pytest

from stormcone import Impact
from stormcone.errors import ProviderError
from stormcone.plugins import provider_class
from stormcone.recording import read_trace

HOUR, LONG = timedelta(hours=1), timedelta(minutes=30)


def a_reboot(cloud):
    cloud.schedule(Impact.REBOOT, resources=["web-18"], notice=timedelta(minutes=15))


def a_migration(cloud):
    cloud.schedule(Impact.FREEZE, resources=["web-18"], notice=timedelta(minutes=1), started_for=timedelta(minutes=5))


def a_preemption(cloud):
    cloud.schedule(Impact.TERMINATE, resources=["web-18"], started_for=timedelta(minutes=5))


def called_off(cloud):
    cloud.cancel(cloud.schedule(Impact.REBOOT, resources=["web-18"], notice=HOUR))
    a_reboot(cloud)


DIRECTORS = [a_reboot, a_migration, a_preemption, called_off]


@pytest.fixture
def recorded(simulator, watch, tmp_path):
    def record(director, *, anonymise=False, **app):
        cloud = simulator("google")
        agent = watch(cloud, **app)
        path = tmp_path / "trace.yaml"
        agent.start(path, anonymise=anonymise)
        begun = cloud.clock.now()
        director(cloud)
        agent.run(LONG, pace=60)
        return path, agent.history(begun)

    return record


@pytest.mark.parametrize("anonymise", [False, True])
@pytest.mark.parametrize("director", DIRECTORS)
def test_an_agent_lives_through_the_same_on_the_replay(recorded, replay, watch, director, anonymise):
    path, told = recorded(director, anonymise=anonymise)
    again = replay(path, cloud="google")
    agent = watch(again)
    agent.start()
    begun = again.clock.now()
    agent.run(LONG, pace=60)
    assert agent.history(begun) == told
    assert told
    assert again.differences() == []


def test_an_approval_is_replayed_as_it_was(recorded, replay, watch):
    early = {"approve_early": HOUR}
    path, told = recorded(a_reboot, **early)
    again = replay(path, cloud="google")
    agent = watch(again, **early)
    agent.start()
    begun = again.clock.now()
    agent.run(LONG, pace=60)
    assert agent.history(begun) == told
    assert told[0][5] is True


def test_a_trace_holds_no_token_and_an_anonymous_one_no_name(recorded):
    path, _ = recorded(a_reboot, anonymise=True, approve_early=HOUR)
    text = path.read_text()
    for word in ("ya29", "web-18", "stormcone-project", "4515870919141281073"):
        assert word not in text
    assert "upcoming-maintenance" in text
    assert "SCHEDULED" in text


def test_a_replay_tells_what_became_of_its_events(recorded, replay):
    path, _ = recorded(a_reboot)
    again = replay(path, cloud="google")
    provider = provider_class("google").from_options(again.provider_options())
    provider.identify()
    provider.poll()
    assert [event["phase"] for event in again.events()] == ["scheduled"]
    again.clock.advance(minutes=16)
    assert [event["phase"] for event in again.events()] == ["started"]
    again.clock.advance(minutes=20)
    assert [event["phase"] for event in again.events()] == ["ended"]
    again.faults.add(status=500)
    with pytest.raises(ProviderError):
        provider.poll()
    provider.close()


def test_the_trace_names_its_cloud(recorded):
    path, _ = recorded(a_reboot)
    assert read_trace(path).header.provider == "google"
