"""What came of a recipe's two plays: as data, and as a table."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipes.play import Performance, Scene

WITHOUT, WITH = "without stormcone", "with stormcone"


def document(kind: "type[Scene]", performances: Mapping[str, "Performance"], command: str) -> dict[str, Any]:
    """All that is kept of a recipe, for `docs/data`."""
    return {
        "title": kind.title,
        "counted": kind.counted,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": command,
        "processors": os.cpu_count(),
        "plays": {name: _play(performance) for name, performance in performances.items()},
    }


def _play(performance: "Performance") -> dict[str, Any]:
    lost = Counter(request.lost for request in performance.requests if request.lost is not None)
    return {
        "sent": len(performance.requests),
        "lost": performance.lost,
        "why": dict(lost.most_common()),
        "slowest_seconds": round(performance.slowest, 2),
        "figures": dict(performance.figures),
        "marks": dict(performance.marks),
        "requests": [
            [round(each.at, 2), round(each.took, 2), int(each.lost is not None)] for each in performance.requests
        ],
    }


def table(recipe: Mapping[str, Any]) -> list[list[str]]:
    """The recipe's table, its header first."""
    plays: Mapping[str, Mapping[str, Any]] = recipe["plays"]
    rows: list[Sequence[object]] = [
        [f"{recipe['counted']} sent", *(play["sent"] for play in plays.values())],
        [f"{recipe['counted']} lost", *(play["lost"] for play in plays.values())],
        ["the slowest took", *(f"{play['slowest_seconds']:.2f} s" for play in plays.values())],
    ]
    names = {name: None for play in plays.values() for name in play["figures"]}
    rows += [[name, *(f"{play['figures'].get(name, 0):g}" for play in plays.values())] for name in names]
    return [["", *plays], *([str(cell) for cell in row] for row in rows)]


def lines(recipe: Mapping[str, Any]) -> list[str]:
    """The table for a terminal."""
    rows = table(recipe)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(both))
        for both in (list(zip(row, widths, strict=True)) for row in rows)
    ]
