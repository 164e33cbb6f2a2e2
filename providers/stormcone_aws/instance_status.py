"""What EC2's DescribeInstanceStatus says of scheduled events, and what it means in neutral words; no network.

One bad field spoils that field alone; what is unknown is kept as UNKNOWN with its payload.

Source: EC2's documentation of scheduled events, and botocore's model. The API has no state of an event: its end is told
by the text's beginning, for up to a week. Nothing was checked against the live service.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import JsonValue

from stormcone.clouds.dates import read_time
from stormcone.clouds.sightings import unnamed, withheld
from stormcone.errors import ProviderError
from stormcone.model import MaintenanceEvent, Origin, Phase
from stormcone_aws.kinds import ACTIVE, ENDED, EVENT_CODES, PROVIDER, UNTOLD, ended_in, kind_of, scheduled_id
from stormcone_aws.sdk import Answer

SCHEDULED_LISTING = "scheduled"
"""The listing of what EC2's API says."""


class AwsReading(NamedTuple):
    """What became of one entry.

    Attributes:
        event: None where nothing can be made of it.
        problems: one sentence for each thing that could not be read as it should.
    """

    event: MaintenanceEvent | None
    problems: tuple[str, ...] = ()


def read_statuses(answer: Answer) -> Iterator[AwsReading]:
    """The scheduled events in an answer to DescribeInstanceStatus.

    Raises:
        ProviderError: it has no list of instances, which must not be taken for an empty one.
    """
    statuses = answer.get("InstanceStatuses")
    if not isinstance(statuses, list):
        raise ProviderError("AWS's DescribeInstanceStatus failed: its answer has no list of instances")
    for status in statuses:
        for entry in status.get("Events") or ():
            yield read_event(status, entry)


def read_event(status: Mapping[str, Any], entry: Mapping[str, Any]) -> AwsReading:
    """The event in one entry of an instance's `Events`.

    Args:
        status: the instance's.
        entry: one of its events.
    """
    instance, identifier = str(status.get("InstanceId") or ""), str(entry.get("InstanceEventId") or "")
    if not identifier and not instance:
        return AwsReading(None, ("an entry names neither an event nor an instance",))
    code, text = str(entry.get("Code") or ""), str(entry.get("Description") or "")
    id_origin = Origin.REPORTED if identifier else Origin.INFERRED
    problems: list[str] = []
    if not identifier:
        identifier = scheduled_id(instance, code)
        problems.append(f"an event of {instance[:60]} has no id, so it is known as {identifier[:120]}")
    if code not in EVENT_CODES:
        problems.append(f"event {identifier}: the code {code[:60]!r} is not known")
    times = {name: _time(entry, name, identifier, problems) for name in ("NotBefore", "NotAfter", "NotBeforeDeadline")}
    outcome = ENDED.get(ended_in(text))
    kind = kind_of(code, text)
    event = MaintenanceEvent(
        id=identifier,
        id_origin=id_origin,
        provider=PROVIDER,
        native_type=code or UNTOLD,
        native_status=ended_in(text) or ACTIVE,
        impact=kind.impact,
        cause=kind.cause,
        phase=Phase.SCHEDULED if outcome is None else Phase.ENDED,
        phase_origin=Origin.INFERRED if outcome is None else Origin.REPORTED,
        outcome=outcome,
        outcome_origin=None if outcome is None else Origin.REPORTED,
        resources=(instance,) if instance else (),
        not_before=times["NotBefore"],
        not_before_origin=Origin.REPORTED if times["NotBefore"] else None,
        ends_by=times["NotAfter"],
        movable_until=times["NotBeforeDeadline"],
        listing=SCHEDULED_LISTING,
        description=text,
        native=_native(status, entry),
    )
    why = unnamed(event)
    if why:
        problems.append(f"event {identifier}: {why}")
    return AwsReading(withheld(event, why) if why else event, tuple(problems))


def _time(entry: Mapping[str, Any], name: str, identifier: str, problems: list[str]) -> datetime | None:
    value = entry.get(name)
    if value is None or value == "":
        return None
    try:
        return value if isinstance(value, datetime) else read_time(value)
    except ValueError as error:
        problems.append(f"event {identifier}: {name} cannot be read: {error}")
        return None


def _native(status: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, JsonValue]:
    native: dict[str, JsonValue] = {name: _plain(value) for name, value in entry.items()}
    for name in ("InstanceId", "AvailabilityZone", "InstanceState"):
        if name in status:
            native[name] = _plain(status[name])
    return native


def _plain(value: Any) -> JsonValue:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
