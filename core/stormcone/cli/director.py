"""The whole story in a minute: a simulator with a fast clock, and an agent with a handler, over real HTTP.

It knows no cloud: whatever has both a provider and a simulator installed is shown, each with the same handler.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from stormcone.agent.loop import Agent
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.settings import AgentSettings
from stormcone.clock import SystemClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import StormconeError
from stormcone.handlers import App, Handler
from stormcone.handlers.context import Context
from stormcone.journal import Journal
from stormcone.model import Impact, MaintenanceEvent
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins, provider_class, simulator_class
from stormcone.simulators.contract import Simulator, SimulatorOptions
from stormcone.simulators.likeness import may_be
from stormcone.text import span

SPEED = 100.0
"""Seconds of the demo's clock to one real second: a notice of 15 minutes takes 9 seconds."""

POLL = 5.0
"""Seconds of the demo's clock between two polls."""

NOTICE = timedelta(minutes=15)
DRAIN = timedelta(minutes=3)

PATIENCE = 25.0
"""Real seconds after which a story counts as stuck."""


@dataclass(frozen=True)
class Beat:
    """One thing that happens on the stage.

    Attributes:
        at: when, on the demo's clock, aware UTC.
        kind: what the agent tells, or None where the handler speaks.
        text: one printable line.
        machine: on which machine, where there are several; "" where there is one.
    """

    at: datetime
    kind: NoticeKind | None
    text: str
    machine: str = ""


Show = Callable[[Beat], None]
Seen = TypeVar("Seen")


class Pool(Handler):
    """The demo's handler: drains for a while, and is told if the event is called off meanwhile."""

    impacts = (Impact.REBOOT, Impact.REDEPLOY, Impact.TERMINATE)

    def __init__(self, tell: Callable[[str], None], drain: timedelta = DRAIN) -> None:
        self._tell = tell
        self._drain = drain

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:  # noqa: ARG002 - the handler's face
        """Leave the pool and wait for the connections to end."""
        self._tell(f"{context.machine.name} leaves the pool, {span(self._drain)} to drain")
        if not context.wait(self._drain.total_seconds()):
            self._tell("called off: draining stops early")
            return

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        """Come back."""
        self._tell(f"{context.machine.name} is back in the pool ({event.outcome})")


def clouds() -> list[str]:
    """The clouds that the demo can show: those with both a provider and a simulator installed."""
    return sorted(set(load_plugins(PROVIDERS).found) & set(load_plugins(SIMULATORS).found))


@contextmanager
def staged(cloud: str, journal: Journal, show: Show) -> Iterator["Director"]:
    """A simulator of the cloud with an agent that watches its first machine.

    The journal is the agent's until the block is left.
    """
    clock = SystemClock(speed=SPEED)
    with simulator_class(cloud).from_options(SimulatorOptions(clock=clock)) as simulator:
        name = next(iter(simulator.urls()))
        options = simulator.provider_options(name)
        director = Director(simulator, name, options, show)
        app = App([Pool(lambda text: director.say(clock.now(), text))])
        with closing(provider_class(cloud).from_options(options)) as provider:
            agent = Agent(
                provider,
                app,
                journal,
                settings=AgentSettings(interval=POLL),
                clock=clock,
                machine=provider.identify(),
                listener=director.hear,
            )
            thread = threading.Thread(target=agent.run, name="stormcone-demo", daemon=True)
            thread.start()
            try:
                yield director
            finally:
                agent.stop()
                thread.join()


class Director:
    """What the demo's director does: announces events, and waits for what comes of them.

    Attributes:
        simulator: the cloud.
        machine: the machine that the agent watches.
        options: how its provider reaches the simulator.
    """

    def __init__(self, simulator: Simulator, machine: str, options: ProviderOptions, show: Show) -> None:
        self.simulator = simulator
        self.machine = machine
        self.options = options
        self._show = show
        self._heard = threading.Condition()
        self._said = 0
        self._over: dict[str, tuple[datetime, MaintenanceEvent]] = {}

    def say(self, at: datetime, text: str) -> None:
        """Show what the handler says."""
        self._show(Beat(at, None, text))
        with self._heard:
            self._said += 1
            self._heard.notify_all()

    def hear(self, notice: Notice) -> None:
        """Show the agent's notice, and remember of which event the handler has recovered."""
        self._show(Beat(notice.at, notice.kind, notice.text))
        event = notice.event
        if event is not None and event.outcome is not None and notice.kind is NoticeKind.RUN_ENDED:
            with self._heard:
                self._over[event.key.id] = notice.at, event
                self._heard.notify_all()

    def reboot(self) -> None:
        """A reboot, carried through to its end.

        Raises:
            StormconeError: it did not come to that end.
        """
        self._recovered(self._announce(), called_off=False)

    def called_off(self) -> None:
        """A reboot that the cloud calls off while the handler prepares for it.

        Raises:
            StormconeError: it did not come to that end.
        """
        said = self._said
        event = self._announce()
        self._wait(lambda: self._said > said, event)
        self.simulator.cancel(event)
        self._recovered(event, called_off=True)

    def _announce(self) -> str:
        return self.simulator.schedule(Impact.REBOOT, resources=[self.machine], notice=NOTICE)

    def _recovered(self, event: str, *, called_off: bool) -> None:
        known = next(each for each in self.simulator.events() if each["id"] == event)

        def recovered() -> MaintenanceEvent | None:
            return next((told for at, told in self._over.values() if may_be(known, told, at)), None)

        outcome = self._wait(recovered, event).outcome
        if outcome is None or outcome.called_off is not called_off:
            raise StormconeError(f"the demo's event {event} should not have ended as {outcome}")

    def _wait(self, seen: Callable[[], Seen | None], event: str) -> Seen:
        with self._heard:
            found = self._heard.wait_for(seen, PATIENCE)
        if not found:
            raise StormconeError(f"the demo got stuck: nothing happened to {event} for {PATIENCE:g} s")
        return found
