"""`stormcone simulate`: simulated events, on a simulator or on a real cloud that has them."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import click

from stormcone.cli.console import print_json, say
from stormcone.cli.options import (
    Command,
    Span,
    endpoint_option,
    json_option,
    options_for_provider,
    region_option,
    settings_option,
)
from stormcone.detect import AUTO
from stormcone.errors import SimulationError
from stormcone.model import Impact, Outcome
from stormcone.plugins import provider_class
from stormcone.provider import Simulates
from stormcone.simulation import DEFAULT_ENDPOINT, ControlClient, clock_of
from stormcone.text import printable, stamp

_endpoint = endpoint_option("The simulator's address.", DEFAULT_ENDPOINT)


@click.group("simulate")
def command() -> None:
    """Make, move and call off simulated events.

    \b
    stormcone simulate reboot --machine web-0 --in 15m
    stormcone simulate cancel ID

    Without --provider the event is made on a simulator (`stormcone simulator`).
    """


@contextmanager
def _simulation(
    provider: str, endpoint: str, region: str | None, settings: Sequence[str]
) -> Iterator[tuple[Simulates, Callable[[], datetime]]]:
    """Whoever makes the events, with its clock: the cloud's own interface where it has one, else a simulator's."""
    if provider != AUTO and provider_class(provider).capabilities.can_simulate:
        real = None if endpoint == DEFAULT_ENDPOINT and not _was_given("endpoint") else endpoint
        clock = clock_of(real)
        source = provider_class(provider).from_options(options_for_provider(real, None, region, settings, clock))
        if not isinstance(source, Simulates):
            raise SimulationError(f"the provider {provider} says that it can simulate, and has no way to do so")
        try:
            yield source, clock.now
        finally:
            source.close()
    else:
        with ControlClient(endpoint) as control:
            yield control, control.now


def _was_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in {click.core.ParameterSource.DEFAULT, None}


def _reach(provider: str, endpoint: str, region: str | None) -> list[str]:
    """The options that lead another command to the same place; settings are left out, as they may hold secrets."""
    options = {
        "--provider": provider if provider != AUTO else None,
        "--endpoint": endpoint if _was_given("endpoint") else None,
        "--region": region,
    }
    return [word for name, value in options.items() if value for word in (name, value)]


def _cloud_options(command: Command) -> Command:
    """Where the event is made: a simulator, or a cloud that can."""
    provider = click.option(
        "--provider", metavar="CLOUD", default=AUTO, help="A cloud whose own interface is to make the event."
    )
    for option in (json_option, settings_option, region_option, provider, _endpoint):
        command = option(command)
    return command


def _report(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        say("\n".join(printable(line) for line in text.splitlines()))


def _announce(impact: Impact) -> click.Command:
    @click.command(impact.value, short_help=f"Announce a simulated {impact}.")
    @click.option(
        "--machine", "machines", multiple=True, required=True, metavar="NAME", help="May be given several times."
    )
    @click.option("--in", "notice", type=Span(), default="15m", show_default=True, help="How long until it starts.")
    @click.option("--duration", type=Span(), help="How long the impact is said to last.")
    @click.option("--native-type", metavar="TYPE", help="The cloud's own type of event.")
    @_cloud_options
    def announce(
        machines: tuple[str, ...],
        notice: timedelta,
        duration: timedelta | None,
        native_type: str | None,
        endpoint: str,
        provider: str,
        region: str | None,
        settings: Sequence[str],
        as_json: bool,
    ) -> None:
        with _simulation(provider, endpoint, region, settings) as (simulation, now):
            not_before = now() + notice
            ids = simulation.simulate(
                impact, resources=machines, not_before=not_before, duration=duration, native_type=native_type
            )
        document = {
            "ids": list(ids),
            "impact": impact.value,
            "machines": list(machines),
            "not_before": not_before.isoformat(),
        }
        said = [f"Announced: {impact} of {', '.join(machines)}, not before {stamp(not_before)}."]
        reach = _reach(provider, endpoint, region)
        said += [f"Call it off: {shlex.join(['stormcone', 'simulate', 'cancel', one, *reach])}" for one in ids]
        _report(document, "\n".join(said), as_json=as_json)

    announce.help = f"Announce a simulated {impact} of the machines."
    return announce


for _impact in Impact:
    command.add_command(_announce(_impact))


@command.command("cancel")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@_cloud_options
def cancel(
    ids: tuple[str, ...], endpoint: str, provider: str, region: str | None, settings: Sequence[str], as_json: bool
) -> None:
    """Call simulated events off."""
    with _simulation(provider, endpoint, region, settings) as (simulation, _):
        simulation.cancel_simulated(ids)
    _report({"canceled": list(ids)}, f"Called off: {', '.join(ids)}.", as_json=as_json)


@command.command("start")
@click.argument("identifier", metavar="ID")
@_endpoint
@json_option
def start(identifier: str, endpoint: str, as_json: bool) -> None:
    """Begin an event of a simulator now."""
    with ControlClient(endpoint) as control:
        control.move_event(identifier, "start")
    _report({"started": identifier}, f"Started: {identifier}.", as_json=as_json)


@command.command("complete")
@click.argument("identifier", metavar="ID")
@click.option("--outcome", type=click.Choice([outcome.value for outcome in Outcome]), default="completed")
@_endpoint
@json_option
def complete(identifier: str, outcome: str, endpoint: str, as_json: bool) -> None:
    """End an event of a simulator now."""
    with ControlClient(endpoint) as control:
        control.move_event(identifier, "complete", {"outcome": outcome})
    _report({"ended": identifier, "outcome": outcome}, f"Ended: {identifier}, {outcome}.", as_json=as_json)


@command.command("advance")
@click.argument("by", type=Span())
@_endpoint
@json_option
def advance(by: timedelta, endpoint: str, as_json: bool) -> None:
    """Move a simulator's clock forward BY that much: 15m, say."""
    with ControlClient(endpoint) as control:
        control.call("POST", "clock", {"advance_seconds": by.total_seconds()})
        now = control.now()
    _report({"now": now.isoformat()}, f"The simulator's time is {stamp(now)}.", as_json=as_json)


@command.command("scenario")
@click.argument("name")
@_endpoint
@json_option
def scenario(name: str, endpoint: str, as_json: bool) -> None:
    """Play the scenario NAME on a simulator."""
    with ControlClient(endpoint) as control:
        control.play(name)
    _report({"playing": name}, f"Playing: {name}.", as_json=as_json)
