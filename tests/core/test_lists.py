"""Several lists of one cloud: each at its pace, and none spoilt by another."""

import pytest

from stormcone.clock import ManualClock
from stormcone.clouds.lists import Lists, PolledList
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import Observation, Phase


class Source:
    """One list of a cloud, and how often it was asked."""

    def __init__(self) -> None:
        self.events = ()
        self.whole = True
        self.problems = ()
        self.fault = None
        self.asked = 0

    def __call__(self):
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return Observation(
            events=self.events, whole=frozenset({""} if self.whole else ()), problems=tuple(self.problems)
        )


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def spot():
    return Source()


@pytest.fixture
def planned():
    return Source()


@pytest.fixture
def lists(spot, planned, clock):
    pair = (PolledList("spot", spot), PolledList("planned", planned, every=60.0))
    return Lists(*pair, clock=clock, longest_pause=30.0)


class TestWhatTheySayTogether:
    def test_is_the_events_of_all_each_in_its_list(self, lists, spot, planned, event):
        spot.events, planned.events = (event(id="S"),), (event(id="P1"), event(id="P2"))
        seen = lists.poll()
        assert [(each.id, each.listing) for each in seen.events] == [
            ("S", "spot"),
            ("P1", "planned"),
            ("P2", "planned"),
        ]
        assert (seen.whole, seen.problems) == ({"spot", "planned"}, ())

    def test_is_whole_where_each_was(self, lists, spot):
        spot.whole, spot.problems = False, ["entry 1 cannot be read"]
        seen = lists.poll()
        assert (seen.whole, seen.problems) == ({"planned"}, ("entry 1 cannot be read",))

    def test_is_the_same_object_while_nothing_changes(self, lists, spot, event):
        spot.events = (event(),)
        before = lists.poll()
        assert lists.poll() is before
        spot.events = (event(phase=Phase.STARTED),)
        assert lists.poll() is not before


class TestOneThatFails:
    @pytest.mark.parametrize("error", [ProviderError("503"), RequestRefused("403")])
    def test_leaves_the_others_alone_and_is_not_whole(self, lists, spot, planned, event, error):
        spot.fault, planned.events = error, (event(),)
        seen = lists.poll()
        assert [each.id for each in seen.events] == ["E-1"]
        assert seen.whole == {"planned"}
        assert seen.problems == (f"spot: {error}",)

    def test_says_nothing_of_what_it_said_before(self, lists, spot, planned, event):
        spot.events = (event(),)
        lists.poll()
        spot.fault = ProviderError("503")
        lists.soon()
        assert lists.poll().events == ()

    def test_is_asked_again_at_the_next_poll(self, lists, planned):
        planned.fault = ProviderError("503")
        lists.poll()
        planned.fault = None
        assert lists.poll().whole == {"spot", "planned"}

    def test_is_left_alone_for_as_long_as_it_asks_within_bounds(self, lists, planned, clock):
        planned.fault = ProviderError("429", retry_after=10.0)
        lists.poll()
        planned.fault = ProviderError("429", retry_after=3600.0)
        clock.advance(9)
        assert lists.poll().problems == ("planned: 429",)
        assert planned.asked == 1
        clock.advance(1)
        lists.poll()
        clock.advance(29)
        lists.poll()
        assert planned.asked == 2
        clock.advance(1)
        lists.poll()
        assert planned.asked == 3

    def test_where_all_do_is_an_error(self, lists, spot, planned, clock):
        spot.fault, planned.fault = RequestRefused("403"), ProviderError("503", retry_after=7.0)
        with pytest.raises(ProviderError, match="503") as said:
            lists.poll()
        assert (said.value.passing, said.value.retry_after) == (True, 7.0)
        planned.fault = RequestRefused("404")
        clock.advance(7)
        with pytest.raises(RequestRefused, match="403"):
            lists.poll()

    def test_where_all_are_left_alone_is_the_same_error_still(self, lists, spot, planned, clock):
        spot.fault = planned.fault = ProviderError("429", retry_after=10.0)
        for _ in range(2):
            with pytest.raises(ProviderError, match="429"):
                lists.poll()
        assert (spot.asked, planned.asked) == (1, 1)
        planned.fault = None
        clock.advance(10)
        assert lists.poll().whole == {"planned"}

    def test_where_some_are_left_alone_and_the_others_fail_is_that_of_the_first(self, lists, spot, planned):
        spot.fault, planned.fault = ProviderError("429", retry_after=10.0), ProviderError("503")
        for _ in range(2):
            with pytest.raises(ProviderError, match="429"):
                lists.poll()
        assert (spot.asked, planned.asked) == (1, 2)

    def test_where_all_do_that_were_asked_is_an_error_too(self, lists, spot):
        lists.poll()
        spot.fault = ProviderError("503")
        with pytest.raises(ProviderError, match="503"):
            lists.poll()


class TestIntervals:
    def test_one_is_asked_at_every_poll_and_another_once_a_minute(self, lists, spot, planned, clock):
        for _ in range(13):
            lists.poll()
            clock.advance(5)
        assert (spot.asked, planned.asked) == (13, 2)

    def test_between_two_readings_the_first_one_counts(self, lists, planned, clock, event):
        planned.events = (event(),)
        lists.poll()
        planned.events = ()
        clock.advance(59)
        seen = lists.poll()
        assert ([each.id for each in seen.events], seen.whole) == (["E-1"], {"spot", "planned"})
        clock.advance(1)
        assert lists.poll().events == ()

    def test_all_are_asked_where_that_is_wanted_soon(self, lists, planned):
        lists.poll()
        lists.soon()
        lists.poll()
        assert planned.asked == 2
