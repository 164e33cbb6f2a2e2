"""What a fleet's store keeps of each member, as values: the same for every store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stormcone.fleet.contract import EventSaid, MemberIdentity, Saying, TurnSaid
from stormcone.model import EventKey
from stormcone.rules.agreement import Ballot, Claim, CloudAnswer, Member, Vote, VoteState, granted
from stormcone.rules.limits import Turn, TurnState
from stormcone.text import folded


@dataclass(frozen=True, kw_only=True)
class SaidRow:
    """What one member says of one event, as it is kept.

    Attributes:
        said: what it says, or has said last.
        since: since when it says something of its turn, and of the event where it does not; by the store's clock.
        held: whether it has its turn.
        withdrawn: whether it does not speak of the event any more.
    """

    said: EventSaid
    since: datetime
    held: bool = False
    withdrawn: bool = False

    @property
    def turn(self) -> TurnSaid | None:
        """What it says of its turn; None where it needs none (any more)."""
        return None if self.withdrawn else self.said.turn

    def vote_of(self, member: str) -> Vote:
        """The member's vote."""
        said = self.said
        state = VoteState.WITHDRAWN if self.withdrawn or said.vote is None else said.vote
        return Vote(
            member=member, state=state, reason=said.reason, basis=said.basis, names=said.names, ready=said.ready
        )

    def turn_of(self, member: str) -> Turn:
        """The member's turn.

        Raises:
            ValueError: it needs none.
        """
        said = self.turn
        if said is None:
            raise ValueError(f"{member} needs no turn for {self.said.id}")
        return Turn(
            member=member,
            event=self.said.key,
            state=TurnState.HELD if self.held else TurnState.WAITING,
            need=said.need,
            until=said.until,
            since=self.since,
            what=said.what,
            names=frozenset(map(folded, self.said.names)),
        )


def names_of(identity: MemberIdentity) -> frozenset[str]:
    """All that it goes by, as names are compared."""
    return frozenset(map(folded, (identity.name, *identity.names)))


def member_of(identity: MemberIdentity, now: datetime) -> Member:
    """A member that has just made itself known."""
    return Member(
        id=identity.id,
        name=identity.name,
        names=names_of(identity),
        seen=now,
        silence=identity.silence,
        groups=dict(identity.groups),
        about=dict(identity.about),
    )


def said_anew(known: Mapping[EventKey, SaidRow], saying: Saying, now: datetime) -> dict[EventKey, SaidRow]:
    """What is kept of a member once it has said this: what it says no more is withdrawn, and its turns with that.

    Args:
        known: what was kept of it.
        saying: what it says.
        now: by the store's clock.
    """
    rows = {key: replace(row, withdrawn=True, held=False) for key, row in known.items()}
    for event in saying.events:
        before = known.get(event.key)
        if before is None or before.withdrawn or (before.said.turn is None and event.turn is not None):
            before = SaidRow(said=event, since=now)
        held = event.turn is not None and (event.turn.away or before.held)
        rows[event.key] = replace(before, said=event, held=held)
    return rows


def let_go(known: Mapping[EventKey, SaidRow], saying: Saying) -> set[EventKey]:
    """The events of which a member has spoken until now, and does not any more.

    Args:
        known: what was kept of it.
        saying: what it says.
    """
    return {key for key, row in known.items() if not row.withdrawn} - {event.key for event in saying.events}


def says_the_same(known: Mapping[EventKey, SaidRow], saying: Saying) -> bool:
    """Whether a member says what it has said before, and no approval can come of that.

    Args:
        known: what was kept of it.
        saying: what it says.
    """
    before = {key: row.said for key, row in known.items()}
    return before == {event.key: event for event in saying.events} and not any(
        event.vote is VoteState.PREPARED or event.reply is not None or event.released for event in saying.events
    )


def makes_room(known: Mapping[EventKey, SaidRow], after: Mapping[EventKey, SaidRow]) -> bool:
    """Whether others may have their turn sooner: it gives one back, or does not wait as it did.

    Args:
        known: what was kept of a member.
        after: what is kept of it now.
    """
    return any(
        row.turn is not None and ((turn := after[key].turn) is None or turn.until != row.turn.until)
        for key, row in known.items()
    )


def outlived(claim: Claim | None) -> Claim | None:
    """What is left of a claim once nobody speaks of its event any more: its epoch and its end, but no agreement."""
    return claim and replace(claim, basis="", names=frozenset())


def waits(known: Mapping[EventKey, SaidRow], saying: Saying) -> bool:
    """Whether it says of a turn that it waits for, and has not been given yet."""
    return any(
        event.turn is not None and not event.turn.away and not (event.key in known and known[event.key].held)
        for event in saying.events
    )


def settled(ballot: Ballot, member: Member, event: EventSaid, now: datetime, lasting: timedelta) -> Ballot:
    """The ballot after what a member says of its event: the cloud's answer, a claim given back, a claim granted.

    Args:
        ballot: as it is with the member's vote.
        member: who says it.
        event: what it says.
        now: by the store's clock.
        lasting: how long a claim lasts.
    """
    ballot = replace(ballot, answer=_answer(ballot.answer, member, event, now))
    claim = ballot.claim
    if claim is not None and claim.holder == member.id and claim.epoch == event.released:
        ballot = replace(ballot, claim=replace(claim, released=True))
    return replace(ballot, claim=granted(ballot, member, now, lasting) or ballot.claim)


def _answer(before: CloudAnswer | None, member: Member, event: EventSaid, now: datetime) -> CloudAnswer | None:
    """The cloud's answer after what a member says: that of its own goes on to count when the event moves a little."""
    if event.reply is None:
        return before
    if before is not None and before.by == member.id:
        return replace(before, basis=event.basis)
    if before is not None and before.basis == event.basis:
        return before
    return CloudAnswer(reply=event.reply, by=member.id, at=now, basis=event.basis)


def concerned(votes: Iterable[Vote], members: Iterable[Member]) -> tuple[Member, ...]:
    """The members that have a vote, or go by a name that one of the votes names."""
    votes = tuple(votes)
    voters = {vote.member for vote in votes}
    named = {folded(name) for vote in votes for name in vote.names}
    return tuple(member for member in members if member.id in voters or member.names & named)
