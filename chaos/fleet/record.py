"""What is known of a round afterwards: what was done to it, what its handlers did, what the cloud and the database saw.

All times are seconds of the machine's monotonic clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

HOLDS_UP = frozenset({"frozen", "cloud held", "cloud deaf", "cloud slow"})
"""Spells in which what a process has decided reaches the cloud later."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A line that a handler has written.

    Attributes:
        at: when.
        does: `begins`, `works` or `ends`.
        life: of which process, by the number that it was started with.
        machine: for which machine.
        event: its id.
        stage: which.
        attempt: which attempt, as the handler was told.
        not_before: the event's time, as the handler was told.
        how: how it ended.
    """

    at: float
    does: str
    life: int
    machine: str
    event: str
    stage: str
    attempt: int
    not_before: str = ""
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request that the cloud got.

    Attributes:
        at: when it arrived.
        by: whose it was: a machine, or a watcher.
        approves: the event that it approves; "" where it only asks what is announced.
        answered: whether the cloud has said yes.
    """

    at: float
    by: str
    approves: str = ""
    answered: bool = True


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A right to approve, as the database has given it: a claim of an event, or a lease of a region.

    Attributes:
        what: of which event, or which region.
        epoch: which it is.
        holder: whose it is, by what `Ask.by` says.
        since: when it was given.
        until: when it has ended: by its time, or since it was given back.
    """

    what: str
    epoch: int
    holder: str
    since: float
    until: float


@dataclass(frozen=True, kw_only=True)
class Write:
    """A change of the shared journal.

    Attributes:
        at: when.
        by: whose it was.
        holder: who had the lease at that moment.
    """

    at: float
    by: str
    holder: str


@dataclass(frozen=True, kw_only=True)
class Spell:
    """Something that was done to the round, for a while.

    Attributes:
        kind: what.
        target: to whom.
        since: from when.
        until: until when.
    """

    kind: str
    target: str
    since: float
    until: float


@dataclass(kw_only=True)
class Event:
    """An event, as the cloud has it.

    Attributes:
        id: its id.
        machines: which it names.
        times: since when it had which time, the first one first; each after the first is so far from the one before
            that it is another event for whoever has begun to prepare.
        ended: when it was over; None where it still is not.
    """

    id: str
    machines: tuple[str, ...]
    times: list[tuple[float, str]]
    ended: float | None = None

    def time_at(self, at: float) -> str:
        """Its time by then."""
        return [time for since, time in self.times if since <= at or since == self.times[0][0]][-1]


@dataclass(kw_only=True)
class Record:
    """A round.

    Attributes:
        scene: `agents` or `region`.
        seed: what it was drawn from.
        names: of each life that was started, whose it was.
        limits: the groups, each with its machines and how many of them may be away.
        events: by their ids.
        done: what handlers did, in its order.
        asks: what the cloud was asked, in its order.
        claims: what the database has given, in its order.
        writes: changes of the shared journal, in its order.
        spells: what was done to it.
        unsettled: what was not over long after all was well again, as clauses.
    """

    scene: str
    seed: str
    names: dict[int, str] = field(default_factory=dict)
    limits: dict[str, tuple[tuple[str, ...], int]] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)

    def approvals(self) -> Iterator[tuple[Ask, Event]]:
        """Each request that approves an event, with that."""
        for ask in self.asks:
            if ask.approves:
                yield ask, self.events[ask.approves]

    def troubled(self, who: str, since: float, until: float) -> bool:
        """Whether something was done to it, to its links or to the database between two times."""
        return any(
            spell.target in {who, "database"} and spell.since <= until and spell.until >= since for spell in self.spells
        )

    def held_up(self, who: str, since: float, until: float) -> bool:
        """Whether it was frozen, or its way to the cloud was held or slow, between two times."""
        return any(
            spell.target == who and spell.kind in HOLDS_UP and spell.since <= until and spell.until >= since
            for spell in self.spells
        )

    def sent_after(self, who: str, arrived: float) -> float:
        """The earliest time at which somebody can have sent what arrived then: it may have been held up on its way."""
        return min(
            (
                spell.since
                for spell in self.spells
                if spell.target == who and spell.kind in HOLDS_UP and spell.since <= arrived <= spell.until + 1.0
            ),
            default=arrived,
        )
