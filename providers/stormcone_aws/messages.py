"""What the messages of a queue say of EC2's instances, and what it means in neutral words; no network.

EventBridge, SNS and Auto Scaling each have a form of their own. A message says one thing once, and may come twice, late
or out of order: so every id, time and end is made of what stands in it and never of when it is read. One that nothing
can be made of says why, and is left where it is.

Sources: the facts of each kind of message stand beside it in `KINDS`. Nothing was checked against the live service.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from pydantic import JsonValue

from stormcone.clouds.dates import read_time
from stormcone.clouds.payload import read_json, repeats
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Origin, Outcome, Phase
from stormcone.text import folded, printable
from stormcone_aws.kinds import (
    EVENT_CODES,
    HIBERNATE,
    PROVIDER,
    SPOT_ACTIONS,
    UNKNOWN_CODE,
    AwsKind,
    lifecycle_id,
    rebalance_id,
    spot_id,
)

LISTING = "messages"
"""The listing of what a queue tells: nobody can read it whole."""

SPOT = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"
STATE = "EC2 Instance State-change Notification"
LIFECYCLE = "EC2 Instance-terminate Lifecycle Action"
HEALTH = "AWS Health Event"
RESERVATION = "EC2 Capacity Reservation Instance Interruption Warning"
BLOCK = "Capacity Block Expiration Warning"
BLOCK_TOO = "Capacity Block Reservation Expiration Warning"  # the documentation has both names

BLOCK_PREFIX = "capacity-block/"
"""How the id of a capacity block's end begins."""

TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
TEST = "autoscaling:TEST_NOTIFICATION"

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

HEALTH_OPEN_FOR = timedelta(days=1)
"""After its start by how much a maintenance of AWS Health is over at the latest, where it names no end; ours."""

HEALTH_CODES: Mapping[str, AwsKind] = MappingProxyType(
    {
        "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED": EVENT_CODES["instance-reboot"],
        "AWS_EC2_SYSTEM_REBOOT_MAINTENANCE_SCHEDULED": EVENT_CODES["system-reboot"],
        "AWS_EC2_INSTANCE_NETWORK_MAINTENANCE_SCHEDULED": EVENT_CODES["system-maintenance"],
        "AWS_EC2_SYSTEM_MAINTENANCE_SCHEDULED": EVENT_CODES["system-maintenance"],
        "AWS_EC2_INSTANCE_POWER_MAINTENANCE_SCHEDULED": AwsKind(Impact.REBOOT, Cause.MAINTENANCE),
        "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED": EVENT_CODES["instance-retirement"],
        "AWS_EC2_PERSISTENT_INSTANCE_RETIREMENT_SCHEDULED": EVENT_CODES["instance-retirement"],
        "AWS_EC2_INSTANCE_STOP_SCHEDULED": EVENT_CODES["instance-stop"],
    }
)
"""`eventTypeCode`; any other is maintenance of which the impact is not known. The names are those that programs of
others look for; what each does to an instance is concluded from its name, and unverified."""

_SCHEDULED_ID = re.compile(r"\binstance-event-[0-9a-f]{8,32}\b")
_INSTANCE = re.compile(r"\bi-[0-9a-zA-Z]{1,64}\b")
_ENVELOPES = 3  # a message of SNS in one of EventBridge in one of SNS, and no further


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a message says.

    Attributes:
        events: what it means, each with the message as its payload; none where it is understood and means nothing.
        at: the moment that it speaks of, by which of two messages about one event the later one counts.
        problems: what in it could not be read as it should, as sentences.
        unread: why nothing could be made of it, as a clause; "" where something was.
    """

    events: tuple[MaintenanceEvent, ...] = ()
    at: datetime
    problems: tuple[str, ...] = ()
    unread: str = ""


class Hook(NamedTuple):
    """What a lifecycle action is answered by."""

    group: str
    name: str
    instance: str
    token: str


class _Unreadable(ValueError):
    """Nothing can be made of it; the text says why, as a clause."""


@dataclass(frozen=True, kw_only=True)
class _Letter:
    """A message without its envelopes.

    Attributes:
        kind: its `detail-type`.
        at: its own time, or when it was sent to the queue.
        detail: what it says.
        resources: the ARNs that it names.
        native: the whole.
        problems: filled while it is read.
    """

    kind: str
    at: datetime
    detail: Mapping[str, JsonValue]
    resources: tuple[str, ...]
    native: dict[str, JsonValue]
    problems: list[str] = field(default_factory=list)

    def text(self, *names: str) -> str:
        """The first of these fields of the detail that is a text with something in it, or ""."""
        texts = (value for name in names if isinstance(value := self.detail.get(name), str))
        return next((text.strip() for text in texts if text.strip()), "")

    def time(self, name: str) -> datetime | None:
        """The time in a field of the detail; None where there is none, with a problem where it cannot be read."""
        value = self.detail.get(name)
        if value in (None, ""):
            return None
        try:
            return read_time(value)
        except ValueError as error:
            self.problems.append(f"{self.kind}: {name} cannot be read, it {error}")
            return None

    def instance(self) -> str:
        """The instance that it is about.

        Raises:
            _Unreadable: it names none.
        """
        named = self.text("instance-id", "EC2InstanceId")
        found = named or next((match[0] for arn in self.resources if (match := _INSTANCE.search(arn))), "")
        if not found:
            raise _Unreadable("it names no instance")
        return found

    def event(self, identifier: str, kind: AwsKind, resources: Iterable[str], **more: object) -> MaintenanceEvent:
        """An event that it tells of."""
        given: dict[str, object] = {
            "id": identifier,
            "id_origin": Origin.INFERRED,
            "provider": PROVIDER,
            "native_type": self.kind,
            "impact": kind.impact,
            "cause": kind.cause,
            "phase": Phase.SCHEDULED,
            "resources": tuple(resources),
            "listing": LISTING,
            "native": self.native,
        }
        return MaintenanceEvent.model_validate({**given, **more})


def read_message(body: str, sent: datetime) -> Said:
    """What a message says.

    Args:
        body: as the queue has it.
        sent: when it was sent to the queue, for what has no time of its own.
    """
    try:
        document = _opened(body)
        if TEST in (document.get("Event"), document.get("LifecycleTransition")):
            return Said(at=sent)
        letter = _letter(document, sent)
        events = tuple(_reader(_source(document), letter.kind)(letter))
    except _Unreadable as error:
        return Said(at=sent, unread=printable(str(error)))
    except OverflowError:
        return Said(at=sent, unread="its time is at the end of the calendar")
    doubt = "a key stands twice in it" if repeats(letter.native) else ""
    if doubt:  # it says two things: what is in it is told, and nobody answers to it
        letter.problems.append(f"{letter.kind}: no event is approved, since {doubt}")
        events = tuple(event.but(approval=Approval.NONE, withheld=doubt) for event in events)
    return Said(events=events, at=letter.at, problems=tuple(map(printable, letter.problems)))


def hook_of(event: MaintenanceEvent) -> Hook | None:
    """What the lifecycle action of an event is answered by; None where the event has none, or it says too little."""
    detail = event.native.get("detail", event.native)
    if not isinstance(detail, dict):
        return None
    names = ("AutoScalingGroupName", "LifecycleHookName", "EC2InstanceId", "LifecycleActionToken")
    found = [value if isinstance(value := detail.get(name), str) else "" for name in names]
    return Hook(*found) if all(found[:3]) else None


def _opened(body: str) -> dict[str, JsonValue]:
    """The message without what SNS has put around it."""
    for _ in range(_ENVELOPES):
        try:
            document = read_json(body.encode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise _Unreadable(f"it {error}") from None
        if not isinstance(document, dict):
            raise _Unreadable("it is no object")
        inner = document.get("Message")
        if not isinstance(inner, str) or "detail" in document or "LifecycleTransition" in document:
            return document
        body = inner
    raise _Unreadable("it is a message in a message without an end")


def _source(document: Mapping[str, JsonValue]) -> str:
    source = document.get("source", "aws.autoscaling")
    return folded(source) if isinstance(source, str) else ""


def _reader(source: str, kind: str) -> "Callable[[_Letter], Iterator[MaintenanceEvent]]":
    reader = KINDS.get((source, folded(kind)))
    if reader is None:
        raise _Unreadable(f"its type {kind[:80]!r} of {source[:40]!r} is none that is known here")
    return reader


def _letter(document: dict[str, JsonValue], sent: datetime) -> _Letter:
    detail = document.get("detail")
    kind = document.get("detail-type", document.get("detail_type"))  # EC2's page of capacity blocks has the latter
    time = document.get("time")
    if "LifecycleTransition" in document:  # from Auto Scaling itself, without EventBridge
        detail, time = document, document.get("Time")
        kind = LIFECYCLE if document["LifecycleTransition"] == TERMINATING else document["LifecycleTransition"]
    if not isinstance(detail, dict) or not isinstance(kind, str):
        raise _Unreadable("it is neither an event of EventBridge nor a message of Auto Scaling")
    resources = document.get("resources")
    arns = resources if isinstance(resources, list) else [resources]  # EC2's page of reservations shows a text
    letter = _Letter(
        kind=kind,
        at=sent,
        detail=detail,
        resources=tuple(arn for arn in arns if isinstance(arn, str)),
        native=document,
    )
    try:
        at = read_time(time)
    except ValueError:
        letter.problems.append(f"{kind}: its time cannot be read, so the one at which it was sent counts")
        return letter
    return _Letter(kind=kind, at=at, detail=detail, resources=letter.resources, native=document)


# what each kind of message means


def _spot(letter: _Letter) -> Iterator[MaintenanceEvent]:
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


def _rebalance(letter: _Letter) -> Iterator[MaintenanceEvent]:
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


def _state(letter: _Letter) -> Iterator[MaintenanceEvent]:
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


def _lifecycle(letter: _Letter) -> Iterator[MaintenanceEvent]:
    """Source: EC2 Auto Scaling's documentation of lifecycle hooks; it waits, so there is no time at which it begins."""
    if letter.text("LifecycleTransition") != TERMINATING:
        raise _Unreadable(f"its transition {letter.text('LifecycleTransition')[:60]!r} takes no instance away")
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


def _reservation(letter: _Letter) -> Iterator[MaintenanceEvent]:
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


def _block(letter: _Letter) -> Iterator[MaintenanceEvent]:
    """Source: EC2's documentation of capacity blocks. It names the reservation and none of its instances."""
    block = letter.text("capacity-reservation-id")
    if not block:
        raise _Unreadable("it names no capacity reservation")
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


def _health(letter: _Letter) -> Iterator[MaintenanceEvent]:
    """One event for each instance. Source: AWS Health's documentation of its schema for EventBridge."""
    if folded(letter.text("service")) != "ec2" or folded(letter.text("eventTypeCategory")) != "scheduledchange":
        raise _Unreadable("it is of AWS Health and not about maintenance of EC2 that is scheduled")
    entities = letter.detail.get("affectedEntities")
    named = [entity for entity in entities if isinstance(entity, dict)] if isinstance(entities, list) else []
    instances = {_value(entity): entity for entity in named if _INSTANCE.fullmatch(_value(entity))}
    if not instances:
        raise _Unreadable("it names no instance")
    arn, code = letter.text("eventArn"), letter.text("eventTypeCode")
    if not arn:
        raise _Unreadable("it has no eventArn")
    times = _health_times(letter)
    for instance, entity in instances.items():
        scheduled = _scheduled_id(entity, letter, alone=len(instances) == 1)
        yield letter.event(
            scheduled or f"{arn}/{instance}",
            HEALTH_CODES.get(code.upper(), UNKNOWN_CODE),
            (instance,),
            id_origin=Origin.REPORTED,
            native_type=code or letter.kind,
            native_status=letter.text("statusCode"),
            description=_description(letter),
            **times,
        )


def _health_times(letter: _Letter) -> dict[str, object]:
    """When it is, and where it is in its life; AWS Health says `upcoming`, `open` or `closed`."""
    begins, ends = letter.time("startTime"), letter.time("endTime")
    if folded(letter.text("statusCode")) == "closed":
        spared = begins is not None and letter.at < begins
        outcome = Outcome.CANCELED if spared else Outcome.COMPLETED
        return {"phase": Phase.ENDED, "outcome": outcome, "outcome_origin": Origin.INFERRED, "not_before": begins}
    return {
        "phase_origin": Origin.INFERRED,
        "not_before": begins,
        "not_before_origin": Origin.REPORTED if begins else None,
        "ends_by": ends or (begins or letter.at + timedelta(days=30)) + HEALTH_OPEN_FOR,
    }


def _value(entity: Mapping[str, JsonValue]) -> str:
    value = entity.get("entityValue")
    text = value if isinstance(value, str) else ""
    return text.rpartition("/")[2]  # it may be an ARN


def _scheduled_id(entity: Mapping[str, JsonValue], letter: _Letter, *, alone: bool) -> str:
    """The id of the scheduled event that this is, where it stands there: then all that tell of it mean one event."""
    for said in (entity, letter.detail if alone else {}):
        found = {match[0] for match in _SCHEDULED_ID.finditer(str(said))}
        if len(found) == 1:
            return str(found.pop())
    return ""


def _description(letter: _Letter) -> str:
    texts = letter.detail.get("eventDescription")
    for each in texts if isinstance(texts, list) else ():
        said = each.get("latestDescription") if isinstance(each, dict) else None
        if isinstance(said, str) and said:
            return said
    return ""


def reservation_id(instance: str) -> str:
    """The id of the end of an instance whose capacity reservation is taken back."""
    return f"capacity-reservation/{instance}"


REBALANCE_KIND = AwsKind(Impact.TERMINATE, Cause.PREEMPTION)
"""What a rebalance recommendation may come to."""

GONE = frozenset({"stopped", "terminated"})
"""The states in which an instance is past whatever was to take it away."""

KINDS: Mapping[tuple[str, str], Callable[[_Letter], Iterator[MaintenanceEvent]]] = MappingProxyType(
    {
        ("aws.ec2", folded(SPOT)): _spot,
        ("aws.ec2", folded(REBALANCE)): _rebalance,
        ("aws.ec2", folded(STATE)): _state,
        ("aws.ec2", folded(RESERVATION)): _reservation,
        ("aws.ec2", folded(BLOCK)): _block,
        ("aws.ec2", folded(BLOCK_TOO)): _block,
        ("aws.autoscaling", folded(LIFECYCLE)): _lifecycle,
        ("aws.health", folded(HEALTH)): _health,
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
