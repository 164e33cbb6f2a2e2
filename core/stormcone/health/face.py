"""What is answered to whoever asks after an agent, by path."""

import json
import os
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.view import AgentView
from stormcone.clock import Clock
from stormcone.health.disk import journal_size, journal_trouble
from stormcone.health.readiness import Condition, Readiness, alive, readiness
from stormcone.health.status import Reload, status_document

if TYPE_CHECKING:
    from stormcone.handlers import App
    from stormcone.health.metrics import Metrics

HEALTH, READY, METRICS, STATUS = "/healthz", "/readyz", "/metrics", "/status"

TURN = 1.0
"""Seconds that `/status` waits for the turn under way, so that it shows what the agent has told in that."""

_JSON = "application/json"
_NO_AGENT = "no agent is at work yet"
_NO_METRICS = "metrics need a part that is not installed; pip install 'stormcone[metrics]' and start the agent again"


@dataclass(frozen=True)
class Answer:
    """What is answered.

    Attributes:
        status: HTTP's.
        body: its text.
        kind: the body's content type.
    """

    status: int
    body: bytes
    kind: str = _JSON

    @classmethod
    def of(cls, status: int, document: Any) -> "Answer":
        """A document as JSON."""
        return cls(status, json.dumps(document, indent=1).encode() + b"\n")


class Answers(Protocol):
    """Whoever answers."""

    def answer(self, path: str, *, private: bool) -> Answer:
        """What is answered to a request for a path.

        Args:
            path: without its query.
            private: whether the owner asks: only then is said what events say.
        """


class Shows(Protocol):
    """An agent, as far as it is looked at."""

    @property
    def view(self) -> AgentView:
        """How it stands."""

    def settled_view(self, patience: float) -> AgentView:
        """The same after the turn under way, which is waited for that many seconds."""


class Health:
    """How one agent is, then the next one's where that one's journal had to be replaced.

    Args:
        clock: the agents'.

    Attributes:
        metrics: what counts; None where it is not wanted or not installed.
    """

    def __init__(self, clock: Clock) -> None:
        self.metrics: Metrics | None = None
        self._clock = clock
        self._agent: Shows | None = None
        self._app: App | None = None
        self._numbers = count(1)
        self._reload: Reload | None = None
        self._waits = ""

    def stand_by(self, why: str) -> None:
        """There is no agent now: it waits until the journal is to be had, and this is why, as a clause."""
        self._agent = None
        self._waits = f"standing by: {why}"

    def watch(self, agent: Shows) -> None:
        """Answer for this agent from now on."""
        self._agent = agent
        self.turned(agent.view)

    def turned(self, view: AgentView) -> None:
        """The agent's loop has turned; after a reload its app is another one."""
        if self.metrics is not None and view.app is not self._app:
            self.metrics.expect(view.app)
            self._app = view.app

    def count(self) -> bool:
        """Count for `/metrics` from now on; False where the part for that is not installed."""
        try:
            from stormcone.health.metrics import Metrics
        except ImportError:
            return False
        self.metrics = Metrics(self._clock, self._view, self.readiness)
        return True

    def hear(self, notice: Notice) -> None:
        """Take in what the agent tells; any thread may call this."""
        if notice.kind in {NoticeKind.RELOADED, NoticeKind.NOT_RELOADED}:
            taken = notice.kind is NoticeKind.RELOADED
            self._reload = Reload(number=next(self._numbers), at=notice.at, taken=taken, text=notice.text)
        if self.metrics is not None:
            self.metrics.hear(notice)

    def answer(self, path: str, *, private: bool) -> Answer:
        """What is answered to a request for a path.

        Args:
            path: without its query.
            private: whether the agent's owner asks: only then is said what events say.
        """
        agent = self._agent
        if path == METRICS:
            return self._metrics()
        if path not in {HEALTH, READY, STATUS} or (path == STATUS and not private):
            paths = (HEALTH, READY, METRICS, *((STATUS,) if private else ()))
            return Answer.of(404, {"error": f"there is no such page; there are {', '.join(paths)}"})
        if agent is None:
            return self._without_agent(path)
        if path == STATUS:
            return Answer.of(200, self._status(agent.settled_view(TURN)))
        view = agent.view
        if path == HEALTH:
            loop = alive(view, self._clock.monotonic())
            return Answer.of(503 if loop.reason else 200, {"status": "stuck" if loop.reason else "alive"})
        return _ready(self.readiness(view))

    def _without_agent(self, path: str) -> Answer:
        if path == HEALTH and self._waits:
            return Answer.of(200, {"status": "alive"})
        document = {"status": Condition.NOT_READY.value, "reasons": [self._waits or _NO_AGENT]}
        return Answer.of(503, {**document, "process": os.getpid()} if path == STATUS else document)

    def _view(self) -> AgentView | None:
        return self._agent.view if self._agent else None

    def readiness(self, view: AgentView) -> Readiness:
        """How the agent is that stands so."""
        return readiness(view, self._clock.monotonic(), journal_trouble(view.journal))

    def _status(self, view: AgentView) -> dict[str, Any]:
        now, seconds = self._clock.now(), self._clock.monotonic()
        ready, size = self.readiness(view), journal_size(view.journal)
        return status_document(view, ready, now, seconds, process=os.getpid(), size=size, reload=self._reload)

    def _metrics(self) -> Answer:
        if self.metrics is None:
            return Answer.of(501, {"error": _NO_METRICS})
        from stormcone.health.metrics import CONTENT_TYPE

        return Answer(200, self.metrics.text(), CONTENT_TYPE)


def _ready(found: Readiness) -> Answer:
    checks = {each.name: {"status": each.condition.value, "reason": each.reason or None} for each in found.findings}
    document = {"status": found.condition.value, "reasons": list(found.reasons), "checks": checks}
    return Answer.of(503 if found.condition is Condition.NOT_READY else 200, document)
