"""The contract of a journal: what the agent relies on, whatever keeps it.

SQLite does in `stormcone.journal.sqlite`, PostgreSQL in `stormcone.journal.postgresql`. Whoever writes another one
holds it to `stormcone.testing.conformance.JournalSuite`.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from stormcone.clock import Instant
from stormcone.journal.offers import OfferStore
from stormcone.journal.records import (
    ApprovalRecord,
    AttemptRecord,
    ChangeRecord,
    ClockRecord,
    Delivery,
    Episode,
    EpisodeRecord,
    Life,
    SinkRecord,
)
from stormcone.model import EventKey, Machine
from stormcone.rules.changes import Change
from stormcone.rules.runs import Attempt, NewRun, Run, Settled
from stormcone.sinks.notification import Notification

MOST_WAITING = 10_000
"""Notifications that wait; of more, the oldest are dropped."""

LONGEST_WAITING = timedelta(days=7)
"""How long a notification waits; after that it is dropped."""


class OutboxStore(Protocol):
    """What sinks are still to be told: each notification once, and how far each sink has come.

    A notification is kept until every sink is done with it. What waits is bounded: see `MOST_WAITING` and
    `LONGEST_WAITING`; what is dropped is counted for each sink that was not told of it. Every method raises
    `JournalError` as the journal's own.
    """

    def subscribe(self, names: Collection[str]) -> None:
        """These sinks are told from now on: a new one of what comes now, another of what it has not been told.

        One that is not among them any more keeps what waits for it by now, should it come back, and is forgotten once
        that is gone.
        """

    def add(self, notification: Notification) -> int:
        """Something is to be told; in the transaction of what it tells of. Answers how many were dropped for it."""

    def waiting(self, sink: str, most: int) -> list[tuple[int, Notification]]:
        """The first notifications that the sink has not been told of, each with its number, oldest first."""

    def settle(self, sink: str, delivery: Delivery) -> None:
        """What became of notifications that the sink was given."""

    def sinks(self) -> list[SinkRecord]:
        """How each sink stands, by name."""

    def expire(self, before: datetime) -> int:
        """Drop what happened before then and waits still; answers how many notifications that were."""


class JournalStore(Protocol):
    """Where one agent keeps its record. One thread at a time uses it.

    Every method raises `JournalError` where the store cannot be read or written; then nothing of the transaction has
    happened. `JournalDamaged` says that it never will be again, `JournalFenced` that it is another agent's now.

    Attributes:
        path: where it is, for people; no secret.
        outbox: what sinks are still to be told, a part of it: written in the same transactions.
        offers: the runs that are offered to workers, likewise; None where handlers run in the agent itself.
        loss: what was lost with a damaged journal that this one replaces, as a sentence; "" where it replaces none.
        secrets: variables of the environment that may hold what opens it; commands do not get them.
    """

    path: str
    loss: str
    secrets: tuple[str, ...]
    outbox: OutboxStore
    offers: OfferStore | None

    def close(self) -> None:
        """Close the file and let go of the lock. Safe to call twice."""

    def transaction(self) -> AbstractContextManager[None]:
        """All writes within happen together, or none of them.

        One within another is a part of it: an error in it is not caught before it has left the outer one.
        """

    def may_act(self) -> bool:
        """Whether what is sent to a cloud now is surely sent while no other agent has the journal; any thread may ask.

        Raises:
            JournalFenced: another agent has it, or may have: nothing is written or sent any more.
        """

    def begin_life(self, at: datetime, machine: Machine) -> tuple[int, int]:
        """The agent has started and knows its machine: runs that were cut off with the last life are to be done again.

        Those that a worker has go on there, as far as this life has workers too; else they are cut off as well.

        From now on the machine is found by any name or id that it has ever begun a life with, unless two have ids and
        these differ. Answers the life's number and how many such runs there are.
        """

    def confirm_life(self, life: int, machine: Machine) -> bool:
        """The cloud has said which machine the life is of: from now on it is found by these names and this id too.

        Answers False, and writes nothing, where the journal knows that one as another machine than the life began with.
        """

    def end_life(self, life: int, at: datetime) -> None:
        """The agent ends in good order."""

    def clock(self) -> ClockRecord | None:
        """How the clocks stood when that was last written down; None where it never was."""

    def save_clock(self, record: ClockRecord) -> None:
        """How the clocks stand now."""

    def lives(self) -> list[Life]:
        """All lives of the agent, oldest first."""

    def unfinished(self, machine: Machine) -> list[Episode]:
        """The machine's episodes that are going on, or have ended with work left to do, oldest first.

        Whichever provider has seen them: a machine's events may come from several.
        """

    def latest(self, machine: Machine, keys: Iterable[EventKey]) -> list[Episode]:
        """The machine's last episode of each of the events, where there is one."""

    def episodes(self) -> list[Episode]:
        """All episodes, oldest first."""

    def episode(self, number: int) -> Episode:
        """The episode of that number in the journal.

        Raises:
            KeyError: there is none.
        """

    def records(self, numbers: Sequence[int]) -> list[EpisodeRecord]:
        """The episodes of these numbers, each with all that was done for it; what there is not is left out."""

    def save_change(self, change: Change, at: Instant, machine: Machine) -> Episode:
        """Write a step in an event's life as the machine saw it; within a transaction. Answers the episode after it."""

    def save_decision(self, episode: int, decision: str) -> None:
        """Why the event is or is not approved, as last decided; within a transaction."""

    def changes(self, episode: int) -> list[ChangeRecord]:
        """The steps of an event's life, in their order."""

    def runs(self, episode: int) -> list[Run]:
        """All runs of an event's episode, in the order in which they are to be done."""

    def add_run(self, episode: int, new: NewRun) -> None:
        """A run is to be done; within a transaction."""

    def schedule_run(self, run: Run, due: datetime | None) -> None:
        """A pending or dropped run is to begin at this date; within a transaction."""

    def drop_run(self, run: Run, at: datetime, why: str) -> None:
        """A pending run will not begin (again); within a transaction."""

    def begin_run(self, run: Run, at: datetime) -> Run:
        """An attempt is about to begin; answers the run with its attempt one higher."""

    def end_attempt(self, run: Run, attempt: Attempt, settled: Settled, at: datetime) -> Run:
        """An attempt has ended; answers the run as it is then."""

    def attempts(self, run: int) -> list[AttemptRecord]:
        """The attempts at a run, in their order."""

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

    def approvals(self, episode: int) -> list[ApprovalRecord]:
        """The approvals and postponements of an event's episode, in their order."""

    def forget(self, before: datetime) -> int:
        """Remove the events that ended before then and have nothing left to do; answers how many events that were."""
