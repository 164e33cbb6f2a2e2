"""What the loop keeps in memory is what the journal has, and spares it reading and asking twice."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from tests.core.conftest import make_event

from stormcone import JournalError, Retry
from stormcone.agent import engine
from stormcone.agent.unfinished import Unfinished
from stormcone.clock import Instant
from stormcone.handlers import Stage
from stormcone.model import Observation


def works(world):
    ours = world.agent._engine
    kept, read = ours._unfinished, Unfinished(world.journal, ours.machine)
    assert dict(kept.going_on()) == dict(read.going_on())
    return [*kept], [*read]


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

    def test_forgets_what_was_read_in_a_transaction_that_failed(self, world):
        world.step()
        ours, now = world.agent._engine, Instant.of(world.clock.now())
        kept, before = ours._unfinished, [*ours._unfinished]

        def is_undone():
            ours.observe(Observation(events=(make_event(),)), now)
            assert kept.get(world.journal.episodes()[-1].id) is not None
            raise JournalError("the disk is full")

        with pytest.raises(JournalError), ours.together():
            is_undone()
        assert world.journal.episodes() == []
        assert [*kept] == before == []
        assert dict(kept.going_on()) == {}


class TestTheSameAnswer:
    def test_is_looked_into_once(self, world, monkeypatch):
        looked = []
        usual = engine.advance
        monkeypatch.setattr(engine, "advance", lambda *given: looked.append(given) or usual(*given))
        world.handler("lb")
        world.cloud.announce()
        for _ in range(3):
            world.step(seconds=1)
        world.cloud.forget()
        world.step(seconds=1)
        assert len(looked) == 2
        assert world.calls == ["lb.prepare", "lb.recover"]

    def test_is_looked_into_again_where_it_could_not_be_written_down(self, world, monkeypatch):
        world.handler("lb", [Stage.PREPARE])
        world.cloud.announce()
        usual = world.journal.transaction

        @contextmanager
        def full():
            raise JournalError("the disk is full")
            yield

        monkeypatch.setattr(world.journal, "transaction", full)
        world.step()
        monkeypatch.setattr(world.journal, "transaction", usual)
        world.step(seconds=1)
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


class TestWhatIsDue:
    def looks(self, monkeypatch):
        looked = []
        usual = engine.due_now
        monkeypatch.setattr(engine, "due_now", lambda *given, **named: looked.append(given) or usual(*given, **named))
        return looked

    def test_is_not_looked_for_where_nothing_has_changed(self, world, monkeypatch):
        world.handler("lb", [Stage.PREPARE], lead=timedelta(minutes=5))
        world.cloud.announce()
        world.step()
        looked = self.looks(monkeypatch)
        for _ in range(5):
            world.step(seconds=1)
        assert looked == []
        world.cloud.announce(id="E-2")
        world.step(seconds=1)
        assert looked != []

    def test_begins_when_its_date_comes(self, world):
        world.handler("lb", [Stage.PREPARE], lead=timedelta(minutes=5))
        world.cloud.announce()
        for _ in range(9):
            world.step(minutes=1)
        assert world.calls == []
        world.step(minutes=1)
        assert world.calls == ["lb.prepare"]

    def test_begins_again_when_its_pause_is_over(self, world):
        lb = world.handler("lb", [Stage.PREPARE])
        lb.script.append(Retry(after=30))
        world.cloud.announce()
        for _ in range(4):
            world.step(seconds=10)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]

    def test_begins_when_there_is_room_for_it(self, world):
        world.handler("lb", [Stage.PREPARE], lead=timedelta(minutes=5))
        world.cloud.announce()
        world.step()
        ours, now = world.agent._engine, Instant.of(world.clock.now() + timedelta(minutes=12))
        assert ours.begin_due(now, confirmed={"test"}, most=0).begun == []
        assert len(ours.begin_due(now, confirmed={"test"}, most=1).begun) == 1

    def test_begins_when_its_source_has_been_asked(self, world):
        world.handler("lb", [Stage.PREPARE], lead=timedelta(minutes=5))
        world.cloud.announce()
        world.step()
        ours, now = world.agent._engine, Instant.of(world.clock.now() + timedelta(minutes=12))
        assert ours.begin_due(now, confirmed=()).begun == []
        assert len(ours.begin_due(now, confirmed={"test"}).begun) == 1
