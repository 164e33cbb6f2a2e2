"""Handlers that are commands, for operators who write no Python.

A command is a list of words, never a shell line: nothing of an event reaches a shell. It gets the event as JSON
on its standard input and as `STORMCONE_*` variables.
"""

import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from stormcone.errors import GiveUp, Retry, SettingsError
from stormcone.handlers import Handler, Stage
from stormcone.handlers.context import Context, control_of
from stormcone.model import MaintenanceEvent
from stormcone.text import iso, printable

EXIT_RETRY = 75
"""EX_TEMPFAIL of sysexits.h: try again."""

_LONGEST_LINE = 500
_LONGEST_READ = 8192
_LAST_WORDS_SECONDS = 1.0


class CommandHandler(Handler):
    """Runs a command at each stage.

    Exit status 0 is done, 75 is "try again", anything else has failed; one that was ended by a signal is tried again. A
    command that passes its deadline, or whose event is called off, gets SIGTERM (with everything it started), then
    SIGKILL; whatever its exit status is then, it was cut off.

    Args:
        commands: the words of the command for each stage; a stage that is missing does nothing.

    Raises:
        SettingsError: a command has no words, or there is no such program.
    """

    name = "commands"

    def __init__(self, commands: Mapping[Stage, Sequence[str]]) -> None:
        for stage, words in commands.items():
            if not words:
                raise SettingsError(f"the command for {stage} is empty; give a program and its arguments")
            if shutil.which(words[0]) is None:
                raise SettingsError(f"the command for {stage} cannot be run: {_missing(words[0])}")
        self._commands = {stage: list(words) for stage, words in commands.items()}

    def has(self, stage: Stage) -> bool:
        """Whether there is a command for the stage."""
        return stage in self._commands

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        """Run the command for prepare."""
        self._run(Stage.PREPARE, event, context)

    def started(self, event: MaintenanceEvent, context: Context) -> None:
        """Run the command for started."""
        self._run(Stage.STARTED, event, context)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        """Run the command for recover."""
        self._run(Stage.RECOVER, event, context)

    def _run(self, stage: Stage, event: MaintenanceEvent, context: Context) -> None:
        words = self._commands[stage]
        with tempfile.TemporaryFile() as document:
            document.write(event.model_dump_json().encode())
            document.seek(0)
            try:
                command = _Command(words, document, {**os.environ, **variables(stage, event, context)}, context.log)
            except BlockingIOError as error:  # no more processes or memory, now
                raise Retry(f"the command {words[0]!r} cannot be started: {error.strerror}") from error
            except (OSError, ValueError) as error:
                raise GiveUp(f"the command {words[0]!r} cannot be started: {error}") from error
        control = control_of(context)
        control.on_stop(lambda: command.signal(signal.SIGTERM))
        control.on_kill(lambda: command.signal(signal.SIGKILL))
        status = command.wait(lambda: control.stopped)
        said = f": {command.last_line}" if command.last_line else ""
        if status < 0:  # it was ended, by us or by somebody else: that is no word of its own
            raise Retry(f"{words[0]} {_ending(status)}{said}")
        if status == EXIT_RETRY:
            raise Retry(f"{words[0]} asked to be tried again (exit status {EXIT_RETRY}){said}")
        if status != 0:
            raise GiveUp(f"{words[0]} failed with exit status {status}{said}")


class _Command:
    """A running command with the processes that it starts, which end with it when it is stopped."""

    def __init__(
        self, words: list[str], stdin: IO[bytes], env: dict[str, str], log: logging.LoggerAdapter[logging.Logger]
    ) -> None:
        self.last_line = ""
        self._log = log
        self._lock = threading.Lock()
        self._reaped = False
        self._process = subprocess.Popen(  # noqa: S603 - words of the operator's, no shell, nothing of the event's
            words,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole process group, unless the command has been reaped: its number may be another's by then."""
        with self._lock:
            if not self._reaped:
                os.killpg(self._process.pid, number)

    def wait(self, stopped: Callable[[], bool]) -> int:
        """Wait for the command's end; of one that was stopped, nothing is left running. Answers its exit status."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        if stopped():
            self.signal(signal.SIGKILL)
        with self._lock:
            self._reaped = True
            status = self._process.wait()
        # A process that the command left running may hold the pipe: what it says later is not waited for.
        self._reader.join(_LAST_WORDS_SECONDS)
        return status

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        with self._process.stdout as output:
            for raw in iter(lambda: output.readline(_LONGEST_READ), b""):
                line = printable(raw.decode(errors="replace")).strip()[:_LONGEST_LINE]
                if line:
                    self.last_line = line
                    self._log.info("%s", line)


def _missing(program: str) -> str:
    if Path(program).is_dir():
        return f"{program} is a folder"
    if Path(program).exists():
        return f"{program} is not executable; chmod +x it, or name its interpreter as well"
    return f"there is no program {program}" + ("" if "/" in program else " on the PATH; give its whole path")


_OF_SHELLS = re.compile(
    r"""\\(?![$`][^"]*").                 # a backslash quotes what follows it
    | '[^']*'                           # all that is in single quotes is text
    | "(?:\\[^$`]|[^"\\$`])*"           # so is what is in double quotes, but for two signs
    | (?P<live>\\[$`](?=[^"]*")|[|&;<>$()`*\n]|(?:(?<=\s)|^)[~#])""",
    re.VERBOSE,
)
"""What stands for itself on a shell's line, and the first sign that would do something there."""


def split_command(text: str) -> list[str]:
    """The words of a command line, by a shell's rules for quotes and without its other powers.

    Raises:
        SettingsError: it has a sign that only a shell understands, a quote is not closed, or there is no word.
    """
    live = next((found["live"] for found in _OF_SHELLS.finditer(text) if found["live"]), None)
    if live:
        raise SettingsError(
            f"no shell runs the command, so {live!r} would only be text to it; write sh -c {shlex.quote(text)}, "
            "or put it in single quotes where text is what you mean"
        )
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"the command {text!r} cannot be read: {error}") from error
    if not words:
        raise SettingsError("a command is empty; give a program and its arguments")
    return words


def variables(stage: Stage, event: MaintenanceEvent, context: Context) -> dict[str, str]:
    """What a command finds in its environment; times are ISO 8601 UTC, what is not known is empty."""
    deadline = context.deadline
    values = {
        "STAGE": stage.value,
        "EVENT_ID": event.id,
        "PROVIDER": event.provider,
        "IMPACT": event.impact.value,
        "CAUSE": event.cause.value,
        "PHASE": event.phase.value,
        "OUTCOME": event.outcome.value if event.outcome else "",
        "RESOURCES": ",".join(event.resources),
        "NOT_BEFORE": iso(event.not_before) if event.not_before else "",
        "DURATION_SECONDS": f"{event.duration.total_seconds():g}" if event.duration is not None else "",
        "DEADLINE": iso(deadline) if deadline else "",
        "ATTEMPT": str(context.attempt),
        "MACHINE": context.machine.name,
    }
    # A NUL cannot stand in an environment, and an event's text is the cloud's.
    return {f"STORMCONE_{name}": value.replace("\0", "") for name, value in values.items()}


def _ending(status: int) -> str:
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
