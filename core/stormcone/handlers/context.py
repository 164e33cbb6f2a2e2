"""What a stage is given beside the event: its machine, its deadline, and word of what changes meanwhile."""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from stormcone.handlers.control import RunControl
from stormcone.model import Machine, MaintenanceEvent
from stormcone.text import one_line, stamp


class StageLog(logging.LoggerAdapter[logging.Logger]):
    """A stage's logger: times are written as everywhere, and a line that cannot be made costs the stage nothing."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As `Logger.log`."""
        try:
            shown = (stamp(each) if isinstance(each, datetime) and each.tzinfo else each for each in args)
            super().log(level, msg, *shown, **kwargs)
        except Exception as error:  # noqa: BLE001 - to log is no part of the stage's work
            with suppress(Exception):
                super().log(logging.WARNING, "a log line was lost: %s", one_line(error))


class Context:
    """What a stage is given beside the event.

    Attributes:
        machine: the machine that we run on or watch.
        attempt: 1 for the first try at this stage of this event, counted over restarts.
        log: a logger that names the event and the handler; a line that cannot be written costs the stage nothing.
        others: the other events of this machine for which this handler has begun and that are not over, as they were
            when the stage began: what was prepared for them is to stay.
    """

    def __init__(
        self,
        machine: Machine,
        attempt: int,
        log: logging.LoggerAdapter[logging.Logger],
        control: RunControl,
        others: tuple[MaintenanceEvent, ...] = (),
    ) -> None:
        self.machine = machine
        self.attempt = attempt
        self.log = log
        self.others = others
        self._control = control

    @property
    def deadline(self) -> datetime | None:
        """When this stage must be done, aware UTC; None: no limit. It moves when the event's time does."""
        return self._control.deadline

    def remaining(self) -> timedelta | None:
        """How long until the deadline, never below zero; None where there is no limit."""
        deadline = self._control.deadline
        return None if deadline is None else max(deadline - self._control.clock.now(), timedelta(0))

    @property
    def canceled(self) -> bool:
        """Whether the event has been called off: stop early."""
        return self._control.canceled

    @property
    def stopping(self) -> bool:
        """Whether the agent is about to end; this stage is run again in its next life unless it says `finished()`."""
        return self._control.stopping

    def wait(self, seconds: float) -> bool:
        """Sleep on the agent's clock; False, at once, when the stage is told to end.

        It is told so when its event is called off, when its time is up, and when the agent stops. A stage that returns
        then counts as cut off, and is run again in the agent's next life; say `finished()` first where it is not so.
        """
        return self._control.wait(seconds)

    def finished(self) -> None:
        """Say that this stage has done all its work, although it may have been told to end meanwhile."""
        self._control.finished = True


def control_of(context: Context) -> RunControl:
    """The agent's end of the attempt that the context is of, for what runs stages."""
    return context._control  # noqa: SLF001 - it is hidden from handlers, not from here
