"""A dry run goes through everything, and does nothing."""

from datetime import timedelta

from stormcone.agent.notices import NoticeKind
from stormcone.model import Outcome


def test_no_handler_runs_nothing_is_approved_and_what_would_be_done_is_said(world):
    world.dry_run = True
    world.handler("lb")
    world.cloud.announce()
    world.step()
    world.cloud.start()
    world.step(minutes=1)
    world.cloud.forget()
    world.step(minutes=10)
    assert world.calls == []
    assert world.cloud.approvals == []
    assert [notice.text for notice in world.notices if notice.kind is NoticeKind.RUN_ENDED] == [
        "lb.prepare done (dry run: not carried out)",
        "lb.started done (dry run: not carried out)",
        "lb.recover done (dry run: not carried out)",
    ]
    (decided,) = [notice.text for notice in world.notices if notice.kind is NoticeKind.DECIDED]
    assert decided == "reboot of web-0 is to be approved: prepared by lb"


def test_what_would_not_be_approved_is_said_as_well(world):
    world.dry_run = True
    world.handler("lb")
    world.cloud.announce(resources=("web-0", "db-0"))
    world.step()
    (decided,) = [notice.text for notice in world.notices if notice.kind is NoticeKind.DECIDED]
    assert "also names db-0" in decided


def test_an_event_that_would_have_been_approved_counts_as_called_off_when_it_goes_early(world):
    world.dry_run = True
    world.handler("lb")
    world.cloud.announce()
    world.step()
    world.cloud.forget()
    world.step(minutes=1)
    assert world.episode().event.outcome is Outcome.CANCELED


class TestTheStandby:
    def test_approves_once_the_leader_has_been_silent_for_too_long(self, world):
        world.app = world.app.but(leader="first", standby="web-0", standby_after=timedelta(minutes=5))
        world.handler("lb")
        world.cloud.announce(resources=("db-0", "web-0"))
        world.step()
        world.step(minutes=4)
        assert world.cloud.approvals == []
        world.step(minutes=1)
        world.step(minutes=1)
        assert world.cloud.approvals == ["E-1"]

    def test_does_not_where_the_leader_has_let_it_begin(self, world):
        world.app = world.app.but(leader="first", standby="web-0", standby_after=timedelta(minutes=5))
        world.handler("lb")
        world.cloud.announce(resources=("db-0", "web-0"))
        world.step()
        world.cloud.start()
        world.step(minutes=6)
        assert world.cloud.approvals == []
