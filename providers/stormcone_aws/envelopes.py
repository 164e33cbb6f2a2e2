"""A message of a queue without what EventBridge, SNS or Auto Scaling has put around it; no network."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from stormcone.clouds.dates import read_time
from stormcone.clouds.payload import read_json
from stormcone.model import MaintenanceEvent, Origin, Phase
from stormcone.text import folded
from stormcone_aws.kinds import PROVIDER, AwsKind

LISTING = "messages"
"""The listing of what a queue tells: nobody can read it whole."""

LIFECYCLE = "EC2 Instance-terminate Lifecycle Action"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"

INSTANCE = re.compile(r"\bi-[0-9a-zA-Z]{1,64}\b")
"""The id of an instance."""

_ENVELOPES = 3  # a message of SNS in one of EventBridge in one of SNS, and no further


class UnreadableMessage(ValueError):
    """Nothing can be made of it; the text says why, as a clause."""


@dataclass(frozen=True, kw_only=True)
class AwsLetter:
    """A message without its envelopes.

    Attributes:
        kind: its `detail-type`.
        at: its own time, or when it was sent to the queue.
        detail: what it says.
        resources: the ARNs that it names.
        native: the whole.
        problems: filled while it is read.
    """

    kind: str
    at: datetime
    detail: Mapping[str, JsonValue]
    resources: tuple[str, ...]
    native: dict[str, JsonValue]
    problems: list[str] = field(default_factory=list)

    def text(self, *names: str) -> str:
        """The first of these fields of the detail that is a text with something in it, or ""."""
        texts = (value for name in names if isinstance(value := self.detail.get(name), str))
        return next((text.strip() for text in texts if text.strip()), "")

    def time(self, name: str) -> datetime | None:
        """The time in a field of the detail; None where there is none, with a problem where it cannot be read."""
        value = self.detail.get(name)
        if value in (None, ""):
            return None
        try:
            return read_time(value)
        except ValueError as error:
            self.problems.append(f"{self.kind}: {name} cannot be read: {error}")
            return None

    def instance(self) -> str:
        """The instance that it is about.

        Raises:
            UnreadableMessage: it names none.
        """
        named = self.text("instance-id", "EC2InstanceId")
        found = named or next((match[0] for arn in self.resources if (match := INSTANCE.search(arn))), "")
        if not found:
            raise UnreadableMessage("it names no instance")
        return found

    def event(self, identifier: str, kind: AwsKind, resources: Iterable[str], **more: object) -> MaintenanceEvent:
        """An event that it tells of."""
        given: dict[str, object] = {
            "id": identifier,
            "id_origin": Origin.INFERRED,
            "provider": PROVIDER,
            "native_type": self.kind,
            "impact": kind.impact,
            "cause": kind.cause,
            "phase": Phase.SCHEDULED,
            "resources": tuple(resources),
            "listing": LISTING,
            "native": self.native,
        }
        return MaintenanceEvent.model_validate({**given, **more})


def opened(body: str) -> dict[str, JsonValue]:
    """The message without what SNS has put around it.

    Raises:
        UnreadableMessage: it is none.
    """
    for _ in range(_ENVELOPES):
        try:
            document = read_json(body.encode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise UnreadableMessage(f"it {error}") from None
        if not isinstance(document, dict):
            raise UnreadableMessage("it is not an object")
        inner = document.get("Message")
        if not isinstance(inner, str) or "detail" in document or "LifecycleTransition" in document:
            return document
        body = inner
    raise UnreadableMessage("it nests messages too deeply")


def source_of(document: Mapping[str, JsonValue]) -> str:
    """The service that speaks, as sources are compared; Auto Scaling does not name itself."""
    source = document.get("source", "aws.autoscaling")
    return folded(source) if isinstance(source, str) else ""


def letter_of(document: dict[str, JsonValue], sent: datetime) -> AwsLetter:
    """What a document says, with its time or else that of its sending.

    Raises:
        UnreadableMessage: it is no message of these services.
    """
    detail = document.get("detail")
    kind = document.get("detail-type", document.get("detail_type"))  # EC2's page of capacity blocks has the latter
    time = document.get("time")
    if "LifecycleTransition" in document:  # from Auto Scaling itself, without EventBridge
        detail, time = document, document.get("Time")
        kind = LIFECYCLE if document["LifecycleTransition"] == TERMINATING else document["LifecycleTransition"]
    if not isinstance(detail, dict) or not isinstance(kind, str):
        raise UnreadableMessage("it is neither an event of EventBridge nor a message of Auto Scaling")
    resources = document.get("resources")
    arns = resources if isinstance(resources, list) else [resources]  # EC2's page of reservations shows a text
    letter = AwsLetter(
        kind=kind,
        at=sent,
        detail=detail,
        resources=tuple(arn for arn in arns if isinstance(arn, str)),
        native=document,
    )
    try:
        at = read_time(time)
    except ValueError:
        letter.problems.append(f"{kind}: its time cannot be read, so the one at which it was sent counts")
        return letter
    return AwsLetter(kind=kind, at=at, detail=detail, resources=letter.resources, native=document)
