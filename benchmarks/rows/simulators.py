"""How many requests a simulator answers for each second of its processor, beside servers that look at nothing.

Each server is a process of its own. The clients are this one: connections that are kept alive (but by Flask's server,
which closes each) and ask again as soon as they have their answer, so that the server never waits. Rates are of the
server's processor, since a client in Python is no quicker than a server, and since others may use the machine, too.
"""

import json
import multiprocessing
import resource
import selectors
import socket
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from figures import Figure, Measured
from processes import processor
from stormcone import Impact
from stormcone_simulators.azure import AzureSimulator

CLIENTS = (1, 100, 1_000)
SECONDS = 1.5
ROUNDS = 2
EVENTS = 10
PATH = "/metadata/scheduledevents?api-version=2020-07-01"

EVENT = {
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
BODY = json.dumps({"DocumentIncarnation": 1, "Events": [EVENT] * EVENTS}).encode()


def simulator(pipe: Connection) -> None:
    with AzureSimulator(["web-0"]) as server:
        for _ in range(EVENTS):
            server.schedule(Impact.REBOOT, resources=["web-0"])
        pipe.send(int(server.url.rpartition(":")[2]))
        pipe.recv()


def static(pipe: Connection) -> None:
    """The same answer to everything, without a look at the request: what asyncio can do at the most."""
    import asyncio

    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=2048)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    asyncio.run(serve())


def flask(pipe: Connection) -> None:
    import logging
    import threading

    from flask import Flask, Response
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").disabled = True
    app = Flask("bench")

    @app.get("/metadata/scheduledevents")
    def events() -> Response:
        return Response(BODY, content_type="application/json")

    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.socket.listen(2048)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    pipe.recv()


SERVERS: dict[str, Callable[[Connection], None]] = {"": simulator, ", static asyncio": static, ", Flask": flask}


@contextmanager
def _serving(serve: Callable[[Connection], None]) -> Iterator[tuple[int, int]]:
    """The server's port and its process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv(), process.pid or 0
    finally:
        process.kill()
        process.join()


class _Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.keeps_alive = True
        self._port = port
        self._request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nMetadata: true\r\n\r\n".encode()
        self.connect()

    def connect(self) -> None:
        self.line = socket.create_connection(("127.0.0.1", self._port), timeout=30)

    def ask(self) -> None:
        self._got, self._whole = b"", 0
        self.asked = time.perf_counter()
        self.line.sendall(self._request)

    def take(self) -> bool:
        """Take what has come; True where that is the end of an answer."""
        piece = self.line.recv(65536)
        assert piece, "the server has closed the connection in the middle of an answer"
        self._got += piece
        if not self._whole and b"\r\n\r\n" in self._got:
            head, _, _ = self._got.lower().partition(b"\r\n\r\n")
            assert head.startswith(b"http/1.1 200"), head
            self.keeps_alive = b"connection: close" not in head
            self._whole = len(head) + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        return bool(self._whole) and len(self._got) >= self._whole


def _load(port: int, process: int, clients: int) -> tuple[float, list[float]]:
    """Requests for each second of the server's processor, and how long each took, in ms."""
    with selectors.DefaultSelector() as selector:
        lines = [_Client(port) for _ in range(clients)]
        for client in lines:
            client.ask()
            selector.register(client.line, selectors.EVENT_READ, client)
        took: list[float] = []
        warm, begun, used = 0.3 * SECONDS, time.perf_counter(), 0.0
        while (now := time.perf_counter() - begun) < SECONDS:
            if not used and now > warm:
                took, used = [], processor(process)
            for key, _ in selector.select(1.0):
                client = key.data
                if client.take():
                    took.append((time.perf_counter() - client.asked) * 1e3)
                    if not client.keeps_alive:
                        selector.unregister(client.line)
                        client.line.close()
                        client.connect()
                        selector.register(client.line, selectors.EVENT_READ, client)
                    client.ask()
        spent = processor(process) - used
        for client in lines:
            client.line.close()
    return len(took) / spent, took


def measure() -> Measured:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 65536), limit[1]))
    rates: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
    took: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, serve in SERVERS.items():
            with _serving(serve) as (port, process):
                for clients in CLIENTS:
                    rate, times = _load(port, process, clients)
                    rates[clients, name].append(rate)
                    took[clients, name] += times
    figures = []
    for (clients, name), measured in rates.items():
        what = f"{clients:,} client{'s' * (clients > 1)}{name}"
        figures.append(Figure(what, statistics.mean(measured), "/s"))
        figures.append(Figure(f"p99, {what}", statistics.quantiles(took[clients, name], n=100)[98], "ms"))
    return Measured(figures)
