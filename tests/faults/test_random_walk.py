"""Any walk over announcements, ends, faults, failing handlers and restarts, over HTTP: no event is lost,
none is handled twice, no end is invented, and no neighbour is hurt."""

import json
from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from stormcone.agent.unfinished import Unfinished
from stormcone.errors import GiveUp, Retry, SimulationError, Veto
from stormcone.handlers import Handler
from stormcone.model import Impact
from stormcone_simulators.http.faults import KINDS

SLOW = {"hang", "drip", "huge_body", "deep_json"}
"""Kinds that `test_bad_endpoint` tries, and that would make this one slow."""

FAULTS = st.sampled_from(
    [{"status": status} for status in (401, 404, 410, 429, 500, 503)]
    + [{"kind": kind} for kind in sorted({*KINDS} - SLOW)]
)
ERRORS = st.sampled_from([None, GiveUp("x"), Veto("x"), Retry("x"), Retry("x", after=90), OSError("x")])
PASSED = st.sampled_from([0, 1, 30, 600, 7200])


class Scripted(Handler):
    """Does as the test has queued, and writes down what began and what succeeded, as (handler, stage, event)."""

    lead = None

    def __init__(self, name, machine, began, succeeded):
        self.name = name
        self.machine = machine
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
        assert context.machine.name == self.machine
        call = (self.name, stage, event.id.casefold())
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
        self.handlers = [Scripted(name, self.cloud.machine, self.began, self.succeeded) for name in ("lb", "db")]
        self.world = type(self).begin_world(self.stack, handlers=self.handlers)
        self.simulator = self.world.simulator
        self.lives = 1

    # what the cloud does

    @rule(who=st.sampled_from(["ours", "ours", "theirs", "both"]), minutes=st.sampled_from([1, 15, 240]))
    def announce(self, who, minutes):
        ours, theirs = [self.cloud.machine], [self.cloud.neighbour]
        both = [*theirs, *ours] if self.cloud.shares_events else ours
        resources = {"ours": ours, "theirs": theirs, "both": both}[who]
        self.simulator.schedule(Impact.REBOOT, resources=resources, notice=timedelta(minutes=minutes))
        self.world.step()

    @precondition(lambda self: self.cloud.approvable is not None)
    @rule()
    def announce_what_can_be_approved(self):
        self.cloud.approvable(self.simulator, self.cloud.machine)
        self.world.step()

    @rule(data=st.data(), move=st.sampled_from(["cancel", "start", "complete"]))
    def move(self, data, move):
        going_on = [event["id"] for event in self.simulator.events() if event["phase"] != "ended"]
        if going_on:
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

    def by_all(self, stage, event):
        return {(handler.name, stage, event["id"].casefold()) for handler in self.handlers}

    @invariant()
    def no_neighbours_event_is_handled(self):
        for _, _, event in self.began:
            assert event not in self.events or self.cloud.machine in self.events[event]["resources"]

    @invariant()
    def recovery_follows_what_began(self):
        seen = set()
        for name, stage, event in self.began:
            assert stage != "recover" or (name, event) in seen
            seen.add((name, event))

    @invariant()
    def no_end_is_invented(self):
        for _, stage, event in self.began:
            assert stage != "recover" or event not in self.events or self.events[event]["phase"] == "ended"

    @invariant()
    def nothing_is_approved_that_names_a_neighbour_or_is_not_prepared(self):
        for event in self.events.values():
            if event["approved_by"]:
                assert event["resources"] == [self.cloud.machine]
                assert {(handler.name, "prepare", event["id"].casefold()) for handler in self.handlers} <= {
                    *self.succeeded
                }

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
        if "EventId" in request["query"]:
            return request["query"]["EventId"].casefold()
        (start,) = json.loads(request["body"])["StartRequests"]
        return start["EventId"].casefold()

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
        for event in self.events.values():
            if event["phase"] != "ended" and self.cloud.machine in event["resources"]:
                assert self.world.episode(event["id"]).ended is None
                begun = {"scheduled": "prepare", "started": "started"}[event["phase"]]
                assert self.by_all(begun, event) <= {*self.began}

    def all_that_ended_is_recovered_from(self):
        touched = {(name, event) for name, _, event in self.began}
        for name, event in touched:
            if event in self.events and self.events[event]["phase"] == "ended":
                recoveries = [run for run in self.runs(event) if (run.handler, run.stage) == (name, "recover")]
                assert [run.state.over for run in recoveries] == [True]
                assert (name, "recover", event) in self.began

    def runs(self, event):
        return self.world.journal.runs(self.world.episode(event).id)


@pytest.mark.timeout(300)
def test_in_every_walk_the_agent_keeps_its_promises(cloud, begin_world):
    if not cloud.names_events:
        pytest.skip("the cloud's events have no ids by which one of them can be told from the next")
    walk = type("AnyWalk", (Walk,), {"cloud": cloud, "begin_world": begin_world})
    # Without shrinking, which would take minutes: each step goes over HTTP.
    budget = settings(max_examples=15, stateful_step_count=20, deadline=None, derandomize=True, phases=[Phase.generate])
    run_state_machine_as_test(walk, settings=budget)
