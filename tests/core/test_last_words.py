"""What the cloud said last is what handlers and the journal have; what it asks us to wait for is waited for."""

from datetime import timedelta

from stormcone import Approval, Outcome, ProviderError
from stormcone.handlers import Stage
from stormcone.model import Capabilities, Ending, Scope

PREPARES = [Stage.PREPARE]
MINUTE = timedelta(minutes=1)


class TestTheNativeStatus:
    def test_at_recover_is_the_clouds_last_word(self, world):
        world.cloud.capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0, reports_outcome=True)
        seen = []
        lb = world.handler("lb")
        world.cloud.announce(native_status="Scheduled")
        world.step()
        world.cloud.start()
        world.cloud.revise(native_status="Executing")
        world.step(seconds=1)
        lb.script.append(lambda event, _context: seen.append((event.native_status, event.outcome)))
        world.cloud.known_outcomes = {"E-1": Ending(Outcome.COMPLETED, "Executed")}
        world.cloud.forget()
        world.step(seconds=1)
        assert seen == [("Executed", Outcome.COMPLETED)]

    def test_is_followed_where_nothing_else_changes(self, world):
        world.handler("lb", PREPARES)
        world.cloud.announce(native_status="Inquiring")
        world.step()
        world.cloud.revise(native_status="Scheduled")
        world.step(seconds=1)
        assert world.episode().event.native_status == "Scheduled"


class TestConsent:
    def test_waits_without_a_limit(self, world):
        """An event that waits for consent does not begin at its time, so neither approval nor prepare end there."""
        world.app = world.app.but(approve_consent=True)
        world.handler("lb", PREPARES)
        world.cloud.approve_faults.extend(ProviderError("no answer") for _ in range(30))
        world.cloud.announce(approval=Approval.CONSENT)
        for _ in range(30):
            world.step(minutes=2)
        assert len(world.cloud.approvals) == 30
        world.step(minutes=2)
        assert world.episode().approved
        assert len(world.cloud.approvals) == 31

    def test_leaves_prepare_the_time_that_it_takes(self, world, held):
        world.app = world.app.but(approve_consent=True)
        world.executor = held
        world.handler("lb", PREPARES)
        announced = world.cloud.announce(approval=Approval.CONSENT)
        world.step()
        (live,) = world.agent._stages.live.values()
        world.step(hours=5)
        assert announced.not_before < world.clock.now()
        assert (live.control.deadline, live.control.stopped) == (None, False)
        held.release()
        world.step()
        assert world.states() == {"lb.prepare": "succeeded"}

    def test_is_prepared_for_again_after_its_time(self, world):
        world.app = world.app.but(approve_consent=True)
        world.handler("lb", PREPARES).script.append(KeyError("x"))
        world.cloud.announce(approval=Approval.CONSENT, not_before=world.clock.now() + timedelta(seconds=1))
        world.step()
        world.step(seconds=5)
        assert world.states() == {"lb.prepare": "succeeded"}


class TestAnApprovalThatIsThrottled:
    def test_is_repeated_when_the_cloud_says(self, world):
        world.handler("lb", PREPARES)
        world.cloud.approve_faults.append(ProviderError("too often", retry_after=10))
        world.cloud.announce()
        world.step()
        world.step(seconds=9)
        assert world.cloud.approvals == ["E-1"]
        world.step(seconds=1)
        assert world.cloud.approvals == ["E-1", "E-1"]

    def test_is_not_repeated_sooner_by_the_next_life(self, world):
        world.handler("lb", PREPARES)
        world.cloud.approve_faults.append(ProviderError("too often", retry_after=10))
        world.cloud.announce()
        world.step()
        world.die()
        world.step(seconds=6)
        assert world.cloud.approvals == ["E-1"]
        world.step(seconds=4)
        assert world.cloud.approvals == ["E-1", "E-1"]
