"""The commands of the README and of the simulators' page, run as they stand there against a real simulator."""

import argparse
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from stormcone import Impact, ManualClock
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.azure import AzureSimulator

DEFAULT_PORT = "18169"
PATIENCE = 120.0
"""Real seconds after which a command counts as stuck."""


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@pytest.fixture
def environment(tmp_path, port):
    return {
        **os.environ,
        "STORMCONE_LOG": "text",  # as on the reader's terminal
        "HOME": str(tmp_path),
        "STORMCONE_JOURNAL": str(tmp_path / "journal.db"),
        "STORMCONE_ENDPOINT": f"http://127.0.0.1:{port}",
        "PYTHONUNBUFFERED": "1",
    }


class Terminal:
    """A command that goes on, and what it has said so far."""

    def __init__(self, process):
        self.said = ""
        self._process = process
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, text, after=0):
        with self._news:
            assert self._news.wait_for(lambda: text in self.said[after:], PATIENCE), f"no {text!r} in:\n{self.said}"

    def close(self):
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            with self._news:
                self.said += line
                self._news.notify_all()


@pytest.fixture
def folder(request, root, tmp_path):
    """Where a page's commands are run: in the repository, or in a fresh folder of the name that the test gives."""
    if not hasattr(request, "param"):
        return root
    fresh = tmp_path / request.param
    fresh.mkdir()
    return fresh


@pytest.fixture
def run(folder, environment):
    """Runs a command line of a page to its end, and answers what it printed."""

    def run(line):
        return subprocess.run(
            _words(line),
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        ).stdout

    return run


@pytest.fixture
def terminal(folder, environment):
    """Runs a command line of a page that goes on until it is stopped."""
    with ExitStack() as stack:

        @contextmanager
        def opened(line):
            process = subprocess.Popen(
                _words(line),
                cwd=folder,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            terminal = Terminal(process)
            yield terminal
            terminal.close()

        yield lambda line: stack.enter_context(opened(line))


def _words(line):
    program, *words = shlex.split(line)
    assert program == "stormcone"
    return [str(Path(sys.executable).with_name("stormcone")), *words]


def test_the_three_terminals_of_the_readme_tell_the_whole_story(blocks, terminal, run, port):
    lines = [line for block in blocks("README.md", "sh") for line in block.text.splitlines()]
    (simulator,) = (line for line in lines if line.startswith("stormcone simulator"))
    (agent,) = (line for line in lines if line.startswith("stormcone run"))
    announce, advance, history = lines[lines.index(agent) + 1 :]

    terminal(f"{simulator} --port {port}").wait_for("is ready at")
    watching = terminal(agent.replace(DEFAULT_PORT, port))
    watching.wait_for("watching web-0 on azure")
    assert "Announced: reboot of web-0" in run(announce)
    watching.wait_for("reboot of web-0 has begun")
    run(advance)
    watching.wait_for("LoadBalancer.recover done")

    story = run(history)
    steps = ["announced", "prepare ends: succeeded", "accepted", "started", "completed", "recover ends: succeeded"]
    places = [story.index(step, story.index("\n")) for step in steps]
    assert places == sorted(places)


def test_the_calls_of_the_simulators_page_are_taken(blocks):
    reader = argparse.ArgumentParser()
    reader.add_argument("-X", dest="method", default="GET")
    reader.add_argument("-H", dest="headers", action="append", default=[])
    reader.add_argument("-d", dest="body")
    reader.add_argument("url")
    lines = [line for block in blocks("docs/simulators.md", "sh") for line in block.text.splitlines()]
    calls = [reader.parse_args(shlex.split(line)[1:]) for line in lines if line.startswith("curl ")]
    with AzureSimulator(["web-0", "web-1"], clock=ManualClock()) as simulator:
        for call in calls:
            parts = urlsplit(call.url)
            assert parts.netloc == f"127.0.0.1:{DEFAULT_PORT}"
            url = f"{simulator.url}{parts.path}?{parts.query}"
            headers = dict(header.split(": ", 1) for header in call.headers)
            answer = requests.request(call.method, url, headers=headers, data=call.body, timeout=30)
            assert answer.ok, f"{call.method} {call.url}: {answer.text}"
        (event,) = simulator.events()
    assert len(calls) > 5
    assert (event["impact"], event["cause"], event["resources"]) == (Impact.REBOOT, "user", ["web-0", "web-1"])


@pytest.mark.parametrize("folder", ["fresh"], indirect=True)
def test_the_how_to_of_simulated_events_works_without_an_account(
    blocks, terminal, run, environment, port, root, folder
):
    shutil.copy(root / "examples" / "every_cloud.py", folder / "handlers.py")
    lines = [line for block in blocks("docs/howto-simulated-events.md", "sh") for line in block.text.splitlines()]
    exports = [line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export ")]
    environment.update({name: value.replace(DEFAULT_PORT, port) for name, value in exports if value != "..."})
    (simulator,) = (line for line in lines if line.startswith("stormcone simulator"))
    (doctor,) = (line for line in lines if line.startswith("stormcone doctor"))
    agent, _ = (line for line in lines if line.startswith("stormcone run"))
    announce, cancel, advance, history, *_ = lines[lines.index(agent) + 1 :]

    terminal(f"{simulator} --port {port} --executing 0").wait_for("is ready at")
    assert "credentials: environment" in run(doctor)
    watching = terminal(f"{agent} --interval 0.2s")
    watching.wait_for("watching i-web0 on alibaba")
    first = re.search(r"cancel (e-\w+)", run(announce))[1]
    watching.wait_for("Queue.prepare begins")
    run(cancel.replace("ID", first))
    watching.wait_for("has ended: canceled")
    run(announce)
    run(advance)
    watching.wait_for("has ended: completed")
    watching.wait_for("Queue.recover done")
    story = run(history)
    assert all(words in story for words in ("ended: canceled", "ended: completed", "recover ends: succeeded"))


KINDS = (
    "reboot of i-web0 announced",
    "redeploy of i-web0 announced",
    "stop of i-web0 announced",
    "reboot of i-web0 has begun",
    "reboot of i-web0 announced",
)
"""What the agent says of each kind that is worth a test, in the order of the page."""


@pytest.mark.parametrize("folder", ["fresh"], indirect=True)
def test_every_kind_that_the_how_to_names_reaches_its_agent(blocks, terminal, run, environment, port, root, folder):
    shutil.copy(root / "examples" / "every_cloud.py", folder / "handlers.py")
    *steps, kinds, consent, spot = (block.text.splitlines() for block in blocks("docs/howto-simulated-events.md", "sh"))
    (agent,) = (line for step in steps for line in step if line.startswith("stormcone run"))
    environment |= {
        "STORMCONE_PROVIDER": "alibaba",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
    }
    other, terminate = spot
    with AlibabaSimulator(["i-web0", "i-web1"], port=int(port)):
        watching = terminal(f"{agent} --interval 0.2s")
        watching.wait_for("watching i-web0 on alibaba")
        for line, said in zip([*kinds, *consent], KINDS, strict=True):
            before = len(watching.said)
            run(line)
            watching.wait_for(said, after=before)
        watching = terminal(f"{other} --interval 0.2s --journal other.db")
        watching.wait_for("watching i-web0 on alibaba")
        run(terminate)
        watching.wait_for("terminate of i-web0 announced")
