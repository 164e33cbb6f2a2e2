"""What the cloud tells of a VM's upcoming maintenance, in the spellings that it has been seen in.

Source: Compute Engine's page on monitoring planned maintenance shows `can_reschedule` with text for booleans; clients
in the field read `canReschedule` and, below the key, `can-reschedule`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from stormcone.model import Cause, Phase
from stormcone_simulators.google.model import GoogleEvent, can_trigger

Document = dict[str, Any]


class Spelling(StrEnum):
    """How the metadata server spells the fields."""

    SNAKE = "snake"
    CAMEL = "camel"
    KEBAB = "kebab"


class Nothing(StrEnum):
    """How the metadata server says that nothing is scheduled."""

    UNAVAILABLE = "unavailable"
    NONE = "none"
    EMPTY = "empty"
    NULL = "null"
    UNSUPPORTED = "unsupported"


_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")

SPELLED: Mapping[Spelling, Callable[[str], str]] = MappingProxyType(
    {
        Spelling.SNAKE: lambda name: _HUMP.sub("_", name).lower(),
        Spelling.CAMEL: lambda name: name,
        Spelling.KEBAB: lambda name: _HUMP.sub("-", name).lower(),
    }
)
"""A field's name in each spelling, from the API's."""

_REASONS = {Cause.MAINTENANCE: "PLANNED_UPDATE", Cause.HARDWARE_FAILURE: "FAILURE_INFRA"}


def camel(name: str) -> str:
    """A key of the metadata as it stands in JSON: `maintenance-event` as `maintenanceEvent`."""
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)


def stamp(time: datetime) -> str:
    """A time as the service writes it: `2024-12-01T19:00:01Z`."""
    return time.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def upcoming(event: GoogleEvent) -> Document:
    """`upcomingMaintenance` as the Compute API has it."""
    return {
        "canReschedule": can_trigger(event),
        "latestWindowStartTime": stamp(event.latest),
        "maintenanceReasons": [_REASONS[event.cause]],
        "maintenanceStatus": "ONGOING" if event.phase is Phase.STARTED else "PENDING",
        "type": event.native_type,
        "windowEndTime": stamp(event.window_end),
        "windowStartTime": stamp(event.not_before),
    }


def spelled(document: Document, spelling: Spelling) -> Document:
    """A document as the metadata server has it: names in one spelling, booleans as text."""
    name = SPELLED[spelling]
    return {name(each): str(value).lower() if isinstance(value, bool) else value for each, value in document.items()}
