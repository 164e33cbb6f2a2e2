"""The agent of a test: moved on by the test, until an event has come as far as the test wants it."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import NamedTuple, NoReturn, Self
from weakref import WeakKeyDictionary

from stormcone.agent.loop import Agent
from stormcone.agent.notices import Notice
from stormcone.agent.settings import AgentSettings
from stormcone.clock import ManualClock
from stormcone.clouds.contract import AUTO
from stormcone.fleet.membership import Membership
from stormcone.handlers import App, Handler, Stage
from stormcone.journal import Episode, Journal
from stormcone.journal.timeline import TimelineEntry, bore, timeline
from stormcone.model import Capabilities, Outcome, Phase
from stormcone.plugins import provider_class
from stormcone.rules.runs import Run, RunState
from stormcone.simulators.contract import Simulator
from stormcone.simulators.likeness import may_be
from stormcone.testing.story import EventStory, nearest, not_yet, unfinished
from stormcone.testing.threads import InOwnThreads, InTestsThread, Mode
from stormcone.text import folded, span

_on_clock: WeakKeyDictionary[ManualClock, list["AgentDriver"]] = WeakKeyDictionary()
"""The agents that live on a clock: as it goes on, all of them poll."""


class AgentDriver:
    """An agent of an app on one of a simulator's machines, moved on by the test. Use it in a `with` block.

    Args:
        simulator: running, with a `ManualClock`, which the agent shares.
        app: the handlers under test.
        machine: which of the simulator's machines it runs on; None for the first.
        thread: whether it works in threads of its own, as in production, so that a stage can be cancelled or time
            out; or in the test's thread, where a stage that waits moves the clock on.
        fleet: how it takes part in a fleet, with a `MemoryFleet` on the simulator's clock, say; None: in none.

    Attributes:
        notices: what the agent has told so far.
        journal: what it has written; it is in memory, and `restart` keeps it.

    Raises:
        TypeError: the simulator's clock does not stand still.
    """

    def __init__(
        self,
        simulator: Simulator,
        app: App,
        *,
        machine: str | None = None,
        thread: bool = False,
        fleet: Membership | None = None,
    ) -> None:
        if not isinstance(simulator.clock, ManualClock):
            raise TypeError(
                "an agent is driven by a simulator with a ManualClock; give the simulator clock=ManualClock()"
            )
        self.simulator = simulator
        self.app = app
        self.clock = simulator.clock
        self.notices: list[Notice] = []
        self._options = simulator.provider_options(machine)
        # Of a cloud that has several providers a replay is of the one that was recorded.
        named = self._options.provider
        self._kind = provider_class(simulator.name if named == AUTO else named)
        self._thread = thread
        self._fleet = fleet
        self._boot_id = "boot-1"
        self._errors: dict[str, BaseException] = {}
        self.journal = Journal.open(":memory:")
        try:
            self._mode, self._agent = self._make()
        except BaseException:
            self.journal.close()
            raise
        self._pace = timedelta(seconds=self.capabilities.poll_interval)

    def __enter__(self) -> Self:
        _on_clock.setdefault(self.clock, []).append(self)
        self._mode.begin(self._agent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the agent. Safe to call twice."""
        if self in _on_clock.get(self.clock, ()):
            _on_clock[self.clock].remove(self)
        self._stop()
        self.journal.close()

    @property
    def agent(self) -> Agent:
        """The agent of this life: its `status` and `machine`."""
        return self._agent

    @property
    def capabilities(self) -> Capabilities:
        """What the cloud can do, for a test that runs on several: `can_approve`, `reports_outcome`, ..."""
        return self._kind.capabilities

    def restart(self, *, boot_id: str | None = None) -> None:
        """End the agent and start another one on the same journal, as after a crash or a reboot.

        In the test's thread it ends without a word; in its own it is told to stop, and stages that still work then
        are cut off. It polls when the test next runs it.

        Args:
            boot_id: the machine has booted meanwhile, and this is its new boot id; None: it has not.
        """
        self._stop()
        self._boot_id = boot_id or self._boot_id
        self._mode, self._agent = self._make()
        self._mode.begin(self._agent)

    def step(self) -> None:
        """Let the agent poll once and do all that is due."""
        self._mode.step()

    def run_for(
        self, delta: timedelta | float = 0.0, *, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Let the agents on this clock live for so long: the clock goes on from poll to poll.

        `clock.advance` in contrast takes one step, as where no agent ran meanwhile.

        Args:
            delta: a timedelta or seconds; the named parts are added to it.
            hours: as named.
            minutes: as named.
            seconds: as named.
        """
        step = delta if isinstance(delta, timedelta) else timedelta(seconds=delta)
        end = self.clock.now() + step + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        while (left := end - self.clock.now()) > timedelta(0):
            self.clock.advance(min(self._pace, left))
            self._step_all()

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
        """Let the agents on this clock live, from poll to poll, until the event has come that far for this one.

        Args:
            event: the id that `schedule` answered.
            phase: how far it must have come, as the agent sees it; with ENDED, its handlers have ended too.
            prepared: every handler's prepare must have succeeded as well.
            approved: the agent must have approved it as well.
            outcome: how it must have ended.
            within: how far the clock may go. What takes longer is reached quicker by `clock.advance` first.

        Raises:
            AssertionError: it did not come that far; the text is the event's whole story.
        """
        __tracebackhide__ = True
        end = self.clock.now() + within
        while True:
            self._step_all()
            story = self._story(event)
            lack = _lack(story, phase, prepared=prepared, approved=approved)
            if lack is None:
                break
            if _is_too_late(story, lack):
                self._fail(story, f"too late: {lack.what}")
            if self.clock.now() >= end:
                self._fail(story, f"after {span(within)} of the clock, {lack.what}")
            self.clock.advance(self._pace)
        episode = story.known
        if outcome is not None and episode.event.outcome is not outcome:
            self._fail(story, f"it ended {episode.event.outcome}, not {outcome}")
        return episode

    def assert_ran(self, handler: Handler | type[Handler] | str, stage: Stage | str, event: str) -> Run:
        """The handler's stage has succeeded for the event.

        Raises:
            AssertionError: it has not; the text has the nearest thing that did happen, and the event's story.
        """
        __tracebackhide__ = True
        label, stage = _label(handler), Stage(stage)
        story = self._story(event)
        done = [run for run in story.runs if (run.handler, run.stage, run.state) == (label, stage, RunState.SUCCEEDED)]
        if not done:
            why = nearest(story.runs, label, stage) if story.episode else story.why_not_seen()
            self._fail(story, f"{label}.{stage} did not succeed; {why}")
        return done[0]

    def assert_not_ran(self, handler: Handler | type[Handler] | str, stage: Stage | str, event: str) -> None:
        """The handler's stage has not even begun for the event.

        Raises:
            AssertionError: it has; the text has the event's story.
        """
        __tracebackhide__ = True
        label, stage = _label(handler), Stage(stage)
        story = self._story(event)
        for run in story.runs:
            if run.handler == label and run.stage is stage and run.attempt > 0:
                self._fail(story, f"{label}.{stage} began: it is {run.state} after {run.attempt} attempt(s)")

    def assert_approved(self, event: str, *, approved: bool = True) -> None:
        """The agent has approved the event; with `approved=False`, it has not.

        Raises:
            AssertionError: it is the other way; the text has the reason, and the event's story.
        """
        __tracebackhide__ = True
        story = self._story(event)
        if (story.episode is not None and story.episode.approved) is not approved:
            why = story.why_not_approved() if approved else story.episode.decision if story.episode else ""
            self._fail(story, f"it was {'not ' if approved else ''}approved: {why}")

    def timeline(self, event: str) -> list[TimelineEntry]:
        """What the agent's journal says of the event, oldest first."""
        episode = self._story(event).episode
        return timeline(self.journal, episode) if episode is not None else []

    def _make(self) -> tuple[Mode, Agent]:
        mode: Mode = InOwnThreads(self.clock) if self._thread else InTestsThread(self.clock)
        provider = mode.wrap(self._kind.from_options(replace(self._options, clock=mode.clock)))
        agent = Agent(
            provider,
            self.app,
            self.journal,
            settings=AgentSettings(grace=1.0),
            clock=mode.clock,
            boot_id=self._boot_id,
            executor=mode.executor,
            listener=self._listen,
            fleet=self._fleet,
        )
        return mode, agent

    def _listen(self, notice: Notice) -> None:
        self.notices.append(notice)
        if notice.error is not None and notice.event is not None:
            self._errors[folded(notice.event.id)] = notice.error

    def _stop(self) -> None:
        self._mode.end()
        self._agent.provider.close()

    def _step_all(self) -> None:
        company = tuple(_on_clock.get(self.clock, ()))
        if self not in company:
            raise RuntimeError("this agent does not live; use it in a with block")
        for driver in company:
            driver.step()

    def _story(self, event: str) -> EventStory:
        wanted, episodes = folded(event), self.journal.episodes()
        found = [episode for episode in episodes if folded(episode.event.id) == wanted]
        found = found or [episode for episode in episodes if bore(self.journal, episode, event)]
        found = found or self._without_id(event, episodes)
        episode = found[-1] if found else None
        runs = self.journal.runs(episode.id) if episode else []
        return EventStory(self.simulator, self._agent, self.app, self.journal, event, episode, runs)

    def _without_id(self, event: str, episodes: list[Episode]) -> list[Episode]:
        """The episode that is the event of a cloud without ids: the first of its kind while it was announced."""
        known = next((each for each in self.simulator.events() if folded(each["id"]) == folded(event)), None)
        if known is None:
            return []
        ended = datetime.fromisoformat(known["ended_at"]) if known["ended_at"] else self.clock.now()
        fitting = [each for each in episodes if may_be(known, each.event, each.first_seen) and each.first_seen <= ended]
        return fitting[:1]

    def _fail(self, story: EventStory, what: str) -> NoReturn:
        __tracebackhide__ = True
        raise AssertionError(story.tell(what)) from self._errors.get(folded(story.event))


def _label(handler: Handler | type[Handler] | str) -> str:
    if isinstance(handler, str):
        return handler
    return handler.name or handler.__name__ if isinstance(handler, type) else handler.label


class _Lack(NamedTuple):
    """What is still missing, and why, as clauses; and the phase in which it cannot come any more."""

    what: str
    too_late: Phase


def _lack(story: EventStory, phase: Phase, *, prepared: bool, approved: bool) -> _Lack | None:
    phases, episode = list(Phase), story.episode
    if episode is None:
        return _Lack(f"the agent has not seen it: {story.why_not_seen()}", Phase.ENDED)
    prepares = [run for run in story.runs if run.stage is Stage.PREPARE]
    if prepared and not (prepares and all(run.state is RunState.SUCCEEDED for run in prepares)):
        return _Lack(f"it was not prepared for: {story.why_not_prepared()}", Phase.STARTED)
    if approved and not episode.approved:
        return _Lack(f"it was not approved: {story.why_not_approved()}", Phase.STARTED)
    if phases.index(episode.event.phase) < phases.index(phase):
        return _Lack(not_yet(episode, phase, story.simulator.clock.now()), Phase.ENDED)
    left = unfinished(story.runs) if phase is Phase.ENDED else ""
    return _Lack(f"its handlers have not ended: {left}", Phase.ENDED) if left else None


def _is_too_late(story: EventStory, lack: _Lack) -> bool:
    """Whether what is missing cannot come any more, so that waiting for it is of no use."""
    phases, episode = list(Phase), story.episode
    if episode is None or phases.index(episode.event.phase) < phases.index(lack.too_late):
        return False
    return all(run.state.over for run in story.runs)
