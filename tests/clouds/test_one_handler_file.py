"""One handler file, run by the agent once on each cloud, leaves the same history but for ids and native names.

A cell of the table is empty where a cloud has no such event; why is what its simulator or its row says.
"""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stormcone import Approval, Impact
from stormcone.errors import SimulationError
from stormcone.handlers.files import load_app
from stormcone.plugins import provider_class

EXAMPLE = Path(__file__).parents[2] / "examples" / "every_cloud.py"

NATIVE = {"provider", "id", "resources", "native", "native_type", "native_status", "description"}
"""Ids and native names: all that may differ, but for what a cloud's row declares."""


def rides_out_a_restart(world):
    event = world.schedule()
    world.poll()
    world.after(minutes=15)
    world.after(minutes=10)
    return event


def has_a_restart_begin_early(world):
    event = world.approvable()
    world.poll(2)
    world.after(minutes=10)
    return event


def sees_a_restart_called_off(world):
    event = world.schedule()
    world.poll()
    world.simulator.cancel(event)
    world.poll()
    return event


def sees_a_move_called_off(world):
    event = world.schedule(Impact.REDEPLOY)
    world.poll()
    world.simulator.cancel(event)
    world.poll()
    return event


class Story(NamedTuple):
    """What an agent is led through: how, what the app says of approval, and what the journal tells in the end."""

    live: Any
    approve: str
    steps: list[str]


BEFORE = ["announced", "prepare begins", "prepare ends"]
AFTER = ["ended", "recover begins", "recover ends"]
STORIES = (
    Story(rides_out_a_restart, "never", [*BEFORE, "started", *AFTER]),
    Story(has_a_restart_begin_early, "prepared", [*BEFORE, "asked", "accepted", "started", *AFTER]),
    Story(sees_a_restart_called_off, "never", [*BEFORE, *AFTER]),
    Story(sees_a_move_called_off, "never", [*BEFORE, *AFTER]),
)

EMPTY = {
    ("aws", has_a_restart_begin_early): "no call that lets it begin earlier",
    ("aws", sees_a_move_called_off): "no event with the impact redeploy",
    ("google", sees_a_move_called_off): "no event with the impact redeploy",
}
"""The cells that no cloud's own facts can fill."""


def history(world, live):
    """What the journal keeps of the event that `live` leads the agent through, times and all."""
    event = live(world)
    episode = world.episode(event)
    facts = episode.event.model_dump(exclude=NATIVE | set(world.cloud.own))
    # What follows is declared in the cloud's row.
    assert facts.pop("approval") in {world.cloud.approval, Approval.NONE}
    assert facts.pop("listing").partition("/")[0] == world.cloud.name
    facts["outcome_origin"] = (facts["outcome_origin"] == "reported") is world.cloud.says_how_it_ended
    story = [(entry.at, entry.who, entry.what, entry.result) for entry in world.agent.timeline(event)]
    ended = [(at, who, what, "ended" if what == "ended" else result) for at, who, what, result in story]
    assert world.cloud.ended(str(episode.event.outcome)) in [result for *_, result in story]
    return facts, ended, bool(episode.approved)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.live.__name__)
def test_the_history_is_the_same_on_every_cloud(worlds, clouds, cloud, story):
    def told(row):
        world = worlds(row, app=load_app(str(EXAMPLE)).but(approve=story.approve))
        facts, *rest = history(world, story.live)
        return {name: fact for name, fact in facts.items() if name not in cloud.own}, *rest

    here = told(cloud)
    assert here == told(clouds[0])
    assert [what for _, _, what, _ in here[1]] == story.steps


class TestACellThatIsEmpty:
    """It is skipped above; here is why."""

    def test_is_one_of_those_that_no_fact_of_the_cloud_can_fill(self, worlds, clouds):
        empty = {}
        for cloud in clouds:
            for story in STORIES:
                try:
                    story.live(worlds(cloud, approve=story.approve))
                except pytest.skip.Exception as why:
                    empty[cloud.name, story.live] = str(why)
        assert empty.keys() == EMPTY.keys()
        for cell, why in empty.items():
            assert EMPTY[cell] in why

    def test_is_so_by_what_provider_and_simulator_say_themselves(self, worlds, cloud):
        can_approve = provider_class(cloud.name).capabilities.can_approve
        assert can_approve is not bool(cloud.not_approvable)
        world = worlds(cloud)
        try:
            world.simulator.schedule(Impact.REDEPLOY, resources=[world.machine], notice=timedelta(minutes=15))
        except SimulationError:
            assert (cloud.name, sees_a_move_called_off) in EMPTY
        else:
            assert (cloud.name, sees_a_move_called_off) not in EMPTY


def test_what_a_cloud_tells_in_its_own_way_is_declared_and_no_more(worlds, clouds, cloud):
    def facts(row):
        world = worlds(row, app=load_app(str(EXAMPLE)).but(approve="never"))
        event = sees_a_restart_called_off(world)
        return world.episode(event).event.model_dump(exclude=NATIVE | {"approval", "listing", "outcome_origin"})

    first, here = facts(clouds[0]), facts(cloud)
    assert {name for name in here if here[name] != first[name]} <= cloud.own


class TestTheExample:
    def test_shows_by_itself_that_every_cloud_tells_one_story(self, clouds, tmp_path):
        shown = subprocess.run(
            [sys.executable, EXAMPLE], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path
        ).stdout.splitlines()
        stories, lines = {}, []
        for line in shown:
            if line.startswith(" "):
                lines.append(line.replace(" (inferred)", ""))
            else:
                stories[line] = lines = []
        assert stories.keys() == {row.name for row in clouds}
        first = stories[clouds[0].name]
        assert len(first) == 9
        unasked = [line for line in first if "approval" not in line]
        for row in clouds:
            assert stories[row.name] == (unasked if row.not_approvable else first), row.name
