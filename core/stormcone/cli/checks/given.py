"""What `doctor` looks at of what was given to be run: handlers, commands, sinks."""

from collections.abc import Callable, Iterator

from stormcone.cli.checks.check import Check, bad, doubtful, well
from stormcone.cli.commands.check import approval_of, summary_of
from stormcone.config.build import Incomplete, app_of
from stormcone.config.load import Configuration
from stormcone.errors import StormconeError

SINKS: list[Callable[[Configuration], Iterator[Check]]] = []
"""Whoever can say whether the sinks of a configuration can be reached."""


def checks(configuration: Configuration) -> Iterator[Check]:
    """The configuration, the handlers with their commands, and the sinks."""
    if configuration.file is not None:
        yield well("configuration", str(configuration.file))
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
    for reachable in SINKS:
        yield from reachable(configuration)
