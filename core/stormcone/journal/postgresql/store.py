"""The journal on PostgreSQL: opened for writing by who gets its lease, or for reading by anybody."""

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Self, TypeVar

from stormcone.errors import JournalError, JournalLocked, JournalTooNew, SettingsError
from stormcone.journal.postgresql.lease import USUAL, Holder, Lease, holder_of
from stormcone.journal.postgresql.offers import PostgresqlOffers, offer_tables
from stormcone.journal.postgresql.schema import tables
from stormcone.journal.postgresql.session import PostgresqlSession
from stormcone.journal.sql.store import SQLJournal
from stormcone.model import Machine
from stormcone.postgresql.address import LONGEST_NAME, DatabaseAddress
from stormcone.postgresql.database import Connection, Database
from stormcone.postgresql.errors import passes

USUAL_NAME = "main"

START = 15.0
"""Seconds for which a database is waited for that cannot be reached when a journal is opened."""

SECRETS = ("PGPASSWORD", "STORMCONE_JOURNAL")
"""Variables that may hold the database's password: libpq's own, and the address."""

Wait = Callable[[str, str], None]
"""Told of what is waited for: who, by which one can see whether that is new, and what to say, as a clause."""

T = TypeVar("T")

_NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}\Z")
_LOOK = 0.5
"""Seconds between two looks at a lease that another holds."""


class PostgresqlJournal(SQLJournal):
    """The durable record of one agent at a time, in a database. One thread at a time uses it.

    Every method raises `JournalError` where the database cannot be read or written; then nothing of the transaction has
    happened. `JournalFenced` says that another agent has taken the journal over, and that nothing will be written by
    this one again.
    """

    GO_ON = "(id IN (SELECT run FROM offers))"

    def __init__(
        self, session: PostgresqlSession, lease: Lease | None, offers: PostgresqlOffers | None, *, workers: bool
    ) -> None:
        super().__init__(session)
        self.secrets = SECRETS
        self._lease = lease
        self._offered = offers
        self.offers = offers if workers else None

    @classmethod
    def open(
        cls, address: DatabaseAddress, *, wait: Wait | None = None, patience: float = START, workers: bool = False
    ) -> Self:
        """Open for writing: its tables are made or brought to this version, and its lease is taken.

        Args:
            address: of the database, with `JOURNAL_OPTIONS`.
            wait: told at each look what is waited for: another agent that holds the lease, or a database that cannot
                be asked; None waits for the database alone.
            patience: seconds for which a database is waited for that cannot be reached at first.
            workers: whether runs are offered to workers.

        Raises:
            JournalLocked: another agent has it, where nobody waits.
            JournalTooNew: a newer stormcone wrote it.
            JournalError: the database cannot be used.
            SettingsError: the address says what cannot be.
        """
        database, name, duration = _database(address, writes=True)
        lease = Lease(database, duration)

        def take() -> Holder | None:
            with database.errors(), database.connect() as connection:
                tables(name).upgrade(connection, database.subject, JournalTooNew)
                offer_tables(tables(name).schema).upgrade(connection, database.subject, JournalTooNew)
                return lease.take(connection)

        held = patiently(take, patience, partial(wait, database.subject) if wait else None)
        if held is not None and wait is None:
            raise JournalLocked(
                f"{database.subject} is in use: {held}; stop that agent, or give this one another journal"
            )
        if held is not None and wait is not None:
            _stand_by(database, lease, wait)
        session = PostgresqlSession(database, address.text, lease)
        offers = PostgresqlOffers(session, database, tables(name).schema)
        return cls(session, lease, offers, workers=workers)

    @classmethod
    def read(cls, address: DatabaseAddress) -> Self:
        """Open for reading only, beside the agent that writes it.

        Raises:
            JournalTooNew: a newer stormcone wrote it.
            JournalError: there is no such journal, or the database cannot be used.
            SettingsError: the address says what cannot be.
        """
        database, name, _ = _database(address, writes=False)
        wanted = tables(name)
        with database.errors(), database.connect() as connection:
            found = wanted.check(connection, database.subject, JournalTooNew)
        if not found:
            raise _no_journal(address)
        if found < len(wanted.steps):
            raise JournalError(f"{database.subject} is of an older stormcone; start the agent, which brings it up")
        return cls(PostgresqlSession(database, address.text, None), None, None, workers=False)

    def begin_life(self, at: datetime, machine: Machine) -> tuple[int, int]:
        """As the contract has it; an agent without workers takes back all that an earlier life has offered."""
        with self.transaction():
            if self.offers is None and self._offered is not None:
                self._end_offers(self._offered, at)
            return super().begin_life(at, machine)

    def _end_offers(self, offers: PostgresqlOffers, at: datetime) -> None:
        for standing in offers.all():
            run = self._run_of(standing.run)
            if standing.worker and run.attempt < standing.attempt:  # it has begun, and nobody has written that down
                self.begin_run(run, at)
        self._session.execute("DELETE FROM offers")

    def may_act(self) -> bool:
        """Whether what is sent to a cloud now is surely sent while the journal is this agent's."""
        return self._lease is None or self._lease.may_act()


def _no_journal(address: DatabaseAddress) -> JournalError:
    return JournalError(f"there is no journal at {address}; name another one, or start an agent first")


def holder(address: DatabaseAddress) -> Holder:
    """Who holds the lease of a journal, or held it last.

    Raises:
        JournalError: there is no such journal, or the database cannot be used.
        SettingsError: the address says what cannot be.
    """
    database, name, _ = _database(address, writes=False)
    with database.errors(), database.connect() as connection:
        if not tables(name).check(connection, database.subject, JournalTooNew):
            raise _no_journal(address)
        return holder_of(connection)


def database_of(address: DatabaseAddress) -> tuple[Database, str]:
    """The database of a journal, for those who write without its lease, and the journal's schema there.

    Raises:
        SettingsError: the address says what cannot be.
    """
    database, name, _ = _database(address, writes=True)
    return database, tables(name).schema


def reading(address: DatabaseAddress) -> tuple[Database, str]:
    """The database of a journal, for those who only look, and the journal's schema there.

    Raises:
        SettingsError: the address says what cannot be.
    """
    database, name, _ = _database(address, writes=False)
    return database, tables(name).schema


def options_of(address: DatabaseAddress) -> tuple[str, float]:
    """What an address says of the journal: its name, and for how many seconds its lease is taken.

    Raises:
        SettingsError: it says what cannot be.
    """
    name = address.own.get("journal", USUAL_NAME)
    if not _NAME.match(name):
        raise SettingsError(
            f"{name!r} is no name of a journal; take up to {LONGEST_NAME} of a-z, 0-9, - and _, with a letter or digit "
            "first"
        )
    try:
        duration = float(address.own.get("lease", USUAL))
    except ValueError:
        duration = 0.0
    if not 0.1 <= duration <= 3600:
        raise SettingsError(f"lease is a number of seconds from 0.1 to 3600, not {address.own['lease']!r}")
    return name, duration


def _database(address: DatabaseAddress, *, writes: bool) -> tuple[Database, str, float]:
    """The database of an address, the journal's name, and how long its lease lasts."""
    name, duration = options_of(address)
    database = Database(
        address,
        subject=f"the journal {address}",
        kind=JournalError,
        search=f'"{tables(name).schema}"',
        writes=writes,
        # Who is frozen within a transaction must not hold a takeover up for longer than the lease that it waits for.
        idle=timedelta(seconds=duration / 3),
    )
    return database, name, duration


def patiently(ask: Callable[[], T], patience: float, tell: Callable[[str], None] | None = None) -> T:
    """What a server answers; where it cannot be reached, or has too much to do, that is tried for a while.

    Args:
        ask: asks it.
        patience: for how many seconds it is tried.
        tell: told why it is tried again; None tells nobody.

    Raises:
        JournalError: as asking does, in the end.
    """
    end = time.monotonic() + patience
    while True:
        try:
            return ask()
        except JournalError as error:
            if not passes(error) or time.monotonic() + _LOOK > end:
                raise
            if tell is not None:
                tell(str(error))
        threading.Event().wait(_LOOK)


def _stand_by(database: Database, lease: Lease, wait: Wait) -> None:
    """Wait until the lease is to be had, however long; what fails meanwhile is tried again."""
    connection: Connection | None = None
    try:
        while True:
            pause = _LOOK
            try:
                with database.errors():
                    connection = connection or database.connect()
                    found = lease.take(connection)
                if found is None:
                    return
                pause = min(_LOOK, max(found.remaining, 0.01))
                wait(found.name, str(found))
            except JournalError as error:
                if connection is not None:
                    connection.close()
                    connection = None
                wait(database.subject, str(error))
            threading.Event().wait(pause)
    finally:
        if connection is not None:
            connection.close()
