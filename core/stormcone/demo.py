"""The whole story in a minute: a simulator with a fast clock, and an agent with a handler, over real HTTP."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from stormcone.agent import Agent
from stormcone.clock import SystemClock
from stormcone.context import Context
from stormcone.handlers import App, Handler
from stormcone.journal import Journal
from stormcone.model import Impact, MaintenanceEvent
from stormcone.notices import Notice, NoticeKind
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins, provider_class, simulator_class
from stormcone.simulator import Simulator, SimulatorOptions

SPEED = 100.0
"""Seconds of the demo's clock to one real second: a notice of 15 minutes takes 9 seconds."""

POLL = 5.0
"""Seconds of the demo's clock between two polls."""

_PATIENCE = 25.0
"""Real seconds after which a story counts as stuck."""

Tell = Callable[[str], None]


class Pool(Handler):
    """The demo's handler: drains for a minute, and is told if the event is called off meanwhile."""

    impacts = (Impact.REBOOT, Impact.REDEPLOY, Impact.TERMINATE)

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:  # noqa: ARG002 - the handler's face
        """Leave the pool and wait for the connections to end."""
        self._tell(f"{context.machine.name} leaves the pool, 1 minute to drain")
        if not context.wait(60):
            self._tell("called off: draining stops early")

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        """Come back."""
        self._tell(f"{context.machine.name} is back in the pool ({event.outcome})")


def clouds() -> list[str]:
    """The clouds that the demo can show: those with both a provider and a simulator installed."""
    return sorted(set(load_plugins(PROVIDERS).found) & set(load_plugins(SIMULATORS).found))


@contextmanager
def stage(cloud: str, journal: Journal, show: Callable[[Notice], None], tell: Tell) -> Iterator["Stage"]:
    """A simulator of the cloud with an agent that watches its first machine."""
    clock = SystemClock(speed=SPEED)
    with simulator_class(cloud).from_options(SimulatorOptions(clock=clock)) as simulator:
        name = next(iter(simulator.urls()))
        provider = provider_class(cloud).from_options(simulator.provider_options(name))
        scene = Stage(simulator, name, show)
        agent = Agent(provider, App([Pool(tell)]), journal, clock=clock, interval=POLL, listener=scene.hear)
        thread = threading.Thread(target=agent.run, name="stormcone-demo", daemon=True)
        thread.start()
        try:
            yield scene
        finally:
            agent.stop()
            thread.join(_PATIENCE)
            provider.close()


class Stage:
    """What the demo's director does: announces events, and waits for what comes of them."""

    def __init__(self, simulator: Simulator, machine: str, show: Callable[[Notice], None]) -> None:
        self.simulator = simulator
        self.machine = machine
        self._show = show
        self._heard = threading.Condition()
        self._recovered: set[str] = set()
        self._begun: set[str] = set()

    def hear(self, notice: Notice) -> None:
        """Show the agent's notice, and remember how far its event has come."""
        self._show(notice)
        if notice.event is None:
            return
        with self._heard:
            if notice.kind is NoticeKind.RUN_BEGUN:
                self._begun.add(notice.event.id)
            if notice.kind is NoticeKind.RUN_ENDED and notice.event.outcome is not None:
                self._recovered.add(notice.event.id)
            self._heard.notify_all()

    def reboot(self) -> None:
        """A reboot with 15 minutes' notice, carried through to its end."""
        event = self.simulator.schedule(Impact.REBOOT, resources=[self.machine], notice=timedelta(minutes=15))
        self._wait(self._recovered, event)

    def called_off(self) -> None:
        """A reboot that the cloud calls off while the handler prepares for it."""
        event = self.simulator.schedule(Impact.REBOOT, resources=[self.machine], notice=timedelta(minutes=15))
        self._wait(self._begun, event)
        self.simulator.cancel(event)
        self._wait(self._recovered, event)

    def _wait(self, events: set[str], event: str) -> None:
        with self._heard:
            if not self._heard.wait_for(lambda: event in events, _PATIENCE):
                raise TimeoutError(f"the demo is stuck at the event {event}")
