"""Putting events off, and having a cloud wait while work goes on: `Postpones`, `Extends`."""

from datetime import timedelta
from itertools import pairwise

import pytest
from tests.core.conftest import NOW, Cloud, World

from stormcone.agent.notices import NoticeKind
from stormcone.agent.workers import InlineExecutor
from stormcone.errors import HandlerMistake, ProviderError, RequestRefused
from stormcone.handlers import App, Stage
from stormcone.model import Capabilities, Machine, Phase, Scope
from stormcone.rules.approval import Facts
from stormcone.rules.postponing import put_off_until

ROUND = (Stage.PREPARE, Stage.RECOVER)
DAY = timedelta(days=1)
MACHINE = Machine(provider="test", id="vm-0", name="web-0")
HOOK = {"heartbeat": timedelta(seconds=60), "not_before": NOW + timedelta(minutes=10)}
MOVABLE = {"not_before": NOW + 2 * DAY, "movable_until": NOW + 9 * DAY}


class Movable(Cloud):
    """A cloud whose events can be put off, and that waits where it hears that work goes on."""

    capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0, can_approve=True, can_postpone=True)

    def __init__(self) -> None:
        super().__init__()
        self.asked = []
        self.heard = []
        self.faults = []
        self.moves = True

    def postpone(self, event, until):
        self.asked.append((event.id, until))
        if self.faults:
            raise self.faults.pop(0)
        if self.moves:
            self.revise(event.id, not_before=until)

    def extend(self, event):
        self.heard.append(event.id)
        if self.faults:
            raise self.faults.pop(0)


@pytest.fixture
def movable(path):
    """A world whose app postpones each event once."""
    world = World(path, postpone="once")
    world.cloud = Movable()
    yield world
    world.die()


class TestTheRule:
    def until(self, event, runs=(), machine=MACHINE, **settings):
        app = App(**{"postpone": "once", **settings})
        return put_off_until(Facts(event=event, machine=machine, runs=runs, app=app, now=NOW))

    def test_is_off_unless_somebody_wants_it(self, event):
        assert self.until(event(**MOVABLE), postpone="never") is None
        assert App().approval.postpone == "never"

    def test_moves_as_far_as_the_cloud_lets_it(self, event):
        assert self.until(event(**MOVABLE)) == NOW + 9 * DAY

    def test_moves_no_farther_than_is_wanted(self, event):
        assert self.until(event(**MOVABLE), postpone_by=DAY) == NOW + 3 * DAY
        assert self.until(event(**MOVABLE), postpone_by=30 * DAY) == NOW + 9 * DAY

    @pytest.mark.parametrize(
        "changes",
        [
            {"movable_until": None},
            {"movable_until": NOW + 2 * DAY},
            {"movable_until": NOW + 2 * DAY + timedelta(seconds=59)},
            {"not_before": None},
            {"not_before": NOW},
            {"phase": Phase.STARTED},
            {"tentative": True},
            {"resources": ("web-1",)},
            {"resources": ("web-0", "web-1")},
        ],
        ids=str,
    )
    def test_leaves_other_events_where_they_are(self, event, changes):
        assert self.until(event(**{**MOVABLE, **changes})) is None

    def test_lets_the_leader_speak_for_all(self, event):
        both = event(**MOVABLE, resources=("web-0", "web-1"))
        assert self.until(both, leader="first") == NOW + 9 * DAY
        assert self.until(both, leader="web-1") is None

    def test_has_no_say_in_a_name_that_the_cloud_disputes(self, event):
        disputed = Machine(provider="test", id="vm-0", name="web-0", reported_name="web-9")
        assert self.until(event(**MOVABLE), machine=disputed) is None

    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({"postpone": "always"}, "'never' or 'once'"),
            ({"postpone_by": DAY}, "set postpone='once' as well"),
            ({"postpone": "once", "postpone_by": 5}, "postpone_by"),
        ],
    )
    def test_refuses_settings_that_say_nothing(self, settings, why):
        with pytest.raises(HandlerMistake, match=why):
            App(**settings)


class TestTheAgent:
    def test_puts_an_event_off_once(self, movable):
        movable.handler("lb", ROUND)
        movable.cloud.announce(**MOVABLE)
        movable.step()
        for _ in range(3):
            movable.step(minutes=1)
        assert movable.cloud.asked == [("E-1", NOW + 9 * DAY)]
        assert movable.episode().event.not_before == NOW + 9 * DAY
        assert movable.calls == []
        assert not movable.episode().approved

    def test_says_so(self, movable):
        movable.cloud.announce(**MOVABLE)
        movable.step()
        (said,) = movable.told(NoticeKind.POSTPONED)
        assert "is put off until 2026-01-10" in said

    def test_does_not_where_work_for_it_has_begun(self, movable):
        movable.handler("lb", ROUND, lead=None)
        movable.cloud.announce(**{**MOVABLE, "movable_until": None})
        movable.step()
        movable.cloud.revise(movable_until=NOW + 9 * DAY)
        movable.step(seconds=1)
        assert (movable.calls, movable.cloud.asked) == (["lb.prepare"], [])

    def test_asks_before_it_prepares(self, movable):
        movable.handler("lb", ROUND)
        movable.cloud.announce(not_before=NOW + timedelta(minutes=30), movable_until=NOW + DAY)
        movable.step()
        movable.step(seconds=1)
        assert (movable.calls, len(movable.cloud.asked)) == ([], 1)

    def test_prepares_where_the_cloud_does_not_move_it_after_all(self, movable):
        movable.cloud.moves = False
        movable.handler("lb", ROUND)
        movable.cloud.announce(not_before=NOW + timedelta(minutes=30), movable_until=NOW + DAY)
        movable.step()
        assert movable.calls == []
        movable.step(seconds=60)
        assert movable.calls == ["lb.prepare"]

    def test_does_not_repeat_it_in_another_life(self, movable):
        movable.cloud.moves = False
        movable.cloud.announce(**MOVABLE)
        movable.step()
        movable.die()
        movable.step(hours=1)
        assert len(movable.cloud.asked) == 1

    def test_asks_again_where_the_answer_was_lost_and_not_after_a_no(self, movable):
        movable.cloud.faults = [ProviderError("hung up"), RequestRefused("too late")]
        movable.cloud.announce(**MOVABLE)
        movable.step()
        movable.step(seconds=1)
        movable.step(minutes=5)
        movable.step(hours=5)
        assert len(movable.cloud.asked) == 2
        first, second = movable.told(NoticeKind.APPROVAL_FAILED)
        assert "hung up" in first
        assert "too late" in second

    def test_does_not_in_a_dry_run(self, movable):
        movable.dry_run = True
        movable.cloud.announce(**MOVABLE)
        movable.step()
        assert movable.cloud.asked == []

    def test_does_not_where_the_provider_cannot_now(self, movable):
        movable.cloud.capabilities = Cloud.capabilities
        movable.cloud.announce(**MOVABLE)
        movable.step()
        assert movable.cloud.asked == []


JUMPS = pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1), -30 * DAY], ids=str)


@JUMPS
class TestAWallClockThatJumps:
    """The intervals of what is repeated are those of the monotonic clock; which event is near is a matter of dates."""

    def test_makes_no_second_request_of_one(self, movable, jump):
        movable.cloud.moves = False
        movable.cloud.announce(**MOVABLE)
        movable.step()
        movable.clock.jump(jump)
        movable.step(minutes=10)
        movable.die()
        movable.step(minutes=10)
        assert len(movable.cloud.asked) == 1

    def test_repeats_one_whose_answer_was_lost_neither_at_once_nor_never(self, movable, jump):
        movable.cloud.faults = [ProviderError("hung up")]
        movable.cloud.announce(**MOVABLE)
        movable.step()
        movable.clock.jump(jump)
        movable.step(seconds=0.1)
        assert len(movable.cloud.asked) == 1
        movable.step(minutes=5)
        assert len(movable.cloud.asked) == 2

    def test_that_makes_the_event_near_puts_it_off_all_the_same_while_its_time_is_to_come(self, movable, jump):
        movable.step()
        movable.clock.jump(jump)
        begins = movable.clock.now() + timedelta(minutes=5)
        movable.cloud.announce(not_before=begins, movable_until=begins + DAY)
        movable.step(seconds=1)
        assert movable.cloud.asked == [("E-1", begins + DAY)]

    def test_leaves_what_was_put_off_before_it_where_it_is(self, movable, jump):
        movable.handler("lb", ROUND)
        movable.cloud.announce(**MOVABLE)
        movable.step()
        movable.clock.jump(jump)
        movable.step(minutes=1)
        assert movable.episode().event.not_before == NOW + 9 * DAY
        assert movable.calls == []


class TestACloudThatWaitsWhileWorkGoesOn:
    @pytest.fixture
    def held(self):
        class Holds(InlineExecutor):
            """Lets only stages wait."""

            def submit(self, work, name):
                if "lb" not in name:
                    work()

        return Holds()

    def pace(self, world):
        at = []
        for second in range(200):
            before = len(world.cloud.heard)
            world.step(seconds=1)
            at += [second] * (len(world.cloud.heard) - before)
        return at

    def test_hears_of_it_twice_in_its_patience(self, movable, held):
        movable.handler("lb", ROUND)
        movable.step()
        movable.executor = held
        movable.cloud.announce(**HOOK)
        at = self.pace(movable)
        assert len(at) >= 6
        assert all(later - earlier == 30 for earlier, later in pairwise(at))

    @JUMPS
    def test_hears_of_it_as_often_while_the_wall_clock_jumps(self, movable, held, jump):
        """An hour forward, and nobody need hear twice; an hour back, and nobody may hear nothing for an hour."""
        movable.handler("lb", ROUND)
        movable.step()
        movable.executor = held
        movable.cloud.announce(heartbeat=HOOK["heartbeat"], not_before=NOW + 90 * DAY)
        movable.app.handlers[0].lead = None
        at = []
        for second in range(200):
            if second == 45:
                movable.clock.jump(jump)
            before = len(movable.cloud.heard)
            movable.step(seconds=1)
            at += [second] * (len(movable.cloud.heard) - before)
        assert len(at) >= 6
        assert all(later - earlier == 30 for earlier, later in pairwise(at))

    def test_hears_nothing_once_all_is_prepared(self, movable):
        movable.handler("lb", ROUND)
        movable.cloud.announce(**HOOK)
        movable.step()
        once = list(movable.cloud.heard)
        assert movable.calls == ["lb.prepare"]
        assert self.pace(movable) == []
        assert once == ["E-1"]  # while it prepared

    def test_is_not_asked_again_where_it_waits_no_longer(self, movable, held):
        movable.handler("lb", ROUND)
        movable.step()
        movable.executor = held
        movable.cloud.faults = [RequestRefused("no such action")]
        movable.cloud.announce(**HOOK)
        assert len(self.pace(movable)) == 1
        assert any("could not be asked to wait" in text for text in movable.told(NoticeKind.PROBLEM))

    def test_is_asked_again_after_a_fault(self, movable, held):
        movable.handler("lb", ROUND)
        movable.step()
        movable.executor = held
        movable.cloud.faults = [ProviderError("503")]
        movable.cloud.announce(**HOOK)
        assert len(self.pace(movable)) >= 6
