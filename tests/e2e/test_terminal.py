"""What a person sees: colours on a terminal and nowhere else, and a question before anything is approved for others."""

import os
import pty
import select
import subprocess
import time
from datetime import timedelta
from typing import Any

import pytest

from stormcone.model import Impact


class Terminal:
    """A program with a terminal of its own."""

    def __init__(self, home: Any, *arguments: str, **env: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*home.program, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**home.env, "TERM": "xterm-256color", **env},
            cwd=home.folder,
        )
        os.close(theirs)
        self.shown = ""

    def shows(self, text: str) -> None:
        """Wait for a text."""
        end = time.monotonic() + 30
        while text not in self.shown:
            assert self._read() or time.monotonic() < end, f"{text!r} is not in {self.shown!r}"

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ends(self) -> int:
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait(30)

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 30)[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the other side has closed it
            return False
        self.shown += data.decode()
        return bool(data)


def announce(simulator: Any) -> str:
    event: str = simulator.schedule(Impact.REBOOT, resources=["web-0", "web-1"], notice=timedelta(minutes=15))
    return event


class TestColours:
    def test_are_for_terminals(self, home: Any, simulator: Any) -> None:
        announce(simulator)
        terminal = Terminal(home, "events", "--endpoint", simulator.url)
        assert terminal.ends() == 0
        assert "\x1b[33m\x1b[1mreboot of web-0, web-1\x1b[0m" in terminal.shown
        assert "\x1b" not in home.run("events", "--endpoint", simulator.url).stdout

    def test_are_not_for_those_who_do_not_want_them(self, home: Any, simulator: Any) -> None:
        announce(simulator)
        terminal = Terminal(home, "events", "--endpoint", simulator.url, NO_COLOR="1")
        assert terminal.ends() == 0
        assert "reboot of web-0, web-1" in terminal.shown
        assert "\x1b" not in terminal.shown


class TestAnApprovalThatSpeaksForOthers:
    @pytest.mark.parametrize(
        ("word", "status", "said", "approvals"),
        [("y\n", 0, "Approved: reboot of web-0, web-1", ["web-0"]), ("n\n", 1, "nothing was approved", [])],
    )
    def test_is_asked_about(
        self, home: Any, simulator: Any, word: str, status: int, said: str, approvals: list[str]
    ) -> None:
        terminal = Terminal(home, "approve", announce(simulator), "--endpoint", simulator.url)
        terminal.shows("This lets the reboot begin for web-0 (this machine), web-1. Approve it? [y/N]:")
        terminal.type(word)
        assert terminal.ends() == status
        assert said in terminal.shown
        assert home.approvals(simulator) == approvals

    def test_is_of_what_was_shown_and_of_nothing_else(self, home: Any, simulator: Any) -> None:
        event = simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15))
        terminal = Terminal(home, "approve", event, "--endpoint", simulator.url)
        terminal.shows("This lets the reboot begin for web-0 (this machine). Approve it? [y/N]:")
        simulator.change(event, resources=["web-0", "web-1"])
        terminal.type("y\n")
        assert terminal.ends() == 1
        assert "nothing was approved: meanwhile it is another event" in terminal.shown
        assert home.approvals(simulator) == []

    @pytest.mark.parametrize("word", ["", "y\n"])
    def test_is_not_sent_where_there_is_no_terminal_to_ask_at(self, home: Any, simulator: Any, word: str) -> None:
        done = home.run("approve", announce(simulator), "--endpoint", simulator.url, stdin=word)
        assert done.returncode == 1
        machines = "web-0 (this machine), web-1"
        assert (
            done.stderr
            == f"stormcone: nothing was approved: it would speak for {machines}; give --yes if that is right\n"
        )
        assert home.approvals(simulator) == []
