"""The outbox on SQL: notifications in one table, and for each sink how far it has come."""

from collections.abc import Collection
from datetime import datetime

from stormcone.journal.contract import MOST_WAITING, OutboxStore
from stormcone.journal.records import Delivery, SinkRecord
from stormcone.journal.sql import rows
from stormcone.journal.sql.rows import maybe_text, to_text
from stormcone.journal.sql.session import Session
from stormcone.sinks.notification import Notification

_SINKS = """
SELECT sinks.*, count(notifications.id) AS waiting, min(notifications.at) AS oldest
FROM sinks LEFT JOIN notifications
    ON notifications.id > sinks.position AND notifications.id <= coalesce(sinks.until, notifications.id)
GROUP BY sinks.name ORDER BY sinks.name
"""


class SQLOutbox(OutboxStore):
    """The part of a journal that says what sinks are still to be told.

    Args:
        session: the journal's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def subscribe(self, names: Collection[str]) -> None:
        """These sinks are told from now on; another keeps what waits for it by now, until that is gone."""
        session, last = self._session, self._session.LAST
        with session.transaction():
            for name in names:
                session.execute(
                    f"INSERT INTO sinks (name, position) VALUES (?, {last})"
                    " ON CONFLICT (name) DO UPDATE SET until = NULL",
                    name,
                )
            for record in self.sinks():
                if record.name not in names:
                    session.execute(f"UPDATE sinks SET until = coalesce(until, {last}) WHERE name = ?", record.name)
                    if not record.waiting:
                        session.execute("DELETE FROM sinks WHERE name = ?", record.name)
            self._sweep()

    def add(self, notification: Notification) -> int:
        """Something is to be told; in the transaction of what it tells of. Answers how many were dropped for it."""
        number = self._session.insert(
            "notifications", at=to_text(notification.time), body=notification.model_dump_json()
        )
        return self._drop(number - MOST_WAITING)

    def waiting(self, sink: str, most: int) -> list[tuple[int, Notification]]:
        """The first notifications that the sink has not been told of, each with its number, oldest first."""
        return self._session.all(
            rows.notification,
            "SELECT * FROM notifications WHERE id > (SELECT position FROM sinks WHERE name = ?) ORDER BY id LIMIT ?",
            sink,
            most,
        )

    def settle(self, sink: str, delivery: Delivery) -> None:
        """What became of notifications that the sink was given; its place never goes back."""
        with self._session.transaction():
            self._session.execute(
                "UPDATE sinks SET position = CASE WHEN position < ? THEN ? ELSE position END,"
                " sent = sent + ?, refused = refused + ?, attempt = ?, again = ?, error = ? WHERE name = ?",
                delivery.position,
                delivery.position,
                delivery.sent,
                delivery.refused,
                delivery.attempt,
                maybe_text(delivery.again),
                delivery.error,
                sink,
            )
            self._sweep()

    def sinks(self) -> list[SinkRecord]:
        """How each sink stands, by name."""
        return self._session.all(rows.sink, _SINKS)

    def expire(self, before: datetime) -> int:
        """Drop what happened before then and waits still; answers how many notifications that were."""
        with self._session.transaction():
            # The wall clock may have stood anywhere: what came after one that stays is younger, whatever it says.
            (number,) = self._session.all(
                rows.number,
                f"SELECT coalesce((SELECT min(id) - 1 FROM notifications WHERE at >= ?), {self._session.LAST})"
                " AS number",
                to_text(before),
            )
            return self._drop(number)

    def _drop(self, number: int) -> int:
        """Remove the notifications up to that number, and count them for each sink that was not told of them."""
        (dropped,) = self._session.all(
            rows.number, "SELECT count(*) AS number FROM notifications WHERE id <= ?", number
        )
        if dropped:
            self._session.execute(
                "UPDATE sinks SET position = ?, dropped = dropped + (SELECT count(*) FROM notifications"
                " WHERE id > sinks.position AND id <= ? AND id <= coalesce(sinks.until, id)) WHERE position < ?",
                number,
                number,
                number,
            )
            self._session.execute("DELETE FROM notifications WHERE id <= ?", number)
        return dropped

    def _sweep(self) -> None:
        """Remove what every sink is done with."""
        self._session.execute(
            f"DELETE FROM notifications WHERE id <= (SELECT coalesce(min(position), {self._session.LAST}) FROM sinks)"
        )
