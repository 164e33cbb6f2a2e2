"""Limits: how many machines of a group may be away at once, and how long a handler's prepare waits for its turn.

Pure functions over values, asked by the fleet's store in the transaction that grants a turn, and by the agent.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from stormcone.handlers import Handler
from stormcone.model import Approval, Cause, EventKey, Impact, MaintenanceEvent, Phase
from stormcone.rules.agreement import Member
from stormcone.rules.times import time_of
from stormcone.text import folded, span, stamp

RESERVE = timedelta(minutes=5)
"""Time that a prepare without a timeout keeps of its event's notice: it waits no longer than until then."""

SHORT_NOTICE = timedelta(minutes=2)
"""An event that is no further ahead does not wait: the time is for its handlers."""

VANISHED = timedelta(hours=1)
"""So long a member that is silent counts as away, and keeps its turn."""

TOLD = 5
"""So many of those that are away are named to one that waits for them; of the others it is told how many they are."""

_WAITS = "waits for its turn in group"

_LIMIT = re.compile(r"(\d{1,6})(%?)")


class Limit(NamedTuple):
    """How many of a group may be away at once.

    Attributes:
        number: that many machines, or that many in a hundred.
        share: whether it is a share of the group.
    """

    number: int
    share: bool

    @classmethod
    def of(cls, text: str) -> "Limit":
        """A limit as people write it: `2`, or `25%`.

        Raises:
            ValueError: it is none.
        """
        found = _LIMIT.fullmatch(text.strip())
        if found is None or (found[2] and not 1 <= int(found[1]) <= 100):
            raise ValueError(f"{text!r} is no limit; write a number of machines such as 1, or a share such as 25%")
        return cls(int(found[1]), bool(found[2]))

    def allows(self, size: int) -> int:
        """How many machines of a group of that size: of a share, rounded down, but at least one."""
        return max(1, size * self.number // 100) if self.share else self.number


class TurnState(StrEnum):
    """Where a machine's turn is."""

    WAITING = "waiting"
    HELD = "held"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A machine's turn to be away, for one event, in all its groups.

    Attributes:
        member: whose, by the member's id.
        event: for which event.
        state: whether it waits for it or has it.
        need: why it has it without waiting, as a clause; "" where it was granted.
        until: until when it waits; None: without a limit.
        since: since when it has waited, by the clock of the fleet's store.
        what: what happens to the machine, for people.
        names: the machines that the event names, as names are compared.
    """

    member: str
    event: EventKey
    state: TurnState
    need: str = ""
    until: datetime | None = None
    since: datetime
    what: str = ""
    names: frozenset[str] = frozenset()


class Rank(NamedTuple):
    """Where one that waits stands among those that do: of two the lesser comes first.

    Attributes:
        endless: whether it waits without a limit: those come last.
        until: until when it waits; since when, where that is without a limit.
        since: since when it has waited.
        member: who waits, by the member's id.
    """

    endless: bool
    until: datetime
    since: datetime
    member: str

    @classmethod
    def of(cls, turn: Turn) -> "Rank":
        """That of a turn: first those whose time runs out sooner, then those that have waited longer."""
        return cls(turn.until is None, turn.until or turn.since, turn.since, turn.member)


class Crowd(NamedTuple):
    """Members of a group that are not told of one by one: all that counts is how many they are.

    Attributes:
        limit: what they say of the group's limit.
        number: how many say so.
        name: one of them.
        away: how many of them are away.
    """

    limit: str
    number: int
    name: str
    away: int = 0


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of machines as the fleet knows it.

    A store need not tell each of ten thousand to each of them. Whoever asks for a turn must be told of the members that
    its event takes, of those that have a turn for the same event, and of as many ranks of `queue` as are free.

    Attributes:
        name: its name.
        members: its members, but for those of `crowd`.
        turns: the turns that they have or wait for.
        crowd: its other members.
        queue: the first ranks of members that are heard and wait, also of the crowd.
    """

    name: str
    members: tuple[Member, ...]
    turns: tuple[Turn, ...]
    crowd: tuple[Crowd, ...] = ()
    queue: tuple[Rank, ...] = ()

    def present(self, now: datetime) -> tuple[Member, ...]:
        """Of `members` those that count: all but those that have been silent for so long that they have vanished."""
        return tuple(member for member in self.members if not vanished(member, now))

    def size(self, now: datetime) -> int:
        """How many members count."""
        return len(self.present(now)) + sum(each.number for each in self.crowd)

    def most(self, now: datetime) -> int:
        """How many may be away: of what its members say of the limit, the strictest."""
        size = self.size(now)
        return min((Limit.of(limit).allows(size) for limit in self._said(now)), default=0)

    def disagreement(self, now: datetime) -> str:
        """What members say of its limit where they differ, as a clause; "" where they do not."""
        said = self._said(now)
        if len(said) < 2:
            return ""
        words = " and ".join(f"{limit} ({name}, say)" for limit, name in sorted(said.items()))
        return f"members of group {self.name} differ in its max_unavailable, {words}; the strictest counts"

    def away(self, now: datetime) -> Mapping[str, str]:
        """Who of `members` is away, by the member's id, and why: those with a turn, and those that are silent."""
        held = {turn.member: turn for turn in self.held()}
        found = {}
        for member in sorted(self.present(now), key=lambda each: folded(each.name)):
            if turn := held.get(member.id):
                found[member.id] = f"{member.name} is away ({turn.what})" if turn.what else f"{member.name} is away"
            elif member.silent(now):
                found[member.id] = f"{member.name} is silent since {stamp(member.seen)}"
        return found

    def room(self, now: datetime) -> int:
        """How many more may be away; less than 0 where too many are, since some could not wait."""
        return self.most(now) - len(self.away(now)) - sum(each.away for each in self.crowd)

    def held(self) -> tuple[Turn, ...]:
        """The turns that its members have."""
        return tuple(turn for turn in self.turns if turn.state is TurnState.HELD)

    def named(self, turn: Turn, now: datetime) -> frozenset[str]:
        """The members that an event takes, by their ids: whoever asks for it, and those that it names."""
        return frozenset(
            member.id for member in self.present(now) if member.id == turn.member or member.names & turn.names
        )

    def waiting(self, now: datetime) -> tuple[Rank, ...]:
        """The ranks of those that wait, the first one first: of each member that is heard and not away its best."""
        gone, heard = self.away(now), {member.id for member in self.members if not member.silent(now)}
        own = (Rank.of(turn) for turn in self.turns if turn.state is TurnState.WAITING and turn.member in heard)
        ranks: dict[str, Rank] = {}
        for rank in sorted((*own, *self.queue)):
            if rank.member not in gone:
                ranks.setdefault(rank.member, rank)
        return tuple(ranks.values())

    def before(self, turn: Turn, named: frozenset[str], now: datetime) -> int:
        """How many others wait that come before.

        Args:
            turn: who asks.
            named: whom the event of that takes.
            now: by the clock of the fleet's store.
        """
        own = Rank.of(turn)
        return sum(rank < own and rank.member not in named for rank in self.waiting(now))

    def why(self, named: frozenset[str], now: datetime) -> str:
        """Why an event has no turn here that takes these members, as a clause."""
        if not self.most(now):
            return f"{_WAITS} {self.name}: it allows nobody"
        others = [why for member, why in self.away(now).items() if member not in named]
        more = len(others[TOLD:]) + sum(each.away for each in self.crowd)
        words = [*others[:TOLD], *([f"and {more} more"] if more else [])]
        return f"{_WAITS} {self.name}: {'; '.join(words) or 'others wait whose time runs out sooner'}"

    def given(self, turn: Turn) -> "Group":
        """The same once that turn is given."""
        turns = (each for each in self.turns if (each.member, each.event) != (turn.member, turn.event))
        return replace(self, turns=(*turns, replace(turn, state=TurnState.HELD)))

    def in_short(self, now: datetime) -> "Group":
        """The same, telling of the first that are away only; whoever waits is counted."""
        told = {*list(self.away(now))[:TOLD]}
        away, crowd = self.away(now), {each.limit: each for each in self.crowd}
        for member in self.present(now):
            if member.id not in told:
                before = crowd.get(limit := member.groups[self.name], Crowd(limit, 0, member.name))
                crowd[limit] = before._replace(number=before.number + 1, away=before.away + (member.id in away))
        return Group(
            name=self.name,
            members=tuple(member for member in self.members if member.id in told),
            turns=tuple(turn for turn in self.held() if turn.member in told),
            crowd=tuple(crowd.values()),
        )

    def _said(self, now: datetime) -> dict[str, str]:
        """What is said of its limit, and the name of one who says so."""
        counted = {each.limit: each.name for each in self.crowd if each.number}
        present = sorted(self.present(now), key=lambda each: each.name)
        return counted | {member.groups[self.name]: member.name for member in present}


def vanished(member: Member, now: datetime) -> bool:
    """Whether a member has been silent for so long that nobody counts on it, nor waits for it."""
    return now - member.seen > max(VANISHED, member.silence)


def ungrouped(members: Iterable[Member], now: datetime) -> frozenset[str]:
    """The names of those of these members that are in no group at all."""
    return frozenset(name for each in members if not each.groups and not vanished(each, now) for name in each.names)


def refusals(
    turn: Turn, groups: Collection[Group], now: datetime, outside: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Why a machine does not get its turn now, a clause for each group that has no room; none where it does.

    One event that takes several takes them together: it begins where there is room for all of them in all their
    groups, or nobody else is away there, and then those that it names do not wait for one another. So of the events
    that have begun the last one can always go on, and no two wait for each other.

    Args:
        turn: whose.
        groups: those of all machines that its event names, read in the transaction that grants it.
        now: by the clock of the fleet's store.
        outside: names of members that are known to be in no group: they take no place in any.
    """
    found = []
    known = {name for group in groups for member in group.present(now) for name in member.names}
    strangers = turn.names - known - outside  # they may turn out to be of any of the groups
    begun = any(
        each.event == turn.event and each.member in group.away(now) for group in groups for each in group.held()
    )
    for group in groups:
        away, named = group.away(now), group.named(turn, now)
        if named <= away.keys() and not strangers:
            continue  # it takes nobody who is not away already
        ahead = 0 if begun else group.before(turn, named, now)
        most, need = group.most(now), len(named) + len(strangers)
        room = group.room(now) + len(named & away.keys()) - ahead
        if not named or (most and room >= min(need, most)):
            continue
        found.append(group.why(named, now))
    return tuple(found)


class NoWait(NamedTuple):
    """One reason for which a prepare does not wait for a turn.

    Attributes:
        when: where it applies, in words; the docs have their table from it.
        applies: whether it does, for an event at a date.
    """

    when: str
    applies: Callable[[MaintenanceEvent, datetime], bool]


def _near(event: MaintenanceEvent, now: datetime) -> bool:
    time = time_of(event)
    return time is not None and time - now < SHORT_NOTICE


NO_WAIT = (
    NoWait("it has begun", lambda event, _: event.phase is not Phase.SCHEDULED),
    NoWait("it is a preemption", lambda event, _: event.cause is Cause.PREEMPTION),
    NoWait(
        "its time is not known",
        lambda event, _: event.not_before is None and event.approval is not Approval.CONSENT,
    ),
    NoWait(f"it is no more than {span(SHORT_NOTICE)} ahead", _near),
)
"""What may not wait, and counts all the same; the first that applies is said."""


def need_of(event: MaintenanceEvent, now: datetime) -> str:
    """Why nothing of the event may wait for a turn, as a clause; "" where it may."""
    return next((each.when for each in NO_WAIT if each.applies(event, now)), "")


def waits_until(event: MaintenanceEvent, handlers: Collection[Handler]) -> datetime | None:
    """Until when prepare may wait for a turn: the event's time, less what its handlers may take; None: no limit.

    What they may take is the sum of their timeouts; those without one have `RESERVE` together.

    Args:
        event: as it is now.
        handlers: those that are to prepare.
    """
    time = time_of(event)
    if time is None:
        return None
    timeouts = [handler.timeout for handler in handlers]
    known = sum((timeout for timeout in timeouts if timeout is not None), timedelta(0))
    try:
        return time - known - (RESERVE if None in timeouts else timedelta(0))
    except OverflowError:
        return time


AWAY_IMPACTS = frozenset(Impact) - {Impact.NONE, Impact.DEGRADED}
"""What takes a machine away, if only for seconds; of unknown impacts that is assumed."""


def takes_away(event: MaintenanceEvent, *, begun: bool) -> bool:
    """Whether the machine counts as away: a handler has begun for the event, or that has begun and takes it away."""
    return begun or (event.phase is Phase.STARTED and event.impact in AWAY_IMPACTS)


def what_of(event: MaintenanceEvent) -> str:
    """What happens to the machine, for others: `reboot until 04:10Z`."""
    end = event.ends_by
    if end is None and event.not_before is not None and event.duration is not None:
        end = event.not_before + event.duration
    if end is not None:
        return f"{event.impact} until {stamp(end)}"
    return f"{event.impact} not before {stamp(event.not_before)}" if event.not_before else f"{event.impact}"
