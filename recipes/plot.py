"""The picture of a recipe's two plays: each request as a dot, when it was sent and how long its answer took."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

WIDTH, BAND = 720, 150
LEFT, RIGHT, TOP, BOTTOM = 54, 16, 40, 30
INK, QUIET, GOOD, BAD, OFF = "#222222", "#777777", "#2f6fb3", "#c62828", "#f0e6d2"

_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    ' role="img" font-family="sans-serif" font-size="12">'
)


def svg(recipe: Mapping[str, Any]) -> str:
    """The picture, as a file of SVG."""
    plays: Mapping[str, Mapping[str, Any]] = recipe["plays"]
    longest = max(1.0, *(request[0] + request[1] for play in plays.values() for request in play["requests"]))
    slowest = max(1.0, *(request[1] for play in plays.values() for request in play["requests"]))
    height = BAND * len(plays) + 24
    parts = [
        _HEAD.format(width=WIDTH, height=height),
        f"<title>{escape(_alternative(recipe))}</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
    ]
    for number, (name, play) in enumerate(plays.items()):
        parts.append(f'<g transform="translate(0 {number * BAND})">')
        parts += _band(name, play, recipe["counted"], longest, slowest)
        parts.append("</g>")
    parts.append(
        f'<text x="{LEFT}" y="{height - 10}" fill="{QUIET}">a dot: one of the {escape(recipe["counted"])}, when it was'
        " sent, and how long it took (seconds); a cross: lost; shaded: the machine is off</text>"
    )
    return "\n".join([*parts, "</svg>", ""])


def _alternative(recipe: Mapping[str, Any]) -> str:
    lost = ", ".join(f"{name} {play['lost']} of {play['sent']}" for name, play in recipe["plays"].items())
    return f"{recipe['title']}: {recipe['counted']} lost: {lost}"


def _band(name: str, play: Mapping[str, Any], counted: str, longest: float, slowest: float) -> Iterator[str]:
    bottom = BAND - BOTTOM

    def x(seconds: float) -> float:
        return round(LEFT + seconds / longest * (WIDTH - LEFT - RIGHT), 1)

    def y(seconds: float) -> float:
        return round(bottom - seconds / slowest * (bottom - TOP), 1)

    marks = play["marks"]
    yield (
        f'<rect x="{x(marks["off"])}" y="{TOP}" width="{round(x(marks["on"]) - x(marks["off"]), 1)}"'
        f' height="{bottom - TOP}" fill="{OFF}"/>'
    )
    for mark in ("announced", "whole"):
        place = x(marks[mark])
        yield f'<path d="M{place} {TOP - 6}V{bottom}" stroke="{QUIET}" stroke-dasharray="3 3"/>'
        yield f'<text x="{place + 3}" y="{TOP - 1}" fill="{QUIET}" font-size="10">{mark}</text>'
    yield f'<path d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="{INK}"/>'
    for seconds in (0.0, slowest):
        yield f'<text x="{LEFT - 6}" y="{y(seconds) + 4}" text-anchor="end" fill="{INK}">{seconds:.3g} s</text>'
    for seconds in range(0, int(longest) + 1, 5):
        yield f'<text x="{x(seconds)}" y="{bottom + 15}" text-anchor="middle" fill="{INK}">{seconds}</text>'
    lost = play["lost"]
    yield (
        f'<text x="{LEFT}" y="20" fill="{BAD if lost else GOOD}" font-weight="bold" font-size="14">'
        f"{escape(name)}: {lost} of {play['sent']} {escape(counted)} lost</text>"
    )
    for at, took, is_lost in play["requests"]:
        across, up = x(at), y(took)
        if is_lost:
            yield f'<path d="M{across - 3} {up - 3}l6 6m0-6l-6 6" stroke="{BAD}" stroke-width="1.5"/>'
        else:
            yield f'<circle cx="{across}" cy="{up}" r="1.6" fill="{GOOD}"/>'
