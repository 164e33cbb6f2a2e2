"""Serving an agent's health over HTTP, on TCP or a Unix socket, beside the agent and never in its way.

The standard library's server does: a few short answers to a few who ask.
"""

import os
import socket
import socketserver
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from stormcone import __version__
from stormcone.health.addresses import Address
from stormcone.health.face import Answer, Answers

MOST_CONNECTIONS = 16
"""Connections at a time; others are closed unanswered, and ask again."""

PATIENCE = 5.0
"""Seconds that a client has to say what it wants."""

AGAIN = 10.0
"""Seconds until an address that cannot be listened on is tried again."""

FIRST_TRY = 1.0
"""Seconds that whoever makes a listener waits until it listens."""

_LONGEST_PATH = 100
"""Bytes of a Unix socket's path that every system takes."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server_version = f"stormcone/{__version__}"
    sys_version = ""
    server: "_Server"

    def do_GET(self) -> None:
        """Answer a request."""
        answer = self.server.health.answer(self.path.partition("?")[0], private=self.server.private)
        self._send(answer, with_body=True)

    def do_HEAD(self) -> None:
        """Answer a request without the body."""
        answer = self.server.health.answer(self.path.partition("?")[0], private=self.server.private)
        self._send(answer, with_body=False)

    def _send(self, answer: Answer, *, with_body: bool) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's face
        """Say nothing: health is asked for every few seconds."""


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: Address, health: Answers) -> None:
        self.health = health
        self.private = address.path is not None
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        if address.path is not None:
            self.address_family = socket.AF_UNIX
            super().__init__(("", 0), _Handler, bind_and_activate=False)
        else:
            self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            super().__init__((address.host, address.port), _Handler, bind_and_activate=False)
        try:
            if address.path is None:
                self.server_bind()
            else:
                _bind(self.socket, address.path, private=address.private)
            self.server_activate()
        except BaseException:
            self.server_close()
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, where there is room."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread's work."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no fault of ours."""


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A Unix socket's path as the system takes it: a long one by its folder's descriptor."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _bind(own: socket.socket, path: Path, *, private: bool) -> None:
    """Bind a Unix socket; one that a dead agent has left is taken away.

    Raises:
        OSError: it cannot be bound: somebody listens there, or something else is there.
    """
    with reachable(path) as name:
        if _left_behind(name):
            Path(name).unlink()
        own.bind(name)
        Path(name).chmod(0o600 if private else 0o660)


def _left_behind(name: str) -> bool:
    """Whether there is a socket on which nobody listens."""
    try:
        if not stat.S_ISSOCK(os.lstat(name).st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        try:
            client.connect(name)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


class HealthListener:
    """Listens on one address from the start where it can be had within a second, or else as soon as it can.

    It serves until it is closed.

    Args:
        address: where.
        health: what is served.
        told: called with why it cannot be listened on, as a sentence; with the same one once.

    Attributes:
        port: the TCP port; 0 until it listens, and of a Unix socket.
    """

    def __init__(self, address: Address, health: Answers, told: Callable[[str], None]) -> None:
        self.port = 0
        self.listening = threading.Event()
        self._address = address
        self._health = health
        self._told = told
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._trouble = ""
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"stormcone-health-{address}", daemon=True)
        self._thread.start()
        self._tried.wait(FIRST_TRY)  # no longer: the look-up of a name may hang

    def _listen(self) -> None:
        try:
            server = _Server(self._address, self._health)
        except OSError as error:
            before, self._trouble = self._trouble, str(error.strerror or error)
            if self._trouble != before:
                self._told(
                    f"health cannot be served on {self._address}: {self._trouble}; free that address or name another; "
                    "it is tried again"
                )
            return
        with self._lock:
            if self._closed.is_set():
                server.server_close()
                return
            self._server = server  # from now on `close` shuts it down, also before it serves
        self.port = 0 if self._address.path else server.server_address[1]
        self.listening.set()

    def _serve(self) -> None:
        while not self._closed.is_set():
            self._listen()
            self._tried.set()
            if self._server is not None:
                with self._server:
                    self._server.serve_forever()
                return
            self._closed.wait(AGAIN)

    def close(self) -> None:
        """Serve no longer."""
        with self._lock:
            self._closed.set()
        if self._server is not None:
            self._server.shutdown()
        self._thread.join(PATIENCE)
        path = self._address.path
        if path is not None and self.listening.is_set():
            with suppress(OSError):
                path.unlink()
