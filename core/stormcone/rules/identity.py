"""Which known event a sighting is of, also where one of the two has no id of the cloud's. Pure functions over values.

An id that cannot be read in one answer is no new event, and no end of the one that is known; an event that was first
seen without its id is the same one when the id comes.
"""

from collections.abc import Iterable, Mapping

from stormcone.model import EventKey, MaintenanceEvent, Origin
from stormcone.text import folded


def recognized(
    going_on: Mapping[EventKey, MaintenanceEvent], known: Iterable[EventKey], seen: Iterable[MaintenanceEvent]
) -> dict[EventKey, MaintenanceEvent]:
    """The sightings by the keys under which their events are known; of one event the first sighting counts.

    What was seen without an id gets that of the event that it is taken for.

    Args:
        going_on: the events that have not ended, by key.
        known: the keys of all events that are known, also of such as have ended.
        seen: the sightings of one answer.
    """
    sightings: dict[EventKey, MaintenanceEvent] = {}
    for event in seen:
        sightings.setdefault(event.key, event)
    known = set(known)
    free = {key: event for key, event in going_on.items() if key not in sightings}
    found: dict[EventKey, MaintenanceEvent] = {}
    for key, event in sightings.items():
        match = None if key in known else next((own for own, other in free.items() if _may_be(other, event)), None)
        if match is None:
            found[key] = event
            continue
        before = free.pop(match)
        found[match] = (
            event if before.id_origin is Origin.INFERRED else event.but(id=before.id, id_origin=before.id_origin)
        )
    return found


def _may_be(known: MaintenanceEvent, seen: MaintenanceEvent) -> bool:
    """Whether two events with different ids may be one: one id is ours, and all else that was read fits."""
    if Origin.INFERRED not in {known.id_origin, seen.id_origin} or known.provider != seen.provider:
        return False
    if known.native_type and seen.native_type and folded(known.native_type) != folded(seen.native_type):
        return False
    machines = {folded(name) for name in known.resources}
    return bool(machines) and machines == {folded(name) for name in seen.resources}
