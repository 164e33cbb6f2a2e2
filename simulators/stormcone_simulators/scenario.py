"""Scenarios: scripts of events in neutral words, one TOML file each, that any simulator can play.

A scenario is checked whole before its first step happens: against its format here, and against the cloud and the
machines by `stage`, so that what a cloud cannot do is said at once and not half way through.
"""

import heapq
import itertools
import logging
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from stormcone.errors import SimulationError
from stormcone.model import Cause, Impact, Outcome
from stormcone_simulators.events import EventBook, Plan, Revision, SimulatedEvent, TooLate
from stormcone_simulators.reasons import reason

_log = logging.getLogger(__name__)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"(\d+)([smhd])")


class UnknownScenario(SimulationError):
    """There is no scenario of that name."""


def _span(value: object) -> object:
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'a span of time is written like "90s", "15m", "2h" or "7d", not {value!r}')
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


Span = Annotated[timedelta, BeforeValidator(_span)]


class Domain(BaseModel):
    """A role: the machines of one of several domains, which they are dealt out to in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: int = Field(ge=0, description="Which domain, from 0.")
    of: int = Field(ge=1, description="How many domains there are.")


Role = Literal["first", "all"] | Domain | Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


class Step(BaseModel):
    """One step of a scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Span = Field(description="When, from the scenario's start.")
    do: Literal["schedule", "change", "cancel", "start", "complete"] = Field(description="What happens.")
    event: str = Field("event", description="The scenario's own name for the event.")
    impact: Impact | None = Field(None, description="What the event does to the machines (schedule only).")
    resources: Role | None = Field(None, description="The machines: a role, or their places from 0.")
    notice: Span | None = Field(None, description="How long until it starts by itself.")
    duration: Span | None = Field(None, description="How long the impact lasts.")
    started_for: Span | None = Field(None, description="How long it stays started (schedule only).")
    cause: Cause | None = Field(None, description="Why (schedule only).")
    native_type: str | None = Field(None, description="The cloud's own word (schedule only).")
    description: str | None = Field(None, description="Text for people.")
    outcome: Outcome | None = Field(None, description="How it ends (complete only).")

    @model_validator(mode="after")
    def _fits_what_it_does(self) -> "Step":
        allowed = _KEYS[self.do] | {"at", "do", "event"}
        extra = sorted(self.model_fields_set - allowed)
        if extra:
            raise ValueError(f"a step that does {self.do!r} has no {', '.join(extra)}")
        if self.do == "schedule" and self.impact is None:
            raise ValueError("a step that does 'schedule' needs an impact")
        return self


_KEYS: dict[str, set[str]] = {
    "schedule": {
        "impact",
        "resources",
        "notice",
        "duration",
        "started_for",
        "cause",
        "native_type",
        "description",
    },
    "change": {"resources", "notice", "duration", "description"},
    "cancel": set(),
    "start": set(),
    "complete": {"outcome"},
}


class Scenario(BaseModel):
    """A script of events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, description="One line for a list of scenarios.")
    step: tuple[Step, ...] = Field(min_length=1, description="What happens, in order of time.")

    @model_validator(mode="after")
    def _steps_follow(self) -> "Scenario":
        announced: set[str] = set()
        last = timedelta(0)
        for step in self.step:
            if step.at < last:
                raise ValueError("the steps are not in order of time")
            last = step.at
            if step.do == "schedule":
                if step.event in announced:
                    raise ValueError(f"the event {step.event!r} is scheduled twice")
                announced.add(step.event)
            elif step.event not in announced:
                raise ValueError(f"the event {step.event!r} is not scheduled before the step {step.do!r}")
        return self


def parse_scenario(text: str, source: str) -> Scenario:
    """A scenario from its TOML text; `source` is its file's name, for errors.

    Raises:
        SimulationError: it is not a scenario; the text names the file and the key.
    """
    try:
        return Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SimulationError(f"the scenario {source} is not TOML: {error}") from error
    except ValidationError as error:
        raise SimulationError(f"the scenario {source} cannot be used: {reason(error)}") from error


_FOLDER = files("stormcone_simulators") / "scenarios"


@cache
def scenario_names() -> tuple[str, ...]:
    """The scenarios that there are."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")))


@cache
def load_scenario(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        UnknownScenario: there is none.
        SimulationError: its file cannot be used.
    """
    if name not in scenario_names():
        raise UnknownScenario(f"there is no scenario {name!r}; there are: {', '.join(scenario_names())}")
    return parse_scenario((_FOLDER / f"{name}.toml").read_text("utf-8"), f"{name}.toml")


class Stage(Protocol):
    """What a scenario is played on: a cloud's model."""

    book: EventBook[Any]

    def draft(self, plan: Plan, now: datetime) -> SimulatedEvent:
        """The event that the plan would make."""

    def revise(self, event: SimulatedEvent, revision: Revision, now: datetime) -> None:
        """Change an announced event."""

    def cancel(self, event: SimulatedEvent, now: datetime) -> None:
        """Call an event off."""


Action = Callable[[datetime], None]


def stage(script: Scenario, model: Stage, cast: Sequence[str], now: datetime) -> list[tuple[datetime, Action]]:
    """The scenario's steps as they will happen to `cast` from `now` on.

    Raises:
        SimulationError: the cloud has no such event, or there are too few machines.
    """
    ids: dict[str, str] = {}
    actions = []
    for step in script.step:
        resources = None if step.resources is None else _role(step.resources, cast)
        if step.do == "schedule":
            plan = _plan(step, resources or (cast[0],))
            model.draft(plan, now + step.at)
            actions.append((now + step.at, _announce(model, plan, step.event, ids)))
        else:
            actions.append((now + step.at, _follow(model, step, resources, ids)))
    return actions


def _role(role: Role, cast: Sequence[str]) -> tuple[str, ...]:
    if isinstance(role, str):
        return tuple(cast) if role == "all" else (cast[0],)
    if isinstance(role, Domain):
        places: Iterable[int] = range(role.domain, len(cast), role.of)
        needed = role.domain + 1
    else:
        places, needed = role, max(role) + 1
    if needed > len(cast):
        raise SimulationError(
            f"this scenario needs {needed} machines in one group, and there are {len(cast)}; add more"
        )
    return tuple(cast[place] for place in places)


def _plan(step: Step, resources: tuple[str, ...]) -> Plan:
    assert step.impact is not None  # noqa: S101 - a Step that schedules has one
    return Plan(
        impact=step.impact,
        resources=resources,
        notice=step.notice,
        duration=step.duration,
        started_for=step.started_for,
        cause=step.cause,
        native_type=step.native_type,
        description=step.description,
    )


def _announce(model: Stage, plan: Plan, label: str, ids: dict[str, str]) -> Action:
    def action(at: datetime) -> None:
        event = model.draft(plan, at)
        model.book.add(event)
        ids[label] = event.id

    return action


def _follow(model: Stage, step: Step, resources: tuple[str, ...] | None, ids: dict[str, str]) -> Action:
    def action(at: datetime) -> None:
        event = model.book.get(ids[step.event])
        try:
            if step.do == "change":
                revision = Revision(
                    resources=resources, notice=step.notice, duration=step.duration, description=step.description
                )
                model.revise(event, revision, at)
            elif step.do == "cancel":
                model.cancel(event, at)
            elif step.do == "start":
                model.book.start(event, at)
            else:
                model.book.end(event, at, step.outcome or Outcome.COMPLETED)
        except TooLate as error:
            # An approval or a caller has taken the event past this step already.
            _log.info("a step of a scenario is left out: %s", error)

    return action


class Agenda:
    """The steps of all scenarios that are being played."""

    def __init__(self) -> None:
        self._steps: list[tuple[datetime, int, Action]] = []
        self._order = itertools.count()

    def extend(self, steps: Iterable[tuple[datetime, Action]]) -> None:
        """Add steps."""
        for at, action in steps:
            heapq.heappush(self._steps, (at, next(self._order), action))

    @property
    def next_step(self) -> datetime | None:
        """When the next step is due, None after the last one."""
        return self._steps[0][0] if self._steps else None

    def step(self) -> None:
        """Do the next step, at the time that it is due."""
        at, _, action = heapq.heappop(self._steps)
        action(at)
