"""`stormcone reload`: have the agent that works here take a changed configuration or handler file in."""

import os
import signal
from pathlib import Path

import click

from stormcone.cli.configured import config_option, named_file
from stormcone.cli.console import say
from stormcone.cli.options import JOURNAL_PLACES, default_journal
from stormcone.config.build import Incomplete, app_of
from stormcone.config.load import Configuration, load
from stormcone.errors import SettingsError
from stormcone.journal.sqlite.lock import holder_of

_PROC = Path("/proc")
_TERMINALS = ("/dev/pts/", "/dev/tty", "/dev/console")


@click.command("reload")
@config_option
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default=f"the configuration's, else {JOURNAL_PLACES}",
    help="The agent's journal, which tells where it runs.",
)
def command(journal: Path | None) -> None:
    """Have the agent take a changed configuration or handler file in, where that is safe.

    What is broken is refused here already, and the agent is left alone. What has begun for an event ends with the
    handlers that it began with. The agent's own log says what it has taken in, or why not.
    """
    configuration = load(file=named_file(), flags={"journal": journal} if journal else {})
    _check(configuration)
    place = configuration.settings.journal or default_journal()
    process = holder_of(place)
    if process is None:
        raise SettingsError(f"no agent works with the journal {place}; name its journal with --journal, or start it")
    if why := _why_deaf(process):
        raise SettingsError(f"the agent, process {process}, {why}; stop it and start it again")
    try:
        os.kill(process, signal.SIGHUP)
    except OSError as error:
        raise SettingsError(f"the agent, process {process}, cannot be told: {error.strerror}") from error
    say(f"The agent, process {process}, reads its configuration again; its log says what comes of that.")


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
