"""How long news takes from the simulator to a handler, beyond the time until the next poll begins."""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from processes import SimulatorProcess, agent, wait_until
from stormcone import Impact

INTERVAL = 0.05
EVENTS = 150
PLAN: dict[str, Any] = {"resources": ["web-0"], "notice": timedelta(minutes=15)}

TELLS = """
import os, time
from stormcone import App

app = App()
FILE = os.open({told!r}, os.O_WRONLY | os.O_APPEND)

@app.prepare
def prepare(event, context):
    os.write(FILE, f"{{time.time()}}\\n".encode())
    context.wait(60)
    os.write(FILE, f"{{time.time()}}\\n".encode())
"""

LOOP = """
import os, time, requests
FILE = os.open({told!r}, os.O_WRONLY | os.O_APPEND)
known = set()

def prepare(event):
    os.write(FILE, f"{{time.time()}}\\n".encode())

while True:
    document = requests.get({url!r}, headers={{"Metadata": "true"}}).json()
    listed = {{each["EventId"]: each for each in document["Events"]}}
    for identifier in listed.keys() - known:
        prepare(listed[identifier])
    known = set(listed)
    time.sleep({interval})
"""


class _Told:
    """What a handler has written down: when each of its lines was reached."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder, "told")
        self.path.touch()
        self._read = 0

    def next(self) -> float:
        """When the next line was reached; returns once it has been."""
        wait_until(lambda: len(self.path.read_bytes().splitlines()) > self._read, 0.002)
        self._read += 1
        return float(self.path.read_bytes().splitlines()[self._read - 1])


@contextmanager
def _loop(url: str, told: Path) -> Iterator[None]:
    place = f"{url}/metadata/scheduledevents?api-version=2020-07-01"
    program = subprocess.Popen([sys.executable, "-c", LOOP.format(told=str(told), url=place, interval=INTERVAL)])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def _late(simulator: SimulatorProcess, told: _Told, call: str, *arguments: Any, **named: Any) -> tuple[Any, float]:
    """The answer of a call, and milliseconds from it, or the first poll that can see it, to the handler's next line."""
    time.sleep(random.uniform(0, INTERVAL))  # polls and calls must not keep step
    before = time.time()
    answer = simulator.call(call, *arguments, **named)
    visible, reached = time.time(), told.next()
    polls = [arrival.at for arrival in simulator.call("arrivals", before) if arrival.method == "GET"]
    seen = max((at for at in polls if at <= min(visible, reached)), default=before)
    later = [at for at in polls if visible < at <= reached]
    return answer, (reached - (later[0] if later else seen)) * 1e3


def to_the_agent() -> tuple[list[float], list[float]]:
    """Milliseconds to the first line of a handler, and to its being told that the event is called off."""
    noticed, called_off = [], []
    with tempfile.TemporaryDirectory() as folder, SimulatorProcess() as simulator:
        told = _Told(folder)
        with agent(simulator.url, "--interval", str(INTERVAL), handlers=TELLS.format(told=str(told.path))):
            wait_until(lambda: simulator.call("arrived") > 10)
            for _ in range(EVENTS):
                event, late = _late(simulator, told, "schedule", Impact.REBOOT, **PLAN)
                noticed.append(late)
                called_off.append(_late(simulator, told, "cancel", event)[1])
    return noticed, called_off


def to_a_loop() -> list[float]:
    """Milliseconds to the function that the vendor's loop calls."""
    noticed = []
    with tempfile.TemporaryDirectory() as folder, SimulatorProcess() as simulator:
        told = _Told(folder)
        with _loop(simulator.url, told.path):
            wait_until(lambda: simulator.call("arrived") > 10)
            for _ in range(EVENTS):
                event, late = _late(simulator, told, "schedule", Impact.REBOOT, **PLAN)
                noticed.append(late)
                simulator.call("cancel", event)
    return noticed
