"""Reads JSON as a metadata service may really send it, so that one odd value spoils nothing beside it.

What comes out holds nothing that a journal, a log or a model could choke on later: no infinite number, no lone
surrogate, no number of thousands of digits, no nesting without an end. Such values are kept as text.
"""

import json
import math
import re
from itertools import accumulate
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

DEPTH_LIMIT = 32
"""Levels of nesting below which values are replaced by `TOO_DEEP`."""

TOO_DEEP = "(nested too deep)"

DEEPEST = 400
"""Levels of nesting of which a text is not read at all: where a reader runs out of stack, so does whatever else runs
then, such as the finalizers of the garbage collector."""

_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_NO_BRACKETS = re.compile(r"[^][{}]+")
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)

_LONGEST_INTEGER = 20

Model = TypeVar("Model", bound=BaseModel)


def read_json(body: bytes) -> JsonValue:
    """The value that a body holds; an object in which a key stands twice is one of `Repeated`.

    Bytes that are not UTF-8 become U+FFFD where they stand.

    Raises:
        ValueError: it holds none; the text says why, to go after "it".
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip():
        raise ValueError("is empty")
    if _depth(text) > DEEPEST and _depth(_STRINGS.sub("", text)) > DEEPEST:  # most texts need no look for strings
        raise ValueError("is nested too deep")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=str, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except ValueError:
        raise ValueError("is not JSON") from None
    return _cleaned(value, DEPTH_LIMIT)


class Repeated(dict[str, JsonValue]):
    """An object in which a key stands twice: the last one counts here, and the first one for others."""


def repeats(value: JsonValue) -> bool:
    """Whether a key appears twice in an object, here or further down: then it says two things."""
    if isinstance(value, dict):
        return isinstance(value, Repeated) or any(map(repeats, value.values()))
    return isinstance(value, list) and any(map(repeats, value))


def read_fields(model: type[Model], fields: dict[str, JsonValue]) -> tuple[Model, dict[str, str]]:
    """A model of an object's fields without those that cannot be read, and why they cannot, by their path.

    A `null` is a field that is not there.
    """
    known: dict[str, JsonValue] = {name: value for name, value in fields.items() if value is not None}
    try:
        return model.model_validate(known), {}
    except ValidationError as error:
        bad = {error["loc"]: error["msg"] for error in error.errors(include_url=False, include_input=False)}
    for place in sorted({path[:2] for path in bad}, key=_position, reverse=True):
        _drop(known, place)
    return model.model_validate(known), {".".join(map(str, path)): _plain(why) for path, why in bad.items()}


def _drop(fields: dict[str, JsonValue], path: tuple[int | str, ...]) -> None:
    name = str(path[0])
    value = fields.get(name)
    if len(path) > 1 and isinstance(value, list):
        fields[name] = [item for index, item in enumerate(value) if index != path[1]]
    else:
        fields.pop(name, None)


def _position(path: tuple[int | str, ...]) -> int:
    # Items of a list go from the last to the first, so that the others keep their places.
    return path[1] if len(path) > 1 and isinstance(path[1], int) else -1


def _plain(why: str) -> str:
    words = why.removeprefix("Value error, ")
    return words[:1].lower() + words[1:]


def _depth(text: str) -> int:
    """How deep the brackets of a text are nested; those within strings count."""
    return max(accumulate(map(_STEPS.__getitem__, _NO_BRACKETS.sub("", text))), default=0)


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else Repeated(fields)


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_INTEGER else text


def _real(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _text(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cleaned(value: JsonValue, levels: int) -> JsonValue:
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return TOO_DEEP
    if isinstance(value, list):
        return [_cleaned(item, levels - 1) for item in value]
    cleaned = {_text(name): _cleaned(item, levels - 1) for name, item in value.items()}
    return Repeated(cleaned) if isinstance(value, Repeated) else cleaned
