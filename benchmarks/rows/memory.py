"""What the agent has in memory after 10,000 polls and 100 events, and whether that grows."""

import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from figures import Curve, Figure, Measured
from processes import SimulatorProcess, agent, memory, wait_until
from stormcone import Impact

POLLS, EVENTS, SETTLED = 10_000, 100, 1_000


def _bare() -> float:
    """What a Python has that can ask over HTTP and does nothing."""
    code = "import requests; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        found = memory(program.pid)
        program.communicate(b"\n")
    return found


def _has_started(simulator: SimulatorProcess, event: str) -> bool:
    return any(each["id"] == event and each["phase"] == "started" for each in simulator.call("events"))


def _has_been_asked(simulator: SimulatorProcess, times: int) -> bool:
    return bool(simulator.call("arrived") >= times)


def measure() -> Measured:
    taken: list[tuple[float, float]] = []
    sizes: dict[int, float] = {}
    with SimulatorProcess() as simulator, agent(simulator.url, "--interval", "0.001") as program:
        for number in range(1, EVENTS + 1):
            event = simulator.call("schedule", Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15))
            wait_until(partial(_has_started, simulator, event))
            simulator.call("complete", event)
            polls = number * POLLS // EVENTS
            wait_until(partial(_has_been_asked, simulator, polls))
            taken.append((polls, memory(program.pid)))
            sizes[polls] = Path(f"/proc/{program.pid}/cwd/journal.db").stat().st_size / 1e6
    after = dict(taken)
    return Measured(
        [
            Figure("the agent", after[POLLS], "MB"),
            Figure("python -c 'import requests'", _bare(), "MB"),
            Figure("growth over the last 9,000 polls", after[POLLS] - after[SETTLED], "MB"),
            Figure("growth of the journal's file meanwhile", sizes[POLLS] - sizes[SETTLED], "MB"),
        ],
        [Curve("memory", "polls", "resident memory, MB", {"the agent": taken[9::10]})],
    )
