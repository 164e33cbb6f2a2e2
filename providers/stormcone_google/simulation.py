"""Simulated maintenance of the real service: what can be asked for. No network.

`simulateMaintenanceEvent` really does to a VM what its settings say: it is migrated, or terminated and started again;
a Spot VM is preempted. Source: Compute Engine's documentation of simulating host maintenance.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from stormcone.errors import SimulationError
from stormcone.model import Impact

SOON = timedelta(seconds=60)
"""What simulated maintenance is announced ahead at the most."""


def checked_order(
    *,
    resources: Collection[str],
    not_before: datetime,
    duration: timedelta | None,
    native_type: str | None,
    now: datetime,
) -> tuple[str, ...]:
    """The VMs that simulated maintenance is asked for.

    Raises:
        SimulationError: the service has no such thing.
    """
    if not_before - now > SOON:
        raise SimulationError(
            "Compute Engine begins simulated maintenance within a minute and at no other time; say --in 1m"
        )
    if duration is not None:
        raise SimulationError("Compute Engine's simulated maintenance has no duration; leave it out")
    if native_type is not None:
        raise SimulationError("Compute Engine does what a VM's settings say, and takes no native type; leave it out")
    names = tuple(dict.fromkeys(resources))
    if not names:
        raise SimulationError("simulated maintenance needs a machine; name one")
    return names


def refuse_other(name: str, wanted: Impact, actual: Impact) -> None:
    """Refuse to simulate something else than was asked for.

    Raises:
        SimulationError: the VM's settings make something else of it.
    """
    if actual is not wanted:
        raise SimulationError(f"maintenance of {name} is a {actual} by its own settings, not a {wanted}; say {actual}")
