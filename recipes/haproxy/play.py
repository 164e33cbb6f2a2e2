"""HAProxy in front of two services."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from recipes.machinery import Machinery, free_port
from recipes.play import Scene
from recipes.pool import Pool

# Checks and redispatch are as one would have them without stormcone too, so that the comparison is fair. A service that
# is off refuses at once; the time-outs are long, so that a busy computer makes no server look like one that is off.
CONFIGURATION = """
global
    stats socket ipv4@127.0.0.1:{admin} level admin

defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 10s
    option redispatch 1
    retries 2

frontend front
    bind 127.0.0.1:{port}
    default_backend app

backend app
    balance roundrobin
    option httpchk GET /
    default-server check inter 500ms fall 2 rise 2
{servers}
"""


class HaproxyScene(Pool):
    """HAProxy with its admin socket on a port of its own."""

    title = "HAProxy"
    needs = ("haproxy",)

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery)
        self._admin = free_port()

    def balance(self) -> None:
        """HAProxy, in the foreground."""
        servers = "\n".join(f"    server {name} 127.0.0.1:{port}" for name, port in self.ports.items())
        file = self.machinery.folder / "haproxy.cfg"
        file.write_text(CONFIGURATION.format(admin=self._admin, port=self.port, servers=servers))
        self.machinery.start("haproxy", ["haproxy", "-db", "-f", file])

    def agent(self) -> Sequence[str | Path]:
        """The handler, as a user would copy it."""
        return [Path(__file__).with_name("handler.py")]

    def environment(self) -> Mapping[str, str]:
        """Where HAProxy is."""
        return {"HAPROXY": f"127.0.0.1:{self._admin}", "HAPROXY_BACKEND": "app"}


SCENE: type[Scene] = HaproxyScene
