"""The rules that the walk over a fleet reads its records by: they find nothing in a sound one, and what is spoilt."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "chaos"
TIME, LATER = "2026-03-01T04:00:00+00:00", "2026-03-01T06:00:00+00:00"


@pytest.fixture(scope="module", autouse=True)
def modules():
    sys.path.insert(0, str(CHAOS))
    yield
    sys.path.remove(str(CHAOS))


def done(at, does, machine, *, event="E", stage="prepare", attempt=1, life=None, not_before=TIME, how=""):
    from fleet.record import Done

    number = life or int(machine[-1])
    return Done(
        at=at, does=does, life=number, machine=machine, event=event, stage=stage, attempt=attempt, how=how,
        not_before=not_before,
    )  # fmt: skip


@pytest.fixture
def sound():
    """An event of two machines: both prepare, one of them approves it with a claim, both recover."""
    from fleet.record import Ask, Claim, Event, Record

    record = Record(scene="agents", seed="", names={1: "db-1", 2: "db-2", 3: "db-3"})
    record.limits = {"db": (("db-1", "db-2", "db-3"), 1)}
    record.events = {"E": Event(id="E", machines=("db-1", "db-2"), times=[(0.0, TIME)], ended=20.0)}
    record.done = [
        done(1.0, "begins", "db-1"),
        done(2.0, "ends", "db-1", how="well"),
        done(3.0, "begins", "db-2"),
        done(4.0, "ends", "db-2", how="well"),
        done(20.0, "begins", "db-1", stage="recover"),
        done(21.0, "ends", "db-1", stage="recover", how="well"),
        done(20.0, "begins", "db-2", stage="recover"),
        done(21.0, "ends", "db-2", stage="recover", how="well"),
    ]
    record.asks = [Ask(at=4.5, by="db-1"), Ask(at=6.0, by="db-1", approves="E")]
    record.claims = [Claim(what="e", epoch=1, holder="db-1", since=5.0, until=15.0)]
    return record


@pytest.fixture
def found(sound):
    """The rules that the record breaks."""
    from fleet.rules import breaches

    return lambda: {breach.partition(":")[0] for breach in breaches(sound)}


def test_a_sound_record_breaks_none(found):
    assert found() == set()


class TestAllWerePrepared:
    @pytest.mark.parametrize("how", ["veto", "retry", "told"])
    def test_where_one_has_not_ended_well(self, sound, found, how):
        sound.done[3] = replace(sound.done[3], how=how)
        assert found() == {"all_were_prepared"}

    def test_where_one_ends_only_later(self, sound, found):
        sound.done[3] = replace(sound.done[3], at=9.0)
        assert found() == {"all_were_prepared"}

    def test_where_the_event_has_moved_since_then(self, sound, found):
        sound.events["E"].times.append((4.2, LATER))
        assert found() == {"all_were_prepared"}

    def test_not_where_it_moved_after_the_sender_had_looked(self, sound, found):
        sound.events["E"].times.append((5.5, LATER))
        assert found() == set()

    def test_where_one_has_recovered_before_the_right_was_given(self, sound, found):
        sound.done.insert(4, done(4.2, "begins", "db-2", stage="recover"))
        assert found() == {"all_were_prepared"}


class TestOneAtATime:
    def test_where_two_have_a_claim(self, sound, found):
        from fleet.record import Claim

        sound.claims.append(Claim(what="E", epoch=2, holder="db-2", since=9.0, until=19.0))
        assert found() == {"one_at_a_time"}

    def test_where_an_epoch_is_given_again(self, sound, found):
        from fleet.record import Claim

        sound.claims.append(Claim(what="E", epoch=1, holder="db-2", since=16.0, until=26.0))
        assert found() == {"one_at_a_time"}

    def test_where_two_get_the_same_epoch(self, sound, found):
        from fleet.record import Claim

        sound.claims.append(Claim(what="E", epoch=1, holder="db-2", since=5.1, until=15.1))
        assert found() == {"one_at_a_time"}


class TestOnlyWhoMay:
    def test_where_the_sender_has_no_claim(self, sound, found):
        sound.claims = [replace(sound.claims[0], holder="db-2")]
        assert found() == {"only_who_may"}

    def test_where_its_claim_has_ended(self, sound, found):
        sound.asks[1] = replace(sound.asks[1], at=16.0)
        assert found() == {"only_who_may"}

    def test_excuses_one_that_has_just_been_frozen_and_counts_it(self, sound, found):
        from fleet.record import Spell
        from fleet.rules import excused

        sound.asks[1] = replace(sound.asks[1], at=16.0)
        sound.spells = [Spell(kind="frozen", target="db-1", since=5.5, until=15.5)]
        assert found() == set()
        assert excused(sound) == 1

    def test_does_not_excuse_one_that_has_had_time_to_look_at_its_clock(self, sound, found):
        from fleet.record import Spell

        sound.asks[1] = replace(sound.asks[1], at=17.0)
        sound.spells = [Spell(kind="frozen", target="db-1", since=5.5, until=15.5)]
        assert found() == {"only_who_may"}


class TestOnce:
    def test_where_nothing_explains_the_second(self, sound, found):
        from fleet.record import Claim

        sound.asks.append(replace(sound.asks[1], at=16.5, by="db-2"))
        sound.claims.append(Claim(what="E", epoch=2, holder="db-2", since=16.0, until=26.0))
        assert found() == {"once"}

    def test_not_where_the_answer_could_be_lost(self, sound, found):
        from fleet.record import Claim, Spell

        sound.asks.append(replace(sound.asks[1], at=16.5, by="db-2"))
        sound.claims.append(Claim(what="E", epoch=2, holder="db-2", since=16.0, until=26.0))
        sound.spells = [Spell(kind="killed", target="db-1", since=6.1, until=9.0)]
        assert found() == set()

    def test_where_the_trouble_came_long_after_the_answer(self, sound, found):
        from fleet.record import Claim, Spell

        sound.asks.append(replace(sound.asks[1], at=96.5, by="db-2"))
        sound.claims.append(Claim(what="E", epoch=2, holder="db-2", since=96.0, until=106.0))
        sound.spells = [Spell(kind="killed", target="database", since=60.0, until=61.0)]
        assert found() == {"once"}


class TestLimits:
    def test_where_one_goes_beside_another(self, sound, found):
        sound.done.insert(4, done(5.0, "begins", "db-3", event="F"))
        assert found() == {"limits_hold"}

    def test_where_an_event_of_two_leads_past_a_limit_of_two(self, sound, found):
        from fleet.record import Event

        sound.limits = {"db": (("db-1", "db-2", "db-3"), 2)}
        sound.events["F"] = Event(id="F", machines=("db-3",), times=[(0.0, TIME)], ended=20.0)
        sound.done.insert(0, done(0.5, "begins", "db-3", event="F"))
        assert found() == {"limits_hold"}

    def test_not_where_all_others_are_back(self, sound, found):
        sound.done.append(done(22.0, "begins", "db-3", event="F"))
        assert found() == set()

    def test_not_where_it_goes_for_another_event_at_the_same_moment_that_names_all_who_are_away(self, sound, found):
        from fleet.record import Event

        sound.events["F"] = Event(id="F", machines=("db-3",), times=[(0.0, TIME)], ended=20.0)
        sound.events["G"] = Event(id="G", machines=("db-1", "db-2", "db-3"), times=[(0.0, TIME)], ended=20.0)
        sound.done[4:4] = [done(5.0, "begins", "db-3", event="F"), done(5.0, "begins", "db-3", event="G")]
        assert found() == set()


class TestRuns:
    def test_where_two_make_the_same_attempt(self, sound, found):
        sound.done.insert(3, done(3.5, "begins", "db-2", life=3))
        assert found() == {"each_attempt_once"}

    def test_where_one_goes_on_that_has_lost_its_run(self, sound, found):
        sound.done[4:4] = [done(4.1, "begins", "db-2", life=3, attempt=2), done(6.0, "works", "db-2")]
        assert found() == {"nobody_goes_on"}

    def test_not_where_it_was_frozen(self, sound, found):
        from fleet.record import Spell

        sound.done[4:4] = [done(4.1, "begins", "db-2", life=3, attempt=2), done(6.0, "works", "db-2")]
        sound.spells = [Spell(kind="frozen", target="db-2", since=3.5, until=5.9)]
        assert found() == set()


def test_where_another_than_the_holder_writes(sound, found):
    from fleet.record import Write

    sound.writes = [Write(at=1.0, by="watcher-0", holder="watcher-1")]
    assert found() == {"only_the_holder_writes"}


def test_where_something_is_not_over_at_the_end(sound, found):
    sound.unsettled = ["E goes on"]
    assert found() == {"nothing_is_lost"}
