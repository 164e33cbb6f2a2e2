"""Any story of announcements, failures and restarts: the agent keeps its promises in all of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stormcone.agent.notices import NoticeKind
from stormcone.errors import GiveUp, ProviderError, RequestRefused, Retry, Veto
from stormcone.handlers import Stage
from stormcone.model import Impact, Phase
from stormcone.rules.runs import RunState

IDS = ("A", "B")
MINUTES = st.sampled_from([15, 1, 0])
PASSED = st.sampled_from([0, 0.02, 0.2, 1, 20])
OUTCOMES = st.sampled_from(
    [None, GiveUp("x"), Veto("x"), Retry("x"), Retry("x", after=30), OSError("x"), SystemExit(1)]
)
APPROVAL_FAULTS = st.sampled_from([ProviderError("503"), RequestRefused("no"), KeyError("x")])
OURS, SHARED, THEIRS = ("web-0",), ("web-0", "db-0"), ("db-0",)
RESOURCES = st.sampled_from([OURS, OURS, OURS, SHARED, THEIRS])
IMPACTS = st.sampled_from([Impact.REBOOT, Impact.FREEZE])


class Choosing:
    """Does work at once, or keeps it, as it is told."""

    def __init__(self):
        self.hold = False
        self.held = []

    def submit(self, work, name):
        if self.hold:
            self.held.append(work)
        else:
            work()


class Story(RuleBasedStateMachine):
    """All stories; each has a world of its own."""

    worlds: ClassVar[Callable[..., Any]]

    def __init__(self):
        super().__init__()
        self.world = self.worlds(":memory:")
        self.world.executor = self.executor = Choosing()
        self.wrongs = []
        self.approve = self.world.cloud.approve
        self.world.cloud.approve = self.check_approval

    @initialize(retries=st.sampled_from([None, 1]), lead=st.sampled_from([None, timedelta(minutes=5)]))
    def begin(self, retries, lead):
        self.handlers = [
            self.world.handler("lb", retries=retries),
            self.world.handler("db", lead=lead),
            self.world.handler("picky", impacts={Impact.REBOOT}),
        ]

    # what the cloud does

    @precondition(lambda self: len(self.world.cloud.listed) < len(IDS))
    @rule(impact=IMPACTS, minutes=MINUTES, resources=RESOURCES)
    def announce(self, impact, minutes, resources):
        name = next(name for name in IDS if name not in self.world.cloud.listed)
        self.world.cloud.announce(id=name, impact=impact, resources=resources, not_before=self.in_minutes(minutes))
        self.world.step()

    @precondition(lambda self: self.in_phase(Phase.SCHEDULED))
    @rule(data=st.data(), impact=IMPACTS, minutes=MINUTES, resources=RESOURCES)
    def revise(self, data, impact, minutes, resources):
        name = data.draw(st.sampled_from(self.in_phase(Phase.SCHEDULED)))
        self.world.cloud.revise(name, impact=impact, resources=resources, not_before=self.in_minutes(minutes))
        self.world.step()

    @precondition(lambda self: self.in_phase(Phase.SCHEDULED))
    @rule(data=st.data())
    def start(self, data):
        self.world.cloud.start(data.draw(st.sampled_from(self.in_phase(Phase.SCHEDULED))))
        self.world.step()

    @precondition(lambda self: self.world.cloud.listed)
    @rule(data=st.data())
    def vanish(self, data):
        self.world.cloud.forget(data.draw(st.sampled_from(sorted(self.world.cloud.listed))))
        self.world.step()

    # what goes wrong

    @rule(handler=st.integers(0, 2), outcome=OUTCOMES)
    def next_outcome(self, handler, outcome):
        self.handlers[handler].script.append(outcome)

    @rule(fault=APPROVAL_FAULTS)
    def next_approval_fails(self, fault):
        self.world.cloud.approve_faults.append(fault)

    @rule(error=st.sampled_from([ProviderError("503"), KeyError("x")]))
    def next_poll_fails(self, error):
        self.world.cloud.poll_faults.append(error)

    @rule(boot=st.sampled_from(["boot-1", "boot-2"]))
    def restart(self, boot):
        self.executor.held.clear()
        self.world.boot_id = boot
        self.world.begin_anew()

    # what the agent does

    @rule(minutes=PASSED)
    def time_passes(self, minutes):
        self.world.step(minutes=minutes)

    @rule()
    def work_takes_time(self):
        self.executor.hold = True

    @precondition(lambda self: self.executor.hold)
    @rule()
    def work_is_done(self):
        self.executor.hold = False
        held, self.executor.held = self.executor.held, []
        for work in held:
            work()
        self.world.step()

    # what must hold

    def in_phase(self, phase):
        return [event.id for event in self.world.cloud.listed.values() if event.phase is phase]

    def in_minutes(self, minutes):
        return self.world.clock.now() + timedelta(minutes=minutes)

    def check_approval(self, event):
        """Runs in the agent's worker, which takes whatever is raised for a fault of the cloud's."""
        episode = self.world.journal.latest(self.world.cloud.machine, [event.key])[0]
        prepares = [run for run in self.world.journal.runs(episode.id) if run.stage is Stage.PREPARE]
        counted = [run for run in prepares if run.attempt or run.state is not RunState.DROPPED]
        ready = bool(counted) and all(run.state is RunState.SUCCEEDED for run in counted)
        if event.resources != OURS or (episode.event == event and not ready):
            self.wrongs.append((event, prepares))
        self.approve(event)

    @invariant()
    def only_what_is_ours_and_prepared_is_approved(self):
        assert self.wrongs == []

    @invariant()
    def each_episode_keeps_the_law(self):
        for episode in self.world.journal.episodes():
            runs = self.world.journal.runs(episode.id)
            self.check_order(runs)
            self.check_attempts(runs)
            self.check_recovery(episode, runs)
            self.check_lives(episode, runs)
            approvals = self.world.journal.approvals(episode.id)
            assert all(approval.accepted is None for approval in approvals[:-1])

    def check_order(self, runs):
        assert sum(run.state is RunState.RUNNING for run in runs) <= 1
        recoveries = [run for run in runs if run.stage is Stage.RECOVER]
        order = [handler.name for handler in reversed(self.handlers)]
        assert [run.handler for run in recoveries] == sorted((run.handler for run in recoveries), key=order.index)
        first = [attempts[0].begun for run in recoveries if (attempts := self.world.journal.attempts(run.id))]
        assert first == sorted(first)

    def check_attempts(self, runs):
        for run in runs:
            attempts = self.world.journal.attempts(run.id)
            assert len(attempts) == run.attempt
            assert all(attempt.verdict != "succeeded" for attempt in attempts[:-1])
            succeeded = bool(attempts) and attempts[-1].verdict == "succeeded"
            assert succeeded is (run.state is RunState.SUCCEEDED)

    def check_recovery(self, episode, runs):
        began = {run.handler for run in runs if run.stage is not Stage.RECOVER and run.attempt}
        recovering = {run.handler for run in runs if run.stage is Stage.RECOVER}
        assert recovering == (began if episode.ended else set())
        for stage, end in (
            (Stage.PREPARE, episode.started),
            (Stage.PREPARE, episode.ended),
            (Stage.STARTED, episode.ended),
        ):
            assert end is None or all(run.begun <= end for run in runs if run.stage is stage and run.begun)

    def check_lives(self, episode, runs):
        """A recover never comes after its handler has prepared for the event's next life, which it would undo."""
        journal = self.world.journal
        for run in (run for run in runs if run.stage is Stage.RECOVER):
            anew = [
                each.begun
                for later in journal.episodes()
                if later.event.key == episode.event.key and later.number > episode.number
                for other in journal.runs(later.id)
                if other.handler == run.handler and other.stage is not Stage.RECOVER
                for each in journal.attempts(other.id)
            ]
            assert not anew or all(each.begun <= min(anew) for each in journal.attempts(run.id))
            assert anew or run.state is not RunState.DROPPED

    @invariant()
    def the_journal_never_refuses(self):
        assert self.world.told(NoticeKind.PROBLEM) == []

    def teardown(self):
        """Whatever has happened, once all is quiet everything comes to its end."""
        self.world.cloud.listed.clear()
        self.world.cloud.poll_faults.clear()
        for handler in self.world.app.handlers:
            handler.script.clear()
        self.work_is_done()
        for _ in range(8):
            self.world.step(minutes=2)
        for episode in self.world.journal.episodes():
            assert episode.ended
            assert all(run.state.over for run in self.world.journal.runs(episode.id))
        assert self.world.agent._stages.live == {}
        self.world.die()


def test_in_every_story_the_agent_keeps_the_law(worlds):
    story = type("AnyStory", (Story,), {"worlds": worlds})
    run_state_machine_as_test(story, settings=settings(max_examples=60, stateful_step_count=35, deadline=None))
