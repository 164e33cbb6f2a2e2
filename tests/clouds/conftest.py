"""The clouds as rows of one table, and an agent that a test leads through an event's life on any of them.

What is peculiar to a cloud is data here, so that no test asks on which cloud it is.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from stormcone import App, Approval, Context, Handler, Impact, MaintenanceEvent, ManualClock
from stormcone.errors import SimulationError
from stormcone.journal import Episode
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import Simulator, SimulatorOptions
from stormcone.simulators.likeness import may_be
from stormcone.testing import AgentDriver

HOUR = timedelta(hours=1)
"""How early what an approval begins may begin, where it does: all that is scheduled here is nearer."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One cloud's row.

    Attributes:
        name: the plug-in's name.
        machines: two machines; the agent is on the first.
        approvable: the native type of a reboot that begins once it is approved; None for the usual one.
        approval: what approving a usual event would do.
        not_approvable: why nothing is approved here; "" where something is.
        own: the facts of an event that only this cloud tells, or tells in its own way.
        says_how_it_ended: whether the outcome is reported; it is inferred otherwise.
        shows_neighbours: whether a machine sees the events of others.
        polled: the requests of a poll, as a fault's rule.
        approved: the requests that approve, as a fault's rule.
        announcements: the scenarios that it plays and that give notice.
        surprises: those that begin without notice.
        unannounced: the native type of a reboot that may begin without notice; None for the usual one.
        readable: bodies that are no document elsewhere, and that one of this cloud's lists can be read from.
    """

    name: str
    machines: tuple[str, str]
    approvable: str | None
    approval: Approval
    not_approvable: str = ""
    own: frozenset[str] = frozenset()
    says_how_it_ended: bool
    shows_neighbours: bool
    polled: Mapping[str, Any]
    approved: Mapping[str, Any]
    announcements: frozenset[str]
    surprises: frozenset[str] = frozenset({"hardware-failure"})
    unannounced: str | None = None
    readable: frozenset[str] = frozenset()

    def ended(self, outcome: str) -> str:
        """How the journal tells the end."""
        return outcome if self.says_how_it_ended else f"{outcome} (inferred)"


CLOUDS = (
    Cloud(
        name="azure",
        machines=("web-0", "web-1"),
        approvable=None,
        approval=Approval.STARTS,
        says_how_it_ended=False,
        shows_neighbours=True,
        polled={"method": "GET", "path": "/metadata/scheduledevents"},
        approved={"method": "POST", "path": "/metadata/scheduledevents"},
        announcements=frozenset({"redeploy", "terminate"}),
    ),
    Cloud(
        name="alibaba",
        machines=("i-aaa", "i-bbb"),
        approvable="SystemMaintenance.Reboot:Inquiring",
        approval=Approval.NONE,
        says_how_it_ended=True,
        shows_neighbours=False,
        polled={"query": {"Action": "DescribeInstanceHistoryEvents"}},
        approved={"query": {"Action": "AcceptInquiredSystemEvent"}},
        announcements=frozenset({"redeploy"}),
    ),
    Cloud(
        name="aws",
        machines=("i-aaa", "i-bbb"),
        approvable=None,
        approval=Approval.NONE,
        not_approvable="EC2 begins a scheduled event at its time, and has no call that lets it begin earlier",
        own=frozenset({"phase_origin", "movable_until", "ends_by"}),
        says_how_it_ended=True,
        shows_neighbours=False,
        polled={"path": "/latest/meta-data"},
        approved={"method": "POST"},
        readable=frozenset({"{}", ""}),  # something interrupts it; Auto Scaling wants nothing
        announcements=frozenset({"host-stop"}),
        surprises=frozenset(),  # EC2 announces a failing host as an event to come
    ),
    Cloud(
        name="google",
        machines=("web-0", "web-1"),
        approvable=None,
        approval=Approval.TRIGGERS,
        own=frozenset({"id_origin", "not_after", "ends_by"}),
        says_how_it_ended=False,
        shows_neighbours=False,
        polled={"path": "/computeMetadata"},
        approved={"method": "POST", "path": "/compute/v1"},
        unannounced="SCHEDULED",
        readable=frozenset({"{}"}),  # nothing is upcoming
        announcements=frozenset({"live-migration"}),
    ),
)


class Recorder(Handler):
    """Writes down what it is asked to do; `script` says what a stage does beyond that."""

    lead = None  # Alibaba Cloud announces days ahead

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.script: dict[str, Callable[[], None]] = {}

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        self._do("prepare", event, context)

    def started(self, event: MaintenanceEvent, context: Context) -> None:
        self._do("started", event, context)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        self._do("recover", event, context)

    def stages(self, event: str) -> list[str]:
        return [stage for stage, of, _ in self.calls if of == event]

    def machines(self, event: str) -> set[str]:
        return {machine for _, of, machine in self.calls if of == event}

    def _do(self, stage: str, event: MaintenanceEvent, context: Context) -> None:
        self.calls.append((stage, event.id, context.machine.name))
        self.script.get(stage, lambda: None)()


@dataclass
class World:
    """A simulator and an agent on its first machine, on one clock."""

    cloud: Cloud
    simulator: Simulator
    agent: AgentDriver
    handler: Recorder

    @property
    def machine(self) -> str:
        return self.cloud.machines[0]

    def schedule(self, impact: Impact = Impact.REBOOT, notice: float = 15, **order: Any) -> str:
        """An event of the agent's machine; `notice` is in minutes, and it lasts for ten."""
        usual = {"resources": [self.machine], "started_for": timedelta(minutes=10)}
        try:
            return self.simulator.schedule(impact, notice=timedelta(minutes=notice), **(usual | order))
        except SimulationError as error:  # the simulator says it in its cloud's own facts
            pytest.skip(str(error))

    def approvable(self) -> str:
        """A reboot that begins once it is approved."""
        if self.cloud.not_approvable:
            pytest.skip(self.cloud.not_approvable)
        return self.schedule(native_type=self.cloud.approvable)

    def surprise(self) -> str:
        """A reboot that begins without notice."""
        return self.schedule(notice=0, native_type=self.cloud.unannounced)

    def poll(self, times: int = 1) -> None:
        """Poll, and let a second pass, so that what follows comes later."""
        for _ in range(times):
            self.agent.step()
            self.agent.clock.advance(seconds=1)

    def after(self, **span: float) -> None:
        """Let time pass without a poll, and poll then."""
        self.agent.clock.advance(**span)
        self.poll()

    def told(self) -> list[str]:
        """The simulator's ids of the events that the agent was told of."""
        return [event for event in self._events() if self._episodes(event)]

    def episode(self, event: str) -> Episode:
        (found,) = self._episodes(event)
        return found

    def stages(self, event: str) -> list[str]:
        """The stages that the handler was called for, of the event."""
        return self.handler.stages(self.episode(event).event.id)

    def _events(self) -> dict[str, Any]:
        return {known["id"]: known for known in self.simulator.events()}

    def _episodes(self, event: str) -> list[Episode]:
        """What the journal has of it, also where the cloud gives no ids."""
        known = self._events()[event]
        return [each for each in self.agent.journal.episodes() if may_be(known, each.event, each.first_seen)]

    def story(self, event: str) -> list[str]:
        """What the journal tells of the event, line by line, without the times at which it happened."""
        return [
            f"{entry.who} {entry.what}" + (f": {entry.result}" if entry.result else "")
            for entry in self.agent.timeline(event)
        ]

    def approvals(self) -> int:
        """How many approvals the cloud was sent."""
        wanted = dict(self.cloud.approved)
        query = wanted.pop("query", {})
        return sum(
            all(request["query"].get(name) == value for name, value in query.items())
            and all(request[name].startswith(value) for name, value in wanted.items())
            for request in self.simulator.requests()
        )


@dataclass
class Worlds:
    """Makes worlds, and ends them with the test."""

    stack: ExitStack
    made: list[World] = field(default_factory=list)

    def __call__(self, cloud: Cloud, *, app: App | None = None, **settings: Any) -> World:
        """A world of the cloud with an app of a `Recorder` with these settings, or with the app that is given."""
        handler = Recorder()
        options = SimulatorOptions(machines=cloud.machines, clock=ManualClock())
        simulator = self.stack.enter_context(simulator_class(cloud.name).from_options(options))
        agent = self.stack.enter_context(AgentDriver(simulator, app or App([handler], approve_early=HOUR, **settings)))
        world = World(cloud, simulator, agent, handler)
        self.made.append(world)
        return world


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


@pytest.fixture(autouse=True)
def no_way_out(only_this_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No way to a real cloud, and no proxy or key of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def worlds() -> Iterator[Worlds]:
    with ExitStack() as stack:
        yield Worlds(stack)


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.name)
def cloud(request: pytest.FixtureRequest) -> Cloud:
    row: Cloud = request.param
    return row


@pytest.fixture(scope="session")
def clouds() -> tuple[Cloud, ...]:
    """All rows of the table."""
    return CLOUDS


@pytest.fixture
def world(worlds: Worlds, cloud: Cloud) -> World:
    """Each cloud in turn, with the usual app."""
    return worlds(cloud)
