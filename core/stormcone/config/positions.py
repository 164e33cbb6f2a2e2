"""Where each key and each value of a TOML file stands, which `tomllib` does not tell.

Only for text that `tomllib` has taken: what is not TOML has been refused by then, so nothing is checked here.
"""

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, NamedTuple

KeyPath = tuple[str | int, ...]
"""The keys, and the numbers in arrays, that lead to a value."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(
    r"""
    \"{3} (?:\\.|[^\\])*? \"{3,5}(?!\")
    | '{3} .*? '{3,5}(?!')
    | \" (?:\\.|[^\"\\])* \"
    | ' [^']* '
    """,
    re.DOTALL | re.VERBOSE,
)
_PLAIN = re.compile(r"[^,\]}\n#]*")


class Place(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True)
class Positions:
    """Where things stand.

    Attributes:
        keys: each key, where it first stands.
        values: each value.
    """

    keys: dict[KeyPath, Place]
    values: dict[KeyPath, Place]

    def of(self, path: KeyPath) -> Place | None:
        """Where the value of a path stands, or the nearest that it is a part of; None where nothing of it is there."""
        for length in range(len(path), 0, -1):
            place = self.values.get(path[:length]) or self.keys.get(path[:length])
            if place is not None:
                return place
        return None


def positions_in(text: str) -> Positions:
    """Where the keys and values of a TOML text stand."""
    scanner = _Scanner(text)
    scanner.document()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(offset: int) -> Place:
        line = bisect_right(starts, offset)
        return Place(line, offset - starts[line - 1] + 1)

    return Positions(
        {path: place(offset) for path, offset in scanner.keys.items()},
        {path: place(offset) for path, offset in scanner.values.items()},
    )


class _Scanner:
    """Goes through a TOML text once, and notes the offset of each key and value."""

    def __init__(self, text: str) -> None:
        self.keys: dict[KeyPath, int] = {}
        self.values: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._tables: dict[KeyPath, int] = {}

    def document(self) -> None:
        table: KeyPath = ()
        self._skip()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip()

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at + 1
        return found[0] if found else ""

    def _header(self) -> KeyPath:
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        path: KeyPath = ()
        keys = self._dotted()
        for number, (key, offset) in enumerate(keys):
            path += (key,)
            self.keys.setdefault(path, offset)
            last = number == len(keys) - 1
            if many and last:
                self._tables[path] = self._tables.get(path, -1) + 1
            if path in self._tables:
                path += (self._tables[path],)
                self.keys.setdefault(path, offset)
        self._at += 2 if many else 1
        return path

    def _dotted(self) -> list[tuple[str, int]]:
        keys = []
        while True:
            self._blanks()
            keys.append((self._key_text(start := self._at), start))
            if not _DOT.match(self._text, self._at):
                self._blanks()
                return keys
            self._take(_DOT)

    def _blanks(self) -> None:
        while self._text[self._at : self._at + 1] in (" ", "\t"):
            self._at += 1

    def _key_text(self, start: int) -> str:
        if self._text[start] in "\"'":
            quoted = self._take(_STRING)
            return next(iter(tomllib.loads(f"{quoted} = 0")))
        return self._take(_BARE_KEY)

    def _pair(self, table: KeyPath) -> None:
        path = table
        for key, offset in self._dotted():
            path += (key,)
            self.keys.setdefault(path, offset)
        self._at += 1  # the sign of equality
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip()
        self.values[path] = self._at
        opening = self._text[self._at]
        if opening == "[":
            self._members("]", path)
        elif opening == "{":
            self._members("}", path)
        elif opening in "\"'":
            self._take(_STRING)
        else:
            self._take(_PLAIN)

    def _members(self, closing: str, path: KeyPath) -> None:
        self._at += 1
        number = 0
        self._skip()
        while self._text[self._at] != closing:
            if closing == "]":
                self._value((*path, number))
                number += 1
            else:
                self._pair(path)
            self._skip()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip()
        self._at += 1


def paths_of(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    """The paths of all that a document holds, tables and arrays included."""
    paths: list[KeyPath] = [path] if path else []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        paths += paths_of(member, (*path, key))
    return paths
