"""An event of which a recorded answer or message tells, as simulators list events."""

from datetime import datetime

from stormcone.model import Cause, Impact, Phase
from stormcone_simulators.aws.types import EVENT_TYPES, Family
from stormcone_simulators.events import SimulatedEvent


def event_of(
    identifier: str, native_type: str, not_before: datetime, at: datetime, *, resources: tuple[str, ...] = ()
) -> SimulatedEvent:
    """The event that an answer means; see `Listing.events` for what it leaves open."""
    known = EVENT_TYPES.get(native_type)
    announced = known is not None and known.family is Family.SCHEDULED
    begun = announced or not_before > at or (known is not None and known.family is not Family.SPOT)
    return SimulatedEvent(
        id=identifier,
        impact=known.impacts[0] if known else Impact.UNKNOWN,
        cause=known.causes[0] if known else Cause.UNKNOWN,
        native_type=native_type,
        resources=resources,
        not_before=not_before,
        duration=None,
        started_for=None,
        description="",
        created_at=at,
        starts_at=None,
        phase=Phase.SCHEDULED if begun else Phase.STARTED,
    )
