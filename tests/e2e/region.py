"""A region's watchers and workers as real programs, on a real PostgreSQL, with a simulator of the cloud."""

import json
import os
import signal
import textwrap
import time
from pathlib import Path

from tests.forker import run

from stormcone import Impact

PATIENCE = 120.0
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
        env = {**region.env, "WHO": who, "XDG_STATE_HOME": str(region.folder / who), **env}
        with self._said.open("w") as out, Path(os.devnull).open() as nothing:
            streams = (nothing.fileno(), out.fileno(), out.fileno())
            self._process = region.start_program([*words, "--json"], env, region.folder, streams)

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
    def __init__(self, folder, url, simulator, machines, start):
        self.folder, self.simulator, self.machines, self.programs = folder, simulator, machines, []
        self.start_program = start
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

    def watcher(self, who="watcher", *more, **env):
        names = ("--set", f"instances={','.join(self.machines)}", "--endpoint", self.simulator.url)
        return self.start(who, *WATCHER, *names, *more, **CREDENTIALS, **env)

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

    def run(self, *words, **env):
        return run(self.start_program, words, {**self.env, **env}, self.folder, patience=PATIENCE)

    def history(self, *words):
        done = self.run("history", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self):
        for program in self.programs:
            program.dies()
