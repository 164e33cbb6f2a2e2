"""`stormcone events`: what is announced."""

import json
from collections.abc import Sequence
from datetime import timedelta

import click

from stormcone.cli.console import print_json
from stormcone.cli.options import Span, json_option, options_for_provider, provider_options
from stormcone.cli.render import event_json, event_table
from stormcone.clock import SystemClock
from stormcone.detect import open_provider
from stormcone.errors import ProviderError
from stormcone.model import Machine, Observation
from stormcone.provider import Provider
from stormcone.simulation import clock_of
from stormcone.text import stamp


@click.command("events")
@provider_options
@click.option("--watch", is_flag=True, help="Go on, and print again whenever something changes.")
@click.option("--interval", type=Span(), help="Time between polls with --watch; the cloud's own advice otherwise.")
@json_option
def command(
    provider: str,
    endpoint: str | None,
    machine: str | None,
    region: str | None,
    settings: Sequence[str],
    watch: bool,
    interval: timedelta | None,
    as_json: bool,
) -> None:
    """Show what is announced for this machine and its neighbours. An arrow marks what touches this machine."""
    clock = clock_of(endpoint)
    source = open_provider(provider, options_for_provider(endpoint, machine, region, settings, clock))
    try:
        ours = source.identify()
        if not watch:
            _show(source.poll(), ours, clock, as_json=as_json)
            return
        pause = interval.total_seconds() if interval else source.capabilities.poll_interval
        _watch(source, ours, clock, pause, as_json=as_json)
    finally:
        source.close()


def _show(seen: Observation, machine: Machine, clock: SystemClock, *, as_json: bool) -> None:
    if as_json:
        events = [event_json(event, machine) for event in seen.events]
        print_json({"machine": machine.attributes(), "events": events, "problems": list(seen.problems)})
        return
    from rich.console import Console

    if seen.events:
        Console().print(event_table(seen.events, machine, clock.now()))
    else:
        click.echo(f"Nothing is announced for {machine.name}.")
    for problem in seen.problems:
        click.echo(f"warning: {problem}", err=True)


def _watch(source: Provider, machine: Machine, clock: SystemClock, pause: float, *, as_json: bool) -> None:
    shown: Observation | None = None
    trouble = ""
    while True:
        try:
            seen = source.poll()
        except ProviderError as error:
            if str(error) != trouble:
                click.echo(f"unknown: {error}", err=True)
            trouble = str(error)
        else:
            trouble = ""
            if shown is None or seen.events != shown.events:
                _show_change(seen, machine, clock, as_json=as_json)
            shown = seen
        clock.sleep(pause)


def _show_change(seen: Observation, machine: Machine, clock: SystemClock, *, as_json: bool) -> None:
    if as_json:  # one line each time, for programs that read lines
        events = [event_json(event, machine) for event in seen.events]
        click.echo(json.dumps({"at": clock.now().isoformat(), "events": events}))
    else:
        click.echo(f"— {stamp(clock.now())}")
        _show(seen, machine, clock, as_json=False)
