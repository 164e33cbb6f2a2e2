"""The times of an event: what follows from them, and what is concluded where the cloud gives none.

Pure functions over values.
"""

from datetime import UTC, datetime, timedelta

from stormcone.model import Approval, MaintenanceEvent, Origin, Phase

PUT_OFF = timedelta(hours=1)
"""A time that moves by more than this is another notice: what was prepared is undone until its time comes near."""

TENTATIVE_FOR = timedelta(days=1)
"""How long after the first sight an event that may never happen is waited for, where the cloud says nothing of that."""


def later(date: datetime, pause: timedelta) -> datetime:
    """The date so much later, or the last one that there is."""
    try:
        return date + pause
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def time_of(event: MaintenanceEvent) -> datetime | None:
    """When the event begins by itself, at the earliest; None where that is not known, or not without consent."""
    return None if event.approval is Approval.CONSENT else event.not_before


def timed(event: MaintenanceEvent, now: datetime) -> MaintenanceEvent:
    """The event with what its cloud leaves to be concluded: a time from its notice, a start from its time.

    A time that was concluded is kept with the event from then on, so that it is counted from the first sight.
    """
    if event.phase is not Phase.SCHEDULED:
        return event
    time = event.not_before
    if time is None and event.notice is not None:
        time = later(now, event.notice)
        event = event.but(not_before=time, not_before_origin=Origin.INFERRED)
    begun = event.phase_origin is Origin.INFERRED and time is not None and time <= now
    return event.but(phase=Phase.STARTED) if begun else event


def put_off(before: MaintenanceEvent, event: MaintenanceEvent) -> bool:
    """Whether the event's time has moved so far that it is another notice."""
    old, new = time_of(before), time_of(event)
    return event.phase is Phase.SCHEDULED and old is not None and new is not None and new - old > PUT_OFF


def lapsed(event: MaintenanceEvent, first_seen: datetime | None, now: datetime) -> bool:
    """Whether an event that may never happen is waited for no longer."""
    if not event.tentative or event.phase is not Phase.SCHEDULED:
        return False
    end = event.ends_by or (later(first_seen, TENTATIVE_FOR) if first_seen else None)
    return end is not None and now >= end
