"""`stormcone simulate`: simulated events, on a simulator or on a real cloud that has them."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import click

from stormcone.cli.console import print_json, say
from stormcone.cli.options import (
    Span,
    endpoint_option,
    gathered,
    json_option,
    pairs_of,
    region_option,
    scenario_option,
    settings_option,
)
from stormcone.clouds.contract import AUTO, ProviderOptions, Simulates, Source
from stormcone.errors import SimulationError
from stormcone.model import Cause, Impact, Outcome
from stormcone.plugins import provider_class
from stormcone.simulators.control_client import DEFAULT_ENDPOINT, ControlClient, clock_of
from stormcone.text import iso, printable, stamp

_endpoint = endpoint_option("The simulator's address.", DEFAULT_ENDPOINT)


@click.group("simulate")
def command() -> None:
    """Announce, change and cancel simulated events.

    \b
    stormcone simulate reboot --machine web-0 --in 15m
    stormcone simulate cancel ID

    Without --provider the event is made on a simulator (`stormcone simulator`).
    """


class _Simulation(NamedTuple):
    """Whoever makes the events: `cancels` says whether it can call them off again."""

    maker: Simulates
    now: Callable[[], datetime]
    cancels: bool


@contextmanager
def _simulation(source: Source) -> Iterator[_Simulation]:
    """Whoever makes the events: the cloud's own interface where it has one, else a simulator's."""
    if source.provider != AUTO and provider_class(source.provider).capabilities.can_simulate:
        clock = clock_of(source.endpoint)
        provider = provider_class(source.provider).from_options(ProviderOptions.of(source, clock))
        cancels = provider.capabilities.can_cancel_simulated
        if not isinstance(provider, Simulates):
            raise SimulationError(f"the provider {source.provider} says that it can simulate, and has no way to do so")
        try:
            yield _Simulation(provider, clock.now, cancels)
        finally:
            provider.close()
    else:
        with ControlClient(source.endpoint or DEFAULT_ENDPOINT) as control:
            yield _Simulation(control, control.now, cancels=True)


def _reach(source: Source) -> list[str]:
    """The options that lead another command to the same place; settings are left out, as they may hold secrets."""
    options = {
        "--provider": source.provider if source.provider != AUTO else None,
        "--endpoint": source.endpoint,
        "--region": source.region,
    }
    return [word for name, value in options.items() if value for word in (name, value)]


def _where(endpoint: str | None, provider: str, region: str | None, settings: Sequence[str]) -> Source:
    return Source(provider=provider, endpoint=endpoint, region=region, settings=pairs_of("--set", settings))


_cloud_options = gathered(
    "source",
    _where,
    endpoint_option("The simulator's address, or the cloud's with --provider.", shown_default=DEFAULT_ENDPOINT),
    click.option("--provider", metavar="CLOUD", default=AUTO, help="The cloud that makes it; default: a simulator."),
    region_option,
    settings_option,
)
"""Where the event is made: a simulator, or a cloud that can."""


def _report(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        say("\n".join(printable(line) for line in text.splitlines()))


def _announce(impact: Impact) -> click.Command:
    @click.command(impact.value, short_help=f"Announce an event with the impact {impact}.")
    @click.option(
        "--machine",
        "machines",
        multiple=True,
        required=True,
        metavar="NAME",
        help="One of its machines; repeat it for several.",
    )
    @click.option("--in", "notice", type=Span(), default="15m", show_default=True, help="How long until it starts.")
    @click.option("--duration", type=Span(), help="How long the impact lasts, as announced.")
    @click.option("--native-type", metavar="TYPE", help="The cloud's own type of event.")
    @click.option("--started-for", type=Span(), help="How long it stays started (simulators only).")
    @click.option("--cause", type=click.Choice([cause.value for cause in Cause]), help="Why (simulators only).")
    @click.option("--description", metavar="TEXT", help="Text for people (simulators only).")
    @_cloud_options
    @json_option
    def announce(
        machines: tuple[str, ...],
        notice: timedelta,
        duration: timedelta | None,
        native_type: str | None,
        source: Source,
        as_json: bool,
        **told: Any,
    ) -> None:
        own = {name: value for name, value in told.items() if value is not None}
        with _simulation(source) as simulation:
            if own and not isinstance(simulation.maker, ControlClient):
                options = ", ".join(f"--{name.replace('_', '-')}" for name in own)
                raise SimulationError(
                    f"{source.provider} makes simulated events without {options}; leave that out, or use a simulator"
                )
            not_before = simulation.now() + notice
            ids = simulation.maker.simulate(
                impact, resources=machines, not_before=not_before, duration=duration, native_type=native_type, **own
            )
        document = {
            "ids": list(ids),
            "impact": impact.value,
            "machines": list(machines),
            "not_before": iso(not_before),
        }
        said = [f"Announced: {impact} of {', '.join(machines)}, not before {stamp(not_before)}."]
        reach = _reach(source)
        if simulation.cancels:
            said += [f"Call it off: {shlex.join(['stormcone', 'simulate', 'cancel', one, *reach])}" for one in ids]
        _report(document, "\n".join(said), as_json=as_json)

    announce.help = f"Announce a simulated {impact} of the machines."
    return announce


for _impact in Impact:
    command.add_command(_announce(_impact))


@command.command("cancel")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@_cloud_options
@json_option
def cancel(ids: tuple[str, ...], source: Source, as_json: bool) -> None:
    """Cancel simulated events."""
    with _simulation(source) as simulation:
        simulation.maker.cancel_simulated(ids)
    _report({"canceled": list(ids)}, f"Called off: {', '.join(ids)}.", as_json=as_json)


@command.command("change")
@click.argument("identifier", metavar="ID")
@click.option(
    "--machine", "machines", multiple=True, metavar="NAME", help="One of its machines; repeat it for several."
)
@click.option("--in", "notice", type=Span(), help="How long until it starts, from now.")
@click.option("--duration", type=Span(), help="How long the impact lasts, as announced.")
@click.option("--description", metavar="TEXT", help="Text for people.")
@_endpoint
@json_option
def change(
    identifier: str,
    machines: tuple[str, ...],
    notice: timedelta | None,
    duration: timedelta | None,
    description: str | None,
    endpoint: str,
    as_json: bool,
) -> None:
    """Change a simulator's event: its time or what it says; what is left out stays."""
    with ControlClient(endpoint) as control:
        control.change(identifier, resources=machines, notice=notice, duration=duration, description=description)
    _report({"changed": identifier}, f"Changed: {identifier}.", as_json=as_json)


@command.command("start")
@click.argument("identifier", metavar="ID")
@_endpoint
@json_option
def start(identifier: str, endpoint: str, as_json: bool) -> None:
    """Begin a simulator's event now."""
    with ControlClient(endpoint) as control:
        control.move_event(identifier, "start")
    _report({"started": identifier}, f"Started: {identifier}.", as_json=as_json)


@command.command("complete")
@click.argument("identifier", metavar="ID")
@click.option(
    "--outcome", type=click.Choice([outcome.value for outcome in Outcome]), default="completed", help="How it ends."
)
@_endpoint
@json_option
def complete(identifier: str, outcome: str, endpoint: str, as_json: bool) -> None:
    """End a simulator's event now."""
    with ControlClient(endpoint) as control:
        control.move_event(identifier, "complete", {"outcome": outcome})
    _report({"ended": identifier, "outcome": outcome}, f"Ended: {identifier}, {outcome}.", as_json=as_json)


@command.command("advance")
@click.argument("by", type=Span())
@_endpoint
@json_option
def advance(by: timedelta, endpoint: str, as_json: bool) -> None:
    """Move a simulator's clock forward BY this much, such as 15m."""
    with ControlClient(endpoint) as control:
        control.call("POST", "clock", {"advance_seconds": by.total_seconds()})
        now = control.now()
    _report({"now": iso(now)}, f"The simulator's time is {stamp(now)}.", as_json=as_json)


@command.command("clock")
@click.option("--speed", type=float, help="How fast its clock runs from now on; 1 is real time.")
@_endpoint
@json_option
def clock(speed: float | None, endpoint: str, as_json: bool) -> None:
    """Show a simulator's clock, or change its speed."""
    with ControlClient(endpoint) as control:
        shown = control.call("GET", "clock") if speed is None else control.call("POST", "clock", {"speed": speed})
    now = datetime.fromisoformat(shown["now"])
    pace = (
        "it stands still until it is advanced" if shown["speed"] is None else f"{shown['speed']:g} times the real pace"
    )
    _report(
        {"now": iso(now), "speed": shown["speed"]},
        f"The simulator's time is {stamp(now)}: {pace}.",
        as_json=as_json,
    )


_FAULT_OPTIONS = (
    click.Option(["--status"], type=int, help="Answer with this status instead."),
    click.Option(["--kind"], help="How to break the answer: reset, hang, half_body, junk, empty and more."),
    click.Option(["--delay", "delay_seconds"], type=Span(), help="Delay the answer by this long."),
    click.Option(["--times"], type=int, help="For this many requests; default: until cleared."),
    click.Option(["--retry-after"], type=int, metavar="SECONDS", help="With `Retry-After`; goes with --status."),
    click.Option(["--body"], metavar="TEXT", help="Answer with this body instead."),
    click.Option(["--content-type"], metavar="TYPE", help="The content type of --body."),
    click.Option(["--method"], help="Only requests of this method."),
    click.Option(["--path"], metavar="PREFIX", help="Only requests whose path begins so."),
    click.Option(["--machine"], metavar="NAME", help="Only requests of this machine."),
    click.Option(["--query"], multiple=True, metavar="NAME=VALUE", help="Only requests with it; may be repeated."),
)


@command.command("fault")
@_endpoint
@json_option
def fault(endpoint: str, as_json: bool, query: tuple[str, ...], delay_seconds: timedelta | None, **told: Any) -> None:
    """Make requests to a simulator fail or slow."""
    rule = {name: value for name, value in told.items() if value is not None}
    if delay_seconds is not None:
        rule["delay_seconds"] = delay_seconds.total_seconds()
    if query:
        rule["query"] = pairs_of("--query", query)
    with ControlClient(endpoint) as control:
        number = str(control.call("POST", "faults", rule)["id"])
    _report({"fault": number}, f"The fault {number} is in force.", as_json=as_json)


fault.params[:0] = _FAULT_OPTIONS


@command.command("clear-faults")
@_endpoint
@json_option
def clear_faults(endpoint: str, as_json: bool) -> None:
    """Remove all faults of a simulator."""
    with ControlClient(endpoint) as control:
        control.call("DELETE", "faults")
    _report({"faults": []}, "No fault is in force.", as_json=as_json)


@command.command("scenario")
@click.argument("scenario", metavar="NAME|FILE")
@_endpoint
@json_option
def play(scenario: str, endpoint: str, as_json: bool) -> None:
    """Play a scenario on a simulator: one of `stormcone scenarios`, or a file."""
    with ControlClient(endpoint) as control:
        name = control.play(scenario_option(scenario))
    _report({"playing": name}, f"Playing: {name}.", as_json=as_json)
