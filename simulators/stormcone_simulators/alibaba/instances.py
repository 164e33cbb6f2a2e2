"""What the API knows of instances: status, tags, maintenance attributes.

An instance is a machine of the simulator. Only what differs from the usual is kept, so ten thousand cost little.

Source, unless a line says otherwise: ECS's documentation of DescribeInstances, RebootInstance and
DescribeInstanceMaintenanceAttributes.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.machines import Machines

# Unverified: how long a restart takes.
_STARTING = timedelta(seconds=30)


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


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What is kept of one instance.

    Attributes:
        starts_until: when its last restart is over; None: it was not restarted.
        tags: by key.
        window: first and last hour of its maintenance window, `HH:mm:ss` in UTC+8, or None.
        action: what is to happen in maintenance.
        notify: whether the owner wants to be asked before.
    """

    starts_until: datetime | None = None
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

    def of(self, name: str) -> Attributes:
        """What is kept of an instance."""
        return self._attributes.get(name, _USUAL)

    def change(self, name: str, **attributes: object) -> None:
        """Keep something else of an instance."""
        self._attributes[name] = replace(self.of(name), **attributes)  # type: ignore[arg-type]

    def status(self, name: str, now: datetime) -> InstanceStatus:
        """Whether it runs."""
        until = self.of(name).starts_until
        return InstanceStatus.STARTING if until is not None and now < until else InstanceStatus.RUNNING

    def restart(self, name: str, now: datetime) -> None:
        """Restart a running instance.

        Raises:
            ApiError: it does not run.
        """
        if self.status(name, now) is not InstanceStatus.RUNNING:
            raise ApiError("IncorrectInstanceStatus")
        self.change(name, starts_until=now + _STARTING)
