"""An agent and receivers that misbehave: nothing is lost, nothing is told out of its order, and no work waits."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from stormcone import Agent, App, Handler, Impact, Journal, ManualClock
from stormcone.agent.workers import InlineExecutor
from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.http.faults import Timeouts
from stormcone.plugins import provider_class, sink_class
from stormcone.simulators.contract import SimulatorOptions
from stormcone.sinks import webhook
from stormcone.sinks.contract import NamedSink, secrets_of
from stormcone_simulators.azure import AzureSimulator

STORY = [
    "maintenance.scheduled",
    "run.started",
    "run.succeeded",
    "approval.requested",
    "approval.accepted",
    "maintenance.started",
    "run.started",
    "run.succeeded",
    "maintenance.ended",
    "run.started",
    "run.succeeded",
]


class Worker(Handler):
    lead = None

    def __init__(self) -> None:
        self.did = []

    def prepare(self, event, context):
        self.did.append("prepare")

    def started(self, event, context):
        self.did.append("started")

    def recover(self, event, context):
        self.did.append("recover")


class World:
    """A machine on a simulator of Azure, its agent, and one sink."""

    def __init__(self, folder: Path, kind: str, **settings) -> None:
        self.clock = ManualClock()
        self.worker = Worker()
        self.journal_file = folder / "journal.db"
        self.kind, self.settings = kind, settings
        self.simulator = AzureSimulator.from_options(SimulatorOptions(machines=["web-0"], clock=self.clock))
        self.simulator.start_server()
        self.open()

    def open(self) -> None:
        """A life of the agent begins."""
        checked = sink_class(self.kind).Settings.model_validate(self.settings)
        sink = sink_class(self.kind).from_settings(checked, self.clock)
        self.sink = NamedSink(name="ops", sink=sink, only=checked.only, secrets=secrets_of(checked))
        self.journal = Journal.open(self.journal_file)
        options = self.simulator.provider_options("web-0")
        self.provider = provider_class("azure").from_options(
            ProviderOptions(endpoint=options.endpoint, settings=options.settings, clock=self.clock)
        )
        self.agent = Agent(
            self.provider,
            App([self.worker]),
            self.journal,
            clock=self.clock,
            boot_id="boot-1",
            executor=InlineExecutor(),
            sinks=[self.sink],
        )

    def close(self) -> None:
        """The life ends, without a word."""
        self.sink.sink.close()
        self.provider.close()
        self.journal.close()

    def whole_life(self) -> None:
        """One reboot, from its announcement to its end."""
        self.simulator.schedule(
            Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15), duration=timedelta(minutes=1)
        )
        for minutes in (0, 1, 15, 10, 10):
            self.after(minutes=minutes)

    def after(self, **passed: float) -> None:
        self.clock.advance(**passed)
        self.agent.step()

    @property
    def record(self):
        (record,) = self.journal.outbox.sinks()
        return record


@pytest.fixture
def worlds(tmp_path):
    made = []

    def make(kind, **settings):
        made.append(World(tmp_path, kind, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()
        world.simulator.close()


def kinds(receiver):
    return [got.json["type"].removeprefix("dev.stormcone.") for got in receiver.got]


@pytest.fixture
def hooked(worlds, receiver):
    return worlds("webhook", url=f"http://127.0.0.1:{receiver.port}/hook")


def test_one_that_is_well_is_told_the_whole_story(hooked, receiver):
    hooked.whole_life()
    assert kinds(receiver) == STORY
    assert hooked.worker.did == ["prepare", "started", "recover"]
    assert len({got.json["correlationid"] for got in receiver.got}) == 1


@pytest.mark.parametrize("fault", [500, "hang", "cut"])
def test_one_that_fails_is_told_the_whole_story_later(hooked, receiver, fault, monkeypatch):
    receiver.does = fault
    with monkeypatch.context() as patched:
        patched.setattr(webhook, "TIMEOUTS", Timeouts(connect=30, read=0.3, slack=0.1))
        hooked.whole_life()
    assert hooked.worker.did == ["prepare", "started", "recover"]
    assert (kinds(receiver), hooked.record.waiting) == ([], len(STORY))
    receiver.does = None
    hooked.after(minutes=5)
    assert kinds(receiver) == STORY
    assert (hooked.record.waiting, hooked.record.sent) == (0, len(STORY))


def test_one_that_is_away_for_a_day_and_a_restart_is_told_the_whole_story_once(hooked, receiver):
    with receiver.away():
        hooked.whole_life()
        for _ in range(12):
            hooked.after(hours=1)
        hooked.close()
        hooked.open()
        for _ in range(12):
            hooked.after(hours=1)
        assert hooked.record.waiting == len(STORY)
        assert "connection refused" in hooked.record.error
    hooked.after(minutes=5)
    assert kinds(receiver) == STORY
    assert len({got.json["id"] for got in receiver.got}) == len(STORY)


def test_one_that_is_killed_and_started_again_loses_nothing(worlds, broker):
    """RabbitMQ itself, by SIGKILL: what it has confirmed it has kept, and what it has not is sent again."""
    import pika

    world = worlds("queue", url=broker.url, queue="killed")
    world.simulator.schedule(
        Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15), duration=timedelta(minutes=1)
    )
    world.after()
    assert world.record.waiting == 0
    broker.kill()
    world.after(minutes=1)
    assert world.record.waiting > 0
    assert "ConnectionRefusedError" in world.record.error
    for minutes in (15, 10, 10):
        world.after(minutes=minutes)
    assert world.worker.did == ["prepare", "started", "recover"]
    broker.start()
    world.after(minutes=5)
    assert (world.record.waiting, world.record.error) == (0, "")

    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    channel = connection.channel()
    told = []
    while True:
        method, properties, _ = channel.basic_get("killed", auto_ack=True)
        if method is None:
            break
        told.append((properties.type.removeprefix("dev.stormcone."), properties.message_id))
    connection.close()
    first = list(dict.fromkeys(told))
    assert [kind for kind, _ in first] == STORY


def test_a_sink_that_hangs_in_its_thread_holds_up_neither_work_nor_the_end(worlds, receiver, monkeypatch):
    """In threads, as in production: the real webhook against a server that never answers."""
    from stormcone.agent.workers import ThreadExecutor

    monkeypatch.setattr(webhook, "TIMEOUTS", Timeouts(connect=30, read=20.0, slack=0.1))
    world = worlds("webhook", url=f"http://127.0.0.1:{receiver.port}/hook")
    receiver.does = "hang"

    class Beside(ThreadExecutor):
        def submit(self, work, name):
            if name.startswith("stormcone-sink"):
                super().submit(work, name)
            else:
                work()

    world.agent._deliveries._executor = Beside()
    before = threading.active_count()
    world.whole_life()
    assert world.worker.did == ["prepare", "started", "recover"]
    assert world.record.waiting == len(STORY)
    assert threading.active_count() > before
    receiver.freed.set()
