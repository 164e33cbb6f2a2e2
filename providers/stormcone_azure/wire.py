"""What Scheduled Events says, and what it means in neutral words; no network.

Public handlers of these events went blind on one unparsable date, one unknown field, one error body. So here an
answer is either a document, of which everything readable is kept, or a `ProviderError`: "unknown", never "nothing
is scheduled".

Source of every table: Azure's documentation of Scheduled Events for Linux and Windows VMs, unless a line says that
it was seen in the field.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from stormcone.clouds.dates import read_time
from stormcone.clouds.payload import read_fields, read_json, repeats
from stormcone.clouds.sightings import Sightings, unnamed, withheld
from stormcone.errors import ProviderError
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Observation, Origin, Phase
from stormcone.text import folded

PROVIDER = "azure"

Meaning = TypeVar("Meaning")


class ApiVersion(NamedTuple):
    """What one `api-version` brought; every later one has it too.

    Attributes:
        adds_fields: fields of an event that came with it; before it they are absent.
        adds_types: values of `EventType` that came with it.
        underscored_names: whether it writes an underscore before every name in `Resources`.
    """

    adds_fields: tuple[str, ...] = ()
    adds_types: tuple[str, ...] = ()
    underscored_names: bool = False


API_VERSIONS: Mapping[str, ApiVersion] = MappingProxyType(
    {
        "2017-03-01": ApiVersion(
            adds_fields=("EventId", "EventStatus", "EventType", "ResourceType", "Resources", "NotBefore"),
            adds_types=("Freeze", "Reboot", "Redeploy"),
            underscored_names=True,
        ),
        "2017-08-01": ApiVersion(),
        "2017-11-01": ApiVersion(adds_types=("Preempt",)),
        "2019-01-01": ApiVersion(adds_types=("Terminate",)),
        "2019-04-01": ApiVersion(adds_fields=("Description",)),
        "2019-08-01": ApiVersion(adds_fields=("EventSource",)),
        "2020-07-01": ApiVersion(adds_fields=("DurationInSeconds",)),
    }
)
"""The service's versions, oldest first; a later one than these is read like the last."""

CURRENT_VERSION = "2020-07-01"


class AzureType(NamedTuple):
    """What an `EventType` means.

    Attributes:
        impact: what happens to the machine.
        cause: why, where the type itself says it; None where `EventSource` does.
    """

    impact: Impact
    cause: Cause | None


EVENT_TYPES: Mapping[str, AzureType] = MappingProxyType(
    {
        "Freeze": AzureType(Impact.FREEZE, None),
        "Reboot": AzureType(Impact.REBOOT, None),
        "Redeploy": AzureType(Impact.REDEPLOY, None),
        "Preempt": AzureType(Impact.TERMINATE, Cause.PREEMPTION),
        "Terminate": AzureType(Impact.TERMINATE, Cause.SCALE_IN),
    }
)
"""`EventType`; see `UNKNOWN_TYPE` for any other."""

UNKNOWN_TYPE = AzureType(Impact.UNKNOWN, None)
"""Any other type: the event is handled, by those handlers that want to know of what nobody knows."""

EVENT_SOURCES: Mapping[str, Cause] = MappingProxyType({"Platform": Cause.MAINTENANCE, "User": Cause.USER})
"""`EventSource`; of any other, and before 2019-08-01 where it is absent, the cause is not known."""


class AzureStatus(NamedTuple):
    """What an `EventStatus` means: where the event is, and what approving it does there."""

    phase: Phase
    approval: Approval


EVENT_STATUSES: Mapping[str, AzureStatus] = MappingProxyType(
    {
        "Scheduled": AzureStatus(Phase.SCHEDULED, Approval.STARTS),
        "Started": AzureStatus(Phase.STARTED, Approval.NONE),
    }
)
"""`EventStatus`; nothing else is ever reported, and there is none for an event that has ended."""

UNKNOWN_STATUS = AzureStatus(Phase.SCHEDULED, Approval.NONE)
"""Any other status. Scheduled, since `prepare` is skipped for what has started; and what is not said to wait for an
approval is not approved."""


def _listed(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _names(value: object) -> list[object]:
    """The names that can be read; what cannot is for `_withheld` to see."""
    return [name for name in _listed(value) if _is_name(name)]


def _time(value: object) -> datetime | None:
    return None if isinstance(value, str) and not value.strip() else read_time(value)


def _duration(value: object) -> timedelta | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"it is not a number but of type {type(value).__name__}")  # noqa: TRY004 (pydantic reads these)
    if value == -1:
        return None
    if value < 0:
        raise ValueError(f"{value} is negative")
    try:
        return timedelta(seconds=value)
    except OverflowError:
        raise ValueError(f"{value} is too large") from None


class ScheduledEvent(BaseModel):
    """One entry of `Events`; every field may be absent.

    `not_before` is RFC 1123 from the service, ISO 8601 from public test servers (seen in the field), and empty once
    the event has started. `duration` is -1 where it is unknown, 0 where nothing is interrupted.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    event_id: str = Field("", alias="EventId")
    event_status: str = Field("", alias="EventStatus")
    event_type: str = Field("", alias="EventType")
    resource_type: str = Field("", alias="ResourceType")
    resources: Annotated[list[str], BeforeValidator(_names)] = Field([], alias="Resources")
    not_before: Annotated[datetime | None, BeforeValidator(_time)] = Field(None, alias="NotBefore")
    description: str = Field("", alias="Description")
    event_source: str = Field("", alias="EventSource")
    duration: Annotated[timedelta | None, BeforeValidator(_duration)] = Field(None, alias="DurationInSeconds")


class Compute(BaseModel):
    """What the instance endpoint says of a machine, as far as it matters here; every field may be absent."""

    model_config = ConfigDict(frozen=True, strict=True)

    name: str = ""
    vm_id: str = Field("", alias="vmId")
    location: str = ""
    zone: str = ""
    subscription_id: str = Field("", alias="subscriptionId")


def read_compute(body: bytes) -> Compute:
    """The instance document, without those of its fields that cannot be read.

    Raises:
        ValueError: it is no instance document; the text says why, to go after "it".
    """
    document = read_json(body)
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 (the caller's concern is the value)
    return read_fields(Compute, document)[0]


def approval(ids: Iterable[str]) -> bytes:
    """The body that approves events; ids go back as they came."""
    return json.dumps({"StartRequests": [{"EventId": event_id} for event_id in ids]}).encode()


MOST_NAMELESS = 100
"""Entries without an id that are read; what repeats in more than these is nonsense, and would cost all memory."""


def read_document(body: bytes, api_version: str = CURRENT_VERSION) -> Observation:
    """All that a document says. What type of content its header claims does not matter (seen in the field).

    An entry that is no object, or whose `EventId` is absent or unreadable, makes the observation incomplete.

    Raises:
        ProviderError: it is no document, so what is scheduled is unknown.
    """
    try:
        document = read_json(body)
    except ValueError as error:
        raise _unreadable(f"it {error}") from None
    if not isinstance(document, dict):
        raise _unreadable("it is not a JSON object")
    entries = document.get("Events")
    if not isinstance(entries, list):
        raise _unreadable("its Events is not a list" if "Events" in document else "it has no Events")
    sightings = Sightings()
    if repeats(document):
        sightings.doubtful("a key appears twice in Azure's answer")
    underscored = API_VERSIONS.get(api_version, ApiVersion()).underscored_names
    _read_entries(entries, sightings, underscored=underscored)
    incarnation = document.get("DocumentIncarnation")
    if incarnation is not None and (isinstance(incarnation, bool) or not isinstance(incarnation, str | int)):
        sightings.problem("DocumentIncarnation cannot be read: it is not a number")
        incarnation = None
    return sightings.observation("" if incarnation is None else str(incarnation))


def _read_entries(entries: list[JsonValue], sightings: Sightings, *, underscored: bool) -> None:
    seen: dict[str, JsonValue] = {}
    nameless = 0
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            sightings.unreadable(f"entry {number} of Events cannot be read: it is not an object")
            continue
        event_id = entry.get("EventId")
        if isinstance(event_id, str) and event_id.strip():
            if seen.setdefault(event_id, entry) is not entry and seen[event_id] == entry:
                continue  # the same to the letter
        elif (nameless := nameless + 1) > MOST_NAMELESS:
            sightings.unreadable(f"entry {number} of Events cannot be read: it has no EventId, as others before it")
            continue
        _read_event(entry, sightings, underscored=underscored)


def _unreadable(why: str) -> ProviderError:
    return ProviderError(f"Azure's answer about scheduled events cannot be read: {why}")


def _read_event(entry: dict[str, JsonValue], sightings: Sightings, *, underscored: bool) -> None:
    native, unreadable = read_fields(ScheduledEvent, entry)
    event = _translated(native, entry, underscored=underscored)
    unread = [name for name in _listed(entry.get("Resources")) if not _is_name(name)]
    if why := unnamed(event, unread):
        event = withheld(event, why)
    named = f"event {event.id[:60]}"
    for field, trouble in unreadable.items():
        sightings.problem(f"{named} {field} cannot be read: {trouble}")
    if unread:
        sightings.problem(f"{named} is never approved, since {why}: it may name other machines")
    for oddity in _oddities(event):
        sightings.problem(f"{named} {oddity}")
    sightings.add(event)


def _translated(native: ScheduledEvent, entry: dict[str, JsonValue], *, underscored: bool) -> MaintenanceEvent:
    names = [name.removeprefix("_") if underscored else name for name in native.resources]
    kind = _meaning(EVENT_TYPES, native.event_type, UNKNOWN_TYPE)
    status = _meaning(EVENT_STATUSES, native.event_status, UNKNOWN_STATUS)
    has_id = bool(native.event_id.strip())
    return MaintenanceEvent(
        id=native.event_id if has_id else _inferred_id(native, names),
        id_origin=Origin.REPORTED if has_id else Origin.INFERRED,
        provider=PROVIDER,
        native_type=native.event_type,
        native_status=native.event_status,
        impact=kind.impact,
        cause=kind.cause or _meaning(EVENT_SOURCES, native.event_source, Cause.UNKNOWN),
        phase=status.phase,
        resources=tuple(names),
        not_before=native.not_before,
        not_before_origin=Origin.REPORTED if native.not_before else None,
        duration=native.duration,
        approval=status.approval if has_id else Approval.NONE,
        withheld="" if has_id else "it has no id of Azure's",
        description=native.description,
        native=entry,
    )


def _meaning(table: Mapping[str, Meaning], word: str, unknown: Meaning) -> Meaning:
    return next((meaning for name, meaning in table.items() if folded(name) == folded(word)), unknown)


def _oddities(event: MaintenanceEvent) -> Iterator[str]:
    """What a person should know of an event although nothing in it is unreadable."""
    if event.id_origin is Origin.INFERRED:
        yield "has no EventId, so it has one of its own here and cannot be approved"
    if event.impact is Impact.UNKNOWN:
        yield f"has the unknown EventType {event.native_type[:60]!r}, so its impact is unknown"
    if _meaning(EVENT_STATUSES, event.native_status, UNKNOWN_STATUS) is UNKNOWN_STATUS:
        yield f"has the unknown EventStatus {event.native_status[:60]!r}, so it is taken for scheduled"
    if not event.resources:
        yield "names no resources, so no machine can be told that it is affected"


def _inferred_id(native: ScheduledEvent, names: list[str]) -> str:
    """An id from what stays the same as long as the event lasts: not its status, nor its time, which is blank then."""
    lasting = [native.event_type, native.event_source, *sorted(names)]
    digest = hashlib.sha256(folded(json.dumps(lasting)).encode()).hexdigest()
    return f"inferred-{digest[:32]}"
