"""An attempt that is going on in a thread of its own, as the agent's loop sees it."""

from dataclasses import dataclass
from datetime import datetime

from stormcone.agent.engine import DueRun
from stormcone.handlers import Stage
from stormcone.handlers.control import RunControl
from stormcone.journal import Episode
from stormcone.rules.runs import STOP_GRACE, Attempt, Verdict, deadline, stop_at

GIVEN_UP = Attempt(Verdict.OVERRAN, "it did not end when its time was up")


@dataclass
class LiveAttempt:
    """An attempt that is going on.

    Attributes:
        due: which run it is of.
        control: what it can be told.
    """

    due: DueRun
    control: RunControl
    _stop_asked: float | None = None
    _overran: bool = False

    def supervise(self, episode: Episode, now: datetime, seconds: float) -> bool:
        """Tell it what has changed, and ask it to end where its time is up; True where it is to be given up.

        Args:
            episode: its event as it is now.
            now: the wall-clock time, which deadlines are on.
            seconds: the monotonic time, which its grace is on.
        """
        run, handler, event = self.due.run, self.due.handler, episode.event
        self.control.deadline = deadline(run, handler, event, started=episode.started)
        if run.stage is not Stage.RECOVER and event.outcome is not None and event.outcome.called_off:
            self.control.cancel()
        limit = stop_at(run, handler, event, started=episode.started, ended=episode.ended)
        if limit is not None and now >= limit:
            self._overran = True
            self.control.stop()
        if self.control.stopped and self._stop_asked is None:
            self._stop_asked = seconds
        return self._stop_asked is not None and seconds - self._stop_asked >= STOP_GRACE.total_seconds()

    def judge(self, attempt: Attempt) -> Attempt:
        """What the attempt counts as: one past its deadline has overrun, unless it says that it has finished."""
        if self._overran and attempt.verdict not in {Verdict.OVERRAN, Verdict.SUCCEEDED}:
            return Attempt(Verdict.OVERRAN, "it overran its deadline", error=attempt.error)
        return attempt

    def end(self) -> None:
        """End it by all means, with the agent."""
        self.control.stop()
        self.control.kill()
