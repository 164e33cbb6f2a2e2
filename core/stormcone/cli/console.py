"""How commands speak: notices as lines, with colour on a terminal only, or as JSON."""

import json
import logging
import sys
from typing import Any

import click

from stormcone.notices import Notice, NoticeKind
from stormcone.text import printable

_COLOURS = {
    NoticeKind.ANNOUNCED: "yellow",
    NoticeKind.REVISED: "yellow",
    NoticeKind.STARTED: "magenta",
    NoticeKind.ENDED: "cyan",
    NoticeKind.RUN_ENDED: "green",
    NoticeKind.APPROVED: "green",
    NoticeKind.RUN_FAILED: "red",
    NoticeKind.APPROVAL_FAILED: "red",
    NoticeKind.UNKNOWN: "red",
    NoticeKind.PROBLEM: "red",
    NoticeKind.NOT_OURS: "blue",
}

_WIDTH = max(len(kind) for kind in NoticeKind)


def notice_line(notice: Notice) -> str:
    """A notice as one line, styled; click drops the style where the output is no terminal."""
    kind = click.style(f"{notice.kind.replace('_', ' '):<{_WIDTH}}", fg=_COLOURS.get(notice.kind))
    return f"{notice.at:%H:%M:%S}  {kind}  {notice.text}"


def notice_json(notice: Notice) -> str:
    """A notice as one line of JSON."""
    event = notice.event
    return json.dumps(
        {
            "at": notice.at.isoformat(),
            "kind": notice.kind.value,
            "text": notice.text,
            "event": event.id if event else None,
        }
    )


def print_json(value: Any) -> None:
    """A value as JSON, indented, in ASCII, so that nothing in it reaches the terminal as a control."""
    click.echo(json.dumps(value, indent=2))


class _LineHandler(logging.Handler):
    """Log records as lines on standard error; notices have a printer of their own."""

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "notice"):
            return
        about = " ".join(str(getattr(record, name)) for name in ("handler", "stage") if hasattr(record, name))
        text = printable(record.getMessage())
        click.echo(f"{record.levelname.lower()}: {about + ': ' if about else ''}{text}", err=True)
        if record.exc_info:
            click.echo(logging.Formatter().formatException(record.exc_info), err=True)


def set_up_logging(verbosity: int) -> None:
    """Show stormcone's and the handlers' log: 0 what handlers say, 1 more, 2 everything."""
    level = {0: logging.INFO, 1: logging.DEBUG}.get(verbosity, logging.DEBUG)
    logger = logging.getLogger() if verbosity > 1 else logging.getLogger("stormcone")
    logger.handlers = [_LineHandler()]
    logger.setLevel(level)


def is_terminal() -> bool:
    """Whether standard output is a terminal that a person looks at."""
    return sys.stdout.isatty()
