"""Any walk over announcements, ends, faults, failing handlers and restarts, over HTTP: no event is lost,
none is handled twice, no end is invented, and no neighbour is hurt.

What a handler does is known by the episode that it does it for. A cloud that gives its events ids says which of them
that is. Of one that gives none, an episode may be any event of its kind that was there at the same time: where nobody
asked between two of them, no agent can tell them apart.
"""

import json
from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from stormcone.agent.unfinished import Unfinished
from stormcone.errors import GiveUp, Retry, SimulationError, Veto
from stormcone.handlers import Handler
from stormcone.model import Impact
from stormcone_simulators.events import Busy
from stormcone_simulators.http.faults import KINDS

SLOW = {"hang", "drip", "huge_body", "deep_json"}
"""Kinds that `test_bad_endpoint` tries, and that would make this one slow."""

FAULTS = st.sampled_from(
    [{"status": status} for status in (401, 404, 410, 429, 500, 503)]
    + [{"kind": kind} for kind in sorted({*KINDS} - SLOW)]
)
ERRORS = st.sampled_from([None, GiveUp("x"), Veto("x"), Retry("x"), Retry("x", after=90), OSError("x")])
PASSED = st.sampled_from([0, 1, 30, 600, 7200])


class Call(NamedTuple):
    """One run of a stage."""

    handler: str
    stage: str
    episode: int


class Scripted(Handler):
    """Does as the test has queued, and writes down the calls that began and those that succeeded."""

    lead = None

    def __init__(self, name, walk, began, succeeded):
        self.name = name
        self.walk = walk
        self.began = began
        self.succeeded = succeeded
        self.script = deque()

    def prepare(self, event, context):
        self._do("prepare", event, context)

    def started(self, event, context):
        self._do("started", event, context)

    def recover(self, event, context):
        self._do("recover", event, context)

    def _do(self, stage, event, context):
        assert context.machine.name == self.walk.cloud.machine
        call = Call(self.name, stage, self.walk.world.at_work(self.name, stage, event).id)
        assert call not in self.succeeded, f"{call} is done again"
        self.began.append(call)
        error = self.script.popleft() if self.script else None
        if error is not None:
            raise error
        self.succeeded.append(call)


class Walk(RuleBasedStateMachine):
    """All walks; each has a world of its own."""

    cloud: ClassVar[Any]
    begin_world: ClassVar[Callable[..., Any]]

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.began, self.succeeded = [], []
        self.handlers = [Scripted(name, self, self.began, self.succeeded) for name in ("lb", "db")]
        self.world = type(self).begin_world(self.stack, handlers=self.handlers)
        self.simulator = self.world.simulator
        self.lives = 1

    # what the cloud does

    @rule(who=st.sampled_from(["ours", "ours", "theirs", "both"]), minutes=st.sampled_from([1, 15, 240]))
    def announce(self, who, minutes):
        ours, theirs = [self.cloud.machine], [self.cloud.neighbour]
        both = [*theirs, *ours] if self.cloud.shares_events else ours
        resources = {"ours": ours, "theirs": theirs, "both": both}[who]
        with suppress(Busy):
            self.simulator.schedule(Impact.REBOOT, resources=resources, notice=timedelta(minutes=minutes))
        self.world.step()

    @precondition(lambda self: self.cloud.approvable is not None)
    @rule()
    def announce_what_can_be_approved(self):
        if not (self.cloud.approves and any(map(self.can_be_approved, self.going_on))):
            self.cloud.approvable(self.simulator, self.cloud.machine)
        self.world.step()

    @rule(data=st.data(), move=st.sampled_from(["cancel", "start", "complete"]))
    def move(self, data, move):
        if going_on := [event["id"] for event in self.going_on]:
            with suppress(SimulationError):  # not every cloud does that to every event
                getattr(self.simulator, move)(data.draw(st.sampled_from(going_on)))
        self.world.step()

    @rule(seconds=PASSED)
    def time_passes(self, seconds):
        self.world.clock.advance(seconds)
        self.world.step(2)

    # what goes wrong

    @rule(
        where=st.sampled_from(["poll", "poll", "approve", "identify"]),
        fault=FAULTS,
        times=st.sampled_from([1, 4, None]),
    )
    def fault(self, where, fault, times):
        if "status" not in fault or fault["status"] != self.cloud.absent:
            self.world.fault(getattr(self.cloud, where) or self.cloud.poll, **fault, times=times)
        self.world.step(2)

    @rule()
    def faults_end(self):
        self.simulator.faults.clear()
        self.world.step()

    @rule(place=st.sampled_from([0, 1]), errors=st.lists(ERRORS, min_size=1, max_size=3))
    def handler_will_fail(self, place, errors):
        self.handlers[place].script.extend(errors)

    @rule(booted=st.booleans())
    def agent_restarts(self, booted):
        self.lives += booted
        self.world.begin_life(f"boot-{self.lives}")
        self.world.step()

    # what the agent promises

    @property
    def events(self):
        return {event["id"].casefold(): event for event in self.simulator.events()}

    @property
    def going_on(self):
        return [event for event in self.simulator.events() if event["phase"] != "ended"]

    def may_be_of(self, episode):
        """The simulator's events, each of which the episode may be; none of one that only a fault has told of."""
        return [event for event in self.events.values() if self.world.may_be(event, episode)]

    def is_ours(self, event):
        return self.cloud.machine in event["resources"]

    def of(self, episode):
        return self.world.journal.episode(episode)

    @invariant()
    def no_neighbours_event_is_handled(self):
        for episode in {call.episode for call in self.began}:
            events = self.may_be_of(self.of(episode))
            assert any(map(self.is_ours, events)) or (self.cloud.names_events and not events)

    @invariant()
    def no_event_is_handled_twice(self):
        handled = set()
        for call in self.succeeded:
            events = self.may_be_of(self.of(call.episode))
            if len(events) == 1:
                done = (call.handler, call.stage, events[0]["id"])
                assert done not in handled, f"{done} is done again"
                handled.add(done)

    @invariant()
    def recovery_follows_what_began(self):
        seen = set()
        for call in self.began:
            assert call.stage != "recover" or (call.handler, call.episode) in seen
            seen.add((call.handler, call.episode))

    @invariant()
    def recovery_undoes_nothing_of_a_later_life(self):
        seen = set()
        for call in self.began:
            if call.stage == "recover":
                assert not seen & {call._replace(stage="", episode=later) for later in self.later_than(call.episode)}
            else:
                seen.add(call._replace(stage=""))

    def later_than(self, number):
        """The later lives of an episode's event."""
        episode = self.of(number)
        others = [each for each in self.world.journal.episodes() if each.event.key == episode.event.key]
        return [each.id for each in others if each.number > episode.number]

    @invariant()
    def no_end_is_invented(self):
        for episode in {call.episode for call in self.began if call.stage == "recover"}:
            events = self.may_be_of(self.of(episode))
            assert not events or any(event["phase"] == "ended" for event in events)

    @invariant()
    def nothing_is_approved_that_names_a_neighbour_or_is_not_prepared(self):
        for event in self.events.values():
            if event["approved_by"]:
                assert event["resources"] == [self.cloud.machine]
                episodes = [each.id for each in self.world.journal.episodes() if self.world.may_be(event, each)]
                assert any(self.by_all("prepare", episode) <= {*self.succeeded} for episode in episodes)

    def by_all(self, stage, episode):
        return {Call(handler.name, stage, episode) for handler in self.handlers}

    @invariant()
    def an_approval_that_was_granted_is_not_repeated(self):
        granted = Counter()
        for request in self.simulator.requests():
            event = self.approved_in(request)
            if event is not None:
                assert not granted[event]
                granted[event] += request["status"] < HTTPStatus.BAD_REQUEST and request["fault"] is None

    @invariant()
    def what_is_kept_in_memory_is_what_the_journal_has(self):
        engine = self.world.agent._engine
        if engine is not None:
            assert [*engine._unfinished] == [*Unfinished(self.world.journal, engine.machine)]

    def approved_in(self, request):
        rule = self.cloud.approve
        if rule is None:
            return None
        if any(request["query"].get(name) != value for name, value in rule.get("query", {}).items()):
            return None
        if request["method"] != rule.get("method", request["method"]):
            return None
        if self.cloud.approves:  # the last one that could be approved when it came
            earlier = [event for event in self.events.values() if event["created_at"] <= request["at"]]
            return [event["id"] for event in earlier if self.can_be_approved(event)][-1]
        if "EventId" in request["query"]:
            return request["query"]["EventId"].casefold()
        (start,) = json.loads(request["body"])["StartRequests"]
        return start["EventId"].casefold()

    def can_be_approved(self, event):
        return self.is_ours(event) and self.cloud.kind(event["native_type"]) == self.cloud.approves

    def teardown(self):
        """Once all is well, every event is known, and all that ended has been recovered from."""
        try:
            self.simulator.faults.clear()
            for handler in self.handlers:
                handler.script.clear()
            for _ in range(4):
                self.world.clock.advance(minutes=2)
                self.world.step(2)
            self.all_is_known()
            self.all_that_ended_is_recovered_from()
        finally:
            self.stack.close()

    def all_is_known(self):
        for event in filter(self.is_ours, self.going_on):
            episode = [each for each in self.world.journal.episodes() if self.world.may_be(event, each)][-1]
            assert episode.ended is None
            begun = "started" if self.is_told_to_have_begun(event) else "prepare"
            assert self.by_all(begun, episode.id) <= {*self.began}

    def all_that_ended_is_recovered_from(self):
        for handler, number in {(call.handler, call.episode) for call in self.began}:
            episode = self.of(number)
            events = self.may_be_of(episode)
            assert episode.ended or not events or not all(map(self.is_told_to_be_over, events))
            if episode.ended:
                recoveries = [run for run in self.runs(number) if (run.handler, run.stage) == (handler, "recover")]
                assert [run.state.over for run in recoveries] == [True]
                lives = [number, *self.later_than(number)]  # what is prepared for anew is recovered from with that
                assert any(Call(handler, "recover", life) in self.began for life in lives)

    def is_told_to_have_begun(self, event):
        on_time = datetime.fromisoformat(event["not_before"]) <= self.world.clock.now()
        return event["phase"] == "started" and (on_time or self.cloud.tells_starts)

    def is_told_to_be_over(self, event):
        return event["phase"] == "ended" and event["outcome"] not in self.cloud.unsaid

    def runs(self, episode):
        return self.world.journal.runs(episode)


@pytest.mark.timeout(300)
def test_in_every_walk_the_agent_keeps_its_promises(cloud, begin_world):
    walk = type("AnyWalk", (Walk,), {"cloud": cloud, "begin_world": begin_world})
    # Without shrinking, which would take minutes: each step goes over HTTP.
    budget = settings(max_examples=15, stateful_step_count=20, deadline=None, derandomize=True, phases=[Phase.generate])
    run_state_machine_as_test(walk, settings=budget)
