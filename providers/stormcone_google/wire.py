"""What the metadata server says of maintenance, and what it means in neutral words; no network.

Three keys announce something, and each is a listing of its own: `preempted` and `maintenance-event` hold one word and
no time; `upcoming-maintenance` holds a window. None of them has an id, so an event's id is the key and the VM's own
id: facts that stay, whatever else changes.

Source of every table: Compute Engine's documentation of VM metadata and host maintenance and its API's definition,
unless a line says otherwise.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from pydantic import JsonValue

from stormcone.clouds.payload import read_json, repeats
from stormcone.clouds.sightings import withheld
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Origin, Outcome, Phase
from stormcone.text import folded, printable
from stormcone_google.metadata import KeyAnswer

PROVIDER = "google"

PREEMPTED = "preempted"
MAINTENANCE = "maintenance-event"
UPCOMING = "upcoming-maintenance"

SHUTDOWN = timedelta(seconds=30)
"""How long a preempted VM has to shut down, at the most and by best effort: then it is switched off."""

MAINTENANCE_NOTICE = timedelta(seconds=60)
"""From the word in `maintenance-event` to the maintenance, where the key has been read since the last one. VMs with a
GPU are said to have an hour; that is unverified, so nobody counts on more than this."""

MIGRATE = "MIGRATE_ON_HOST_MAINTENANCE"
TERMINATE = "TERMINATE_ON_HOST_MAINTENANCE"

NO_NOTIFICATIONS = b"no notifications have been received yet"
"""What a 503 of `upcoming-maintenance` says where there is nothing; so it was read in Google's own agent for SAP."""

_OK = 200
_NOT_FOUND = 404
_UNAVAILABLE = 503

_NONE = "none"
_UNKNOWN_TYPE = "UNKNOWN_TYPE"
_PREEMPTED_TYPE = "PREEMPTED"
_EVENT_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
_NO_WORDS = frozenset({"null", "undefined", "true", "false"})
_STRAY_TITLE = re.compile(rb'^\s*"?upcoming[ _-]?maintenance"?\s*:', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Vm:
    """The VM whose metadata this is, as far as it is known.

    Attributes:
        id: its id, a number; "" where it is not known.
        name: the name that its events give it; "" where it is not known.
    """

    id: str = ""
    name: str = ""

    @property
    def known(self) -> bool:
        """Whether an event can be said to be of it."""
        return bool(self.name or self.id)


class HostPolicy(NamedTuple):
    """What becomes of the VM, by its own settings; None where they cannot be read.

    Attributes:
        migrates: whether it is moved alive, and not terminated.
        restarts: whether it is started again after it was terminated.
    """

    migrates: bool | None = None
    restarts: bool | None = None

    @property
    def terminated(self) -> Impact:
        """What being terminated for maintenance is.

        A VM that restarts by itself comes back with its disks and without its memory, which is a reboot in all that a
        handler needs to know, though perhaps on another host. Whether a local SSD keeps its data is unverified.
        """
        return Impact.REBOOT if self.restarts else Impact.STOP

    @property
    def maintained(self) -> Impact:
        """What maintenance is of which only the time is said. Google does not say; this follows from the settings."""
        if self.migrates is None:
            return Impact.UNKNOWN
        return Impact.FREEZE if self.migrates else self.terminated


class KeyReading(NamedTuple):
    """What a key says.

    Attributes:
        event: what it announces, or None.
        problems: what could not be read as it should, a sentence each.
        whole: whether nothing more can be announced there.
    """

    event: MaintenanceEvent | None = None
    problems: tuple[str, ...] = ()
    whole: bool = True


class KeyContext(NamedTuple):
    """What a reading needs to know beside the key's own answer.

    Attributes:
        vm: whose metadata it is.
        scheduling: asks for the VM's settings; called only where something is announced.
        preemption: what becomes of a VM that is taken away.
        preemption_notice: how long before its shutdown a VM is told.
    """

    vm: Vm
    scheduling: Callable[[], HostPolicy]
    preemption: Impact = Impact.TERMINATE
    preemption_notice: timedelta = timedelta(0)


class Status(NamedTuple):
    """What a `maintenanceStatus` means."""

    phase: Phase
    outcome: Outcome | None = None


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


def same_name(name: str) -> str:
    """A field's name without what its spellings differ in."""
    return re.sub(r"[\s_-]", "", folded(name))


def truth(value: object) -> bool | None:
    """What a value says as a boolean: `TRUE`, `"true"` and true are one; None where it says neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def event_id(listing: str, vm: Vm) -> str:
    """The id of what a key announces for a VM."""
    return f"{listing}/{vm.id or vm.name}"


def read_key(key: str, answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """What a key's answer means; see `KEYS`."""
    if answer.status == _NOT_FOUND:
        return KeyReading()  # this VM has no such key: it is not supported
    reading = KEYS[key](answer, context)
    if reading.event is None or context.vm.known:
        return reading
    return KeyReading(None, (f"{key} announces something, but it is not known yet of which machine",), whole=False)


def read_preempted(answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """`TRUE` once the VM is taken away, and from then on; `FALSE` before."""
    text = _text(answer)
    taken = truth(text)
    if taken is None:
        return _unreadable(PREEMPTED, text)
    if not taken:
        return KeyReading()
    event = _event(
        PREEMPTED,
        context.vm,
        native_type=_PREEMPTED_TYPE,
        native_status=text,
        impact=context.preemption,
        cause=Cause.PREEMPTION,
        notice=context.preemption_notice + SHUTDOWN,
        native={PREEMPTED: text},
    )
    return KeyReading(event)


def read_maintenance(answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """One word: `NONE`, or what is about to be done."""
    text = _text(answer)
    word = folded(text)
    if word == _NONE:
        return KeyReading()
    if not _EVENT_WORD.fullmatch(text) or word in _NO_WORDS or len(text) > 100:
        return _unreadable(MAINTENANCE, text)
    impact = Impact.UNKNOWN
    if word == folded(MIGRATE):
        impact = Impact.FREEZE
    elif word == folded(TERMINATE):
        impact = context.scheduling().terminated
    event = _event(
        MAINTENANCE,
        context.vm,
        native_type=text,
        native_status=text,
        impact=impact,
        cause=Cause.MAINTENANCE,
        notice=MAINTENANCE_NOTICE,
        native={MAINTENANCE: text},
    )
    known = impact is not Impact.UNKNOWN
    return KeyReading(event, () if known else (f"{MAINTENANCE} says {text!r}, which is not known: so is its impact",))


def read_upcoming(answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """A window, as an object; or nothing, in one of the ways that it says so."""
    if answer.status == _UNAVAILABLE:
        if NO_NOTIFICATIONS in answer.body.lower():
            return KeyReading()
        return KeyReading(None, (f"the metadata server does not know {UPCOMING} now (status 503)",), whole=False)
    if folded(_text(answer)) == _NONE:
        return KeyReading()
    try:
        value = _inner(_parsed(answer.body))
    except ValueError as error:
        return KeyReading(None, (f"{UPCOMING} {error}",), whole=False)
    if value is None or value == {} or (isinstance(value, str) and folded(value.strip()) == _NONE):
        return KeyReading()
    fields = {same_name(name): each for name, each in value.items()} if isinstance(value, dict) else {}
    if not isinstance(value, dict) or not fields.keys() & {same_name(name) for name in (*FIELDS, "startTime")}:
        return _unreadable(UPCOMING, _text(answer))
    return _window(value, fields, context)


KEYS: Mapping[str, Callable[[KeyAnswer, KeyContext], KeyReading]] = MappingProxyType(
    {PREEMPTED: read_preempted, MAINTENANCE: read_maintenance, UPCOMING: read_upcoming}
)
"""The keys below `instance/` that announce something, in the order in which they are asked: shortest notice first."""

ACCEPTED: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        PREEMPTED: frozenset({_NOT_FOUND}),
        MAINTENANCE: frozenset({_NOT_FOUND}),
        UPCOMING: frozenset({_NOT_FOUND, _UNAVAILABLE}),
    }
)
"""Which statuses beside 200 are an answer, by key: 404 where the VM has none, a 503 that says that there is none."""


def read_scheduling(body: bytes) -> HostPolicy:
    """The VM's settings; what cannot be read of them is not known."""
    try:
        value = read_json(body)
    except ValueError:
        return HostPolicy()
    fields = {same_name(name): each for name, each in value.items()} if isinstance(value, dict) else {}
    word = fields.get("onhostmaintenance")
    migrates = {"migrate": True, "terminate": False}.get(folded(word.strip())) if isinstance(word, str) else None
    return HostPolicy(migrates, truth(fields.get("automaticrestart")))


def _window(value: dict[str, JsonValue], fields: Mapping[str, JsonValue], context: KeyContext) -> KeyReading:
    problems: list[str] = []

    def time(*names: str) -> datetime | None:
        said = next((fields[same_name(name)] for name in names if fields.get(same_name(name))), None)
        found = None if said is None else _time(said)
        if said is not None and found is None:
            problems.append(f"{UPCOMING}: {names[0]} is no time: {printable(str(said))[:60]!r}")
        return found

    starts = time("windowStartTime", "startTime")
    native_status = _word(fields, "maintenanceStatus")
    status = STATUSES.get(native_status.upper())
    if status is None:
        problems.append(f"{UPCOMING} has the unknown status {native_status[:60]!r}, so it is taken for PENDING")
        status = STATUSES["PENDING"]
    native_type = _word(fields, "type") or _UNKNOWN_TYPE
    if native_type.upper() not in TYPES:
        problems.append(f"{UPCOMING} has the unknown type {native_type[:60]!r}")
    reasons = _reasons(fields.get("maintenancereasons"))
    may_start = truth(fields.get("canreschedule")) is True and status.phase is Phase.SCHEDULED
    event = _event(
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
        problems.append(f"{UPCOMING} is never approved, since a field stands twice in it")
        event = withheld(event, "a field stands twice in it")
    return KeyReading(event, tuple(problems))


def _event(
    listing: str,
    vm: Vm,
    *,
    native_type: str,
    native_status: str,
    impact: Impact,
    cause: Cause,
    native: dict[str, JsonValue],
    status: Status | None = None,
    notice: timedelta | None = None,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    ends_by: datetime | None = None,
    approval: Approval = Approval.NONE,
    description: str = "",
) -> MaintenanceEvent:
    """An event in one of the listings. Where the cloud gives no status it says nothing of the start either."""
    return MaintenanceEvent(
        id=event_id(listing, vm),
        id_origin=Origin.INFERRED,
        provider=PROVIDER,
        native_type=native_type,
        native_status=native_status,
        impact=impact,
        cause=cause,
        phase=status.phase if status else Phase.SCHEDULED,
        phase_origin=Origin.REPORTED if status else Origin.INFERRED,
        outcome=status.outcome if status else None,
        outcome_origin=Origin.REPORTED if status and status.outcome else None,
        resources=(vm.name or vm.id,),
        not_before=not_before,
        not_before_origin=Origin.REPORTED if not_before else None,
        notice=notice,
        not_after=not_after,
        ends_by=ends_by,
        listing=listing,
        approval=approval,
        description=description,
        native=native,
    )


def _unreadable(key: str, text: str) -> KeyReading:
    shown = printable(text)[:60]
    return KeyReading(None, (f"{key} says {shown!r}, which is no value of it",), whole=False)


def _text(answer: KeyAnswer) -> str:
    return answer.body.decode("utf-8", "replace").strip()


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


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value).strip())
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None
