"""How long shards are without a watcher: until all are held again after a watcher is killed, and after one comes.

Three `stormcone watch` share the parts of a region, by a PostgreSQL of this machine. Again and again one of them is
killed with all of its processes, at a moment that chance picks, until the other two hold all shards; then a new one is
started, until it holds its share and all are held. Run with: python benchmarks/aside/shards.py
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from stormcone.errors import JournalError
from stormcone.journal.postgresql.shards import read_shards
from stormcone.plugins import simulator_class
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.postgresql.server import PostgresqlServer
from stormcone.simulators.contract import SimulatorOptions

PATIENCE = 240.0
LOOK = 0.05
"""Seconds between two looks at the leases."""


class Watcher:
    """A `stormcone watch`, in a process group of its own."""

    def __init__(self, folder: Path, number: int) -> None:
        environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / str(number)),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
        }
        command = [sys.executable, "-m", "stormcone", "watch", "--on-prepare", "true", "--config", "stormcone.toml"]
        with (folder / f"{number}.out").open("w") as out:
            self._process = subprocess.Popen(
                [*command, "--json"],
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.name = f", process {self._process.pid}"

    def kill(self) -> float:
        """Kill it and all of its processes; answers when it was."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        killed = time.monotonic()
        self._process.wait()
        return killed


def until_held(address: DatabaseAddress, shards: int, watchers: list[Watcher]) -> float:
    """Wait until these hold all shards, evenly and by processes that the plan names; answers when it was."""
    end = time.monotonic() + PATIENCE
    least, names = shards // len(watchers), tuple(each.name for each in watchers)
    while time.monotonic() < end:
        with suppress(JournalError):
            seen = read_shards(address)
            living = [each for each in seen.watchers if each.lives and each.name.endswith(names)]
            held = [each for each in seen.shards if each.lease and each.lease.held and each.lease.taken >= each.since]
            loads = [len(seen.wanted_by(each.id)) for each in living]
            if len(living) == len(watchers) and len(held) == shards and min(loads) >= least and sum(loads) == shards:
                return time.monotonic()
        time.sleep(LOOK)
    raise SystemExit("the shards are not all held")


def figures(took: list[float]) -> str:
    """The median, the 99th percentile and the longest."""
    p99 = statistics.quantiles(took, n=100, method="inclusive")[98]
    return f"p50 {statistics.median(took):.1f} s, p99 {p99:.1f} s, longest {max(took):.1f} s"


def main() -> None:
    """Print how long each took, the medians and the 99th percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--lease", type=float, default=15.0)
    parser.add_argument("--shards", type=int, default=8)
    given = parser.parse_args()
    kills: list[float] = []
    joins: list[float] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(PostgresqlServer())
        options = SimulatorOptions(machines=("i-0",))
        simulator = stack.enter_context(simulator_class("alibaba").from_options(options))
        url = server.url(lease=f"{given.lease:g}")
        address = DatabaseAddress.parse(url, own=JOURNAL_OPTIONS)
        (folder / "stormcone.toml").write_text(
            f'journal = "{url}"\n[shards.cn-hangzhou]\nprovider = "alibaba"\nendpoint = "{simulator.url}"\n'
            f"parts = {given.shards}\n"
        )

        def watcher(number: int) -> Watcher:
            started = Watcher(folder, number)
            stack.callback(started.kill)
            return started

        watchers = [watcher(number) for number in range(3)]
        until_held(address, given.shards, watchers)
        for number in range(given.times):
            time.sleep(random.uniform(0, given.lease / 3))
            killed = watchers.pop(random.randrange(3)).kill()
            kills.append(until_held(address, given.shards, watchers) - killed)
            began = time.monotonic()
            watchers.append(watcher(number + 3))
            joins.append(until_held(address, given.shards, watchers) - began)
            print(f"{number + 1}: killed {kills[-1]:.1f} s, joined {joins[-1]:.1f} s", flush=True)
    print(f"of {len(kills)} kills: {figures(kills)}")
    print(f"of {len(joins)} joins: {figures(joins)}")


if __name__ == "__main__":
    main()
