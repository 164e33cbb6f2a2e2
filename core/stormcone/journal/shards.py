"""Shards that several watchers share, as values: who lives, who is to watch what, and who holds which lease."""

import socket
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from stormcone.rules.sharding import Part
from stormcone.text import span


def process_name(process: int) -> str:
    """What a process of this machine is called by others, by its number."""
    return f"{socket.gethostname()}, process {process}"


def host_of(name: str) -> str:
    """The machine of a process, by what others call that."""
    return name.partition(", process ")[0]


@dataclass(frozen=True, kw_only=True)
class SharedShard:
    """A shard as all watchers must agree on it.

    Attributes:
        name: its own.
        table: the name that all parts of its region share.
        provider: which cloud it is on.
        region: which of that cloud's regions.
        part: which part of it.
        journal: the name of its journal in the database.
        source: a digest of what says which region of which account it is, for all parts of it; "" where it is not
            known. Two that have the same are the same region.
    """

    name: str
    table: str
    provider: str
    region: str
    part: Part
    journal: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class LeaseSeen:
    """The lease of a shard's journal, as the database has it.

    Attributes:
        epoch: how often it was taken.
        holder: who holds it, or held it last: host and process.
        taken: since when, aware UTC.
        remaining: seconds until it ends; 0 or less where it has ended.
        busy: whether a handler's stage runs there, as far as its journal knows.
    """

    epoch: int
    holder: str
    taken: datetime
    remaining: float
    busy: bool

    @property
    def held(self) -> bool:
        """Whether anybody holds it."""
        return self.remaining > 0

    def held_by(self, process: int) -> bool:
        """Whether a process of this machine holds it."""
        return self.held and self.holder == process_name(process)


@dataclass(frozen=True, kw_only=True)
class ShardSeen:
    """A shard, as the database has it.

    Attributes:
        shard: which.
        watcher: the id of the watcher that is to have it; "" for none.
        since: since when that is so, aware UTC.
        lease: that of its journal; None where that journal was not looked at, or is not there yet.
    """

    shard: SharedShard
    watcher: str
    since: datetime
    lease: LeaseSeen | None = None


@dataclass(frozen=True, kw_only=True)
class WatcherSeen:
    """A watcher, as the database has it.

    Attributes:
        id: its own.
        name: host and process.
        since: when it began, aware UTC.
        remaining: seconds until it counts as dead unless it says something; 0 or less: it does.
        knows: the shards that it knows, by name.
    """

    id: str
    name: str
    since: datetime
    remaining: float
    knows: frozenset[str]

    @property
    def lives(self) -> bool:
        """Whether it counts as living."""
        return self.remaining > 0


@dataclass(frozen=True, kw_only=True)
class ShardsSeen:
    """All of it, at one moment.

    Attributes:
        at: when, by the database's clock, aware UTC.
        watchers: those that live, and those that were heard of in the last hour.
        shards: by their names.
    """

    at: datetime
    watchers: tuple[WatcherSeen, ...]
    shards: tuple[ShardSeen, ...]

    def wanted_by(self, watcher: str) -> tuple[ShardSeen, ...]:
        """The shards that a watcher is to have."""
        return tuple(each for each in self.shards if each.watcher == watcher)

    @property
    def living(self) -> tuple[WatcherSeen, ...]:
        """The watchers that count as living."""
        return tuple(watcher for watcher in self.watchers if watcher.lives)

    @property
    def unknown(self) -> tuple[ShardSeen, ...]:
        """The shards that no living watcher knows: none of them can have one."""
        known = frozenset[str]().union(*(watcher.knows for watcher in self.living))
        return tuple(each for each in self.shards if each.shard.name not in known)

    def trouble(self, each: ShardSeen) -> str:
        """Why nobody holds a shard, or not whom the plan says, as a clause; "" where all is as it should be."""
        watcher = next((watcher for watcher in self.watchers if watcher.id == each.watcher), None)
        lease = each.lease
        if lease is not None and lease.held:
            over = (
                f"the lease of {lease.holder} is over in {span(timedelta(seconds=lease.remaining))} unless it goes on"
            )
            if watcher is None or not watcher.lives:
                return f"{self._unwatched(each, watcher)}; {over}"
            moves = lease.taken < watcher.since or host_of(lease.holder) != host_of(watcher.name)
            return f"it moves to {watcher.name}; {over}" if moves else ""
        if watcher is None or not watcher.lives:
            return self._unwatched(each, watcher)
        age = span(max(self.at - each.since, timedelta(0)))
        if lease is None:
            return f"{watcher.name} has been to have it for {age}, and has not opened its journal yet"
        ago = span(timedelta(seconds=-lease.remaining))
        before = f"that of {lease.holder} was over {ago} ago"
        return f"{watcher.name} has been to have it for {age}, and has not taken its lease yet; {before}"

    def _unwatched(self, each: ShardSeen, watcher: WatcherSeen | None) -> str:
        if not self.living:
            return "no watcher lives; start one: stormcone watch"
        if each in self.unknown:
            table = each.shard.table
            return f"no living watcher has [shards.{table}]; start one that has, or: stormcone shards forget {table}"
        said = "the plan gives it to nobody yet" if watcher is None else f"{watcher.name} is silent"
        return f"{said}; the watchers that live share it anew within seconds"


class ShardBook(Protocol):
    """One watcher's face to what all of them share. One thread at a time uses it.

    Every method raises `JournalError` where the database cannot be asked; then nothing has changed.

    Attributes:
        id: the watcher's.
        silence: seconds without a word after which it counts as dead: less than a lease lasts.
    """

    id: str
    silence: float

    def join(self) -> None:
        """Be one of the watchers from now on.

        Raises:
            SettingsError: the others know a shard otherwise than this one.
        """

    def look(self, having: Collection[str]) -> ShardsSeen:
        """Say that this watcher lives, have the shards shared anew where that is due, and answer how it stands.

        Args:
            having: the shards at which this watcher works: their leases are looked at.
        """

    def leave(self) -> None:
        """Be none of the watchers any more: the others have its shards at once."""

    def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
