"""Telling what happens: to the log, and to whoever listens; what is wrong, once."""

import logging
from collections.abc import Callable

from stormcone.agent import notices
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.clock import Clock

log = logging.getLogger("stormcone")
"""The log of the agent and of the handlers' contexts."""


class Reporter:
    """Tells notices.

    Args:
        clock: for their time.
        listener: told each notice beside the log; what it raises ends nothing.
    """

    def __init__(self, clock: Clock, listener: Callable[[Notice], None] | None) -> None:
        self._clock = clock
        self._listener = listener
        self._troubles: dict[str, str] = {}

    def tell(self, kind: NoticeKind, text: str) -> None:
        """A notice of now that is about no event."""
        self.publish(Notice(self._clock.now(), kind, text))

    def complain(self, source: str, trouble: str) -> None:
        """Say what is wrong with `source` once, not at every look; "" where nothing is."""
        if trouble and trouble != self._troubles.get(source):
            self.tell(NoticeKind.PROBLEM, trouble)
        self._troubles[source] = trouble

    def publish(self, notice: Notice) -> None:
        """Any notice."""
        level = logging.WARNING if notice.kind in notices.WARNINGS else logging.INFO
        log.log(level, "%s", notice.text, extra={"notice": notice})
        if self._listener is not None:
            try:
                self._listener(notice)
            except Exception:
                log.exception("the listener failed at a notice")
