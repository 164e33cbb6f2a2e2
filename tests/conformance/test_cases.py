"""The kit itself: every case states its promise and its source, and a suite without a subject says what it needs."""

import pytest

from stormcone.journal import Journal, JournalStore
from stormcone.testing.conformance import SUITES, cases


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_every_case_states_a_promise_and_its_source(suite):
    found = cases(suite)
    assert len(found) >= 8
    assert [case.name for case in found if not (case.promise.endswith(".") and case.source.endswith("."))] == []


def test_a_suite_without_a_subject_says_what_it_lacks(pytester):
    pytester.makepyfile("""
        from stormcone.testing.conformance import JournalSuite

        class TestMine(JournalSuite):
            pass
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", "approval")
    result.stdout.fnmatch_lines(["*fixture 'subject' not found*"])


def test_the_journals_have_every_method_of_the_contract_themselves():
    """What they only inherited of it would do nothing, and say nothing."""
    store = pytest.importorskip("stormcone.journal.postgresql.store")
    demanded = {name for name in vars(JournalStore) if not name.startswith("_")}
    for journal in (Journal, store.PostgresqlJournal):
        own = journal.__mro__[: journal.__mro__.index(JournalStore)]
        assert demanded <= {name for each in own for name in vars(each)}
