"""The types and statuses of ECS's system events, as data.

Source, unless a line says otherwise: ECS's documentation of system events and CloudMonitor's list of ECS events.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from stormcone.errors import NoSuchEvent, SimulationError
from stormcone.model import Cause, Impact, Outcome
from stormcone.text import folded
from stormcone_simulators.events import EventPlan
from stormcone_simulators.scenarios.play import PossibleEvent


class EventStatus(StrEnum):
    """`EventCycleStatus`: where an event is in its life."""

    INQUIRING = "Inquiring"
    SCHEDULED = "Scheduled"
    EXECUTING = "Executing"
    EXECUTED = "Executed"
    AVOIDED = "Avoided"
    CANCELED = "Canceled"
    FAILED = "Failed"


FINISHED = frozenset({EventStatus.EXECUTED, EventStatus.AVOIDED, EventStatus.CANCELED, EventStatus.FAILED})
"""The statuses that stay; the history shows only these where no status is asked for."""

FIRST = (EventStatus.INQUIRING, EventStatus.SCHEDULED, EventStatus.EXECUTING)
"""The statuses that an event may begin with."""

STATUS_OF: Mapping[Outcome, EventStatus] = MappingProxyType(
    {
        Outcome.COMPLETED: EventStatus.EXECUTED,
        Outcome.CANCELED: EventStatus.CANCELED,
        Outcome.AVOIDED: EventStatus.AVOIDED,
        Outcome.FAILED: EventStatus.FAILED,
    }
)
"""How an end is called. An event whose outcome is unknown has no status: the history does not list it any more."""


@dataclass(frozen=True, kw_only=True)
class AlibabaEventType:
    """One type of event and what is usual for it.

    Attributes:
        impact: what it does to the instance.
        cause: why.
        first: the status that it begins with where nobody says.
        simulated: whether CreateSimulatedSystemEvents makes it.
        statuses: those that are documented for it; empty where none are.
        notice: how long ahead it is announced where nobody says.
    """

    impact: Impact
    cause: Cause
    first: EventStatus = EventStatus.SCHEDULED
    simulated: bool = False
    statuses: frozenset[EventStatus] = frozenset()
    notice: timedelta = timedelta(hours=48)


_MAINTENANCE = frozenset(
    {EventStatus.SCHEDULED, EventStatus.EXECUTING, EventStatus.EXECUTED, EventStatus.AVOIDED, EventStatus.CANCELED}
)
_FAILURE = frozenset({EventStatus.EXECUTING, EventStatus.EXECUTED})
_DISK_REPAIR = (_MAINTENANCE - {EventStatus.SCHEDULED}) | {EventStatus.INQUIRING}
# Failures are recovered from within 10 minutes; users have 24 to 48 hours for maintenance.
_RECOVERY = timedelta(minutes=10)
_SPOT = timedelta(minutes=5)

SPOT_RELEASE = "Instance:PreemptibleInstanceInterruption"
"""The release of a spot instance: a notification and a time in the metadata, no event of the API."""

EVENT_TYPES: Mapping[str, AlibabaEventType] = MappingProxyType(
    {
        "SystemMaintenance.Reboot": AlibabaEventType(
            impact=Impact.REBOOT,
            cause=Cause.MAINTENANCE,
            simulated=True,
            statuses=_MAINTENANCE | {EventStatus.INQUIRING, EventStatus.FAILED},
        ),
        "SystemMaintenance.Redeploy": AlibabaEventType(
            impact=Impact.REDEPLOY,
            cause=Cause.MAINTENANCE,
            simulated=True,
            statuses=_MAINTENANCE | {EventStatus.INQUIRING},
        ),
        "SystemMaintenance.Stop": AlibabaEventType(
            impact=Impact.STOP, cause=Cause.MAINTENANCE, simulated=True, statuses=_MAINTENANCE | {EventStatus.FAILED}
        ),
        "SystemFailure.Reboot": AlibabaEventType(
            impact=Impact.REBOOT,
            cause=Cause.HARDWARE_FAILURE,
            first=EventStatus.EXECUTING,
            simulated=True,
            statuses=_FAILURE | {EventStatus.FAILED},
            notice=_RECOVERY,
        ),
        "SystemFailure.Redeploy": AlibabaEventType(
            impact=Impact.REDEPLOY,
            cause=Cause.HARDWARE_FAILURE,
            first=EventStatus.EXECUTING,
            simulated=True,
            statuses=_MAINTENANCE,
            notice=_RECOVERY,
        ),
        "SystemFailure.Stop": AlibabaEventType(
            impact=Impact.STOP,
            cause=Cause.HARDWARE_FAILURE,
            first=EventStatus.EXECUTING,
            simulated=True,
            statuses=_FAILURE,
            notice=_RECOVERY,
        ),
        "InstanceFailure.Reboot": AlibabaEventType(
            impact=Impact.REBOOT,
            cause=Cause.GUEST_FAILURE,
            first=EventStatus.EXECUTING,
            simulated=True,
            statuses=_FAILURE,
            notice=_RECOVERY,
        ),
        "SystemFailure.Delete": AlibabaEventType(
            impact=Impact.TERMINATE,
            cause=Cause.HARDWARE_FAILURE,
            first=EventStatus.EXECUTING,
            statuses=_FAILURE | {EventStatus.AVOIDED},
            notice=_RECOVERY,
        ),
        "SystemMaintenance.RebootAndIsolateErrorDisk": AlibabaEventType(
            impact=Impact.REBOOT, cause=Cause.HARDWARE_FAILURE, first=EventStatus.INQUIRING, statuses=_DISK_REPAIR
        ),
        "SystemMaintenance.RebootAndReInitErrorDisk": AlibabaEventType(
            impact=Impact.REBOOT, cause=Cause.HARDWARE_FAILURE, first=EventStatus.INQUIRING, statuses=_DISK_REPAIR
        ),
        "SystemMaintenance.IsolateErrorDisk": AlibabaEventType(
            impact=Impact.DEGRADED,
            cause=Cause.HARDWARE_FAILURE,
            first=EventStatus.INQUIRING,
            statuses=_DISK_REPAIR | {EventStatus.FAILED},
        ),
        "SystemMaintenance.ReInitErrorDisk": AlibabaEventType(
            impact=Impact.DEGRADED,
            cause=Cause.HARDWARE_FAILURE,
            first=EventStatus.INQUIRING,
            statuses=_DISK_REPAIR | {EventStatus.FAILED},
        ),
        "SystemMaintenance.PerformanceImpact": AlibabaEventType(
            impact=Impact.DEGRADED,
            cause=Cause.MAINTENANCE,
            first=EventStatus.EXECUTING,
            statuses=_FAILURE,
            notice=_RECOVERY,
        ),
        # Of the following only the names are documented: first status, statuses and notice are unverified.
        "SystemMaintenance.CleanInactiveDisks": AlibabaEventType(
            impact=Impact.NONE, cause=Cause.MAINTENANCE, first=EventStatus.INQUIRING
        ),
        "SystemMaintenance.StopAndRepair": AlibabaEventType(impact=Impact.STOP, cause=Cause.MAINTENANCE),
        "SystemUpgrade.Migrate": AlibabaEventType(impact=Impact.UNKNOWN, cause=Cause.MAINTENANCE),
        "SecurityPunish.Locked": AlibabaEventType(
            impact=Impact.UNKNOWN, cause=Cause.SECURITY, first=EventStatus.EXECUTING
        ),
        "SecurityPunish.WebsiteBanned": AlibabaEventType(
            impact=Impact.UNKNOWN, cause=Cause.SECURITY, first=EventStatus.EXECUTING
        ),
        "InstanceExpiration.Stop": AlibabaEventType(impact=Impact.STOP, cause=Cause.BILLING, notice=timedelta(days=3)),
        "InstanceExpiration.Delete": AlibabaEventType(
            impact=Impact.TERMINATE, cause=Cause.BILLING, notice=timedelta(days=3)
        ),
        "AccountUnbalanced.Stop": AlibabaEventType(impact=Impact.STOP, cause=Cause.BILLING, notice=timedelta(hours=1)),
        "AccountUnbalanced.Delete": AlibabaEventType(
            impact=Impact.TERMINATE, cause=Cause.BILLING, notice=timedelta(hours=1)
        ),
        SPOT_RELEASE: AlibabaEventType(impact=Impact.TERMINATE, cause=Cause.PREEMPTION, notice=_SPOT),
    }
)

NEUTRAL: Mapping[tuple[Impact, Cause], str] = MappingProxyType(
    {
        (Impact.REBOOT, Cause.MAINTENANCE): "SystemMaintenance.Reboot",
        (Impact.REBOOT, Cause.HARDWARE_FAILURE): "SystemFailure.Reboot",
        (Impact.REBOOT, Cause.GUEST_FAILURE): "InstanceFailure.Reboot",
        (Impact.REDEPLOY, Cause.MAINTENANCE): "SystemMaintenance.Redeploy",
        # Announced ahead, as the cloud itself does for hardware that is expected to fail; a simulated one begins
        # at once, and is made by its native type.
        (Impact.REDEPLOY, Cause.HARDWARE_FAILURE): "SystemFailure.Redeploy:Scheduled",
        (Impact.STOP, Cause.MAINTENANCE): "SystemMaintenance.Stop",
        (Impact.STOP, Cause.HARDWARE_FAILURE): "SystemFailure.Stop",
        (Impact.STOP, Cause.BILLING): "InstanceExpiration.Stop",
        (Impact.TERMINATE, Cause.PREEMPTION): SPOT_RELEASE,
        (Impact.TERMINATE, Cause.BILLING): "InstanceExpiration.Delete",
        (Impact.TERMINATE, Cause.HARDWARE_FAILURE): "SystemFailure.Delete",
        (Impact.DEGRADED, Cause.MAINTENANCE): "SystemMaintenance.PerformanceImpact",
    }
)
"""What neutral words mean here; of one impact the first is the usual one."""


_UNTIL_IT_BEGINS = frozenset({EventStatus.INQUIRING, EventStatus.SCHEDULED})
_WHILE_IT_ASKS = frozenset({EventStatus.INQUIRING})

ANSWERED_BY_REBOOT: Mapping[str, frozenset[EventStatus]] = MappingProxyType(
    {"SystemMaintenance.Reboot": frozenset({EventStatus.SCHEDULED})}
)
"""The events that RebootInstance answers: type, and in which statuses."""

ANSWERED_BY_REDEPLOY: Mapping[str, frozenset[EventStatus]] = MappingProxyType(
    {
        "SystemMaintenance.Reboot": _UNTIL_IT_BEGINS,
        "SystemMaintenance.Redeploy": _UNTIL_IT_BEGINS,
        "SystemFailure.Redeploy": _UNTIL_IT_BEGINS,
        "SystemMaintenance.RebootAndIsolateErrorDisk": _WHILE_IT_ASKS,
        "SystemMaintenance.RebootAndReInitErrorDisk": _WHILE_IT_ASKS,
        "SystemMaintenance.IsolateErrorDisk": _WHILE_IT_ASKS,
        "SystemMaintenance.ReInitErrorDisk": _WHILE_IT_ASKS,
    }
)
"""The events that RedeployInstance answers.

A SystemFailure.Reboot that executes is one of them for instances with local disks alone, and there are none here.
"""

POSSIBLE_EVENTS = (
    *(PossibleEvent(impact, cause) for impact, cause in NEUTRAL),
    *(
        PossibleEvent(kind.impact, kind.cause, name)
        for name, kind in EVENT_TYPES.items()
        if name
        not in {neutral.partition(":")[0] if neutral != SPOT_RELEASE else neutral for neutral in NEUTRAL.values()}
    ),
)
"""The kinds of events, for scenarios by chance: by neutral words, or else by the type."""

SILENT: Mapping[tuple[Impact, Cause | None], str] = MappingProxyType(
    {
        (Impact.FREEZE, None): "a live migration is silent there",
        (Impact.REBOOT, Cause.USER): "a restart by a user answers an event and is none",
        (Impact.REDEPLOY, Cause.USER): "a redeployment by a user answers an event and is none",
        (
            Impact.TERMINATE,
            Cause.SCALE_IN,
        ): "only a release after a failure, for the bill or of a spot instance is announced",
    }
)
"""Why this cloud has no event for what others announce; no cause: for any."""


@dataclass(frozen=True, kw_only=True)
class EventOrder:
    """What an event is to be.

    Attributes:
        name: its type.
        first: the status that it begins with.
        simulated: whether it is a simulated event; the others are the cloud's own.
    """

    name: str
    first: EventStatus
    simulated: bool


def kind_of(plan: EventPlan) -> EventOrder:
    """What the plan asks for: by its `native_type`, `TYPE` or `TYPE:STATUS`, or else by impact and cause.

    A type that CreateSimulatedSystemEvents knows makes a simulated event, unless a first status is asked for: that
    makes one of the cloud's own.

    Raises:
        SimulationError: this cloud has no such event.
    """
    return _named(plan.native_type or _neutral(plan), plan.impact)


def _neutral(plan: EventPlan) -> str:
    fitting = {cause: name for (impact, cause), name in NEUTRAL.items() if impact is plan.impact}
    if not fitting:
        impacts = _listed(impact for impact, _ in NEUTRAL)
        raise NoSuchEvent(
            f"Alibaba Cloud has no event with the impact {plan.impact}{_why(plan.impact, None)}; it has {impacts}"
        )
    if plan.cause is None:
        return next(iter(fitting.values()))
    if plan.cause not in fitting:
        raise NoSuchEvent(
            f"Alibaba Cloud has no event with the impact {plan.impact} and the cause {plan.cause}"
            f"{_why(plan.impact, plan.cause)}; with that impact it has {_listed(fitting)}"
        )
    return fitting[plan.cause]


def _why(impact: Impact, cause: Cause | None) -> str:
    return f", as {SILENT[impact, cause]}" if (impact, cause) in SILENT else ""


def _named(text: str, impact: Impact) -> EventOrder:
    by_name = {folded(name): name for name in EVENT_TYPES}
    name, status_text = by_name.get(folded(text)), ""
    if name is None:
        start, _, status_text = text.rpartition(":")
        name = by_name.get(folded(start))
    if name is None:
        raise SimulationError(f"Alibaba Cloud has no event type {text!r}; it has {_listed(EVENT_TYPES)}")
    event_type = EVENT_TYPES[name]
    if event_type.impact is not impact:
        raise SimulationError(f"Alibaba Cloud's event type {name} has the impact {event_type.impact}")
    if not status_text:
        return EventOrder(name=name, first=event_type.first, simulated=event_type.simulated)
    possible = {folded(first): first for first in FIRST if first in (event_type.statuses or FIRST)}
    if name == SPOT_RELEASE or folded(status_text) not in possible:
        known = "no statuses" if name == SPOT_RELEASE else _listed(possible.values())
        raise SimulationError(f"an event of the type {name} cannot begin as {status_text!r}; it has {known}")
    return EventOrder(name=name, first=possible[folded(status_text)], simulated=False)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(str(name) for name in names))
