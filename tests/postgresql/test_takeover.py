"""Two watchers of one region share a journal: real programs, a real PostgreSQL, and a simulator of the cloud.

One holds the lease and works, the other stands by. Whatever befalls the first, the other goes on: nothing is lost, and
nothing is approved twice. Time is real; what is waited for is a state.
"""

import json
import os
import signal
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.postgresql.way import Way

from stormcone import Impact
from stormcone.clock import SystemClock
from stormcone.plugins import simulator_class
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.simulators.contract import SimulatorOptions

places = pytest.importorskip("stormcone.journal.postgresql.store")

PATIENCE = 120.0
LEASE = 4
INQUIRING = "SystemMaintenance.Reboot:Inquiring"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")

HANDLERS = """
import json, os, time
from stormcone import App

app = App(approve_consent=True)

def note(event, context, stage, does):
    line = {"who": os.environ["WHO"], "event": event.id, "stage": stage, "attempt": context.attempt, "does": does}
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(json.dumps(line) + "\\n")

def work(event, context, stage):
    note(event, context, stage, "begins")
    while os.path.exists(os.environ["GATE"]) and context.wait(0.02):
        pass
    note(event, context, stage, "told to stop" if context.stopping else "ends")

@app.prepare(lead=None)
def prepare(event, context):
    work(event, context, "prepare")

@app.recover
def recover(event, context):
    work(event, context, "recover")
"""


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what() if callable(what) else what}"
        time.sleep(0.02)
    return found


class Watcher:
    """A `stormcone run`."""

    def __init__(self, region, name, **env):
        self.name = name
        self._said = region.folder / f"{name}.out"
        words = (
            "run", "handlers.py", "--provider", "alibaba", "--json", "--region", "cn-hangzhou", "--set", "scope=region",
            "--set", "instances=i-0", "--endpoint", region.simulator.url, "--interval", "0.2s", "--grace", "5s",
        )  # fmt: skip
        with self._said.open("w") as out, Path(os.devnull).open() as nothing:
            streams = (nothing.fileno(), out.fileno(), out.fileno())
            self._process = region.start_program(words, {**region.env, "WHO": name, **env}, region.folder, streams)

    @property
    def said(self):
        return self._said.read_text()

    def says(self, *texts):
        """Wait until it says one of these."""

        def found():
            there = any(text in self.said for text in texts)
            assert there or self._process.poll() is None, self.said
            return there

        until(found, lambda: f"{self.name} to say {texts}; it said {self.said}")
        return self

    def hears(self, number):
        self._process.send_signal(number)

    def dies(self):
        self._process.kill()
        self._process.wait()

    def ends(self, status=0):
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE) == status, self.said

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class Region:
    """A region's simulator, its journal, and what its watchers' handlers really did."""

    def __init__(self, folder, url, simulator, start_program):
        self.folder, self.simulator, self.watchers, self.start_program = folder, simulator, [], start_program
        self.address = DatabaseAddress.parse(url, own=JOURNAL_OPTIONS)
        self.gate = folder / "gate"
        (folder / "handlers.py").write_text(textwrap.dedent(HANDLERS))
        (folder / "effects").touch()
        self.env = {
            **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHONPATH", "COV"))},
            "HOME": str(folder),
            "EFFECTS": str(folder / "effects"),
            "GATE": str(self.gate),
            "STORMCONE_JOURNAL": url,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
            "NO_PROXY": "127.0.0.1",
        }

    def watcher(self, name, **env):
        env.setdefault("XDG_STATE_HOME", str(self.folder / name))
        self.watchers.append(Watcher(self, name, **env))
        return self.watchers[-1]

    def pair(self):
        """One that works and one that stands by."""
        first = self.watcher("first").says("watching ")
        return first, self.watcher("second").says("standing by: ")

    def announce(self):
        return self.simulator.schedule(Impact.REBOOT, resources=["i-0"], native_type=INQUIRING)

    @property
    def effects(self):
        return [json.loads(line) for line in (self.folder / "effects").read_text().splitlines()]

    def did(self, event, stage, does):
        return [each for each in self.effects if (each["event"], each["stage"], each["does"]) == (event, stage, does)]

    def approvals(self, event):
        calls = [request for request in self.simulator.requests() if "AcceptInquiredSystemEvent" in str(request)]
        return [request for request in calls if event in str(request)]

    def approved(self, event):
        until(lambda: self.approvals(event), lambda: f"the approval of {event}; {[w.said for w in self.watchers]}")

    def is_sound(self, *events):
        """The journal has each event once, approved once, and each run as its handler really did it."""
        with places.PostgresqlJournal.read(self.address) as journal:
            assert [episode.event.id for episode in journal.episodes()] == list(events)
            for episode in journal.episodes():
                assert [asked.accepted for asked in journal.approvals(episode.id)] == [True]
                assert len(self.approvals(episode.event.id)) == 1
                for run in journal.runs(episode.id):
                    began = [each["attempt"] for each in self.did(episode.event.id, run.stage, "begins")]
                    assert Counter(began).most_common(1)[0][1] == 1
                    assert max(began) == run.attempt
            return journal.lives()


@pytest.fixture
def way(postgresql):
    way = Way(postgresql.port)
    yield way
    way.close()


@pytest.fixture
def region(tmp_path, journal_address, forker):
    options = SimulatorOptions(machines=("i-0",), clock=SystemClock())
    with simulator_class("alibaba").from_options(options) as simulator:
        region = Region(tmp_path, f"{journal_address}&lease={LEASE}", simulator, forker.start)
        yield region
        for watcher in region.watchers:
            watcher.close()


@pytest.mark.timeout(180)
class TestTheOtherGoesOn:
    def test_at_once_when_the_first_ends(self, region):
        first, second = region.pair()
        one = region.announce()
        region.approved(one)
        first.says("approved")
        began = time.monotonic()
        first.ends()
        second.says("watching ")
        assert time.monotonic() - began < LEASE + 20  # it need not wait for the lease's end; the machine is slow
        two = region.announce()
        region.approved(two)
        second.says("approved")
        second.ends()
        lives = region.is_sound(one, two)
        assert all(life.ended for life in lives)

    def test_when_the_first_is_killed_within_a_stage(self, region):
        first, second = region.pair()
        region.gate.touch()
        event = region.announce()
        until(lambda: region.did(event, "prepare", "begins"), "the stage to begin")
        first.dies()
        second.says("1 unfinished run(s) of the last life go on")
        region.gate.unlink()
        region.approved(event)
        second.says("approved")
        second.ends()
        began = region.did(event, "prepare", "begins")
        assert [(each["who"], each["attempt"]) for each in began] == [("first", 1), ("second", 2)]
        region.is_sound(event)

    def test_when_the_first_is_frozen_which_does_nothing_more_when_it_wakes(self, region):
        first, second = region.pair()
        region.gate.touch()
        event = region.announce()
        until(lambda: region.did(event, "prepare", "begins"), "the stage to begin")
        first.hears(signal.SIGSTOP)
        second.says("1 unfinished run(s) of the last life go on")
        until(lambda: len(region.did(event, "prepare", "begins")) == 2, "the stage to begin again")
        first.hears(signal.SIGCONT)
        first.says("has taken it over; this one writes and approves nothing more; handlers are told to stop")
        until(lambda: region.did(event, "prepare", "told to stop"), "the first one's stage to stop")
        first.says("standing by: ")
        region.gate.unlink()
        region.approved(event)
        second.says("approved")
        second.ends()
        first.says("watching ")
        first.ends()
        assert [each["who"] for each in region.did(event, "prepare", "ends")] == ["second"]
        region.is_sound(event)

    def test_when_the_first_is_cut_off_from_the_database_and_not_from_the_cloud(self, region, way, postgresql):
        direct = region.env["STORMCONE_JOURNAL"]
        by_the_way = direct.replace(f":{postgresql.port}/", f":{way.port}/")
        first = region.watcher("first", STORMCONE_JOURNAL=by_the_way).says("watching ")
        second = region.watcher("second").says("standing by: ")
        region.gate.touch()
        event = region.announce()
        until(lambda: region.did(event, "prepare", "begins"), "the stage to begin")
        way.cut()
        second.says("1 unfinished run(s) of the last life go on")
        region.gate.unlink()
        region.approved(event)
        second.says("approved")
        way.mend()
        first.says("has taken it over; this one writes and approves nothing more")
        second.ends()
        region.is_sound(event)


@pytest.mark.timeout(180)
class TestTheDatabase:
    def test_away_for_a_while_holds_the_watcher_up_and_no_longer(self, region, postgresql):
        first = region.watcher("first").says("watching ")
        postgresql.stop(signal.SIGKILL)
        event = region.announce()
        try:
            # Where it dies within a commit, nobody can say what became of that: the watcher begins anew.
            first.says("until it can be written no handler starts and nothing is approved", "cannot say whether it did")
            assert region.effects == []
        finally:
            postgresql.start()
        region.approved(event)
        first.says("approved")
        first.ends()
        region.is_sound(event)

    def test_that_takes_no_writes_is_the_same(self, region, postgresql, database):
        region.env["STORMCONE_JOURNAL"] = f"{postgresql.url(database)}?journal=x&lease={LEASE}"
        region.address = DatabaseAddress.parse(region.env["STORMCONE_JOURNAL"], own=JOURNAL_OPTIONS)
        first = region.watcher("first").says("watching ")
        read_only(postgresql, database, "on")
        event = region.announce()
        first.says("the server takes no writes: name the one that does")
        assert (region.effects, region.approvals(event)) == ([], [])
        read_only(postgresql, database, "off")
        region.approved(event)
        first.says("approved")
        first.ends()
        region.is_sound(event)

    def test_that_is_not_there_at_the_start_is_a_sentence_and_a_status(self, region):
        region.env["STORMCONE_JOURNAL"] = "postgresql://me:s3cret@127.0.0.1:1/nowhere?journal=x"
        watcher = region.watcher("first")
        assert watcher._process.wait(PATIENCE) == 74
        assert "the journal postgresql://me@127.0.0.1:1/nowhere?journal=x cannot be used: " in watcher.said
        assert "see that the server runs and can be reached from here" in watcher.said
        assert "s3cret" not in watcher.said


def read_only(postgresql, database, value):
    """Whether a database takes writes, from now on, also of those who are connected."""
    for statement in (
        f"ALTER DATABASE {database} SET default_transaction_read_only = {value}",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
    ):
        postgresql.run(
            "psql", "-XAtqw", "-h", "127.0.0.1", "-p", str(postgresql.port), "-d", "postgres", "-c", statement
        )


@pytest.mark.timeout(180)
@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
def test_a_wrong_clock_neither_takes_a_lease_nor_loses_it(region):
    """It ends by the server's clock: who believes that it is later, or earlier, stands by like anybody.

    This cloud itself refuses whoever is a quarter of an hour off; of hours see `test_lease.py`.
    """
    wrong = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+10m", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    first = region.watcher("first", **wrong).says("watching ")
    second = region.watcher("second").says("standing by: ")
    event = region.announce()
    region.approved(event)
    first.says("approved")
    assert "watching " not in second.said
    first.dies()
    second.says("watching ")
    third = region.watcher("third", **wrong).says("standing by: ")
    second.ends()
    third.says("watching ")
    third.ends()
    region.is_sound(event)
