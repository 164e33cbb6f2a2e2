"""Connections that another thread can cut: what the client makes its exchanges on."""

import contextlib
import socket
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

import stormcone
from stormcone.clouds.http.faults import Timeouts

_PLACES = 64
"""Addresses whose pool is remembered: more than any provider has."""

_HEADERS = {
    "User-Agent": f"stormcone/{stormcone.__version__}",
    "Accept": "*/*",
    # Whoever compresses although asked not to is understood all the same, within the limit.
    "Accept-Encoding": "identity",
}


def prepare(
    method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes | None
) -> requests.PreparedRequest:
    """A request that can be sent again and again; nothing but the caller says what is in it."""
    return requests.Request(method, url, headers={**_HEADERS, **dict(headers)}, data=body).prepare()


class _Pool(HTTPConnectionPool):
    """Remembers its connection, so that another thread can cut it."""

    connection: Any = None

    def _new_conn(self) -> Any:
        self.connection = super()._new_conn()
        return self.connection


class _TlsPool(HTTPSConnectionPool):
    """As `_Pool`."""

    connection: Any = None

    def _new_conn(self) -> Any:
        self.connection = super()._new_conn()
        return self.connection


class ClosingAdapter(HTTPAdapter):
    """Closes its connections when it is closed.

    urllib3 forgets its pools, and leaves it to whoever collects them to close the connections within: that is late
    where the frames of an error still know them.
    """

    def close(self) -> None:
        """Close every connection, those through proxies too."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated over
                manager.pools[key].close()
        super().close()


class _Adapter(ClosingAdapter):
    """Sends what is prepared, and leaves out what costs as much as the request itself where it is made each second.

    No session is in between, and no answer is looked through for cookies: nobody here wants proxies, redirects,
    cookies or `.netrc`. A line has one exchange at a time, so there is only one connection in use.
    """

    pool: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._pools: dict[tuple[str | None, Any], Any] = {}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, *args: Any, **kwargs: Any
    ) -> Any:
        place = (request.url, verify)
        self.pool = self._pools.get(place)
        if self.pool is None:
            if len(self._pools) >= _PLACES:
                self._pools.clear()
            self.pool = super().get_connection_with_tls_context(request, verify, *args, **kwargs)
            self._pools[place] = self.pool
        return self.pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.reason, response.raw = resp.status, resp.reason, resp
        response.headers = CaseInsensitiveDict(resp.headers)
        response.url, response.request = req.url or "", req
        return response


@dataclass(eq=False)
class Connection:
    """What one exchange at a time is made on."""

    adapter: _Adapter = field(default_factory=_Adapter)
    answer: Any = None

    def send(self, request: requests.PreparedRequest, timeouts: Timeouts, verify: str | bool) -> requests.Response:
        """The answer's head; whoever reads the body closes it, too."""
        limits = (timeouts.connect, timeouts.read)
        response = self.adapter.send(request, stream=True, timeout=limits, verify=verify)
        self.answer = response.raw
        return response

    def close(self) -> None:
        """Let go of it."""
        self.adapter.close()

    def cut(self) -> None:
        """Make whoever waits for this connection see its end."""
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            # An answer without a length takes the socket from its connection; before the answer only that has it.
            if self.answer is not None:
                self.answer.shutdown()
            elif sock := getattr(getattr(self.adapter.pool, "connection", None), "sock", None):
                sock.shutdown(socket.SHUT_RDWR)
