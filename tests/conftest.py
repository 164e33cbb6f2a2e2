"""A server that does on the wire exactly what a script says, right or wrong, for tests of clients."""

import contextlib
import functools
import gc
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from tests.forker import Forker

from stormcone.postgresql.server import PostgresqlServer, programs

pytest_plugins = ["pytester"]

# No test depends on how fast the machine is.
settings.register_profile("any speed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")
# For runs that ask whether it works with something else, and not whether it is right.
settings.register_profile("few examples", settings(), max_examples=10)

Step = Callable[[socket.socket, threading.Event], bool]


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScriptedServer:
    """Does one step of its script per request, and hangs up when the script is over.

    Every method that adds a step answers the server, so that a script reads as one sentence.
    """

    asked: list[Asked] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, name="scripted-server")
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        return len({asked.connection for asked in self.asked})

    def raw(self, data: bytes, *, hang_up: bool = False) -> "ScriptedServer":
        """Send these bytes."""

        def step(connection: socket.socket, _stop: threading.Event) -> bool:
            connection.sendall(data)
            return not hang_up

        self.steps.append(step)
        return self

    def answer(
        self, status: int = 200, body: bytes | Any = b"", headers: Mapping[str, str] | None = None
    ) -> "ScriptedServer":
        """Send a proper answer; what is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + content)

    def half(self, body: bytes) -> "ScriptedServer":
        """Promise twice as much as is sent, and hang up."""
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {2 * len(body)}\r\n\r\n".encode()
        return self.raw(head + body, hang_up=True)

    def hang_up(self) -> "ScriptedServer":
        """Close the connection without a byte."""
        return self.raw(b"", hang_up=True)

    def reset(self) -> "ScriptedServer":
        """Reset the connection."""

        def step(connection: socket.socket, _stop: threading.Event) -> bool:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False

        self.steps.append(step)
        return self

    def hang(self) -> "ScriptedServer":
        """Say nothing until the client or the test is gone."""

        def step(connection: socket.socket, _stop: threading.Event) -> bool:
            connection.recv(1)
            return False

        self.steps.append(step)
        return self

    def drip(self, head: bytes, *, every: float = 0.02) -> "ScriptedServer":
        """Send `head`, and then one byte after the other without an end."""

        def step(connection: socket.socket, stop: threading.Event) -> bool:
            connection.sendall(head)
            while not stop.wait(every):
                connection.sendall(b"x")
            return False

        self.steps.append(step)
        return self

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.append(connection)
                number = len(self._connections)
            thread = threading.Thread(target=self._serve, args=(connection, number), name="scripted-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as reader:
            while request := reader.readline().decode("latin-1"):
                method, target, _ = request.split(" ", 2)
                headers: dict[str, str] = {}
                while line := reader.readline().decode("latin-1").strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = reader.read(int(headers.get("content-length", "0")))
                with self._lock:
                    self.asked.append(Asked(method, target, headers, body, number))
                    step = self.steps.pop(0) if self.steps else None
                if step is None or not step(connection, self._stop):
                    return


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server without a script yet."""
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def dead_url() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses connections and look-ups that lead beyond this machine, so that no test asks a real cloud."""
    usual, look_up = socket.socket.connect, socket.getaddrinfo

    def check(host: object) -> None:
        if host not in {"127.0.0.1", "localhost", "::1"}:
            raise OSError(f"a test asked for {host!r}, which is not this machine")

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            check(address[0])
        usual(self, address)

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        check(host)
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="session", autouse=True)
def descriptions_read_once() -> Iterator[None]:
    """AWS describes its services in megabytes of JSON, which each session of its SDK would read anew."""
    with pytest.MonkeyPatch.context() as patch:
        with contextlib.suppress(ImportError):
            from botocore import session

            patch.setattr(session, "create_loader", functools.cache(session.create_loader))
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL of this process's tests; a test that changes the server puts it back."""
    pytest.importorskip("psycopg", reason="the extra `fleet` is not installed")
    if programs() is None:
        pytest.skip("there is no PostgreSQL server here")
    with PostgresqlServer() as server:
        yield server


@pytest.fixture
def database(postgresql: PostgresqlServer) -> str:
    """A database of the test's own, by its name."""
    name = f"test_{uuid4().hex}"
    postgresql.run("createdb", "-h", "127.0.0.1", "-p", str(postgresql.port), name)
    return name


@pytest.fixture
def journal_address(postgresql: PostgresqlServer) -> str:
    """The address of a journal of the test's own, which is not there yet."""
    return postgresql.url(journal=f"j{uuid4().hex}")


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """Starts `stormcone` without what its imports take."""
    with contextlib.closing(Forker(tmp_path_factory.mktemp("forker"))) as forker:
        yield forker


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor: while a test waits for a client's time-out, or a program, others are run."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """What is imported and collected stays to the end: it is no use to look for garbage meanwhile, nor in it later."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Count the crash points that were walked, in whichever process."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    scenarios = [
        value
        for report in reports
        if getattr(report, "when", "") == "call"  # what the test noted stands in its teardown's report once more
        for name, value in report.user_properties
        if name == "crash point"
    ]
    if scenarios:
        terminalreporter.write_line(
            f"killed at {len(scenarios)} crash points in {len(set(scenarios))} walks of scenarios"
        )
