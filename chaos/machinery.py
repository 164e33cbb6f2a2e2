"""What a round runs on: the zygote that forks agents, and the simulator's control API."""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wire import read_message

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""The library that moves the wall clock of a process; None where it is not installed."""


@dataclass
class Process:
    """A process of the program `stormcone`.

    Attributes:
        number: which life it is, or a number below 0 for a simulator's.
        pid: its process.
        status: how it ended: an exit status, or a signal below 0; None while it lives.
        over: when it ended.
    """

    number: int
    pid: int = 0
    status: int | None = None
    over: float = 0.0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Zygote:
    """The process that forks the others; see `zygote.py`.

    Args:
        clock: a file that says by how many seconds the wall clock of all processes is off; None leaves it alone.
    """

    def __init__(self, clock: Path | None = None) -> None:
        self._clock = clock
        self._processes: dict[int, Process] = {}
        self._program: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start it; it is ready when this returns."""
        environment = dict(os.environ)
        if self._clock is not None:
            environment |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self._clock),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        self._program = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("zygote.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self._program.stdout is not None
        if not await self._program.stdout.readline():
            raise RuntimeError("the zygote has not started")
        self._reader = asyncio.create_task(self._read(self._program.stdout))

    async def start(self, number: int, argv: list[str], env: dict[str, str], output: Path, **more: Any) -> Process:
        """Start the program."""
        process = self._processes[number] = Process(number)
        self._order(start=number, argv=argv, env=env, output=str(output), **more)
        await process.started.wait()
        return process

    def signal(self, process: Process, number: signal.Signals) -> None:
        """Send a process a signal, unless it has ended."""
        self._order(signal=process.number, number=number)

    async def close(self) -> None:
        """End it, and all that it has started."""
        assert self._program is not None
        assert self._program.stdin is not None
        self._program.stdin.close()
        await self._program.wait()
        if self._reader is not None:
            await self._reader

    def _order(self, **order: Any) -> None:
        assert self._program is not None
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(order).encode() + b"\n")

    async def _read(self, output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            told = json.loads(line)
            if "started" in told:
                process = self._processes[told["started"]]
                process.pid = told["pid"]
                process.started.set()
            else:
                process = self._processes.pop(told["ended"])
                process.status, process.over = told["status"], told["at"]
                process.ended.set()


@dataclass(frozen=True)
class Control:
    """A simulator's control API.

    Args:
        host: where it listens.
        port: where it listens.
    """

    host: str
    port: int

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One call; answers the status and the document."""
        content = b"" if body is None else json.dumps(body).encode()
        reader, writer = await asyncio.open_connection(self.host, self.port)
        head = f"{method} /_simulator/{path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        answer = await read_message(reader)
        writer.close()
        if answer is None:
            raise RuntimeError("the simulator has not answered")
        return int(answer.first.split(" ")[1]), json.loads(answer.body) if answer.body else None
