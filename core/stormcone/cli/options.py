"""Options that several commands share, and the kinds of values they take."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from stormcone.clouds.contract import AUTO, Source
from stormcone.errors import SettingsError
from stormcone.text import moment_of, span_of

Command = TypeVar("Command", bound=Callable[..., Any])


class Span(click.ParamType[timedelta]):
    """A length of time: `90s`, `15m`, `1h30m`, `7d`; a bare number is seconds.

    Args:
        positive: whether zero is refused.
    """

    name = "duration"

    def __init__(self, *, positive: bool = False) -> None:
        self._positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The value as a timedelta; fails with one sentence."""
        if isinstance(value, timedelta):
            return value
        try:
            length = span_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._positive and not length:
            self.fail("it must be longer than nothing; write 1s, say", param, ctx)
        return length


class Date(click.ParamType[datetime]):
    """A date, or a date and a time: `2026-03-29`, `2026-03-29T01:59:30Z`; UTC unless it names an offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The value as an aware UTC datetime; fails with one sentence."""
        if isinstance(value, datetime):
            return value
        try:
            return moment_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def default_journal() -> Path:
    """Where the journal is unless named: in root's or the user's place for state that must outlive a reboot.

    Raises:
        SettingsError: the user has no home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/stormcone/journal.db")
    state = os.environ.get("XDG_STATE_HOME")
    try:
        folder = Path(state) if state else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise SettingsError("there is no home folder to keep the journal in; name a file with --journal") from error
    return folder / "stormcone" / "journal.db"


journal_option = click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    default=default_journal,
    envvar="STORMCONE_JOURNAL",
    show_envvar=True,
    show_default="/var/lib/stormcone/journal.db for root, else ~/.local/state/stormcone/journal.db",
    help="The file that keeps what was seen and done.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
interval_option = click.option(
    "--interval", type=Span(positive=True), help="Time between polls; the cloud's own advice otherwise."
)
region_option = click.option("--region", metavar="NAME", help="The cloud's region; the cloud is asked otherwise.")
settings_option = click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting of the provider's own; may be given several times.",
)


def scenario_option(text: str) -> str | Path:
    """A scenario as the command line names it: a file where it looks like one, or else a name."""
    is_file = text.endswith((".toml", ".json")) or any(mark in text for mark in {"/", os.sep})
    return Path(text) if is_file else text


def endpoint_option(
    help_text: str, default: str | None = None, *, shown_default: str | None = None
) -> Callable[[Command], Command]:
    """`--endpoint`, or `STORMCONE_ENDPOINT`; with `shown_default`, None stands for what the help shows."""
    return click.option(
        "--endpoint",
        metavar="URL",
        default=default,
        show_default=default is not None if shown_default is None else shown_default,
        envvar="STORMCONE_ENDPOINT",
        show_envvar=True,
        help=help_text,
    )


def gathered(
    name: str, make: Callable[..., Any], *options: Callable[[Command], Command]
) -> Callable[[Command], Command]:
    """Options that reach the command as one value.

    Args:
        name: the command's parameter.
        make: makes the value of the options, which it takes by their names.
        options: as click has them, in the order of the help.
    """
    taken = tuple(signature(make).parameters)

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gathering(*args: Any, **given: Any) -> Any:
            own = {option: given.pop(option) for option in taken}
            return command(*args, **given, **{name: make(**own)})

        decorated = cast(Command, gathering)
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def _source(
    provider: str, endpoint: str | None, machine: str | None, region: str | None, settings: Sequence[str]
) -> Source:
    return Source(
        provider=provider, endpoint=endpoint, machine=machine, region=region, settings=pairs_of("--set", settings)
    )


source_options = gathered(
    "source",
    _source,
    click.option(
        "--provider",
        metavar="CLOUD",
        default=AUTO,
        show_default=True,
        envvar="STORMCONE_PROVIDER",
        show_envvar=True,
        help="Which cloud; `stormcone providers` lists them.",
    ),
    endpoint_option("Point every call there instead of the cloud's own addresses: a simulator, say."),
    click.option("--machine", metavar="NAME", help="This machine's name in events; the cloud is asked otherwise."),
    region_option,
    settings_option,
)
"""The options that say where events come from, as a `Source`."""


def pairs_of(option: str, given: Sequence[str]) -> dict[str, str]:
    """What was given as NAME=VALUE, several times.

    Raises:
        SettingsError: one is not of that form, or one name is given twice.
    """
    pairs: dict[str, str] = {}
    for text in given:
        name, separator, value = text.partition("=")
        name = name.strip()
        if not separator or not name:
            raise SettingsError(f"{option} takes NAME=VALUE, not {text!r}")
        if name in pairs:
            raise SettingsError(f"{option} {name} is given twice; give it once")
        pairs[name] = value
    return pairs
