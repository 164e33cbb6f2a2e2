"""Driving an agent through a simulator in a test, and failing with the whole story where it goes another way.

The pytest plug-in wraps this; with unittest, or no framework at all, use it as it is:

```python
with AzureSimulator(["db-0", "db-1"], clock=ManualClock()) as simulator, AgentDriver(simulator, app) as agent:
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"])
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
```
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from stormcone.agent import Agent
from stormcone.clock import ManualClock
from stormcone.handlers import App, Handler, Stage
from stormcone.journal import Episode, Journal
from stormcone.model import Outcome, Phase
from stormcone.notices import Notice, describe
from stormcone.plugins import provider_class
from stormcone.runs import Run, RunState
from stormcone.simulator import Simulator
from stormcone.text import span, stamp
from stormcone.timeline import Entry, timeline
from stormcone.workers import InlineExecutor

_PATIENCE = 30.0
"""Real seconds that an agent in a thread of its own may take for one poll."""


class AgentDriver:
    """An agent of an app on one of a simulator's machines, moved on by the test.

    Args:
        simulator: running, with a `ManualClock`, which the agent shares.
        app: the handlers under test.
        machine: which of the simulator's machines it runs on; None for the first.
        thread: whether the agent works in a thread of its own, as in production, or in the test's, step by step.

    Raises:
        TypeError: the simulator's clock does not stand still.
    """

    def __init__(self, simulator: Simulator, app: App, *, machine: str | None = None, thread: bool = False) -> None:
        if not isinstance(simulator.clock, ManualClock):
            raise TypeError(
                "an agent is driven by a simulator with a ManualClock; give the simulator clock=ManualClock()"
            )
        self.simulator = simulator
        self.app = app
        self.clock = simulator.clock
        self.journal = Journal.open(":memory:")
        self.notices: list[Notice] = []
        self._provider = provider_class(simulator.name).from_options(simulator.provider_options(machine))
        self._agent = Agent(
            self._provider,
            app,
            self.journal,
            clock=self.clock,
            executor=None if thread else InlineExecutor(),
            listener=self.notices.append,
            grace=1.0,
        )
        self._thread = threading.Thread(target=self._agent.run, name="stormcone-agent", daemon=True) if thread else None
        self._pace = timedelta(seconds=self._provider.capabilities.poll_interval)

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the agent. Safe to call twice."""
        self._agent.stop()
        if self._thread is not None and self._thread.is_alive():
            ender = threading.Thread(target=self._thread.join, daemon=True)
            ender.start()
            while ender.is_alive():  # the agent waits for its handlers by this clock
                self.clock.advance(seconds=1)
                ender.join(0.01)
        self._provider.close()
        self.journal.close()

    def step(self) -> None:
        """Let the agent poll once and do all that is due."""
        if self._thread is None:
            self._agent.step()
            return
        before = self._agent.status.polls
        self.clock.advance(self._pace)
        self._agent.poll_soon()
        self._wait_for(lambda: self._agent.status.polls > before, "the agent does not poll")

    def run_until(
        self,
        event: str,
        phase: Phase,
        *,
        prepared: bool = False,
        approved: bool = False,
        outcome: Outcome | None = None,
        within: timedelta = timedelta(minutes=10),
    ) -> Episode:
        """Let the agent work, and the clock go on from poll to poll, until the event has come that far.

        Args:
            event: the id that `schedule` answered.
            phase: how far it must have come, as the agent sees it; with ENDED, recover is over too.
            prepared: every handler's prepare must have succeeded as well.
            approved: the agent must have approved it as well.
            outcome: how it must have ended.
            within: how far the clock may go.

        Raises:
            AssertionError: it did not come that far; the text is the event's whole story.
        """
        __tracebackhide__ = True
        end = self.clock.now() + within
        while True:
            self.step()
            episode = self._episode(event)
            lacks = _lacks(episode, self._runs(episode), phase, prepared=prepared, approved=approved)
            if not lacks and episode is not None:
                if outcome is not None and episode.event.outcome is not outcome:
                    raise AssertionError(self._story(event, f"it ended {episode.event.outcome}, not {outcome}"))
                return episode
            if self.clock.now() >= end:
                raise AssertionError(self._story(event, f"{lacks} within {span(within)} of the clock"))
            if self._thread is None:
                self.clock.advance(self._pace)

    def assert_ran(self, handler: Handler | str, stage: Stage | str, event: str) -> Run:
        """The handler's stage has succeeded for the event.

        Raises:
            AssertionError: it has not; the text has the nearest thing that did happen, and the event's story.
        """
        __tracebackhide__ = True
        label, stage = handler if isinstance(handler, str) else handler.label, Stage(stage)
        runs = self._runs(self._episode(event))
        for run in runs:
            if run.handler == label and run.stage is stage and run.state is RunState.SUCCEEDED:
                return run
        raise AssertionError(self._story(event, f"{label}.{stage} did not succeed; {_nearest(runs, label, stage)}"))

    def assert_not_ran(self, handler: Handler | str, stage: Stage | str, event: str) -> None:
        """The handler's stage has not even begun for the event.

        Raises:
            AssertionError: it has; the text has the event's story.
        """
        __tracebackhide__ = True
        label, stage = handler if isinstance(handler, str) else handler.label, Stage(stage)
        for run in self._runs(self._episode(event)):
            if run.handler == label and run.stage is stage and run.attempt > 0:
                raise AssertionError(self._story(event, f"{label}.{stage} began, attempt {run.attempt}: {run.state}"))

    def assert_approved(self, event: str, *, approved: bool = True) -> None:
        """The agent has approved the event; with `approved=False`, it has not.

        Raises:
            AssertionError: it is the other way; the text has the reason, and the event's story.
        """
        __tracebackhide__ = True
        episode = self._episode(event)
        if (episode is not None and episode.approved) is not approved:
            why = f": {episode.decision}" if episode is not None and episode.decision else ""
            raise AssertionError(self._story(event, f"it was {'not ' if approved else ''}approved{why}"))

    def timeline(self, event: str) -> list[Entry]:
        """What the agent's journal says of the event, oldest first."""
        episode = self._episode(event)
        return timeline(self.journal, episode) if episode is not None else []

    def _wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{otherwise} within {_PATIENCE:g} s")
            time.sleep(0.001)

    def _episode(self, event: str) -> Episode | None:
        wanted = event.casefold()
        found = [episode for episode in self.journal.episodes() if episode.event.id.casefold() == wanted]
        return found[-1] if found else None

    def _runs(self, episode: Episode | None) -> list[Run]:
        return self.journal.runs(episode.id) if episode is not None else []

    def _story(self, event: str, what: str) -> str:
        episode = self._episode(event)
        head = f"{describe(episode.event)} ({event})" if episode is not None else event
        lines = [f"{head}: {what}", "", f"the cloud ({self.simulator.name}):", *self._cloud(event), "", "the agent:"]
        lines += [f"  {_line(entry)}" for entry in self.timeline(event)] or ["  has not seen the event"]
        if episode is not None and episode.decision and not episode.approved:
            lines.append(f"  not approved: {episode.decision}")
        if self._agent.status.error is not None:
            lines.append(f"  does not know what is scheduled: {self._agent.status.error}")
        return "\n".join(lines)

    def _cloud(self, event: str) -> list[str]:
        listed = [known for known in self.simulator.events() if known["id"].casefold() == event.casefold()]
        if not listed:
            names = ", ".join(known["id"] for known in self.simulator.events()) or "none"
            return [f"  knows no such event; it has: {names}"]
        known = listed[0]
        times = [
            f"  {stamp_text(known[name])}  {said}"
            for name, said in (("created_at", "announced"), ("started_at", "started"), ("ended_at", "ended"))
            if known.get(name)
        ]
        outcome = f", {known['outcome']}" if known["outcome"] else ""
        approved = f", approved by {', '.join(known['approved_by'])}" if known["approved_by"] else ""
        return [*times, f"  now {known['phase']}{outcome}{approved}, not before {stamp_text(known['not_before'])}"]


def _lacks(episode: Episode | None, runs: list[Run], phase: Phase, *, prepared: bool, approved: bool) -> str:
    """What is still missing, as a clause; "" where nothing is."""
    phases = list(Phase)
    if episode is None:
        return "the agent did not see it"
    prepares = [run for run in runs if run.stage is Stage.PREPARE]
    if prepared and not (prepares and all(run.state is RunState.SUCCEEDED for run in prepares)):
        return "it was not prepared for"
    if approved and not episode.approved:
        return "it was not approved"
    if phases.index(episode.event.phase) < phases.index(phase):
        return f"it did not come to {phase}"
    if phase is Phase.ENDED and not all(run.state.over for run in runs):
        return "its handlers did not come to an end"
    return ""


def _nearest(runs: list[Run], handler: str, stage: Stage) -> str:
    """The run that is most like the one that is missed."""
    if not runs:
        return "no handler did anything for this event"
    ranked = sorted(runs, key=lambda run: (run.handler != handler, run.stage is not stage, -run.attempt))
    near = ranked[0]
    note = f" ({near.note})" if near.note else ""
    return f"nearest: {near.handler}.{near.stage} {near.state} after {near.attempt} attempt(s){note}"


def _line(entry: Entry) -> str:
    return f"{stamp(entry.at)}  {entry.who}: {entry.what}" + (f" — {entry.result}" if entry.result else "")


def stamp_text(text: str) -> str:
    """A time of the control API as `stamp` writes it."""
    return text[:19].replace("T", " ") + "Z"
