"""The plan of all watchers, on a real PostgreSQL: one plan, whoever looks, whoever is silent, frozen or gone.

Time is the server's: that somebody is silent is arranged in the database.
"""

import os
import threading
import time
from collections import Counter
from contextlib import closing

import pytest

from stormcone.errors import JournalError, JournalTooNew, SettingsError
from stormcone.journal.shards import SharedShard, process_name
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.rules.sharding import Part
from stormcone.testing.conformance.journals import MACHINE, NOW, announce, the_run

shards = pytest.importorskip("stormcone.journal.postgresql.shards")
store = pytest.importorskip("stormcone.journal.postgresql.store")


def region(table="r", parts=4, **changes):
    """The shards of one region."""
    said = {"provider": "alibaba", "region": "cn-hangzhou", **changes}
    names = [table] if parts == 1 else [f"{table}_{number}of{parts}" for number in range(1, parts + 1)]
    return [
        SharedShard(name=name, table=table, part=Part(number, parts), journal=f"main_{name}", **said)
        for number, name in enumerate(names, 1)
    ]


@pytest.fixture
def address(postgresql, database):
    return DatabaseAddress.parse(postgresql.url(database), own=JOURNAL_OPTIONS)


@pytest.fixture
def watcher(address):
    """Makes a watcher that has joined."""
    books = []

    def make(known=None, join=True):
        books.append(shards.PostgresqlShardBook(address, region() if known is None else known))
        if join:
            books[-1].join()
        return books[-1]

    yield make
    for book in books:
        book.close()


@pytest.fixture
def server(address):
    database, _, _ = shards._opened(address, writes=True)
    with database.connect() as connection:
        yield connection


def loads(seen):
    return sorted(Counter(each.watcher for each in seen.shards if each.watcher).values())


def silence(server, book):
    server.execute("UPDATE watchers SET until = clock_timestamp() WHERE id = %s", [book.id])


class TestTheShare:
    def test_the_first_has_all_and_the_next_half(self, watcher):
        one, two = watcher(), watcher()
        assert loads(one.look([])) == [4]
        assert loads(two.look([])) == [2, 2]
        assert one.look([]).shards == two.look([]).shards

    def test_one_that_leaves_loses_its_own_at_once(self, watcher):
        one, two = watcher(), watcher()
        one.look([])
        two.look([])
        one.leave()
        assert len(two.look([]).wanted_by(two.id)) == 4

    def test_one_that_is_silent_loses_its_own_and_nothing_else_moves(self, watcher, server):
        books = [watcher() for _ in range(3)]
        before = [book.look([]) for book in books][-1]
        silence(server, books[0])
        after = books[1].look([])
        assert not after.wanted_by(books[0].id)
        kept = {each.shard.name: each.watcher for each in before.shards if each.watcher != books[0].id}
        assert kept.items() <= {each.shard.name: each.watcher for each in after.shards}.items()
        assert [each.lives for each in after.watchers] == [False, True, True]

    def test_one_that_was_silent_has_a_share_again_when_it_looks(self, watcher, server):
        one, two = watcher(), watcher()
        one.look([])
        two.look([])
        silence(server, one)
        assert loads(two.look([])) == [4]
        assert loads(one.look([])) == [2, 2]

    def test_who_looks_from_many_sides_at_once_finds_one_plan(self, watcher):
        books = [watcher() for _ in range(5)]
        failed = []

        def looks(book):
            try:
                for _ in range(10):
                    seen = book.look([])
                    assert len(seen.shards) == 4
                    assert all(each.watcher for each in seen.shards)
            except BaseException as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=looks, args=(book,)) for book in books]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert loads(books[0].look([])) == [1, 1, 1, 1]

    def test_a_region_that_one_alone_knows_is_its(self, watcher):
        one, two = watcher(), watcher([*region(), *region("new", 1, region="cn-beijing")])
        one.look([])
        seen = two.look([])
        assert "new" in {each.shard.name for each in seen.wanted_by(two.id)}
        two.leave()
        (left,) = [each for each in one.look([]).shards if each.shard.name == "new"]
        assert left.watcher == ""


class TestADatabaseThatWasAway:
    """All are silent then, and the first one that is heard again does not take what the others have."""

    def test_leaves_the_plan_as_it_is_until_all_may_have_been_heard(self, watcher, server):
        books = [watcher() for _ in range(3)]
        before = [book.look([]) for book in books][-1].shards
        for book in books:
            silence(server, book)
        assert books[0].look([]).shards == before
        assert books[1].look([]).shards == before
        server.execute("UPDATE plan SET rests = clock_timestamp()")
        assert loads(books[0].look([])) == [2, 2]

    def test_is_not_what_one_is_who_comes_where_all_have_left(self, watcher):
        one = watcher()
        one.look([])
        one.leave()
        assert loads(watcher().look([])) == [4]


class TestTheLeases:
    def test_are_those_of_the_journals_and_say_whether_stages_run(self, watcher, address):
        one = watcher()
        with store.PostgresqlJournal.open(address.but(journal="main_r_2of4")) as journal:
            seen = {each.shard.name: each.lease for each in one.look(["r_1of4", "r_2of4"]).shards}
            assert seen["r_1of4"] is seen["r_3of4"] is None
            assert (seen["r_2of4"].epoch, seen["r_2of4"].held, seen["r_2of4"].busy) == (1, True, False)
            assert seen["r_2of4"].holder == process_name(os.getpid())
            journal.begin_life(NOW, MACHINE)
            episode = announce(journal)
            journal.begin_run(the_run(journal, episode), NOW)
            assert one.look(["r_2of4"]).shards[1].lease.busy
        assert not one.look(["r_2of4"]).shards[1].lease.held

    def test_of_shards_that_nobody_is_to_have_are_looked_at_by_all_who_live(self, watcher, address):
        """The others do not know them, and tell of them all the same."""
        one, two = watcher(region("a", 1)), watcher(region("b", 1))
        one.look([])
        two.look([])
        two.leave()
        (seen,) = one.look([]).unknown
        assert (seen.shard.name, seen.watcher, seen.lease) == ("b", "", None)
        with store.PostgresqlJournal.open(address.but(journal="main_b")):
            (seen,) = one.look([]).unknown
            assert seen.lease.held
        two.look([])
        assert one.look([]).unknown == ()

    def test_where_work_is_under_way_are_moved_last(self, watcher, address):
        one = watcher()
        one.look([])
        with store.PostgresqlJournal.open(address.but(journal="main_r_2of4")) as journal:
            journal.begin_life(NOW, MACHINE)
            episode = announce(journal)
            journal.begin_run(the_run(journal, episode), NOW)
            one.look(["r_2of4"])
            for _ in range(3):
                watcher().look([])
            assert [each.shard.name for each in one.look(["r_2of4"]).wanted_by(one.id)] == ["r_2of4"]

    def test_are_all_there_for_who_reads(self, watcher, address):
        one = watcher()
        one.look([])
        with store.PostgresqlJournal.open(address.but(journal="main_r_3of4")):
            seen = shards.read_shards(address)
        assert [bool(each.lease) for each in seen.shards] == [False, False, True, False]
        assert [each.watcher for each in seen.shards] == [one.id] * 4


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("other", "why"),
        [
            (region(parts=8), "to the other watchers it has 4 part(s), and to this one 8"),
            (region(parts=1), "to the other watchers it has 4 part(s), and to this one 1"),
            (region(region="cn-beijing"), "it is alibaba's cn-hangzhou, and to this one alibaba's cn-beijing"),
            (region(provider="aws"), "it is alibaba's cn-hangzhou, and to this one aws's cn-hangzhou"),
        ],
    )
    def test_is_refused_and_changes_nothing(self, watcher, other, why):
        one = watcher()
        before = one.look([]).shards
        with pytest.raises(SettingsError, match=r"shards\.r: ") as error:
            watcher(other)
        assert why in str(error.value)
        assert "stormcone shards forget r" in str(error.value)
        assert one.look([]).shards == before

    def test_is_one_region_by_two_names_whoever_says_the_second(self, watcher):
        """Both names would get a watcher, and each event would be handled twice."""
        one = watcher(region("east", 2, source="digest"))
        before = one.look([]).shards
        known = [*region("north", 1, source="another"), *region("west", 1, source="digest")]
        with pytest.raises(
            SettingsError, match=r"shards\.west: it is the region that is shared as east already"
        ) as why:
            watcher(known)
        assert "stormcone shards forget east" in str(why.value)
        assert one.look([]).shards == before

    def test_is_no_trouble_where_nothing_is_known_of_the_sources(self, watcher):
        watcher([*region("east", 1), *region("west", 1)])

    def test_is_no_trouble_any_more_where_the_first_is_taken_out_or_has_become_another(self, watcher, address):
        watcher(region("east", 1, source="one"))
        shards.forget_shards(address, "east")
        watcher(region("west", 1, source="one"))
        watcher([*region("west", 1, source="two"), *region("east", 1, source="one")])

    def test_nobody_has_shared_anything_there(self, address):
        with pytest.raises(JournalError, match="nobody has shared anything at postgresql://"):
            shards.read_shards(address)

    def test_a_database_that_is_not_there(self, address):
        nowhere = DatabaseAddress.parse("postgresql://me@127.0.0.1:1/nowhere", own=JOURNAL_OPTIONS)
        with pytest.raises(JournalError, match="see that the server runs"):
            shards.read_shards(nowhere)


class TestTablesOfTheFirstVersion:
    """They have nothing about the regions' sources."""

    @pytest.fixture
    def old(self, address, monkeypatch):
        """Made and filled by a watcher of that version, which has gone."""
        monkeypatch.setattr(shards, "STEPS", shards.STEPS[:1])
        database, wanted, _ = shards._opened(address, writes=True)
        with database.connect() as connection:
            wanted.upgrade(connection, "", JournalTooNew)
            connection.execute("INSERT INTO regions VALUES ('east', 'alibaba', 'cn-hangzhou', 1)")
            connection.execute("INSERT INTO shards VALUES ('east', 'east', 1, 'main_east', '', clock_timestamp())")
        monkeypatch.undo()

    def test_are_read_as_they_are(self, old, address):
        assert [each.shard.name for each in shards.read_shards(address).shards] == ["east"]

    def test_are_brought_up_by_the_first_who_joins_and_get_the_source(self, old, watcher):
        assert len(watcher(region("east", 1, source="one")).look([]).shards) == 1
        with pytest.raises(SettingsError, match="it is the region that is shared as east already"):
            watcher(region("west", 1, source="one"))


class TestForgetting:
    def test_lets_the_region_be_divided_otherwise(self, watcher, address):
        one = watcher()
        one.look([])
        one.leave()
        shards.forget_shards(address, "r")
        assert len(watcher(region(parts=2)).look([]).shards) == 2

    def test_is_refused_while_a_living_watcher_knows_it(self, watcher, address):
        watcher().look([])
        with pytest.raises(SettingsError, match="a living watcher knows the shards r; stop it first"):
            shards.forget_shards(address, "r")

    def test_is_refused_while_handlers_have_begun_to_work_on_an_event(self, watcher, address):
        watcher()
        with store.PostgresqlJournal.open(address.but(journal="main_r_2of4")) as journal:
            journal.begin_life(NOW, MACHINE)
            episode = announce(journal)
        shards.forget_shards(address, "r")
        watcher()
        with store.PostgresqlJournal.open(address.but(journal="main_r_2of4")) as journal:
            journal.begin_run(the_run(journal, episode), NOW)
        with pytest.raises(SettingsError, match=r"1 event\(s\) of r_2of4 are under way"):
            shards.forget_shards(address, "r")

    def test_is_refused_while_somebody_has_the_lease_of_one(self, watcher, address):
        """It may be a process whose watcher is frozen, or one that was started by hand: both would watch the region."""
        watcher()
        journal = store.PostgresqlJournal.open(address.but(journal="main_r_2of4"))
        with closing(journal), pytest.raises(SettingsError, match=r"process \d+ watches r_2of4 still; stop that first"):
            shards.forget_shards(address, "r")
        shards.forget_shards(address, "r")

    def test_of_what_is_not_there_says_what_is(self, watcher, address):
        watcher()
        with pytest.raises(SettingsError, match="there are no shards x; there are r"):
            shards.forget_shards(address, "x")


class TestThePlansLock:
    def test_lets_one_plan_at_a_time(self, watcher, server):
        one = watcher()
        one.look([])
        server.execute("SET idle_in_transaction_session_timeout = 0")
        server.execute("BEGIN")
        server.execute("SELECT id FROM plan FOR UPDATE")
        looks = threading.Thread(target=one.look, args=([],))
        looks.start()
        end = time.monotonic() + 30
        while not server.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            assert looks.is_alive()
            assert time.monotonic() < end
        server.execute("COMMIT")
        looks.join()
        assert loads(one.look([])) == [4]


class TestTheConnection:
    def test_that_breaks_is_an_error_once_and_made_anew(self, watcher, server):
        one = watcher()
        one.look([])
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with pytest.raises(JournalError, match="cannot be used"):
            one.look([])
        assert loads(one.look([])) == [4]

    def test_of_one_who_is_frozen_while_it_plans_is_cut_after_a_third_of_the_silence(self, watcher, address):
        one, two = watcher(), watcher()
        one.look([])
        database, _, _ = shards._opened(address.but(lease="1"), writes=True)
        with closing(database.connect()) as frozen:
            frozen.execute("BEGIN")
            frozen.execute("SELECT id FROM plan FOR UPDATE")
            assert loads(two.look([])) == [2, 2]
