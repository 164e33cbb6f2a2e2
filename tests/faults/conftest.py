"""An agent on each cloud's simulator, with a table of what may go wrong between them."""

import gc
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from types import SimpleNamespace

import pytest

from stormcone.agent.loop import Agent
from stormcone.agent.notices import NoticeKind
from stormcone.agent.workers import InlineExecutor
from stormcone.clock import ManualClock
from stormcone.clouds.http.client import Timeouts
from stormcone.handlers import App, Handler
from stormcone.journal import Journal
from stormcone.model import Cause, Impact
from stormcone.plugins import provider_class, simulator_class
from stormcone.rules.runs import RunState
from stormcone.simulators.contract import SimulatorOptions

AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testid",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

NEVER_ANSWERED = frozenset({"delay", "hang", "drip"})
"""Faults that a client hears nothing of until its own time-out ends the request."""
QUICK = Timeouts(connect=30, read=0.5, slack=0.2)
"""For these; with any other fault no request is to end because the machine is busy."""
PATIENT = Timeouts(connect=30, read=30, slack=30)


def _family(native_type):
    return native_type.partition("/")[0]


class Reads(Enum):
    """What a provider makes of a fault in the requests that say what is scheduled."""

    NOTHING = NoticeKind.UNKNOWN
    """Nothing at all: what is scheduled is unknown."""
    PART = NoticeKind.PROBLEM
    """What some of its lists say, and that the others could not be read."""
    ALL = None
    """A document that says what is scheduled, if less of it."""


SAYS_LESS = frozenset(
    {
        "text",
        "missing_fields",
        "null_fields",
        "wrong_types",
        "unknown_values",
        "odd_dates",
        "new_fields",
        "lost_ids",
        "duplicate_ids",
    }
)
"""Faults that leave a document that says what is scheduled, if less of it."""


@dataclass(frozen=True)
class Cloud:
    """What the fault table must know of a cloud.

    Attributes:
        name: of the provider.
        simulator: of the simulator, where that has another name.
        machine: the machine that the agent runs on.
        neighbour: another machine.
        shares_events: whether one event may name both.
        poll: the rule that picks the requests that say what is scheduled, all of them.
        identify: the same for the request that says which machine this is.
        timeouts: what holds the client's time-outs, which the test's fault decides.
        approve: the same for the approval; None: nothing can be approved here.
        approvable: schedules an event that can be approved; answers its id.
        reads: what its provider makes of a fault, where that is not `Reads.NOTHING`.
        spoilt: the rules of faults that its documents need instead of the usual ones.
        lists: where it has several, each with the rule that picks its requests, what is ordered that stands in it, and
            the faults by which it says that nothing does.
        kind: what the provider's ids of an event begin with, by its `native_type`, where the cloud has none.
        names_events: whether events have ids of the cloud's.
        approves: what the ids of the events begin with that can be approved, where they have none of the cloud's.
        absent: a status by which one request alone says that there is nothing.
        unsaid: the outcomes that the cloud tells nobody, of events that have no ids.
        tells_starts: whether it tells that an event has begun before its time.
        second: what another event at the same time is ordered by, beside its machine.
        options: of the provider, so that it can ask, and approves at all.
        settings: the same of the app.
        rules: settings of the simulator.
    """

    name: str
    machine: str
    neighbour: str
    shares_events: bool
    poll: dict
    identify: dict
    timeouts: tuple[str, ...]
    simulator: str = ""
    approve: dict | None = None
    approvable: Callable | None = None
    reads: dict = field(default_factory=dict)
    spoilt: dict = field(default_factory=dict)
    lists: dict = field(default_factory=dict)
    kind: Callable = _family
    names_events: bool = True
    approves: str = ""
    absent: int | None = None
    unsaid: frozenset[str] = frozenset()
    tells_starts: bool = True
    second: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    rules: dict = field(default_factory=dict)

    def reading(self, fault):
        return self.reads.get(fault, Reads.ALL if fault in SAYS_LESS else Reads.NOTHING)


def _upcoming(**fields):
    """What `upcoming-maintenance` is answered in place of what it holds."""
    return {"path": f"{_INSTANCE}upcoming-maintenance", "body": json.dumps({"type": "SCHEDULED", **fields})}


_META = "/latest/meta-data/"
_INSTANCE = "/computeMetadata/v1/instance/"
_WINDOW = {"maintenance_status": "PENDING", "window_start_time": "2026-01-01T04:00:00Z"}
_KEYS = {
    "SCHEDULED": "upcoming-maintenance",
    "TERMINATE_ON_HOST_MAINTENANCE": "maintenance-event",
}
_BOTH_TYPES = '{"type": "SCHEDULED", "type": "SCHEDULED", "window_start_time": "2026-01-01T04:00:00Z"}'


def _azure_approvable(simulator, machine):
    return simulator.schedule(Impact.REBOOT, resources=[machine], notice=timedelta(hours=4))


def _alibaba_approvable(simulator, machine):
    return simulator.schedule(Impact.DEGRADED, resources=[machine], native_type="SystemMaintenance.IsolateErrorDisk")


def _hook(simulator, machine):
    return simulator.schedule(Impact.TERMINATE, resources=[machine], cause=Cause.SCALE_IN)


def _planned(simulator, machine):
    return simulator.schedule(Impact.REBOOT, resources=[machine], notice=timedelta(minutes=30))


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
        options={"settings": {"accept-inquired": "true"}},
        settings={"approve_consent": True},
    ),
    Cloud(
        name="aws",
        machine="i-aaa",
        neighbour="i-bbb",
        shares_events=False,
        poll={"path": _META},
        identify={"path": "/latest/dynamic/instance-identity/document"},
        timeouts=("stormcone_aws.provider.PATIENT",),
        reads={
            # The other lists are not documents: they are absent, 404, or hold one word.
            **dict.fromkeys(("status 404", "empty", "no_object", "no_json", "deep_json", "invalid_utf8"), Reads.PART),
            "no_entries": Reads.ALL,  # the document is the list
        },
        lists={
            "scheduled": ({"path": f"{_META}events/maintenance/scheduled"}, {"notice": timedelta(minutes=15)}, ()),
            "spot": (
                {"path": f"{_META}spot/"},
                {"impact": Impact.STOP, "cause": Cause.PREEMPTION, "notice": timedelta(minutes=1)},
                (),
            ),
            "lifecycle": (
                {"path": f"{_META}autoscaling/"},
                {"impact": Impact.HIBERNATE, "cause": Cause.SCALE_IN, "notice": timedelta(minutes=5)},
                ("empty",),
            ),
        },
    ),
    Cloud(
        name="aws-queue",
        simulator="aws",
        machine="i-aaa",
        neighbour="i-bbb",
        shares_events=False,
        poll={"query": {"Service": "sqs", "Action": "ReceiveMessage"}},
        identify={"query": {"Service": "sqs", "Action": "GetQueueAttributes"}},
        approve={"query": {"Action": "CompleteLifecycleAction"}},
        timeouts=("stormcone_aws.sdk.TIMEOUTS",),
        approvable=_hook,
        # No messages are no field of the answer, and the SDK sets no bound to what it reads.
        reads=dict.fromkeys(("no_entries", "huge_body"), Reads.ALL),
        names_events=False,
        approves="lifecycle",
        unsaid=frozenset({"canceled"}),
        tells_starts=False,
        # However often the answer that has a message is lost, it does not go to the dead ones.
        rules={"max-receives": "1000000"},
        options={"machine": "i-aaa", "region": "us-east-1", "settings": {"queue": "stormcone"}},
    ),
    Cloud(
        name="google",
        machine="web-0",
        neighbour="db-0",
        shares_events=False,
        poll={"path": _INSTANCE},
        identify={"path": f"{_INSTANCE}id"},
        approve={"method": "POST", "path": "/compute/v1/"},
        timeouts=(
            "stormcone_google.metadata.DETECTION",
            "stormcone_google.metadata.LATER",
            "stormcone_google.compute.API_TIMEOUTS",
        ),
        approvable=_planned,
        # Of lists, which the usual faults are about, it has that of the reasons alone.
        # And the words by which it says that nothing is scheduled are found amid bytes of any kind.
        reads={"no_entries": Reads.ALL, "invalid_utf8": Reads.ALL},
        kind=_KEYS.get,
        names_events=False,
        approves="upcoming-maintenance",
        absent=404,
        spoilt={
            "missing_fields": _upcoming(),
            "null_fields": _upcoming(**dict.fromkeys(("maintenance_status", "window_start_time", "can_reschedule"))),
            "wrong_types": _upcoming(maintenance_status=[1], window_start_time={"at": 4}, can_reschedule=[]),
            "unknown_values": _upcoming(**_WINDOW | {"type": "Novelty", "maintenance_status": "Novelty"}),
            "odd_dates": _upcoming(**_WINDOW | {"window_start_time": "the day after tomorrow"}),
            "new_fields": _upcoming(**_WINDOW, novelty={"since": "today", "list": [1, 2.5, None]}),
            "duplicate_ids": {"path": f"{_INSTANCE}upcoming-maintenance", "body": _BOTH_TYPES},
        },
        lists={
            "upcoming-maintenance": ({"path": f"{_INSTANCE}upcoming"}, {"notice": timedelta(hours=4)}, ()),
            "maintenance-event": (
                {"path": f"{_INSTANCE}maintenance-event"},
                {"native_type": "TERMINATE_ON_HOST_MAINTENANCE", "notice": timedelta(minutes=1)},
                (),
            ),
        },
        # A key holds one event.
        second={"native_type": "TERMINATE_ON_HOST_MAINTENANCE", "notice": timedelta(minutes=30)},
        settings={"approve_early": timedelta(hours=1)},
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
        machines = [cloud.machine, cloud.neighbour]
        options = SimulatorOptions(machines=machines, clock=self.clock, settings=cloud.rules)
        self.simulator = stack.enter_context(simulator_class(cloud.simulator or cloud.name).from_options(options))
        self.journal = stack.enter_context(Journal.open(":memory:"))
        self.handler = Recorder()
        self.app = App(handlers or [self.handler], **{**cloud.settings, **settings})
        self.notices = []
        self._stack = stack
        self.begin_life("boot")

    def begin_life(self, boot_id):
        """Another agent on the same journal; the last one has ended without a word."""
        options = replace(self.simulator.provider_options(), **self.cloud.options)
        provider = provider_class(self.cloud.name).from_options(options)
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

    def announce(self, **order):
        usual = {"impact": Impact.REBOOT, "notice": timedelta(hours=4)}
        return self.simulator.schedule(resources=[self.cloud.machine], **(usual | order))

    def announce_another(self):
        return self.announce(**{"notice": timedelta(hours=5), **self.cloud.second})

    def step(self, times=1):
        for _ in range(times):
            self.clock.advance(seconds=self.pace)
            self.agent.step()

    def fault(self, where, **rule):
        self.simulator.faults.add(**where, **rule)

    def heal(self):
        """End the faults, and poll twice, after as long as an endpoint may have asked to be left alone.

        On a slow machine an answer may be late for `QUICK`; then both polls are tried again, once a queue has given up
        waiting for word of the message that was in such an answer.
        """
        self.simulator.faults.clear()
        self.clock.advance(minutes=2)
        for _ in range(5):
            failures = self.agent.status.failures
            self.step(2)
            if self.agent.status.failures == failures:
                return
            self.clock.advance(31)

    def spoil(self, fault, rule):
        """Have what the polls are answered spoilt."""
        self.simulator.faults.add(**self.cloud.spoilt.get(fault, self.cloud.poll | rule))

    def episode(self, event_id):
        """What the agent made of the simulator's event, or None."""
        known = next(each for each in self.simulator.events() if each["id"].casefold() == event_id.casefold())
        return next((each for each in self.journal.episodes() if self.is_it(known, each)), None)

    def is_it(self, known, episode):
        """Whether an episode is the simulator's event, be it by an id that the provider made up."""
        if self.has_its_id(known, episode):
            return True
        return self.is_alike(known, episode) and episode.first_seen >= datetime.fromisoformat(known["created_at"])

    def may_be(self, known, episode):
        """Whether an episode is the simulator's event, or at least one of its kind that was there at the same time."""
        if self.cloud.names_events or self.has_its_id(known, episode):
            return self.has_its_id(known, episode)
        begun, over = known["created_at"], known["ended_at"]
        return (
            self.is_alike(known, episode)
            and (over is None or episode.first_seen <= datetime.fromisoformat(over))
            and (episode.ended is None or episode.ended >= datetime.fromisoformat(begun))
        )

    @staticmethod
    def has_its_id(known, episode):
        return known["id"].casefold() in episode.event.id.casefold()  # AWS Health has it in an id of its own

    def is_alike(self, known, episode):
        """Whether an episode has an id that the provider makes for events of the simulator's event's kind."""
        return episode.event.id.startswith(f"{self.cloud.kind(known['native_type'])}/")

    def at_work(self, handler, stage, event):
        """The episode of an event for which a handler's stage runs at this moment."""
        machine = self.agent._engine.machine
        (episode,) = (
            episode
            for episode in self.journal.unfinished(machine)
            for run in self.journal.runs(episode.id)
            if (run.handler, run.stage, run.state) == (handler, stage, RunState.RUNNING)
            and episode.event.id == event.id
        )
        return episode

    def stages(self, event_id):
        """The stages that ran for the simulator's event, in their order."""
        episode = self.episode(event_id)
        return [stage for stage, of in self.handler.calls if episode is not None and of == episode.event.id]

    def told(self, kind):
        return [notice.text for notice in self.notices if notice.kind is kind]

    @property
    def unknown(self):
        return self.told(NoticeKind.UNKNOWN)


@pytest.fixture
def with_timeouts(request, monkeypatch):
    """Gives a cloud's client the time-outs that suit the test's fault."""
    fault = request.node.callspec.params.get("fault")
    timeouts = QUICK if fault in NEVER_ANSWERED else PATIENT

    def suit(cloud):
        for name in cloud.timeouts:
            monkeypatch.setattr(name, timeouts)
        return cloud

    return suit


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.name)
def cloud(request, with_timeouts):
    return with_timeouts(request.param)


@pytest.fixture(
    params=[(cloud, name) for cloud in CLOUDS for name in cloud.lists], ids=lambda each: f"{each[0].name}-{each[1]}"
)
def one_list(request, with_timeouts):
    """A world of a cloud that has several lists, and the name of one of these."""
    cloud, name = request.param
    with ExitStack() as stack:
        yield World(stack, with_timeouts(cloud), approve="never"), name


@pytest.fixture(autouse=True)
def stack_for_finalizers(request):
    """No garbage is collected while an SDK's own reader runs out of stack: finalizers would have none, and fail."""
    deep = hasattr(request.node, "callspec") and request.node.callspec.params.get("fault") == "deep_json"
    if deep:
        gc.disable()
    yield
    if deep:
        gc.enable()


@pytest.fixture(autouse=True)
def aws_sdk(monkeypatch):
    """AWS's SDK pauses in no real time, and has the simulator's key and nothing of whoever runs the tests."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
    monkeypatch.setattr("stormcone_aws.sdk.LONGEST_WAIT", 0)
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


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
