"""A process that has imported the agent, and forks a process for each life of one: tens of milliseconds, not a second.

What is forked is the program `stormcone` itself, with a command line, an environment and an output of its own. Orders
come as lines of JSON on standard input, and what happens is told in lines of JSON on standard output:

    {"start": 7, "argv": [...], "env": {...}, "output": PATH or null}     {"started": 7, "pid": 4711}
    {"signal": 7, "number": 9}            it is sent only while the process is ours
                                                                          {"ended": 7, "status": -9, "at": SECONDS}
"""

import gc
import json
import os
import selectors
import signal
import sys
import time
from typing import Any

from deeds import pause
from stormcone import cli
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins

WARM = (
    "stormcone.cli.commands.run",
    "stormcone.cli.commands.simulator",
    "stormcone.simulators.control_client",
    "aliyunsdkcore.client",
    "aliyunsdkecs.request.v20140526",
    "aliyunsdkcore.request",
    "stormcone_alibaba.sdk",
    "stormcone_alibaba.transport",
    "stormcone.cli.commands.worker",
    "stormcone.fleet.postgresql",
    "stormcone.journal.postgresql.store",
    "stormcone.journal.postgresql.worker_side",
)
"""What a life would import by itself, later."""


class Zygote:
    """The loop that takes orders, forks and reaps."""

    def __init__(self) -> None:
        self._pids: dict[int, int] = {}
        self._rest = b""
        self._wake, wakes = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes)
        self._wakes = wakes
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> dict[str, Any] | None:
        """Serve until standard input ends; answers an order in the process that is to carry it out."""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(1.0):
                    if key.fd == self._wake:
                        os.read(self._wake, 4096)
                        continue
                    got = os.read(0, 65536)
                    if not got:
                        self._end_all()
                        return None
                    *lines, self._rest = (self._rest + got).split(b"\n")
                    for line in lines:
                        order = self._order(json.loads(line))
                        if order is not None:
                            return order
                self._reap()

    def _order(self, order: dict[str, Any]) -> dict[str, Any] | None:
        if "signal" in order:
            if order["signal"] in self._pids:
                os.kill(self._pids[order["signal"]], order["number"])
            return None
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN if order.get("ignores_children") else signal.SIG_DFL)
            os.close(self._wake)
            os.close(self._wakes)
            return order
        self._pids[order["start"]] = pid
        _tell(started=order["start"], pid=pid)
        return None

    def _reap(self) -> None:
        for number, pid in tuple(self._pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._pids[number]
                _tell(ended=number, status=os.waitstatus_to_exitcode(status), at=time.monotonic())

    def _end_all(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGKILL)


def _tell(**values: Any) -> None:
    os.write(1, json.dumps(values).encode() + b"\n")


def become(order: dict[str, Any]) -> None:
    """Be the program, in a process of its own: what follows is all that a start of it would do."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    sys.stdout = os.fdopen(1, "w", closefd=False)  # what is behind them may be of another kind than before
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.update(order["env"])
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = pause  # type: ignore[assignment]
    sys.argv = ["stormcone", *order["argv"]]


def main() -> dict[str, Any] | None:
    """Import, then serve."""
    for name in WARM:
        __import__(name)
    for group in (PROVIDERS, SIMULATORS):
        for name in load_plugins(group).found:
            load_plugins(group).get(name)
    gc.collect()
    gc.freeze()
    _tell(ready=os.getpid())
    return Zygote().run()


if __name__ == "__main__":
    ORDER = main()
    if ORDER is not None:
        become(ORDER)
        cli.program()
