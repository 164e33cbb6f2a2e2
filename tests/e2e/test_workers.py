"""A region's watcher and its workers: whatever befalls a worker or the watcher, each run is done and approved once.

Time is real and silences are short; what is waited for is a state.
"""

import json
import signal
from collections import Counter
from typing import Any

import pytest
from tests.e2e.region import PATIENCE, WRONG, until

pytest.importorskip("psycopg", reason="the extra `fleet` is not installed")


class TestAWorker:
    def test_that_is_killed_has_its_run_done_by_another(self, region):
        region.hold("one")
        watcher = region.watcher().says("watching ")
        first = region.worker("one").says("takes up to")
        region.announce()
        until(lambda: region.did("one", "begins"), lambda: first.said)
        second = region.worker("two", **WRONG).says("takes up to")
        first.dies()
        region.approved()
        assert (region.did("one", "begins"), region.did("one", "ends")) == ([1], [])
        assert region.did("two", "ends") == [2]
        watcher.says("is silent")
        told = region.history()
        assert "is silent" in told
        second.ends()
        watcher.ends()
        assert region.approvals == 1

    def test_that_was_frozen_wakes_up_to_hear_that_its_run_is_anothers(self, region):
        region.hold("one")
        watcher = region.watcher().says("watching ")
        first = region.worker("one").says("takes up to")
        region.announce()
        until(lambda: region.did("one", "begins"), lambda: first.said)
        first.hears(signal.SIGSTOP)
        region.worker("two").says("takes up to")
        region.approved()
        region.let_go("one")
        first.hears(signal.SIGCONT)
        first.says("counts for nothing")
        assert region.did("two", "ends") == [2]
        first.ends()
        watcher.ends()
        assert region.approvals == 1

    def test_that_is_told_to_stop_gives_back_what_does_not_end(self, region):
        region.hold("one")
        region.watcher().says("watching ")
        first = region.worker("one", "--silence", "1h").says("takes up to")
        region.announce()
        until(lambda: region.did("one", "begins"), lambda: first.said)
        region.worker("two").says("takes up to")
        first.ends()
        region.approved()
        assert region.did("two", "ends") == [2]


class TestAWorkerThatIsMistaken:
    """In one sentence, at once where nothing but a person can mend it; else it waits."""

    @pytest.mark.parametrize(
        ("user", "database", "text"),
        [
            ("postgres", "nowhere", "does not exist; make that database (createdb), or name another"),
            ("nobody", "postgres", "see that the server lets this user in"),
        ],
    )
    def test_in_the_database_or_the_user_ends(
        self, region: Any, postgresql: Any, user: str, database: str, text: str
    ) -> None:
        url = f"postgresql://{user}:s3cret@127.0.0.1:{postgresql.port}/{database}"
        done = region.run("worker", "handlers.py", STORMCONE_JOURNAL=url)
        assert done.returncode == 74
        (line,) = done.stderr.splitlines()
        assert text in line
        assert "s3cret" not in done.stdout + done.stderr

    def test_in_the_order_waits_for_its_watcher(self, region: Any) -> None:
        worker = region.worker("one").says("takes no workers yet; start its watcher first")
        watcher = region.watcher().says("watching ")
        region.announce()
        region.approved()
        worker.ends()
        watcher.ends()

    def test_in_the_file_leaves_its_runs_to_others_and_the_watcher_says_of_which_handler(self, region: Any) -> None:
        (region.folder / "other.py").write_text(
            "from stormcone import App\napp = App()\n@app.recover\ndef r(e, c): ...\n"
        )
        watcher = region.watcher().says("watching ")
        region.start("one", "worker", "other.py", "--silence", "10m").says("takes up to")
        region.announce()
        watcher.says("no worker has the handler prepare; its runs wait")
        status = region.run("status", XDG_STATE_HOME=str(region.folder / "watcher"))
        assert "no worker that lives has the handler prepare" in status.stdout
        region.worker("two").says("takes up to")
        region.approved()

    def test_in_the_journal_is_told_by_status_too(self, region: Any) -> None:
        done = region.run("status", STORMCONE_JOURNAL=region.env["STORMCONE_JOURNAL"] + "none")
        assert (done.returncode, done.stdout) == (74, "")
        assert "there is no journal at postgresql://" in done.stderr
        assert "name another one, or start an agent first" in done.stderr


class TestTheWatcher:
    def test_that_is_killed_is_followed_by_one_that_takes_what_the_worker_did(self, region):
        region.hold("one")
        watcher = region.watcher("watcher").says("watching ")
        worker = region.worker("one").says("takes up to")
        region.announce()
        watcher.says("begins at worker")
        watcher.dies()
        region.let_go("one")
        worker.says("prepare of i-0 (attempt 1) succeeded")
        region.watcher("another")
        region.approved()
        assert region.did("one", "begins") == [1]
        assert region.approvals == 1

    def test_needs_a_journal_in_a_database(self, region):
        done = region.start("alone", "run", "handlers.py", "--workers", STORMCONE_JOURNAL="journal.db")
        assert done._process.wait(PATIENCE) == 64
        assert "workers share a journal in a database" in done.said


class TestStatus:
    def test_shows_the_workers_from_wherever_the_database_is_reached(self, region: Any) -> None:
        region.hold("one")
        region.watcher().says("watching ")
        worker = region.worker("one", "--silence", "10m").says("takes up to")
        region.announce()
        until(lambda: region.did("one", "begins"), lambda: worker.said)
        elsewhere = json.loads(region.run("status", "--json", XDG_STATE_HOME="elsewhere").stdout)
        ((found,), waiting) = (elsewhere["crew"]["workers"], elsewhere["crew"]["waiting"])
        assert (found["state"], found["handlers"], waiting) == ("living", ["prepare", "recover"], [])
        assert [(each["machine"], each["stage"], each["attempt"]) for each in found["runs"]] == [("i-0", "prepare", 1)]
        assert elsewhere["status"] == "not_ready"
        assert "holds the lease until" in elsewhere["reasons"][0]
        here = {"XDG_STATE_HOME": str(region.folder / "watcher")}
        until(
            lambda: json.loads(region.run("status", "--json", **here).stdout)["workers"]["running"] == 1,
            lambda: "the watcher to see it",
        )
        lines = region.run("status", **here).stdout.splitlines()
        assert "Workers: 1 living, 0 silent" in lines
        assert any(line.startswith("    prepare.prepare of i-0 for ") for line in lines)
        done = region.run("status", XDG_STATE_HOME="elsewhere")
        assert "Workers: 1 living, 0 silent" in done.stdout
        assert "no agent runs with the journal" in done.stderr


class TestManyRuns:
    def test_are_done_once_each_by_several_workers(self, region_of):
        machines = [f"i-{number}" for number in range(24)]
        region = region_of(machines)
        region.watcher().says("watching ")
        workers = [region.worker(who, "--silence", "60s", "--at-once", "4") for who in ("one", "two")]
        for worker in workers:
            worker.says("takes up to")
        for machine in machines:
            region.announce(machine)
        until(lambda: region.approvals >= len(machines), lambda: f"{region.approvals} of {len(machines)} approvals")
        done = Counter(
            each["machine"] for each in region.effects if (each["stage"], each["does"]) == ("prepare", "ends")
        )
        assert done == dict.fromkeys(machines, 1)
        assert {each["attempt"] for each in region.effects} == {1}
