"""What the journal tells is the same on every cloud: the same scenarios, the same handler, the same expectations."""

import pytest

from stormcone import GiveUp, Impact, Outcome, Phase
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins

PREPARED = ["Recorder prepare begins", "Recorder prepare ends: succeeded"]
STARTED = ["cloud started", "Recorder started begins", "Recorder started ends: succeeded"]
RECOVERED = ["Recorder recover begins", "Recorder recover ends: succeeded"]
APPROVED = ["approval asked", "approval accepted: prepared by Recorder"]
ANNOUNCED = "cloud announced: not before 2026-01-01 00:15:00Z"


def test_every_cloud_that_is_installed_is_in_the_table(clouds):
    installed = set(load_plugins(PROVIDERS).found) & set(load_plugins(SIMULATORS).found)
    assert installed == {cloud.name for cloud in clouds}


@pytest.fixture
def unapproved(worlds, cloud):
    """An agent that leaves approving to people, so that events keep their times."""
    return worlds(cloud, approve="never")


class TestAnEventThatTakesPlace:
    def test_is_prepared_for_begins_at_its_time_and_is_recovered_from(self, unapproved, cloud):
        event = unapproved.schedule()
        unapproved.poll()
        assert unapproved.story(event) == [ANNOUNCED, *PREPARED]
        unapproved.after(minutes=15)
        unapproved.after(minutes=10)
        ended = f"cloud ended: {cloud.ended('completed')}"
        assert unapproved.story(event) == [ANNOUNCED, *PREPARED, *STARTED, ended, *RECOVERED]

    def test_is_approved_once_it_is_prepared_for_where_the_cloud_takes_approvals(self, worlds, cloud):
        world = worlds(cloud, approve_consent=True)
        event = world.approvable()
        world.poll(5)
        world.after(minutes=10)
        story = world.story(event)
        ended = f"cloud ended: {cloud.ended('completed')}"
        assert story[1:] == [*PREPARED, *APPROVED, *STARTED, ended, *RECOVERED]
        assert story[0].startswith("cloud announced: ")
        assert world.approvals() == 1

    def test_of_which_the_start_was_never_seen_is_recovered_from(self, unapproved, cloud):
        event = unapproved.schedule()
        unapproved.poll()
        unapproved.after(minutes=26)
        ended = f"cloud ended: {cloud.ended('completed')}"
        assert unapproved.story(event) == [ANNOUNCED, *PREPARED, ended, *RECOVERED]

    def test_that_was_first_seen_started_had_no_notice_and_no_prepare(self, world, cloud):
        event = world.surprise()
        world.poll()
        world.after(minutes=10)
        story = world.story(event)
        assert story[1:] == [*STARTED[1:], f"cloud ended: {cloud.ended('completed')}", *RECOVERED]
        assert world.stages(event) == ["started", "recover"]

    def test_ends_while_the_machine_is_down_and_is_recovered_from_after_the_boot(self, unapproved):
        event = unapproved.schedule()
        unapproved.poll()
        unapproved.agent.clock.advance(minutes=26)
        unapproved.agent.restart(boot_id="boot-2")
        unapproved.poll(2)
        assert unapproved.stages(event) == ["prepare", "recover"]
        assert unapproved.episode(event).event.outcome is Outcome.COMPLETED


class TestAnEventThatDoesNot:
    def test_is_called_off_and_recovered_from_all_the_same(self, unapproved, cloud):
        event = unapproved.schedule()
        unapproved.poll()
        unapproved.simulator.cancel(event)
        unapproved.poll()
        ended = f"cloud ended: {cloud.ended('canceled')}"
        assert unapproved.story(event) == [ANNOUNCED, *PREPARED, ended, *RECOVERED]

    def test_is_not_recovered_from_where_nothing_was_prepared(self, worlds, cloud):
        world = worlds(cloud)
        world.handler.impacts = {Impact.TERMINATE}
        event = world.schedule()
        world.poll()
        world.simulator.cancel(event)
        world.poll()
        assert world.handler.calls == []
        assert world.episode(event).event.outcome is Outcome.CANCELED


class TestAnEventThatMoves:
    def test_is_told_as_revised_and_keeps_its_one_preparation(self, unapproved):
        event = unapproved.schedule()
        unapproved.poll()
        later = unapproved.agent.clock.now().replace(hour=1, minute=0, second=0)
        unapproved.simulator.change(event, not_before=later)
        unapproved.poll()
        revised = unapproved.story(event)[-1]
        assert revised.startswith("cloud revised: not_before")
        assert revised.endswith(": not before 2026-01-01 01:00:00Z")
        unapproved.after(minutes=30)
        assert unapproved.episode(event).event.phase is Phase.SCHEDULED
        assert unapproved.stages(event) == ["prepare"]


class TestEventsOfOthers:
    def test_of_a_neighbour_are_shown_where_the_cloud_shows_them_and_never_handled(self, world, cloud):
        event = world.schedule(resources=[cloud.machines[1]])
        world.poll()
        assert world.told() == [event] * cloud.shows_neighbours
        assert world.handler.calls == []
        assert world.approvals() == 0


class TestEventsSideBySide:
    def test_have_each_a_story_of_their_own(self, unapproved):
        restart, move = unapproved.schedule(Impact.REBOOT), unapproved.schedule(Impact.REDEPLOY)
        unapproved.poll()
        unapproved.simulator.cancel(restart)
        unapproved.poll()
        unapproved.after(minutes=15)
        unapproved.after(minutes=10)
        assert unapproved.stages(restart) == ["prepare", "recover"]
        assert unapproved.stages(move) == ["prepare", "started", "recover"]
        outcomes = [unapproved.episode(event).event.outcome for event in (restart, move)]
        assert outcomes == [Outcome.CANCELED, Outcome.COMPLETED]


class TestAHandlerThatFails:
    def test_is_tried_again_and_its_attempts_are_counted(self, world):
        failures = iter([OSError("busy"), OSError("busy")])

        def fail_twice():
            for error in failures:
                raise error

        world.handler.script["prepare"] = fail_twice
        event = world.schedule()
        for _ in range(4):
            world.after(seconds=10)
        assert [line for line in world.story(event) if "prepare" in line and "accepted" not in line] == [
            "Recorder prepare begins (attempt 1)",
            "Recorder prepare ends: error: OSError: busy",
            "Recorder prepare begins (attempt 2)",
            "Recorder prepare ends: error: OSError: busy",
            "Recorder prepare begins (attempt 3)",
            "Recorder prepare ends: succeeded",
        ]

    def test_keeps_the_event_from_being_approved(self, worlds, cloud):
        def fail():
            raise GiveUp("the pool does not let go")

        world = worlds(cloud, approve_consent=True)
        world.handler.script["prepare"] = fail
        event = world.approvable()
        world.poll(5)
        assert world.approvals() == 0
        assert world.episode(event).decision == "Recorder did not prepare"


class TestAnAgentThatIsStartedAgain:
    def test_prepares_for_nothing_twice(self, unapproved):
        event = unapproved.schedule()
        unapproved.poll(2)
        unapproved.agent.restart()
        unapproved.poll(2)
        assert unapproved.stages(event) == ["prepare"]

    def test_approves_nothing_twice(self, worlds, cloud):
        world = worlds(cloud, approve_consent=True)
        event = world.approvable()
        world.poll(2)
        world.agent.restart()
        world.poll(3)
        assert world.episode(event).approved
        assert world.approvals() == 1


class TestPollsThatFail:
    @pytest.mark.parametrize(
        "fault",
        [
            {"status": 500},
            {"status": 503},
            {"kind": "reset"},
            {"kind": "half_body"},
            {"kind": "junk"},
            {"kind": "empty"},
            {"body": "{}"},
            {"body": "<html>busy</html>"},
        ],
        ids=str,
    )
    def test_say_unknown_and_neither_end_nor_begin_anything(self, unapproved, cloud, fault):
        if ("" if fault.get("kind") == "empty" else fault.get("body")) in cloud.readable:
            pytest.skip(f"on {cloud.name} that is an answer")
        event = unapproved.schedule()
        unapproved.poll()
        before = unapproved.story(event)
        unapproved.simulator.faults.add(**cloud.polled, **fault)
        unapproved.poll(2)
        assert unapproved.agent.agent.status.error is not None
        assert unapproved.story(event) == before
        unapproved.simulator.faults.clear()
        unapproved.poll()
        assert unapproved.agent.agent.status.error is None
        assert unapproved.story(event) == before

    def test_may_hide_the_end_which_is_told_once_they_succeed_again(self, unapproved, cloud):
        event = unapproved.schedule()
        unapproved.poll()
        unapproved.simulator.faults.add(**cloud.polled, status=503)
        unapproved.simulator.cancel(event)
        unapproved.poll(2)
        assert unapproved.episode(event).ended is None
        unapproved.simulator.faults.clear()
        unapproved.poll()
        assert unapproved.story(event)[-3] == f"cloud ended: {cloud.ended('canceled')}"


class TestApprovalsThatFail:
    def test_are_sent_again_until_one_is_accepted(self, worlds, cloud):
        world = worlds(cloud, approve_consent=True)
        event = world.approvable()
        world.simulator.faults.add(**cloud.approved, status=503, times=1)
        for _ in range(4):
            world.after(seconds=30)
        answers = [line.partition(":")[0] for line in world.story(event) if line.startswith("approval ")]
        assert answers == ["approval asked", "approval failed", "approval asked", "approval accepted"]
        assert world.approvals() == 2

    def test_count_as_given_where_only_the_answer_was_lost(self, worlds, cloud):
        world = worlds(cloud, approve_consent=True)
        event = world.approvable()
        world.simulator.faults.add(**cloud.approved, kind="reset", times=1)
        for _ in range(4):
            world.after(seconds=30)
        assert world.episode(event).event.phase is Phase.STARTED
        assert world.simulator.events()[0]["approved_by"] == [world.machine]
        assert world.stages(event) == ["prepare", "started"]


class TestScenarios:
    def test_that_give_notice_are_prepared_for_and_recovered_from(self, worlds, cloud):
        for scenario in sorted(cloud.announcements):
            world = worlds(cloud)
            assert _played(world, scenario) == ["prepare", "started", "recover"], scenario

    def test_that_give_none_are_recovered_from(self, worlds, cloud):
        for scenario in sorted(cloud.surprises):
            world = worlds(cloud)
            assert _played(world, scenario) == ["started", "recover"], scenario


def _played(world, scenario):
    """The stages that a scenario of one event calls for."""
    world.simulator.play(scenario)
    for _ in range(120):
        world.after(seconds=30)
        if not world.agent.agent.status.error and all(known.ended for known in world.agent.journal.episodes()):
            break
    (episode,) = world.agent.journal.episodes()
    return world.handler.stages(episode.event.id)
