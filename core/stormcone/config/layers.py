"""What a configuration is made of, from weak to strong: a file, the environment, flags. Each layer knows its places."""

import json
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stormcone.config.model import RunSettings
from stormcone.config.names import VARIABLE_PREFIX, fields_of, flag_of, is_table, nearest, variable_of
from stormcone.config.positions import KeyPath, Place, Positions, positions_in
from stormcone.errors import SettingsError

MOST_BYTES = 1024 * 1024
"""A longer file is none that people have written."""

_MISSING = object()


@dataclass(frozen=True)
class Provenance:
    """Where a value comes from.

    Attributes:
        kind: `file`, `variable`, `flag` or `default`.
        name: the file's path, the variable or the flag.
        place: in a file; None elsewhere.
    """

    kind: str = "default"
    name: str = ""
    place: Place | None = None

    def __str__(self) -> str:
        if self.kind == "file":
            return f"{self.name}, {self.place}" if self.place else self.name
        return f"{self.kind} {self.name}".rstrip()


@dataclass(frozen=True)
class Layer:
    """One source of settings.

    Attributes:
        document: what it says, as nested tables.
    """

    document: Mapping[str, Any] = field(default_factory=dict)

    def has(self, path: KeyPath) -> bool:
        """Whether it says something at that path."""
        return found(self.document, path) is not _MISSING

    def origin(self, path: KeyPath, *, key: bool = False) -> Provenance:  # noqa: ARG002 - for layers with places
        """Where it says what is at a path.

        Args:
            path: of the value.
            key: name the place of its key.
        """
        return Provenance()


class Flags(Layer):
    """What the command line says."""

    def origin(self, path: KeyPath, *, key: bool = False) -> Provenance:  # noqa: ARG002
        """The flag."""
        return Provenance("flag", flag_of(path[:1]))


@dataclass(frozen=True)
class Variables(Layer):
    """What the environment says.

    Attributes:
        names: the variables that it is made of.
    """

    names: frozenset[str] = frozenset()

    def origin(self, path: KeyPath, *, key: bool = False) -> Provenance:  # noqa: ARG002
        """The variable, which may hold a whole table."""
        parts = (path[:length] for length in range(1, len(path) + 1))
        whole = next((part for part in parts if variable_of(part) in self.names), path)
        return Provenance("variable", variable_of(whole))


@dataclass(frozen=True)
class File(Layer):
    """What a file says.

    Attributes:
        path: the file.
        mode: its permissions when it was read.
        positions: where everything in it stands.
    """

    path: Path = Path()
    mode: int = 0
    positions: Positions = field(default_factory=lambda: Positions({}, {}))

    def origin(self, path: KeyPath, *, key: bool = False) -> Provenance:
        """File, line and column of a value, or of its key."""
        at = self.positions.keys.get(path) if key else None
        return Provenance("file", str(self.path), at or self.positions.of(path))


def found(document: Any, path: KeyPath) -> Any:
    """What a document has at a path; a mark of its own where it has nothing there."""
    for key in path:
        try:
            document = document[key] if not isinstance(document, str) else _MISSING
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return document


def read_file(path: Path) -> File:
    """The layer of a file.

    Raises:
        SettingsError: it cannot be read, is no TOML, or anybody may change it.
    """
    try:
        with path.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            content = opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise SettingsError(f"there is no configuration file {path}; name another with --config") from None
    except PermissionError:
        raise SettingsError(
            f"this user may not read the configuration {path}; let it (chmod o+r, with secrets in files or variables "
            "of their own), or name another with --config"
        ) from None
    except OSError as error:
        raise SettingsError(
            f"the configuration {path} cannot be read: {error.strerror}; correct that, or name another with --config"
        ) from error
    if len(content) > MOST_BYTES:
        raise SettingsError(f"the configuration {path} is larger than 1 MiB, so it is not a configuration")
    if mode & stat.S_IWOTH and path.is_file():
        raise SettingsError(f"anybody may change the configuration {path} (mode {mode:04o}); chmod o-w {path}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(f"the configuration {path} is not UTF-8 in line {line}; save it as UTF-8") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_not_toml(path, text, str(error))) from None
    except RecursionError:
        raise SettingsError(f"the configuration {path} is nested too deeply") from None
    return File(document, path, mode, positions_in(text))


_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_UNQUOTED = re.compile(r"\s*([\w.-]+)\s*=\s*([^\s\"'\[{#][^\s#]*)")


def _not_toml(path: Path, text: str, error: str) -> str:
    at = _AT.search(error)
    line = int(at[1]) if at and at[1] else text.count("\n") + 1
    place = f"line {line}, column {at[2]}" if at and at[1] else "its end"
    lines = text.splitlines()
    unquoted = _UNQUOTED.match(lines[line - 1]) if line <= len(lines) else None
    hint = f'; texts and lengths of time need quotes: {unquoted[1]} = "{unquoted[2]}"' if unquoted else ""
    why = _AT.sub("", error)
    return f"the configuration is not valid TOML at {path}, {place}: {why[:1].lower()}{why[1:]}{hint}"


def read_variables(environment: Mapping[str, str]) -> Variables:
    """The layer of the environment: `STORMCONE_NAME`, and `STORMCONE_TABLE__NAME` for what is within a table.

    What is empty is not there. A variable that nobody here knows is left alone, unless it looks like a misspelt one.

    Raises:
        SettingsError: one is misspelt, or holds no JSON where it must.
    """
    document: dict[str, Any] = {}
    names: set[str] = set()
    known = fields_of(RunSettings)
    for variable, text in sorted(environment.items()):
        if not variable.startswith(VARIABLE_PREFIX) or not text:
            continue
        first, *rest = variable.removeprefix(VARIABLE_PREFIX).lower().split("__")
        if first not in known:
            if first not in OTHER_VARIABLES and (near := nearest(first, known, VARIABLE_CLOSE)):
                raise SettingsError(
                    f"there is no setting for the variable {variable}; did you mean {variable_of((near,))}?"
                )
            continue
        table = document
        for key in [first, *rest][:-1]:
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                raise SettingsError(f"the variables {variable_of((first,))} and {variable} say the same; leave one out")
            table = inner
        table[rest[-1] if rest else first] = text if rest or not is_table(known[first]) else _json(variable, text)
        names.add(variable)
    return Variables(document, frozenset(names))


VARIABLE_CLOSE = 0.85
"""Above that a name is taken for a misspelt one; others may have variables of their own."""

OTHER_VARIABLES = frozenset({"config"})
"""Variables of ours that are no settings, without their prefix."""


def _json(variable: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SettingsError(f"the variable {variable} must be JSON, since it is a table: {error}") from None
