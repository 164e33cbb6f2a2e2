"""How soon the first poll comes where the instance endpoint fails and the events' one is well; in real time.

python benchmarks/aside/first_poll.py

Each row is an agent or a command against a server of its own: seconds from its first request of any kind to its first
poll, or how it stood half a minute later where there was none.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path

SECONDS = 30.0
FAULTS: tuple[int | str, ...] = (404, 410, 503, "hang")
NAMES: tuple[tuple[str, ...], ...] = (("--machine", "web-0"), ())
WAYS = {
    "run, a new journal": ("run", False),
    "run, a journal of this boot": ("run", True),
    "events": ("events", False),
}
COMPUTE = {"name": "web-0", "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6", "location": "westus"}


class Service(ThreadingHTTPServer):
    """A metadata service whose instance endpoint does what `fault` says; None: it is well."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.fault: int | str | None = None
        self.over = threading.Event()
        self.begin()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def begin(self) -> None:
        """Forget what was asked."""
        self.begun: float | None = None
        self.polled: float | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: an agent that is stopped hangs up."""

    def saw(self, path: str) -> None:
        """Note a request of the provider's."""
        now = time.monotonic()
        self.begun = self.begun or now
        if "/scheduledevents" in path and self.polled is None:
            self.polled = now - self.begun


class Answers(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        """Answer, or not."""
        if "/metadata/" not in self.path:  # whether this is a simulator
            self.send(404, {})
            return
        self.server.saw(self.path)
        if "/scheduledevents" in self.path:
            self.send(200, {"DocumentIncarnation": 1, "Events": []})
        elif self.server.fault == "hang":
            self.server.over.wait()
        else:
            self.send(int(self.server.fault or 200), COMPUTE)

    def send(self, status: int, document: object) -> None:
        """A whole answer."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing."""


def start(service: Service, command: str, name: tuple[str, ...], folder: str) -> subprocess.Popen[bytes]:
    """The program, on that service."""
    where = ("--provider", "azure", "--endpoint", f"http://127.0.0.1:{service.server_port}", *name)
    more = ("--journal", f"{folder}/journal.db", "--on-prepare", "true") if command == "run" else ()
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    words = [sys.executable, "-m", "stormcone", command, *where, *more]
    return subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(fault: int | str, way: str, name: tuple[str, ...]) -> str:
    """One row."""
    command, lived = WAYS[way]
    service = Service()
    with tempfile.TemporaryDirectory() as folder:
        if lived:
            agent = start(service, command, name, folder)
            while service.polled is None or not Path(folder, "journal.db").exists():
                time.sleep(0.05)
            time.sleep(1)
            agent.terminate()
            agent.wait()
        service.fault = fault
        service.begin()
        program = start(service, command, name, folder)
        while service.polled is None and program.poll() is None:
            if service.begun is not None and time.monotonic() - service.begun > SECONDS:
                break
            time.sleep(0.02)
        ended = "goes on" if program.poll() is None else f"exit status {program.returncode}"
        program.kill()
        program.wait()
    service.over.set()
    service.shutdown()
    first = f"{service.polled:.1f} s" if service.polled is not None else f"no poll; {ended}"
    return f"{way:28} {'--machine' if name else '':10} {fault!s:5} {first}"


if __name__ == "__main__":
    for way, name, fault in product(WAYS, NAMES, FAULTS):
        print(measure(fault, way, name), flush=True)
