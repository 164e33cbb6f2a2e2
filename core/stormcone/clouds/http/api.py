"""Sessions that a vendor's own library sends its calls of an API through.

Such libraries look for proxies, keys and authorities in the environment, read bodies without an end, and put what
they were given into their errors. A session from here takes the proxy that was chosen, or the environment's with
regard to `NO_PROXY`; stops reading at a limit; tells of every exchange; and says what went wrong in plain words.
"""

from collections.abc import Iterator, Mapping
from http.client import responses
from typing import Any

import requests
from requests.utils import get_environ_proxies, select_proxy

from stormcone.clock import Clock
from stormcone.clouds.exchange import Exchange, Tap
from stormcone.clouds.http.connection import ClosingAdapter
from stormcone.clouds.http.faults import Timeouts, fault_reason

API_TIMEOUTS = Timeouts(connect=5.0, read=20.0)
"""Seconds until a connection stands, and without a byte from the service."""

API_BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of a body, after decoding, above which an answer is refused."""

_PIECE = 64 * 1024


class TransportFault(OSError):
    """There was no answer; the text says why, in plain words without a URL."""


class TooLarge(requests.RequestException):
    """A body exceeds its limit; the text says which, to go after "its answer is"."""


class BoundedBody:
    """A raw answer of urllib3 of which nobody gets more than so many bytes.

    Args:
        raw: the answer.
        limit: bytes; reading more raises `TooLarge`.
    """

    def __init__(self, raw: Any, limit: int) -> None:
        self._raw = raw
        self._limit = limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int = _PIECE, decode_content: bool | None = None) -> Iterator[bytes]:
        """Yield the body piece by piece; requests and botocore read it so."""
        total = 0
        for piece in self._raw.stream(amount, decode_content=decode_content):
            total += len(piece)
            if total > self._limit:
                self._raw.close()
                raise TooLarge(f"larger than {self._limit // 1024} KiB")
            yield piece


class _Guard(ClosingAdapter):
    """Sends what a session is asked for, and reads the whole answer."""

    def __init__(self, clock: Clock, tap: Tap | None) -> None:
        super().__init__()
        self._clock = clock
        self._tap = tap

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        response.raw = BoundedBody(resp, API_BODY_LIMIT)
        return response

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        try:
            response = super().send(request, *arguments, **options)
            body = response.content
        except TooLarge as error:
            why = f"its answer is {error}"
        except (requests.RequestException, OSError, ValueError) as error:
            through = "the proxy does not let it through: " if isinstance(error, requests.exceptions.ProxyError) else ""
            why = through + fault_reason(error, API_TIMEOUTS)
        else:
            status = response.status_code
            reason = responses.get(status, "")
            self._tell(request, status=status, reason=reason, headers=response.headers, body=body)
            return response
        self._tell(request, fault=why)
        # Raised out here, since inside the handler the fault would carry the error with the URL as its context.
        raise TransportFault(why)

    def _tell(self, request: requests.PreparedRequest, **answer: Any) -> None:
        if self._tap is not None:
            asked: dict[str, Any] = {
                "method": request.method or "",
                "url": request.url or "",
                "request_headers": request.headers,
            }
            self._tap(Exchange(at=self._clock.now(), **asked, **answer))


def guard(session: requests.Session, clock: Clock, tap: Tap | None = None) -> None:
    """Have a session take nothing from the environment, and raise `TransportFault` where there is no answer.

    Args:
        session: a vendor's, or any other.
        clock: for the times of what the tap is told.
        tap: told of every exchange, those without an answer too; None tells nobody.
    """
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Guard(clock, tap))


class GuardedSession(requests.Session):
    """A session that is guarded from the first; see `guard`."""

    def __init__(self, clock: Clock, tap: Tap | None = None) -> None:
        super().__init__()
        guard(self, clock, tap)


def proxies_for(url: str, proxy: str | None) -> Mapping[str, str]:
    """The proxies for a URL: the one that was set, else the environment's, of which `NO_PROXY` is honoured.

    Never empty, because for an empty answer some libraries look into the environment themselves, without regard to
    `NO_PROXY`.
    """
    if proxy is not None:
        return {"http": proxy, "https": proxy}
    return get_environ_proxies(url) or {"none": ""}


def shown_proxy(url: str, proxy: str | None) -> str:
    """The proxy that a URL is asked through, without the name and password that it may hold; `none` for none."""
    chosen = select_proxy(url, dict(proxies_for(url, proxy)))
    if chosen is None:
        return "none"
    scheme, separator, place = chosen.rpartition("://")
    return f"{scheme}{separator}{place.rpartition('@')[2]}"
