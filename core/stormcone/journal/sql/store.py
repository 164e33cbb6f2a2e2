"""The journal on SQL: what is read from it and written to it, in whole transactions."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from stormcone.clock import Instant
from stormcone.errors import JournalError
from stormcone.journal.contract import JournalStore
from stormcone.journal.records import (
    ApprovalRecord,
    AttemptRecord,
    ChangeRecord,
    ClockRecord,
    Episode,
    EpisodeRecord,
    Life,
)
from stormcone.journal.sql import rows
from stormcone.journal.sql.machines import MachineKeys, called
from stormcone.journal.sql.outbox import SQLOutbox
from stormcone.journal.sql.rows import maybe_text, to_text
from stormcone.journal.sql.session import Row, Session
from stormcone.model import EventKey, Machine
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import RUN_MOVES, Attempt, NewRun, Run, RunState, Settled

if TYPE_CHECKING:
    from stormcone.journal.offers import OfferStore

_DELETED_AT_ONCE = 500  # so that a transaction needs little room, and holds nothing up

_EPISODE = """
SELECT episodes.*, EXISTS (
    SELECT 1 FROM approvals
    WHERE approvals.episode = episodes.id AND (accepted IS NULL OR accepted <> 0) AND until IS NULL
) AS approved FROM episodes
"""
# With '' added, neither is looked up by its index: that would read every event that the machine has ever had.
_UNFINISHED = """
WHERE home || '' = ? AND machine || '' = ? AND id IN (
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


_BATCHES = (1, 8, 64)
"""How many episodes are read at once: of few lengths, so that databases prepare few statements."""


def _batches(numbers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The numbers in batches of those lengths; the last one is repeated where its batch is not full."""
    most = _BATCHES[-1]
    for begin in range(0, len(numbers), most):
        batch = numbers[begin : begin + most]
        length = next(length for length in _BATCHES if length >= len(batch))
        yield (*batch, *[batch[-1]] * (length - len(batch)))


class SQLJournal(JournalStore):
    """The durable record of one agent, in whichever database. One thread at a time may use it.

    Args:
        session: the database's.

    Attributes:
        path: where it is, for people.
        outbox: what sinks are still to be told.
        offers: the runs that are offered to workers; None: there are no workers.
        loss: what was lost with a damaged journal that this one replaces, as a sentence; "" where it replaces none.
        secrets: variables of the environment that may hold what opens it.
        exposure: who else may use it, as a sentence to tell; "" where nobody may, or the database sees to that.
    """

    GO_ON: ClassVar[str] = ""
    """Which runs go on though the agent's life has ended, as SQL; "" where none does."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._read = session.all
        self._keys = MachineKeys(session)
        self.path = session.path
        self.outbox = SQLOutbox(session)
        self.offers: OfferStore | None = None
        self.loss = ""
        self.secrets: tuple[str, ...] = ()
        self.exposure = ""

    def close(self) -> None:
        """Close it. Safe to call twice."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All writes within happen together, or none of them; one within another is a part of it."""
        return self._session.transaction()

    # the agent's own lives

    def begin_life(self, at: datetime, machine: Machine) -> tuple[int, int]:
        """The agent has started and knows its machine: runs that were cut off with the last life are to be done again.

        Answers the life's number and how many such runs there are.
        """
        with self.transaction():
            key = self._keys.get_to_know(machine)
            life = self._session.insert(
                "lives",
                begun=to_text(at),
                provider=machine.provider,
                machine=key,
                name=called(machine),
                boot_id=machine.boot_id,
            )
            cut_off = self._session.execute(
                "UPDATE runs SET state = ? WHERE state = ? AND episode IN"
                f" (SELECT id FROM episodes WHERE home = ? AND machine = ?){self.GO_ON and f' AND NOT {self.GO_ON}'}",
                RunState.PENDING,
                RunState.RUNNING,
                machine.provider,
                key,
            )
            return life, cut_off

    def confirm_life(self, life: int, machine: Machine) -> bool:
        """The cloud has said which machine the life is of: from now on it is found by these names and this id too.

        Answers False, and writes nothing, where the journal knows that one as another machine than the life began with.
        """
        (key,) = self._read(rows.machine, "SELECT machine FROM lives WHERE id = ?", life)
        if self._keys.look_up(machine) != key:
            return False
        with self.transaction():
            self._keys.get_to_know(machine)
            self._session.update("lives", life, name=called(machine))
        return True

    def end_life(self, life: int, at: datetime) -> None:
        """The agent ends in good order."""
        with self.transaction():
            self._session.update("lives", life, ended=to_text(at))

    def clock(self) -> ClockRecord | None:
        """How the clocks stood when that was last written down; None where it never was."""
        return next(iter(self._read(rows.clock, "SELECT * FROM clock")), None)

    def save_clock(self, record: ClockRecord) -> None:
        """How the clocks stand now."""
        values = (*map(to_text, record.instant), record.seconds, record.boot_id)
        with self.transaction():
            self._session.execute("DELETE FROM clock")
            self._session.execute(
                "INSERT INTO clock (id, date, steady, seconds, boot_id) VALUES (1, ?, ?, ?, ?)", *values
            )

    def lives(self) -> list[Life]:
        """All lives of the agent, oldest first."""
        return self._read(rows.life, "SELECT * FROM lives ORDER BY id")

    # events

    def unfinished(self, machine: Machine) -> list[Episode]:
        """The machine's episodes that are going on, or have ended with work left to do, oldest first."""
        return self._read(rows.episode, _EPISODE + _UNFINISHED, machine.provider, self._keys.of(machine))

    def latest(self, machine: Machine, keys: Iterable[EventKey]) -> list[Episode]:
        """The machine's last episode of each of the events, where there is one."""
        query = f"{_EPISODE} WHERE provider = ? AND machine = ? AND key = ? AND home = ? ORDER BY number DESC LIMIT 1"
        name, home = self._keys.of(machine), machine.provider
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

    def records(self, numbers: Sequence[int]) -> list[EpisodeRecord]:
        """The episodes of these numbers, each with all that was done for it; what there is not is left out."""
        found = []
        for batch in _batches(numbers):
            among = f"IN ({', '.join('?' * len(batch))})"
            runs: dict[int, list[Run]] = {}
            for run in self._read(rows.run, f"SELECT * FROM runs WHERE episode {among}", *batch):
                runs.setdefault(run.episode, []).append(run)
            asked: dict[int, list[ApprovalRecord]] = {}
            query = f"SELECT * FROM approvals WHERE episode {among} ORDER BY id"
            for number, approval in self._read(lambda row: (row["episode"], rows.approval(row)), query, *batch):
                asked.setdefault(number, []).append(approval)
            for episode in self._read(rows.episode, f"{_EPISODE} WHERE id {among} ORDER BY id", *batch):
                its_runs = sorted(runs.get(episode.id, ()), key=lambda run: run.order)
                approvals = tuple(asked.get(episode.id, ()))
                found.append(EpisodeRecord(episode=episode, runs=tuple(its_runs), approvals=approvals))
        return found

    def save_change(self, change: Change, at: Instant, machine: Machine) -> Episode:
        """Write a step in an event's life as the machine saw it; within a transaction. Answers the episode after it."""
        date, key = to_text(at.date), change.event.key
        event = change.event.model_dump_json()
        moment = {"started": date} if change.kind is ChangeKind.STARTED else {}
        moment |= {"ended": date} if change.kind is ChangeKind.ENDED else {}
        if change.before is None:
            number = self._session.insert(
                "episodes",
                home=machine.provider,
                provider=key.provider,
                machine=self._keys.of(machine),
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
            self._session.update("episodes", number, key=key.id, event=event, **moment)
        fields = json.dumps(change.fields)
        self._session.insert("changes", episode=number, at=date, kind=change.kind, event=event, fields=fields)
        return self.episode(number)

    def save_decision(self, episode: int, decision: str) -> None:
        """Why the event is or is not approved, as last decided; within a transaction."""
        self._session.update("episodes", episode, decision=decision)

    def changes(self, episode: int) -> list[ChangeRecord]:
        """The steps of an event's life, in their order."""
        return self._read(rows.change, "SELECT * FROM changes WHERE episode = ? ORDER BY id", episode)

    # runs

    def runs(self, episode: int) -> list[Run]:
        """All runs of an event's episode, in the order in which they are to be done."""
        return sorted(self._read(rows.run, "SELECT * FROM runs WHERE episode = ?", episode), key=lambda run: run.order)

    def add_run(self, episode: int, new: NewRun) -> None:
        """A run is to be done; within a transaction."""
        self._session.insert(
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
        if run.state is RunState.PENDING:
            self._session.update("runs", run.id, due=maybe_text(due), again=None, ended=None, note="")
        else:
            self._move_run(run, RunState.PENDING, due=due, again=None, ended=None, note="")

    def drop_run(self, run: Run, at: datetime, why: str) -> None:
        """A pending run will not begin (again); within a transaction."""
        self._move_run(run, RunState.DROPPED, ended=at, note=why)

    def begin_run(self, run: Run, at: datetime) -> Run:
        """An attempt is about to begin; answers the run with its attempt one higher."""
        with self.transaction():
            begun = self._move_run(run, RunState.RUNNING, attempt=run.attempt + 1, begun=at, due=None, again=None)
            self._session.insert("attempts", run=run.id, number=begun.attempt, begun=to_text(at))
            return begun

    def end_attempt(self, run: Run, attempt: Attempt, settled: Settled, at: datetime) -> Run:
        """An attempt has ended; answers the run as it is then."""
        with self.transaction():
            ended = at if settled.state.over else None
            moved = self._move_run(run, settled.state, again=settled.again, ended=ended, note=settled.note)
            self._session.execute(
                "UPDATE attempts SET ended = ?, verdict = ?, note = ? WHERE run = ? AND number = ?",
                to_text(at),
                attempt.verdict,
                attempt.note,
                run.id,
                run.attempt,
            )
            return moved

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
            return self._session.insert(
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
            self._session.update(
                "approvals",
                approval,
                answered=to_text(at),
                accepted=None if accepted is None else int(accepted),
                final=int(final),
                again=maybe_text(again),
                **({"note": note} if note else {}),
            )

    def approvals(self, episode: int) -> list[ApprovalRecord]:
        """The approvals and postponements of an event's episode, in their order."""
        return self._read(rows.approval, "SELECT * FROM approvals WHERE episode = ? ORDER BY id", episode)

    # what the agent no longer needs

    def forget(self, before: datetime) -> int:
        """Remove what is of no use any more; answers how many events that were.

        That is: the events that ended before then and have nothing left to do, with all that belongs to them; and the
        lives that began before then, but the last.
        """
        number = self._delete("episodes", _ENDED_AND_DONE, before)
        if number + self._delete("lives", _LIVES_BUT_THE_LAST, before):
            self._give_back()
        return number

    def _give_back(self) -> None:
        """Give back the room of what was forgotten."""

    def _delete(self, table: str, which: str, before: datetime) -> int:
        number, text = 0, to_text(before)
        while self._read(rows.identity, which, text, 1):
            with self.transaction():
                query = f"DELETE FROM {table} WHERE id IN ({which})"
                number += self._session.execute(query, text, _DELETED_AT_ONCE)
        return number

    def _read_all(self) -> None:
        """Find what cannot be read at the start, rather than in the middle of an event."""
        found = (
            (rows.episode, _EPISODE),
            (rows.run, "SELECT * FROM runs"),
            (rows.notification, "SELECT * FROM notifications"),
        )
        for make, query in found:
            for _ in self._session.each(cast(Callable[[Row], object], make), query):
                pass

    def _id_of(self, change: Change, machine: Machine) -> int:
        key = (change.before or change.event).key  # an event may get its id later, or another one
        (number,) = self._read(
            rows.identity,
            "SELECT id FROM episodes WHERE home = ? AND provider = ? AND machine = ? AND key = ? AND number = ?",
            machine.provider,
            key.provider,
            self._keys.of(machine),
            key.id,
            change.episode,
        )
        return number

    def _run_of(self, run: int) -> Run:
        (found,) = self._read(rows.run, "SELECT * FROM runs WHERE id = ?", run)
        return found

    def _move_run(self, run: Run, state: RunState, **values: Any) -> Run:
        """The only place where a run's state is written: only allowed moves, and only from where the run is."""
        if (run.state, state) not in RUN_MOVES:
            raise JournalError(f"run {run.id} cannot go from {run.state} to {state}")
        moved = replace(run, state=state, **values)
        texts = [to_text(value) if isinstance(value, datetime) else value for value in values.values()]
        columns = ", ".join(f"{name} = ?" for name in ("state", *values))
        statement = f"UPDATE runs SET {columns} WHERE id = ? AND state = ?"
        if self._session.execute(statement, state, *texts, run.id, run.state) != 1:
            raise JournalError(f"run {run.id} is no longer {run.state}; another writer has the journal {self.path}")
        return moved
