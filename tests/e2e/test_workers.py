"""A region's watcher and its workers: real programs, a real PostgreSQL, and a simulator of the cloud.

Whatever befalls a worker or the watcher, each run is done, by one who is alive, and the approval comes once. Time is
real and silences are short; what is waited for is a state.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from stormcone import Impact
from stormcone.clock import SystemClock
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import SimulatorOptions

pytest.importorskip("psycopg", reason="the extra `fleet` is not installed")

PATIENCE = 60.0
INQUIRING = "SystemMaintenance.Reboot:Inquiring"

HANDLERS = """
import json, os
from stormcone import App

app = App(approve_consent=True)

def note(event, context, stage, does):
    line = {"who": os.environ["WHO"], "event": event.id, "machine": context.machine.name, "stage": stage,
            "attempt": context.attempt, "does": does}
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(json.dumps(line) + "\\n")

def work(event, context, stage):
    note(event, context, stage, "begins")
    while os.path.exists(os.environ["GATE"] + "-" + os.environ["WHO"]) and context.wait(0.02):
        pass
    note(event, context, stage, "ends")

@app.prepare(lead=None)
def prepare(event, context):
    work(event, context, "prepare")

@app.recover
def recover(event, context):
    work(event, context, "recover")
"""
WATCHER = (
    "run", "handlers.py", "--workers", "--provider", "alibaba", "--region", "cn-hangzhou", "--set", "scope=region",
    "--interval", "0.2s",
)  # fmt: skip
WORKER = ("worker", "handlers.py", "--silence", "2s", "--grace", "1s")
CREDENTIALS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
WRONG = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "-3h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
WRONG = WRONG if FAKETIME.exists() else {}
"""A clock three hours behind: who lives is judged by the database's, so it changes nothing."""


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what()}"
        time.sleep(0.02)
    return found


class Program:
    def __init__(self, region, who, words, env):
        self._said = region.folder / f"{who}.out"
        with self._said.open("w") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stormcone", *words, "--json"],
                cwd=region.folder, env={**region.env, "WHO": who, "XDG_STATE_HOME": str(region.folder / who), **env},
                stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    @property
    def said(self):
        return self._said.read_text()

    def says(self, text):
        def found():
            there = text in self.said
            assert there or self._process.poll() is None, self.said
            return there

        until(found, lambda: f"{text!r}; it said {self.said}")
        return self

    def hears(self, number):
        self._process.send_signal(number)

    def dies(self):
        self._process.kill()
        self._process.wait()

    def ends(self):
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE) == 0, self.said


class Region:
    def __init__(self, folder, url, simulator, machines):
        self.folder, self.simulator, self.machines, self.programs = folder, simulator, machines, []
        (folder / "handlers.py").write_text(textwrap.dedent(HANDLERS))
        (folder / "effects").touch()
        self.env = {
            **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHONPATH", "COV"))},
            "HOME": str(folder), "EFFECTS": str(folder / "effects"), "GATE": str(folder / "gate"),
            "STORMCONE_JOURNAL": url, "NO_PROXY": "127.0.0.1",
        }  # fmt: skip

    def start(self, who, *words, **env):
        self.programs.append(Program(self, who, words, env))
        return self.programs[-1]

    def watcher(self, who="watcher", *more):
        names = ("--set", f"instances={','.join(self.machines)}", "--endpoint", self.simulator.url)
        return self.start(who, *WATCHER, *names, *more, **CREDENTIALS)

    def worker(self, who, *more, **env):
        return self.start(who, *WORKER, *more, **env)

    def hold(self, who):
        """Have this one's stages wait."""
        (self.folder / f"gate-{who}").touch()

    def let_go(self, who):
        (self.folder / f"gate-{who}").unlink()

    def announce(self, machine="i-0"):
        return self.simulator.schedule(Impact.REBOOT, resources=[machine], native_type=INQUIRING)

    @property
    def effects(self):
        return [json.loads(line) for line in (self.folder / "effects").read_text().splitlines()]

    def did(self, who, does, stage="prepare"):
        found = [each for each in self.effects if (each["who"], each["does"], each["stage"]) == (who, does, stage)]
        return [each["attempt"] for each in found]

    @property
    def approvals(self):
        asked = [request for request in self.simulator.requests() if "AcceptInquiredSystemEvent" in json.dumps(request)]
        return len(asked)

    def approved(self):
        until(lambda: self.approvals, lambda: f"an approval; {[program.said for program in self.programs]}")

    def history(self, *words):
        done = subprocess.run(
            [sys.executable, "-m", "stormcone", "history", *words], cwd=self.folder, env=self.env, text=True,
            capture_output=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
        return done.stdout

    def close(self):
        for program in self.programs:
            program.dies()


@pytest.fixture
def region_of(tmp_path, journal_address):
    made = []

    def make(machines=("i-0",)):
        options = SimulatorOptions(clock=SystemClock(), machines=tuple(machines))
        simulator = simulator_class("alibaba").from_options(options)
        simulator.__enter__()
        made.append((simulator, Region(tmp_path, journal_address, simulator, machines)))
        return made[-1][1]

    yield make
    for simulator, region in made:
        region.close()
        simulator.__exit__(None, None, None)


@pytest.fixture
def region(region_of):
    return region_of()


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
