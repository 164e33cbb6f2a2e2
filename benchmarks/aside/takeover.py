"""How long a region is without its watcher when that is killed: from the kill until another one watches.

Two `stormcone run` share a journal on a PostgreSQL of this machine; the one that holds the lease is killed with SIGKILL
at a moment that chance picks, and another is started in its place. Run with: python benchmarks/aside/takeover.py
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from stormcone.plugins import simulator_class
from stormcone.postgresql.server import PostgresqlServer
from stormcone.simulators.contract import SimulatorOptions

PATIENCE = 120.0


class Watcher:
    """A `stormcone run` of the region."""

    def __init__(self, folder: Path, endpoint: str, journal: str, number: int) -> None:
        self._said = folder / f"{number}.out"
        environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / str(number)),
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
        end = time.monotonic() + PATIENCE
        while text not in self._said.read_text():
            if time.monotonic() > end or self._process.poll() is not None:
                raise SystemExit(f"a watcher does not say {text!r}: {self._said.read_text()}")
            time.sleep(0.01)
        return time.monotonic()

    def kill(self) -> float:
        """Kill it; answers when it was."""
        self._process.kill()
        killed = time.monotonic()
        self._process.wait()
        return killed


def main() -> None:
    """Print how long each takeover took, the median and the 99th percentile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--lease", type=float, default=15.0)
    given = parser.parse_args()
    took: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(PostgresqlServer())
        options = SimulatorOptions(machines=("i-0",))
        simulator = stack.enter_context(simulator_class("alibaba").from_options(options))
        journal = server.url(journal="bench", lease=f"{given.lease:g}")

        def watcher(number: int) -> Watcher:
            started = Watcher(folder, simulator.url, journal, number)
            stack.callback(started.kill)
            return started

        holder = watcher(0)
        holder.until_it_says("watching ")
        for number in range(1, given.kills + 1):
            other = watcher(number)
            other.until_it_says("standing by: ")
            time.sleep(random.uniform(0, given.lease / 3))
            killed = holder.kill()
            took.append(other.until_it_says("watching ") - killed)
            print(f"{number}: {took[-1]:.1f} s", flush=True)
            holder = other
    p99 = statistics.quantiles(took, n=100, method="inclusive")[98]
    print(f"of {len(took)}: p50 {statistics.median(took):.1f} s, p99 {p99:.1f} s, longest {max(took):.1f} s")


if __name__ == "__main__":
    main()
