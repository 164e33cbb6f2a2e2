"""Whether an agent that works for a year stays as small and as sound as on its first day.

    python soak/soak.py                     a year of a manual clock, an event a day
    python soak/soak.py --real              an hour of real time at one poll a second, an event every two minutes

An agent polls a simulator over HTTP, prepares, approves and recovers, with its journal in a file. The simulator is in
a process of its own, since it remembers what a test may ask it, so that what grows here is the agent's. Ends with
status 1 where an event was missed or handled twice, or where memory or journal grew beyond the bounds.
"""

import argparse
import gc
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stormcone import App, Clock, Context, Handler, Impact, MaintenanceEvent, ManualClock, SystemClock
from stormcone.agent.loop import Agent
from stormcone.agent.settings import KEEP, AgentSettings
from stormcone.agent.workers import InlineExecutor, ThreadExecutor
from stormcone.clouds.contract import ProviderOptions
from stormcone.journal import Journal
from stormcone.plugins import provider_class, simulator_class
from stormcone.simulators.contract import SimulatorOptions

MACHINES = {"azure": "web-0", "alibaba": "i-aaa"}
START = datetime(2026, 1, 1, tzinfo=UTC)
NOTICE = timedelta(minutes=15)
STARTED_FOR = timedelta(minutes=10)
DENSE = [1.0] * 30 + [60.0] * 30
"""Seconds between the polls around an event."""

REAL_EVERY = 120
REAL_NOTICE = timedelta(seconds=30)
REAL_STARTED_FOR = timedelta(seconds=20)

MEMORY_BOUND = 8 * 1024 * 1024
"""Bytes of resident memory by which the agent may grow once it has warmed up."""

OBJECTS_BOUND = 2000
"""How many more objects Python may hold at the end."""

JOURNAL_BOUND = 64 * 1024
"""Bytes by which the journal may grow once it forgets as much as it learns."""


class Counting(Handler):
    """Counts what it is asked to do, and what it is asked twice."""

    lead = None

    def __init__(self) -> None:
        self.open: dict[str, bool] = {}
        self.done = self.twice = 0

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        self.twice += event.id in self.open
        self.open[event.id] = True

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        self.twice += self.open.pop(event.id, None) is None
        self.done += 1


def serve(cloud: str, real: bool, orders: Connection) -> None:
    """A simulator that does as it is told through the pipe, until it is told None."""
    clock = SystemClock() if real else ManualClock(START)
    options = SimulatorOptions(machines=[MACHINES[cloud]], clock=clock)
    with simulator_class(cloud).from_options(options) as simulator:
        own = simulator.provider_options()
        orders.send((own.endpoint, own.region, dict(own.settings)))
        while (order := orders.recv()) is not None:
            name, arguments = order
            act = simulator.clock.advance if name == "advance" else simulator.schedule
            orders.send(act(**arguments))


@dataclass
class Measure:
    """How large the agent is."""

    at: str
    resident: int
    objects: int
    threads: int
    journal: int
    events: int

    def __str__(self) -> str:
        return (
            f"{self.at:<12} {self.resident / 2**20:>8.1f} MiB {self.objects:>9} objects {self.threads:>3} threads "
            f"{self.journal / 1024:>8.0f} KiB of journal {self.events:>5} events done"
        )


@dataclass
class Soak:
    """An agent, and a simulator in another process."""

    cloud: str
    real: bool
    stack: ExitStack
    handler: Counting = field(default_factory=Counting)
    polls: int = 0
    scheduled: int = 0

    def __post_init__(self) -> None:
        processes = multiprocessing.get_context("spawn")
        self._orders, theirs = processes.Pipe()
        process = processes.Process(target=serve, args=(self.cloud, self.real, theirs), daemon=True)
        process.start()
        self.stack.callback(process.join, 10)
        self.stack.callback(self._orders.send, None)
        endpoint, region, settings = self._orders.recv()
        self._clock: Clock = SystemClock() if self.real else ManualClock(START)
        options = ProviderOptions(endpoint=endpoint, region=region, settings=settings, clock=self._clock)
        provider = provider_class(self.cloud).from_options(replace(options, machine=MACHINES[self.cloud]))
        self.stack.callback(provider.close)
        self._path = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "journal.db"
        self.journal = self.stack.enter_context(Journal.open(self._path))
        self.agent = Agent(
            provider,
            App([self.handler]),
            self.journal,
            settings=AgentSettings(interval=1.0 if self.real else None),
            clock=self._clock,
            boot_id="boot",
            executor=ThreadExecutor() if self.real else InlineExecutor(),
        )

    def tell(self, name: str, **arguments: Any) -> Any:
        self._orders.send((name, arguments))
        return self._orders.recv()

    def announce(self, notice: timedelta, started_for: timedelta) -> None:
        resources = [MACHINES[self.cloud]]
        self.tell("schedule", impact=Impact.REBOOT, resources=resources, notice=notice, started_for=started_for)
        self.scheduled += 1

    def step(self, seconds: float) -> None:
        """Let time pass on both clocks, and poll."""
        assert isinstance(self._clock, ManualClock)
        self.tell("advance", delta=seconds)
        self._clock.advance(seconds)
        self.agent.step()
        self.polls += 1

    def measure(self, at: str) -> Measure:
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        journal = sum(file.stat().st_size for file in self._path.parent.iterdir())
        measure = Measure(at, resident, len(gc.get_objects()), threading.active_count(), journal, self.handler.done)
        print(measure, flush=True)
        return measure

    def faults(self, warm: Measure, end: Measure, level: Measure | None) -> list[str]:
        """What is not as it must be."""
        handler, wrongs = self.handler, []
        if (handler.done, len(handler.open), handler.twice) != (self.scheduled, 0, 0):
            wrongs.append(
                f"of {self.scheduled} events {handler.done} were recovered from, {len(handler.open)} are open, and "
                f"{handler.twice} stages ran twice"
            )
        if end.resident - warm.resident > MEMORY_BOUND:
            wrongs.append("the memory has grown beyond its bound")
        if end.objects - warm.objects > OBJECTS_BOUND:
            wrongs.append("the number of objects has grown beyond its bound")
        if end.threads > warm.threads:
            wrongs.append("there are threads that did not end")
        if level is not None and end.journal - level.journal > JOURNAL_BOUND:
            wrongs.append("the journal has grown although it forgets")
        return wrongs


def a_year(soak: Soak, days: int, minutes: int) -> list[str]:
    """Days of a manual clock with an event each."""
    pauses = [minutes * 60.0] * int((86400 - sum(DENSE)) // (minutes * 60))
    warm = level = None
    for day in range(1, days + 1):
        soak.announce(NOTICE, STARTED_FOR)
        for pause in (*DENSE, *pauses, 86400 - sum(DENSE) - sum(pauses)):
            soak.step(pause)
        if day == min(30, days):
            warm = soak.measure(f"day {day}")
        if day == KEEP.days + 30:
            level = soak.measure(f"day {day}")
    assert warm is not None
    return soak.faults(warm, soak.measure(f"day {days}, end"), level)


def an_hour(soak: Soak, seconds: int) -> list[str]:
    """Real time, with the agent in threads of its own."""
    loop = threading.Thread(target=soak.agent.run)
    loop.start()
    begun, warm = time.monotonic(), None
    while (passed := time.monotonic() - begun) < seconds:
        if seconds - passed > REAL_EVERY:
            soak.announce(REAL_NOTICE, REAL_STARTED_FOR)
        time.sleep(min(REAL_EVERY, seconds - passed))
        if warm is None:
            warm = soak.measure(f"{time.monotonic() - begun:.0f} s")
    assert warm is not None
    end = soak.measure(f"{time.monotonic() - begun:.0f} s, end")
    soak.agent.stop()
    loop.join()
    soak.polls = soak.agent.status.polls
    return soak.faults(warm, end, None)


def main() -> int:
    """Soak; answers the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", choices=sorted(MACHINES), default="azure")
    parser.add_argument("--days", type=int, default=365, help="of the manual clock (default 365)")
    parser.add_argument("--minutes", type=int, default=30, help="between polls away from events (default 30)")
    parser.add_argument("--real", action="store_true", help="real time, in threads, at one poll a second")
    parser.add_argument("--seconds", type=int, default=3600, help="of real time (default 3600)")
    options = parser.parse_args()
    with ExitStack() as stack:
        soak = Soak(options.cloud, options.real, stack)
        begun = time.monotonic()
        wrongs = an_hour(soak, options.seconds) if options.real else a_year(soak, options.days, options.minutes)
        print(f"{options.cloud}: {soak.polls} polls, {soak.scheduled} events, {time.monotonic() - begun:.0f} s")
    for wrong in wrongs:
        print(f"WRONG: {wrong}", file=sys.stderr)
    return 1 if wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
