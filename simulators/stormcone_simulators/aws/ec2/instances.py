"""EC2's instances as its API shows them: what they are made of is invented, their states follow from their events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from stormcone.model import Impact, Outcome
from stormcone_simulators.aws import site
from stormcone_simulators.aws.model import AwsEvent, AwsModel
from stormcone_simulators.machines import SimulatedMachine

STATES: Mapping[str, int] = {"running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
"""Names and codes of states. Source: EC2's documentation of DescribeInstanceStatus."""

_GOING = {Impact.TERMINATE: "shutting-down", Impact.STOP: "stopping", Impact.HIBERNATE: "stopping"}
_GONE = {Impact.TERMINATE: "terminated", Impact.STOP: "stopped", Impact.HIBERNATE: "stopped"}


def states_of(event: AwsEvent) -> Iterator[tuple[datetime, str]]:
    """The states that an event has brought its instance to, each with when it did."""
    if event.impact in _GOING and event.started_at is not None:
        yield event.started_at, _GOING[event.impact]
    if event.impact in _GONE and event.ended_at is not None and event.outcome is Outcome.COMPLETED:
        yield event.ended_at, _GONE[event.impact]


@dataclass(frozen=True)
class Ec2Instance:
    """One instance, as it is at a moment.

    Attributes:
        machine: which.
        model: what is announced to it.
        now: when.
    """

    machine: SimulatedMachine
    model: AwsModel
    now: datetime

    @property
    def id(self) -> str:
        """Its id."""
        return self.machine.name

    @property
    def state(self) -> str:
        """`InstanceState.Name`: what has happened to it last decides."""
        states = [each for event in self.model.about(self.id).values() for each in states_of(event)]
        return max(states, key=lambda each: each[0])[1] if states else "running"

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags: its name, and the group that it belongs to."""
        return {"Name": self.id, "aws:autoscaling:groupName": self.machine.group}

    @property
    def listed_events(self) -> list[AwsEvent]:
        """Its scheduled events, those of the last seven days that have ended too."""
        return [*self.model.scheduled(self.id), *self.model.history(self.id, self.now)]

    def status(self) -> dict[str, object]:
        """As DescribeInstanceStatus shows it."""
        place = self.model.rules.site
        runs = self.state == "running"
        health: dict[str, object] = {"status": "ok" if runs else "not-applicable"}
        if runs:
            health["details"] = [{"name": "reachability", "status": "passed"}]
        return {
            "instanceId": self.id,
            "availabilityZone": place.zone,
            "availabilityZoneId": place.zone_id,
            "eventsSet": [event_document(event) for event in self.listed_events] or None,
            "instanceState": self._state(),
            "systemStatus": health,
            "instanceStatus": health,
            "attachedEbsStatus": health,
        }

    def description(self) -> dict[str, object]:
        """As DescribeInstances shows it."""
        hardware = self.model.hardware(self.id)
        gone = self.state == "terminated"
        spot = self.model.is_spot(self.id)
        return {
            "instanceId": self.id,
            "imageId": site.IMAGE,
            "instanceState": self._state(),
            "privateDnsName": "" if gone else hardware.hostname,
            "dnsName": "",
            "reason": "",
            "amiLaunchIndex": 0,
            "instanceType": site.INSTANCE_TYPE,
            "launchTime": site.CREATED,
            "placement": {
                "availabilityZone": self.model.rules.site.zone,
                "availabilityZoneId": self.model.rules.site.zone_id,
                "groupName": "",
                "tenancy": "default",
            },
            "monitoring": {"state": "disabled"},
            "subnetId": None if gone else site.SUBNET,
            "vpcId": None if gone else site.VPC,
            "privateIpAddress": None if gone else hardware.address,
            "sourceDestCheck": True,
            "groupSet": [{"groupId": site.SECURITY_GROUP, "groupName": site.SECURITY_GROUP_NAME}],
            "architecture": site.ARCHITECTURE,
            "rootDeviceType": "ebs",
            "rootDeviceName": "/dev/xvda",
            "blockDeviceMapping": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {
                        "volumeId": hardware.volume,
                        "status": "attached",
                        "attachTime": site.CREATED,
                        "deleteOnTermination": True,
                    },
                }
            ],
            "virtualizationType": "hvm",
            "clientToken": "",
            "tagSet": [{"key": key, "value": value} for key, value in self.tags.items()],
            "hypervisor": "xen",
            "ebsOptimized": False,
            "instanceLifecycle": "spot" if spot else None,
        }

    def reservation(self) -> dict[str, object]:
        """Its reservation, with itself in it."""
        return {
            "reservationId": self.model.hardware(self.id).reservation,
            "ownerId": site.ACCOUNT,
            "groupSet": [],
            "instancesSet": [self.description()],
        }

    def _state(self) -> dict[str, object]:
        return {"code": STATES[self.state], "name": self.state}


def event_document(event: AwsEvent) -> dict[str, object]:
    """A scheduled event as the API shows it."""
    return {
        "instanceEventId": event.id,
        "code": event.kind.word,
        "description": event.text,
        "notBefore": event.not_before,
        "notAfter": event.not_after,
        "notBeforeDeadline": event.deadline,
    }
