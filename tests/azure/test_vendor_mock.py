"""The vendor's mock server gives an event a new id at each state: the agent carries it through as one event.

The server here gives documents as that one does: one event at a time, whose id is another one in each state, with a
third one where an approval has moved it on and the script catches up; times as ISO 8601, none once it has begun.
"""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stormcone import Agent, App, Handler, Impact, Journal, ManualClock, Outcome, Phase
from stormcone.agent.workers import InlineExecutor
from stormcone.journal.timeline import timeline
from stormcone.rules.succession import SUCCESSIONS
from stormcone.testing import AgentDriver
from stormcone_simulators.azure import AzureSimulator

IDS = [f"3d7e0c1a-4b52-4c58-9d0b-00000000000{number}" for number in range(4)]


class MockServer(ThreadingHTTPServer):
    """One scenario, moved on by approvals and by the test."""

    def __init__(self, clock, event_type="Reboot", duration=-1):
        super().__init__(("127.0.0.1", 0), Answers)
        self.clock = clock
        self.event = {"EventType": event_type, "DurationInSeconds": duration}
        self.ids = iter(IDS)
        self.incarnation = 1
        self.listed = []
        self.approved = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def show(self, status):
        """The event's next state, under an id of its own; "" is its end."""
        time = f"{self.clock.now() + timedelta(minutes=15):%Y-%m-%dT%H:%M:%SZ}" if status == "Scheduled" else ""
        state = {"EventId": next(self.ids), "EventStatus": status, "NotBefore": time}
        fixed = {"ResourceType": "VirtualMachine", "Resources": ["vmss_vm1"], "EventSource": "Platform"}
        self.listed = [state | self.event | fixed | {"Description": "Host server is undergoing maintenance."}]
        self.listed = self.listed if status else []
        self.incarnation += 1

    def approve(self, event_id):
        """What is scheduled under that id begins, under another one."""
        self.approved.append(event_id)
        if [event_id, "Scheduled"] in [[event["EventId"], event["EventStatus"]] for event in self.listed]:
            self.show("Started")


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/metadata/scheduledevents"):
            self.send(200, {"DocumentIncarnation": self.server.incarnation, "Events": self.server.listed})
        else:  # it knows no instance endpoint
            self.send(404, {"error": "not found"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.approve(asked["StartRequests"][0]["EventId"])
        self.send(200, {"DocumentIncarnation": self.server.incarnation, "Events": self.server.listed})

    def send(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Recorder(Handler):
    def __init__(self):
        self.calls = []

    def prepare(self, event, context):
        self.calls.append("prepare")

    def started(self, event, context):
        self.calls.append("started")

    def recover(self, event, context):
        self.calls.append("recover")


class World:
    def __init__(self, server, clock, provider, path):
        self.server, self.clock, self.provider, self.path = server, clock, provider, path
        self.handler = Recorder()
        self.calls = self.handler.calls
        self.journal = None
        self.begin()

    def begin(self):
        """The agent begins another life on the same journal."""
        if self.journal:
            self.journal.close()
        self.journal = Journal.open(self.path)
        self.agent = Agent(
            self.provider(self.server.url, machine="vmss_vm1"),
            App([self.handler]),
            self.journal,
            clock=self.clock,
            boot_id="boot-1",
            executor=InlineExecutor(),
        )

    def steps(self, number=3, seconds=1.0):
        for _ in range(number):
            self.agent.step()
            self.clock.advance(seconds)


@pytest.fixture
def world(clock, provider, tmp_path):
    server = MockServer(clock)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    world = World(server, clock, provider, tmp_path / "journal.db")
    yield world
    server.shutdown()
    thread.join()
    server.server_close()
    world.journal.close()


@pytest.mark.parametrize("again", [False, True], ids=["two ids", "three ids"])
@pytest.mark.parametrize("restart", [False, True], ids=["one life", "two lives"])
def test_it_is_prepared_for_approved_and_recovered_from_once_and_at_its_end(world, again, restart):
    world.server.show("Scheduled")
    world.steps()
    assert world.calls == ["prepare", "started"]
    if again:  # its script goes on beside the approval
        world.server.show("Started")
    world.steps()
    if restart:
        world.begin()
    world.steps(5, seconds=60)
    assert world.calls == ["prepare", "started"]
    world.server.show("")
    world.steps()
    assert world.calls == ["prepare", "started", "recover"]
    assert world.server.approved == [IDS[0]]
    (episode,) = world.journal.episodes()
    assert (episode.event.id, episode.event.outcome) == (IDS[2 if again else 1], Outcome.COMPLETED)


def test_the_history_says_why_it_is_one_event(world):
    world.server.show("Scheduled")
    world.steps()
    (episode,) = world.journal.episodes()
    (line,) = [line for line in timeline(world.journal, episode) if line.what == "started"]
    assert line.result == f"as {IDS[1]}, taken for the same: {SUCCESSIONS[0].reason}"


def test_one_that_is_called_off_is_recovered_from_at_once(world):
    world.agent.app = world.agent.app.but(approve="never")
    world.server.show("Scheduled")
    world.steps()
    world.server.show("")
    world.steps()
    assert (world.calls, world.server.approved) == (["prepare", "recover"], [])


@pytest.mark.parametrize("approve", ["prepared", "never"])
def test_the_simulator_can_do_the_same(approve):
    handler = Recorder()
    with (
        AzureSimulator(["web-0"], clock=ManualClock(), new_ids=True) as simulator,
        AgentDriver(simulator, App([handler], approve=approve)) as agent,
    ):
        event = simulator.schedule(Impact.REBOOT, resources=["web-0"])
        agent.clock.advance(0 if approve == "prepared" else timedelta(minutes=14, seconds=55).total_seconds())
        episode = agent.run_until(event, Phase.STARTED)
        assert episode.event.id != event
        assert handler.calls == ["prepare", "started"]
        agent.clock.advance(timedelta(minutes=9))
        agent.step()
        assert handler.calls == ["prepare", "started"]
        agent.run_until(event, Phase.ENDED, outcome=Outcome.COMPLETED)
        assert handler.calls == ["prepare", "started", "recover"]
        assert len(agent.journal.episodes()) == 1
