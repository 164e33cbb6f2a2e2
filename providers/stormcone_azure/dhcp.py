"""Where the host is for a VM outside a virtual network: DHCP option 245, as a DHCP client wrote it down.

Inside a virtual network the service is at its static link-local address. Option 245 is the address of the wire
server, which the machine's agent talks to; there it holds `WIRE_SERVER`, which does not serve Scheduled Events, so
that value means "use the static address". Outside (classic) it holds the host's own address, which does serve them.

Source: Azure's documentation of Scheduled Events ("endpoint discovery"); the files and their forms were seen in the
field. The classic case is unverified: such machines can no longer be made.
"""

import contextlib
import re
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

WIRE_SERVER = IPv4Address("168.63.129.16")
"""What option 245 holds in every virtual network."""

LEASE_FILES = (
    "var/lib/dhcp/dhclient*.lease*",
    "var/lib/dhclient/dhclient*.lease*",
    "var/lib/NetworkManager/*.lease",
    "run/systemd/netif/leases/*",
)
"""Where dhclient, NetworkManager (its own client and dhclient under it) and systemd-networkd keep leases."""

_LONGEST_FILE = 1024 * 1024
_OPTION = re.compile(
    r"""^\s*(?:option\s+(?:unknown|private)-245\s+(?P<statement>[^;\n]+);
          |(?:option|unknown|private)_245\s*=(?P<assignment>.*)$)""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_HEX = re.compile(r"(?:[0-9a-f]{2}){4}|[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){3}", re.IGNORECASE)


def address_in(text: str) -> IPv4Address | None:
    """The address in the last option 245 of a lease file, since clients append; None without one that can be read."""
    addresses = [_address(found["statement"] or found["assignment"]) for found in _OPTION.finditer(text)]
    return next((address for address in reversed(addresses) if address), None)


def host_address(root: Path = Path("/")) -> str | None:
    """The host's address by the newest lease that has one, or None where the static address is the right one.

    Args:
        root: the directory that the lease files are looked for under.
    """
    for _, text in sorted(_leases(root), reverse=True):
        address = address_in(text)
        if address:
            return None if address == WIRE_SERVER else str(address)
    return None


def _leases(root: Path) -> Iterator[tuple[float, str]]:
    """When each lease file was written, and its text; without those that may not be read."""
    for pattern in LEASE_FILES:
        for path in root.glob(pattern):
            with contextlib.suppress(OSError), path.open("rb") as file:
                yield path.stat().st_mtime, file.read(_LONGEST_FILE).decode("utf-8", "replace")


def _address(value: str) -> IPv4Address | None:
    value = value.strip().strip("\"'")
    if not _HEX.fullmatch(value):
        return None
    octets = value.split(":") if ":" in value else re.findall("..", value)
    address = IPv4Address(bytes(int(octet, 16) for octet in octets))
    usable = not (address.is_multicast or address.is_loopback or address.is_unspecified or address.is_reserved)
    return address if usable else None
