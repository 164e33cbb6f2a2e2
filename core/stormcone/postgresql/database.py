"""Connections to a database: with time-outs, re-made where they broke, few at a time."""

import logging
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any, LiteralString, Self

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from stormcone.errors import StormconeError
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.errors import errors

Connection = psycopg.Connection[DictRow]

STATEMENT = timedelta(seconds=10)
"""How long a statement may take, and how long it may wait for a lock."""

ANSWER = 12.0
"""Seconds after which a server that says nothing counts as gone: longer than it may take for a statement."""

IDLE = timedelta(seconds=5)
"""How long the server waits within a transaction for one who says nothing any more, before it undoes that."""

WAIT = 3.0
"""Seconds for which a connection of the pool is waited for."""

HISTORY: LiteralString = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
"""In SQL, which history of the server this is: a standby that was promoted begins another, and numbers anew in it."""

MOST = 4
"""Connections of one pool."""

# The pool warns of each attempt to connect; ours is the error that is raised in the end.
logging.getLogger("psycopg.pool").propagate = False
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())


class _Bounded(psycopg.Connection[DictRow]):
    """A connection that is given up where the server says nothing for `ANSWER` seconds.

    The server's own time-outs are of no use where it is frozen, or where what it says does not arrive.
    """

    def wait(self, gen: Generator[Any, Any, Any], *how: Any, **named: Any) -> Any:
        """Have psycopg do a part of its protocol."""
        return super().wait(self._within(gen, ANSWER), *how, **named)

    def _within(self, gen: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
        """The same part; psycopg goes on with it whenever there is something to read, and ten times a second."""
        end = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send((yield wanted))
                if time.monotonic() > end and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                    self.pgconn.finish()  # what comes of it is not known, and never will be on this connection
                    raise psycopg.OperationalError(f"the server has said nothing for {seconds:g} s")
        except StopIteration as done:
            return done.value


class Database:
    """A database that one part of stormcone uses.

    Connections are in autocommit mode and answer rows as dicts; what is to happen together stands in
    `with connection.transaction()`. Times are UTC.

    Args:
        address: where it is.
        subject: what it is to the user, for errors: "the journal postgresql://...".
        kind: the errors that are raised.
        search: the schemas in which names without one are looked up; none: as the server has it.
        writes: whether it is written: then, of several hosts, the one is used that takes writes.
        most: connections of the pool.
        idle: how long a transaction of ours may be silent.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        *,
        subject: str,
        kind: type[StormconeError],
        search: str = "",
        writes: bool = True,
        most: int = MOST,
        idle: timedelta = IDLE,
    ) -> None:
        self.address = address
        self.subject = subject
        self.kind = kind
        self._parameters = _parameters(address, search=search, writes=writes, idle=idle)
        self._most = most
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None
        self._failure: psycopg.Error | None = None

    def errors(self) -> AbstractContextManager[None]:
        """Raise PostgreSQL's errors as ours."""
        return errors(self.subject, self.kind)

    def connect(self) -> Connection:
        """A connection of the caller's own, which closes it.

        Raises:
            StormconeError: of `kind`: none can be made.
        """
        with self.errors():
            return _Bounded.connect(autocommit=True, row_factory=dict_row, **self._parameters)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of the pool, for a while; any thread may ask. One that has broken is replaced before it is lent.

        Raises:
            StormconeError: of `kind`: none can be had within `WAIT` seconds, or it fails while it is used.
        """
        with self.errors(), ExitStack() as stack:
            try:
                connection = stack.enter_context(self._opened().connection())
            except PoolTimeout as error:
                raise self._failure or error from error
            yield connection

    def close(self, *, patience: float = 5.0) -> None:
        """Close the pool. Safe to call twice; the next `connection` opens it again.

        Args:
            patience: seconds for which attempts to connect that are under way are waited for.
        """
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(timeout=patience)

    def _opened(self) -> ConnectionPool[Connection]:
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    kwargs={"autocommit": True, "row_factory": dict_row, **self._parameters},
                    connection_class=self._noting(),
                    min_size=0,
                    max_size=self._most,
                    timeout=WAIT,
                    reconnect_timeout=WAIT,
                    check=ConnectionPool.check_connection,
                    num_workers=1,
                    open=True,
                )
            return self._pool

    def _noting(self) -> type[Connection]:
        """The class of the pool's connections: a pool says that it has none, and not why none could be made."""
        database = self

        class Noting(_Bounded):
            @classmethod
            def connect(cls, *args: Any, **given: Any) -> Self:
                try:
                    made = super().connect(*args, **given)
                except psycopg.Error as error:
                    database._failure = error
                    raise
                database._failure = None
                return made

        return Noting


def _parameters(address: DatabaseAddress, *, search: str, writes: bool, idle: timedelta) -> dict[str, Any]:
    """What libpq is given: the address, and of ours what the address leaves open."""
    found = address.parameters()
    settings = {
        "TimeZone": "UTC",
        "statement_timeout": _milliseconds(STATEMENT),
        "lock_timeout": _milliseconds(STATEMENT),
        "idle_in_transaction_session_timeout": _milliseconds(idle),
    }
    if search:
        settings["search_path"] = search
    ours = " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())
    found["options"] = f"{ours} {found.get('options', '')}".strip()
    if writes:
        found.setdefault("target_session_attrs", "read-write")
    return found


def _milliseconds(span: timedelta) -> str:
    return str(round(span.total_seconds() * 1000))


def _escaped(value: str) -> str:
    """A value as `options` has it. Source: PostgreSQL's manual, "options" in "Parameter Key Words"."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
