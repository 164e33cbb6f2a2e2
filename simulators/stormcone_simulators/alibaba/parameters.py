"""What an operation takes, as data, and how a call's text becomes values by it.

Source, unless a line says otherwise: ECS's documentation of the operations.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.gate import TIME_FORMAT
from stormcone_simulators.http.bounds import read_json


class Form(StrEnum):
    """How a parameter is written."""

    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"
    TIME = "time"
    LIST = "list"
    """`Name.1`, `Name.2`, ..."""
    JSON_LIST = "json list"
    """One text, such as `["a","b"]`."""
    TAGS = "tags"
    """`Tag.1.Key`, `Tag.1.Value`, ..."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of an operation.

    Attributes:
        name: as it is written.
        form: how it is written.
        required: whether a call without it is refused.
        choices: the values that there are; empty: any.
        least: the least number.
        most: the greatest number, or how many values a list may have.
        too_many: the code for a list with more.
        otherwise: the value where it is not given.
    """

    name: str
    form: Form = Form.TEXT
    required: bool = False
    choices: Collection[str] = ()
    least: int | None = None
    most: int | None = None
    too_many: str = "InvalidParameter"
    otherwise: Any = None


MISSING = "MissingParameter"
INVALID = "InvalidParameter"


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What an operation takes.

    Attributes:
        parameters: by their order in the documentation; `RegionId` goes without saying.
        statuses: of the error codes whose status differs from the usual one here.
    """

    parameters: Sequence[Parameter]
    statuses: Mapping[str, int] = field(default_factory=dict)

    def read(self, given: Mapping[str, str], region: str) -> "Arguments":
        """The values of a call.

        Raises:
            ApiError: one is missing, or cannot be used.
        """
        try:
            self._check_region(given, region)
            return Arguments({parameter.name: _value(parameter, given) for parameter in self.parameters})
        except ApiError as error:
            raise self.refined(error) from error

    def refined(self, error: ApiError) -> ApiError:
        """The error with the status that it has for this operation."""
        error.status = self.statuses.get(error.code, error.status)
        return error

    @staticmethod
    def _check_region(given: Mapping[str, str], region: str) -> None:
        if not given.get("RegionId"):
            raise ApiError(MISSING, " RegionId")
        if given["RegionId"] != region:
            raise ApiError("InvalidRegionId.NotFound")


class Arguments:
    """A call's values by the parameters' names; what was not given is None, or empty where it is a list."""

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


def _value(parameter: Parameter, given: Mapping[str, str]) -> Any:
    value = _READERS[parameter.form](parameter, given)
    if value in (None, (), {}):
        if parameter.required:
            raise ApiError(MISSING, f" {parameter.name}")
        return value if parameter.otherwise is None else parameter.otherwise
    if isinstance(value, tuple | dict) and parameter.most is not None and len(value) > parameter.most:
        raise ApiError(parameter.too_many)
    for each in value if isinstance(value, tuple) else (value,):
        if parameter.choices and each not in parameter.choices:
            raise _bad(parameter)
    return value


def _bad(parameter: Parameter) -> ApiError:
    return ApiError(INVALID, f" {parameter.name}")


def _text(parameter: Parameter, given: Mapping[str, str]) -> str | None:
    return given.get(parameter.name) or None


def _number(parameter: Parameter, given: Mapping[str, str]) -> int | None:
    text = given.get(parameter.name)
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise _bad(parameter)
    number = int(text)
    if (parameter.least is not None and number < parameter.least) or (
        parameter.most is not None and number > parameter.most
    ):
        raise _bad(parameter)
    return number


_WHOLE = re.compile(r"-?[0-9]{1,9}")
_SWITCH = {"true": True, "false": False}


def _switch(parameter: Parameter, given: Mapping[str, str]) -> bool | None:
    text = given.get(parameter.name)
    if not text:
        return None
    if text.lower() not in _SWITCH:
        raise _bad(parameter)
    return _SWITCH[text.lower()]


def _time(parameter: Parameter, given: Mapping[str, str]) -> datetime | None:
    text = given.get(parameter.name)
    if not text:
        return None
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise _bad(parameter) from error


def _places(given: Mapping[str, str], pattern: re.Pattern[str]) -> list[tuple[int, re.Match[str], str]]:
    matches = ((pattern.fullmatch(name), value) for name, value in given.items())
    return sorted(((int(match[1]), match, value) for match, value in matches if match), key=lambda place: place[0])


def _list(parameter: Parameter, given: Mapping[str, str]) -> tuple[str, ...]:
    # Unverified: that gaps between the numbers do not matter.
    places = _places(given, re.compile(rf"{re.escape(parameter.name)}\.([1-9][0-9]{{0,8}})"))
    return tuple(value for _, _, value in places if value)


def _json_list(parameter: Parameter, given: Mapping[str, str]) -> tuple[str, ...]:
    text = given.get(parameter.name)
    if not text:
        return ()
    try:
        values = read_json(text)
    except ValueError as error:
        raise _bad(parameter) from error
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _bad(parameter)
    return tuple(values)


def _tags(parameter: Parameter, given: Mapping[str, str]) -> dict[str, str | None]:
    prefix = re.escape(parameter.name)
    keys = _places(given, re.compile(rf"{prefix}\.([1-9][0-9]{{0,8}})\.Key"))
    return {value: given.get(f"{parameter.name}.{place}.Value") or None for place, _, value in keys}


_READERS = {
    Form.TEXT: _text,
    Form.NUMBER: _number,
    Form.SWITCH: _switch,
    Form.TIME: _time,
    Form.LIST: _list,
    Form.JSON_LIST: _json_list,
    Form.TAGS: _tags,
}
