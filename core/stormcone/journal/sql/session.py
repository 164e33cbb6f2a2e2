"""What a database offers a journal: rows that are found, changes, transactions; and rows that cannot be read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, TypeVar

from stormcone.errors import JournalError
from stormcone.text import one_line

Value = TypeVar("Value")


class Row(Protocol):
    """A row that was found."""

    def __getitem__(self, name: str, /) -> Any:
        """The value in the column of that name."""


class Session(ABC):
    """A connection to the database of one journal. Statements write `?` for each value; times are text.

    Attributes:
        path: the journal's, for errors.
        LAST: the number that was last given to a notification, 0 where none was, as SQL.
        UNREADABLE: the error for a row that does not hold what it should.
    """

    LAST: ClassVar[str]
    UNREADABLE: ClassVar[type[JournalError]] = JournalError

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def find(self, query: str, *values: Any) -> Iterator[Row]:
        """The rows that the query finds, one at a time: there may be hundreds of megabytes.

        Raises:
            JournalError: it cannot be read.
        """

    @abstractmethod
    def execute(self, statement: str, *values: Any) -> int:
        """Change something; within a transaction. Answers how many rows."""

    @abstractmethod
    def insert(self, table: str, **values: Any) -> int:
        """Add a row to a table that gives numbers; within a transaction. Answers its number."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All writes within happen together, or none of them; one within another is a part of it.

        Raises:
            JournalError: they cannot be written; then none has been.
        """

    @abstractmethod
    def close(self) -> None:
        """Close it. Safe to call twice."""

    def each(self, make: Callable[[Row], Value], query: str, *values: Any) -> Iterator[Value]:
        """Each row that the query finds, as `make` makes a value of it, one at a time.

        Raises:
            JournalError: it cannot be read; `UNREADABLE` where a row does not hold what it should.
        """
        for row in self.find(query, *values):
            try:
                yield make(row)
            except (ValueError, TypeError) as error:
                raise self.UNREADABLE(
                    f"the journal {self.path} holds what cannot be read: {one_line(error)}"
                ) from error

    def all(self, make: Callable[[Row], Value], query: str, *values: Any) -> list[Value]:
        """As `each`, all of them."""
        return list(self.each(make, query, *values))

    def update(self, table: str, number: int, **values: Any) -> None:
        """Change columns of the row of that number; within a transaction."""
        columns = ", ".join(f"{name} = ?" for name in values)
        self.execute(f"UPDATE {table} SET {columns} WHERE id = ?", *values.values(), number)
