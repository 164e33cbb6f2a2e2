"""`stormcone sink`: who is told of what happens, how far each has come, and whether it can be told."""

import os
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from stormcone.cli.configured import OPTIONS, configured
from stormcone.cli.console import print_json, say, warn
from stormcone.cli.options import default_journal, json_option
from stormcone.clock import SystemClock
from stormcone.config.load import Configuration
from stormcone.config.sinks import made, tables_of
from stormcone.errors import SettingsError, SinkError
from stormcone.journal import SinkRecord
from stormcone.journal.places import Place, may_be_there, read_journal
from stormcone.plugins import SINKS, load_plugins
from stormcone.sinks.contract import Sink
from stormcone.sinks.notification import PREFIX, Notification, NotificationData
from stormcone.text import iso, printable, span

_OTHERS = tuple(name for name in OPTIONS if name not in {"config", "sinks", "journal"})
"""The options of `run` that have nothing to do with sinks."""


@click.group("sink")
def command() -> None:
    """See who is told of what happens, and try it."""


@command.command("list")
@configured(without=_OTHERS)
@json_option
def list_command(read: Callable[[], Configuration], as_json: bool) -> None:
    """Show each sink: what waits for it, what it has taken, and why it cannot be told.

    Reads the configuration, and the journal beside a running agent.
    """
    configuration = read()
    kinds = {name: str(table["type"]) for name, table in tables_of(configuration).items()}
    records = {record.name: record for record in _records(configuration.settings.journal or default_journal())}
    found = [(name, kinds.get(name), records.get(name, SinkRecord(name=name))) for name in sorted({*kinds, *records})]
    if as_json:
        print_json({"sinks": [_document(kind, record) for _, kind, record in found]})
        return
    if not found:
        say("No sink is configured; give [sinks.NAME] in the configuration, or --sink NAME=TYPE.")
    now = SystemClock().now()
    for name, kind, record in found:
        say(printable(f"{name} ({kind or 'not in the configuration'}): {_standing(record, now)}"))


def _records(journal: Place) -> list[SinkRecord]:
    if not may_be_there(journal):
        return []
    with read_journal(journal) as book:
        return book.outbox.sinks()


def _document(kind: str | None, record: SinkRecord) -> dict[str, Any]:
    times = {
        "oldest": iso(record.oldest) if record.oldest else None,
        "again": iso(record.again) if record.again else None,
    }
    return {"type": kind, **asdict(record), **times}


def _standing(record: SinkRecord, now: datetime) -> str:
    waiting = f"{record.waiting} waiting"
    if record.oldest is not None:
        waiting += f", the oldest for {span(now - record.oldest)}"
    parts = [waiting, f"{record.sent} sent"]
    parts += [f"{record.refused} refused"] if record.refused else []
    parts += [f"{record.dropped} dropped"] if record.dropped else []
    parts += [f"failed {record.attempt} time(s) in a row: {record.error}"] if record.error else []
    return "; ".join(parts)


@command.command("test")
@click.argument("name")
@configured(without=(*_OTHERS, "journal"))
@json_option
def test_command(name: str, read: Callable[[], Configuration], as_json: bool) -> None:
    """Send one notification to the sink NAME, and say what became of it.

    \b
    stormcone sink test ops --config stormcone.toml
    stormcone sink test ops --sink ops=webhook --sink ops.url=http://127.0.0.1:8080/
    """
    configuration = read()
    tables = tables_of(configuration)
    if name not in tables:
        known = ", ".join(tables) or "none"
        raise SettingsError(f"no sink is called {name}; there are: {known}")
    clock = SystemClock()
    named = made(configuration, name, tables[name], clock)
    notification = _of_a_test(clock.now())
    begun = clock.monotonic()
    try:
        named.sink.send(notification)
    except SinkError as error:
        raise type(error)(f"the sink {name} cannot be told: {named.said(error)}") from None
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises
        raise SinkError(f"the sink {name} cannot be told: {named.said(error)}") from None
    finally:
        named.sink.close()
    seconds = clock.monotonic() - begun
    if as_json:
        print_json({"sink": name, "id": notification.id, "taken": True, "seconds": round(seconds, 3)})
    else:
        say(f"{name} has accepted the notification {notification.id} in {seconds:.2f} s.")


def _of_a_test(now: datetime) -> Notification:
    host = os.uname().nodename
    text = "A test of this sink by stormcone: nothing has happened, and there is nothing to do."
    return Notification(
        id=str(uuid.uuid4()),
        type=f"{PREFIX}sink.test",
        source=f"/stormcone/test/{host}",
        subject=host,
        time=now,
        correlation="test",
        data=NotificationData(text=text, resource={"host.name": host, "service.name": "stormcone"}),
    )


@command.command("types")
@json_option
def types_command(as_json: bool) -> None:
    """List the types of sinks that are installed, with their settings."""
    plugins = load_plugins(SINKS)
    if as_json:
        print_json({name: _settings_of(plugin) for name, plugin in sorted(plugins.found.items())})
        return
    for name, plugin in sorted(plugins.found.items()):
        say(f"{name} ({plugins.distributions[name]})")
        for setting, text in _settings_of(plugin).items():
            say(f"    {setting}: {text}")
    for broken in plugins.broken:
        warn(f"{broken.name} of {broken.distribution} is broken: {broken.error}")


def _settings_of(plugin: type[Sink]) -> dict[str, str]:
    return {name: field.description or "" for name, field in plugin.Settings.model_fields.items()}
