"""AWS by its API: the scheduled events of a region's instances, with credentials and without an agent on each of them.

A poll costs one call for each thousand instances (each hundred of those that are listed or tagged), whether they have
events or not: nothing else shows events whose codes are not known yet. The names of nodes cost one call more, once.
"""

import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Self

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import ProviderOptions, Right
from stormcone.clouds.exchange import Tap
from stormcone.clouds.settings import Given, matching
from stormcone.clouds.sightings import Sightings
from stormcone.clouds.trace import TraceRules
from stormcone.errors import ProviderError, RequestRefused, SettingsError
from stormcone.model import Capabilities, Ending, Machine, MaintenanceEvent, Observation, Scope
from stormcone.text import iso
from stormcone_aws.api_errors import AwsRefused
from stormcone_aws.instance_status import SCHEDULED_LISTING, read_statuses
from stormcone_aws.kinds import PROVIDER
from stormcone_aws.queue_settings import INSTANCE, access_of
from stormcone_aws.rights import NO_EVENT, NO_INSTANCE, dry_run, rights_of
from stormcone_aws.sdk import SECRETS, Access, Answer, Sdk, require_sdk
from stormcone_aws.trace import RULES

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "scope": "machine (this instance, by its metadata) or region (all instances, by the API); machine if unset",
        "instances": "ids of the instances to watch in a region, with commas between; all if unset",
        "tag": "KEY:VALUE, a tag of the instances to watch in a region",
        "profile": "profile of the AWS CLI; the environment and all that botocore knows is looked at if unset",
    }
)
"""The provider's own settings, each with one line of help."""

PERMISSIONS = ("ec2:DescribeInstanceStatus", "ec2:DescribeInstances", "ec2:ModifyInstanceEventStartTime")
"""What the caller must be allowed to do: watching needs the first, names and tags the second, postponing the third."""

BATCH = 100
"""Instances that one call may name. Source: botocore's model of DescribeInstanceStatus."""

PAGE = 1000
"""Instances of one page where none is named. Source: EC2's documentation of pagination."""

NOT_THERE = "InvalidInstanceID.NotFound"

_INSTANCE_ID = re.compile(r"\bi-[0-9a-zA-Z]+\b")


@dataclass(frozen=True, kw_only=True)
class RegionSettings:
    """How the provider is to work.

    Attributes:
        access: how the API is reached.
        instances: the instances to watch; empty for all.
        tag: key and value of a tag of the instances to watch, or None.
    """

    access: Access
    instances: tuple[str, ...] = ()
    tag: tuple[str, str] | None = None


def read_settings(options: ProviderOptions) -> RegionSettings:
    """The settings that the options say.

    Raises:
        SettingsError: one of them cannot be used, or two do not fit together.
    """
    given = Given(PROVIDER, options.settings, SETTINGS)
    if options.machine:
        raise SettingsError("a machine is named, and scope=region watches all; use the setting instances instead")
    given.apart("instances", "tag")
    instances = given.names("instances")
    for name in instances:
        matching("instance", name, INSTANCE, "AWS")
    return RegionSettings(access=access_of(options, given), instances=instances, tag=given.pair("tag"))


class AwsRegionProvider:
    """The scheduled events of a region's instances: all of them, those that are listed, or those with a tag.

    Args:
        settings: how to work.
        clock: for the times of what the tap is told, and of what is asked.
        sdk: the API; None for boto3's, opened when it is first needed.
        tap: told of every exchange with the API; None tells nobody.
    """

    name: ClassVar[str] = PROVIDER
    capabilities: Capabilities = Capabilities(
        scope=Scope.REGION,
        poll_interval=60.0,
        can_postpone=True,
        reports_outcome=True,
        shortest_notice=600.0,
        permissions=PERMISSIONS,
        secrets=SECRETS,
    )
    trace_rules: ClassVar[TraceRules] = RULES

    def __init__(
        self, settings: RegionSettings, *, clock: Clock | None = None, sdk: Sdk | None = None, tap: Tap | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._sdk = sdk or Sdk(settings.access, self._clock, tap)
        self._lock = threading.Lock()
        self._nodes: dict[str, tuple[str, ...]] = {}

    @classmethod
    def from_options(cls, options: ProviderOptions) -> Self:
        """A provider as the options say, for a region whatever `scope` says; no network.

        Raises:
            SettingsError: an option cannot be used.
            ProviderUnavailable: the SDK is not installed.
        """
        require_sdk()
        return cls(read_settings(options), clock=options.clock, tap=options.tap)

    def named(self) -> Machine | None:
        """The region as it was named; None where botocore must find it."""
        return self._of(self._settings.access.region) if self._settings.access.region else None

    def identify(self) -> Machine:
        """The region, as a machine that stands for all of its instances.

        Raises:
            ProviderUnavailable: no region is named, or there are no credentials.
            ProviderError: it could not be asked.
        """
        machine = self._of(self._sdk.region())
        self._sdk.call("ec2", "DescribeInstanceStatus", MaxResults=5)  # nothing else would notice that it is not AWS
        return machine

    def facts(self) -> Mapping[str, str]:
        """The API's address, and where the credentials come from."""
        try:
            return {"api": self._sdk.address("ec2"), "credentials": self._sdk.credentials() or "none"}
        except ProviderError:
            return {}  # a poll tells why it cannot be asked

    def rights(self) -> Sequence[Right]:
        """What the caller may do, by calls that EC2 does not carry out."""
        with self._lock:
            known = next(iter(self._settings.instances or self._nodes), NO_INSTANCE)
        move = {"InstanceId": known, "InstanceEventId": NO_EVENT, "NotBefore": self._clock.now() + timedelta(days=1)}
        return rights_of(
            PERMISSIONS,
            {
                "ec2:DescribeInstanceStatus": lambda name: dry_run(self._sdk, name),
                "ec2:DescribeInstances": lambda name: dry_run(self._sdk, name),
                "ec2:ModifyInstanceEventStartTime": lambda name: dry_run(self._sdk, name, **move),
            },
        )

    def poll(self) -> Observation:
        """The scheduled events, those too that have ended within the last week.

        Where a later page or batch cannot be read, what the others say is told, and nothing is taken to be gone.

        Raises:
            ProviderError: nothing could be read.
        """
        sightings = Sightings()
        read = 0
        try:
            for answer in self._statuses(sightings):
                for event, problems in read_statuses(answer):
                    for problem in problems:
                        (sightings.problem if event else sightings.unreadable)(problem)
                    if event is not None:
                        sightings.add(event)
                read += 1
        except ProviderError as error:
            if not read:
                raise
            sightings.unreadable(f"not all instances could be asked about: {error}")
        observation = sightings.observation()
        events, trouble = self._with_nodes(observation.events)
        return replace(
            observation,
            events=events,
            whole=frozenset({SCHEDULED_LISTING} if observation.whole else ()),
            problems=(*observation.problems, *filter(None, (trouble,))),
        )

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Ending | None]:
        """How events ended; None for one that goes on. Ids that EC2 does not list are left out.

        Raises:
            ProviderError: it could not be asked.
        """
        found: dict[str, Ending | None] = {}
        for batch in _batches(tuple(ids)):
            filters = [{"Name": "event.instance-event-id", "Values": list(batch)}]
            for answer in self._sdk.pages(
                "ec2", "DescribeInstanceStatus", IncludeAllInstances=True, Filters=filters, MaxResults=PAGE
            ):
                for event, _ in read_statuses(answer):
                    if event is not None:
                        ended = event.outcome is not None
                        found[event.id] = (
                            Ending(event.outcome, event.native_status) if ended and event.outcome else None
                        )
        return {identifier: found[identifier] for identifier in ids if identifier in found}

    def postpone(self, event: MaintenanceEvent, until: datetime) -> None:
        """Have EC2 begin the event at that time.

        Source: EC2's documentation: an event that has a deadline, not within five minutes of its start; the new time
        is at least an hour ahead, and the deadline at the latest.

        Raises:
            RequestRefused: the event cannot be put off, or not until then.
            ProviderError: whether the request arrived is not known; it may be repeated.
        """
        if event.movable_until is None or len(event.resources) != 1:
            raise RequestRefused(
                f"event {event.id} has no deadline until which it can be put off; stop the instance instead"
            )
        if until > event.movable_until:
            raise RequestRefused(
                f"event {event.id} can be put off until {iso(event.movable_until)}, not {iso(until)}; "
                "name an earlier time"
            )
        self._sdk.call(
            "ec2",
            "ModifyInstanceEventStartTime",
            InstanceId=event.resources[0],
            InstanceEventId=event.id,
            NotBefore=until.astimezone(UTC).replace(microsecond=0),
        )

    def approve(self, event: MaintenanceEvent) -> None:
        """Always refused: nobody waits for a word on a scheduled event.

        Raises:
            RequestRefused: always.
        """
        raise RequestRefused(
            f"event {event.id} cannot be approved: EC2 does not wait for that; "
            "stop and start the instance to get it over with"
        )

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        self._sdk.close()

    def _statuses(self, sightings: Sightings) -> Iterator[Answer]:
        """The answers about all instances that are watched."""
        if not (self._settings.instances or self._settings.tag):
            yield from self._sdk.pages("ec2", "DescribeInstanceStatus", IncludeAllInstances=True, MaxResults=PAGE)
            return
        names = self._settings.instances or tuple(self._tagged(self._settings.tag or ("", "")))
        if not names:
            sightings.problem("no instance has the tag; check it, and the region")
            yield {"InstanceStatuses": []}
        for batch in _batches(names):
            yield self._of_those(batch, sightings)

    def _of_those(self, names: Sequence[str], sightings: Sightings) -> Answer:
        """The answer about these instances, without those that are not there: one of them spoils the whole call."""
        asked = list(names)
        while asked:
            try:
                return self._sdk.call("ec2", "DescribeInstanceStatus", IncludeAllInstances=True, InstanceIds=asked)
            except AwsRefused as error:
                gone = set(_INSTANCE_ID.findall(error.said)) & set(asked) if error.code == NOT_THERE else set()
                if not gone:
                    raise
                sightings.problem(f"not in this region, or terminated long ago: {', '.join(sorted(gone))}")
                asked = [name for name in asked if name not in gone]
        return {"InstanceStatuses": []}

    def _tagged(self, tag: tuple[str, str]) -> Iterator[str]:
        for instance in self._instances([{"Name": f"tag:{tag[0]}", "Values": [tag[1]]}]):
            yield str(instance["InstanceId"])

    def _instances(self, filters: Sequence[Mapping[str, object]]) -> Iterator[Mapping[str, Any]]:
        for answer in self._sdk.pages("ec2", "DescribeInstances", Filters=list(filters)):
            for reservation in answer.get("Reservations", ()):
                yield from reservation.get("Instances", ())

    def _with_nodes(self, events: Sequence[MaintenanceEvent]) -> tuple[tuple[MaintenanceEvent, ...], str]:
        """The events with the names of their instances' nodes, and why these could not be asked, or ""."""
        with self._lock:
            new = sorted({name for event in events for name in event.resources} - set(self._nodes))
        trouble = ""
        try:
            for batch in _batches(new):
                found = dict.fromkeys(batch, ()) | {
                    str(each["InstanceId"]): tuple(filter(None, (each.get("PrivateDnsName"),)))
                    for each in self._instances([{"Name": "instance-id", "Values": list(batch)}])
                }
                with self._lock:
                    self._nodes.update(found)
        except ProviderError as error:
            trouble = f"the names of the instances' nodes could not be asked: {error}"
        with self._lock:
            named = {name: nodes for name, nodes in self._nodes.items() if nodes}
        return tuple(
            event.but(aliases={name: named[name] for name in event.resources if name in named}) for event in events
        ), trouble

    def _of(self, region: str) -> Machine:
        name = f"region:{region}"
        return Machine(provider=PROVIDER, id=name, name=name, region=region, scope=Scope.REGION)


def _batches(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), BATCH):
        yield tuple(names[start : start + BATCH])
