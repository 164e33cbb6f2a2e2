"""Why nobody holds a shard, or not whom the plan says: what `stormcone shards` answers."""

from datetime import UTC, datetime, timedelta

import pytest

from stormcone.journal.shards import LeaseSeen, ShardSeen, ShardsSeen, SharedShard, WatcherSeen
from stormcone.rules.sharding import Part

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def watcher(name, *, remaining=5.0, knows=("r_1of2", "r_2of2"), since=600):
    return WatcherSeen(
        id=name, name=f"{name}, process 1", since=ago(since), remaining=remaining, knows=frozenset(knows)
    )


def lease(holder="db-1, process 2", *, remaining=10.0, taken=300):
    return LeaseSeen(epoch=3, holder=holder, taken=ago(taken), remaining=remaining, busy=False)


def trouble(*watchers, of="", lease=None):
    shard = SharedShard(name="r_1of2", table="r", provider="p", region="r", part=Part(1, 2), journal="main_r_1of2")
    each = ShardSeen(shard=shard, watcher=of, since=ago(30), lease=lease)
    return ShardsSeen(at=NOW, watchers=watchers, shards=(each,)).trouble(each)


DB_1 = watcher("db-1")
DEAD = watcher("db-2", remaining=-3.0)
OTHER = watcher("db-3", knows=["q"])
OVER = lease(remaining=-20.0)


class TestNotHeld:
    def test_since_no_watcher_lives(self):
        for watchers in ((), (DEAD,)):
            assert trouble(*watchers, of="db-2", lease=OVER) == "no watcher lives; start one: stormcone watch"

    def test_since_none_that_lives_knows_it(self):
        said = "no living watcher has [shards.r]; start one that has, or: stormcone shards forget r"
        assert trouble(OTHER, lease=OVER) == trouble(OTHER, DEAD, of="db-2") == said

    def test_since_the_plan_is_to_be_made_anew(self):
        anew = "the watchers that live share it anew within seconds"
        assert trouble(DB_1, DEAD, of="db-2", lease=OVER) == f"db-2, process 1 is silent; {anew}"
        assert trouble(DB_1) == f"the plan gives it to nobody yet; {anew}"

    def test_since_its_watcher_has_not_come_to_that_yet(self):
        has = "db-1, process 1 has been to have it for 30 s, and has not"
        assert trouble(DB_1, of="db-1") == f"{has} opened its journal yet"
        assert trouble(DB_1, of="db-1", lease=OVER) == (
            f"{has} taken its lease yet; that of db-1, process 2 was over 20 s ago"
        )


class TestHeld:
    def test_by_whom_the_plan_says_is_no_trouble(self):
        assert trouble(DB_1, of="db-1", lease=lease()) == ""

    @pytest.mark.parametrize(
        "wanted", [watcher("db-1", since=60), watcher("db-4")], ids=["began after that", "on another machine"]
    )
    def test_by_another_while_it_moves(self, wanted):
        assert trouble(wanted, of=wanted.id, lease=lease()) == (
            f"it moves to {wanted.name}; the lease of db-1, process 2 is over in 10 s unless it goes on"
        )

    def test_by_a_process_whose_watcher_is_gone(self):
        over = "the lease of db-1, process 2 is over in 10 s unless it goes on"
        assert trouble(DEAD, of="db-2", lease=lease()) == f"no watcher lives; start one: stormcone watch; {over}"
        assert trouble(DB_1, DEAD, of="db-2", lease=lease()).endswith(f"share it anew within seconds; {over}")
