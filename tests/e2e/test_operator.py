"""An operator's first day, as the docs have it: install, configure, be told, watch, and find out what is broken."""

import json
import shlex
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.health.prometheus import Prometheus

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "stormcone.rules.yml"

FILE = """\
provider = "azure"
endpoint = "{endpoint}"
listen = "127.0.0.1:{port}"

[commands.drain]
prepare = "{folder}/drain.sh"
recover = "touch {folder}/back"
impacts = ["reboot", "redeploy", "terminate"]
lead = "announced"

[sinks.ops]
type = "webhook"
url = "{hook}"
"""


class Hook:
    """A receiver of webhooks, and the types that it was sent."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        told = self.told

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def types(self) -> list[str]:
        return [each["type"].removeprefix("dev.stormcone.") for each in self.told]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


class Manager:
    """What systemd is to a service: the socket that it says how it is on."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(30)

    def hears(self, word: str) -> str:
        """Wait until it says that; answers the message."""
        while True:
            message = self._socket.recv(4096).decode()
            if word in message:
                return message

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.timeout(180)
def test_the_first_day(home: Any, simulator: Any, hook: Hook, manager: Manager, tmp_path: Path) -> None:
    port = free_port()
    drain = home.write("drain.sh", "#!/bin/sh\necho draining for a $STORMCONE_IMPACT\n")
    text = FILE.format(endpoint=simulator.url, port=port, folder=home.folder, hook=hook.url)
    file = home.write("stormcone.toml", text)

    # A command is configured: what cannot work is said before anything runs.
    public = home.run("check", "--config", file)
    assert (public.returncode, "sinks.ops.url is a secret and anybody may read it" in public.stderr) == (64, True)
    file.chmod(0o600)
    refused = home.run("check", "--config", file)
    assert refused.returncode == 64
    assert f"{drain} is not executable; chmod +x it" in refused.stderr
    drain.chmod(0o755)
    checked = home.run("check", "--config", file)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "drain: prepare, recover; impacts reboot, redeploy, terminate" in checked.stdout

    # The sink is tried before it is needed.
    tried = home.run("sink", "test", "ops", "--config", file)
    assert (tried.returncode, len(hook.told)) == (0, 1), tried.stderr

    # Installed as a service: the unit's own command is what runs, and it says that it is ready.
    unit = home.run("install", "--systemd", "--print", "--", "--config", file)
    assert unit.returncode == 0, unit.stderr
    assert all(line.startswith("warning: the service cannot see ") for line in unit.stderr.splitlines())
    (start,) = [line.removeprefix("ExecStart=") for line in unit.stdout.splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(start)
    assert words[1:] == ["run", "--config", str(file)]
    running = home.start(*words[1:], NOTIFY_SOCKET=manager.path)
    manager.hears("READY=1")
    home.until(lambda: home_status(home, file)["condition"] == "ready", "its first answer of the cloud")
    assert home.json("status", "--config", file)["machine"]["name"] == "web-0"

    # An event is simulated, and everything comes of it.
    event = simulator.schedule("reboot", resources=["web-0"])
    running.says("draining for a reboot")
    running.says("approved")
    simulator.complete(event)
    running.says("drain.recover done")
    home.until((home.folder / "back").exists, "the command that comes back")
    home.until(lambda: "run.succeeded" in hook.types and "maintenance.ended" in hook.types, "the notifications")
    assert hook.types.index("maintenance.scheduled") < hook.types.index("maintenance.ended")
    assert {each["subject"] for each in hook.told[1:]} == {"web-0"}

    # A real Prometheus scrapes it.
    if shutil.which("prometheus"):
        prometheus = Prometheus(tmp_path, port, RULES)
        try:
            (ready,) = prometheus.until("stormcone_ready == 1")
            (seen,) = prometheus.until('stormcone_events_seen_total{impact="reboot"}')
            assert (ready["value"][1], seen["value"][1]) == ("1", "1")
        finally:
            prometheus.close()

    # The handler is broken on purpose, and each place says what is wrong with it.
    drain.write_text("#!/bin/sh\necho the pool does not answer\nexit 3\n")
    second = simulator.schedule("reboot", resources=["web-0"])
    running.says("drain.prepare failed")
    (found,) = [each for each in home_status(home, file)["events"] if each["id"] == second]
    assert (found["approved"], found["rule"]) == (False, "not_prepared"), json.dumps(found)
    story = home.run("history", "--config", file, "--event", second).stdout
    assert "exit status 3" in story
    explained = home.run("explain", "--config", file, "--event", second)
    assert "not_prepared" in explained.stdout
    drain.chmod(0o644)
    looked = home.run("doctor", "--config", file)
    assert looked.returncode != 0
    assert f"{drain} is not executable" in looked.stdout + looked.stderr

    assert running.ends_by(signal.SIGTERM) == 0
    manager.hears("STOPPING=1")
    assert home.journal.exists()


def home_status(home: Any, file: Path) -> Any:
    """What `status` says of an agent that has trouble."""
    return json.loads(home.run("status", "--config", file, "--json").stdout)
