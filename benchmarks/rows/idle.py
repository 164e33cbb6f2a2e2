"""What a poll costs whose answer is the one before: the agent, and by hand. Each in turn, as a process of its own."""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from figures import Figure, Measured
from processes import SimulatorProcess, agent, processor, wait_until

INTERVAL = "0.01"
WARM = 30
SECONDS = 2.5
ROUNDS = 3

BY_HAND = {
    "the vendor's loop": """
import requests
while True:
    requests.get(url, headers={"Metadata": "true"}, timeout=10).json()
    time.sleep(interval)
""",
    "the same with one requests.Session": """
import requests
session = requests.Session()
while True:
    session.get(url, headers={"Metadata": "true"}, timeout=10).json()
    time.sleep(interval)
""",
    "a bare socket, kept alive": """
import socket
from urllib.parse import urlsplit
parts = urlsplit(url)
line = socket.create_connection((parts.hostname, parts.port))
head = f"GET {parts.path}?{parts.query} HTTP/1.1\\r\\nHost: {parts.netloc}\\r\\nMetadata: true\\r\\n\\r\\n"
request = head.encode()
while True:
    line.sendall(request)
    line.recv(65536)
    time.sleep(interval)
""",
}


@contextmanager
def _by_hand(loop: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    place = f"{url}/metadata/scheduledevents?api-version=2020-07-01"
    program = subprocess.Popen([sys.executable, "-c", f"import time\nurl, interval = {place!r}, {INTERVAL}\n{loop}"])
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def _has_polled(simulator: SimulatorProcess, times: int) -> bool:
    return bool(simulator.call("arrived") > times)


def measure() -> Measured:
    spent: defaultdict[str, float] = defaultdict(float)
    polls: defaultdict[str, int] = defaultdict(int)
    with SimulatorProcess() as simulator:
        for _ in range(ROUNDS):
            ways = {"the agent": agent(simulator.url, "--interval", INTERVAL)}
            ways |= {name: _by_hand(loop, simulator.url) for name, loop in BY_HAND.items()}
            for name, way in ways.items():
                with way as program:
                    wait_until(partial(_has_polled, simulator, simulator.call("arrived") + WARM))
                    before, used = simulator.call("arrived"), processor(program.pid)
                    time.sleep(SECONDS)
                    polls[name] += simulator.call("arrived") - before
                    spent[name] += processor(program.pid) - used
    return Measured([Figure(name, spent[name] / polls[name] * 1e6, "µs") for name in spent])
