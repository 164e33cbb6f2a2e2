"""What one test of a user's handlers costs, beside a test that does nothing: pytest with many of them, and with one."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, Measured

TESTS = 50
ROUNDS = 2

PLUGGED = """
from datetime import timedelta
import pytest
from stormcone import App, Handler, Impact, Phase

pytest_plugins = ["stormcone.testing.fixtures"]

class Pool(Handler):
    def prepare(self, event, context): ...
    def recover(self, event, context): ...

@pytest.fixture
def app():
    return App([Pool()])

@pytest.mark.parametrize("number", range({number}))
def test(azure, agent, number):
    event = azure.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15))
    agent.run_until(event, Phase.SCHEDULED, approved=True)
    azure.complete(event)
    agent.run_until(event, Phase.ENDED)
    agent.assert_ran(Pool, "recover", event)
"""

BARE = """
import pytest

@pytest.mark.parametrize("number", range({number}))
def test(number): ...
"""


def _processor(text: str, number: int) -> float:
    """Milliseconds of a processor that pytest has for so many tests."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(text.format(number=number), "utf-8")
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, "test_it.py"]
        program = subprocess.Popen([sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
        assert program.returncode == 0
    return (used.ru_utime + used.ru_stime) * 1e3


def _each(text: str) -> float:
    return min((_processor(text, 1 + TESTS) - _processor(text, 1)) / TESTS for _ in range(ROUNDS))


def measure() -> Measured:
    return Measured([Figure("a test with the plug-in", _each(PLUGGED), "ms"), Figure("a bare test", _each(BARE), "ms")])
