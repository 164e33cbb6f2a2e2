"""The real agent, asked from outside: its own socket, health over TCP, and what `status` says."""

import json
import signal
import socket
import urllib.request
from urllib.error import HTTPError

import pytest


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_status_says_what_is_announced_what_runs_and_why_it_is_not_approved(home, simulator):
    handlers = home.write(
        "handlers.py",
        "from stormcone import App\n\napp = App()\n\n\n"
        "@app.prepare\ndef drain(event, context):\n    print('draining', flush=True)\n    context.wait(600)\n",
    )
    agent = home.start("run", handlers, "--endpoint", simulator.url, "--interval", "0.1s")
    event = simulator.schedule("reboot", resources=["web-0"])
    agent.says("draining")
    status = home.run("status")
    assert (status.returncode, status.stderr) == (0, "")
    lines = status.stdout.splitlines()
    assert lines[0] == "ready: web-0 on azure"
    assert any(line.startswith("reboot of web-0: scheduled, not before ") for line in lines)
    assert f"  {event}" in lines
    assert "  not approved: waiting for drain to prepare [preparing]" in lines
    assert any(line.startswith("  drain.prepare running, until ") for line in lines)
    assert [line for line in lines if len(line) > 80 and str(home.folder) not in line] == []
    document = home.json("status")
    assert document["condition"] == "ready"
    assert [source["name"] for source in document["sources"]] == ["azure"]
    (shown,) = document["events"]
    assert (shown["id"], shown["rule"], shown["approved"]) == (event, "preparing", False)
    assert shown["runs"][0]["deadline"] is not None
    assert agent.ends_by(signal.SIGTERM) == 0
    assert not home.journal.with_name("journal.db.sock").exists()


def test_status_of_an_agent_whose_cloud_is_silent_says_so_and_fails(home, simulators):
    simulator = simulators()
    agent = home.start("run", "--on-prepare", "true", "--endpoint", simulator.url, "--machine", "web-0")
    agent.says("watching web-0")
    simulator.faults.add(status=503)
    agent.says("what is scheduled is unknown")
    document = json.loads(home.run("status", "--json").stdout)
    assert document["sources"][0]["failures"] >= 1
    assert "503" in document["sources"][0]["error"]


def test_without_an_agent_status_says_in_one_sentence_what_to_do(home):
    done = home.run("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"stormcone: no agent runs with the journal {home.journal}; start one")
    assert done.stderr.count("\n") == 1


def test_health_and_metrics_are_served_where_they_are_to_be(home, simulator, port):
    agent = home.start(
        "run", "--on-prepare", "true", "--endpoint", simulator.url, "--interval", "0.1s", STORMCONE_LISTEN=str(port)
    )
    agent.says(f"health and metrics are served on 127.0.0.1:{port}, for this machine alone")
    agent.says("watching web-0")
    home.until(lambda: get(port, "/readyz")[0] == 200, "the agent to be ready")
    assert get(port, "/healthz")[0] == 200
    simulator.schedule("reboot", resources=["web-0"])
    agent.says("commands.prepare done")
    status, text = get(port, "/metrics")
    assert status == 200
    assert 'stormcone_handler_attempts_total{handler="commands",result="succeeded",stage="prepare"} 1.0' in text


def test_an_address_that_is_none_is_refused_before_anything_is_done(home):
    done = home.run("run", "--on-prepare", "true", "--listen", "localhost")
    assert done.returncode == 64
    assert "'localhost' is not an address to listen on" in done.stderr
    assert not home.journal.exists()


def test_an_agent_whose_port_is_taken_says_so_and_works(home, simulator, port):
    first = ("--journal", "one.db", "--approve", "never")
    home.start("run", "--on-prepare", "true", "--endpoint", simulator.url, "--listen", port, *first)
    home.until(lambda: get_or_none(port), "the first agent")
    other = home.start("run", "--on-prepare", "true", "--endpoint", simulator.url, "--listen", port)
    other.says(
        f"health cannot be served on 127.0.0.1:{port}: Address already in use; free that address or name another"
    )
    simulator.schedule("reboot", resources=["web-0"])
    other.says("commands.prepare done")


def get_or_none(port):
    try:
        return get(port, "/healthz")
    except OSError:
        return None
