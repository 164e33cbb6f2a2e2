"""An agent on a simulator with a recorder between them, and an agent on the replay of what was recorded."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest

from stormcone import Agent, App, Handler, Journal, ManualClock
from stormcone.agent.workers import InlineExecutor
from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import trace_rules
from stormcone.journal.timeline import timeline
from stormcone.plugins import provider_class, simulator_class
from stormcone.recording import Recorder, read_trace
from stormcone.simulators.contract import Replay, Simulator, SimulatorOptions

NOW = datetime(2026, 1, 1, tzinfo=UTC)

MACHINES = {
    "azure": ("web_18", "web_19"),
    "alibaba": ("i-acmeweb18", "i-acmeweb19"),
    "aws": ("i-acmeweb18", "i-acmeweb19"),
    "google": ("web-18", "web-19"),
}


def make_exchange(**changes: Any) -> Exchange:
    """A poll that shows nothing."""
    usual: dict[str, Any] = {
        "at": NOW,
        "method": "GET",
        "url": "http://169.254.169.254/metadata/scheduledevents?api-version=2020-07-01",
        "request_headers": {"Metadata": "true"},
        "status": 200,
        "reason": "OK",
        "headers": {"Content-Type": "application/json"},
        "body": b'{"DocumentIncarnation": 1, "Events": []}',
    }
    return Exchange(**{**usual, **changes})


class Drain(Handler):
    """Takes every event, and needs no time for it."""

    def prepare(self, event, context):
        """Prepared."""

    def recover(self, event, context):
        """Recovered."""


class Watch:
    """An agent on a simulator's first machine, one step after the other."""

    def __init__(self, simulator: Simulator, path: Path, stack: ExitStack, **app: Any) -> None:
        self.simulator = simulator
        self.clock = simulator.clock
        self.journal = stack.enter_context(Journal.open(path))
        self._stack = stack
        self._app = App([Drain()], **app)
        self.recorder: Recorder | None = None

    def start(self, trace: Path | None = None, options: ProviderOptions | None = None, **recorder: Any) -> None:
        options = options or self.simulator.provider_options()
        kind = provider_class(options.provider)
        if trace is not None:
            rules = trace_rules(kind)
            self.recorder = Recorder(trace, provider=kind.name, begun=self.clock.now(), rules=rules, **recorder)
            self._stack.callback(self.recorder.close)
            options = replace(options, tap=self.recorder.record)
        provider = kind.from_options(options)
        self._stack.callback(provider.close)
        self.agent = Agent(
            provider, self._app, self.journal, clock=self.clock, boot_id="boot-1", executor=InlineExecutor()
        )

    def walk(self, length: timedelta, pace: float = 30.0) -> None:
        """Step from now on, every `pace` seconds, for `length`."""
        end = self.clock.now() + length
        while self.clock.now() <= end:
            self.agent.step()
            self.clock.advance(pace)

    def run(self, length: timedelta, pace: float = 30.0) -> None:
        """Walk, and end the recording."""
        self.walk(length, pace)
        if self.recorder is not None:
            self.recorder.close()

    def history(self, begun: datetime, ids: dict[str, str] | None = None) -> list[Any]:
        """What the journal tells, at times since `begun`, in whole seconds; events by the order of their sight."""
        return [
            (
                episode.number,
                episode.event.impact,
                episode.event.cause,
                episode.event.outcome,
                len(episode.event.resources),
                episode.approved,
                [
                    (round((entry.at - begun).total_seconds()), entry.who, entry.what)
                    for entry in timeline(self.journal, episode)
                ],
            )
            for episode in self.journal.episodes()
        ]


class Lab:
    """Simulators and agents, until the stack is closed; what they write is in the folder."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._numbers = count()

    def path(self, suffix: str) -> Path:
        """Of a file that is not there yet."""
        return self._folder / f"{next(self._numbers)}.{suffix}"

    def simulator(self, cloud: str = "azure", machines: tuple[str, ...] | None = None, **settings: str) -> Simulator:
        """A simulator of two machines."""
        machines = machines or MACHINES[cloud]
        options = SimulatorOptions(machines=machines, clock=ManualClock(NOW), settings=settings)
        return self._stack.enter_context(simulator_class(cloud).from_options(options))

    def watch(self, simulator: Simulator, **app: Any) -> Watch:
        """An agent with a journal of its own, on a simulator that it is given."""
        return Watch(simulator, self.path("db"), self._stack, **app)


Made = TypeVar("Made")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Makes a recording once for all tests of a module, none of which changes it: `archive(key, make)`."""
    with ExitStack() as stack:
        lab = Lab(stack, tmp_path_factory.mktemp("archive"))
        known: dict[Hashable, Any] = {}

        def made(key: Hashable, make: Callable[[Lab, Path], Made]) -> Made:
            if key not in known:
                known[key] = make(lab, lab.path("yaml"))
            found: Made = known[key]
            return found

        yield made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def lab(stack: ExitStack, tmp_path: Path) -> Lab:
    return Lab(stack, tmp_path)


@pytest.fixture
def watch(lab: Lab) -> Callable[..., Watch]:
    return lab.watch


@pytest.fixture
def simulator(lab: Lab) -> Callable[..., Simulator]:
    return lab.simulator


@pytest.fixture
def replay(stack: ExitStack) -> Callable[..., Replay]:
    """Replays a trace, on a clock far from the recorded time."""

    def make(*traces: Path, cloud: str = "azure") -> Replay:
        clock = ManualClock(datetime(2027, 6, 5, 4, 3, 2, 250_000, tzinfo=UTC))
        kind: Any = simulator_class(cloud)
        return stack.enter_context(kind.replay([read_trace(path) for path in traces], SimulatorOptions(clock=clock)))

    return make


@pytest.fixture(scope="session")
def exchange() -> Callable[..., Exchange]:
    return make_exchange
