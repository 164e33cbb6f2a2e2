"""The real RabbitMQ, from Debian's packages, on ports and in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's own start in /usr/sbin becomes another user, whom a test's folder does not belong to."""

PATIENCE = 120.0
"""Real seconds that a start may take on a busy machine; it takes about five on one that is not."""


def missing() -> str:
    """Why there is no RabbitMQ here; "" where there is one."""
    for program in (SERVER, "epmd"):
        if shutil.which(str(program)) is None:
            return f"there is no {program} here: apt-get install rabbitmq-server"
    return ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Broker:
    """A broker that can be killed and started again with what it had on its disk."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        epmd_port = _free_port()
        config = folder / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\nvm_memory_high_watermark.relative = 0.9\n"
            "disk_free_limit.absolute = 10MB\nlog.console = false\n"
        )
        (folder / "plugins").write_text("[].\n")
        self._log = folder / "log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": f"stormcone{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._log),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        }
        # Its own start of epmd would leave that behind as a daemon.
        self._epmd = self._run("epmd", "-port", str(epmd_port), "-address", "127.0.0.1")
        self._server: subprocess.Popen[bytes] | None = None

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._server = self._run(str(SERVER))
        end = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._server.poll() is None, self._why()
            assert time.monotonic() < end, self._why()
            time.sleep(0.1)

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait(10)
            self._server = None

    def close(self) -> None:
        """End it and what belongs to it."""
        self.kill()
        self._epmd.kill()
        self._epmd.wait(10)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as opened:
                opened.settimeout(5)
                opened.sendall(b"AMQP\x00\x00\x09\x01")
                return len(opened.recv(1)) == 1
        except OSError:
            return False

    def _why(self) -> str:
        logs = [file.read_text(errors="replace")[-2000:] for file in self._log.glob("*.log")]
        return "RabbitMQ does not start: " + "\n".join(logs)
