"""The tests of the tutorial: a database that survives the maintenance of its nodes, on every cloud."""

from datetime import timedelta

import pytest

from database import Database
from maintenance import Failover
from stormcone import App, Impact, Outcome, Phase

pytest_plugins = ["stormcone.testing.fixtures"]
pytestmark = pytest.mark.stormcone(machines=["db-0", "db-1"])


@pytest.fixture
def database():
    return Database(primary="db-0", standby="db-1")


@pytest.fixture
def app(database):
    return App([Failover(database)])


def test_primary_fails_over_before_a_reboot(simulator, agent, database):
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
    assert database.primary == "db-1"
    simulator.clock.advance(minutes=15)
    agent.run_until(event, Phase.ENDED)
    assert database.standby == "db-0"
    assert database.synchronized


def test_a_standby_is_not_made_the_primary(simulator, agent_on, database):
    event = simulator.schedule(Impact.REBOOT, resources=["db-1"], notice=timedelta(minutes=15))
    agent_on("db-1").run_until(event, Phase.SCHEDULED, prepared=True)
    assert database.primary == "db-0"


def test_the_other_nodes_maintenance_is_not_ours(simulator, agent):
    event = simulator.schedule(Impact.REBOOT, resources=["db-1"], notice=timedelta(minutes=15))
    agent.run_for(minutes=1)
    agent.assert_not_ran(Failover, "prepare", event)
    agent.assert_approved(event, approved=False)


def test_a_lagging_standby_is_waited_for(simulator, agent, database):
    database.lag = 3
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
    agent.run_for(seconds=30)
    assert database.primary == "db-0"
    agent.assert_approved(event, approved=False)
    database.lag = 0
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
    assert database.primary == "db-1"


def test_a_reboot_that_is_called_off_leaves_the_pair_synchronized(simulator, agent_on, database):
    agent = agent_on(app=App([Failover(database)], approve="never"))
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
    simulator.cancel(event)
    agent.run_until(event, Phase.ENDED, outcome=Outcome.CANCELED)
    assert database.synchronized


def test_the_pair_is_synchronized_after_the_node_has_booted(simulator, agent, database):
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
    simulator.clock.advance(minutes=30)
    agent.restart(boot_id="after the reboot")
    agent.run_until(event, Phase.ENDED, outcome=Outcome.COMPLETED)
    agent.assert_ran(Failover, "recover", event)
    assert database.synchronized


def test_a_cloud_that_does_not_answer_is_not_taken_for_one_without_maintenance(simulator, agent, database):
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
    simulator.faults.add(status=503, times=5)
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
    assert database.primary == "db-1"


def test_both_nodes_have_an_agent(simulator, agent_on, database):
    first, second = agent_on("db-0"), agent_on("db-1")
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
    first.run_until(event, Phase.SCHEDULED, prepared=True)
    second.assert_not_ran(Failover, "prepare", event)
    later = simulator.schedule(Impact.REBOOT, resources=["db-1"], notice=timedelta(minutes=15))
    second.run_until(later, Phase.SCHEDULED, prepared=True)
    assert database.primary == "db-0"


@pytest.mark.parametrize("simulator", ["azure"], indirect=True)
def test_azure_does_not_wait_for_the_end_of_the_notice(simulator, agent):
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(minutes=15))
    agent.run_until(event, Phase.STARTED, prepared=True, approved=True, within=timedelta(seconds=5))
