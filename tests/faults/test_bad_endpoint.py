"""Every fault of the simulators, at every kind of request, on every cloud: the agent stays up, says once what is
wrong, loses no event and invents no end."""

from datetime import timedelta

import pytest
from tests.faults.conftest import SAYS_LESS, Reads

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

FAULTS = {**STATUSES, "delay": {"delay_seconds": 3600}, **{kind: {"kind": kind} for kind in KINDS}}


def test_the_table_says_of_every_kind_whether_its_answer_can_be_read():
    assert set(KINDS) >= SAYS_LESS


@pytest.fixture
def told(cloud, fault):
    """What is told where a fault spoils what a poll is answered: a `NoticeKind`."""
    reads = cloud.reading(fault)
    if reads is Reads.ALL:
        pytest.skip("what is scheduled can be read all the same")
    return reads.value


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - SAYS_LESS))
class TestAPollThatSaysNothing:
    def test_is_said_once_and_ends_nothing(self, worlds, cloud, fault, told):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        last = world.agent.status.last_success
        world.spoil(fault, FAULTS[fault])
        world.step(4)
        assert len(world.told(told)) == 1
        assert len(world.unknown) == (told is NoticeKind.UNKNOWN)
        if world.unknown:
            assert "last asked with success" in world.unknown[0]
            assert world.agent.status.last_success == last
            assert world.agent.status.error is not None
        assert world.episode(event).ended is None

    def test_hides_no_event_that_is_still_there_afterwards(self, worlds, cloud, fault, told):
        world = worlds(approve="never")
        first = world.announce()
        world.step(2)
        world.spoil(fault, FAULTS[fault])
        world.step(2)
        second = world.announce_another()
        world.step(1)
        world.heal()
        assert world.agent.status.error is None
        assert len(world.told(NoticeKind.ANSWERED)) == (told is NoticeKind.UNKNOWN)
        assert [world.stages(first), world.stages(second)] == [["prepare"], ["prepare"]]
        assert len(world.handler.calls) == 2
        assert {episode.ended for episode in world.journal.episodes()} == {None}

    def test_makes_no_end_of_an_event_that_ended_meanwhile_but_that_of_the_cloud(self, worlds, fault, told):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        world.spoil(fault, FAULTS[fault])
        world.step(1)
        world.simulator.cancel(event)
        world.step(2)
        assert world.episode(event).ended is None
        world.heal()
        assert world.episode(event).event.outcome is Outcome.CANCELED
        assert [stage for stage, _ in world.handler.calls] == ["prepare", "recover"]


@pytest.mark.parametrize("fault", sorted(SAYS_LESS))
class TestAPollThatSaysLess:
    def test_ends_nothing_and_is_not_called_unknown(self, worlds, fault):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        world.spoil(fault, FAULTS[fault])
        world.step(4)
        assert world.agent.status.error is None
        assert world.episode(event).ended is None
        assert world.stages(event) == ["prepare"]

    def test_leaves_the_event_as_it_was_known(self, worlds, fault):
        world = worlds(approve="never")
        event = world.announce()
        world.step(2)
        before = world.episode(event).event
        world.spoil(fault, FAULTS[fault])
        world.step(2)
        after = world.episode(event).event
        assert (after.impact, after.resources, after.not_before) == (before.impact, before.resources, before.not_before)

    def test_is_said_once_where_something_could_not_be_read(self, worlds, fault):
        world = worlds(approve="never")
        world.announce()
        world.step(2)
        world.spoil(fault, FAULTS[fault])
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
        world.heal()
        assert world.agent.machine.name == cloud.machine
        assert world.episode(event) is not None


FINAL = {"status 400", "status 401", "status 403"}
"""What an approval is answered that is not asked again in the same way, on Azure."""


@pytest.mark.parametrize("fault", sorted(FAULTS))
class TestAnApprovalThatGoesWrong:
    def test_is_tried_again_and_prepares_nothing_twice(self, world, cloud, fault):
        if cloud.approve is None:
            pytest.skip("nothing can be approved from within an instance")
        event = cloud.approvable(world.simulator, cloud.machine)
        world.fault(cloud.approve, **FAULTS[fault])
        world.step(6)
        assert [stage for stage, _ in world.handler.calls].count("prepare") == 1
        world.heal()
        world.step()
        approvals = world.journal.approvals(world.episode(event).id)
        assert len([approval for approval in approvals if approval.accepted]) <= 1
        known = next(entry for entry in world.simulator.events() if entry["id"] == event)
        refused = bool(approvals) and approvals[-1].final
        assert refused or known["approved_by"] == [cloud.machine]
        assert [stage for stage, _ in world.handler.calls].count("prepare") == 1


ON_ONE_LIST = sorted(
    {"status 403", "status 429 with Retry-After", "status 503", *KINDS, "delay"} - SAYS_LESS - {"no_entries"}
)
"""Of the statuses those that mean different things; 404 and a document without entries mean another on each list."""


@pytest.mark.parametrize("fault", ON_ONE_LIST)
class TestOneListThatCannotBeRead:
    def test_ends_none_of_its_events_while_the_others_end_theirs(self, one_list, fault):
        world, spoilt = one_list
        orders = {name: order for name, (_, order, _) in world.cloud.lists.items()}
        where, _, nothing = world.cloud.lists[spoilt]
        if fault in nothing:
            pytest.skip("so it says that nothing is announced there")
        events = {name: world.announce(started_for=timedelta(hours=1), **order) for name, order in orders.items()}
        kept, others = events.pop(spoilt), [*events.values()]
        world.step(2)
        world.fault(where, **FAULTS[fault])
        for event in others:
            world.simulator.start(event)
            world.simulator.complete(event)
        world.step(3)
        assert world.episode(kept).ended is None
        assert [world.stages(event)[-1] for event in others] == ["recover"] * len(others)
        assert (len(world.unknown), len(world.told(NoticeKind.PROBLEM))) == (0, 1)
        assert world.agent.status.error is None
        world.heal()
        assert world.episode(kept).ended is None
        world.simulator.complete(kept)
        world.step(2)
        assert world.stages(kept)[-1] == "recover"
