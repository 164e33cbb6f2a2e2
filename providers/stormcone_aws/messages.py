"""What the messages of a queue say of EC2's instances, and what it means in neutral words; no network.

EventBridge, SNS and Auto Scaling each have a form of their own. A message says one thing once, and may come twice, late
or out of order: so every id, time and end is made of what stands in it and never of when it is read. One that nothing
can be made of says why, and is left where it is.

Sources: the facts of each kind of message stand beside it in `KINDS`. Nothing was checked against the live service.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from stormcone.clouds.payload import repeats
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Origin, Outcome, Phase
from stormcone.text import folded, printable
from stormcone_aws.envelopes import (
    LIFECYCLE,
    TERMINATING,
    AwsLetter,
    UnreadableMessage,
    letter_of,
    opened,
    source_of,
)
from stormcone_aws.health import read_health
from stormcone_aws.kinds import (
    HIBERNATE,
    SPOT_ACTIONS,
    AwsKind,
    lifecycle_id,
    rebalance_id,
    spot_id,
)

SPOT = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"
STATE = "EC2 Instance State-change Notification"
HEALTH = "AWS Health Event"
RESERVATION = "EC2 Capacity Reservation Instance Interruption Warning"
BLOCK = "Capacity Block Expiration Warning"
BLOCK_TOO = "Capacity Block Reservation Expiration Warning"  # the documentation has both names

BLOCK_PREFIX = "capacity-block/"
"""How the id of a capacity block's end begins."""

TEST = "autoscaling:TEST_NOTIFICATION"

EVENT_REGION = "eventRegion"
"""The region that an event of AWS Health is about; in a copy for a second region the envelope names that one.
Source: AWS Health's documentation of its schema for EventBridge."""

SPOT_NOTICE = timedelta(minutes=2)
"""From a warning to the interruption, best effort. Source: EC2's documentation of spot instance interruption notices.
The message has no time, so it is counted from the message's own, which is unverified."""

OVER_AFTER = timedelta(minutes=10)
"""After its time by how much an interruption is over at the latest, where no change of state says so; ours."""

TENTATIVE_FOR = timedelta(days=1)
"""For how long a recommendation counts; ours, as EC2 says nothing of its end."""

LONGEST_HOOK = timedelta(hours=48)
"""For how long Auto Scaling waits at the most. Source: its documentation of lifecycle hooks."""

SHORTEST_HEARTBEAT = timedelta(seconds=30)
"""How soon it must hear again, where the hook's own time cannot be asked: the shortest that a hook can have.
Source: EC2 Auto Scaling's documentation of PutLifecycleHook."""

BLOCK_LEAD = timedelta(minutes=30)
"""How long before the end of a capacity block its instances are terminated. Source: EC2's documentation of capacity
blocks; of UltraServers it is an hour, which the message does not tell apart."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a message says.

    Attributes:
        events: what it means, each with the message as its payload; none where it is understood and means nothing.
        at: the moment that it speaks of, by which of two messages about one event the later one counts.
        region: the region that it is about, where it may come from another one; "" where it does not say.
        problems: what in it could not be read as it should, as sentences.
        unread: why nothing could be made of it, as a clause; "" where something was.
    """

    events: tuple[MaintenanceEvent, ...] = ()
    at: datetime
    region: str = ""
    problems: tuple[str, ...] = ()
    unread: str = ""


class Hook(NamedTuple):
    """What a lifecycle action is answered by."""

    group: str
    name: str
    instance: str
    token: str


def read_message(body: str, sent: datetime) -> Said:
    """What a message says.

    Args:
        body: as the queue has it.
        sent: when it was sent to the queue, for what has no time of its own.
    """
    try:
        document = opened(body)
        if TEST in (document.get("Event"), document.get("LifecycleTransition")):
            return Said(at=sent)
        letter = letter_of(document, sent)
        events = tuple(_reader(source_of(document), letter.kind)(letter))
    except UnreadableMessage as error:
        return Said(at=sent, unread=printable(str(error)))
    except OverflowError:
        return Said(at=sent, unread="its time is at the end of the calendar")
    doubt = "a key appears twice in it" if repeats(letter.native) else ""
    if doubt:  # it says two things: what is in it is told, and nobody answers to it
        letter.problems.append(f"{letter.kind}: no event is approved, since {doubt}")
        events = tuple(event.but(approval=Approval.NONE, withheld=doubt) for event in events)
    return Said(
        events=events, at=letter.at, region=letter.text(EVENT_REGION), problems=tuple(map(printable, letter.problems))
    )


def hook_of(event: MaintenanceEvent) -> Hook | None:
    """What the lifecycle action of an event is answered by; None where the event has none, or it says too little."""
    detail = event.native.get("detail", event.native)
    if not isinstance(detail, dict):
        return None
    names = ("AutoScalingGroupName", "LifecycleHookName", "EC2InstanceId", "LifecycleActionToken")
    found = [value if isinstance(value := detail.get(name), str) else "" for name in names]
    return Hook(*found) if all(found[:3]) else None


def _reader(source: str, kind: str) -> "Callable[[AwsLetter], Iterator[MaintenanceEvent]]":
    reader = KINDS.get((source, folded(kind)))
    if reader is None:
        raise UnreadableMessage(f"its type {kind[:80]!r} of {source[:40]!r} is not known here")
    return reader


# what each kind of message means


def _spot(letter: AwsLetter) -> Iterator[MaintenanceEvent]:
    """Source: EC2's documentation of spot instance interruption notices."""
    instance, action = letter.instance(), letter.text("instance-action")
    impact = SPOT_ACTIONS.get(folded(action), Impact.UNKNOWN)
    if impact is Impact.UNKNOWN:
        letter.problems.append(f"{letter.kind}: the action {action[:40]!r} is not known")
    begins = letter.at if folded(action) == HIBERNATE else letter.at + SPOT_NOTICE
    yield letter.event(
        spot_id(instance),
        AwsKind(impact, Cause.PREEMPTION),
        (instance,),
        native_status=action,
        phase_origin=Origin.INFERRED,
        not_before=begins,
        not_before_origin=Origin.INFERRED,
        ends_by=begins + OVER_AFTER,
        description=f"This spot instance will be interrupted: {action or 'in which way is not said'}.",
    )


def _rebalance(letter: AwsLetter) -> Iterator[MaintenanceEvent]:
    """Source: EC2's documentation of rebalance recommendations."""
    instance = letter.instance()
    yield letter.event(
        rebalance_id(instance),
        REBALANCE_KIND,
        (instance,),
        tentative=True,
        ends_by=letter.at + TENTATIVE_FOR,
        description="This spot instance is at an elevated risk of being interrupted.",
    )


def _state(letter: AwsLetter) -> Iterator[MaintenanceEvent]:
    """The end of whatever was going to take the instance away, since it is gone.

    That is the only word on the end of an interruption. Of the steps before it, and of an instance that runs, nothing
    follows: who stopped it is not said. Source: EC2's documentation of state change events.
    """
    instance, state = letter.instance(), letter.text("state")
    if state not in GONE:
        return
    for identifier, native_type, cause in (
        (spot_id(instance), SPOT, Cause.PREEMPTION),
        (rebalance_id(instance), REBALANCE, REBALANCE_KIND.cause),
        (lifecycle_id(instance), LIFECYCLE, Cause.SCALE_IN),
        (reservation_id(instance), RESERVATION, Cause.PREEMPTION),
    ):
        yield letter.event(
            identifier,
            AwsKind(Impact.UNKNOWN, cause),  # as it is known
            (instance,),
            native_type=native_type,
            native_status=state,
            phase=Phase.ENDED,
            outcome=Outcome.COMPLETED,
            outcome_origin=Origin.INFERRED,
            description=f"The instance is {state}.",
        )


def _lifecycle(letter: AwsLetter) -> Iterator[MaintenanceEvent]:
    """Source: EC2 Auto Scaling's documentation of lifecycle hooks; it waits, so there is no time at which it begins."""
    if letter.text("LifecycleTransition") != TERMINATING:
        raise UnreadableMessage(f"its transition {letter.text('LifecycleTransition')[:60]!r} ends no instance")
    instance = letter.instance()
    event = letter.event(
        lifecycle_id(instance),
        AwsKind(Impact.TERMINATE, Cause.SCALE_IN),
        (instance,),
        approval=Approval.STARTS,
        heartbeat=SHORTEST_HEARTBEAT,
        ends_by=letter.at + LONGEST_HOOK,
        description="Auto Scaling terminates this instance, and waits until it is ready.",
    )
    if hook_of(event) is None:
        letter.problems.append(f"{letter.kind}: it does not say which hook waits, so that one cannot be answered")
        event = event.but(approval=Approval.NONE, heartbeat=None, withheld="which hook waits is not said")
    yield event


def _reservation(letter: AwsLetter) -> Iterator[MaintenanceEvent]:
    """Source: EC2's documentation of interruptible capacity reservations."""
    instance, action = letter.instance(), letter.text("instance-action")
    said = letter.time("instance-termination-time")
    begins = said or letter.at + SPOT_NOTICE
    yield letter.event(
        reservation_id(instance),
        AwsKind(SPOT_ACTIONS.get(folded(action), Impact.UNKNOWN), Cause.PREEMPTION),
        (instance,),
        native_status=action,
        phase_origin=Origin.INFERRED,
        not_before=begins,
        not_before_origin=Origin.REPORTED if said else Origin.INFERRED,
        ends_by=begins + OVER_AFTER,
        description="The capacity reservation of this instance is taken back.",
    )


def _block(letter: AwsLetter) -> Iterator[MaintenanceEvent]:
    """Source: EC2's documentation of capacity blocks. It names the reservation and none of its instances."""
    block = letter.text("capacity-reservation-id")
    if not block:
        raise UnreadableMessage("it names no capacity reservation")
    end = letter.time("end-date")
    begins = (end - BLOCK_LEAD) if end else letter.at + _BLOCK_WARNING
    yield letter.event(
        f"{BLOCK_PREFIX}{block}",
        AwsKind(Impact.TERMINATE, Cause.BILLING),
        (block,),
        phase_origin=Origin.INFERRED,
        not_before=begins,
        not_before_origin=Origin.INFERRED,
        ends_by=(end or begins + BLOCK_LEAD) + OVER_AFTER,
        description="The capacity block ends, and with it its instances.",
    )


_BLOCK_WARNING = timedelta(minutes=10)  # from the warning to the first termination


def reservation_id(instance: str) -> str:
    """The id of the end of an instance whose capacity reservation is taken back."""
    return f"capacity-reservation/{instance}"


REBALANCE_KIND = AwsKind(Impact.TERMINATE, Cause.PREEMPTION)
"""What a rebalance recommendation may come to."""

GONE = frozenset({"stopped", "terminated"})
"""The states in which an instance is past whatever was to take it away."""

KINDS: Mapping[tuple[str, str], Callable[[AwsLetter], Iterator[MaintenanceEvent]]] = MappingProxyType(
    {
        ("aws.ec2", folded(SPOT)): _spot,
        ("aws.ec2", folded(REBALANCE)): _rebalance,
        ("aws.ec2", folded(STATE)): _state,
        ("aws.ec2", folded(RESERVATION)): _reservation,
        ("aws.ec2", folded(BLOCK)): _block,
        ("aws.ec2", folded(BLOCK_TOO)): _block,
        ("aws.autoscaling", folded(LIFECYCLE)): _lifecycle,
        ("aws.health", folded(HEALTH)): read_health,
    }
)
"""What is read, by source and `detail-type`; anything else is left in the queue."""

TYPES: Mapping[str, str] = MappingProxyType(
    {
        SPOT: "`spot/INSTANCE`: a spot instance is terminated, stopped or hibernated, two minutes later",
        REBALANCE: "`rebalance/INSTANCE`: tentative; it counts for a day",
        STATE: "`stopped` and `terminated` end what was to take the instance away; other states mean nothing",
        LIFECYCLE: "`lifecycle/INSTANCE`: Auto Scaling waits for an answer; also straight from it, or by SNS",
        HEALTH: "an event for each instance, of maintenance of EC2 that is scheduled",
        RESERVATION: "`capacity-reservation/INSTANCE`: the instance is terminated",
        BLOCK: "`capacity-block/RESERVATION`: its instances are terminated half an hour before its end",
        BLOCK_TOO: "the same: the documentation has both names",
    }
)
"""What each `detail-type` becomes, for people."""
