"""`stormcone simulate`: simulated events, on a simulator or on a real cloud that has them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import click

from stormcone.cli.console import print_json
from stormcone.cli.options import Span, json_option, options_for_provider
from stormcone.clock import SystemClock
from stormcone.detect import AUTO
from stormcone.errors import SimulationError
from stormcone.model import Impact, Outcome
from stormcone.plugins import provider_class
from stormcone.provider import Simulates
from stormcone.simulation import DEFAULT_ENDPOINT, ControlClient
from stormcone.text import stamp

_endpoint = click.option(
    "--endpoint",
    default=DEFAULT_ENDPOINT,
    show_default=True,
    metavar="URL",
    envvar="STORMCONE_ENDPOINT",
    show_envvar=True,
    help="The simulator's address.",
)


@click.group("simulate")
def command() -> None:
    """Make, move and call off simulated events.

    \b
    stormcone simulate reboot --machine web-0 --in 15m
    stormcone simulate cancel ID
    """


@contextmanager
def _simulation(
    provider: str, endpoint: str, region: str | None, settings: Sequence[str]
) -> Iterator[tuple[Simulates, Callable[[], datetime]]]:
    """Whoever makes the events, with its clock: the cloud's own interface where it has one, else a simulator's."""
    if provider != AUTO and provider_class(provider).capabilities.can_simulate:
        real = None if endpoint == DEFAULT_ENDPOINT and not _was_given("endpoint") else endpoint
        source = provider_class(provider).from_options(options_for_provider(real, None, region, settings))
        if not isinstance(source, Simulates):
            raise SimulationError(f"the provider {provider} says that it can simulate, and has no way to do so")
        try:
            yield source, SystemClock().now
        finally:
            source.close()
    else:
        with ControlClient(endpoint) as control:
            yield control, control.now


def _was_given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source not in {click.core.ParameterSource.DEFAULT, None}


def _cloud_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            _endpoint,
            click.option("--provider", default=AUTO, help="A cloud whose own interface is to make the event."),
            click.option("--region", metavar="NAME", help="The region, with --provider."),
            click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting, with --provider."),
            json_option,
        )
    ):
        function = option(function)
    return function


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
        if as_json:
            print_json({"ids": list(ids), "impact": impact.value, "not_before": not_before.isoformat()})
        else:
            click.echo(f"Announced: {impact} of {', '.join(machines)}, not before {stamp(not_before)}.")
            for identifier in ids:
                click.echo(f"Call it off: stormcone simulate cancel {identifier}")

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
    if as_json:
        print_json({"canceled": list(ids)})
    else:
        click.echo(f"Called off: {', '.join(ids)}.")


@command.command("start")
@click.argument("identifier", metavar="ID")
@_endpoint
def start(identifier: str, endpoint: str) -> None:
    """Begin an event of a simulator now."""
    with ControlClient(endpoint) as control:
        control.move_event(identifier, "start")
    click.echo(f"Started: {identifier}.")


@command.command("complete")
@click.argument("identifier", metavar="ID")
@click.option("--outcome", type=click.Choice([outcome.value for outcome in Outcome]), default="completed")
@_endpoint
def complete(identifier: str, outcome: str, endpoint: str) -> None:
    """End an event of a simulator now."""
    with ControlClient(endpoint) as control:
        control.move_event(identifier, "complete", {"outcome": outcome})
    click.echo(f"Ended: {identifier}, {outcome}.")


@command.command("advance")
@click.argument("by", type=Span())
@_endpoint
def advance(by: timedelta, endpoint: str) -> None:
    """Move a simulator's clock forward BY that much: 15m, say."""
    with ControlClient(endpoint) as control:
        control.call("POST", "clock", {"advance_seconds": by.total_seconds()})
        click.echo(f"The simulator's time is {stamp(control.now())}.")


@command.command("scenario")
@click.argument("name")
@_endpoint
def scenario(name: str, endpoint: str) -> None:
    """Play the scenario NAME on a simulator."""
    with ControlClient(endpoint) as control:
        control.call("POST", f"scenarios/{name}")
    click.echo(f"Playing: {name}.")
