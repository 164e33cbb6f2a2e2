"""Scenarios: scripts of events, faults and the clock in neutral words, one TOML file each, that any simulator can play.

This is the format: what a file can say, and where in the file an error is. `play` makes it happen.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from stormcone.errors import SimulationError
from stormcone.model import Cause, Impact, Outcome
from stormcone.text import LONGEST_SPAN, SPAN_PATTERN, UNITS, span_of
from stormcone_simulators.http.bounds import TooDeep, check_toml, read_json
from stormcone_simulators.http.faults import FaultRule
from stormcone_simulators.scenarios.toml_lines import Place, lines_of

MAX_TEXT = 256 * 1024
"""A longer scenario is refused, in bytes."""

MAX_STEPS = 1_000

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class UnknownScenario(SimulationError):
    """There is no scenario of that name."""


def _span(value: object) -> timedelta:
    if not isinstance(value, str | timedelta):
        raise ValueError(f"{value!r:.40} is not a length of time; write 90s, 15m, 1h30m or 7d")  # noqa: TRY004
    span = value if isinstance(value, timedelta) else span_of(value)
    if not timedelta(0) <= span <= LONGEST_SPAN or span.microseconds:
        raise ValueError("a span of time is whole seconds, from none to ten years")
    return span


Span = Annotated[
    timedelta, BeforeValidator(_span), WithJsonSchema({"type": "string", "pattern": f"^(?:{SPAN_PATTERN})$"})
]


class Domain(BaseModel):
    """A role: the machines of one of several domains, which they are dealt out to in turn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: int = Field(ge=0, description="Which domain, from 0.")
    of: int = Field(ge=1, description="How many domains there are.")


def _role(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        raise ValueError(
            'machines are "first", "all", names such as ["web-0"], places from 0 such as [0, 2], '
            "or a domain such as { domain = 0, of = 2 }"
        ) from None


Places = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
Role = Annotated[Literal["first", "all"] | Domain | Places | Names, WrapValidator(_role)]


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Span = Field(description="When, from the scenario's start.")


class _OfEvent(_Step):
    event: str = Field("event", min_length=1, description="The scenario's own name for the event.")


class ScheduleStep(_OfEvent):
    """An event is announced; what is left out is as usual on the cloud."""

    do: Literal["schedule"]
    impact: Impact = Field(description="What the event does to the machines.")
    resources: Role = Field("first", description="The machines: a role, their places from 0, or their names.")
    notice: Span | None = Field(None, description="How long until it starts by itself.")
    duration: Span | None = Field(None, description="How long the impact lasts.")
    started_for: Span | None = Field(None, description="How long it stays started.")
    cause: Cause | None = Field(None, description="Why.")
    native_type: str | None = Field(None, description="The cloud's own word, which ties the scenario to that cloud.")
    description: str | None = Field(None, description="Text for people.")


class ChangeStep(_OfEvent):
    """An event is moved, or says something else; what is left out stays."""

    do: Literal["change"]
    resources: Role | None = Field(None, description="The machines: a role, their places from 0, or their names.")
    notice: Span | None = Field(None, description="How long until it starts by itself.")
    duration: Span | None = Field(None, description="How long the impact lasts.")
    description: str | None = Field(None, description="Text for people.")


class CancelStep(_OfEvent):
    """An event is called off."""

    do: Literal["cancel"]


class StartStep(_OfEvent):
    """An event begins."""

    do: Literal["start"]


class CompleteStep(_OfEvent):
    """An event ends."""

    do: Literal["complete"]
    outcome: Outcome = Field(Outcome.COMPLETED, description="How it ends.")


class FaultStep(_Step):
    """From now on requests fare as the rule says."""

    do: Literal["fault"]
    fault: FaultRule = Field(description="A rule of faults, as the control API takes it.")


class ClearFaultsStep(_Step):
    """All rules of faults are dropped."""

    do: Literal["clear-faults"]


class PaceStep(_Step):
    """The clock runs faster or slower from now on; one that is moved by hand stays as it is."""

    do: Literal["clock"]
    speed: float = Field(gt=0, le=1e6, description="Seconds of the clock to one real second.")


Step = Annotated[
    ScheduleStep | ChangeStep | CancelStep | StartStep | CompleteStep | FaultStep | ClearFaultsStep | PaceStep,
    Field(discriminator="do"),
]

STEPS: Mapping[str, type[_Step]] = MappingProxyType(
    {get_args(kind.model_fields["do"].annotation)[0]: kind for kind in get_args(get_args(Step)[0])}
)
"""What a step can do, and the fields that it then has."""


class Scenario(BaseModel):
    """A script of events, faults and the clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, description="One line for a list of scenarios.")
    step: tuple[Step, ...] = Field(min_length=1, max_length=MAX_STEPS, description="What happens, in order of time.")

    @model_validator(mode="after")
    def _steps_follow(self) -> "Scenario":
        announced: set[str] = set()
        last = timedelta(0)
        for number, step in enumerate(self.step):
            if step.at < last:
                raise _wrong(number, "at", "the steps are not in order of time")
            last = step.at
            if isinstance(step, ScheduleStep):
                if step.event in announced:
                    raise _wrong(number, "event", f"the event {step.event!r} is scheduled twice")
                announced.add(step.event)
            elif isinstance(step, _OfEvent) and step.event not in announced:
                raise _wrong(number, "event", f"the event {step.event!r} is not scheduled before")
        return self


def _wrong(number: int, key: str, why: str) -> ValidationError:
    detail = InitErrorDetails(type=PydanticCustomError("order", why), loc=("step", number, key), input=None)
    return ValidationError.from_exception_data("Scenario", [detail])


@dataclass(frozen=True)
class ScenarioText:
    """Where a scenario comes from, so that an error can say where to look.

    Attributes:
        name: a file's name, or words.
        lines: the line of each table and key, as far as it is known.
    """

    name: str
    lines: Mapping[Place, int] = field(default_factory=dict)

    def at(self, *place: str | int) -> str:
        """The place in words: `x.toml, line 12: step 3: notice`."""
        known = (place[:length] for length in range(len(place), 0, -1))
        line = next((f", line {self.lines[each]}" for each in known if each in self.lines), "")
        words = [f"step {int(place[1]) + 1}", *place[2:]] if _is_step(place) else place
        return ": ".join([self.name + line, *map(str, words)])


def _is_step(place: Place) -> bool:
    return len(place) > 1 and place[0] == "step" and isinstance(place[1], int)


class Script(NamedTuple):
    """A scenario and where it comes from."""

    scenario: Scenario
    source: ScenarioText


def parse_scenario(text: str, source: str) -> Scenario:
    """A scenario from its text; see `read_script`."""
    return read_script(text, source).scenario


def read_script(text: str, name: str) -> Script:
    """A scenario from its text: TOML, or the same in JSON where it begins with a brace.

    Args:
        text: the text, at most `MAX_TEXT` bytes.
        name: its file's name, for errors.

    Raises:
        SimulationError: it is not a scenario; the text names the file, the line, the step and the key.
    """
    if len(text.encode(errors="replace")) > MAX_TEXT:
        raise SimulationError(f"{name}: a scenario has at most {MAX_TEXT} bytes; split it")
    is_json = text.lstrip().startswith("{")
    content = _content(text, name, is_json=is_json)
    source = ScenarioText(name, {} if is_json else lines_of(text))
    try:
        return Script(Scenario.model_validate(content), source)
    except ValidationError as error:
        raise SimulationError(_explained(error, source)) from error


_TOML_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


def _content(text: str, name: str, *, is_json: bool) -> Any:
    try:
        if is_json:
            return read_json(text)
        check_toml(text)
        return tomllib.loads(text)
    except TooDeep as error:
        raise SimulationError(f"{name}, {error}") from error
    except json.JSONDecodeError as error:
        raise SimulationError(f"{name}, line {error.lineno}: this is not JSON: {error.msg}") from error
    except ValueError as error:
        why = str(error)
        if is_json:
            raise SimulationError(f"{name}: this is not JSON: {why}") from error
        place = _TOML_PLACE.search(why)
        line = (place and place["line"]) or len(text.splitlines()) or 1
        raise SimulationError(f"{name}, line {line}: this is not TOML: {_TOML_PLACE.sub('', why)}") from error


def _explained(error: ValidationError, source: ScenarioText) -> str:
    """The first thing that is wrong, with its place."""
    first = error.errors(include_url=False)[0]
    place: Place = first["loc"]
    kinds = ", ".join(STEPS)
    if _is_step(place) and len(place) > 2 and place[2] in STEPS:
        do, place = STEPS[str(place[2])], (*place[:2], *place[3:])
        if first["type"] == "extra_forbidden" and len(place) == 3:
            own = ", ".join(name for name in do.model_fields if name != "do")
            return f"{source.at(*place)}: a step that does {first['loc'][2]!r} has no such key; it has {own}"
    if first["type"] == "union_tag_invalid":
        return f"{source.at(*place, 'do')}: a step cannot do {first['ctx']['tag']!r:.40}; it can do {kinds}"
    if first["type"] == "union_tag_not_found":
        return f"{source.at(*place)}: it does not say what to do; write do = one of {kinds}"
    why = first["msg"].removeprefix("Value error, ")
    return f"{source.at(*place)}: {why[:1].lower()}{why[1:]}"


_FOLDER = files("stormcone_simulators.scenarios") / "library"


@cache
def scenario_names() -> tuple[str, ...]:
    """The scenarios that there are."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")))


@cache
def scenario_file(name: str) -> str:
    """The text of the scenario of that name.

    Raises:
        UnknownScenario: there is none.
    """
    if name not in scenario_names():
        raise UnknownScenario(f"there is no scenario {name!r}; there are: {', '.join(scenario_names())}")
    return (_FOLDER / f"{name}.toml").read_text("utf-8")


@cache
def load_scenario(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        UnknownScenario: there is none.
        SimulationError: its file cannot be used.
    """
    return read_script(scenario_file(name), f"{name}.toml").scenario


def script_of(scenario: "str | Path | Scenario | Script") -> Script:
    """What is to be played: the name of a scenario, the path of a file, or the scenario itself.

    Raises:
        UnknownScenario: there is no scenario of that name.
        SimulationError: the file cannot be read or used.
    """
    if isinstance(scenario, Script):
        return scenario
    if isinstance(scenario, Scenario):
        return Script(scenario, ScenarioText(f"the scenario {scenario.title!r}"))
    if isinstance(scenario, Path):
        return read_script(_text_of(scenario), str(scenario))
    return read_script(scenario_file(scenario), f"{scenario}.toml")


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT + 1)
        # What is too long is refused as such, wherever it was cut.
        return content.decode("utf-8-sig", errors="strict" if len(content) <= MAX_TEXT else "replace")
    except OSError as error:
        raise SimulationError(f"the scenario {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SimulationError(f"the scenario {path} is not UTF-8; write it in that") from error


def scenario_text(scenario: Scenario) -> str:
    """The scenario as the text of a file; what is as usual is left out."""
    lines = [f"title = {_value(scenario.title)}"]
    for step in scenario.step:
        told = step.model_dump(exclude_defaults=True)
        lines += ["", "[[step]]", f"at = {_value(step.at)}", f"do = {_value(told.pop('do'))}"]
        lines += [f"{key} = {_value(value)}" for key, value in told.items() if key != "at"]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, timedelta):
        seconds = value // timedelta(seconds=1)
        unit = next(unit for unit in "dhms" if seconds % UNITS[unit] == 0 and (seconds or unit == "s"))
        return f'"{seconds // UNITS[unit]}{unit}"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # Strings of JSON are strings of TOML, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
