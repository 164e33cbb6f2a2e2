"""Starts `stormcone` in hundredths of a second: a process that has imported all of it forks itself.

What is forked is the whole program, with a command line, an environment, a folder and standard streams of its own, and
it ends as any program does. Tests of how it starts, or of how it ends, start Python as users do.
"""

import contextlib
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import stormcone
from stormcone import cli
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins

PROGRAM = (sys.executable, "-m", "stormcone")

Streams: TypeAlias = tuple[int, int, int]
"""Standard input, output and error, which stay the caller's."""

AT_THE_START = ("LD_PRELOAD", "PYTHONPATH")
"""Variables that are heeded before a program is there."""

WARM = (
    "aliyunsdkcore.client",
    "aliyunsdkcore.request",
    "aliyunsdkecs.request.v20140526",
    "stormcone.cli.commands.run",
    "stormcone.cli.commands.worker",
    "stormcone.simulators.control_client",
    "stormcone_alibaba.sdk",
    "stormcone_alibaba.transport",
)
"""What a program would import by itself, later."""
OF_A_FLEET = (
    "stormcone.fleet.postgresql",
    "stormcone.journal.postgresql.store",
    "stormcone.journal.postgresql.worker_side",
)
"""The same, where the extra `fleet` is installed."""


class Start(Protocol):
    """Starts the program with these words after its name, in an environment and a folder."""

    def __call__(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, streams: Streams
    ) -> "Forked | subprocess.Popen[bytes]": ...


def started_anew(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path, streams: Streams
) -> subprocess.Popen[bytes]:
    """Start it as users do."""
    given, out, err = streams
    return subprocess.Popen([*PROGRAM, *arguments], stdin=given, stdout=out, stderr=err, env=env, cwd=cwd)


def run(
    start: Start, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, *, patience: float, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, for that many seconds at the most, with this on standard input."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3)]
        files[0].write(given)
        files[0].seek(0)
        streams = (files[0].fileno(), files[1].fileno(), files[2].fileno())
        program = start(arguments, env, cwd, streams)
        try:
            status = program.wait(patience)
        finally:
            program.kill()
        for file in files:
            file.seek(0)
        return subprocess.CompletedProcess(arguments, status, files[1].read(), files[2].read())


class Forked:
    """A program that goes on, for those who know `subprocess.Popen`."""

    def __init__(self, connection: socket.socket) -> None:
        self.returncode: int | None = None
        self._connection = connection
        self._answers = connection.makefile("r")
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """How it ended, as `Popen.returncode`; None while it goes on."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait that many seconds for its end; answers how it ended.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("stormcone", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._connection.close()
        return self.returncode


class Forker:
    """The process that is forked, until it is closed; with it all of its programs end.

    Args:
        folder: for the socket by which it is asked.
    """

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "forker")
        command = [sys.executable, "-P", __file__, self._address]  # its folder has others of common names
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline(), "it did not start"

    def start(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, streams: Streams
    ) -> "Forked | subprocess.Popen[bytes]":
        """Start it in a fork; anew where the environment has something for the start of Python."""
        if any(env.get(name) != os.environ.get(name) for name in AT_THE_START):
            return started_anew(arguments, env, cwd, streams)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._address)
        order = json.dumps({"argv": arguments, "env": dict(env), "cwd": str(cwd)}).encode()
        socket.send_fds(connection, [len(order).to_bytes(4, "big")], streams)
        connection.sendall(order)
        return Forked(connection)

    def close(self) -> None:
        self._process.communicate()


class Server:
    """Takes orders, forks and reaps."""

    def __init__(self, address: str) -> None:
        self._children: dict[int, socket.socket] = {}
        self._wake, wakes = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._wakes = wakes
        for end in (self._wake, wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> dict[str, Any] | None:
        """Serve until standard input ends; answers an order in the process that is to carry it out."""
        with selectors.DefaultSelector() as selector:
            for file in (0, self._listener, self._wake):
                selector.register(file, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._wake in ready:
                    self._wake.recv(4096)
                    self._reap()
                if 0 in ready:
                    for pid in self._children:
                        os.kill(pid, signal.SIGKILL)
                    return None
                if self._listener in ready and (order := self._fork(self._listener.accept()[0])):
                    return order

    def _fork(self, connection: socket.socket) -> dict[str, Any] | None:
        size, streams, _, _ = socket.recv_fds(connection, 4, 3)
        with connection.makefile("rb") as reader:
            order = json.loads(reader.read(int.from_bytes(size, "big")))
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (connection, self._listener, self._wake, self._wakes, *self._children.values()):
                each.close()
            return {**order, "streams": streams}
        for stream in streams:
            os.close(stream)
        connection.sendall(b"%d\n" % pid)
        self._children[pid] = connection
        return None

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._children.pop(pid) as connection, contextlib.suppress(OSError):  # who asked may be gone
                connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def become(order: dict[str, Any]) -> None:
    """Be the program, as far as a start of Python makes it: what follows is all that a start of it would do."""
    for number, stream in enumerate(order["streams"]):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    if not order["env"].keys() & {"LC_ALL", "LC_CTYPE", "LANG"}:
        os.environ["LC_CTYPE"] = "C.UTF-8"  # as Python does (PEP 538)
    sys.stdin = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    if os.environ.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    sys.argv = [str(Path(stormcone.__file__).with_name("__main__.py")), *order["argv"]]
    sys.path.insert(0, order["cwd"])


def main() -> dict[str, Any] | None:
    """Import, then serve."""
    for name in WARM:
        __import__(name)
    with contextlib.suppress(ImportError):
        for name in OF_A_FLEET:
            __import__(name)
    for group in (PROVIDERS, SIMULATORS):
        for name in load_plugins(group).found:
            load_plugins(group).get(name)
    server = Server(sys.argv[1])
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    return server.run()


if __name__ == "__main__":
    ORDER = main()
    if ORDER is not None:
        become(ORDER)
        cli.program()
