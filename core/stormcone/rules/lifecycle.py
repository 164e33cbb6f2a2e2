"""The life of an event: which moves there are, and which of them an observation means.

Pure functions over values; the docs draw their table from `MOVES`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from stormcone.model import (
    Approval,
    Ending,
    EventKey,
    Impact,
    Machine,
    MaintenanceEvent,
    Observation,
    Origin,
    Outcome,
    Phase,
)
from stormcone.rules.changes import Change, ChangeKind, Known, Verdicts
from stormcone.rules.identity import recognized
from stormcone.rules.inferences import booted_since, infer_outcome
from stormcone.rules.succession import followed
from stormcone.rules.tellings import told_once
from stormcone.rules.times import PUT_OFF, lapsed, put_off, timed
from stormcone.text import folded


class Move(NamedTuple):
    """One allowed step; `before` None means that the event was not known."""

    before: Phase | None
    after: Phase
    kind: ChangeKind
    when: str


MOVES = (
    Move(None, Phase.SCHEDULED, ChangeKind.ANNOUNCED, "seen for the first time, or again after its end"),
    Move(None, Phase.STARTED, ChangeKind.STARTED, "first seen when it had begun: there was no notice"),
    Move(
        Phase.SCHEDULED, Phase.SCHEDULED, ChangeKind.REVISED, "its time, impact, cause, resources or duration changed"
    ),
    Move(Phase.SCHEDULED, Phase.STARTED, ChangeKind.STARTED, "it has begun"),
    Move(Phase.STARTED, Phase.STARTED, ChangeKind.REVISED, "it goes on under a new id, or in another list"),
    Move(Phase.SCHEDULED, Phase.ENDED, ChangeKind.ENDED, "called off, or over before it was seen to begin"),
    Move(Phase.STARTED, Phase.SCHEDULED, ChangeKind.REVISED, "its start was inferred from its time, which has moved"),
    Move(Phase.STARTED, Phase.ENDED, ChangeKind.ENDED, "it is over"),
)
"""Every step that an event can take. ENDED is final: an id that comes back is a new episode."""

_KINDS = {(move.before, move.after): move.kind for move in MOVES}

REVISED_FIELDS = (
    "impact",
    "cause",
    "resources",
    "not_before",
    "not_after",
    "movable_until",
    "ends_by",
    "heartbeat",
    "duration",
    "listing",
    "approval",
    "native_status",
)
"""A difference in one of these is a revision; a new wording is not."""

_what_is_revised = attrgetter(*REVISED_FIELDS)

_UNSAID: Mapping[str, object] = {
    "not_before": None,
    "not_after": None,
    "duration": None,
    "resources": (),
    "impact": Impact.UNKNOWN,
}
_what_is_said = attrgetter(*_UNSAID)


class Others(NamedTuple):
    """What the other providers of the same agent told when they were last asked.

    Attributes:
        events: what they list.
        pushed: the listings of theirs whose events come as messages.
    """

    events: tuple[MaintenanceEvent, ...] = ()
    pushed: frozenset[str] = frozenset()


NO_OTHERS = Others()


ROUNDED = timedelta(minutes=1)
"""By so much two lists may differ in the time of one event."""

DOUBT = "the list in which it stands could not be read whole"
"""Why an event is not approved for now."""


def _listed(
    known: Mapping[EventKey, Known],
    observation: Observation,
    now: datetime,
    verdicts: Verdicts | None,
    others: Others,
) -> Mapping[EventKey, MaintenanceEvent]:
    """What is listed, by the keys under which it is known."""
    going_on = {key: entry.event for key, entry in known.items() if entry.event.phase is not Phase.ENDED}
    sightings = recognized(going_on, known, observation.events)
    ended = {key for key, verdict in (verdicts or {}).items() if verdict}
    open_still = {key: event for key, event in going_on.items() if key not in ended} if ended else going_on
    listed = told_once(open_still, sightings, observation, now, others.pushed | observation.pushed, others.events)
    # What an answer with gaps does not list may not be gone, and a cloud's own word on an end counts before any rule.
    gone = [
        known[key]
        for key, event in going_on.items()
        if key not in listed
        and observation.reads_whole(event.listing)
        and event.resources
        and _no_verdict(key, verdicts)
    ]
    return followed(listed, known, gone, now)


def _no_verdict(key: EventKey, verdicts: Verdicts | None) -> bool:
    """Whether the cloud says nothing of how the event has ended, or does not know it."""
    return verdicts is None or (key in verdicts and not verdicts[key])


def advance(
    known: Mapping[EventKey, Known],
    observation: Observation,
    now: datetime,
    machine: Machine,
    verdicts: Verdicts | None = None,
    others: Others = NO_OTHERS,
) -> tuple[Change, ...]:
    """What an observation means for what is known, as steps in the order of the observation.

    Of an event that is listed more than once, the first listing counts.

    Args:
        known: the last episode of each event that is going on or is in the observation.
        observation: what the provider sees now.
        now: the wall-clock time.
        machine: the machine that we run on or watch.
        verdicts: what the cloud says of the events that are missing: an outcome, or None where it does not know.
            An event that is missing here too was not asked about and stays as it is. None, instead of a mapping,
            means that this cloud reports no outcomes: they are inferred.
        others: what the other providers of the same agent have told.
    """
    pushed = others.pushed | observation.pushed
    certain = observation.whole | pushed
    listed = _listed(known, observation, now, verdicts, others)
    changes: list[Change] = []
    for key, sighting in listed.items():
        entry = known.get(key)
        seen = sighting if sighting.listing in certain else _doubted(entry, sighting)
        if entry is None or not (stands_still(seen) and seen == entry.event):  # as nearly all do, nearly always
            changes.extend(_steps(entry, seen, now, machine, pushed))
    for key, entry in known.items():
        if key in listed or entry.event.phase is Phase.ENDED:
            continue
        if entry.event.listing in pushed:
            changes.extend(_by_time(entry, now, machine))
        if not observation.reads_whole(entry.event.listing):
            continue
        if verdicts is not None and key not in verdicts:
            continue
        reported = verdicts[key] if verdicts is not None else None
        ending = reported if isinstance(reported, Ending) else Ending(reported or infer_outcome(entry, now, machine))
        changes.append(_end(entry, ending, Origin.REPORTED if reported else Origin.INFERRED))
    return tuple(changes)


def stands_still(event: MaintenanceEvent) -> bool:
    """Whether the same sighting means the same at any time: nothing is concluded from how late it is."""
    return event.phase_origin is Origin.REPORTED and event.id_origin is Origin.REPORTED and not event.tentative


def _doubted(entry: Known | None, seen: MaintenanceEvent) -> MaintenanceEvent:
    """A sighting in a list with gaps: what cannot be read there may say more of the event, so nobody approves it now.

    Nor does it take back which machines the event is of.
    """
    before = entry.event.resources if entry is not None and entry.event.phase is not Phase.ENDED else ()
    names = {folded(name) for name in seen.resources}
    missing = tuple(name for name in before if folded(name) not in names)
    why = seen.withheld or ("" if seen.approval is Approval.NONE else DOUBT)
    return seen.but(resources=(*seen.resources, *missing), approval=Approval.NONE, withheld=why)


def _by_time(entry: Known, now: datetime, machine: Machine) -> Iterator[Change]:
    """What time alone means for an event of which nobody will say again that it goes on."""
    if entry.event.ends_by is not None and now >= entry.event.ends_by:
        yield _end(entry, Ending(infer_outcome(entry, now, machine)), Origin.INFERRED)
    else:
        yield from _steps(entry, entry.event, now, machine, frozenset())


def _end(entry: Known, ending: Ending, origin: Origin) -> Change:
    ended = entry.event.but(
        phase=Phase.ENDED,
        outcome=ending.outcome,
        outcome_origin=origin,
        native_status=ending.native_status or entry.event.native_status,
    )
    return Change(kind=ChangeKind.ENDED, event=ended, before=entry.event, episode=entry.episode)


def _steps(
    entry: Known | None, seen: MaintenanceEvent, now: datetime, machine: Machine, pushed: frozenset[str]
) -> Iterator[Change]:
    """What a sighting means: a step, or the end of one episode and the beginning of the next."""
    if entry is None or entry.event.phase is Phase.ENDED:
        if entry is None or not _told_late(entry.event, seen, pushed):
            yield from _beginning(entry, timed(seen, now))
        return
    event = timed(_completed_from(entry.event, seen), now)
    if lapsed(event, entry.first_seen, now):
        yield _end(entry, Ending(Outcome.UNKNOWN), Origin.INFERRED)
    elif returned(entry, seen, now, machine):
        yield _end(entry, Ending(Outcome.COMPLETED), Origin.INFERRED)
        yield from _beginning(replace(entry, event=entry.event.but(phase=Phase.ENDED)), timed(seen, now))
    elif entry.begun and _may_go_back(entry.event) and put_off(entry.event, event):
        yield _end(entry, Ending(Outcome.POSTPONED), Origin.REPORTED)
        yield from _beginning(replace(entry, event=entry.event.but(phase=Phase.ENDED)), event)
    else:
        yield from _step(entry, event)


def returned(known: Known, seen: MaintenanceEvent, now: datetime, machine: Machine) -> bool:
    """Whether a sighting is of the next event of its kind, although nobody has seen the gap between the two.

    Only ids that are ours return like that: they say what it is and of which machine, and not which time it is.
    """
    before = known.event
    if before.id_origin is Origin.REPORTED or before.not_before is None or now - before.not_before <= PUT_OFF:
        return False
    moved = seen.not_before is not None and seen.not_before - before.not_before > PUT_OFF
    return moved or booted_since(known, now, machine)


def _told_late(ended: MaintenanceEvent, seen: MaintenanceEvent, pushed: frozenset[str]) -> bool:
    """Whether the event has not returned after its end: a message came again, or another list has not heard of the end.

    Then it still has the time that it had. An id that is ours says not which time it is, so there only the same time
    counts, but for what two lists round.
    """
    if ended.not_before is None or seen.not_before is None:
        return False
    if seen.listing == ended.listing:
        return seen.listing in pushed and seen.not_before == ended.not_before
    return abs(seen.not_before - ended.not_before) <= (PUT_OFF if ended.id_origin is Origin.REPORTED else ROUNDED)


def _may_go_back(event: MaintenanceEvent) -> bool:
    """Whether the event has not begun by the cloud's own word."""
    return event.phase is Phase.SCHEDULED or event.phase_origin is Origin.INFERRED


def _beginning(ended: Known | None, seen: MaintenanceEvent) -> Iterator[Change]:
    kind = _KINDS.get((None, seen.phase))
    if kind is None or (ended is not None and ended.event.tentative and seen.tentative):
        return  # an end of something that we never saw; or still listed, and we have ceased to wait for it
    yield Change(kind=kind, event=seen, before=None, episode=ended.episode + 1 if ended else 1)


def _step(entry: Known, event: MaintenanceEvent) -> Iterator[Change]:
    before = entry.event
    kind = _KINDS.get((before.phase, event.phase))
    if kind is None or not (event.phase is not Phase.SCHEDULED or _may_go_back(before)):
        return  # not a move: still started, or a step back
    fields = _differing(before, event)
    if kind is ChangeKind.REVISED and not fields:
        return
    yield Change(kind=kind, event=event, before=before, episode=entry.episode, fields=fields)


def _differing(before: MaintenanceEvent, event: MaintenanceEvent) -> tuple[str, ...]:
    """What a step has changed beside its own phase; of what has begun little counts."""
    taken_back = ("phase",) if (before.phase, event.phase) == (Phase.STARTED, Phase.SCHEDULED) else ()
    renamed = ("id",) if before.id != event.id and before.key != event.key else ()
    if _what_is_revised(before) == _what_is_revised(event):  # as of nearly all events, nearly always
        return (*taken_back, *renamed)
    names = REVISED_FIELDS if event.phase is Phase.SCHEDULED else ("listing",)
    return (*taken_back, *renamed, *(name for name in names if getattr(before, name) != getattr(event, name)))


def _completed_from(before: MaintenanceEvent, seen: MaintenanceEvent) -> MaintenanceEvent:
    """The sighting with what it leaves unsaid filled in from before (Azure drops the time once started)."""
    if _what_is_said(before) == _what_is_said(seen):
        return seen
    kept = {
        name: said
        for name, unsaid in _UNSAID.items()
        if getattr(seen, name) == unsaid and (said := getattr(before, name)) != unsaid
    }
    if "not_before" in kept:
        kept["not_before_origin"] = before.not_before_origin
    return seen.but(**kept) if kept else seen
