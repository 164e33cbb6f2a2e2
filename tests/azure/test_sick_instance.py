"""An instance endpoint that fails while the events' one is well: no notice is missed for it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from stormcone import Agent, App, Impact, Journal, ManualClock
from stormcone.agent.workers import InlineExecutor
from stormcone_azure.provider import AzureProvider
from stormcone_simulators.azure import AzureSimulator

EVENTS, INSTANCE = "/metadata/scheduledevents", "/metadata/instance"
FAULTS = {
    "404": {"status": 404},
    "410": {"status": 410},
    "503": {"status": 503},
    "busy": {"status": 429, "retry_after": 3600},
    "refused": {"status": 400},
    "reset": {"kind": "reset"},
    "junk": {"kind": "junk"},
}
NOTICE = timedelta(seconds=30)


class Obliging(ManualClock):
    """Whoever sleeps moves it on."""

    def sleep(self, seconds):
        self.advance(seconds)


@pytest.fixture
def clock():
    return Obliging()


@pytest.fixture
def simulator(clock):
    with AzureSimulator(["web-0"], clock=clock) as simulator:
        yield simulator


@pytest.fixture
def prepared():
    return []


@pytest.fixture
def agent(simulator, clock, prepared, tmp_path):
    """Begins a life of the agent: `agent(machine=...)`."""
    app = App()

    @app.prepare
    def prepare(event, context):
        prepared.append(event.not_before - clock.now())

    opened = []

    def begin(machine=None, boot_id="boot-1"):
        for each in opened:
            each.close()
        opened[:] = [
            Journal.open(tmp_path / "journal.db"),
            AzureProvider.from_options(replace(simulator.provider_options(), machine=machine)),
        ]
        journal, provider = opened
        return Agent(provider, app, journal, clock=clock, boot_id=boot_id, executor=InlineExecutor())

    yield begin
    for each in opened:
        each.close()


def first(simulator, path):
    """Seconds from the first request of all to the first for the path."""
    times = [datetime.fromisoformat(asked["at"]) for asked in simulator.requests() if path in asked["path"]]
    return (times[0] - datetime.fromisoformat(simulator.requests()[0]["at"])).total_seconds()


@pytest.mark.parametrize("fault", FAULTS)
class TestAPreempt:
    def test_is_prepared_for_by_a_machine_that_was_named(self, simulator, agent, clock, prepared, fault):
        simulator.faults.add(path=INSTANCE, **FAULTS[fault])
        simulator.schedule(Impact.TERMINATE, resources=["web-0"], native_type="Preempt", notice=NOTICE)
        agent("web-0").step()
        assert first(simulator, EVENTS) == 0
        assert len(prepared) == 1

    def test_is_prepared_for_after_a_restart_by_a_machine_that_was_not_named(
        self, simulator, agent, clock, prepared, fault
    ):
        agent().step()
        simulator.faults.add(path=INSTANCE, **FAULTS[fault])
        simulator.schedule(Impact.TERMINATE, resources=["web-0"], native_type="Preempt", notice=NOTICE)
        agent().step()
        assert len(prepared) == 1


@pytest.mark.parametrize("fault", ["410", "503", "busy"])
def test_nothing_is_approved_until_the_instance_endpoint_answers(simulator, agent, clock, prepared, fault):
    simulator.faults.add(path=INSTANCE, **FAULTS[fault])
    simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(hours=1))
    life = agent("web-0")
    for _ in range(5):
        life.step()
        clock.advance(seconds=20)
    assert (len(prepared), simulator.events()[0]["approved_by"]) == (1, [])
    simulator.faults.clear()
    life.step()
    assert simulator.events()[0]["approved_by"] == ["web-0"]
