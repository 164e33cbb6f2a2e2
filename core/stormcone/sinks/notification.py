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
    "maintenance.revised": "It changed before it began: its time, impact or machines, for example.",
    "maintenance.started": "It has begun.",
    "maintenance.ended": "It has ended; `event.outcome` says how.",
    "run.started": "An attempt at a handler's stage has started.",
    "run.succeeded": "A handler's stage has succeeded.",
    "run.retrying": "An attempt has failed and will be tried again.",
    "run.interrupted": "An attempt was told to stop; it starts again if its event goes on.",
    "run.failed": "A handler's stage has failed and will not be tried again.",
    "run.vetoed": "A handler objects to approving the event.",
    "run.dropped": "A handler's stage will not start (again), because its event has moved on.",
    "approval.denied": "The event is not approved; `approval.reason` says why.",
    "approval.requested": "The cloud is about to be told that the event may begin.",
    "approval.accepted": "The cloud has accepted the approval.",
    "approval.refused": "The cloud has refused the approval, and will not be asked again.",
    "approval.failed": "It is not known whether the approval arrived; it will be sent again.",
    "postponement.requested": "The cloud is about to be asked to start the event later.",
    "postponement.accepted": "The cloud will start it later.",
    "postponement.refused": "The cloud has refused that, and will not be asked again.",
    "postponement.failed": "It is not known whether the request arrived; it will be sent again.",
    "sink.test": "A test of the sink.",
}
"""Every type without its prefix, and what it tells."""

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class ToldChange(BaseModel):
    """A step in an event's life."""

    model_config = _FROZEN

    fields: tuple[str, ...] = Field((), description="What has changed, if the event was revised.")
    earlier_id: str | None = Field(None, description="The event's id until now, if it has a new one.")


class ToldRun(BaseModel):
    """One handler's work on one stage of the event."""

    model_config = _FROZEN

    handler: str = Field(description="The handler's name.")
    stage: str = Field(description="`prepare`, `started` or `recover`.")
    machine: str | None = Field(
        None, description="Which of a region's machines it is for; null if the agent watches one machine."
    )
    attempt: int = Field(ge=0, description="The number of the attempt; 0 if none has started.")
    begun: UtcDatetime | None = Field(None, description="When the attempt started, UTC.")
    ended: UtcDatetime | None = Field(None, description="When it ended, UTC; null while it runs.")
    note: str = Field("", description="Why it failed, or what the handler says, in one line.")


class ToldApproval(BaseModel):
    """An approval, or a request to put the event off."""

    model_config = _FROZEN

    reason: str = Field(description="Why the event is approved or put off, or why not.")
    error: str | None = Field(None, description="The cloud's answer, or the error, if the cloud did not accept.")
    until: UtcDatetime | None = Field(None, description="The event's new start, UTC.")


class NotificationData(BaseModel):
    """What a notification says, as its receivers get it."""

    model_config = _FROZEN

    text: str = Field(description="One line for people.")
    resource: dict[str, str] = Field(
        default_factory=dict, description="Who sends this: the machine and the service, with OpenTelemetry's names."
    )
    affects_machine: bool = Field(True, description="Whether the event names the machine that sends this.")
    event: MaintenanceEvent | None = Field(
        None, description="The event at that time, without the cloud's payload; at most 100 of its machines."
    )
    change: ToldChange | None = Field(None, description="In `maintenance.*`: what has changed.")
    run: ToldRun | None = Field(None, description="In `run.*`: the attempt.")
    approval: ToldApproval | None = Field(None, description="In `approval.*` and `postponement.*`: the decision.")


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
        "id": {**text, "description": "Identifies this notification; the same each time it is sent."},
        "source": {**text, "format": "uri-reference", "description": "Who sends it."},
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
