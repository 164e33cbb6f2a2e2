"""A fleet in PostgreSQL: what a member says is one transaction, and the rules decide within it.

Whoever votes on an event or claims its approval holds that event's row of `approvals` and then reads what others have
written: so of two that exchange at the same moment the second sees what the first was given. Rows are locked in the
order of their keys. Turns follow in a transaction of their own (`stormcone.fleet.turns`), so that nobody counts as
silent while others are decided on. The clock is the server's.
"""

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import LiteralString

from psycopg.types.json import Jsonb

from stormcone.errors import FleetError
from stormcone.fleet.contract import EventSaid, Overview, Saying, Snapshot
from stormcone.fleet.queries import APPROVALS, OF_KEYS, arrays, ballots_of, overview_of
from stormcone.fleet.rows import (
    SaidRow,
    let_go,
    makes_room,
    member_of,
    names_of,
    said_anew,
    says_the_same,
    settled,
    waits,
)
from stormcone.fleet.tables import SCHEMA, TABLES, Row, fit, json_of, key_of, said_in
from stormcone.fleet.turns import Turns, stir
from stormcone.model import EventKey
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.database import HISTORY, Connection, Database
from stormcone.rules.agreement import CLAIM, Ballot, Member
from stormcone.text import folded

KEPT_MEMBER = timedelta(days=30)
"""After so long a member that is silent is forgotten."""

KEPT_EVENT = timedelta(days=7)
"""So long the fleet knows what was said of an event that nobody speaks of any more."""

_HOUR = 3600.0

_PLAN_ONCE: LiteralString = "SET plan_cache_mode TO force_generic_plan"
"""An exchange reads a few rows by their keys, again and again: planning that anew takes longer than doing it."""

_NEW_APPROVALS: LiteralString = (
    "INSERT INTO approvals (fleet, provider, event) SELECT %(fleet)s, * "
    "FROM unnest(%(providers)s::text[], %(events)s::text[]) ON CONFLICT DO NOTHING"
)

_PLACE: LiteralString = f"""
    INSERT INTO places SELECT %(fleet)s, {HISTORY} || '/' || 'members'::regclass::oid
    ON CONFLICT (fleet) DO UPDATE SET place = excluded.place WHERE places.place <> excluded.place RETURNING place
"""
"""Answers a row where the fleet was elsewhere before: a standby has taken over, or a backup was restored."""

_NOBODY_HEARD: LiteralString = (
    "UPDATE members SET seen = least(seen, clock_timestamp() - silence) WHERE fleet = %(fleet)s"
)

_NOTHING_AGREED: LiteralString = "UPDATE approvals SET basis = '', names = '{}' WHERE fleet = %(fleet)s"

_SEEN: LiteralString = """
    ON CONFLICT (fleet, id) DO UPDATE SET name = excluded.name, names = excluded.names, seen = excluded.seen,
        silence = excluded.silence, groups = excluded.groups, about = excluded.about
    RETURNING seen, (SELECT groups FROM before) AS was_in, coalesce((SELECT before.groups <> members.groups
        OR before.silence <> members.silence OR before.seen < members.seen - before.silence FROM before), true) AS back
"""
"""Answers, too, in which groups it was before, and whether one of these may have room now: it was silent, say."""

_BEFORE: LiteralString = """
    WITH before AS (SELECT seen, silence, groups FROM members WHERE fleet = %(fleet)s AND id = %(id)s)
    INSERT INTO members (fleet, id, name, names, seen, silence, groups, about)
    SELECT %(fleet)s, %(id)s, %(name)s, %(names)s, clock_timestamp(), %(silence)s, %(groups)s, %(about)s
"""

_JOIN: LiteralString = f"{_BEFORE} {_SEEN}"

_LIVE: LiteralString = f"{_BEFORE} FROM set_config('synchronous_commit', 'off', true)"
"""It may be lost with the server's machine, since the next one comes: nobody waits until it is on the disk."""

_SIGN: LiteralString = f"""
    {_LIVE} WHERE NOT EXISTS (SELECT 1 FROM said WHERE fleet = %(fleet)s AND member = %(id)s AND NOT withdrawn) {_SEEN}
"""
"""A sign of life. Answers no row where the member has something to withdraw."""

_SAME: LiteralString = f"{_LIVE} {_SEEN}"

_SAY: LiteralString = """
    INSERT INTO said (fleet, member, provider, event, said, since, until, held, withdrawn, changed)
    VALUES (%(fleet)s, %(member)s, %(provider)s, %(event)s, %(said)s::jsonb, %(since)s, %(until)s, %(held)s,
        %(withdrawn)s, %(changed)s)
    ON CONFLICT (fleet, member, provider, event) DO UPDATE SET said = excluded.said, since = excluded.since,
        until = excluded.until, held = excluded.held, withdrawn = excluded.withdrawn, changed = excluded.changed
"""

_SETTLE: LiteralString = """
    UPDATE approvals SET epoch = %(epoch)s, holder = %(holder)s, until = %(until)s, basis = %(basis)s,
        names = %(names)s, released = %(released)s, reply = %(reply)s, answered_by = %(by)s, answered = %(at)s,
        answered_basis = %(answered_basis)s
    WHERE fleet = %(fleet)s AND provider = %(provider)s AND event = %(event)s
"""


_OUTLIVE: LiteralString = f"""
    UPDATE approvals a SET basis = '', names = '{{}}', reply = NULL, answered_by = '', answered = NULL,
        answered_basis = ''
    WHERE fleet = %(fleet)s AND {OF_KEYS} AND NOT EXISTS (SELECT 1 FROM said s WHERE NOT s.withdrawn
        AND s.fleet = a.fleet AND s.provider = a.provider AND s.event = a.event)
"""
"""Nobody speaks of these events any more: if they come again, they are agreed on again. See `rows.outlived`."""


_TO_TIDY: LiteralString = """
    SELECT 1 FROM tidied WHERE fleet = %s AND at < now() - interval '1 day' FOR UPDATE SKIP LOCKED
"""


class PostgresqlFleet:
    """A fleet in a PostgreSQL.

    Args:
        address: where that is.
        name: of the fleet; one database may have several.
        claim: how long a claim lasts.
        reads: whether it only looks, as a person does: it writes nothing, and a server that takes no writes will do.
    """

    def __init__(
        self, address: DatabaseAddress, name: str = "default", *, claim: timedelta = CLAIM, reads: bool = False
    ) -> None:
        self.name = name
        self._claim = claim
        self._reads = reads
        self._subject = f"the fleet {name} in {address}"
        self._database = Database(
            address, subject=self._subject, kind=FleetError, search=SCHEMA, writes=not reads, most=1
        )
        self._lock = threading.Lock()
        self._tidy_due = 0.0
        self._ready = False
        self._placed: Connection | None = None

    def exchange(self, saying: Saying) -> Snapshot:
        """As `Fleet.exchange`."""
        with self._lock, self._database.connection() as connection:
            self._begin(connection)
            told = _OneExchange(connection, self.name, fit(saying), self._claim).snapshot()
        spelt = {fit(event.key): event.key for event in saying.events}
        return replace(
            told,
            ballots={spelt[key]: ballot for key, ballot in told.ballots.items()},
            turns={spelt[key]: turn for key, turn in told.turns.items()},
            refused={spelt[key]: why for key, why in told.refused.items()},
        )

    def overview(self) -> Overview:
        """As `Fleet.overview`."""
        with self._lock, self._database.connection() as connection:
            if not TABLES.check(connection, self._subject, FleetError):
                raise FleetError(f"{self._subject} is not there yet; the first agent that joins it makes it")
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                return overview_of(connection, self.name)

    def forget(self, name: str) -> int:
        """As `Fleet.forget`."""
        with self._lock, self._database.connection() as connection:
            self._begin(connection)
            found = connection.execute(
                "DELETE FROM members WHERE fleet = %s AND (id = %s OR %s = ANY (names)) RETURNING groups",
                [self.name, name, folded(name)],
            )
            stir(connection, self.name, [name for row in found for name in row["groups"]])
            return found.rowcount

    def close(self) -> None:
        """As `Fleet.close`."""
        self._database.close(patience=0.0)  # a machine that goes down waits for no database

    def _begin(self, connection: Connection) -> None:
        """Have the tables as this version has them, and once an hour see whether some is to be removed."""
        if not self._ready:
            TABLES.upgrade(connection, self._subject, FleetError)
            self._ready = True
        if connection is not self._placed:
            connection.execute(_PLAN_ONCE)
            self._see_where(connection)
            self._placed = connection
        if time.monotonic() >= self._tidy_due:
            _tidy(connection, self.name)
            self._tidy_due = time.monotonic() + _HOUR

    def _see_where(self, connection: Connection) -> None:
        """Where the server may lack what was said last, nobody counts as heard before having said it again.

        Else a vote would hold that was taken back since, or a turn be given to two. A connection stays in its place.
        """
        given = {"fleet": self.name}
        with connection.transaction():
            if connection.execute(_PLACE, given).fetchone():
                connection.execute(_NOTHING_AGREED, given)  # first: an exchange locks in this order, too
                connection.execute(_NOBODY_HEARD, given)


class _OneExchange:
    """One exchange."""

    def __init__(self, connection: Connection, fleet: str, saying: Saying, claim: timedelta) -> None:
        self._connection = connection
        self._fleet = fleet
        self._saying = saying
        self._claim = claim
        self._stirred: set[str] = set()

    def snapshot(self) -> Snapshot:
        """Do it; answers what the member is told."""
        told, rows = self._sign() or self._same() or self._said()
        stir(self._connection, self._fleet, self._stirred)
        if not waits(rows, self._saying):
            return told
        member = member_of(self._saying.member, told.at)
        decided = Turns(self._connection, self._fleet, member, rows).decide()
        given = {key: replace(rows[key], held=True).turn_of(member.id) for key in decided.held}
        return replace(
            told,
            turns={**told.turns, **given},
            refused=decided.refused,
            groups=decided.groups,
            soon=decided.soon,
        )

    def _sign(self) -> tuple[Snapshot, Mapping[EventKey, SaidRow]] | None:
        """A sign of life by one statement, of one who has nothing to say, as nearly all; None if that will not do."""
        row = {} if self._saying.events else self._seen(_SIGN)
        return (Snapshot(at=row["seen"]), {}) if row else None

    def _same(self) -> tuple[Snapshot, Mapping[EventKey, SaidRow]] | None:
        """A sign of life of one who says what it has said before; None where more may come of it."""
        known = self._own()
        if not says_the_same(known, self._saying):
            return None
        joined = self._seen(_SAME)
        ballots = ballots_of(self._connection, self._fleet, [key for key, row in known.items() if row.said.vote])
        return self._told(known, {ballot.key: ballot for ballot in ballots}, joined["seen"]), known

    def _said(self) -> tuple[Snapshot, Mapping[EventKey, SaidRow]]:
        """What it says, and what comes of its votes, in a transaction; with what is kept of it then."""
        saying = self._saying
        voted = {event.key: event for event in saying.events if event.vote is not None or event.reply is not None}
        with self._connection.transaction():
            known = self._own()
            gone = let_go(known, saying)
            self._lock(voted, gone)
            now = self._seen(_JOIN)["seen"]
            member = member_of(saying.member, now)
            rows = said_anew(known, saying, now)
            self._keep({key: row for key, row in rows.items() if row != known.get(key)}, now)
            if gone:
                self._connection.execute(_OUTLIVE, {"fleet": self._fleet, **arrays(gone)})
            ballots = {
                ballot.key: self._settled(ballot, member, voted[ballot.key], now)
                for ballot in ballots_of(self._connection, self._fleet, voted)
            }
        if makes_room(known, rows):
            self._stirred.update(member.groups)
        voting = {key: ballot for key, ballot in ballots.items() if voted[key].vote is not None}
        return self._told(rows, voting, now), rows

    def _told(self, rows: Mapping[EventKey, SaidRow], ballots: Mapping[EventKey, Ballot], now: datetime) -> Snapshot:
        member = self._saying.member.id
        turns = {key: row.turn_of(member) for key, row in rows.items() if row.turn is not None}
        return Snapshot(at=now, ballots=ballots, turns=turns)

    def _seen(self, statement: LiteralString) -> Row:
        """Have it seen, by one of the statements for that; answers when, or nothing where the statement does not do."""
        row = self._connection.execute(statement, self._who()).fetchone() or {}
        if row and row["back"]:
            self._stirred.update(self._saying.member.groups, row["was_in"] or ())
        return row

    def _own(self) -> dict[EventKey, SaidRow]:
        """What it has said before and not withdrawn; nobody else writes that."""
        rows = self._connection.execute(
            "SELECT * FROM said WHERE fleet = %s AND member = %s AND NOT withdrawn",
            [self._fleet, self._saying.member.id],
        )
        return {key_of(row): said_in(row) for row in rows}

    def _lock(self, voted: Collection[EventKey], gone: Collection[EventKey]) -> None:
        """Wait until nobody else decides on these events, and keep it so."""
        if voted:
            self._connection.execute(_NEW_APPROVALS, {"fleet": self._fleet, **arrays(sorted(voted))})
        if keys := {*voted, *gone}:
            found = self._connection.execute(
                f"{APPROVALS} ORDER BY provider, event FOR UPDATE", {"fleet": self._fleet, **arrays(sorted(keys))}
            )
            if lost := {*voted} - set(map(key_of, found)):
                raise FleetError(f"the fleet removed what it knew of {min(lost).id} at this moment; it is said again")

    def _who(self) -> dict[str, object]:
        """The member's row, but for when it was seen."""
        identity = self._saying.member
        return {
            "fleet": self._fleet,
            "id": identity.id,
            "name": identity.name,
            "names": sorted(names_of(identity)),
            "silence": identity.silence,
            "groups": Jsonb(dict(identity.groups)),
            "about": Jsonb(dict(identity.about)),
        }

    def _keep(self, rows: Mapping[EventKey, SaidRow], now: datetime) -> None:
        for key in sorted(rows):
            row = rows[key]
            self._connection.execute(
                _SAY,
                {
                    **self._place(key),
                    "member": self._saying.member.id,
                    "said": json_of(row.said),
                    "since": row.since,
                    "until": row.said.turn.until if row.said.turn else None,
                    "held": row.held,
                    "withdrawn": row.withdrawn,
                    "changed": now,
                },
            )

    def _settled(self, ballot: Ballot, member: Member, event: EventSaid, now: datetime) -> Ballot:
        """What the ballot is after what the member says of its event, written."""
        after = settled(ballot, member, event, now, self._claim)
        if after == ballot:
            return ballot
        claim, answer = after.claim, after.answer
        self._connection.execute(
            _SETTLE,
            {
                **self._place(ballot.key),
                "epoch": claim.epoch if claim else 0,
                "holder": claim.holder if claim else "",
                "until": claim.until if claim else None,
                "basis": claim.basis if claim else "",
                "names": sorted(claim.names) if claim else [],
                "released": bool(claim and claim.released),
                "reply": answer.reply.value if answer else None,
                "by": answer.by if answer else "",
                "at": answer.at if answer else None,
                "answered_basis": answer.basis if answer else "",
            },
        )
        return after

    def _place(self, key: EventKey) -> dict[str, object]:
        return {"fleet": self._fleet, "provider": key.provider, "event": key.id}


def _tidy(connection: Connection, fleet: str) -> None:
    """Remove members that have been silent for long, and events that nobody has spoken of for long.

    One of the fleet does that for all, once a day; nobody waits for one who is at it.
    """
    with connection.transaction():
        connection.execute("INSERT INTO tidied VALUES (%s, '-infinity') ON CONFLICT DO NOTHING", [fleet])
        if not connection.execute(_TO_TIDY, [fleet]).fetchone():
            return
        connection.execute("UPDATE tidied SET at = now() WHERE fleet = %s", [fleet])
        connection.execute("DELETE FROM members WHERE fleet = %s AND seen < now() - %s", [fleet, KEPT_MEMBER])
        connection.execute(
            "DELETE FROM said WHERE fleet = %s AND withdrawn AND changed < now() - %s", [fleet, KEPT_EVENT]
        )
        connection.execute(
            "DELETE FROM approvals a WHERE fleet = %s AND coalesce(until, answered, now() - %s) <= now() - %s "
            "AND NOT EXISTS (SELECT 1 FROM said s WHERE "
            "s.fleet = a.fleet AND s.provider = a.provider AND s.event = a.event)",
            [fleet, KEPT_EVENT, KEPT_EVENT],
        )
