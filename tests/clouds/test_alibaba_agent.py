"""What only Alibaba Cloud has, carried through the agent, the provider with the real SDK, and the simulator."""

import json
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from aliyunsdkcore.client import AcsClient
from aliyunsdkecs.request.v20140526.CancelSimulatedSystemEventsRequest import CancelSimulatedSystemEventsRequest
from aliyunsdkecs.request.v20140526.CreateSimulatedSystemEventsRequest import CreateSimulatedSystemEventsRequest
from aliyunsdkecs.request.v20140526.RebootInstanceRequest import RebootInstanceRequest

from stormcone import Agent, App, GiveUp, Impact, Journal, ManualClock, Origin, Outcome, Phase, Veto
from stormcone.agent.pace import Pace
from stormcone.agent.poller import Poller
from stormcone.agent.settings import AgentSettings
from stormcone.clock import SystemClock
from stormcone.testing import AgentDriver
from stormcone_alibaba.provider import AlibabaProvider, AlibabaRegionProvider
from stormcone_simulators.alibaba import AlibabaSimulator

INQUIRING = "SystemMaintenance.Reboot:Inquiring"
PATIENCE = 120.0
"""Real seconds after which something counts as never happening."""


class RegionSimulator(AlibabaSimulator):
    """Its providers watch the region instead of a machine."""

    def provider_options(self, machine=None):
        options = super().provider_options(machine)
        return replace(options, endpoint=self.url, settings={**options.settings, "scope": "region"})


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(stack, handler):
    """Starts a simulator of i-aaa and i-bbb, and an agent with the handler: on i-aaa, or of the region."""

    def start(*, kind=AlibabaSimulator, options=None, thread=False, **app):
        simulator = stack.enter_context(kind(["i-aaa", "i-bbb"], clock=ManualClock(), **(options or {})))
        return simulator, stack.enter_context(AgentDriver(simulator, App([handler], **app), thread=thread))

    return start


@pytest.fixture
def sdk():
    """Calls an operation of a simulator's API through the vendor's SDK as it is; answers the document."""

    def call(simulator, request, **values):
        client = AcsClient("testid", "testsecret", "cn-hangzhou")
        client.add_endpoint("cn-hangzhou", "Ecs", simulator.url.removeprefix("http://"))
        for name, value in values.items():
            getattr(request, f"set_{name}")(value)
        try:
            return json.loads(client.do_action_with_exception(request))
        finally:
            client.session.close()

    return call


def calls_of(simulator, action):
    return [request for request in simulator.requests() if request["query"].get("Action") == action]


def after(agent, **span):
    agent.clock.advance(**span)
    agent.step()


def episode(agent, event):
    (found,) = [known for known in agent.journal.episodes() if known.event.id == event]
    return found


class TestTwoSimulatedRestartsOfWhichOneIsCalledOff:
    """The vendor's published flow, made by the real SDK while the agent watches both instances."""

    def test_are_each_carried_to_their_own_end(self, start, handler, sdk):
        simulator, agent = start(kind=RegionSimulator)
        made = sdk(
            simulator,
            CreateSimulatedSystemEventsRequest(),
            EventType="SystemMaintenance.Reboot",
            NotBefore="2026-01-01T00:15:00Z",
            InstanceIds=["i-aaa", "i-bbb"],
        )
        assert sorted(made) == ["EventIdSet", "RequestId"]
        first, second = made["EventIdSet"]["EventId"]
        agent.step()
        assert list(sdk(simulator, CancelSimulatedSystemEventsRequest(), EventIds=[first])) == ["RequestId"]
        agent.step()
        after(agent, minutes=15)
        after(agent, minutes=1)
        assert handler.stages(first) == ["prepare", "recover"]
        assert handler.stages(second) == ["prepare", "started", "recover"]
        ended = {event: episode(agent, event).event for event in (first, second)}
        assert [event.outcome for event in ended.values()] == [Outcome.CANCELED, Outcome.COMPLETED]
        assert {event.outcome_origin for event in ended.values()} == {Origin.REPORTED}


class TestAnAgentOfARegion:
    def test_handles_two_instances_side_by_side_each_as_its_own_machine(self, start, handler):
        simulator, agent = start(kind=RegionSimulator)
        events = {name: simulator.schedule("reboot", resources=[name]) for name in ("i-aaa", "i-bbb")}
        agent.step()
        simulator.start(events["i-bbb"])
        agent.step()
        assert {name: handler.machines(event) for name, event in events.items()} == {
            "i-aaa": {"i-aaa"},
            "i-bbb": {"i-bbb"},
        }
        assert handler.stages(events["i-aaa"]) == ["prepare"]
        assert handler.stages(events["i-bbb"]) == ["prepare", "started"]

    def test_keeps_no_instance_waiting_for_another_ones_handler(self, start, handler):
        simulator, agent = start(kind=RegionSimulator, thread=True)
        both = threading.Barrier(2)
        handler.script["prepare"] = lambda: both.wait(PATIENCE)
        for name in ("i-aaa", "i-bbb"):
            simulator.schedule("reboot", resources=[name])
        agent.step()
        assert not both.broken
        assert {machine for *_, machine in handler.calls} == {"i-aaa", "i-bbb"}

    def test_gives_consent_for_each_instance_by_itself(self, start, handler):
        simulator, agent = start(kind=RegionSimulator, approve_consent=True)
        events = [simulator.schedule("reboot", resources=[name], native_type=INQUIRING) for name in ("i-aaa", "i-bbb")]
        agent.step()
        agent.step()
        assert sorted(
            asked["query"]["EventId"] for asked in calls_of(simulator, "AcceptInquiredSystemEvent")
        ) == sorted(events)
        assert all(episode(agent, event).approved for event in events)


class TestConsent:
    def test_is_given_exactly_once_and_after_the_preparation(self, start, handler):
        simulator, agent = start(approve_consent=True)
        accepted_before = []
        handler.script["prepare"] = lambda: accepted_before.extend(calls_of(simulator, "AcceptInquiredSystemEvent"))
        event = simulator.schedule("reboot", resources=["i-aaa"], native_type=INQUIRING)
        for _ in range(5):
            after(agent, seconds=30)
        assert accepted_before == []
        assert [asked["query"]["EventId"] for asked in calls_of(simulator, "AcceptInquiredSystemEvent")] == [event]
        assert handler.stages(event) == ["prepare", "started", "recover"]

    @pytest.mark.parametrize("error", [GiveUp("it does not let go"), Veto("not today")], ids=["given up", "vetoed"])
    def test_is_not_given_where_nothing_is_prepared(self, start, handler, error):
        simulator, agent = start(approve_consent=True)

        def fail():
            raise error

        handler.script["prepare"] = fail
        simulator.schedule("reboot", resources=["i-aaa"], native_type=INQUIRING)
        for _ in range(5):
            after(agent, seconds=30)
        assert calls_of(simulator, "AcceptInquiredSystemEvent") == []

    def test_is_not_given_unless_the_app_says_so(self, start, handler):
        simulator, agent = start()
        event = simulator.schedule("reboot", resources=["i-aaa"], native_type=INQUIRING)
        for _ in range(5):
            after(agent, seconds=30)
        assert calls_of(simulator, "AcceptInquiredSystemEvent") == []
        assert handler.stages(event) == ["prepare"]
        assert "approve_consent" in episode(agent, event).decision

    def test_cannot_be_given_to_what_is_scheduled(self, start):
        simulator, agent = start(approve_consent=True)
        event = simulator.schedule("reboot", resources=["i-aaa"])
        agent.step()
        assert episode(agent, event).decision == "it cannot be approved"
        assert calls_of(simulator, "AcceptInquiredSystemEvent") == []


class TestHowItEnded:
    def test_a_restart_through_the_api_avoids_the_event_which_is_reported_and_recovered_from(self, start, handler, sdk):
        simulator, agent = start()
        event = simulator.schedule("reboot", resources=["i-aaa"])
        agent.step()
        sdk(simulator, RebootInstanceRequest(), InstanceId="i-aaa")
        agent.step()
        ended = episode(agent, event).event
        assert (ended.outcome, ended.outcome_origin) == (Outcome.AVOIDED, Origin.REPORTED)
        assert handler.stages(event) == ["prepare", "recover"]

    def test_an_event_that_failed_is_reported_so_and_recovered_from(self, start, handler):
        simulator, agent = start()
        event = simulator.schedule("reboot", resources=["i-aaa"])
        agent.step()
        simulator.start(event)
        agent.step()
        simulator.complete(event, Outcome.FAILED)
        agent.step()
        ended = episode(agent, event).event
        assert (ended.outcome, ended.outcome_origin) == (Outcome.FAILED, Origin.REPORTED)
        assert handler.stages(event) == ["prepare", "started", "recover"]


class TestTheReleaseOfASpotInstance:
    def test_is_prepared_for_from_the_metadata_alone(self, start, handler):
        simulator, agent = start()
        simulator.schedule(Impact.TERMINATE, resources=["i-aaa"], cause="preemption", notice=timedelta(minutes=5))
        agent.step()
        (known,) = agent.journal.episodes()
        assert (known.event.impact, known.event.cause) == ("terminate", "preemption")
        assert known.event.not_before == agent.clock.now() + timedelta(minutes=5)
        assert handler.stages(known.event.id) == ["prepare"]
        after(agent, minutes=1)
        assert handler.stages(known.event.id) == ["prepare"]

    @pytest.mark.parametrize(
        ("happen", "outcome"),
        [
            (lambda simulator, event: simulator.cancel(event), Outcome.CANCELED),
            (lambda simulator, event: simulator.clock.advance(minutes=6), Outcome.COMPLETED),
        ],
        ids=["called off", "carried out"],
    )
    def test_is_over_once_the_metadata_says_no_more_of_it(self, start, handler, happen, outcome):
        simulator, agent = start()
        event = simulator.schedule(
            Impact.TERMINATE, resources=["i-aaa"], cause="preemption", notice=timedelta(minutes=5)
        )
        agent.step()
        happen(simulator, event)
        agent.step()
        (known,) = agent.journal.episodes()
        assert (known.event.outcome, known.event.outcome_origin) == (outcome, Origin.INFERRED)
        assert [stage for stage, *_ in handler.calls] == ["prepare", "recover"]

    def test_is_seen_while_the_api_does_not_answer(self, start, handler):
        simulator, agent = start()
        agent.step()
        simulator.faults.add(query={"Action": "DescribeInstanceHistoryEvents"}, status=503)
        simulator.schedule(Impact.TERMINATE, resources=["i-aaa"], cause="preemption", notice=timedelta(minutes=5))
        agent.step()
        assert [stage for stage, *_ in handler.calls] == ["prepare"]


class SkippingClock(ManualClock):
    """Whoever waits for it moves it on."""

    def sleep(self, seconds):
        self.advance(seconds)

    def wait(self, _wake, seconds):
        self.advance(seconds)


class TestThrottling:
    def test_is_waited_out_until_the_next_minute(self, stack):
        clock = SkippingClock()
        simulator = stack.enter_context(AlibabaSimulator(["i-aaa"], clock=clock, throttle=2))
        provider = stack.enter_context(closing(AlibabaProvider.from_options(simulator.provider_options())))
        polls = []

        def post(answer):
            polls.append((f"{clock.now():%M:%S}", answer.error is None))
            if len(polls) == 7:
                poller.stop()

        poller = Poller(provider, clock, Pace(provider, 10), dict)
        poller.run(post)
        assert polls == [
            ("00:00", True),
            ("00:10", True),
            ("00:20", False),
            ("01:01", True),
            ("01:11", True),
            ("01:21", False),
            ("02:01", True),
        ]
        assert len(calls_of(simulator, "DescribeInstanceHistoryEvents")) == len(polls)

    def test_ends_nothing_and_says_unknown(self, start, handler):
        simulator, agent = start(options={"throttle": 1})
        event = simulator.schedule("reboot", resources=["i-aaa"])
        agent.step()
        after(agent, seconds=10)
        assert "asked too often" in agent.agent.status.error
        assert episode(agent, event).ended is None
        after(agent, seconds=50)
        assert agent.agent.status.error is None
        assert handler.stages(event) == ["prepare"]


class TestHints:
    """What CloudMonitor pushes makes the agent poll at once."""

    @pytest.fixture
    def hinted(self, stack, handler):
        """A simulator that pushes to a small server, which hands on to the provider of an agent that hardly polls."""
        server = stack.enter_context(HTTPServer(("127.0.0.1", 0), Receiver))
        address = f"http://127.0.0.1:{server.server_port}/"
        simulator = stack.enter_context(AlibabaSimulator(["i-aaa"], clock=SystemClock(), webhook=address))
        provider = stack.enter_context(closing(AlibabaProvider.from_options(simulator.provider_options())))
        journal = stack.enter_context(Journal.open(":memory:"))
        known = threading.Semaphore(0)
        agent = Agent(
            provider,
            App([handler]),
            journal,
            settings=AgentSettings(interval=3600),
            boot_id="boot-1",
            listener=lambda _: known.release(),
        )
        server.provider = provider
        provider.on_hint(agent.poll_soon)
        for work, end in ((server.serve_forever, server.shutdown), (agent.run, agent.stop)):
            thread = threading.Thread(target=work)
            thread.start()
            stack.callback(thread.join)
            stack.callback(end)
        assert known.acquire(timeout=PATIENCE)
        return simulator, known

    def test_are_followed_at_once(self, hinted, handler):
        simulator, known = hinted
        event = simulator.schedule("reboot", resources=["i-aaa"])
        while handler.stages(event) != ["prepare"]:
            assert known.acquire(timeout=PATIENCE)
        assert len(calls_of(simulator, "DescribeInstanceHistoryEvents")) < 10


class Receiver(BaseHTTPRequestHandler):
    """Hands what is posted to the server's provider."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.provider.receive(body)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


class TestAnAgentThatIsStartedAgain:
    def test_learns_at_once_how_what_it_knew_has_ended(self, stack, handler):
        simulator = stack.enter_context(AlibabaSimulator(["i-aaa"], clock=SystemClock()))
        journal = stack.enter_context(Journal.open(":memory:"))
        event = simulator.schedule("reboot", resources=["i-aaa"])

        def life(wanted):
            done = threading.Event()

            def listen(_notice):
                if handler.stages(event)[-1:] == [wanted]:
                    done.set()

            provider = AlibabaProvider.from_options(simulator.provider_options())
            agent = Agent(
                provider,
                App([handler]),
                journal,
                settings=AgentSettings(interval=3600),
                boot_id="boot-1",
                listener=listen,
            )
            watch = threading.Thread(target=lambda: (done.wait(PATIENCE), agent.stop()))
            watch.start()
            with closing(provider):
                agent.run()
            watch.join()
            return done.is_set()

        assert life("prepare")
        simulator.cancel(event)
        assert life("recover")


class TestALargeRegion:
    def test_of_ten_thousand_instances_and_five_hundred_events_takes_five_calls_a_poll(self, stack):
        simulator = stack.enter_context(RegionSimulator(["i-0"], clock=ManualClock()))
        simulator.add_machines([f"i-{number}" for number in range(1, 10_000)])
        for number in range(0, 10_000, 20):
            simulator.schedule("reboot", resources=[f"i-{number}"])
        provider = stack.enter_context(closing(AlibabaRegionProvider.from_options(simulator.provider_options())))
        observation = provider.poll()
        asked = calls_of(simulator, "DescribeInstanceHistoryEvents")
        assert (len(observation.events), len({event.id for event in observation.events})) == (500, 500)
        assert observation.reads_whole()
        assert len(asked) == len(simulator.requests()) == 5
        assert {event.phase for event in observation.events} == {Phase.SCHEDULED}
