"""The outbox on SQLite: notifications in one table, and for each sink how far it has come."""

import sqlite3
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from datetime import datetime

from stormcone.journal.contract import MOST_WAITING, OutboxStore
from stormcone.journal.records import Delivery, SinkRecord
from stormcone.journal.sqlite import rows
from stormcone.journal.sqlite.reading import Reader
from stormcone.journal.sqlite.rows import maybe_text, to_text
from stormcone.sinks.notification import Notification

_LAST = "coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'notifications'), 0)"

_SINKS = """
SELECT sinks.*, count(notifications.id) AS waiting, min(notifications.at) AS oldest
FROM sinks LEFT JOIN notifications
    ON notifications.id > sinks.position AND notifications.id <= coalesce(sinks.until, notifications.id)
GROUP BY sinks.name ORDER BY sinks.name
"""


class SQLiteOutbox(OutboxStore):
    """The part of a journal that says what sinks are still to be told.

    Args:
        connection: the journal's.
        reader: reads from it.
        transaction: the journal's; within one it is a part of it.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        reader: Reader,
        transaction: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._transaction = transaction

    def subscribe(self, names: Collection[str]) -> None:
        """These sinks are told from now on; another keeps what waits for it by now, until that is gone."""
        with self._transaction():
            for name in names:
                self._connection.execute(
                    f"INSERT INTO sinks (name, position) VALUES (?, {_LAST}) ON CONFLICT DO UPDATE SET until = NULL",
                    (name,),
                )
            for record in self.sinks():
                if record.name not in names:
                    self._connection.execute(
                        f"UPDATE sinks SET until = coalesce(until, {_LAST}) WHERE name = ?", (record.name,)
                    )
                    if not record.waiting:
                        self._connection.execute("DELETE FROM sinks WHERE name = ?", (record.name,))
            self._sweep()

    def add(self, notification: Notification) -> int:
        """Something is to be told; in the transaction of what it tells of. Answers how many were dropped for it."""
        cursor = self._connection.execute(
            "INSERT INTO notifications (at, body) VALUES (?, ?)",
            (to_text(notification.time), notification.model_dump_json()),
        )
        return self._drop(int(cursor.lastrowid or 0) - MOST_WAITING)

    def waiting(self, sink: str, most: int) -> list[tuple[int, Notification]]:
        """The first notifications that the sink has not been told of, each with its number, oldest first."""
        return self._reader.all(
            rows.notification,
            "SELECT * FROM notifications WHERE id > (SELECT position FROM sinks WHERE name = ?) ORDER BY id LIMIT ?",
            sink,
            most,
        )

    def settle(self, sink: str, delivery: Delivery) -> None:
        """What became of notifications that the sink was given; its place never goes back."""
        with self._transaction():
            self._connection.execute(
                "UPDATE sinks SET position = max(position, ?), sent = sent + ?, refused = refused + ?,"
                " attempt = ?, again = ?, error = ? WHERE name = ?",
                (
                    delivery.position,
                    delivery.sent,
                    delivery.refused,
                    delivery.attempt,
                    maybe_text(delivery.again),
                    delivery.error,
                    sink,
                ),
            )
            self._sweep()

    def sinks(self) -> list[SinkRecord]:
        """How each sink stands, by name. A reader may look at a journal that has none of this yet."""
        if not self._reader.all(tuple, "SELECT 1 FROM sqlite_master WHERE name = 'sinks'"):
            return []
        return self._reader.all(rows.sink, _SINKS)

    def expire(self, before: datetime) -> int:
        """Drop what happened before then and waits still; answers how many notifications that were."""
        with self._transaction():
            # The wall clock may have stood anywhere: what came after one that stays is younger, whatever it says.
            (stays,) = self._connection.execute(
                "SELECT min(id) FROM notifications WHERE at >= ?", (to_text(before),)
            ).fetchone()
            (last,) = self._connection.execute(f"SELECT {_LAST}").fetchone()
            return self._drop(last if stays is None else stays - 1)

    def _drop(self, number: int) -> int:
        """Remove the notifications up to that number, and count them for each sink that was not told of them."""
        (dropped,) = self._connection.execute("SELECT count(*) FROM notifications WHERE id <= ?", (number,)).fetchone()
        if dropped:
            self._connection.execute(
                "UPDATE sinks SET position = :number, dropped = dropped + (SELECT count(*) FROM notifications"
                " WHERE id > sinks.position AND id <= min(:number, coalesce(sinks.until, :number)))"
                " WHERE position < :number",
                {"number": number},
            )
            self._connection.execute("DELETE FROM notifications WHERE id <= ?", (number,))
        return int(dropped)

    def _sweep(self) -> None:
        """Remove what every sink is done with."""
        self._connection.execute(
            f"DELETE FROM notifications WHERE id <= (SELECT coalesce(min(position), {_LAST}) FROM sinks)"
        )
