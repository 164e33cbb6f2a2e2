"""The end of the agent: within its promise, whatever handlers and readers do."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stormcone.cli import LAST_WORDS, LEFT_BEHIND
from stormcone.model import Impact

PROGRAM = (sys.executable, "-m", "stormcone")
MARGIN = 20.0
"""Seconds for a machine that is busy; what would hang would do so for ever."""

LEAVES = {
    "a thread": "threading.Thread(target=time.sleep, args=(600,)).start()",
    "a pool": "concurrent.futures.ThreadPoolExecutor().submit(time.sleep, 600)",
    "a process": "multiprocessing.get_context('fork').Process(target=sleep).start()",
    "a fork": "os.fork() or sleep()",
}

HANDLERS = """
import concurrent.futures, multiprocessing, os, threading, time
from stormcone import App, Handler

def sleep():
    os.closerange(0, 3)  # or the test would wait for it as well
    time.sleep(60)

class Leaves(Handler):
    def prepare(self, event, context):
        {leaves}
        print("left", flush=True)

app = App([Leaves()])
"""


@pytest.mark.parametrize("leaves", LEAVES.values(), ids=LEAVES)
def test_is_not_held_up_by_what_a_handler_has_left_behind(
    home: Any, simulator: Any, tmp_path: Path, leaves: str
) -> None:
    file = tmp_path / "handlers.py"
    file.write_text(HANDLERS.format(leaves=leaves))
    agent = home.start("run", str(file), STORMCONE_ENDPOINT=simulator.url, STORMCONE_PROVIDER="azure")
    simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(hours=1))
    agent.says("left")
    agent.says("prepare done")
    begun = time.monotonic()
    agent._process.send_signal(signal.SIGTERM)
    assert agent._process.wait(LEFT_BEHIND + MARGIN) == 0
    assert time.monotonic() - begun < LEFT_BEHIND + MARGIN


def test_is_not_held_up_by_an_output_that_nobody_reads(home: Any, simulator: Any) -> None:
    reader, writer = os.pipe()
    chatter = json.dumps([sys.executable, "-c", "for number in range(5000): print('x' * 400)"])
    agent = subprocess.Popen(
        [*PROGRAM, "run", "--on-prepare", chatter],
        stdout=writer,
        stderr=subprocess.DEVNULL,
        env={**home.env, "STORMCONE_ENDPOINT": simulator.url, "STORMCONE_PROVIDER": "azure"},
        cwd=home.folder,
    )
    os.close(writer)
    simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(hours=1))
    try:
        home.until(lambda: home.approvals(simulator), "the approval, although nobody reads")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(10 + 2 * LAST_WORDS + LEFT_BEHIND + MARGIN) == 0
    finally:
        agent.kill()
        agent.wait()
        os.close(reader)


def test_of_one_that_cannot_begin_is_not_held_up_by_whoever_does_not_read_why(home: Any) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"\n" * 4096)
    os.set_blocking(writer, True)
    agent = subprocess.Popen(
        [*PROGRAM, "run", "nothing.py"], stdout=subprocess.DEVNULL, stderr=writer, env=home.env, cwd=home.folder
    )
    os.close(writer)
    try:
        assert agent.wait(LAST_WORDS + LEFT_BEHIND + MARGIN) == 66
    finally:
        agent.kill()
        agent.wait()
        os.close(reader)


IN_A_LIBRARY = """
import sys, threading, time
from typing import Annotated
from pydantic import AfterValidator, TypeAdapter
from stormcone import cli

begun = threading.Barrier(5)
numbers = TypeAdapter(list[Annotated[int, AfterValidator(lambda number: sum(range(50)) and number)]])

def work():
    begun.wait()
    while True:
        numbers.validate_python([1] * 200)

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
begun.wait()
sys.argv = ["stormcone", "--version"]
cli.program()
"""


def test_is_not_spoilt_by_a_thread_that_works_within_a_library_meanwhile(home: Any) -> None:
    """As the one that polls: Python would end it there, and with it the process, by SIGABRT."""
    done = subprocess.run(
        [sys.executable, "-c", IN_A_LIBRARY], env=home.env, cwd=home.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("stormcone")
