"""`explain` and the whole story of an event, by the real program."""

import json
import signal
from datetime import timedelta

import pytest

HANDLERS = """
from datetime import timedelta
from stormcone import App, Impact

app = App()


@app.prepare(impacts={Impact.REBOOT}, lead=timedelta(minutes=10), timeout=timedelta(minutes=3))
def drain(event, context):
    pass


@app.prepare(impacts={Impact.FREEZE})
def checkpoint(event, context):
    pass
"""


@pytest.fixture
def handlers(home):
    return home.write("handlers.py", HANDLERS)


def narrow(lines):
    return [line for line in lines if len(line) > 80] == []


class TestExplaining:
    def test_a_scenario_of_a_cloud(self, home, handlers):
        done = home.run("explain", handlers, "--scenario", "fault-domains", "--cloud", "azure")
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert narrow(lines)
        assert lines[0].startswith("▶ reboot of web-0: scheduled, not before 2026-01-01 00:15:00Z (in 15 min)")
        assert "  drain.prepare: at 2026-01-01 00:05:00Z, until 2026-01-01 00:08:00Z" in lines
        assert "  checkpoint: not, since it does not take reboot (impacts)" in lines
        assert "  approved now: not yet: waiting for drain to prepare [preparing]" in lines
        assert "  approved once that is prepared: yes: prepared by drain [prepared]" in lines
        assert any(line.startswith("  approved now: no: it does not name web-0 [not_named]") for line in lines)
        assert not home.journal.exists()

    def test_what_is_announced_now(self, home, handlers, simulator):
        event = simulator.schedule("reboot", resources=["web-0"])
        document = home.json("explain", handlers, "--endpoint", simulator.url)
        (found,) = document["events"]
        assert (found["event"]["id"], found["machine"]) == (event, "web-0")
        assert [plan["acts"] for plan in found["handlers"]] == [True, False]
        assert found["approval"]["prepared"]["rule"] == "prepared"
        assert home.approvals(simulator) == []

    def test_an_event_of_the_journal_with_what_was_done_for_it(self, home, simulator):
        failing = home.write(
            "failing.py",
            HANDLERS.replace("pass", "raise Veto('not today')", 1).replace("import App", "import App, Veto"),
        )
        agent = home.start("run", failing, "--endpoint", simulator.url, "--interval", "0.1s")
        agent.says("watching web-0")
        event = simulator.schedule("reboot", resources=["web-0"], notice=timedelta(minutes=5))
        agent.says("vetoed by drain")
        assert agent.ends_by(signal.SIGTERM) == 0
        for words in (["--event", event], [event], ["--endpoint", simulator.url]):  # the last is asked of the cloud
            done = home.run("explain", failing, *words)
            assert "  approved now: no: vetoed by drain [vetoed]" in done.stdout.splitlines()

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["--scenario", "user-reboot"], "on which cloud? Give --cloud, one of"),
            (["--scenario", "x", "--event", "y"], "--scenario brings its own events"),
            (["--scenario", "x", "y"], "--scenario brings its own events"),
            (["x", "y"], "there are two events, x and y; give one"),
            (["other.py"], "there are two handler files, "),
            (["--cloud", "azure"], "--cloud is for --scenario"),
            (["--scenario", "host-stop", "--cloud", "azure"], "Azure has no event with the impact stop"),
        ],
    )
    def test_what_cannot_be_explained_says_why(self, home, handlers, words, sentence):
        done = home.run("explain", handlers, *words)
        assert done.returncode != 0
        assert sentence in done.stderr

    def test_an_event_that_nobody_knows_is_said(self, home, handlers, simulator):
        done = home.run("explain", handlers, "--endpoint", simulator.url, "--event", "nothing")
        assert done.returncode == 1
        assert "neither the journal nor the cloud knows an event nothing" in done.stderr


class TestTheWholeStory:
    @pytest.fixture
    def event(self, home, handlers, simulator):
        agent = home.start("run", handlers, "--endpoint", simulator.url, "--interval", "0.1s")
        agent.says("watching web-0")
        event = simulator.schedule("reboot", resources=["web-0"], notice=timedelta(minutes=5))
        agent.says("approved: prepared by drain")
        agent.ends_by(signal.SIGTERM)
        return event

    def test_has_the_facts_the_runs_and_what_the_cloud_sent(self, home, event):
        done = home.run("history", "--event", event)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert narrow(line for line in lines if event not in line and "Description" not in line)
        assert f"id           {event}" in lines
        assert any(line.startswith("drain.prepare: succeeded, ") for line in lines)
        native = json.loads(done.stdout[done.stdout.index("sent last:") + len("sent last:") :])
        assert native["EventId"] == event

    def test_has_every_change_attempt_and_approval_as_json(self, home, event):
        (document,) = home.json("history", "--event", event)["events"]
        assert document["changes"][0]["kind"] == "announced"
        (run,) = [run for run in document["runs"] if run["attempts"]]
        assert [attempt["verdict"] for attempt in run["attempts"]] == ["succeeded"]
        assert [approval["accepted"] for approval in document["approvals"]] == [True]
        assert document["timeline"]

    def test_two_ids_are_one_too_many(self, home, event):
        done = home.run("history", event, "--event", event)
        assert done.returncode == 2
