"""One round of the attack: a simulator, a wire to it, and lives of an agent that are ended in every way there is.

Nothing here judges. All that happens is written down, for `checker.py`: what the driver did, what the wire saw, and,
in a file of their own, what handlers did.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kinds
from machinery import Control, Process, Zygote
from story import HANDLERS, slowness
from wire import FAULTS, Wire, now

HERE = Path(__file__).resolve().parent

_COMMAND = json.dumps([sys.executable, "-I", "-S", str(HERE / "command.py")])
COMMANDS = ("--on-prepare", _COMMAND, "--on-started", _COMMAND, "--on-recover", _COMMAND, "--lead", "30d")

KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "chaos-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "chaos-secret-of-alibaba"}

GRACE = 10.0
"""Seconds of its clock that an agent leaves its handlers when it is told to stop."""

STOPS_WITHIN = 12.0
"""Real seconds on top: what the program promises for output and for what handlers leave behind, and a busy machine."""

CALM_PATIENCE = 20.0
"""Real seconds in which all that is left to do must be done once nobody disturbs."""

SETTLED = {("prepare", "well"), ("prepare", "gives up"), ("prepare", "veto")}

QUIET = 5.0
"""Real seconds without a deed after which nothing more is to come: no pause is that long."""

DISK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a round is made of.

    Attributes:
        seed: what its chances are drawn from.
        cloud: azure or alibaba.
        handlers: python, commands or both.
        kills: how many lives end by SIGKILL.
        speed: seconds of the agent's and the simulator's clock to a real one.
        clock: whether the wall clock is moved.
        disk: whether the journal is on a small disk, which is full at times.
        unread: whether nobody reads what the agent says.
        overwrites: whether the journal is emptied or overwritten under the agent, once.
        intrudes: the share of lives beside which another agent is started on the same journal.
        faults: what the wire does to what passes; see `wire.FAULTS`.
    """

    seed: str
    cloud: str
    handlers: str
    kills: int
    speed: float
    clock: bool = False
    disk: bool = False
    unread: bool = False
    overwrites: bool = False
    intrudes: float = 0.03
    faults: Sequence[str] = FAULTS

    @property
    def retry_after(self) -> int:
        """What the wire's faults ask for: where half of the shortest notice is too long to wait for here, little."""
        return 3600 if self.cloud == "azure" and self.speed > 1 else 1


class World:
    """A round.

    Args:
        plan: what it is made of.
        folder: where its files are; empty.
        lives: who forks the agent's lives.
        servers: who forks the simulator.
        offset: the file that moves the wall clock of the lives.
        number: from where on lives are numbered.
    """

    def __init__(
        self, plan: Plan, folder: Path, lives: Zygote, servers: Zygote, offset: Path | None, number: int
    ) -> None:
        self.plan = plan
        self.lines: list[dict[str, Any]] = []
        self._folder = folder
        self._chance = random.Random(plan.seed)  # noqa: S311 - it is to be repeatable
        self._zygote, self._servers, self._offset = lives, servers, offset
        self._next = self._base = number
        self._life: Process | None = None
        self._kills = 0
        self._calm = asyncio.Event()
        self._events: set[asyncio.Task[None]] = set()
        self._deeds_read = 0
        self._deeds: set[tuple[str, str, str, str]] = set()
        self._rest = b""
        self._journal = folder / "disk" / "journal.db"
        self._disk_full = False
        self._attacking = True
        self._announcing: asyncio.Task[None] | None = None

    def note(self, what: str, **values: Any) -> None:
        """Write a line."""
        self.lines.append({"at": now(), "what": what, **values})

    async def run(self) -> None:
        """The whole round; what happened is in `lines` and in the folder afterwards."""
        async with contextlib.AsyncExitStack() as stack:
            (self._folder / "disk").mkdir(parents=True)
            (self._folder / "plan.json").write_text(json.dumps(asdict(self.plan)))
            if self.plan.disk:
                stack.enter_context(_small_disk(self._folder / "disk"))
            simulator = await self._simulator(stack)
            self._wire = Wire(
                simulator.host,
                simulator.port,
                self._chance,
                self.note,
                control=not self.plan.clock,
                rewrite=kinds.rewritten if self.plan.cloud == "azure" else list,
                retry_after=self.plan.retry_after,
                choices=self.plan.faults,
            )
            self._control = simulator
            self._endpoint = await self._wire.listen()
            stack.push_async_callback(self._wire.close)
            self._output = self._folder / "agent.log"
            if self.plan.unread:
                stack.callback(os.close, _unread_pipe(self._output))
            stack.push_async_callback(self._stop_simulating)
            watching = asyncio.create_task(self._watch_load())  # to the very end, as whether the attack stands still
            stack.callback(watching.cancel)
            if self.plan.clock:  # as long
                stepping = asyncio.create_task(self._step_the_clock())
                stack.callback(stepping.cancel)
            await self._attack()
            await self._become_calm()
        (self._folder / "driver.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.lines))

    # the attack

    async def _attack(self) -> None:
        announcing = self._announcing = asyncio.create_task(self._announce())
        mischief = [asyncio.create_task(self._spoil_the_wire())]
        if self.plan.disk:
            mischief.append(asyncio.create_task(self._fill_the_disk()))
        if self.plan.overwrites:
            mischief.append(asyncio.create_task(self._overwrite_the_journal()))
        try:
            while self._kills < self.plan.kills:
                await self._live()
            self._attacking = False
            await announcing
        finally:
            # Whatever ends the attack: what still filled the small disk would fill the one below it.
            for task in mischief:
                task.cancel()
            await asyncio.gather(*mischief, return_exceptions=True)
        for task in mischief:
            if not task.cancelled() and task.exception() is not None:
                raise RuntimeError("the attack itself has failed") from task.exception()

    async def _live(self) -> None:
        """One life, from its start to its end."""
        life = self._life = await self._start()
        chance = self._chance
        length = chance.uniform(5.0, 8.0) if chance.random() < 0.02 else chance.expovariate(1 / 0.55)
        length *= self._patience if self.plan.clock else 1.0  # or it would hardly begin
        if chance.random() < self.plan.intrudes and await self._told(life):
            await self._intrude()
        if chance.random() < 0.15:
            await _until(life.ended, length / 2)
            await self._freeze(life, chance.expovariate(1 / 0.3))
        await _until(life.ended, length)
        if life.ended.is_set():
            self._note_end(life, None)
            await asyncio.sleep(0.2)
        elif chance.random() < 0.12:
            await self._stop(life, chance.random() < 0.3)
        else:
            await self._kill(life)
        self._life = None

    async def _start(self, **more: Any) -> Process:
        plan, chance, number = self.plan, self._chance, self._next
        self._next += 1
        argv = ["run", *([str(HERE / "handlers.py")] if plan.handlers != "commands" else [])]
        argv += ["--provider", plan.cloud, "--endpoint", self._endpoint, "--journal", str(self._journal)]
        argv += ["--interval", "0.5s" if plan.speed > 1 else "0.2s"]
        argv += COMMANDS if plan.handlers != "python" else ()
        env = {
            "CHAOS_LIFE": str(number),
            "STORMCONE_LOG": "text",
            "CHAOS_DEEDS": str(self._folder / "deeds.jsonl"),
            "CHAOS_SEED": plan.seed,
            "CHAOS_DEAF": "0.05" if plan.speed > 1 else "0",
            "CHAOS_SLOW": "0.6" if plan.clock else "0.25",
            **(KEY if plan.cloud == "alibaba" else {}),
        }
        more = {"ignores_children": chance.random() < 0.05, **more}
        self.note("starts", life=number, full=self._disk_full, **more)
        life = await self._zygote.start(number, argv, env, self._output, **more)
        self.note("lives", life=number, pid=life.pid)
        return life

    async def _kill(self, life: Process, stopping: float | None = None) -> None:
        """Kill it; where it was told to stop, at `stopping`, it may have done that first."""
        self.note("kill", life=life.number)
        self._zygote.signal(life, signal.SIGKILL)
        await life.ended.wait()
        if life.status != -signal.SIGKILL:  # it was over already
            self._note_end(life, stopping)
            return
        self._kills += 1
        self.note("killed", life=life.number, status=life.status, over=life.over)

    async def _freeze(self, life: Process, seconds: float) -> None:
        if not life.ended.is_set():
            self.note("freeze", life=life.number)
            self._zygote.signal(life, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            self._zygote.signal(life, signal.SIGCONT)
            self.note("thaw", life=life.number)

    async def _stop(self, life: Process, impatient: bool = False) -> None:
        """Tell it to stop, and see whether it keeps its promise; sometimes it is not given the time."""
        self.note("stop", life=life.number)
        begun = now()
        self._zygote.signal(life, signal.SIGTERM)
        if impatient:
            await _until(life.ended, self._chance.expovariate(1 / 0.2))
            if not life.ended.is_set():
                await self._kill(life, begun)
                return
        await _until(life.ended, GRACE / self.plan.speed + STOPS_WITHIN * self._patience)
        if not life.ended.is_set():
            self.note("does not stop", life=life.number, seconds=now() - begun)
            await self._kill(life)
            return
        self._note_end(life, begun)

    def _note_end(self, life: Process, stopping: float | None) -> None:
        if stopping is None or life.over < stopping:
            self.note("ended by itself", life=life.number, status=life.status, over=life.over)
        else:
            self.note("stopped", life=life.number, status=life.status, seconds=life.over - stopping, over=life.over)

    async def _intrude(self) -> None:
        """Another agent on the same journal, which must not come to life."""
        other = await self._start(intruder=True)
        await _until(other.ended, STOPS_WITHIN * self._patience)
        if not other.ended.is_set():
            self._zygote.signal(other, signal.SIGKILL)
            await other.ended.wait()
        beside = self._life is not None and not self._life.ended.is_set()
        self.note("intruder ended", life=other.number, status=other.status, beside=beside)

    async def _told(self, life: Process) -> bool:
        """Whether a life has come so far, in good time, that it was told of the events."""
        seen = len(self.lines)
        for _ in range(20):
            await _until(life.ended, 0.1)
            if any(line["what"] == "told" for line in self.lines[seen:]):
                return True
        return False

    # what goes on beside it

    async def _announce(self) -> None:
        """Events of all kinds, a few at a time."""
        while self._attacking:
            if len(self._events) < 8:
                await self._announce_one()
            await asyncio.sleep(self._chance.expovariate(1 / 0.5))

    async def _announce_one(self, name: str = "") -> None:
        known = kinds.KINDS[self.plan.cloud]
        name = name or self._chance.choices(tuple(known), [kind.weight for kind in known.values()])[0]
        begun = now()
        status, document = await self._control.call("POST", "events", kinds.order(self.plan.cloud, name))
        if status != 201:
            raise RuntimeError(f"the simulator has refused an event: {status} {document}")
        self.note("event", event=document["id"], kind=name, begun=begun)
        task = asyncio.create_task(self._one_event(document["id"], known[name]))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    async def _one_event(self, event: str, kind: kinds.Kind) -> None:
        """An event's life, from its announcement to its end."""
        chance = self._chance
        await _until(self._calm, chance.uniform(0.1, 4.0))
        if self._calm.is_set() and kind.prepares:
            await self._until_settled(event)
        begun = now()
        if chance.random() < 0.2:
            status, _ = await self._control.call("DELETE", f"events/{event}")
            if status < 400:
                self.note("over", event=event, begun=begun, how="called off")
                return
        await self._control.call("POST", f"events/{event}/start")
        self.note("begun", event=event, begun=begun)
        await asyncio.sleep(chance.uniform(0.05, 1.2))
        begun = now()
        status, document = await self._control.call("POST", f"events/{event}/complete", {"outcome": "completed"})
        self.note("over", event=event, begun=begun, how="completed")
        if status >= 400:
            raise RuntimeError(f"the simulator does not end an event: {status} {document}")

    @property
    def _patience(self) -> float:
        """How much longer than on an idle machine everything may take."""
        return slowness(os.getloadavg()[0] / (os.cpu_count() or 1), clock=self.plan.clock)

    async def _watch_load(self) -> None:
        while True:
            self.note("load", each=os.getloadavg()[0] / (os.cpu_count() or 1))
            await asyncio.sleep(2.0)

    async def _spoil_the_wire(self) -> None:
        while True:
            self._wire.rate = 0.03
            await asyncio.sleep(self._chance.expovariate(1 / 3.0))
            self._wire.rate = self._chance.choice((0.3, 0.7, 1.0))
            await asyncio.sleep(self._chance.uniform(0.1, 1.0))

    async def _fill_the_disk(self) -> None:
        ballast = self._folder / "disk" / "ballast"
        try:
            while True:
                await asyncio.sleep(self._chance.expovariate(1 / 3.0))
                self._disk_full = True
                self.note("disk full")
                with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                    for _ in range(DISK_BYTES // 4096):
                        file.write(bytes(4096))
                await asyncio.sleep(self._chance.uniform(0.2, 2.0))
                self._make_room()
        finally:
            self._make_room()

    def _make_room(self) -> None:
        (self._folder / "disk" / "ballast").unlink(missing_ok=True)
        self._disk_full = False
        self.note("disk free")

    async def _step_the_clock(self) -> None:
        assert self._offset is not None
        # ECS takes no signature whose time is off by more than 15 minutes.
        steps = (-5, 5, -360, 360) if self.plan.cloud == "alibaba" else (-3600, -360, -120, -5, 5, 360, 3600)
        while True:
            seconds = self._chance.choice(steps)
            self.note("clock", seconds=seconds)
            move_clock(self._offset, seconds)
            await asyncio.sleep(self._chance.expovariate(1 / 2.0))

    async def _overwrite_the_journal(self) -> None:
        await asyncio.sleep(self._chance.uniform(1.0, 5.0))
        while not self._journal.exists():
            await asyncio.sleep(0.1)
        self.note("journal lost")
        with self._journal.open("r+b") as file:
            if self._chance.random() < 0.5:
                file.truncate(0)
            else:
                file.write(self._chance.randbytes(self._journal.stat().st_size))
        self.note("journal lost")

    # the calm after it

    async def _become_calm(self) -> None:
        """Let a last life do all that is left to do, and end it in good order."""
        self._wire.rate = 0.0
        life = self._life = await self._start(ignores_children=False)
        if self.plan.retry_after > 1:
            await asyncio.sleep(0.5)
            self._wire.force.append("throttled")
        self.note("load", each=os.getloadavg()[0] / (os.cpu_count() or 1))
        self.note("calm")
        for name, kind in kinds.KINDS[self.plan.cloud].items():
            if kind.approves or name == "failure":
                await self._announce_one(name)
        self._calm.set()
        while self._events:
            done, _ = await asyncio.wait(tuple(self._events))
            for task in done:
                task.result()
        await self._until_recovered()
        if life.ended.is_set():
            self._note_end(life, None)
            return
        resident = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{life.pid}/status").read_text(encoding="ascii"))
        self.note(
            "size",
            resident=int(resident[1]) * 1024 if resident else 0,
            journal=self._journal.stat().st_size if self._journal.exists() else 0,
            log=0 if self.plan.unread else self._output.stat().st_size,
            lives=self._next - self._base,
        )
        await self._stop(life)

    async def _until_settled(self, event: str) -> None:
        """Until all prepared for it, and a little more in which it may be approved; or patience is over."""
        end = now() + CALM_PATIENCE * self._patience / 2
        while now() < end:
            self._read_deeds()
            done = {deed[1] for deed in self._deeds if deed[0] == event and deed[2:] in SETTLED}
            if len(done) == len(HANDLERS[self.plan.handlers]):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(max(1.0, 6.0 / self.plan.speed) * self._patience)

    async def _until_recovered(self) -> None:
        """Until all have recovered, or nothing has happened for long: of some it cannot be told under which id."""
        end, quiet = now() + CALM_PATIENCE * self._patience, now() + QUIET * self._patience
        while now() < min(end, quiet):
            if self._read_deeds():
                quiet = now() + QUIET * self._patience
            begun = {deed[:2] for deed in self._deeds if deed[2] != "recover"}
            done = {deed[:2] for deed in self._deeds if deed[2] == "recover" and deed[3] == "well"}
            if begun <= done:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)

    def _read_deeds(self) -> int:
        """Take in what handlers have written since the last time; answers how many lines that was."""
        path = self._folder / "deeds.jsonl"
        if not path.exists():
            return 0
        with path.open("rb") as file:
            file.seek(self._deeds_read)
            got = file.read()
        self._deeds_read += len(got)
        *lines, self._rest = (self._rest + got).split(b"\n")
        for line in lines:
            deed = json.loads(line)
            state = deed["how"] if deed["does"] == "ends" else deed["does"]
            self._deeds.add((deed["event"], deed["handler"], deed["stage"], state))
        return len(lines)

    # the simulator

    async def _simulator(self, stack: contextlib.AsyncExitStack) -> Control:
        plan, output = self.plan, self._folder / "simulator.log"
        argv = ["simulator", plan.cloud, "--port", "0", "--json", "--speed", f"{plan.speed:g}"]
        argv += ["--machine", kinds.OURS[plan.cloud], "--machine", kinds.OTHER[plan.cloud]]
        if plan.cloud == "alibaba":
            argv += ["--access-key", ":".join(KEY.values())]
        process = await self._servers.start(-self._base - 1, argv, {}, output)

        async def end() -> None:
            self._servers.signal(process, signal.SIGKILL)
            await process.ended.wait()

        stack.push_async_callback(end)
        while not (output.exists() and output.read_bytes().endswith(b"\n")):
            if process.ended.is_set():
                raise RuntimeError(f"the simulator has not started; see {output}")
            await asyncio.sleep(0.02)
        url = urlsplit(json.loads(output.read_text())["url"])
        assert url.hostname is not None
        assert url.port is not None
        return Control(url.hostname, url.port)

    async def _stop_simulating(self) -> None:
        tasks = (*self._events, *([self._announcing] if self._announcing else []))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._life is not None and not self._life.ended.is_set():
            self._zygote.signal(self._life, signal.SIGKILL)


async def _until(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def move_clock(offset: Path, seconds: int) -> None:
    """Move the wall clock of the processes that heed the file, away from the machine's by so much."""
    whole = offset.with_suffix(".new")
    whole.write_text(f"{seconds:+d}\n")
    whole.replace(offset)


def can_mount(folder: Path) -> bool:
    """Whether a small disk can be made here."""
    try:
        with _small_disk(folder):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "stormcone-chaos", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)  # noqa: S603
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)  # noqa: S603, S607


def _unread_pipe(path: Path) -> int:
    """A pipe that is full, and that nobody reads."""
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n")
    return pipe
