"""`stormcone fleet`: the machines that share a database, and who waits for whom."""

import textwrap
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import click

from stormcone.cli.configured import config_option, named_file
from stormcone.cli.console import print_json, say
from stormcone.cli.options import Date, json_option
from stormcone.config.fleet import history, opened
from stormcone.config.load import Configuration, load
from stormcone.errors import StormconeError
from stormcone.fleet.report import report
from stormcone.sinks.notification import PREFIX
from stormcone.text import printable, shortened, span, stamp

_COLOURS = {"heard": "green", "silent": "yellow", "vanished": "red", "accepted": "green", "refused": "red"}
_LONGEST_NAME = 40
_MOST_NAMES = 5
_WIDTH = 80


@click.group("fleet", invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show the fleet: its machines, what is announced, which approval waits for whom, and who is away.

    Asks the database that [fleet] in the configuration names; it changes nothing.
    """
    if context.invoked_subcommand is not None:
        return
    configuration = load(file=named_file())
    with closing(opened(configuration, reads=True)) as fleet:
        document = report(fleet.overview(), _name(configuration))
    if as_json:
        print_json(document)
    else:
        for line in overview_lines(document):
            say(line)


@command.command("forget")
@config_option
@click.argument("name")
def forget_command(name: str) -> None:
    """Take a machine out of the fleet that is gone for good, by its NAME or id: nobody waits for it any more.

    One whose agent works comes back with its next exchange.
    """
    configuration = load(file=named_file())
    with closing(opened(configuration)) as fleet:
        number = fleet.forget(name)
    if not number:
        raise StormconeError(f"the fleet {_name(configuration)} has no machine {printable(name)}; see stormcone fleet")
    say(printable(f"{name}: {number} machine(s) taken out of the fleet {_name(configuration)}"))


@command.command("history")
@config_option
@click.option("--event", "event_id", metavar="ID", default="", help="Only this event.")
@click.option("--machine", metavar="NAME", default="", help="Only what this machine's agent has told.")
@click.option("--since", type=Date(), help="Only what has happened since this date, UTC.")
@click.option("--last", type=click.IntRange(min=1), default=100, show_default=True, help="How many lines to show.")
@json_option
def history_command(event_id: str, machine: str, since: datetime | None, last: int, as_json: bool) -> None:
    """Show what all agents have done: events, handlers, approvals, as they told the database.

    For it the agents need a sink of the type fleet ([sinks.NAME] in the configuration). It is kept for 90 days, unless
    `keep` there says otherwise; an agent's own journal has more: stormcone history.
    """
    configuration = load(file=named_file())
    with closing(history(configuration)) as told:
        found = told.told(event=event_id, machine=machine, since=since, last=last)
    if as_json:
        print_json({"fleet": _name(configuration), "notifications": found})
        return
    if not found:
        say("The agents have told of nothing like that.")
    for each in found:
        kind = each["type"].removeprefix(PREFIX)
        when = _stamp(each["time"])
        say(printable(f"{when}  {shortened(each['subject'], _LONGEST_NAME)}  {kind}  {each['data']['text']}"))


def _name(configuration: Configuration) -> str:
    return configuration.settings.fleet.name if configuration.settings.fleet else ""


def overview_lines(document: dict[str, Any]) -> Iterator[str]:
    """A fleet's report for people, in lines as long as a terminal is wide."""
    return map(_wrapped, _lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    members, now = document["members"], datetime.fromisoformat(document["at"])
    silent = sum(member["state"] != "heard" for member in members)
    more = f", {silent} of them silent" if silent else ""
    yield click.style(f"fleet {printable(document['fleet'])}: {len(members)} machines{more}", bold=True)
    for member in members:
        yield from _member(member)
    if document["approvals"]:
        yield click.style("Approvals", bold=True)
    for approval in document["approvals"]:
        yield from _approval(approval)
    if document["groups"]:
        yield click.style("Groups", bold=True)
    for group in document["groups"]:
        yield from _group(group, now)


def _wrapped(line: str) -> str:
    """The line, in several where it is longer than a terminal is wide; names are not cut up."""
    if len(click.unstyle(line)) <= _WIDTH:
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _member(member: dict[str, Any]) -> Iterator[str]:
    state = click.style(member["state"], fg=_COLOURS[member["state"]])
    groups = f", in {', '.join(member['groups'])}" if member["groups"] else ""
    age = span(timedelta(seconds=member["age_seconds"]))
    yield f"  {printable(shortened(member['name'], _LONGEST_NAME))}: {state} {age} ago{printable(groups)}"
    for event in member["events"]:
        when = (
            f" not before {_stamp(event['not_before'])}"
            if event["not_before"] and event["phase"] == "scheduled"
            else ""
        )
        running = f", runs {', '.join(event['running'])}" if event["running"] else ""
        vote = f", {event['vote']}" if event["vote"] else ""
        yield printable(f"    {event['impact']}, {event['phase']}{when}{vote}{running}")
        yield printable(f"      {event['id']}")


def _approval(approval: dict[str, Any]) -> Iterator[str]:
    names = approval["machines"]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    listed = ", ".join(shortened(name, _LONGEST_NAME) for name in names[:_MOST_NAMES])
    state = click.style(approval["state"], fg=_COLOURS.get(approval["state"]))
    by = f" by {approval['by']}" if approval["by"] else ""
    until = f" until {_stamp(approval['claim_until'])}" if approval["claim_until"] else ""
    what = printable(f"{approval['impact']} of {listed}{more}")
    yield f"  {what}: {state}{printable(by)}{until}"
    yield printable(f"    {approval['id']}")
    for each in approval["waits_for"]:
        yield printable(f"    waits: {each['text']}")


def _group(group: dict[str, Any], now: datetime) -> Iterator[str]:
    exceeded = click.style(", exceeded", fg="red") if group["exceeded"] else ""
    yield (
        f"  {printable(group['name'])}: {group['members']} machines, {group['max_unavailable']} may be away, "
        f"{len(group['away'])} are{exceeded}"
    )
    for each in group["away"]:
        need = f", did not wait: {each['need']}" if each["need"] else ""
        yield printable(f"    {each['text']}{need}")
    for turn in group["waiting"]:
        until = f", until {_stamp(turn['until'])} at the most" if turn["until"] else ""
        since = span(now - datetime.fromisoformat(turn["since"]))
        yield printable(f"    {turn['machine']} has waited for its turn for {since}{until}")
    if group["problem"]:
        yield printable(f"    ! {group['problem']}")


def _stamp(text: str) -> str:
    return stamp(datetime.fromisoformat(text))
