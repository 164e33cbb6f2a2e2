"""Messages that are given once: wherever the agent is killed, each of them arrives, and means one event."""

import json
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.durability.conftest import deaths, left_by_a_death

from stormcone import Journal, ManualClock, Outcome
from stormcone.journal.boundaries import Boundary
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.azure import AzureSimulator

MOMENTS = (0, 1, 60, 3600, 3601)
"""Seconds at which the agent polls; the last messages come at the second, and all is over by the fourth."""


class Walk:
    """One agent on a machine without events of its own, with a queue beside it; `kill` is where its first life ends."""

    def __init__(self, folder: Path, agents: Any, kill: int | None = None) -> None:
        self.folder, self.agents, self.kill = folder, agents, kill
        self.queue = folder / "queue"
        self.queue.mkdir(parents=True)
        self.clock = ManualClock()
        self.begun = self.clock.now()
        self.boundaries: list[str] = []
        self.left: list[tuple[Any, ...]] = []
        self.deaths = 0
        self._alive = False

    def send(self, *numbers: int) -> None:
        for number in numbers:
            event = {
                "id": f"E-{number}",
                "provider": "folder",
                "impact": "reboot",
                "phase": "scheduled",
                "phase_origin": "inferred",
                "resources": ["web-0"],
                "not_before": (self.begun + timedelta(minutes=15)).isoformat(),
                "ends_by": (self.begun + timedelta(minutes=30)).isoformat(),
                "native_type": f"reboot {number}",
            }
            (self.queue / f"m-{number}").write_text(json.dumps(event))

    def go(self) -> "Walk":
        with AzureSimulator.from_options(SimulatorOptions(machines=["web-0"], clock=self.clock)) as self.simulator:
            self.endpoint = self.simulator.provider_options("web-0").endpoint
            for second in MOMENTS:
                self.clock.advance(self.begun + timedelta(seconds=second) - self.clock.now())
                self.send(*{0: (1, 2), 1: (3,)}.get(second, ()))
                self._step()
            while not self._told(do="end"):
                self._step()
            assert self.agents.ended() == 0
        return self

    def _step(self) -> None:
        while not (self._told(**self._order()) and self._told(do="step", now=self.clock.now().isoformat())):
            pass

    def _told(self, **order: Any) -> bool:
        if order["do"] == "start" and self._alive:
            return True
        answer = self.agents.tell(self._look, **order)
        self._alive = "ended" not in answer
        self.boundaries = answer.get("boundaries", [])
        if not self._alive:
            assert answer["ended"] == -signal.SIGKILL
            self.deaths += 1
        return self._alive

    def _look(self) -> None:
        self.left.append(left_by_a_death(self.folder, self.simulator))

    def _order(self) -> dict[str, Any]:
        return {
            "do": "start",
            "provider": "azure",
            "endpoint": self.endpoint,
            "region": None,
            "settings": {},
            "journal": str(self.folder / "journal.db"),
            "effects": str(self.folder / "effects"),
            "now": self.clock.now().isoformat(),
            "boot_id": "boot-1",
            "lead": None,
            "gives_up": False,
            "queue": str(self.queue),
            "kill_at": None if self.deaths else self.kill,
            "pauses": self.kill is None,
        }

    def effects(self, stage: str) -> list[dict[str, Any]]:
        lines = (self.folder / "effects").read_text().splitlines()
        return [effect for line in lines if (effect := json.loads(line))["stage"] == stage and effect["does"] == "ends"]


def must_hold(walk: Walk) -> None:
    with Journal.read(walk.folder / "journal.db") as journal:
        episodes = journal.episodes()
    assert sorted(episode.event.id for episode in episodes) == ["E-1", "E-2", "E-3"]
    assert {episode.number for episode in episodes} == {1}
    assert {episode.event.outcome for episode in episodes} == {Outcome.COMPLETED}
    assert list(walk.queue.iterdir()) == []
    for stage in ("prepare", "recover"):
        done = walk.effects(stage)
        assert {(effect["event"], effect["handler"]) for effect in done} == {
            (f"E-{number}", handler) for number in (1, 2, 3) for handler in ("first", "second")
        }
        assert len(done) <= 6 + 3 * walk.deaths  # of each event, what was done and could not be written down


@pytest.mark.timeout(300)
def test_every_message_arrives_wherever_the_agent_is_killed(
    walkers: Any, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    (dry,) = walkers.walk([lambda agents: Walk(folder / "dry", agents).go()])
    must_hold(dry)
    assert {Boundary.BEFORE_ACKNOWLEDGEMENT, Boundary.AFTER_ACKNOWLEDGEMENT} <= set(dry.boundaries)
    points = deaths(dry.boundaries, dry.left)
    for walk in walkers.walk(
        [lambda agents, point=point: Walk(folder / str(point), agents, point).go() for point in points]
    ):
        must_hold(walk)
        assert walk.deaths == 1
        record_property("crash point", "messages")
