"""Every fault of the simulators, at every kind of request, on every cloud: the agent stays up, says once what is
wrong, loses no event and invents no end."""

from datetime import timedelta

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.model import Outcome
from stormcone_simulators.http.faults import KINDS

STATUSES = {
    f"status {status}{' with Retry-After' if more else ''}": {"status": status, **more}
    for status, more in (
        (400, {}),
        (401, {}),
        (403, {}),
        (404, {}),
        (410, {}),
        (429, {"retry_after": 3}),
        (429, {}),
        (500, {}),
        (502, {}),
        (503, {"retry_after": 120}),
        (503, {}),
        (504, {}),
    )
}

READABLE = {
    "text",
    "missing_fields",
    "null_fields",
    "wrong_types",
    "unknown_values",
    "odd_dates",
    "new_fields",
    "lost_ids",
    "duplicate_ids",
}
"""Faults that leave a document that says what is scheduled, if less of it."""

FAULTS = {**STATUSES, "delay": {"delay_seconds": 3600}, **{kind: {"kind": kind} for kind in KINDS}}
UNKNOWN = sorted(FAULTS.keys() - READABLE)


def test_the_table_says_of_every_kind_whether_its_answer_can_be_read():
    assert set(KINDS) >= READABLE


@pytest.mark.parametrize("fault", UNKNOWN)
class TestAPollThatSaysNothing:
    def test_is_said_once_and_ends_nothing(self, worlds, cloud, fault):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        last = world.agent.status.last_success
        world.fault(cloud.poll, **FAULTS[fault])
        world.step(4)
        assert len(world.unknown) == 1
        assert "last asked with success" in world.unknown[0]
        assert world.agent.status.last_success == last
        assert world.agent.status.error is not None
        assert world.episode(event).ended is None

    def test_hides_no_event_that_is_still_there_afterwards(self, worlds, cloud, fault):
        world = worlds(approve="never")
        first = world.announce()
        world.step(2)
        world.fault(cloud.poll, **FAULTS[fault])
        world.step(2)
        second = world.announce(hours=5)
        world.step(1)
        world.simulator.faults.clear()
        world.step(2)
        assert world.agent.status.error is None
        assert len(world.told(NoticeKind.ANSWERED)) == 1
        prepared = [event.casefold() for stage, event in world.handler.calls if stage == "prepare"]
        assert sorted(prepared) == sorted([first.casefold(), second.casefold()])
        assert {episode.ended for episode in world.journal.episodes()} == {None}

    def test_makes_no_end_of_an_event_that_ended_meanwhile_but_that_of_the_cloud(self, worlds, cloud, fault):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        world.fault(cloud.poll, **FAULTS[fault])
        world.step(1)
        world.simulator.cancel(event)
        world.step(2)
        assert world.episode(event).ended is None
        world.simulator.faults.clear()
        world.step(2)
        assert world.episode(event).event.outcome is Outcome.CANCELED
        assert [stage for stage, _ in world.handler.calls] == ["prepare", "recover"]


@pytest.mark.parametrize("fault", sorted(READABLE))
class TestAPollThatSaysLess:
    def test_ends_nothing_and_is_not_called_unknown(self, worlds, cloud, fault):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        world.fault(cloud.poll, **FAULTS[fault])
        world.step(4)
        assert world.agent.status.error is None
        assert world.episode(event).ended is None
        assert [stage for stage, of in world.handler.calls if of.casefold() == event.casefold()] == ["prepare"]

    def test_leaves_the_event_as_it_was_known(self, worlds, cloud, fault):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        before = world.episode(event).event
        world.fault(cloud.poll, **FAULTS[fault])
        world.step(2)
        after = world.episode(event).event
        assert (after.impact, after.resources, after.not_before) == (before.impact, before.resources, before.not_before)

    def test_is_said_once_where_something_could_not_be_read(self, worlds, cloud, fault):
        world = worlds(approve="never")
        world.announce()
        world.step(2)
        world.fault(cloud.poll, **FAULTS[fault])
        world.step(4)
        assert len(world.told(NoticeKind.PROBLEM)) <= 1


@pytest.mark.parametrize("fault", sorted(FAULTS))
class TestAnIdentityThatCannotBeRead:
    def test_is_asked_for_again_until_it_can(self, world, cloud, fault):
        world.fault(cloud.identify, **FAULTS[fault])
        event = world.announce()
        world.step(2)
        assert world.agent.machine is None or world.agent.machine.name == cloud.machine
        assert len(world.unknown) <= 1
        world.simulator.faults.clear()
        world.clock.advance(timedelta(minutes=2))  # as long as the endpoint may have asked to be left alone
        world.step(2)
        assert world.agent.machine.name == cloud.machine
        assert world.episode(event) is not None


FINAL = {"status 400", "status 401", "status 403"}
"""What an approval is answered that is not asked again in the same way, on Azure."""


@pytest.mark.parametrize("fault", sorted(FAULTS))
class TestAnApprovalThatGoesWrong:
    def test_is_tried_again_and_prepares_nothing_twice(self, world, cloud, fault):
        event = cloud.approvable(world.simulator, cloud.machine)
        world.fault(cloud.approve, **FAULTS[fault])
        world.step(6)
        assert [stage for stage, _ in world.handler.calls].count("prepare") == 1
        world.simulator.faults.clear()
        world.clock.advance(timedelta(minutes=2))
        world.step(3)
        approvals = world.journal.approvals(world.episode(event).id)
        assert len([approval for approval in approvals if approval.accepted]) <= 1
        known = next(entry for entry in world.simulator.events() if entry["id"] == event)
        refused = bool(approvals) and approvals[-1].final
        assert refused or known["approved_by"] == [cloud.machine]
        assert [stage for stage, _ in world.handler.calls].count("prepare") == 1
