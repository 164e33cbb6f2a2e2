"""What is known of an event, and the steps in its life, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stormcone.model import Ending, EventKey, MaintenanceEvent, Outcome

Verdicts = Mapping[EventKey, Outcome | Ending | None]
"""What a cloud says of events that it no longer lists; None where it does not know."""


class ChangeKind(StrEnum):
    """A step in an event's life."""

    ANNOUNCED = "announced"
    REVISED = "revised"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of an event from earlier observations.

    Attributes:
        event: as last seen.
        episode: 1 for the first life of this id, one higher for each return after an end.
        approved: whether we told the cloud that it may begin, or may have (the answer was lost).
        boot_id: the machine's boot id when the event was first seen.
        started: when it was seen to have begun, or None.
        first_seen: when that was, or None.
        begun: whether a handler's stage has begun for it.
    """

    event: MaintenanceEvent
    episode: int = 1
    approved: bool = False
    boot_id: str = ""
    started: datetime | None = None
    first_seen: datetime | None = None
    begun: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """One step in one event's life.

    Attributes:
        kind: which step.
        event: the event after it.
        before: the event as it was known, or None.
        episode: which life of this id.
        fields: for a revision, the names of the fields that differ; `id` for every step that brings a new id.
    """

    kind: ChangeKind
    event: MaintenanceEvent
    before: MaintenanceEvent | None
    episode: int
    fields: tuple[str, ...] = ()
