"""A command as an option's value."""

import json

import click

from stormcone.errors import SettingsError
from stormcone.handlers.commands import split_command


class CommandLine(click.ParamType[list[str]]):
    """A command: a JSON list of words, or a line that is split like a shell's but run without one."""

    name = "command"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The command's words; fails with one sentence."""
        text = str(value).strip()
        try:
            if not text.startswith("["):
                return split_command(text)
            words = json.loads(text)
        except (SettingsError, ValueError) as error:
            self.fail(str(error), param, ctx)
        if not words or not all(isinstance(word, str) for word in words):
            self.fail(f"{text} is not a list of words", param, ctx)
        return list(words)
