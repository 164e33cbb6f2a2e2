"""Where the instances are and what they are made of: what metadata service and API say alike of an instance.

All of it is invented, in the shapes that EC2 uses, and the same for the same name and place.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Network

ACCOUNT = "123456789012"
"""The id of the account that owns everything."""

CREATED = datetime(2025, 1, 1, tzinfo=UTC)
"""When all instances were launched."""

INSTANCE_TYPE = "m7i.large"
ARCHITECTURE = "x86_64"
IMAGE = "ami-0abcdef1234567890"
VPC = "vpc-0123456789abcdef0"
SUBNET = "subnet-0123456789abcdef0"
SECURITY_GROUP = "sg-0123456789abcdef0"
SECURITY_GROUP_NAME = "default"
NETWORK = IPv4Network("10.0.0.0/16")

DEFAULT_REGION = "us-east-1"
_RESERVED = 10
"""How many addresses of the network are nobody's."""


@dataclass(frozen=True, kw_only=True)
class Ec2Site:
    """Where the instances are.

    Attributes:
        region: the region.
    """

    region: str = DEFAULT_REGION

    @property
    def zone(self) -> str:
        """The availability zone of every instance."""
        return f"{self.region}a"

    @property
    def zone_id(self) -> str:
        """The id of that zone, which is the same for all accounts: `use1-az1`."""
        parts = self.region.split("-")
        return f"{parts[0]}{parts[1][:1] if len(parts) > 1 else ''}{parts[-1]}-az1"

    @property
    def domain(self) -> str:
        """What private host names end with."""
        return "ec2.internal" if self.region == DEFAULT_REGION else f"{self.region}.compute.internal"


@dataclass(frozen=True)
class Ec2Hardware:
    """What an instance is made of.

    Attributes:
        name: the instance's id.
        place: its place among the instances, from 0.
        site: where it is.
    """

    name: str
    place: int
    site: Ec2Site

    @property
    def address(self) -> str:
        """Its private address; it has no public one."""
        return str(NETWORK[_RESERVED + self.place])

    @property
    def hostname(self) -> str:
        """Its private DNS name, such as `ip-10-0-0-10.ec2.internal`."""
        return f"ip-{self.address.replace('.', '-')}.{self.site.domain}"

    @property
    def mac(self) -> str:
        """The address of its only network interface."""
        number = _RESERVED + self.place
        return ":".join(("0e", "00", "0a", *(f"{number >> shift & 0xFF:02x}" for shift in (16, 8, 0))))

    @property
    def interface(self) -> str:
        """The id of that interface."""
        return f"eni-{self._digest('interface')}"

    @property
    def volume(self) -> str:
        """The id of its root volume."""
        return f"vol-{self._digest('volume')}"

    @property
    def reservation(self) -> str:
        """The id of the reservation that it was launched by."""
        return f"r-{self._digest('reservation')}"

    def _digest(self, what: str) -> str:
        return sha256(f"{what} {self.name}".encode()).hexdigest()[:17]
