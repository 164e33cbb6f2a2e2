"""One maintenance of which several lists tell, of one provider or of several: which telling counts.

Pure functions over values. A list that tells of it first keeps the word, and the others only move it on, so that one
maintenance is handled once. A telling takes the word from another where it can be approved and that cannot, where it
is certain and that is not, where it stands in a list that can be read and that one came as a message; and where that
one's list does not tell of it any more: then the maintenance is not over, but goes on under the other's id.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from stormcone.model import Approval, EventKey, Impact, MaintenanceEvent, Observation, Origin, Phase
from stormcone.rules.times import PUT_OFF, later
from stormcone.text import folded

_PROGRESS = {phase: number for number, phase in enumerate(Phase)}


def one_maintenance(one: MaintenanceEvent, other: MaintenanceEvent, now: datetime) -> bool:
    """Whether two lists tell of the same: same machines, same cause, same impact, times that overlap.

    What only may happen has no impact of its own, and an impact that is not known fits any. Times may differ by as much
    as a time may move (`PUT_OFF`). Two tellings of one list are two events.

    Args:
        one: one telling.
        other: the other.
        now: when they are told: what has a notice and no time begins so long after it.
    """
    if one.listing == other.listing or _place(one) != _place(other) or one.cause is not other.cause:
        return False
    vague = one.tentative or other.tentative or Impact.UNKNOWN in {one.impact, other.impact}
    return (vague or one.impact is other.impact) and _overlap(one, other, now)


def told_once(
    going_on: Mapping[EventKey, MaintenanceEvent],
    listed: Mapping[EventKey, MaintenanceEvent],
    observation: Observation,
    now: datetime,
    pushed: frozenset[str],
    elsewhere: Collection[MaintenanceEvent] = (),
) -> Mapping[EventKey, MaintenanceEvent]:
    """The sightings, one for each maintenance, by the keys under which these are known.

    One that takes the word has its own id, and stands at the key of the event that goes on in it.

    Args:
        going_on: the events that have not ended, by key.
        listed: the sightings by key.
        observation: where they come from; it says which lists were read whole.
        now: the wall-clock time.
        pushed: the lists whose events come as messages.
        elsewhere: what other providers told of when they were last asked.
    """
    lists = {event.listing for events in (going_on.values(), listed.values(), elsewhere) for event in events}
    if len(lists) < 2:
        return listed
    groups = _grouped(going_on, listed, now)
    found: dict[EventKey, MaintenanceEvent] = {}
    for key, tellings in groups.items():
        known = going_on.get(key)
        if known is None:
            first = _worded(tellings, pushed)
            found[first.key] = _moved_on(first, tellings)
            continue
        own = next((seen for seen in tellings if seen.listing == known.listing), None)
        silent = own is None and observation.reads_whole(known.listing)
        word = _worded([*([] if silent else [own or known]), *tellings], pushed)
        said = _moved_on(word, tellings)
        if own is not None or said is not known:
            found[key] = said
    for key, known in going_on.items():
        if elsewhere and key not in groups and observation.reads_whole(known.listing):
            others = [event for event in elsewhere if event.key == key or one_maintenance(known, event, now)]
            if others:
                found[key] = _worded(others, pushed)
    return found


def _grouped(
    going_on: Mapping[EventKey, MaintenanceEvent], listed: Mapping[EventKey, MaintenanceEvent], now: datetime
) -> dict[EventKey, list[MaintenanceEvent]]:
    """The sightings of each maintenance, by the key of the event that is known or of its first sighting."""
    groups: dict[EventKey, list[MaintenanceEvent]] = {}
    known: dict[tuple[str, frozenset[str]], list[MaintenanceEvent]] = {}
    for event in going_on.values():
        known.setdefault(_place(event), []).append(event)
    for key, seen in listed.items():
        fitting = known.setdefault(_place(seen), [])
        same = None
        if key not in going_on and seen.resources and seen.phase is not Phase.ENDED:
            same = next((event for event in fitting if one_maintenance(event, seen, now)), None)
        groups.setdefault(same.key if same else key, []).append(seen)
        if same is None and key not in going_on:
            fitting.append(seen)
    return groups


def _worded(tellings: Iterable[MaintenanceEvent], pushed: frozenset[str]) -> MaintenanceEvent:
    """The telling that has the word: of equal ones the first."""

    def weight(event: MaintenanceEvent) -> tuple[bool, bool, bool]:
        return event.approval is not Approval.NONE, not event.tentative, event.listing not in pushed

    return max(tellings, key=weight)


def _moved_on(word: MaintenanceEvent, tellings: Iterable[MaintenanceEvent]) -> MaintenanceEvent:
    """The telling that has the word, as far in its life as any of the others says; what was concluded says nothing."""
    for other in tellings:
        if other.phase_origin is Origin.REPORTED and _PROGRESS[other.phase] > _PROGRESS[word.phase]:
            word = word.but(
                phase=other.phase,
                phase_origin=other.phase_origin,
                outcome=other.outcome,
                outcome_origin=other.outcome_origin,
            )
    return word


def _place(event: MaintenanceEvent) -> tuple[str, frozenset[str]]:
    return event.provider, frozenset(map(folded, event.resources))


def _overlap(one: MaintenanceEvent, other: MaintenanceEvent, now: datetime) -> bool:
    """Whether both may be going on at one time; a time that is not known fits any."""
    first, second = _span(one, now), _span(other, now)
    if first is None or second is None:
        return True
    return first[0] <= later(second[1], PUT_OFF) and second[0] <= later(first[1], PUT_OFF)


def _span(event: MaintenanceEvent, now: datetime) -> tuple[datetime, datetime] | None:
    begins = event.not_before
    if begins is None:
        begins = None if event.notice is None else later(now, event.notice)
    if begins is None:
        return None
    ends = (event.not_after, event.ends_by, event.duration and later(begins, event.duration))
    under_way = event.phase is Phase.STARTED  # begun early, it is going on all the same
    return min(begins, now) if under_way else begins, max([begins, *(end for end in ends if end)])
