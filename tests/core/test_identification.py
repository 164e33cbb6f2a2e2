"""Which machine this is: asked beside the polls, and until the cloud says it, what may be done and what not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from stormcone.agent.loop import Agent
from stormcone.agent.notices import NoticeKind
from stormcone.agent.pace import Pace
from stormcone.agent.workers import InlineExecutor
from stormcone.errors import ProviderError, ProviderUnavailable
from stormcone.handlers import Stage
from stormcone.model import Capabilities, Machine, Scope

ROUND = (Stage.PREPARE, Stage.RECOVER)
SICK = ProviderError("the instance endpoint fails")
NAMED = Machine(provider="test", id="", name="web-0")


class Ask:
    """The cloud's answers to the question which machine this is."""

    def __init__(self, cloud):
        self.answer = SICK
        self.order = []
        poll = cloud.poll

        def polled():
            self.order.append("poll")
            return poll()

        cloud.identify, cloud.poll = self, polled

    def __call__(self):
        self.order.append("identify")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def ask(world):
    """The instance endpoint fails until the test says otherwise."""
    return Ask(world.cloud)


@pytest.fixture
def named(world, ask):
    """The machine was named to the provider, and its instance endpoint fails."""
    world.cloud.named = lambda: NAMED
    world.handler("lb", ROUND)
    world.cloud.announce()
    return world


def lived(world, ask, **changes):
    """The agent has worked here before, with an endpoint that was well; now it fails."""
    ask.answer = replace(world.cloud.machine, **changes)
    world.step()
    world.die()
    ask.answer = SICK
    ask.order.clear()
    world.notices.clear()


class TestPolling:
    @pytest.mark.parametrize("name", [NAMED, None])
    @pytest.mark.parametrize("error", [SICK, ProviderUnavailable("404"), KeyError("x")])
    def test_comes_first_and_goes_on_whatever_ails_the_instance_endpoint(self, world, ask, name, error):
        world.cloud.named = lambda: name
        ask.answer = error
        for _ in range(20):
            world.step(seconds=1)
        assert ask.order[:2] == ["poll", "identify"]
        assert world.cloud.polls == 20

    def test_waits_for_no_instance_endpoint_that_hangs(self, world, ask, running, gate):
        world.cloud.named = lambda: NAMED
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.cloud.identify = lambda: gate.wait() and world.cloud.machine
        agent = running()
        agent.until_called("lb.prepare")
        agent.until(lambda: world.cloud.polls > 5)
        assert world.cloud.approvals == []
        gate.set()
        agent.until(lambda: world.cloud.approvals)

    def test_asks_about_the_machine_less_and_less_often(self, world, ask):
        for _ in range(60):
            world.step(seconds=1)
        assert (
            ask.order.count("identify") == 10
        )  # after 1, 2, 4 s, and then as long as a quarter of the shortest notice
        assert world.cloud.polls == 60

    def test_heeds_what_the_instance_endpoint_asks_for_but_no_longer_than_half_a_notice(self, world, ask):
        ask.answer = ProviderError("busy", retry_after=3600)
        for _ in range(40):
            world.step(seconds=1)
        assert ask.order.count("identify") == 3

    def test_asks_no_more_once_the_cloud_has_said_it(self, world, ask):
        ask.answer = world.cloud.machine
        for _ in range(5):
            world.step(seconds=1)
        assert ask.order.count("identify") == 1


class TestAMachineThatWasNamed:
    def test_is_prepared_for_and_nothing_is_approved_before_the_cloud_has_said_it(self, named, ask):
        named.step()
        named.step(seconds=30)
        assert (named.calls, named.cloud.approvals) == (["lb.prepare"], [])
        (told,) = named.told(NoticeKind.UNKNOWN)
        assert told == (
            "the cloud has not said which machine this is: the instance endpoint fails; "
            "until it says, events of web-0 are handled and none is approved"
        )
        ask.answer = replace(named.cloud.machine, reported_name="web-0")
        named.step(seconds=10)
        assert (named.calls, named.cloud.approvals) == (["lb.prepare"], ["E-1"])
        assert named.told(NoticeKind.ANSWERED) == ["test says that this is web-0"]
        named.cloud.forget()
        named.step(minutes=1)
        assert named.calls == ["lb.prepare", "lb.recover"]

    def test_is_never_approved_for_where_the_cloud_calls_it_otherwise(self, named, ask):
        named.step()
        ask.answer = replace(named.cloud.machine, reported_name="vm-7")
        named.step(seconds=10)
        named.step(seconds=10)
        assert named.cloud.approvals == []
        assert named.told(NoticeKind.PROBLEM)[0].startswith("the cloud calls this machine vm-7, not web-0")
        assert named.episode().decision == "the cloud calls this machine vm-7, not web-0 (--machine)"

    def test_is_found_by_its_id_in_its_next_life(self, named, ask):
        named.step()
        ask.answer = named.cloud.machine
        named.step(seconds=10)
        named.die()
        named.cloud.named = lambda: None
        ask.answer = replace(named.cloud.machine, name="renamed")
        named.cloud.forget()
        named.step(minutes=20)
        assert named.calls == ["lb.prepare", "lb.recover"]

    def test_has_no_work_of_another_machine_that_had_its_name(self, world, ask):
        """The journal came here in an image: its machine had the same name, and another id."""
        world.handler("lb", ROUND)
        world.cloud.announce()
        lived(world, ask, id="vm-old")
        assert world.calls == ["lb.prepare"]
        world.cloud.named = lambda: NAMED
        world.boot_id = "boot-2"
        world.step()
        ask.answer = world.cloud.machine
        world.cloud.forget()
        world.cloud.announce(id="E-2")
        world.step(seconds=10)
        world.step(seconds=1)
        assert [life.ended is None for life in world.journal.lives()] == [True, False, True]
        ours = [episode.event.id for episode in world.journal.unfinished(world.cloud.machine)]
        assert (ours, world.cloud.approvals[-1]) == (["E-2"], "E-2")

    def test_handles_what_is_named_by_the_id_that_the_cloud_has_told(self, named, ask):
        named.cloud.revise(resources=("vm-0",))
        named.step()
        assert named.calls == []
        ask.answer = named.cloud.machine
        named.step(seconds=10)
        assert named.calls == ["lb.prepare"]

    def test_of_a_region_is_the_region(self, world, ask):
        world.cloud.capabilities = Capabilities(scope=Scope.REGION, poll_interval=1.0)
        world.cloud.named = lambda: Machine(provider="test", id="r", name="r", scope=Scope.REGION)
        world.handler("lb", ROUND)
        world.cloud.announce(resources=("any",))
        world.step()
        assert world.calls == ["lb.prepare"]


class TestAMachineThatWasNotNamed:
    def test_has_its_events_told_and_nothing_done_about_them(self, world, ask):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.step(seconds=1)
        assert (world.calls, world.cloud.approvals, world.journal.episodes()) == ([], [], [])
        assert world.told(NoticeKind.PROBLEM) == [
            "announced, for this machine or for others: reboot of web-0 (scheduled, not before 2026-01-01 00:15:00Z)"
        ]
        (told,) = world.told(NoticeKind.UNKNOWN)
        assert told.endswith("fails; until it says, events are told of and nothing is done about them")
        assert (world.agent.status.error, world.agent.status.polls) == ("the instance endpoint fails", 2)
        assert world.agent.status.last_success == world.clock.now()
        assert world.agent.machine is None

    def test_handles_what_is_announced_as_soon_as_the_cloud_says_which_it_is(self, world, ask):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        ask.answer = world.cloud.machine
        world.cloud.poll_faults.append(ProviderError("no"))
        world.step(seconds=1)
        assert world.calls == []
        world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])
        assert world.agent.status.error is None

    def test_handles_what_was_announced_before_without_another_poll(self, world, ask):
        """On some clouds the next poll comes half a minute later."""
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.agent._sources.first.heard = world.cloud.machine
        while world.agent._turn():
            pass
        assert (world.calls, world.cloud.polls) == (["lb.prepare"], 1)

    def test_is_told_of_its_events_again_only_where_they_change(self, world, ask):
        world.cloud.announce()
        for _ in range(30):
            world.step(seconds=1)
        world.cloud.announce(id="E-2", impact="freeze")
        world.step(seconds=1)
        assert len(world.told(NoticeKind.PROBLEM)) == 2


class TestAJournalThatKnowsTheMachine:
    def test_is_believed_within_its_boot(self, world, ask):
        world.handler("lb", ROUND)
        lived(world, ask)
        world.cloud.announce()
        world.step()
        assert (ask.order, world.calls, world.cloud.approvals) == (["poll", "identify"], ["lb.prepare"], [])
        ask.answer = world.cloud.machine
        world.step(seconds=10)
        assert world.cloud.approvals == ["E-1"]

    @pytest.mark.parametrize("boot_id", ["boot-2", ""])
    def test_is_not_believed_in_another_boot_where_it_may_have_come_in_an_image(self, world, ask, boot_id):
        world.handler("lb", ROUND)
        world.cloud.announce()
        lived(world, ask)
        world.boot_id = boot_id
        world.cloud.forget()
        world.step(minutes=30)
        assert world.calls == ["lb.prepare"]
        ask.answer = world.cloud.machine
        world.step(seconds=10)
        assert world.calls == ["lb.prepare", "lb.recover"]

    def test_never_gives_a_name_that_the_cloud_disputed(self, world, ask):
        world.handler("lb", ROUND)
        lived(world, ask, name="web-9", reported_name="web-0")
        world.cloud.announce(resources=("web-9",))
        world.step()
        assert world.calls == []
        assert world.agent.machine.name == "web-0"

    def test_of_another_cloud_says_nothing(self, world, ask):
        lived(world, ask)
        world.cloud.name = "other"
        world.step()
        assert world.agent.machine is None


class TestThePause:
    @pytest.mark.parametrize(("asked", "granted"), [(None, 0), (5, 5), (15, 15), (3600, 15)])
    def test_that_is_asked_for_is_granted_up_to_half_of_the_shortest_notice(self, world, asked, granted):
        assert Pace(world.cloud, 1.0).heeded(ProviderError("busy", retry_after=asked)) == granted

    def test_before_an_approval_is_repeated_is_bounded_too(self, world):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.cloud.approve_faults.append(ProviderError("busy", retry_after=3600))
        world.step()
        world.step(seconds=14)
        assert world.cloud.approvals == ["E-1"]
        world.step(seconds=1)
        assert world.cloud.approvals == ["E-1"] * 2


def test_an_agent_that_is_given_its_machine_asks_nobody(world):
    world.cloud.identify = None
    agent = Agent(
        world.cloud,
        world.app,
        world.journal,
        clock=world.clock,
        machine=world.cloud.machine,
        boot_id="boot-1",
        executor=InlineExecutor(),
    )
    agent.step()
    assert agent.machine == replace(world.cloud.machine, boot_id="boot-1")
    world.clock.advance(timedelta(minutes=1))
    agent.step()
