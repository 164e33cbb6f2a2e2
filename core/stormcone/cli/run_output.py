"""What `run` prints: the agent's notices and what handlers log, as one story on standard output, in its order.

All other log lines go to standard error. With `--json` every line of both is JSON, also what a handler prints.
"""

import io
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial

import click

from stormcone.agent.notices import WARNINGS, Notice, NoticeKind
from stormcone.cli.console import mute, say
from stormcone.cli.spool import Spool
from stormcone.clock import Clock
from stormcone.text import cut_trace, iso, one_line, printable, shortened, stamp

LOG = "log"
"""The kind of a line that a handler has logged."""

PRINT = "print"
"""The kind of a line that a handler, or what it calls, has printed."""

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
    NoticeKind.NOT_RELOADED: "red",
    NoticeKind.NOT_OURS: "blue",
    LOG: "bright_blue",
}

LONGEST_TEXT = 16 * 1024
"""Characters of a line that are shown."""

_WIDTH = max(len(kind) for kind in NoticeKind)

_LIBRARIES = dict.fromkeys(("botocore", "google", "urllib3"), logging.WARNING)
"""What the clouds' own libraries tell of themselves is of no use to who reads what a handler says."""

_LEVELS = (
    {"": logging.INFO, **_LIBRARIES},
    {"": logging.INFO, "stormcone": logging.DEBUG, **_LIBRARIES},
    {"": logging.DEBUG, "stormcone": logging.DEBUG},
)
"""What each `-v` lets through, by logger; the first is without any."""


@dataclass(frozen=True)
class OutputLine:
    """One line, as `--json` prints it.

    Attributes:
        at: when, on the agent's clock, aware UTC.
        kind: the notice's kind, `log` for what is logged, or `print`.
        level: `info`, `warning`, ... as in logging.
        text: one line.
        event: the event's id, or None.
        handler: whose run it is about, or who logged it, or None.
        stage: at which stage, or None.
        logger: which logger, where it is not a handler's, or None.
        traceback: where a handler's error comes from, or None.
        shard: at which of several shards of one watcher, or None; JSON has it where there is one.
    """

    at: datetime
    kind: str
    level: str
    text: str
    event: str | None = None
    handler: str | None = None
    stage: str | None = None
    logger: str | None = None
    traceback: str | None = None
    shard: str | None = None

    def as_json(self) -> str:
        """The line as one line of JSON."""
        said = {**asdict(self), "at": iso(self.at)}
        return json.dumps(said if self.shard else {name: said[name] for name in said if name != "shard"})

    def as_text(self) -> str:
        """The line for people, styled, with the traceback under it."""
        kind = click.style(f"{self.kind.replace('_', ' '):<{_WIDTH}}", fg=COLOURS.get(self.kind))
        loud = f"{self.level}: " if self.kind == LOG and self.level not in {"info", "debug"} else ""
        where = f"{self.shard}: " if self.shard else ""
        who = f"{where}{self.handler}.{self.stage}: " if self.kind == LOG else where
        of = click.style(f"  [{printable(self.event)}]", dim=True) if self.event and self.event not in self.text else ""
        return f"{stamp(self.at)}  {kind}  {printable(who + loud + self.text)}{of}{self._trace()}"

    def as_aside(self) -> str:
        """The line for people who read standard error."""
        return f"{self.level}: {self.logger}: {printable(self.text)}{self._trace()}"

    def _trace(self) -> str:
        return "".join(f"\n{printable(line)}" for line in (self.traceback or "").splitlines())


def notice_line(notice: Notice) -> OutputLine:
    """A notice as a line, without its traceback."""
    level = "warning" if notice.kind in WARNINGS else "info"
    event = notice.event.id if notice.event else None
    return OutputLine(
        notice.at, notice.kind.value, level, notice.text, event, notice.handler or None, notice.stage or None
    )


def trace_of(error: BaseException) -> str:
    """Where an error comes from, from the handler's own line on."""
    try:
        frames = error.__traceback__.tb_next if error.__traceback__ else None
        return cut_trace("".join(traceback.format_exception(type(error), error, frames)).rstrip())
    except Exception as failure:  # noqa: BLE001 - the error is user code, and must not cost the line
        return one_line(failure)


class RunOutput(logging.Handler):
    """Prints what happens as it happens; any thread may add to it.

    Args:
        clock: the agent's: handlers' lines bear its time.
        as_json: print each line as JSON.
        shard: at which of several shards of one watcher this is; None: there are not several.
    """

    def __init__(self, clock: Clock, *, as_json: bool, shard: str | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._as_json = as_json
        self._shard = shard
        self._shown: set[tuple[str | None, ...]] = set()
        self._out = sys.stdout
        self._spool = Spool(self._lost_line)

    def tell(self, notice: Notice) -> None:
        """Add a notice; the traceback of an error is told once for each run that meets it."""
        line = notice_line(notice)
        if notice.error is not None:
            trace = trace_of(notice.error)
            known = (line.event, line.handler, line.stage, trace)
            if known not in self._shown:
                self._shown.add(known)
                line = replace(line, traceback=trace)
        self._print(line)

    def emit(self, record: logging.LogRecord) -> None:
        """Add what is logged. The agent's own records of its notices are left out: `tell` has them."""
        if hasattr(record, "notice"):
            return
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - that a line cannot be made is no fault of what goes on
            text = f"a log line cannot be made: {one_line(error)}: {record.msg!r}"
        level = record.levelname.lower()
        trace = cut_trace(logging.Formatter().formatException(record.exc_info)) if record.exc_info else None
        line = OutputLine(self._clock.now(), LOG, level, text, getattr(record, "event", None), traceback=trace)
        if hasattr(record, "handler") and hasattr(record, "stage"):
            self._print(replace(line, handler=record.handler, stage=record.stage))
        else:
            self._print(replace(line, logger=record.name), aside=True)

    def printed(self, text: str) -> None:
        """Add a line that a handler, or what it calls, has printed: for people it is shown as it is."""
        if self._as_json:
            self._print(OutputLine(self._clock.now(), PRINT, "info", text))
        else:
            self._put(text, aside=False)

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
        self._out = sys.stdout
        self._spool = Spool(self._lost_line)
        try:
            with redirect_stdout(_Printed(self)):
                yield
        finally:
            self._spool.close()
            logging.getLogger().removeHandler(self)
            for logger, level in before.items():
                logger.setLevel(level)

    def _print(self, line: OutputLine, *, aside: bool = False) -> None:
        line = replace(line, text=shortened(line.text, LONGEST_TEXT), shard=self._shard)
        self._put(line.as_json() if self._as_json else line.as_aside() if aside else line.as_text(), aside=aside)

    def _put(self, text: str, *, aside: bool) -> None:
        self._spool.put(partial(self._write, text, aside=aside))

    def _write(self, text: str, *, aside: bool) -> None:
        try:
            say(text, file=sys.stderr if aside else self._out)
        except (OSError, ValueError) as error:  # nobody reads it any more, or it has been closed
            self._go_on_silently(error)

    def _lost_line(self, number: int) -> Callable[[], None]:
        text = f"{number} line(s) are lost: nobody has read the output for a while"
        line = OutputLine(self._clock.now(), NoticeKind.PROBLEM.value, "warning", text)
        return partial(self._write, line.as_json() if self._as_json else line.as_text(), aside=False)

    def _go_on_silently(self, error: OSError | ValueError) -> None:
        """The machine still needs its agent, though nobody listens any more."""
        with suppress(OSError):
            mute()
        if not isinstance(error, BrokenPipeError):
            with suppress(OSError, ValueError):
                reason = error.strerror if isinstance(error, OSError) else str(error)
                why = f"the output cannot be written any more ({reason}); the agent goes on without it"
                say(json.dumps({"error": why}) if self._as_json else f"warning: {why}", err=True)


class _Printed(io.TextIOBase):
    """Standard output as handlers see it: what they print takes its turn, and holds up nobody."""

    def __init__(self, output: RunOutput) -> None:
        super().__init__()
        self._output = output
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._output.printed(line)
        return len(text)

    def fileno(self) -> int:
        """Standard error's: a program that a handler starts and gives this to cannot write JSON."""
        return sys.__stderr__.fileno() if sys.__stderr__ else super().fileno()
