"""What ECS's system events say, and what it means in neutral words; no network.

Everything is keyed on the names, never on the numeric codes, of which only a few are public. One bad field spoils
that field alone; what is unknown is kept as UNKNOWN with its payload.

Sources of the tables: ECS's documentation of system events and of DescribeInstanceHistoryEvents, and CloudMonitor's
list of ECS events. Nothing was checked against the live service; what has no public evidence is marked unverified.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from stormcone.clouds.dates import read_time
from stormcone.clouds.payload import read_fields, read_json, repeats
from stormcone.clouds.sightings import unnamed, withheld
from stormcone.errors import ProviderError
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Origin, Outcome, Phase
from stormcone_alibaba.ecs import Document

PROVIDER = "alibaba"

INFERRED_ID = "inferred:"
"""How the ids begin that are ours, for events to which the cloud gives none."""

SPOT_TYPE = "Instance:PreemptibleInstanceInterruption"

SPOT_LISTING = "spot"
"""The listing of what the metadata service says; what the API says is in the other one, which has no name."""


class AlibabaType(NamedTuple):
    """What an event type means.

    Attributes:
        impact: what happens to the machine.
        cause: why.
        ends_at_not_before: True where `NotBefore` of an event that executes is when it becomes Executed.
    """

    impact: Impact
    cause: Cause
    ends_at_not_before: bool = False


_HARDWARE = Cause.HARDWARE_FAILURE

EVENT_TYPES: Mapping[str, AlibabaType] = MappingProxyType(
    {
        "SystemMaintenance.Reboot": AlibabaType(Impact.REBOOT, Cause.MAINTENANCE),
        "SystemMaintenance.Redeploy": AlibabaType(Impact.REDEPLOY, Cause.MAINTENANCE),
        "SystemMaintenance.Stop": AlibabaType(Impact.STOP, Cause.MAINTENANCE),
        "SystemFailure.Reboot": AlibabaType(Impact.REBOOT, _HARDWARE, ends_at_not_before=True),
        "SystemFailure.Redeploy": AlibabaType(Impact.REDEPLOY, _HARDWARE, ends_at_not_before=True),
        "SystemFailure.Stop": AlibabaType(Impact.STOP, _HARDWARE, ends_at_not_before=True),
        "InstanceFailure.Reboot": AlibabaType(Impact.REBOOT, Cause.GUEST_FAILURE, ends_at_not_before=True),
        # The release of an instance whose creation failed.
        "SystemFailure.Delete": AlibabaType(Impact.TERMINATE, _HARDWARE, ends_at_not_before=True),
        # Repairs of one damaged local disk: its data is gone besides, which no impact says; `native` names the disk.
        "SystemMaintenance.RebootAndIsolateErrorDisk": AlibabaType(Impact.REBOOT, _HARDWARE),
        "SystemMaintenance.RebootAndReInitErrorDisk": AlibabaType(Impact.REBOOT, _HARDWARE),
        "SystemMaintenance.IsolateErrorDisk": AlibabaType(Impact.DEGRADED, _HARDWARE),
        "SystemMaintenance.ReInitErrorDisk": AlibabaType(Impact.DEGRADED, _HARDWARE),
        # Disks that are left over from an earlier move; EventBridge calls it CleanReleasedDisks.
        "SystemMaintenance.CleanInactiveDisks": AlibabaType(Impact.NONE, Cause.MAINTENANCE),
        "SystemMaintenance.CleanReleasedDisks": AlibabaType(Impact.NONE, Cause.MAINTENANCE),
        "SystemMaintenance.PerformanceImpact": AlibabaType(Impact.DEGRADED, Cause.MAINTENANCE),
        # Named by the documentation and not explained: what they do is unverified.
        "SystemMaintenance.StopAndRepair": AlibabaType(Impact.STOP, Cause.MAINTENANCE),
        "SystemUpgrade.Migrate": AlibabaType(Impact.UNKNOWN, Cause.MAINTENANCE),
        "SecurityPunish.Locked": AlibabaType(Impact.UNKNOWN, Cause.SECURITY),
        "SecurityPunish.WebsiteBanned": AlibabaType(Impact.UNKNOWN, Cause.SECURITY),
        # Subscriptions that ran out, and arrears.
        "InstanceExpiration.Stop": AlibabaType(Impact.STOP, Cause.BILLING),
        "InstanceExpiration.Delete": AlibabaType(Impact.TERMINATE, Cause.BILLING),
        "AccountUnbalanced.Stop": AlibabaType(Impact.STOP, Cause.BILLING),
        "AccountUnbalanced.Delete": AlibabaType(Impact.TERMINATE, Cause.BILLING),
        # Events of disks, which have an operation and statuses of their own and come by notification.
        "Degraded": AlibabaType(Impact.DEGRADED, _HARDWARE),
        "SeverelyDegraded": AlibabaType(Impact.DEGRADED, _HARDWARE),
        "Stalled": AlibabaType(Impact.DEGRADED, _HARDWARE),
        "ErrorDetected": AlibabaType(Impact.DEGRADED, _HARDWARE),
        SPOT_TYPE: AlibabaType(Impact.TERMINATE, Cause.PREEMPTION),
        # A move between dedicated hosts that the user began.
        "Instance:LiveMigrationAcrossDDH": AlibabaType(Impact.FREEZE, Cause.USER),
    }
)
"""`EventType.Name`; see `UNKNOWN_TYPE` for any other."""

UNKNOWN_TYPE = AlibabaType(Impact.UNKNOWN, Cause.UNKNOWN)


class AlibabaStatus(NamedTuple):
    """What an event's status means: where it is, how it ended, and what approving it does there."""

    phase: Phase
    outcome: Outcome | None = None
    approval: Approval = Approval.NONE


STATUSES: Mapping[str, AlibabaStatus] = MappingProxyType(
    {
        "Scheduled": AlibabaStatus(Phase.SCHEDULED),
        # It waits for the owner's word, without a limit. AcceptInquiredSystemEvent gives it.
        "Inquiring": AlibabaStatus(Phase.SCHEDULED, approval=Approval.CONSENT),
        "Executing": AlibabaStatus(Phase.STARTED),
        "Executed": AlibabaStatus(Phase.ENDED, Outcome.COMPLETED),
        "Avoided": AlibabaStatus(Phase.ENDED, Outcome.AVOIDED),
        "Canceled": AlibabaStatus(Phase.ENDED, Outcome.CANCELED),
        "Failed": AlibabaStatus(Phase.ENDED, Outcome.FAILED),
    }
)
"""`EventCycleStatus.Name`: all there are. What is Scheduled can be answered by other operations (a restart through
the API, a redeployment), which act at once on the instance: that is not approving, so it cannot be approved."""

ACTIVE = tuple(name for name, status in STATUSES.items() if status.phase is not Phase.ENDED)
"""The statuses that a poll asks for; the service hides them from those who do not ask."""

UNKNOWN_STATUS = AlibabaStatus(Phase.SCHEDULED)
"""Any other status of an event that has not finished: announced, and not to be approved."""

UNKNOWN_END = AlibabaStatus(Phase.ENDED, Outcome.UNKNOWN)
"""Any other status of an event that has a time of its end."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def format_time(time: datetime) -> str:
    """An aware time as the service reads it: UTC, whole seconds. Source: ECS's documentation of time formats."""
    return time.astimezone(UTC).strftime(_TIME)


def _named(value: object) -> object:
    return {"Name": value} if isinstance(value, str) else value


def _time_or_none(value: object) -> datetime | None:
    return None if value == "" else read_time(value)


Time = Annotated[datetime | None, BeforeValidator(_time_or_none)]


class Named(BaseModel):
    """A `{Code, Name}` pair, of which the name counts."""

    name: str = Field("", alias="Name")


NamedOrText = Annotated[Named, BeforeValidator(_named)]


class HistoryEntry(BaseModel):
    """One entry of DescribeInstanceHistoryEvents, as far as it is understood; the rest stays in `native`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_id: str = Field("", alias="EventId")
    instance_id: str = Field("", alias="InstanceId")
    resource_id: str = Field("", alias="ResourceId")
    type: NamedOrText = Field(Named(Name=""), alias="EventType")
    status: NamedOrText = Field(Named(Name=""), alias="EventCycleStatus")
    published: Time = Field(None, alias="EventPublishTime")
    not_before: Time = Field(None, alias="NotBefore")
    finished: Time = Field(None, alias="EventFinishTime")
    reason: str = Field("", alias="Reason")


class Page(NamedTuple):
    """One page of events.

    Attributes:
        entries: as they came.
        next_token: for the next page; "" on the last.
        doubt: why it can be read in more than one way, as a clause; "" where it cannot.
    """

    entries: tuple[JsonValue, ...]
    next_token: str
    doubt: str = ""


class Reading(NamedTuple):
    """What became of one entry.

    Attributes:
        event: None where nothing can be made of it.
        problems: one sentence for each thing that could not be read as it should.
    """

    event: MaintenanceEvent | None
    problems: tuple[str, ...]


def read_answer(body: bytes, action: str) -> Document:
    """The document in the body of an answer that claims success.

    The SDK hands on whatever came with status 200, so it is looked at here.

    Raises:
        ProviderError: it is no answer of the service's.
    """
    try:
        document = read_json(body)
    except ValueError as error:
        raise ProviderError(f"Alibaba Cloud's {action} failed: its answer {error}") from None
    if not isinstance(document, dict) or "RequestId" not in document or "Code" in document:
        raise ProviderError(f"Alibaba Cloud's {action} failed: what answers is not the ECS API; check the endpoint")
    return document


def read_page(document: Document) -> Page:
    """The entries of an answer to DescribeInstanceHistoryEvents.

    Raises:
        ProviderError: it has no list of events, which must not be taken for an empty one.
    """
    events = document.get("InstanceSystemEventSet")
    entries = events.get("InstanceSystemEventType") if isinstance(events, dict) else None
    if not isinstance(entries, list):
        raise ProviderError("Alibaba Cloud's DescribeInstanceHistoryEvents failed: its answer has no list of events")
    token = document.get("NextToken")
    doubt = "a key appears twice in Alibaba Cloud's answer" if repeats(dict(document)) else ""
    return Page(tuple(entries), token if isinstance(token, str) else "", doubt)


def read_created(document: Document) -> tuple[str, ...]:
    """The ids in an answer to CreateSimulatedSystemEvents; in which order is not documented.

    Raises:
        ProviderError: it has none.
    """
    made = document.get("EventIdSet")
    ids = made.get("EventId") if isinstance(made, dict) else None
    if not isinstance(ids, list) or not ids:
        raise ProviderError(
            "Alibaba Cloud's CreateSimulatedSystemEvents answered without ids; look the events up before asking again"
        )
    return tuple(str(identifier) for identifier in ids)


def read_entry(entry: JsonValue) -> Reading:
    """The event in an entry of the history.

    An entry that names neither an event nor an instance, or is no object, is no event at all.

    `not_before` is the entry's NotBefore, with one exception: of an event that executes and whose NotBefore is when
    it becomes Executed (`ends_at_not_before`), it is inferred to be the time of publishing, as such an event executes
    from then on. Source: ECS's documentation of CreateSimulatedSystemEvents; that real failures have the same times
    is unverified.
    """
    if not isinstance(entry, dict):
        return Reading(None, ("an entry is no object",))
    fields, bad = read_fields(HistoryEntry, entry)
    if not fields.event_id and not (fields.instance_id or fields.resource_id):
        return Reading(None, ("an entry names neither an event nor an instance",))
    identifier = fields.event_id or _own_id(fields)
    problems = [f"event {identifier}: {name} cannot be read, {why}" for name, why in bad.items()]
    status = STATUSES.get(fields.status.name)
    if status is None:
        problems.append(f"event {identifier}: the status {fields.status.name!r} is not known")
        status = UNKNOWN_END if fields.finished else UNKNOWN_STATUS
    type_meaning = EVENT_TYPES.get(fields.type.name, UNKNOWN_TYPE)
    not_before, origin = _start(fields, type_meaning, status)
    unread = [name for name in ("InstanceId", "ResourceId") if name in bad]
    event = MaintenanceEvent(
        id=identifier,
        id_origin=Origin.REPORTED if fields.event_id else Origin.INFERRED,
        provider=PROVIDER,
        native_type=fields.type.name,
        native_status=fields.status.name,
        impact=type_meaning.impact,
        cause=type_meaning.cause,
        phase=status.phase,
        outcome=status.outcome,
        outcome_origin=Origin.REPORTED if status.outcome else None,
        resources=_resources(fields),
        not_before=not_before,
        not_before_origin=origin,
        approval=status.approval,
        description=fields.reason,
        native=entry,
    )
    why = unnamed(event, unread)
    return Reading(withheld(event, why) if why else event, tuple(problems))


def spot_event(text: str, instance_id: str) -> Reading:
    """The release of a spot instance, from the metadata service's termination time.

    Its id is made of the instance's, so that it stays the same if the time moves. A text that is no time is a notice
    all the same. Source: ECS's documentation of spot instances: UTC, such as `2015-01-05T18:02:00Z`.
    """
    problems: tuple[str, ...] = ()
    not_before = None
    try:
        not_before = read_time(text)
    except ValueError as error:
        problems = (f"the spot termination time cannot be read: {error}",)
    event = MaintenanceEvent(
        id=f"{INFERRED_ID}{instance_id}:spot-termination",
        id_origin=Origin.INFERRED,
        provider=PROVIDER,
        native_type=SPOT_TYPE,
        impact=EVENT_TYPES[SPOT_TYPE].impact,
        cause=EVENT_TYPES[SPOT_TYPE].cause,
        phase=Phase.SCHEDULED,
        resources=(instance_id,),
        not_before=not_before,
        not_before_origin=Origin.REPORTED if not_before else None,
        listing=SPOT_LISTING,
        description="This spot instance will be released.",
        native={"termination-time": text},
    )
    return Reading(event, problems)


def _resources(fields: HistoryEntry) -> tuple[str, ...]:
    name = fields.instance_id or fields.resource_id
    return (name,) if name else ()


def _own_id(fields: HistoryEntry) -> str:
    """An id that is the same in every poll; without NotBefore, which may move."""
    published = format_time(fields.published) if fields.published else ""
    facts = "\n".join((fields.instance_id or fields.resource_id, fields.type.name, published))
    return INFERRED_ID + hashlib.sha256(facts.encode()).hexdigest()[:16]


def _start(fields: HistoryEntry, kind: AlibabaType, status: AlibabaStatus) -> tuple[datetime | None, Origin | None]:
    if kind.ends_at_not_before and status.phase is not Phase.SCHEDULED:
        return fields.published, Origin.INFERRED if fields.published else None
    return fields.not_before, Origin.REPORTED if fields.not_before else None


def found_instances(document: Mapping[str, JsonValue]) -> bool:
    """Whether an answer of DescribeInstances has an instance; one that cannot be read counts as yes."""
    listed = document.get("Instances")
    found = listed.get("Instance") if isinstance(listed, dict) else None
    return not isinstance(found, list) or bool(found)
