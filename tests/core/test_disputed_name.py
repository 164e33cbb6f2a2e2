"""A wrong `--machine` is not believed: it is told, and nothing is approved in that name."""

from dataclasses import replace

import pytest

from stormcone import Machine, NoticeKind
from stormcone.handlers import Stage


@pytest.fixture
def disputed(world):
    world.cloud.machine = replace(world.cloud.machine, reported_name="vm-7")
    return world


def test_the_agent_says_so_at_its_start(disputed):
    disputed.step()
    (told,) = disputed.told(NoticeKind.PROBLEM)
    assert told.startswith("the cloud calls this machine vm-7, not web-0: nothing is approved in that name; ")


def test_nothing_is_approved_in_that_name(disputed):
    disputed.handler("lb", [Stage.PREPARE])
    disputed.cloud.announce()
    disputed.step()
    assert disputed.calls == ["lb.prepare"]
    assert disputed.cloud.approvals == []
    assert disputed.episode().decision == "the cloud calls this machine vm-7, not web-0 (--machine)"


@pytest.mark.parametrize("reported", ["", "web-0", "WEB-0", "vm-0", "other"])
def test_a_name_that_the_cloud_knows_too_is_no_dispute(reported):
    machine = Machine(provider="test", id="vm-0", name="web-0", aliases=("other",), reported_name=reported)
    assert not machine.disputed
