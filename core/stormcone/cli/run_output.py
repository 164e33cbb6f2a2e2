"""What `run` tells: the agent's notices and what handlers log, as one story on standard output, in its order.

All other log lines go to standard error.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime

import click

from stormcone.agent.notices import WARNINGS, Notice, NoticeKind
from stormcone.cli.console import mute, say
from stormcone.clock import Clock
from stormcone.text import printable

LOG = "log"
"""The kind of a line that a handler has logged."""

COLOURS: dict[str, str] = {
    NoticeKind.ANNOUNCED: "yellow",
    NoticeKind.REVISED: "yellow",
    NoticeKind.STARTED: "magenta",
    NoticeKind.ENDED: "cyan",
    NoticeKind.RUN_ENDED: "green",
    NoticeKind.APPROVED: "green",
    NoticeKind.RUN_FAILED: "red",
    NoticeKind.RUN_CUT_OFF: "yellow",
    NoticeKind.APPROVAL_FAILED: "red",
    NoticeKind.UNKNOWN: "red",
    NoticeKind.PROBLEM: "red",
    NoticeKind.NOT_OURS: "blue",
    LOG: "bright_blue",
}

_WIDTH = max(len(kind) for kind in NoticeKind)

_LEVELS = (
    {"": logging.INFO},
    {"": logging.INFO, "stormcone": logging.DEBUG},
    {"": logging.DEBUG, "stormcone": logging.DEBUG},
)
"""What each `-v` lets through, by logger; the first is without any."""


@dataclass(frozen=True)
class OutputLine:
    """One line of the story, as `--json` prints it.

    Attributes:
        at: when, on the agent's clock, aware UTC.
        kind: the notice's kind, or `log` for what a handler has logged.
        level: `info`, `warning`, ... as in logging.
        text: one line.
        event: the event's id, or None.
        handler: who logged it, or None.
        stage: at which stage, or None.
    """

    at: datetime
    kind: str
    level: str
    text: str
    event: str | None = None
    handler: str | None = None
    stage: str | None = None

    def as_json(self) -> str:
        """The line as one line of JSON."""
        return json.dumps({**asdict(self), "at": self.at.isoformat()})

    def as_text(self) -> str:
        """The line for people, styled."""
        kind = click.style(f"{self.kind.replace('_', ' '):<{_WIDTH}}", fg=COLOURS.get(self.kind))
        loud = f"{self.level}: " if self.handler and self.level not in {"info", "debug"} else ""
        who = f"{self.handler}.{self.stage}: " if self.handler else ""
        return f"{self.at:%H:%M:%SZ}  {kind}  {printable(who + loud + self.text)}"


def notice_line(notice: Notice) -> OutputLine:
    """A notice as a line of the story."""
    level = "warning" if notice.kind in WARNINGS else "info"
    return OutputLine(notice.at, notice.kind.value, level, notice.text, notice.event.id if notice.event else None)


class RunOutput(logging.Handler):
    """Prints the story as it happens; any thread may add to it.

    Args:
        clock: the agent's: handlers' lines bear its time.
        as_json: print each line as JSON.
    """

    def __init__(self, clock: Clock, *, as_json: bool) -> None:
        super().__init__()
        self._clock = clock
        self._as_json = as_json

    def tell(self, notice: Notice) -> None:
        """Add a notice."""
        self._print(notice_line(notice))

    def emit(self, record: logging.LogRecord) -> None:
        """Add what a handler has logged. The agent's own records of its notices are left out: `tell` has them."""
        if hasattr(record, "notice"):
            return
        with suppress(OSError):  # that a log cannot be written is no fault of the handler that logs
            text, level = record.getMessage(), record.levelname.lower()
            if hasattr(record, "handler") and hasattr(record, "stage"):
                event = getattr(record, "event", None)
                self._print(OutputLine(self._clock.now(), LOG, level, text, event, record.handler, record.stage))
            else:
                say(f"{level}: {record.name}: {printable(text)}", err=True)
            if record.exc_info:
                trace = logging.Formatter().formatException(record.exc_info)
                say("\n".join(printable(line) for line in trace.splitlines()), err=True)

    @contextmanager
    def listening(self, verbosity: int) -> Iterator[None]:
        """Print what is logged meanwhile.

        Args:
            verbosity: 0 what handlers say, 1 also stormcone's details, 2 everything.
        """
        levels = {logging.getLogger(name): level for name, level in _LEVELS[min(verbosity, 2)].items()}
        before = {logger: logger.level for logger in levels}
        logging.getLogger().addHandler(self)
        for logger, level in levels.items():
            logger.setLevel(level)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)
            for logger, level in before.items():
                logger.setLevel(level)

    def _print(self, line: OutputLine) -> None:
        self.acquire()
        try:
            say(line.as_json() if self._as_json else line.as_text())
        except BrokenPipeError:
            mute()  # the machine still needs its agent, though nobody listens any more
        finally:
            self.release()
