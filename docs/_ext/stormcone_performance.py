"""Pages of what was measured: the table of the last run, and plots of how cost grows, from what it wrote down."""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import svg

ROOT = Path(__file__).parents[2]
COMMANDS = {"performance": "make bench", "fleet": "make bench-fleet"}
"""The tables, and what measures each."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 584, 30, 236
_DECADES = 30
"""An axis is logarithmic where its largest value is so many times the smallest."""


def results(table: str = "performance") -> dict[str, dict[str, Any]]:
    """Every row of a table that has been measured, by name."""
    found: dict[str, dict[str, Any]] = json.loads((ROOT / "docs" / "data" / f"{table}.json").read_text("utf-8"))
    return found


def performance(table: str = "performance") -> list[str]:
    """A table, as lines of Markdown, with where and when it was measured."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from figures import HEADER, cells
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    lines = ["| " + " | ".join(HEADER) + " |", "| --- | ---: | --- | ---: | ---: | --- |"]
    for name, row in results(table).items():
        lines.append(f"| **{row['what']}** (`ROW={name}`): {row['measured']} | | | | | {row['aim']} |")
        for line in row["lines"]:
            texts = (text.replace("|", "\\|") for text in cells(line))
            lines.append("| " + " | ".join(texts) + " |")
    return [*lines, "", *_provenance(table)]


def _provenance(table: str) -> Iterator[str]:
    """When, on what and beside how much other work each row was measured."""
    runs: dict[tuple[str, str, float], list[str]] = {}
    for name, row in results(table).items():
        runs.setdefault((row["date"][:10], row["machine"], row["load"]), []).append(f"`{name}`")
    for (date, machine, load), names in sorted(runs.items()):
        yield f"- {date}, {machine}, `{COMMANDS[table]}`, with a load of {load:g}: {', '.join(names)}"


def curves(*tables: str) -> dict[str, dict[str, Any]]:
    """What can be plotted of these tables, or of all, by name."""
    rows = (row for table in tables or COMMANDS for row in results(table).values())
    return {curve["name"]: curve for row in rows for curve in row["curves"]}


def plot(name: str) -> str:
    """A plot of how cost grows."""
    curve = curves()[name]
    series: dict[str, list[list[float]]] = curve["series"]
    points = [point for line in series.values() for point in line]
    across, up = _Axis([x for x, _ in points], _LEFT, _RIGHT), _Axis([y for _, y in points], _BOTTOM, _TOP)
    parts = [
        svg.text(_LEFT, 16, [curve["y"]], "label"),
        svg.text(_RIGHT, _BOTTOM + 38, [curve["x"]], "label", "end"),
        f'<path class="axis" d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"/>',
    ]
    for value in across.ticks():
        x = across.place(value)
        parts.append(f'<path class="axis" d="M{x:g} {_BOTTOM}v5"/>')
        parts.append(svg.text(x, _BOTTOM + 20, [f"{value:,g}"], "label", "middle"))
    for value in up.ticks():
        y = up.place(value)
        parts.append(f'<path class="axis" d="M{_LEFT} {y:g}h-5"/>')
        parts.append(svg.text(_LEFT - 8, y + 4, [f"{value:,.3g}"], "label", "end"))
    for number, (label, line) in enumerate(series.items()):
        placed = [(across.place(x), up.place(y)) for x, y in sorted(line)]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
        parts.append(f'<path class="curve lane-{number}" d="M{path}"/>')
        parts += [f'<circle class="lane-{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed]
        parts.append(f'<circle class="lane-{number}" cx="{_LEFT + 20}" cy="{_TOP + 6 + number * 18}" r="4"/>')
        parts.append(svg.text(_LEFT + 30, _TOP + 11 + number * 18, [label], "label"))
    says = f"{curve['y']} by {curve['x']}: {', '.join(series)}"
    return svg.picture(f"curve-{name}", says, _BOTTOM + 46, parts)


class _Axis:
    """From values to places; logarithmic where they differ by decades."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values), max(values)
        self._log = low > 0 and high / low > _DECADES
        self.low: float = 10.0 ** math.floor(math.log10(low)) if self._log else min(low, 0.0)
        self.high: float = 10.0 ** math.ceil(math.log10(high)) if self._log else high * 1.1
        self._begin, self._end = begin, end

    def place(self, value: float) -> float:
        """Where the value is."""
        scale = math.log10 if self._log else float
        part = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self._begin + part * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """Values to mark."""
        if self._log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        step = 10.0 ** math.floor(math.log10(self.high / 2))
        step *= next(factor for factor in (1, 2, 5) if self.high / (step * factor) <= 6)
        return [step * number for number in range(int(self.high / step) + 1)]
