"""What it costs to have the program say something, and how soon the agent polls."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from figures import Figure, Measured
from processes import SimulatorProcess, agent, wait_until

STARTS = 15
AGENTS = 5


def _processor(command: list[str]) -> float:
    """Milliseconds of a processor that a program has from its start to its end."""
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0, command
    return (used.ru_utime + used.ru_stime) * 1e3


def _first_poll(simulator: SimulatorProcess) -> float:
    """Seconds from the agent's start to its first poll."""
    begun = time.time()
    with agent(simulator.url):
        wait_until(lambda: any("scheduledevents" in each.path for each in simulator.call("arrivals", begun)))
        first: float = next(each.at for each in simulator.call("arrivals", begun) if "scheduledevents" in each.path)
        return first - begun


def measure() -> Measured:
    with SimulatorProcess() as simulator:
        program = str(Path(sys.executable).with_name("stormcone"))
        where = ["--provider", "azure", "--endpoint", simulator.url]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "stormcone --help": [program, "--help"],
            "stormcone --version": [program, "--version"],
            "stormcone events --json": [program, "events", "--json", *where],
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(STARTS):
            for name, command in commands.items():
                took[name].append(_processor(command))
        polls = [_first_poll(simulator) for _ in range(AGENTS)]
    return Measured(
        [
            *(Figure(name, statistics.median(times), "ms") for name, times in took.items()),
            Figure("start of the agent to its first poll", statistics.median(polls), "s"),
        ]
    )
