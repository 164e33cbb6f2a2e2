"""How many machines one simulator serves that poll once a second, beside the standard library's server.

    python benchmarks/bench_simulator.py [--machines 1000] [--seconds 10]

Each server is a process of its own; the load comes from this one, over one kept-alive connection a machine, spread
evenly over each second. The standard library's server (a thread a connection) answers the same bytes without
looking at the request: it is there to show what the machine can do.
"""

import argparse
import asyncio
import http.server
import json
import multiprocessing
import os
import resource
import statistics
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection

from stormcone import Impact
from stormcone_simulators.azure import AzureSimulator

EVENTS = 10
PATH = "/metadata/scheduledevents?api-version=2020-07-01"


def _usage() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def serve_stormcone(pipe: Connection, machines: int) -> None:
    names = [f"web-{number}" for number in range(machines)]
    with AzureSimulator(names) as simulator:
        for number in range(EVENTS):
            simulator.schedule(Impact.REBOOT, resources=[names[number]], notice=timedelta(hours=1))
        before = _usage()
        pipe.send((simulator.url.rpartition(":")[2], [f"/machines/{name}" for name in names]))
        pipe.recv()
        pipe.send(_usage() - before)


class _Same(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = b""
    wbufsize = -1  # headers and body in one packet, or delayed acknowledgements are all that is measured

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args: object) -> None: ...


class _Many(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


def serve_standard(pipe: Connection, machines: int) -> None:
    event = {
        "EventId": "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
        "EventStatus": "Scheduled",
        "EventType": "Reboot",
        "ResourceType": "VirtualMachine",
        "Resources": ["web-0"],
        "NotBefore": "Mon, 11 Apr 2022 22:26:58 GMT",
        "Description": "Host server is undergoing maintenance.",
        "EventSource": "Platform",
        "DurationInSeconds": -1,
    }
    _Same.body = json.dumps({"DocumentIncarnation": 1, "Events": [event] * EVENTS}).encode()
    with _Many(("127.0.0.1", 0), _Same) as server:
        before = _usage()
        pipe.send((str(server.server_port), [""] * machines))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipe.recv()
        pipe.send(_usage() - before)
        os._exit(0)


async def _machine(port: int, prefix: str, start: float, polls: int, took: list[float]) -> None:
    await asyncio.sleep(max(0.0, start - time.monotonic()))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {prefix}{PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nMetadata: true\r\n\r\n".encode()
    for number in range(polls):
        await asyncio.sleep(max(0.0, start + number - time.monotonic()))
        asked = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - asked)
    writer.close()


async def _load(port: int, prefixes: list[str], seconds: int) -> tuple[list[float], float]:
    took: list[float] = []
    begin = time.monotonic() + 0.5
    spread = [begin + place / len(prefixes) for place in range(len(prefixes))]
    await asyncio.gather(
        *(_machine(port, prefix, at, seconds, took) for prefix, at in zip(prefixes, spread, strict=True))
    )
    return took, time.monotonic() - begin


def measure(name: str, serve: Callable[[Connection, int], None], machines: int, seconds: int) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs, machines), daemon=True)
    process.start()
    port, prefixes = ours.recv()
    took, wall = asyncio.run(_load(int(port), prefixes, seconds))
    ours.send("done")
    cpu = ours.recv() / wall
    process.join(5)
    cuts = statistics.quantiles(took, n=100)
    print(f"{name:<22} {len(took) / wall:>10.0f} {cuts[49] * 1e3:>8.1f} {cuts[98] * 1e3:>8.1f} {cpu:>6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 65536), limit[1]))
    print(f"{options.machines} machines that poll once a second for {options.seconds} s, {EVENTS} events announced")
    print(f"{'server':<22} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'cores':>6}")
    measure("stormcone's simulator", serve_stormcone, options.machines, options.seconds)
    measure("http.server", serve_standard, options.machines, options.seconds)


if __name__ == "__main__":
    main()
