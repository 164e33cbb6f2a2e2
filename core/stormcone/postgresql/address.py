"""Where a database is, as a URL, and what may be shown of it: never a password."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Self
from urllib.parse import quote, unquote

from stormcone.errors import SettingsError

_SCHEMES = ("postgresql://", "postgres://")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:@/?#]*)(:\d{1,5})?\Z")
_HOW = "write postgresql://USER@HOST:PORT/DATABASE, with %XX for what means something in a URL, %40 for @ say"

DEFAULTS: Mapping[str, str] = {
    "application_name": "stormcone",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    # A server that has vanished is noticed within seconds, not within the system's two hours.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Parameters of libpq's where the address says nothing else; seconds, and milliseconds for the last."""


JOURNAL_OPTIONS = ("journal", "lease")
"""What the address of a journal may say beside what libpq knows: its name, and how many seconds its lease lasts."""

LONGEST_NAME = 40
"""Characters of a journal's name: with its schema's it must fit a name of PostgreSQL's."""


def is_address(text: str) -> bool:
    """Whether this names a database, and no file."""
    return text.startswith(_SCHEMES)


@dataclass(frozen=True)
class DatabaseAddress:
    """Where a database is. What is shown of it, `str` and `repr` too, is `text`, which has no secret.

    Attributes:
        text: user, hosts and database, and of the options those that are ours.
        own: the options that are ours and not libpq's, by name.
    """

    text: str
    own: Mapping[str, str] = field(repr=False)
    _url: str = field(repr=False)
    _names: frozenset[str] = field(repr=False)

    @classmethod
    def parse(cls, url: str, own: Collection[str] = ()) -> Self:
        """Read `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE`.

        Hosts, and options such as `sslmode`, `sslrootcert` and `passfile`, are as libpq has them: see "Connection
        Strings" and "Parameter Key Words" in PostgreSQL's manual.

        Args:
            url: the address.
            own: names of options that are ours.

        Raises:
            SettingsError: it is none; the text has nothing of the URL, which may hold a password.
        """
        start = next((scheme for scheme in _SCHEMES if url.startswith(scheme)), None)
        if start is None:
            raise SettingsError(f"the address of the database cannot be read; {_HOW}")
        place, _, query = url.removeprefix(start).partition("?")
        who, at, where = place.partition("/")[0].rpartition("@")
        database = place.partition("/")[2]
        if "@" in database or "@" in who or not all(map(_HOST.match, where.split(","))):
            raise SettingsError(f"the address of the database cannot be read; {_HOW}")
        ours: dict[str, str] = {}
        theirs: list[str] = []
        for part in filter(None, query.split("&")):
            name, equals, value = part.partition("=")
            if not equals:
                raise SettingsError(f"the address of the database has an option without a value; {_HOW}")
            if name not in own:
                theirs.append(part)
            elif name in ours:
                raise SettingsError(f"the address of the database has the option {name} twice; give it once")
            else:
                ours[name] = unquote(value)
        shown = "&".join(f"{name}={quote(value)}" for name, value in ours.items())
        user = who.partition(":")[0] + at
        text = f"postgresql://{user}{where}/{database}" + (f"?{shown}" if shown else "")
        url = f"{start}{place}" + (f"?{'&'.join(theirs)}" if theirs else "")
        return cls(text, ours, url, frozenset(own))

    def __str__(self) -> str:
        return self.text

    def but(self, **own: str) -> Self:
        """The same place with other options of ours."""
        ours = {**self.own, **own}
        shown = "&".join(f"{name}={quote(value)}" for name, value in ours.items())
        text = self.text.partition("?")[0] + (f"?{shown}" if shown else "")
        return replace(self, text=text, own=ours, _names=self._names | own.keys())

    @property
    def has_secret(self) -> bool:
        """Whether the URL itself holds a password."""
        place, _, query = self._url.partition("?")
        names = [part.partition("=")[0] for part in query.split("&")]
        return ":" in place.partition("://")[2].rpartition("@")[0] or any("password" in name for name in names)

    def parameters(self) -> dict[str, Any]:
        """What libpq is to be given; it may hold a password.

        Raises:
            SettingsError: it has an option that libpq does not know, or a value that it does not take.
        """
        from psycopg import ProgrammingError, pq
        from psycopg.conninfo import conninfo_to_dict

        known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl", *self._names}
        for name in (unquote(part.partition("=")[0]) for part in self._url.partition("?")[2].split("&") if part):
            if name not in known:
                near = get_close_matches(name, sorted(known), 1)
                do = f"did you mean {near[0]}?" if near else "leave it out"
                raise SettingsError(f"the address of the database has the option {name!r}, which is not known; {do}")
        try:
            given = conninfo_to_dict(self._url)
        except ProgrammingError:
            # Not `from` the error, which quotes what it could not read.
            raise SettingsError(f"the address of the database cannot be read; {_HOW}") from None
        return {**DEFAULTS, **given}
