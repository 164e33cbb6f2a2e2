"""A notification: one thing that a sink is told. Its fields are those of a CloudEvent; `data` is the payload.

The JSON schema of the payload is published in the docs. Attributes of the machine have OpenTelemetry's names.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stormcone.model import MaintenanceEvent, UtcDatetime

PREFIX = "dev.stormcone."
"""What every notification's type begins with."""

TYPES: dict[str, str] = {
    "maintenance.scheduled": "An event was announced.",
    "maintenance.revised": "It has changed before it began: its time, its impact or its machines, say.",
    "maintenance.started": "It has begun.",
    "maintenance.ended": "It is over; `event.outcome` says how it ended.",
    "run.started": "An attempt at a handler's stage begins.",
    "run.succeeded": "A handler's stage is done.",
    "run.retrying": "An attempt failed, and is tried again.",
    "run.interrupted": "An attempt was told to end, and is begun again if its event goes on.",
    "run.failed": "A handler's stage failed and is not tried again.",
    "run.vetoed": "A handler does not want the event to be approved.",
    "run.dropped": "A handler's stage will not begin (again): its event has gone on.",
    "approval.denied": "The event is not approved; `approval.reason` says why.",
    "approval.requested": "The cloud is about to be told that the event may begin.",
    "approval.accepted": "The cloud has taken the approval.",
    "approval.refused": "The cloud has refused it, and is not asked again.",
    "approval.failed": "It is not known whether the cloud has it; it is asked again.",
    "postponement.requested": "The cloud is about to be asked to begin the event later.",
    "postponement.accepted": "The cloud begins it later.",
    "postponement.refused": "The cloud has refused that, and is not asked again.",
    "postponement.failed": "It is not known whether the cloud has it; it is asked again.",
    "sink.test": "Somebody tries the sink.",
}
"""Every type without its prefix, and what it tells."""

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class ToldChange(BaseModel):
    """A step in an event's life."""

    model_config = _FROZEN

    fields: tuple[str, ...] = Field((), description="What has changed, where it was revised.")
    earlier_id: str | None = Field(None, description="The id that the event had until now, where it has another.")


class ToldRun(BaseModel):
    """One handler's work on one stage of the event."""

    model_config = _FROZEN

    handler: str = Field(description="The handler's name.")
    stage: str = Field(description="`prepare`, `started` or `recover`.")
    machine: str | None = Field(None, description="For which of a region's machines; null where we watch one machine.")
    attempt: int = Field(ge=0, description="Which attempt it is; 0 where none has begun.")
    begun: UtcDatetime | None = Field(None, description="When the attempt began, UTC.")
    ended: UtcDatetime | None = Field(None, description="When it ended, UTC; null where it goes on.")
    note: str = Field("", description="Why it failed, or what it says, in one line.")


class ToldApproval(BaseModel):
    """An approval, or a request to put the event off."""

    model_config = _FROZEN

    reason: str = Field(description="Why the event is, or is not, approved or put off.")
    error: str | None = Field(None, description="What was said in place of a yes.")
    until: UtcDatetime | None = Field(None, description="To when the event is put off, UTC.")


class NotificationData(BaseModel):
    """What a notification says, as its receivers get it."""

    model_config = _FROZEN

    text: str = Field(description="One line for people.")
    resource: dict[str, str] = Field(
        default_factory=dict, description="Who tells: the machine and the service, by OpenTelemetry's names."
    )
    affects_machine: bool = Field(True, description="Whether the event names the machine that tells of it.")
    event: MaintenanceEvent | None = Field(
        None, description="The event as it was then, without the cloud's payload; of many machines, the first 100."
    )
    change: ToldChange | None = Field(None, description="With `maintenance.*`.")
    run: ToldRun | None = Field(None, description="With `run.*`.")
    approval: ToldApproval | None = Field(None, description="With `approval.*` and `postponement.*`.")


class Notification(BaseModel):
    """One notification; frozen, and the same each time that it is sent.

    Attributes:
        id: of this notification alone: one that comes twice is the same, so a receiver may drop the second.
        type: what it tells, `dev.stormcone.` and one of `TYPES`.
        source: who tells, as a URI reference.
        subject: the machine.
        time: when it happened, UTC.
        correlation: the event's id.
        data: all that it says.
    """

    model_config = _FROZEN

    id: str
    type: str
    source: str
    subject: str
    time: UtcDatetime
    correlation: str
    data: NotificationData

    @property
    def kind(self) -> str:
        """The type without its prefix."""
        return self.type.removeprefix(PREFIX)

    def payload(self) -> dict[str, Any]:
        """`data` as JSON's values, without what is not known."""
        return self.data.model_dump(mode="json", exclude_none=True)

    def attributes(self) -> dict[str, str]:
        """The attributes of a CloudEvent, without its data."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat(),
            "correlationid": self.correlation,
        }


def schema() -> dict[str, Any]:
    """The JSON schema of a notification as its receivers get it: a CloudEvent in JSON."""
    data = NotificationData.model_json_schema()
    definitions = data.pop("$defs")
    text = {"type": "string", "minLength": 1}
    properties = {
        "specversion": {"const": "1.0"},
        "id": {**text, "description": "This notification's own; the same each time that it is sent."},
        "source": {**text, "format": "uri-reference", "description": "Who tells."},
        "type": {"enum": [PREFIX + name for name in TYPES]},
        "subject": {"type": "string", "description": "The machine."},
        "time": {"type": "string", "format": "date-time"},
        "correlationid": {"type": "string", "description": "The event's id."},
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Notification",
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "$defs": definitions,
    }
