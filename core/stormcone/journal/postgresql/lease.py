"""Who may write a journal that several could: a lease with an end, by the server's clock, and a number for each holder.

The row of `lease` has the holder and its epoch, which grows with each takeover. Every transaction that writes locks
that row and sees that both are still its own and that the lease is not over (`Lease.guard`): so one whose lease has
passed to another, however long it was frozen or cut off, writes nothing more. The lock is the weakest there is, on the
row's key: a renewal, which does not change the key, waits for no transaction, and a takeover, which does, for all.

What is sent to a cloud no database can fence. So the holder also knows by itself until when it surely holds the lease:
it counts from before it asked for that, on a clock that goes on while the machine sleeps (`Lease.may_act`).
"""

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

import psycopg
from psycopg.rows import DictRow

from stormcone.errors import JournalError, JournalFenced
from stormcone.postgresql.database import HISTORY, Connection, Database

USUAL = 15.0
"""Seconds that a lease lasts."""

RENEWALS = 3
"""How often it is renewed in that time."""

_MARGIN = 1 / 15
"""Which part of it is not relied on: clocks may go at slightly different speeds."""

_TO_ACT = 1 / 3
"""Which part of it must be left where something is sent to a cloud: it is on its way for a while."""

_PLACE = f"{HISTORY} AS history, lease.tableoid::bigint AS place"
"""In which history of which database the lease is: one that was restored has the table anew."""

_TAKE = f"""
UPDATE lease SET epoch = epoch + 1, holder = %(holder)s, name = %(name)s, taken = clock_timestamp(),
    until = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE until <= clock_timestamp() RETURNING epoch, {_PLACE}
"""
_RENEW = f"""
UPDATE lease SET until = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE epoch = %(epoch)s AND holder = %(holder)s RETURNING {_PLACE}
"""
_RELEASE = "UPDATE lease SET until = clock_timestamp() WHERE epoch = %(epoch)s AND holder = %(holder)s"
_GUARD = f"""
SELECT pg_current_xact_id()::text AS number, {_PLACE} FROM lease
WHERE epoch = %(epoch)s AND holder = %(holder)s AND until > clock_timestamp() FOR KEY SHARE
"""
_WHO = "SELECT epoch, holder, name, until, extract(epoch FROM until - clock_timestamp())::float AS remaining FROM lease"


ANOTHER = (
    "its database is another one now, a standby that has taken over or a backup, and may lack what was written last; "
    "it begins anew from what is there"
)
"""Why a lease is given up that the database has still."""


class Transaction(NamedTuple):
    """A transaction that writes: its number, and in which history of the server that is its."""

    number: str
    history: str


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, or held it last.

    Attributes:
        name: the host and the process.
        until: when it ends, by the server's clock.
        remaining: how many seconds that is from now; below 0 where it has ended.
    """

    name: str
    until: datetime
    remaining: float

    def __str__(self) -> str:
        return f"{self.name} holds the lease until {self.until:%H:%M:%S} UTC"


def holder_of(connection: Connection) -> Holder:
    """Who holds the journal's lease, or held it last.

    Raises:
        psycopg.Error: it cannot be read.
    """
    row = connection.execute(_WHO).fetchone()
    if row is None:
        raise psycopg.errors.NoDataFound("the table lease has no row")
    return Holder(row["name"], row["until"].astimezone(UTC), row["remaining"])


def seconds() -> float:
    """A clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The lease of one journal, as one who takes it has it.

    Args:
        database: the journal's.
        duration: seconds for which it is taken and renewed.
    """

    def __init__(self, database: Database, duration: float = USUAL) -> None:
        self.duration = duration
        self._database = database
        self._holder = uuid4().hex
        self._epoch = 0
        self._until = 0.0
        self._place: tuple[str, int] = ("", 0)
        self._last = 0
        self._lost = ""
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, connection: Connection) -> Holder | None:
        """Take it, and renew it from now on; answers who holds it where it is not to be had, None where it is ours.

        Raises:
            psycopg.Error: the database cannot be asked.
        """
        before = seconds()
        name = f"{socket.gethostname()}, process {os.getpid()},"
        values = {"holder": self._holder, "name": name, "seconds": self.duration}
        row = connection.execute(_TAKE, values).fetchone()
        if row is None:
            return holder_of(connection)
        self._epoch, self._place = row["epoch"], (row["history"], row["place"])
        self._until = before + self.duration
        self._thread = threading.Thread(target=self._keep, name="stormcone-lease", daemon=True)
        self._thread.start()
        return None

    def guard(self, connection: Connection) -> Transaction:
        """Let the transaction go on that has begun only if the lease is ours, and by nobody be taken until its end.

        Answers the transaction.

        Raises:
            JournalFenced: another has taken the lease, or the database is not the one any more that it was taken in.
            JournalError: it is over, and ours still: it is being renewed.
            psycopg.Error: the database cannot be asked.
        """
        self._check()
        row = connection.execute(_GUARD, self._own).fetchone()
        if row is None:
            self._see_who(connection)
            raise JournalError(
                f"{self._database.subject} cannot be written: the lease is over and not renewed yet; it is tried again"
            )
        self._see_where(row)
        if int(row["number"]) <= self._last:
            raise self.lose(ANOTHER)
        return Transaction(row["number"], row["history"])

    def committed(self, transaction: Transaction) -> None:
        """It is on the disk: from now on a number that is not higher says that this is forgotten."""
        self._last = int(transaction.number)

    def may_act(self) -> bool:
        """Whether what is sent to a cloud now is surely sent while the lease is ours; any thread may ask.

        Raises:
            JournalFenced: another has taken it.
        """
        self._check()
        return seconds() + self.duration * (_TO_ACT + _MARGIN) < self._until

    def lose(self, why: str) -> JournalFenced:
        """Give it up for good, since it is not known any more how the journal stands; answers what to raise."""
        self._lost = f"{self._database.subject} is not this agent's any more: {why}"
        self._end.set()
        return JournalFenced(self._lost)

    def release(self) -> None:
        """Renew it no more, and let another have it at once; where the database cannot be asked, when it is over."""
        self._end.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        with suppress(JournalError, psycopg.Error), self._database.connect() as connection:
            connection.execute(_RELEASE, self._own)  # where it is another's by now, this finds nothing
        self._lost = self._lost or f"{self._database.subject} is closed"

    @property
    def _own(self) -> dict[str, object]:
        return {"epoch": self._epoch, "holder": self._holder, "seconds": self.duration}

    def _check(self) -> None:
        if self._lost:
            raise JournalFenced(self._lost)

    def _see_who(self, connection: Connection) -> None:
        """Look who has it.

        Raises:
            JournalFenced: it is not ours any more.
        """
        row = connection.execute(_WHO).fetchone()
        if row is None or (row["epoch"], row["holder"]) != (self._epoch, self._holder):
            who = row["name"] if row else "somebody"
            raise self.lose(f"{who} has taken it over; this one writes and approves nothing more")

    def _see_where(self, row: DictRow) -> None:
        """See that a row of the lease is where it was taken.

        Raises:
            JournalFenced: it is not: what this agent has written last, and knows, may never have come there.
        """
        if (row["history"], row["place"]) != self._place:
            raise self.lose(ANOTHER)

    def _keep(self) -> None:
        """Renew it until it is released or lost, over a connection of its own that is re-made where it breaks."""
        connection: Connection | None = None
        pause = self.duration / RENEWALS
        while not self._end.wait(pause):
            try:
                connection = connection or self._database.connect()
                self._renew(connection)
                pause = self.duration / RENEWALS
            except JournalFenced:
                break
            except (JournalError, psycopg.Error):
                pause = self.duration * _MARGIN
                if connection is not None:
                    connection.close()
                    connection = None
        if connection is not None:
            connection.close()

    def _renew(self, connection: Connection) -> None:
        before = seconds()
        row = connection.execute(_RENEW, self._own).fetchone()
        if row is None:
            self._see_who(connection)
        else:
            self._see_where(row)
            self._until = before + self.duration
