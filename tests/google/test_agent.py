"""An agent on a VM of Google Cloud: what its journal makes of keys without ids, without times and without ends."""

from datetime import UTC, datetime, timedelta

import pytest

from stormcone import App, Handler, Impact, Outcome, Phase
from stormcone.testing import AgentDriver

KEYS = ("preempted", "maintenance-event", "upcoming-maintenance")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Drain(Handler):
    impacts = frozenset(Impact) - {Impact.NONE}

    def prepare(self, event, context): ...

    def recover(self, event, context): ...


@pytest.fixture
def agent(cloud):
    with AgentDriver(cloud, App([Drain()])) as agent:
        agent.step()
        yield agent


ORDERS = {
    "preempted": {"impact": Impact.TERMINATE},
    "maintenance-event": {"impact": Impact.REBOOT},
    "upcoming-maintenance": {"impact": Impact.FREEZE, "notice": 10 * MINUTE},
}


@pytest.mark.parametrize("key", KEYS)
class TestAnEventOfEachKey:
    def test_is_prepared_for_and_recovered_from(self, cloud, agent, key):
        event = cloud.schedule(resources=["web-0"], started_for=2 * MINUTE, **ORDERS[key])
        agent.run_until(event, Phase.SCHEDULED, prepared=True)
        agent.run_until(event, Phase.STARTED, within=HOUR)
        agent.run_until(event, Phase.ENDED, outcome=Outcome.COMPLETED, within=HOUR)
        agent.assert_ran("Drain", "recover", event)
        agent.assert_approved(event, approved=False)

    def test_keeps_its_time_over_a_restart(self, cloud, agent, key):
        event = cloud.schedule(resources=["web-0"], started_for=HOUR, **ORDERS[key])
        before = agent.run_until(event, Phase.SCHEDULED, prepared=True).event.not_before
        agent.clock.advance(seconds=20)
        agent.restart()
        after = agent.run_until(event, Phase.SCHEDULED)
        assert (after.event.not_before, len(agent.journal.episodes())) == (before, 1)

    @pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"kind": "reset"}, {"body": "<html>"}])
    def test_is_ended_by_no_fault_of_its_key_or_of_all(self, cloud, agent, key, fault):
        event = cloud.schedule(resources=["web-0"], started_for=HOUR, **ORDERS[key])
        agent.run_until(event, Phase.SCHEDULED, prepared=True)
        for path in (f"/computeMetadata/v1/instance/{key}", "/computeMetadata"):
            cloud.faults.add(path=path, **fault)
            for _ in range(3):
                agent.step()
            cloud.faults.clear()
        agent.step()
        (episode,) = agent.journal.episodes()
        assert episode.event.phase is Phase.SCHEDULED


class TestTheNextOne:
    def test_under_the_same_id_is_another_episode(self, cloud, agent):
        for number in (1, 2):
            event = cloud.schedule(Impact.FREEZE, resources=["web-0"], started_for=MINUTE)
            agent.run_until(event, Phase.ENDED, within=HOUR)
            assert [episode.number for episode in agent.journal.episodes()] == list(range(1, number + 1))
        assert len({episode.event.id for episode in agent.journal.episodes()}) == 1


class TestPlannedMaintenance:
    def test_is_not_begun_by_an_app_that_does_not_ask_for_it(self, cloud, agent):
        event = cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=30 * MINUTE)
        agent.run_until(event, Phase.SCHEDULED, prepared=True)
        assert cloud.events()[0]["phase"] == "scheduled"
        assert "it would begin now" in agent.agent.journal.episodes()[0].decision

    def test_is_begun_as_early_as_an_app_asks_for(self, cloud):
        with AgentDriver(cloud, App([Drain()], approve_early=HOUR)) as agent:
            event = cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=30 * MINUTE)
            agent.run_until(event, Phase.STARTED, approved=True)
        assert cloud.events()[0]["started_at"] < "2026-01-01T00:10:00Z"

    def test_that_moves_within_its_bounds_is_the_same_event(self, cloud, agent):
        event = cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=10 * MINUTE)
        agent.run_until(event, Phase.SCHEDULED, prepared=True)
        cloud.change(event, notice=30 * MINUTE)
        moved = agent.run_until(event, Phase.SCHEDULED)
        assert moved.event.not_before >= datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
        assert len(agent.journal.episodes()) == 1


class TestPollingIsBehaviour:
    """A VM is granted the minute before a maintenance only if somebody has asked since the last one."""

    def test_a_vm_that_nobody_asks_for_is_maintained_at_once(self, cloud):
        cloud.schedule(Impact.FREEZE, resources=["web-0"])
        assert cloud.events()[0]["phase"] == "started"

    def test_an_agents_first_poll_grants_it_and_its_handler_prepares_in_time(self, cloud, agent):
        event = cloud.schedule(Impact.FREEZE, resources=["web-0"], started_for=MINUTE)
        known = agent.run_until(event, Phase.SCHEDULED, prepared=True)
        assert agent.clock.now() < known.event.not_before
        assert cloud.events()[0]["phase"] == "scheduled"
        agent.run_until(event, Phase.ENDED, within=HOUR)

    def test_it_is_granted_anew_after_each_maintenance_since_the_agent_goes_on_asking(self, cloud, agent):
        for _ in range(3):
            event = cloud.schedule(Impact.FREEZE, resources=["web-0"], started_for=MINUTE)
            made = cloud.events()[-1]
            ahead = datetime.fromisoformat(made["not_before"]) - datetime.fromisoformat(made["created_at"])
            assert ahead == MINUTE
            agent.run_until(event, Phase.ENDED, within=HOUR)

    def test_an_agent_that_has_ended_grants_nothing_after_the_next_one(self, cloud, agent):
        event = cloud.schedule(Impact.FREEZE, resources=["web-0"], started_for=MINUTE)
        agent.run_until(event, Phase.SCHEDULED, prepared=True)
        agent.clock.advance(hours=1)
        cloud.schedule(Impact.FREEZE, resources=["web-0"])
        assert [each["phase"] for each in cloud.events()] == ["ended", "started"]
