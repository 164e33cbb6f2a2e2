"""Keeps a process for each shard that the plan gives to this watcher, and lets go of those that it gives to others.

The keeper holds no lease and touches no journal: each process opens its shard's journal by itself, waits there for the
lease, and is fenced there. So whatever befalls the keeper, no shard is written by two; and what befalls one process
is no other shard's trouble.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from stormcone.agent.notices import NoticeKind
from stormcone.agent.reporter import Reporter, log
from stormcone.clock import Clock
from stormcone.errors import JournalError
from stormcone.journal.shards import LeaseSeen, ShardBook, ShardsSeen
from stormcone.text import one_line

LOOK = 1.0
"""Seconds between two looks at the plan, at the most; less where leases are short."""

HOLD = 600.0
"""Seconds for which a shard that is another's by the plan is kept while stages run there without a pause."""

SLACK = 20.0
"""Seconds beyond its grace after which a process that was told to stop is ended by force."""

STUCK = 60.0
"""Seconds after which a process that has said that its loop turns, and says so no more, is ended by force."""

START = 300.0
"""Seconds that a process may take until it says that for the first time."""

AT_ONCE = 8
"""Processes that are begun at the same time: of many, the first ones are to be at work before the last ones begin."""

BEGINS = 10.0
"""Seconds for which a process counts as beginning, at the most: one that does not come up holds up no others."""

PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds until a process that has ended by itself is begun again; the last one counts from then on."""

_WELL = 60.0
"""Seconds after which a process that goes on has begun well."""


class ShardProcess(Protocol):
    """A process that watches one shard.

    Attributes:
        number: the system's number of it.
    """

    number: int

    def ended(self) -> int | None:
        """Its exit status; None while it goes on."""

    def turns(self) -> bool:
        """Whether it has said, since this was last asked, that its loop turns."""

    def reload(self) -> None:
        """Have it read its configuration again."""

    def stop(self) -> None:
        """Tell it to end in good order."""

    def kill(self) -> None:
        """End it at once."""


@dataclass
class _Child:
    """A process that goes on.

    Attributes:
        process: it.
        begun: when it was begun, in seconds of the monotonic clock; so are the others.
        unwanted: since when its shard is another's by the plan; None: it is ours.
        told: since when it has been told to stop; None: it has not.
        turned: when it has last said that its loop turns; None: it has not said that yet.
        lapsed: since when nobody has held its shard's lease; None: somebody does.
    """

    process: ShardProcess
    begun: float
    unwanted: float | None = None
    told: float | None = None
    turned: float | None = None
    lapsed: float | None = None

    def lease_is(self, lease: LeaseSeen | None, seconds: float) -> None:
        """Take note of how its shard's lease is."""
        if lease is not None and lease.held:
            self.lapsed = None
        elif self.lapsed is None:
            self.lapsed = seconds

    def hangs(self, seconds: float, silence: float) -> bool:
        """Whether its loop turns no more: after a minute, or sooner where nobody has held its shard's lease as long."""
        if self.turned is None:
            return seconds - self.begun >= START
        still = seconds - self.turned
        lapsed = 0.0 if self.lapsed is None else seconds - self.lapsed
        return still >= STUCK or min(still, lapsed) >= silence


@dataclass(frozen=True, kw_only=True)
class KeeperView:
    """How a keeper stands, for health and metrics.

    Attributes:
        seconds: when, on the monotonic clock.
        wanted: the shards that the plan gives to it.
        held: those whose lease a process of its own holds.
        unwatched: those whose lease nobody holds, and all others of the database that no living watcher is to have.
        watchers: how many watchers live, this one too.
        restarts: how often a process has ended that was not told to.
        error: why the database could not be asked the last time, or "".
    """

    seconds: float
    wanted: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    unwatched: tuple[str, ...] = ()
    watchers: int = 0
    restarts: int = 0
    error: str = ""


class Keeper:
    """Follows the plan.

    Args:
        book: what all watchers share; it has been joined.
        start: begins a process for a shard.
        clock: for pauses.
        reporter: told what happens.
        grace: seconds that a process may take to end in good order.
        on_turn: called at the end of each turn, with how it stands.
    """

    def __init__(
        self,
        book: ShardBook,
        start: Callable[[str], ShardProcess],
        *,
        clock: Clock,
        reporter: Reporter,
        grace: float,
        on_turn: Callable[[KeeperView], None] = lambda _: None,
    ) -> None:
        self._book = book
        self._start = start
        self._clock = clock
        self._reporter = reporter
        self._patience = grace + SLACK
        self._on_turn = on_turn
        self._children: dict[str, _Child] = {}
        self._pauses: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._restarts = 0
        self._seen: ShardsSeen | None = None
        self._error = ""
        self._stopping = False
        self._reload = False
        self._wake = threading.Event()

    # what a program calls

    def run(self) -> None:
        """Follow the plan until `stop` is called, and then let go of all. Trouble is told of, and never raised."""
        pause = min(LOOK, self._book.silence / 4)
        while not self._stopping:
            self._wake.clear()
            self._turn_whatever_happens()
            if not self._stopping:
                self._clock.wait(self._wake, pause)
        self.end()

    def stop(self) -> None:
        """Ask `run` to end; any thread may call it."""
        self._stopping = True
        self._wake.set()

    def reload(self) -> None:
        """Have the process of each shard read its configuration again; a signal's handler may call it."""
        self._reload = True

    @property
    def processes(self) -> Mapping[str, ShardProcess]:
        """Those that go on, by their shards."""
        return {name: child.process for name, child in self._children.items()}

    def turn(self) -> None:
        """Look at the plan once, and do what follows from it."""
        seconds = self._clock.monotonic()
        try:
            self._seen, self._error = self._book.look(tuple(self._children)), ""
        except JournalError as error:
            self._error = str(error)
        going_on = "the shards that are watched here are watched on"
        self._reporter.complain("shards", f"{self._error}; {going_on}" if self._error else "")
        self._reap(seconds)
        if self._reload:
            self._reload = False
            for child in self._children.values():
                child.process.reload()
        if self._seen is not None:
            wanted = [each.shard.name for each in self._seen.wanted_by(self._book.id)]
            leases = {each.shard.name: each.lease for each in self._seen.shards}
            for name, child in list(self._children.items()):
                if not self._error:  # else it is not known how the leases are
                    child.lease_is(leases.get(name), seconds)
                self._see_to(name, child, leases.get(name), seconds, ours=name in wanted)
            self._begin([name for name in wanted if name not in self._children], seconds)
            self._tell_unknown(self._seen)
        self._on_turn(self._look(seconds))

    def end(self) -> None:
        """Let go of all shards: the others have them at once, and each process ends in good order."""
        count = len(self._children)
        self._reporter.tell(NoticeKind.STOPPING, f"stopping; {count} shard(s) are given up")
        try:
            self._book.leave()
        except JournalError as error:
            self._reporter.tell(NoticeKind.PROBLEM, f"{error}; the others take these shards when their leases are over")
        for child in self._children.values():
            child.process.stop()
        last = self._clock.monotonic() + self._patience
        while self._going_on() and self._clock.monotonic() < last:
            self._clock.sleep(0.05)
        for child in self._going_on():
            child.process.kill()

    # the turn's parts

    def _tell_unknown(self, seen: ShardsSeen) -> None:
        """Say which shards nobody watches since no living watcher knows them: a configuration lacks them."""
        names = dict.fromkeys(
            each.shard.table
            for each in seen.unknown
            if not (each.lease and each.lease.held) and (seen.at - each.since).total_seconds() >= self._book.silence
        )  # one that joins has its shards a moment before it counts as living
        todo = "start a watcher that has it, or take it out: stormcone shards forget"
        told = "; ".join(f"no living watcher has [shards.{name}]; {todo} {name}" for name in names)
        self._reporter.complain("unknown", told)

    def _turn_whatever_happens(self) -> None:
        """A turn; what nobody has foreseen is told, and the next turn goes on: the shards need their processes."""
        trouble = ""
        try:
            self.turn()
        except Exception as error:  # noqa: BLE001 - whatever it is, to end all shards for it would be worse
            log.debug("a turn of the keeper failed", exc_info=True)
            trouble = f"the watcher has hit a fault of its own, and goes on: {one_line(error)}"
        self._reporter.complain("keeper", trouble)

    def _reap(self, seconds: float) -> None:
        """Take note of processes that have ended."""
        for name, child in list(self._children.items()):
            if child.process.turns():
                child.turned = seconds
            status = child.process.ended()
            if status is None:
                continue
            del self._children[name]
            if child.told is not None:
                self._say(f"{name} is given up")
                continue
            self._restarts += 1
            tries = 0 if seconds - child.begun >= _WELL else self._pauses.get(name, 0)
            pause = PAUSES[min(tries, len(PAUSES) - 1)]
            self._pauses[name], self._due[name] = tries + 1, seconds + pause
            how = f"with status {status}" if status >= 0 else f"by signal {-status}"
            self._reporter.tell(
                NoticeKind.PROBLEM, f"{name}: its process has ended {how}; it is begun again after {pause:g} s"
            )

    def _begin(self, names: list[str], seconds: float) -> None:
        young = [child for child in self._children.values() if child.turned is None and seconds - child.begun < BEGINS]
        room = AT_ONCE - len(young)
        for name in [name for name in names if self._due.get(name, 0.0) <= seconds][: max(room, 0)]:
            try:
                process = self._start(name)
            except OSError as error:
                self._due[name] = seconds + PAUSES[-1]
                why = f"{name}: no process can be begun ({error.strerror}); it is tried again"
                self._reporter.tell(NoticeKind.PROBLEM, why)
                continue
            self._children[name] = _Child(process, seconds)
            self._say(f"{name} is this watcher's: process {process.number}")

    def _see_to(self, name: str, child: _Child, lease: LeaseSeen | None, seconds: float, *, ours: bool) -> None:
        """Let one go that is another's by now, and end one that hangs."""
        if child.told is None and child.hangs(seconds, self._book.silence):
            self._reporter.tell(NoticeKind.PROBLEM, f"{name}: its process hangs; it is ended by force")
            child.process.kill()
        elif child.told is None and not ours:
            busy = lease is not None and lease.busy and lease.held_by(child.process.number)
            if child.unwanted is None:
                child.unwanted = seconds
                later = ", once no stage runs there" if busy else ""
                self._say(f"{name} is another watcher's{later}")
            if not busy or seconds - child.unwanted >= HOLD:
                child.told = seconds
                child.process.stop()
        elif child.told is None:
            child.unwanted = None
        elif seconds - child.told >= self._patience:
            child.process.kill()

    def _going_on(self) -> list[_Child]:
        return [child for child in self._children.values() if child.process.ended() is None]

    def _look(self, seconds: float) -> KeeperView:
        shards = self._seen.wanted_by(self._book.id) if self._seen else ()
        orphans = self._seen.wanted_by("") if self._seen else ()
        held = [
            each.shard.name
            for each in shards
            if (child := self._children.get(each.shard.name)) and each.lease
            if each.lease.held_by(child.process.number)
        ]
        return KeeperView(
            seconds=seconds,
            wanted=tuple(each.shard.name for each in shards),
            held=tuple(held),
            unwatched=tuple(each.shard.name for each in (*shards, *orphans) if not (each.lease and each.lease.held)),
            watchers=sum(each.lives for each in self._seen.watchers) if self._seen else 0,
            restarts=self._restarts,
            error=self._error,
        )

    def _say(self, text: str) -> None:
        self._reporter.tell(NoticeKind.SHARD, text)
