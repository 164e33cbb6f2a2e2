"""The whole fleet as a document, for `stormcone fleet`: who is heard, what is announced, who waits for whom."""

from typing import Any

from stormcone.fleet.contract import EventSaid, Overview
from stormcone.rules.agreement import Ballot, Member, VoteState, obstacles
from stormcone.rules.limits import Group, TurnState, vanished
from stormcone.text import folded, iso


def report(overview: Overview, name: str) -> dict[str, Any]:
    """The fleet of that name, for programs; times are ISO 8601 in UTC, by the clock of its store."""
    return {
        "fleet": name,
        "at": iso(overview.at),
        "members": [_member(member, overview) for member in overview.members],
        "approvals": [
            _approval(ballot, overview)
            for ballot in overview.ballots
            if any(ballot.concerns_others(member) for member in ballot.members)
        ],
        "groups": [_group(group, overview) for group in overview.groups],
    }


def _member(member: Member, overview: Overview) -> dict[str, Any]:
    state = "heard"
    if member.silent(overview.at):
        state = "vanished" if vanished(member, overview.at) else "silent"
    return {
        "id": member.id,
        "name": member.name,
        "state": state,
        "last_seen": iso(member.seen),
        "age_seconds": round(max((overview.at - member.seen).total_seconds(), 0.0), 1),
        "groups": sorted(member.groups),
        "about": dict(member.about),
        "events": [_event(event) for event in overview.events.get(member.id, ())],
    }


def _event(event: EventSaid) -> dict[str, Any]:
    return {
        "id": event.id,
        "provider": event.key.provider,
        "impact": event.impact,
        "phase": event.phase,
        "not_before": iso(event.not_before) if event.not_before else None,
        "machines": list(event.names),
        "running": list(event.running),
        "vote": event.vote.value if event.vote else None,
        "reason": event.reason or None,
    }


def _approval(ballot: Ballot, overview: Overview) -> dict[str, Any]:
    now, claim, basis = overview.at, ballot.claim, _basis(ballot)
    answer = ballot.answer if ballot.answered(basis) else None
    said = next((each for events in overview.events.values() for each in events if each.key == ballot.key), None)
    waits = obstacles(ballot, basis, now)
    lasts = claim is not None and claim.lasts(now)
    return {
        "id": said.id if said else ballot.key.id,
        "provider": ballot.key.provider,
        "impact": said.impact if said else None,
        "machines": list(ballot.names),
        "state": answer.reply.value if answer else "claimed" if lasts else "waiting" if waits else "agreed",
        "by": ballot.name_of(answer.by) if answer else ballot.name_of(claim.holder) if claim and lasts else None,
        "claim_until": iso(claim.until) if claim and lasts else None,
        "epoch": claim.epoch if claim else 0,
        "waits_for": []
        if answer
        else [{"machine": each.name, "why": each.why.value, "text": each.text} for each in waits],
    }


def _basis(ballot: Ballot) -> str:
    """On which basis the event is told of: that of the first by name who is prepared, or of anybody."""
    votes = [vote for vote in ballot.votes if vote.state is not VoteState.WITHDRAWN]
    first = min(
        votes, key=lambda vote: (vote.state is not VoteState.PREPARED, ballot.name_of(vote.member)), default=None
    )
    return first.basis if first else ""


def _group(group: Group, overview: Overview) -> dict[str, Any]:
    now, names = overview.at, {member.id: member.name for member in group.members}
    away, most = group.away(now), group.most(now)
    waiting = sorted(
        (turn for turn in group.turns if turn.state is TurnState.WAITING), key=lambda turn: folded(names[turn.member])
    )
    needs = {turn.member: turn.need for turn in group.turns if turn.state is TurnState.HELD and turn.need}
    return {
        "name": group.name,
        "members": group.size(now),
        "max_unavailable": most,
        "away": [{"machine": names[each], "text": text, "need": needs.get(each)} for each, text in away.items()],
        "exceeded": len(away) > most,
        "waiting": [
            {
                "machine": names[turn.member],
                "event": turn.event.id,
                "since": iso(turn.since),
                "until": iso(turn.until) if turn.until else None,
            }
            for turn in waiting
        ],
        "problem": group.disagreement(now) or None,
    }
