"""A program that runs for a stage: how it is started, listened to and ended with all that it has started."""

import logging
import os
import shutil
import signal
import subprocess
import threading
import uuid
from pathlib import Path
from typing import IO

from stormcone.errors import GiveUp
from stormcone.handlers import processes
from stormcone.text import printable

LOGGED = 256 * 1024
"""Characters of a command's output that are logged; what comes after is read and left out."""

_LONGEST_LINE = 500
_LONGEST_READ = 8192
_LAST_WORDS_SECONDS = 1.0


class RunningCommand:
    """A running command with the processes that it starts, which end with it when it is stopped.

    Attributes:
        last_line: of what it has said.
        signalled: whether it was told to end while it ran.

    Raises:
        OSError: it cannot be started.
        ValueError: its words cannot stand on a command line.
    """

    def __init__(
        self,
        words: list[str],
        stdin: IO[bytes],
        environment: dict[str, str],
        mark: str,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self.last_line = ""
        self.signalled = False
        self._log = log
        self._lock = threading.Lock()
        self._reaped = False
        self._ended_by = signal.SIGTERM
        self._mark = mark or uuid.uuid4().hex
        self._process = subprocess.Popen(  # noqa: S603 - words of the operator's, no shell, nothing of the event's
            words,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, processes.VARIABLE: self._mark},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def signal(self, number: signal.Signals) -> None:
        """Signal the command with all that it has started, also what has left its process group."""
        with self._lock:
            if not self._reaped:  # its number may be another's by then
                self.signalled = True
                os.killpg(self._process.pid, number)
        others = processes.running(self._mark.__eq__)
        if not self._reaped:
            others = {process: mark for process, mark in others.items() if not self._in_group(process)}
        processes.send(others, number)

    def wait(self) -> int:
        """Wait for the command's end; of one that was told to end, nothing is left running. Answers its exit status.

        Raises:
            GiveUp: the program that we are part of ignores SIGCHLD, so the system has kept no exit status.
        """
        try:
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            with self._lock:
                self._reaped = True
                self._process.wait()
            raise GiveUp(
                "how it ended is not known, since this program ignores SIGCHLD; "
                "call signal.signal(signal.SIGCHLD, signal.SIG_DFL) in it"
            ) from None
        if self.signalled:
            self.signal(signal.SIGKILL)
        with self._lock:
            self._reaped = True
            status = self._process.wait()
        # A process that the command left running may hold the pipe: what it says later is not waited for.
        self._reader.join(_LAST_WORDS_SECONDS)
        return status

    def _in_group(self, process: int) -> bool:
        try:
            return os.getpgid(process) == self._process.pid
        except OSError:
            return True  # it has ended

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
        room, left_out, last = LOGGED, 0, b""
        with self._process.stdout as output:
            for raw in iter(lambda: output.readline(_LONGEST_READ), b""):
                if left_out:  # a hundred megabytes must cost no more than their reading
                    left_out, last = left_out + 1, last if raw.isspace() else raw
                    continue
                line = _line(raw)
                if not line:
                    continue
                self.last_line = line
                room -= len(line)
                if room >= 0:
                    self._log.info("%s", line)
                    continue
                self._log.warning("it has said too much: what comes now is not logged")
                left_out, last = 1, raw
        if left_out:
            self.last_line = _line(last)
            self._log.warning("%d lines were not logged; the last one: %s", left_out, self.last_line)


def _line(raw: bytes) -> str:
    return printable(raw[: 4 * _LONGEST_LINE].decode(errors="replace")).strip()[:_LONGEST_LINE]


def keep_exit_statuses() -> None:
    """Let the system keep how a child ended: a parent that ignores SIGCHLD hands that on to this process."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def why_not_run(program: str) -> str:
    """Why a program cannot be run, as a clause; "" where it can be."""
    found = shutil.which(program)
    if found:
        return _why_not_executed(Path(found))
    if Path(program).is_dir():
        return f"{program} is a folder"
    if Path(program).exists():
        return f"{program} is not executable; chmod +x it, or name its interpreter as well"
    return f"there is no program {program}" + ("" if "/" in program else " on the PATH; give its whole path")


def _why_not_executed(program: Path) -> str:
    """What the system would only say at the event: a script whose first line names no interpreter, or none that is."""
    try:
        with program.open("rb") as file:
            head = file.read(256)
    except OSError:
        return ""  # it may be run although it may not be read
    if not head:
        return f"{program} is empty"
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n")[0].split()
        interpreter = words[0].decode(errors="replace") if words else ""
        if shutil.which(interpreter) is None:
            return f"the first line of {program} names no program that is there: {interpreter or '(nothing)'}"
        return ""
    if b"\0" not in head:
        return f"{program} is a text without a first line such as #!/bin/sh; add one, or name its interpreter as well"
    return ""
