"""One play: a machine reboots under a steady client, once with stormcone's agent on it and once without.

The cloud is the Azure simulator on real time. The agent is the real program. A reboot takes both the machine's servers
and its agent, at once, as a power cut does; afterwards both start again, and the agent finds its journal.
"""

import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from recipes.client import Request, SteadyClient
from recipes.machinery import Machinery, Stuck, until
from stormcone.clock import SystemClock
from stormcone.model import Impact
from stormcone_simulators.azure import AzureSimulator

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Pace:
    """How long the parts of a play take, in seconds.

    Attributes:
        calm: before the announcement, and after the end.
        notice: from the announcement to the reboot where nobody approves it earlier. With stormcone it is never
            waited for: the agent approves when all is prepared.
        off: how long the machine is off.
    """

    calm: float
    notice: float
    off: float


FULL = Pace(calm=4.0, notice=8.0, off=6.0)
SHORT = Pace(calm=0.6, notice=1.0, off=1.5)

NOTICE = timedelta(minutes=1)
"""What is announced: more than any prepare takes here, and less than any handler's lead, which would be waited for."""

STARTED_FOR = timedelta(hours=1)


class Scene(ABC):
    """What a recipe has on stage: its servers, its client, and what a reboot takes.

    Attributes:
        machinery: where servers are started.
        cloud: whose events there are.
        alone: whether there is no agent.
    """

    cloud: AzureSimulator
    alone: bool
    title: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    """Programs that must be installed."""
    counted: ClassVar[str] = "requests"
    """What the client sends, in the plural."""
    interval: ClassVar[float] = 0.05
    impact: ClassVar[Impact] = Impact.REBOOT
    machine: ClassVar[str] = "web-0"
    """The machine that is rebooted."""
    machines: ClassVar[tuple[str, ...]] = ("web-0", "web-1")
    least_off: ClassVar[float] = 0.0
    """Seconds for which the machine is off at the least."""

    def __init__(self, machinery: Machinery) -> None:
        self.machinery = machinery

    @classmethod
    def missing(cls) -> list[str]:
        """Programs that the play needs and that are not installed."""
        return [program for program in cls.needs if not shutil.which(program)]

    @abstractmethod
    def set_up(self) -> None:
        """Start all servers, and wait until they serve."""

    @abstractmethod
    def ask(self, number: int) -> None:
        """One request of the client.

        Raises:
            Lost: it was not answered.
        """

    @abstractmethod
    def power_off(self) -> None:
        """The machine is off, at once."""

    @abstractmethod
    def power_on(self) -> None:
        """The machine has booted, with what starts by itself; returns once that serves."""

    @abstractmethod
    def agent(self) -> Sequence[str | Path]:
        """The agent's arguments: a handler file, or a configuration."""

    def environment(self) -> Mapping[str, str]:
        """The agent's environment."""
        return {}

    @abstractmethod
    def wait_until_whole(self) -> None:
        """Wait until all is as it was before the event."""

    def seen(self, client: SteadyClient) -> Sequence[Request]:
        """What the client saw, once it has stopped; some learn of a loss only later."""
        return client.requests

    def figures(self) -> Mapping[str, float]:
        """What else there is to say, by its name; the client has stopped."""
        return {}


@dataclass(frozen=True)
class Performance:
    """What a client saw of one play.

    Attributes:
        requests: each of its requests, oldest first.
        marks: when what happened, in seconds since the client began.
        figures: what else there is to say.
        story: what the agent said, line by line.
    """

    requests: tuple[Request, ...]
    marks: Mapping[str, float]
    figures: Mapping[str, float]
    story: tuple[str, ...] = field(default=())

    @property
    def lost(self) -> int:
        """How many requests were lost."""
        return sum(request.lost is not None for request in self.requests)

    @property
    def slowest(self) -> float:
        """Seconds that the slowest answer took."""
        return max((request.took for request in self.requests if request.lost is None), default=0.0)


def perform(kind: type[Scene], pace: Pace, *, with_stormcone: bool) -> Performance:
    """Play it once.

    Raises:
        Stuck: something did not come about; with what everybody said last.
    """
    with Machinery() as machinery, AzureSimulator(kind.machines, clock=SystemClock()) as cloud, machinery.telling():
        scene = kind(machinery)
        scene.cloud, scene.alone = cloud, not with_stormcone
        scene.set_up()
        agent = Agent(scene, cloud) if with_stormcone else None
        if agent:
            agent.start()
        client = SteadyClient(scene.ask, scene.interval)
        client.start()
        try:
            marks = _play(scene, pace, cloud, agent, client)
        finally:
            client.stop()
        story = machinery.said(Agent.NAME).splitlines() if agent else []
        return Performance(tuple(sorted(scene.seen(client))), marks, scene.figures(), tuple(story))


def _play(
    scene: Scene, pace: Pace, cloud: AzureSimulator, agent: "Agent | None", client: SteadyClient
) -> Mapping[str, float]:
    marks: dict[str, float] = {}

    def mark(what: str) -> None:
        marks[what] = round(client.now(), 2)

    time.sleep(pace.calm)
    mark("announced")
    event = cloud.schedule(scene.impact, resources=[scene.machine], notice=NOTICE, started_for=STARTED_FOR)
    if agent:
        until(lambda: _phase(cloud, event) == "started", "the agent's approval")
    else:
        time.sleep(pace.notice)
        cloud.start(event)
    mark("off")
    if agent:
        agent.power_off()
    scene.power_off()
    time.sleep(max(pace.off, scene.least_off))
    scene.power_on()
    mark("on")
    if agent:
        agent.start()
    cloud.complete(event)
    if agent:
        until(agent.has_recovered, "the end of recover")
    scene.wait_until_whole()
    mark("whole")
    time.sleep(pace.calm)
    return marks


def _phase(cloud: AzureSimulator, event: str) -> str:
    return next(str(each["phase"]) for each in cloud.events() if each["id"] == event)


class Agent:
    """`stormcone run` on the scene's machine."""

    NAME = "agent"

    def __init__(self, scene: Scene, cloud: AzureSimulator) -> None:
        self._scene = scene
        self._cloud = cloud

    def start(self) -> None:
        """Start it, and wait for its first poll."""
        polled = len(self._cloud.requests())
        machinery = self._scene.machinery
        settings = {
            "--provider": "azure",
            "--endpoint": self._cloud.url,
            "--machine": self._scene.machine,
            "--journal": str(machinery.folder / "journal.db"),
        }
        words = [word for setting in settings.items() for word in setting]
        program = [sys.executable, "-m", "stormcone", "run"]
        machinery.start(self.NAME, [*program, *self._scene.agent(), *words], env=self._scene.environment())
        until(lambda: len(self._cloud.requests()) > polled or not machinery.alive(self.NAME), "the agent's first poll")
        if not machinery.alive(self.NAME):
            raise Stuck("the agent has ended")

    def power_off(self) -> None:
        """It goes with its machine."""
        self._scene.machinery.kill(self.NAME)

    def has_recovered(self) -> bool:
        """Whether recover is done."""
        return ".recover done" in self._scene.machinery.said(self.NAME)
