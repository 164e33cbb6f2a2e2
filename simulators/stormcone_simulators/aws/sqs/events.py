"""What EventBridge tells of the simulated events: a message for each, at the moment that it speaks of.

Sources: EC2's documentation of spot interruption notices, rebalance recommendations and state changes, EC2 Auto
Scaling's of lifecycle hooks, and AWS Health's of its schema for EventBridge. Unverified: which codes of AWS Health go
with which scheduled events, and when it says that one is closed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple, Protocol
from uuid import NAMESPACE_DNS, uuid5

from stormcone_simulators.aws import site
from stormcone_simulators.aws.autoscaling.hooks import HOOK, token_of
from stormcone_simulators.aws.ec2.instances import states_of
from stormcone_simulators.aws.model import AwsEvent, AwsModel
from stormcone_simulators.aws.types import Family
from stormcone_simulators.events import iso

HEALTH_CODES: Mapping[str, str] = {
    "instance-reboot": "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED",
    "system-reboot": "AWS_EC2_SYSTEM_REBOOT_MAINTENANCE_SCHEDULED",
    "system-maintenance": "AWS_EC2_INSTANCE_NETWORK_MAINTENANCE_SCHEDULED",
    "instance-stop": "AWS_EC2_INSTANCE_STOP_SCHEDULED",
    "instance-retirement": "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED",
}


class Letter(NamedTuple):
    """A message, and when it comes; `id` and `sent` where these are not for the queue to say."""

    at: datetime
    mark: str
    body: str
    id: str = ""
    sent: datetime | None = None


class Sender(Protocol):
    """Who sends messages to a queue."""

    def letters(self, now: datetime) -> Sequence[Letter]:
        """What is new since the last time, oldest first."""

    def next_at(self, now: datetime) -> datetime | None:
        """When something is sent next that no event moves for; None: nothing is."""


class EventBridge:
    """Tells of each step of each event once.

    Args:
        model: the rules.
    """

    def __init__(self, model: AwsModel) -> None:
        self._model = model
        self._told: set[str] = set()
        self._starts: dict[str, datetime] = {}

    def letters(self, now: datetime) -> list[Letter]:
        """What has happened since the last time, oldest first."""
        new = [
            letter
            for event in self._model.book
            for letter in self._of(event, now)
            if letter.at <= now and letter.mark not in self._told
        ]
        self._told |= {letter.mark for letter in new}
        return sorted(new, key=lambda letter: letter.at)

    def next_at(self, now: datetime) -> datetime | None:
        """When something is told next that no event moves for: a spot interruption, two minutes before it."""
        return min((event.told_at for event in self._model.book.live if event.told_at > now), default=None)

    def _of(self, event: AwsEvent, now: datetime) -> Iterator[Letter]:
        family = event.kind.family
        if family is Family.SCHEDULED:
            yield from self._health(event, now)
            return
        if family is Family.LIFECYCLE:
            yield self._lifecycle(event)
        elif family is Family.REBALANCE or event.told_at > event.created_at:
            yield self._ec2(event, event.created_at, "EC2 Instance Rebalance Recommendation", {})
        if family is Family.SPOT:
            action = {"instance-action": event.kind.word}
            yield self._ec2(event, event.told_at, "EC2 Spot Instance Interruption Warning", action)
        for at, state in states_of(event):
            yield self._ec2(event, at, "EC2 Instance State-change Notification", {"state": state})

    def _ec2(self, event: AwsEvent, at: datetime, kind: str, detail: Mapping[str, object]) -> Letter:
        return self._letter(event, at, kind, "aws.ec2", {"instance-id": event.instance, **detail})

    def _lifecycle(self, event: AwsEvent) -> Letter:
        detail = {
            "LifecycleActionToken": token_of(event),
            "AutoScalingGroupName": self._model.machines.named(event.instance).group,
            "LifecycleHookName": HOOK,
            "EC2InstanceId": event.instance,
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "Origin": "AutoScalingGroup",
            "Destination": "EC2",
        }
        kind = "EC2 Instance-terminate Lifecycle Action"
        return self._letter(event, event.created_at, kind, "aws.autoscaling", detail)

    def _health(self, event: AwsEvent, now: datetime) -> Iterator[Letter]:
        """That it is scheduled, once more where it has moved; that it has begun; that it is over."""
        moved = self._starts.setdefault(event.id, event.not_before) != event.not_before
        self._starts[event.id] = event.not_before
        steps = (
            ("upcoming", now if moved else event.created_at),
            ("open", event.started_at),
            ("closed", event.ended_at),
        )
        for status, at in steps:
            if at is not None:
                yield self._health_letter(event, status, at)

    def _health_letter(self, event: AwsEvent, status: str, at: datetime) -> Letter:
        region, code = self._model.rules.site.region, HEALTH_CODES[event.kind.word]
        detail = {
            "eventArn": f"arn:aws:health:{region}::event/EC2/{code}/EC2_{event.id}",
            "service": "EC2",
            "eventTypeCode": code,
            "eventTypeCategory": "scheduledChange",
            "statusCode": status,
            "startTime": _rfc_1123(event.not_before),
            "endTime": "" if event.not_after is None else _rfc_1123(event.not_after),
            "eventDescription": [{"language": "en_US", "latestDescription": event.text}],
            "affectedEntities": [{"entityValue": event.instance, "tags": {}}],
            "affectedAccount": site.ACCOUNT,
            "eventRegion": region,
        }
        return self._letter(event, at, "AWS Health Event", "aws.health", detail)

    def _letter(self, event: AwsEvent, at: datetime, kind: str, source: str, detail: Mapping[str, object]) -> Letter:
        region = self._model.rules.site.region
        mark = f"{event.id} {kind} {detail.get('state', '')}{detail.get('statusCode', '')}{detail.get('startTime', '')}"
        document = {
            "version": "0",
            "id": str(uuid5(NAMESPACE_DNS, mark)),
            "detail-type": kind,
            "source": source,
            "account": site.ACCOUNT,
            "time": iso(at.replace(microsecond=0)),
            "region": region,
            "resources": [f"arn:aws:ec2:{region}:{site.ACCOUNT}:instance/{event.instance}"],
            "detail": detail,
        }
        return Letter(at, mark, json.dumps(document))


def _rfc_1123(time: datetime) -> str:
    return format_datetime(time.astimezone(UTC).replace(microsecond=0), usegmt=True)
