"""The reference of the configuration, and a commented sample of it: both made of the model, so neither can be old."""

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from stormcone.config.model import RunSettings
from stormcone.config.names import fields_of, is_table, models_in
from stormcone.config.show import plain, toml
from stormcone.postgresql.address import DatabaseAddress

WIDTH = 100
"""Columns of the sample."""

_HEADER = """\
# A configuration of stormcone: /etc/stormcone/stormcone.toml, or what --config names.
#
# Each commented key shows its default or an example; remove the mark (#) to set it. Variables
# (STORMCONE_KEEP) win over this file, and flags (--keep) over both. `stormcone config` shows
# what is in force, and where each value comes from.
"""

_KINDS = {
    timedelta: "length of time",
    bool: "true or false",
    int: "number",
    float: "number",
    str: "text",
    Path: "file",
    DatabaseAddress: "database",
    SecretStr: "secret",
}


@dataclass(frozen=True)
class Entry:
    """One key.

    Attributes:
        key: its name in its table.
        kind: what its value is, for people.
        default: as TOML has it; "" where it is unset.
        help: what it means, in Markdown.
        example: a line of the sample.
    """

    key: str
    kind: str
    default: str
    help: str
    example: str


@dataclass(frozen=True)
class Section:
    """One table of the file.

    Attributes:
        heading: as the file has it; "" for the keys that stand before all tables.
        help: what it is for.
        entries: its keys.
    """

    heading: str
    help: str
    entries: tuple[Entry, ...]


def sections() -> Iterator[Section]:
    """The tables of the file, in the model's order; the first has the keys that stand before them."""
    fields = fields_of(RunSettings)
    entries = [_entry(key, field) for key, field in fields.items() if not is_table(field)]
    yield Section("", "What stands before all tables.", tuple(entries))
    for key, field in fields.items():
        if is_table(field):
            yield _section(key, field)


def _section(key: str, field: FieldInfo) -> Section:
    model = next(iter(models_in(field.annotation)))
    shape = get_origin(field.annotation)
    heading = f"[{key}.NAME]" if shape is dict else f"[[{key}]]" if shape is tuple else f"[{key}]"
    entries = tuple(_entry(name, each) for name, each in fields_of(model).items())
    about = _text(field.description) or _text(model.__doc__)
    return Section(heading, about, entries)


def _entry(key: str, field: FieldInfo) -> Entry:
    default = plain(field.get_default(call_default_factory=True))
    unset = default is None or default == []
    example = field.examples[0] if field.examples else _example(field.annotation) if unset else default
    return Entry(
        key=key,
        kind=_kind(field.annotation),
        default="" if unset else toml(default),
        help=_text(field.description),
        example=f"{key} = {toml(example)}",
    )


def _text(description: str | None) -> str:
    return " ".join(inspect.cleandoc(description or "").split())


def _example(annotation: Any) -> Any:
    """A value of that kind, for a key that says none."""
    words = _kind(annotation)
    return {"length of time": "5m", "true or false": True, "number": 1}.get(words, "..." if "list" not in words else [])


def _kind(annotation: Any) -> str:
    """What a value is, for people."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{each.value}`" for each in annotation)
    if origin in (frozenset, set, list, tuple):
        return f"list of {_plural(arguments[0])}"
    if origin is not None and arguments and annotation not in _KINDS:
        parts = arguments[:1] if hasattr(annotation, "__metadata__") else arguments
        return " or ".join(dict.fromkeys(_kind(each) for each in parts if each is not NoneType))
    return _KINDS.get(annotation, "value")


def _plural(annotation: Any) -> str:
    return (
        _kind(annotation) if isinstance(annotation, type) and issubclass(annotation, Enum) else f"{_kind(annotation)}s"
    )


def sample() -> str:
    """A file that says nothing and has every key with its meaning, for people to begin with."""
    parts = [_HEADER.rstrip()]
    for section in sections():
        heading = section.heading.replace("NAME", "name")
        parts.append(_comment(section.help) if heading else "")
        if heading:
            parts[-1] += f"\n#{heading}"
        parts += [f"{_comment(entry.help)}\n#{entry.example}" for entry in section.entries]
    return "\n\n".join(part for part in parts if part) + "\n"


def _comment(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
