"""A time that goes on from life to life of the agent, and that no step of the wall clock moves."""

from datetime import timedelta

from stormcone.clock import Clock, Instant
from stormcone.journal import ClockRecord

STEP = timedelta(seconds=1)
"""A difference between the clocks from which on it counts as a step of the wall clock; below that it is drift."""


class SteadyClock:
    """Tells each moment on both clocks.

    Within a life the steady time goes on with the monotonic clock. From the last life on it does so too where the
    machine has not booted since; where it has, the wall clock says how long that took, and no less than nothing.

    Args:
        clock: the wall clock and the monotonic one.
        boot_id: the machine's boot id; "" where it is not known, and then only the wall clock is believed.
        last: how the clocks stood in the last life; None: there was none.
    """

    def __init__(self, clock: Clock, boot_id: str, last: ClockRecord | None) -> None:
        self._clock = clock
        self._boot_id = boot_id
        date, self._begun = clock.now(), clock.monotonic()
        if last is None:
            self._start = date
        elif last.boot_id == boot_id != "" and last.seconds <= self._begun:
            self._start = last.instant.steady + timedelta(seconds=self._begun - last.seconds)
        else:
            self._start = last.instant.steady + max(date - last.instant.date, timedelta(0))
        self._ahead = self._start - date

    def now(self) -> Instant:
        """The moment that it is."""
        return Instant(self._clock.now(), self._start + timedelta(seconds=self._clock.monotonic() - self._begun))

    def record(self) -> ClockRecord:
        """How the clocks stand, to be kept for the next life."""
        instant = self.now()
        self._ahead = instant.steady - instant.date
        return ClockRecord(instant=instant, seconds=self._clock.monotonic(), boot_id=self._boot_id)

    @property
    def stepped(self) -> bool:
        """Whether the wall clock has been moved since the last `record`."""
        instant = self.now()
        return abs(instant.steady - instant.date - self._ahead) >= STEP
