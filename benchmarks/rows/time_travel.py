"""A day of a thousand events on a manual clock, with an agent on a simulator."""

import statistics
import time
from datetime import timedelta

import requests

from figures import Figure, Measured
from stormcone import App, Context, Handler, Impact, MaintenanceEvent, ManualClock
from stormcone.testing import AgentDriver
from stormcone_simulators.azure import AzureSimulator

EVENTS = 1000
DAY = timedelta(hours=24)
STARTS = 100


class LoadBalancer(Handler):
    def prepare(self, event: MaintenanceEvent, context: Context) -> None: ...

    def recover(self, event: MaintenanceEvent, context: Context) -> None: ...


def _day() -> float:
    """The clock goes from one event to the next, and the agent polls after each."""
    clock = ManualClock()
    begun = time.process_time()
    with AzureSimulator(["web-0"], clock=clock) as simulator, AgentDriver(simulator, App([LoadBalancer()])) as agent:
        for _ in range(EVENTS):
            simulator.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(minutes=15))
            clock.advance(DAY / EVENTS)
            agent.step()
        clock.advance(hours=1)
        agent.step()
        over = [episode for episode in agent.journal.episodes() if episode.approved and episode.ended]
        assert len(over) == EVENTS, len(over)
    return time.process_time() - begun


def _hour() -> float:
    """The agent polls at its own pace, and there is nothing: what it costs to live through an hour."""
    begun = time.process_time()
    with (
        AzureSimulator(["web-0"], clock=ManualClock()) as simulator,
        AgentDriver(simulator, App([LoadBalancer()])) as agent,
    ):
        agent.run_for(hours=1)
    return time.process_time() - begun


def _exchanges() -> float:
    """As many polls as in that day, by hand."""
    with AzureSimulator(["web-0"]) as simulator, requests.Session() as session:
        session.trust_env = False
        url = f"{simulator.url}/metadata/scheduledevents?api-version=2020-07-01"
        begun = time.process_time()
        for _ in range(EVENTS):
            session.get(url, headers={"Metadata": "true"}, timeout=5).raise_for_status()
        return time.process_time() - begun


def _start() -> float:
    begun = time.process_time()
    with AzureSimulator(["web-0"]):
        pass
    return time.process_time() - begun


def measure() -> Measured:
    return Measured(
        [
            Figure("the day", _day(), "s"),
            Figure("as many bare exchanges over HTTP", _exchanges(), "s"),
            Figure("an hour of polls, with nothing announced", _hour(), "s"),
            Figure("start and stop of a simulator", statistics.median(_start() for _ in range(STARTS)) * 1e3, "ms"),
        ]
    )
