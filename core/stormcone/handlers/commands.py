"""Handlers that are commands, for operators who write no Python.

A command is a list of words, and no shell runs it unless whoever wrote it says so (`shell_words`). Even then nothing of
an event is in the line: it comes as JSON on the standard input and as `STORMCONE_*` variables.
"""

import os
import re
import shlex
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from stormcone.errors import GiveUp, Retry, SettingsError
from stormcone.handlers import USUAL_LEAD, Handler, Stage
from stormcone.handlers.context import Context, control_of
from stormcone.handlers.control import Word
from stormcone.handlers.programs import RunningCommand, keep_exit_statuses, why_not_run
from stormcone.model import MaintenanceEvent
from stormcone.text import iso

EXIT_RETRY = 75
"""EX_TEMPFAIL of sysexits.h: try again."""

_LONGEST_VALUE = 8192
"""Characters of a variable: Linux takes 128 KiB for each, and 2 MiB for all of them with the command line."""


class CommandHandler(Handler):
    """Runs a command at each stage.

    Exit status 0 is done, 75 is "try again", anything else has failed; one that was ended by a signal is tried again. A
    command that passes its deadline, or whose event is called off, gets SIGTERM (with everything it started), then
    SIGKILL; so does one that runs when the agent stops, which the agent's next life runs again. Whatever its exit
    status is then, it was cut off.

    Args:
        commands: the words of the command for each stage; a stage that is missing does nothing.
        credentials: whether commands get the environment variables that hold the cloud's credentials.
        lead: how long before an event's time that of prepare is run; None: as soon as it is announced.
        name: what the journal calls it.

    Raises:
        SettingsError: a command has no words, or there is no such program.
    """

    name = "commands"

    def __init__(
        self,
        commands: Mapping[Stage, Sequence[str]],
        *,
        credentials: bool = False,
        lead: timedelta | None = USUAL_LEAD,
        name: str = "commands",
    ) -> None:
        for stage, words in commands.items():
            if not words:
                raise SettingsError(f"the command for {stage} is empty; give a program and its arguments")
            if why := why_not_run(words[0]):
                raise SettingsError(f"the command for {stage} cannot be run: {why}")
        self._commands = {stage: list(words) for stage, words in commands.items()}
        self._credentials = credentials
        self.name = name
        self.lead = lead
        keep_exit_statuses()

    @property
    def through_shell(self) -> tuple[Stage, ...]:
        """The stages whose command a shell runs."""
        return tuple(stage for stage, words in self._commands.items() if tuple(words[:2]) == _SHELL)

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
        control = control_of(context)
        hidden = () if self._credentials else control.secrets
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        with tempfile.TemporaryFile() as document:
            document.write(event.model_dump_json().encode())
            document.seek(0)
            try:
                command = RunningCommand(
                    words, document, {**environment, **variables(stage, event, context)}, control.mark, context.log
                )
            except BlockingIOError as error:  # no more processes or memory, now
                raise Retry(f"the command {words[0]!r} cannot be started: {error.strerror}") from error
            except (OSError, ValueError) as error:
                raise GiveUp(f"the command {words[0]!r} cannot be started: {error}") from error
        control.on(Word.STOPPING, lambda: command.signal(signal.SIGTERM))
        control.on(Word.STOP, lambda: command.signal(signal.SIGTERM))
        control.on(Word.KILL, lambda: command.signal(signal.SIGKILL))
        status = command.wait()
        said = f": {command.last_line}" if command.last_line else ""
        if status == 0:
            if not command.signalled:
                context.finished()  # whatever it was told meanwhile, it had come to its end
            return
        if status < 0 or command.signalled:  # it was ended, by us or by somebody else: that is no word of its own
            raise Retry(f"{words[0]} {_ending(status)}{said}")
        if status == EXIT_RETRY:
            raise Retry(f"{words[0]} asked to be tried again (exit status {EXIT_RETRY}){said}")
        raise GiveUp(f"{words[0]} failed with exit status {status}{said}")


_OF_SHELLS = re.compile(
    r"""\\(?![$`][^"]*").                 # a backslash quotes what follows it
    | '[^']*'                           # all that is in single quotes is text
    | "(?:\\[^$`]|[^"\\$`])*"           # so is what is in double quotes, but for two signs
    | (?P<live>\\[$`](?=[^"]*")|[|&;<>$()`*\n]|(?:(?<=\s)|^)[~#])""",
    re.VERBOSE,
)
"""What stands for itself on a shell's line, and the first sign that would do something there."""


_SHELL = ("/bin/sh", "-c")


def shell_words(text: str) -> list[str]:
    """The words of a command that has a shell run the line as it stands; nothing is ever put into it."""
    return [*_SHELL, text]


def split_command(text: str, *, remedy: str = "") -> list[str]:
    """The words of a command line, by a shell's rules for quotes and without its other powers.

    Args:
        text: the line.
        remedy: how to have a shell after all, as a clause; "" tells how on a command line.

    Raises:
        SettingsError: it has a sign that only a shell understands, a quote is not closed, or there is no word.
    """
    live = next((found["live"] for found in _OF_SHELLS.finditer(text) if found["live"]), None)
    if live:
        raise SettingsError(
            f"no shell runs the command, so {live!r} would only be text to it; "
            f"{remedy or f'write sh -c {shlex.quote(text)}'}, or put it in single quotes where text is what you mean"
        )
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"the command {text!r} cannot be read: {error}") from error
    if not words:
        raise SettingsError("a command is empty; give a program and its arguments")
    return words


def variables(stage: Stage, event: MaintenanceEvent, context: Context) -> dict[str, str]:
    """What a command finds in its environment; times are ISO 8601 UTC, what is not known is empty.

    The system bounds an environment, so no more names are in it than fit; all are on the standard input.
    """
    deadline = context.deadline
    names = tuple(_fitting(event.resources))
    values = {
        "STAGE": stage.value,
        "EVENT_ID": event.id,
        "PROVIDER": event.provider,
        "IMPACT": event.impact.value,
        "CAUSE": event.cause.value,
        "PHASE": event.phase.value,
        "OUTCOME": event.outcome.value if event.outcome else "",
        "RESOURCES": ",".join(names),
        "RESOURCES_LEFT_OUT": str(len(event.resources) - len(names)),
        "NOT_BEFORE": iso(event.not_before) if event.not_before else "",
        "DURATION_SECONDS": f"{event.duration.total_seconds():g}" if event.duration is not None else "",
        "DEADLINE": iso(deadline) if deadline else "",
        "ATTEMPT": str(context.attempt),
        "MACHINE": context.machine.name,
        "OTHER_EVENTS": ",".join(_fitting(other.id for other in context.others)),
    }
    # A NUL cannot stand in an environment, and an event's text is the cloud's.
    return {f"STORMCONE_{name}": value.replace("\0", "")[:_LONGEST_VALUE] for name, value in values.items()}


def _fitting(names: Iterable[str]) -> Iterator[str]:
    room = _LONGEST_VALUE
    for name in names:
        room -= len(name) + 1
        if room < 0:
            return
        yield name


def _ending(status: int) -> str:
    if status >= 0:
        return f"was told to end and did, with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
