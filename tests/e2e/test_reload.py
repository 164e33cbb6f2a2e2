"""A configuration that changes while the agent works: `stormcone reload`, which is a SIGHUP."""

import os
import pty
import signal
import subprocess
import sys
from typing import Any

import pytest

FILE = """
provider = "azure"
[commands.drain]
prepare = "sh {folder}/{version}.sh"
recover = "sh {folder}/{version}.sh"
lead = "announced"
"""

SCRIPT = """
echo "{version} $STORMCONE_STAGE begins"
while [ ! -e {folder}/go ]; do sleep 0.02; done
echo "{version} $STORMCONE_STAGE ends"
"""


class Place:
    """An agent's configuration, its commands, and the agent."""

    def __init__(self, home: Any, simulator: Any) -> None:
        self.home, self.simulator = home, simulator
        self.file = home.folder / "stormcone.toml"
        for version in ("old", "new"):
            script = home.folder / f"{version}.sh"
            script.write_text(SCRIPT.format(version=version, folder=home.folder))
        self.write("old")

    def write(self, version: str, more: str = "") -> None:
        self.file.write_text(FILE.format(folder=self.home.folder, version=version) + more)

    def start(self) -> Any:
        running = self.home.start("run", "--config", self.file, STORMCONE_ENDPOINT=self.simulator.url)
        running.says("watching web-0")
        return running

    def reload(self) -> Any:
        return self.home.run("reload", "--config", self.file)

    def let_go(self) -> None:
        (self.home.folder / "go").touch()


@pytest.fixture
def place(home: Any, simulator: Any) -> Place:
    return Place(home, simulator)


class TestInMidDrain:
    def test_what_runs_ends_with_the_old_and_what_begins_later_is_the_new(self, place: Place) -> None:
        running = place.start()
        event = place.simulator.schedule("reboot", resources=["web-0"])
        running.says("old prepare begins")
        place.write("new")
        said = place.reload()
        assert (said.returncode, said.stderr) == (0, "")
        assert "has reloaded: from now on the handlers are drain." in said.stdout
        running.says("from now on the handlers are drain")
        place.let_go()
        running.says("old prepare ends")
        running.says("drain.prepare done")
        running.says("approved")
        place.simulator.complete(event)
        running.says("new recover ends")
        assert running.ends_by(signal.SIGTERM) == 0
        assert not [line for line in running.out if "new prepare" in line or "old recover" in line]

    @pytest.mark.parametrize(
        ("version", "more", "why"),
        [
            ("new", 'leed = "1m"', "there is no key commands.drain.leed ("),
            ("new", "shell = tru", "the configuration is not valid TOML at "),
            ("new", '[commands.two]\nprepare = "a | b"', "no shell runs the command, so '|' would only be text to it"),
            ("new", '[[rules]]\nhandlers = ["drian"]', "there is no handler 'drian'; did you mean drain?"),
        ],
    )
    def test_a_broken_file_is_refused_and_the_old_goes_on(
        self, place: Place, version: str, more: str, why: str
    ) -> None:
        running = place.start()
        place.simulator.schedule("reboot", resources=["web-0"])
        running.says("old prepare begins")
        place.write(version, more)
        told = place.reload()  # refuses, and tells the agent nothing
        assert told.returncode == 64
        assert why in told.stderr
        running.hears(signal.SIGHUP)
        assert why in running.says("the configuration is not taken in, the old one goes on: ")
        place.let_go()
        running.says("drain.prepare done")
        assert running.ends_by(signal.SIGTERM) == 0

    def test_what_takes_a_restart_is_refused_as_a_whole(self, place: Place) -> None:
        running = place.start()
        place.write("new")
        place.file.write_text('keep = "1d"\n' + place.file.read_text().replace('"azure"', '"aws"'))
        why = "the old one goes on: provider, keep cannot change while the agent works; restart it"
        told = place.reload()
        assert (told.returncode, told.stdout) == (1, "")
        assert "has not reloaded: the configuration is not taken in, " + why in told.stderr
        running.says(why)
        place.simulator.schedule("reboot", resources=["web-0"])
        running.says("old prepare begins")
        place.let_go()
        assert running.ends_by(signal.SIGTERM) == 0


class TestAHandlerFile:
    TEXT = "from stormcone import App\napp = App()\n@app.prepare(lead=None)\ndef {}(event, context): ...\n"

    def test_is_read_again(self, home: Any, simulator: Any) -> None:
        file = home.folder / "handlers.py"
        file.write_text(self.TEXT.format("old"))
        running = home.start("run", file, STORMCONE_ENDPOINT=simulator.url)
        running.says("watching web-0")
        file.write_text("def broken(:\n")
        running.hears(signal.SIGHUP)
        assert "handlers.py cannot be imported: SyntaxError" in running.says("the old one goes on: ")
        file.write_text(self.TEXT.format("new"))
        running.hears(signal.SIGHUP)
        running.says("from now on the handlers are new")
        simulator.schedule("reboot", resources=["web-0"])
        running.says("new.prepare done")
        assert running.ends_by(signal.SIGTERM) == 0


def test_where_no_agent_works_it_says_so(home: Any) -> None:
    said = home.run("reload")
    assert said.returncode == 64
    assert f"no agent works with the journal {home.journal}; name its journal with --journal" in said.stderr


def test_on_a_terminal_a_hangup_ends_the_agent_so_nothing_is_reloaded_there(home: Any, simulator: Any) -> None:
    terminal, end = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "stormcone", "run", "--on-prepare", "true"],
        stdin=end,
        stdout=subprocess.PIPE,
        env={**home.env, "STORMCONE_ENDPOINT": simulator.url},
        text=True,
    )
    with running, os.fdopen(terminal, "wb"), os.fdopen(end, "wb"):
        assert running.stdout is not None
        assert any("watching web-0" in line for line in running.stdout)
        said = home.run("reload")
        assert said.returncode == 64
        assert "works on a terminal, where the signal would end it; stop it and start it again" in said.stderr
        running.send_signal(signal.SIGHUP)
        assert "stopped; " in running.stdout.read()
    assert running.returncode == 0
