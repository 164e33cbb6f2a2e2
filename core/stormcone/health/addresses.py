"""Where health is served: a TCP address, or a Unix socket."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from stormcone.errors import SettingsError

PORT = 9464
"""The port unless told otherwise: the one that OpenTelemetry's exporters for Prometheus have."""

_UNIX = "unix:"
_HELP = f"write 127.0.0.1:{PORT}, [::1]:{PORT}, or unix:/run/stormcone/health.sock"


@dataclass(frozen=True)
class Address:
    """Where to listen.

    Attributes:
        host: the address or name; "" for a Unix socket.
        port: the port; 0 for any that is free.
        path: the Unix socket; None for TCP.
        private: of a Unix socket, whether it is for its owner alone.
    """

    host: str = ""
    port: int = 0
    path: Path | None = None
    private: bool = False

    def __str__(self) -> str:
        if self.path is not None:
            return f"{_UNIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def exposed(self) -> bool:
        """Whether other machines may reach it."""
        if self.path is not None or self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True


def address_of(text: str) -> Address:
    """The address that is written so: `HOST:PORT`, a port of this machine alone, or `unix:/PATH`.

    Raises:
        SettingsError: it is none.
    """
    plain = text.strip()
    if plain.startswith(_UNIX):
        path = Path(plain.removeprefix(_UNIX))
        if not path.is_absolute():
            raise SettingsError(f"{text!r} names no socket by its whole path; {_HELP}")
        return Address(path=path)
    found = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):)?(\d{1,5})", plain)
    if found is None or int(found[2]) > 65535:
        raise SettingsError(f"{text!r} is not an address to listen on; {_HELP}")
    return Address(host=(found[1] or "127.0.0.1").strip("[]"), port=int(found[2]))


def own_socket(journal: Path) -> Address:
    """The Unix socket on which the agent with this journal answers: beside it, for its owner alone."""
    file = journal.resolve() if journal.is_symlink() else journal
    return Address(path=file.with_name(file.name + ".sock"), private=True)
