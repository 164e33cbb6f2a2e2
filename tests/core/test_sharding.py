"""Who is to watch which shard, and to which part of a region an event belongs: rules over values."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stormcone.model import MaintenanceEvent, Phase
from stormcone.rules.sharding import WHOLE, Held, Part, plan

NAMES = st.sets(st.text("abcdefgh0123456789-", min_size=1, max_size=8), max_size=30)
WATCHERS = st.sets(st.text("uvwxyz0123456789", min_size=1, max_size=6), min_size=1, max_size=8)


def an_event(name="e", *, resources=("i-0",)):
    return MaintenanceEvent(id=name, provider="alibaba", phase=Phase.SCHEDULED, resources=tuple(resources))


def held(wanted, busy=()):
    return [Held(name, watcher, name in busy) for name, watcher in sorted(wanted.items())]


def knowing(watchers, names):
    return dict.fromkeys(sorted(watchers), frozenset(names))


def moved(before, after):
    return {name for name in before if before[name] != after[name]}


@st.composite
def standings(draw):
    """Any standing: shards with anybody or nobody, some of them busy, and watchers that know any of them."""
    names = sorted(draw(NAMES))
    watchers = sorted(draw(WATCHERS))
    shards = [Held(name, draw(st.sampled_from(["", "gone", *watchers])), draw(st.booleans())) for name in names]
    knows = {each: frozenset(draw(st.sets(st.sampled_from(names)))) if names else frozenset() for each in watchers}
    return shards, knows


class TestPlan:
    @given(standings())
    def test_each_shard_that_is_known_is_wanted_by_one_living_watcher_that_knows_it(self, standing):
        shards, knows = standing
        wanted = plan(shards, knows)
        known = frozenset().union(*knows.values())
        assert wanted.keys() == {shard.name for shard in shards if shard.name in known}
        assert all(name in knows[watcher] for name, watcher in wanted.items())

    @given(standings())
    def test_nobody_has_two_more_than_another_where_all_know_all(self, standing):
        shards, knows = standing
        wanted = plan(shards, knowing(knows, {shard.name for shard in shards}))
        loads = [Counter(wanted.values())[each] for each in knows]
        assert max(loads) - min(loads) <= 1
        assert max(loads) == -(-len(shards) // len(knows))  # the fair share

    @given(standings())
    def test_nobody_could_give_one_to_another_that_knows_it_and_has_two_less(self, standing):
        shards, knows = standing
        wanted = plan(shards, knows)
        loads = Counter(wanted.values())
        for name, watcher in wanted.items():
            assert not any(name in knows[each] and loads[watcher] - loads[each] > 1 for each in knows)

    @given(standings())
    def test_it_stays_as_it_is_while_nothing_changes(self, standing):
        shards, knows = standing
        wanted = plan(shards, knows)
        assert plan(held(wanted), knows) == wanted

    @given(standings(), st.randoms())
    def test_the_order_of_what_is_given_means_nothing(self, standing, random):
        shards, knows = standing
        mixed, order = list(shards), list(knows)
        random.shuffle(mixed)
        random.shuffle(order)
        assert plan(mixed, {each: knows[each] for each in order}) == plan(shards, knows)

    @given(NAMES, WATCHERS)
    def test_one_that_comes_takes_its_share_and_nothing_moves_between_others(self, names, watchers):
        before = plan([Held(name) for name in names], knowing(watchers, names))
        after = plan(held(before), knowing({*watchers, "new"}, names))
        assert all(after[name] == "new" for name in moved(before, after))
        assert len(moved(before, after)) <= -(-len(names) // (len(watchers) + 1))

    @given(NAMES, WATCHERS)
    def test_of_one_that_goes_its_own_are_moved_and_nothing_else(self, names, watchers):
        before = plan([Held(name) for name in names], knowing({*watchers, "old"}, names))
        after = plan(held(before), knowing(watchers, names))
        assert moved(before, after) == {name for name in before if before[name] == "old"}
        assert len(moved(before, after)) <= -(-len(names) // (len(watchers) + 1))

    @given(NAMES, st.data())
    def test_those_where_nobody_works_are_given_up_first(self, names, data):
        before = plan([Held(name) for name in names], knowing({"one"}, names))
        busy = data.draw(st.sets(st.sampled_from(sorted(names)))) if names else set()
        given_up = moved(before, plan(held(before, busy), knowing({"one", "two"}, names)))
        assert len(given_up & busy) == max(0, len(given_up) - len(names - busy))

    def test_without_a_watcher_nobody_has_anything(self):
        assert plan([Held("a", "gone")], {}) == {}

    def test_many_are_planned_within_a_blink(self):
        names = {f"region-{number}" for number in range(1000)}
        wanted = plan([Held(name) for name in names], knowing(map(str, range(30)), names))
        assert set(Counter(wanted.values()).values()) == {33, 34}


class Coming(RuleBasedStateMachine):
    """Watchers come and go and learn of more shards, shards become busy and idle, and the plan follows."""

    def __init__(self):
        super().__init__()
        self.names, self.watchers, self.wanted, self.busy, self.number = set(), set(), {}, set(), 0

    def plan(self):
        shards = [Held(name, self.wanted.get(name, ""), name in self.busy) for name in sorted(self.names)]
        before, self.wanted = self.wanted, plan(shards, knowing(self.watchers, self.names))
        return {name for name in before.keys() & self.wanted.keys() if before[name] != self.wanted[name]}

    @rule(count=st.integers(1, 9))
    def learn(self, count):
        self.names |= {f"s{len(self.names) + number}" for number in range(count)}
        assert self.plan() == set()

    @rule()
    def come(self):
        self.number += 1
        self.watchers.add(f"w{self.number}")
        moves = self.plan()
        assert len(moves) <= -(-len(self.names) // len(self.watchers))
        assert all(self.wanted[name] == f"w{self.number}" for name in moves)

    @precondition(lambda self: self.watchers)
    @rule(data=st.data())
    def go(self, data):
        one = data.draw(st.sampled_from(sorted(self.watchers)))
        self.watchers.remove(one)
        its = {name for name, watcher in self.wanted.items() if watcher == one}
        moves = self.plan()
        assert moves == (its if self.watchers else set())

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def work(self, data):
        self.busy = data.draw(st.sets(st.sampled_from(sorted(self.names))))
        assert self.plan() == set()

    @invariant()
    def each_shard_is_wanted_by_one_that_lives_and_it_is_even(self):
        assert self.wanted.keys() == (self.names if self.watchers else set())
        loads = [Counter(self.wanted.values())[each] for each in self.watchers]
        assert max(loads, default=0) - min(loads, default=0) <= 1


Coming.TestCase.settings = settings(max_examples=30)
TestComing = Coming.TestCase


class TestPart:
    @given(st.lists(st.text(max_size=20), max_size=4), st.integers(1, 64))
    def test_each_event_belongs_to_exactly_one(self, names, parts):
        event = an_event(resources=names)
        assert sum(Part(number, parts).has(event) for number in range(1, parts + 1)) == 1

    @given(st.lists(st.text("abcxyzABCXYZ-0", min_size=1, max_size=9), min_size=1, max_size=4), st.integers(1, 64))
    def test_neither_the_order_nor_the_case_of_its_machines_matters_nor_what_else_is_said(self, names, parts):
        one = an_event(resources=names)
        other = an_event("another", resources=[name.swapcase() for name in reversed(names)])
        assert [Part(each + 1, parts).has(one) for each in range(parts)] == [
            Part(each + 1, parts).has(other) for each in range(parts)
        ]

    def test_one_that_names_no_machine_goes_by_its_id(self):
        parts = [Part(number, 8) for number in range(1, 9)]
        found = {part for name in "abcdefghijklmnop" for part in parts if part.has(an_event(name, resources=[]))}
        assert len(found) > 3

    def test_machines_are_spread_evenly(self):
        loads = Counter(
            part.number
            for number in range(10_000)
            for part in (Part(each, 8) for each in range(1, 9))
            if part.has(an_event(resources=[f"i-bp1{number:06d}"]))
        )
        assert min(loads.values()) > 1100
        assert max(loads.values()) < 1400

    @pytest.mark.parametrize(("name", "number"), [("i-0", 2), ("i-2", 4), ("web-0", 3)])
    def test_of_a_name_it_is_the_same_for_ever(self, name, number):
        assert Part(number, 4).has(an_event(resources=[name]))

    def test_a_region_without_parts_has_everything(self):
        assert WHOLE.has(an_event())
