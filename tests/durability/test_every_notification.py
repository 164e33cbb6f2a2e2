"""What sinks are told: wherever the agent is killed, each notification arrives, in its order, under one id."""

import json
import signal
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.durability.conftest import deaths, left_by_a_death

from stormcone import Impact, Journal, ManualClock
from stormcone.journal import Episode
from stormcone.journal.boundaries import Boundary
from stormcone.rules.changes import ChangeKind
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.azure import AzureSimulator

MOMENTS = (0, 60, 900, 1200, 1201)
"""Seconds at which the agent polls: announced, prepared and approved, begun, ended."""

KINDS = {
    ChangeKind.ANNOUNCED: "maintenance.scheduled",
    ChangeKind.REVISED: "maintenance.revised",
    ChangeKind.STARTED: "maintenance.started",
    ChangeKind.ENDED: "maintenance.ended",
}


class Walk:
    """One agent with a sink that writes down what it is told; `kills` is where its lives end."""

    def __init__(self, folder: Path, agents: Any, kills: tuple[int, ...] = ()) -> None:
        self.folder, self.agents, self.kills = folder, agents, kills
        folder.mkdir(parents=True)
        self.clock = ManualClock()
        self.begun = self.clock.now()
        self.boundaries: list[str] = []
        self.left: list[tuple[Any, ...]] = []
        self.deaths = 0
        self._alive = False

    def go(self) -> "Walk":
        with AzureSimulator.from_options(SimulatorOptions(machines=["web-0"], clock=self.clock)) as self.simulator:
            self.endpoint = self.simulator.provider_options("web-0").endpoint
            self.simulator.schedule(
                Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15), duration=timedelta(minutes=1)
            )
            for second in MOMENTS:
                self.clock.advance(self.begun + timedelta(seconds=second) - self.clock.now())
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
            "sink": str(self.folder / "told"),
            "kill_at": self.kills[self.deaths] if self.deaths < len(self.kills) else None,
            "pauses": not self.kills,
        }

    def told(self) -> list[dict[str, Any]]:
        """All that the sink was told, doubles included."""
        return [json.loads(line) for line in (self.folder / "told").read_text().splitlines()]


def of_the_journal(journal: Journal, episode: Episode) -> set[tuple[Any, ...]]:
    """What the sink must have heard of, by what the journal knows to have happened."""
    told: set[tuple[Any, ...]] = {(KINDS[change.kind],) for change in journal.changes(episode.id)}
    for run in journal.runs(episode.id):
        for attempt in journal.attempts(run.id):
            told.add(("run.started", run.handler, run.stage.value, attempt.number))
            if attempt.ended is not None:
                told.add(("run.succeeded", run.handler, run.stage.value, attempt.number))
    for approval in journal.approvals(episode.id):
        told.add(("approval.requested",))
        if approval.answered is not None:
            told.add(("approval.accepted",) if approval.accepted else ("approval.failed",))
    return told


def by_the_sink(told: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    heard = set()
    for each in told:
        kind, run = each["type"].removeprefix("dev.stormcone."), each["data"]["run"]
        heard.add((kind, run["handler"], run["stage"], run["attempt"]) if run else (kind,))
    return heard


def must_hold(walk: Walk) -> None:
    told = walk.told()
    with closing(Journal.read(walk.folder / "journal.db")) as journal:
        (episode,) = journal.episodes()
        assert by_the_sink(told) - {("run.dropped",)} == of_the_journal(journal, episode)
        (record,) = journal.outbox.sinks()
        assert record.waiting == 0
        assert (record.refused, record.dropped) == (0, 0)
    first: dict[str, dict[str, Any]] = {}
    for each in told:
        assert first.setdefault(each["id"], each) == each, "a double says what the first did"
    # Once, and once more for each death between the telling and the journal's knowing of it.
    assert len(told) - len(first) <= walk.deaths * 100
    if not walk.deaths:
        assert len(told) == len(first) == record.sent
    times = [each["time"] for each in first.values()]
    assert times == sorted(times)
    whole = [json.dumps(each["data"], sort_keys=True) + each["type"] for each in first.values()]
    assert len(set(whole)) == len(whole), "no two ids tell the same"


@pytest.mark.timeout(300)
def test_wherever_it_is_killed_every_notification_arrives(
    folder: Path, walkers: Any, record_property: Callable[[str, object], None]
) -> None:
    (dry,) = walkers.walk([lambda agents: Walk(folder / "dry", agents).go()])
    must_hold(dry)
    assert {Boundary.BEFORE_NOTIFICATION, Boundary.AFTER_NOTIFICATION} <= set(map(Boundary, set(dry.boundaries) - OWN))

    def one(number: int) -> Callable[[Any], Walk]:
        return lambda agents: Walk(folder / str(number), agents, kills=(number,)).go()

    for walk in walkers.walk([one(number) for number in deaths(dry.boundaries, dry.left)]):
        assert walk.deaths == 1
        try:
            must_hold(walk)
        except AssertionError as error:
            error.add_note(f"killed at boundary {walk.kills[0]} ({dry.boundaries[walk.kills[0] - 1]})")
            raise
        record_property("crash point", "azure notifications")


OWN = {"within_stage"}
