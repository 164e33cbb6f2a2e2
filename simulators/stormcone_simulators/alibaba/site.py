"""Where the instances are and what they are made of: what API and metadata service say alike of a machine.

All of it is invented, in the shapes that the service uses, and the same for the same name and place.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network

ACCOUNT = "1234567890123456"
"""The id of the account that owns everything."""

CREATED = datetime(2025, 1, 1, tzinfo=UTC)
"""When all instances were made; they are paid for by use, so they do not expire."""

INSTANCE_TYPE = "ecs.g6.large"
TYPE_FAMILY = "ecs.g6"
CPUS = 2
MEMORY_MIB = 8192
IMAGE = "aliyun_3_x64_20G_alibase_20240528.vhd"
OS_NAME = "Alibaba Cloud Linux  3.2104 LTS 64位"
OS_NAME_EN = "Alibaba Cloud Linux  3.2104 LTS 64 bit"
DISK_CATEGORY = "cloud_essd"
DISK_GIB = 40

VPC = "vpc-stormcone"
SECURITY_GROUP = "sg-stormcone"
VPC_NETWORK = IPv4Network("10.0.0.0/8")
_SWITCH_PREFIX = 16
_RESERVED = 10
"""How many addresses of the network are nobody's."""

_DISK = "d-"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the instances are.

    Attributes:
        region: the region's id.
        token_required: whether the metadata service answers nothing without a token (`HttpTokens=required`).
    """

    region: str
    token_required: bool = False

    @property
    def zone(self) -> str:
        """The zone of every instance."""
        return f"{self.region}-h"


@dataclass(frozen=True)
class Hardware:
    """What an instance is made of.

    Attributes:
        name: the instance's id.
        place: its place among the instances, from 0.
    """

    name: str
    place: int

    @property
    def address(self) -> str:
        """Its private address; it has no public one."""
        return str(VPC_NETWORK[_RESERVED + self.place])

    @property
    def network(self) -> IPv4Network:
        """The addresses of its switch."""
        return IPv4Network(f"{self.address}/{_SWITCH_PREFIX}", strict=False)

    @property
    def switch(self) -> str:
        """The id of its switch."""
        return f"vsw-stormcone{int(self.network.network_address) >> _SWITCH_PREFIX & 0xFF}"

    @property
    def gateway(self) -> str:
        """The address of its gateway, which is by custom the third from the end."""
        return str(self.network[-3])

    @property
    def interface(self) -> str:
        """The id of its only network interface."""
        return f"eni-{self.name.removeprefix('i-')}"

    @property
    def mac(self) -> str:
        """The address of that interface."""
        number = _RESERVED + self.place
        return ":".join(("00", "16", "3e", *(f"{number >> shift & 0xFF:02x}" for shift in (16, 8, 0))))

    @property
    def serial(self) -> str:
        """Its serial number."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name))

    @property
    def disk(self) -> str:
        """The id of its only disk."""
        return _DISK + self.name


def instance_of(disk_id: str) -> str | None:
    """The instance whose disk that may be; None where it cannot be one's."""
    return disk_id.removeprefix(_DISK) if disk_id.startswith(_DISK) else None
