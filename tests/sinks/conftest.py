"""Receivers that are really there: a server of HTTP that misbehaves as it is told, and RabbitMQ."""

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from stevedore import ExtensionManager, _cache


@dataclass(frozen=True)
class Got:
    """One request that has come whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """A server on loopback that takes what is posted to it, or does as `does` says.

    Attributes:
        got: what it has taken: what it answered with 2xx.
        tried: how many requests have come, taken or not.
        does: a status, `hang`, or `cut`; None takes it.
    """

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.tried = 0
        self.does: int | str | None = None
        self.headers: dict[str, str] = {}
        self.freed = threading.Event()
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self.freed.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @contextmanager
    def away(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.tried += 1
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                does = receiver.does
                if does == "hang":
                    receiver.freed.wait(30)
                    self.close_connection = True
                    return
                if does == "cut":
                    self.close_connection = True
                    return
                status = does if isinstance(does, int) else 200
                if status == 200:
                    receiver.got.append(Got(self.command, self.path, headers, body))
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def module(name: str) -> Any:
    """A module of this folder, which is no package."""
    found = importlib.util.spec_from_file_location(f"sinks_{name}", Path(__file__).with_name(f"{name}.py"))
    assert found is not None
    assert found.loader is not None
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    rabbitmq = module("rabbitmq")
    if why := rabbitmq.missing():
        pytest.skip(why)
    broker = rabbitmq.Broker(tmp_path_factory.mktemp("rabbitmq"))
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture(autouse=True)
def fresh_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """stevedore remembers entry points in memory and on the disk."""
    monkeypatch.setattr(ExtensionManager, "ENTRY_POINT_CACHE", {})
    monkeypatch.setattr(_cache._c, "_dir", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache._c, "_internal", {})


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits, in real time, for what another process or thread is about to do."""

    def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
        pause = threading.Event()
        for _ in range(int(seconds / 0.01)):
            if condition():
                return
            pause.wait(0.01)
        raise AssertionError("it did not come to that")

    return wait
