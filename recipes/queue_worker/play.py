"""A queue in Redis, a worker on each of two machines, and a client that waits for the results of its jobs."""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.client import Lost
from recipes.machinery import Machinery, free_port, until
from recipes.play import Scene
from recipes.units import Units

if TYPE_CHECKING:
    from redis import Redis

HERE = Path(__file__).parent

WORK = 0.5
"""How long a job takes, in seconds."""

GIVES_UP = 3
"""Seconds after which the client takes a job for lost."""


class QueueScene(Scene):
    """The worker of web-0 is a service of the machine; that of web-1 just runs."""

    title = "Queue worker"
    counted = "jobs"
    needs = ("redis-server", "start-stop-daemon")
    interval = 0.125
    least_off = GIVES_UP + 1.0

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery)
        self._port = free_port()
        self._units = Units(machinery)
        self._done_here = 0

    @classmethod
    def missing(cls) -> list[str]:
        """The client's library is needed too."""
        return [*super().missing(), *([] if importlib.util.find_spec("redis") else ["redis for Python"])]

    @cached_property
    def _queue(self) -> "Redis":
        from redis import Redis

        return Redis.from_url(self._url)

    @property
    def _url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    def set_up(self) -> None:
        """Redis, and both workers."""
        words = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.machinery.start("redis", ["redis-server", *words])
        until(lambda: "Ready to accept" in self.machinery.said("redis"), "Redis")
        self.machinery.start("web-1", self._worker("web-1"))
        self._units.define("worker", self._worker("web-0"))
        self._units.start("worker")
        until(lambda: self._waiting() >= 2, "the workers")

    def ask(self, number: int) -> None:
        """One job, and its result."""
        self._queue.rpush("jobs", number)
        answer = self._queue.blpop([f"result:{number}"], GIVES_UP)
        if not answer:
            raise Lost(f"no result within {GIVES_UP} s")
        self._done_here += answer[1] == b"web-0"

    def power_off(self) -> None:
        """The worker of web-0 is gone, with what it was working on: it has a job, if it takes any."""
        if self._units.runs("worker"):
            until(lambda: self._queue.llen("working:web-0"), "a job that web-0 has")
        self._units.power_off()
        self._done_here = 0

    def power_on(self) -> None:
        """It starts by itself."""
        self._units.start("worker")

    def agent(self) -> Sequence[str | Path]:
        """The handler, as a user would copy it."""
        return [HERE / "handler.py"]

    def environment(self) -> Mapping[str, str]:
        """Where the queue is."""
        return {"REDIS": self._url, "WORKER": "worker", **self._units.environment}

    def wait_until_whole(self) -> None:
        """web-0 has done a job again."""
        until(lambda: self._done_here > 0, "a job that web-0 has done")

    def figures(self) -> Mapping[str, float]:
        """What was done twice."""
        begun = [int(self._queue.get(key) or 0) for key in self._queue.scan_iter("begun:*")]
        return {
            "jobs begun more than once": sum(times > 1 for times in begun),
            "jobs of web-0 since the reboot": self._done_here,
        }

    def _worker(self, machine: str) -> list[str | Path]:
        return [sys.executable, HERE / "worker.py", self._url, machine, str(WORK)]

    def _waiting(self) -> int:
        return int(self._queue.info("clients")["blocked_clients"]) // 8


SCENE: type[Scene] = QueueScene
