"""Times are found by their form and moved as they were written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.recording.times import is_time, shifted

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("Mon, 11 Apr 2022 22:26:58 GMT", "Tue, 12 Apr 2022 22:26:58 GMT"),
        ("Mon, 11 Apr 2022 22:26:58 +0200", "Tue, 12 Apr 2022 22:26:58 +0200"),
        ("31 Jan 2022 09:00:43 GMT", "1 Feb 2022 09:00:43 GMT"),
        ("9 Jan 2022 09:00:43 GMT", "10 Jan 2022 09:00:43 GMT"),
        ("2025-12-31T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("2025-12-31T10:00:00.123456+08:00", "2026-01-01T10:00:00.123456+08:00"),
        ("2025-12-31T10:00Z", "2026-01-01T10:00Z"),
        ("2025-12-31 10:00:00", "2026-01-01 10:00:00"),
        ('{"NotBefore": "2025-12-31T10:00:00Z"}', '{"NotBefore": "2026-01-01T10:00:00Z"}'),
        ("from 2025-12-31T10:00:00Z, for 5 minutes.", "from 2026-01-01T10:00:00Z, for 5 minutes."),
    ],
)
def test_a_time_is_moved_in_its_own_form(text, moved):
    assert shifted(text, DAY) == moved


@pytest.mark.parametrize(
    "text",
    [
        "2020-07-01",
        "api-version=2014-05-26",
        "22.04.202401290",
        "2025-02-30T10:00:00Z",
        "9999-12-31T10:00:00Z",
        "Mon, 99 Apr 2022 22:26:58 GMT",
        "id-2025-12-31T10:00:00Z-7",
        "",
    ],
)
def test_what_is_no_time_stays(text):
    assert shifted(text, DAY) == text


def test_minutes_stay_minutes():
    assert shifted("2025-12-31T10:00Z", timedelta(seconds=95)) == "2025-12-31T10:02Z"


def test_only_a_whole_text_is_a_time():
    assert is_time("2025-12-31T10:00:00Z")
    assert not is_time("at 2025-12-31T10:00:00Z")


@given(st.text(), st.integers(-(10**9), 10**9))
def test_any_text_may_be_moved_there_and_back(text, seconds):
    by = timedelta(seconds=seconds)
    assert shifted(shifted(text, by), -by) == text
