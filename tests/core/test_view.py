"""What others may see of the agent's loop, from any thread, without holding it up."""

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.errors import ProviderError
from stormcone.handlers import Stage


class TestTheView:
    def test_shows_the_machine_the_events_and_what_was_done_for_them(self, world):
        world.handler("lb", (Stage.PREPARE,))
        world.cloud.announce()
        world.step()
        view = world.agent.view
        (work,) = view.works
        assert (view.machine.name, view.app, view.journal) == ("web-0", world.app, str(world.path))
        assert (work.episode.event.id, [run.state.value for run in work.runs]) == ("E-1", ["succeeded"])

    def test_shows_the_stages_that_run_with_their_deadlines(self, world, held):
        world.handler("lb", (Stage.PREPARE,))
        world.executor = held
        event = world.cloud.announce()
        world.step()
        (running,) = world.agent.view.running
        assert (running.event, running.handler, running.stage, running.attempt) == ("E-1", "lb", Stage.PREPARE, 1)
        assert (running.begun, running.deadline) == (world.clock.now(), event.not_before)
        held.release()
        world.step()
        assert world.agent.view.running == ()

    def test_counts_polls_and_failures_of_each_source(self, world):
        world.step()
        world.cloud.poll_faults.append(ProviderError("no route to host"))
        world.step(seconds=1)
        status = world.agent.view.sources["test"]
        assert (status.polls, status.failures, status.error) == (2, 1, "no route to host")
        assert (status.interval, world.clock.monotonic() - status.succeeded) == (1.0, 1.0)

    def test_says_why_the_journal_cannot_be_written_and_when_it_can_again(self, world):
        world.step()
        world.journal._connection.execute("PRAGMA query_only = ON")
        world.cloud.announce()
        world.step(seconds=1)
        assert "readonly" in world.agent.view.journal_error
        world.journal._connection.execute("PRAGMA query_only = OFF")
        world.step(seconds=1)
        assert world.agent.view.journal_error == ""

    def test_whoever_is_told_of_each_turn_cannot_end_the_agent(self, world):
        def broken(view):
            raise RuntimeError("boom")

        world.agent._on_turn = broken
        world.cloud.announce()
        world.step()
        world.step(seconds=1)
        (complaint,) = world.told(NoticeKind.PROBLEM)
        assert complaint == "whoever is told of each turn failed: RuntimeError: boom"
        assert len(world.agent.view.works) == 1

    @pytest.mark.parametrize("seconds", [0.0, 30.0])
    def test_is_of_the_last_turn(self, world, seconds):
        world.step(seconds=seconds)
        assert world.agent.view.seconds == world.clock.monotonic()
