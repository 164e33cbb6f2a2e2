"""An agent on a cloud in memory, and its health, on a clock that the test moves."""

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.core.conftest import World

from stormcone.agent.notices import Notice
from stormcone.health.addresses import Address
from stormcone.health.face import Health
from stormcone.health.server import HealthListener, reachable


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "journal.db")
    yield world
    world.die()


class Heard(list[Notice]):
    """The world's notices, which the health hears too."""

    def __init__(self, health: Health) -> None:
        super().__init__()
        self._health = health

    def append(self, notice: Notice) -> None:
        super().append(notice)
        self._health.hear(notice)


@pytest.fixture
def health(world: World) -> Health:
    """The health of the world's agent, which counts."""
    health = Health(world.clock)
    assert health.count()
    world.notices = Heard(health)
    return health


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        with reachable(self._path) as name:
            self.sock.connect(name)


def ask(where: HealthListener, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type and body of the answer on a listener."""
    address = where._address
    tcp = http.client.HTTPConnection(address.host, where.port, timeout=10)
    connection = UnixConnection(address.path) if address.path else tcp
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers["Content-Type"], body


Listen = Callable[..., HealthListener]


@pytest.fixture
def listen(health: Health) -> Iterator[Listen]:
    """Serves the health on an address; answers once it listens."""
    with ExitStack() as stack:

        def start(
            address: Address | None = None, *, told: Any = lambda text: None, wait: bool = True
        ) -> HealthListener:
            listener = HealthListener(address or Address("127.0.0.1", 0), health, told)
            stack.callback(listener.close)
            assert not wait or listener.listening.wait(20)
            return listener

        yield start
