"""`stormcone config`: the settings in force, and where each comes from."""

from collections.abc import Callable

import click

from stormcone.cli.configured import configured, sources_of
from stormcone.cli.console import print_json, say
from stormcone.cli.options import json_option
from stormcone.config import reference
from stormcone.config.load import USUAL_FILE, Configuration
from stormcone.config.show import document, lines
from stormcone.config.sinks import checked, tables_of


@click.command("config")
@configured(without=("as_json",))
@click.option("--sample", is_flag=True, help="Print a file to begin with instead: every key, with what it means.")
@json_option
def command(read: Callable[[], Configuration], sample: bool, as_json: bool) -> None:
    """Show the settings that `run` would have, and where each comes from: file, variable, flag or default.

    It takes the options of `run`. What it prints is a configuration itself, without secrets; with --json it is a list
    for programs. A mistake is told with its place, as `run` does.

    \b
    stormcone config --config stormcone.toml
    stormcone config --sample > stormcone.toml
    """
    if sample:
        click.echo(reference.sample(), nl=False)
        return
    configuration = read()
    sources_of(configuration)
    for name, table in tables_of(configuration).items():
        checked(configuration, name, table)
    if as_json:
        print_json(document(configuration))
        return
    say(f"# file: {configuration.file or f'none; {USUAL_FILE} is not there, and --config names no other'}")
    for line in lines(configuration):
        say(line)
