"""The agent's lives on one journal: what is repeated, what is not, and what follows from a boot between them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.agent.workers import InlineExecutor
from stormcone.errors import ProviderError
from stormcone.handlers import App, Stage
from stormcone.model import Outcome, Scope

ROUND = (Stage.PREPARE, Stage.RECOVER)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def cut_off(world, held):
    """The agent has died in the middle of lb.prepare."""
    world.executor = held
    world.handler("lb")
    world.handler("db", ROUND)
    world.cloud.announce()
    world.step()
    assert world.states() == {"lb.prepare": "running", "db.prepare": "pending"}
    world.die()
    world.executor = InlineExecutor()
    return world


class TestAfterARestart:
    def test_what_succeeded_is_not_repeated(self, world):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.die()
        world.step(minutes=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])

    def test_what_was_cut_off_is_repeated_as_another_attempt(self, cut_off):
        cut_off.step(seconds=1)
        assert cut_off.calls == ["lb.prepare#2", "db.prepare"]
        assert cut_off.cloud.approvals == ["E-1"]
        first, second = cut_off.journal.attempts(1)
        assert (first.verdict, second.verdict) == (None, "succeeded")
        assert cut_off.told(NoticeKind.IDENTIFIED)[-1].endswith("; 1 unfinished run(s) of the last life go on")

    def test_what_was_cut_off_waits_until_the_cloud_has_been_asked(self, cut_off):
        cut_off.cloud.poll_faults.append(ProviderError("no"))
        cut_off.step(seconds=1)
        assert cut_off.calls == []
        cut_off.step(seconds=1)
        assert cut_off.calls == ["lb.prepare#2", "db.prepare"]

    def test_a_prepare_that_was_cut_off_is_not_repeated_once_the_event_is_gone(self, cut_off):
        cut_off.cloud.forget()
        cut_off.step(minutes=20)
        assert cut_off.calls == ["lb.recover"]
        assert cut_off.states() == {"lb.prepare": "dropped", "db.prepare": "dropped", "lb.recover": "succeeded"}

    def test_a_prepare_that_was_cut_off_is_not_repeated_once_the_event_has_begun(self, cut_off):
        cut_off.cloud.start()
        cut_off.step(minutes=20)
        assert cut_off.calls == ["lb.started"]

    @pytest.mark.parametrize("answers", [True, False])
    def test_a_prepare_that_was_cut_off_after_the_end_is_not_repeated_beside_recovery(self, world, held, answers):
        world.executor = held
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        assert world.states() == {"lb.prepare": "running", "lb.recover": "pending"}
        world.die()
        world.executor = InlineExecutor()
        if not answers:
            world.cloud.poll_faults.append(ProviderError("no"))
        world.step(seconds=1)
        world.step(seconds=1)
        assert world.calls == ["lb.recover"]

    def test_a_prepare_that_was_cut_off_when_the_event_began_is_not_repeated(self, world, held):
        world.executor = held
        world.handler("lb")
        world.cloud.announce()
        world.step()
        world.cloud.start()
        world.step(minutes=1)
        world.die()
        world.executor = InlineExecutor()
        world.step(seconds=1)
        assert world.calls == ["lb.started"]
        world.cloud.forget()
        world.step(seconds=1)
        assert world.calls == ["lb.started", "lb.recover"]

    def test_recovery_runs_for_an_event_that_went_meanwhile(self, world):
        world.handler("lb", ROUND)
        world.handler("db", ROUND)
        world.cloud.announce()
        world.step()
        world.die()
        world.cloud.forget()
        world.step(minutes=30)
        assert world.calls == ["lb.prepare", "db.prepare", "db.recover", "lb.recover"]
        assert world.episode().event.outcome is Outcome.COMPLETED

    def test_recovery_that_was_cut_off_is_repeated_even_before_the_cloud_answers(self, world, held):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.executor = held
        world.step(minutes=1)
        world.die()
        world.executor = InlineExecutor()
        world.step()
        assert world.calls == ["lb.prepare", "lb.recover#2"]

    def test_recovery_that_succeeded_is_not_repeated(self, world):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        for _ in range(2):
            world.die()
            world.step(minutes=1)
        assert world.calls == ["lb.prepare", "lb.recover"]

    def test_a_retry_keeps_its_time(self, world):
        world.handler("lb", ROUND).script.append(OSError("x"))
        world.cloud.announce()
        world.step()
        world.die()
        world.step(seconds=0.5)
        assert world.calls == ["lb.prepare"]
        world.step(seconds=0.5)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]

    def test_nothing_is_approved_until_the_cloud_has_been_asked(self, world, held):
        world.handler("lb", ROUND)
        world.executor = held
        world.cloud.announce()
        world.step()
        held.release()
        world.agent._take_in()
        world.die()
        world.executor = InlineExecutor()
        world.cloud.poll_faults.append(ProviderError("no"))
        world.step(seconds=1)
        assert world.states() == {"lb.prepare": "succeeded"}
        assert world.cloud.approvals == []
        world.step(seconds=1)
        assert world.cloud.approvals == ["E-1"]

    def test_a_handler_that_is_no_longer_there_holds_up_nobody(self, cut_off):
        cut_off.app = App([cut_off.app.handler("db")])
        cut_off.step(seconds=1)
        assert cut_off.states() == {"lb.prepare": "dropped", "db.prepare": "succeeded"}
        cut_off.cloud.forget()
        cut_off.step(minutes=1)
        assert cut_off.calls == ["db.prepare", "db.recover"]

    def test_lives_are_told_apart(self, world):
        for _ in range(2):
            world.step()
            world.die()
        assert [life.id for life in world.journal.lives()] == [1, 2]


class TestAnApprovalWhoseAnswerWasLost:
    @pytest.fixture
    def lost(self, world, held):
        world.handler("lb", ROUND)
        world.executor = held
        world.cloud.announce()
        world.step()
        held.release()
        world.step()
        held.held.clear()
        world.die()
        world.executor = InlineExecutor()
        return world

    def test_is_repeated_and_recorded_as_such(self, lost):
        lost.step(seconds=1)
        first, second = lost.journal.approvals(1)
        assert (first.answered, first.accepted) == (None, None)
        assert (second.accepted, second.note) == (True, "prepared by lb; repeated, since the answer was lost")
        assert lost.cloud.approvals == ["E-1"]
        lost.step(minutes=1)
        assert lost.cloud.approvals == ["E-1"]

    def test_is_not_repeated_after_the_events_time(self, lost):
        lost.step(minutes=15)
        assert lost.cloud.approvals == []

    def test_counts_as_given_when_the_event_has_gone(self, lost):
        lost.cloud.forget()
        lost.step(seconds=1)
        assert lost.episode().event.outcome is Outcome.COMPLETED


class TestAnotherBoot:
    @pytest.mark.parametrize(
        ("impact", "boot_id", "outcome"),
        [
            ("reboot", "boot-2", Outcome.COMPLETED),
            ("reboot", "boot-1", Outcome.CANCELED),
            ("freeze", "boot-2", Outcome.CANCELED),
        ],
    )
    def test_tells_a_reboot_that_happened_from_one_that_was_called_off(self, world, impact, boot_id, outcome):
        world.app = world.app.but(approve="never")
        world.handler("lb", ROUND)
        world.cloud.announce(impact=impact)
        world.step()
        world.die()
        world.boot_id = boot_id
        world.cloud.forget()
        world.step(minutes=5)
        assert world.episode().event.outcome is outcome
        assert world.calls == ["lb.prepare", "lb.recover"]

    def test_is_known_by_the_cloud_where_it_says_so(self, world):
        world.cloud.machine = replace(world.cloud.machine, boot_id="the cloud's")
        world.step()
        assert world.agent.machine.boot_id == "the cloud's"


class TestTheJournalOfAnotherMachine:
    def test_that_came_in_an_image_has_no_work_for_this_one(self, cut_off):
        cut_off.cloud.machine = replace(cut_off.cloud.machine, id="vm-1", name="web-1")
        cut_off.cloud.forget()
        for _ in range(3):
            cut_off.step(minutes=10)
        assert (cut_off.calls, cut_off.cloud.approvals) == ([], [])
        assert cut_off.told(NoticeKind.IDENTIFIED)[-1] == "watching web-1 on test"
        assert cut_off.states() == {"lb.prepare": "running", "db.prepare": "pending"}

    def test_does_not_keep_this_one_from_an_event_of_the_same_id(self, cut_off):
        cut_off.cloud.machine = replace(cut_off.cloud.machine, id="vm-1", name="web-1")
        cut_off.cloud.revise(resources=("web-0", "web-1"))
        cut_off.step(seconds=1)
        assert cut_off.calls == ["lb.prepare", "db.prepare"]
        assert [episode.number for episode in cut_off.journal.episodes()] == [1, 1]


class TestAnAgentOfARegion:
    def test_does_not_take_its_own_boots_for_those_of_the_machines_that_it_watches(self, world):
        world.cloud.machine = replace(world.cloud.machine, scope=Scope.REGION)
        world.cloud.announce(approval="none")
        world.step()
        world.die()
        world.boot_id = "another boot"
        world.cloud.forget()
        world.step(minutes=1)
        assert world.episode().event.outcome is Outcome.CANCELED


class TestAHandlerThatIsNewInThisLife:
    def test_prepares_for_what_was_announced_before_and_is_waited_for(self, world):
        world.cloud.announce(resources=("web-0", "db-0"))
        world.handler("lb", ROUND)
        world.step()
        world.die()
        world.handler("db", ROUND)
        world.app = world.app.but(leader="first")
        world.step(minutes=1)
        assert world.calls == ["lb.prepare", "db.prepare"]
        assert world.cloud.approvals == ["E-1"]

    def test_runs_started_where_the_event_has_begun(self, world):
        world.cloud.announce(phase="started")
        world.handler("lb")
        world.step()
        world.die()
        world.handler("db")
        world.step(minutes=1)
        assert world.calls == ["lb.started", "db.started"]


class NoMoreThreads:
    """An executor that has no thread for the first pieces of work."""

    def __init__(self, refusals):
        self.refusals = refusals

    def submit(self, work, name):
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("can't start new thread")
        work()


def test_an_event_that_says_another_providers_name_is_no_less_ours_in_the_next_life(world):
    world.handler("lb", ROUND)
    world.cloud.announce(provider="elsewhere")
    world.step()
    assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])
    world.die()
    world.step(minutes=1)
    world.cloud.start()
    world.step(minutes=1)
    world.cloud.forget()
    world.step(minutes=1)
    assert world.calls == ["lb.prepare", "lb.recover"]
    assert [episode.event.provider for episode in world.journal.episodes()] == ["elsewhere"]


def test_work_for_which_there_is_no_thread_is_tried_again(world):
    world.executor = NoMoreThreads(1)
    world.handler("lb", ROUND)
    world.cloud.announce()
    world.step()
    assert world.calls == []
    world.step(seconds=5)
    assert world.calls == ["lb.prepare#2"]
    assert world.cloud.approvals == ["E-1"]
