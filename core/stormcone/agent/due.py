"""Which runs are due, which of these come to nothing, and until when nothing is. No I/O."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from stormcone.agent.asking import is_being_put_off
from stormcone.agent.unfinished import Work
from stormcone.clock import Instant
from stormcone.handlers import App, Handler, Stage
from stormcone.journal import Episode
from stormcone.model import EventKey, MaintenanceEvent, Phase
from stormcone.rules.runs import Run, may_begin, outdated
from stormcone.text import folded

NEVER = Instant.of(datetime.max.replace(tzinfo=UTC))
"""A time that does not come."""

Place: TypeAlias = tuple[EventKey, tuple[str, str]]
"""An event, and for which of its machines whose run, as `Run.place`."""


class Rest(NamedTuple):
    """What was looked at and found to have nothing to begin, and until when that holds unless it changes."""

    basis: tuple[object, ...]
    until: Instant

    def holds(self, basis: tuple[object, ...], now: Instant) -> bool:
        """Whether there is still nothing to begin."""
        return self.basis == basis and now.date < self.until.date and now.steady < self.until.steady


class Beginning(NamedTuple):
    """A run that begins, with its handler and its event; for `others` see `Context.others`."""

    run: Run
    handler: Handler
    episode: Episode
    others: tuple[MaintenanceEvent, ...] = ()


@dataclass(frozen=True)
class DueRun:
    """A run that is to begin now.

    Attributes:
        run: as the journal has it: running.
        handler: whose it is.
        episode: its event.
        begun: when the attempt began.
        due: the date that it had waited for, or None.
        others: see `Context.others`; none where it begins at a worker, which is told of them itself.
    """

    run: Run
    handler: Handler
    episode: Episode
    begun: Instant
    due: datetime | None
    others: tuple[MaintenanceEvent, ...] = ()


class BegunNow(NamedTuple):
    """What was recorded of what is due.

    Attributes:
        begun: what begins here.
        dropped: what comes to nothing, each with its event and the reason.
    """

    begun: list[DueRun]
    dropped: list[tuple[Run, Episode, str]]


class DueNow(NamedTuple):
    """What is due now.

    Attributes:
        begun: what begins.
        dropped: those that come to nothing, each with its event and the reason.
    """

    begun: list[Beginning]
    dropped: list[tuple[Run, Episode, str]]


def due_now(
    works: Iterable[Work],
    app: App,
    now: Instant,
    *,
    confirmed: Collection[str],
    held: Collection[int],
    offered: Collection[int],
    most: int | None,
) -> DueNow:
    """What is due, and what of it comes to nothing: of each machine of an event one run at a time, in order.

    What an earlier life of an event has running, or left running, holds up its later one. A recover that waits to be
    tried again does not; it comes to nothing once its handler has prepared anew, since it would undo that.

    Args:
        works: the events with something left to do, of each event the earlier life first.
        app: the handlers.
        now: on both clocks.
        confirmed: the sources that have been asked in this life.
        held: the episodes for which nothing begins yet.
        offered: the runs that are offered or taken.
        most: how many runs may begin; None begins all.
    """
    works = tuple(works)
    found = DueNow([], [])
    anew = _begun_anew(works)
    busy: set[tuple[EventKey, str]] = set()
    for work in works:
        if work.busy:
            busy |= {(work.episode.event.key, machine) for machine in work.busy}
        if offered:
            busy |= {(work.episode.event.key, folded(run.machine)) for run in work.runs if run.id in offered}
        if work.episode.id in held:
            busy |= {(work.episode.event.key, folded(run.machine)) for run in work.runs}
            continue
        if not work.waits(now) or is_being_put_off(work, now):
            continue
        for run, handler in _of(work, app, now, busy, anew, confirmed=work.episode.event.source in confirmed):
            if isinstance(handler, str):
                found.dropped.append((run, work.episode, handler))
            elif most is not None and len(found.begun) >= most:
                break
            else:
                found.begun.append(Beginning(run, handler, work.episode))
    return DueNow(_beside_others(found.begun, works), found.dropped) if found.begun else found


def _beside_others(begun: list[Beginning], works: Iterable[Work]) -> list[Beginning]:
    """The same, with the events that are not over for which the same handler has begun before."""
    has_begun: dict[tuple[str, str], list[Episode]] = {}
    for work in works:
        if work.begun and work.episode.event.phase is not Phase.ENDED:
            for place in {run.place for run in work.runs if run.attempt}:
                has_begun.setdefault(place, []).append(work.episode)

    def others(each: Beginning) -> tuple[MaintenanceEvent, ...]:
        found = has_begun.get(each.run.place, ())
        return tuple(episode.event for episode in found if episode.event.key != each.episode.event.key)

    return [each._replace(others=others(each)) for each in begun]


def _begun_anew(works: Iterable[Work]) -> dict[Place, int]:
    """The last life of each event in which a handler has begun prepare or started, where that is not its first."""
    lives: dict[Place, int] = {}
    for work in works:
        if (life := work.episode.number) > 1 and work.begun:
            begun = (run for run in work.runs if run.attempt and run.stage is not Stage.RECOVER)
            lives |= {(work.episode.event.key, run.place): life for run in begun}
    return lives


def _of(
    work: Work,
    app: App,
    now: Instant,
    busy: set[tuple[EventKey, str]],
    anew: Mapping[Place, int],
    *,
    confirmed: bool,
) -> Iterator[tuple[Run, Handler | str]]:
    """What of an event is due: each run with its handler, or with the reason why it comes to nothing.

    Args:
        work: the event.
        app: the handlers.
        now: on both clocks.
        busy: the machines for which something of an event runs; those of this one are added.
        anew: the last life in which a handler has begun anew.
        confirmed: whether its source has been asked in this life.
    """
    key = work.episode.event.key
    for run in work.waiting:
        if run.stage is Stage.RECOVER and anew.get((key, run.place), 0) > work.episode.number:
            yield run, "its handler has begun for the event anew, and recovers at its next end"
            continue
        place = (key, folded(run.machine))
        if place in busy or not may_begin(run, now):
            continue
        handler = app.handler(run.handler)
        if handler is None:
            yield run, "the app has no handler of this name any more"
        elif why := outdated(run, work.episode.event):  # it was cut off, and meanwhile its event has gone on
            yield run, why
        elif confirmed or run.stage is Stage.RECOVER:
            busy.add(place)
            yield run, handler


def next_date(works: Iterable[Work], now: Instant) -> Instant:
    """When there may be something to begin, though nothing changes."""
    waiting = [work for work in works if work.waiting]
    if any(work.postponements for work in waiting):
        return now
    dates = (run.due for work in waiting for run in work.waiting if run.due and run.due > now.date)
    pauses = (run.again for work in waiting for run in work.waiting if run.again and run.again > now.steady)
    return Instant(min(dates, default=NEVER.date), min(pauses, default=NEVER.steady))
