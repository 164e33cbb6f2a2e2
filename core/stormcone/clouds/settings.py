"""Reads a provider's own settings, so that each one that cannot be used is told in one sentence.

```python
given = Given("lighthouse", options.settings, SETTINGS)
scope = given.one_of("scope", {"machine": Scope.MACHINE, "region": Scope.REGION}, Scope.MACHINE)
api = given.address("api-endpoint")
```
"""

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from stormcone.errors import SettingsError

Choice = TypeVar("Choice")

_YES_NO = {"true": True, "false": False}


class Given:
    """The settings that somebody gave.

    One that is set to nothing is refused: most often it is a variable that is not there, and what it was to name, such
    as credentials or one of many machines, is not to be passed over for whatever is usual.

    Args:
        provider: whose they are, for the sentences.
        settings: what was given, by name.
        known: the settings that there are, each with one line of help.

    Raises:
        SettingsError: one of them is not known, or has no value.
    """

    def __init__(self, provider: str, settings: Mapping[str, str], known: Mapping[str, str]) -> None:
        unknown = sorted(set(settings) - set(known))
        if unknown:
            has = f"it has {', '.join(known)}" if known else "it has none"
            near = get_close_matches(unknown[0], list(known), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            said = f"{provider} has no setting {', '.join(unknown)}; {has}{hint}"
            raise SettingsError(said, setting=unknown[0], known=tuple(known))
        empty = sorted(name for name, value in settings.items() if not value.strip())
        if empty:
            why = f"the setting {' and '.join(empty)} has no value; give it one, or leave it out"
            raise SettingsError(why, setting=empty[0])
        self._settings = settings

    def __contains__(self, name: str) -> bool:
        return name in self._settings

    def text(self, name: str, default: str = "") -> str:
        """The setting as it was written."""
        return self._settings.get(name, default)

    def path(self, name: str) -> Path | None:
        """The file that the setting names; None where it is unset. Nothing is looked at."""
        return Path(self.text(name)) if name in self else None

    def one_of(self, name: str, choices: Mapping[str, Choice], default: Choice) -> Choice:
        """What the setting chooses, without regard to case.

        Raises:
            SettingsError: it is none of the choices.
        """
        value = self._settings.get(name)
        if value is None:
            return default
        if value.casefold() not in choices:
            raise SettingsError(f"the setting {name} is {' or '.join(choices)}, not {value!r}", setting=name)
        return choices[value.casefold()]

    def yes_or_no(self, name: str, *, default: bool) -> bool:
        """Whether the setting says `true`.

        Raises:
            SettingsError: it says neither `true` nor `false`.
        """
        return self.one_of(name, _YES_NO, default)

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """The number that the setting says.

        Raises:
            SettingsError: it is none, or out of bounds.
        """
        if name not in self:
            return default
        try:
            value = float(self.text(name))
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise SettingsError(
                f"the setting {name} is a number from {least:g} to {most:g}, not {self.text(name)[:40]!r}", setting=name
            )
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """The names that the setting lists with commas between, each once."""
        return tuple(dict.fromkeys(each.strip() for each in self.text(name).split(",") if each.strip()))

    def pair(self, name: str) -> tuple[str, str] | None:
        """Key and value where the setting says KEY:VALUE; None where it is unset.

        Raises:
            SettingsError: it is not of that form.
        """
        if name not in self:
            return None
        key, colon, value = self.text(name).partition(":")
        if not key or not colon:
            raise SettingsError(f"the {name} {self.text(name)!r} is not of the form KEY:VALUE", setting=name)
        return key, value

    def address(self, name: str, *, secret: bool = False) -> str | None:
        """The server's address that the setting gives; None where it is unset. See `address`.

        Raises:
            SettingsError: it is none.
        """
        return address(name, self.text(name), secret=secret) if name in self else None

    def together(self, *names: str) -> None:
        """Refuse some of these without the others.

        Raises:
            SettingsError: one is set and another is not.
        """
        if len({name in self for name in names}) > 1:
            number = "both or neither" if len(names) == 2 else "all or none"
            raise SettingsError(f"{_listed(names)} go together; set {number}")

    def apart(self, *names: str, why: str = "do not go together") -> None:
        """Refuse more than one of these.

        Args:
            names: of which one may be set.
            why: what the sentence says of two.

        Raises:
            SettingsError: two are set.
        """
        found = [name for name in names if name in self]
        if len(found) > 1:
            rest = "one" if len(found) == len(names) == 2 else "all but one"
            raise SettingsError(f"{_listed(found)} {why}; leave {rest} of them out")


def matching(what: str, value: str | None, pattern: re.Pattern[str], of: str) -> str | None:
    """The value where it is of that form, None where there is none.

    Args:
        what: what it names, for the sentence.
        value: of an option or a setting.
        pattern: what it must match as a whole.
        of: whose it is, for the sentence.

    Raises:
        SettingsError: it is not.
    """
    if not value:
        return None
    if not pattern.fullmatch(value):
        raise SettingsError(f"the {what} {value!r} cannot be one of {of}'s; take its id")
    return value


def address(name: str, text: str, *, secret: bool = False) -> str:
    """The http or https URL of a server, without a slash at its end.

    Args:
        name: what the address is of, for the sentence.
        text: as it was given.
        secret: whether it may hold a name and a password, as a proxy's may: then it is not repeated.

    Raises:
        SettingsError: it is none.
    """
    if "@" in text and not secret:
        raise SettingsError(f"the {name} holds a name or a password, which it cannot have; leave them out")
    said = "" if secret else f" {text!r}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise SettingsError(f"the {name}{said} is not a URL") from None
    if not usable or parts.query or parts.fragment:
        raise SettingsError(f"the {name}{said} is not a URL of the form http://HOST:PORT or https://HOST")
    return text.rstrip("/")


def _listed(names: "tuple[str, ...] | list[str]") -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
