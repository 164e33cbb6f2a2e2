"""Reading rows: what cannot be read is an error of ours, whichever table it is in."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from stormcone.errors import JournalDamaged
from stormcone.journal.sqlite.connection import errors
from stormcone.text import one_line

Value = TypeVar("Value")


class Reader:
    """Reads what a connection finds, row by row.

    Args:
        connection: open.
        path: the journal's, for errors.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def all(self, make: Callable[[sqlite3.Row], Value], query: str, *values: Any) -> list[Value]:
        """Each row that the query finds, as `make` makes a value of it.

        Raises:
            JournalDamaged: a row does not hold what it should.
            JournalError: it cannot be read.
        """
        return list(self.each(make, query, *values))

    def each(self, make: Callable[[sqlite3.Row], Value], query: str, *values: Any) -> Iterator[Value]:
        """As `all`, one at a time: there may be hundreds of megabytes."""
        with errors(self._path):
            for row in self._connection.execute(query, values):
                try:
                    yield make(row)
                except (ValueError, TypeError) as error:
                    raise JournalDamaged(
                        f"the journal {self._path} holds what cannot be read: {one_line(error)}"
                    ) from error
