"""The VMs of a simulated project: their ids, and what becomes of them, by their own settings.

On Google Cloud the impact of maintenance is not the event's but the VM's: how it was set up. A simulated VM that was
not set up in one way takes the settings that the events ordered for it need, as if somebody had set it up so.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from hashlib import sha256

from stormcone.errors import SettingsError, SimulationError
from stormcone.model import Cause, Impact
from stormcone.text import folded
from stormcone_simulators.events import Busy
from stormcone_simulators.machines import Machines


@dataclass(frozen=True, kw_only=True)
class Scheduling:
    """A VM's settings; see `scheduling` of the Compute API.

    Attributes:
        migrates: `onHostMaintenance`: MIGRATE, or TERMINATE.
        restarts: `automaticRestart`.
        spot: whether it is a Spot VM; such a one neither migrates nor restarts.
        deletes: `instanceTerminationAction` of a Spot VM: DELETE, or STOP.
    """

    migrates: bool = True
    restarts: bool = True
    spot: bool = False
    deletes: bool = True

    @property
    def impact(self) -> Impact:
        """What maintenance of its host is."""
        if self.migrates:
            return Impact.FREEZE
        return Impact.REBOOT if self.restarts else Impact.STOP

    @property
    def taken_away(self) -> Impact:
        """What being preempted is."""
        return Impact.TERMINATE if self.deletes else Impact.STOP


SPOT = Scheduling(migrates=False, restarts=False, spot=True)
TERMINATED = Scheduling(migrates=False)

_NEEDED = {
    Impact.FREEZE: Scheduling(),
    Impact.REBOOT: TERMINATED,
    Impact.STOP: Scheduling(migrates=False, restarts=False),
}


class Vms:
    """All VMs of a simulator.

    Args:
        machines: their names.
        project: the project's id; with the zone and the name, what a VM's id is made of.
        zone: where they are.
        terminated: names of those that are terminated for maintenance and started again.
        spot: names of Spot VMs.

    Raises:
        SettingsError: there is no machine of a name that is given.
    """

    def __init__(
        self, machines: Machines, *, project: str, zone: str, terminated: Collection[str], spot: Collection[str]
    ) -> None:
        self.machines = machines
        self.project = project
        self.zone = zone
        self._fixed = {self._known(name): TERMINATED for name in terminated}
        self._fixed |= {self._known(name): SPOT for name in spot}
        self._scheduling: dict[str, Scheduling] = {}

    @property
    def region(self) -> str:
        """The region of the zone."""
        return self.zone.rpartition("-")[0]

    @property
    def project_number(self) -> int:
        """The project's number."""
        return _number(self.project, 12)

    def id_of(self, name: str) -> int:
        """The VM's id: the same for the same name, project and zone."""
        return _number(f"{self.project}/{self.zone}/{folded(name)}", 19)

    def find(self, name: str) -> str | None:
        """The VM's name, by its name or its id; None: there is none."""
        machine = self.machines.find(name)
        if machine is not None:
            return machine.name
        return next((each.name for each in self.machines if str(self.id_of(each.name)) == name), None)

    def scheduling(self, name: str) -> Scheduling:
        """The VM's settings as they are now."""
        return self._fixed.get(name) or self._scheduling.get(name, Scheduling())

    def need(self, name: str, impact: Impact, cause: Cause, *, busy: bool) -> Scheduling:
        """The settings with which an event has that impact on the VM.

        Args:
            name: the VM's.
            impact: what is to happen.
            cause: why.
            busy: whether another event of the VM goes on, by the settings as they are.

        Raises:
            SimulationError: the VM was set up in another way.
            Busy: another event of it needs other settings.
        """
        now = self.scheduling(name)
        if cause is Cause.PREEMPTION:
            wanted, fits = replace(SPOT, deletes=impact is Impact.TERMINATE), now.spot and now.taken_away is impact
        else:
            wanted, fits = _NEEDED[impact], now.impact is impact
        if fits:
            return now
        if name in self._fixed:
            raise SimulationError(f"{name} cannot have a {impact}: its settings make maintenance a {now.impact}")
        if busy:
            raise Busy(f"{name} cannot have a {impact} now: by the event that goes on, it has the settings for another")
        return wanted

    def set(self, name: str, scheduling: Scheduling) -> None:
        """Set a VM up; one that was set up for good stays as it is."""
        self._scheduling[name] = scheduling

    def _known(self, name: str) -> str:
        machine = self.machines.find(name)
        if machine is None:
            raise SettingsError(f"there is no machine {name!r}; name one that the simulator has")
        return machine.name


def _number(text: str, digits: int) -> int:
    """A number of so many digits, of which the first is not 0."""
    least: int = 10 ** (digits - 1)
    return least + int.from_bytes(sha256(text.encode()).digest()[:16]) % (8 * least)
