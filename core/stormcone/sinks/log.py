"""The sink `log`: each notification is a line of JSON, in a file or in the system's log."""

import contextlib
import os
import socket
from pathlib import Path
from typing import ClassVar, Self, cast

from pydantic import Field, model_validator

from stormcone.clock import Clock
from stormcone.errors import SinkError
from stormcone.sinks.cloudevent import line_of
from stormcone.sinks.contract import SinkSettings
from stormcone.sinks.notification import Notification

_DAEMON = 3 << 3
_WARNING, _INFO = 4, 6


class LogSinkSettings(SinkSettings):
    """The settings of the sink `log`."""

    file: Path | None = Field(None, description="The file to append lines to; its folder must exist.")
    syslog: str | None = Field(
        None, description="Instead of a file: the socket of the system's log, `/dev/log`, or `HOST:PORT` for UDP."
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.file is None) == (self.syslog is None):
            raise ValueError("give it a file, or syslog, and not both")
        return self


class LogSink:
    """Writes each notification where it is to go; what is in a file is on the disk when `send` returns."""

    Settings: ClassVar[type[SinkSettings]] = LogSinkSettings

    def __init__(self, settings: LogSinkSettings) -> None:
        self._settings = settings
        self._socket: socket.socket | None = None

    @classmethod
    def from_settings(cls, settings: SinkSettings, clock: Clock) -> Self:  # noqa: ARG003 - the contract's face
        """The sink; nothing is opened yet."""
        return cls(cast(LogSinkSettings, settings))

    def send(self, notification: Notification) -> None:
        """Write one line."""
        line = line_of(notification)
        try:
            if self._settings.file is not None:
                _append(self._settings.file, line.encode() + b"\n")
            else:
                self._to_syslog(notification, line)
        except OSError as error:
            self.close()
            place = self._settings.file or self._settings.syslog
            raise SinkError(f"{place} cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _to_syslog(self, notification: Notification, line: str) -> None:
        """One message of RFC 3164: most systems' logs take no other on their socket."""
        severity = _WARNING if notification.kind in FAILURES else _INFO
        message = f"<{_DAEMON | severity}>stormcone: {line}".encode()
        if self._socket is None:
            self._socket = _connected(self._settings.syslog or "")
        self._socket.send(message)


FAILURES = frozenset({"run.failed", "run.vetoed", "approval.refused", "postponement.refused"})
"""Kinds that somebody should look into."""


def _append(file: Path, line: bytes) -> None:
    """Add a line, opened anew each time, so that a file that was rotated is not written on; whole, or not at all."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(handle).st_size
        whole = False
        try:
            whole = os.write(handle, line) == len(line)
            os.fsync(handle)
        finally:
            if not whole:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, size)
        if not whole:
            raise OSError(None, "there is no room for a whole line")
    finally:
        os.close(handle)


def _connected(place: str) -> socket.socket:
    host, separator, port = place.rpartition(":")
    if separator and port.isdigit() and not place.startswith("/"):
        opened = socket.socket(socket.AF_INET6 if ":" in host.strip("[]") else socket.AF_INET, socket.SOCK_DGRAM)
        address: str | tuple[str, int] = (host.strip("[]"), int(port))
    else:
        opened, address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), place
    try:
        opened.settimeout(10.0)
        opened.connect(address)
    except OSError:
        opened.close()
        raise
    return opened
