"""Which known event a sighting is of, where an id could not be read."""

import pytest

from stormcone.handlers import Stage
from stormcone.model import Approval, EventKey, Observation, Origin, Phase
from stormcone.rules import identity

ROUND = (Stage.PREPARE, Stage.RECOVER)


def without_id(event, **changes):
    """The event as it is seen where its id cannot be read."""
    spoilt = {"id": "inferred-1", "id_origin": Origin.INFERRED, "approval": Approval.NONE}
    return event.but(**{**spoilt, "withheld": "it has no id", **changes})


@pytest.fixture
def spoil(world, monkeypatch):
    """Has the cloud's answers changed: `spoil(change)`, and `spoil(None)` for true ones again."""
    true = world.cloud.poll

    def put(change):
        def spoilt():
            seen = true()
            return Observation(events=tuple(map(change, seen.events)), whole=frozenset()) if change else seen

        monkeypatch.setattr(world.cloud, "poll", spoilt)

    return put


class TestAnIdThatCannotBeReadForAWhile:
    def test_is_neither_a_new_event_nor_the_end_of_ours(self, world, spoil):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        spoil(without_id)
        world.step(seconds=1)
        spoil(None)
        world.step(seconds=1)
        assert world.calls == ["lb.prepare"]
        (episode,) = world.journal.episodes()
        assert (episode.event.id, episode.event.id_origin, episode.event.phase) == ("E-1", "reported", Phase.SCHEDULED)

    def test_hides_neither_the_beginning_nor_keeps_anything_from_ending(self, world, spoil):
        world.handler("lb")
        world.cloud.announce()
        world.step()
        world.cloud.start()
        spoil(without_id)
        world.step(seconds=1)
        assert world.calls[1:] == ["lb.started"]
        world.cloud.forget()
        spoil(None)
        world.step(seconds=1)
        assert world.calls[2:] == ["lb.recover"]

    def test_is_recognized_as_often_as_it_happens(self, world, spoil):
        world.handler("lb", ROUND)
        spoil(without_id)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        spoil(None)
        world.step(seconds=1)  # it has come and gone without its id being read
        assert world.calls == ["lb.prepare", "lb.recover"]
        world.cloud.announce(id="E-2")
        world.step(seconds=1)
        spoil(without_id)
        world.step(seconds=1)
        assert world.calls[2:] == ["lb.prepare"]

    def test_forbids_to_approve_meanwhile(self, world, spoil, event):
        lb = world.handler("lb", ROUND)
        lb.script.append(RuntimeError("not now"))
        world.cloud.announce()
        world.step()
        spoil(without_id)
        world.step(seconds=5)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]
        assert world.cloud.approvals == []
        spoil(None)
        world.step(seconds=1)
        assert world.cloud.approvals == ["E-1"]

    def test_is_that_of_the_event_that_fits_and_of_no_other(self, world, spoil):
        world.handler("lb", ROUND)
        world.cloud.announce(id="E-1", native_type="Freeze")
        world.cloud.announce(id="E-2", native_type="Reboot", resources=("db-0", "web-0"))
        world.step()
        spoil(lambda event: without_id(event) if event.id == "E-2" else event)
        world.step(seconds=1)
        assert world.calls == ["lb.prepare"] * 2
        assert len(world.journal.episodes()) == 2


class TestAnEventThatIsFirstSeenWithoutItsId:
    def test_is_the_same_one_when_the_id_comes(self, world, spoil):
        world.handler("lb", ROUND)
        world.cloud.announce()
        spoil(without_id)
        world.step()
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], [])
        spoil(None)
        world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])
        (episode,) = world.journal.episodes()
        assert episode.event.key == EventKey("test", "e-1")
        world.cloud.forget()
        world.step(minutes=20)
        assert world.calls[1:] == ["lb.recover"]

    def test_is_another_one_where_something_else_differs(self, world, spoil):
        world.handler("lb", ROUND)
        world.cloud.announce(native_type="Reboot")
        spoil(lambda event: without_id(event, native_type="Freeze"))
        world.step()
        spoil(None)
        world.step(seconds=1)
        assert sorted(world.calls) == ["lb.prepare", "lb.prepare", "lb.recover"]


def test_thousands_of_other_events_are_not_compared_with_one_another(event, monkeypatch):
    compared = []
    monkeypatch.setattr(identity, "_may_be", lambda *pair: compared.append(pair))
    before = {event(id=f"A-{number}").key: event(id=f"A-{number}") for number in range(2000)}
    now = [event(id=f"B-{number}") for number in range(2000)]
    unnamed = [without_id(event(), id=f"inferred-{number}", resources=(f"m{number}",)) for number in range(2000)]
    assert len(identity.recognized(before, before, [*now, *unnamed])) == 4000
    assert not compared
