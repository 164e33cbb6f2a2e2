"""What a poll of a region of Alibaba Cloud costs, against its active events and its instances.

Each case has a simulator in a process of its own, and who asks is one too: what its memory grows by is its own.
"""

import json
import math
import subprocess
import sys

from figures import Curve, Figure, Measured
from processes import SimulatorProcess

CASES = {(0, 100): 15, (100, 100): 10, (500, 10_000): 3, (0, 100_000): 15, (100, 100_000): 10, (10_000, 100_000): 2}
"""Active events and instances: how often to poll."""

BY_HUNDREDS = (500, 10_000)
"""In this case the instances are also asked for by name, a hundred in a call, as one would who does not know better."""

ASK = """
import json, sys, time
from contextlib import closing
from pathlib import Path
from stormcone.clouds.contract import ProviderOptions
from stormcone_alibaba.provider import AlibabaRegionProvider

def most():
    # What getrusage says is that of who started this process, too.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6

asked = json.load(sys.stdin)
options = ProviderOptions(endpoint=asked["url"], region="cn-hangzhou", settings=asked["settings"])
with closing(AlibabaRegionProvider.from_options(options)) as provider:
    before, begun = most(), time.process_time()
    for _ in range(asked["polls"]):
        seen = provider.poll()
    print(len(seen.events), (time.process_time() - begun) / asked["polls"], most() - before)
"""


def _poll(simulator: SimulatorProcess, polls: int, **settings: str) -> tuple[int, float, float, float]:
    """Of a poll: how many events it brought, its calls, seconds of a processor, and MB for the first of them."""
    asked = {"url": simulator.url, "settings": {**simulator.call("settings"), **settings}, "polls": polls}
    before = len([each for each in simulator.call("arrivals") if each.is_call])
    program = [sys.executable, "-c", ASK]
    said = subprocess.run(program, input=json.dumps(asked), capture_output=True, text=True, check=True).stdout.split()
    calls = len([each for each in simulator.call("arrivals") if each.is_call]) - before
    return int(said[0]), calls / polls, float(said[1]), float(said[2])


def measure() -> Measured:
    figures: list[Figure] = []
    beyond, points = 0.0, []
    for (active, instances), polls in CASES.items():
        with SimulatorProcess("alibaba", ["i-0"], quota=active + 1) as simulator:
            simulator.call("add_machines", [f"i-{number}" for number in range(1, instances)])
            simulator.call("announce", [f"i-{number * instances // active}" for number in range(active)])
            found, calls, seconds, megabytes = _poll(simulator, polls)
            assert found == active, (found, active)
            beyond += abs(calls - max(1, math.ceil(active / 100)))
            name = f"{active:,} active of {instances:,} instances"
            figures += [Figure(name, seconds * 1e3, "ms"), Figure(f"calls, {name}", calls, "")]
            points.append((max(1, active), seconds * 1e3))
            if active == max(events for events, _ in CASES):
                figures.append(Figure(f"memory for a poll of {active:,} active", megabytes, "MB"))
            if (active, instances) == BY_HUNDREDS:
                names = ",".join(f"i-{number}" for number in range(instances))
                calls = _poll(simulator, 1, instances=names)[1]
                figures.append(Figure(f"calls, asking for the {instances:,} by a hundred", calls, ""))
    figures.append(Figure("calls beyond ceil(active / 100), all cases", beyond, ""))
    by_events = {"a poll": sorted(points)}
    return Measured(figures, [Curve("region", "active events", "milliseconds of a processor", by_events)])
