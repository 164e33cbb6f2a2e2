"""What `doctor` looks at of what was given to be run: handlers, commands, sinks."""

from collections.abc import Iterator
from contextlib import closing

from stormcone.cli.checks.check import Check, bad, doubtful, well
from stormcone.cli.commands.check import approval_of, summary_of
from stormcone.cli.options import default_journal
from stormcone.clock import SystemClock
from stormcone.config.build import Incomplete, app_of
from stormcone.config.fleet import opened
from stormcone.config.load import Configuration
from stormcone.config.sinks import made, tables_of
from stormcone.errors import PartMissing, SettingsError, StormconeError
from stormcone.journal import SinkRecord
from stormcone.journal.places import Place, may_be_there, read_journal


def checks(configuration: Configuration) -> Iterator[Check]:
    """The configuration, the sinks, and the handlers with their commands."""
    if configuration.file is not None:
        yield well("configuration", str(configuration.file))
    yield from _sinks(configuration)
    if configuration.settings.fleet is not None:
        yield _fleet(configuration, configuration.settings.fleet.name)
    try:
        app = app_of(configuration)
    except Incomplete:
        return  # nothing was given
    except StormconeError as error:
        yield bad("handlers", str(error), "put that right; the agent would not start")
        return
    for handler in app.handlers:
        yield well(f"handler {handler.label}", summary_of(handler).partition(": ")[2])
    approval = approval_of(app)
    if approval.startswith("never, since"):
        yield doubtful("approval", approval, "where events should begin early, add a handler that prepares")
    else:
        yield well("approval", approval)


def _sinks(configuration: Configuration) -> Iterator[Check]:
    """Each sink that is configured: whether it can be made, and what became of it the last time."""
    journal = configuration.settings.journal or default_journal()
    for name, table in tables_of(configuration).items():
        try:
            made(configuration, name, table, SystemClock()).sink.close()
        except StormconeError as error:
            yield bad(f"sink {name}", str(error), "put that right; the agent would not start")
            continue
        record = _records(journal).get(name, SinkRecord(name=name))
        found = f"{table['type']}; {record.waiting} waiting, {record.sent} sent"
        if record.error:
            yield doubtful(
                f"sink {name}", f"{found}; not reached the last time: {record.error}", f"stormcone sink test {name}"
            )
        else:
            yield well(f"sink {name}", found)


def _fleet(configuration: Configuration, name: str) -> Check:
    """The fleet's database; without it the agent works, and agrees on nothing."""
    try:
        with closing(opened(configuration, reads=True)) as fleet:
            seen = fleet.overview()
    except (PartMissing, SettingsError) as error:
        return bad(f"fleet {name}", str(error), "put that right; the agent would not start")
    except StormconeError as error:
        return doubtful(f"fleet {name}", str(error), "until then events that name others wait")
    heard = sum(not member.silent(seen.at) for member in seen.members)
    return well(f"fleet {name}", f"its database answers; of {len(seen.members)} members {heard} are heard")


def _records(journal: Place) -> dict[str, SinkRecord]:
    """How each sink stands; nothing where the journal, which is looked at by itself, cannot be read."""
    if not may_be_there(journal):
        return {}
    try:
        with read_journal(journal) as book:
            return {record.name: record for record in book.outbox.sinks()}
    except StormconeError:
        return {}
