"""What is wrong with a configuration, in one sentence that says where it stands and what to write."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from stormcone.config.layers import Layer
from stormcone.config.model import RunSettings
from stormcone.config.names import fields_of, key_of, model_at, nearest
from stormcone.config.positions import KeyPath
from stormcone.errors import SettingsError
from stormcone.text import printable, shortened

_LONGEST = 300

_MISSPELT = "extra_forbidden"
"""What pydantic calls a key that there is not."""


def complaint_of(error: ValidationError, layers: Sequence[Layer]) -> SettingsError:
    """The first mistake as an error, a misspelt key before what it lacks for that, and how many more there are.

    Args:
        error: all of them.
        layers: from strong to weak.
    """
    mistakes = sorted(error.errors(include_url=False), key=lambda each: each["type"] != _MISSPELT)
    sentences = list(dict.fromkeys(_sentence(each, layers) for each in mistakes))
    more = f"; and {len(sentences) - 1} more mistake(s)" if len(sentences) > 1 else ""
    return SettingsError(f"{sentences[0]}{more}")


def _sentence(error: Any, layers: Sequence[Layer]) -> str:
    path: KeyPath = tuple(error["loc"])
    layer = _whose(path, layers)
    while path and not layer.has(path):  # the end of it names a kind of value, not a place
        path = path[:-1]
    if error["type"] == _MISSPELT:
        return _unknown(path, layer)
    return f"{key_of(path)}: {why(error)} ({layer.origin(path)})"


def _whose(path: KeyPath, layers: Sequence[Layer]) -> Layer:
    for length in range(len(path), 0, -1):
        for layer in layers:
            if layer.has(path[:length]):
                return layer
    return Layer()


def _unknown(path: KeyPath, layer: Layer) -> str:
    table = model_at(RunSettings, path[:-1]) or RunSettings
    known = list(fields_of(table))
    near = nearest(str(path[-1]), known)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
    return printable(f"there is no key {key_of(path)} ({layer.origin(path, key=True)}); {hint}")


def why(error: Any) -> str:
    """Why a value is refused, by one of pydantic's errors, as a clause."""
    kind, given = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"it lacks {error['loc'][-1]}"
    if kind == "value_error":
        return printable(shortened(str(given["error"]), _LONGEST))
    if kind in {"literal_error", "enum"}:
        expected = given["expected"].replace("'", "")
        near = nearest(str(error["input"]), expected.replace(" or ", ", ").split(", "))
        return printable(
            f"it is {expected}, not {error['input']!r}{f'; did you mean {near}?' if near else ''}"[:_LONGEST]
        )
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return "it is a table, with a heading in square brackets"
    message: str = error["msg"]
    return message[:1].lower() + message[1:]
