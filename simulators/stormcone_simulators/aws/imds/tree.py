"""What the metadata service knows of an instance: paths and values.

Source, unless a line says otherwise: EC2's list of instance metadata categories and of dynamic data. What does not fit
these instances is not there: public addresses, public keys, user data, tags; nor are the signatures of the identity
document, which nobody but AWS can make.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from stormcone_simulators.aws import site
from stormcone_simulators.aws.model import AwsEvent, AwsModel
from stormcone_simulators.aws.site import Ec2Hardware

VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-09-24",
    "2024-04-11",
    "latest",
)
"""The versions that `/` lists, as seen in the field. Every one has the same items here, which is unverified."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def stamp(time: datetime) -> str:
    """A time as spot interruptions and identities have it: `2017-09-18T08:22:00Z`."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def event_date(time: datetime) -> str:
    """A time as scheduled events have it, the day without a zero before it: `5 Jan 2019 09:00:43 GMT`."""
    utc = time.astimezone(UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc:%Y %H:%M:%S} GMT"


def event_list(events: Iterable[AwsEvent]) -> str:
    """Scheduled events, as a JSON array; the order of the keys is that of the documentation."""
    return json.dumps([dict(_fields(event)) for event in events])


def leaves_of(model: AwsModel, name: str, now: datetime) -> Mapping[str, str]:
    """All that there is to know of an instance but its role."""
    made = model.hardware(name)
    return {
        **{f"meta-data/{path}": value for path, value in (*_lasting(made), *_announced(model, name, now))},
        "meta-data/instance-life-cycle": "spot" if model.is_spot(name) else "on-demand",
        "dynamic/fws/instance-monitoring": "disabled",
        "dynamic/instance-identity/document": json.dumps(_identity(made), indent=2),
    }


def _announced(model: AwsModel, name: str, now: datetime) -> Iterator[tuple[str, str]]:
    yield "events/maintenance/scheduled", event_list(model.scheduled(name))
    yield "events/maintenance/history", event_list(model.history(name, now))
    yield "autoscaling/target-lifecycle-state", model.target_state(name)
    if (interruption := model.interruption(name, now)) is not None:
        action, time = interruption.kind.word, stamp(interruption.not_before)
        yield "spot/instance-action", json.dumps({"action": action, "time": time})
        if action == "terminate":
            yield "spot/termination-time", time
    if (recommended := model.recommended_at(name)) is not None:
        yield "events/recommendations/rebalance", json.dumps({"noticeTime": stamp(recommended)})


def _fields(event: AwsEvent) -> Iterator[tuple[str, str]]:
    yield "NotBefore", event_date(event.not_before)
    yield "Code", event.kind.word
    yield "Description", event.text
    yield "EventId", event.id
    if event.not_after is not None:
        yield "NotAfter", event_date(event.not_after)
    if event.deadline is not None:
        yield "NotBeforeDeadline", event_date(event.deadline)
    yield "State", str(event.state)


def _identity(made: Ec2Hardware) -> dict[str, Any]:
    return {
        "accountId": site.ACCOUNT,
        "architecture": site.ARCHITECTURE,
        "availabilityZone": made.site.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": site.IMAGE,
        "instanceId": made.name,
        "instanceType": site.INSTANCE_TYPE,
        "kernelId": None,
        "pendingTime": stamp(site.CREATED),
        "privateIp": made.address,
        "ramdiskId": None,
        "region": made.site.region,
        "version": "2017-09-30",
    }


def _lasting(made: Ec2Hardware) -> Iterator[tuple[str, str]]:
    yield from {
        "ami-id": site.IMAGE,
        "ami-launch-index": "0",
        "ami-manifest-path": "(unknown)",
        "block-device-mapping/ami": "/dev/xvda",
        "block-device-mapping/root": "/dev/xvda",
        "hibernation/configured": "false",
        "hostname": made.hostname,
        "instance-action": "none",
        "instance-id": made.name,
        "instance-type": site.INSTANCE_TYPE,
        "local-hostname": made.hostname,
        "local-ipv4": made.address,
        "mac": made.mac,
        "metrics/vhostmd": '<?xml version="1.0" encoding="UTF-8"?>',
        "placement/availability-zone": made.site.zone,
        "placement/availability-zone-id": made.site.zone_id,
        "placement/region": made.site.region,
        "profile": "default-hvm",
        "reservation-id": made.reservation,
        "security-groups": site.SECURITY_GROUP_NAME,
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
        "system": "nitro",
    }.items()
    network = {
        "device-number": "0",
        "interface-id": made.interface,
        "local-hostname": made.hostname,
        "local-ipv4s": made.address,
        "mac": made.mac,
        "owner-id": site.ACCOUNT,
        "security-group-ids": site.SECURITY_GROUP,
        "security-groups": site.SECURITY_GROUP_NAME,
        "subnet-id": site.SUBNET,
        "subnet-ipv4-cidr-block": str(site.NETWORK),
        "vpc-id": site.VPC,
        "vpc-ipv4-cidr-block": str(site.NETWORK),
        "vpc-ipv4-cidr-blocks": str(site.NETWORK),
    }
    yield from ((f"network/interfaces/macs/{made.mac}/{name}", value) for name, value in network.items())
