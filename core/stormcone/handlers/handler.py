"""A handler: what it does at each stage of an event, and which events it takes."""

import logging
from collections.abc import Awaitable, Collection
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stormcone.handlers.bounded import answer_of
from stormcone.handlers.settings import SETTINGS, check_setting
from stormcone.model import Cause, Impact, MaintenanceEvent

if TYPE_CHECKING:
    from stormcone.handlers.context import Context

_log = logging.getLogger(__name__)


class Stage(StrEnum):
    """The three points in an event's life at which a handler works, in their order."""

    PREPARE = "prepare"
    STARTED = "started"
    RECOVER = "recover"


ANY_IMPACT: frozenset[Impact] = frozenset(Impact) - {Impact.NONE}
"""What a handler takes unless it says otherwise."""

ANY_CAUSE: frozenset[Cause] = frozenset(Cause)

USUAL_LEAD = timedelta(hours=1)
"""How long before an event's time a handler prepares unless it says otherwise; some clouds announce weeks ahead."""


class Handler:
    """Base class of handlers: override the stages that you need, as `def` or `async def`.

    A stage that returns has succeeded; to say anything else it raises `Retry`, `GiveUp`, `Veto`, or any other
    exception, which is tried again with backoff while the deadline allows. A stage that was told to end
    (`context.wait` has returned False) and then returns was cut off, unless it has called `context.finished()`. A stage
    may run more than once for one event (`context.attempt`), so write it so that a repetition does no harm.

    Attributes:
        name: what the journal calls it, unique in the app, the same from start to start; by default the class's name.
        impacts: which impacts it takes.
        causes: which causes it takes.
        tentative: whether it also takes what may never happen (`event.tentative`), such as a higher risk of preemption.
        lead: how long before `not_before` prepare begins, at once where the notice is shorter; None: as soon as the
            event is announced, on some clouds weeks ahead.
        timeout: how long one attempt at a stage may take; None: no limit but the deadline.
        retries: how often a failed stage is tried again; None: while the deadline allows.
    """

    name: str = ""
    impacts: Collection[Impact] = ANY_IMPACT
    causes: Collection[Cause] = ANY_CAUSE
    tentative: bool = False
    lead: timedelta | None = USUAL_LEAD
    timeout: timedelta | None = None
    retries: int | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SETTINGS:
            check_setting(self.label, name, value)
        super().__setattr__(name, value)

    def when(self, event: MaintenanceEvent) -> bool:  # noqa: ARG002 - for the overriding method
        """Whether it takes this event, beyond `impacts` and `causes`. Keep it quick and free of effects."""
        return True

    def prepare(self, event: MaintenanceEvent, context: "Context") -> Awaitable[None] | None:
        """The event is announced: make ready."""

    def started(self, event: MaintenanceEvent, context: "Context") -> Awaitable[None] | None:
        """The event has begun."""

    def recover(self, event: MaintenanceEvent, context: "Context") -> Awaitable[None] | None:
        """The event has ended, whichever way (`event.outcome`): undo what prepare did."""

    def has(self, stage: Stage) -> bool:
        """Whether it does anything at that stage."""
        return stage.value in vars(self) or getattr(type(self), stage.value) is not getattr(Handler, stage.value)

    def takes(self, event: MaintenanceEvent) -> bool:
        """Whether it wants this event.

        A `when` that raises, or does not answer within `bounded.PATIENCE`, is logged and counts as yes: no event is
        lost to it.
        """
        if event.impact not in self.impacts or event.cause not in self.causes:
            return False
        if event.tentative and not self.tentative:
            return False
        if type(self).when is Handler.when and "when" not in vars(self):
            return True
        try:
            return bool(answer_of(self.when, event))
        except Exception:  # noqa: BLE001 - a user's predicate must not cost an event
            text = "%s.when failed for event %s, which it is given for that reason"
            _log.exception(text, self.label, event.id, extra={"event": event.id})
            return True

    def origin(self) -> Any:
        """What its author wrote: the class, or the function that it was made of."""
        return type(self)

    @property
    def label(self) -> str:
        """What the journal calls it."""
        return self.name or type(self).__name__
