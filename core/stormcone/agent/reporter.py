"""Telling what happens: to the log, and to whoever listens; what is wrong, once. Nobody who is told holds us up."""

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from stormcone.agent import notices
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.clock import Clock
from stormcone.handlers.bounded import NoAnswer, answer_of
from stormcone.text import cut_trace

log = logging.getLogger("stormcone")
"""The log of the agent and of the handlers' contexts."""


SELDOM = 10.0
"""Seconds between two different troubles of one source that are told, at first."""

SELDOMEST = 300.0
"""The same, once that has gone on for a while; after so long without trouble the next one counts as a new one."""


@dataclass
class _Trouble:
    """What was last told of a source.

    Attributes:
        text: the trouble; "" once it is over.
        first: when the first of a row of troubles was told, on the monotonic clock; None: there was none.
        last: when the last one was told.
        calm_since: since when there has been none; None: there is one.
        untold: how many have not been told since.
    """

    text: str = ""
    first: float | None = None
    last: float = 0.0
    calm_since: float | None = None
    untold: int = 0

    def may_be_told(self, now: float) -> bool:
        """Whether enough time has passed since the last one, the more the longer it has gone on."""
        if self.calm_since is not None and now - self.calm_since >= SELDOMEST:
            self.first = None
        if self.first is None:
            return True
        return now >= self.last + min(max(SELDOM, (self.last - self.first) / 4), SELDOMEST)

    def told(self, trouble: str, now: float) -> None:
        """One has just been told."""
        self.text, self.last, self.untold = trouble, now, 0
        self.first = now if self.first is None else self.first


class Reporter:
    """Tells notices.

    Args:
        clock: for their time.
        listener: told each notice beside the log; what it raises ends nothing, and it is not waited for longer than
            `bounded.PATIENCE`: what comes while it is stuck is lost to it, and counted.
    """

    def __init__(self, clock: Clock, listener: Callable[[Notice], None] | None) -> None:
        self._clock = clock
        self._listener = listener
        self._troubles: dict[str, _Trouble] = {}
        self._lost = 0

    def tell(self, kind: NoticeKind, text: str) -> None:
        """A notice of now that is about no event."""
        self.publish(Notice(self._clock.now(), kind, text))

    def complain(
        self, source: str, trouble: str, *, kind: NoticeKind = NoticeKind.PROBLEM, introduction: str = ""
    ) -> bool:
        """Say what is wrong with `source` once, not at every look; "" where nothing is.

        What is wrong in another way each time is told every `SELDOM` seconds, and more and more seldom the longer that
        goes on, with the number of those in between.

        Args:
            source: what it is about.
            trouble: as a sentence.
            kind: of the notice.
            introduction: stands before the trouble, and may differ each time.

        Answers whether a trouble that was told is over.
        """
        known, now = self._troubles.setdefault(source, _Trouble()), self._clock.monotonic()
        if not trouble:
            over, known.text = bool(known.text), ""
            known.calm_since = now if known.calm_since is None else known.calm_since
            return over
        may, known.calm_since = known.may_be_told(now), None
        if trouble == known.text:
            return False
        if not may:
            known.untold += 1
            return False
        more = f" ({known.untold} more like it were not told)" if known.untold else ""
        known.told(trouble, now)
        self.tell(kind, f"{introduction}{trouble}{more}")
        return False

    def publish(self, notice: Notice) -> None:
        """Any notice."""
        try:
            answer_of(self._deliver, notice)
        except NoAnswer:
            self._lost += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            self.tell(NoticeKind.PROBLEM, f"{lost} notice(s) could not be told in time and are lost")

    def _deliver(self, notice: Notice) -> None:
        level = logging.WARNING if notice.kind in notices.WARNINGS else logging.INFO
        try:
            self._log(level, notice)
        except Exception:  # noqa: BLE001 - a log that fails must not keep the listener from hearing
            self._lost += 1
        if self._listener is not None:
            try:
                self._listener(notice)
            except Exception:
                log.exception("the listener failed at a notice")

    def _log(self, level: int, notice: Notice) -> None:
        error = notice.error
        if not log.isEnabledFor(level):
            return
        info = (type(error), error, error.__traceback__) if error else None
        record = log.makeRecord(log.name, level, "", 0, "%s", (notice.text,), info, extra={"notice": notice})
        if info:  # what a handler raises may say a megabyte
            trace = "".join(traceback.format_exception(*info)).rstrip()
            record.exc_text = cut_trace(trace)
            record.exc_info = info if record.exc_text == trace else None
        log.handle(record)
