"""Runs that a watcher offers to workers: what both sides of that know, as values, and the watcher's side's contract.

A journal that can be shared keeps them, in the transactions of the journal. An offer is taken by a worker, which has
it until its end is recorded, and loses it where it is silent for too long. Only who the offer names at that moment,
with that attempt, can end it. The journal itself is written by the watcher alone.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stormcone.handlers import Stage
from stormcone.model import Machine, MaintenanceEvent
from stormcone.rules.runs import Attempt


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a worker's attempt is told while it goes on.

    Attributes:
        deadline: when it must be done, aware UTC, or None.
        canceled: whether the event has been called off.
        stopped: whether it is to end.
    """

    deadline: datetime | None = None
    canceled: bool = False
    stopped: bool = False


@dataclass(frozen=True, kw_only=True)
class Offer:
    """An attempt at a run, for whoever takes it.

    Attributes:
        run: the journal's number of the run.
        attempt: its number, 1 for the first.
        episode: the journal's number of the event's episode.
        handler: the handler's label.
        stage: which stage.
        event: as it was when it was offered.
        machine: for which machine.
        orders: as they stood then.
        others: other events, as `Context.others` has them.
    """

    run: int
    attempt: int
    episode: int
    handler: str
    stage: Stage
    event: MaintenanceEvent
    machine: Machine
    orders: Orders
    others: tuple[MaintenanceEvent, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How an offer stands.

    Attributes:
        run: the journal's number of the run.
        attempt: which attempt at it.
        episode: the journal's number of the event's episode.
        handler: the handler's label.
        worker: the name of who has taken it; "" where nobody has.
        silent: whether that one has been silent for too long, by the database's clock.
        ended: what the attempt came to, or None.
        waited: seconds since it was offered.
        fits: whether a worker that lives has the handler.
        orders: what its worker is told.
    """

    run: int
    attempt: int
    episode: int
    handler: str
    worker: str = ""
    silent: bool = False
    ended: Attempt | None = None
    waited: float = 0.0
    fits: bool = True
    orders: Orders = Orders()


@dataclass(frozen=True, kw_only=True)
class OfferedRun:
    """An offer as it is shown to people.

    Attributes:
        event: the event's id.
        machine: the machine's name.
        handler: the handler's label.
        stage: the stage's name.
        attempt: which attempt.
        since: since when it waits for a worker, or is at one, aware UTC by the database's clock.
        fits: whether a worker that lives has the handler.
    """

    event: str
    machine: str
    handler: str
    stage: str
    attempt: int
    since: datetime
    fits: bool


@dataclass(frozen=True, kw_only=True)
class WorkerState:
    """A worker as it is shown to people.

    Attributes:
        name: the worker's.
        heard: when it last said that it lives, aware UTC by the database's clock.
        silent: whether it has been silent for too long.
        handlers: the labels of those that it has.
        runs: what is at it.
    """

    name: str
    heard: datetime
    silent: bool
    handlers: tuple[str, ...]
    runs: tuple[OfferedRun, ...]


@dataclass(frozen=True, kw_only=True)
class Crew:
    """The workers of one journal, and what waits for them.

    Attributes:
        at: by the database's clock, aware UTC.
        workers: the workers, by name; one that has been silent for a day is forgotten.
        waiting: what nobody has taken, the oldest first.
    """

    at: datetime
    workers: tuple[WorkerState, ...]
    waiting: tuple[OfferedRun, ...]


class OfferStore(Protocol):
    """The watcher's side of the offers; a part of its journal, written in the same transactions.

    Every method raises `JournalError` as the journal's own.
    """

    def add(self, offer: Offer) -> None:
        """Offer an attempt; within a transaction."""

    def all(self) -> list[Standing]:
        """How all of them stand."""

    def living(self) -> int:
        """How many workers live."""

    def withdraw(self, episode: int) -> list[Standing]:
        """Take back what is offered of an event and not taken; within a transaction. Answers what is taken.

        Until the transaction ends, nobody takes any of it.
        """

    def close(self, run: int, attempt: int, *, ended: bool) -> bool:
        """Remove an attempt's offer, so that its worker can say nothing more of it; within a transaction.

        Answers False, and removes nothing, where its worker has (not) said meanwhile what it came to: `ended`.
        """

    def order(self, run: int, attempt: int, orders: Orders) -> None:
        """Tell the worker of an attempt; within a transaction."""

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called, in a thread, soon after a worker has taken or ended something; answers how to end that.

        A call may be missed, so look by yourself too.
        """


class WorkerSide(Protocol):
    """The worker's side of the offers. One thread at a time uses it.

    Every method but `reach` raises `JournalError` where the store cannot be asked; it may have done then what it was
    asked for.

    Attributes:
        name: the worker's, for people.
        id: the worker's, unlike that of any other, and of any earlier life of it.
        secrets: variables of the environment that may hold what opens the store; commands do not get them.
    """

    secrets: tuple[str, ...]
    name: str
    id: str

    def reach(self) -> None:
        """Look whether the store is there, before the first word.

        Raises:
            JournalError: it will not be without somebody's doing: there is no such database, say, or a wrong password.
        """

    def live(self, handlers: Collection[str]) -> Mapping[tuple[int, int], Orders]:
        """Say that the worker lives and which handlers it has; answers its attempts and what these are told.

        They go by run and attempt. What it had taken and is not among them is not its own any more.
        """

    def take(self, handlers: Collection[str], most: int) -> list[Offer]:
        """Take what is offered to these handlers, the oldest first; nothing where the worker counts as silent."""

    def end(self, run: int, attempt: int, came_to: Attempt) -> bool:
        """Say what an attempt came to; answers whether that counts, being the first word or the same once more.

        The journal may have the attempt's end by then: of this worker, or that it was given up, which is a no.
        """

    def leave(self) -> None:
        """The worker ends: what it has taken and not ended is another's at once."""

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called, in a thread, soon after something was offered or told; answers how to end that."""

    def close(self) -> None:
        """Let go of the store. Safe to call twice."""
