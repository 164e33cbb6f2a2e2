"""Agents in processes of their own, that kill themselves with SIGKILL at the boundary that they are told.

Started once as a program, it imports everything and then forks a process for each life of an agent, which is far
quicker than a start of Python. It is told what to do by lines of JSON, one at a time, and answers each with one:

    {"do": "start", ...}             a process begins a life of the agent      {"did": "start"}
    {"do": "step", "now": TIME}      it polls and does what is due             {"did": "step"}
    {"do": "end"}                    it ends in good order                     {"did": "end", "boundaries": [...]}

A life that is started with "pauses" says at each boundary {"at": BOUNDARY} before that, and goes on at the next line.
Where the process dies instead, or after its end, the answer is {"ended": STATUS}, as `waitpid` has it.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Collection
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from stormcone import Agent, App, Context, GiveUp, Handler, MaintenanceEvent
from stormcone.agent import worker
from stormcone.agent.workers import InlineExecutor
from stormcone.clock import ManualClock
from stormcone.clouds.contract import Provider, ProviderOptions
from stormcone.journal.boundaries import watched
from stormcone.journal.places import Place, open_journal, open_worker_side
from stormcone.model import Capabilities, Machine, Observation, Scope
from stormcone.plugins import PROVIDERS, load_plugins
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress, is_address
from stormcone.sinks.contract import NamedSink, SinkSettings
from stormcone.sinks.notification import Notification

WITHIN_STAGE = "within_stage"
"""A boundary of our own: the handler is in the middle of its work."""


SILENCE = 3600.0
"""Seconds after which a worker counts as silent: no walk takes so long, and a death is told of."""


class Cut:
    """The seam: counts the boundaries and ends the process, without a word, at the one that it is given.

    Where it pauses, whoever has started the life is told of each boundary, and looks around before it goes on.
    """

    def __init__(self, at: int | None, *, pauses: bool = False) -> None:
        self.seen: list[str] = []
        self._at, self._pauses = at, pauses

    def __call__(self, boundary: str) -> None:
        self.seen.append(str(boundary))
        if self._pauses:
            answer(at=boundary)
            ask()
        if len(self.seen) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class Effects:
    """What handlers really did, on the disk line by line: the truth, whatever the journal says."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, **effect: Any) -> None:
        os.write(self._file, json.dumps(effect).encode() + b"\n")
        os.fsync(self._file)


class FileSink:
    """Writes down what it is told, on the disk line by line."""

    Settings = SinkSettings

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @classmethod
    def from_settings(cls, settings: SinkSettings) -> "FileSink":
        raise NotImplementedError

    def send(self, notification: Notification) -> None:
        os.write(self._file, notification.model_dump_json().encode() + b"\n")
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


class Worker(Handler):
    """Writes down that each stage begins and ends."""

    lead = None

    def __init__(self, name: str, effects: Effects, cut: Cut, clock: ManualClock, **settings: Any) -> None:
        self._effects, self._cut, self._clock = effects, cut, clock
        self._gives_up = settings.pop("gives_up", False)
        vars(self).update({"name": name, **settings})

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        self._work("prepare", event, context)
        if self._gives_up:
            raise GiveUp("it cannot be prepared for")

    def started(self, event: MaintenanceEvent, context: Context) -> None:
        self._work("started", event, context)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        self._work("recover", event, context)

    def _work(self, stage: str, event: MaintenanceEvent, context: Context) -> None:
        at = self._clock.now().isoformat()
        what = {"event": event.id, "handler": self.name, "stage": stage, "attempt": context.attempt, "at": at}
        self._effects.add(**what, does="begins")
        self._cut(WITHIN_STAGE)
        self._effects.add(**what, does="ends")


class FolderQueue:
    """A queue of messages, each a file with an event: it is given again to each new life until it is acknowledged."""

    name = "folder"
    capabilities = Capabilities(scope=Scope.REGION, poll_interval=1.0)

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._given: set[str] = set()

    def identify(self) -> Machine:
        return Machine(provider="folder", id="", name="folder", scope=Scope.REGION)

    def poll(self) -> Observation:
        new = sorted(file.name for file in self._folder.iterdir() if file.name not in self._given)
        self._given |= set(new)
        events = tuple(MaintenanceEvent.model_validate_json((self._folder / name).read_text()) for name in new)
        return Observation(events=events, whole=frozenset(), pushed=frozenset({""}), receipt=tuple(new))

    def acknowledge(self, receipt: Collection[str]) -> None:
        for name in receipt:
            (self._folder / name).unlink()

    def outcomes(self, ids: Collection[str]) -> dict[str, Any]:
        return {}

    def approve(self, event: MaintenanceEvent) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


def open_provider(provider: type[Provider], order: dict[str, Any], clock: ManualClock) -> Provider:
    """The provider, as the simulator says that it is reached."""
    return provider.from_options(
        ProviderOptions(
            endpoint=order["endpoint"],
            machine=order.get("machine"),
            region=order["region"],
            settings=order["settings"],
            clock=clock,
        )
    )


def warm_up(name: str) -> None:
    """Import what a provider's calls import, and read the SDK's models, so that no process does so again."""
    if name == "google":
        import_module("stormcone_google.compute")
    if name == "aws-queue":
        sdk = import_module("stormcone_aws.sdk")
        session = sdk._core_session()
        for service in ("sqs", "autoscaling"):
            session.create_client(service, region_name="us-east-1").close()
        sdk._core_session = lambda: session  # each process has a copy of its own


def app_of(order: dict[str, Any], cut: Cut, clock: ManualClock) -> App:
    """The handlers of a story."""
    effects = Effects(order["effects"])
    lead = None if order["lead"] is None else timedelta(seconds=order["lead"])
    return App(
        [
            Worker("first", effects, cut, clock, lead=lead),
            Worker("second", effects, cut, clock, lead=lead, gives_up=order["gives_up"]),
        ],
        approve_consent=True,
        approve_early=None if order.get("early") is None else timedelta(seconds=order["early"]),
    )


class Hands:
    """One life of a worker."""

    def __init__(self, order: dict[str, Any], cut: Cut) -> None:
        self.clock = ManualClock(datetime.fromisoformat(order["now"]))
        side = open_worker_side(place_of(order["journal"]), SILENCE)
        self.worker = worker.Worker(
            app_of(order, cut, self.clock),
            side,
            silence=SILENCE,
            at_once=1,
            clock=self.clock,
            executor=InlineExecutor(),
        )

    def step(self, now: datetime) -> None:
        """Take what there is, do it, and say so."""
        self.clock.advance(now - self.clock.now())
        for _ in range(2):
            self.worker.turn()

    def end(self) -> None:
        self.worker.stop()
        self.worker.run()


class Life:
    """One life of an agent."""

    def __init__(self, order: dict[str, Any], provider: type[Provider], cut: Cut) -> None:
        self.clock = ManualClock(datetime.fromisoformat(order["now"]))
        self.journal = open_journal(place_of(order["journal"]), wait=waits, workers=order.get("role") == "watcher")
        self.agent = Agent(
            open_provider(provider, order, self.clock),
            app_of(order, cut, self.clock),
            self.journal,
            clock=self.clock,
            boot_id=order["boot_id"],
            executor=InlineExecutor(),
            also=[FolderQueue(order["queue"])] if "queue" in order else [],
            sinks=[NamedSink(name="file", sink=FileSink(order["sink"]))] if "sink" in order else [],
        )

    def step(self, now: datetime) -> None:
        self.clock.advance(now - self.clock.now())
        self.agent.step()

    def end(self) -> None:
        self.agent.stop()
        self.agent.run()
        self.journal.close()


def place_of(text: str) -> Place:
    """Where a journal is."""
    return DatabaseAddress.parse(text, own=JOURNAL_OPTIONS) if is_address(text) else Path(text)


def waits(_who: str, _text: str) -> None:
    """The lease of the life before is about to be over."""


def ask() -> dict[str, Any] | None:
    """The next line, read byte by byte: what follows it may be for another process."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return None
        line += byte
    found: dict[str, Any] = json.loads(line)
    return found


def answer(**values: Any) -> None:
    os.write(1, json.dumps(values).encode() + b"\n")


def live(order: dict[str, Any], provider: type[Provider]) -> None:
    """A life, from its start to its end or its death."""
    cut = Cut(order["kill_at"], pauses=order.get("pauses", False))
    with watched(cut):
        life = Hands(order, cut) if order.get("role") == "worker" else Life(order, provider, cut)
        answer(did="start")
        while (told := ask()) is not None:
            if told["do"] == "end":
                life.end()
                answer(did="end", boundaries=cut.seen)
                return
            life.step(datetime.fromisoformat(told["now"]))
            answer(did="step")


def main() -> None:
    plugins = load_plugins(PROVIDERS)
    warm: dict[str, type[Provider]] = {}
    while (order := ask()) is not None:
        name = order["provider"]
        if name not in warm:  # opened once here, it has imported what it needs, and no process does so again
            warm[name] = plugins.get(name)
            open_provider(warm[name], order, ManualClock()).close()
            warm_up(name)
            if is_address(order["journal"]):
                import_module("stormcone.journal.postgresql.store")
            gc.freeze()  # a process that is forked copies no memory merely to look for garbage
        process = os.fork()
        if process == 0:
            status = 1
            gc.disable()
            try:
                live(order, warm[name])
                status = 0
            except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as the process that forks
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(status)
        _, status = os.waitpid(process, 0)
        answer(ended=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
