"""What a fleet's tables in PostgreSQL say, as values. Whoever asks is within a transaction of its own."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import LiteralString

from stormcone.errors import FleetError
from stormcone.fleet.contract import EventSaid, Overview
from stormcone.fleet.rows import SaidRow, concerned
from stormcone.fleet.tables import answer_in, claim_in, key_of, member_in, said_in
from stormcone.model import EventKey
from stormcone.postgresql.database import Connection
from stormcone.rules.agreement import Ballot
from stormcone.rules.limits import VANISHED, Crowd, Group
from stormcone.text import folded

OF_KEYS: LiteralString = """
    (provider, event) IN (SELECT * FROM unnest(%(providers)s::text[], %(events)s::text[]))
"""

APPROVALS: LiteralString = f"SELECT * FROM approvals WHERE fleet = %(fleet)s AND {OF_KEYS}"

_TURNS: LiteralString = """
    SELECT s.* FROM said s JOIN members m ON m.fleet = s.fleet AND m.id = s.member
    WHERE s.fleet = %(fleet)s AND NOT s.withdrawn AND s.said -> 'turn' <> 'null' AND m.groups ?| %(names)s
"""

_OF_NOTE: LiteralString = """
    SELECT * FROM members WHERE fleet = %(fleet)s AND groups ?| %(names)s AND (
        id = ANY (%(turns)s) OR names && %(named)s
        OR (seen < %(now)s - silence AND seen >= %(now)s - greatest(silence, %(vanished)s)))
"""

_QUIET: LiteralString = """
    SELECT inside.name, m.groups ->> inside.name AS said, count(*)::int AS count, max(m.name) AS one
    FROM members m JOIN unnest(%(names)s::text[]) AS inside (name) ON m.groups ? inside.name
    WHERE m.fleet = %(fleet)s AND m.seen >= %(now)s - m.silence AND m.id <> ALL (%(noted)s)
    GROUP BY inside.name, said
"""


def now_of(connection: Connection) -> datetime:
    """The time by the server's clock.

    Raises:
        FleetError: it does not say.
    """
    row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
    if row is None:
        raise FleetError("the fleet's server does not say what time it is")
    now: datetime = row["now"]
    return now


def arrays(keys: Iterable[EventKey]) -> dict[str, list[object]]:
    """The keys of events as values of `OF_KEYS`."""
    keys = tuple(keys)
    return {
        "providers": [key.provider for key in keys],
        "events": [key.id for key in keys],
    }


def ballots_of(connection: Connection, fleet: str, keys: Collection[EventKey]) -> list[Ballot]:
    """What is known of the approval of each of these events."""
    if not keys:
        return []
    given = {"fleet": fleet, **arrays(keys)}
    votes: dict[EventKey, list[tuple[str, SaidRow]]] = {key: [] for key in keys}
    for row in connection.execute(f"SELECT * FROM said WHERE fleet = %(fleet)s AND {OF_KEYS}", given):
        said = said_in(row)
        if said.said.vote is not None:
            votes[key_of(row)].append((row["member"], said))
    said_rows = [each for found in votes.values() for each in found]
    given["voters"] = sorted({member for member, _ in said_rows})
    given["names"] = sorted({folded(name) for _, row in said_rows for name in row.said.names})
    rows = connection.execute(
        "SELECT * FROM members WHERE fleet = %(fleet)s AND (id = ANY (%(voters)s) OR names && %(names)s)", given
    )
    members = tuple(map(member_in, rows))
    approvals = {key_of(row): row for row in connection.execute(APPROVALS, given)}
    found = []
    for key in keys:
        approval = approvals.get(key)
        cast = tuple(row.vote_of(member) for member, row in votes[key])
        found.append(
            Ballot(
                key=key,
                votes=cast,
                members=concerned(cast, members),
                claim=claim_in(approval) if approval else None,
                answer=answer_in(approval) if approval else None,
            )
        )
    return found


def groups_of(connection: Connection, fleet: str, names: Collection[str], now: datetime) -> dict[str, Group]:
    """These groups, by name, for people: each with those of its members that take part in a turn or are silent."""
    given: dict[str, object] = {"fleet": fleet, "names": sorted(names), "now": now, "vanished": VANISHED}
    rows = [(row["member"], said_in(row)) for row in connection.execute(_TURNS, given)]
    turns = [(member, said.turn_of(member)) for member, said in rows]
    given["turns"] = sorted({member for member, _ in turns})
    given["named"] = sorted({name for _, turn in turns for name in turn.names})
    members = tuple(map(member_in, connection.execute(_OF_NOTE, given)))
    given["noted"] = [member.id for member in members]
    crowd: dict[str, list[Crowd]] = {}
    for row in connection.execute(_QUIET, given):
        crowd.setdefault(row["name"], []).append(Crowd(row["said"], row["count"], row["one"]))
    found = {}
    for name in sorted(names):
        inside = tuple(member for member in members if name in member.groups)
        ids = {member.id for member in inside}
        held = tuple(turn for member, turn in turns if member in ids)
        found[name] = Group(name=name, members=inside, turns=held, crowd=tuple(crowd.get(name, ())))
    return found


def overview_of(connection: Connection, fleet: str) -> Overview:
    """All that the fleet knows."""
    members = sorted(
        map(member_in, connection.execute("SELECT * FROM members WHERE fleet = %s", [fleet])),
        key=lambda each: (folded(each.name), each.id),
    )
    events: dict[str, tuple[EventSaid, ...]] = {}
    voted: set[EventKey] = set()
    for each in connection.execute("SELECT * FROM said WHERE fleet = %s AND NOT withdrawn", [fleet]):
        said = said_in(each).said
        events[each["member"]] = (*events.get(each["member"], ()), said)
        if said.vote is not None:
            voted.add(said.key)
    now = now_of(connection)
    groups = groups_of(connection, fleet, {name for member in members for name in member.groups}, now)
    return Overview(
        at=now,
        members=tuple(members),
        events=events,
        ballots=tuple(ballots_of(connection, fleet, sorted(voted))),
        groups=tuple(groups.values()),
    )
