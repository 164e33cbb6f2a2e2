"""`stormcone approve`: the owner's word, by hand."""

from collections.abc import Sequence

import click

from stormcone.cli.console import print_json
from stormcone.cli.options import json_option, options_for_provider, provider_options
from stormcone.detect import open_provider
from stormcone.errors import RequestRefused
from stormcone.model import Approval
from stormcone.notices import describe
from stormcone.text import printable


@click.command("approve")
@click.argument("event_id", metavar="ID")
@provider_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask, even where other machines are named.")
@json_option
def command(
    event_id: str,
    provider: str,
    endpoint: str | None,
    machine: str | None,
    region: str | None,
    settings: Sequence[str],
    yes: bool,
    as_json: bool,
) -> None:
    """Tell the cloud that the event ID may begin now.

    An approval speaks for every machine that the event names; where it names others than this one, you are asked.
    """
    source = open_provider(provider, options_for_provider(endpoint, machine, region, settings))
    try:
        ours = source.identify()
        events = source.poll().events
        found = next((event for event in events if event.id.casefold() == event_id.casefold()), None)
        if found is None:
            known = ", ".join(printable(event.id) for event in events) or "none"
            raise RequestRefused(f"there is no event {printable(event_id)}; announced: {known}")
        if found.approval is Approval.NONE:
            raise RequestRefused(f"the event {printable(found.id)} cannot be approved: it is {found.phase}")
        neighbours = ours.neighbours_in(found)
        if neighbours and not yes:
            names = printable(", ".join(neighbours))
            click.confirm(f"This lets the {found.impact} begin for {names} as well. Approve it?", abort=True, err=True)
        source.approve(found)
    finally:
        source.close()
    if as_json:
        print_json({"approved": found.id, "resources": list(found.resources)})
    else:
        click.echo(f"Approved: {describe(found)} ({printable(found.id)}).")
