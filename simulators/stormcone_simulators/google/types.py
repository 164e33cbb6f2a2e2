"""The kinds of events that Compute Engine has, and in which key of the metadata each one stands.

Source, unless a line says otherwise: Compute Engine's documentation of VM metadata and of host maintenance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from stormcone.errors import NoSuchEvent, SimulationError
from stormcone.model import Cause, Impact
from stormcone.text import folded
from stormcone_simulators.events import EventPlan
from stormcone_simulators.scenarios.play import PossibleEvent

MAINTENANCE = "maintenance-event"
PREEMPTED = "preempted"
UPCOMING = "upcoming-maintenance"

GRANTED = timedelta(seconds=60)
"""From the word in `maintenance-event` to the maintenance, for a VM that has read the key since the last one."""

SHUTDOWN = timedelta(seconds=30)
"""How long a preempted VM has to shut down, at the most."""


@dataclass(frozen=True, kw_only=True)
class GoogleEventType:
    """One kind of event and what is usual for it.

    Attributes:
        listing: the key that announces it.
        impacts: what it may do to the VM, by the VM's own settings; the usual one first.
        cause: why.
        notice: how long ahead it is announced.
        longest_notice: how long ahead at the most; None: any time.
        started_for: how long it goes on.
    """

    listing: str
    impacts: tuple[Impact, ...]
    cause: Cause
    notice: timedelta
    longest_notice: timedelta | None
    started_for: timedelta


# `started_for` is invented throughout: no page says how long a VM's maintenance takes. So are the days of notice of
# SCHEDULED, which differ from family to family (7 to 90), and the hours of UNSCHEDULED.
EVENT_TYPES: Mapping[str, GoogleEventType] = MappingProxyType(
    {
        "MIGRATE_ON_HOST_MAINTENANCE": GoogleEventType(
            listing=MAINTENANCE,
            impacts=(Impact.FREEZE,),
            cause=Cause.MAINTENANCE,
            notice=GRANTED,
            longest_notice=GRANTED,
            started_for=timedelta(seconds=30),
        ),
        "TERMINATE_ON_HOST_MAINTENANCE": GoogleEventType(
            listing=MAINTENANCE,
            impacts=(Impact.REBOOT, Impact.STOP),
            cause=Cause.MAINTENANCE,
            notice=GRANTED,
            # An hour is what Google's own handler waits for on VMs with a GPU; unverified.
            longest_notice=timedelta(hours=1),
            started_for=timedelta(minutes=5),
        ),
        "PREEMPTED": GoogleEventType(
            listing=PREEMPTED,
            impacts=(Impact.TERMINATE, Impact.STOP),
            cause=Cause.PREEMPTION,
            notice=SHUTDOWN,
            # 120 s of `preemptionNoticeDuration`, and the shutdown.
            longest_notice=timedelta(seconds=120) + SHUTDOWN,
            started_for=timedelta(minutes=1),
        ),
        "SCHEDULED": GoogleEventType(
            listing=UPCOMING,
            impacts=(Impact.FREEZE, Impact.REBOOT, Impact.STOP),
            cause=Cause.MAINTENANCE,
            notice=timedelta(days=7),
            longest_notice=None,
            started_for=timedelta(minutes=10),
        ),
        "UNSCHEDULED": GoogleEventType(
            listing=UPCOMING,
            impacts=(Impact.REBOOT, Impact.FREEZE, Impact.STOP),
            cause=Cause.HARDWARE_FAILURE,
            notice=timedelta(hours=1),
            longest_notice=None,
            started_for=timedelta(minutes=10),
        ),
    }
)
"""By the cloud's own word: a value of `maintenance-event`, `PREEMPTED` for that key, or a `type` of the upcoming."""

POSSIBLE_EVENTS = tuple(
    PossibleEvent(impact, kind.cause, name) for name, kind in EVENT_TYPES.items() for impact in kind.impacts
)
"""The kinds of events, for scenarios by chance."""

_IMPACTS = tuple(dict.fromkeys(impact for kind in EVENT_TYPES.values() for impact in kind.impacts))
_CAUSES = tuple(dict.fromkeys(kind.cause for kind in EVENT_TYPES.values()))


def type_of(plan: EventPlan, ahead: timedelta | None) -> str:
    """The kind of event that the plan means.

    Args:
        plan: as it was ordered.
        ahead: how long until it starts; None where the plan does not say.

    Raises:
        SimulationError: Google has no such event.
    """
    name = _named(plan.native_type) if plan.native_type is not None else _fitting(plan, ahead)
    kind = EVENT_TYPES[name]
    if plan.impact not in kind.impacts:
        raise SimulationError(f"Google's {name} is a {' or a '.join(kind.impacts)}, not a {plan.impact}")
    if plan.cause not in {None, kind.cause}:
        raise SimulationError(f"Google's {name} is caused by {kind.cause}, not by {plan.cause}")
    if kind.longest_notice is not None and ahead is not None and ahead > kind.longest_notice:
        raise SimulationError(
            f"Google announces {name} no more than {kind.longest_notice.total_seconds():g} s ahead, not "
            f"{ahead.total_seconds():g} s; what is announced longer ahead is SCHEDULED"
        )
    return name


def _named(native_type: str) -> str:
    name = next((each for each in EVENT_TYPES if folded(each) == folded(native_type)), None)
    if name is None:
        raise SimulationError(f"Google has no event type {native_type!r}; it has {', '.join(EVENT_TYPES)}")
    return name


def _fitting(plan: EventPlan, ahead: timedelta | None) -> str:
    if plan.impact not in _IMPACTS:
        raise NoSuchEvent(f"Google has no event with the impact {plan.impact}; it has {', '.join(_IMPACTS)}")
    cause = plan.cause or (Cause.PREEMPTION if plan.impact is Impact.TERMINATE else Cause.MAINTENANCE)
    if cause not in _CAUSES:
        raise NoSuchEvent(f"Google has no event with the cause {cause}; it has {', '.join(_CAUSES)}")
    if cause is Cause.MAINTENANCE and ahead is not None and ahead > GRANTED:
        return "SCHEDULED"
    fitting = [name for name, kind in EVENT_TYPES.items() if kind.cause is cause and plan.impact in kind.impacts]
    if not fitting:
        raise NoSuchEvent(f"Google has no {plan.impact} that is caused by {cause}")
    return fitting[0]
