"""The offers of every journal that has them, held to their contract."""

from functools import partial

import pytest

from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.testing.conformance.offers import OffersSuite, OffersUnderTest

store = pytest.importorskip("stormcone.journal.postgresql.store")
worker_side = pytest.importorskip("stormcone.journal.postgresql.worker_side")


class TestPostgresql(OffersSuite):
    @pytest.fixture
    def subject(self, journal_address):
        address = DatabaseAddress.parse(journal_address, own=JOURNAL_OPTIONS)

        def silence(worker):
            database, _ = store.database_of(address)
            with database.connect() as connection:
                connection.execute("UPDATE workers SET until = clock_timestamp() WHERE id = %s", [worker.id])

        return OffersUnderTest(
            open=partial(store.PostgresqlJournal.open, address, workers=True),
            side=partial(worker_side.PostgresqlWorkerSide, address, 60.0),
            silence=silence,
        )
