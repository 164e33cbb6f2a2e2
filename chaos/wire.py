"""The wire between agent and simulator: a proxy that writes down what passes, and does to it what wires do.

It reads the clouds' documents by itself, with nothing of the agent's: which events an answer lists, and which a request
approves.
"""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = Any

BEFORE = ("refuse", "reset", "unavailable", "throttled")
"""Faults in which the simulator is not asked."""

AFTER = ("lost", "half", "junk", "empty", "slow", "nameless")
"""Faults in which it was asked, and its answer is spoilt or does not arrive."""

FAULTS = BEFORE + AFTER

UNHARMED = ("slow", "nameless")
"""Faults that an answer arrives in whole; of a nameless one the ids of the events cannot be read."""


@dataclass(frozen=True)
class Message:
    """The head's first line and fields, and the body."""

    first: str
    fields: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """What is asked for."""
        return self.first.split(" ")[1]


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None where the stream ends before it is whole."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Message(first, fields, await reader.readexactly(int(fields.get("content-length", "0"))))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None


def approved(request: Message) -> list[str]:
    """The events that a request approves, on either cloud."""
    parts = urlsplit(request.target)
    if request.first.startswith("POST") and parts.path.endswith("/scheduledevents"):
        return [start["EventId"] for start in json.loads(request.body)["StartRequests"]]
    query = parse_qs(parts.query)
    return query["EventId"] if query.get("Action") == ["AcceptInquiredSystemEvent"] else []


def listed(request: Message, body: bytes) -> dict[str, str] | None:
    """The events that an answer lists, with their statuses; None where it is not a list of events."""
    parts = urlsplit(request.target)
    if request.first.startswith("GET") and parts.path.endswith("/scheduledevents"):
        return {event["EventId"]: event["EventStatus"] for event in json.loads(body)["Events"] if event["EventId"]}
    query = parse_qs(parts.query)
    if query.get("Action") != ["DescribeInstanceHistoryEvents"] or "EventId.1" in query:
        return None
    events = json.loads(body)["InstanceSystemEventSet"]["InstanceSystemEventType"]
    return {event["EventId"]: event["EventCycleStatus"]["Name"] for event in events}


@dataclass
class Wire:
    """A proxy to one simulator.

    Args:
        host: the simulator's.
        port: the simulator's.
        chance: what its faults are drawn from.
        note: takes what passed, as a line for the record.
        control: whether the simulator's control API can be reached through it.
        rewrite: what becomes of the events of a list before they are passed on.
        choices: the faults to draw from.
        retry_after: the seconds for which the simulator seems to want to be left alone, where it is not available.

    Attributes:
        rate: how likely a fault is, of each exchange.
        force: the faults of the next exchanges.
    """

    host: str
    port: int
    chance: random.Random
    note: Callable[..., None]
    control: bool
    rewrite: Callable[[list[Json]], list[Json]]
    retry_after: int
    choices: Sequence[str] = FAULTS
    rate: float = 0.0
    force: list[str] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def listen(self) -> str:
        """Begin; answers the address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """End, with all that is open."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while (request := await read_message(reader)) is not None and await self._exchange(request, writer):
                pass
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            with contextlib.suppress(ConnectionError, RuntimeError):
                writer.close()

    async def _exchange(self, request: Message, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection goes on."""
        if "/_simulator/" in request.target:
            return self.control and await self._pass(request, writer, "")
        fault = self.chance.choice(self.choices) if self.chance.random() < self.rate else ""
        fault = self.force.pop() if self.force else fault
        ids = approved(request)
        if ids:
            self.note("approval", ids=ids, fault=fault)
        elif fault:
            self.note("fault", fault=fault)
        if fault in BEFORE:
            return await self._before(fault, writer)
        return await self._pass(request, writer, fault)

    async def _before(self, fault: str, writer: asyncio.StreamWriter) -> bool:
        if fault == "refuse":
            return False
        if fault == "reset":
            writer.transport.abort()
            return False
        status = "503 Service Unavailable" if fault == "unavailable" else "429 Too Many Requests"
        writer.write(f"HTTP/1.1 {status}\r\nRetry-After: {self.retry_after}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        return True

    async def _pass(self, request: Message, writer: asyncio.StreamWriter, fault: str) -> bool:
        answer = await self._ask(request)
        if answer is None:
            return False
        events = listed(request, answer.body) if answer.first.split(" ")[1] == "200" else None
        body = self._rewritten(answer.body, fault) if events is not None else answer.body
        ids = approved(request)
        if fault == "lost":
            whole = False
        else:
            whole = await self._answer(answer, body, writer, fault)
        if ids:
            self.note("approved", ids=ids, status=int(answer.first.split(" ")[1]), whole=whole)
        if events is not None and whole:
            self.note("told", events=listed(request, body), whole=fault != "nameless")
        return whole

    async def _answer(self, answer: Message, body: bytes, writer: asyncio.StreamWriter, fault: str) -> bool:
        if fault == "slow":
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))
        if fault == "junk":
            body = self.chance.randbytes(len(body) or 30)
        if fault == "empty":
            body = b""
        kept = ("content-type", "etag")
        fields = "".join(f"{name}: {value}\r\n" for name, value in answer.fields.items() if name in kept)
        writer.write(f"{answer.first}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode("latin-1"))
        writer.write(body[: len(body) // 2] if fault == "half" else body)
        await writer.drain()
        return fault in {"", *UNHARMED}

    async def _ask(self, request: Message) -> Message | None:
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except ConnectionError:
            return None
        passed = {**request.fields, "connection": "close", "content-length": str(len(request.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in passed.items())
        writer.write(f"{request.first}\r\n{head}\r\n".encode("latin-1") + request.body)
        answer = await read_message(reader)
        writer.close()
        return answer

    def _rewritten(self, body: bytes, fault: str) -> bytes:
        document = json.loads(body)
        if "Events" not in document:
            return body
        document["Events"] = events = self.rewrite(document["Events"])
        if fault == "nameless" and events:
            number = self.chance.randrange(len(events))
            events[number] = {**events[number], "EventId": None}
        return json.dumps(document).encode()


def now() -> float:
    """The time of every line of the record: seconds of the machine's monotonic clock."""
    return time.monotonic()
