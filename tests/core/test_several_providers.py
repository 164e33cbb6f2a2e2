"""One agent, several providers: one machine, one event for one maintenance, each source's health its own."""

from contextlib import suppress
from datetime import timedelta

import pytest
from tests.core.conftest import NOW, Cloud, make_event

from stormcone.agent.notices import NoticeKind
from stormcone.errors import JournalError, ProviderError
from stormcone.handlers import Stage
from stormcone.journal.boundaries import Boundary, watched
from stormcone.model import Approval, Capabilities, Machine, Observation, Origin, Outcome, Phase, Scope

ROUND = (Stage.PREPARE, Stage.RECOVER)
BOUNDARIES = (Boundary.BEFORE_COMMIT, Boundary.BEFORE_ACKNOWLEDGEMENT, Boundary.AFTER_ACKNOWLEDGEMENT)


class Another(Cloud):
    """A second provider of the same cloud."""

    name = "test-api"

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(provider="test", id="vm-0", name="node-0")


class Queue(Cloud):
    """A provider that is sent messages, which it is given once and deletes once they are acknowledged."""

    name = "test-queue"
    capabilities = Capabilities(scope=Scope.REGION, poll_interval=1.0)

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(provider="test", id="", name="queue", scope=Scope.REGION)
        self.waiting: dict[str, object] = {}
        self.hidden: set[str] = set()
        self.acknowledged: list[str] = []
        self.refuses: list[Exception] = []

    def send(self, **changes: object) -> None:
        event = make_event(approval=Approval.NONE, **changes)
        self.waiting[f"m-{len(self.waiting) + len(self.acknowledged)}"] = event

    def poll(self) -> Observation:
        super().poll()
        new = {mark: event for mark, event in self.waiting.items() if mark not in self.hidden}
        self.hidden |= set(new)
        return Observation(events=tuple(new.values()), whole=frozenset(), pushed=frozenset({""}), receipt=tuple(new))

    def acknowledge(self, receipt) -> None:
        if self.refuses:
            self.hidden -= set(receipt)
            raise self.refuses.pop(0)
        self.acknowledged += receipt
        for mark in receipt:
            del self.waiting[mark]


@pytest.fixture
def other(world):
    world.also = (Another(),)
    return world.also[0]


@pytest.fixture
def queue(world):
    world.also = (Queue(),)
    return world.also[0]


class TestOneMachine:
    def test_has_the_names_that_every_provider_has_for_it(self, world, other):
        world.handler("lb", ROUND)
        other.announce(id="F-1", resources=("node-0",))
        world.step()
        world.step(seconds=1)
        assert world.calls == ["lb.prepare"]
        assert world.agent.machine.aliases == ("node-0", "vm-0")

    def test_is_that_of_the_first_provider(self, world, other):
        world.step()
        assert (world.agent.machine.name, world.agent.machine.provider) == ("web-0", "test")

    def test_of_a_region_lends_no_name(self, world, queue):
        world.handler("lb", ROUND)
        queue.send(resources=("web-7",))
        world.step()
        assert world.calls == []
        assert not world.agent.machine.owns("web-7")

    def test_two_providers_of_one_name_are_refused(self, world):
        world.also = (Cloud(),)
        with pytest.raises(ValueError, match="same name"):
            world.step()


class TestOneMaintenance:
    def test_that_two_tell_of_is_handled_once(self, world, other):
        world.handler("lb", ROUND)
        world.cloud.announce()
        other.announce(id="F-1")
        world.step()
        world.step(seconds=1)
        assert world.calls == ["lb.prepare"]
        assert world.cloud.approvals == ["E-1"]
        assert other.approvals == []
        assert len(world.journal.episodes()) == 1

    def test_goes_on_until_both_have_dropped_it(self, world, other):
        world.handler("lb", ROUND)
        world.cloud.announce()
        other.announce(id="F-1")
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        assert world.calls == ["lb.prepare"]
        assert world.episode().event.id == "F-1"
        other.forget("F-1")
        world.step(minutes=1)
        assert world.calls == ["lb.prepare", "lb.recover"]
        assert len(world.journal.episodes()) == 1

    def test_is_approved_by_who_tells_of_it(self, world, other):
        world.handler("lb", ROUND)
        other.announce(id="F-1")
        world.step()
        world.step(seconds=1)
        assert (world.cloud.approvals, other.approvals) == ([], ["F-1"])

    def test_of_a_provider_that_is_watched_no_more_is_not_over(self, world, other):
        world.handler("lb", ROUND)
        other.announce(id="F-1", approval=Approval.NONE)
        world.step()
        world.die()
        world.also = ()
        world.step(hours=2)
        assert world.calls == ["lb.prepare"]
        assert any("test-api" in text for text in world.told(NoticeKind.PROBLEM))


class TestEachSource:
    def test_has_a_health_of_its_own(self, world, other):
        other.poll_faults.append(ProviderError("it is down"))
        world.step()
        states = world.agent.sources
        assert states["test"].error is None
        assert states["test-api"].error == "it is down"
        assert world.agent.status.error is None

    def test_that_fails_ends_no_event_and_holds_none_of_the_others_up(self, world, other):
        world.handler("lb", ROUND)
        other.announce(id="F-1", approval=Approval.NONE)
        world.step()
        other.poll_faults.append(ProviderError("it is down"))
        world.cloud.announce(id="E-2", resources=("web-0",), impact="stop")
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.prepare"]

    def test_that_has_not_been_asked_in_this_life_prepares_for_nothing(self, world, other):
        world.handler("lb", ROUND)
        other.announce(id="F-1", approval=Approval.NONE, not_before=NOW + timedelta(hours=3))
        world.step()
        world.die()
        other.poll_faults.extend([ProviderError("it is down")] * 3)
        world.step(hours=2)
        assert world.calls == []
        world.step(seconds=1)
        world.step(seconds=1)
        world.step(seconds=1)
        assert world.calls == ["lb.prepare"]


class TestMessages:
    def test_are_acknowledged_once_they_are_on_the_disk(self, world, queue):
        world.handler("lb", ROUND)
        queue.send(ends_by=NOW + timedelta(hours=1))
        reached = []
        with watched(reached.append):
            world.step()
        assert queue.acknowledged == ["m-0"]
        assert reached.index(Boundary.AFTER_COMMIT) < reached.index(Boundary.BEFORE_ACKNOWLEDGEMENT)
        assert world.calls == ["lb.prepare"]

    def test_stay_until_the_journal_can_be_written(self, world, queue, monkeypatch):
        world.step()
        queue.send(ends_by=NOW + timedelta(hours=1))
        journal = world.journal
        with monkeypatch.context() as patched:
            patched.setattr(journal, "save_change", full)
            world.step(seconds=1)
            assert queue.acknowledged == []
            queue.send(id="E-2", impact="stop")
            world.step(seconds=1)
            assert queue.polls == 2  # nothing is asked for while something waits
        world.step(seconds=1)
        world.step(seconds=1)
        assert queue.acknowledged == ["m-0", "m-1"]
        assert {episode.event.id for episode in journal.episodes()} == {"E-1", "E-2"}

    def test_that_could_not_be_acknowledged_come_again_and_mean_the_same(self, world, queue):
        world.handler("lb", ROUND)
        queue.refuses.append(ProviderError("it is down"))
        queue.send(ends_by=NOW + timedelta(hours=1))
        world.step()
        assert any("will come again" in text for text in world.told(NoticeKind.PROBLEM))
        world.step(seconds=1)
        assert queue.acknowledged == ["m-0"]
        assert world.calls == ["lb.prepare"]

    def test_wait_until_it_is_known_which_machine_this_is(self, world, queue):
        identify, world.cloud.identify = world.cloud.identify, silent
        queue.send(ends_by=NOW + timedelta(hours=1))
        world.step()
        assert queue.acknowledged == []
        world.cloud.identify = identify
        world.step(minutes=5)
        world.step(seconds=1)
        assert queue.acknowledged == ["m-0"]
        assert len(world.journal.episodes()) == 1

    def test_sixty_of_sixty_arrive_whenever_the_agent_dies(self, world, queue):
        """Killed between the commit and the acknowledgement, and before the commit, in turn."""
        world.handler("lb", ROUND)
        for number in range(60):
            queue.send(id=f"E-{number}", resources=(f"web-{number}",), ends_by=NOW + timedelta(hours=1))
            boundary = BOUNDARIES[number % len(BOUNDARIES)]
            with suppress(Killed), watched(killing(boundary)):
                world.step(seconds=1)
            world.die()
            queue.hidden.clear()  # nobody has kept them from being given again
        world.step(seconds=1)
        assert {episode.event.id for episode in world.journal.episodes()} == {f"E-{number}" for number in range(60)}
        assert queue.waiting == {}

    def test_begin_and_end_by_time_alone(self, world, queue):
        world.handler("lb", ROUND)
        queue.send(phase_origin=Origin.INFERRED, ends_by=NOW + timedelta(minutes=20))
        world.step()
        world.step(minutes=16)
        assert world.episode().event.phase is Phase.STARTED
        world.step(minutes=5)
        assert world.episode().event.outcome is Outcome.COMPLETED
        assert world.calls == ["lb.prepare", "lb.recover"]


class Killed(BaseException):
    """The process ends here."""


def killing(boundary):
    def watcher(reached):
        if reached is boundary:
            raise Killed

    return watcher


def full(*_args, **_more):
    raise JournalError("no space left")


def silent():
    raise ProviderError("the instance endpoint fails")


def test_a_hint_is_a_poll(world, running):
    """`Hints`: whoever hears of news has the agent poll."""
    callbacks = []
    world.cloud.on_hint = callbacks.append
    agent = running()
    agent.until(lambda: world.cloud.polls == 1, step=0)
    agent.until(lambda: callbacks[0]() or world.cloud.polls > 3, step=0)
