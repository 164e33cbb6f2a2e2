"""The real program in processes of its own, each test with a home and a journal of its own."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.region import Region
from tests.forker import PROGRAM, Forker, Start, run, started_anew

from stormcone.clock import SystemClock
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import Simulator, SimulatorOptions
from stormcone_simulators.azure import AzureSimulator

PATIENCE = 120.0
"""Seconds after which a condition counts as never coming true; only a failing test waits so long."""

STARTED_ANEW = {"test_program", "test_signals", "test_story", "test_terminal", "test_the_end"}


def until(condition: Callable[[], Any], what: Callable[[], str]) -> Any:
    """Wait until the condition holds; answers its value. `what` says what it was waiting for."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"waited {PATIENCE:g} s in vain for {what()}")
        time.sleep(0.01)
    return value


class Running:
    """A `stormcone` that goes on, and what it has said so far."""

    def __init__(self, start: Start, arguments: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self._reading = True
        ours, theirs = zip(os.pipe(), os.pipe(), strict=True)
        with Path(os.devnull).open() as nothing:
            self._process = start(arguments, env, cwd, (nothing.fileno(), *theirs))
        for end in theirs:
            os.close(end)
        self._readers = [self._reader(*each) for each in zip(ours, (self.out, self.err), strict=True)]

    def _reader(self, end: int, lines: list[str]) -> threading.Thread:
        def read() -> None:
            with open(end, encoding="utf-8") as stream:
                for line in stream:
                    lines.append(line.rstrip("\n"))
                    if not self._reading and lines is self.out:
                        return

        thread = threading.Thread(target=read)
        thread.start()
        return thread

    def says(self, text: str, times: int = 1) -> str:
        """Wait for a line of standard output with that text (the `times`-th such line); answers it."""

        def found() -> str | None:
            lines = [line for line in self.out if text in line]
            return lines[times - 1] if len(lines) >= times else None

        line = self.until(found, repr(text))
        assert isinstance(line, str)
        return line

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait until the condition holds, which it must before the program ends; answers its value."""

        def checked() -> Any:
            ended = self._process.poll() is not None
            if ended:
                self.ends()
            value = condition()
            if ended and not value:
                pytest.fail(f"it ended without {what}: {self.out}, {self.err}")
            return value

        return until(checked, lambda: f"{what} in {self.out}, {self.err}")

    def stop_reading(self) -> None:
        """Close our end of its standard output once it says something more."""
        self._reading = False

    def hears(self, number: signal.Signals) -> None:
        """Send it a signal that it is to outlive."""
        self._process.send_signal(number)

    def ends(self) -> int:
        """Wait for its end; answers its exit status."""
        status = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()
        return status

    def ends_by(self, number: signal.Signals) -> int:
        """Send the signal and wait for its end."""
        self._process.send_signal(number)
        return self.ends()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self.ends()


class Home:
    """Where a test's programs live, and how they are started.

    Args:
        start: starts them.

    Attributes:
        program: the words that start it.
        folder: the home folder.
        journal: the default journal of its programs.
        env: their environment.
    """

    program = PROGRAM

    def __init__(self, folder: Path, start: Start) -> None:
        self._start = start
        self.folder = folder
        self.journal = folder / "journal.db"
        self.env = {
            **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHONPATH", "COV"))},
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "STORMCONE_JOURNAL": str(self.journal),
            "STORMCONE_LOG": "text",
            "PYTHONWARNINGS": "error",
        }
        self._started: list[Running] = []

    def start(self, *arguments: object, **env: str) -> Running:
        """Start a program that goes on until it is told to stop."""
        running = Running(self._start, tuple(map(str, arguments)), {**self.env, **env}, self.folder)
        self._started.append(running)
        return running

    def run(
        self, *arguments: object, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        words = tuple(map(str, arguments))
        env = self.env if env is None else env
        return run(self._start, words, env, self.folder, patience=PATIENCE, given=stdin)

    def json(self, *arguments: object) -> Any:
        """Run a program that succeeds and prints JSON."""
        done = self.run(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def history(self, journal: Path | None = None) -> list[str]:
        """The journal's only story, as `who what` of each line."""
        (story,) = self.json("history", *(["--journal", journal] if journal else []))["events"]
        return [f"{entry['who']} {entry['what']}" for entry in story["timeline"]]

    @staticmethod
    def until(condition: Callable[[], Any], what: str) -> Any:
        """Wait until the condition holds; answers its value."""
        return until(condition, lambda: what)

    @staticmethod
    def approvals(simulator: AzureSimulator) -> list[str | None]:
        """The machines that have sent an approval, in order."""
        return [request["machine"] for request in simulator.requests() if request["method"] == "POST"]

    @staticmethod
    def alive(process: int) -> bool:
        """Whether there is such a process, and it is more than a zombie."""
        try:
            state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state not in "ZX"

    def write(self, name: str, text: str) -> Path:
        """Write a file in the home folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def close(self) -> None:
        for running in self._started:
            running.close()


@pytest.fixture
def start_program(request: pytest.FixtureRequest) -> Start:
    """Starts `stormcone`: in a fork, but for tests of how a program starts and ends, and what it is as a whole."""
    if Path(str(request.fspath)).stem in STARTED_ANEW:
        return started_anew
    forker: Forker = request.getfixturevalue("forker")
    return forker.start


@pytest.fixture
def home(tmp_path: Path, start_program: Start) -> Iterator[Home]:
    home = Home(tmp_path, start_program)
    yield home
    home.close()


Simulators = Callable[..., AzureSimulator]


@pytest.fixture
def simulators() -> Iterator[Simulators]:
    """Makes simulators in this process, on the real clock unless told otherwise, so that a test directs them."""
    with contextlib.ExitStack() as stack:

        def make(*machines: str, speed: float = 1.0, **options: Any) -> AzureSimulator:
            clock = SystemClock(speed=speed)
            return stack.enter_context(AzureSimulator(machines or ("web-0", "web-1"), clock=clock, **options))

        yield make


@pytest.fixture
def simulator(simulators: Simulators) -> AzureSimulator:
    return simulators()


@pytest.fixture
def clouds() -> Iterator[Callable[..., Simulator]]:
    """Makes simulators of any cloud in this process, with the machines i-aaa and i-bbb."""
    with contextlib.ExitStack() as stack:

        def make(name: str, speed: float = 1.0, **settings: str) -> Simulator:
            options = SimulatorOptions(machines=("i-aaa", "i-bbb"), clock=SystemClock(speed=speed), settings=settings)
            return stack.enter_context(simulator_class(name).from_options(options))

        yield make


@pytest.fixture
def region_of(tmp_path: Path, forker: Forker, request: pytest.FixtureRequest) -> Iterator[Callable[..., Region]]:
    """Makes a region of Alibaba Cloud, whose journal is on the PostgreSQL of this process's tests, or at `url`."""
    with contextlib.ExitStack() as stack:

        def make(machines: Sequence[str] = ("i-0",), url: str | None = None) -> Region:
            options = SimulatorOptions(clock=SystemClock(), machines=tuple(machines))
            simulator = stack.enter_context(simulator_class("alibaba").from_options(options))
            url = url or request.getfixturevalue("journal_address")
            region = Region(tmp_path, url, simulator, machines, forker.start)
            stack.callback(region.close)
            return region

        yield make


@pytest.fixture
def region(region_of: Callable[..., Region]) -> Region:
    return region_of()
