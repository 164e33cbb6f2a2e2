"""One handler file, run by the agent once on each cloud, leaves the same history but for ids and native names."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stormcone import Approval, Impact
from stormcone.handlers.files import load_app

EXAMPLE = Path(__file__).parents[2] / "examples" / "both_clouds.py"

NATIVE = {"provider", "id", "resources", "native", "native_type", "native_status", "description"}
"""Ids and native names: all that may differ."""


def rides_out_a_restart(world):
    event = world.schedule()
    world.poll()
    world.after(minutes=15)
    world.after(minutes=10)
    return event


def has_it_begin_early(world):
    event = world.approvable()
    world.poll(2)
    world.after(minutes=10)
    return event


def sees_it_called_off(world):
    event = world.schedule(Impact.REDEPLOY)
    world.poll()
    world.simulator.cancel(event)
    world.poll()
    return event


def history(world, live):
    """What the journal keeps of the event that `live` leads the agent through, times and all."""
    event = live(world)
    episode = world.episode(event)
    facts = episode.event.model_dump(exclude=NATIVE)
    # What follows is declared in the cloud's row.
    assert facts.pop("approval") in {world.cloud.approval, Approval.NONE}
    assert facts.pop("listing") == world.cloud.name
    facts["outcome_origin"] = (facts["outcome_origin"] == "reported") is world.cloud.says_how_it_ended
    story = [(entry.at, entry.who, entry.what, entry.result) for entry in world.agent.timeline(event)]
    ended = [(at, who, what, "ended" if what == "ended" else result) for at, who, what, result in story]
    assert world.cloud.ended(str(episode.event.outcome)) in [result for *_, result in story]
    return facts, ended, bool(episode.approved)


def app(approve):
    return load_app(str(EXAMPLE)).but(approve=approve)


BEFORE = ["announced", "prepare begins", "prepare ends"]
AFTER = ["ended", "recover begins", "recover ends"]


@pytest.mark.parametrize(
    ("live", "approve", "steps"),
    [
        (rides_out_a_restart, "never", [*BEFORE, "started", *AFTER]),
        (has_it_begin_early, "prepared", [*BEFORE, "asked", "accepted", "started", *AFTER]),
        (sees_it_called_off, "never", [*BEFORE, *AFTER]),
    ],
)
def test_the_history_is_the_same_on_every_cloud(worlds, clouds, live, approve, steps):
    first, *others = (history(worlds(cloud, app=app(approve)), live) for cloud in clouds)
    assert others == [first] * len(others)
    assert others
    assert [what for _, _, what, _ in first[1]] == steps


def sees_a_restart_called_off(world):
    event = world.schedule()
    world.poll()
    world.simulator.cancel(event)
    world.poll()
    return event


@pytest.mark.parametrize(
    ("live", "approve", "steps"),
    [
        (rides_out_a_restart, "never", [*BEFORE, "started", *AFTER]),
        (has_it_begin_early, "prepared", [*BEFORE, "asked", "accepted", "started", *AFTER]),
        (sees_a_restart_called_off, "never", [*BEFORE, *AFTER]),
    ],
)
def test_a_cloud_without_ids_tells_the_same_story(worlds, clouds, live, approve, steps):
    def story(cloud, **early):
        world = worlds(cloud, app=app(approve).but(**early))
        event = live(world)
        return [
            (entry.at, entry.who, entry.what, "ended" if entry.what == "ended" else entry.result)
            for entry in world.agent.timeline(event)
        ]

    # There an approval begins maintenance at once, so the app must say how early it may.
    first = clouds[0]
    told = story(replace(first, name="google"), approve_early=timedelta(hours=1))
    assert told == story(first)
    assert [what for _, _, what, _ in told] == steps


class TestTheExample:
    def test_shows_by_itself_that_both_clouds_tell_one_story(self, clouds, tmp_path):
        shown = subprocess.run(
            [sys.executable, EXAMPLE], capture_output=True, text=True, timeout=30, check=True, cwd=tmp_path
        ).stdout.splitlines()
        heads = [place for place, line in enumerate(shown) if not line.startswith(" ")]
        assert [shown[place] for place in heads] == [cloud.name for cloud in clouds]
        stories = [shown[heads[0] + 1 : heads[1]], shown[heads[1] + 1 :]]
        assert [line.replace(" (inferred)", "") for line in stories[0]] == stories[1]
        assert len(stories[1]) == 9
