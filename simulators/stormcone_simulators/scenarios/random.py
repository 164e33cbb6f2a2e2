"""Scenarios by chance, for chaos tests: of the cloud's own legal moves, reproducible from a seed, and shrinkable.

Both ways to draw one share all that matters: a step is a handful of choices out of finite lists, the simplest first,
and is tried on the cloud's own rules; a move that the cloud would refuse is left out. So what comes out can be played.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from pydantic import TypeAdapter

from stormcone.clock import ManualClock
from stormcone.errors import SimulationError
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.scenarios.format import MAX_STEPS, STEPS, Scenario, Step
from stormcone_simulators.scenarios.play import Agenda, Performance, PossibleEvent, Scene, settle

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class Rehearses(Protocol):
    """A simulator that need not listen, as far as making up scenarios needs one."""

    name: ClassVar[str]
    possible_events: ClassVar[Sequence[PossibleEvent]]

    def rehearsal_scene(self, now: datetime) -> Scene:
        """Where a scenario is tried: the cloud's rules with no events."""


_STEP: TypeAdapter[Step] = TypeAdapter(Step)
CAST = ("machine-0", "machine-1")
"""The machines that a scenario is made up for."""

Choices = Mapping[str, Any]
"""What was chosen for one step, by name; see `CHOICES`."""

CHOICES: Mapping[str, Sequence[Any]] = MappingProxyType(
    {
        "do": ("schedule", *STEPS),
        "gap": ("0s", "30s", "1m", "5m", "10m", "1h"),
        # Numbers are taken modulo how many there are; events count from the latest, so that what shrinks still fits.
        "event": range(8),
        "possible": range(64),
        "resources": ("first", "all", [1]),
        "notice": (None, "0s", "30s", "15m", "2h"),
        "duration": (None, "0s", "9s"),
        "started_for": (None, "0s", "1m", "10m"),
        "description": (None, "Host server is undergoing maintenance."),
        "outcome": ("completed", "failed"),
        "fault": (
            {"status": 503, "times": 1},
            {"status": 429, "times": 2, "retry_after": 1},
            {"kind": "reset", "times": 1},
            {"kind": "empty", "times": 2},
            {"delay_seconds": 2, "times": 1},
        ),
        "speed": (1, 10, 60),
    }
)
"""What there is to choose for a step, the simplest first; a step takes those that its kind has."""


def random_scenario(cloud: str | type[Any], seed: int, steps: int) -> Scenario:
    """A scenario that the cloud can play with two machines: the same one for the same seed.

    Args:
        cloud: a simulator's name or class.
        seed: any whole number.
        steps: how many.

    Raises:
        PluginError: there is no simulator of that name.
        SimulationError: that many steps cannot be.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise SimulationError(f"a scenario has 1 to {MAX_STEPS} steps, not {steps}")
    chance = Random(seed)  # noqa: S311 - a test's chance, not a secret
    simulator = _rehearsing(cloud)
    composer = _Composer(simulator)
    while len(composer.steps) < steps:
        # `random()` is the one method whose numbers Python promises to keep.
        choices = {name: values[int(chance.random() * len(values))] for name, values in CHOICES.items()}
        composer.add(choices if composer.steps else {**choices, "do": "schedule"})
    return Scenario(title=f"By chance: {simulator.name}, seed {seed}, {steps} steps", step=tuple(composer.steps))


def scenarios(cloud: str | type[Any], max_steps: int = 20) -> "SearchStrategy[Scenario]":
    """A hypothesis strategy of scenarios that the cloud can play with two machines; they shrink to few, plain steps.

    Args:
        cloud: a simulator's name or class.
        max_steps: no scenario has more steps.

    Raises:
        PluginError: there is no simulator of that name.
        SimulationError: hypothesis is not installed.
    """
    try:
        from hypothesis import strategies
    except ImportError as error:
        raise SimulationError("scenarios() needs hypothesis; install it with: pip install 'stormcone[test]'") from error
    simulator = _rehearsing(cloud)
    kinds = {
        do: strategies.fixed_dictionaries({name: strategies.sampled_from(values) for name, values in own.items()})
        # The kind with the fewest choices first: what does not matter shrinks to that, and is then dropped.
        for do, own in sorted(((do, _own_choices(do)) for do in STEPS), key=lambda each: len(each[1]))
    }
    more = strategies.lists(strategies.one_of(*kinds.values()), max_size=max_steps - 1)
    return strategies.builds(lambda first, rest: _composed(simulator, [first, *rest]), kinds["schedule"], more)


def _own_choices(do: str) -> dict[str, Sequence[Any]]:
    """What there is to choose for a step of that kind."""
    names = {"gap", *STEPS[do].model_fields} - {"do"} | ({"possible"} if do == "schedule" else set())
    return {"do": (do,), **{name: values for name, values in CHOICES.items() if name in names}}


def _rehearsing(cloud: str | type[Any]) -> Rehearses:
    kind = simulator_class(cloud) if isinstance(cloud, str) else cloud
    return cast(Rehearses, kind.from_options(SimulatorOptions(machines=CAST)))


def _composed(simulator: Rehearses, drawn: Iterable[Choices]) -> Scenario:
    composer = _Composer(simulator)
    for choices in drawn:
        composer.add(choices)
    return Scenario(title=f"By chance: {simulator.name}", step=tuple(composer.steps))


class _Composer:
    """A scenario as it grows, with the cloud's rules at the time of its last step; the first step is an event's.

    Args:
        simulator: one of the cloud, that does not listen.
    """

    def __init__(self, simulator: Rehearses) -> None:
        self.steps: list[Step] = []
        self._possible = simulator.possible_events
        self._start = ManualClock().now()
        self._scene = simulator.rehearsal_scene(self._start)
        self._performance = Performance(self._scene)
        self._agenda = Agenda()
        self._at = timedelta(0)
        self._events: list[str] = []

    def add(self, choices: Choices) -> None:
        """Add the step that was chosen, unless the cloud refuses it."""
        step = self._step(choices)
        self._at = step.at
        self._agenda.add(self._start + step.at, lambda at: self._try(step, at))
        settle(self._agenda, self._scene.model.book, self._start + step.at)

    def _step(self, choices: Choices) -> Step:
        do, number = choices["do"], len(self._events)
        told = dict(choices)
        if do == "schedule":
            possible = self._possible[choices["possible"] % len(self._possible)]
            told |= {**possible._asdict(), "event": f"event-{number}"}
        elif "event" in choices:
            told["event"] = self._events[-1 - choices["event"] % number]
        own = {name: told[name] for name in STEPS[do].model_fields if told.get(name) is not None}
        step = _STEP.validate_python({**own, "at": choices["gap"]})
        return step.model_copy(update={"at": self._at + step.at})

    def _try(self, step: Step, at: datetime) -> None:
        try:
            self._performance.do(step, at)
        except SimulationError:
            # A cloud may give such an event less notice than was chosen, and has it with the usual one.
            if step.do == "schedule" and step.notice is not None:
                self._try(step.model_copy(update={"notice": None}), at)
            return
        self.steps.append(step)
        if step.do == "schedule":
            self._events.append(step.event)
