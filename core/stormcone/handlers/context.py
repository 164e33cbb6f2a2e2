"""What a stage is given beside the event: its machine, its deadline, and word of what changes meanwhile."""

import logging
from datetime import datetime, timedelta

from stormcone.handlers.control import RunControl
from stormcone.model import Machine


class Context:
    """What a stage is given beside the event.

    Attributes:
        machine: the machine that we run on or watch.
        attempt: 1 for the first try at this stage of this event, counted over restarts.
        log: a logger that names the event and the handler.
    """

    def __init__(self, machine: Machine, attempt: int, log: logging.LoggerAdapter[logging.Logger], control: RunControl):
        self.machine = machine
        self.attempt = attempt
        self.log = log
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
        """Whether the agent is about to end; this stage is run again after its restart unless it finishes now."""
        return self._control.stopping

    def wait(self, seconds: float) -> bool:
        """Sleep on the agent's clock; False, at once, when the stage should end or the agent stops."""
        return self._control.wait(seconds)


def control_of(context: Context) -> RunControl:
    """The agent's end of the attempt that the context is of, for what runs stages."""
    return context._control  # noqa: SLF001 - it is hidden from handlers, not from here
