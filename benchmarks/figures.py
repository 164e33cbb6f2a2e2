"""What a row measures, as values, and how they are judged and shown."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One number with its unit."""

    name: str
    value: float
    unit: str


class Curve(NamedTuple):
    """How cost grows: a plot with a line for each of its series.

    Attributes:
        name: for the page that shows it.
        x: what grows.
        y: what it costs, with the unit.
        series: the points of each line, by its name.
    """

    name: str
    x: str
    y: str
    series: Mapping[str, Sequence[tuple[float, float]]]


class Measured(NamedTuple):
    """What one row has measured."""

    figures: Sequence[Figure]
    curves: Sequence[Curve] = ()


def as_json(row: Mapping[str, Any], measured: Measured, seconds: float) -> dict[str, Any]:
    """A row's result: what the table says of it, what was measured, where and when."""
    figures = {figure.name: figure for figure in measured.figures}
    return {
        "what": row["what"],
        "measured": row["measured"],
        "aim": row["aim"],
        "lines": [_judged(line, figures) for line in row["lines"]],
        "figures": {figure.name: [_digits(figure.value), figure.unit] for figure in measured.figures},
        "curves": [_plain(curve) for curve in measured.curves],
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "seconds": round(seconds, 1),
    }


def _judged(line: Mapping[str, Any], figures: Mapping[str, Figure]) -> dict[str, Any]:
    """A line of the table with its numbers: `met` is None where nothing is aimed at."""
    ours = figures[line["figure"]]
    other = figures[line["beside"]] if "beside" in line else None
    value = ours.value / other.value if other else ours.value
    met = None
    if "at_most" in line:
        met = value <= line["at_most"]
    elif "at_least" in line:
        met = value >= line["at_least"]
    return {
        **line,
        "value": _digits(ours.value),
        "unit": ours.unit,
        "other": _digits(other.value) if other else None,
        "ratio": _digits(value) if other else None,
        "met": met,
    }


def _plain(curve: Curve) -> dict[str, Any]:
    series = {name: [[_digits(x), _digits(y)] for x, y in points] for name, points in curve.series.items()}
    return {"name": curve.name, "x": curve.x, "y": curve.y, "series": series}


def _digits(value: float) -> float:
    """The number without the digits that nobody has measured."""
    return float(f"{value:.4g}")


def machine() -> str:
    """What it was measured on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    kind = names[0].partition(":")[2].strip() if names else platform.machine()
    return f"{len(os.sched_getaffinity(0))} x {kind}, {platform.system()}, Python {platform.python_version()}"


HEADER = ("measured", "is", "beside", "is", "ratio", "aim")


def cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of the table, as text."""
    return (
        line["figure"],
        shown(line["value"], line["unit"]),
        line.get("beside", ""),
        "" if line["other"] is None else shown(line["other"], line["unit"]),
        "" if line["ratio"] is None else f"{line['ratio']:.2f}",
        verdict(line),
    )


def verdict(line: Mapping[str, Any]) -> str:
    """What is aimed at and whether it is met; "" where nothing is aimed at."""
    if line["met"] is None:
        return ""
    sign, limit = ("at most", line["at_most"]) if "at_most" in line else ("at least", line["at_least"])
    unit = "" if line["ratio"] is not None or not line["unit"] else f" {line['unit']}"
    return f"{sign} {limit:g}{unit}: {'met' if line['met'] else 'MISSED'}"


def shown(value: float, unit: str) -> str:
    """A number as people read it: three digits that count."""
    digits = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def text_table(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The table for a terminal."""
    lines = [cells(line) for row in rows.values() for line in row["lines"]]
    widths = [max(map(len, column)) for column in zip(HEADER, *lines, strict=True)]
    right = {1, 3, 4}

    def laid(texts: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if place in right else text.ljust(width)
            for place, (text, width) in enumerate(zip(texts, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    yield laid(HEADER)
    for name, row in rows.items():
        yield ""
        yield f"{row['what']} (ROW={name}): {row['measured']}"
        yield from (laid(cells(line)) for line in row["lines"])
        yield f"    aim: {row['aim']}; {row['date']}, {row['machine']}, load {row['load']:g}, took {row['seconds']:g} s"
