"""The command line. Each command is in a module of its own, imported when it is run, so that `--help` stays quick."""

import atexit
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module

import click

from stormcone import __version__
from stormcone.cli.console import NARROWEST, Manner, mute, say, wrapped
from stormcone.cli.signals import insisting
from stormcone.errors import StormconeError
from stormcone.text import printable

COMMANDS = {
    "check": ("stormcone.cli.commands.check", "Check a handler file or a configuration, without a cloud."),
    "run": ("stormcone.cli.commands.run", "Watch this machine and carry your handlers through its maintenance."),
    "worker": ("stormcone.cli.commands.worker", "Do a share of the work of a watcher that runs with --workers."),
    "watch": ("stormcone.cli.commands.watch", "Watch a share of many regions, with other watchers."),
    "reload": ("stormcone.cli.commands.reload", "Make the agent read a changed configuration or handler file."),
    "config": ("stormcone.cli.commands.config", "Show the settings in force, and where each comes from."),
    "events": ("stormcone.cli.commands.events", "Show what is announced."),
    "approve": ("stormcone.cli.commands.approve", "Tell the cloud that an event may begin."),
    "postpone": ("stormcone.cli.commands.postpone", "Ask the cloud to begin an event later."),
    "status": ("stormcone.cli.commands.status", "Show what the running agent does now."),
    "fleet": ("stormcone.cli.commands.fleet", "Show the machines that share a database, and who waits for whom."),
    "shards": ("stormcone.cli.commands.shards", "Show which watcher has which region, or part of one."),
    "history": ("stormcone.cli.commands.history", "Show what the journal knows: events, handlers, approvals."),
    "explain": ("stormcone.cli.commands.explain", "Say what would be done about an event, and why."),
    "sink": ("stormcone.cli.commands.sink", "See who is told of what happens, and try it."),
    "record": ("stormcone.cli.commands.record", "Record what the cloud says, to replay it on a simulator."),
    "providers": ("stormcone.cli.commands.providers", "List the clouds and simulators that are installed."),
    "install": ("stormcone.cli.commands.install", "Make systemd run the agent from boot."),
    "doctor": ("stormcone.cli.commands.doctor", "Find out which cloud this is, and whether an agent can work here."),
    "simulator": ("stormcone.cli.commands.simulator", "Serve a cloud's own protocol, for tests."),
    "simulate": ("stormcone.cli.commands.simulate", "Announce, change and cancel simulated events."),
    "scenarios": (
        "stormcone.cli.commands.scenarios",
        "List the scripts of events that simulators play, or make one.",
    ),
    "demo": ("stormcone.cli.commands.demo", "See the whole story in a minute: no account, no server."),
}
"""Every command: its module, which has a click command `command`, and one sentence."""

EXIT_STATUSES = """
\b
Exit status:
    0  done
    1  failed
    2  the command line is wrong
   64  the value of an option or setting cannot be used
   65  a simulated event cannot be made or canceled
   66  the handler file cannot be used
   69  the cloud does not answer
   70  the cloud refuses
   71  the port is in use
   73  a trace cannot be read or written
   74  the journal cannot be used
   75  another agent uses the journal
   76  a sink cannot be told
  77  the fleet's database cannot be used
   78  a plug-in cannot be used, or a part is not installed
  130  interrupted by Ctrl-C
  143  ended by SIGTERM
`run`, `watch`, `worker`, `simulator` and `events --watch` go on until they are
stopped, and end with 0 then. A SIGHUP stops them too, but a `run` without a
terminal reads its configuration again, as for `stormcone reload`.
"""


class _Help(click.HelpFormatter):
    """Help that is wrapped at words down to the last line, those that stand as they were written too."""

    def getvalue(self) -> str:
        return wrapped(super().getvalue(), max(self.width, NARROWEST))


click.Context.formatter_class = _Help


class _LazyGroup(click.Group):
    """A group that knows its commands' names and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's face
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's face
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_LazyGroup, epilog=EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stormcone")
def cli() -> None:
    """One handler for every cloud's maintenance: prepare, approve, ride it out, recover.

    \b
    New here?      stormcone demo
    Your handler:  stormcone run handlers.py
    """


LAST_WORDS = 2.0
"""Real seconds that the end waits for somebody to read the output."""

LEFT_BEHIND = 5.0
"""Real seconds that the end waits for what handlers have left behind."""


def main(arguments: list[str] | None = None, *, shard: str = "") -> None:
    """The program `stormcone`: runs a command and ends the process with its exit status.

    Args:
        arguments: the command line; None takes the process's.
        shard: see `Manner`.
    """
    given = sys.argv[1:] if arguments is None else arguments
    manner = Manner(as_json="--json" in given, shard=shard)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no error
    with _terminated_by_signal():
        try:
            status = _status(given, manner)
            _bring_out(sys.stdout.flush, status)
        except BrokenPipeError:
            mute()  # or the interpreter fails once more when it empties its buffers
            status = 1
        except OSError as error:
            mute()
            status = 1
            what = f"{error.filename}: " if error.filename else ""
            _complain(f"stormcone: {what}{error.strerror or error}", status, manner)
    sys.exit(status)


@contextmanager
def _terminated_by_signal() -> Iterator[None]:
    """Leave by SIGTERM as by Ctrl-C, so that what is open is closed on the way; see `until_stopped`."""
    told: list[int] = []
    with insisting() as insist:

        def terminate(number: int, _frame: object) -> None:
            told.append(number)
            insist(number)
            sys.exit(128 + number)

        before = signal.signal(signal.SIGTERM, terminate)
        try:
            yield
        except BaseException:
            if not told:
                raise
            sys.exit(128 + told[0])
        finally:
            signal.signal(signal.SIGTERM, before)


def program(arguments: list[str] | None = None, *, shard: str = "") -> None:
    """The program as a process: it is over a while after its work is, whatever handlers have left behind.

    Python waits for threads, pools and forked children of theirs, for ever if need be.

    Args:
        arguments: the command line; None takes the process's.
        shard: see `Manner`.
    """
    statuses: list[int] = []
    atexit.register(_leave, statuses)  # the first to be registered, so the last to be called
    try:
        main(arguments, shard=shard)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
        statuses.append(status)
        threading.Thread(target=_end_after, args=(LEFT_BEHIND, status), name="stormcone-end", daemon=True).start()
        raise


def _leave(statuses: list[int]) -> None:
    """End before Python ends the threads that are left: one that is within a library may abort the whole process."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    if statuses:
        os._exit(statuses[0])


def _end_after(seconds: float, status: int) -> None:
    time.sleep(seconds)
    os._exit(status)


def _bring_out(write: Callable[[], object], status: int) -> None:
    """Write something; where nobody reads it, end with that status without, since Python would wait for ever.

    Raises:
        OSError: it cannot be written.
    """
    failed: list[OSError] = []

    def bring_out() -> None:
        try:
            write()
        except OSError as error:
            failed.append(error)

    writer = threading.Thread(target=bring_out, daemon=True)
    writer.start()
    writer.join(LAST_WORDS)
    if writer.is_alive():
        os._exit(status)
    if failed:
        raise failed[0]


def _status(arguments: list[str], manner: Manner) -> int:
    """Run a command, and say in one sentence why it failed where it did."""
    try:
        status = cli.main(arguments, prog_name="stormcone", standalone_mode=False, obj=manner)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(file=shown)
        text = error.format_message() if manner.as_json else shown.getvalue().rstrip()
        _complain(text, error.exit_code, manner)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complain("stormcone: interrupted", 130, manner)
        return 130
    except StormconeError as error:
        _complain(f"stormcone: {printable(str(error))}", error.exit_code, manner)
        return error.exit_code
    return status if isinstance(status, int) else 0


def _complain(text: str, status: int, manner: Manner) -> None:
    if manner.as_json:
        of = {"shard": manner.shard} if manner.shard else {}
        text = json.dumps({"error": text.removeprefix("stormcone: "), "exit_status": status, **of})
    elif manner.shard:
        text = f"{manner.shard}: {text}"
    show = click.echo if manner.as_json else say
    with suppress(OSError):
        _bring_out(partial(show, text, err=True), status)
