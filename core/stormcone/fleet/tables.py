"""The fleet's tables in PostgreSQL, and their rows as values."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from pydantic import TypeAdapter

from stormcone.fleet.contract import EventSaid
from stormcone.fleet.rows import SaidRow
from stormcone.model import EventKey
from stormcone.postgresql.versions import Tables
from stormcone.rules.agreement import Claim, CloudAnswer, CloudReply, Member
from stormcone.rules.boards import Board

SCHEMA = "stormcone_fleet"
"""Where they are, in the database that is named."""

TABLES = Tables(
    schema=SCHEMA,
    part="fleet",
    steps=(
        """
        CREATE TABLE members (
            fleet text NOT NULL,
            id text NOT NULL,
            name text NOT NULL,
            names text[] NOT NULL,
            seen timestamptz NOT NULL,
            silence interval NOT NULL,
            groups jsonb NOT NULL,
            about jsonb NOT NULL,
            PRIMARY KEY (fleet, id)
        ) WITH (fillfactor = 70);
        CREATE INDEX members_names ON members USING gin (names);
        CREATE INDEX members_groups ON members USING gin (groups);
        CREATE TABLE said (
            fleet text NOT NULL,
            member text NOT NULL,
            provider text NOT NULL,
            event text NOT NULL,
            said jsonb NOT NULL,
            since timestamptz NOT NULL,
            held boolean NOT NULL,
            withdrawn boolean NOT NULL,
            changed timestamptz NOT NULL,
            PRIMARY KEY (fleet, member, provider, event),
            FOREIGN KEY (fleet, member) REFERENCES members (fleet, id) ON DELETE CASCADE
        );
        CREATE INDEX said_event ON said (fleet, provider, event);
        CREATE TABLE approvals (
            fleet text NOT NULL,
            provider text NOT NULL,
            event text NOT NULL,
            epoch integer NOT NULL DEFAULT 0,
            holder text NOT NULL DEFAULT '',
            until timestamptz,
            basis text NOT NULL DEFAULT '',
            names text[] NOT NULL DEFAULT '{}',
            released boolean NOT NULL DEFAULT false,
            reply text,
            answered_by text NOT NULL DEFAULT '',
            answered timestamptz,
            answered_basis text NOT NULL DEFAULT '',
            PRIMARY KEY (fleet, provider, event)
        );
        CREATE TABLE groups (
            fleet text NOT NULL,
            name text NOT NULL,
            PRIMARY KEY (fleet, name)
        );
        """,
        """
        -- On which server, and in which life of it, the fleet was last.
        CREATE TABLE places (
            fleet text PRIMARY KEY,
            place text NOT NULL
        );
        """,
        """
        -- Each exchange reads what its member says; what has ended stays beside that for a week.
        CREATE INDEX said_going_on ON said (fleet, member) WHERE NOT withdrawn;
        -- When somebody last removed what nobody asks for any more.
        CREATE TABLE tidied (
            fleet text PRIMARY KEY,
            at timestamptz NOT NULL
        );
        """,
        """
        -- A group's board, and when it was drawn; no time: it is not true any more.
        ALTER TABLE groups ADD COLUMN board jsonb, ADD COLUMN drawn timestamptz;
        -- Until when a turn is waited for, so that those who come first are found without the others.
        ALTER TABLE said ADD COLUMN until timestamptz;
        UPDATE said SET until = (said #>> '{turn,until}')::timestamptz WHERE said -> 'turn' <> 'null';
        CREATE INDEX said_waiting ON said (fleet, coalesce(until, 'infinity'), since, member COLLATE "C")
            WHERE NOT withdrawn AND NOT held AND said -> 'turn' <> 'null';
        CREATE INDEX said_held ON said (fleet, member) WHERE held;
        """,
    ),
)

_SAID: TypeAdapter[EventSaid] = TypeAdapter(EventSaid)

_BOARD: TypeAdapter[Board] = TypeAdapter(Board)

Row = Mapping[str, Any]


def fit(value: Any) -> Any:
    """A value, or one with values in it, as PostgreSQL takes it: its texts have every character but one."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, EventKey):
        return EventKey(*map(fit, value))
    if isinstance(value, tuple):
        return tuple(map(fit, value))
    if isinstance(value, Mapping):
        return {fit(key): fit(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: fit(getattr(value, each.name)) for each in fields(value)})
    return value


def key_of(row: Row) -> EventKey:
    """Of which event a row is."""
    return EventKey(row["provider"], row["event"])


def member_in(row: Row) -> Member:
    """The member of a row."""
    return Member(
        id=row["id"],
        name=row["name"],
        names=frozenset(row["names"]),
        seen=row["seen"],
        silence=row["silence"],
        groups=row["groups"],
        about=row["about"],
    )


def said_in(row: Row) -> SaidRow:
    """What a member says of an event, by a row."""
    said = _SAID.validate_python(row["said"], strict=False)
    return SaidRow(said=said, since=row["since"], held=row["held"], withdrawn=row["withdrawn"])


def json_of(said: EventSaid) -> str:
    """What a member says of an event, as it is kept."""
    return _SAID.dump_json(said).decode()


def board_in(row: Row) -> Board | None:
    """The board of a row; None where none has been drawn."""
    return None if row["board"] is None else _BOARD.validate_python(row["board"], strict=False)


def json_of_board(board: Board) -> str:
    """A board, as it is kept."""
    return _BOARD.dump_json(board).decode()


def claim_in(row: Row) -> Claim | None:
    """The last claim of a row; None where there was none."""
    if not row["epoch"]:
        return None
    return Claim(
        epoch=row["epoch"],
        holder=row["holder"],
        until=row["until"],
        basis=row["basis"],
        names=frozenset(row["names"]),
        released=row["released"],
    )


def answer_in(row: Row) -> CloudAnswer | None:
    """The cloud's answer of a row; None where there was none."""
    if row["reply"] is None:
        return None
    return CloudAnswer(
        reply=CloudReply(row["reply"]), by=row["answered_by"], at=row["answered"], basis=row["answered_basis"]
    )
