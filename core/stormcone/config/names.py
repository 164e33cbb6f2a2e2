"""The names of settings: one name in three spellings, and the nearest of those that there are."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stormcone.config.positions import KeyPath

VARIABLE_PREFIX = "STORMCONE_"

CLOSE = 0.7
_ARGUMENT = "handlers"


def variable_of(path: KeyPath) -> str:
    """The variable of the environment in a setting's place."""
    return VARIABLE_PREFIX + "__".join(str(part) for part in path).upper()


def flag_of(path: KeyPath) -> str:
    """The option of the command line in a setting's place."""
    if path[:1] == (_ARGUMENT,):
        return "FILE"
    return "--" + "-".join(str(part) for part in path if not isinstance(part, int)).replace("_", "-")


def key_of(path: KeyPath) -> str:
    """A setting as people name it: `commands.drain.lead`, `rules[2].impacts`, where the first is 1."""
    parts = [f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def nearest(name: str, known: Iterable[str], close: float = CLOSE) -> str:
    """The nearest of the known names; "" where none is as near as that."""
    plain = name.casefold().replace("-", "_")
    near = get_close_matches(plain, list(known), 1, close)
    return near[0] if near else ""


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by their names in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    """The models that a kind is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)


def is_table(field: FieldInfo) -> bool:
    """Whether it is a table, or several."""
    return any(True for _ in models_in(field.annotation))


def model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model of the table at a path; None where there is none."""
    at: type[BaseModel] | None = model
    named = False
    for key in path:
        if isinstance(key, int) or named:  # which of several tables
            named = False
            continue
        field = fields_of(at).get(key) if at else None
        at = next(iter(models_in(field.annotation)), None) if field else None
        named = field is not None and get_origin(field.annotation) is dict
    return at
