"""Telling systemd how the agent is: ready, alive, what it does, stopping.

The protocol is a datagram of `NAME=VALUE` lines to the socket that `NOTIFY_SOCKET` names (`sd_notify(3)`). The watchdog
is fed at the end of each turn of the agent's loop, by the thread that turns it: nobody feeds it for a loop that hangs.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import timedelta

from stormcone.agent.view import AgentView
from stormcone.clock import Clock, SystemClock
from stormcone.health.readiness import Condition, Readiness
from stormcone.model import Phase
from stormcone.text import printable, shortened

FEED_EVERY = 1.0
"""Seconds between two feeds of the watchdog, at the least."""

_SOCKET, _WATCHDOG, _WATCHDOG_PROCESS = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_LONGEST_STATUS = 400


class Notifier:
    """Tells systemd, where systemd has started us and wants to know; else it tells nobody.

    What it takes from the environment it takes away, so that a handler's commands tell systemd nothing in our name.

    Args:
        environment: the process's.
        clock: real time, by which the watchdog goes.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ, clock: Clock | None = None) -> None:
        address = environment.pop(_SOCKET, "")
        patience = environment.pop(_WATCHDOG, "")
        process = environment.pop(_WATCHDOG_PROCESS, "")
        self.watchdog: timedelta | None = None
        if address and patience.isdigit() and process in {"", str(os.getpid())}:
            self.watchdog = timedelta(microseconds=int(patience))
        self._clock = clock or SystemClock()
        self._socket: socket.socket | None = None
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)  # whoever reads it may hang; we do not
        self._ready = False
        self._stopping = False
        self._status = ""
        self._fed: float | None = None

    @property
    def wanted(self) -> bool:
        """Whether somebody wants to know."""
        return self._socket is not None

    def turned(self, view: AgentView, found: Readiness) -> None:
        """The agent's loop has turned, and this is how the agent stands."""
        if self._socket is None:
            return
        lines = []
        if not self._ready:
            lines.append("READY=1")
        if view.stopping and not self._stopping:
            lines.append("STOPPING=1")
        status = status_line(view, found)
        if status != self._status:
            lines.append(f"STATUS={status}")
        self._tell(lines, status, stopping=view.stopping)

    def waits(self, status: str) -> None:
        """There is no agent yet, and that is as it should be: this is what it waits for."""
        lines = [] if self._ready else ["READY=1"]
        if status != self._status:
            lines.append(f"STATUS={shortened(printable(status), _LONGEST_STATUS)}")
        self._tell(lines, status, stopping=False)

    def _tell(self, lines: list[str], status: str, *, stopping: bool) -> None:
        """Tell these, and feed the watchdog where it is time for that."""
        now = self._clock.monotonic()
        feed = self.watchdog is not None and (self._fed is None or now - self._fed >= FEED_EVERY)
        if feed:
            lines.append("WATCHDOG=1")
        if lines and self._send(lines):
            self._ready, self._stopping, self._status = True, stopping, status
            self._fed = now if feed else self._fed

    def _send(self, lines: list[str]) -> bool:
        """Whether it was taken; what was not is sent with the next turn."""
        with suppress(OSError):
            if self._socket is not None:
                self._socket.sendto("\n".join(lines).encode(), self._address)
                return True
        return False

    def close(self) -> None:
        """Tell no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def status_line(view: AgentView, found: Readiness) -> str:
    """How the agent stands, in a line for `systemctl status`."""
    if view.stopping:
        return f"stopping; {len(view.running)} stage(s) still run"
    if found.condition is not Condition.READY:
        return shortened(printable("; ".join(found.reasons)), _LONGEST_STATUS)
    machine = f"{view.machine.name} on {view.machine.provider}" if view.machine else "no machine yet"
    ours = [
        work.episode.event
        for work in view.works
        if view.machine is None or view.machine.affected_by(work.episode.event)
    ]
    announced = sum(event.phase is Phase.SCHEDULED for event in ours)
    begun = sum(event.phase is Phase.STARTED for event in ours)
    return printable(f"watching {machine}; {announced} announced, {begun} begun, {len(view.running)} stage(s) run")
