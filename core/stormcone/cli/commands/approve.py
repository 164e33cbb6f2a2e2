"""`stormcone approve`: the owner's word, by hand."""

import sys
from contextlib import closing

import click

from stormcone.agent.notices import describe, disputed
from stormcone.cli.configured import source_options
from stormcone.cli.console import print_json, say
from stormcone.cli.options import json_option
from stormcone.clock import SystemClock
from stormcone.clouds.contract import ProviderOptions, Source
from stormcone.detect import open_provider
from stormcone.errors import RequestRefused, StormconeError
from stormcone.model import Approval, Machine, MaintenanceEvent, Observation, Phase, Scope
from stormcone.text import folded, printable

_EFFECTS = {
    Approval.STARTS: "lets the {} begin",
    Approval.TRIGGERS: "begins the {} now",
    Approval.CONSENT: "gives consent to the {}",
}


@click.command("approve")
@click.argument("event_id", metavar="ID")
@source_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def command(
    event_id: str,
    source: Source,
    yes: bool,
    as_json: bool,
) -> None:
    """Tell the cloud that the event ID may begin now.

    An approval speaks for every machine that the event names: they are shown, and you are asked.
    """
    with closing(open_provider(ProviderOptions.of(source, SystemClock()))) as provider:
        ours = provider.identify()
        if dispute := disputed(ours):
            raise RequestRefused(dispute)
        found = _find(event_id, provider.poll())
        if not yes:
            _ask(found, ours)
            found = _as_shown(found, _find(event_id, provider.poll()))
        provider.approve(found)
    if as_json:
        print_json({"approved": found.id, "resources": list(found.resources)})
    else:
        say(f"Approved: {describe(found)} ({printable(found.id)}).")


def _find(event_id: str, seen: Observation) -> MaintenanceEvent:
    found = next((event for event in seen.events if folded(event.id) == folded(event_id)), None)
    if found is None:
        known = ", ".join(event.id for event in seen.events) or "nothing"
        raise RequestRefused(f"there is no event {event_id}; announced: {known}")
    if found.approval is Approval.NONE or not found.resources:
        why = "it cannot be" if found.phase is Phase.SCHEDULED else f"it has {found.phase}"
        raise RequestRefused(f"the event {found.id} is not approved: {found.withheld or why}")
    return found


def _as_shown(shown: MaintenanceEvent, now: MaintenanceEvent) -> MaintenanceEvent:
    """The event as it is once somebody has answered, who spoke of what was shown."""
    if shown.impact is not now.impact or set(map(folded, shown.resources)) != set(map(folded, now.resources)):
        raise StormconeError(f"nothing was approved: meanwhile it is another event, {describe(now)}; approve it again")
    return now


def machines_of(event: MaintenanceEvent, ours: Machine) -> str:
    """The machines that a word on the event speaks for, for a sentence."""
    named = ", ".join(f"{name} (this machine)" if ours.owns(name) else name for name in event.resources)
    return printable(named if ours.scope is Scope.MACHINE else ", ".join(event.resources))


def _ask(event: MaintenanceEvent, ours: Machine) -> None:
    machines = machines_of(event, ours)
    if not sys.stdin.isatty():
        raise StormconeError(f"nothing was approved: it would speak for {machines}; give --yes if that is right")
    if not click.confirm(f"This {_EFFECTS[event.approval].format(event.impact)} for {machines}. Approve it?", err=True):
        raise StormconeError("nothing was approved")
