"""What one answer lists: entries of one event put together, problems counted."""

from itertools import permutations

import pytest

from stormcone.clouds.payload import read_json, repeats
from stormcone.clouds.sightings import TOLD, Sightings, unnamed
from stormcone.model import Approval, Phase


def listed(*events, doubt=""):
    sightings = Sightings()
    if doubt:
        sightings.doubtful(doubt)
    for event in events:
        sightings.add(event)
    return sightings.observation()


class TestAnEventThatIsListedTwice:
    def test_counts_once_where_both_entries_say_the_same(self, event):
        observation = listed(event(), event())
        assert observation.events == (event(),)
        assert observation.problems == ()

    def test_with_different_machines_is_one_of_all_of_them_and_never_approved(self, event):
        entries = [event(resources=("web-0",)), event(resources=("db-0", "web-0")), event(resources=("WEB-0", "x"))]
        for order in permutations(entries):
            (one,) = listed(*order).events
            assert {name.lower() for name in one.resources} == {"web-0", "db-0", "x"}
            assert one.approval is Approval.NONE
            assert one.withheld == "it is listed twice with different machines"

    def test_is_as_far_on_as_the_entry_that_is_furthest(self, event):
        for order in permutations([event(), event(phase=Phase.STARTED, approval="none"), event(description="other")]):
            (one,) = listed(*order).events
            assert (one.phase, one.approval) == (Phase.STARTED, Approval.NONE)

    def test_is_not_approved_where_one_of_the_entries_forbids_it(self, event):
        for order in permutations([event(), event(approval="none", withheld="it names no machine")]):
            (one,) = listed(*order).events
            assert (one.approval, one.withheld) == (Approval.NONE, "it names no machine")


class TestTheMachinesOfAnEvent:
    @pytest.mark.parametrize("blank", ["", "  ", "\t\n", "\u00a0"])
    def test_are_not_all_known_where_a_name_is_blank(self, event, blank):
        assert unnamed(event(resources=("web-0", blank))) == "one of its resources has no name"
        assert unnamed(event(resources=(blank,)))

    def test_are_known_where_each_has_a_name(self, event):
        assert not unnamed(event(resources=("web-0", "db-0")))


class TestProblems:
    def test_are_counted_and_the_first_few_told(self, event):
        sightings = Sightings()
        for number in range(100_000):
            sightings.problem(f"problem {number} " + "x" * 1000)
        problems = sightings.observation().problems
        assert len(problems) == TOLD + 1
        assert problems[0].startswith("problem 0 ")
        assert problems[-1] == f"and {100_000 - TOLD} more such problem(s)"
        assert sum(map(len, problems)) < 2000

    def test_with_what_may_be_an_event_leave_the_listing_incomplete(self):
        sightings = Sightings()
        sightings.problem("a field")
        assert sightings.observation().reads_whole()
        sightings.unreadable("an entry")
        assert not sightings.observation().reads_whole()


def test_in_an_answer_that_can_be_read_in_two_ways_nothing_is_approved(event):
    observation = listed(event(), doubt="a key stands twice")
    assert [(each.approval, each.withheld) for each in observation.events] == [(Approval.NONE, "a key stands twice")]
    assert not observation.reads_whole()


def test_a_key_that_stands_twice_is_seen_wherever_it_does():
    for text in (b'{"a": 1, "a": 1}', b'[{"b": [{"a": 1, "\\u0061": 2}]}]'):
        assert repeats(read_json(text))
    assert not repeats(read_json(b'[{"a": {"a": 1}}, {"a": 2}]'))
