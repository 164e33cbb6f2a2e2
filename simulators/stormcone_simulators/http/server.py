"""HTTP/1.1 over plain asyncio streams, in a thread of its own.

h11 speaks the protocol and nothing else, so that a fault can do to the connection what no web framework would: reset
it, send half a body, or nothing at all. `ClientConnection` is the connection as such a fault sees it.
"""

import asyncio
import errno
import logging
import os
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import h11

from stormcone.clock import ManualClock, SystemClock
from stormcone.errors import PortInUse, SimulationError
from stormcone.text import one_line
from stormcone_simulators.http.messages import Request, Response, problem
from stormcone_simulators.http.waiting import LoopClock

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
MAX_PORT = 65535
_CHUNK = 64 * 1024
# How OpenSSL calls what is no TLS: where it takes it for HTTP, and where not.
_NO_TLS = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER"})
_BACKLOG = 2048
# Real seconds: closing at once on a client that still sends would reset the answer that it has not read yet.
_LINGER = 1.0
PATIENCE = 60.0
"""Real seconds in which a client sends a request, from the end of the answer before, and takes each piece of one."""

# What accepting a connection fails with where the process or the machine has no descriptor or memory left for it.
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger(__name__)


@lru_cache(1)
def _date(second: datetime) -> str:
    return format_datetime(second, usegmt=True)


class _Refused(Exception):
    """The request cannot be read."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _ClientGone(Exception):
    """The client has closed the connection."""


class ClientConnection:
    """One client's connection, as what answers a request sees it.

    Attributes:
        clock: the simulator's clock, to sleep on.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: LoopClock) -> None:
        self.clock = clock
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._head_only = False
        self._ended = False

    async def secure(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on; whoever speaks plain HTTP is told so in the same.

        Raises:
            OSError: the client does not speak TLS, or does not trust the certificate.
        """
        # When the handshake has failed asyncio has closed its socket, and this one is still there to answer by.
        with self._writer.get_extra_info("socket").dup() as twin:
            try:
                await self._writer.start_tls(context, ssl_handshake_timeout=PATIENCE)
            except ssl.SSLError as error:
                if error.reason in _NO_TLS:
                    sentence = "this port speaks HTTPS; write https:// in front of its address"
                    twin.send(self.render(problem(400, sentence, ("Connection", "close"))))
                raise

    def render(self, response: Response) -> bytes:
        """The response as bytes, to send now: once for each request. Its `Date` is the simulator's."""
        protocol, body = self._protocol, response.body
        headers = [
            ("Date", _date(self.clock.now().replace(microsecond=0))),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(body))),
            *response.headers,
        ]
        parts = [
            protocol.send(h11.Response(status_code=response.status, reason=response.reason.encode(), headers=headers))
        ]
        if body and not self._head_only and response.status not in {204, 304}:
            parts.append(protocol.send(h11.Data(data=body)))
        parts.append(protocol.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part)

    async def send(self, data: bytes) -> None:
        """Write the bytes as they are; a client that takes none of them for `PATIENCE` is gone (`TimeoutError`)."""
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size():  # else the client has taken all of it already
            async with asyncio.timeout(PATIENCE):
                await self._writer.drain()

    def end(self) -> None:
        """Take no further request on this connection; what has been sent still arrives."""
        self._ended = True

    def reset(self) -> None:
        """Cut the connection so that the client sees a reset instead of an end."""
        raw: Any = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self._ended = True

    async def until_gone(self) -> None:
        """Return once the client has closed its side."""
        self._ended = True
        while await self._reader.read(_CHUNK):
            pass

    async def receive(self, peer: str) -> Request | None:
        """The next request, None after the last one or where none comes whole within `PATIENCE`.

        Raises:
            _Refused: it is not HTTP, or too large.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._receive(peer)
        except (_ClientGone, TimeoutError):
            return None
        except h11.RemoteProtocolError as error:
            raise _Refused(error.error_status_hint, f"this is not an HTTP request: {error}") from error

    async def _receive(self, peer: str) -> Request:
        head: h11.Request | None = None
        body = bytearray()
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                head = event
                self._head_only = head.method == b"HEAD"
                if self._protocol.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                    await self.send(self._protocol.send(go_on) or b"")
            else:
                body += event.data
                if len(body) > MAX_BODY:
                    raise _Refused(413, f"the body has more than {MAX_BODY} bytes")
        if head is None:
            raise _ClientGone
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        target = head.target.decode("latin-1")
        try:
            return Request(head.method.decode("latin-1"), target, headers, bytes(body), peer)
        except ValueError as error:
            raise _Refused(400, f"the request target cannot be read: {error}") from error

    async def _next_event(self) -> h11.Request | h11.Data | h11.EndOfMessage:
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                self._protocol.receive_data(await self._reader.read(_CHUNK))
            elif isinstance(event, h11.Request | h11.Data | h11.EndOfMessage):
                return event
            else:
                raise _ClientGone

    def ready_for_next(self) -> bool:
        """Whether the connection can carry another request; if so, it is ready for it."""
        protocol = self._protocol
        if self._ended or protocol.our_state is not h11.DONE or protocol.their_state is not h11.DONE:
            return False
        protocol.start_next_cycle()
        return True

    async def refuse(self, refused: _Refused) -> None:
        """Say why the request cannot be read, and let the client read that before the connection closes."""
        await self.send(self.render(problem(refused.status, str(refused), ("Connection", "close"))))
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.until_gone(), _LINGER)

    async def close(self) -> None:
        """Close the connection; returns when its socket is closed."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def plain(line: ClientConnection, response: Response) -> None:
    """Send the response as it is: what every delivery but a fault's does."""
    await line.send(line.render(response))


Delivery = Callable[[ClientConnection, Response], Awaitable[None]]


@dataclass(frozen=True)
class Reply:
    """A response and how to bring it to the client."""

    response: Response
    deliver: Delivery = plain


Answer = Callable[[Request, LoopClock], Awaitable[Reply]]


class Server:
    """Answers HTTP requests in a daemon thread until it is closed.

    Args:
        answer: makes the reply to a request; runs on the server's loop, so it must not block.
        bind: the address to listen on.
        port: 0 takes a free one.
        clock: what `answer` and the faults sleep on.
        tls: what to speak HTTPS with; None for HTTP.

    Raises:
        PortInUse: the port is in use or may not be bound.
        SimulationError: it cannot be served, as where there is no file descriptor left.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        bind: str,
        port: int,
        clock: ManualClock | SystemClock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._clock = clock
        if not 0 <= port <= MAX_PORT:
            raise SimulationError(f"cannot listen on port {port}: a port is a number from 0 to {MAX_PORT}")
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        try:
            self._socket = socket.create_server((bind, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise PortInUse(
                f"cannot listen on port {port} of {bind}: {why}; choose another, or port 0 for a free one"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._full = False
        self._thread = threading.Thread(target=self._run, name=f"simulator-{self.port}", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            self._thread.join()
            self._socket.close()
            raise SimulationError(f"cannot serve on port {port}: {one_line(self._failed)}") from self._failed

    def wake(self) -> None:
        """Let answers that wait for news look again; from any thread."""
        self._loop_clock.wake()

    def close(self) -> None:
        """Stop listening and drop every connection. Safe to call twice."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve())
        except OSError as error:  # no file descriptor is left for its loop, say
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._loop.set_exception_handler(self._note)
        self._loop_clock = LoopClock(self._clock)
        server = await asyncio.start_server(self._connected, sock=self._socket, backlog=_BACKLOG)
        self._ready.set()
        await self._stop.wait()
        self._loop_clock.close()
        # The other tasks are connections, and connections that asyncio is about to accept. It would lose the socket of
        # one that it accepts for a closed server or whose acceptance is cancelled, so those become connections first.
        self._loop.remove_reader(self._socket)
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in self._talks:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        server.close()

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _NO_ROOM):
            loop.default_exception_handler(context)
        elif not self._full:  # asyncio tries again each second, and tells each time
            self._full = True
            _log.warning("no connection can be accepted now, and it goes on once one can: %s", error.strerror)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._full = False
        if self._tls is not None:
            transport: Any = writer.transport
            transport.pause_reading()  # the first byte is the handshake's
        task = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._talks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._talks.discard(task)
            # Where the task was cancelled, before its first line perhaps, nobody else closes the connection.
            writer.transport.abort()

        task.add_done_callback(ended)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = ClientConnection(reader, writer, self._loop_clock)
        with suppress(OSError):  # the client has gone, and with it the connection
            if self._tls is not None:
                await line.secure(self._tls)
            await self._converse(line, str(writer.get_extra_info("peername")[0]))
            await line.close()

    async def _converse(self, line: ClientConnection, peer: str) -> None:
        try:
            while (request := await line.receive(peer)) is not None:
                reply = await self._reply(request)
                await reply.deliver(line, reply.response)
                if not line.ready_for_next():
                    return
        except _Refused as refused:
            await line.refuse(refused)

    async def _reply(self, request: Request) -> Reply:
        try:
            return await self._answer(request, self._loop_clock)
        except Exception as error:  # noqa: BLE001 - a fault of one answer must not take the server away
            _log.exception("%s %s failed", request.method, request.path)
            return Reply(problem(500, f"the simulator failed on this request: {type(error).__name__}: {error}"))
