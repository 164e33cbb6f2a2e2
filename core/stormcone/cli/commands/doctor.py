"""`stormcone doctor`: which cloud is this, and can we reach what we need?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

import click

from stormcone.cli.checks import cloud, given, here
from stormcone.cli.checks.check import Check, Light
from stormcone.cli.configured import configured, sources_of
from stormcone.cli.console import print_json, say
from stormcone.cli.options import default_journal
from stormcone.clock import SystemClock
from stormcone.clouds.contract import AUTO, ProviderOptions, Source
from stormcone.config.load import Configuration
from stormcone.errors import ProviderUnavailable
from stormcone.plugins import provider_class
from stormcone.text import printable

_WITHOUT = ("log", "listen", "interval", "keep", "grace", "dry_run", "verbose")

_MARKS = {Light.GREEN: ("✓", "green"), Light.YELLOW: ("!", "yellow"), Light.RED: ("✗", "red"), Light.GREY: ("-", None)}


@click.command("doctor")
@configured(without=_WITHOUT)
def command(read: Callable[[], Configuration]) -> None:
    """Find out which cloud this machine is on and whether an agent could work here, with what is to be run.

    Takes the options of `run` and its configuration. ✓ is well, ! should be looked at, ✗ is broken; each says what to
    do. - is neither. Exit status 0: an agent could work; 69: no cloud can be asked; 1: something else is broken.

    \b
    stormcone doctor
    stormcone doctor handlers.py --provider azure
    """
    configuration = read()
    as_json = configuration.settings.as_json
    sources = sources_of(configuration)
    for source in sources:
        if source.provider != AUTO:
            provider_class(source.provider)  # so that a wrong name is said at once
    checks = []
    for check in _checks(configuration, sources):
        checks.append(check)
        if not as_json:
            say(_line(check))
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    clouds = [check for check in checks if check.name.startswith("cloud ")]
    if not any(check.ok for check in clouds):
        say("No cloud was found. To see everything without one: stormcone demo", err=True)
        raise click.exceptions.Exit(ProviderUnavailable.exit_code)
    if not all(check.ok for check in checks if check not in clouds):
        raise click.exceptions.Exit(1)


def _line(check: Check) -> str:
    sign, colour = _MARKS[check.light]
    mark = click.style(sign, fg=colour)
    advice = f"; {check.advice}" if check.advice else ""
    return f"{mark} {printable(check.name)}: {printable(check.found + advice)}"


def _checks(configuration: Configuration, sources: Sequence[Source]) -> Iterator[Check]:
    yield from here.checks(configuration.settings.journal or default_journal())
    yield from given.checks(configuration)
    for source in sources:
        yield from cloud.checks(ProviderOptions.of(source, SystemClock()))
