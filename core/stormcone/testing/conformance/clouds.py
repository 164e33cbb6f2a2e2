"""What the suites need to know of a cloud that they do not know: its peculiarities, as data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from stormcone.clock import ManualClock
from stormcone.model import Impact
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import Simulator, SimulatorOptions


class PolledEndpoint(NamedTuple):
    """One of the things that a poll asks for.

    Attributes:
        only: what of a rule of faults (`Faults.add`) is about it: `{"path": "/events"}`, say.
        may_be_absent: whether a 404 there says that nothing is announced there.
    """

    only: Mapping[str, Any]
    may_be_absent: bool = False


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud that is held to the suites. It needs a simulator, since that is how a suite makes things happen.

    A cloud that announces events in several ways has one of these for each, under the same name.

    Attributes:
        name: of its plug-ins, in `stormcone.providers` and `stormcone.simulators`.
        machines: two machines, by the names that events use.
        impact: of an event that the cloud has, with notice.
        lacks: an impact that it has no event for; None: it has them all.
        scenario: one that its simulator can play.
        client_path: something that its clients ask for, with the answer 200.
        client_headers: the headers that go with it.
        usual: what `schedule` takes beside the impact for the events of the suite of providers; they begin in an hour
            unless that says otherwise.
        second: the same for another event of the same machine at the same time.
        approvable: the same for an event that can be approved, where a usual one cannot.
        nothing: those of the suite's spoilt answers (`FAULTS`) by which this cloud itself says that there is nothing.
        endpoints: what a poll asks for; none: one endpoint, which every rule is about.
        demanding: settings with which the simulator refuses whoever has no token, where it can be had so.
        waits: whether these events begin when somebody lets them, so that they have no time and no notice.
        tells_ends: whether it can be asked how they ended, where its provider reports outcomes at all.
        hints: whether its provider hears by itself of what is announced (`Hints`).
        unknown: a rule of faults (`Faults.add`) that makes the cloud list one event of a type that nobody knows, called
            `Evacuate`, and on whichever machine asks first; None: it cannot be made to.
    """

    name: str
    machines: tuple[str, str] = ("web-0", "web-1")
    impact: Impact = Impact.REBOOT
    lacks: Impact | None = None
    scenario: str = "redeploy"
    client_path: str = "/"
    client_headers: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, Any] = field(default_factory=dict)
    second: Mapping[str, Any] = field(default_factory=dict)
    approvable: Mapping[str, Any] = field(default_factory=dict)
    nothing: frozenset[str] = frozenset()
    endpoints: Sequence[PolledEndpoint] = ()
    demanding: Mapping[str, str] = field(default_factory=dict)
    waits: bool = False
    tells_ends: bool = True
    hints: bool = False
    unknown: Mapping[str, Any] | None = None


class ServerAnswer(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def ask(
    base: str, method: str, path: str, content: Any = None, headers: Mapping[str, str] | None = None
) -> ServerAnswer:
    """One request on a connection of its own; `content` is sent as JSON."""
    split = urlsplit(base)
    connection = HTTPConnection(split.hostname or "", split.port, timeout=10)
    try:
        body = None if content is None else json.dumps(content).encode()
        connection.request(method, split.path + path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return ServerAnswer(answer.status, answer.read())
    finally:
        connection.close()


class CloudSuite:
    """The fixtures that the suites on clouds share; the module adds `subject`, a `Cloud`."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The simulator's clock."""
        return ManualClock()

    @pytest.fixture
    def simulator(self, subject: Cloud, clock: ManualClock) -> Iterator[Simulator]:
        """The cloud's simulator, running."""
        options = SimulatorOptions(machines=subject.machines, clock=clock)
        with simulator_class(subject.name).from_options(options) as simulator:
            yield simulator
