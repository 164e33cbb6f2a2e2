"""Simulators on real sockets, and the plainest of clients to ask them with."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from stormcone.clock import ManualClock
from stormcone_simulators.azure import AzureSimulator

EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


@dataclass(frozen=True)
class Answer:
    """What a server answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    base: str,
    method: str,
    path: str,
    *,
    content: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own; `content` is sent as JSON, `body` as it is."""
    split = urlsplit(base)
    connection = HTTPConnection(split.hostname or "", split.port, timeout=10)
    try:
        data = json.dumps(content).encode() if content is not None else body
        connection.request(method, split.path + path, body=data, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class AzureMachine:
    """A machine's view of the metadata service."""

    url: str

    def ask(self, method: str = "GET", path: str = EVENTS, **more: Any) -> Answer:
        return ask(self.url, method, path, **{"headers": {"Metadata": "true"}, **more})

    def document(self) -> Any:
        answer = self.ask()
        assert answer.status == 200
        return answer.json

    @property
    def incarnation(self) -> int:
        return int(self.document()["DocumentIncarnation"])

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(self.document()["Events"])

    @property
    def event(self) -> dict[str, Any]:
        (only,) = self.events
        return only

    def approve(self, *event_ids: str, path: str = EVENTS) -> Answer:
        requests = [{"EventId": event_id} for event_id in event_ids]
        return self.ask("POST", path, content={"StartRequests": requests})


AzureFactory = Callable[..., AzureSimulator]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def azures(clock: ManualClock) -> Iterator[AzureFactory]:
    """Makes Azure simulators that listen until the test is over."""
    with ExitStack() as stack:

        def make(machines: tuple[str, ...] = ("web-0", "web-1"), **options: Any) -> AzureSimulator:
            return stack.enter_context(AzureSimulator(machines, **{"clock": clock, **options}))

        yield make


@pytest.fixture
def azure(azures: AzureFactory) -> AzureSimulator:
    """An Azure simulator of the machines web-0 and web-1."""
    return azures()


@pytest.fixture
def machine(azure: AzureSimulator) -> AzureMachine:
    """web-0 of `azure`."""
    return AzureMachine(azure.urls()["web-0"])


@pytest.fixture
def machine_of() -> Callable[[AzureSimulator, str], AzureMachine]:
    """A machine of a simulator, by name."""
    return lambda simulator, name: AzureMachine(simulator.urls()[name])


@pytest.fixture
def control(azure: AzureSimulator) -> Callable[..., Answer]:
    """Calls the control API of `azure`."""
    return lambda method, path, **more: ask(azure.url, method, f"/_simulator/{path}", **more)


class Connection:
    """A plain socket, for what no HTTP client would send."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        self.socket = socket.create_connection((split.hostname, split.port), timeout=10)

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode("latin-1"))

    def until_closed(self) -> bytes:
        received = b""
        while data := self.socket.recv(65536):
            received += data
        return received

    def until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            data = self.socket.recv(65536)
            assert data, f"the server closed the connection after {received!r}"
            received += data
        return received


@pytest.fixture
def connect(azure: AzureSimulator) -> Iterator[Callable[[], Connection]]:
    """Opens plain sockets to `azure`."""
    opened: list[Connection] = []

    def make() -> Connection:
        opened.append(Connection(azure.url))
        return opened[-1]

    yield make
    for connection in opened:
        connection.socket.close()


@pytest.fixture
def asking() -> Callable[..., Answer]:
    """One request to any address."""
    return ask
