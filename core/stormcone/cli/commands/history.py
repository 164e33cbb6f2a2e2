"""`stormcone history`: what the journal knows."""

from pathlib import Path
from typing import Any, NamedTuple

import click

from stormcone.cli.configured import journal_found
from stormcone.cli.console import print_json, say, warn
from stormcone.cli.options import json_option
from stormcone.cli.render import event_json, story_text
from stormcone.cli.whole_story import whole_story, whole_text
from stormcone.errors import StormconeError
from stormcone.journal import Episode
from stormcone.journal.places import Place, read_journal, set_aside_before
from stormcone.journal.timeline import TimelineEntry, bore, timeline
from stormcone.text import iso


@click.command("history")
@click.argument("event_id", metavar="[ID]", required=False)
@click.option("--event", "whole_id", metavar="ID", help="Show all that the journal has of this event.")
@journal_found
@click.option("--last", type=click.IntRange(min=1), default=20, show_default=True, help="How many events to show.")
@click.option(
    "--export",
    "trace",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what the cloud must have said as a trace, for a simulator to replay.",
)
@click.option("--anonymise", is_flag=True, help="With --export: write pseudonyms for ids, names and addresses.")
@json_option
def command(
    event_id: str | None,
    whole_id: str | None,
    journal: Place,
    last: int,
    trace: Path | None,
    anonymise: bool,
    as_json: bool,
) -> None:
    """Show each event's story: what the cloud said, what each handler did, what was approved.

    Reads the journal beside a running agent. With ID, that event alone; with --event ID also every attempt, what each
    change brought, and what the cloud sent, word for word.
    """
    if event_id is not None and whole_id is not None:
        raise click.UsageError("--event ID names the event already; leave the other ID out")
    whole, event_id = whole_id is not None, whole_id or event_id
    if trace is not None:
        if event_id is not None:
            raise click.UsageError("--export writes the whole journal; leave the ID out")
        _export(journal, trace, anonymise=anonymise, as_json=as_json)
        return
    for kept in set_aside_before(journal):
        warn(f"an earlier journal was damaged and is kept as {kept}; what it knew is not shown")
    told = _told(journal, event_id, last, whole=whole)
    if as_json:
        print_json({"events": [{**_document(each.episode, each.story), **each.record} for each in told]})
        return
    if not told:
        say("The journal has no events yet.")
    for each in told:
        say(story_text(each.episode, each.story))
        for line in whole_text(each.episode, each.record) if whole else ():
            say(line)


class _Told(NamedTuple):
    """An episode with its story, and all that the journal has of it where that is wanted."""

    episode: Episode
    story: list[TimelineEntry]
    record: dict[str, Any]


def _told(journal: Place, event_id: str | None, last: int, *, whole: bool) -> list[_Told]:
    with read_journal(journal) as book:
        episodes = book.episodes()
        if event_id is not None:
            episodes = [episode for episode in episodes if bore(book, episode, event_id)]
            if not episodes:
                raise StormconeError(f"the journal {journal} has no event {event_id}; leave the ID out to see all")
        return [
            _Told(episode, timeline(book, episode), whole_story(book, episode) if whole else {})
            for episode in episodes[-last:]
        ]


def _export(journal: Place, trace: Path, *, anonymise: bool, as_json: bool) -> None:
    from stormcone.export import export

    with read_journal(journal) as book:
        entries = export(book, trace, anonymise=anonymise)
    if as_json:
        print_json({"file": str(trace), "entries": entries, "bytes": trace.stat().st_size})
    else:
        say(f"{trace}: {entries} entries, {trace.stat().st_size} bytes; `stormcone simulator --replay` plays it.")


def _document(episode: Episode, story: list[TimelineEntry]) -> dict[str, Any]:
    return {
        "event": event_json(episode.event),
        "episode": episode.number,
        "first_seen": iso(episode.first_seen),
        "started": iso(episode.started) if episode.started else None,
        "ended": iso(episode.ended) if episode.ended else None,
        "approved": episode.approved,
        "decision": episode.decision,
        "timeline": [
            {"at": iso(entry.at), "who": entry.who, "what": entry.what, "result": entry.result} for entry in story
        ],
    }
