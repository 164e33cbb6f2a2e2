"""`stormcone config`: the settings in force, and where each comes from."""

from collections.abc import Callable

import click

from stormcone.cli.configured import configured, sources_of
from stormcone.cli.console import print_json, say
from stormcone.cli.options import json_option
from stormcone.config.load import USUAL_FILE, Configuration
from stormcone.config.show import document, lines


@click.command("config")
@configured(without=("as_json",))
@json_option
def command(read: Callable[[], Configuration], as_json: bool) -> None:
    """Show the settings that `run` would have, and where each comes from: file, variable, flag or default.

    It takes the options of `run`. What it prints is a configuration itself, without secrets; with --json it is a list
    for programs. A mistake is told with its place, as `run` does.

    \b
    stormcone config --config stormcone.toml
    """
    configuration = read()
    sources_of(configuration)
    if as_json:
        print_json(document(configuration))
        return
    say(f"# file: {configuration.file or f'none; {USUAL_FILE} is not there, and --config names no other'}")
    for line in lines(configuration):
        say(line)
