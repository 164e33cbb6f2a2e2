"""A small fleet for the demo: a PostgreSQL, a simulator with a fast clock, and an agent on each of three machines.

The database's clock is not ours, and does not run faster: what an agent and the database both measure, how long a
claim lasts and when a member counts as silent, is longer by as much as the agents' clock is faster.
"""

import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from stormcone.agent.loop import Agent
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.settings import AgentSettings
from stormcone.agent.standing import WAITS
from stormcone.cli.director import POLL, Beat, Pool, Show
from stormcone.clock import SystemClock
from stormcone.errors import StormconeError
from stormcone.fleet.contract import SILENCE, Fleet
from stormcone.fleet.membership import GroupRule, Membership
from stormcone.fleet.report import report
from stormcone.handlers import App, Stage
from stormcone.journal import Journal
from stormcone.model import Impact
from stormcone.plugins import provider_class, simulator_class
from stormcone.postgresql.driver import driver_for
from stormcone.postgresql.server import PostgresqlServer
from stormcone.rules.agreement import CLAIM
from stormcone.simulators.contract import Simulator, SimulatorOptions

BOTH = ("db-0", "db-1")
"""The machines that one event names."""

THIRD = "db-2"
"""The machine that waits for its turn."""

GROUP = "db"

DRAINS = {"db-0": timedelta(minutes=2), "db-1": timedelta(minutes=4), "db-2": timedelta(minutes=2)}
"""How long each machine needs to prepare."""

AWAY = timedelta(minutes=1)
"""How long a reboot takes."""

PATIENCE = 60.0
"""Real seconds after which a story counts as stuck."""

_CLOUD = "azure"
_NAME = "demo"
_OF_THE_CLOUD = {NoticeKind.ANNOUNCED, NoticeKind.STARTED, NoticeKind.ENDED}


class Stopped(Exception):
    """The demo was told to end."""


@contextmanager
def staged(speed: float, show: Show, stopped: threading.Event) -> Iterator["FleetDirector"]:
    """The stage with all agents at work; all of it is gone when the block is left.

    Args:
        speed: seconds of the agents' clock to a real one.
        show: is told what happens.
        stopped: set when the demo is to end.

    Raises:
        PartMissing: no PostgreSQL is installed.
        PluginError: its driver is not installed.
        Stopped: the demo was told to end.
    """
    fleets = _fleets(speed)
    groups = (GroupRule(name=GROUP, max_unavailable="1", ours=True),)
    clock = SystemClock(speed=speed)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(PostgresqlServer())
        except StormconeError:
            if stopped.is_set():  # Ctrl-C at a terminal ends the server's programs too
                raise Stopped from None
            raise
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stormcone-demo-"))
        options = SimulatorOptions(machines=[f"{name}@0" for name in DRAINS], clock=clock)
        simulator = stack.enter_context(simulator_class(_CLOUD).from_options(options))
        looks = stack.enter_context(closing(fleets(server.url(), reads=True)))
        director = FleetDirector(simulator, looks, show, stopped)
        for name, drain in DRAINS.items():
            journal = stack.enter_context(Journal.open(Path(folder, f"{name}.db")))
            provider = provider_class(_CLOUD).from_options(simulator.provider_options(name))
            stack.enter_context(closing(provider))
            fleet = stack.enter_context(closing(fleets(server.url())))
            agent = Agent(
                provider,
                App([Pool(director.teller_of(name), drain)]),
                journal,
                settings=AgentSettings(interval=POLL),
                clock=clock,
                machine=provider.identify(),
                listener=director.listener_of(name),
                fleet=Membership(fleet=fleet, groups=groups, silence=SILENCE * speed),
            )
            stack.enter_context(_at_work(agent, name))
        director.joined(DRAINS)
        yield director


def _fleets(speed: float) -> Callable[..., Any]:
    with driver_for("a fleet"):
        from stormcone.fleet.postgresql import PostgresqlFleet
        from stormcone.postgresql.address import DatabaseAddress

    def opened(url: str, *, reads: bool = False) -> Fleet:
        return PostgresqlFleet(DatabaseAddress.parse(url), _NAME, claim=CLAIM * speed, reads=reads)

    return opened


@contextmanager
def _at_work(agent: Agent, name: str) -> Iterator[None]:
    thread = threading.Thread(target=agent.run, name=f"stormcone-demo-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        agent.stop()
        thread.join()


class FleetDirector:
    """Announces events, and waits for what comes of them.

    Args:
        simulator: the cloud.
        fleet: to be looked at.
        show: is told what happens, one beat after the other.
        stopped: set when the demo is to end.

    Attributes:
        simulator: the cloud.
    """

    def __init__(self, simulator: Simulator, fleet: Fleet, show: Show, stopped: threading.Event) -> None:
        self.simulator = simulator
        self._fleet = fleet
        self._show = show
        self._stopped = stopped
        self._heard = threading.Condition()
        self._notices: list[tuple[str, Notice]] = []
        self._told: set[tuple[NoticeKind, str]] = set()

    def listener_of(self, machine: str) -> Callable[[Notice], None]:
        """What hears the notices of a machine's agent."""
        return lambda notice: self._hear(machine, notice)

    def teller_of(self, machine: str) -> Callable[[str], None]:
        """What hears a machine's handler."""

        def tell(text: str) -> None:
            with self._heard:
                self._show(Beat(self.simulator.clock.now(), None, text, machine))

        return tell

    def announce(self, machines: Collection[str], notice: timedelta) -> str:
        """A reboot; answers its id."""
        return self.simulator.schedule(Impact.REBOOT, resources=machines, notice=notice, started_for=AWAY)

    def joined(self, machines: Collection[str]) -> None:
        """Wait until all of them are in the fleet."""
        self._until(lambda: len(self._members()) == len(machines), "not all agents joined the fleet")

    def prepares(self, event: str, machines: Collection[str]) -> None:
        """Wait until the handlers of all of them prepare for the event."""
        for machine in machines:
            self._wait(machine, event, NoticeKind.RUN_BEGUN, stage=Stage.PREPARE)

    def waits(self, event: str, machine: str) -> None:
        """Wait until it says that it waits for its turn."""
        self._wait(machine, event, NoticeKind.DECIDED, text=f"{WAITS} in group")

    def recovered(self, event: str, machines: Collection[str]) -> None:
        """Wait until all of them have recovered from the event."""
        for machine in machines:
            self._wait(machine, event, NoticeKind.RUN_ENDED, stage=Stage.RECOVER)

    def report(self) -> dict[str, Any]:
        """What `stormcone fleet` shows now."""
        return report(self._fleet.overview(), _NAME)

    def approvals(self, event: str) -> list[str]:
        """The machines that have asked the cloud to begin the event, in that order, by the cloud's own log."""
        asked = (request for request in self.simulator.requests() if request["method"] == "POST")
        return [request["machine"] for request in asked if event in str(request["body"])]

    def _members(self) -> Collection[object]:
        try:
            return self._fleet.overview().members
        except StormconeError:  # the first agent is still to make it
            return ()

    def _hear(self, machine: str, notice: Notice) -> None:
        with self._heard:
            self._notices.append((machine, notice))
            if self._is_worth_telling(machine, notice):
                self._show(Beat(notice.at, notice.kind, notice.text, machine))
            self._heard.notify_all()

    def _is_worth_telling(self, machine: str, notice: Notice) -> bool:
        """Whether it is of a machine that its event names; of what the cloud does, whether nobody has told it yet."""
        if notice.event is None:
            return True
        if machine not in notice.event.resources:
            return False
        told = notice.kind, notice.event.key.id
        new = notice.kind not in _OF_THE_CLOUD or told not in self._told
        self._told.add(told)
        return new

    def _wait(self, machine: str, event: str, kind: NoticeKind, *, stage: Stage | None = None, text: str = "") -> None:
        def seen() -> bool:
            return any(
                (who, notice.kind) == (machine, kind)
                and _is_of(notice, event)
                and (stage is None or notice.stage == stage.value)
                and text in notice.text
                for who, notice in self._notices
            )

        self._until(seen, f"{machine} did not come to {stage or text} for {event}")

    def _until(self, true: Callable[[], bool], trouble: str) -> None:
        clock, end = SystemClock(), PATIENCE
        begun = clock.monotonic()
        with self._heard:
            while not true():
                if self._stopped.is_set():
                    raise Stopped
                if clock.monotonic() - begun > end:
                    raise StormconeError(f"the demo got stuck: {trouble} for {PATIENCE:g} s")
                self._heard.wait(0.1)


def _is_of(notice: Notice, event: str) -> bool:
    return notice.event is not None and notice.event.id.lower() == event.lower()
