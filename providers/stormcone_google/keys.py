"""What the keys below `instance/` have in common: whose metadata it is, and what a reading of one is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import JsonValue

from stormcone.errors import ProviderError
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Observation, Origin, Outcome, Phase
from stormcone.text import folded, printable
from stormcone_google.metadata import KeyAnswer

PROVIDER = "google"

PREEMPTED = "preempted"
MAINTENANCE = "maintenance-event"
UPCOMING = "upcoming-maintenance"

NONE = "none"
"""The word for nothing, as it is compared."""


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
        problems: what could not be read as it should, each as a clause of which the key is the subject.
        whole: whether nothing more can be announced there.
    """

    event: MaintenanceEvent | None = None
    problems: tuple[str, ...] = ()
    whole: bool = True

    def observation(self, key: str) -> Observation:
        """The same as what one list says.

        Raises:
            ProviderError: nothing that it says can be read.
        """
        if self.event is None and not self.whole:
            raise ProviderError(f"Google's answer about {key} cannot be read: {'; '.join(self.problems)}")
        return Observation(
            events=() if self.event is None else (self.event,),
            whole=frozenset({""} if self.whole else ()),
            problems=tuple(f"{key}: {problem}" for problem in self.problems),
        )


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


def key_event(
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


def unreadable(text: str) -> KeyReading:
    """The reading of a key that says what it never says."""
    shown = printable(text)[:60]
    return KeyReading(None, (f"it says {shown!r}, which is no value of it",), whole=False)


def text_of(answer: KeyAnswer) -> str:
    """An answer as text."""
    return answer.body.decode("utf-8", "replace").strip()
