"""What an operation takes, as data, and how a call's text becomes values by it.

A table says of each parameter whether it is honoured, refused, or without effect in the service itself. What no table
names is refused as well, or ignored as by the service, whichever is asked for.

Source, unless a line says otherwise: ECS's documentation of the operations.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.gate import GATE_PARAMETERS, TIME_FORMAT
from stormcone_simulators.http.bounds import read_json


class Form(StrEnum):
    """How a parameter is written."""

    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"
    TIME = "time"
    REGION = "region"
    """The id of a region: that which is served, as there is no other here."""
    LIST = "list"
    """`Name.1`, `Name.2`, ..."""
    JSON_LIST = "json list"
    """One text, such as `["a","b"]`; `[]` is a list of nothing, and not the same as none."""
    RECORDS = "records"
    """`Name.1.Field`, `Name.1.Other`, `Name.2.Field`, ..."""


class Handling(StrEnum):
    """What the simulator does with a parameter."""

    HONOURED = "honoured"
    REFUSED = "refused"
    """It does not do this, so it says no; but to a value that asks for nothing, which stands in `choices`."""
    LEGACY = "legacy"
    """Accepted, and without effect in the service too."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of an operation.

    Attributes:
        name: as it is written.
        form: how it is written.
        handling: what becomes of it.
        why: of one that is refused, the reason, as the end of a sentence.
        required: whether a call without it is refused.
        choices: the values that there are; empty: any.
        fields: of records, their fields, and whether each has to be there.
        least: the least number.
        most: the greatest number, or how many values a list may have.
        too_many: the code for a list with more.
        otherwise: the value where it is not given.
    """

    name: str
    form: Form = Form.TEXT
    handling: Handling = Handling.HONOURED
    why: str = ""
    required: bool = False
    choices: Collection[str] = ()
    fields: Mapping[str, bool] = field(default_factory=dict)
    least: int | None = None
    most: int | None = None
    too_many: str = "InvalidParameter"
    otherwise: Any = None

    @cached_property
    def names(self) -> re.Pattern[str]:
        """How it is written: the number of an entry is the first group, a record's field the second."""
        name, number = re.escape(self.name), r"\.([1-9][0-9]{0,8})"
        if self.form is Form.LIST:
            return re.compile(f"{name}{number}")
        if self.form is Form.RECORDS:
            return re.compile(rf"{name}{number}\.({'|'.join(map(re.escape, self.fields))})")
        return re.compile(name)


NO_SUCH = "the simulator knows no such parameter of this operation; --ignore-unknown lets it pass"
MISSING = "MissingParameter"
INVALID = "InvalidParameter"


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What an operation takes.

    Attributes:
        parameters: all of them, by their order in the documentation.
        statuses: of the error codes whose status differs from the usual one here.
    """

    parameters: Sequence[Parameter]
    statuses: Mapping[str, int] = field(default_factory=dict)

    def read(self, given: Mapping[str, str], region: str, *, ignores_unknown: bool = False) -> "Arguments":
        """The values of a call.

        Raises:
            ApiError: one is missing, cannot be used, or is none of this operation.
        """
        try:
            values = {parameter.name: _value(parameter, given, region) for parameter in self.parameters}
            if not ignores_unknown:
                self._look_for_others(given)
        except ApiError as error:
            raise self.refined(error) from error
        return Arguments(values)

    def _look_for_others(self, given: Mapping[str, str]) -> None:
        for name in sorted(given.keys() - GATE_PARAMETERS):
            if not any(each.names.fullmatch(name) for each in self._by_first_word.get(name.partition(".")[0], ())):
                raise ApiError(INVALID, f" {name}: {NO_SUCH}")

    @cached_property
    def _by_first_word(self) -> Mapping[str, Sequence[Parameter]]:
        # A call may name a hundred instances, and each of their names is looked up.
        found: dict[str, list[Parameter]] = {}
        for each in self.parameters:
            found.setdefault(each.name.partition(".")[0], []).append(each)
        return found

    def refined(self, error: ApiError) -> ApiError:
        """The error with the status that it has for this operation."""
        error.status = self.statuses.get(error.code, error.status)
        return error


class Arguments:
    """A call's values by the parameters' names; what was not given is None, or empty where each has its own name."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = MappingProxyType(dict(values))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def first(self, *names: str) -> tuple[str, ...]:
        """The first of the parameters that was given, as a list: a list goes before the single value."""
        for name in names:
            value = self._values[name]
            if value:
                return (value,) if isinstance(value, str) else tuple(value)
        return ()


def _value(parameter: Parameter, given: Mapping[str, str], region: str) -> Any:
    if parameter.handling is not Handling.HONOURED:
        return _unheeded(parameter, given)
    value = _READERS[parameter.form](parameter, given)
    if value in (None, ()):
        if parameter.required:
            raise ApiError(MISSING, f" {parameter.name}")
        return value if parameter.otherwise is None else parameter.otherwise
    if parameter.form is Form.REGION and value != region:
        raise ApiError("InvalidRegionId.NotFound")
    if isinstance(value, tuple) and parameter.most is not None and len(value) > parameter.most:
        # The other codes name what is too many by themselves.
        more = f" {parameter.name}: there may be {parameter.most} at the most" if parameter.too_many == INVALID else ""
        raise ApiError(parameter.too_many, more)
    for each in value if isinstance(value, tuple) else (value,):
        if parameter.choices and each not in parameter.choices:
            raise bad(parameter.name)
    return value


def _unheeded(parameter: Parameter, given: Mapping[str, str]) -> None:
    if parameter.handling is Handling.LEGACY:
        return
    for name, value in given.items():
        if value and parameter.names.fullmatch(name) and value.lower() not in parameter.choices:
            raise ApiError(INVALID, f" {name}: {parameter.why}; leave it out")


def bad(name: str) -> ApiError:
    """The refusal of a parameter whose value cannot be used."""
    return ApiError(INVALID, f" {name}")


def _text(parameter: Parameter, given: Mapping[str, str]) -> str | None:
    return given.get(parameter.name) or None


def _number(parameter: Parameter, given: Mapping[str, str]) -> int | None:
    text = given.get(parameter.name)
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise bad(parameter.name)
    number = int(text)
    if (parameter.least is not None and number < parameter.least) or (
        parameter.most is not None and number > parameter.most
    ):
        raise bad(parameter.name)
    return number


_WHOLE = re.compile(r"-?[0-9]{1,9}")
_SWITCH = {"true": True, "false": False}


def _switch(parameter: Parameter, given: Mapping[str, str]) -> bool | None:
    text = given.get(parameter.name)
    if not text:
        return None
    if text.lower() not in _SWITCH:
        raise bad(parameter.name)
    return _SWITCH[text.lower()]


def _time(parameter: Parameter, given: Mapping[str, str]) -> datetime | None:
    text = given.get(parameter.name)
    if not text:
        return None
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise bad(parameter.name) from error


def _places(parameter: Parameter, given: Mapping[str, str]) -> list[tuple[int, re.Match[str], str]]:
    matches = ((parameter.names.fullmatch(name), value) for name, value in given.items())
    return sorted(((int(match[1]), match, value) for match, value in matches if match), key=lambda place: place[0])


def _list(parameter: Parameter, given: Mapping[str, str]) -> tuple[str, ...]:
    # Unverified: that gaps between the numbers do not matter.
    return tuple(value for _, _, value in _places(parameter, given) if value)


def _json_list(parameter: Parameter, given: Mapping[str, str]) -> tuple[str, ...] | None:
    text = given.get(parameter.name)
    if not text:
        return None
    try:
        values = read_json(text)
    except ValueError as error:
        raise bad(parameter.name) from error
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise bad(parameter.name)
    return tuple(values)


def _records(parameter: Parameter, given: Mapping[str, str]) -> tuple[Mapping[str, str | None], ...]:
    records: dict[int, dict[str, str | None]] = {}
    for place, match, value in _places(parameter, given):
        records.setdefault(place, dict.fromkeys(parameter.fields))[match[2]] = value or None
    for place, record in records.items():
        for name, required in parameter.fields.items():
            if required and record[name] is None:
                raise ApiError(MISSING, f" {parameter.name}.{place}.{name}")
    return tuple(records.values())


_READERS = {
    Form.TEXT: _text,
    Form.NUMBER: _number,
    Form.SWITCH: _switch,
    Form.TIME: _time,
    Form.REGION: _text,
    Form.LIST: _list,
    Form.JSON_LIST: _json_list,
    Form.RECORDS: _records,
}
