"""The two ways in which an agent works in a test: in the test's own thread, or in threads of its own as in production.

Either way the clock stands still, so whatever waits for it must be able to go on. In the test's thread a handler
that waits moves the clock itself. In its own threads the test moves it, once all of the agent's work is done or waits.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Protocol, cast

from stormcone.agent.loop import Agent
from stormcone.agent.workers import Executor, InlineExecutor
from stormcone.clock import Clock, ManualClock
from stormcone.clouds.contract import Provider

_PATIENCE = 30.0
"""Real seconds that an agent in threads of its own may take for one poll and all that follows from it."""

_NUDGE = 0.002
"""Real seconds between two looks at whether a call of the provider waits for the clock, as where a fault delays it."""

_LONGEST_CALL = 300
"""Seconds of the clock that one call of the provider is given; what is held back longer has only real time."""


class Mode(Protocol):
    """How an agent works in a test.

    Attributes:
        clock: for the agent and its provider.
        executor: for handlers and approvals.
    """

    clock: Clock
    executor: Executor

    def wrap(self, provider: Provider) -> Provider:
        """The provider as the agent is to call it."""

    def begin(self, agent: Agent) -> None:
        """Let the agent work."""

    def step(self) -> None:
        """Let it poll once and do all that is due, but for what waits for the clock."""

    def end(self) -> None:
        """Let it end; the provider is closed already."""


class ObligingClock:
    """A manual clock that whoever waits for it moves on."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.now = clock.now
        self.monotonic = clock.monotonic

    def sleep(self, seconds: float) -> None:
        """Move the clock on by so much."""
        self._clock.advance(max(0.0, seconds))

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        """Move the clock on by so much, unless `wake` is set."""
        if seconds is None:
            wake.wait()
        elif not wake.is_set():
            self.sleep(seconds)


def move_on(clock: ManualClock, limit: float) -> None:
    """Let the clock come to the next moment that a simulator's answer is held back for; where none is, it stands."""
    expected = clock.expected
    if expected is not None and expected <= limit:
        clock.advance(max(0.0, expected - clock.monotonic()))


def _refuse_hints(name: str) -> None:
    """Leave out what would call for a poll by itself: in a test the test says when an agent polls."""
    if name == "on_hint":
        raise AttributeError(name)


class _Unprompted:
    """A provider that hears of nothing by itself."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def __getattr__(self, name: str) -> Any:
        _refuse_hints(name)
        return getattr(self._provider, name)


class _Patient:
    """A provider whose calls are made beside the test's thread, so that the clock can go on where one waits for it."""

    def __init__(self, provider: Provider, clock: ManualClock) -> None:
        self._provider = provider
        self._clock = clock
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="stormcone-provider")

    def __getattr__(self, name: str) -> Any:
        _refuse_hints(name)
        value = getattr(self._provider, name)
        return partial(self._call, value) if name in {"identify", "poll", "outcomes", "approve"} else value

    def _call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        future = self._beside.submit(work, *arguments)
        begun = self._clock.monotonic()
        while not future.done():
            wait([future], _NUDGE)
            move_on(self._clock, begun + _LONGEST_CALL)
        return future.result()

    def close(self) -> None:
        self._provider.close()
        self._beside.shutdown()


class InTestsThread:
    """Everything happens inside `step`: simple, quick, and a debugger's breakpoint in a handler works.

    A stage is not interrupted: what changes while it works is seen after it.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock: Clock = ObligingClock(clock)
        self.executor: Executor = InlineExecutor()
        self._manual = clock
        self._agent: Agent | None = None

    def wrap(self, provider: Provider) -> Provider:
        """The provider, called beside the test's thread."""
        return cast(Provider, _Patient(provider, self._manual))

    def begin(self, agent: Agent) -> None:
        """Nothing yet: it works when it is told to."""
        self._agent = agent

    def step(self) -> None:
        """Poll and do all that is due, to its end."""
        if self._agent is not None:
            self._agent.step()

    def end(self) -> None:
        """Drop it, as a crash does."""
        self._agent = None


class _WatchedClock:
    """A manual clock that knows which threads wait for it, and can let them go."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._released = False
        self._waiting: dict[threading.Thread, threading.Event] = {}
        self.now = clock.now
        self.monotonic = clock.monotonic

    def sleep(self, seconds: float) -> None:
        """As a provider pauses before it asks again."""
        with self._clock.expecting(self._clock.monotonic() + seconds):
            self.wait(threading.Event(), seconds)

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        thread = threading.current_thread()
        self._waiting[thread] = wake
        try:
            if not self._released:
                self._clock.wait(wake, seconds)
        finally:
            del self._waiting[thread]

    def release(self) -> None:
        """Keep nobody waiting from now on: a call of the provider, say, that would pause before it tries again."""
        self._released = True
        for wake in tuple(self._waiting.values()):
            wake.set()

    def holds(self, thread: threading.Thread) -> bool:
        """Whether the thread can do nothing until the clock moves or somebody wakes it."""
        wake = self._waiting.get(thread)
        return wake is not None and not wake.is_set()


class InOwnThreads:
    """As in production: polls, handlers and approvals in threads, so that stages can be cancelled and time out."""

    def __init__(self, clock: ManualClock) -> None:
        self._manual = clock
        self._watched = _WatchedClock(clock)
        self.clock: Clock = self._watched
        self.executor: Executor = self
        self._loop: threading.Thread | None = None
        self._agent: Agent | None = None
        self._work: set[threading.Thread] = set()

    def submit(self, work: Callable[[], None], name: str) -> None:
        """Do the work in a thread that is known."""

        def known() -> None:
            try:
                work()
            finally:
                self._work.discard(threading.current_thread())

        thread = threading.Thread(target=known, name=name, daemon=True)
        self._work.add(thread)
        thread.start()

    def wrap(self, provider: Provider) -> Provider:
        """The provider, which says nothing by itself."""
        return cast(Provider, _Unprompted(provider))

    def begin(self, agent: Agent) -> None:
        """Start the agent's loop."""
        self._agent = agent
        self._loop = threading.Thread(target=agent.run, name="stormcone-agent", daemon=True)
        self._loop.start()

    def step(self) -> None:
        """Have it poll, and wait until nothing goes on but what waits for the clock."""
        if self._agent is None:
            return
        agent, before = self._agent, self._agent.status.polls
        agent.poll_soon()
        self._until(lambda: agent.status.polls > before, "the agent does not poll")
        self._until(self._settled, f"the agent's work does not end ({self._names()})", nudge=False)

    def end(self) -> None:
        """Tell it to stop, and give it the time that it takes."""
        agent, loop = self._agent, self._loop
        if agent is not None and loop is not None:
            agent.stop()
            self._until(lambda: not loop.is_alive(), "the agent does not end")
        self._watched.release()
        self._agent = self._loop = None

    def _settled(self) -> bool:
        threads = [*self._work, *([self._loop] if self._loop else [])]
        return all(self._watched.holds(thread) or not thread.is_alive() for thread in threads)

    def _names(self) -> str:
        return ", ".join(sorted(thread.name for thread in tuple(self._work))) or "nothing is being done"

    def _until(self, condition: Callable[[], bool], otherwise: str, *, nudge: bool = True) -> None:
        begun, limit = time.monotonic(), self._manual.monotonic() + _LONGEST_CALL
        while not condition():
            waited = time.monotonic() - begun
            if waited > _PATIENCE:
                raise AssertionError(f"{otherwise} within {_PATIENCE:g} s")
            if nudge:
                move_on(self._manual, limit)
            time.sleep(0.0005)
