"""An agent on AWS's API and queue at once: each maintenance is handled once, and no message is lost or told twice."""

from datetime import timedelta

import pytest

from stormcone import Agent, App, InlineExecutor, Journal
from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import ProviderError
from stormcone.model import Cause, Impact
from stormcone_aws.queue import AwsQueueProvider
from stormcone_aws.region import AwsRegionProvider
from stormcone_simulators.aws import AwsSimulator


@pytest.fixture(autouse=True)
def the_simulators_key(clean_environment, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testsecret")


@pytest.fixture
def simulator(clock):
    with AwsSimulator(("i-0one@web", "i-0two@web"), clock=clock) as simulator:
        yield simulator


@pytest.fixture
def log():
    return []


@pytest.fixture
def app(log):
    app = App([])

    @app.prepare(lead=None)
    def work(event, context):
        log.append(("prepare", event.id, context.machine.name))

    @app.recover()
    def back(event, context):
        log.append(("recover", event.id, event.outcome.value))

    return app


@pytest.fixture
def life(simulator, clock, app, tmp_path):
    """Begins a life of the agent on one journal; the one before it is over."""
    going = []

    def end():
        while going:
            going.pop().close()

    def begin():
        end()
        queue, region = (
            kind.from_options(
                ProviderOptions(endpoint=simulator.url, region="us-east-1", clock=clock, settings=settings)
            )
            for kind, settings in ((AwsQueueProvider, {"queue": "stormcone"}), (AwsRegionProvider, {"scope": "region"}))
        )
        journal = Journal.open(tmp_path / "journal.db")
        going.extend((queue, region, journal))
        agent = Agent(region, app, journal, also=[queue], clock=clock, executor=InlineExecutor())
        return agent, queue

    yield begin
    end()


def settle(agent):
    for _ in range(4):
        agent.step()


def prepared(log):
    return sorted(entry[1:] for entry in log if entry[0] == "prepare")


class TestBothAtOnce:
    def test_maintenance_that_both_tell_of_is_handled_once(self, life, simulator, log):
        agent, _ = life()
        identifier = simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        settle(agent)
        assert prepared(log) == [(identifier, "i-0one")]
        assert simulator.queues()["stormcone"] == []

    def test_an_interruption_and_a_hook_are_prepared_for_and_the_hook_is_answered(self, life, simulator, log, clock):
        agent, _ = life()
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        simulator.schedule(Impact.TERMINATE, resources=["i-0two"], cause=Cause.SCALE_IN)
        settle(agent)
        assert prepared(log) == [("lifecycle/i-0two", "i-0two"), ("spot/i-0one", "i-0one")]
        approved = {event["native_type"]: event["approved_by"] for event in simulator.events()}
        assert approved == {"spot/terminate": [], "lifecycle/Terminated": ["i-0two"]}
        clock.advance(600)
        settle(agent)
        assert {entry[1:] for entry in log if entry[0] == "recover"} == {
            ("spot/i-0one", "completed"),
            ("lifecycle/i-0two", "completed"),
        }
        assert simulator.queues()["stormcone"] == []


class TestReceipts:
    def test_a_life_that_ends_between_commit_and_deletion_costs_nothing_and_repeats_nothing(
        self, life, simulator, log, clock, monkeypatch
    ):
        agent, queue = life()
        monkeypatch.setattr(queue, "acknowledge", lambda _receipt: None)  # it dies before
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        settle(agent)
        assert len(simulator.queues()["stormcone"]) == 1
        clock.advance(31)
        agent, _ = life()
        settle(agent)
        assert prepared(log) == [("spot/i-0one", "i-0one")]
        assert simulator.queues()["stormcone"] == []

    def test_a_life_that_ends_before_commit_leaves_the_message_to_the_next(self, life, simulator, log, clock):
        _, queue = life()
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        assert queue.poll().receipt  # and nobody writes it down
        clock.advance(31)
        agent, _ = life()
        settle(agent)
        assert prepared(log) == [("spot/i-0one", "i-0one")]

    def test_deletions_that_fail_are_made_good(self, life, simulator, log):
        agent, queue = life()
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        simulator.faults.add(status=503, query={"Action": "DeleteMessageBatch"})
        settle(agent)
        assert len(simulator.queues()["stormcone"]) == 1
        with pytest.raises(ProviderError):
            queue.acknowledge(())
        simulator.faults.clear()
        settle(agent)
        assert simulator.queues()["stormcone"] == []
        assert prepared(log) == [("spot/i-0one", "i-0one")]

    def test_two_that_are_told_at_once_and_come_twice_are_two(self, life, simulator, log, clock, monkeypatch):
        agent, queue = life()
        monkeypatch.setattr(queue, "acknowledge", lambda _receipt: None)
        for name in ("i-0one", "i-0two"):
            simulator.schedule(Impact.TERMINATE, resources=[name], cause=Cause.PREEMPTION)
        settle(agent)
        clock.advance(31)
        agent, _ = life()
        settle(agent)
        assert prepared(log) == [("spot/i-0one", "i-0one"), ("spot/i-0two", "i-0two")]


class TestHealth:
    def test_a_queue_that_cannot_be_asked_costs_nothing_of_what_the_api_says(self, life, simulator, log):
        agent, _ = life()
        simulator.faults.add(status=503, query={"Service": "sqs"})
        identifier = simulator.schedule(Impact.REBOOT, resources=["i-0one"], notice=timedelta(hours=2))
        settle(agent)
        assert prepared(log) == [(identifier, "i-0one")]
