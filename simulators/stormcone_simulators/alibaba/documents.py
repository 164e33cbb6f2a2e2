"""The API's answers about events: names, shapes and the order of the keys, as the documentation has them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from stormcone_simulators.alibaba.gate import TIME_FORMAT
from stormcone_simulators.alibaba.instances import ActionOnMaintenance, Attributes, InstanceStatus
from stormcone_simulators.alibaba.model import EcsEvent
from stormcone_simulators.alibaba.types import EVENT_TYPES, EventStatus

Document = dict[str, Any]

_INVENTED = 9000

MINUTE_FORMAT = "%Y-%m-%dT%H:%MZ"

IN_USE = "In_use"
"""The status of a disk that an instance has."""

PUBLIC_CODES: Mapping[str, int] = MappingProxyType(
    {
        EventStatus.SCHEDULED: 24,
        EventStatus.EXECUTED: 0,
        EventStatus.AVOIDED: 8,
        "SystemMaintenance.Reboot": 1,
        "InstanceExpiration.Stop": 34,
        "SystemFailure.Reboot": 65,
        InstanceStatus.RUNNING: 1,
        "Ok": 0,
        "Warning": 64,
    }
)
"""The numeric codes that are public. All others are invented here, from 9000 on: clients go by the names."""

CODES: Mapping[str, int] = MappingProxyType(
    {
        **{name: _INVENTED + place for place, name in enumerate((*EventStatus, *InstanceStatus, *EVENT_TYPES, IN_USE))},
        **PUBLIC_CODES,
    }
)


def stamp(time: datetime | None) -> str:
    """A time as the API writes it: `2026-12-01T06:32:31Z`; "" for none (unverified)."""
    return "" if time is None else time.astimezone(UTC).strftime(TIME_FORMAT)


def minute(time: datetime | None) -> str:
    """A time as instances and disks have it: `2026-12-01T06:32Z`; "" for none."""
    return "" if time is None else time.astimezone(UTC).strftime(MINUTE_FORMAT)


def coded(name: str) -> Document:
    """A name with its number."""
    return {"Code": CODES[name], "Name": name}


def history_item(event: EcsEvent) -> Document:
    """An event as DescribeInstanceHistoryEvents lists it.

    Unverified: `ReasonCode`, and `EventFinishTime` of an event that has not ended. `ImpactLevel` is empty but for
    accounts on a list.
    """
    assert event.status is not None  # noqa: S101 - the model lists no others
    return {
        "EventId": event.id,
        "InstanceId": event.instance,
        "ResourceType": "instance",
        "EventType": coded(event.native_type),
        "EventCycleStatus": coded(event.status),
        "EventPublishTime": stamp(event.created_at),
        "NotBefore": stamp(event.not_before),
        "EventFinishTime": stamp(event.ended_at),
        "Reason": event.description,
        "ReasonCode": "",
        "ImpactLevel": "",
        "ExtendedAttribute": _extended(event),
    }


def scheduled_item(event: EcsEvent) -> Document:
    """An event as DescribeInstancesFullStatus lists it."""
    assert event.status is not None  # noqa: S101 - the model lists no others
    return {
        "EventId": event.id,
        "EventPublishTime": stamp(event.created_at),
        "NotBefore": stamp(event.not_before),
        "Reason": event.description,
        "ImpactLevel": "",
        "EventType": coded(event.native_type),
        "EventCycleStatus": coded(event.status),
        "ExtendedAttribute": _extended(event),
    }


def _extended(event: EcsEvent) -> Document:
    # Empty for ordinary events. That a moved event says so here is concluded from the name alone.
    if event.not_before == event.first_not_before:
        return {}
    return {"InitialNotBefore": stamp(event.first_not_before)}


def full_status_item(name: str, status: InstanceStatus, health: str, events: Iterable[EcsEvent]) -> Document:
    """An instance as DescribeInstancesFullStatus lists it."""
    return {
        "InstanceId": name,
        "Status": coded(status),
        "HealthStatus": coded(health),
        "ScheduledSystemEventSet": {"ScheduledSystemEventType": [scheduled_item(event) for event in events]},
    }


def maintenance_item(name: str, kept: Attributes) -> Document:
    """An instance as DescribeInstanceMaintenanceAttributes lists it."""
    windows = [{"StartTime": kept.window[0], "EndTime": kept.window[1]}] if kept.window else []
    return {
        "InstanceId": name,
        "NotifyOnMaintenance": kept.notify,
        "MaintenanceWindows": {"MaintenanceWindow": windows},
        "ActionOnMaintenance": {
            "Value": kept.action.value,
            "DefaultValue": ActionOnMaintenance.AUTO_RECOVER.value,
            "SupportedValues": {"SupportedValue": [action.value for action in ActionOnMaintenance]},
        },
    }
