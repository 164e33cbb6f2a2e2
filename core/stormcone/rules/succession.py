"""When an event goes on under a new id, and why it is taken for the same.

Pure functions over values; the docs draw their table from `SUCCESSIONS`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from stormcone.model import EventKey, MaintenanceEvent, Origin, Phase
from stormcone.rules.changes import Known
from stormcone.text import folded


class Succession(NamedTuple):
    """One rule for when an event that is no longer listed goes on as one that is new and has begun, in its place.

    Such a one is of the same type and of the same machines, and stands in the answer that no longer lists the other.

    Attributes:
        before: where the event was.
        within: how long ago it may have begun at the most; None does not ask.
        reason: why it is taken for the same, as a clause.
    """

    before: Phase
    within: timedelta | None
    reason: str

    def applies(self, known: Known, now: datetime) -> bool:
        """Whether the event is where the rule wants it."""
        if known.event.phase is not self.before:
            return False
        return self.within is None or (known.started is not None and now - known.started <= self.within)


SUCCESSIONS = (
    Succession(Phase.SCHEDULED, None, "as it went, one of its type and machines had begun"),
    Succession(
        Phase.STARTED,
        timedelta(minutes=2),
        "it had only just begun, and as it went another of its type and machines had begun",
    ),
)
"""What keeps recovery from running in the middle of a maintenance whose id changes as it goes on.

Were the two different ones after all, nothing would be lost: the machines are under maintenance until the new one has
ended too, and then the handlers of both recover. So what had only been announced may be succeeded at any time; what
had begun only at its beginning, since a different one that has begun would want its own `started`.
"""


TOLD_ELSEWHERE = "another list tells of the same, and has the word now"
"""Why an event goes on as the telling of another list; see `stormcone.rules.tellings`."""


def succession(before: MaintenanceEvent, after: MaintenanceEvent) -> str:
    """Why an event is taken for the same under its new id, as a clause; "" where it has no new one."""
    if before.key == after.key:
        return ""
    if before.listing != after.listing:
        return TOLD_ELSEWHERE
    if Origin.INFERRED in {before.id_origin, after.id_origin}:
        return ""
    return next(rule.reason for rule in SUCCESSIONS if rule.before is before.phase)


def _nature(event: MaintenanceEvent) -> tuple[object, ...]:
    """What two events that are one have in common: the type and the machines."""
    machines = frozenset(map(folded, event.resources))
    return (event.provider, event.impact, folded(event.native_type), machines)


def followed(
    listed: Mapping[EventKey, MaintenanceEvent], known: Mapping[EventKey, Known], gone: Iterable[Known], now: datetime
) -> Mapping[EventKey, MaintenanceEvent]:
    """What is listed, by the keys under which it is known: what goes on under a new id stands at the old one's.

    Args:
        listed: by their own keys, or by those under which they are known already.
        known: what is known of them.
        gone: the events that are no longer listed.
        now: the wall-clock time.
    """
    alike: dict[tuple[object, ...], list[Known]] = {}
    for entry in gone:
        alike.setdefault(_nature(entry.event), []).append(entry)
    if not alike:
        return listed
    found: dict[EventKey, MaintenanceEvent] = {}
    for key, seen in listed.items():
        new = key not in known and seen.phase is Phase.STARTED
        fitting = alike.get(_nature(seen), []) if new else []
        before = next((entry for rule in SUCCESSIONS for entry in fitting if rule.applies(entry, now)), None)
        if before is not None:
            fitting.remove(before)
        found[before.event.key if before else key] = seen
    return found
