"""Writes a trace while exchanges happen: what is new is added at the end, what is unchanged is only counted.

The file is whole after every exchange. An entry is written in one piece and brought to the disk before the next
exchange, since what is recorded may be the notice of this machine's own end. The counts of unchanged repeats are
written over in place, at most once a minute, so a process that is killed loses one minute of counting and no entry.
"""

import logging
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.secret_values import SecretValues
from stormcone.clouds.trace import TraceRules
from stormcone.errors import TraceError
from stormcone.recording.anonymise import Anonymiser
from stormcone.recording.secrets import essence, scrubbed
from stormcone.recording.trace_file import Header, Origin, TraceEntry, entry_text, header_text, tail_text
from stormcone.text import one_line

_log = logging.getLogger(__name__)

SAVE_EVERY = timedelta(minutes=1)
"""How often the counts of what repeats unchanged are written."""

_STREAMS = 1000


class _Question(NamedTuple):
    """What makes two requests the same question."""

    method: str
    url: str
    body: bytes | None


@dataclass(eq=False)
class _Stream:
    """One question, and the entry that holds its last answer."""

    asked: _Question
    raw: Exchange
    status: int
    essence: bytes
    tail: int
    last_seen: datetime
    count: int = 1
    unsaved: bool = False


class Recorder:
    """Records exchanges into a new file; `record` is the tap for `ProviderOptions.tap`.

    Any number of threads may record at once. A fault of the disk ends the recording, never the exchange: it is
    logged once, and is then `error`.

    Args:
        path: the file, which must not be there yet; only its owner may read it.
        provider: the cloud's name.
        begun: when the recording begins, aware UTC.
        rules: what of the cloud's exchanges is kept and what names nobody.
        machine: as events name it, where that is known.
        anonymise: whether identifiers become pseudonyms.
        origin: where the exchanges come from; see `Header`.

    Attributes:
        asked: how many exchanges there were.
        stored: how many of them are entries of their own.
        error: why it no longer records, or None.

    Raises:
        TraceError: the file is there already, or cannot be made.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        provider: str,
        begun: datetime,
        rules: TraceRules | None = None,
        machine: str = "",
        anonymise: bool = False,
        origin: Origin = "recorded",
    ) -> None:
        self.path = Path(path)
        self.asked = 0
        self.stored = 0
        self.error: TraceError | None = None
        self._rules = rules or TraceRules()
        self._secrets = SecretValues()
        self._anonymiser = Anonymiser(self._rules) if anonymise else None
        self._lock = threading.Lock()
        self._streams: OrderedDict[_Question, _Stream] = OrderedDict()
        self._by_raw: dict[_Question, _Stream] = {}
        self._saved_at = begun
        self._file = _created(self.path)
        self._end = 0
        name = self._anonymiser.name(machine) if self._anonymiser else machine
        header = Header(provider=provider, machine=name, begun=begun, anonymised=anonymise, origin=origin)
        self._append(header_text(header))
        if self.error:
            self.close()
            raise self.error

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange: as an entry, or as one more of the last entry of its question if nothing has changed."""
        with self._lock:
            if self._file < 0 or self.error:
                return
            self.asked += 1
            try:
                self._keep(exchange)
            except Exception as error:  # noqa: BLE001 - recording must not end what is recorded
                self._fail(one_line(error))

    def save(self) -> None:
        """Write the counts as they are now."""
        with self._lock:
            self._save(self._saved_at)

    def close(self) -> None:
        """Write the counts and close the file; what is told afterwards is not recorded. Safe to call twice."""
        with self._lock:
            if self._file >= 0:
                if not self.error:
                    self._save(self._saved_at)
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, exchange: Exchange) -> None:
        stream = self._by_raw.get(_question(exchange))
        if stream is None or not _same(stream.raw, exchange):
            stream = self._new(exchange)
        if stream is not None:
            stream.count += 1
            stream.last_seen = max(stream.last_seen, exchange.at)
            stream.unsaved = True
        if exchange.at - self._saved_at >= SAVE_EVERY:
            self._save(exchange.at)

    def _new(self, exchange: Exchange) -> _Stream | None:
        """Look closer at an exchange that is not the same to the byte; answers its stream if nothing has changed."""
        clean = scrubbed(exchange, self._rules, self._secrets)
        if self._anonymiser:
            clean = self._anonymiser.exchange(clean)
        asked, content = _question(clean), essence(clean.body) if clean.status else clean.fault.encode()
        stream = self._streams.get(asked)
        if stream and (stream.status, stream.essence) == (clean.status, content):
            self._remember(stream, exchange)
            return stream
        self._save(exchange.at)
        text = entry_text(TraceEntry(exchange=clean, last_seen=clean.at))
        self._append(text)
        if self.error:
            return None
        self.stored += 1
        if stream:
            self._forget(stream)
        tail = self._end - len(tail_text(clean.at, 1))
        self._remember(_Stream(asked, exchange, clean.status, content, tail, clean.at), exchange)
        return None

    def _remember(self, stream: _Stream, exchange: Exchange) -> None:
        self._by_raw.pop(_question(stream.raw), None)
        stream.raw = exchange
        self._by_raw[_question(exchange)] = self._streams[stream.asked] = stream
        self._streams.move_to_end(stream.asked)
        if len(self._streams) > _STREAMS:
            self._forget(next(iter(self._streams.values())))

    def _forget(self, stream: _Stream) -> None:
        self._write_tail(stream)
        del self._streams[stream.asked]
        self._by_raw.pop(_question(stream.raw), None)

    def _save(self, now: datetime) -> None:
        self._saved_at = now
        for stream in self._streams.values():
            self._write_tail(stream)

    def _write_tail(self, stream: _Stream) -> None:
        if not stream.unsaved or self.error:
            return
        stream.unsaved = False
        try:
            os.pwrite(self._file, tail_text(stream.last_seen, stream.count).encode(), stream.tail)
        except OSError as error:
            self._fail(_why(error))

    def _append(self, text: str) -> None:
        content = text.encode()
        try:
            done = 0
            while done < len(content):
                done += os.pwrite(self._file, content[done:], self._end + done)
            os.fsync(self._file)
        except OSError as error:
            # Half an entry would make the whole file unreadable.
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            self._fail(_why(error))
        else:
            self._end += len(content)

    def _fail(self, why: str) -> None:
        self.error = TraceError(f"the trace {self.path} cannot be written any more: {why}; what it has is complete")
        _log.error("%s", self.error)


def _question(exchange: Exchange) -> _Question:
    return _Question(exchange.method, exchange.url, exchange.request_body)


def _same(one: Exchange, other: Exchange) -> bool:
    return (one.status, one.body, one.fault) == (other.status, other.body, other.fault)


def _created(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    except FileExistsError:
        raise TraceError(f"{path} is there already, and no trace is written over; name another file") from None
    except OSError as error:
        raise TraceError(f"the trace {path} cannot be made: {_why(error)}") from error


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
