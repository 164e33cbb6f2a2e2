"""What a failing test says: one time line of what the cloud did and the agent saw, did and approved, and why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from stormcone.agent.loop import Agent
from stormcone.agent.notices import describe
from stormcone.handlers import App, Stage
from stormcone.journal import Episode, Journal
from stormcone.journal.timeline import timeline
from stormcone.model import Phase
from stormcone.rules.changes import ChangeKind
from stormcone.rules.runs import Run, RunState
from stormcone.simulators.contract import Simulator
from stormcone.text import folded, span, stamp

_CLOUD_DID = (("created_at", "announced", 0), ("started_at", "started", 4), ("ended_at", "ended", 7))
_AGENT_SAW = {ChangeKind.STARTED.value: 5, ChangeKind.ENDED.value: 8}
_REFUSED = 400
_NOT_THERE = 404


class StoryLine(NamedTuple):
    """One line; of two at the same time, the one with the lower rank goes first."""

    at: datetime
    rank: int
    who: str
    what: str


@dataclass(frozen=True)
class EventStory:
    """All that is known of one event, from both sides.

    Attributes:
        simulator: the cloud.
        agent: as it stands.
        app: its handlers.
        journal: what it wrote.
        event: the id that the simulator gave.
        episode: what the agent knows of it, or None.
        runs: what its handlers did.
    """

    simulator: Simulator
    agent: Agent
    app: App
    journal: Journal
    event: str
    episode: Episode | None
    runs: Sequence[Run]

    @property
    def known(self) -> Episode:
        """The episode, where the agent knows the event.

        Raises:
            AssertionError: it does not.
        """
        if self.episode is None:
            raise AssertionError(self.tell(self.why_not_seen()))
        return self.episode

    def tell(self, what: str) -> str:
        """The whole of it, with what went wrong in its first line."""
        head = f"{describe(self.episode.event)} ({self.event})" if self.episode else f"event {self.event}"
        lines = sorted([*self._of_cloud(), *self._of_agent(), *self._of_requests()], key=lambda line: line[:2])
        width = max((len(line.who) for line in lines), default=0)
        return "\n".join(
            [
                f"{head}: {what}",
                "",
                *(f"  {stamp(line.at)}  {line.who:<{width}}  {line.what}" for line in lines),
                f"  {stamp(self.simulator.clock.now())}  now: {self._now()}",
            ]
        )

    def why_not_prepared(self) -> str:
        """Why no prepare succeeded, as a clause."""
        if self.episode is None:
            return self.why_not_seen()
        prepares = [run for run in self.runs if run.stage is Stage.PREPARE]
        if prepares:
            return nearest(prepares, "", Stage.PREPARE)
        event, machine = self.episode.event, self.agent.machine
        if machine is not None and not machine.affected_by(event):
            return f"it does not name {machine.name}, which the agent runs on"
        if self.episode.started and self.episode.started == self.episode.first_seen:
            return "the agent first saw it when it had started, so there was no time to prepare"
        taking = [handler.label for handler in self.app.taking(event)]
        if taking:
            return f"{', '.join(taking)} takes it and has no prepare"
        takes = "; ".join(
            f"{handler.label} takes {', '.join(sorted(handler.impacts))}" for handler in self.app.handlers
        )
        return f"no handler takes a {event.impact} with the cause {event.cause} ({takes or 'the app has no handler'})"

    def why_not_approved(self) -> str:
        """Why the agent did not approve it, as a clause."""
        if self.episode is None:
            return self.why_not_seen()
        if not self.agent.provider.capabilities.can_approve:
            return f"{self.simulator.name} has no approvals"
        return self.episode.decision or "no decision has been made"

    def why_not_seen(self) -> str:
        """Why the agent does not know the event, as a clause."""
        known = [known["id"] for known in self.simulator.events()]
        if self._cloud() is None:
            return f"the simulator has no event of this id; it has {', '.join(known) or 'none'}"
        if self.agent.status.error is not None:
            return f"it cannot ask: {self.agent.status.error}"
        seen = [f"{describe(episode.event)} ({episode.event.id})" for episode in self.journal.episodes()]
        name = self.agent.machine.name if self.agent.machine else "an unknown machine"
        return f"the agent on {name} polled {self.agent.status.polls} time(s) and saw {', '.join(seen) or 'no event'}"

    def _cloud(self) -> dict[str, Any] | None:
        wanted = folded(self.event)
        return next((known for known in self.simulator.events() if folded(known["id"]) == wanted), None)

    def _now(self) -> str:
        known = self._cloud()
        if known is None:
            return f"{self.simulator.name} has no such event"
        outcome = f" ({known['outcome']})" if known["outcome"] else ""
        sees = f"sees it {self.episode.event.phase}" if self.episode else "has not seen it"
        clause = f"{self.simulator.name} has it {known['phase']}{outcome}, the agent {sees}"
        if self.episode and self.episode.decision and not self.episode.approved:
            clause += f"; not approved: {self.episode.decision}"
        if self.agent.status.error is not None:
            clause += f"; what is scheduled is unknown: {self.agent.status.error}"
        return clause

    def _of_cloud(self) -> Iterator[StoryLine]:
        known = self._cloud() or {}
        approved = f", approved by {', '.join(known['approved_by'])}" if known.get("approved_by") else ""
        said = {
            "announced": f": {known.get('impact')} of {', '.join(known.get('resources', ()))}, "
            f"not before {_time_of(known.get('not_before'))}",
            "started": approved,
            "ended": f": {known.get('outcome')}",
        }
        for name, what, rank in _CLOUD_DID:
            if known.get(name):
                yield StoryLine(datetime.fromisoformat(known[name]), rank, self.simulator.name, f"{what}{said[what]}")

    def _of_agent(self) -> Iterator[StoryLine]:
        if self.episode is None:
            return
        rank = 1
        for entry in timeline(self.journal, self.episode):
            who, what = entry.who, entry.what
            if who == "cloud":
                rank = max(rank, _AGENT_SAW.get(what, rank))
                who, what = "agent", f"sees it {what}"
            elif who == "approval":
                who, what = "agent", f"approval {what}"
            yield StoryLine(entry.at, rank, who, what + (f": {entry.result}" if entry.result else ""))

    def _of_requests(self) -> Iterator[StoryLine]:
        """What the cloud refused or spoilt, equal ones after one another in one line."""
        known = self._cloud()
        since = known["created_at"] if known else ""
        bad = (asked for asked in self.simulator.requests() if asked["at"] >= since and _is_bad(asked))
        for said, group in groupby(bad, key=_answered):
            asked = list(group)
            times = f", {len(asked)} times until {_time_of(asked[-1]['at'])}" if len(asked) > 1 else ""
            yield StoryLine(_moment(asked[0]["at"]), 0, self.simulator.name, f"{said}{times}")


def nearest(runs: Iterable[Run], handler: str, stage: Stage) -> str:
    """The run that is most like the one that is missed, as a clause."""
    ranked = sorted(runs, key=lambda run: (run.handler != handler, run.stage is not stage, -run.attempt))
    if not ranked:
        return "no handler did anything for this event"
    near = ranked[0]
    note = f" ({near.note})" if near.note else ""
    if near.state is RunState.PENDING and near.due is not None:
        note = f" (its lead begins at {stamp(near.due)}; announce less ahead with notice=..., or let the clock go on)"
    return f"nearest: {near.handler}.{near.stage} is {near.state} after {near.attempt} attempt(s){note}"


def unfinished(runs: Iterable[Run]) -> str:
    """The runs that are not over, as a clause; "" where all are."""
    left = [f"{run.handler}.{run.stage} is {run.state}" for run in runs if not run.state.over]
    return ", ".join(left)


def not_yet(episode: Episode, phase: Phase, now: datetime) -> str:
    """Why the event has not come to the phase, as a clause."""
    event = episode.event
    if event.phase is Phase.SCHEDULED and event.not_before is not None and event.not_before > now:
        return f"it is {event.phase} and starts in {span(event.not_before - now)}"
    return f"it is {event.phase}, not {phase}"


def _is_bad(asked: dict[str, Any]) -> bool:
    # That something is not there is an answer like another one, such as Alibaba Cloud's to "are you to be released".
    refused = asked["status"] >= _REFUSED and asked["status"] != _NOT_THERE
    return refused or bool(asked.get("fault"))


def _answered(asked: dict[str, Any]) -> str:
    spoilt = f" ({asked['fault']})" if asked.get("fault") else ""
    return f"answers {asked['status']}{spoilt} to {asked['method']} {asked['path']} of {asked['machine']}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time_of(text: str | None) -> str:
    return stamp(_moment(text)) if text else "a time not known"
