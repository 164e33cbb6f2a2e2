"""What a sink is: something that takes one notification at a time, and says what became of it.

Whoever writes one holds it to `stormcone.testing.conformance.SinkSuite`, and registers it in the entry-point group
`stormcone.sinks`.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from stormcone.clock import Clock
from stormcone.clouds.secret_values import SHORTEST, hidden
from stormcone.sinks.notification import TYPES, Notification
from stormcone.text import one_line, printable, shortened

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)

_MARK = "***"
_LONGEST_ERROR = 500


def _looked_up(value: object) -> object:
    """What a secret is where it says where it stands: `file:PATH` or `env:NAME`."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    kind, _, place = text.partition(":")
    if kind == "env":
        if not os.environ.get(place):
            raise ValueError(f"the environment has no {place}; set it, or leave this out")
        return os.environ[place]
    if kind != "file":
        return value
    try:
        found = Path(place).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"the file {place} cannot be read: {why}") from None
    if not found:
        raise ValueError(f"the file {place} is empty")
    return found


Secret = Annotated[SecretStr, BeforeValidator(_looked_up)]
"""A secret among the settings: as it is, or `file:PATH` or `env:NAME`, which say where it stands."""


class SinkSettings(BaseModel):
    """The settings that every sink has. A subclass adds its own; what is unknown is refused.

    Attributes:
        inherits: the table of the configuration from which it takes those of its own settings that it is not given and
            that stand there by the same name; "" for none.
    """

    inherits: ClassVar[str] = ""
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    only: tuple[str, ...] = Field(
        ("*",), description="Which notifications it gets, as patterns of their type: `maintenance.*`, `run.failed`."
    )

    @field_validator("only", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """A text lists patterns with commas, as on the command line."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("only")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not any(fnmatchcase(name, pattern) for name in TYPES):
                raise ValueError(
                    f"no notification has the type {pattern}; there are run.failed, maintenance.* and others"
                )
        return value


class Sink(Protocol):
    """Who is told. One thread at a time uses it; a sink that hangs holds up nothing but itself.

    Attributes:
        Settings: the model of its settings, for `from_settings`.
    """

    Settings: ClassVar[type[SinkSettings]]

    @classmethod
    def from_settings(cls, settings: SinkSettings, clock: Clock) -> Self:
        """The sink with these settings, which are of its own model; nothing is sent, and no connection is made.

        Args:
            settings: checked by the model already.
            clock: for the times that it writes; how long it waits is real time.

        Raises:
            SettingsError: they cannot be used.
            PluginError: a part that it needs is not installed; the text names the `pip install`.
        """

    def send(self, notification: Notification) -> None:
        """Tell of it, and return once it has been taken. It may be told again, with the same id.

        Raises:
            SinkRefused: the receiver does not take this one, now or later: it is dropped, and counted.
            SinkError: it was not taken, as far as is known: it is sent again after a pause, before any later one.
                Whatever else is raised means the same.
        """

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""


@dataclass(frozen=True, kw_only=True)
class NamedSink:
    """A sink as an agent has it.

    Attributes:
        name: by which the journal and people know it.
        sink: who is told.
        only: which notifications, as patterns of their kind (their type without its prefix).
        secrets: values that are hidden wherever they turn up in an error.
    """

    name: str
    sink: Sink
    only: tuple[str, ...] = ("*",)
    secrets: tuple[str, ...] = ()

    def wants(self, notification: Notification) -> bool:
        """Whether it is told of this one."""
        return any(fnmatchcase(notification.kind, pattern) for pattern in self.only)

    def said(self, error: BaseException) -> str:
        """What went wrong, as one printable line without secrets."""
        text = str(error) if type(error).__module__.startswith("stormcone.") else one_line(error)
        return shortened(printable(" ".join(hidden(text, self.secrets, _MARK).split())), _LONGEST_ERROR)


def pause_after(attempt: int, asked: float | None = None, *, luck: float = 1.0) -> timedelta:
    """The pause after that many failures in a row: 1 s, 2 s, 4 s, ... up to 5 minutes.

    Args:
        attempt: how often it has failed since something was taken.
        asked: seconds that the receiver asks for; it is waited for no longer than 5 minutes either.
        luck: from 0 to 1: as little as half of the pause, so that a fleet does not come back as one.
    """
    usual = min(FIRST_PAUSE * (1 << min(attempt - 1, 16)), LONGEST_PAUSE) * (0.5 + luck / 2)
    return min(max(usual, timedelta(seconds=asked or 0.0)), LONGEST_PAUSE)


def secrets_of(settings: SinkSettings) -> tuple[str, ...]:
    """Every value among the settings that must not be told; of an address, also its password and the keys in it."""

    def found(value: object) -> Iterable[str]:
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif isinstance(value, dict):
            for each in value.values():
                yield from found(each)
        elif isinstance(value, list | tuple):
            for each in value:
                yield from found(each)

    whole = [secret for _, value in settings for secret in found(value) if secret]
    return tuple(dict.fromkeys(each for secret in whole for each in (secret, *_keys_in(secret))))


def _keys_in(secret: str) -> Iterable[str]:
    """What may be a key in an address: a library's error may have that alone."""
    try:
        parts = urlsplit(secret)
    except ValueError:
        return
    if parts.scheme and parts.netloc:
        pieces = (parts.password or "", *parts.path.split("/"), *(value for _, value in parse_qsl(parts.query)))
        for piece in pieces:
            if len(piece) >= SHORTEST:
                yield from dict.fromkeys((piece, unquote(piece)))
