"""Operators' commands: `--on-prepare`, `--on-started`, `--on-recover`."""

import json
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stormcone.model import Impact

# Writes down what it was given, says something, and ends with the status that a file beside it asks for.
SCRIPT = """#!/bin/sh
cat > "$STORMCONE_STAGE-$STORMCONE_ATTEMPT.json"
env | grep ^STORMCONE_ | grep -v JOURNAL > "$STORMCONE_STAGE-$STORMCONE_ATTEMPT.env"
echo "$STORMCONE_STAGE of $1"
exit $(cat "$STORMCONE_STAGE-$STORMCONE_ATTEMPT.status" 2>/dev/null || echo 0)
"""


@pytest.fixture
def script(home: Any) -> str:
    path = home.write("script", SCRIPT)
    path.chmod(0o700)
    return str(path)


def watch(home: Any, simulator: Any, *options: str) -> Any:
    agent = home.start("run", "--endpoint", simulator.url, "--interval", "0.1s", *options)
    agent.says("identified")
    return agent


def reboot(simulator: Any, notice: timedelta = timedelta(minutes=15)) -> str:
    event: str = simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=notice)
    return event


class TestACommand:
    def test_gets_the_event_as_json_and_as_variables_at_each_stage(
        self, home: Any, simulator: Any, script: str
    ) -> None:
        line, words = f"{script} 'the web'", json.dumps([script, "$HOME; `id`"])
        agent = watch(home, simulator, "--on-prepare", line, "--on-started", line, "--on-recover", words)
        event = reboot(simulator)
        agent.says("commands.prepare: prepare of the web")
        agent.says("commands.started: started of the web")
        simulator.complete(event)
        agent.says("commands.recover: recover of $HOME; `id`")
        agent.says("commands.recover done")
        phases = {"prepare": "scheduled", "started": "started", "recover": "ended"}
        for stage, phase in phases.items():
            document = json.loads((home.folder / f"{stage}-1.json").read_text(encoding="utf-8"))
            assert (document["id"], document["phase"], document["resources"]) == (event, phase, ["web-0"])
            lines = (home.folder / f"{stage}-1.env").read_text(encoding="utf-8").splitlines()
            variables = dict(line.removeprefix("STORMCONE_").split("=", 1) for line in lines)
            assert variables["EVENT_ID"] == event
            assert variables["MACHINE"] == variables["RESOURCES"] == "web-0"
            assert (variables["PHASE"], variables["IMPACT"]) == (phase, "reboot")
        assert variables["OUTCOME"] == "completed"

    def test_that_exits_with_75_is_tried_again(self, home: Any, simulator: Any, script: str) -> None:
        home.write("prepare-1.status", "75")
        agent = watch(home, simulator, "--on-prepare", f"{script} it")
        reboot(simulator)
        agent.says("asked to be tried again (exit status 75): prepare of it")
        agent.says("commands.prepare done")
        agent.says("approved: prepared by commands")

    def test_that_exits_otherwise_has_failed_and_the_event_is_not_approved(
        self, home: Any, simulator: Any, script: str
    ) -> None:
        home.write("prepare-1.status", "3")
        agent = watch(home, simulator, "--on-prepare", f"{script} it")
        reboot(simulator)
        agent.says("failed with exit status 3: prepare of it")
        agent.says("not approved: commands did not prepare")
        assert home.approvals(simulator) == []

    @pytest.mark.parametrize(
        ("line", "status", "sentence"),
        [
            ("/no/such/program", 64, "there is no program /no/such/program"),
            ("/etc/passwd", 64, "/etc/passwd is not executable"),
            ("echo drain | socat stdio /run/haproxy.sock", 2, "no shell runs the command, so '|' would only be text"),
        ],
    )
    def test_that_cannot_do_what_is_meant_is_refused_at_the_start(
        self, home: Any, simulator: Any, line: str, status: int, sentence: str
    ) -> None:
        done = home.run("run", "--endpoint", simulator.url, "--on-prepare", line)
        assert (done.returncode, done.stdout) == (status, "")
        assert sentence in done.stderr.splitlines()[-1]

    def test_is_ended_at_its_deadline_with_all_that_it_started(self, home: Any, simulator: Any) -> None:
        agent = watch(home, simulator, "--on-prepare", SLEEPING)
        reboot(simulator, notice=timedelta(seconds=2))
        process = int(agent.says("asleep as").partition("asleep as ")[2].split()[0])
        agent.says("commands.prepare failed: it overran its deadline")
        home.until(lambda: not home.alive(process), "the end of the command's child")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_is_ended_with_the_agent_and_run_again_by_the_next(
        self, home: Any, simulators: Any, number: signal.Signals
    ) -> None:
        simulator = simulators(speed=20)  # so that the ten seconds that a command has to finish take half a second
        agent = watch(home, simulator, "--on-prepare", SLEEPING)
        reboot(simulator, notice=timedelta(hours=1))
        process = int(agent.says("asleep as").partition("asleep as ")[2].split()[0])
        assert agent.ends_by(number) == 0
        assert "stopping; waiting up to 10 s for 1 run(s)" in agent.out[-3]
        assert "commands.prepare was cut off: the agent stops" in agent.out[-2]
        assert "stopped; " in agent.out[-1]
        home.until(lambda: not home.alive(process), "the end of the command's child")
        watch(home, simulator, "--on-prepare", "true").says("commands.prepare begins (attempt 2)")

    def test_of_an_agent_that_was_killed_is_ended_before_anything_else_of_its_event_begins(
        self, home: Any, simulators: Any, tmp_path: Path
    ) -> None:
        """It must not finish its drain after the next life has recovered."""
        simulator = simulators(speed=20)
        told = tmp_path / "told"
        slow = (
            "import os, signal, time\n"
            f"def end(*_):\n with open({str(told)!r}, 'a') as told: told.write('old ')\n os._exit(1)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('asleep as', os.getpid(), flush=True)\n"
            "time.sleep(600)\n"
        )
        agent = watch(home, simulator, "--on-prepare", json.dumps([sys.executable, "-c", slow]))
        reboot(simulator, notice=timedelta(hours=1))
        process = int(agent.says("asleep as").partition("asleep as ")[2].split()[0])
        agent.ends_by(signal.SIGKILL)
        assert home.alive(process)
        again = watch(home, simulator, "--on-prepare", json.dumps(["sh", "-c", f"echo new >>{told}"]))
        again.says(f"1 process(es) of an earlier life still run ({process}): they are ended first")
        again.says("commands.prepare done")
        assert told.read_text().split() == ["old", "new"]
        assert not home.alive(process)


SLEEPING = json.dumps(["sh", "-c", "sleep 600 & echo asleep as $!; wait"])
