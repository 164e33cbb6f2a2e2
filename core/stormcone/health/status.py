"""What an agent does now, as a document: what is announced, what runs and until when, and why it is not approved."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from stormcone import __version__
from stormcone.agent.decisions import facts_of
from stormcone.agent.unfinished import Work
from stormcone.agent.view import AgentView, RunningStage
from stormcone.agent.watch import AgentStatus
from stormcone.clock import Instant
from stormcone.health.readiness import Readiness
from stormcone.model import Phase
from stormcone.rules.approval import ApprovalAnswer, Decision, decide
from stormcone.rules.runs import Run
from stormcone.text import iso, printable

MOST_EVENTS = 200
"""Events that a document has; of more it says how many are left out."""


@dataclass(frozen=True, kw_only=True)
class Reload:
    """What came of a changed configuration.

    Attributes:
        number: how many there have been since the agent's start, this one too.
        at: when it was taken in or refused, aware UTC.
        taken: whether it is in force now.
        text: the agent's word on it.
    """

    number: int
    at: datetime
    taken: bool
    text: str


def status_document(
    view: AgentView,
    readiness: Readiness,
    now: datetime,
    seconds: float,
    *,
    process: int,
    size: int | None,
    reload: Reload | None = None,
) -> dict[str, Any]:
    """How the agent stands, for programs; times are ISO 8601 in UTC.

    Args:
        view: how it stood at its last turn.
        readiness: what is concluded from that.
        now: the time on its clock.
        seconds: the same on its monotonic clock.
        process: the agent's.
        size: bytes of its journal's file; None where it has none.
        reload: what came of the last changed configuration; None: there was none.
    """
    return {
        "condition": readiness.condition.value,
        "reasons": list(readiness.reasons),
        "at": iso(now),
        "version": __version__,
        "process": process,
        "machine": {"name": view.machine.name, **view.machine.attributes()} if view.machine else None,
        "journal": {"path": view.journal, "bytes": size, "error": view.journal_error or None},
        "sources": [_source(name, status, seconds) for name, status in view.sources.items()],
        "sinks": [
            {"name": sink.name, "waiting": sink.waiting, "sent": sink.sent, "error": sink.error or None}
            for sink in view.sinks
        ],
        "reload": None if reload is None else {**asdict(reload), "at": iso(reload.at)},
        "workers": asdict(view.crew) if view.crew else None,
        "events": [_event(work, view, now) for work in view.works[:MOST_EVENTS]],
        "events_left_out": max(len(view.works) - MOST_EVENTS, 0),
    }


def _source(name: str, status: AgentStatus, seconds: float) -> dict[str, Any]:
    age = None if status.succeeded is None else round(max(seconds - status.succeeded, 0.0), 1)
    return {
        "name": name,
        "last_success": _iso(status.last_success),
        "last_success_age_seconds": age,
        "error": status.error,
        "polls": status.polls,
        "failures": status.failures,
        "interval_seconds": status.interval,
    }


def _event(work: Work, view: AgentView, now: datetime) -> dict[str, Any]:
    event, episode = work.episode.event, work.episode
    running = {each.handler + each.stage + each.machine: each for each in view.running if each.episode == episode.id}
    decision = decision_of(work, view, now)
    return {
        "id": event.id,
        "episode": episode.number,
        "source": event.source or event.provider,
        "impact": event.impact.value,
        "cause": event.cause.value,
        "phase": event.phase.value,
        "outcome": event.outcome.value if event.outcome else None,
        "resources": list(event.resources),
        "not_before": _iso(event.not_before),
        "first_seen": _iso(episode.first_seen),
        "approval": event.approval.value,
        "approved": work_approved(work),
        "decision": decision.reason if decision else None,
        "rule": (decision.rule or None) if decision else None,
        "runs": [_run(run, running.get(run.handler + run.stage + run.machine)) for run in work.runs],
    }


def work_approved(work: Work) -> bool:
    """Whether the cloud has taken an approval of the event."""
    return any(approval.accepted for approval in work.approvals)


def decision_of(work: Work, view: AgentView, now: datetime) -> Decision | None:
    """Why the event is or is not approved now; None where there is nothing to decide.

    An app's own policy is not called for this: of that, the agent's last word counts, without its rule.
    """
    event = work.episode.event
    if event.phase is not Phase.SCHEDULED or view.machine is None or work.answered:
        return Decision(ApprovalAnswer.NO, work.episode.decision, "") if work.episode.decision else None
    if callable(view.app.approval.approve):
        return Decision(ApprovalAnswer.WAIT, work.episode.decision, "") if work.episode.decision else None
    instant = Instant(now, (view.steady or view.at) + (now - view.at))
    turn = view.turns.get(work.episode.id, "")
    return decide(facts_of(work, view.machine, view.app, instant, fleet=view.fleet, turn=turn))


def _run(run: Run, running: RunningStage | None) -> dict[str, Any]:
    return {
        "handler": run.handler,
        "stage": run.stage.value,
        "machine": run.machine or None,
        "state": run.state.value,
        "attempt": run.attempt,
        "due": _iso(run.due),
        "begun": _iso(run.begun),
        "deadline": _iso(running.deadline) if running else None,
        "worker": (running.worker or None) if running else None,
        "note": printable(run.note) or None,
    }


def _iso(time: datetime | None) -> str | None:
    return iso(time) if time else None
