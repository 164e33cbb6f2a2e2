"""A computation that is cut off, and how much of it must be done again."""

import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from recipes.client import Request, SteadyClient
from recipes.machinery import Machinery, until
from recipes.play import Scene
from recipes.units import Units

HERE = Path(__file__).parent

STEP = 0.05
CHECKPOINT_EVERY = 5.0
"""Seconds between the checkpoints that the computation writes of itself, in both plays."""


class CheckpointScene(Scene):
    """Nobody asks a computation; what counts are its steps, and a step that must be done again is lost."""

    title = "Checkpoint"
    counted = "steps"
    needs = ("start-stop-daemon",)
    interval = 1.0

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery)
        self._units = Units(machinery)
        self._log = machinery.folder / "steps"
        self._steps = 0

    def set_up(self) -> None:
        """The computation."""
        command = [sys.executable, "-I", HERE / "compute.py", self._checkpoint, self._log, str(STEP), CHECKPOINT_EVERY]
        self._units.define("compute", [str(word) for word in command])
        self._units.start("compute")
        until(self._log.exists, "the first step")

    def ask(self, number: int) -> None:
        """Nobody does."""

    def power_off(self) -> None:
        """The computation is gone."""
        self._units.power_off()
        self._steps = len(self._lines())

    def power_on(self) -> None:
        """It starts by itself."""
        self._units.start("compute")

    def agent(self) -> Sequence[str | Path]:
        """The handler, as a user would copy it."""
        return [HERE / "handler.py"]

    def environment(self) -> Mapping[str, str]:
        """Where the computation is."""
        return {"COMPUTATION": "compute", "CHECKPOINT": str(self._checkpoint), **self._units.environment}

    def wait_until_whole(self) -> None:
        """It computes again."""
        until(lambda: len(self._lines()) > self._steps, "a step")

    def seen(self, client: SteadyClient) -> Sequence[Request]:
        """Each step; those after the checkpoint from which a later life went on are lost."""
        steps, again, seen = self._lines(), float("inf"), []
        for number, at, took in reversed(steps):
            again = min(again, number)  # where it went on, in whatever life came later
            if at >= client.began:
                seen.append(Request(number, at - client.began, took, "to be done again" if again < number else None))
        return [each._replace(number=place) for place, each in enumerate(reversed(seen))]

    def figures(self) -> Mapping[str, float]:
        """Whether steps were left out, which none may be."""
        return {"steps left out": sum(after[0] > before[0] + 1 for before, after in pairwise(self._lines()))}

    @property
    def _checkpoint(self) -> Path:
        return self.machinery.folder / "checkpoint.json"

    def _lines(self) -> list[tuple[int, float, float]]:
        words = [line.split() for line in self._log.read_text().splitlines()]
        return [(int(each[0]), float(each[1]), float(each[2])) for each in words if len(each) == 3]


SCENE: type[Scene] = CheckpointScene
