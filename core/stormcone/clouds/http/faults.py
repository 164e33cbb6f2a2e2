"""Faults of the transport in plain words, and how long an exchange may take before it is one."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import requests
import urllib3.exceptions


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long one exchange may take, in seconds of real time.

    Attributes:
        connect: until the connection stands, for each of the host's addresses.
        read: without a single byte from the other side.
        slack: how much longer than `connect` and `read` together the whole exchange may take.
    """

    connect: float = 2.0
    read: float = 10.0
    slack: float = 5.0

    @property
    def whole(self) -> float:
        """Seconds after which the exchange is cut, however many bytes have come."""
        return self.connect + self.read + self.slack


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "connection refused"),
    ((socket.gaierror,), "the host's name does not resolve"),
    ((requests.ConnectTimeout,), "no connection within {connect:g} s"),
    ((urllib3.exceptions.ReadTimeoutError, TimeoutError), "no answer within {read:g} s"),
    ((http.client.RemoteDisconnected,), "it hung up without an answer"),
    ((ConnectionError,), "the connection was reset"),
    ((urllib3.exceptions.InvalidChunkLength,), "the chunks of its answer are malformed"),
    ((http.client.IncompleteRead,), "its answer broke off halfway"),
    ((urllib3.exceptions.DecodeError,), "its answer cannot be decoded"),
    ((http.client.HTTPException, urllib3.exceptions.InvalidHeader), "what came back is not HTTP"),
    (
        (ssl.SSLCertVerificationError,),
        "its certificate cannot be verified; where that is meant, REQUESTS_CA_BUNDLE names the file of its authority",
    ),
    ((ssl.SSLError, urllib3.exceptions.SSLError), "the TLS handshake failed"),
)
"""Faults of the transport in plain words; of all the exceptions in a chain the first row that has one speaks."""

FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""What requests, and what is below it, raise where an exchange fails."""

UNREACHED = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
"""Those of them that mean that no connection was made."""


def fault_reason(error: BaseException, timeouts: Timeouts) -> str:
    """Why an exchange over requests got no answer, in plain words that hold no URL.

    Args:
        error: what requests or urllib3 raised.
        timeouts: those of the exchange, for the words about them.
    """
    return reason(tuple(chain(error)), timeouts)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of; not `__context__`, which may be the caller's own."""
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        link = queue.pop(0)
        if isinstance(link, BaseException) and not any(link is known for known in seen):
            seen.append(link)
            yield link
            queue += [link.__cause__, getattr(link, "reason", None), *link.args]


def reason(links: tuple[BaseException, ...], timeouts: Timeouts) -> str:
    """The words for a chain of exceptions."""
    for kinds, words in _REASONS:
        if any(isinstance(link, kinds) for link in links):
            return words.format(connect=timeouts.connect, read=timeouts.read)
    system = [link.strerror for link in links if isinstance(link, OSError) and link.errno and link.strerror]
    return system[-1].lower() if system else f"of a fault of the transport ({type(links[-1]).__name__})"
