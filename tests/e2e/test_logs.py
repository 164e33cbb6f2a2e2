"""What `run` prints: for people on a terminal, JSON elsewhere or on request, with the event's id in each line of it."""

import json
import os
import pty
import signal
import subprocess

import pytest

HANDLERS = """
from stormcone import App, GiveUp

app = App()


@app.prepare
def drain(event, context):
    context.log.info("draining")


@app.recover
def back(event, context):
    raise GiveUp("no way back")
"""


@pytest.fixture
def life(home, simulator):
    """Lets an event go its way before an agent that is started with these options; answers its id and the agent."""

    def play(*options, **environment):
        handlers = home.write("handlers.py", HANDLERS)
        agent = home.start("run", handlers, "--endpoint", simulator.url, "--interval", "0.1s", *options, **environment)
        agent.says("watching web-0")
        event = simulator.schedule("reboot", resources=["web-0"])
        agent.says("approved: prepared by drain")
        agent.says("has begun")
        simulator.complete(event)
        agent.says("no way back")
        assert agent.ends_by(signal.SIGTERM) == 0
        return event, agent

    return play


class TestElsewhereThanOnATerminal:
    @pytest.mark.parametrize(
        ("options", "environment"),
        [((), {"STORMCONE_LOG": ""}), (("--log", "json"), {}), (("--json",), {})],
        ids=["by itself", "on request", "by its short name"],
    )
    def test_every_line_is_json_and_each_of_the_event_has_its_id(self, life, options, environment):
        event, agent = life(*options, **environment)
        lines = [json.loads(line) for line in agent.out]
        of_the_event = [line for line in lines if line["event"] is not None]
        assert {line["event"] for line in of_the_event} == {event}
        kinds = [line["kind"] for line in of_the_event]
        assert kinds[:4] == ["announced", "run_begun", "log", "run_ended"]
        assert {"approved", "started", "ended", "run_failed"} <= set(kinds)
        assert agent.err == []

    @pytest.mark.parametrize(
        ("words", "environment", "status", "why"),
        [
            (("--on-prepare", "no-such-program"), {"STORMCONE_LOG": ""}, 64, "no-such-program"),
            (("--on-prepare", "true"), {"STORMCONE_LOG": "", "STORMCONE_CONFIG": "no.toml"}, 64, "no.toml"),
            ((), {"STORMCONE_LOG": "json"}, 2, "nothing to run"),
            (("--log", "json", "--on-prepare", "true", "--provider", "azur"), {}, 78, "azur"),
        ],
        ids=["a command", "the configuration", "usage", "the provider"],
    )
    def test_why_it_does_not_start_is_json_too(self, home, words, environment, status, why):
        said = home.run("run", *words, env={**home.env, **environment})
        assert (said.returncode, said.stdout) == (status, "")
        (line,) = map(json.loads, said.stderr.splitlines())
        assert why in line["error"]
        assert line["exit_status"] == status

    def test_it_is_text_on_request_and_each_line_of_the_event_has_its_id(self, life):
        event, agent = life("--log", "text")
        told = [
            line for line in agent.out if any(word in line for word in ("reboot of", "drain.prepare", "back.recover"))
        ]
        assert len(told) >= 8
        assert [line for line in told if f"[{event}]" not in line and "impacts" not in line] == [
            line for line in told if line.split("  ")[1] == "handler"
        ]


def test_on_a_terminal_it_is_text(home, simulator):
    master, slave = pty.openpty()
    environment = {name: value for name, value in home.env.items() if name != "STORMCONE_LOG"}
    words = ["run", "--on-prepare", "true", "--endpoint", simulator.url]
    agent = subprocess.Popen(
        [*home.program, *words], stdout=slave, stderr=slave, stdin=slave, env=environment, cwd=home.folder
    )
    os.close(slave)
    try:
        text = ""
        while "watching web-0" not in text:
            text += os.read(master, 4096).decode()
        assert not any(line.startswith("{") for line in text.splitlines())
    finally:
        agent.kill()
        agent.wait()
        os.close(master)
