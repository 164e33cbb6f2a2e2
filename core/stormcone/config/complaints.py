"""What is wrong with a configuration, in one sentence that says where it stands and what to write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from stormcone.config.layers import Layer, Provenance
from stormcone.config.model import RunSettings
from stormcone.config.names import fields_of, is_table, key_of, model_at, nearest
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
    if error["type"] == "missing" and (near := _misspelt(path, error["input"])):
        return no_such_key((*path[:-1], near), layer.origin((*path[:-1], near), key=True), path[-1:])
    while path and not layer.has(path):  # the end of it names a kind of value, not a place
        path = path[:-1]
    if error["type"] == _MISSPELT:
        table = model_at(RunSettings, path[:-1]) or RunSettings
        return no_such_key(path, layer.origin(path, key=True), fields_of(table))
    if isinstance(error["input"], Mapping) and (near := _table_like(path)):
        return f"{key_of(path)} is no table ({layer.origin(path, key=True)}); did you mean [{near}.NAME]?"
    return f"{key_of(path)}: {why(error)} ({layer.origin(path)})"


def _whose(path: KeyPath, layers: Sequence[Layer]) -> Layer:
    for length in range(len(path), 0, -1):
        for layer in layers:
            if layer.has(path[:length]):
                return layer
    return Layer()


def no_such_key(path: KeyPath, origin: Provenance, known: Iterable[object]) -> str:
    """That there is no key of that name, with the nearest of those that there are."""
    names = [str(name) for name in known]
    near = nearest(str(path[-1]), names)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(names)}"
    return printable(f"there is no key {key_of(path)} ({origin}); {hint}")


def meant(error: Exception, table: type[BaseModel]) -> str:
    """The table's own key that was meant by a setting that its provider does not have; "" where none is the nearest."""
    if not isinstance(error, SettingsError) or error.known is None:
        return ""
    own = fields_of(table)
    near = nearest(error.setting, [*own, *error.known])
    return near if near in own else ""


def _misspelt(path: KeyPath, table: Mapping[str, Any]) -> str:
    """Of what a table that lacks a key has beside its own keys, what is most likely that key; "" for nothing."""
    own = fields_of(model_at(RunSettings, path[:-1]) or RunSettings)
    return nearest(str(path[-1]), [key for key in table if key not in own])


def _table_like(path: KeyPath) -> str:
    """The table whose name is nearest to that of a key that is none, at the outside of a configuration; "" for none."""
    known = fields_of(RunSettings)
    if len(path) > 1 or is_table(known[str(path[0])]):
        return ""
    return nearest(str(path[0]), [name for name, field in known.items() if is_table(field)])


def why(error: Any) -> str:
    """Why a value is refused, by one of pydantic's errors, as a clause."""
    kind, given = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"it lacks {error['loc'][-1]}"
    if kind == "value_error":
        return printable(shortened(str(given["error"]), _LONGEST))
    if kind == "tuple_type":
        return f"it is a list of tables, each with the heading [[{error['loc'][0]}]]"
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
