"""An agent on a simulator with a recorder between them, and an agent on the replay of what was recorded."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def watch(stack: ExitStack, tmp_path: Path) -> Callable[..., Watch]:
    """An agent with a journal of its own, on a simulator that it is given."""
    count = iter(range(100))
    return lambda simulator, **app: Watch(simulator, tmp_path / f"{next(count)}.db", stack, **app)


@pytest.fixture
def replay(stack: ExitStack) -> Callable[..., Replay]:
    """Replays a trace, on a clock far from the recorded time."""

    def make(*traces: Path, cloud: str = "azure") -> Replay:
        clock = ManualClock(datetime(2027, 6, 5, 4, 3, 2, 250_000, tzinfo=UTC))
        kind: Any = simulator_class(cloud)
        return stack.enter_context(kind.replay([read_trace(path) for path in traces], SimulatorOptions(clock=clock)))

    return make


@pytest.fixture
def simulator(stack: ExitStack) -> Callable[..., Simulator]:
    """A simulator of two machines."""

    def make(cloud: str = "azure", machines: tuple[str, ...] | None = None, **settings: str) -> Simulator:
        machines = machines or MACHINES[cloud]
        options = SimulatorOptions(machines=machines, clock=ManualClock(NOW), settings=settings)
        return stack.enter_context(simulator_class(cloud).from_options(options))

    return make


@pytest.fixture(scope="session")
def exchange() -> Callable[..., Exchange]:
    return make_exchange
