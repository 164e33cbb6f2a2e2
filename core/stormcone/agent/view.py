"""What the agent's loop has before it, as a value that any thread may read: for health, metrics and status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from stormcone.agent.attempts import LiveAttempt
from stormcone.agent.stages import CrewView
from stormcone.agent.standing import FleetStanding
from stormcone.agent.unfinished import Work
from stormcone.agent.watch import AgentStatus
from stormcone.handlers import App, Stage
from stormcone.journal import SinkRecord
from stormcone.model import Machine


@dataclass(frozen=True, kw_only=True)
class RunningStage:
    """A handler's stage that is going on.

    Attributes:
        episode: the journal's number of the event's episode.
        event: the event's id.
        handler: the handler's label.
        stage: which stage.
        machine: of a region, for which machine; else "".
        attempt: 1 for the first.
        begun: when, aware UTC.
        deadline: until when it may go on, aware UTC; None: there is no limit.
        worker: the name of the worker that carries it out; "" where the agent does.
    """

    episode: int
    event: str
    handler: str
    stage: Stage
    machine: str
    attempt: int
    begun: datetime
    deadline: datetime | None
    worker: str = ""

    @classmethod
    def of(cls, live: LiveAttempt) -> "RunningStage":
        """An attempt as it stands."""
        run, episode = live.due.run, live.due.episode
        return cls(
            episode=episode.id,
            event=episode.event.id,
            handler=run.handler,
            stage=run.stage,
            machine=run.machine,
            attempt=run.attempt,
            begun=live.due.begun.date,
            deadline=live.control.deadline,
            worker=live.worker,
        )


@dataclass(frozen=True, kw_only=True)
class AgentView:
    """How an agent stood at the end of a turn of its loop.

    Attributes:
        at: when that was, aware UTC.
        seconds: the same on the monotonic clock: how long ago tells whether the loop still turns.
        app: its handlers and how it approves.
        machine: which machine it works for; None where that is not known.
        sources: how it stands with each of its providers, by name.
        works: the events with something left to do.
        running: the stages that are going on.
        sinks: how far each sink has come, by name.
        fleet: how it stands with its fleet; None where it has none.
        turns: what waits for its turn to be away, by the journal's number of its episode, and what for, or "".
        steady: the time on the clock that nothing moves, by which the fleet's age is told; None where it is not known.
        crew: how it stands with the workers; None where it does its runs itself.
        journal: where its journal is.
        journal_error: why that could not be written, as last tried; "" where it could.
        stopping: whether it has been told to stop.
    """

    at: datetime
    seconds: float
    app: App
    machine: Machine | None = None
    sources: Mapping[str, AgentStatus] = field(default_factory=dict)
    works: tuple[Work, ...] = ()
    running: tuple[RunningStage, ...] = ()
    sinks: tuple[SinkRecord, ...] = ()
    fleet: FleetStanding | None = None
    turns: Mapping[int, str] = field(default_factory=dict)
    steady: datetime | None = None
    crew: CrewView | None = None
    journal: str
    journal_error: str = ""
    stopping: bool = False
