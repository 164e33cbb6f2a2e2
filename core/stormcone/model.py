"""The neutral event: what is announced, for which machines, what it does to them and where in its life it is.

Values only. Nothing here knows a cloud, reads a clock or does I/O.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import from_json, to_json

from stormcone.text import folded


class Impact(StrEnum):
    """What happens to the machine; see `CONSEQUENCES` for what each one costs."""

    NONE = "none"
    DEGRADED = "degraded"
    FREEZE = "freeze"
    REBOOT = "reboot"
    REDEPLOY = "redeploy"
    STOP = "stop"
    HIBERNATE = "hibernate"
    TERMINATE = "terminate"
    UNKNOWN = "unknown"

    @property
    def loses_memory(self) -> bool | None:
        """Whether what is in memory is gone afterwards; None where that is not known."""
        return CONSEQUENCES[self].loses_memory

    @property
    def loses_local_disk(self) -> bool | None:
        """Whether the local (ephemeral) disk is gone afterwards; None where that is not known."""
        return CONSEQUENCES[self].loses_local_disk

    @property
    def machine_returns(self) -> bool | None:
        """Whether the machine comes back by itself; None where that is not known."""
        return CONSEQUENCES[self].machine_returns


class Consequences(NamedTuple):
    """What an impact costs; None means not known."""

    loses_memory: bool | None
    loses_local_disk: bool | None
    machine_returns: bool | None


CONSEQUENCES: dict[Impact, Consequences] = {
    Impact.NONE: Consequences(loses_memory=False, loses_local_disk=False, machine_returns=True),
    Impact.DEGRADED: Consequences(loses_memory=False, loses_local_disk=False, machine_returns=True),
    Impact.FREEZE: Consequences(loses_memory=False, loses_local_disk=False, machine_returns=True),
    Impact.REBOOT: Consequences(loses_memory=True, loses_local_disk=False, machine_returns=True),
    Impact.REDEPLOY: Consequences(loses_memory=True, loses_local_disk=True, machine_returns=True),
    # A stopped machine waits for somebody to start it, and its local disk's fate differs from cloud to cloud.
    Impact.STOP: Consequences(loses_memory=True, loses_local_disk=None, machine_returns=None),
    # Memory is written to a disk that stays and read back from it; somebody, or the cloud, has to start the machine.
    Impact.HIBERNATE: Consequences(loses_memory=False, loses_local_disk=None, machine_returns=None),
    Impact.TERMINATE: Consequences(loses_memory=True, loses_local_disk=True, machine_returns=False),
    Impact.UNKNOWN: Consequences(loses_memory=None, loses_local_disk=None, machine_returns=None),
}


class Cause(StrEnum):
    """Why it happens."""

    MAINTENANCE = "maintenance"
    HARDWARE_FAILURE = "hardware_failure"
    GUEST_FAILURE = "guest_failure"
    PREEMPTION = "preemption"
    USER = "user"
    SCALE_IN = "scale_in"
    BILLING = "billing"
    SECURITY = "security"
    ADVISORY = "advisory"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """Where the event is in its life; `stormcone.rules.lifecycle.MOVES` says which steps there are."""

    SCHEDULED = "scheduled"
    STARTED = "started"
    ENDED = "ended"


class Outcome(StrEnum):
    """How an event ended."""

    COMPLETED = "completed"
    CANCELED = "canceled"
    POSTPONED = "postponed"
    """Put off so far that this notice is over: another one follows, and what was prepared is undone until then."""
    AVOIDED = "avoided"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def called_off(self) -> bool:
        """Whether the machine was spared: nothing was done to it."""
        return self in {Outcome.CANCELED, Outcome.POSTPONED, Outcome.AVOIDED}


class Ending(NamedTuple):
    """How an event ended, with the cloud's own word for it."""

    outcome: Outcome
    native_status: str = ""


class Origin(StrEnum):
    """Whether the cloud said so, or stormcone concluded it."""

    REPORTED = "reported"
    INFERRED = "inferred"


class Approval(StrEnum):
    """What approving the event would do."""

    NONE = "none"
    """It cannot be approved."""
    STARTS = "starts"
    """It may begin before its time: nobody waits for this machine any longer."""
    TRIGGERS = "triggers"
    """It begins now, however far ahead its time is."""
    CONSENT = "consent"
    """Without the owner's word it waits."""


class Scope(StrEnum):
    """What one provider watches."""

    MACHINE = "machine"
    REGION = "region"


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of the range of times in UTC") from error


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_to_utc)]


def _that_json_carries(native: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The payload, or its text where JSON cannot carry it (half a surrogate pair, say): the journal must keep it."""
    try:
        from_json(to_json(native))
    except ValueError:
        return {"unreadable": repr(native)}
    return native


Payload = Annotated[dict[str, JsonValue], AfterValidator(_that_json_carries)]


class EventKey(NamedTuple):
    """What makes two sightings the same event: the provider and the id, without regard to case."""

    provider: str
    id: str


class MaintenanceEvent(BaseModel):
    """One piece of maintenance of one or more machines, in neutral words.

    Frozen: a later sighting is another value. Times are aware UTC. Its JSON schema is published in the docs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="The cloud's own id, spelt as it came.")
    id_origin: Origin = Field(Origin.REPORTED, description="`inferred` if the cloud gave no id.")
    provider: str = Field(min_length=1, description="The provider's name, such as `azure`.")
    native_type: str = Field("", description="The cloud's own word for what happens.")
    native_status: str = Field("", description="The cloud's own word for where it is.")
    impact: Impact = Field(Impact.UNKNOWN, description="What happens to the machine.")
    cause: Cause = Field(Cause.UNKNOWN, description="Why it happens.")
    phase: Phase = Field(description="Where the event is in its life.")
    phase_origin: Origin = Field(
        Origin.REPORTED, description="`inferred` if the cloud does not say that it has started: then its time decides."
    )
    tentative: bool = Field(
        False, description="Whether it may never happen: the cloud only says that it has become more likely."
    )
    outcome: Outcome | None = Field(None, description="How it ended; null until then.")
    outcome_origin: Origin | None = Field(None, description="Whether the outcome was reported or inferred.")
    resources: tuple[str, ...] = Field((), description="The machines that it names, in the cloud's order.")
    aliases: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Other names of its machines, such as a node's name, by the name in `resources`.",
    )
    not_before: UtcDatetime | None = Field(None, description="The earliest start, UTC; null if not known.")
    not_before_origin: Origin | None = Field(None, description="Whether `not_before` was reported or inferred.")
    notice: timedelta | None = Field(
        None, description="The notice that the cloud promises if it gives no time, counted from when it was first seen."
    )
    movable_until: UtcDatetime | None = Field(
        None, description="The latest time to which its start can be put off, UTC; null if it cannot, or not known."
    )
    heartbeat: timedelta | None = Field(
        None, description="How often the cloud must hear that work goes on, or it stops waiting; null: it need not."
    )
    not_after: UtcDatetime | None = Field(None, description="The latest start, UTC; null if not known.")
    ends_by: UtcDatetime | None = Field(None, description="The latest end, UTC; null if not known.")
    duration: timedelta | None = Field(None, description="How long the impact lasts; null if not known.")
    listing: str = Field("", description="The list it comes from: the provider's name, and which of its lists.")
    approval: Approval = Field(Approval.NONE, description="What approving would do.")
    withheld: str = Field("", description="Why nobody may approve it, even if the cloud would accept that; or empty.")
    description: str = Field("", description="The cloud's text for people; wording varies.")
    native: Payload = Field(default_factory=dict, description="The cloud's payload, verbatim.")

    @property
    def key(self) -> EventKey:
        """What makes two sightings the same event; ids are compared without regard to case."""
        return EventKey(self.provider, folded(self.id))

    @property
    def source(self) -> str:
        """The name of the provider that tells of it; "" where the event comes straight from a provider."""
        return self.listing.partition("/")[0]

    def but(self, **changes: Any) -> "MaintenanceEvent":
        """The same event with some fields changed, validated."""
        return MaintenanceEvent.model_validate({**dict(self), **changes})


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine that we run on or watch.

    Attributes:
        provider: the cloud's name.
        id: the cloud's id of the machine.
        name: the name that events use for it.
        aliases: other names that events may use.
        region: the cloud's region, or "".
        zone: the zone within it, or "".
        account: the subscription or account that it belongs to, or "".
        boot_id: changes with every boot; "" where that is not known.
        scope: REGION where this stands for every machine that the provider watches.
        reported_name: what the cloud itself calls the machine that this runs on, where somebody gave another name for
            it; "" where they agree, or the cloud does not say.
    """

    provider: str
    id: str
    name: str
    aliases: tuple[str, ...] = ()
    region: str = ""
    zone: str = ""
    account: str = ""
    boot_id: str = ""
    scope: Scope = Scope.MACHINE
    reported_name: str = ""

    @property
    def disputed(self) -> bool:
        """Whether the cloud calls this machine otherwise than it was named: then nothing is approved in that name."""
        return bool(self.reported_name) and not self.owns(self.reported_name)

    def owns(self, resource: str) -> bool:
        """Whether `resource` is one of this machine's names: whole, without regard to the case of ASCII letters."""
        if self.scope is Scope.REGION:
            return True
        wanted = folded(resource)
        return any(wanted == folded(name) for name in (self.name, self.id, *self.aliases) if name)

    def affected_by(self, event: MaintenanceEvent) -> bool:
        """Whether the event names this machine."""
        return any(self.owns(resource) for resource in event.resources)

    def in_event(self, event: MaintenanceEvent, named: str) -> "Machine":
        """The machine that a handler of the event works for: this one, or of a region's the one of that name."""
        if self.scope is Scope.MACHINE or not named:
            return self
        aliases = next((names for name, names in event.aliases.items() if folded(name) == folded(named)), ())
        return replace(self, id=named, name=named, aliases=aliases, boot_id="", scope=Scope.MACHINE)

    def neighbours_in(self, event: MaintenanceEvent) -> tuple[str, ...]:
        """The resources of the event that are not this machine."""
        return tuple(resource for resource in event.resources if not self.owns(resource))

    def attributes(self) -> dict[str, str]:
        """The machine in OpenTelemetry's names, without the empty ones."""
        named = {
            "cloud.provider": self.provider,
            "cloud.region": self.region,
            "cloud.availability_zone": self.zone,
            "cloud.account.id": self.account,
            "host.id": self.id,
            "host.name": self.name,
        }
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, kw_only=True)
class Observation:
    """All that a provider sees in one poll.

    Attributes:
        events: what the cloud lists, each in phase SCHEDULED or STARTED (or ENDED where the cloud lists ends).
        version: the cloud's mark for this state of affairs (Azure: the incarnation), or "".
        whole: the listings that were read whole: an event of one of these that is absent is not listed any more. Of
            one that could not be asked, or in which something could not be read at all, absence proves nothing. A
            provider with one list calls it "".
        pushed: the listings that nobody can read, since their events come as messages, each once: an event of one of
            these goes on as it was told of, until a message says more, or its `ends_by` is past.
        receipt: the provider's marks of the messages that brought this; it is told by `Acknowledges.acknowledge` once
            the journal has it.
        problems: one sentence for each thing that could not be read as it should.
    """

    events: tuple[MaintenanceEvent, ...] = ()
    version: str = ""
    whole: frozenset[str] = frozenset({""})
    pushed: frozenset[str] = frozenset()
    receipt: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def reads_whole(self, listing: str = "") -> bool:
        """Whether what is absent from that listing is not in it any more."""
        return listing in self.whole

    def find(self, key: EventKey) -> MaintenanceEvent | None:
        """The event with that key, or None."""
        return next((event for event in self.events if event.key == key), None)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a provider can do, as data.

    Attributes:
        scope: whether it watches one machine or a region.
        poll_interval: seconds between polls, by the cloud's own advice.
        can_approve: whether `approve` does something.
        can_simulate: whether the real cloud can make simulated events (`Simulates`).
        can_cancel_simulated: whether it can call these off again.
        can_postpone: whether the cloud lets a start be put off (`Postpones`).
        reports_outcome: whether `outcomes` can say how an event ended.
        shortest_notice: seconds of notice that the cloud gives at least; no pause between polls is longer than half of
            it, whatever the cloud asks for.
        permissions: what the caller must be allowed to do, in the cloud's own words.
        secrets: environment variables that may hold its credentials; commands do not get them.
    """

    scope: Scope
    poll_interval: float
    can_approve: bool = False
    can_simulate: bool = False
    can_cancel_simulated: bool = False
    can_postpone: bool = False
    reports_outcome: bool = False
    shortest_notice: float = 30.0
    permissions: tuple[str, ...] = field(default=())
    secrets: tuple[str, ...] = field(default=())


def affected(machine: Machine, events: Iterable[MaintenanceEvent]) -> tuple[MaintenanceEvent, ...]:
    """Those of the events that name the machine."""
    return tuple(event for event in events if machine.affected_by(event))
