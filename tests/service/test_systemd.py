"""The service under a real systemd, from its installation to the machine's shutdown: `make systemd`."""

import json
import os

import pytest
from tests.service.machine import PYTHON, Machine, why_not

pytestmark = [
    pytest.mark.skipif(not os.environ.get("REAL_SYSTEMD"), reason="it boots a machine; run make systemd"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can be done"),
]

STORMCONE = (PYTHON, "-m", "stormcone")

SIMULATOR = f"""
[Unit]
Description=a simulator, as the cloud of this machine
[Service]
ExecStart={PYTHON} -m stormcone simulator azure --machine web-0
StandardOutput=append:/run/folder/simulator.log
StandardError=append:/run/folder/simulator.log
"""

APP = """
[Unit]
Description=what the handlers work on
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'echo "app stops" >> /run/folder/story'
"""

CONFIGURATION = """
endpoint = "http://127.0.0.1:18169"
provider = "azure"
[commands.drain]
lead = "announced"
prepare = ["sh", "/run/folder/drain.sh"]
recover = ["sh", "-c", "echo recovered >> /run/folder/story"]
"""

DRAIN = """
echo "drain begins" >> /run/folder/story
trap 'sleep 1; echo "drain ends" >> /run/folder/story; exit 0' TERM
while [ ! -e /run/folder/go ]; do sleep 0.1; done
echo "drained" >> /run/folder/story
"""

DROP_IN = """
[Unit]
After=app.service
[Service]
WatchdogSec=5
Environment=LD_LIBRARY_PATH=/run/python/lib
ReadWritePaths=/run/folder
StandardOutput=append:/run/folder/agent.log
StandardError=append:/run/folder/agent.log
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    for path in (folder, *folder.parents[:3]):
        path.chmod(0o755)
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="module")
def machine(folder):
    machine = Machine(
        folder, {"simulator.service": SIMULATOR, "app.service": APP}, ("simulator.service", "app.service")
    )
    yield machine
    machine.close()


@pytest.fixture(scope="module")
def story(folder):
    def read():
        return (folder / "story").read_text().splitlines() if (folder / "story").exists() else []

    return read


@pytest.fixture(scope="module")
def service(machine, folder):
    """The service, installed as the documentation says."""
    (folder / "drain.sh").write_text(DRAIN)
    (folder / "stormcone.toml").write_text(CONFIGURATION)
    machine.run("cp", "/run/folder/stormcone.toml", "/etc/stormcone/stormcone.toml")
    machine.run("mkdir", "-p", "/etc/systemd/system/stormcone.service.d")
    (folder / "test.conf").write_text(DROP_IN)
    machine.run("cp", "/run/folder/test.conf", "/etc/systemd/system/stormcone.service.d/test.conf")
    installed = machine.run(*STORMCONE, "install", "--systemd")
    assert installed.returncode == 0, installed.stderr
    machine.systemctl("daemon-reload")
    started = machine.systemctl("enable", "--now", "stormcone")
    assert started.returncode == 0, machine.systemctl("status", "stormcone").stdout + machine.log()
    return "stormcone.service"


def announce(machine):
    said = machine.run(*STORMCONE, "simulate", "reboot", "--machine", "web-0", "--json")
    assert said.returncode == 0, said.stderr
    (event,) = json.loads(said.stdout)["ids"]
    return event


class TestTheService:
    """In this order: each part goes on where the last one has left the machine."""

    def test_is_started_once_its_loop_has_turned_and_says_what_it_does(self, machine, service):
        assert machine.shows(service, "ActiveState") == "active"
        assert machine.shows(service, "Type") == "notify"
        machine.until(lambda: "web-0" in machine.shows(service, "StatusText"), "a status with the machine's name")
        assert machine.shows(service, "UnitFileState") == "enabled"
        assert machine.shows(service, "User") != "root"

    def test_takes_a_changed_file_in_by_reload_and_refuses_a_broken_one(self, machine, service, folder):
        process = machine.shows(service, "MainPID")
        for text, told in (
            (CONFIGURATION.replace("commands.drain", "commands.leave"), "from now on the handlers are leave"),
            ("keep = 3", "the configuration is not taken in, the old one goes on: keep: "),
            (CONFIGURATION, "from now on the handlers are drain"),
        ):
            (folder / "stormcone.toml").write_text(text)
            machine.run("cp", "/run/folder/stormcone.toml", "/etc/stormcone/stormcone.toml")
            assert machine.systemctl("reload", service).returncode == 0
            machine.until(lambda told=told: told in (folder / "agent.log").read_text(), told)
        assert machine.shows(service, "MainPID") == process

    def test_is_ended_and_started_again_by_the_watchdog_where_it_hangs(self, machine, service):
        process = machine.shows(service, "MainPID")
        assert machine.shows(service, "NRestarts") == "0"
        machine.run("kill", "-STOP", process)
        machine.until(lambda: machine.shows(service, "Result") == "watchdog", "the watchdog")
        machine.until(lambda: machine.shows(service, "NRestarts") == "1", "another start")
        machine.until(lambda: machine.shows(service, "ActiveState") == "active", "its being ready again")
        assert machine.shows(service, "MainPID") != process

    def test_carries_the_machine_through_an_event(self, machine, service, story, folder):
        event = announce(machine)
        machine.until(lambda: "drain begins" in story(), "the handler")
        (folder / "go").touch()
        machine.until(lambda: "drained" in story(), "the handler's end")
        done = machine.run("env", "STORMCONE_JOURNAL=/var/lib/stormcone/journal.db", *STORMCONE, "status", "--json")
        assert json.loads(done.stdout)["events"][0]["id"] == event
        completed = machine.run(
            PYTHON,
            "-c",
            "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method='POST'))",
            f"http://127.0.0.1:18169/_simulator/events/{event}/complete",
        )
        assert completed.returncode == 0, completed.stderr
        machine.until(lambda: "recovered" in story(), "the recovery")
        (folder / "go").unlink()
        (folder / "story").unlink()

    def test_has_its_handlers_done_before_what_they_work_on_is_stopped(self, machine, service, story):
        announce(machine)
        machine.until(lambda: "drain begins" in story(), "the handler")
        machine.power_off()
        assert story() == ["drain begins", "drain ends", "app stops"]
