"""The journals on SQLite and on PostgreSQL, through the suite that anybody's goes through."""

from functools import partial

import pytest

from stormcone.journal import Journal
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.testing.conformance import JournalSuite, JournalUnderTest, OutboxSuite


class OnSQLite:
    @pytest.fixture
    def subject(self, tmp_path):
        path = tmp_path / "journal.db"
        return JournalUnderTest(open=partial(Journal.open, path), read=partial(Journal.read, path))


class TestSQLite(OnSQLite, JournalSuite):
    pass


class TestTheOutboxOfSQLite(OnSQLite, OutboxSuite):
    pass


class OnPostgresql:
    @pytest.fixture
    def subject(self, journal_address):
        store = pytest.importorskip("stormcone.journal.postgresql.store")
        address = DatabaseAddress.parse(journal_address, own=JOURNAL_OPTIONS)
        journal = store.PostgresqlJournal
        return JournalUnderTest(open=partial(journal.open, address), read=partial(journal.read, address))


class TestPostgresql(OnPostgresql, JournalSuite):
    pass


class TestTheOutboxOfPostgresql(OnPostgresql, OutboxSuite):
    pass
