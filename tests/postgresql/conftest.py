"""A region whose journal is on the PostgreSQL of this process's tests."""

import pytest


@pytest.fixture
def fleet(journal_address):
    """A region without a watcher or a worker yet."""
    from tests.postgresql.turns import Fleet

    fleet = Fleet(journal_address)
    yield fleet
    fleet.close()
