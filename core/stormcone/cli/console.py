"""How commands speak: lines, with colour on a terminal only, or JSON. Nothing from outside reaches a terminal raw."""

import json
import os
import sys
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import IO, Any

import click

from stormcone.text import printable


@dataclass
class Manner:
    """How a command says why it failed; the object of click's context.

    Attributes:
        as_json: as a line of JSON; a command may find out later than at its start that it is wanted.
        shard: the shard for which `watch` has started this process, and serves health itself; "" where it has not.
    """

    as_json: bool = False
    shard: str = ""


NARROWEST = 60
"""Columns below which lines are not wrapped: a terminal so narrow breaks them where it likes."""


def say(text: str, *, err: bool = False, file: IO[str] | None = None) -> None:
    """Print a line; its colours are dropped where the output is no terminal, or where `NO_COLOR` is set.

    On a terminal it is wrapped at words; elsewhere it stays whole, so that programs read lines.
    """
    out = file or (sys.stderr if err else sys.stdout)
    if out.isatty():
        text = wrapped(text, get_terminal_size().columns)
    click.echo(text, file=out, color=False if os.environ.get("NO_COLOR") else None)


def wrapped(text: str, width: int) -> str:
    """The text with each line broken at words, what follows indented; a word longer than the width stays whole."""
    if width < NARROWEST:
        return text
    return "\n".join(part for line in text.split("\n") for part in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    if len(click.unstyle(line)) <= width:
        return [line]
    body = line.lstrip(" ")
    indent = " " * min(len(line) - len(body) + 4, width // 3)
    parts, current = [], line[: len(line) - len(body)]
    for word in body.split(" "):
        longer = f"{current} {word}" if current.strip() else current + word
        if current.strip() and len(click.unstyle(longer).rstrip()) > width:
            parts.append(current.rstrip())
            longer = indent + word
        current = longer
    return [*parts, current]


def warn(text: str) -> None:
    """Print a warning on standard error, made printable."""
    say(f"warning: {printable(text)}", err=True)


def print_json(value: Any) -> None:
    """A value as JSON, indented, in ASCII, so that nothing in it reaches the terminal as a control."""
    click.echo(json.dumps(value, indent=2))


def mute() -> None:
    """Send what is still to be printed nowhere: whoever read it has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    os.close(nowhere)


def is_terminal() -> bool:
    """Whether standard output is a terminal that a person looks at."""
    return sys.stdout.isatty()
