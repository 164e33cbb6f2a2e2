"""The one session of requests that the SDK sends its calls through.

The SDK brings old copies of requests and urllib3 of its own and puts the signed URL into the errors of those. Given
this session instead it uses the libraries that are installed, through proxies as configured here, and what it learns
of a fault is a plain word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.client import responses
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy

from stormcone.clock import Clock
from stormcone.clouds.exchange import Exchange, Tap
from stormcone.clouds.http.client import Timeouts, fault_reason
from stormcone.clouds.http.trust import VARIABLES
from stormcone_alibaba.redact import remember

TIMEOUTS = Timeouts(connect=5.0, read=20.0)
"""Seconds until a connection stands, and without a byte from the service."""

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of a body, after decoding, above which an answer is refused; a full page is less than a tenth of it."""

CA_VARIABLES = ("ALIBABA_CLOUD_CA_BUNDLE", *VARIABLES)
"""The variables that name a file of authorities for the API. Source: the first is the SDK's own (core 2.16.1)."""

_PIECE = 64 * 1024


class TransportFault(OSError):
    """There was no answer; the text says why, in plain words without a URL."""


class _TooLarge(requests.RequestException):
    """The body exceeds `BODY_LIMIT`."""


class _Bounded:
    """A raw answer of urllib3 of which nobody gets more than `BODY_LIMIT` bytes."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int = _PIECE, decode_content: bool | None = None) -> Iterator[bytes]:
        """Yield the body piece by piece; requests reads it so."""
        total = 0
        for piece in self._raw.stream(amount, decode_content=decode_content):
            total += len(piece)
            if total > BODY_LIMIT:
                self._raw.close()
                raise _TooLarge
            yield piece


class _Adapter(HTTPAdapter):
    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = super().build_response(req, resp)
        response.raw = _Bounded(resp)
        return response


class ApiSession(requests.Session):
    """A session that takes nothing from the environment and whose faults tell no secrets.

    Args:
        clock: for the times of what the tap is told.
        tap: told of every exchange, those without an answer too; None tells nobody.
    """

    def __init__(self, clock: Clock, tap: Tap | None = None) -> None:
        super().__init__()
        self.trust_env = False
        self._clock = clock
        self._tap = tap
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send; raises `TransportFault` where there is no answer."""
        remember(*_signatures(request))
        try:
            response = super().send(request, **kwargs)
        except _TooLarge:
            why = f"its answer is larger than {BODY_LIMIT // 1024} KiB"
        except (requests.RequestException, OSError, ValueError) as error:
            through = "the proxy does not let it through: " if isinstance(error, requests.exceptions.ProxyError) else ""
            why = through + fault_reason(error, TIMEOUTS)
        else:
            self._tell(request, response, "")
            return response
        self._tell(request, None, why)
        # Raised out here, since inside the handler the fault would carry the error with the URL as its context.
        raise TransportFault(why)

    def _tell(self, request: requests.PreparedRequest, response: requests.Response | None, fault: str) -> None:
        if self._tap is None:
            return
        exchange = Exchange(
            at=self._clock.now(),
            method=request.method or "",
            url=request.url or "",
            request_headers=request.headers,
            fault=fault,
        )
        if response is not None:
            status = response.status_code
            reason = responses.get(status, "")
            exchange = replace(exchange, status=status, reason=reason, headers=response.headers, body=response.content)
        self._tap(exchange)


def _signatures(request: requests.PreparedRequest) -> list[str]:
    return parse_qs(urlsplit(request.url or "").query).get("Signature", [])


def proxies_for(url: str, proxy: str | None) -> Mapping[str, str]:
    """The proxies for a URL: the one that was set, else the environment's, of which `NO_PROXY` is honoured.

    Never empty, because for an empty answer the SDK looks into the environment itself, without regard to `NO_PROXY`.
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
