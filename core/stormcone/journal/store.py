"""The journal on SQLite.

A rollback journal with `synchronous=FULL`: what a transaction wrote is on the disk when it returns. Write-ahead
logging would be faster and is not used: SQLite libraries before 3.51.3 (but 3.50.7 and 3.44.6) can lose a
transaction when the log is reset, and the agent writes only when something happens.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from stormcone.errors import JournalDamaged, JournalError
from stormcone.handlers import Stage
from stormcone.journal.connection import connect, connect_to_read, errors, locked
from stormcone.journal.lock import FileLock
from stormcone.journal.records import ApprovalRecord, AttemptRecord, ChangeRecord, Episode, Life
from stormcone.lifecycle import Change, ChangeKind
from stormcone.model import EventKey, Machine, MaintenanceEvent, Phase
from stormcone.runs import RUN_MOVES, Attempt, NewRun, Run, RunState, Settled
from stormcone.text import one_line

_EPISODE = """
SELECT episodes.*, EXISTS (
    SELECT 1 FROM approvals WHERE approvals.episode = episodes.id AND accepted IS NOT 0
) AS approved FROM episodes
"""
_UNFINISHED = """
WHERE provider = ? AND machine = ? AND id IN (
    SELECT id FROM episodes WHERE ended IS NULL
    UNION SELECT episode FROM runs WHERE state IN ('pending', 'running')
) ORDER BY id
"""


class Journal:
    """The durable record of one agent. One thread at a time may use it; `read` opens a second, read-only view.

    Every method raises `JournalError` where the file cannot be read or written; then nothing of the
    transaction has happened.
    """

    def __init__(self, connection: sqlite3.Connection, path: str, lock: FileLock | None) -> None:
        self._connection = connection
        self._lock = lock
        self.path = path

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open for writing, made if it is not there, brought to this version; `:memory:` keeps nothing.

        Raises:
            JournalLocked: another agent uses it.
            JournalTooNew: a newer stormcone wrote it.
            JournalDamaged: the file is no journal.
            JournalError: it cannot be made or opened.
        """
        name = str(path)
        lock = None if name == ":memory:" else locked(Path(name))
        try:
            return cls(connect(name), name, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Open for reading only, beside the agent that writes it.

        Raises:
            JournalTooNew: a newer stormcone wrote it.
            JournalDamaged: the file is no journal.
            JournalError: there is no such file, or it cannot be opened.
        """
        name = str(path)
        if not Path(name).exists():
            raise JournalError(f"there is no journal at {name}; name another one, or start an agent first")
        return cls(connect_to_read(name), name, None)

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
        """All writes within happen together, or none of them."""
        with errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
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
            life = self._insert(
                "lives",
                begun=_text(at),
                provider=machine.provider,
                machine=_machine_key(machine),
                name=machine.name,
                boot_id=machine.boot_id,
            )
            cut_off = self._connection.execute(
                "UPDATE runs SET state = ? WHERE state = ? AND episode IN"
                " (SELECT id FROM episodes WHERE provider = ? AND machine = ?)",
                (RunState.PENDING, RunState.RUNNING, machine.provider, _machine_key(machine)),
            )
            return life, cut_off.rowcount

    def end_life(self, life: int, at: datetime) -> None:
        """The agent ends in good order."""
        with self.transaction():
            self._connection.execute("UPDATE lives SET ended = ? WHERE id = ?", (_text(at), life))

    def lives(self) -> list[Life]:
        """All lives of the agent, oldest first."""
        return [
            Life(
                id=row["id"],
                begun=_time(row["begun"]),
                ended=_maybe_time(row["ended"]),
                provider=row["provider"],
                machine=row["name"],
                boot_id=row["boot_id"],
            )
            for row in self._rows("SELECT * FROM lives ORDER BY id")
        ]

    # events

    def unfinished(self, machine: Machine) -> list[Episode]:
        """The machine's episodes that are going on, or have ended with work left to do, oldest first."""
        rows = self._rows(_EPISODE + _UNFINISHED, machine.provider, _machine_key(machine))
        return [_episode(row) for row in rows]

    def latest(self, machine: Machine, keys: Iterable[EventKey]) -> list[Episode]:
        """The machine's last episode of each of the events, where there is one."""
        query = f"{_EPISODE} WHERE provider = ? AND machine = ? AND key = ? ORDER BY number DESC LIMIT 1"
        name = _machine_key(machine)
        return [_episode(row) for key in keys for row in self._rows(query, key.provider, name, key.id)]

    def episodes(self) -> list[Episode]:
        """All episodes, oldest first."""
        return [_episode(row) for row in self._rows(f"{_EPISODE} ORDER BY id")]

    def episode(self, number: int) -> Episode:
        """The episode of that number in the journal.

        Raises:
            KeyError: there is none.
        """
        for row in self._rows(f"{_EPISODE} WHERE id = ?", number):
            return _episode(row)
        raise KeyError(number)

    def save_change(self, change: Change, at: datetime, machine: Machine) -> Episode:
        """Write a step in an event's life as the machine saw it; within a transaction. Answers the episode after it."""
        event = change.event.model_dump_json()
        if change.before is None:
            number = self._insert(
                "episodes",
                provider=change.event.key.provider,
                machine=_machine_key(machine),
                key=change.event.key.id,
                number=change.episode,
                event=event,
                boot_id=machine.boot_id,
                first_seen=_text(at),
            )
        else:
            number = self._id_of(change, machine)
        self._connection.execute("UPDATE episodes SET event = ? WHERE id = ?", (event, number))
        if change.event.phase is Phase.STARTED:
            self._connection.execute("UPDATE episodes SET started = ? WHERE id = ?", (_text(at), number))
        if change.event.phase is Phase.ENDED:
            self._connection.execute("UPDATE episodes SET ended = ? WHERE id = ?", (_text(at), number))
        fields = json.dumps(change.fields)
        self._insert("changes", episode=number, at=_text(at), kind=change.kind, event=event, fields=fields)
        return self.episode(number)

    def save_decision(self, episode: int, decision: str) -> None:
        """Why the event is or is not approved, as last decided; within a transaction."""
        self._connection.execute("UPDATE episodes SET decision = ? WHERE id = ?", (decision, episode))

    def changes(self, episode: int) -> list[ChangeRecord]:
        """The steps of an event's life, in their order."""
        return [
            ChangeRecord(
                at=_time(row["at"]),
                kind=ChangeKind(row["kind"]),
                event=_event(row["event"]),
                fields=tuple(json.loads(row["fields"])),
            )
            for row in self._rows("SELECT * FROM changes WHERE episode = ? ORDER BY id", episode)
        ]

    # runs

    def runs(self, episode: int) -> list[Run]:
        """All runs of an event's episode, in the order in which they are to be done."""
        rows = self._rows("SELECT * FROM runs WHERE episode = ?", episode)
        return sorted((_run(row) for row in rows), key=lambda run: run.order)

    def add_run(self, episode: int, new: NewRun) -> None:
        """A run is to be done; within a transaction."""
        self._insert(
            "runs",
            episode=episode,
            handler=new.handler,
            stage=new.stage,
            position=new.position,
            state=RunState.PENDING,
            due=_maybe_text(new.due),
        )

    def schedule_run(self, run: Run, due: datetime | None) -> None:
        """A pending or dropped run is to begin at this time; within a transaction."""
        if run.state is not RunState.PENDING:
            self._set_run_state(run, RunState.PENDING)
        self._connection.execute(
            "UPDATE runs SET due = ?, ended = NULL, note = '' WHERE id = ?", (_maybe_text(due), run.id)
        )

    def drop_run(self, run: Run, at: datetime, why: str) -> None:
        """A pending run will not begin (again); within a transaction."""
        self._set_run_state(run, RunState.DROPPED)
        self._connection.execute("UPDATE runs SET ended = ?, note = ? WHERE id = ?", (_text(at), why, run.id))

    def begin_run(self, run: Run, at: datetime) -> Run:
        """An attempt is about to begin; answers the run with its attempt one higher."""
        with self.transaction():
            self._set_run_state(run, RunState.RUNNING)
            self._connection.execute(
                "UPDATE runs SET attempt = attempt + 1, begun = ?, due = NULL WHERE id = ?", (_text(at), run.id)
            )
            self._insert("attempts", run=run.id, number=run.attempt + 1, begun=_text(at))
            return self._run_of(run.id)

    def end_attempt(self, run: Run, attempt: Attempt, settled: Settled, at: datetime) -> Run:
        """An attempt has ended; answers the run as it is then."""
        with self.transaction():
            self._set_run_state(run, settled.state)
            ended = _text(at) if settled.state.over else None
            self._connection.execute(
                "UPDATE runs SET due = ?, ended = ?, note = ? WHERE id = ?",
                (_maybe_text(settled.due), ended, settled.note, run.id),
            )
            self._connection.execute(
                "UPDATE attempts SET ended = ?, verdict = ?, note = ? WHERE run = ? AND number = ?",
                (_text(at), attempt.verdict, attempt.note, run.id, run.attempt),
            )
            return self._run_of(run.id)

    def attempts(self, run: int) -> list[AttemptRecord]:
        """The attempts at a run, in their order."""
        return [
            AttemptRecord(
                run=row["run"],
                number=row["number"],
                begun=_time(row["begun"]),
                ended=_maybe_time(row["ended"]),
                verdict=row["verdict"],
                note=row["note"],
            )
            for row in self._rows("SELECT * FROM attempts WHERE run = ? ORDER BY number", run)
        ]

    # approvals

    def ask_approval(self, episode: int, at: datetime, reason: str) -> int:
        """We are about to approve; answers the approval's number."""
        with self.transaction():
            return self._insert("approvals", episode=episode, asked=_text(at), note=reason)

    def answer_approval(self, approval: int, at: datetime, *, accepted: bool | None, final: bool, note: str) -> None:
        """The answer has come, or an error in place of one (None); an empty note keeps the reason."""
        with self.transaction():
            self._connection.execute(
                "UPDATE approvals SET answered = ?, accepted = ?, final = ?, note = coalesce(nullif(?, ''), note)"
                " WHERE id = ?",
                (_text(at), accepted, final, note, approval),
            )

    def approvals(self, episode: int) -> list[ApprovalRecord]:
        """The approvals of an event's episode, in their order."""
        return [
            ApprovalRecord(
                id=row["id"],
                asked=_time(row["asked"]),
                answered=_maybe_time(row["answered"]),
                accepted=None if row["accepted"] is None else bool(row["accepted"]),
                final=bool(row["final"]),
                note=row["note"],
            )
            for row in self._rows("SELECT * FROM approvals WHERE episode = ? ORDER BY id", episode)
        ]

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with errors(self.path):
            return self._connection.execute(query, values).fetchall()

    def _insert(self, table: str, **values: Any) -> int:
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",
            tuple(values.values()),
        )
        return int(cursor.lastrowid or 0)

    def _id_of(self, change: Change, machine: Machine) -> int:
        key = change.event.key
        rows = self._rows(
            "SELECT id FROM episodes WHERE provider = ? AND machine = ? AND key = ? AND number = ?",
            key.provider,
            _machine_key(machine),
            key.id,
            change.episode,
        )
        return int(rows[0]["id"])

    def _run_of(self, run: int) -> Run:
        return _run(self._rows("SELECT * FROM runs WHERE id = ?", run)[0])

    def _set_run_state(self, run: Run, state: RunState) -> None:
        """The only place where a run's state is written: only allowed moves, and only from where the run is."""
        if (run.state, state) not in RUN_MOVES:
            raise JournalError(f"run {run.id} cannot go from {run.state} to {state}")
        cursor = self._connection.execute(
            "UPDATE runs SET state = ? WHERE id = ? AND state = ?", (state, run.id, run.state)
        )
        if cursor.rowcount != 1:
            raise JournalError(f"run {run.id} is no longer {run.state}; another writer has the journal {self.path}")


def _machine_key(machine: Machine) -> str:
    """A journal that was copied to another machine, in an image say, has no work for it."""
    return (machine.id or machine.name).casefold()


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _maybe_text(time: datetime | None) -> str | None:
    return None if time is None else _text(time)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe_time(text: str | None) -> datetime | None:
    return None if text is None else _time(text)


def _event(text: str) -> MaintenanceEvent:
    try:
        return MaintenanceEvent.model_validate_json(text)
    except ValidationError as error:
        raise JournalDamaged(f"the journal holds an event that cannot be read: {one_line(error)}") from error


def _episode(row: sqlite3.Row) -> Episode:
    return Episode(
        id=row["id"],
        number=row["number"],
        event=_event(row["event"]),
        boot_id=row["boot_id"],
        first_seen=_time(row["first_seen"]),
        started=_maybe_time(row["started"]),
        ended=_maybe_time(row["ended"]),
        decision=row["decision"],
        approved=bool(row["approved"]),
    )


def _run(row: sqlite3.Row) -> Run:
    return Run(
        id=row["id"],
        episode=row["episode"],
        handler=row["handler"],
        stage=Stage(row["stage"]),
        position=row["position"],
        state=RunState(row["state"]),
        attempt=row["attempt"],
        due=_maybe_time(row["due"]),
        begun=_maybe_time(row["begun"]),
        ended=_maybe_time(row["ended"]),
        note=row["note"],
    )
