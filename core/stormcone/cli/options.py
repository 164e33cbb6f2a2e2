"""Options that several commands share, and the kinds of values they take."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast
from zlib import crc32

import click

from stormcone.clouds.contract import AUTO, Source
from stormcone.errors import SettingsError
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress, is_address
from stormcone.text import moment_of, span_of

Command = TypeVar("Command", bound=Callable[..., Any])
Place = Path | DatabaseAddress
"""Where a journal is."""


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
            self.fail("it must be longer than 0; write 1s, for example", param, ctx)
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


_FILE = click.Path(path_type=Path, dir_okay=False)


class JournalAt(click.ParamType[Place]):
    """Where a journal is: a file, or the URL of a database."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """The value as a place; fails with one sentence."""
        if isinstance(value, Path | DatabaseAddress):
            return value
        if not is_address(str(value)):
            return _FILE.convert(value, param, ctx)
        try:
            return DatabaseAddress.parse(str(value), own=JOURNAL_OPTIONS)
        except SettingsError as error:
            self.fail(str(error), param, ctx)


def beside(place: Place) -> Path:
    """A file of this machine's that stands for a journal: itself, or one in the usual place that has a database's name.

    The agent's own socket is beside it. `XDG_STATE_HOME` says where that is for root too.

    Raises:
        SettingsError: the user has no home.
    """
    if isinstance(place, Path):
        return place
    name = place.own.get("journal", "main")
    state = os.environ.get("XDG_STATE_HOME")
    folder = Path(state, "stormcone") if state else default_journal().parent
    return folder / f"{name}-{crc32(place.text.encode()):08x}"


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


JOURNAL_PLACES = "/var/lib/stormcone/journal.db for root, else ~/.local/state/stormcone/journal.db"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
interval_option = click.option(
    "--interval", type=Span(positive=True), help="Time between polls; default: what the cloud advises."
)
region_option = click.option("--region", metavar="NAME", help="The cloud's region; default: ask the cloud.")
settings_option = click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A setting of the provider; repeat it for several.",
)


def scenario_option(text: str) -> str | Path:
    """A scenario as the command line names it: a file where it looks like one, or else a name."""
    is_file = text.endswith((".toml", ".json")) or any(mark in text for mark in {"/", os.sep})
    return Path(text) if is_file else text


def endpoint_option(
    help_text: str, default: str | None = None, *, shown_default: str | None = None, multiple: bool = False
) -> Callable[[Command], Command]:
    """`--endpoint`, or `STORMCONE_ENDPOINT`; with `shown_default`, None stands for what the help shows."""
    return click.option(
        "--endpoint",
        metavar="URL",
        multiple=multiple,
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


ENDPOINT_HELP = "Send every call to this address, such as a simulator's, instead of the cloud's own."


def sources_from(
    provider: Sequence[str],
    endpoint: Sequence[str],
    machine: Sequence[str],
    region: Sequence[str],
    settings: Sequence[str],
) -> tuple[Source, ...]:
    """One source for each provider; what names none of them is for all, a machine or a setting for the first."""
    names = tuple(provider) or (AUTO,)
    if len(set(names)) < len(names):
        raise click.UsageError("--provider names one provider twice; give each once")
    endpoints, regions = _shared("--endpoint", endpoint, names), _shared("--region", region, names)
    machines = _shared("--machine", machine, names, everybody=False)
    own = _settings_of(settings, names)
    return tuple(
        Source(
            provider=name,
            endpoint=endpoints.get(name),
            machine=machines.get(name),
            region=regions.get(name),
            settings=own[name],
        )
        for name in names
    )


def _shared(option: str, given: Sequence[str], names: Sequence[str], *, everybody: bool = True) -> dict[str, str]:
    """The value for each provider, of VALUE and PROVIDER=VALUE; without a name it is for all, or for the first."""
    values: dict[str, str] = {}
    common: list[str] = []
    for text in given:
        name, separator, value = text.partition("=")
        if not (separator and name in names):
            common.append(text)
        elif name in values:
            raise click.UsageError(f"{option} is given twice for {name}; give it once")
        else:
            values[name] = value
    if len(common) > 1:
        hint = f"for one provider of several write {option} {names[-1]}=..." if len(names) > 1 else "give it once"
        raise click.UsageError(f"{option} is given twice; {hint}")
    for name in names if everybody else names[:1]:
        for value in common:
            values.setdefault(name, value)
    return values


def _settings_of(given: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The settings of each provider, of NAME=VALUE (the first one's) and PROVIDER.NAME=VALUE."""
    texts: dict[str, list[str]] = {name: [] for name in names}
    for text in given:
        whose, separator, rest = text.partition(".")
        own = bool(separator) and whose in texts
        if not own and len(names) > 1 and "." in text.partition("=")[0]:
            raise click.UsageError(
                f"--set {text.partition('=')[0]}: no provider here is {whose}; write one of {', '.join(names)}"
            )
        texts[whose if own else names[0]].append(rest if own else text)
    return {name: pairs_of("--set", each) for name, each in texts.items()}


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
