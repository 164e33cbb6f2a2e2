"""An approval that lets a cloud destroy data is given by nobody who has not asked for it: not by default, and not for
other events than the one that a policy has looked at.

On Alibaba Cloud that is the repair of a local disk: to accept it is to let the disk's data go, which no impact says.
"""

import pytest

from stormcone import App, Approval, Handler, Impact, ManualClock
from stormcone.testing import AgentDriver
from stormcone_simulators.alibaba import AlibabaSimulator

REPAIRS = {
    "SystemMaintenance.IsolateErrorDisk": Impact.DEGRADED,
    "SystemMaintenance.ReInitErrorDisk": Impact.DEGRADED,
    "SystemMaintenance.RebootAndIsolateErrorDisk": Impact.REBOOT,
    "SystemMaintenance.RebootAndReInitErrorDisk": Impact.REBOOT,
}


class Drain(Handler):
    lead = None

    def prepare(self, event, context): ...

    def recover(self, event, context): ...


@pytest.fixture
def cloud():
    with AlibabaSimulator(["i-aaa"], clock=ManualClock()) as simulator:
        yield simulator


@pytest.fixture
def accepted(cloud):
    """Has an agent of an app prepare for repairs; answers which of them the cloud was asked to accept."""

    def run(*types, **app):
        events = {cloud.schedule(REPAIRS[name], resources=["i-aaa"], native_type=name): name for name in types}
        with AgentDriver(cloud, App([Drain()], **app)) as agent:
            for _ in range(6):
                agent.step()
                agent.clock.advance(seconds=2)
            for event in events:
                agent.assert_ran(Drain, "prepare", event)
            announced = [agent.journal.changes(episode.id)[0].event for episode in agent.journal.episodes()]
            assert {event.approval for event in announced} == {Approval.CONSENT}
        asked = [request["query"] for request in cloud.requests()]
        return [events[query["EventId"]] for query in asked if query.get("Action") == "AcceptInquiredSystemEvent"]

    return run


@pytest.mark.parametrize("repair", REPAIRS)
class TestARepairThatDestroysADisk:
    @pytest.mark.parametrize(
        "settings",
        [{}, {"approve": "prepared"}, {"approve": lambda _event, _prepared: True}],
        ids=["by default", "prepared", "a policy that says yes"],
    )
    def test_is_accepted_by_no_app_that_has_not_asked_for_it(self, accepted, repair, settings):
        assert accepted(repair, **settings) == []

    def test_is_accepted_once_where_an_app_has(self, accepted, repair):
        assert accepted(repair, approve_consent=True) == [repair]


def test_a_policy_decides_for_each_of_them(accepted):
    wanted = "SystemMaintenance.RebootAndIsolateErrorDisk"
    assert accepted(
        wanted,
        "SystemMaintenance.ReInitErrorDisk",
        approve_consent=True,
        approve=lambda event, prepared: prepared and event.native_type == wanted,
    ) == [wanted]
