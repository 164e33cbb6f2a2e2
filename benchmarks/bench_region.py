"""What a poll of a large region of Alibaba Cloud costs, beside asking for its instances by a hundred.

    python benchmarks/bench_region.py [--instances 10000] [--events 500] [--polls 5]

The simulator is a process of its own. Each way of asking is another one, so that its peak of memory is its own:
`tracemalloc` tells what a poll needs at its peak above what was there before it, and the kernel how large the process
ever was, with Python and the SDK in it.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
import tracemalloc
from contextlib import closing
from multiprocessing.connection import Connection

from stormcone import Impact
from stormcone.clouds.contract import ProviderOptions
from stormcone_alibaba.provider import AlibabaRegionProvider
from stormcone_simulators.alibaba import AlibabaSimulator

MEBIBYTE = 1024 * 1024


def serve(pipe: Connection, instances: int, events: int) -> None:
    with AlibabaSimulator(["i-0"]) as simulator:
        simulator.add_machines([f"i-{number}" for number in range(1, instances)])
        for number in range(events):
            simulator.schedule(Impact.REBOOT, resources=[f"i-{number * instances // events}"])
        pipe.send((simulator.url, dict(simulator.provider_options().settings)))
        while pipe.recv() == "calls":
            pipe.send(sum("Action" in request["query"] for request in simulator.requests()))


def ask(pipe: Connection, url: str, settings: dict[str, str], polls: int, events: int) -> None:
    """Poll for the seconds, and once more for the memory, as tracing it takes time."""
    options = ProviderOptions(endpoint=url, region="cn-hangzhou", settings=settings)
    with closing(AlibabaRegionProvider.from_options(options)) as provider:
        seconds = []
        for _ in range(polls):
            begun = time.perf_counter()
            seen = provider.poll()
            seconds.append(time.perf_counter() - begun)
            assert len(seen.events) == events, len(seen.events)
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        tracemalloc.start()
        provider.poll()
        peak = tracemalloc.get_traced_memory()[1]
    pipe.send((statistics.median(seconds), peak, largest))


def measure(name: str, server: Connection, url: str, settings: dict[str, str], polls: int, events: int) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server.send("calls")
    before = server.recv()
    process = context.Process(target=ask, args=(theirs, url, settings, polls, events), daemon=True)
    process.start()
    seconds, peak, largest = ours.recv()
    process.join()
    server.send("calls")
    calls = (server.recv() - before) / (polls + 1)
    print(f"{name:<32} {calls:>10.0f} {seconds:>10.2f} {peak / MEBIBYTE:>10.1f} {largest / MEBIBYTE:>12.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--polls", type=int, default=5)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    server, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, asked.instances, asked.events), daemon=True)
    process.start()
    url, settings = server.recv()
    names = ",".join(f"i-{number}" for number in range(asked.instances))
    print(f"{asked.instances} instances, {asked.events} active events, {asked.polls} polls")
    print(f"{'a poll that asks for':<32} {'calls':>10} {'seconds':>10} {'peak MiB':>10} {'process MiB':>12}")
    for name, more in {"the region's active events": {}, "its instances, by a hundred": {"instances": names}}.items():
        measure(name, server, url, {**settings, **more}, asked.polls, asked.events)
    server.send("end")
    process.join()


if __name__ == "__main__":
    main()
