"""What a notice says to programs beside its text: how long, how it ended, and which rule decided."""

from stormcone.agent.notices import NoticeKind
from stormcone.handlers import Stage


def only(world, kind):
    (notice,) = [notice for notice in world.notices if notice.kind is kind]
    return notice


class TestWhatAttemptsSay:
    def test_since_when_one_could_have_begun(self, world):
        world.handler("lb", (Stage.PREPARE,), lead=None)
        world.handler("db", (Stage.PREPARE,), lead=None).script.append(None)
        world.app.handlers[0].script.append(lambda _event, _context: world.clock.advance(seconds=7))
        world.cloud.announce()
        world.step()
        begun = [(each.handler, each.attempt, each.seconds) for each in world.notices if each.kind == "run_begun"]
        assert begun == [("lb", 1, 0.0), ("db", 1, 7.0)]

    def test_the_lead_is_no_delay(self, world):
        event = world.cloud.announce()
        world.handler("lb", (Stage.PREPARE,), lead=(event.not_before - world.clock.now()) / 3)
        world.step()
        world.step(minutes=10)
        world.step(seconds=2)
        assert only(world, NoticeKind.RUN_BEGUN).seconds == 0.0

    def test_a_recovery_is_counted_from_the_end_that_was_seen(self, world):
        world.handler("lb", (Stage.PREPARE, Stage.RECOVER))
        world.cloud.announce()
        world.step()
        world.cloud.start()
        world.step(minutes=15)
        world.cloud.forget()
        world.step(minutes=5)
        assert [each.seconds for each in world.notices if each.kind is NoticeKind.RUN_BEGUN] == [0.0, 0.0]

    def test_how_long_it_took_and_how_it_ended(self, world):
        def work(_event, _context):
            world.clock.advance(seconds=3)
            raise RuntimeError("boom")

        world.handler("lb", (Stage.PREPARE,), retries=0).script.append(work)
        world.cloud.announce()
        world.step()
        ended = only(world, NoticeKind.RUN_FAILED)
        assert (ended.verdict, ended.seconds, ended.attempt) == ("error", 3.0, 1)


def test_a_decision_names_its_rule(world):
    world.cloud.announce(resources=("web-0", "web-1"))
    world.step()
    decided = only(world, NoticeKind.DECIDED)
    assert (decided.rule, decided.answer) == ("neighbours", "no")
