"""An agent on a service that is as slow to begin, and as strict, as Azure documents it."""

from datetime import timedelta

from stormcone import App, Handler, Impact, ManualClock, Phase
from stormcone.testing import AgentDriver
from stormcone_simulators.azure import AzureSimulator


class Queue(Handler):
    def prepare(self, event, context):
        pass


def test_an_event_that_reaches_the_machine_after_five_minutes_is_prepared_for_and_no_poll_is_one_too_many():
    strict = AzureSimulator(["web-0"], clock=ManualClock(), throttle=True, etag=True, events_delay=timedelta(minutes=5))
    with strict as simulator, AgentDriver(simulator, App([Queue()])) as agent:
        begun = simulator.clock.now()
        event = simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15))
        agent.run_until(event, Phase.SCHEDULED, within=timedelta(minutes=10))
        assert simulator.clock.now() - begun >= timedelta(minutes=5)
        agent.run_until(event, Phase.ENDED, within=timedelta(minutes=30))
        agent.assert_ran("Queue", "prepare", event)
        assert simulator.events()[0]["approved_by"] == ["web-0"]
        assert {request["status"] for request in simulator.requests()} <= {200, 304}
