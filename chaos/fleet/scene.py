"""What both scenes are made of: a PostgreSQL, programs that are started again, links, and what is done to them."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from fleet.links import Link, Passing
from fleet.record import Done, Event, Record, Spell
from machinery import Process, Zygote
from stormcone.postgresql.server import PostgresqlServer
from stormcone_simulators.base import BaseSimulator
from world import move_clock

STAGES = Path(__file__).with_name("stages.py")

STUCK = 12.0
"""Seconds after which an event is called off that somebody has said no to."""

STEP = 600
"""Seconds by which clocks are moved at the most: clouds' APIs refuse those that are further off."""

LONGEST = 60.0
"""Seconds for which all is well at the end; what is not over by then is lost."""


@dataclass
class Actor:
    """A program that is started again whenever it has ended.

    Attributes:
        name: of whom it is, in the record.
        arguments: its command line.
        env: its environment beside that of all.
        database: its way to the database.
        cloud: its way to the cloud; None where it has none.
        process: its life; None before the first.
        wanted: whether it is started again.
    """

    name: str
    arguments: list[str]
    env: dict[str, str]
    database: Link
    cloud: Link | None
    process: Process | None = None
    wanted: bool = True
    busy: set[str] = field(default_factory=set)


class Scene:
    """A round: what is played is a subclass's; what is done to it is here.

    Args:
        folder: where its files are.
        seed: what it is drawn from.
        faults: how many there are to be.
        zygotes: fork the processes, in turn; the second one's have a wall clock that can be moved, where there is one.
        clock: the file that says by how much.
        first: the first of the numbers that its processes have.
    """

    name = ""

    def __init__(
        self, folder: Path, seed: str, faults: int, zygotes: Sequence[Zygote], clock: Path, first: int
    ) -> None:
        self.folder = folder
        self.chance = random.Random(seed)  # noqa: S311 - it is to be repeatable
        self.record = Record(scene=self.name, seed=seed)
        self.faults = faults
        self.actors: list[Actor] = []
        self.pids: dict[int, str] = {}
        self.offset = time.monotonic() - time.time()
        self._zygotes = zygotes
        self._clock = clock
        self._clock_busy = False
        self._number = first
        self._tasks: set[asyncio.Task[None]] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._starts = ThreadPoolExecutor(1)  # a server ends with the thread that has started it
        self._server: PostgresqlServer | None = None
        self._links: list[Link] = []
        self._stack = ExitStack()
        self._refused: dict[str, float] = {}
        self._database_busy = False

    # to be played

    async def prepare(self) -> None:
        """Make the cloud and the actors, once the server runs."""
        raise NotImplementedError

    def audit(self) -> None:
        """Have the database write down what it gives, once the actors have made its tables."""
        raise NotImplementedError

    async def play(self) -> None:
        """Announce something, or change it."""
        raise NotImplementedError

    def gather(self) -> None:
        """Add to the record what the cloud and the database know."""
        raise NotImplementedError

    # the events

    def begin(self, cloud: BaseSimulator) -> None:
        """Have that cloud, until the round is over."""
        self.cloud = self._stack.enter_context(cloud)

    def watch(self) -> None:
        """Note which events are over."""
        now = time.monotonic()
        for each in self.cloud.events():
            event = self.record.events.get(each["id"])
            if event is not None and event.ended is None and each["ended_at"]:
                event.ended = now

    def active(self) -> list[Event]:
        """The events that go on."""
        return [event for event in self.record.events.values() if event.ended is None]

    def call_off(self, event: Event) -> None:
        """Call an event off that has not begun."""
        known = next(each for each in self.cloud.events() if each["id"] == event.id)
        if known["phase"] == "scheduled":
            self.cloud.cancel(event.id)
            event.ended = time.monotonic()

    def calm(self) -> None:
        """Call off what somebody has said no to: nothing else would end it."""
        now = time.monotonic()
        for line in self._deeds():
            if line.how in {"veto", "gives up"}:
                self._refused.setdefault(line.event.lower(), line.at)
        for event in self.active():
            if now - self._refused.get(event.id.lower(), now) > STUCK:
                self.call_off(event)

    def left(self) -> list[str]:
        """What is not over yet: events, and machines that have prepared and not recovered."""
        self.watch()
        away: dict[tuple[str, str], bool] = {}
        for line in self._deeds():
            if (line.stage, line.does) == ("prepare", "begins"):
                away[line.machine, line.event] = True
            elif (line.stage, line.does, line.how) == ("recover", "ends", "well"):
                away[line.machine, line.event] = False
        gone = [f"{machine} has not recovered from {event}" for (machine, event), still in away.items() if still]
        return [f"{event.id} of {', '.join(event.machines)} goes on" for event in self.active()] + gone

    def at(self, date: datetime) -> float:
        """A date of the cloud's or the database's as the record has times."""
        return date.timestamp() + self.offset

    # the round

    async def run(self) -> Record:
        """Play it, do the faults, let all be well, and answer what is known of it."""
        self.folder.mkdir(parents=True)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.run_in_executor(self._starts, PostgresqlServer)
            await self.prepare()
            self._keepers = [asyncio.create_task(self._keep(actor)) for actor in self.actors]
            await self._until(lambda: all(actor.process for actor in self.actors))
            await loop.run_in_executor(self._starts, self.audit)
            for _ in range(self.faults):
                await self.play()
                await self.do_a_fault()
                await asyncio.sleep(self.chance.uniform(0.05, 0.5))
            await asyncio.gather(*self._tasks)
            await self._settle()
            self.record.done = self._deeds()
            await loop.run_in_executor(self._starts, self.gather)
        finally:
            await self._end()
        return self.record

    async def _settle(self) -> None:
        end = time.monotonic() + LONGEST
        while (left := self.left()) and time.monotonic() < end:
            self.calm()
            await asyncio.sleep(0.5)
        self.record.unsettled = left

    async def _end(self) -> None:
        for actor in self.actors:
            actor.wanted = False
            if actor.process is not None:
                self._zygote_of(actor).signal(actor.process, signal.SIGKILL)
        await asyncio.gather(*self._keepers)
        for link in self._links:
            await link.close()
        self._stack.close()
        if self._server is not None:
            await asyncio.get_running_loop().run_in_executor(self._starts, self._server.close)
        self._starts.shutdown()

    async def _keep(self, actor: Actor) -> None:
        while actor.wanted:
            self._number += 1
            self.record.names[self._number] = actor.name
            env = {
                **actor.env,
                "CHAOS_DEEDS": str(self.folder / "deeds"),
                "CHAOS_LIFE": str(self._number),
                "WALK_SEED": self.record.seed,
                "WALK_SCENE": self.name,
            }
            output = self.folder / f"{actor.name}.log"
            actor.process = await self._zygote_of(actor).start(self._number, actor.arguments, env, output)
            self.pids[actor.process.pid] = actor.name
            await actor.process.ended.wait()
            await asyncio.sleep(self.chance.uniform(0.0, 1.0))

    def make(self, statements: LiteralString) -> None:
        """Have the database do that as soon as it can: the actors make its tables."""
        end = time.monotonic() + LONGEST
        while True:
            try:
                with psycopg.connect(self.server.url(), autocommit=True) as connection:
                    connection.execute(statements)
            except psycopg.Error:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
            else:
                return

    async def _until(self, true: Callable[[], Any]) -> None:
        while not true():
            await asyncio.sleep(0.02)

    # what is done to it

    async def link(self, port: int, overhears: Callable[[float, bytes], None] | None = None) -> Link:
        """A link to a server of this machine, which lasts as long as the round."""
        link = Link(port, overhears)
        await link.open()
        self._links.append(link)
        return link

    @property
    def server(self) -> PostgresqlServer:
        """The database's server."""
        assert self._server is not None
        return self._server

    async def do_a_fault(self) -> None:
        """Begin one, by chance."""
        kinds: Mapping[str, tuple[int, Callable[[], Awaitable[None] | None]]] = {
            "killed": (4, lambda: self._kill(self._anybody())),
            "frozen": (5, lambda: self._freeze(self._anybody())),
            "link": (6, lambda: self._spoil(self._anybody())),
            "clock": (1 if len(self._zygotes) > 1 else 0, self._step_clocks),
            "server killed": (1, lambda: self._restart(signal.SIGKILL)),
            "server stopped": (1, lambda: self._restart(signal.SIGQUIT)),
            "server frozen": (1, self._freeze_server),
            "server read-only": (1, self._read_only),
        }
        weights = [weight for weight, _ in kinds.values()]
        (kind,) = self.chance.choices(list(kinds), weights)
        begun = kinds[kind][1]()
        if begun is not None:
            task = asyncio.ensure_future(begun)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _anybody(self) -> Actor:
        return self.chance.choice(self.actors)

    def _kill(self, actor: Actor) -> None:
        now = time.monotonic()
        if actor.process is not None:
            self._zygote_of(actor).signal(actor.process, signal.SIGKILL)
            self.record.spells.append(Spell(kind="killed", target=actor.name, since=now, until=now + 3.0))

    async def _freeze(self, actor: Actor) -> None:
        process = actor.process
        if process is None or "frozen" in actor.busy:
            return
        actor.busy.add("frozen")
        since, seconds = time.monotonic(), self._while(12.0)
        self._zygote_of(actor).signal(process, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._zygote_of(actor).signal(process, signal.SIGCONT)
        actor.busy.discard("frozen")
        self._spell("frozen", actor.name, since)

    async def _spoil(self, actor: Actor) -> None:
        where = self.chance.choice(["database", "cloud"]) if actor.cloud else "database"
        link = actor.database if where == "database" else actor.cloud
        if link is None or where in actor.busy:
            return
        actor.busy.add(where)
        how = self.chance.choice([Passing.CUT, Passing.HELD, Passing.DEAF, Passing.SLOW])
        since = time.monotonic()
        link.let(how)
        await asyncio.sleep(self._while(10.0))
        link.let(Passing.FREELY)
        actor.busy.discard(where)
        self._spell(f"{where} {how}", actor.name, since)

    async def _step_clocks(self) -> None:
        """Move the wall clock of every second process, and later back."""
        if self._clock_busy:
            return
        self._clock_busy = True
        since, seconds = time.monotonic(), self.chance.randint(-STEP, STEP)
        move_clock(self._clock, seconds)
        await asyncio.sleep(self._while(20.0))
        move_clock(self._clock, 0)
        self._spell("clock moved", "every second one", since)
        self._clock_busy = False

    def _zygote_of(self, actor: Actor) -> Zygote:
        return self._zygotes[self.actors.index(actor) % len(self._zygotes)]

    async def _with_server(self, kind: str, begin: Callable[[], object], end: Callable[[], object]) -> None:
        """One thing at a time is done to the server."""
        if self._database_busy:
            return
        self._database_busy = True
        loop, since = asyncio.get_running_loop(), time.monotonic()
        await loop.run_in_executor(self._starts, begin)
        await asyncio.sleep(self._while(6.0))
        await loop.run_in_executor(self._starts, end)
        self._spell(kind, "database", since)
        self._database_busy = False

    async def _restart(self, how: signal.Signals) -> None:
        await self._with_server("killed", lambda: self.server.stop(how), self.server.start)

    async def _freeze_server(self) -> None:
        await self._with_server(
            "frozen", lambda: self._signal_server(signal.SIGSTOP), lambda: self._signal_server(signal.SIGCONT)
        )

    def _signal_server(self, number: signal.Signals) -> None:
        """To each of its processes; a backend that has just ended is no fault."""
        first = (self.server.folder / "data" / "postmaster.pid").read_text().split()[0]
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                pid, parent = path.parent.name, path.read_text().rpartition(")")[2].split()[1]
                if first in (pid, parent):
                    os.kill(int(pid), number)

    async def _read_only(self) -> None:
        await self._with_server("read-only", lambda: self._writable("on"), lambda: self._writable("off"))

    def _writable(self, off: str) -> None:
        for statement in (f"ALTER SYSTEM SET default_transaction_read_only = {off}", "SELECT pg_reload_conf()"):
            writes = "SET default_transaction_read_only = off"
            self.server.run("psql", "-q", "-d", self.server.url(), "-c", writes, "-c", statement)

    def _while(self, most: float) -> float:
        """Seconds that a fault lasts: mostly few."""
        return most * self.chance.random() ** 3

    def _spell(self, kind: str, target: str, since: float) -> None:
        self.record.spells.append(Spell(kind=kind, target=target, since=since, until=time.monotonic()))

    def _deeds(self) -> list[Done]:
        path = self.folder / "deeds"
        if not path.exists():
            return []
        known = set(Done.__dataclass_fields__)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [Done(**{name: value for name, value in line.items() if name in known}) for line in lines]
