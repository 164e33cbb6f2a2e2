"""The map of the house, drawn from `docs/data/house.toml`."""

import tomllib
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import svg

HOUSE = Path(__file__).parents[1] / "data" / "house.toml"

_WIDTH, _BOX, _ROW, _GAP = 1250, 34, 78, 14
_KINDS = {"simulators/": "simulator", "stormcone_": "provider"}


class Room(NamedTuple):
    """One room.

    Attributes:
        name: what the map calls it.
        modules: what stands in it, each with all that is below it.
        stands_on: the rooms that it imports from.
        holds: one line.
    """

    name: str
    modules: tuple[str, ...]
    stands_on: tuple[str, ...]
    holds: str


@cache  # a test asks for each import of the house
def _data() -> dict[str, Any]:
    return tomllib.loads(HOUSE.read_text(encoding="utf-8"))


def rooms() -> list[Room]:
    """All rooms, from the top."""
    return [
        Room(each["name"], tuple(each["modules"]), tuple(each["stands_on"]), each["holds"]) for each in _data()["room"]
    ]


def changes() -> list[tuple[str, str]]:
    """Where one would change what: what is wanted, and the path."""
    return [(each["want"], each["where"]) for each in _data()["change"]]


def floors(house: list[Room]) -> dict[str, int]:
    """The floor of each room, from 0: one above the highest that it stands on.

    Raises:
        RecursionError: rooms stand on one another in a circle.
    """
    below = {room.name: room.stands_on for room in house}

    def floor(name: str) -> int:
        return max((floor(each) + 1 for each in below[name]), default=0)

    return {name: floor(name) for name in below}


def _drawn(house: list[Room]) -> dict[str, set[str]]:
    """The rooms right below each one: what it also reaches through another is not drawn."""
    below = {room.name: set(room.stands_on) for room in house}

    def reach(name: str) -> set[str]:
        return below[name].union(*(reach(each) for each in below[name]))

    return {
        name: {each for each in own if not any(each in reach(other) for other in own)} for name, own in below.items()
    }


def picture() -> str:
    """The house as an SVG: an arrow goes from a room to one that it stands on."""
    house = rooms()
    floor = floors(house)
    top = max(floor.values())
    places: dict[str, tuple[float, float, float]] = {}
    for level in range(top + 1):
        names = [room.name for room in house if floor[room.name] == level]
        width = min(190.0, (_WIDTH - _GAP) / len(names) - _GAP)
        left = (_WIDTH - len(names) * (width + _GAP) + _GAP) / 2
        for number, name in enumerate(names):
            places[name] = (left + number * (width + _GAP), 10 + (top - level) * _ROW, width)
    lines = []
    for name, others in _drawn(house).items():
        x, y, width = places[name]
        for other in sorted(others):
            left, down, across = places[other]
            lines.append(svg.arrow(f"M{x + width / 2:.0f} {y + _BOX}L{left + across / 2:.0f} {down}"))
    for room in house:
        x, y, width = places[room.name]
        kind = next((kind for start, kind in _KINDS.items() if room.name.startswith(start)), "")
        drawn = svg.box(round(x), y, round(width), _BOX, room.name, f"box {kind}".rstrip())
        lines.append(f"<g><title>{escape(room.holds)}</title>{drawn}</g>")
    says = "The rooms of the house, each above those that it stands on"
    return svg.picture("house", says, top * _ROW + _BOX + 20, lines, width=_WIDTH)
