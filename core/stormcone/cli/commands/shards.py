"""`stormcone shards`: which watcher has which region, or part of one."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from stormcone.cli.configured import journal_found
from stormcone.cli.console import print_json, say
from stormcone.cli.options import Place, json_option
from stormcone.errors import SettingsError
from stormcone.journal.places import forget_shared, read_shared
from stormcone.journal.shards import ShardSeen, ShardsSeen, WatcherSeen
from stormcone.postgresql.address import DatabaseAddress
from stormcone.text import iso, printable, span

_COLOURS = {"held": "green", "not_held": "red", "unknown": "red"}


@click.group("shards", invoke_without_command=True)
@journal_found
@json_option
@click.pass_context
def command(context: click.Context, journal: Place, as_json: bool) -> None:
    """Show the watchers that share regions, who is to have which shard, and who holds it.

    Asks the database of the configuration's journal; it changes nothing.
    """
    context.obj = journal
    if context.invoked_subcommand is not None:
        return
    place = _database(journal)
    document = report(read_shared(place), place)
    if as_json:
        print_json(document)
    else:
        for line in _lines(document):
            say(line)


@command.command("forget")
@click.argument("name")
@click.pass_obj
def forget_command(journal: Place, name: str) -> None:
    """Take the shards of [shards.NAME] out, to divide that region otherwise, or for good.

    No living watcher may know them, and no handler may have begun to work on an event that goes on there. Their
    journals stay.
    """
    forget_shared(_database(journal), name)
    say(printable(f"{name}: its shards are taken out; the next watcher shares them as its configuration says"))


def _database(journal: Place) -> DatabaseAddress:
    if isinstance(journal, Path):
        raise SettingsError(
            f"watchers share shards in a database, and {journal} is a file; name it with --journal postgresql://..."
        )
    return journal


def report(seen: ShardsSeen, address: DatabaseAddress) -> dict[str, Any]:
    """All of it as a document.

    Args:
        seen: how it stands.
        address: of the journals.
    """
    names = {watcher.id: watcher.name for watcher in seen.watchers}
    return {
        "at": iso(seen.at),
        "watchers": [_watcher(watcher, seen) for watcher in seen.watchers],
        "shards": [_shard(each, names.get(each.watcher), seen, address) for each in seen.shards],
    }


def _watcher(watcher: WatcherSeen, seen: ShardsSeen) -> dict[str, Any]:
    return {
        "id": watcher.id,
        "name": watcher.name,
        "lives": watcher.lives,
        "since": iso(watcher.since),
        "shards": [each.shard.name for each in seen.wanted_by(watcher.id)],
    }


def _shard(each: ShardSeen, watcher: str | None, seen: ShardsSeen, address: DatabaseAddress) -> dict[str, Any]:
    shard, lease = each.shard, each.lease
    held = lease if lease is not None and lease.held else None
    return {
        "name": shard.name,
        "provider": shard.provider,
        "region": shard.region,
        "part": shard.part.number,
        "parts": shard.part.of,
        "journal": str(address.but(journal=shard.journal)),
        "state": "held" if held else "unknown" if each in seen.unknown else "not_held",
        "why": seen.trouble(each) or None,
        "watcher": watcher,
        "wanted_since": iso(each.since),
        "holder": held.holder if held else None,
        "epoch": lease.epoch if lease else 0,
        "held_seconds": (seen.at - held.taken).total_seconds() if held else None,
        "busy": bool(held and held.busy),
    }


def _lines(document: dict[str, Any]) -> Iterator[str]:
    living = sum(watcher["lives"] for watcher in document["watchers"])
    yield click.style(f"{len(document['shards'])} shards, {living} living watcher(s)", bold=True)
    for shard in document["shards"]:
        yield _line(shard)
    yield click.style("Watchers", bold=True)
    for watcher in document["watchers"]:
        state = click.style("lives", fg="green") if watcher["lives"] else click.style("silent", fg="red")
        age = span(datetime.fromisoformat(document["at"]) - datetime.fromisoformat(watcher["since"]))
        yield f"  {printable(watcher['name'])}: {state}, {len(watcher['shards'])} shard(s), began {age} ago"


def _line(shard: dict[str, Any]) -> str:
    state = click.style(shard["state"].replace("_", " "), fg=_COLOURS[shard["state"]])
    by = f" by {shard['holder']} for {span(timedelta(seconds=shard['held_seconds']))}" if shard["holder"] else ""
    busy = ", stages run" if shard["busy"] else ""
    why = printable(f": {shard['why']}") if shard["why"] else ""
    return f"  {printable(shard['name'])}: {state}{printable(by)}, epoch {shard['epoch']}{busy}{why}"
