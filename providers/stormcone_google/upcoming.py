"""What `upcoming-maintenance` says: a window, as an object, in every spelling that it has been seen in."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from pydantic import JsonValue

from stormcone.clouds.dates import read_time
from stormcone.clouds.payload import read_json, repeats
from stormcone.clouds.sightings import withheld
from stormcone.model import Approval, Cause, Outcome, Phase
from stormcone.text import folded, printable
from stormcone_google.keys import (
    NONE,
    UPCOMING,
    KeyContext,
    KeyReading,
    Status,
    key_event,
    same_name,
    text_of,
    truth,
    unreadable,
)
from stormcone_google.metadata import UNAVAILABLE, KeyAnswer

NO_NOTIFICATIONS = b"no notifications have been received yet"
"""What a 503 of `upcoming-maintenance` says where there is nothing; so it was read in Google's own agent for SAP."""

_UNKNOWN_TYPE = "UNKNOWN_TYPE"
_STRAY_TITLE = re.compile(rb'^\s*"?upcoming[ _-]?maintenance"?\s*:', re.IGNORECASE)

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "PENDING": Status(Phase.SCHEDULED),
        "ONGOING": Status(Phase.STARTED),
        # One page says it although the API's definition has no such value.
        "COMPLETE": Status(Phase.ENDED, Outcome.COMPLETED),
        "UNKNOWN": Status(Phase.SCHEDULED),
    }
)
"""`maintenanceStatus` in neutral words; any other is taken for PENDING, so that nobody is told too late."""

TYPES = ("SCHEDULED", "UNSCHEDULED", "MULTIPLE", _UNKNOWN_TYPE)
"""The values of `type`."""

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "canReschedule": "whether the customer may start it now (it cannot be put off)",
        "windowStartTime": "when it starts at the earliest; `startTime` in older answers",
        "latestWindowStartTime": "when it starts at the latest",
        "windowEndTime": "when it is over",
        "maintenanceStatus": "where it is",
        "type": "whether it was planned",
        "maintenanceReasons": "why",
        "maintenanceOnShutdown": "whether it is done as the VM is stopped",
    }
)
"""The fields of `upcoming-maintenance`. They come as `canReschedule`, `can_reschedule` and `can-reschedule`."""

_HARDWARE = "FAILURE"


def read_upcoming(answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """A window, as an object; or nothing, in one of the ways that it says so."""
    if answer.status == UNAVAILABLE:
        if NO_NOTIFICATIONS in answer.body.lower():
            return KeyReading()
        return KeyReading(None, ("the metadata server does not know it now (status 503)",), whole=False)
    if folded(text_of(answer)) == NONE:
        return KeyReading()
    try:
        value = _inner(_parsed(answer.body))
    except ValueError as error:
        return KeyReading(None, (f"it {error}",), whole=False)
    if value is None or value == {} or (isinstance(value, str) and folded(value.strip()) == NONE):
        return KeyReading()
    fields = {same_name(name): each for name, each in value.items()} if isinstance(value, dict) else {}
    if not isinstance(value, dict) or not fields.keys() & {same_name(name) for name in (*FIELDS, "startTime")}:
        return unreadable(text_of(answer))
    return _window(value, fields, context)


def _window(value: dict[str, JsonValue], fields: Mapping[str, JsonValue], context: KeyContext) -> KeyReading:
    problems: list[str] = []

    def time(*names: str) -> datetime | None:
        said = next((fields[same_name(name)] for name in names if fields.get(same_name(name))), None)
        if said is None:
            return None
        try:
            return read_time(said, naive=None)
        except ValueError:
            problems.append(f"its {names[0]} is not a time: {printable(str(said))[:60]!r}")
            return None

    starts = time("windowStartTime", "startTime")
    native_status = _word(fields, "maintenanceStatus")
    status = STATUSES.get(native_status.upper())
    if status is None:
        problems.append(f"it has the unknown status {native_status[:60]!r}, so it is taken for PENDING")
        status = STATUSES["PENDING"]
    native_type = _word(fields, "type") or _UNKNOWN_TYPE
    if native_type.upper() not in TYPES:
        problems.append(f"it has the unknown type {native_type[:60]!r}")
    reasons = _reasons(fields.get("maintenancereasons"))
    may_start = truth(fields.get("canreschedule")) is True and status.phase is Phase.SCHEDULED
    event = key_event(
        UPCOMING,
        context.vm,
        native_type=native_type,
        native_status=native_status,
        impact=context.scheduling().maintained,
        cause=Cause.HARDWARE_FAILURE if any(_HARDWARE in each for each in reasons) else Cause.MAINTENANCE,
        status=status,
        not_before=starts,
        not_after=time("latestWindowStartTime"),
        ends_by=time("windowEndTime"),
        approval=Approval.TRIGGERS if may_start else Approval.NONE,
        description=", ".join(reasons),
        native=value,
    )
    if repeats(value):
        problems.append("it is never approved, since a field appears twice in it")
        event = withheld(event, "a field appears twice in it")
    return KeyReading(event, tuple(problems))


def _parsed(body: bytes) -> JsonValue:
    """The value that a body holds, also where the title of the documentation's sample stands before it."""
    try:
        return read_json(body)
    except ValueError:
        bare, found = _STRAY_TITLE.subn(b"", body)
        if not found:
            raise
        return read_json(bare)


def _inner(value: JsonValue) -> JsonValue:
    """The object itself where it stands below its title."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, inner),) = value.items()
        if same_name(name) == same_name(UPCOMING):
            return inner
    return value


def _word(fields: Mapping[str, JsonValue], name: str) -> str:
    value = fields.get(same_name(name))
    return value.strip() if isinstance(value, str) else ""


def _reasons(value: JsonValue) -> tuple[str, ...]:
    named: Iterable[object] = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else ()
    return tuple(word for each in named if isinstance(each, str) and (word := each.strip().upper()))
