"""Agents that die, in processes of their own, and the story that goes on around them."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import pytest

from stormcone.simulators.contract import Simulator

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testid",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "GOOGLE_APPLICATION_CREDENTIALS": "",
    "NO_PROXY": "127.0.0.1",
}
"""What the simulators believe, and nothing of whoever runs the tests."""

EVERY_BOUNDARY = bool(os.environ.get("EVERY_STORY"))
"""Whether to die at each boundary, whatever it leaves; `make crash-walk` sets it."""

PROGRAM = Path(__file__).with_name("agent_process.py")


class Agents:
    """The program that forks agents; see `agent_process.py`."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, **ENVIRONMENT},
        )

    def tell(self, at_boundary: Callable[[], None] | None = None, **order: Any) -> dict[str, Any]:
        """Tell the program, or the agent that it has running, what to do; answers its answer.

        At each boundary at which that pauses before it has done it, `at_boundary` is called.
        """
        self._say(order)
        while "at" in (answer := self._answer()):
            assert at_boundary is not None
            at_boundary()
            self._say({"do": "go on"})
        return answer

    def ended(self) -> int:
        """How the process ended that has just said its last word."""
        status: int = self._answer()["ended"]
        return status

    def close(self) -> None:
        with self._program as program:
            assert program.stdin is not None
            program.stdin.close()
            program.wait(10)

    def _say(self, order: dict[str, Any]) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(order) + "\n")

    def _answer(self) -> dict[str, Any]:
        assert self._program.stdout is not None
        line = self._program.stdout.readline()
        assert line, "the program that forks agents has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


Walk = TypeVar("Walk")


class Walkers:
    """A program that forks agents for each processor that is ours, with a thread that tells it what to do."""

    def __init__(self) -> None:
        neighbours = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        self._programs = [Agents() for _ in range(max((os.cpu_count() or 1) // neighbours, 1))]
        self._free = SimpleQueue[Agents]()
        for program in self._programs:
            self._free.put(program)
        self._threads = ThreadPoolExecutor(len(self._programs))

    def walk(self, walks: Iterable[Callable[[Agents], Walk]]) -> Iterator[Walk]:
        """Do all of them, side by side; answers what they answer, in their order."""
        return self._threads.map(self._one, walks)

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for program in self._programs:
            program.close()

    def _one(self, walk: Callable[[Agents], Walk]) -> Walk:
        program = self._free.get()
        try:
            return walk(program)
        finally:
            self._free.put(program)


def left_by_a_death(folder: Path, simulator: Simulator) -> tuple[Any, ...]:
    """What an agent leaves that dies now: files, and what the cloud was asked; `simulator` has the time too.

    What SQLite rolls back of an unfinished transaction is nothing.
    """
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-journal")
    }
    return simulator.clock.now(), len(simulator.requests()), files


def deaths(boundaries: Sequence[str], left: Sequence[tuple[Any, ...]]) -> list[int]:
    """The numbers of the boundaries at which to die: of those that leave the same, only the last."""
    assert len(left) == len(boundaries)
    following = [*left[1:], None]
    return [number for number, each in enumerate(left, 1) if EVERY_BOUNDARY or each != following[number - 1]]


@pytest.fixture(scope="session")
def walkers() -> Iterator[Walkers]:
    walkers = Walkers()
    yield walkers
    walkers.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what a SIGKILL leaves of a file is the same there, and much sooner."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own within
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)
