"""Scheduled Events as it is switched on for one machine, and what it counts there.

Source: Azure's documentation of Scheduled Events, "Enabling and disabling Scheduled Events".
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

SWITCHED_OFF_AFTER = timedelta(hours=24)
"""Without a request for so long, the service is switched off for the machine, and its incarnation starts over."""


@dataclass
class Service:
    """The service of one machine.

    Attributes:
        incarnation: the number of what the machine sees.
        last_request: when it last asked; None: never.
        awake_at: when its first request is answered.
        events_at: when events begin to reach it.
        waiting: whether they have not begun to.
    """

    incarnation: int = 1
    last_request: datetime | None = None
    awake_at: datetime | None = None
    events_at: datetime | None = None
    waiting: bool = False

    def wake(self, now: datetime, *, first_call_delay: timedelta, events_delay: timedelta) -> timedelta:
        """Take note of a request, which switches the service on. Answers how long it still has to wait."""
        if self.last_request is None or now - self.last_request >= SWITCHED_OFF_AFTER:
            self.incarnation = 1
            self.awake_at = now + first_call_delay
            self.events_at = now + events_delay
            self.waiting = events_delay > timedelta(0)
        self.last_request = now
        return timedelta(0) if self.awake_at is None else self.awake_at - now

    def begin(self, now: datetime) -> bool:
        """Let events reach the machine if it is time; answers whether they begin to just now."""
        if not self.waiting or self.events_at is None or now < self.events_at:
            return False
        self.waiting = False
        return True

    def count(self, steps: int = 1) -> None:
        """Count changes that the machine sees."""
        self.incarnation += steps
