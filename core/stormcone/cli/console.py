"""How commands speak: lines, with colour on a terminal only, or JSON. Nothing from outside reaches a terminal raw."""

import json
import os
import sys
from typing import Any

import click

from stormcone.text import printable


def say(text: str, *, err: bool = False) -> None:
    """Print a line; its colours are dropped where the output is no terminal, or where `NO_COLOR` is set."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def warn(text: str) -> None:
    """Print a warning on standard error, made printable."""
    say(f"warning: {printable(text)}", err=True)


def print_json(value: Any) -> None:
    """A value as JSON, indented, in ASCII, so that nothing in it reaches the terminal as a control."""
    say(json.dumps(value, indent=2))


def mute() -> None:
    """Send what is still to be printed nowhere: whoever read it has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def is_terminal() -> bool:
    """Whether standard output is a terminal that a person looks at."""
    return sys.stdout.isatty()
