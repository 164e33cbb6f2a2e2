"""A link between a process and a server, which the attack can cut, hang or slow down: a TCP proxy."""

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum

_PIECE = 65536


class Passing(StrEnum):
    """What a link does with what comes."""

    FREELY = "freely"
    CUT = "cut"
    """Who is connected is cut off, and who connects is at once."""
    HELD = "held"
    """Nothing passes any more, and nobody is told."""
    DEAF = "deaf"
    """What is asked arrives, and no answer comes back."""
    SLOW = "slow"
    """Each piece arrives later."""


class Link:
    """One way to a server.

    Args:
        port: of the server, on this machine.
        overhears: is told each piece that arrives at the server, and when.

    Attributes:
        passing: what it does with what comes.
        port: where it listens.
    """

    LATER = 0.4
    """Seconds by which a slow link delays each piece."""

    def __init__(self, port: int, overhears: Callable[[float, bytes], None] | None = None) -> None:
        self.passing = Passing.FREELY
        self.port = 0
        self._target = port
        self._overhears = overhears
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def let(self, passing: Passing) -> None:
        """Do that with what comes, from now on."""
        self.passing = passing
        if passing is Passing.CUT:
            self._cut()
        self._changed.set()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Cut off whoever is connected, and listen no more."""
        if self._server is not None:
            self._server.close()
        self.let(Passing.CUT)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.passing is Passing.CUT:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        try:
            await asyncio.gather(
                self._carry(reader, back, {Passing.HELD}, self._overhears),
                self._carry(there, writer, {Passing.HELD, Passing.DEAF}, None),
            )
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _carry(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        stops: set[Passing],
        overhears: Callable[[float, bytes], None] | None,
    ) -> None:
        try:
            while piece := await source.read(_PIECE):
                if self.passing is Passing.SLOW:
                    await asyncio.sleep(self.LATER)
                while self.passing in stops:
                    await self._changed.wait()
                if overhears is not None:
                    overhears(time.monotonic(), piece)
                sink.write(piece)
                await sink.drain()
        except OSError:
            pass
        sink.transport.abort()
