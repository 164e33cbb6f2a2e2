"""A cloud in memory, a machine on it and an agent, for tests of the core; nothing here waits for real time."""

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stormcone.agent.loop import Agent
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.settings import AgentSettings
from stormcone.agent.workers import Executor, InlineExecutor, ThreadExecutor
from stormcone.clock import ManualClock
from stormcone.handlers import App, Handler, Stage
from stormcone.journal import Episode, Journal
from stormcone.model import (
    Approval,
    Capabilities,
    Impact,
    Machine,
    MaintenanceEvent,
    Observation,
    Outcome,
    Phase,
    Scope,
)
from stormcone.rules.runs import Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal of the test's own is."""
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A journal that is open until the test ends."""
    with Journal.open(path) as journal:
        yield journal


def make_event(**changes: Any) -> MaintenanceEvent:
    """A reboot of web-0 in 15 minutes that can be approved, but for the changes."""
    return MaintenanceEvent.model_validate(
        {
            "id": "E-1",
            "provider": "test",
            "impact": Impact.REBOOT,
            "phase": Phase.SCHEDULED,
            "resources": ("web-0",),
            "not_before": NOW + timedelta(minutes=15),
            "approval": Approval.STARTS,
            **changes,
        }
    )


class Cloud:
    """A provider whose cloud is a dictionary; what it is to raise is queued beforehand."""

    name = "test"
    capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0, can_approve=True)

    def __init__(self) -> None:
        self.machine = Machine(provider="test", id="vm-0", name="web-0")
        self.listed: dict[str, MaintenanceEvent] = {}
        self.known_outcomes: dict[str, Outcome] = {}
        self.complete = True
        self.problems: tuple[str, ...] = ()
        self.poll_faults: deque[Exception] = deque()
        self.approve_faults: deque[Exception] = deque()
        self.approvals: list[str] = []
        self.polls = 0

    def announce(self, **changes: Any) -> MaintenanceEvent:
        event = make_event(**changes)
        self.listed[event.id] = event
        return event

    def revise(self, identifier: str = "E-1", **changes: Any) -> None:
        self.listed[identifier] = self.listed[identifier].but(**changes)

    def start(self, identifier: str = "E-1") -> None:
        self.revise(identifier, phase=Phase.STARTED, not_before=None, approval=Approval.NONE)

    def forget(self, identifier: str = "E-1") -> None:
        del self.listed[identifier]

    def identify(self) -> Machine:
        return self.machine

    def poll(self) -> Observation:
        self.polls += 1
        if self.poll_faults:
            raise self.poll_faults.popleft()
        return Observation(
            events=tuple(self.listed.values()), whole=frozenset({""} if self.complete else ()), problems=self.problems
        )

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Outcome]:
        return {
            name: outcome
            for name, outcome in self.known_outcomes.items()
            if name.casefold() in {each.casefold() for each in ids}
        }

    def approve(self, event: MaintenanceEvent) -> None:
        self.approvals.append(event.id)
        if self.approve_faults:
            raise self.approve_faults.popleft()

    def close(self) -> None:
        pass


class Scripted(Handler):
    """Writes down what it is called for and does what the test has queued: nothing, raise, or call a function."""

    def __init__(self, name: str, log: list[str], stages: Collection[Stage], **settings: Any) -> None:
        self._log = log
        self._stages = stages
        self.script: deque[BaseException | Callable[..., Any] | None] = deque()
        self.contexts: list[Any] = []
        vars(self).update({"name": name, **settings})

    def has(self, stage: Stage) -> bool:
        return stage in self._stages

    def _play(self, stage: Stage, event: MaintenanceEvent, context: Any) -> Any:
        again = f"#{context.attempt}" if context.attempt > 1 else ""
        self._log.append(f"{self.name}.{stage}{again}")
        self.contexts.append(context)
        step = self.script.popleft() if self.script else None
        if isinstance(step, BaseException):
            raise step
        return step(event, context) if step else None

    prepare = functools.partialmethod(_play, Stage.PREPARE)  # type: ignore[assignment]
    started = functools.partialmethod(_play, Stage.STARTED)  # type: ignore[assignment]
    recover = functools.partialmethod(_play, Stage.RECOVER)  # type: ignore[assignment]


class HeldExecutor:
    """Keeps work until it is let go, as a thread that has not got round to it."""

    def __init__(self) -> None:
        self.held: deque[Callable[[], None]] = deque()

    def submit(self, work: Callable[[], None], name: str) -> None:
        self.held.append(work)

    def release(self) -> None:
        """Do the oldest piece of work."""
        self.held.popleft()()


class World:
    """A cloud, a journal in a file, an app, and the agent's lives on them, one after the other."""

    def __init__(self, journal: Path | str, **app: Any) -> None:
        self.path = journal
        self.clock = ManualClock(NOW)
        self.cloud = Cloud()
        self.app = App(**app)
        self.calls: list[str] = []
        self.notices: list[Notice] = []
        self.executor: Executor = InlineExecutor()
        self.also: tuple[Any, ...] = ()
        self.sinks: tuple[Any, ...] = ()
        self.boot_id = "boot-1"
        self.dry_run = False
        self._agent: Agent | None = None
        self._journal: Journal | None = None

    def handler(self, name: str = "one", stages: Collection[Stage] = tuple(Stage), **settings: Any) -> Scripted:
        handler = Scripted(name, self.calls, stages, **settings)
        self.app.add(handler)
        return handler

    @property
    def journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal.open(self.path)
        return self._journal

    @property
    def agent(self) -> Agent:
        if self._agent is None:
            self._agent = Agent(
                self.cloud,
                self.app,
                self.journal,
                clock=self.clock,
                settings=AgentSettings(dry_run=self.dry_run),
                boot_id=self.boot_id,
                executor=self,
                listener=self.notices.append,
                also=self.also,
                sinks=self.sinks,
            )
        return self._agent

    def submit(self, work: Callable[[], None], name: str) -> None:
        """As the agent's executor: the one that the test wants now."""
        self.executor.submit(work, name)

    def step(self, **passed: float) -> None:
        """Let time pass, then poll and do what is due."""
        self.clock.advance(**passed)
        self.agent.step()

    def begin_anew(self) -> None:
        """The agent ends without a word; its next use begins another life on the open journal."""
        self._agent = None

    def die(self) -> None:
        """The process ends without a word; the next use begins another life."""
        self.begin_anew()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def episode(self, number: int = -1) -> Episode:
        return self.journal.episodes()[number]

    def runs(self, number: int = -1) -> dict[str, Run]:
        return {f"{run.handler}.{run.stage}": run for run in self.journal.runs(self.episode(number).id)}

    def states(self, number: int = -1) -> dict[str, str]:
        return {name: run.state.value for name, run in self.runs(number).items()}

    def told(self, *kinds: NoticeKind) -> list[str]:
        return [notice.text for notice in self.notices if notice.kind in kinds]


@pytest.fixture
def event() -> Callable[..., MaintenanceEvent]:
    return make_event


@pytest.fixture(scope="session")
def worlds() -> type[World]:
    return World


@pytest.fixture
def held() -> HeldExecutor:
    return HeldExecutor()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "journal.db")
    yield world
    world.die()


class Running:
    """A world whose agent runs in a thread."""

    def __init__(self, world):
        self.world = world
        world.executor = ThreadExecutor()
        self.agent = world.agent
        self.before = threading.active_count()
        self.thread = threading.Thread(target=self.agent.run)
        self.thread.start()

    def until(self, condition, step=0.25):
        """Move the clock until the condition holds."""
        limit = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < limit, f"it did not come to that; calls: {self.world.calls}"
            self.world.clock.advance(seconds=step)
            time.sleep(0.001)

    def until_called(self, *calls):
        self.until(lambda: self.world.calls[-len(calls) :] == list(calls))

    def stop(self):
        self.agent.stop()
        self.until(lambda: not self.thread.is_alive())

    def end(self):
        self.stop()
        self.until(lambda: threading.active_count() <= self.before)


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def running(world, gate):
    """Starts the agent, and ends it with all of its threads."""
    started = []

    def start():
        started.append(Running(world))
        return started[-1]

    yield start
    gate.set()
    for each in started:
        each.end()
