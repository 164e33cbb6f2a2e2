"""How long a region is without its watcher when that is killed: from the kill until another one watches.

Two `stormcone run` share a journal on a PostgreSQL; the one that holds the lease is killed with SIGKILL at a moment
that chance picks, and another is started in its place. Several regions side by side, each with a journal of its own.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from figures import Figure, Measured
from fleets import database, p50_p99
from processes import wait_until
from stormcone.journal.postgresql.lease import USUAL
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import SimulatorOptions

REGIONS = 5
KILLS = 5


class Watcher:
    """A `stormcone run` of the region."""

    def __init__(self, folder: Path, endpoint: str, journal: str) -> None:
        self._said = folder / "said"
        environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
        }
        source = ["--provider", "alibaba", "--region", "cn-hangzhou", "--set", "scope=region", "--endpoint", endpoint]
        command = [sys.executable, "-m", "stormcone", "run", "--on-prepare", "true", "--json", "--journal", journal]
        with self._said.open("w") as out:
            self._process = subprocess.Popen(
                [*command, *source], cwd=folder, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def until_it_says(self, text: str) -> float:
        """Wait for that; answers when it was."""

        def says() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"a watcher has ended: {self._said.read_text()}")
            return text in self._said.read_text()

        wait_until(says, 0.02)
        return time.monotonic()

    def kill(self) -> float:
        """Kill it; answers when it was."""
        self._process.kill()
        killed = time.monotonic()
        self._process.wait()
        return killed


def measure(regions: int = REGIONS, kills: int = KILLS, lease: float = USUAL) -> Measured:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(database())
        options = SimulatorOptions(machines=("i-0",))
        simulator = stack.enter_context(simulator_class("alibaba").from_options(options))

        def region(number: int) -> list[float]:
            journal = server.url(journal=f"bench{number}", lease=f"{lease:g}")
            return _takeovers(folder / str(number), simulator.url, journal, kills, lease)

        with ThreadPoolExecutor(regions) as threads:
            took = [each for of_one in threads.map(region, range(regions)) for each in of_one]
    p50, p99 = p50_p99(took)
    return Measured(
        [
            Figure("takeovers", len(took), ""),
            Figure("p50", p50, "s"),
            Figure("p99", p99, "s"),
            Figure("the longest", max(took), "s"),
            Figure("the lease", lease, "s"),
        ]
    )


def _takeovers(folder: Path, endpoint: str, journal: str, kills: int, lease: float) -> list[float]:
    took = []
    with ExitStack() as stack:

        def watcher(number: int) -> Watcher:
            own = folder / str(number)
            own.mkdir(parents=True)
            started = Watcher(own, endpoint, journal)
            stack.callback(started.kill)
            return started

        holder = watcher(0)
        holder.until_it_says("watching ")
        for number in range(1, kills + 1):
            other = watcher(number)
            other.until_it_says("standing by: ")
            time.sleep(random.uniform(0, lease / 3))  # the lease is renewed so often: kill at any moment between
            killed = holder.kill()
            took.append(other.until_it_says("watching ") - killed)
            holder = other
    return took
