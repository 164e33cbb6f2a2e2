"""What is answered to whoever asks after a watcher that shares shards with others, by path."""

from typing import TYPE_CHECKING

from stormcone.agent.keeper import KeeperView
from stormcone.clock import Clock
from stormcone.health.face import HEALTH, METRICS, READY, Answer
from stormcone.health.readiness import Condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

STUCK = 60.0
"""Seconds after its last turn from which on a keeper counts as stuck."""

_NO_METRICS = "metrics need a part that is not installed; pip install 'stormcone[metrics]' and start the watcher again"


class ShardsHealth:
    """How a keeper is.

    Args:
        clock: the keeper's.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._view = KeeperView(seconds=clock.monotonic(), error="it has not looked at the plan yet")

    def turned(self, view: KeeperView) -> None:
        """The keeper's loop has turned, and this is how it stands."""
        self._view = view

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why not all is as it should be, as clauses."""
        view = self._view
        missing = [name for name in view.wanted if name not in view.held]
        found = [view.error] if view.error else []
        return (*found, *([f"not held yet: {', '.join(missing)}"] if missing else []))

    @property
    def line(self) -> str:
        """How it stands, in a line."""
        view = self._view
        share = f"holds {len(view.held)} of its {len(view.wanted)} shard(s); {view.watchers} watcher(s) live"
        return "; ".join((share, *self.reasons))

    def answer(self, path: str, *, private: bool) -> Answer:  # noqa: ARG002 - nothing here says what events say
        """As `stormcone.health.face.Answers` has it."""
        if path == HEALTH:
            stuck = self._clock.monotonic() - self._view.seconds > STUCK
            return Answer.of(503 if stuck else 200, {"status": "stuck" if stuck else "alive"})
        if path == READY:
            condition = Condition.NOT_READY if self.reasons else Condition.READY
            document = {"status": condition.value, "reasons": list(self.reasons)}
            return Answer.of(503 if self.reasons else 200, document)
        if path == METRICS:
            return self._metrics()
        return Answer.of(404, {"error": f"there is no such page; there are {', '.join((HEALTH, READY, METRICS))}"})

    def _metrics(self) -> Answer:
        try:
            from prometheus_client import CollectorRegistry, generate_latest

            from stormcone.health.metrics import CONTENT_TYPE
        except ImportError:
            return Answer.of(501, {"error": _NO_METRICS})
        registry = CollectorRegistry()
        registry.register(self)
        return Answer(200, generate_latest(registry), CONTENT_TYPE)

    def collect(self) -> "Iterator[Metric]":
        """As a collector of Prometheus's client has it."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        view = self._view
        yield GaugeMetricFamily("stormcone_shards_wanted", "Shards that this watcher is to have.", len(view.wanted))
        yield GaugeMetricFamily("stormcone_shards_held", "Those of them whose lease it holds.", len(view.held))
        yield GaugeMetricFamily(
            "stormcone_shards_unwatched",
            "Those of them whose lease nobody holds, and all others that no living watcher is to have.",
            len(view.unwatched),
        )
        yield GaugeMetricFamily("stormcone_shards_watchers", "Watchers that live.", view.watchers)
        yield GaugeMetricFamily(
            "stormcone_shards_database_up", "Whether the plan could be read the last time.", 0.0 if view.error else 1.0
        )
        yield CounterMetricFamily(
            "stormcone_shards_restarts", "Processes of shards that ended without being told to.", view.restarts
        )
