"""What the agent relies on in every journal's outbox."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from stormcone.journal import Delivery, JournalStore, SinkRecord
from stormcone.journal.contract import MOST_WAITING
from stormcone.sinks.notification import PREFIX, Notification, NotificationData, ToldRun
from stormcone.testing.conformance.journals import LATER, NOW, JournalUnderTest, an_event


class OutboxSuite:
    """Every journal's outbox: each notification once for each sink, in order, durable and bounded.

    The module adds the fixture `subject`, a `JournalUnderTest`.
    """

    @pytest.fixture
    def journal(self, subject: JournalUnderTest) -> Iterator[JournalStore]:
        """The journal, open for writing."""
        journal = subject.open()
        yield journal
        journal.close()

    def test_what_is_to_be_told_outlives_the_agent(self, subject: JournalUnderTest) -> None:
        """A notification comes back as it was written, to the microsecond, and so does how far a sink has come.

        Source: design, "The journal": no state lives only in memory.
        """
        journal = subject.open()
        journal.outbox.subscribe(["ops"])
        tell(journal, "1", "2")
        ((number, _), _) = journal.outbox.waiting("ops", 10)
        failed = Delivery(position=number, sent=1, attempt=3, again=LATER, error="it does not answer")
        journal.outbox.settle("ops", failed)
        journal.close()

        journal = subject.open()
        ((_, kept),) = journal.outbox.waiting("ops", 10)
        assert kept == a_notification("2")
        assert journal.outbox.sinks() == [
            SinkRecord(name="ops", waiting=1, oldest=LATER, sent=1, attempt=3, again=LATER, error="it does not answer")
        ]
        journal.close()

    def test_each_sink_is_told_all_of_it_in_order(self, journal: JournalStore) -> None:
        """Each sink has a place of its own, and waits for no other.

        Source: `OutboxStore`.
        """
        journal.outbox.subscribe(["ops", "log"])
        tell(journal, "1", "2", "3")
        first = journal.outbox.waiting("ops", 2)
        assert ids(first) == ["1", "2"]
        journal.outbox.settle("ops", Delivery(position=first[-1][0], sent=2))
        assert ids(journal.outbox.waiting("ops", 10)) == ["3"]
        assert ids(journal.outbox.waiting("log", 10)) == ["1", "2", "3"]

    def test_a_sink_that_comes_later_is_told_of_what_comes_then(self, journal: JournalStore) -> None:
        """It gets no history, also where everything that was told has been removed.

        Source: `OutboxStore.subscribe`.
        """
        journal.outbox.subscribe(["ops"])
        tell(journal, "1")
        ((number, _),) = journal.outbox.waiting("ops", 10)
        journal.outbox.settle("ops", Delivery(position=number, sent=1))
        journal.outbox.subscribe(["ops", "log"])
        tell(journal, "2")
        assert ids(journal.outbox.waiting("ops", 10)) == ids(journal.outbox.waiting("log", 10)) == ["2"]

    def test_a_sink_that_is_away_keeps_what_waited_for_it(self, journal: JournalStore) -> None:
        """One that is no longer among those that are told keeps what it was to be told, and no more; empty, it goes.

        Source: `OutboxStore.subscribe`.
        """
        journal.outbox.subscribe(["ops", "log"])
        tell(journal, "1")
        ((number, _),) = journal.outbox.waiting("log", 10)
        journal.outbox.settle("log", Delivery(position=number, sent=1))
        journal.outbox.subscribe(["other"])
        tell(journal, "2")
        assert {record.name: record.waiting for record in journal.outbox.sinks()} == {"ops": 1, "other": 1}
        journal.outbox.subscribe(["ops", "other"])
        assert ids(journal.outbox.waiting("ops", 10)) == ["1", "2"]

    def test_what_a_transaction_undoes_is_not_told(self, journal: JournalStore) -> None:
        """A notification is written with what it tells of, or not at all.

        Source: `OutboxStore.add`.
        """
        journal.outbox.subscribe(["ops"])
        with suppress(ZeroDivisionError), journal.transaction():
            journal.outbox.add(a_notification("1"))
            raise ZeroDivisionError
        assert journal.outbox.waiting("ops", 10) == []

    def test_a_place_never_goes_back(self, journal: JournalStore) -> None:
        """What a sink was told of is not told again by a settlement that comes late, or knows of nothing.

        Source: `OutboxStore.settle`.
        """
        journal.outbox.subscribe(["ops", "log"])
        tell(journal, "1", "2")
        number, _ = journal.outbox.waiting("ops", 10)[-1]
        journal.outbox.settle("ops", Delivery(position=number, sent=2))
        journal.outbox.settle("ops", Delivery(position=0, attempt=1, error="no"))
        assert journal.outbox.waiting("ops", 10) == []

    def test_more_than_may_wait_drops_the_oldest_and_counts_them(self, journal: JournalStore) -> None:
        """What waits is bounded; each sink knows how many of its own were dropped.

        Source: `MOST_WAITING`.
        """
        journal.outbox.subscribe(["ops", "log"])
        notification = a_notification("1")
        with journal.transaction():
            assert [journal.outbox.add(notification) for _ in range(3)] == [0, 0, 0]
        number, _ = journal.outbox.waiting("log", 2)[-1]
        journal.outbox.settle("log", Delivery(position=number, sent=2))
        with journal.transaction():
            dropped = sum(journal.outbox.add(notification) for _ in range(MOST_WAITING))
        assert dropped == 3
        found = {record.name: (record.waiting, record.dropped) for record in journal.outbox.sinks()}
        assert found == {"ops": (MOST_WAITING, 3), "log": (MOST_WAITING, 1)}

    def test_what_waits_for_too_long_is_dropped_and_counted(self, journal: JournalStore) -> None:
        """What happened before a date and waits still is dropped; what came later stays.

        Source: `OutboxStore.expire`.
        """
        journal.outbox.subscribe(["ops"])
        tell(journal, "1")
        with journal.transaction():
            journal.outbox.add(a_notification("2", time=LATER + timedelta(hours=1)))
        assert journal.outbox.expire(LATER) == 0
        assert journal.outbox.expire(LATER + timedelta(minutes=1)) == 1
        assert ids(journal.outbox.waiting("ops", 10)) == ["2"]
        assert [record.dropped for record in journal.outbox.sinks()] == [1]


def a_notification(identifier: str, **changes: object) -> Notification:
    """One that tells of a run, with that id."""
    return Notification.model_validate(
        {
            "id": identifier,
            "type": f"{PREFIX}run.succeeded",
            "source": "/stormcone/test/vm-0",
            "subject": "web-0",
            "time": LATER,
            "correlation": "E-1",
            "data": NotificationData(
                text="lb.prepare done",
                resource={"host.name": "web-0"},
                event=an_event(),
                run=ToldRun(handler="lb", stage="prepare", attempt=1, begun=NOW, ended=LATER),
            ),
            **changes,
        }
    )


def tell(journal: JournalStore, *identifiers: str) -> None:
    """Write down that these are to be told."""
    with journal.transaction():
        for identifier in identifiers:
            journal.outbox.add(a_notification(identifier))


def ids(waiting: list[tuple[int, Notification]]) -> list[str]:
    """The ids of what waits."""
    return [notification.id for _, notification in waiting]
