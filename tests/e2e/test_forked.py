"""A program that is forked does as one that is started anew: else most tests here would be about something else."""

import os
import signal
from typing import Any

import pytest
from tests.e2e.conftest import Home, Running
from tests.forker import started_anew

SAYS = """
import os, sys, warnings
from stormcone import App, Handler

print(os.getcwd(), sys.argv[1:], sorted(os.environ), sys.stdin.read(), sys.stdout.encoding, sys.stdout.errors)
print(sys.stdin.encoding, sys.stderr.errors, sys.stdout.line_buffering, sys.stderr.line_buffering, file=sys.stderr)

class Drains(Handler):
    def prepare(self, event, context): warnings.warn("a warning is an error in the tests")

warnings.warn("and here")
"""


@pytest.fixture
def both(home: Any) -> tuple[Home, Home]:
    """The same home, with programs that are forked and that are started anew."""
    return home, Home(home.folder, started_anew)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("--version",), ""),
        (("check", "says.py"), "what was given: \u00e9\n"),
        (("check", "nowhere.py"), ""),
        (("history",), ""),
        (("events", "--provider", "azure", "--endpoint", "http://127.0.0.1:1"), ""),
        (("install", "--systemd", "--print", "--", "--on-prepare", "true"), ""),
        (("misspelt",), ""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_says_the_same_and_ends_the_same(both: tuple[Home, Home], words: tuple[str, ...], given: str) -> None:
    both[0].write("says.py", SAYS)
    forked, anew = (each.run(*words, stdin=given) for each in both)
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)
    assert forked.stdout + forked.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGUSR1])
def test_does_the_same_at_a_signal(both: tuple[Home, Home], simulator: Any, number: signal.Signals) -> None:
    def ends(home: Home) -> tuple[int, list[str]]:
        running = home.start("events", "--watch", "--endpoint", simulator.url, "--provider", "azure")
        running.says("Nothing is announced")
        return running.ends_by(number), running.err

    assert ends(both[0]) == ends(both[1])
    both[1].close()


def test_is_a_process_of_its_own(home: Any, simulator: Any) -> None:
    running: Running = home.start("events", "--watch", "--endpoint", simulator.url, "--provider", "azure")
    running.says("Nothing is announced")
    assert running._process.pid != os.getpid()
    assert home.alive(running._process.pid)
    assert running.ends_by(signal.SIGTERM) == 0
    assert not home.alive(running._process.pid)
