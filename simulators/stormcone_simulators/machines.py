"""The machines that a simulator knows, and which of them a request comes from.

On a real cloud each machine asks its own link-local address. Here many ask one server, so a request says which one it
is by its path (`/machines/NAME/...`) or by its source address; all others are taken for the first machine.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

from stormcone.errors import SettingsError, SimulationError
from stormcone.text import folded

DEFAULT_GROUP = "default"
_PREFIX = "/machines/"
_SPEC = re.compile(r"(?P<name>[^@=/\s]+)(@(?P<group>[^@=/\s]+))?(=(?P<address>\S+))?")


@dataclass(frozen=True)
class SimulatedMachine:
    """One machine.

    Attributes:
        name: as events name it.
        group: the machines that see one another's events, in the clouds that have such groups.
        address: the source address of its requests, or "".
    """

    name: str
    group: str = DEFAULT_GROUP
    address: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """A machine from `NAME[@GROUP][=ADDRESS]`.

        Raises:
            SettingsError: the text is not of that form.
        """
        match = _SPEC.fullmatch(text)
        if match is None:
            raise SettingsError(f"the machine {text!r} is not of the form NAME[@GROUP][=ADDRESS], such as web-0@web")
        address = match["address"] or ""
        if address:
            try:
                address = str(ipaddress.ip_address(address))
            except ValueError as error:
                raise SettingsError(f"the address of the machine {text!r} is not an IP address: {address}") from error
        return cls(match["name"], match["group"] or DEFAULT_GROUP, address)


class Machines:
    """All machines of a simulator, in order; names are compared without regard to case.

    Requests are routed by any thread while machines are added, so what is known is replaced and never changed.

    Raises:
        SettingsError: there is none, or two share a name or an address.
    """

    def __init__(self, specs: Iterable[str]) -> None:
        self._all: Sequence[SimulatedMachine] = ()
        self.add(specs)
        if not self._all:
            raise SettingsError("a simulator needs at least one machine; name one")

    def add(self, specs: Iterable[str]) -> None:
        """Add machines, all or none.

        Raises:
            SettingsError: a machine cannot be read, or shares its name or address with another.
        """
        machines = (*self._all, *(SimulatedMachine.parse(spec) for spec in specs))
        by_name = {folded(machine.name): machine for machine in machines}
        by_address = {machine.address: machine for machine in machines if machine.address}
        if len(by_name) < len(machines):
            raise SettingsError("two machines have the same name; names are compared without regard to case")
        if len(by_address) < sum(1 for machine in machines if machine.address):
            raise SettingsError("two machines have the same address; give each its own, such as 127.0.0.2")
        self._all, self._by_name, self._by_address = machines, by_name, by_address

    def __iter__(self) -> Iterator[SimulatedMachine]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def first(self) -> SimulatedMachine:
        """The machine that requests without a sign of another come from."""
        return self._all[0]

    def find(self, name: str) -> SimulatedMachine | None:
        """The machine of that name, or None."""
        return self._by_name.get(folded(name))

    def named(self, name: str) -> SimulatedMachine:
        """The machine of that name.

        Raises:
            SimulationError: there is none.
        """
        machine = self.find(name)
        if machine is None:
            known = ", ".join(known.name for known in self._all[:10]) + (", ..." if len(self._all) > 10 else "")
            raise SimulationError(f"there is no machine {name!r}; there are: {known}")
        return machine

    def group(self, name: str) -> tuple[SimulatedMachine, ...]:
        """The machines of a group, in order."""
        return tuple(machine for machine in self._all if machine.group == name)

    def route(self, path: str, peer: str) -> tuple[SimulatedMachine | None, str]:
        """Which machine asks, and the path without its prefix; no machine where the prefix names an unknown one."""
        if path.startswith(_PREFIX):
            name, slash, rest = path.removeprefix(_PREFIX).partition("/")
            return self.find(name), slash + rest or "/"
        return self._by_address.get(peer, self._all[0]), path


def machine_path(name: str) -> str:
    """The path under which the machine's requests are known as its own."""
    return _PREFIX + quote(name, safe="")
