"""The journal on SQLite, through the suite that anybody's goes through."""

from functools import partial

import pytest

from stormcone.journal import Journal
from stormcone.testing.conformance import JournalSuite, JournalUnderTest, OutboxSuite


@pytest.fixture
def subject(tmp_path):
    path = tmp_path / "journal.db"
    return JournalUnderTest(open=partial(Journal.open, path), read=partial(Journal.read, path))


class TestSQLite(JournalSuite):
    pass


class TestTheOutboxOfSQLite(OutboxSuite):
    pass
