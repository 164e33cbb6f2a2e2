"""Programs in processes of their own, and what they cost."""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Self

from stormcone import Impact
from stormcone.plugins import simulator_class

PATIENCE = 120.0
"""Seconds after which something that was waited for is given up."""

HANDLERS = """
from stormcone import App

app = App()

@app.prepare
def prepare(event, context): ...

@app.recover
def recover(event, context): ...
"""


def processor(process: int) -> float:
    """Seconds of a processor that a process has had, with all of its threads."""
    return time.clock_gettime(~process << 3 | 2)  # as clock_getcpuclockid(3) makes it


def memory(process: int) -> float:
    """What a process has in memory now, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def wait_until(condition: Callable[[], object], pause: float = 0.005, patience: float = PATIENCE) -> None:
    """Return once that is so."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not come")
        time.sleep(pause)


class Arrival(NamedTuple):
    """A client's request, as it came."""

    at: float
    method: str
    path: str
    is_call: bool


def _serve(pipe: Connection, kind: str, names: list[str], settings: dict[str, Any]) -> None:
    """Be a simulator, and do what the pipe says."""
    arrivals: list[Arrival] = []

    class Watched(simulator_class(kind)):  # type: ignore[misc]
        def parameters(self, request: Any, path: str) -> Any:
            arrivals.append(Arrival(time.time(), request.method, path, "Action" in request.query))
            return super().parameters(request, path)

    with Watched(names, **settings) as simulator:
        extra: dict[str, Callable[..., Any]] = {
            "url": lambda: simulator.url,
            "settings": lambda: dict(simulator.provider_options().settings),
            "announce": lambda names: [simulator.schedule(Impact.REBOOT, resources=[name]) for name in names],
            "arrived": lambda: len(arrivals),
            "arrivals": lambda since=0.0: [each for each in arrivals if each.at >= since],
        }
        while (asked := pipe.recv()) is not None:
            name, arguments, named = asked
            call = extra[name] if name in extra else getattr(simulator, name)
            pipe.send(call(*arguments, **named))


class SimulatorProcess:
    """A simulator in a process of its own. Use it in a `with` block."""

    def __init__(self, kind: str = "azure", names: list[str] | None = None, **settings: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, kind, names or ["web-0"], settings)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        self.url: str = self.call("url")
        self.pid = self._process.pid or 0

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the simulator; `arrivals` and `arrived` tell what clients asked and how often."""
        self._pipe.send((name, arguments, named))
        return self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join(10)
        self._process.kill()


@contextmanager
def agent(url: str, *words: str, handlers: str = HANDLERS) -> Iterator[subprocess.Popen[bytes]]:
    """The program `stormcone run` with these handlers, on that simulator; its journal is in the temporary folder."""
    with tempfile.TemporaryDirectory() as folder, Path(folder, "output").open("wb") as output:
        Path(folder, "handlers.py").write_text(handlers, "utf-8")
        run = ["run", "handlers.py", "--provider", "azure", "--endpoint", url, "--journal", "journal.db", *words]
        command = [sys.executable, "-m", "stormcone", *run]
        program = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield program
        finally:
            program.terminate()
            program.wait(20)
