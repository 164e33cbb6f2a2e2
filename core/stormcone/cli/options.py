"""Options that several commands share, and the kinds of values they take."""

import os
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from stormcone.clock import Clock, SystemClock
from stormcone.errors import SettingsError
from stormcone.provider import ProviderOptions

Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


class Span(click.ParamType[timedelta]):
    """A length of time: `90s`, `15m`, `1h30m`, `7d`; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The value as a timedelta; fails with one sentence."""
        if isinstance(value, timedelta):
            return value
        text = str(value).strip().lower()
        if text and text[-1].isdigit():
            text += "s"
        if not text or _SPAN.sub("", text):
            self.fail(f"{value!r} is not a length of time; write 90s, 15m, 1h30m or 7d", param, ctx)
        try:
            return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(text)))
        except OverflowError:
            self.fail(f"{value} is longer than any maintenance", param, ctx)


def default_journal() -> Path:
    """Where the journal is unless named: in root's or the user's place for state that must outlive a reboot."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/stormcone/journal.db")
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "stormcone" / "journal.db"


def journal_option(command: Command) -> Command:
    """`--journal`, with its default."""
    return click.option(
        "--journal",
        type=click.Path(path_type=Path, dir_okay=False),
        default=default_journal,
        envvar="STORMCONE_JOURNAL",
        show_envvar=True,
        show_default="/var/lib/stormcone/journal.db for root, else ~/.local/state/stormcone/journal.db",
        help="The file that keeps what was seen and done.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def provider_options(command: Command) -> Command:
    """The options that choose a provider and say how it is reached."""
    for option in reversed(
        (
            click.option(
                "--provider",
                default="auto",
                show_default=True,
                envvar="STORMCONE_PROVIDER",
                show_envvar=True,
                help="Which cloud; `stormcone providers` lists them.",
            ),
            click.option(
                "--endpoint",
                metavar="URL",
                envvar="STORMCONE_ENDPOINT",
                show_envvar=True,
                help="Point every call there instead of the cloud's own addresses: a simulator, say.",
            ),
            click.option(
                "--machine", metavar="NAME", help="This machine's name in events; the cloud is asked otherwise."
            ),
            click.option("--region", metavar="NAME", help="The cloud's region; the cloud is asked otherwise."),
            click.option(
                "--set",
                "settings",
                metavar="NAME=VALUE",
                multiple=True,
                help="A setting of the provider's own; may be given several times.",
            ),
        )
    ):
        command = option(command)
    return command


def options_for_provider(
    endpoint: str | None, machine: str | None, region: str | None, settings: Sequence[str], clock: Clock | None = None
) -> ProviderOptions:
    """What the command line said, for a provider.

    Raises:
        SettingsError: a `--set` is not NAME=VALUE.
    """
    pairs = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator or not name:
            raise SettingsError(f"--set takes NAME=VALUE, not {setting!r}")
        pairs[name.strip()] = value
    return ProviderOptions(
        endpoint=endpoint, machine=machine, region=region, clock=clock or SystemClock(), settings=pairs
    )
