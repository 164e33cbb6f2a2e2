"""The contract of a fleet, as an agent sees it: what it says of its machine, and what it is told of others.

The agent knows no database. It says, again and again, all that is so now (nothing is said once and then relied on), so
a store that has forgotten, since it was restored from yesterday, say, knows it again after each agent's next exchange.
What an agent says follows from its journal. Whoever writes another store holds it to
`stormcone.testing.conformance.FleetSuite`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from stormcone.model import EventKey
from stormcone.rules.agreement import Ballot, CloudReply, Member, VoteState
from stormcone.rules.limits import Group, Turn

SILENCE = timedelta(seconds=30)
"""After so long without a word a member counts as silent, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class MemberIdentity:
    """Who a member is.

    Attributes:
        id: what tells it from all others; it stays the same over restarts.
        name: what people call it.
        names: every name and id that events may use for it.
        groups: the groups that it is in, each with its `max_unavailable`.
        silence: after so long without a word others take it for silent.
        about: facts for people: provider, region, version.
    """

    id: str
    name: str
    names: tuple[str, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    silence: timedelta = SILENCE
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id or not self.name:
            raise ValueError("a member of a fleet has an id and a name")


@dataclass(frozen=True, kw_only=True)
class TurnSaid:
    """What a member says of its turn to be away.

    Attributes:
        away: whether it is, or can be, away already; else it waits.
        need: why it did not wait, as a clause; "" where it did, or does.
        until: until when it waits; None: without a limit.
        what: what happens to it, for people.
    """

    away: bool
    need: str = ""
    until: datetime | None = None
    what: str = ""


@dataclass(frozen=True, kw_only=True)
class EventSaid:
    """What a member says of one event that concerns it.

    Attributes:
        key: of which event.
        id: its id, as the cloud spells it.
        impact: what happens.
        phase: where it is in its life.
        not_before: its time, or None.
        names: the machines that it names, as this member sees it.
        running: the handlers' stages that go on.
        vote: what it says of the approval; None where it has no say, since the event cannot be approved (any more).
        reason: why, as a clause.
        basis: what the vote speaks of.
        ready: whether it could send the approval now.
        reply: the cloud's answer to an approval that it has sent; None where there was none.
        released: the epoch of a claim that it gives back, since the approval could not be sent; 0 for none.
        turn: its turn to be away; None where it needs none.
    """

    key: EventKey
    id: str
    impact: str
    phase: str
    not_before: datetime | None = None
    names: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    vote: VoteState | None = None
    reason: str = ""
    basis: str = ""
    ready: bool = True
    reply: CloudReply | None = None
    released: int = 0
    turn: TurnSaid | None = None


@dataclass(frozen=True, kw_only=True)
class Saying:
    """All that a member says at once. What it said before and does not say any more is withdrawn."""

    member: MemberIdentity
    events: tuple[EventSaid, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a member is told.

    Attributes:
        at: when it was true, by the clock of the fleet's store.
        ballots: of each event on which it has voted.
        turns: of each event for which it has said that it waits, or is away.
        refused: of each event for which it waits for its turn: what for, a clause for each group that has no room.
        groups: those that it is in, by name, at least while it waits for a turn; a store need not tell of all members.
        soon: whether its turn may come soon; if not, it asks no more often than one that waits for nothing.
    """

    at: datetime
    ballots: Mapping[EventKey, Ballot] = field(default_factory=dict)
    turns: Mapping[EventKey, Turn] = field(default_factory=dict)
    refused: Mapping[EventKey, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    soon: bool = True


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The whole fleet, for people.

    Attributes:
        at: when it was true, by the clock of the fleet's store.
        members: all of them, by name.
        events: what each says, by its id.
        ballots: the events on which somebody has voted, each once.
        groups: all of them, by name.
    """

    at: datetime
    members: tuple[Member, ...] = ()
    events: Mapping[str, tuple[EventSaid, ...]] = field(default_factory=dict)
    ballots: tuple[Ballot, ...] = ()
    groups: tuple[Group, ...] = ()


class Fleet(Protocol):
    """A fleet's store. Every method may be called in any thread, one at a time, and raises `FleetError`."""

    def exchange(self, saying: Saying) -> Snapshot:
        """Say what is so, and be told what follows.

        The member is given what the rules give it: the claim to send an approval (`stormcone.rules.agreement`), and
        its turn to be away (`stormcone.rules.limits`), each decided in a transaction, on what all members have said by
        then. What is said holds before a turn is asked for, so nobody counts as silent while it waits to be decided on.
        A turn that nobody else has taken may be refused for a second more.

        Raises:
            FleetError: the store could not be asked, or could not write: nothing was said, as far as is known.
        """

    def overview(self) -> Overview:
        """All that the fleet knows.

        Raises:
            FleetError: the store could not be asked.
        """

    def forget(self, name: str) -> int:
        """Take the members of that name or id out of the fleet, with all that they said; answers how many those were.

        Raises:
            FleetError: the store could not be asked, or could not write.
        """

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
