"""Lines on a terminal are wrapped at words, at any width from 60 columns up; help is too."""

import re

import click
import pytest

from stormcone.cli import COMMANDS, cli
from stormcone.cli.console import wrapped

LINE = "2026-01-01 00:00:00Z  announced        reboot of web-0 announced, not before 2026-01-01 00:15:00Z (in 15 min)"


@pytest.mark.parametrize("width", [60, 61, 72, 80, 100])
def test_no_line_is_wider_and_no_word_is_broken(width):
    lines = wrapped(LINE, width).split("\n")
    assert all(len(line) <= width for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(LINE.split())


def test_what_fits_stays_as_it_is():
    assert wrapped(LINE, 200) == LINE
    assert wrapped("  a\n\n    b", 60) == "  a\n\n    b"


def test_colours_take_no_room():
    styled = click.style("word " * 11, fg="red") + "end"
    assert wrapped(styled, 60) == styled


def test_a_word_that_is_wider_stays_whole_so_that_it_can_be_copied():
    assert "x" * 100 in wrapped(f"id {'x' * 100} here", 60).split("\n    ")


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_no_wider_than_the_terminal(name, width):
    command = cli.get_command(click.Context(cli), name) if name else cli
    context = click.Context(
        command, info_name=f"stormcone {name}".strip(), terminal_width=width, max_content_width=width
    )
    for line in command.get_help(context).split("\n"):
        assert len(line) <= width or not re.search(r"\S\s+\S", line.strip()), line
