"""The plug-in's `replay`: an incident that was recorded becomes a test of the user's own handlers."""

from datetime import timedelta

import pytest

from stormcone import App, Handler, Impact, Outcome
from stormcone.errors import TraceError
from stormcone.testing import fixtures

pytest_plugins = ["stormcone.testing.fixtures"]

# The folder's own conftest has a `replay` for its own needs: this is the users'.
replay = fixtures.replay


class Drain(Handler):
    def prepare(self, event, context): ...

    def recover(self, event, context): ...


@pytest.fixture
def app():
    return App([Drain()])


@pytest.mark.parametrize("cloud", ["azure", "alibaba", "aws"])
def test_an_incident_is_lived_through_again(simulator, watch, tmp_path, replay, agent_on, cloud):
    original = simulator(cloud)
    recorder = watch(original)
    recorder.start(tmp_path / "incident.yaml")
    name = next(iter(original.urls()))
    original.schedule(Impact.REBOOT, resources=[name], notice=timedelta(minutes=2))
    recorder.run(timedelta(minutes=14))

    again = replay(tmp_path / "incident.yaml")
    agent = agent_on(simulator=again)
    agent.run_for(again.length)
    (episode,) = agent.journal.episodes()
    assert episode.event.outcome is Outcome.COMPLETED
    agent.assert_ran("Drain", "prepare", episode.event.id)
    agent.assert_ran("Drain", "recover", episode.event.id)
    assert again.differences() == []


def test_what_is_no_trace_is_said_in_one_sentence(replay, tmp_path):
    (tmp_path / "no.yaml").write_text("hello: [")
    with pytest.raises(TraceError, match=r"no\.yaml"):
        replay(tmp_path / "no.yaml")
