"""A simulator's own options: text by name, as the command line gives them, read as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from stormcone.errors import SettingsError
from stormcone.text import span_of


def switch(settings: Mapping[str, str], name: str) -> bool:
    """Whether a switch is on.

    Raises:
        SettingsError: it is neither `true` nor `false`.
    """
    if settings[name] not in {"true", "false"}:
        raise SettingsError(f"the setting {name} is a switch: true or false, not {settings[name]!r}")
    return settings[name] == "true"


def seconds(settings: Mapping[str, str], name: str) -> timedelta:
    """A length of time, such as `90s`, `15m` or `1h30m`; a bare number is seconds.

    Raises:
        SettingsError: it is none.
    """
    try:
        return span_of(settings[name])
    except ValueError as error:
        raise SettingsError(f"the setting {name} cannot be used: {error}") from error


def count(settings: Mapping[str, str], name: str) -> int:
    """A whole number from 0 on.

    Raises:
        SettingsError: it is something else.
    """
    text = settings[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise SettingsError(f"the setting {name} is a whole number from 0 on, not {text!r}")
    return int(text)


def names(settings: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Names, with commas between."""
    return tuple(part.strip() for part in settings[name].split(",") if part.strip())


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """Who may call.

    Attributes:
        id: the access key id.
        secret: what signs.
        token: the security token of temporary credentials, or "".
    """

    id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """A key from `ID:SECRET` or `ID:SECRET:TOKEN`.

        Raises:
            SettingsError: the text is not of that form.
        """
        identifier, _, rest = text.partition(":")
        secret, _, token = rest.partition(":")
        if not identifier or not secret:
            raise SettingsError("an access key is of the form ID:SECRET or ID:SECRET:TOKEN, such as testid:testsecret")
        return cls(id=identifier, secret=secret, token=token)
