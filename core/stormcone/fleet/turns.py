"""Turns in groups, in PostgreSQL: who is decided on while its groups are locked, and who is told from their boards.

A decision reads the whole group. So that ten thousand that wait do not each ask for that, whoever has decided leaves a
board on the group's row, which for a second tells all others whether they could have a turn at all. Whoever could, and
whoever finds the board too old, locks the rows of its groups and decides by what it reads then; of those that a board
refuses, one at a time. So a board gives no turn, and what it refuses it refuses for `FRESH` at the most, or until
whoever draws it anew at that moment has done so.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import LiteralString

from psycopg.errors import LockNotAvailable

from stormcone.errors import FleetError
from stormcone.fleet.queries import OF_KEYS, arrays
from stormcone.fleet.rows import SaidRow
from stormcone.fleet.tables import Row, board_in, json_of_board, member_in, said_in
from stormcone.model import EventKey
from stormcone.postgresql.database import Connection
from stormcone.rules.agreement import Member
from stormcone.rules.boards import FRONT, Board
from stormcone.rules.limits import TOLD, VANISHED, Crowd, Group, Rank, Turn, TurnState, refusals, ungrouped, vanished
from stormcone.text import folded

FRESH = timedelta(seconds=1)
"""So long what a board refuses counts as refused."""

PATIENCE = timedelta(seconds=2)
"""So long one that could have its turn waits while others are decided on; then it asks again later."""

_BUSY = "waits for its turn: others are decided on at this moment"

_KIN: LiteralString = f"""
    SELECT *, clock_timestamp() AS now FROM members WHERE fleet = %(fleet)s AND (names && %(named)s OR id = ANY (
        %(member)s::text || ARRAY (SELECT member FROM said WHERE fleet = %(fleet)s AND {OF_KEYS} AND held)))
"""

_MEMBERS: LiteralString = "SELECT * FROM members WHERE fleet = %(fleet)s AND id = ANY (%(members)s)"

_TURNS: LiteralString = """
    SELECT * FROM said WHERE fleet = %(fleet)s AND member = ANY (%(members)s) AND NOT withdrawn
        AND said -> 'turn' <> 'null'
"""

_BOARDS: LiteralString = """
    SELECT name, board, drawn BETWEEN clock_timestamp() - %(fresh)s AND clock_timestamp() AS fresh FROM groups
    WHERE fleet = %(fleet)s AND name = ANY (%(names)s)
"""

_LOCK: LiteralString = f"{_BOARDS} ORDER BY name FOR UPDATE"

_LOCK_OR_LEAVE: LiteralString = f"{_LOCK} SKIP LOCKED"

_PATIENTLY: LiteralString = "SELECT set_config('lock_timeout', %(patience)s, true)"

_THERE: LiteralString = """
    INSERT INTO groups (fleet, name) SELECT %(fleet)s, unnest(%(names)s::text[]) ON CONFLICT DO NOTHING
"""

_HEARD: LiteralString = "UPDATE members SET seen = clock_timestamp() WHERE fleet = %(fleet)s AND id = %(member)s"
"""Whoever has waited for the others to be decided on may count as silent by then, and so as away already."""

_CROWD: LiteralString = """
    SELECT inside.name AS inside, m.groups ->> inside.name AS said, count(*)::int AS number, max(m.name) AS example,
        count(*) FILTER (WHERE one.away)::int AS away,
        (array_agg(m.id ORDER BY lower(m.name), m.id) FILTER (WHERE one.away))[1:%(told)s] AS first
    FROM unnest(%(names)s::text[]) AS inside (name)
    JOIN members m ON m.fleet = %(fleet)s AND m.groups ? inside.name
    CROSS JOIN LATERAL (SELECT m.seen < %(now)s - m.silence
        OR m.id IN (SELECT h.member FROM said h WHERE h.fleet = %(fleet)s AND h.held) AS away) AS one
    WHERE m.seen >= %(now)s - greatest(m.silence, %(vanished)s) AND m.id <> ALL (%(kin)s)
    GROUP BY inside.name, said
"""
"""The members of the groups but the kin, by what they say of the limit: how many, how many of them away, and the first
of those."""

_QUEUE: LiteralString = """
    SELECT s.until, s.since, s.member FROM said s {members}
    WHERE s.fleet = %(fleet)s AND NOT s.withdrawn AND NOT s.held AND s.said -> 'turn' <> 'null' AND {inside}
        AND NOT (SELECT EXISTS (SELECT 1 FROM said h WHERE h.fleet = s.fleet AND h.member = s.member AND h.held))
        AND NOT (SELECT EXISTS (SELECT 1 FROM said b WHERE b.fleet = s.fleet AND b.member = s.member AND NOT b.withdrawn
            AND b.said -> 'turn' <> 'null' AND (coalesce(b.until, 'infinity'), b.since, b.event)
                < (coalesce(s.until, 'infinity'), s.since, s.event)))
    ORDER BY coalesce(s.until, 'infinity'), s.since, s.member COLLATE "C" LIMIT %(most)s
"""
"""The first of those that wait in a group, each by its best rank."""

_INSIDE: LiteralString = "m.groups ? %(inside)s AND m.seen >= %(now)s - m.silence"

_QUEUE_OF_FEW: LiteralString = _QUEUE.format(
    members="JOIN members m ON m.fleet = s.fleet AND m.id = s.member", inside=_INSIDE
)
"""By the members of the group."""

_QUEUE_OF_MANY: LiteralString = _QUEUE.format(
    members="", inside=f"(SELECT {_INSIDE} FROM members m WHERE m.fleet = s.fleet AND m.id = s.member)"
)
"""By all that wait in the fleet, in their order, until enough are found; PostgreSQL itself takes no group for large."""

_MANY = 500

_GIVE: LiteralString = """
    UPDATE said SET held = true, changed = %(now)s WHERE fleet = %(fleet)s AND member = %(member)s
        AND provider = %(provider)s AND event = %(event)s AND NOT withdrawn RETURNING 1
"""

_DRAW: LiteralString = """
    UPDATE groups SET board = %(board)s::jsonb, drawn = clock_timestamp() FROM set_config('synchronous_commit',
        CASE WHEN %(lasting)s THEN current_setting('synchronous_commit') ELSE 'off' END, true)
    WHERE fleet = %(fleet)s AND name = %(name)s
"""
"""A board may be lost with the server's machine, a turn may not."""

_STIR: LiteralString = """
    UPDATE groups g SET drawn = NULL FROM (SELECT fleet, name FROM groups WHERE fleet = %(fleet)s
        AND name = ANY (%(names)s) AND drawn IS NOT NULL ORDER BY name FOR UPDATE SKIP LOCKED) AS free
    WHERE g.fleet = free.fleet AND g.name = free.name
"""
"""Whoever has just said something waits for nobody: a board that is being drawn may lack that, for `FRESH`."""


def stir(connection: Connection, fleet: str, names: Collection[str]) -> None:
    """Have the boards of these groups drawn anew before they refuse anybody: there may be room now."""
    if names:
        connection.execute(_STIR, {"fleet": fleet, "names": sorted(names)})


@dataclass(frozen=True, kw_only=True)
class TurnsDecided:
    """What comes of asking for turns.

    Attributes:
        held: the events for which the member has its turn now.
        refused: as `Snapshot.refused`.
        groups: as `Snapshot.groups`.
        soon: as `Snapshot.soon`.
    """

    held: frozenset[EventKey] = frozenset()
    refused: Mapping[EventKey, tuple[str, ...]]
    groups: Mapping[str, Group]
    soon: bool = True


@dataclass(frozen=True, kw_only=True)
class _Kin:
    """Those whom the events of one that asks take, and those that have a turn for one of these events.

    Attributes:
        members: who that is, with the one that asks.
        turns: those that they have or wait for.
        now: when that was so, by the server's clock.
    """

    members: tuple[Member, ...]
    turns: tuple[Turn, ...]
    now: datetime

    def taken(self, turn: Turn, group: str) -> frozenset[str]:
        """The members of a group that a turn's event takes."""
        inside = (each for each in self.members if group in each.groups and not vanished(each, self.now))
        return frozenset(each.id for each in inside if each.id == turn.member or each.names & turn.names)

    def refused(self, turn: Turn, board: Board) -> bool:
        """Whether a group's board refuses a turn."""
        taken = self.taken(turn, board.group.name)
        held = {each.member for each in self.turns if each.state is TurnState.HELD}
        away = held | {each.id for each in self.members if each.silent(self.now)}
        ranks = [Rank.of(each) for each in self.turns if each.member in taken - away]
        begun = any(each.event == turn.event and each.state is TurnState.HELD for each in self.turns)
        return bool(taken) and board.refuses(ranks, taken=len(taken), away=len(taken & away), begun=begun)


class Turns:
    """The turns that one member waits for.

    Args:
        connection: outside of any transaction.
        fleet: the fleet's name.
        member: who asks.
        rows: what it says of events.
    """

    def __init__(self, connection: Connection, fleet: str, member: Member, rows: Mapping[EventKey, SaidRow]) -> None:
        self._connection = connection
        self._member = member
        turns = {key: row.turn_of(member.id) for key, row in rows.items() if row.turn is not None}
        self._own = tuple(turns.values())
        self._asked = {key: turn for key, turn in sorted(turns.items()) if turn.state is TurnState.WAITING}
        self._given: dict[str, object] = {
            "fleet": fleet,
            "member": member.id,
            "named": sorted({name for turn in self._asked.values() for name in turn.names}),
            "fresh": FRESH,
            "vanished": VANISHED,
            "told": TOLD,
            **arrays(self._asked),
        }

    def decide(self) -> TurnsDecided:
        """Ask for them: in a transaction of its own, unless boards refuse them all.

        Raises:
            FleetError: the fleet was made to forget the member at this moment.
        """
        kin = self._kin()
        names = sorted({*self._member.groups, *(name for each in kin.members for name in each.groups)})
        rows = self._rows(_BOARDS, names=names)
        boards = [board for row in rows if (board := board_in(row)) is not None]
        fresh = [board for row in rows if row["fresh"] and (board := board_in(row)) is not None]
        if told := self._told(kin, fresh):
            return told
        told = self._told(kin, boards)
        with suppress(LockNotAvailable), self._connection.transaction():
            if decided := self._locked(kin, names, patient=told is None):
                return decided
        return told or TurnsDecided(refused=dict.fromkeys(self._asked, (_BUSY,)), groups={})

    def _told(self, kin: _Kin, boards: Sequence[Board]) -> TurnsDecided | None:
        """What these boards say; None where they do not refuse all that is asked for."""
        refusing = {key: [board for board in boards if kin.refused(turn, board)] for key, turn in self._asked.items()}
        if not all(refusing.values()):
            return None
        return TurnsDecided(
            refused={
                key: tuple(board.group.why(kin.taken(self._asked[key], board.group.name), kin.now) for board in found)
                for key, found in refusing.items()
            },
            groups={board.group.name: board.group for board in boards},
            soon=any(all(board.near(Rank.of(self._asked[key])) for board in found) for key, found in refusing.items()),
        )

    def _locked(self, kin: _Kin, names: list[str], *, patient: bool) -> TurnsDecided | None:
        """Decide while nobody else decides in these groups; None where another one does so now.

        Args:
            kin: as they were a moment ago.
            names: of the groups.
            patient: whether others are waited for.
        """
        self._execute(_THERE, names=names)
        self._execute(_PATIENTLY, patience=f"{PATIENCE // timedelta(milliseconds=1)}ms")
        rows = self._rows(_LOCK if patient else _LOCK_OR_LEAVE, names=names)
        if len(rows) < len(names):
            return None
        drawn_meanwhile = [board for row in rows if row["fresh"] and (board := board_in(row)) is not None]
        if told := self._told(kin, drawn_meanwhile):
            return told
        self._execute(_HEARD)
        kin = self._kin()
        groups = self._groups(kin, names)
        held: set[EventKey] = set()
        refused: dict[EventKey, tuple[str, ...]] = {}
        for key, turn in self._asked.items():
            if why := refusals(turn, tuple(groups.values()), kin.now, ungrouped(kin.members, kin.now)):
                refused[key] = why
            elif self._rows(_GIVE, provider=key.provider, event=key.id, now=kin.now):
                held.add(key)
                own = self._member.groups
                groups = {name: group.given(turn) if name in own else group for name, group in groups.items()}
            else:
                refused[key] = (_BUSY,)  # it was made to forget it at this moment
        boards = [Board.of(group, kin.now) for group in groups.values()]
        for board in boards:
            self._execute(_DRAW, name=board.group.name, board=json_of_board(board), lasting=bool(held))
        return TurnsDecided(
            held=frozenset(held),
            refused=refused,
            groups=groups,
            soon=any(all(board.near(Rank.of(self._asked[key])) for board in boards) for key in refused),
        )

    def _kin(self) -> _Kin:
        rows = self._rows(_KIN)
        members = tuple(map(member_in, rows))
        others = [each.id for each in members if each.id != self._member.id]
        if len(others) == len(members):
            raise FleetError(f"the fleet was made to forget {self._member.name} at this moment; it joins again")
        return _Kin(members=members, turns=(*self._own, *self._turns_of(others)), now=rows[0]["now"])

    def _turns_of(self, members: Collection[str]) -> list[Turn]:
        rows = self._rows(_TURNS, members=sorted(members)) if members else []
        return [said_in(row).turn_of(row["member"]) for row in rows]

    def _groups(self, kin: _Kin, names: list[str]) -> dict[str, Group]:
        """The groups as they are: telling of the kin, of the first that are away, and of the first that wait."""
        ids = [each.id for each in kin.members]
        counted = self._rows(_CROWD, names=names, kin=ids, now=kin.now)
        first = {each for row in counted for each in row["first"] or ()}
        away = [member_in(row) for row in self._rows(_MEMBERS, members=sorted(first))] if first else []
        turns = (*kin.turns, *(each for each in self._turns_of(first) if each.state is TurnState.HELD))
        groups = {}
        for name in names:
            inside = sorted((each for each in (*kin.members, *away) if name in each.groups), key=_by_name)
            members = {each.id for each in inside}
            groups[name] = Group(
                name=name,
                members=tuple(inside),
                turns=tuple(each for each in turns if each.member in members),
                crowd=tuple(
                    Crowd(
                        row["said"],
                        row["number"] - len(told := members & {*(row["first"] or ())}),
                        row["example"],
                        row["away"] - len(told),
                    )
                    for row in counted
                    if row["inside"] == name
                ),
            )
        return {name: replace(group, queue=self._queue(group, kin)) for name, group in groups.items()}

    def _queue(self, group: Group, kin: _Kin) -> tuple[Rank, ...]:
        """As many of the first that wait as a decision may need, and the board that follows it."""
        rows = self._rows(
            _QUEUE_OF_MANY if group.size(kin.now) > _MANY else _QUEUE_OF_FEW,
            inside=group.name,
            most=max(group.room(kin.now), FRONT) + 2 * len(kin.members) + 1,
            now=kin.now,
        )
        return tuple(
            Rank(row["until"] is None, row["until"] or row["since"], row["since"], row["member"]) for row in rows
        )

    def _execute(self, statement: LiteralString, **given: object) -> None:
        self._connection.execute(statement, {**self._given, **given})

    def _rows(self, statement: LiteralString, **given: object) -> list[Row]:
        return list(self._connection.execute(statement, {**self._given, **given}))


def _by_name(member: Member) -> tuple[str, str]:
    return folded(member.name), member.id
