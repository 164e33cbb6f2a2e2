"""Compute Engine's rules of maintenance: what is announced to a VM, when it begins, and what begins it early.

Source, unless a line says otherwise: Compute Engine's documentation of VM metadata and of host maintenance.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from stormcone.errors import SimulationError
from stormcone.model import Outcome, Phase
from stormcone_simulators.events import Busy, EventBook, EventPlan, Revision, SimulatedEvent, TooLate, start_time
from stormcone_simulators.google.types import EVENT_TYPES, MAINTENANCE, PREEMPTED, UPCOMING, GoogleEventType, type_of
from stormcone_simulators.google.vms import Vms

WINDOW = timedelta(hours=4)
"""How long the window of maintenance is, where nobody says; invented."""

MOVES_BY = timedelta(days=1)
"""How much later than its first time maintenance may start; invented."""


@dataclass(kw_only=True)
class GoogleEvent(SimulatedEvent):
    """One event, of one VM.

    Attributes:
        latest: when it starts at the latest.
    """

    latest: datetime

    @property
    def vm(self) -> str:
        """The VM that it is about."""
        return self.resources[0]

    @property
    def kind(self) -> GoogleEventType:
        """What is usual for it."""
        return EVENT_TYPES[self.native_type]

    @property
    def window_end(self) -> datetime:
        """When it is over."""
        return self.not_before + (WINDOW if self.duration is None else self.duration)


class GoogleModel:
    """The events of some VMs, and what each VM's keys say.

    Args:
        vms: the VMs.
        preemption_notice: how long before its shutdown a VM that is preempted is told.
    """

    def __init__(self, vms: Vms, preemption_notice: timedelta) -> None:
        self.vms = vms
        self.preemption_notice = preemption_notice
        self.book = EventBook[GoogleEvent](self._changed)
        self._live: dict[tuple[str, str], GoogleEvent] = {}
        self._has_read: set[str] = set()

    def draft(self, plan: EventPlan, now: datetime) -> GoogleEvent:
        """The event that the plan would make, not yet announced.

        Raises:
            SimulationError: Google has no such event, does not know the VM, or announces another one in that key.
        """
        vm = self._one(plan.resources)
        ahead = None if plan.notice is None and plan.not_before is None else start_time(plan, now, now) - now
        name = type_of(plan, ahead)
        kind = EVENT_TYPES[name]
        other = self.announced(vm, kind.listing)
        if other is not None:
            raise Busy(
                f"{kind.listing} of {vm} holds one event, and announces {other.native_type} already ({other.id}); end "
                "that first"
            )
        busy = any(self.announced(vm, listing) for listing in (MAINTENANCE, PREEMPTED, UPCOMING))
        self.vms.need(vm, plan.impact, kind.cause, busy=busy)
        not_before = start_time(plan, now, now + self._notice(vm, kind))
        return GoogleEvent(
            id=str(uuid4()),
            impact=plan.impact,
            cause=kind.cause,
            native_type=name,
            resources=(vm,),
            not_before=not_before,
            latest=not_before + MOVES_BY,
            duration=None if plan.duration is None or plan.duration < timedelta(0) else plan.duration,
            started_for=kind.started_for if plan.started_for is None else plan.started_for,
            description=plan.description or "",
            created_at=now,
            starts_at=max(not_before, now),
        )

    def revise(self, event: Any, revision: Revision, now: datetime) -> None:
        """Move an event or change what it says.

        Raises:
            TooLate: it is gone, or it has started and cannot be moved any more.
            SimulationError: it is of another VM then, or its key tells no time that could move.
        """
        if event.phase is Phase.ENDED:
            raise TooLate(f"the event {event.id} cannot change: it is gone")
        moved = revision.notice is not None or revision.not_before is not None
        if moved and event.phase is Phase.STARTED:
            raise TooLate(f"the event {event.id} cannot be moved: it has started")
        if moved and event.kind.listing != UPCOMING:
            raise SimulationError(f"the event {event.id} cannot be moved: {event.kind.listing} tells no time")
        if revision.resources is not None and self._one(revision.resources) != event.vm:
            raise SimulationError(f"the event {event.id} is of {event.vm} for good; make one for another VM")
        not_before = start_time(revision, now, event.not_before)
        event.not_before, event.starts_at = not_before, max(not_before, now)
        event.latest = max(event.latest, not_before)
        if revision.duration is not None:
            event.duration = None if revision.duration < timedelta(0) else revision.duration
        if revision.description is not None:
            event.description = revision.description
        self.book.touch(event)

    def cancel(self, event: Any, now: datetime) -> None:
        """Call an event off: its key says nothing any more.

        Raises:
            TooLate: it has started, or is a preemption, which is never called off.
        """
        if event.phase is not Phase.SCHEDULED:
            raise TooLate(f"the event {event.id} cannot be called off: it is {event.phase} already")
        if event.kind.listing == PREEMPTED:
            raise TooLate(f"the event {event.id} cannot be called off: a VM that is preempted is taken away")
        self.book.end(event, now, Outcome.CANCELED)

    def announced(self, vm: str, listing: str) -> GoogleEvent | None:
        """What a key of a VM announces, or None."""
        return self._live.get((vm, listing))

    def going_on(self, vm: str) -> GoogleEvent | None:
        """What is being done to a VM now, or None."""
        events = (self._live.get((vm, listing)) for listing in (PREEMPTED, MAINTENANCE, UPCOMING))
        return next((event for event in events if event is not None and event.phase is Phase.STARTED), None)

    def read(self, vm: str) -> None:
        """Take note that a VM has read `maintenance-event`: that grants it notice of the next maintenance."""
        self._has_read.add(vm)

    def perform(self, vm: str, now: datetime) -> GoogleEvent | None:
        """Begin the upcoming maintenance of a VM now; None where there is none that the customer may begin."""
        event = self.announced(vm, UPCOMING)
        if event is None or not can_trigger(event):
            return None
        event.approved_by.append(vm)
        self.book.start(event, now)
        return event

    def simulate(self, vm: str, now: datetime) -> GoogleEvent:
        """Begin simulated maintenance of a VM: what its settings say, and of a Spot VM a preemption.

        Raises:
            SimulationError: maintenance of it goes on already.
        """
        scheduling = self.vms.scheduling(vm)
        if scheduling.spot:
            impact, name = scheduling.taken_away, "PREEMPTED"
        else:
            impact = scheduling.impact
            name = "MIGRATE_ON_HOST_MAINTENANCE" if scheduling.migrates else "TERMINATE_ON_HOST_MAINTENANCE"
        event = self.draft(EventPlan(impact=impact, resources=(vm,), native_type=name), now)
        self.book.add(event)
        return event

    def _notice(self, vm: str, kind: GoogleEventType) -> timedelta:
        if kind.listing == PREEMPTED:
            return self.preemption_notice + kind.notice
        if kind.listing == MAINTENANCE and vm not in self._has_read:
            return timedelta(0)
        return kind.notice

    def _one(self, names: tuple[str, ...]) -> str:
        if len(names) > 1:
            raise SimulationError(f"an event here is about one VM, not {len(names)}; make one for each")
        return self.vms.machines.named(names[0]).name

    def _changed(self, event: GoogleEvent) -> None:
        place = (event.vm, event.kind.listing)
        if event.phase is not Phase.ENDED:
            if place not in self._live:
                self.vms.set(event.vm, self.vms.need(event.vm, event.impact, event.cause, busy=False))
            self._live[place] = event
        elif self._live.get(place) is event:
            del self._live[place]
            if event.kind.listing == MAINTENANCE:
                self._has_read.discard(event.vm)


def can_trigger(event: GoogleEvent) -> bool:
    """Whether the customer may begin it now, which the service calls `canReschedule`; of which: unverified."""
    return event.native_type == "SCHEDULED" and event.phase is Phase.SCHEDULED
