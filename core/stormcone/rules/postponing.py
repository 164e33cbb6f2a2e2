"""Whether an event is to be put off, and until when: made of values, as an approval is."""

from datetime import datetime, timedelta

from stormcone.model import Phase
from stormcone.rules.approval import Facts
from stormcone.rules.times import later

WORTH = timedelta(minutes=1)
"""What is won by less is not asked for."""


def put_off_until(facts: Facts) -> datetime | None:
    """When the event is to begin instead; None where it stays where it is.

    Only where the app says so, before a handler's work for it has begun, and for machines that we speak for: the others
    that an event names may want it over with.
    """
    event, app = facts.event, facts.app.approval
    if app.postpone != "once" or event.phase is not Phase.SCHEDULED or event.tentative or facts.machine.disputed:
        return None
    if event.movable_until is None or event.not_before is None or event.not_before <= facts.now:
        return None
    if any(run.attempt for run in facts.runs) or not facts.machine.affected_by(event):
        return None
    if facts.neighbours and not facts.leads:
        return None
    wanted = event.movable_until
    if app.postpone_by is not None:
        wanted = min(wanted, later(event.not_before, app.postpone_by))
    return wanted if wanted - event.not_before >= WORTH else None
