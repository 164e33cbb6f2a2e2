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
    if going_on.keys() <= sightings.keys():
        return sightings  # each known event has been seen under its own id, so no sighting is of another one
    known = set(known)
    free = _Free(event for key, event in going_on.items() if key not in sightings)
    found: dict[EventKey, MaintenanceEvent] = {}
    for key, event in sightings.items():
        # An id of ours stands for whatever looks like that, so an event that has ended under it says nothing.
        settled = key in (going_on if event.id_origin is Origin.INFERRED else known)
        before = None if settled else free.take(event)
        if before is None:
            found[key] = event
            continue
        found[before.key] = (
            event if before.id_origin is Origin.INFERRED else event.but(id=before.id, id_origin=before.id_origin)
        )
    return found


class _Free:
    """Known events that no sighting is of yet, by their machines: thousands of other ones must cost no look each."""

    def __init__(self, events: Iterable[MaintenanceEvent]) -> None:
        self._groups: dict[tuple[frozenset[str], Origin], dict[EventKey, MaintenanceEvent]] = {}
        for event in events:
            self._groups.setdefault((_machines(event), event.id_origin), {})[event.key] = event

    def take(self, seen: MaintenanceEvent) -> MaintenanceEvent | None:
        """The first known event that the sighting may be of, which is then free no more; None: there is none."""
        machines = _machines(seen)
        if not machines:
            return None
        # Two ids of the cloud's are two events.
        origins = (Origin.INFERRED,) if seen.id_origin is Origin.REPORTED else (Origin.REPORTED, Origin.INFERRED)
        for origin in origins:
            group = self._groups.get((machines, origin), {})
            key = next((key for key, event in group.items() if _may_be(event, seen)), None)
            if key is not None:
                return group.pop(key)
        return None


def _machines(event: MaintenanceEvent) -> frozenset[str]:
    return frozenset(map(folded, event.resources))


def _may_be(known: MaintenanceEvent, seen: MaintenanceEvent) -> bool:
    """Whether two events of the same machines may be one, of which one id is ours: all else that was read fits."""
    if known.provider != seen.provider:
        return False
    return not known.native_type or not seen.native_type or folded(known.native_type) == folded(seen.native_type)
