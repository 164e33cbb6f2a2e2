"""Many members of one group that wait for their turn at once, in a real PostgreSQL."""

import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.fleet.conftest import BLOCKED, CLAIM, waits_for_a_lock

from stormcone.clock import ManualClock
from stormcone.errors import FleetError
from stormcone.fleet.contract import Saying, TurnSaid
from stormcone.fleet.memory import MemoryFleet
from stormcone.model import EventKey
from stormcone.rules.agreement import VoteState
from stormcone.rules.boards import FRONT
from stormcone.rules.limits import TOLD, TurnState
from stormcone.testing.conformance.fleets import a_member, an_event

psycopg = pytest.importorskip("psycopg")

from hypothesis import settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test  # noqa: E402

from stormcone.fleet import turns  # noqa: E402 - it needs the driver
from stormcone.fleet.postgresql import PostgresqlFleet  # noqa: E402
from stormcone.fleet.tables import TABLES, json_of  # noqa: E402
from stormcone.postgresql.address import DatabaseAddress  # noqa: E402

TIME = datetime(2026, 3, 1, 4, tzinfo=UTC)
BUSY = "waits for its turn: others are decided on at this moment"


@pytest.fixture
def fresh(monkeypatch):
    """Boards that a slow machine does not take for old."""
    monkeypatch.setattr(turns, "FRESH", timedelta(minutes=10))


def key_of(number):
    return EventKey("test", f"event-of-{number:03}")


def saying(number, limit="1", **given):
    """A member that waits; those with lower numbers come first."""
    turn = TurnSaid(**{"away": False, "until": TIME + timedelta(minutes=number), "what": "reboot"} | given)
    name = f"m{number:03}"
    said = an_event(name, key=key_of(number), vote=VoteState.PREPARING, turn=turn)
    return Saying(member=a_member(name, groups={"db": limit}), events=(said,))


def ask(fleet, number, limit="1", **given):
    """Have a member say that it waits; answers whether it has its turn, and what else it is told."""
    told = fleet.exchange(saying(number, limit, **given))
    return told.turns[key_of(number)].state is TurnState.HELD, told


def leave(fleet, number, limit="1"):
    """Have a member say that it is back."""
    fleet.exchange(Saying(member=saying(number, limit).member))


def grow(fleet, other, size):
    """Have so many wait while one is away."""
    ask(fleet, 0)
    ask(fleet, 1)
    numbers = "(SELECT lpad(i::text, 3, '0') AS n FROM generate_series(2, %s) AS i) AS more"
    other.execute(
        "INSERT INTO members SELECT fleet, replace(id, '001', n), replace(name, '001', n), "
        "array[replace(name, '001', n)], seen, silence, groups, about "
        f"FROM members, {numbers} WHERE name = 'm001'",
        [size],
    )
    other.execute(
        "INSERT INTO said (fleet, member, provider, event, said, since, until, held, withdrawn, changed) SELECT fleet, "
        "replace(member, '001', n), provider, replace(event, '001', n), replace(said::text, '001', n)::jsonb, since, "
        f"until + n::int * interval '1 minute', held, withdrawn, changed FROM said, {numbers} "
        "WHERE event = 'event-of-001'",
        [size],
    )
    other.execute("UPDATE groups SET drawn = NULL")
    other.commit()


class Asked:
    """What is asked of the server: statements, and rows that come back."""

    def __init__(self, monkeypatch):
        self.statements = self.rows = 0
        really = psycopg.Connection.execute

        def execute(connection, *given, **named):
            cursor = really(connection, *given, **named)
            self.statements += 1
            self.rows += max(cursor.rowcount, 0)
            return cursor

        monkeypatch.setattr(psycopg.Connection, "execute", execute)

    def by(self, work):
        before = self.statements, self.rows
        work()
        return self.statements - before[0], self.rows - before[1]


class TestOneOfMany:
    def test_asks_and_is_told_no_more_than_one_of_a_few(self, fleet, other, monkeypatch, fresh):
        """Whether it decides, is told from the board, or gets its turn; neither names each of them."""
        asked, found = Asked(monkeypatch), {}
        for size in (30, 300):
            other.execute("DROP SCHEMA IF EXISTS stormcone_fleet CASCADE")
            other.commit()
            fleet._ready = False
            grow(fleet, other, size)
            decides = asked.by(lambda: ask(fleet, 2))
            told = asked.by(lambda: ask(fleet, 2))
            held, snapshot = ask(fleet, 2)
            assert not held
            assert (snapshot.groups["db"].size(snapshot.at), snapshot.groups["db"].room(snapshot.at)) == (size + 1, 0)
            assert len(snapshot.groups["db"].members) <= TOLD
            leave(fleet, 0)
            gets = asked.by(lambda: ask(fleet, 1))
            assert ask(fleet, 1)[0]
            found[size] = decides, told, gets
        assert found[30] == found[300]
        (_, (statements, rows), _) = found[30]
        assert (statements, rows) <= (9, 12)

    def test_knows_whether_its_turn_may_come_soon(self, fleet, other, fresh):
        grow(fleet, other, 30)
        assert ask(fleet, FRONT)[1].soon
        assert not ask(fleet, FRONT + 1)[1].soon
        assert not ask(fleet, 29)[1].soon

    def test_is_told_what_it_waits_for(self, fleet, other, fresh):
        grow(fleet, other, 30)
        for _ in range(2):  # once by who decides, once by the board
            assert ask(fleet, 20)[1].refused == {key_of(20): ("waits for its turn in group db: m000 is away (reboot)",)}
        leave(fleet, 0)
        for _ in range(2):
            why = "waits for its turn in group db: others wait whose time runs out sooner"
            assert ask(fleet, 20)[1].refused == {key_of(20): (why,)}

    @pytest.mark.parametrize("change", ["seen = seen - interval '11 minutes'", ""], ids=["silent", "away already"])
    def test_waits_for_none_that_is_away_itself(self, fleet, other, fresh, change):
        """More of them than it is told of by name wait for an event that comes sooner."""
        for number in range(TOLD + 2):
            ask(fleet, number, "9", away=not change)
        other.execute("UPDATE said SET held = false")
        if change:
            other.execute(f"UPDATE members SET {change}")
        else:
            other.execute(
                "INSERT INTO said (fleet, member, provider, event, said, since, held, withdrawn, changed) "
                "SELECT fleet, member, provider, 'other', said, since, true, false, changed FROM said"
            )
        other.commit()
        assert ask(fleet, 50, "9")[0]
        assert ask(fleet, 51, "9")[0]
        assert not ask(fleet, 52, "9")[0]

    def test_comes_first_once_another_waits_for_longer(self, fleet, fresh):
        ask(fleet, 0)
        for number in (1, 2):
            assert not ask(fleet, number)[0]
        leave(fleet, 0)
        assert not ask(fleet, 2)[0]
        assert not ask(fleet, 1, until=TIME + timedelta(hours=1))[0]
        assert ask(fleet, 2)[0]

    def test_gets_its_turn_as_soon_as_it_is_the_first(self, fleet, other, fresh):
        grow(fleet, other, 30)
        assert not ask(fleet, 1)[0]
        leave(fleet, 0)
        assert not ask(fleet, 2)[0]
        assert ask(fleet, 1)[0]
        assert not ask(fleet, 2)[0]


class TestABoard:
    def test_refuses_without_the_lock(self, fleet, other, fresh):
        ask(fleet, 0)
        ask(fleet, 1)
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        assert not waits_for_a_lock(other, lambda: ask(fleet, 1))
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        assert not waits_for_a_lock(other, lambda: ask(fleet, 2)), "nor does one that is new"
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        assert not waits_for_a_lock(other, lambda: leave(fleet, 0)), "nor one that makes room"

    def test_that_is_old_has_one_at_a_time_decide(self, fleet, other):
        ask(fleet, 0)
        ask(fleet, 1)
        other.execute("UPDATE groups SET drawn = drawn - interval '1 minute'")
        other.commit()
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        assert not waits_for_a_lock(other, lambda: ask(fleet, 1))

    def test_is_believed_for_a_second(self, fleet, other, monkeypatch):
        ask(fleet, 0)
        ask(fleet, 1)
        monkeypatch.setattr(turns, "FRESH", timedelta(minutes=10))
        other.execute("UPDATE said SET held = false, withdrawn = true WHERE event = 'event-of-000'")
        other.commit()
        assert not ask(fleet, 1)[0]
        monkeypatch.setattr(turns, "FRESH", timedelta(seconds=1))
        other.execute("UPDATE groups SET drawn = drawn - interval '1 second'")
        other.commit()
        assert ask(fleet, 1)[0]

    def test_gives_no_turn(self, fleet, other, fresh):
        """It says that there is room; by now there is none."""
        ask(fleet, 0)
        leave(fleet, 0)
        ask(fleet, 1, limit="2")
        ask(fleet, 2, limit="2", away=True)
        leave(fleet, 1, limit="2")
        other.execute("UPDATE groups SET board = jsonb_set(board, '{room}', '5'), drawn = clock_timestamp()")
        other.commit()
        assert not ask(fleet, 3)[0]

    @pytest.mark.parametrize("again", ["is back", "is heard again", "is forgotten", "says another limit"])
    def test_is_drawn_anew_at_once_where_there_may_be_room(self, fleet, other, fresh, again):
        if again == "is heard again":
            fleet.exchange(Saying(member=saying(0).member))
            other.execute("UPDATE members SET seen = seen - interval '11 minutes'")
            other.commit()
        else:
            ask(fleet, 0)
        assert not ask(fleet, 1)[0]
        if again == "is forgotten":
            fleet.forget("m000")
        elif again == "says another limit":
            ask(fleet, 0, limit="2")
            assert not ask(fleet, 1)[0]
            ask(fleet, 1, limit="2")
        else:
            leave(fleet, 0)
        assert ask(fleet, 1, limit="2" if again == "says another limit" else "1")[0]


class TestOfTwoAtTheSameMoment:
    def test_the_second_sees_what_the_first_was_given(self, fleet, other):
        """There is room for one; the second asks before the first has it, and is decided on after that."""
        answers = []
        ask(fleet, 0, limit="2")
        ask(fleet, 2, limit="2", away=True)  # so the board has room still
        leave(fleet, 2, limit="2")
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        thread = threading.Thread(target=lambda: answers.append(ask(fleet, 1, limit="2")[0]))
        thread.start()
        with psycopg.connect(other.info.dsn, autocommit=True) as watch:
            while thread.is_alive() and not watch.execute(BLOCKED).fetchone():
                pass
        other.execute("UPDATE said SET held = true, withdrawn = false WHERE event = 'event-of-002'")
        other.commit()
        thread.join()
        assert answers == [False]


class TestWhileOthersAreDecidedOn:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr(turns, "PATIENCE", timedelta(milliseconds=50))

    def test_what_one_says_holds_and_it_waits_no_longer_than_it_has_patience(self, fleet, other):
        ask(fleet, 0, limit="2")
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        held, told = ask(fleet, 1, limit="2")
        assert not held
        assert (told.refused, told.soon) == ({key_of(1): (BUSY,)}, True)
        seen = {member.name: member.seen for member in fleet.overview().members}
        assert seen["m001"] == told.at
        assert {turn.member for turn in fleet.overview().groups[0].turns} == {"test/m000", "test/m001"}
        other.rollback()
        assert ask(fleet, 1, limit="2")[0]

    def test_one_that_was_silent_meanwhile_does_not_count_as_away_already(self, fleet, other, monkeypatch):
        """Else it would be given a turn beside one that is away."""
        ask(fleet, 0)
        decide = turns.Turns.decide

        def late(asked):
            other.execute("UPDATE members SET seen = seen - interval '11 minutes' WHERE name = 'm001'")
            other.commit()
            return decide(asked)

        monkeypatch.setattr(turns.Turns, "decide", late)
        assert not ask(fleet, 1)[0]


def test_tables_of_before_say_who_comes_first(url, other):
    """There it was not kept until when somebody waits."""
    before = replace(TABLES, steps=TABLES.steps[:3])
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        before.upgrade(connection, "the fleet", FleetError)
        connection.execute("SET search_path TO stormcone_fleet")
        for number in (1, 2):
            member, (said,) = saying(number).member, saying(number).events
            connection.execute(
                "INSERT INTO members VALUES ('shop', %s, %s, %s, now(), '10 min', '{\"db\": \"1\"}', '{}')",
                [member.id, member.name, [member.name]],
            )
            connection.execute(
                "INSERT INTO said VALUES ('shop', %s, %s, %s, %s, now(), false, false, now())",
                [member.id, *said.key, json_of(said)],
            )
    fleet = PostgresqlFleet(DatabaseAddress.parse(url), "shop")
    assert not ask(fleet, 2)[0]
    assert ask(fleet, 1)[0]
    fleet.close()


class Both(RuleBasedStateMachine):
    """The same said in PostgreSQL and in memory: the same turns are given and refused, for the same reasons."""

    url = ""
    number = itertools.count()

    @initialize(limit=st.sampled_from(["1", "2", "50%"]))
    def begin(self, limit):
        self.clock = ManualClock()
        self.limit = limit
        self.name = f"both {next(self.number)}"
        self.memory = MemoryFleet(self.clock, claim=CLAIM)
        self.stored = PostgresqlFleet(DatabaseAddress.parse(self.url), self.name, claim=CLAIM)
        self.other = psycopg.connect(self.url, autocommit=True, options="-c search_path=stormcone_fleet")
        self.said = {"m9": Saying(member=a_member("m9"))}
        self.says_it_again("m9")  # makes the tables

    @rule(
        number=st.integers(0, 5),
        events=st.lists(
            st.tuples(
                st.sampled_from("xyz"),
                st.lists(st.sampled_from(["m0", "m1", "m2", "m3", "m4", "m5"]), max_size=2),
                st.sampled_from(["waits", "waits", "waits", "away", "none"]),
                st.sampled_from([None, 1, 2]),
            ),
            max_size=2,
            unique_by=lambda each: each[0],
        ),
        groups=st.sampled_from([("g",), ("g",), ("g", "h"), ("h",)]),
    )
    def says(self, number, events, groups):
        name = f"m{number}"
        said = tuple(
            an_event(
                *(names or [name]),
                key=EventKey("test", key if len(names) > 1 else f"{key} of {name}"),
                vote=None,
                turn=None
                if turn == "none"
                else TurnSaid(away=turn == "away", until=until and TIME + timedelta(hours=until)),
            )
            for key, names, turn, until in events
        )
        self.said[name] = Saying(member=a_member(name, groups=dict.fromkeys(groups, self.limit)), events=said)
        self.says_it_again(name)

    @rule(number=st.integers(0, 5))
    def says_the_same(self, number):
        if f"m{number}" in self.said:
            self.says_it_again(f"m{number}")

    @rule(minutes=st.sampled_from([1, 11, 61]))
    def time_passes(self, minutes):
        delta = timedelta(minutes=minutes)
        self.clock.advance(delta)
        for table, column in (("members", "seen"), ("said", "since"), ("groups", "drawn")):
            self.other.execute(
                f"UPDATE {table} SET {column} = {column} - %s WHERE fleet = %s",
                [delta, self.name],
            )

    def says_it_again(self, name):
        self.clock.advance(0.001)  # as there, nothing is said at the same moment
        here, there = self.memory.exchange(self.said[name]), self.stored.exchange(self.said[name])
        assert {key: each.state for key, each in there.turns.items()} == {
            key: each.state for key, each in here.turns.items()
        }
        assert there.refused.keys() == here.refused.keys()

    def teardown(self):
        if hasattr(self, "stored"):
            self.stored.close()
            self.other.close()


def test_the_store_decides_as_the_one_in_memory_which_has_no_boards(url, fresh):
    Both.url = url
    run_state_machine_as_test(Both, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))
