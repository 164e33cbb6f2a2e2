"""What clients asked a simulator: the last requests, bounded in number and in bytes."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from stormcone_simulators.events import iso
from stormcone_simulators.http.faults import FaultRule
from stormcone_simulators.http.messages import Request

MOST = 10_000
"""Requests that are kept."""

LARGEST = 16 * 1024 * 1024
"""Bytes of requests that are kept, as they came; the last one is kept however large it is."""


class LoggedRequest(NamedTuple):
    """One request of a client, with what became of it."""

    at: datetime
    machine: str | None
    request: Request
    path: str
    status: int
    rule: FaultRule | None

    @property
    def size(self) -> int:
        """How many bytes the client sent, about."""
        request = self.request
        return len(request.body) + len(request.target) + sum(map(len, request.headers.values()))

    def as_json(self) -> dict[str, Any]:
        """The request as the control API lists it; `path` is without the machine's prefix."""
        return {
            "at": iso(self.at),
            "machine": self.machine,
            "method": self.request.method,
            "path": self.path,
            "query": dict(self.request.query),
            "headers": dict(self.request.headers),
            "body": self.request.body.decode(errors="replace"),
            "status": self.status,
            "fault": self.rule.kind if self.rule else None,
        }


class RequestLog:
    """The last `MOST` requests, of no more than `LARGEST` bytes together; iterating yields them oldest first."""

    def __init__(self) -> None:
        self._kept: deque[LoggedRequest] = deque()
        self._size = 0

    def add(self, logged: LoggedRequest) -> None:
        """Keep the request, and let go of the oldest ones where that is too much."""
        self._kept.append(logged)
        self._size += logged.size
        while len(self._kept) > MOST or (self._size > LARGEST and len(self._kept) > 1):
            self._size -= self._kept.popleft().size

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(self._kept)
