"""A watcher that offers its runs, and the worker that does them, are killed at every boundary of their work.

Each in a process of its own, on one PostgreSQL. What must hold is what holds of an agent that does its runs itself.
"""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.durability.conftest import Agents
from tests.durability.stories import STORIES
from tests.durability.test_every_crash_point import EVERY_STORY, Walk, must_hold

ROUNDS = 3
"""How often watcher and worker look in turn at one moment: each handler's run needs it once, and the approval."""

SAMPLE = 1 if EVERY_STORY else 17
"""Of so many boundaries one is walked."""


@dataclass
class OfferedWalk(Walk):
    """A walk whose runs are done by a worker.

    Attributes:
        hands: the program of the worker's lives.
        worker_kills: at which boundary each of these dies, the last ones live on.
        worker_boundaries: those that a worker has come to, that has ended in good order.
        lost: how many of the deaths were a worker's.
    """

    hands: Any = None
    worker_kills: tuple[int, ...] = ()
    worker_boundaries: list[str] = field(default_factory=list)
    lost: int = 0
    _at_work: bool = False

    def _order(self) -> dict[str, Any]:
        died = len(self.lives) - self.lost
        return {**super()._order(), "role": "watcher", "kill_at": dict(enumerate(self.kills)).get(died)}

    def _poll(self, *, last: bool = True) -> None:
        """Let both of them look until nobody has died of it."""
        before = -1
        while before != len(self.lives):
            before = len(self.lives)
            for _ in range(ROUNDS):
                super()._poll(last=last)
                self._work()
            super()._poll(last=last)

    def _work(self) -> None:
        while not (self._hands_have("start") and self._hands_have("step")):
            pass

    def _hands_have(self, do: str) -> bool:
        """Whether the worker has done it, or has been started already; False where it has died of it."""
        if do == "start" and self._at_work:
            return True
        kill_at = dict(enumerate(self.worker_kills)).get(self.lost)
        answer = self.hands.tell(**{**self._order(), "do": do, "role": "worker", "kill_at": kill_at})
        self._at_work = "ended" not in answer
        self.worker_boundaries = answer.get("boundaries", [])
        if not self._at_work:
            assert answer["ended"] == -signal.SIGKILL
            self.lost += 1
            self.lives.append((len(self._effects()), self.journal.lost_a_worker()))
        return self._at_work

    def _end(self) -> None:
        super()._end()
        assert self._hands_have("end")
        assert self.hands.ended() == 0


@dataclass
class Scene:
    """All walks through one story."""

    folder: Path
    agents: Agents
    hands: Agents
    server: Any

    def walk(self, number: int, **kills: tuple[int, ...]) -> OfferedWalk:
        walk = OfferedWalk(
            "alibaba",
            STORIES["alibaba"]["reboot"],
            self.folder / str(number),
            self.agents,
            hands=self.hands,
            server=self.server,
            **kills,
        )
        walk.go()
        return walk

    def dry(self) -> OfferedWalk:
        """Walk it without a death."""
        walk = self.walk(0)
        must_hold(walk)
        return walk


@pytest.fixture
def scene(folder: Path, postgresql: Any) -> Iterator[Scene]:
    agents, hands = Agents(), Agents()
    yield Scene(folder, agents, hands, postgresql)
    agents.close()
    hands.close()


@pytest.mark.timeout(900)
class TestKilledAtABoundary:
    def test_the_watcher_is_followed_by_one_that_takes_what_the_worker_did(
        self, scene: Scene, walked: Callable[[str], None]
    ) -> None:
        dry = scene.dry()
        for number in range(1, len(dry.boundaries) + 1, SAMPLE):
            walk = scene.walk(number, kills=(number,))
            assert (len(walk.lives), walk.lost) == (1, 0)
            must_hold(walk, dry.boundaries)
            walked("alibaba reboot, the watcher of workers")

    def test_the_worker_is_followed_by_one_that_does_its_run(self, scene: Scene, walked: Callable[[str], None]) -> None:
        dry = scene.dry()
        assert dry.worker_boundaries
        for number in range(1, len(dry.worker_boundaries) + 1, max(SAMPLE // 2, 1)):
            walk = scene.walk(number, worker_kills=(number,))
            assert (len(walk.lives), walk.lost) == (1, 1)
            must_hold(walk)
            walked("alibaba reboot, a worker")

    def test_again_and_again_they_come_to_the_end_all_the_same(
        self, scene: Scene, walked: Callable[[str], None]
    ) -> None:
        for number in range(2, 24, SAMPLE):
            walk = scene.walk(number, kills=(number,) * 2, worker_kills=(number // 3 + 1,) * 2)
            must_hold(walk)
            for _ in walk.lives:
                walked("alibaba reboot, the watcher and a worker, twice each")


@pytest.fixture
def walked(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Notes a crash point of a scenario that was walked; the run's summary counts them."""
    return lambda scenario: record_property("crash point", scenario)
