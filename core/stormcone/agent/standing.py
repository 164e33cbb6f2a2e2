"""How an agent stands with its fleet, as values: what the last exchange brought, and what follows from it by now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stormcone.agent.unfinished import Work
from stormcone.clock import Instant
from stormcone.fleet.contract import MemberIdentity, Snapshot, TurnSaid
from stormcone.handlers import App, Stage
from stormcone.journal import Episode
from stormcone.model import Machine
from stormcone.rules.agreement import EventInFleet, basis_of
from stormcone.rules.limits import TurnState, need_of, takes_away, waits_until, what_of
from stormcone.text import stamp

WAITS = "waits for its turn"
"""How every text begins that says what a machine waits for before it may be away."""


@dataclass(frozen=True, kw_only=True)
class FleetStanding:
    """How an agent stands with its fleet.

    Attributes:
        member: who it is there; None where that is not known yet.
        snapshot: what it was last told; None where it never was.
        asked: the steady time before which that was asked for; None where it never was told anything.
        last_success: when that was, as a date; None where it never was.
        error: why the last exchange failed; "" where it did not.
        exchanges: how many exchanges there were, well or not.
        failures: how many of these failed.
        stale: for how long what it was told counts as fresh.
    """

    member: MemberIdentity | None = None
    snapshot: Snapshot | None = None
    asked: datetime | None = None
    last_success: datetime | None = None
    error: str = ""
    exchanges: int = 0
    failures: int = 0
    stale: timedelta

    def age(self, now: Instant) -> timedelta | None:
        """How old what it was told is; None where it was told nothing."""
        return None if self.asked is None else now.steady - self.asked

    @property
    def silences(self) -> Mapping[str, bool]:
        """The members of whom we were last told, by id, and whether each was silent then."""
        if self.snapshot is None:
            return {}
        voting = (member for ballot in self.snapshot.ballots.values() for member in ballot.members)
        grouped = (member for group in self.snapshot.groups.values() for member in group.members)
        return {member.id: member.silent(self.snapshot.at) for member in (*voting, *grouped)}

    def away(self, now: Instant) -> str:
        """Why what it was told does not count, as a clause; "" where it is fresh, or was not asked for yet."""
        age = self.age(now)
        if age is None or self.last_success is None:
            return "the fleet's database has never answered" if self.exchanges else ""
        return f"the fleet's database is silent since {stamp(self.last_success)}" if age > self.stale else ""

    def of(self, episode: Episode, now: Instant) -> EventInFleet:
        """The event as the fleet knows it, and whether we may still send its approval.

        A claim counts from before it was asked for, so here it ends before the fleet takes it for ended.
        """
        event, age = episode.event, self.age(now)
        away = self.away(now)
        known = EventInFleet(away=away, basis=basis_of(event), names=event.resources, now=now.date)
        if self.snapshot is None or self.member is None or age is None:
            return known
        there = self.snapshot.at + age
        ballot = self.snapshot.ballots.get(event.key)
        claim = ballot.claim if ballot else None
        ours = claim is not None and claim.holder == self.member.id and claim.lasts(there)
        member = ballot.member(self.member.id) if ballot else None
        return replace(known, ballot=ballot, member=member, now=there, claimed=ours and not away)

    def turn_of(self, work: Work, said: TurnSaid, now: Instant) -> str | None:
        """What the machine waits for before it may be away, as a clause; None where it need not wait (any more).

        "" where it waits, and the fleet has not said what for.
        """
        if said.away:
            return None
        until = f", until {stamp(said.until)} at the most" if said.until else ""
        if away := self.away(now):
            return f"{WAITS}: {away}{until}"
        key = work.episode.event.key
        turn = self.snapshot.turns.get(key) if self.snapshot else None
        if self.snapshot is None or turn is None:
            return ""
        if turn.state is TurnState.HELD:
            return None
        why = self.snapshot.refused.get(key)
        return f"{'; '.join(why)}{until}" if why else ""

    @property
    def soon(self) -> bool:
        """Whether the turn that it waits for may come soon, as far as is known."""
        return self.snapshot is None or self.snapshot.soon


def turn_said(work: Work, app: App, machine: Machine, now: Instant) -> TurnSaid | None:
    """What a machine in a group says of its turn to be away for an event; None where it needs none (yet)."""
    event = work.episode.event
    if not machine.affected_by(event):
        return None
    what = what_of(event)
    if takes_away(event, begun=work.begun):
        return TurnSaid(away=True, need="" if work.begun else need_of(event, now.date), what=what)
    due = [run for run in work.waiting if run.stage is Stage.PREPARE]
    if not due or not work.waits(now):
        return None
    need = need_of(event, now.date)
    handlers = [handler for run in due if (handler := app.handler(run.handler)) is not None]
    until = waits_until(event, handlers)
    if not need and until is not None and now.date >= until:
        need = "its time allows no more waiting"
    return TurnSaid(away=bool(need), need=need, until=until, what=what)


def waiting(
    standing: FleetStanding, works: Mapping[int, Work], said: Mapping[int, TurnSaid], now: Instant
) -> dict[int, str]:
    """Of the events for which the machine waits, by the journal's number: what for, or "" where that is not known."""
    found = {number: standing.turn_of(works[number], turn, now) for number, turn in said.items()}
    return {number: why for number, why in found.items() if why is not None}
