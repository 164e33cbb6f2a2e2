"""The how-to on 169.254.169.254, as it stands, in namespaces that are gone with the test."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Real seconds after which a command counts as stuck."""
NAME = "metadata/instance/compute/name"


@pytest.fixture
def blocks(guide):
    return [block for block in guide("howto-link-local.md") if block.kind in {"console", "sh"}]


@pytest.fixture
def enter(blocks, tmp_path):
    """The words that run a command in the namespaces that the page's first command makes."""
    missing = [name for name in ("unshare", "nsenter", "ip", "curl") if not shutil.which(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    way_in, *_ = blocks
    assert way_in.kind == "console"
    waiting = way_in.text.replace("exec sh", f"echo $$ && exec sleep {PATIENCE * 5:.0f}")
    assert waiting != way_in.text
    with subprocess.Popen(["sh", "-c", f"exec {waiting}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        try:
            number = holder.stdout.readline().decode().strip()
            if not number:
                pytest.skip(f"this system gives no namespaces: {holder.stderr.read().decode().strip()}")
            yield [
                "nsenter",
                "--target",
                number,
                "--user",
                "--net",
                "--mount",
                "--preserve-credentials",
                f"--wd={ROOT}",
            ]
        finally:
            holder.kill()


@pytest.fixture
def environment(tmp_path):
    return {
        **os.environ,
        "STORMCONE_LOG": "text",  # as on the reader's terminal
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "STORMCONE_JOURNAL": str(tmp_path / "journal.db"),
        "PYTHONUNBUFFERED": "1",
    }


class Reader:
    """Somebody who types the page's lines, and stops the simulator before the namespaces go."""

    def __init__(self, enter, environment, stack):
        self.said = []
        self._enter = enter
        self._environment = environment
        self._stack = stack
        self._simulator = None

    def types(self, line):
        command = [*self._enter, "sh", "-c", f"exec {line}"]
        if " simulator " in line:
            self._begin(command)
            return
        if " delete " in line or " down " in line:
            self._end()
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        self.said.append((line, done.stdout))

    def answers(self, part):
        return [said for line, said in self.said if part in line]

    def _begin(self, command):
        self._simulator = self._stack.enter_context(
            subprocess.Popen(
                command,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        self._stack.callback(self._simulator.kill)
        said = ""
        while "is ready at http://169.254.169.254:80" not in said:
            line = self._simulator.stdout.readline()
            assert line, said
            said += line

    def _end(self):
        self._simulator.terminate()
        assert self._simulator.wait(PATIENCE) == 0


@pytest.fixture
def reader(enter, environment):
    with ExitStack() as stack:
        yield Reader(enter, environment, stack)


def lines(blocks):
    return [line for block in blocks if block.kind == "sh" for line in block.text.splitlines()]


@pytest.mark.timeout(300)
def test_the_page_does_what_it_says(blocks, reader):
    for line in lines(blocks):
        reader.types(line)
    assert reader.answers(NAME) == ["web-0", "web-0", "web-1"]
    (doctor,) = reader.answers(" doctor ")
    assert "this is web-0" in doctor
    (events,) = reader.answers(" events ")
    assert "reboot of web-0: scheduled" in events
    reader.types("ip netns list")
    assert reader.answers("ip netns list") == [""]


@pytest.mark.timeout(300)
class TestTheScript:
    @pytest.fixture
    def run(self, enter, environment):
        def run(*words):
            return subprocess.run(
                [*enter, *words],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE,
            )

        return run

    @pytest.fixture
    def network(self, run):
        return lambda *words: run("examples/link_local/network.sh", *words)

    def test_the_interface_is_the_one_that_the_simulator_tells_of(self, run, network, environment):
        from stormcone_simulators.azure import AzureSimulator

        machines = ["a=10.0.0.4", "b=10.0.0.5"]
        assert network("up", *machines).returncode == 0
        with AzureSimulator(machines) as simulator:
            documents = simulator._wire._instances
            for machine in simulator._machines:
                (own,) = documents.document(machine, "2021-02-01")["network"]["interface"]
                shown = run("ip", "netns", "exec", machine.name, "ip", "address", "show", "eth0").stdout
                mac = own["macAddress"].lower()
                assert ":".join(mac[place : place + 2] for place in range(0, 12, 2)) in shown
                assert own["ipv4"]["ipAddress"][0]["privateIpAddress"] in shown

    def test_what_is_there_already_is_left_alone_and_nothing_is_left_half_made(self, run, network):
        run("ip", "netns", "add", "b")
        refused = network("up", "a=10.0.0.4", "b=10.0.0.5")
        assert (refused.returncode, refused.stderr) == (73, "there is a namespace b already\n")
        assert run("ip", "netns", "list").stdout.split() == ["b"]
        run("ip", "netns", "delete", "b")
        assert network("up", "a=10.0.0.4", "b=10.0.0.400").returncode != 0
        assert run("ip", "netns", "list").stdout == ""

    @pytest.mark.parametrize("words", [(), ("up",), ("up", "a"), ("up", "a="), ("up", "=10.0.0.4"), ("around", "a=1")])
    def test_a_slip_is_told_how_it_is_called(self, network, words):
        refused = network(*words)
        assert refused.returncode == 64
        assert refused.stderr.startswith("usage: network.sh up NAME=ADDRESS...")
