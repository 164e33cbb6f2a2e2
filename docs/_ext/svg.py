"""Pieces of a picture. They have classes; the colours, for light and dark, are in `docs/_static/pictures.css`."""

from collections.abc import Iterable, Sequence
from html import escape
from textwrap import wrap

WIDTH = 600
"""How wide a picture is at the most, in its own units, to be read on a phone without scrolling it sideways."""

LETTER = 6.8
"""How wide a letter of a picture is on average, counted generously."""

LINE = 17
"""From one line of text to the next."""


def lines_of(words: str, room: float) -> list[str]:
    """The words in lines that are no wider than the room."""
    return wrap(words, max(1, int(room / LETTER))) or [""]


def text(x: float, y: float, lines: Sequence[str], kind: str = "", anchor: str = "start") -> str:
    """Lines of text, the first with its baseline at `y`."""
    spans = "".join(
        f'<tspan x="{x:g}" y="{y + number * LINE:g}">{escape(line)}</tspan>' for number, line in enumerate(lines)
    )
    return f'<text class="{kind}" text-anchor="{anchor}">{spans}</text>'


def middle(y: float, lines: Sequence[str]) -> float:
    """The baseline of the first of some lines that are to stand around `y`."""
    return y + 5 - (len(lines) - 1) * LINE / 2


def box(x: float, y: float, width: float, height: float, words: str, kind: str = "box") -> str:
    """A box with words in its middle."""
    lines = lines_of(words, width - 8)
    inner = text(x + width / 2, middle(y + height / 2, lines), lines, anchor="middle")
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>{inner}'


def arrow(path: str, kind: str = "arrow") -> str:
    """An arrow along a path."""
    return f'<path class="{kind}" d="{path}"/>'


def picture(name: str, says: str, height: float, parts: Iterable[str], width: float = WIDTH) -> str:
    """The whole picture.

    Args:
        name: of the picture, and of the tip of its arrows, which must be the only one of that name on a page.
        says: what it shows, for those who cannot see it.
        height: of it, in its own units.
        parts: what is drawn.
        width: of it, in its own units.
    """
    tip = f"tip-{name}"
    body = "\n".join(parts).replace('class="arrow', f'marker-end="url(#{tip})" class="arrow')
    wide = " wide" if width > WIDTH else ""
    return (
        f'<div class="picture{wide}" id="picture-{name}"><svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width:g} {height:g}" aria-label="{escape(says)}">\n'
        f'<defs><marker id="{tip}" class="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>\n{body}\n</svg></div>'
    )
