"""The watchers of one database and the shards that they share: rows, and a plan that is made in one transaction.

A watcher says that it lives by a date until which that counts, by the server's clock. Whoever looks makes the plan
anew where that is due, under a lock: so there is one plan, and it gives each shard to one watcher. What the plan says
is who is to open a shard's journal, no more: who may write there the journal's lease says. So a watcher may count as
dead sooner than its leases end, and the others' processes stand by already when they do.

Where nobody has said anything for a while, it was the database that was away: then nothing is planned until all have
had time to be heard again.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from stormcone.errors import JournalError, JournalTooNew, SettingsError
from stormcone.journal.postgresql.schema import tables
from stormcone.journal.postgresql.store import START, options_of, patiently
from stormcone.journal.shards import LeaseSeen, ShardSeen, ShardsSeen, SharedShard, WatcherSeen, process_name
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.database import Connection, Database
from stormcone.postgresql.versions import Tables
from stormcone.rules.sharding import Held, Part, plan

_VERSION_1 = """
-- One row, which whoever plans locks; until `rests` nothing is planned.
CREATE TABLE plan (id integer PRIMARY KEY CHECK (id = 1), rests timestamptz NOT NULL);
INSERT INTO plan VALUES (1, 'epoch');
CREATE TABLE regions (
    name text PRIMARY KEY,
    provider text NOT NULL,
    region text NOT NULL,
    parts integer NOT NULL
);
CREATE TABLE watchers (
    id text PRIMARY KEY,
    name text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    knows text[] NOT NULL
);
CREATE TABLE shards (
    name text PRIMARY KEY,
    of text NOT NULL REFERENCES regions ON DELETE CASCADE,
    part integer NOT NULL,
    journal text NOT NULL,
    watcher text NOT NULL DEFAULT '',
    since timestamptz NOT NULL,
    busy boolean NOT NULL DEFAULT false
);
"""

_VERSION_2 = """
ALTER TABLE regions ADD COLUMN source text NOT NULL DEFAULT '';
"""

STEPS = (_VERSION_1, _VERSION_2)
"""Step n brings the tables from version n to n + 1; never edit one that has been released, add one."""

_LOCK = "SELECT id FROM plan FOR UPDATE"
_REGION = """
INSERT INTO regions VALUES (%(table)s, %(provider)s, %(region)s, %(parts)s, %(source)s)
ON CONFLICT (name) DO UPDATE SET source = excluded.source WHERE regions.source <> excluded.source
"""
_AGREED = "SELECT name, provider, region, parts FROM regions WHERE name = ANY (%s)"
_TWICE = """
SELECT ours.name, other.name AS other FROM regions ours JOIN regions other USING (source)
WHERE ours.name = ANY (%s) AND other.name <> ours.name AND source <> '' ORDER BY 1, 2 LIMIT 1
"""
_SHARD = """
INSERT INTO shards (name, of, part, journal, since)
VALUES (%(name)s, %(table)s, %(part)s, %(journal)s, clock_timestamp()) ON CONFLICT DO NOTHING
"""
_LIVE = """
INSERT INTO watchers VALUES (%(id)s, %(name)s, clock_timestamp(),
    clock_timestamp() + %(silence)s * interval '1 second', %(knows)s)
ON CONFLICT (id) DO UPDATE SET until = excluded.until, knows = excluded.knows
"""
_BUSY = """
UPDATE shards SET busy = name = ANY (%(busy)s) WHERE watcher = %(id)s AND busy <> (name = ANY (%(busy)s))
"""
_REST = """
UPDATE plan SET rests = clock_timestamp() + %(silence)s * interval '1 second'
WHERE EXISTS (SELECT 1 FROM watchers) AND NOT EXISTS (SELECT 1 FROM watchers WHERE until > clock_timestamp())
"""
_RESTS = "SELECT rests > clock_timestamp() AS so FROM plan"
_FORGET = "DELETE FROM watchers WHERE until < clock_timestamp() - interval '1 hour'"
_LIVING = "SELECT id, knows FROM watchers WHERE until > clock_timestamp()"
_HELD = "SELECT name, watcher, busy FROM shards"
_ORPHANS = "SELECT name, journal FROM shards WHERE watcher = ''"
_GIVE = """
UPDATE shards SET watcher = %(watcher)s, since = clock_timestamp(), busy = false WHERE name = %(name)s
"""
_WATCHERS = """
SELECT id, name, since, extract(epoch FROM until - clock_timestamp())::float AS remaining, knows FROM watchers
ORDER BY since, id
"""
_SHARDS = """
SELECT shards.name, of, part, journal, watcher, since, provider, region, parts, clock_timestamp() AS at
FROM shards JOIN regions ON regions.name = of ORDER BY of, part
"""
_NOW = "SELECT clock_timestamp() AS at"
_THERE = "SELECT schemaname FROM pg_catalog.pg_tables WHERE schemaname = ANY (%s) AND tablename = 'lease'"
_LEASE = """
SELECT {name} AS shard, epoch, name, taken, extract(epoch FROM until - clock_timestamp())::float AS remaining,
    EXISTS (SELECT 1 FROM {schema}.runs WHERE state = 'running') AS busy FROM {schema}.lease
"""
_OPEN_WORK = """
SELECT count(*) AS number FROM {schema}.episodes AS known WHERE EXISTS (
    SELECT 1 FROM {schema}.runs WHERE episode = known.id AND attempt > 0
        AND (known.ended IS NULL OR state IN ('pending', 'running')))
"""


def shard_tables(name: str) -> Tables:
    """The tables of the watchers that share the journals whose names begin with that one."""
    return Tables(f"stormcone_shards_{name}", "shards", STEPS)


class PostgresqlShardBook:
    """As `stormcone.journal.shards.ShardBook` has it.

    Args:
        address: the journals': its `journal` is what their names begin with.
        shards: those that this watcher knows.
    """

    def __init__(self, address: DatabaseAddress, shards: Sequence[SharedShard]) -> None:
        self.id = uuid4().hex
        self._database, self._tables, self.silence = _opened(address, writes=True)
        self._shards = tuple(shards)
        self._connection: Connection | None = None

    def join(self) -> None:
        """As the contract has it; the tables are made or brought to this version."""
        patiently(self._join, START)

    def _join(self) -> None:
        with self._database.errors(), self._database.connect() as connection:
            self._tables.upgrade(connection, self._database.subject, JournalTooNew)
            with connection.transaction():
                connection.execute(_LOCK)
                for shard in self._shards:
                    connection.execute(_REGION, _values(shard))
                self._check(connection)
                for shard in self._shards:
                    connection.execute(_SHARD, _values(shard))

    def look(self, having: Collection[str]) -> ShardsSeen:
        """As the contract has it."""
        with self._connected() as connection:
            leases = _leases(connection, {each.name: each.journal for each in self._shards if each.name in having})
            with connection.transaction():
                connection.execute(_LOCK)
                connection.execute(_REST, {"silence": self.silence})
                connection.execute(_LIVE, self._own)
                busy = [name for name, lease in leases.items() if lease.busy]
                connection.execute(_BUSY, {"id": self.id, "busy": busy})
                connection.execute(_FORGET)
                _plan(connection)
            orphans = {row["name"]: row["journal"] for row in connection.execute(_ORPHANS).fetchall()}
            return _seen(connection, {**_leases(connection, orphans), **leases})

    def leave(self) -> None:
        """As the contract has it."""
        with self._connected() as connection, connection.transaction():
            connection.execute(_LOCK)
            connection.execute("DELETE FROM watchers WHERE id = %(id)s", {"id": self.id})
            _plan(connection)

    def close(self) -> None:
        """As the contract has it."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    @property
    def _own(self) -> dict[str, Any]:
        name = process_name(os.getpid())
        knows = sorted(each.name for each in self._shards)
        return {"id": self.id, "name": name, "silence": self.silence, "knows": knows}

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """The connection, which is re-made where it has broken; one on which anything fails is given up."""
        with self._database.errors():
            if self._connection is None:
                self._connection = self._database.connect()
            try:
                yield self._connection
            except psycopg.Error:
                self.close()
                raise

    def _check(self, connection: Connection) -> None:
        """Refuse a shard that the other watchers know otherwise, or by another name.

        Raises:
            SettingsError: there is one.
        """
        ours = {shard.table: (shard.provider, shard.region, shard.part.of) for shard in self._shards}
        for row in connection.execute(_AGREED, [list(ours)]).fetchall():
            provider, region, parts = ours[row["name"]]
            if (provider, region) != (row["provider"], row["region"]):
                said = f"is {row['provider']}'s {row['region']}", f"{provider}'s {region}"
            elif parts != row["parts"]:
                said = f"has {row['parts']} part(s)", f"{parts}"
            else:
                continue
            raise SettingsError(
                f"shards.{row['name']}: to the other watchers it {said[0]}, and to this one {said[1]}; let all say the "
                f"same, or stop all of them and run: stormcone shards forget {row['name']}"
            )
        twice = connection.execute(_TWICE, [list(ours)]).fetchone()
        if twice:
            name, other = twice["name"], twice["other"]
            raise SettingsError(
                f"shards.{name}: it is the region that is shared as {other} already, so each event would be handled "
                f"twice; let all watchers call it {other}, or stop them and run: stormcone shards forget {other}"
            )


def read_shards(address: DatabaseAddress) -> ShardsSeen:
    """All watchers and shards, with each shard's lease; nothing is changed.

    Raises:
        JournalError: no watcher has ever shared anything there, or the database cannot be used.
    """
    database, wanted, _ = _opened(address, writes=False)
    with database.errors(), database.connect() as connection:
        _require(wanted, connection, database, address)
        journals = {row["name"]: row["journal"] for row in connection.execute(_SHARDS).fetchall()}
        return _seen(connection, _leases(connection, journals))


def forget_shards(address: DatabaseAddress, table: str) -> None:
    """Take a region's shards out, so that it may be shared otherwise from now on; their journals stay.

    Raises:
        SettingsError: there is no such region, or it cannot be taken out now.
        JournalError: the database cannot be used.
    """
    database, wanted, _ = _opened(address, writes=True)
    with database.errors(), database.connect() as connection:
        _require(wanted, connection, database, address)
        with connection.transaction():
            connection.execute(_LOCK)
            rows = connection.execute(_SHARDS).fetchall()
            shards = {row["name"]: row["journal"] for row in rows if row["of"] == table}
            if not shards:
                known = ", ".join(dict.fromkeys(row["of"] for row in rows)) or "none"
                raise SettingsError(f"there are no shards {table}; there are {known}")
            living = connection.execute(_LIVING).fetchall()
            if any(name in row["knows"] for row in living for name in shards):
                raise SettingsError(f"a living watcher knows the shards {table}; stop it first")
            for name, seen in _leases(connection, shards).items():
                if seen.held:
                    raise SettingsError(f"{seen.holder} watches {name} still; stop that first")
            for name, journal in shards.items():
                for schema in _there(connection, [journal]).values():
                    row = connection.execute(SQL(_OPEN_WORK).format(schema=Identifier(schema))).fetchone()
                    if row and row["number"]:
                        raise SettingsError(
                            f"{row['number']} event(s) of {name} are under way that handlers have begun to work on; "
                            "start a watcher, and wait for their end"
                        )
            connection.execute("DELETE FROM regions WHERE name = %s", [table])


def _opened(address: DatabaseAddress, *, writes: bool) -> tuple[Database, Tables, float]:
    """The database, the tables, and after how many seconds without a word a watcher counts as dead."""
    name, lease = options_of(address)
    silence = lease / 2
    wanted = shard_tables(name)
    database = Database(
        address,
        subject=f"the shards of {address}",
        kind=JournalError,
        search=f'"{wanted.schema}"',
        writes=writes,
        idle=timedelta(seconds=silence / 3),
    )
    return database, wanted, silence


def _require(wanted: Tables, connection: Connection, database: Database, address: DatabaseAddress) -> None:
    if not wanted.check(connection, database.subject, JournalTooNew):  # what is read here is in all versions
        raise JournalError(f"nobody has shared anything at {address}; start a watcher first: stormcone watch")


def _values(shard: SharedShard) -> dict[str, Any]:
    return {
        "name": shard.name,
        "table": shard.table,
        "provider": shard.provider,
        "region": shard.region,
        "part": shard.part.number,
        "parts": shard.part.of,
        "journal": shard.journal,
        "source": shard.source,
    }


def _plan(connection: Connection) -> None:
    """Make the plan anew, within the lock."""
    row = connection.execute(_RESTS).fetchone()
    if row is None or row["so"]:
        return
    watchers = {row["id"]: frozenset(row["knows"]) for row in connection.execute(_LIVING).fetchall()}
    held = [Held(row["name"], row["watcher"], row["busy"]) for row in connection.execute(_HELD).fetchall()]
    wanted = plan(held, watchers)
    for shard in held:
        if (watcher := wanted.get(shard.name, "")) != shard.watcher:
            connection.execute(_GIVE, {"name": shard.name, "watcher": watcher})


def _there(connection: Connection, journals: Collection[str]) -> dict[str, str]:
    """Of the journals that are there already, the schemas."""
    schemas = {tables(journal).schema: journal for journal in journals}
    found = connection.execute(_THERE, [list(schemas)]).fetchall()
    return {schemas[row["schemaname"]]: row["schemaname"] for row in found}


def _leases(connection: Connection, journals: Mapping[str, str]) -> dict[str, LeaseSeen]:
    """The leases of shards, by the shards' names: of each its journal's name is given."""
    there = _there(connection, journals.values()) if journals else {}
    looks = [
        SQL(_LEASE).format(name=Literal(name), schema=Identifier(there[journal]))
        for name, journal in journals.items()
        if journal in there
    ]
    if not looks:
        return {}
    return {
        row["shard"]: LeaseSeen(
            epoch=row["epoch"],
            holder=row["name"].rstrip(","),
            taken=row["taken"].astimezone(UTC),
            remaining=row["remaining"],
            busy=row["busy"],
        )
        for row in connection.execute(SQL(" UNION ALL ").join(looks)).fetchall()
    }


def _seen(connection: Connection, leases: Mapping[str, LeaseSeen]) -> ShardsSeen:
    watchers = tuple(
        WatcherSeen(
            id=row["id"],
            name=row["name"],
            since=row["since"].astimezone(UTC),
            remaining=row["remaining"],
            knows=frozenset(row["knows"]),
        )
        for row in connection.execute(_WATCHERS).fetchall()
    )
    shards = tuple(
        ShardSeen(
            shard=SharedShard(
                name=row["name"],
                table=row["of"],
                provider=row["provider"],
                region=row["region"],
                part=Part(row["part"], row["parts"]),
                journal=row["journal"],
            ),
            watcher=row["watcher"],
            since=row["since"].astimezone(UTC),
            lease=leases.get(row["name"]),
        )
        for row in connection.execute(_SHARDS).fetchall()
    )
    row = connection.execute(_NOW).fetchone()
    if row is None:
        raise psycopg.errors.NoDataFound("the server does not say what time it is")
    return ShardsSeen(at=row["at"].astimezone(UTC), watchers=watchers, shards=shards)
