"""`stormcone reload`: have the agent that works here take a changed configuration or handler file in."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from stormcone.cli.configured import config_option, named_file
from stormcone.cli.console import say
from stormcone.cli.options import JOURNAL_PLACES, JournalAt, Place, beside, default_journal
from stormcone.config.build import Incomplete, app_of
from stormcone.config.load import Configuration, load
from stormcone.errors import SettingsError, StormconeError
from stormcone.health.client import ask
from stormcone.health.face import STATUS
from stormcone.journal.sqlite.lock import holder_of
from stormcone.text import printable

PATIENCE = 30.0
"""Seconds that the agent has to say what came of it: it may import much."""

BETWEEN = 0.1
"""Seconds between two looks at what it says."""

_PROC = Path("/proc")
_TERMINALS = ("/dev/pts/", "/dev/tty", "/dev/console")


@click.command("reload")
@config_option
@click.option(
    "--journal",
    type=JournalAt(),
    metavar="FILE|URL",
    show_default=f"the configuration's, else {JOURNAL_PLACES}",
    help="The agent's journal, which tells where it runs.",
)
def command(journal: Place | None) -> None:
    """Have the agent take a changed configuration or handler file in, where that is safe.

    What is broken is refused here already, and the agent is left alone. What has begun for an event ends with the
    handlers that it began with. Exit status 0: the agent has taken it in; 1: it has not, and says why.
    """
    configuration = load(file=named_file(), flags={"journal": journal} if journal else {})
    _check(configuration)
    place = configuration.settings.journal or default_journal()
    here = beside(place)
    process = holder_of(place) if isinstance(place, Path) else _process_of(here)
    if process is None:
        raise SettingsError(f"no agent works with the journal {place}; name its journal with --journal, or start it")
    if why := _why_deaf(process):
        raise SettingsError(f"the agent, process {process}, {why}; stop it and start it again")
    before = _last(here)
    try:
        os.kill(process, signal.SIGHUP)
    except OSError as error:
        raise SettingsError(
            f"the agent, process {process}, cannot be told ({error.strerror}); run this as the user that runs the agent"
        ) from error
    if before is None:
        say(f"The agent, process {process}, reads its configuration again; its log says what comes of that.")
        return
    answer = _wait(here, before)
    if answer is None:
        raise StormconeError(
            f"the agent, process {process}, has not said within {PATIENCE:g} s what came of it; look into its log"
        )
    if not answer["taken"]:
        raise StormconeError(f"the agent, process {process}, has not reloaded: {printable(answer['text'])}")
    say(f"The agent, process {process}, has reloaded: {printable(answer['text'])}.")


def _process_of(journal: Path) -> int | None:
    """The process on this machine that works with a journal in a database, or stands by for it."""
    try:
        return int(ask(journal, STATUS)["process"])
    except (StormconeError, KeyError):
        return None


def _last(journal: Path) -> int | None:
    """The number of the last reload; None where the agent cannot be asked."""
    try:
        return int((ask(journal, STATUS)["reload"] or {"number": 0})["number"])
    except (StormconeError, KeyError):
        return None


def _wait(journal: Path, before: int) -> dict[str, Any] | None:
    """What came of the reload after that one; None where the agent has not said it in time, or is gone."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(StormconeError):
            answer: dict[str, Any] | None = ask(journal, STATUS).get("reload")
            if answer is not None and answer["number"] > before:
                return answer
        time.sleep(BETWEEN)
    return None


def _check(configuration: Configuration) -> None:
    try:
        app_of(configuration)
    except Incomplete:
        return  # what it runs stands on its own command line


def _why_deaf(process: int) -> str:
    """Why a SIGHUP would have the process reload nothing, as a clause; "" where it would."""
    try:
        on = str((_PROC / str(process) / "fd" / "0").readlink())
        status = (_PROC / str(process) / "status").read_text()
    except OSError:
        return ""  # it is somebody else's: the system says whether it can be told
    if on.startswith(_TERMINALS):
        return "works on a terminal, where the signal would end it"
    ignored = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:")), 0)
    return "was started with nohup, so it ignores the signal" if ignored & 1 << (signal.SIGHUP - 1) else ""
