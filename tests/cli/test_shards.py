"""`stormcone shards` and `stormcone watch`: what they show, and what they refuse before anything is begun."""

import os

import pytest

from stormcone.journal.shards import SharedShard, process_name
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.rules.sharding import Part

shards = pytest.importorskip("stormcone.journal.postgresql.shards")
store = pytest.importorskip("stormcone.journal.postgresql.store")


@pytest.fixture
def url(postgresql, database):
    return postgresql.url(database)


@pytest.fixture
def address(url):
    return DatabaseAddress.parse(url, own=JOURNAL_OPTIONS)


@pytest.fixture
def book(address):
    known = [
        SharedShard(
            name=f"r_{number}of2",
            table="r",
            provider="alibaba",
            region="cn-hangzhou",
            part=Part(number, 2),
            journal=f"main_r_{number}of2",
        )
        for number in (1, 2)
    ]
    book = shards.PostgresqlShardBook(address, known)
    book.join()
    book.look([])
    yield book
    book.close()


class TestTheView:
    def test_shows_who_is_to_have_what_and_who_holds_it(self, stormcone, book, url, address):
        with store.PostgresqlJournal.open(address.but(journal="main_r_2of2")):
            document = stormcone("shards", "--journal", url, "--json").json
        (watcher,) = document["watchers"]
        assert (watcher["lives"], watcher["shards"]) == (True, ["r_1of2", "r_2of2"])
        one, two = document["shards"]
        assert (one["state"], one["holder"], one["epoch"], one["held_seconds"]) == ("not_held", None, 0, None)
        assert (two["state"], two["holder"], two["epoch"]) == ("held", watcher["name"], 1)
        assert two["held_seconds"] >= 0
        assert (two["part"], two["parts"], two["region"], two["busy"]) == (2, 2, "cn-hangzhou", False)
        assert two["watcher"] == watcher["name"]
        assert two["journal"].endswith("?journal=main_r_2of2")
        assert one["why"].endswith(", and has not opened its journal yet")
        assert two["why"] is None

    def test_is_for_people_too(self, stormcone, book, url, address):
        with store.PostgresqlJournal.open(address.but(journal="main_r_2of2")):
            said = stormcone("shards", "--journal", url).out
        assert "2 shards, 1 living watcher(s)" in said
        assert (
            f"r_1of2: not held, epoch 0: {process_name(os.getpid())} has been to have it for 0 s, and has not" in said
        )
        assert "r_2of2: held by " in said
        assert ": lives, 2 shard(s), began " in said

    def test_says_what_no_living_watcher_knows(self, stormcone, book, url):
        book.leave()
        document = stormcone("shards", "--journal", url, "--json").json
        assert [shard["state"] for shard in document["shards"]] == ["unknown", "unknown"]
        assert {shard["why"] for shard in document["shards"]} == {"no watcher lives; start one: stormcone watch"}

    def test_of_a_file_or_of_nothing_is_a_sentence(self, stormcone, url, tmp_path):
        said = stormcone("shards", "--journal", str(tmp_path / "journal.db"))
        assert said.status == 64
        assert "watchers share shards in a database, and " in said.err
        said = stormcone("shards", "--journal", url)
        assert said.status == 74
        assert "start a watcher first: stormcone watch" in " ".join(said.err.split())


class TestForgetting:
    def test_takes_a_region_out(self, stormcone, book, url):
        book.leave()
        assert stormcone("shards", "--journal", url, "forget", "r").status == 0
        assert stormcone("shards", "--journal", url, "--json").json["shards"] == []

    def test_is_refused_in_a_sentence(self, stormcone, book, url):
        said = stormcone("shards", "--journal", url, "forget", "r")
        assert said.status == 64
        assert "a living watcher knows the shards r; stop it first" in said.err


class TestCheck:
    @pytest.fixture(autouse=True)
    def journal(self, stormcone, url, monkeypatch):
        monkeypatch.setenv("STORMCONE_JOURNAL", url)

    def test_shows_them(self, stormcone, tmp_path):
        file = tmp_path / "stormcone.toml"
        file.write_text('on_prepare = "true"\n[shards.cn-hangzhou]\nprovider = "alibaba"\nparts = 2\n')
        checked = stormcone("check", "--config", str(file), "--json")
        assert checked.json["shards"] == ["cn-hangzhou_1of2", "cn-hangzhou_2of2"]

    def test_refuses_what_watch_refuses(self, stormcone, tmp_path):
        file = tmp_path / "stormcone.toml"
        file.write_text('on_prepare = "true"\n[shards.cn-hangzhou]\nprovider = "azure"\n')
        checked = stormcone("check", "--config", str(file))
        assert checked.status == 64
        assert "shards.cn-hangzhou: a shard is a region, and azure watches one machine here" in checked.err


class TestWatch:
    def test_refuses_a_dry_run(self, stormcone, tmp_path, url):
        file = tmp_path / "stormcone.toml"
        file.write_text(f'journal = "{url}"\ndry_run = true\n[shards.cn-hangzhou]\nprovider = "alibaba"\n')
        said = stormcone("watch", "--on-prepare", "true", "--config", str(file))
        assert said.status == 64
        assert "dry_run: watchers share shards by their journals, and a dry run has none" in said.err

    def test_refuses_a_handler_file_that_cannot_be_used_before_anything_is_shared(self, stormcone, tmp_path, url):
        file = tmp_path / "stormcone.toml"
        file.write_text(f'journal = "{url}"\n[shards.cn-hangzhou]\nprovider = "alibaba"\n')
        said = stormcone("watch", str(tmp_path / "nothing.py"), "--config", str(file), "--journal", url)
        assert said.status == 66
        assert stormcone("shards", "--journal", url).status == 74

    def test_run_alone_says_who_shares_them(self, stormcone, tmp_path, url):
        file = tmp_path / "stormcone.toml"
        file.write_text(f'journal = "{url}"\n[shards.cn-hangzhou]\nprovider = "alibaba"\n')
        said = stormcone("run", "--on-prepare", "true", "--config", str(file))
        assert said.status == 64
        assert "`stormcone watch` shares it; start that, or name one shard with --shard" in said.err
