"""The operations of ECS's API: what each takes, as data, and what it does."""

from types import MappingProxyType

from stormcone_simulators.alibaba.operations.contract import Caller as Caller
from stormcone_simulators.alibaba.operations.contract import Operation as Operation
from stormcone_simulators.alibaba.operations.contract import Operations
from stormcone_simulators.alibaba.operations.disks import DISK_OPERATIONS
from stormcone_simulators.alibaba.operations.events import EVENT_OPERATIONS
from stormcone_simulators.alibaba.operations.instances import INSTANCE_OPERATIONS
from stormcone_simulators.alibaba.operations.maintenance import MAINTENANCE_OPERATIONS
from stormcone_simulators.alibaba.operations.power import POWER_OPERATIONS
from stormcone_simulators.alibaba.operations.regions import REGION_OPERATIONS

OPERATIONS: Operations = MappingProxyType(
    {
        **EVENT_OPERATIONS,
        **MAINTENANCE_OPERATIONS,
        **INSTANCE_OPERATIONS,
        **POWER_OPERATIONS,
        **DISK_OPERATIONS,
        **REGION_OPERATIONS,
    }
)
"""All operations, by name."""
