"""PostgreSQL's errors as ours: one sentence that says what failed, why, and what to do."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout

from stormcone.errors import StormconeError
from stormcone.text import printable, shortened

_HINT = re.compile(r"\n\tIs the server running .*")
"""What libpq adds where it cannot connect, and our advice says."""

_AWAY = "see that the server runs and can be reached from here"

_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "08": _AWAY,
        "22": "this is a fault of stormcone's: please report it",
        "23": "somebody else has written there: let stormcone alone write its tables",
        "25006": "the server takes no writes: name the one that does, or see why it is read-only",
        "28": "see that the server lets this user in: its password, and pg_hba.conf",
        "3D000": "make that database (createdb), or name another",
        "3F000": "restore what was removed from the database, or name another",
        "40": "it is tried again",
        "42501": "grant that to the user: see docs/journal.md",
        "42P01": "restore what was removed from the database, or name another",
        "42": "this is a fault of stormcone's: please report it",
        "53100": "make room on the server's disk",
        "53300": "end other connections, or raise max_connections",
        "53": "see what uses up the server",
        "55P03": "another session holds what is needed: it is tried again",
        "57014": "the server took too long: see what holds it up",
        "57P": _AWAY,
        "58": "see the server's log, and its disk",
        "XX": "see the server's log: its data may be damaged",
    }
)
"""What to do, by SQLSTATE or how that begins. Source: PostgreSQL's manual, "PostgreSQL Error Codes"."""

_REFUSALS = (
    ('database ".*" does not exist', "3D000"),
    ('password|authentication|role ".*" does not exist|pg_hba.conf|certificate', "28"),
    ("too many (connections|clients)|remaining connection slots", "53300"),
    ("session is read-only|in recovery mode|hot standby", "25006"),
)
"""What a server, or libpq, says where no connection is made, which has no SQLSTATE then; in English, as is usual."""


def why(error: psycopg.Error) -> str:
    """What PostgreSQL says, in one line; never a statement or its values."""
    said = error.diag.message_primary or _HINT.sub("", str(error))
    return shortened(printable(" ".join(said.split())), 300) or type(error).__name__


def advice(error: psycopg.Error) -> str:
    """What to do about it."""
    state = _state(error)
    return next((_ADVICE[state[:size]] for size in (5, 3, 2) if state[:size] in _ADVICE), "")


def passes(error: StormconeError) -> bool:
    """Whether an error that `errors` has raised may go by itself: the server is away, or has too much to do."""
    cause = error.__cause__
    return isinstance(cause, psycopg.Error) and _state(cause).startswith(("08", "25006", "53", "55P03", "57"))


def _state(error: psycopg.Error) -> str:
    """Its SQLSTATE, or the one that it should have."""
    if error.sqlstate or not isinstance(error, psycopg.OperationalError):
        return error.sqlstate or ""
    return next((state for said, state in _REFUSALS if re.search(said, str(error))), "08")


@contextmanager
def errors(subject: str, kind: type[StormconeError]) -> Iterator[None]:
    """Raise PostgreSQL's errors as `kind`: "SUBJECT cannot be used: WHY; WHAT TO DO"."""
    try:
        yield
    except (PoolTimeout, PoolClosed) as error:
        raise kind(f"{subject} cannot be used: no connection could be had ({error}); {_AWAY}") from error
    except psycopg.Error as error:
        do = advice(error)
        raise kind(f"{subject} cannot be used: {why(error)}" + (f"; {do}" if do else "")) from error
