"""One question to a cloud and its answer, as providers tell of them to whoever listens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What was asked over HTTP and what came back, secrets and all.

    Attributes:
        at: when the answer came, or when it was given up, aware UTC.
        method: in upper case.
        url: whole.
        request_headers: by name.
        request_body: None where there was none.
        status: 0 where there was no answer.
        reason: the status in words, "" where it has none.
        headers: the answer's, by name.
        body: the answer's, decoded; empty where it was not read, as of an answer that refuses.
        fault: why there was no answer, in plain words; "" where there was one.
    """

    at: datetime
    method: str
    url: str
    request_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: bytes | None = None
    status: int = 0
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: str = ""


Tap = Callable[[Exchange], None]
"""Told of every exchange in the thread that made it; must not raise, and must not keep it waiting."""
