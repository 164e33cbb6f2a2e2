"""How deep a text may be nested, found out before a parser sees it.

A short text that is nested deep costs a parser a multiple of its size: 200 kB of one dotted key in TOML are 24 GB. So
brackets and dots are counted first, in one pass that keeps nothing; strings and comments do not count. Whoever reads
the text bounds its size.
"""

import json
import re
from typing import Any

MAX_DEPTH = 32
"""Tables and lists within one another, in any text that is read; what scenarios need is less than ten."""

MAX_NAMES = 20_000
"""Parts of dotted names, tables and lists in one TOML text; a scenario of the most steps has half as many."""

# What is not closed reaches to the end, so that no text makes the pattern look at a place twice.
_JSON_MARK = re.compile(r'"(?:[^"\\]+|\\.)*+"?|[\[\]{}]', re.DOTALL)
_TOML_MARK = re.compile(
    r'"""(?:[^"\\]+|\\.|"(?!""))*+(?:"{3,5}|\\?\Z)|'
    r"'''(?:[^']+|'(?!''))*+(?:'{3,5}|\Z)|"
    r'"(?:[^"\\\n]+|\\[^\n])*+"?|'
    r"'[^'\n]*+'?|#[^\n]*+|[\[\]{}.,=\n]",
    re.DOTALL,
)


class TooDeep(ValueError):
    """The text is nested deeper than anything that is read; the text says where, and what to do."""


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text; bytes are UTF-8.

    Raises:
        TooDeep: it is nested deeper than `MAX_DEPTH`.
        ValueError: it is not JSON.
    """
    text = text if isinstance(text, str) else text.decode("utf-8-sig")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_json(text)
    return json.loads(text)


def check_toml(text: str) -> None:
    """Find out that a TOML text is not nested too deep; whether it is TOML at all, its reader says.

    Raises:
        TooDeep: it is nested deeper than `MAX_DEPTH`, or has more than `MAX_NAMES` names.
    """
    depth = _TomlDepth()
    names, line = 0, 1
    for match in _TOML_MARK.finditer(text):
        mark = match[0]
        if len(mark) > 1:
            line += mark.count("\n")
            continue
        names += mark in ".[{"
        if depth.after(mark) > MAX_DEPTH:
            raise _too_deep(line)
        if names > MAX_NAMES:
            raise TooDeep(f"line {line}: it has more than {MAX_NAMES} tables, lists and parts of names; split it")
        line += mark == "\n"


def _check_json(text: str) -> None:
    depth = 0
    for match in _JSON_MARK.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(text.count("\n", 0, match.start()) + 1)
        elif match[0] in "]}":
            depth -= 1


def _too_deep(line: int) -> TooDeep:
    return TooDeep(f"line {line}: it is nested more than {MAX_DEPTH} deep; take levels out")


class _TomlDepth:
    """How deep a reader of TOML stands after each of the marks that nest or end something."""

    def __init__(self) -> None:
        self._table = 0  # what the last header opened
        self._around: list[tuple[str, int]] = []  # the open brackets, and how deep each stands
        self._names = 0  # dots of the key that is being read, or of the header
        self._in_header = self._in_value = False

    def after(self, mark: str) -> int:
        """The depth after this mark."""
        if self._around:
            self._inside(mark)
        elif mark == "\n":
            if self._in_header:
                self._table = self._names
            self._names, self._in_header, self._in_value = 0, False, False
        elif mark == "=":
            self._in_value = True
        elif mark in "[{" and self._in_value:
            self._open(mark)
        elif mark in ".[":
            self._in_header = self._in_header or mark == "["
            self._names += 1
        return self._depth()

    def _inside(self, mark: str) -> None:
        bracket, _ = self._around[-1]
        if mark in "[{":
            self._open(mark)
        elif mark in "]}":
            _, self._names = self._around.pop()
        elif mark == "," and bracket == "{":
            self._names = 0
        elif mark == "." and bracket == "{":
            self._names += 1

    def _open(self, mark: str) -> None:
        self._around.append((mark, self._names))
        self._names = 0

    def _depth(self) -> int:
        outer = sum(names + 1 for _, names in self._around)
        return outer + self._names + (0 if self._in_header else self._table)
