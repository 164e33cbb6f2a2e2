"""The line of each table and key in a TOML text, as the standard library's reader does not tell it.

Not a second reader: it is asked only about texts that tomllib has taken. A quoted key, or one in an inline table, is
not found by itself; its table or the key that holds it is.
"""

import re

Place = tuple[str | int, ...]
"""A way into a document: names of keys, and numbers of entries from 0."""

_QUOTED = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}" + r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'|#[^\n]*", re.DOTALL
)
_HEADER = re.compile(r"\s*(\[\[?)\s*([\w-]+(?:\s*\.\s*[\w-]+)*)\s*\]")
_KEY = re.compile(r"\s*([\w-]+(?:\s*\.\s*[\w-]+)*)\s*=")


def lines_of(text: str) -> dict[Place, int]:
    """The line, from 1, of each table and key; entries of an array of tables are counted from 0."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    depth = 0
    for number, line in enumerate(_QUOTED.sub(_blank, text).split("\n"), 1):
        if depth == 0 and (header := _HEADER.match(line)):
            table = _table(_words(header[2]), counts, new=header[1] == "[[")
            lines.setdefault(table, number)
        elif depth == 0 and (key := _KEY.match(line)):
            words = _words(key[1])
            for length in range(1, len(words) + 1):
                lines.setdefault((*table, *words[:length]), number)
        depth += sum(map(line.count, "[{")) - sum(map(line.count, "]}"))
    return lines


def _blank(quoted: re.Match[str]) -> str:
    """As many lines, with nothing on them that looks like TOML."""
    return "\n" * quoted[0].count("\n")


def _words(dotted: str) -> Place:
    return tuple(word.strip() for word in dotted.split("."))


def _table(words: Place, counts: dict[Place, int], *, new: bool) -> Place:
    """The table that a header opens: under the last entry of every array of tables on its way."""
    place: Place = ()
    for position, word in enumerate(words, 1):
        place = (*place, word)
        if new and position == len(words):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place
