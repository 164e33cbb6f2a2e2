"""The kinds of events that EC2 announces, as data.

Source, unless a line says otherwise: EC2's documentation of scheduled events, spot interruptions, rebalance
recommendations and Auto Scaling's target lifecycle state, and the codes in botocore's model of EC2. Unverified, all of
them: how long an event stays listed after its time, how long the windows of events are, and the texts for people, but
for those that the documentation shows.
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


class Family(StrEnum):
    """Where EC2 tells of an event."""

    SCHEDULED = "scheduled"
    """Among the scheduled events, with an id, and afterwards in their history."""
    SPOT = "spot"
    """As the action of a spot interruption."""
    REBALANCE = "rebalance"
    """As a rebalance recommendation."""
    LIFECYCLE = "lifecycle"
    """As the state that Auto Scaling takes the instance to."""


class EventState(StrEnum):
    """`State` of a scheduled event."""

    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELED = "canceled"


STATE_OF: Mapping[Outcome, EventState] = MappingProxyType(
    {Outcome.COMPLETED: EventState.COMPLETED, Outcome.CANCELED: EventState.CANCELED}
)
"""How an end is called; an event that ended in another way is not listed any more."""

SPOT_NOTICE = timedelta(minutes=2)
"""How long before it interrupts a spot instance EC2 says so, at the most."""


@dataclass(frozen=True, kw_only=True)
class AwsEventType:
    """One kind of event and what is usual for it.

    Attributes:
        family: where it is told.
        impacts: what it may do to the instance, the usual one first.
        causes: why it may come, the usual one first.
        notice: how long ahead it is announced.
        started_for: how long it stays listed after its time.
        window: from its earliest to its latest end, `NotAfter`; None: such events have none.
        movable: how far its start can be put off, `NotBeforeDeadline`; None: not at all.
        word: what the metadata service calls it: a code, an action or a state.
        description: the text for people.
    """

    family: Family
    impacts: tuple[Impact, ...]
    causes: tuple[Cause, ...]
    notice: timedelta
    started_for: timedelta = timedelta(minutes=10)
    window: timedelta | None = None
    movable: timedelta | None = None
    word: str
    description: str = ""


_TWO_WEEKS = timedelta(days=14)
_WINDOW = timedelta(hours=2)
_WEEK = timedelta(days=7)
_MINUTE = timedelta(minutes=1)
_DEGRADED = "The instance is running on degraded hardware"
_PLANNED = (Cause.MAINTENANCE, Cause.HARDWARE_FAILURE)
_FAILING = (Cause.HARDWARE_FAILURE, Cause.MAINTENANCE)


def _spot(action: str, impact: Impact, notice: timedelta) -> AwsEventType:
    return AwsEventType(
        family=Family.SPOT,
        impacts=(impact,),
        causes=(Cause.PREEMPTION,),
        notice=notice,
        started_for=_MINUTE,
        word=action,
    )


def _lifecycle(state: str, impact: Impact) -> AwsEventType:
    return AwsEventType(
        family=Family.LIFECYCLE,
        impacts=(impact,),
        causes=(Cause.SCALE_IN,),
        notice=timedelta(hours=1),  # the heartbeat time-out of a lifecycle hook, where nobody has set one
        started_for=_MINUTE,
        word=state,
    )


EVENT_TYPES: Mapping[str, AwsEventType] = MappingProxyType(
    {
        "system-reboot": AwsEventType(
            family=Family.SCHEDULED,
            impacts=(Impact.REBOOT,),
            causes=_PLANNED,
            notice=_TWO_WEEKS,
            window=_WINDOW,
            movable=_WEEK,
            word="system-reboot",
            description="scheduled reboot",
        ),
        "instance-reboot": AwsEventType(
            family=Family.SCHEDULED,
            impacts=(Impact.REBOOT,),
            causes=_PLANNED,
            notice=_TWO_WEEKS,
            window=_WINDOW,
            movable=_WEEK,
            word="instance-reboot",
            description="The instance is scheduled for a reboot",
        ),
        # Of the network it degrades, of the power it is a short outage with a restart; the code is the same.
        "system-maintenance": AwsEventType(
            family=Family.SCHEDULED,
            impacts=(Impact.DEGRADED, Impact.REBOOT),
            causes=(Cause.MAINTENANCE,),
            notice=_TWO_WEEKS,
            window=_WINDOW,
            word="system-maintenance",
            description="The instance is scheduled for network maintenance",
        ),
        "instance-stop": AwsEventType(
            family=Family.SCHEDULED,
            impacts=(Impact.STOP,),
            causes=_FAILING,
            notice=_TWO_WEEKS,
            word="instance-stop",
            description=_DEGRADED,
        ),
        # It terminates an instance whose root is in an instance store, and stops every other.
        "instance-retirement": AwsEventType(
            family=Family.SCHEDULED,
            impacts=(Impact.STOP, Impact.TERMINATE),
            causes=_FAILING,
            notice=_TWO_WEEKS,
            word="instance-retirement",
            description=_DEGRADED,
        ),
        "spot/terminate": _spot("terminate", Impact.TERMINATE, SPOT_NOTICE),
        "spot/stop": _spot("stop", Impact.STOP, SPOT_NOTICE),
        # It begins as it is told.
        "spot/hibernate": _spot("hibernate", Impact.HIBERNATE, timedelta(0)),
        "rebalance": AwsEventType(
            family=Family.REBALANCE,
            impacts=(Impact.TERMINATE,),
            causes=(Cause.PREEMPTION,),
            notice=timedelta(0),
            word="rebalance",
        ),
        "lifecycle/Terminated": _lifecycle("Terminated", Impact.TERMINATE),
        "lifecycle/Warmed:Terminated": _lifecycle("Warmed:Terminated", Impact.TERMINATE),
        "lifecycle/Warmed:Stopped": _lifecycle("Warmed:Stopped", Impact.STOP),
        "lifecycle/Warmed:Hibernated": _lifecycle("Warmed:Hibernated", Impact.HIBERNATE),
    }
)
"""By the words that the control API and the provider have for them."""

POWER = "The instance is scheduled for power maintenance"
"""The text of a `system-maintenance` that restarts the instance. Unverified."""

NEUTRAL: Mapping[tuple[Impact, Cause], str] = MappingProxyType(
    {
        (Impact.REBOOT, Cause.MAINTENANCE): "system-reboot",
        (Impact.DEGRADED, Cause.MAINTENANCE): "system-maintenance",
        (Impact.STOP, Cause.HARDWARE_FAILURE): "instance-stop",
        (Impact.STOP, Cause.MAINTENANCE): "instance-stop",
        (Impact.STOP, Cause.PREEMPTION): "spot/stop",
        (Impact.STOP, Cause.SCALE_IN): "lifecycle/Warmed:Stopped",
        (Impact.HIBERNATE, Cause.PREEMPTION): "spot/hibernate",
        (Impact.HIBERNATE, Cause.SCALE_IN): "lifecycle/Warmed:Hibernated",
        (Impact.TERMINATE, Cause.PREEMPTION): "spot/terminate",
        (Impact.TERMINATE, Cause.SCALE_IN): "lifecycle/Terminated",
        (Impact.TERMINATE, Cause.HARDWARE_FAILURE): "instance-retirement",
    }
)
"""What neutral words mean here; of one impact the first is the usual one."""

SILENT: Mapping[Impact, str] = MappingProxyType(
    {
        Impact.FREEZE: "a live migration is silent there",
        Impact.REDEPLOY: "an instance changes its host as its owner stops and starts it",
    }
)
"""Why this cloud has no event for what others announce."""

POSSIBLE_EVENTS = (
    *(PossibleEvent(impact, cause) for impact, cause in NEUTRAL),
    PossibleEvent(Impact.REBOOT, Cause.MAINTENANCE, "instance-reboot"),
    PossibleEvent(Impact.REBOOT, Cause.MAINTENANCE, "system-maintenance"),
    PossibleEvent(Impact.STOP, Cause.HARDWARE_FAILURE, "instance-retirement"),
    PossibleEvent(Impact.TERMINATE, Cause.PREEMPTION, "rebalance"),
)
"""The kinds of events, for scenarios by chance."""


def type_of(plan: EventPlan) -> str:
    """The kind of event that a plan asks for: by its `native_type`, or else by impact and cause.

    Raises:
        SimulationError: this cloud has no such event.
    """
    name = _neutral(plan) if plan.native_type is None else _named(plan.native_type)
    kind = EVENT_TYPES[name]
    if plan.impact not in kind.impacts:
        raise SimulationError(f"AWS's {name} has the impact {_listed(kind.impacts)}, not {plan.impact}")
    if plan.cause is not None and plan.cause not in kind.causes:
        raise SimulationError(f"AWS's {name} has the cause {_listed(kind.causes)}, not {plan.cause}")
    return name


def _named(text: str) -> str:
    for name in EVENT_TYPES:
        if folded(name) == folded(text):
            return name
    raise SimulationError(f"AWS has no event type {text!r}; it has {_listed(EVENT_TYPES)}")


def _neutral(plan: EventPlan) -> str:
    fitting = {cause: name for (impact, cause), name in NEUTRAL.items() if impact is plan.impact}
    if not fitting:
        why = f", as {SILENT[plan.impact]}" if plan.impact in SILENT else ""
        impacts = _listed(impact for impact, _ in NEUTRAL)
        raise NoSuchEvent(f"AWS has no event with the impact {plan.impact}{why}; it has {impacts}")
    if plan.cause is None:
        return next(iter(fitting.values()))
    if plan.cause not in fitting:
        raise NoSuchEvent(
            f"AWS has no event with the impact {plan.impact} and the cause {plan.cause}; "
            f"with that impact it has {_listed(fitting)}"
        )
    return fitting[plan.cause]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(str(name) for name in names))
