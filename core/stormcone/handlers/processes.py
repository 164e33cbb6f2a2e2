"""The processes of a command, found by a mark in their environment, which all that they start inherit.

A process group is left by whoever calls `setsid`, and a process number is somebody else's once its owner is gone; the
mark stays with every child and grandchild, also when the agent that started them has died. It takes Linux's /proc:
elsewhere nothing is found, and what leaves its process group is left to itself.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

VARIABLE = "STORMCONE_RUN"
"""The variable that bears the mark."""

_PROC = Path("/proc")


def running(wanted: Callable[[str], bool]) -> dict[int, str]:
    """The processes whose mark is wanted, by number; one that has ended and waits for its parent is none."""
    return {number: mark for number in _numbers() if (mark := _mark(number)) and wanted(mark)}


def send(processes: dict[int, str], number: signal.Signals) -> None:
    """Signal processes, each only if it still bears its mark: its number may be another's by now."""
    for process, mark in processes.items():
        with suppress(OSError):  # it has ended, or the system has no such call
            handle = os.pidfd_open(process)
            try:
                if _mark(process) == mark:
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def _numbers() -> Iterator[int]:
    own = os.getpid()
    yield from (int(found.name) for found in _PROC.glob("[1-9]*") if found.name.isdigit() and int(found.name) != own)


def _mark(process: int) -> str:
    try:
        environment = (_PROC / str(process) / "environ").read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return ""
    name = f"{VARIABLE}=".encode()
    found = next((entry for entry in environment.split(b"\0") if entry.startswith(name)), name)
    return found.removeprefix(name).decode(errors="replace")
