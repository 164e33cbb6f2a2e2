"""One session with its connection, which another thread can cut: what the client makes its exchanges on."""

import contextlib
import socket
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

import stormcone


class _Session(requests.Session):
    """A session that nothing but the caller steers."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers = CaseInsensitiveDict(
            # Whoever compresses although asked not to is understood all the same, within the limit.
            {"User-Agent": f"stormcone/{stormcone.__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        )
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        # Even where redirects are not followed requests reads the whole body of one, however long.
        return None


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
    """Knows the connection in use; a line has one exchange at a time, so there is only one."""

    pool: Any = None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        self.pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self.pool


@dataclass(eq=False)
class Connection:
    """A session and its connection, for one exchange at a time."""

    session: _Session = field(default_factory=_Session)
    adapter: _Adapter = field(default_factory=_Adapter)
    answer: Any = None

    def __post_init__(self) -> None:
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, self.adapter)

    def cut(self) -> None:
        """Make whoever waits for this connection see its end."""
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            # An answer without a length takes the socket from its connection; before the answer only that has it.
            if self.answer is not None:
                self.answer.shutdown()
            elif sock := getattr(getattr(self.adapter.pool, "connection", None), "sock", None):
                sock.shutdown(socket.SHUT_RDWR)
