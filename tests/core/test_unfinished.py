"""What the loop keeps in memory is what the journal has, and spares it reading and asking twice."""

from stormcone import JournalError
from stormcone.agent.unfinished import Unfinished
from stormcone.handlers import Stage


def works(world):
    engine = world.agent._engine
    return [*engine._unfinished], [*Unfinished(world.journal, engine.machine)]


class TestMemory:
    def test_follows_an_event_through_its_life(self, world):
        world.handler("lb")
        world.cloud.announce()
        for move in (lambda: None, world.cloud.start, world.cloud.forget):
            move()
            world.step(seconds=1)
            kept, read = works(world)
            assert kept == read
        assert kept == []

    def test_has_what_a_new_life_finds(self, world):
        world.handler("lb")
        world.cloud.announce()
        world.step()
        world.die()
        world.step()
        kept, read = works(world)
        assert kept == read
        assert [work.episode.event.id for work in kept] == ["E-1"]

    def test_is_true_after_a_transaction_that_failed(self, world, monkeypatch):
        world.handler("lb", [Stage.PREPARE])
        world.step()
        usual = world.journal.add_run

        def full(*_arguments):
            raise JournalError("the disk is full")

        monkeypatch.setattr(world.journal, "add_run", full)
        world.cloud.announce()
        world.step(seconds=1)
        assert works(world) == ([], [])
        monkeypatch.setattr(world.journal, "add_run", usual)
        world.step(seconds=1)
        kept, read = works(world)
        assert kept == read != []
        assert world.calls == ["lb.prepare"]


class TestAnIdleTurn:
    def test_reads_nothing_of_the_journal(self, world):
        world.app = type(world.app)(approve="never")
        world.handler("lb")
        for number in range(5):
            world.cloud.announce(id=f"E-{number}")
        world.step()
        statements: list[str] = []
        world.journal._connection.set_trace_callback(statements.append)
        world.clock.advance(seconds=1)
        assert not world.agent._turn()
        world.step(seconds=1)
        assert statements == []

    def test_asks_the_apps_policy_once_for_each_event(self, world):
        asked: list[str] = []

        def policy(event, _prepared):
            asked.append(event.id)
            return False

        world.app = type(world.app)(approve=policy)
        world.handler("lb", [Stage.PREPARE])
        world.cloud.announce(id="E-1")
        world.cloud.announce(id="E-2")
        world.step()
        asked.clear()
        world.clock.advance(seconds=1)
        assert not world.agent._turn()
        assert asked == ["E-1", "E-2"]

    def test_asks_the_policy_once_for_what_is_then_approved(self, world):
        asked: list[str] = []

        def policy(event, _prepared):
            asked.append(event.id)
            return True

        world.app = type(world.app)(approve=policy)
        world.handler("lb", [Stage.PREPARE])
        world.cloud.announce()
        world.step()
        assert asked == ["E-1"]
        assert world.cloud.approvals == ["E-1"]
