"""EC2's operations that a handler of maintenance needs.

Source, unless a line says otherwise: botocore's model of EC2, and EC2's documentation of each operation.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeVar

from stormcone_simulators.aws.api.errors import AwsError, invalid
from stormcone_simulators.aws.api.parameters import HONOURED, NOTHING_SUCH, Parameters, Table, parameters_of
from stormcone_simulators.aws.api.xml import ec2_answer
from stormcone_simulators.aws.ec2.filters import INSTANCE_FILTERS, STATUS_FILTERS, narrowed
from stormcone_simulators.aws.ec2.instances import Ec2Instance, event_document
from stormcone_simulators.aws.model import AwsEvent, AwsModel
from stormcone_simulators.aws.types import Family
from stormcone_simulators.events import Revision
from stormcone_simulators.http.messages import Request, Response

VERSION = "2016-11-15"

MOST_NAMED = 100
"""Instances that DescribeInstanceStatus may name."""

LEAST_AHEAD = timedelta(minutes=60)
"""How far ahead an event may be moved to at the least. Source: EC2's documentation of rescheduling."""

TOO_SOON = timedelta(minutes=5)
"""How soon before its start an event cannot be moved. Source: as above."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ec2Call:
    """A call of an operation.

    Attributes:
        model: the rules.
        parameters: what it says.
        now: the simulator's time.
    """

    model: AwsModel
    parameters: Parameters
    now: datetime

    def instances(self) -> list[Ec2Instance]:
        """All instances."""
        return [Ec2Instance(machine, self.model, self.now) for machine in self.model.machines]

    def named(self, names: Sequence[str]) -> list[Ec2Instance]:
        """These instances; all where none is named.

        Raises:
            AwsError: one is not there.
        """
        known = {instance.id: instance for instance in self.instances()}
        absent = [name for name in names if name not in known]
        if absent:
            many = "s" if len(absent) > 1 else ""
            does = "do" if len(absent) > 1 else "does"
            listed = ", ".join(absent)
            raise AwsError("InvalidInstanceID.NotFound", f"The instance ID{many} '{listed}' {does} not exist")
        return [known[name] for name in names] if names else list(known.values())


def describe_instance_status(call: Ec2Call) -> dict[str, object]:
    """Instances with their scheduled events."""
    asked = call.parameters
    names = asked.names("InstanceId")
    if len(names) > MOST_NAMED:
        raise invalid("instanceId", str(len(names)), f"At most {MOST_NAMED} may be named.")
    most = asked.number("MaxResults", least=5, most=1000)
    if names and most is not None:
        raise AwsError("InvalidParameterCombination", "The parameter instancesSet cannot be used with maxResults")
    found = call.named(names)
    if not asked.flag("IncludeAllInstances"):
        found = [instance for instance in found if instance.state == "running"]
    found = narrowed(found, asked.filters(), STATUS_FILTERS)
    page, token = _page(found, most, asked.text("NextToken", ""))
    return {"instanceStatusSet": [instance.status() for instance in page], "nextToken": token}


def describe_instances(call: Ec2Call) -> dict[str, object]:
    """What instances are made of."""
    asked = call.parameters
    names = asked.names("InstanceId")
    most = asked.number("MaxResults", least=5, most=1000)
    if names and most is not None:
        raise AwsError("InvalidParameterCombination", "The parameter instancesSet cannot be used with maxResults")
    found = narrowed(call.named(names), asked.filters(), INSTANCE_FILTERS, tags=True)
    page, token = _page(found, most, asked.text("NextToken", ""))
    return {"reservationSet": [instance.reservation() for instance in page], "nextToken": token}


def modify_event_start_time(call: Ec2Call) -> dict[str, object]:
    """Put a scheduled event off, or bring it forward. The codes of its refusals are unverified."""
    asked = call.parameters
    (instance,) = call.named((asked.text("InstanceId"),))
    event = _event_of(instance, asked.text("InstanceEventId"))
    time = asked.time("NotBefore")
    if event.deadline is None:
        raise AwsError("UnsupportedInstanceEventReschedule", f"The event {event.id} cannot be rescheduled")
    if event.not_before - call.now < TOO_SOON:
        raise AwsError("UnsupportedInstanceEventReschedule", f"The event {event.id} starts within five minutes")
    if time - call.now < LEAST_AHEAD:
        raise AwsError("InvalidInstanceEventStartTime", "The new start time is less than 60 minutes ahead")
    if time > event.deadline:
        raise AwsError("InvalidInstanceEventStartTime", "The new start time is after the event's deadline")
    call.model.revise(event, Revision(not_before=time), call.now)
    return {"event": event_document(event)}


def describe_regions(call: Ec2Call) -> dict[str, object]:
    """The one region that there is."""
    region = call.model.rules.site.region
    asked = call.parameters.names("RegionName") or (region,)
    for name in asked:
        if name != region:
            raise AwsError("InvalidParameterValue", f"Invalid region(s): {name}")
    return {
        "regionInfo": [
            {
                "regionName": region,
                "regionEndpoint": f"ec2.{region}.amazonaws.com",
                "optInStatus": "opt-in-not-required",
            }
        ]
    }


def describe_availability_zones(call: Ec2Call) -> dict[str, object]:
    """The one zone that there is."""
    place = call.model.rules.site
    for parameter, zone in (("ZoneName", place.zone), ("ZoneId", place.zone_id)):
        for name in call.parameters.names(parameter):
            if name != zone:
                raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{name}]")
    return {
        "availabilityZoneInfo": [
            {
                "zoneName": place.zone,
                "zoneId": place.zone_id,
                "zoneState": "available",
                "zoneType": "availability-zone",
                "regionName": place.region,
                "groupName": f"{place.region}-zg-1",
                "networkBorderGroup": place.region,
                "optInStatus": "opt-in-not-required",
            }
        ]
    }


@dataclass(frozen=True)
class Ec2Operation:
    """One operation: what it does, and what it has of parameters."""

    run: Callable[[Ec2Call], Mapping[str, object]]
    parameters: Table


_DRY: Table = {"DryRun": HONOURED}
_PLACES = "the simulator has one region with one zone, so there is nothing to filter"

OPERATIONS: Mapping[str, Ec2Operation] = MappingProxyType(
    {
        "DescribeInstanceStatus": Ec2Operation(
            describe_instance_status,
            {
                **_DRY,
                "InstanceId": HONOURED,
                "MaxResults": HONOURED,
                "NextToken": HONOURED,
                "Filter": HONOURED,
                "IncludeAllInstances": HONOURED,
                "IncludeManagedResources": NOTHING_SUCH,
            },
        ),
        "DescribeInstances": Ec2Operation(
            describe_instances,
            {
                **_DRY,
                "InstanceId": HONOURED,
                "MaxResults": HONOURED,
                "NextToken": HONOURED,
                "Filter": HONOURED,
                "IncludeManagedResources": NOTHING_SUCH,
            },
        ),
        "ModifyInstanceEventStartTime": Ec2Operation(
            modify_event_start_time,
            {**_DRY, "InstanceId": HONOURED, "InstanceEventId": HONOURED, "NotBefore": HONOURED},
        ),
        "DescribeRegions": Ec2Operation(
            describe_regions,
            {**_DRY, "RegionName": HONOURED, "AllRegions": NOTHING_SUCH, "Filter": _PLACES},
        ),
        "DescribeAvailabilityZones": Ec2Operation(
            describe_availability_zones,
            {
                **_DRY,
                "ZoneName": HONOURED,
                "ZoneId": HONOURED,
                "AllAvailabilityZones": NOTHING_SUCH,
                "Filter": _PLACES,
            },
        ),
    }
)
"""By action."""


def answer(request: Request, model: AwsModel, now: datetime) -> Response:
    """EC2's answer.

    Raises:
        AwsError: the call is refused.
    """
    given = parameters_of(request)
    action = given.get("Action", "")
    if not action:
        raise AwsError("MissingAction", "The request is missing an action or a required parameter")
    if given.get("Version") != VERSION:
        raise AwsError("NoSuchVersion", f"The requested version ({given.get('Version')}) of service EC2 does not exist")
    operation = OPERATIONS.get(action)
    if operation is None:
        raise AwsError("InvalidAction", f"The action {action} is not valid for this web service, as simulated here")
    parameters = Parameters(given, operation.parameters)
    if parameters.flag("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    return ec2_answer(action, operation.run(Ec2Call(model, parameters, now)))


def _event_of(instance: Ec2Instance, identifier: str) -> AwsEvent:
    for event in instance.model.scheduled(instance.id):
        if event.id == identifier and event.kind.family is Family.SCHEDULED:
            return event
    raise AwsError("InvalidInstanceEventIDNotFound", f"The event {identifier} of {instance.id} was not found")


def _page(found: Sequence[Item], most: int | None, token: str) -> tuple[Sequence[Item], str | None]:
    """A page, and the token of the next; tokens say where it begins, and nobody is to rely on that."""
    start = 0
    if token:
        try:
            start = int(b64decode(token, validate=True))
        except (NotBase64, ValueError):
            raise invalid("nextToken", token) from None
        if start < 0:
            raise invalid("nextToken", token)
    end = len(found) if most is None else start + most
    return found[start:end], b64encode(str(end).encode()).decode() if end < len(found) else None
