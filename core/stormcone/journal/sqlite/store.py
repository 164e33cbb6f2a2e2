"""The journal on SQLite: what is read from it and written to it, in whole transactions."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from stormcone.clock import Instant
from stormcone.errors import JournalDamaged, JournalError
from stormcone.journal.boundaries import Boundary, reached
from stormcone.journal.contract import JournalStore
from stormcone.journal.records import ApprovalRecord, AttemptRecord, ChangeRecord, ClockRecord, Episode, Life
from stormcone.journal.sqlite import rows
from stormcone.journal.sqlite.connection import connect, connect_to_read, create, errors
from stormcone.journal.sqlite.damage import set_aside
from stormcone.journal.sqlite.files import exposure, locked, look_at, the_file
from stormcone.journal.sqlite.lock import FileLock, was_used
from stormcone.journal.sqlite.outbox import SQLiteOutbox
from stormcone.journal.sqlite.reading import Reader
from stormcone.journal.sqlite.rows import maybe_text, to_text
from stormcone.model import EventKey, Machine
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import RUN_MOVES, Attempt, NewRun, Run, RunState, Settled
from stormcone.text import folded

_DELETED_AT_ONCE = 500  # so that a transaction needs little room, and holds nothing up

_EPISODE = """
SELECT episodes.*, EXISTS (
    SELECT 1 FROM approvals WHERE approvals.episode = episodes.id AND accepted IS NOT 0 AND until IS NULL
) AS approved FROM episodes
"""
# With a plus, neither is looked up by its index: that would read every event that the machine has ever had.
_UNFINISHED = """
WHERE +home = ? AND +machine = ? AND id IN (
    SELECT id FROM episodes WHERE ended IS NULL
    UNION SELECT episode FROM runs WHERE state IN ('pending', 'running')
) ORDER BY id
"""
_ENDED_AND_DONE = """
SELECT id FROM episodes WHERE ended < ? AND NOT EXISTS (
    SELECT 1 FROM runs WHERE runs.episode = episodes.id AND state IN ('pending', 'running')
) LIMIT ?
"""
_LIVES_BUT_THE_LAST = "SELECT id FROM lives WHERE begun < ? AND id < (SELECT max(id) FROM lives) LIMIT ?"


class Journal(JournalStore):
    """The durable record of one agent. One thread at a time may use it; `read` opens a second, read-only view.

    Every method raises `JournalError` where the file cannot be read or written; then nothing of the
    transaction has happened. `JournalDamaged` says that it never will be again.

    Attributes:
        path: its file.
        outbox: what sinks are still to be told.
        loss: what was lost with a damaged journal that this one replaces, as a sentence; "" where it replaces none.
        exposure: who else may use its file, as a sentence; "" where it is its owner's alone.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, lock: FileLock | None = None) -> None:
        self._connection = connection
        self._reader = Reader(connection, path)
        self._read = self._reader.all
        self._lock = lock
        self._keys: dict[Machine, str] = {}
        self.path = path
        self.outbox = SQLiteOutbox(connection, self._reader, self.transaction)
        self.loss = ""
        self.exposure = exposure(Path(path)) if lock else ""

    @classmethod
    def open(cls, path: str | Path, *, replace_at: datetime | None = None) -> Self:
        """Open for writing, made if it is not there, brought to this version; `:memory:` keeps nothing.

        Args:
            path: the file.
            replace_at: the time, where a damaged journal is to be set aside and a new one begun, whose `loss` says
                so; None raises `JournalDamaged`.

        Raises:
            JournalLocked: another agent uses it.
            JournalTooNew: a newer stormcone wrote it.
            JournalDamaged: it is not whole any more.
            NotAJournal: the file is something else.
            JournalError: it cannot be made or opened.
        """
        name = str(path)
        if name == ":memory:":
            return cls(connect(name), name)
        file = the_file(Path(name))
        name = str(file)
        lock = locked(file)
        try:
            try:
                return cls._open(name, lock)
            except JournalDamaged as error:
                if replace_at is None:
                    raise
                loss = set_aside(file, replace_at, str(error))
                journal = cls._open(name, lock)
                journal.loss = loss
                return journal
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open(cls, name: str, lock: FileLock) -> Self:
        file = Path(name)
        if file.exists():
            lock.cover()
            look_at(file, used=lock.used)
        else:
            create(file)
            lock.cover()
        journal = cls(connect(name), name, lock)
        try:
            journal._read_all()
        except BaseException:
            journal._connection.close()
            raise
        lock.mark()
        return journal

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Open for reading only, beside the agent that writes it.

        Raises:
            JournalTooNew: a newer stormcone wrote it.
            JournalDamaged: it is not whole any more.
            NotAJournal: the file is something else.
            JournalError: there is no such file, or it cannot be opened.
        """
        name = str(the_file(Path(path)))
        if not Path(name).exists():
            raise JournalError(f"there is no journal at {name}; name another one, or start an agent first")
        look_at(Path(name), used=was_used(Path(name)))
        return cls(connect_to_read(name), name)

    def set_aside(self, at: datetime, why: str) -> str:
        """Close it, which has turned out to be damaged, and rename its file; answers the sentence to tell.

        Raises:
            JournalError: it cannot be renamed.
        """
        self._connection.close()
        return set_aside(Path(self.path), at, why)

    def close(self) -> None:
        """Close the file and let go of the lock. Safe to call twice."""
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes within happen together, or none of them; one within another is a part of it."""
        with errors(self.path):
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                reached(Boundary.BEFORE_COMMIT)
                self._connection.execute("COMMIT")
                reached(Boundary.AFTER_COMMIT)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    # the agent's own lives

    def begin_life(self, at: datetime, machine: Machine) -> tuple[int, int]:
        """The agent has started and knows its machine: runs that were cut off with the last life are to be done again.

        Answers the life's number and how many such runs there are.
        """
        with self.transaction():
            key = self._get_to_know(machine)
            life = self._insert(
                "lives",
                begun=to_text(at),
                provider=machine.provider,
                machine=key,
                name=_called(machine),
                boot_id=machine.boot_id,
            )
            cut_off = self._connection.execute(
                "UPDATE runs SET state = ? WHERE state = ? AND episode IN"
                " (SELECT id FROM episodes WHERE home = ? AND machine = ?)",
                (RunState.PENDING, RunState.RUNNING, machine.provider, key),
            )
            return life, cut_off.rowcount

    def confirm_life(self, life: int, machine: Machine) -> bool:
        """The cloud has said which machine the life is of: from now on it is found by these names and this id too.

        Answers False, and writes nothing, where the journal knows that one as another machine than the life began with.
        """
        (key,) = self._read(lambda row: str(row["machine"]), "SELECT machine FROM lives WHERE id = ?", life)
        if self._look_up(machine) != key:
            return False
        with self.transaction():
            self._get_to_know(machine)
            self._connection.execute("UPDATE lives SET name = ? WHERE id = ?", (_called(machine), life))
        return True

    def end_life(self, life: int, at: datetime) -> None:
        """The agent ends in good order."""
        with self.transaction():
            self._connection.execute("UPDATE lives SET ended = ? WHERE id = ?", (to_text(at), life))

    def clock(self) -> ClockRecord | None:
        """How the clocks stood when that was last written down; None where it never was."""
        return next(iter(self._read(rows.clock, "SELECT * FROM clock")), None)

    def save_clock(self, record: ClockRecord) -> None:
        """How the clocks stand now."""
        values = (*map(to_text, record.instant), record.seconds, record.boot_id)
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?, ?)", values)

    def lives(self) -> list[Life]:
        """All lives of the agent, oldest first."""
        return self._read(rows.life, "SELECT * FROM lives ORDER BY id")

    # events

    def unfinished(self, machine: Machine) -> list[Episode]:
        """The machine's episodes that are going on, or have ended with work left to do, oldest first."""
        return self._read(rows.episode, _EPISODE + _UNFINISHED, machine.provider, self._key(machine))

    def latest(self, machine: Machine, keys: Iterable[EventKey]) -> list[Episode]:
        """The machine's last episode of each of the events, where there is one."""
        query = f"{_EPISODE} WHERE provider = ? AND machine = ? AND key = ? AND home = ? ORDER BY number DESC LIMIT 1"
        name, home = self._key(machine), machine.provider
        return [found for key in keys for found in self._read(rows.episode, query, key.provider, name, key.id, home)]

    def episodes(self) -> list[Episode]:
        """All episodes, oldest first."""
        return self._read(rows.episode, f"{_EPISODE} ORDER BY id")

    def episode(self, number: int) -> Episode:
        """The episode of that number in the journal.

        Raises:
            KeyError: there is none.
        """
        for found in self._read(rows.episode, f"{_EPISODE} WHERE id = ?", number):
            return found
        raise KeyError(number)

    def save_change(self, change: Change, at: Instant, machine: Machine) -> Episode:
        """Write a step in an event's life as the machine saw it; within a transaction. Answers the episode after it."""
        date, key = to_text(at.date), change.event.key
        event = change.event.model_dump_json()
        moment = {"started": date} if change.kind is ChangeKind.STARTED else {}
        moment |= {"ended": date} if change.kind is ChangeKind.ENDED else {}
        if change.before is None:
            number = self._insert(
                "episodes",
                home=machine.provider,
                provider=key.provider,
                machine=self._key(machine),
                key=key.id,
                number=change.episode,
                event=event,
                boot_id=machine.boot_id,
                first_seen=date,
                seen=to_text(at.steady),
                **moment,
            )
        else:
            number = self._id_of(change, machine)
            self._update("episodes", number, key=key.id, event=event, **moment)
        fields = json.dumps(change.fields)
        self._insert("changes", episode=number, at=date, kind=change.kind, event=event, fields=fields)
        return self.episode(number)

    def save_decision(self, episode: int, decision: str) -> None:
        """Why the event is or is not approved, as last decided; within a transaction."""
        self._connection.execute("UPDATE episodes SET decision = ? WHERE id = ?", (decision, episode))

    def changes(self, episode: int) -> list[ChangeRecord]:
        """The steps of an event's life, in their order."""
        return self._read(rows.change, "SELECT * FROM changes WHERE episode = ? ORDER BY id", episode)

    # runs

    def runs(self, episode: int) -> list[Run]:
        """All runs of an event's episode, in the order in which they are to be done."""
        return sorted(self._read(rows.run, "SELECT * FROM runs WHERE episode = ?", episode), key=lambda run: run.order)

    def add_run(self, episode: int, new: NewRun) -> None:
        """A run is to be done; within a transaction."""
        self._insert(
            "runs",
            episode=episode,
            machine=new.machine,
            handler=new.handler,
            stage=new.stage,
            position=new.position,
            state=RunState.PENDING,
            due=maybe_text(new.due),
        )

    def schedule_run(self, run: Run, due: datetime | None) -> None:
        """A pending or dropped run is to begin at this time; within a transaction."""
        if run.state is not RunState.PENDING:
            self._set_run_state(run, RunState.PENDING)
        self._connection.execute(
            "UPDATE runs SET due = ?, again = NULL, ended = NULL, note = '' WHERE id = ?", (maybe_text(due), run.id)
        )

    def drop_run(self, run: Run, at: datetime, why: str) -> None:
        """A pending run will not begin (again); within a transaction."""
        self._set_run_state(run, RunState.DROPPED)
        self._connection.execute("UPDATE runs SET ended = ?, note = ? WHERE id = ?", (to_text(at), why, run.id))

    def begin_run(self, run: Run, at: datetime) -> Run:
        """An attempt is about to begin; answers the run with its attempt one higher."""
        with self.transaction():
            self._set_run_state(run, RunState.RUNNING)
            self._connection.execute(
                "UPDATE runs SET attempt = attempt + 1, begun = ?, due = NULL, again = NULL WHERE id = ?",
                (to_text(at), run.id),
            )
            self._insert("attempts", run=run.id, number=run.attempt + 1, begun=to_text(at))
            return self._run_of(run.id)

    def end_attempt(self, run: Run, attempt: Attempt, settled: Settled, at: datetime) -> Run:
        """An attempt has ended; answers the run as it is then."""
        with self.transaction():
            self._set_run_state(run, settled.state)
            ended = to_text(at) if settled.state.over else None
            self._connection.execute(
                "UPDATE runs SET again = ?, ended = ?, note = ? WHERE id = ?",
                (maybe_text(settled.again), ended, settled.note, run.id),
            )
            self._connection.execute(
                "UPDATE attempts SET ended = ?, verdict = ?, note = ? WHERE run = ? AND number = ?",
                (to_text(at), attempt.verdict, attempt.note, run.id, run.attempt),
            )
            return self._run_of(run.id)

    def attempts(self, run: int) -> list[AttemptRecord]:
        """The attempts at a run, in their order."""
        return self._read(rows.attempt, "SELECT * FROM attempts WHERE run = ? ORDER BY number", run)

    # approvals

    def ask_approval(
        self,
        episode: int,
        at: datetime,
        reason: str,
        again: datetime | None = None,
        *,
        until: datetime | None = None,
    ) -> int:
        """We are about to approve, or to put off until then; if no answer comes, not again before that steady time.

        Answers the number.
        """
        with self.transaction():
            return self._insert(
                "approvals",
                episode=episode,
                asked=to_text(at),
                note=reason,
                again=maybe_text(again),
                until=maybe_text(until),
            )

    def answer_approval(
        self,
        approval: int,
        at: datetime,
        *,
        accepted: bool | None,
        final: bool,
        note: str,
        again: datetime | None = None,
    ) -> None:
        """The answer has come, or an error in place of one (None); an empty note keeps the reason.

        `again` is the steady time before which the cloud is not asked again.
        """
        with self.transaction():
            self._connection.execute(
                "UPDATE approvals SET answered = ?, accepted = ?, final = ?, again = ?,"
                " note = coalesce(nullif(?, ''), note) WHERE id = ?",
                (to_text(at), accepted, final, maybe_text(again), note, approval),
            )

    def approvals(self, episode: int) -> list[ApprovalRecord]:
        """The approvals and postponements of an event's episode, in their order."""
        return self._read(rows.approval, "SELECT * FROM approvals WHERE episode = ? ORDER BY id", episode)

    # what the agent no longer needs

    def forget(self, before: datetime) -> int:
        """Remove what is of no use any more, and give back the room; answers how many events that were.

        That is: the events that ended before then and have nothing left to do, with all that belongs to them; and the
        lives that began before then, but the last.
        """
        number = self._delete("episodes", _ENDED_AND_DONE, before)
        if number + self._delete("lives", _LIVES_BUT_THE_LAST, before):
            with errors(self.path):
                # As a script: `execute` takes a single step, and each step gives back a single page.
                self._connection.executescript("PRAGMA incremental_vacuum")
        return number

    def _delete(self, table: str, which: str, before: datetime) -> int:
        number = 0
        while ids := self._read(lambda row: int(row["id"]), which, to_text(before), _DELETED_AT_ONCE):
            with self.transaction():
                self._connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(each,) for each in ids])
            number += len(ids)
        return number

    def _read_all(self) -> None:
        """Find what cannot be read at the start, rather than in the middle of an event."""
        found = (
            (rows.episode, _EPISODE),
            (rows.run, "SELECT * FROM runs"),
            (rows.notification, "SELECT * FROM notifications"),
        )
        for make, query in found:
            for _ in self._reader.each(cast(Callable[[sqlite3.Row], object], make), query):
                pass

    def _insert(self, table: str, **values: Any) -> int:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",
            tuple(values.values()),
        )
        return int(cursor.lastrowid or 0)

    def _update(self, table: str, number: int, **values: Any) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        self._connection.execute(f"UPDATE {table} SET {columns} WHERE id = ?", (*values.values(), number))

    def _id_of(self, change: Change, machine: Machine) -> int:
        key = (change.before or change.event).key  # an event may get its id later, or another one
        (number,) = self._read(
            lambda row: int(row["id"]),
            "SELECT id FROM episodes WHERE home = ? AND provider = ? AND machine = ? AND key = ? AND number = ?",
            machine.provider,
            key.provider,
            self._key(machine),
            key.id,
            change.episode,
        )
        return number

    def _run_of(self, run: int) -> Run:
        (found,) = self._read(rows.run, "SELECT * FROM runs WHERE id = ?", run)
        return found

    def _set_run_state(self, run: Run, state: RunState) -> None:
        """The only place where a run's state is written: only allowed moves, and only from where the run is."""
        if (run.state, state) not in RUN_MOVES:
            raise JournalError(f"run {run.id} cannot go from {run.state} to {state}")
        cursor = self._connection.execute(
            "UPDATE runs SET state = ? WHERE id = ? AND state = ?", (state, run.id, run.state)
        )
        if cursor.rowcount != 1:
            raise JournalError(f"run {run.id} is no longer {run.state}; another writer has the journal {self.path}")

    def _key(self, machine: Machine) -> str:
        """The machine's key in the tables, by whatever it is known for; of one that is new, its id or its name.

        A journal that was copied to another machine, in an image say, has no work for it: where both have ids, these
        decide, and the same name says nothing.
        """
        if machine not in self._keys:
            self._keys[machine] = self._look_up(machine)
        return self._keys[machine]

    def _look_up(self, machine: Machine) -> str:
        ids, names = _known_for(machine)
        known = self._read(
            lambda row: (str(row["machine"]), str(row["name"]), bool(row["is_id"])),
            "SELECT machine, name, is_id FROM machines WHERE provider = ? ORDER BY id DESC",
            machine.provider,
        )
        for key, name, is_id in known:
            if is_id and name in ids:
                return key
        others = {key for key, _, is_id in known if is_id and ids}
        for key, name, is_id in known:
            if not is_id and name in names and key not in others:
                return key
        return folded(machine.id or machine.name)

    def _get_to_know(self, machine: Machine) -> str:
        """The machine's key, with all that it is known for now noted under it; within a transaction."""
        key = self._look_up(machine)
        self._keys.clear()
        ids, names = _known_for(machine)
        for name, is_id in (*((name, True) for name in ids), *((name, False) for name in names)):
            self._connection.execute(
                "INSERT OR IGNORE INTO machines (provider, machine, name, is_id) VALUES (?, ?, ?, ?)",
                (machine.provider, key, name, is_id),
            )
        return key


def _called(machine: Machine) -> str:
    """What a life says that its machine is called: never a name that the cloud disputes."""
    return machine.reported_name if machine.disputed else machine.name


def _known_for(machine: Machine) -> tuple[list[str], list[str]]:
    """The machine's ids and its names, as they are compared."""
    names = dict.fromkeys(folded(name) for name in (machine.name, *machine.aliases) if name)
    return [folded(machine.id)] if machine.id else [], list(names)
