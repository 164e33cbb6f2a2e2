"""A fleet in memory: for tests of handlers and agents, and the measure of what a store does.

One lock makes each exchange whole, as a transaction does. It forgets all when the process ends.
"""

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from stormcone.clock import Clock, SystemClock
from stormcone.errors import FleetError
from stormcone.fleet.contract import EventSaid, Overview, Saying, Snapshot
from stormcone.fleet.rows import SaidRow, concerned, let_go, member_of, outlived, said_anew, settled
from stormcone.model import EventKey
from stormcone.rules.agreement import CLAIM, Ballot, Claim, CloudAnswer, Member
from stormcone.rules.limits import Group, refusals, ungrouped
from stormcone.text import folded


@dataclass
class _Approval:
    """Where the approval of one event is."""

    claim: Claim | None = None
    answer: CloudAnswer | None = None


@dataclass
class _Tables:
    members: dict[str, Member] = field(default_factory=dict)
    rows: dict[tuple[str, EventKey], SaidRow] = field(default_factory=dict)
    approvals: dict[EventKey, _Approval] = field(default_factory=dict)


class MemoryFleet:
    """A fleet in memory; give one to each agent of a test.

    Args:
        clock: the clock of the store.
        claim: how long a claim lasts.

    Attributes:
        away: why it cannot be asked; set it to have every call fail so, "" to have it work again.
    """

    def __init__(self, clock: Clock | None = None, *, claim: timedelta = CLAIM) -> None:
        self.away = ""
        self._clock = clock or SystemClock()
        self._claim = claim
        self._lock = threading.Lock()
        self._tables = _Tables()

    def exchange(self, saying: Saying) -> Snapshot:
        """As `Fleet.exchange`."""
        with self._lock:
            now = self._now()
            member = self._joined(saying, now)
            self._say(saying, now)
            for event in saying.events:
                self._settle(member, event, now)
            for event in sorted(saying.events, key=lambda each: each.key):
                self._turn(member, event, now)
            return self._snapshot(member, saying, now)

    def overview(self) -> Overview:
        """As `Fleet.overview`."""
        with self._lock:
            now = self._now()
            members = sorted(self._tables.members.values(), key=lambda each: (folded(each.name), each.id))
            events: dict[str, tuple[EventSaid, ...]] = {}
            for (member, _), row in self._tables.rows.items():
                if not row.withdrawn:
                    events[member] = (*events.get(member, ()), row.said)
            voted = sorted({key for (_, key), row in self._tables.rows.items() if row.said.vote and not row.withdrawn})
            groups = sorted({name for member in members for name in member.groups})
            return Overview(
                at=now,
                members=tuple(members),
                events=events,
                ballots=tuple(map(self._ballot, voted)),
                groups=tuple(map(self._group, groups)),
            )

    def forget(self, name: str) -> int:
        """As `Fleet.forget`."""
        with self._lock:
            self._now()
            gone = {each.id for each in self._tables.members.values() if each.goes_by(name) or each.id == name}
            for identifier in gone:
                del self._tables.members[identifier]
            for key in [key for key in self._tables.rows if key[0] in gone]:
                del self._tables.rows[key]
            return len(gone)

    def close(self) -> None:
        """As `Fleet.close`; there is nothing to let go of."""

    def _now(self) -> datetime:
        if self.away:
            raise FleetError(self.away)
        return self._clock.now()

    def _joined(self, saying: Saying, now: datetime) -> Member:
        member = member_of(saying.member, now)
        self._tables.members[member.id] = member
        return member

    def _say(self, saying: Saying, now: datetime) -> None:
        member, rows = saying.member.id, self._tables.rows
        own = {key: row for (who, key), row in rows.items() if who == member}
        rows.update({(member, key): row for key, row in said_anew(own, saying, now).items()})
        spoken_of = {key for (_, key), row in rows.items() if not row.withdrawn}
        for key in (let_go(own, saying) - spoken_of) & self._tables.approvals.keys():
            self._tables.approvals[key] = _Approval(outlived(self._tables.approvals[key].claim))

    def _settle(self, member: Member, event: EventSaid, now: datetime) -> None:
        if event.vote is not None or event.reply is not None:
            ballot = settled(self._ballot(event.key), member, event, now, self._claim)
            self._tables.approvals[event.key] = _Approval(ballot.claim, ballot.answer)

    def _turn(self, member: Member, event: EventSaid, now: datetime) -> None:
        row = self._tables.rows[member.id, event.key]
        if row.turn is not None and not row.held:
            held = not self._refused(member, event, now)
            self._tables.rows[member.id, event.key] = replace(row, held=held)

    def _refused(self, member: Member, event: EventSaid, now: datetime) -> tuple[str, ...]:
        groups = [self._group(name) for name in sorted(self._touched(member, event))]
        outside = ungrouped(self._tables.members.values(), now)
        return refusals(self._tables.rows[member.id, event.key].turn_of(member.id), groups, now, outside)

    def _snapshot(self, member: Member, saying: Saying, now: datetime) -> Snapshot:
        own = {event.key: self._tables.rows[member.id, event.key] for event in saying.events}
        return Snapshot(
            at=now,
            ballots={key: self._ballot(key) for key, row in own.items() if row.said.vote is not None},
            turns={key: row.turn_of(member.id) for key, row in own.items() if row.turn is not None},
            refused={
                event.key: self._refused(member, event, now)
                for event in saying.events
                if (row := own[event.key]).turn is not None and not row.held
            },
            groups={
                name: self._group(name)
                for event in saying.events
                if event.turn is not None
                for name in self._touched(member, event)
            },
        )

    def _ballot(self, key: EventKey) -> Ballot:
        votes = tuple(
            row.vote_of(member)
            for (member, of), row in self._tables.rows.items()
            if of == key and row.said.vote is not None
        )
        approval = self._tables.approvals.get(key, _Approval())
        members = concerned(votes, self._tables.members.values())
        return Ballot(key=key, votes=votes, members=members, claim=approval.claim, answer=approval.answer)

    def _touched(self, member: Member, event: EventSaid) -> set[str]:
        """The groups of a member, and of all that an event names."""
        named = {folded(name) for name in event.names}
        taken = (each for each in self._tables.members.values() if each.id == member.id or each.names & named)
        return {name for each in taken for name in each.groups}

    def _group(self, name: str) -> Group:
        members = tuple(each for each in self._tables.members.values() if name in each.groups)
        ids = {member.id for member in members}
        turns = tuple(
            row.turn_of(member)
            for (member, _), row in self._tables.rows.items()
            if member in ids and row.turn is not None
        )
        return Group(name=name, members=members, turns=turns)
