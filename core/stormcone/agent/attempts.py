"""An attempt that is going on in a thread of its own, as the agent's loop sees it."""

from dataclasses import dataclass, replace
from datetime import datetime

from stormcone.agent.due import DueRun
from stormcone.clock import Instant
from stormcone.handlers import Stage
from stormcone.handlers.control import RunControl, Word
from stormcone.journal import Episode
from stormcone.journal.offers import Orders
from stormcone.rules.runs import END_GRACE, STOP_GRACE, Attempt, Verdict, deadline

GIVEN_UP = Attempt(Verdict.OVERRAN, "it did not end when its time was up")


@dataclass
class LiveAttempt:
    """An attempt that is going on.

    Attributes:
        due: which run it is of.
        control: what it can be told.
        worker: the name of the worker that carries it out; "" where this agent does.
    """

    due: DueRun
    control: RunControl
    worker: str = ""
    _over: datetime | None = None
    _stop_asked: datetime | None = None
    _overran: bool = False

    @property
    def orders(self) -> Orders:
        """What its worker is to know."""
        return Orders(deadline=self.control.deadline, canceled=self.control.canceled, stopped=self.control.stopped)

    def supervise(self, episode: Episode, now: Instant) -> bool:
        """Tell it what has changed, and ask it to end where its time is up; True where it is to be given up.

        Its time is up at its deadline, and a while after its event's end.

        Args:
            episode: its event as it is now.
            now: on both clocks.
        """
        stage, event = self.due.run.stage, episode.event
        self.control.deadline = deadline(stage, self.due.handler, event, self.due.begun, now)
        if stage is not Stage.RECOVER and event.outcome is not None and event.outcome.called_off:
            self.control.cancel()
        if stage is not Stage.RECOVER and episode.ended is not None and self._over is None:
            self._over = now.steady
        late = self.control.deadline is not None and now.date >= self.control.deadline
        if late or (self._over is not None and now.steady - self._over >= END_GRACE):
            self._overran = True
            self.control.stop()
        if self.control.stopped and self._stop_asked is None:
            self._stop_asked = now.steady
        return self._stop_asked is not None and now.steady - self._stop_asked >= STOP_GRACE

    def judge(self, attempt: Attempt) -> Attempt:
        """What the attempt counts as: one past its deadline has overrun, unless it says that it has finished."""
        if self._overran and attempt.verdict not in {Verdict.OVERRAN, Verdict.SUCCEEDED}:
            attempt = Attempt(Verdict.OVERRAN, "it overran its deadline", error=attempt.error)
        if self.worker and self.worker not in attempt.note:
            by = f"worker {self.worker}"
            return replace(attempt, note=f"{attempt.note} ({by})" if attempt.note else by)
        return attempt

    def end(self) -> None:
        """End it by all means, with the agent."""
        self.control.stop()
        self.control.tell(Word.KILL)
