"""The events with something left to do, kept in memory so that a turn of the loop reads nothing that has not changed.

The journal stays the truth: whatever is written there is read back from there before it is looked at again, and only
the agent that holds the journal writes it. So memory is as true as the disk, also after a write that failed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

from stormcone.clock import Instant
from stormcone.handlers import Stage
from stormcone.journal import ApprovalRecord, Episode, EpisodeRecord, JournalStore
from stormcone.model import EventKey, Machine
from stormcone.rules.changes import Known
from stormcone.rules.runs import Run, RunState
from stormcone.text import folded


@dataclass(frozen=True)
class Work:
    """An unfinished event with what was done for it so far.

    Attributes:
        episode: the event and its life.
        runs: in the order in which they are to be done.
        approvals: in their order.
        postponements: the requests to put it off, in their order.
    """

    episode: Episode
    runs: tuple[Run, ...]
    approvals: tuple[ApprovalRecord, ...]
    postponements: tuple[ApprovalRecord, ...] = ()

    @cached_property
    def begun(self) -> bool:
        """Whether a handler's stage has begun for it."""
        return any(run.attempt for run in self.runs)

    @cached_property
    def known(self) -> Known:
        """The part that decides which move an observation means."""
        return self.episode.known(begun=self.begun)

    @property
    def to_recover(self) -> tuple[str, ...]:
        """The handlers that have begun for it and have not recovered yet, each once."""
        over = {run.place for run in self.runs if run.stage is Stage.RECOVER and run.state.over}
        return tuple(dict.fromkeys(run.handler for run in self.runs if run.attempt and run.place not in over))

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.episode.ended is not None and all(run.state.over for run in self.runs)

    @cached_property
    def busy(self) -> frozenset[str]:
        """The machines for which a run goes on, as names are compared."""
        return frozenset(folded(run.machine) for run in self.runs if run.state is RunState.RUNNING)

    @cached_property
    def waiting(self) -> tuple[Run, ...]:
        """The runs of which the next for its machine may begin when its time comes; none while one is running."""
        return tuple(run for run in self.runs if run.state is RunState.PENDING and folded(run.machine) not in self.busy)

    def waits(self, now: Instant) -> bool:
        """Whether a run waits whose date has come."""
        return bool(self.waiting) and (self._due is None or self._due <= now.date)

    @cached_property
    def _due(self) -> datetime | None:
        """The first date of those that wait; None: one has none."""
        dates = [run.due for run in self.waiting]
        return None if None in dates else min(filter(None, dates), default=None)

    @cached_property
    def answered(self) -> bool:
        """Whether the cloud has taken an approval, or refused it for good: it is not asked again."""
        return any(approval.accepted or approval.final for approval in self.approvals)


class Unfinished:
    """One machine's unfinished events, oldest first, as the journal has them.

    Every method raises `JournalError` where what has changed cannot be read.

    Args:
        journal: where they are.
        machine: whose they are.

    Attributes:
        version: where it is the same, nothing has changed.
    """

    def __init__(self, journal: JournalStore, machine: Machine) -> None:
        self.version = 0
        self._journal = journal
        self._changed: set[int] = set()
        self._touched: set[int] = set()
        self._within = False
        self._going_on: dict[EventKey, Work] = {}
        self._works: dict[int, Work] = {}
        self._all: tuple[Work, ...] | None = None
        self._read([episode.id for episode in journal.unfinished(machine)])

    def changed(self, episode: int) -> None:
        """The episode of that number is about to be written, or has been: it is read again before the next look."""
        self.version += 1
        self._changed.add(episode)
        self._touched.add(episode)

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Around a transaction: what was read within it is read again where it fails, since that is undone."""
        self._touched.clear()
        self._within = True  # of what is being written only that is read which is needed: it will change again
        try:
            yield
        except BaseException:
            self.version += 1
            self._changed |= self._touched
            raise
        finally:
            self._within = False

    def __iter__(self) -> Iterator[Work]:
        return iter(self.all())

    def all(self) -> tuple[Work, ...]:
        """All of them; the same value as before where nothing has changed."""
        self._read_changed()
        if self._all is None:
            self._all = tuple(self._works.values())
        return self._all

    def get(self, episode: int) -> Work | None:
        """The event with the episode of that number; None where nothing is left to do for it."""
        if episode in self._changed:
            self._read([episode] if self._within else sorted(self._changed))
        return self._works.get(episode)

    def going_on(self) -> Mapping[EventKey, Work]:
        """The events that have not ended; a view, which changes with them."""
        self._read_changed()
        return MappingProxyType(self._going_on)

    def _read_changed(self) -> None:
        if self._changed:  # to go through a set that once was large takes time, also where it is empty
            self._read(sorted(self._changed))

    def _read(self, numbers: list[int]) -> None:
        found = {record.episode.id: record for record in self._journal.records(numbers)}
        for number in numbers:
            self._put(number, _work(found[number]) if number in found else None)  # else its transaction was undone
            self._changed.discard(number)

    def _put(self, number: int, work: Work | None) -> None:
        """Keep one event as it is now; None: there is no such event."""
        self._all = None
        before = self._works.get(number)
        if work is None or work.finished:
            self._works.pop(number, None)
        else:
            self._works[number] = work
        key = work.episode.event.key if work is not None and work.episode.ended is None else None
        if before is not None and before.episode.event.key != key:
            known = before.episode.event.key
            if self._going_on.get(known) is before:  # else another has that id by now
                del self._going_on[known]
        if work is not None and key is not None:
            self._going_on[key] = work


def _work(record: EpisodeRecord) -> Work:
    asked = record.approvals
    return Work(
        record.episode,
        record.runs,
        tuple(request for request in asked if request.until is None),
        tuple(request for request in asked if request.until is not None),
    )
