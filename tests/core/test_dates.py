"""Times as clouds write them, and what becomes of what is none."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.clouds.dates import read_epoch, read_time

TIME = datetime(2019, 1, 1, 9, 0, 43, tzinfo=UTC)
EAST = timezone(timedelta(hours=8))
SPELT = [
    "2019-01-01T09:00:43Z",
    "2019-01-01T09:00:43.000Z",
    "2019-01-01T09:00:43.0000000009Z",
    "2019-01-01 09:00:43+00:00",
    "2019-01-01T17:00:43+08:00",
    "20190101T090043Z",
    "1 Jan 2019 09:00:43 GMT",
    "01 Jan 2019 09:00:43 GMT",
    "Tue, 01 Jan 2019 09:00:43 GMT",
    "Tue, 1 Jan 2019 09:00:43 UTC",
    "Tue, 01 Jan 2019 17:00:43 +0800",
    "Tue, 01 Jan 2019 09:00:43 -0000",
    " 2019-01-01T09:00:43Z\n",
]


class TestText:
    @pytest.mark.parametrize("text", SPELT)
    def test_of_every_form_is_one_time_wherever_it_is_read(self, text):
        assert read_time(text) == read_time(text, naive=EAST) == TIME
        assert read_time(text).tzinfo is UTC

    @pytest.mark.parametrize("text", ["2019-01-01T17:00:43", "Tue, 01 Jan 2019 17:00:43", "1 Jan 2019 17:00:43"])
    def test_without_an_offset_is_of_the_zone_that_the_cloud_means(self, text):
        assert read_time(text, naive=EAST) == TIME
        assert read_time(text) == TIME + timedelta(hours=8)

    @pytest.mark.parametrize("text", ["2019-01-01T17:00:43", "Tue, 01 Jan 2019 17:00:43"])
    def test_without_an_offset_is_no_time_where_the_cloud_always_says_one(self, text):
        with pytest.raises(ValueError, match="not a time"):
            read_time(text, naive=None)
        assert read_time(f"{text} +0800", naive=None) == TIME

    def test_keeps_the_fraction_of_a_second(self):
        assert read_time("2019-01-01T09:00:43.5Z") == TIME + timedelta(milliseconds=500)
        assert read_time("2019-01-01T09:00:43.123456789Z").microsecond == 123456

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "soon",
            "GMT",
            "2019-02-30T00:00:00Z",
            "30 Feb 2019 00:00:00 GMT",
            "2019-01-01T25:00:00Z",
            "1 Jan 2019 09:00:43 PLUTO",
            "1546333243",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "-1",
        ],
    )
    def test_that_is_no_time_says_so(self, text):
        with pytest.raises(ValueError, match=r"^it is not a time: '"):
            read_time(text)

    @pytest.mark.parametrize("value", [None, 5, 5.5, True, [], {}, b"2019-01-01T09:00:43Z"])
    def test_that_is_none_says_of_what_type_it_is(self, value):
        with pytest.raises(ValueError, match=f"of type {type(value).__name__}$"):
            read_time(value)

    def test_is_repeated_in_part_alone(self):
        with pytest.raises(ValueError, match="not a time") as said:
            read_time("x" * 10_000)
        assert len(str(said.value)) < 100

    @given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))  # noqa: DTZ001 - hypothesis wants it
    def test_that_python_writes_is_read_as_it_was(self, time):
        assert read_time(time.isoformat()) == time
        assert read_time(f"{time:%d %b %Y %H:%M:%S} GMT") == time.replace(microsecond=0)

    @given(st.text(max_size=40) | st.from_regex(r"[0-9TZ:+. -]{1,30}") | st.integers() | st.none())
    def test_of_any_kind_is_a_time_or_a_value_error(self, value):
        with contextlib.suppress(ValueError):
            assert read_time(value).tzinfo is UTC


class TestEpoch:
    @pytest.mark.parametrize("value", [1546333243, 1546333243.0, "1546333243", " 1546333243 ", "1546333243.0"])
    def test_is_a_number_or_its_digits(self, value):
        assert read_epoch(value) == TIME
        assert read_epoch(value).tzinfo is UTC

    def test_may_be_before_1970(self):
        assert read_epoch(-1) == read_epoch("-1") == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)

    @pytest.mark.parametrize("value", [None, True, "", "soon", "1e9", "0x10", "१२", []])
    def test_that_is_none_says_so(self, value):
        with pytest.raises(ValueError, match="not a number of seconds"):
            read_epoch(value)

    @pytest.mark.parametrize("value", [1e18, -1e18, "99999999999999999999", 10**400, float("nan"), float("inf")])
    def test_beyond_the_calendar_says_so(self, value):
        with pytest.raises(ValueError, match="no calendar holds"):
            read_epoch(value)
