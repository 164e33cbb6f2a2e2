"""One HTTP client for the providers that talk to a metadata service themselves; it knows no cloud.

A metadata service is asked once a second for months, so what matters is how it fails. Every fault of the
transport becomes a `ProviderError` in plain words; an exchange ends at its deadline even where its bytes drip in one
by one; no body is read beyond a limit; no proxy, `.netrc`, cookie or redirect takes a request elsewhere. Exchanges
of several threads run side by side, each over a connection of its own, so that a poll that hangs holds nothing up.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import responses
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.exchange import Exchange, Tap
from stormcone.clouds.http.connection import Connection, prepare
from stormcone.clouds.http.deadline import Deadlines, Watched
from stormcone.clouds.http.faults import FAULTS, UNREACHED, chain, reason
from stormcone.clouds.http.faults import Timeouts as Timeouts
from stormcone.clouds.http.faults import fault_reason as fault_reason
from stormcone.errors import ProviderError, RequestRefused, Unreachable

BODY_LIMIT = 1024 * 1024
"""Bytes of a body, after decoding, above which an answer is refused."""

RETRY_AFTER_LIMIT = 3600.0
"""Seconds above which a `Retry-After` is not believed, so that no junk value stops the polling for good."""


class HttpStatusMeaning(NamedTuple):
    """What a status of HTTP means to a provider.

    Attributes:
        says: why, in plain words, for the error's sentence.
        passing: True for a `ProviderError` that may pass, False for a `RequestRefused`.
        lasts: seconds that it lasts at the most, where that is known: asked for where there is no `Retry-After`.
    """

    says: str
    passing: bool
    lasts: float | None = None


STATUSES: Mapping[int, HttpStatusMeaning] = MappingProxyType(
    {
        400: HttpStatusMeaning("the request is malformed", passing=False),
        404: HttpStatusMeaning("there is nothing at this address now", passing=True),
        410: HttpStatusMeaning("the service is being updated", passing=True),
        429: HttpStatusMeaning("it is asked too often", passing=True),
        500: HttpStatusMeaning("the service has an internal error", passing=True),
        502: HttpStatusMeaning("the service behind it does not answer properly", passing=True),
        503: HttpStatusMeaning("the service is not available now", passing=True),
        504: HttpStatusMeaning("the service behind it does not answer in time", passing=True),
    }
)
"""What the statuses mean unless a provider brings a table of its own."""

STATUS_CLASSES: Mapping[int, HttpStatusMeaning] = MappingProxyType(
    {
        3: HttpStatusMeaning("it sends us elsewhere, and redirects are not followed", passing=True),
        4: HttpStatusMeaning("the request is refused", passing=False),
    }
)
"""What the other statuses mean, by their first digit."""

UNEXPECTED = HttpStatusMeaning("a status that is not expected here", passing=True)
"""What every status in neither table means."""

_CLOSED = "the client was closed"
_PREPARED = 16


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """An answer; `MetadataClient.request` gives those that were expected.

    Attributes:
        status: 2xx, or one of those that the caller accepts.
        headers: by name, without regard to case.
        body: whole and decoded, at most `BODY_LIMIT` bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class MetadataClient:
    """Asks one metadata service; any number of threads may use it at once.

    Args:
        statuses: what the service's statuses mean; see `STATUSES`.
        headers: sent with every request.
        clock: read to turn a `Retry-After` that is a date into seconds. Time-outs are real time always.
        tap: told of every exchange, those without an answer too; None tells nobody.
        verify: what certificates are verified by, see `stormcone.clouds.http.trust.authorities`.
    """

    def __init__(
        self,
        *,
        statuses: Mapping[int, HttpStatusMeaning] = STATUSES,
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        tap: Tap | None = None,
        verify: str | bool = True,
    ) -> None:
        self._verify = verify
        self._statuses = statuses
        self._headers = dict(headers or {})
        self._clock = clock or SystemClock()
        self._tap = tap
        self._lock = threading.Lock()
        self._closed = False
        self._idle: list[Connection] = []
        self._deadlines = Deadlines()
        self._prepare = lru_cache(_PREPARED)(prepare)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeouts: Timeouts | None = None,
        accept: frozenset[int] = frozenset(),
    ) -> HttpAnswer:
        """Ask once, and answer what came back where its status is 2xx or in `accept`.

        Raises:
            RequestRefused: the status says that the request is at fault.
            Unreachable: no connection could be made.
            ProviderError: every other status and every fault of the transport; it may pass.
        """
        what = _what(method, url)
        sent = {**self._headers, **(headers or {})}
        try:
            answer = self._ask(what, method, url, sent, body, timeouts or Timeouts(), accept)
        except ProviderError as error:
            self._tell(method, url, sent, body, str(error))
            raise
        self._tell(method, url, sent, body, answer)
        if not _expected(answer.status, accept):
            raise self.refusal(method, url, answer)
        return answer

    def refusal(self, method: str, url: str, answer: HttpAnswer) -> ProviderError:
        """The error that an answer of an unexpected status is, for a caller who accepts more than it likes."""
        meaning = self._statuses.get(answer.status) or STATUS_CLASSES.get(answer.status // 100, UNEXPECTED)
        sentence = f"{_what(method, url)}: status {answer.status}, {meaning.says}"
        if not meaning.passing:
            return RequestRefused(sentence)
        asked = retry_after(answer.headers.get("Retry-After"), self._clock.now())
        return ProviderError(sentence, retry_after=meaning.lasts if asked is None else asked)

    def _ask(
        self,
        what: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeouts: Timeouts,
        accept: frozenset[int],
    ) -> HttpAnswer:
        """What came back, whatever its status; the body of one that is not expected is not read."""
        request = self._prepare(method, url, tuple(headers.items()), body)
        with self._exchange(what, timeouts) as exchange:
            try:
                response = exchange.line.send(request, timeouts, self._verify)
                try:
                    content = _read(what, response) if _expected(response.status_code, accept) else b""
                finally:
                    response.close()
            except ProviderError:
                raise
            except FAULTS as error:
                raise _fault(what, exchange, error, timeouts) from error
            if exchange.ended:
                # What was cut from here may look like a whole body that ends with its connection.
                raise _fault(what, exchange, None, timeouts)
            return HttpAnswer(status=response.status_code, headers=response.headers, body=content)

    def close(self) -> None:
        """Let go of every connection; what still runs ends in an error that does not pass. Safe to call twice."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        self._deadlines.close(_CLOSED)
        for line in idle:
            line.close()

    @contextlib.contextmanager
    def _exchange(self, what: str, timeouts: Timeouts) -> Iterator[Watched]:
        with self._lock:
            if self._closed:
                raise ProviderError(f"{what}: {_CLOSED}", passing=False)
            exchange = Watched(self._idle.pop() if self._idle else Connection())
            self._deadlines.begin(exchange, timeouts.whole)
        try:
            yield exchange
        finally:
            self._deadlines.over(exchange)
            with self._lock:
                closed = self._closed
                exchange.line.answer = None
                if not closed:
                    self._idle.append(exchange.line)
            if closed:
                exchange.line.close()

    def _tell(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, came: HttpAnswer | str
    ) -> None:
        """Tell the tap what came: an answer, or why there is none. What our own closing ends says nothing."""
        if self._tap is None or self._closed:
            return
        exchange = Exchange(
            at=self._clock.now(),
            method=method,
            url=url,
            request_headers=headers,
            request_body=body,
            fault=came if isinstance(came, str) else "",
        )
        if isinstance(came, HttpAnswer):
            words = responses.get(came.status, "")
            exchange = replace(exchange, status=came.status, reason=words, headers=came.headers, body=came.body)
        self._tap(exchange)


def retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` asks for: a count or an HTTP date; None where it says neither.

    Args:
        value: the header's value.
        now: what a date is compared with, aware.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        # Ten digits are beyond the limit already; int() refuses thousands of them.
        return min(float(text[:10]), RETRY_AFTER_LIMIT)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def _fault(what: str, exchange: Watched, error: BaseException | None, timeouts: Timeouts) -> ProviderError:
    """The error that says why there is no answer."""
    if exchange.ended or error is None:
        return ProviderError(f"{what}: {exchange.ended}", passing=exchange.ended != _CLOSED)
    links = tuple(chain(error))
    kind = Unreachable if any(isinstance(link, UNREACHED) for link in links) else ProviderError
    return kind(f"{what}: {reason(links, timeouts)}")


def _expected(status: int, accept: frozenset[int]) -> bool:
    return status in accept or 200 <= status < 300


def _what(method: str, url: str) -> str:
    return f"{method} {_place(url)} failed"


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{host}{parts.path}"


def _read(what: str, response: requests.Response) -> bytes:
    content = bytearray()
    for piece in response.iter_content(64 * 1024):
        content += piece
        if len(content) > BODY_LIMIT:
            raise ProviderError(f"{what}: its answer is larger than {BODY_LIMIT // 1024} KiB")
    return bytes(content)
