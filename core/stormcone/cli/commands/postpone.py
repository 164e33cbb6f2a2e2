"""`stormcone postpone`: put an event off, by hand."""

import sys
from contextlib import closing
from datetime import datetime

import click

from stormcone.agent.notices import describe, disputed
from stormcone.cli.commands.approve import machines_of
from stormcone.cli.configured import source_options
from stormcone.cli.console import print_json, say
from stormcone.cli.options import Date, json_option
from stormcone.clock import Clock
from stormcone.clouds.contract import Postpones, Provider, ProviderOptions, Source
from stormcone.detect import open_provider
from stormcone.errors import RequestRefused, StormconeError
from stormcone.model import Machine, MaintenanceEvent, Observation
from stormcone.simulators.control_client import clock_of
from stormcone.text import folded, printable, stamp


@click.command("postpone")
@click.argument("event_id", metavar="ID")
@source_options
@click.option("--until", type=Date(), required=True, help="The new time, such as 2026-03-29T01:59:30Z.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def command(event_id: str, source: Source, until: datetime, yes: bool, as_json: bool) -> None:
    """Ask the cloud to begin the event ID at a later time, and not before.

    That speaks for every machine that the event names: they are shown, and you are asked.
    """
    clock = clock_of(source.endpoint)
    with closing(open_provider(ProviderOptions.of(source, clock))) as provider:
        able = _able(provider)
        ours = provider.identify()
        if dispute := disputed(ours):
            raise RequestRefused(dispute)
        found = _movable(event_id, provider.poll(), until, clock)
        if not yes:
            _ask(found, ours, until)
        able.postpone(found, until)
    if as_json:
        print_json({"postponed": found.id, "until": until.isoformat(), "resources": list(found.resources)})
    else:
        say(f"Put off until {stamp(until)}: {describe(found)} ({printable(found.id)}).")


def _able(provider: Provider) -> Postpones:
    if not isinstance(provider, Postpones) or not provider.capabilities.can_postpone:
        raise RequestRefused(f"nothing can be put off: {provider.name} cannot do that as it is set up")
    return provider


def _movable(event_id: str, seen: Observation, until: datetime, clock: Clock) -> MaintenanceEvent:
    found = next((event for event in seen.events if folded(event.id) == folded(event_id)), None)
    if found is None:
        known = ", ".join(event.id for event in seen.events) or "nothing"
        raise RequestRefused(f"there is no event {event_id}; announced: {known}")
    if found.movable_until is None:
        raise RequestRefused(f"the event {found.id} is not put off: the cloud does not let its start be moved")
    if until > found.movable_until:
        raise RequestRefused(f"the event {found.id} can be put off until {stamp(found.movable_until)} at the latest")
    if until <= clock.now():
        raise RequestRefused(f"the event {found.id} is not put off: {stamp(until)} is past")
    if found.not_before is not None and until <= found.not_before:
        begins = stamp(found.not_before)
        raise RequestRefused(f"event {found.id} is not put off: it begins {begins}, and {stamp(until)} is not later")
    return found


def _ask(event: MaintenanceEvent, ours: Machine, until: datetime) -> None:
    machines = machines_of(event, ours)
    if not sys.stdin.isatty():
        raise StormconeError(f"nothing was put off: it would speak for {machines}; give --yes if that is right")
    if not click.confirm(f"This puts the {event.impact} of {machines} off until {stamp(until)}. Do it?", err=True):
        raise StormconeError("nothing was put off")
