"""Simulators and an agent as fixtures, on a clock that stands still until the test moves it.

A project asks for them in its `conftest.py`, or in a test module: `pytest_plugins = ["stormcone.testing.fixtures"]`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from stormcone.clock import ManualClock
    from stormcone.handlers import App
    from stormcone.simulators.contract import Replay, Simulator, Tls
    from stormcone.testing import AgentDriver

_OF_SIMULATORS = frozenset({"machines", "https"})
_SAID = _OF_SIMULATORS | {"machine", "thread"}

SIMULATORS = tuple(sorted(entry_points(group="stormcone.simulators").names))


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test parametrize the `app` of its agent without taking it as an argument."""
    names = (name for mark in metafunc.definition.iter_markers("parametrize") for name in _names(mark.args[0]))
    if "agent" in metafunc.fixturenames and "app" not in metafunc.fixturenames and "app" in names:
        metafunc.fixturenames.append("app")


def _names(given: object) -> list[str]:
    return [name.strip() for name in given.split(",")] if isinstance(given, str) else [str(name) for name in given]  # type: ignore[attr-defined]


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the markers `stormcone` of the test say, the nearest last."""
    marked: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("stormcone"))):
        unknown = sorted(set(marker.kwargs) - _SAID)
        if marker.args or unknown:
            pytest.fail(f"the marker stormcone takes {', '.join(sorted(_SAID))} by name", pytrace=False)
        marked |= marker.kwargs
    return marked


@pytest.fixture
def stormcone_clock() -> "ManualClock":
    """The clock that this test's simulators and agents share; it moves by `advance` alone."""
    from stormcone.clock import ManualClock

    return ManualClock()


@pytest.fixture
def make_simulator(
    request: pytest.FixtureRequest, stormcone_clock: "ManualClock"
) -> Iterator[Callable[..., "Simulator"]]:
    """Starts a simulator by the name of its cloud; takes machines by argument, or by the marker `stormcone`.

    The marker says `https=True` as well: `simulator.ca_file` is then what its clients are to trust.
    """
    from stormcone.plugins import simulator_class
    from stormcone.simulators.contract import SimulatorOptions

    marked = tuple(_marked(request).get("machines", ()))
    with ExitStack() as stack:

        def make(cloud: str, *machines: str, **settings: str) -> "Simulator":
            named = {name.replace("_", "-"): value for name, value in settings.items()}
            options = SimulatorOptions(
                machines=machines or marked, clock=stormcone_clock, settings=named, tls=_tls_of(request)
            )
            return stack.enter_context(simulator_class(cloud).from_options(options))

        yield make


@pytest.fixture
def azure(make_simulator: Callable[..., "Simulator"]) -> "Simulator":
    """A running simulator of Azure's metadata service."""
    return make_simulator("azure")


@pytest.fixture
def alibaba(make_simulator: Callable[..., "Simulator"]) -> "Simulator":
    """A running simulator of Alibaba Cloud's ECS API and metadata service."""
    return make_simulator("alibaba")


@pytest.fixture
def aws(make_simulator: Callable[..., "Simulator"]) -> "Simulator":
    """A running simulator of the metadata service of AWS's instances."""
    return make_simulator("aws")


@pytest.fixture
def google(make_simulator: Callable[..., "Simulator"]) -> "Simulator":
    """A running simulator of Google Cloud's metadata server."""
    return make_simulator("google")


@pytest.fixture(params=SIMULATORS)
def simulator(request: pytest.FixtureRequest, make_simulator: Callable[..., "Simulator"]) -> "Simulator":
    """A running simulator of each cloud in turn: the test runs once for each, and skips one without such an event."""
    return make_simulator(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip a test that runs once for each cloud on one that has no event of the impact and the cause asked for."""
    try:
        yield
    except Exception as error:
        if "simulator" in getattr(item, "fixturenames", ()):
            from stormcone.errors import NoSuchEvent

            if isinstance(error, NoSuchEvent):
                pytest.skip(str(error))
        raise


@pytest.fixture
def replay(request: pytest.FixtureRequest, stormcone_clock: "ManualClock") -> Iterator[Callable[..., "Replay"]]:
    """Starts a replay of what `stormcone record` wrote down, of one machine or several: `replay("incident.yaml")`.

    It is a simulator like the others, for `agent_on(simulator=...)`; `differences()` says what came otherwise.
    """
    from stormcone.plugins import simulator_class
    from stormcone.recording import read_trace
    from stormcone.simulators.contract import Replays, SimulatorOptions

    with ExitStack() as stack:

        def make(*traces: "str | Path") -> "Replay":
            read = [read_trace(trace) for trace in traces]
            kind = simulator_class(read[0].header.provider)
            if not issubclass(kind, Replays):
                pytest.fail(f"the simulator of {kind.name} cannot replay traces", pytrace=False)
            return stack.enter_context(kind.replay(read, SimulatorOptions(clock=stormcone_clock, tls=_tls_of(request))))

        yield make


@pytest.fixture
def agent_on(request: pytest.FixtureRequest) -> Iterator[Callable[..., "AgentDriver"]]:
    """Starts an agent: `agent_on("db-1", app=..., simulator=..., thread=True)`; what is left out is the test's own."""
    from stormcone.errors import PartMissing
    from stormcone.testing import AgentDriver

    with ExitStack() as stack:

        def make(
            machine: str | None = None,
            *,
            app: "App | None" = None,
            simulator: "Simulator | None" = None,
            thread: bool = False,
        ) -> "AgentDriver":
            chosen = simulator or _simulator_of(request)
            handlers = app if app is not None else _app_of(request)
            try:
                return stack.enter_context(AgentDriver(chosen, handlers, machine=machine, thread=thread))
            except PartMissing as error:
                pytest.skip(f"no agent on {chosen.name}: {error}")

        yield make


@pytest.fixture
def agent(request: pytest.FixtureRequest, agent_on: Callable[..., "AgentDriver"]) -> "AgentDriver":
    """An agent of the test's `app` on the simulator that the test uses: on its first machine, in the test's thread.

    The marker `stormcone` says otherwise.
    """
    return agent_on(**{name: value for name, value in _marked(request).items() if name not in _OF_SIMULATORS})


def _tls_of(request: pytest.FixtureRequest) -> "Tls | None":
    from stormcone.simulators.contract import Tls

    return Tls() if _marked(request).get("https") else None


def _simulator_of(request: pytest.FixtureRequest) -> "Simulator":
    used = [name for name in ("simulator", *SIMULATORS) if name in request.fixturenames]
    if not used:
        wanted = ", ".join(("simulator", *SIMULATORS))
        pytest.fail(f"an agent needs a simulator: let the test take one of {wanted} as well", pytrace=False)
    if len(used) > 1:
        pytest.fail(f"the test takes {' and '.join(used)}: say which with agent_on(simulator=...)", pytrace=False)
    chosen: Simulator = request.getfixturevalue(used[0])
    return chosen


def _app_of(request: pytest.FixtureRequest) -> "App":
    try:
        app: App = request.getfixturevalue("app")
    except pytest.FixtureLookupError:
        pytest.fail("an agent runs the test's own app: write a fixture `app` that returns an App", pytrace=False)
    return app
