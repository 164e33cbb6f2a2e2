"""`stormcone status`: what the agent that runs does now."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from stormcone.cli.configured import journal_found
from stormcone.cli.console import print_json, say
from stormcone.cli.crew import crew_document, crew_lines
from stormcone.cli.options import Place, beside, json_option
from stormcone.errors import StormconeError
from stormcone.health.client import NoAgent, ask
from stormcone.health.face import STATUS
from stormcone.health.readiness import Condition
from stormcone.journal.offers import Crew
from stormcone.journal.places import crew_of_journal, holder_of_lease
from stormcone.postgresql.address import DatabaseAddress
from stormcone.text import printable, shortened, span, stamp

_COLOURS = {"ready": "green", "degraded": "yellow", "not_ready": "red"}
_STATES = {"running": "cyan", "succeeded": "green", "failed": "red", "vetoed": "red"}
_MOST_NAMES = 5
_LONGEST_NAME = 40


@click.command("status")
@journal_found
@json_option
def command(journal: Place, as_json: bool) -> None:
    """Ask the agent that runs with this journal: what is announced, what runs and until when, why not approved.

    Of a journal in a database, its workers are shown too, wherever they and its watcher run.

    Exit status 0: it is ready; 1: it is not, or only in part, or no agent runs here.
    """
    try:
        document, elsewhere = ask(beside(journal), STATUS, named=str(journal)), None
    except NoAgent as error:
        elsewhere = _elsewhere(journal, error)
        document = {"status": Condition.NOT_READY.value, "reasons": [str(elsewhere)]}
    crew = None if isinstance(journal, Path) else _crew(journal)
    if as_json and not (crew is None and elsewhere):
        known = {"crew": crew_document(crew)} if isinstance(crew, Crew) else {}
        print_json({**document, **known})
        elsewhere = None
    elif not as_json:
        for line in () if elsewhere else _lines(document):
            say(line)
        for line in crew_lines(crew) if isinstance(crew, Crew) else ():
            say(line)
    if isinstance(crew, str):
        click.echo(f"{click.style('!', fg='red')} its workers are not known: {crew}", err=True)
    if elsewhere is not None:
        raise elsewhere
    if document.get("condition") != "ready":
        raise click.exceptions.Exit(1)


def _elsewhere(journal: Place, error: NoAgent) -> NoAgent:
    """That no agent answers here; and who holds the lease, where the journal is in a database."""
    who = "" if isinstance(journal, Path) else holder_of_lease(journal)
    return NoAgent(f"{error}; {who}") if who else error


def _crew(journal: DatabaseAddress) -> Crew | str:
    """Its workers, or why these are not known."""
    try:
        return crew_of_journal(journal)
    except StormconeError as error:
        return str(error)


def _lines(document: dict[str, Any]) -> Iterator[str]:
    """The document for people, in lines of no more than 80 columns where names let that be."""
    condition = document["condition"] if "condition" in document else document["status"]
    machine = document.get("machine")
    name = f": {machine['name']} on {machine['cloud.provider']}" if machine else ""
    yield click.style(condition.replace("_", " "), fg=_COLOURS.get(condition), bold=True) + printable(name)
    for reason in document["reasons"]:
        yield f"  {click.style('!', fg='red')} {printable(reason)}"
    if "at" not in document:
        return
    now = datetime.fromisoformat(document["at"])
    journal, size = document["journal"], document["journal"]["bytes"]
    yield f"  process {document['process']}, stormcone {document['version']}"
    yield f"  journal {printable(journal['path'])}" + (f", {size / 1024:,.0f} KiB" if size is not None else "")
    for source in document["sources"]:
        yield f"  {_source(source)}"
    for sink in document["sinks"]:
        error = f", not reached the last time: {sink['error']}" if sink["error"] else ""
        yield printable(f"  sink {sink['name']}: {sink['waiting']} waiting, {sink['sent']} sent{error}")
    if not document["events"]:
        yield "Nothing is announced."
    for event in document["events"]:
        yield from _event(event, now)
    if document["events_left_out"]:
        yield f"... and {document['events_left_out']} more: stormcone events"


def _source(source: dict[str, Any]) -> str:
    age = source["last_success_age_seconds"]
    asked = "no answer yet" if age is None else f"last answer {_span(age)} ago"
    failed = f", {source['failures']:,} failed" if source["failures"] else ""
    return printable(f"{source['name']}: {asked}, {source['polls']:,} polls{failed}")


def _event(event: dict[str, Any], now: datetime) -> Iterator[str]:
    more = len(event["resources"]) - _MOST_NAMES
    names = ", ".join(shortened(name, _LONGEST_NAME) for name in event["resources"][:_MOST_NAMES])
    names += f" and {more} more" if more > 0 else ""
    what = click.style(printable(f"{event['impact']} of {names or 'no machine'}"), bold=True)
    yield f"{what}: {event['outcome'] or event['phase']}{_when(event, now)}"
    yield printable(f"  {event['id']}")
    yield printable(
        f"  cause: {event['cause']}, told by {event['source']}, seen {_since(event['first_seen'], now)} ago"
    )
    if event["approved"]:
        yield "  " + click.style("approved", fg="green")
    elif event["decision"]:
        rule = f" [{event['rule']}]" if event["rule"] else ""
        yield printable(f"  not approved: {event['decision']}{rule}")
    for run in event["runs"]:
        yield _run(run, now)


def _when(event: dict[str, Any], now: datetime) -> str:
    if event["phase"] != "scheduled":
        return ""
    if event["not_before"] is None:
        return ", at a time not known"
    return f", not before {_moment(event['not_before'], now)}"


def _run(run: dict[str, Any], now: datetime) -> str:
    state = run["state"]
    of = f" of {run['machine']}" if run["machine"] else ""
    facts = [click.style(state, fg=_STATES.get(state))]
    if state == "running":
        facts.append(f"until {_moment(run['deadline'], now)}" if run["deadline"] else "without a limit")
        facts.append(f"since {_since(run['begun'], now)}")
        facts += [f"at worker {run['worker']}"] if run["worker"] else []
    elif state == "pending" and run["due"]:
        facts.append(f"due {_moment(run['due'], now)}")
    if run["attempt"] > 1:
        facts.append(f"attempt {run['attempt']}")
    note = f": {run['note']}" if run["note"] and state != "running" else ""
    return f"  {printable(run['handler'] + '.' + run['stage'] + of)} {', '.join(facts)}{printable(note)}"


def _moment(text: str, now: datetime) -> str:
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return f"{stamp(moment)} (in {span(moment - now)})" if moment > now else f"{stamp(moment)} (due)"


def _since(text: str, now: datetime) -> str:
    return span(now - datetime.fromisoformat(text))


def _span(seconds: float) -> str:
    return span(timedelta(seconds=seconds))
