"""What the API knows of instances: status, tags, maintenance attributes.

An instance is a machine of the simulator. Only what differs from the usual is kept, so ten thousand cost little.

Source, unless a line says otherwise: ECS's documentation of DescribeInstances, of the operations that start and stop
instances, and of DescribeInstanceMaintenanceAttributes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from stormcone.text import folded
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.site import CREATED, Hardware, instance_of
from stormcone_simulators.machines import Machines


class InstanceStatus(StrEnum):
    """`Status` of an instance."""

    PENDING = "Pending"
    RUNNING = "Running"
    STARTING = "Starting"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


class ActionOnMaintenance(StrEnum):
    """What is to happen to an instance in maintenance. That the default is AutoRecover is unverified."""

    AUTO_RECOVER = "AutoRecover"
    STOP = "Stop"
    AUTO_REDEPLOY = "AutoRedeploy"


class StoppedMode(StrEnum):
    """Whether a stopped instance is paid for."""

    KEEP_CHARGING = "KeepCharging"
    STOP_CHARGING = "StopCharging"
    NOT_APPLICABLE = "Not-applicable"


class Step(NamedTuple):
    """A status that an instance reaches by itself, at its time."""

    at: datetime
    status: InstanceStatus


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What is kept of one instance.

    Attributes:
        course: what its last start, stop or restart has set going, in the order of time.
        stopped_mode: how it is, or will be, stopped.
        tags: by key.
        window: first and last hour of its maintenance window, `HH:mm:ss` in UTC+8, or None.
        action: what is to happen in maintenance.
        notify: whether the owner wants to be asked before.
    """

    course: Sequence[Step] = ()
    stopped_mode: StoppedMode = StoppedMode.KEEP_CHARGING
    tags: Mapping[str, str] = field(default_factory=dict)
    window: tuple[str, str] | None = None
    action: ActionOnMaintenance = ActionOnMaintenance.AUTO_RECOVER
    notify: bool = False


_USUAL = Attributes()


class Instances:
    """The instances of a region, in order."""

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self._attributes: dict[str, Attributes] = {}
        self._places: dict[str, int] = {}

    def __iter__(self) -> Iterator[str]:
        return (machine.name for machine in self.machines)

    def add(self, names: Collection[str], tags: Mapping[str, str]) -> None:
        """Add instances.

        Raises:
            SettingsError: a name cannot be used, or is there already.
        """
        self.machines.add(names)
        if tags:
            for name in names:
                self.change(name, tags=tags)

    def named(self, instance_id: str) -> str:
        """The instance's id as the simulator spells it.

        Raises:
            ApiError: there is no such instance.
        """
        machine = self.machines.find(instance_id)
        if machine is None:
            raise ApiError("InvalidInstanceId.NotFound")
        return machine.name

    def some(self, instance_ids: Collection[str]) -> list[str]:
        """Those of the ids that are here, in their order; all instances where none is given."""
        if not instance_ids:
            return list(self)
        found = (self.machines.find(instance_id) for instance_id in instance_ids)
        return list(dict.fromkeys(machine.name for machine in found if machine))

    def listed(self, instance_ids: Collection[str] | None) -> list[str]:
        """As `some`, of a list that may be there and empty: then none of them, and all where there is no list."""
        return [] if instance_ids is not None and not instance_ids else self.some(instance_ids or ())

    def with_disks(self, disk_ids: Collection[str] | None) -> list[str]:
        """The instances of those disks, as `listed`."""
        return self.listed(None if disk_ids is None else [instance_of(disk_id) or "" for disk_id in disk_ids])

    def of(self, name: str) -> Attributes:
        """What is kept of an instance."""
        return self._attributes.get(name, _USUAL)

    def hardware(self, name: str) -> Hardware:
        """What an instance is made of."""
        if len(self._places) < len(self.machines):
            self._places = {folded(each): place for place, each in enumerate(self)}
        return Hardware(name, self._places[folded(name)])

    def change(self, name: str, **attributes: object) -> None:
        """Keep something else of an instance."""
        self._attributes[name] = replace(self.of(name), **attributes)  # type: ignore[arg-type]

    def status(self, name: str, now: datetime) -> InstanceStatus:
        """Whether it runs."""
        reached = [step.status for step in self.of(name).course if step.at <= now]
        return reached[-1] if reached else InstanceStatus.RUNNING

    def started_at(self, name: str, now: datetime) -> datetime:
        """When it began to run the last time. Unverified: that a restart counts."""
        course = self.of(name).course
        return max((at for at, status in course if status is InstanceStatus.RUNNING and at <= now), default=CREATED)

    def stopped_mode(self, name: str, now: datetime) -> StoppedMode:
        """How it is stopped, where it is."""
        stopped = self.status(name, now) is InstanceStatus.STOPPED
        return self.of(name).stopped_mode if stopped else StoppedMode.NOT_APPLICABLE

    def set_out(self, name: str, now: datetime, *course: tuple[InstanceStatus, timedelta]) -> None:
        """Let it go through statuses from now on, each for its time, the last one for good."""
        steps, at = [], now
        for status, lasts in course:
            steps.append(Step(at, status))
            at += lasts
        self.change(name, course=tuple(steps))
