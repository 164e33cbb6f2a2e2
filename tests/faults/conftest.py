"""An agent on each cloud's simulator, with a table of what may go wrong between them."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from stormcone.agent.loop import Agent
from stormcone.agent.notices import NoticeKind
from stormcone.agent.workers import InlineExecutor
from stormcone.clock import ManualClock
from stormcone.clouds.http.client import Timeouts
from stormcone.handlers import App, Handler
from stormcone.journal import Journal
from stormcone.model import Impact
from stormcone.plugins import provider_class, simulator_class
from stormcone.simulators.contract import SimulatorOptions

QUICK = Timeouts(connect=0.3, read=0.3, slack=0.2)


@dataclass(frozen=True)
class Cloud:
    """What the fault table must know of a cloud.

    Attributes:
        name: the plug-in's name.
        machine: the machine that the agent runs on.
        neighbour: another machine.
        shares_events: whether one event may name both.
        poll: the rule that picks the request that says what is scheduled.
        identify: the same for the request that says which machine this is.
        approve: the same for the approval.
        timeouts: what holds the client's time-outs, to be shortened here.
        approvable: schedules an event that can be approved; answers its id.
        provider_settings: so that the provider approves at all.
        settings: the same of the app.
    """

    name: str
    machine: str
    neighbour: str
    shares_events: bool
    poll: dict
    identify: dict
    approve: dict
    timeouts: tuple[str, ...]
    approvable: Callable
    provider_settings: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)


def _azure_approvable(simulator, machine):
    return simulator.schedule(Impact.REBOOT, resources=[machine], notice=timedelta(hours=4))


def _alibaba_approvable(simulator, machine):
    return simulator.schedule(Impact.DEGRADED, resources=[machine], native_type="SystemMaintenance.IsolateErrorDisk")


CLOUDS = (
    Cloud(
        name="azure",
        machine="web-0",
        neighbour="db-0",
        shares_events=True,
        poll={"method": "GET", "path": "/metadata/scheduledevents"},
        identify={"path": "/metadata/instance"},
        approve={"method": "POST", "path": "/metadata/scheduledevents"},
        timeouts=("stormcone_azure.provider.FIRST_POLL", "stormcone_azure.provider.LATER_CALLS"),
        approvable=_azure_approvable,
    ),
    Cloud(
        name="alibaba",
        machine="i-aaa",
        neighbour="i-bbb",
        shares_events=False,
        poll={"query": {"Action": "DescribeInstanceHistoryEvents"}},
        identify={"path": "/latest/meta-data/instance-id"},
        approve={"query": {"Action": "AcceptInquiredSystemEvent"}},
        timeouts=("stormcone_alibaba.metadata.TIMEOUTS", "stormcone_alibaba.sdk.TIMEOUTS"),
        approvable=_alibaba_approvable,
        provider_settings={"accept-inquired": "true"},
        settings={"approve_consent": True},
    ),
)


class HastyClock(ManualClock):
    """A provider that pauses between two attempts makes the time pass."""

    def sleep(self, seconds):
        self.advance(seconds=seconds)


class Recorder(Handler):
    """Remembers which stage it ran for which event."""

    lead = None

    def __init__(self):
        self.calls = []

    def prepare(self, event, context):
        self.calls.append(("prepare", event.id))

    def recover(self, event, context):
        self.calls.append(("recover", event.id))


class World:
    """A simulator and an agent on its first machine, on one manual clock."""

    def __init__(self, stack, cloud, *, handlers=None, **settings):
        self.cloud = cloud
        self.clock = HastyClock()
        options = SimulatorOptions(machines=[cloud.machine, cloud.neighbour], clock=self.clock)
        self.simulator = stack.enter_context(simulator_class(cloud.name).from_options(options))
        self.journal = stack.enter_context(Journal.open(":memory:"))
        self.handler = Recorder()
        self.app = App(handlers or [self.handler], **{**cloud.settings, **settings})
        self.notices = []
        self._stack = stack
        self.begin_life("boot")

    def begin_life(self, boot_id):
        """Another agent on the same journal; the last one has ended without a word."""
        own = self.simulator.provider_options()
        provider = provider_class(self.cloud.name).from_options(
            replace(own, settings={**own.settings, **self.cloud.provider_settings})
        )
        self._stack.callback(provider.close)
        self.agent = Agent(
            provider,
            self.app,
            self.journal,
            clock=self.clock,
            boot_id=boot_id,
            executor=InlineExecutor(),
            listener=self.notices.append,
        )
        self.pace = provider.capabilities.poll_interval

    def announce(self, impact=Impact.REBOOT, hours=4):
        return self.simulator.schedule(impact, resources=[self.cloud.machine], notice=timedelta(hours=hours))

    def step(self, times=1):
        for _ in range(times):
            self.clock.advance(seconds=self.pace)
            self.agent.step()

    def fault(self, where, **rule):
        self.simulator.faults.add(**where, **rule)

    def episode(self, event_id):
        wanted = event_id.casefold()
        return next((e for e in self.journal.episodes() if e.event.id.casefold() == wanted), None)

    def told(self, kind):
        return [notice.text for notice in self.notices if notice.kind is kind]

    @property
    def unknown(self):
        return self.told(NoticeKind.UNKNOWN)


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.name)
def cloud(request, monkeypatch):
    for name in request.param.timeouts:
        monkeypatch.setattr(name, QUICK)
    return request.param


@pytest.fixture
def worlds(cloud):
    with ExitStack() as stack:
        yield lambda **settings: World(stack, cloud, **settings)


@pytest.fixture
def begin_world(cloud):
    """Makes a world that ends with the stack that is given."""
    return lambda stack, **settings: World(stack, cloud, **settings)


@pytest.fixture
def world(worlds):
    return worlds()
