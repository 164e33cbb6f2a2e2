"""One who listens on a connection of its own. What it hears only wakes: what is true stands in the tables."""

import threading
from collections.abc import Callable

import psycopg
from psycopg.sql import SQL, Identifier

from stormcone.errors import StormconeError
from stormcone.postgresql.database import Database

_LOOK = 0.5
"""Seconds between two looks whether to go on, and before another connection is made where one broke."""


class Ear:
    """Listens in a thread until it is closed; a connection that breaks is re-made.

    Args:
        database: where.
        channel: on which channel.
        about: what must be said there for it to count.
        wake: called where it was; in the thread.
    """

    def __init__(self, database: Database, channel: str, about: str, wake: Callable[[], None]) -> None:
        self._database = database
        self._channel = channel
        self._about = about
        self._wake = wake
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="stormcone-ear", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; one that waits for a server which does not answer ends later, by itself."""
        self._end.set()
        self._thread.join(2 * _LOOK)

    def _work(self) -> None:
        while not self._end.is_set():
            try:
                with self._database.connect() as connection:
                    connection.execute(SQL("LISTEN {}").format(Identifier(self._channel)))
                    self._wake()  # something may have been said before
                    while not self._end.is_set():
                        for said in connection.notifies(timeout=_LOOK):
                            if said.payload == self._about:
                                self._wake()
                            if self._end.is_set():
                                break
            except (StormconeError, psycopg.Error):
                self._end.wait(_LOOK)
