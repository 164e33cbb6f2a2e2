"""What became of each event, as far as a trace tells: from one listing to the next."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from stormcone.model import Outcome, Phase
from stormcone.text import folded
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.replay.track import Listing


def story(
    listings: Sequence[tuple[timedelta, Listing]], until: timedelta, begun: datetime
) -> dict[str, SimulatedEvent]:
    """The events that were listed by then, by their ids in lower case.

    The first listing of each list counts from the beginning: what it shows may have been there before.

    Args:
        listings: in order, each with its time since the trace was begun.
        until: how far to tell.
        begun: when the trace begins, on whatever day it is to be told.
    """
    events: dict[str, SimulatedEvent] = {}
    stands_in: dict[str, str] = {}
    first = {listing.of: place for place, (_, listing) in reversed(tuple(enumerate(listings)))}
    for place, (offset, listing) in enumerate(listings):
        if place != first[listing.of] and offset > until:
            continue
        at = begun + offset
        seen = {folded(event.id): event for event in listing.events}
        for event_id, event in seen.items():
            events[event_id] = _moved_on(events.get(event_id), event, at)
            stands_in[event_id] = listing.of
        if listing.complete:
            for event_id, event in events.items():
                if stands_in[event_id] == listing.of and event_id not in seen and event.phase is not Phase.ENDED:
                    events[event_id] = _gone(event, at)
    return events


def _moved_on(before: SimulatedEvent | None, listed: SimulatedEvent, at: datetime) -> SimulatedEvent:
    """The event as it is listed now, with what is known of it from before."""
    shift = at - listed.created_at
    event = replace(listed, created_at=at, not_before=listed.not_before + shift, approved_by=[])
    if event.phase is Phase.STARTED:
        event.started_at = at
    if event.phase is Phase.ENDED:
        event.ended_at = at
    if before is None:
        return event
    event.created_at, event.started_at = before.created_at, before.started_at or event.started_at
    event.ended_at = before.ended_at or event.ended_at
    if event.phase is Phase.STARTED:
        # Some clouds no longer say when it was to start.
        event.not_before = before.not_before
    return event


def _gone(event: SimulatedEvent, at: datetime) -> SimulatedEvent:
    outcome = Outcome.COMPLETED if event.phase is Phase.STARTED else Outcome.UNKNOWN
    return replace(event, phase=Phase.ENDED, outcome=outcome, ended_at=at)
