"""What AWS Health says of EC2's maintenance, and what it means in neutral words; no network.

Source: AWS Health's documentation of its schema for EventBridge.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType

from pydantic import JsonValue

from stormcone.model import Cause, Impact, MaintenanceEvent, Origin, Outcome, Phase
from stormcone.text import folded
from stormcone_aws.envelopes import INSTANCE, AwsLetter, UnreadableMessage
from stormcone_aws.kinds import EVENT_CODES, UNKNOWN_CODE, AwsKind

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

_SCHEDULED_ID = re.compile(r"(?<![0-9A-Za-z-])instance-event-[0-9a-f]{8,32}\b")
"""The id of a scheduled event, wherever it stands. That AWS Health's ARN ends with it, after `EC2_`, is unverified."""


def read_health(letter: AwsLetter) -> Iterator[MaintenanceEvent]:
    """One event for each instance.

    Raises:
        UnreadableMessage: it is not about maintenance of instances that is scheduled.
    """
    if folded(letter.text("service")) != "ec2" or folded(letter.text("eventTypeCategory")) != "scheduledchange":
        raise UnreadableMessage("it is from AWS Health, but not about scheduled maintenance of EC2")
    entities = letter.detail.get("affectedEntities")
    named = [entity for entity in entities if isinstance(entity, dict)] if isinstance(entities, list) else []
    instances = {_value(entity): entity for entity in named if INSTANCE.fullmatch(_value(entity))}
    if not instances:
        raise UnreadableMessage("it names no instance")
    arn, code = letter.text("eventArn"), letter.text("eventTypeCode")
    if not arn:
        raise UnreadableMessage("it has no eventArn")
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


def _health_times(letter: AwsLetter) -> dict[str, object]:
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


def _scheduled_id(entity: Mapping[str, JsonValue], letter: AwsLetter, *, alone: bool) -> str:
    """The id of the scheduled event that this is, where it stands there: then all that tell of it mean one event."""
    for said in (entity, letter.detail if alone else {}):
        found = {match[0] for match in _SCHEDULED_ID.finditer(str(said))}
        if len(found) == 1:
            return str(found.pop())
    return ""


def _description(letter: AwsLetter) -> str:
    texts = letter.detail.get("eventDescription")
    for each in texts if isinstance(texts, list) else ():
        said = each.get("latestDescription") if isinstance(each, dict) else None
        if isinstance(said, str) and said:
            return said
    return ""
