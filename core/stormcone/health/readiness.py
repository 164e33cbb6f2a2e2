"""Whether an agent is alive, and whether it would do its work now: pure rules over what it shows of itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from stormcone.agent.notices import disputed
from stormcone.agent.view import AgentView
from stormcone.agent.watch import AgentStatus
from stormcone.text import printable, span

LOOP_PATIENCE = 60.0
"""Seconds after which a loop that has not turned counts as stuck; it turns every second."""

MISSED_INTERVALS = 10
"""A source that has not answered for so many of its intervals is stale."""

SHORTEST_PATIENCE = 30.0
"""It has so many seconds at the least."""


class Condition(StrEnum):
    """How something is, from good to bad."""

    READY = "ready"
    DEGRADED = "degraded"
    """It works, and somebody should look."""
    NOT_READY = "not_ready"
    """What is announced now would not be heard of, or nothing could be done about it."""


@dataclass(frozen=True)
class PartState:
    """How one thing is.

    Attributes:
        name: `loop`, `machine`, `journal`, or `source NAME`.
        condition: how it is.
        reason: why it is not ready, as a sentence without its point; "" where it is.
    """

    name: str
    condition: Condition = Condition.READY
    reason: str = ""


@dataclass(frozen=True)
class Readiness:
    """How an agent is.

    Attributes:
        condition: the worst of its findings, but that one of several sources that are stale is `DEGRADED` alone.
        findings: how each thing is.
    """

    condition: Condition
    findings: tuple[PartState, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is not well, each as a line."""
        return tuple(f"{each.name}: {each.reason}" for each in self.findings if each.reason)


def alive(view: AgentView, seconds: float) -> PartState:
    """Whether the agent's loop turns.

    Args:
        view: how it stood at its last turn.
        seconds: what the agent's monotonic clock says now.
    """
    silent = seconds - view.seconds
    if silent <= LOOP_PATIENCE:
        return PartState("loop")
    reason = f"it has not turned for {span(timedelta(seconds=silent))}; the watchdog, or a restart, begins it anew"
    return PartState("loop", Condition.NOT_READY, reason)


def readiness(view: AgentView, seconds: float, journal_trouble: str = "") -> Readiness:
    """How the agent is.

    Args:
        view: how it stood at its last turn.
        seconds: what its monotonic clock says now.
        journal_trouble: why its journal could not be written now, as looked at; "" where it could.
    """
    findings = tuple(_findings(view, seconds, journal_trouble))
    worst = max((each.condition for each in findings), key=list(Condition).index, default=Condition.READY)
    return Readiness(worst, findings)


def _findings(view: AgentView, seconds: float, journal_trouble: str) -> Iterator[PartState]:
    loop = alive(view, seconds)
    yield PartState("loop", Condition.NOT_READY, "the agent is stopping") if view.stopping else loop
    trouble = view.journal_error or journal_trouble
    yield PartState("journal", Condition.NOT_READY if trouble else Condition.READY, printable(trouble))
    yield _machine(view)
    stale = {name: _stale(status, seconds) for name, status in view.sources.items()}
    all_stale = all(stale.values())
    for name, reason in stale.items():
        bad = Condition.NOT_READY if all_stale else Condition.DEGRADED
        yield PartState(f"source {name}", bad if reason else Condition.READY, reason)


def _machine(view: AgentView) -> PartState:
    if view.machine is None:
        reason = "it is not known which machine this is, so nothing is done about events; name it with --machine"
        return PartState("machine", Condition.NOT_READY, reason)
    if dispute := disputed(view.machine):
        return PartState("machine", Condition.DEGRADED, dispute)
    return PartState("machine")


def _stale(status: AgentStatus, seconds: float) -> str:
    """Why what is scheduled is not known from a source; "" where it is."""
    patience = max(MISSED_INTERVALS * status.interval, SHORTEST_PATIENCE)
    why = f": {status.error}" if status.error else ""
    if status.succeeded is None:
        return printable(f"it has never answered{why}")
    age = seconds - status.succeeded
    if age <= patience:
        return ""
    return printable(f"it has not answered for {span(timedelta(seconds=age))}{why}")
