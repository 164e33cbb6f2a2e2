"""Agreement: whether all machines that an event names are prepared for it, and which of them approves it for all.

Pure functions over values. The fleet's store asks them in the transaction that grants a claim, the agent asks them of
what it was last told; so both say the same of the same facts.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from stormcone.model import EventKey, MaintenanceEvent, Origin
from stormcone.text import folded, printable, stamp

CLAIM = timedelta(seconds=10)
"""How long a claim lasts, by the clock of the fleet's store: so long the member that has it may send the approval."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A machine of the fleet, as its agent has made it known.

    Attributes:
        id: what tells it from all others.
        name: what people call it.
        names: every name and id that events may use for it, as names are compared.
        seen: when its agent last exchanged, by the clock of the fleet's store.
        silence: after so long without an exchange it counts as silent.
        groups: the groups that it says it is in, each with the limit that it knows for it.
        about: facts for people: provider, region, version.
    """

    id: str
    name: str
    names: frozenset[str]
    seen: datetime
    silence: timedelta
    groups: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    def silent(self, now: datetime) -> bool:
        """Whether it has not been heard of for so long that nobody may rely on it."""
        return now - self.seen > self.silence

    def goes_by(self, name: str) -> bool:
        """Whether events may mean it by that name."""
        return folded(name) in self.names


class VoteState(StrEnum):
    """What a member says of an event."""

    PREPARING = "preparing"
    PREPARED = "prepared"
    VETOED = "vetoed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """It does not say so any more: for it, the event is not announced."""


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What a member says of an event: what it would decide on the approval if the event named nobody else.

    Attributes:
        member: whose it is, by id.
        state: what it says.
        reason: why, as a clause.
        basis: what it speaks of, see `basis_of`; a vote on another basis does not count.
        names: the machines that the event names, as this member sees it.
        ready: whether it could send the approval now.
    """

    member: str
    state: VoteState
    reason: str = ""
    basis: str = ""
    names: tuple[str, ...] = ()
    ready: bool = True


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A member's right to send the approval of one event, alone, for a while.

    Attributes:
        epoch: 1 for the event's first claim, one higher for each that follows.
        holder: whose it is, by the member's id.
        until: when it ends, by the clock of the fleet's store.
        basis: on which basis all were prepared.
        names: the machines that it speaks for, as names are compared.
        released: whether its holder has given it back: the approval could not be sent.
    """

    epoch: int
    holder: str
    until: datetime
    basis: str
    names: frozenset[str]
    released: bool = False

    def lasts(self, now: datetime) -> bool:
        """Whether nobody else may send the approval now."""
        return not self.released and now < self.until

    def covers(self, basis: str, names: Collection[str]) -> bool:
        """Whether it was granted for that: so that nothing has changed since."""
        return self.basis == basis and self.names >= set(names)


class CloudReply(StrEnum):
    """What the cloud has answered to an approval."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class CloudAnswer:
    """The cloud's answer to the approval of an event: it is final for the event as it was then.

    Attributes:
        reply: what it is.
        by: who was answered, by the member's id.
        at: when the fleet was told, by the clock of its store.
        basis: what the event is, as that member has seen it last while this was its answer. An event that has moved so
            far that it is another one for that member is to be agreed on again.
    """

    reply: CloudReply
    by: str
    at: datetime
    basis: str = ""


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """All that the fleet knows of the approval of one event.

    Attributes:
        key: of which event.
        votes: what members say, one vote each.
        members: those that have a vote, or go by a name that the event names.
        claim: the last one, or None.
        answer: the cloud's, or None.
    """

    key: EventKey
    votes: tuple[Vote, ...] = ()
    members: tuple[Member, ...] = ()
    claim: Claim | None = None
    answer: CloudAnswer | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The machines that the event names, in anybody's eyes: each once, in the order of their names."""
        votes = (vote for vote in self.votes if vote.state is not VoteState.WITHDRAWN)
        named = {folded(name): name for vote in votes for name in vote.names}
        return tuple(named[name] for name in sorted(named))

    def answered(self, basis: str) -> bool:
        """Whether the cloud has answered the approval of the event, if that is what the event is."""
        return self.answer is not None and self.answer.basis == basis

    def member(self, identifier: str) -> Member | None:
        """The member with that id."""
        return next((member for member in self.members if member.id == identifier), None)

    def name_of(self, identifier: str) -> str:
        """What people call that member."""
        member = self.member(identifier)
        return member.name if member else identifier

    def vote(self, identifier: str) -> Vote | None:
        """That member's vote."""
        return next((vote for vote in self.votes if vote.member == identifier), None)

    def concerns_others(self, member: Member) -> bool:
        """Whether it names machines that are not the member's."""
        return any(not member.goes_by(name) for name in self.names)


class Why(StrEnum):
    """What keeps a machine from counting as prepared."""

    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    SILENT = "silent"
    VETOED = "vetoed"
    FAILED = "failed"
    UNSAID = "unsaid"
    PREPARING = "preparing"
    OTHERWISE = "otherwise"

    @property
    def passes(self) -> bool:
        """Whether it passes by itself, where all goes well; else it means no."""
        return self in {Why.UNSAID, Why.PREPARING, Why.OTHERWISE}


class Obstacle(NamedTuple):
    """Why one of the machines that an event names does not count as prepared.

    Attributes:
        name: which machine.
        why: what it is.
        text: the same as a clause, with the name.
    """

    name: str
    why: Why
    text: str


def basis_of(event: MaintenanceEvent) -> str:
    """What a vote speaks of: what happens, and when by the cloud's own word; a time that we have inferred differs."""
    told = event.not_before is not None and event.not_before_origin is not Origin.INFERRED
    return (
        f"{event.impact} {f'not before {stamp(event.not_before)}' if told and event.not_before else 'at no time told'}"
    )


def obstacles(ballot: Ballot, basis: str, now: datetime) -> tuple[Obstacle, ...]:
    """What stands against approving the event, one for each machine that is not prepared; none where all agree.

    Once a claim was granted, all have agreed: a machine that falls silent after that (it may be the one that had the
    claim, killed before the answer) does not undo it; one that says something else does.

    Args:
        ballot: what the fleet knows.
        basis: on which basis all are to be prepared.
        now: by the clock of the fleet's store.
    """
    found = (_obstacle(ballot, name, basis, now) for name in ballot.names)
    return tuple(obstacle for obstacle in found if obstacle is not None)


def _obstacle(ballot: Ballot, name: str, basis: str, now: datetime) -> Obstacle | None:
    members = [member for member in ballot.members if member.goes_by(name)]
    heard = [member for member in members if not member.silent(now)]
    if not members:
        return Obstacle(name, Why.UNKNOWN, f"{name} is unknown to the fleet")
    if len(heard) > 1:
        return Obstacle(name, Why.AMBIGUOUS, f"{name} is the name of {len(heard)} members of the fleet")
    member = heard[0] if heard else max(members, key=lambda each: each.seen)
    agreed = ballot.claim is not None and ballot.claim.covers(basis, [folded(each) for each in ballot.names])
    if not heard and not agreed:
        return Obstacle(name, Why.SILENT, f"{name} is silent since {stamp(member.seen)}")
    vote = ballot.vote(member.id)
    if vote is None or vote.state is VoteState.WITHDRAWN:
        return Obstacle(name, Why.UNSAID, f"{name} has not said that it knows of it")
    if vote.state in {VoteState.VETOED, VoteState.FAILED}:
        word = "vetoed" if vote.state is VoteState.VETOED else "failed"
        return Obstacle(name, Why(vote.state.value), f"{name} {word}: {printable(vote.reason)}")
    if vote.state is VoteState.PREPARING:
        return Obstacle(name, Why.PREPARING, f"{name} is preparing" + (f": {vote.reason}" if vote.reason else ""))
    if vote.basis != basis:
        return Obstacle(name, Why.OTHERWISE, f"{name} has prepared for it as {vote.basis}, not as {basis}")
    return None


def approver(ballot: Ballot, basis: str, now: datetime) -> Member | None:
    """Who approves the event for all: the first by name of those that it names, are heard and could send it now.

    One whose claim has ended without an answer comes after the others: it may be dead, or its cloud may not answer.
    """
    return min(_candidates(ballot, basis, now), key=lambda member: _rank(ballot, member), default=None)


def _candidates(ballot: Ballot, basis: str, now: datetime) -> Iterator[Member]:
    for vote in ballot.votes:
        member = ballot.member(vote.member)
        if member is None or member.silent(now) or not vote.ready:
            continue
        named = any(member.goes_by(name) for name in ballot.names)
        if named and vote.state is VoteState.PREPARED and vote.basis == basis:
            yield member


def _rank(ballot: Ballot, member: Member) -> tuple[bool, str, str]:
    had_it = ballot.claim is not None and ballot.claim.holder == member.id
    return (had_it, folded(member.name), member.id)


def granted(ballot: Ballot, member: Member, now: datetime, lasting: timedelta = CLAIM) -> Claim | None:
    """The claim that the member gets now; None where it gets none.

    Args:
        ballot: what the fleet knows, read in the transaction that writes the claim.
        member: who would send the approval.
        now: by the clock of the fleet's store.
        lasting: how long a claim lasts.
    """
    vote = ballot.vote(member.id)
    if vote is None or ballot.answered(vote.basis) or not ballot.concerns_others(member):
        return None
    if ballot.claim is not None and ballot.claim.lasts(now):
        return None
    chosen = approver(ballot, vote.basis, now)
    if chosen is None or chosen.id != member.id or obstacles(ballot, vote.basis, now):
        return None
    return Claim(
        epoch=ballot.claim.epoch + 1 if ballot.claim else 1,
        holder=member.id,
        until=now + lasting,
        basis=vote.basis,
        names=frozenset(map(folded, ballot.names)),
    )


@dataclass(frozen=True, kw_only=True)
class EventInFleet:
    """One event as a member sees it in the fleet, for its own decision.

    Attributes:
        away: why the fleet cannot be asked, as a clause; "" where what is known of it is fresh.
        ballot: what the fleet knows of the event; None where it has not said yet.
        member: this one, as the fleet has it; None where it has not said yet.
        basis: what the event is by what this member knows.
        names: the machines that it names by what this member knows.
        now: by the clock of the fleet's store.
        claimed: whether this member has the claim, and may still send the approval.
    """

    away: str = ""
    ballot: Ballot | None = None
    member: Member | None = None
    basis: str = ""
    names: tuple[str, ...] = ()
    now: datetime
    claimed: bool = False

    @property
    def concerns_others(self) -> bool:
        """Whether the fleet knows that it names machines that are not this member's."""
        return self.ballot is not None and self.member is not None and self.ballot.concerns_others(self.member)

    @property
    def answered(self) -> bool:
        """Whether the cloud has answered an approval, to whichever member."""
        return self.ballot is not None and self.ballot.answered(self.basis)

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What stands against approving it."""
        return obstacles(self.ballot, self.basis, self.now) if self.ballot else ()

    @property
    def may_send(self) -> bool:
        """Whether this member may send the approval now, of the event as it is now."""
        claim = self.ballot.claim if self.ballot else None
        return self.claimed and claim is not None and claim.covers(self.basis, [folded(name) for name in self.names])

    def supposing(self, member: Member) -> "EventInFleet":
        """The same, if the member had said that it is prepared for the event as it is now."""
        if self.ballot is None:
            return self
        vote = Vote(member=member.id, state=VoteState.PREPARED, basis=self.basis, names=self.names)
        votes = (*(each for each in self.ballot.votes if each.member != member.id), vote)
        members = (*(each for each in self.ballot.members if each.id != member.id), member)
        return replace(self, ballot=replace(self.ballot, votes=votes, members=members))

    @property
    def others(self) -> str:
        """Who sends it, or has the claim to: a name, or "another member"."""
        if self.ballot is None:
            return "another member"
        if self.ballot.claim is not None and self.ballot.claim.lasts(self.now):
            return self.ballot.name_of(self.ballot.claim.holder)
        chosen = approver(self.ballot, self.basis, self.now)
        return chosen.name if chosen else "another member"
