"""Servers in processes of their own, in one temporary folder and on free ports of the loopback address."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

PATIENCE = 60.0
"""Seconds after which what is waited for counts as never coming."""

PAUSE = 0.02


class Stuck(Exception):
    """What a play waits for does not come."""


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until the condition holds.

    Raises:
        Stuck: it does not within `patience` seconds.
    """
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise Stuck(f"waited {patience:g} s in vain for {what}")
        time.sleep(PAUSE)


def free_port() -> int:
    """A port that nobody listens on, and that no client's connection is given by the system: those are higher."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - nobody is to be surprised
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def family(number: int) -> list[int]:
    """A process and all that it has started, by their numbers; a few of them may have left its session."""
    try:
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except OSError:  # it is gone, or this is not Linux
        children = []
    return [number, *(each for child in children for each in family(int(child)))]


class Machinery:
    """What a play has running. Used with `with`: at the end all of it is killed, and its folder is gone.

    Attributes:
        folder: where everything of this play is, readable by every user.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stormcone-recipe-"))
        self.folder.chmod(0o755)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._last: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        for name in reversed(self._running):
            self.kill(name)
        for act in self._last:
            act()
        shutil.rmtree(self.folder, ignore_errors=True)

    def at_the_end(self, act: Callable[[], None]) -> None:
        """Have something done once all programs are gone."""
        self._last.append(act)

    def start(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, user: str | None = None
    ) -> None:
        """Start a program that goes on; what it says is in `NAME.log`. `user` is whom it runs as, where we are root."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                user=user if os.geteuid() == 0 else None,
                start_new_session=True,
            )

    def alive(self, name: str) -> bool:
        """Whether that program runs."""
        return name in self._running and self._running[name].poll() is None

    def kill(self, name: str) -> None:
        """End a program and all that it has started as a power cut does: at once."""
        process = self._running[name]
        if process.poll() is None:
            for number in family(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> None:
        """Ask a program to end, and wait for that."""
        process = self._running[name]
        process.terminate()
        process.wait(PATIENCE)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Where a play fails in here, its error says what each program has said last."""
        try:
            yield
        except Exception as error:
            for log in sorted(self.folder.glob("*.log")):
                error.add_note(f"{log.name}: ..." + log.read_text(errors="replace")[-2000:])
            raise

    def said(self, name: str) -> str:
        """All that a program has said so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def run(self, command: Sequence[str | Path], *, user: str | None = None) -> str:
        """Run a program to its end; answers what it printed.

        Raises:
            Stuck: it failed.
        """
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.folder,
            text=True,
            timeout=PATIENCE,
            user=user if os.geteuid() == 0 else None,
            check=False,
        )
        if done.returncode:
            raise Stuck(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout
