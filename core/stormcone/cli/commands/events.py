"""`stormcone events`: what is announced."""

import json
from contextlib import closing
from datetime import timedelta

import click

from stormcone.agent.notices import misnamed
from stormcone.cli.configured import source_options
from stormcone.cli.console import print_json, say, warn
from stormcone.cli.options import interval_option, json_option
from stormcone.cli.render import event_json, event_text
from stormcone.cli.signals import until_stopped
from stormcone.clock import SystemClock
from stormcone.clouds.contract import Provider, ProviderOptions, Source, named
from stormcone.detect import PATIENCE, Identity, open_provider
from stormcone.errors import ProviderError
from stormcone.model import Machine, Observation
from stormcone.simulators.control_client import clock_of
from stormcone.text import iso, printable, stamp


@click.command("events")
@source_options
@click.option("--watch", is_flag=True, help="Keep watching until Ctrl-C, and print again when something changes.")
@interval_option
@json_option
def command(
    source: Source,
    watch: bool,
    interval: timedelta | None,
    as_json: bool,
) -> None:
    """Show what is announced for this machine and its neighbours. An arrow marks what touches this machine."""
    clock = clock_of(source.endpoint)
    options = ProviderOptions.of(source, clock)
    if not watch:
        with closing(open_provider(options)) as provider:
            _show(*asked(provider), clock, as_json=as_json)
        return
    with until_stopped(), closing(open_provider(options)) as provider:
        pause = interval.total_seconds() if interval else provider.capabilities.poll_interval
        _watch(provider, clock, pause, as_json=as_json)


def asked(provider: Provider) -> tuple[Observation, Machine | None, str]:
    """What is announced, which machine this is, and why the cloud does not say that; it has not long for it.

    Raises:
        ProviderError: what is announced could not be asked; where the cloud does not say which machine this is either,
            the error is about that, which tells more.
    """
    identity, told = Identity(provider), named(provider)
    if told is None:
        identity.within(PATIENCE)
    try:
        seen = provider.poll()
    except ProviderError:
        identity.within(None)
        raise
    return seen, identity.within(PATIENCE if told else 0.0) or told, identity.trouble


def _show(seen: Observation, machine: Machine | None, unknown: str, clock: SystemClock, *, as_json: bool) -> None:
    if as_json:
        events = [event_json(event, machine) for event in seen.events]
        problems = [*seen.problems, *([unknown] if unknown else [])]
        attributes = machine.attributes() if machine else {}
        print_json({"machine": attributes, "events": events, "problems": problems})
        return
    for event in seen.events:
        say(event_text(event, machine, clock.now()))
    if not seen.events:
        say(f"Nothing is announced for {printable(machine.name if machine else 'any machine')}.")
    for problem in (*seen.problems, *(misnamed(seen.events, machine) if machine else ()), unknown):
        if problem:
            warn(problem)


def _watch(provider: Provider, clock: SystemClock, pause: float, *, as_json: bool) -> None:
    identity, told = Identity(provider), named(provider)
    machine = told or identity.within(PATIENCE)
    shown: Observation | None = None
    trouble = ""
    while True:
        try:
            seen = provider.poll()
        except ProviderError as error:
            if str(error) != trouble:
                say(f"unknown: {printable(str(error))}", err=True)
            trouble = str(error)
        else:
            trouble = ""
            news = (
                shown is None or seen.events != shown.events or (machine is None and identity.within(0.0) is not None)
            )
            machine = identity.within(0.0) or machine
            if news:
                _show_change(seen, machine, "" if machine else identity.trouble, clock, as_json=as_json)
            shown = seen
        clock.sleep(pause)


def _show_change(
    seen: Observation, machine: Machine | None, unknown: str, clock: SystemClock, *, as_json: bool
) -> None:
    if as_json:  # one line each time, for programs that read lines
        events = [event_json(event, machine) for event in seen.events]
        problems = [*seen.problems, *([unknown] if unknown else [])]
        say(json.dumps({"at": iso(clock.now()), "events": events, "problems": problems}))
    else:
        say(f"— {stamp(clock.now())}")
        _show(seen, machine, unknown, clock, as_json=False)
