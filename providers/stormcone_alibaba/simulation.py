"""Simulated events of the real service: which there are, and what can be asked for. No network.

They are notifications only and do nothing to an instance. Source: ECS's documentation of CreateSimulatedSystemEvents.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from stormcone.errors import SimulationError
from stormcone.model import Impact
from stormcone_alibaba.ecs import BATCH
from stormcone_alibaba.wire import EVENT_TYPES, format_time

USUAL: Mapping[Impact, str] = MappingProxyType(
    {
        Impact.REBOOT: "SystemMaintenance.Reboot",
        Impact.STOP: "SystemMaintenance.Stop",
        Impact.REDEPLOY: "SystemMaintenance.Redeploy",
    }
)
"""The type for an impact, where none is named. These are Scheduled until their time."""

SIMULATED_TYPES: tuple[str, ...] = (
    *USUAL.values(),
    # These execute from the moment that they are made, and their time is when they become Executed.
    "SystemFailure.Reboot",
    "SystemFailure.Redeploy",
    "SystemFailure.Stop",
    "InstanceFailure.Reboot",
)
"""All types that can be simulated."""


class SimulationRequest(NamedTuple):
    """What CreateSimulatedSystemEvents is asked for."""

    event_type: str
    not_before: str
    instance_ids: tuple[str, ...]


def order(
    impact: Impact,
    *,
    resources: Collection[str],
    not_before: datetime,
    duration: timedelta | None,
    native_type: str | None,
    now: datetime,
) -> SimulationRequest:
    """What to ask the service for.

    Raises:
        SimulationError: the service has no such event; the text says what it has.
    """
    if native_type is not None and native_type not in SIMULATED_TYPES:
        raise SimulationError(
            f"Alibaba Cloud cannot simulate {native_type!r}; it can simulate {', '.join(SIMULATED_TYPES)}"
        )
    event_type = native_type or USUAL.get(impact)
    if event_type is None:
        raise SimulationError(f"Alibaba Cloud cannot simulate {impact}; it can simulate {', '.join(USUAL)}")
    if EVENT_TYPES[event_type].impact is not impact:
        raise SimulationError(
            f"{event_type} is a {EVENT_TYPES[event_type].impact} and no {impact}; name one of the two"
        )
    if duration is not None:
        raise SimulationError("Alibaba Cloud's simulated events have no duration; leave it out")
    instance_ids = tuple(dict.fromkeys(resources))
    if not 1 <= len(instance_ids) <= BATCH:
        raise SimulationError(
            f"Alibaba Cloud simulates events of 1 to {BATCH} instances at once, not {len(instance_ids)}"
        )
    # The service knows whole seconds; a part of one is rounded up, as cutting it off might move the time into the past.
    rounded = not_before.replace(microsecond=0) + timedelta(seconds=1 if not_before.microsecond else 0)
    if rounded <= now:
        raise SimulationError(f"a simulated event cannot begin in the past: {format_time(rounded)} has gone by")
    return SimulationRequest(event_type, format_time(rounded), instance_ids)
