"""What a user writes: handlers, and the app that holds them."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict, TypeVar, Unpack, overload

from stormcone.model import Cause, Impact, MaintenanceEvent

if TYPE_CHECKING:
    from stormcone.context import Context

_log = logging.getLogger(__name__)


class Stage(StrEnum):
    """The three points in an event's life at which a handler works, in their order."""

    PREPARE = "prepare"
    STARTED = "started"
    RECOVER = "recover"


ANY_IMPACT: frozenset[Impact] = frozenset(Impact) - {Impact.NONE}
"""What a handler takes unless it says otherwise."""

ANY_CAUSE: frozenset[Cause] = frozenset(Cause)


class Handler:
    """Base class of handlers: override the stages that you need, as `def` or `async def`.

    A stage that returns has succeeded; to say anything else it raises `Retry`, `GiveUp`, `Veto`, or any other
    exception, which is tried again with backoff while the deadline allows. A stage may run more than once for
    one event (`context.attempt`), so write it so that a repetition does no harm.

    Attributes:
        name: what the journal calls it, unique in the app, the same from start to start; by default the class's name.
        impacts: which impacts it takes.
        causes: which causes it takes.
        lead: how long before `not_before` prepare begins; None: as soon as the event is announced.
        timeout: how long one attempt at a stage may take; None: no limit but the deadline.
        retries: how often a failed stage is tried again; None: while the deadline allows.
    """

    name: str = ""
    impacts: Collection[Impact] = ANY_IMPACT
    causes: Collection[Cause] = ANY_CAUSE
    lead: timedelta | None = None
    timeout: timedelta | None = None
    retries: int | None = None

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
        return getattr(type(self), stage.value) is not getattr(Handler, stage.value)

    def takes(self, event: MaintenanceEvent) -> bool:
        """Whether it wants this event. A `when` that raises is logged and counts as yes: no event is lost to it."""
        if event.impact not in self.impacts or event.cause not in self.causes:
            return False
        try:
            return bool(self.when(event))
        except Exception:  # noqa: BLE001 - a user's predicate must not cost an event
            _log.exception("%s.when failed for event %s, which it is given for that reason", self.label, event.id)
            return True

    @property
    def label(self) -> str:
        """What the journal calls it."""
        return self.name or type(self).__name__


LONGEST_SPAN = timedelta(days=365)
"""How long a lead or a timeout may be; None says that there is none."""


def _check_settings(handler: Handler) -> None:
    """Refuse settings that would fail in the middle of an event.

    Raises:
        TypeError: a setting has the wrong type; seconds where a timedelta belongs, say.
        ValueError: a setting is out of its range.
    """
    who = handler.label
    for name in ("lead", "timeout"):
        length = getattr(handler, name)
        if length is None:
            continue
        if not isinstance(length, timedelta):
            raise TypeError(f"{name} of {who!r} is a timedelta or None, not {length!r}")
        if not timedelta(0) <= length <= LONGEST_SPAN:
            raise ValueError(f"{name} of {who!r} is from 0 to 365 days, not {length}; None says that there is none")
    if handler.retries is not None and (not isinstance(handler.retries, int) or handler.retries < 0):
        raise ValueError(f"retries of {who!r} is a number from 0 up or None, not {handler.retries!r}")
    for name, known in (("impacts", ANY_IMPACT | {Impact.NONE}), ("causes", ANY_CAUSE)):
        chosen = getattr(handler, name)
        if isinstance(chosen, str) or not all(value in known for value in chosen):
            raise ValueError(f"{name} of {who!r} is a set of {', '.join(sorted(known))}, not {chosen!r}")


StageFunction = Callable[[MaintenanceEvent, "Context"], Awaitable[None] | None]
Function = TypeVar("Function", bound=StageFunction)


class Selection(TypedDict, total=False):
    """What the decorators take: the attributes of `Handler` by the same names."""

    name: str
    impacts: Collection[Impact]
    causes: Collection[Cause]
    when: Callable[[MaintenanceEvent], bool]
    lead: timedelta | None
    timeout: timedelta | None
    retries: int | None


class FunctionHandler(Handler):
    """A handler of one stage, made of a function by `App.prepare` and its like."""

    def __init__(self, stage: Stage, function: StageFunction, selection: Selection) -> None:
        self._stage = stage
        self.name = getattr(function, "__name__", stage.value)
        vars(self).update({stage.value: function, **selection})

    def has(self, stage: Stage) -> bool:
        """Whether this is its stage."""
        return stage is self._stage


class StageDecorator:
    """`@app.prepare` or `@app.prepare(impacts=..., lead=...)`: adds the function as a small handler of its own."""

    def __init__(self, app: "App", stage: Stage) -> None:
        self._app = app
        self._stage = stage

    @overload
    def __call__(self, function: Function, /) -> Function: ...

    @overload
    def __call__(self, /, **selection: Unpack[Selection]) -> Callable[[Function], Function]: ...

    def __call__(
        self, function: Function | None = None, /, **selection: Unpack[Selection]
    ) -> Function | Callable[[Function], Function]:
        """Register the function; it stays what it was."""

        def register(function: Function) -> Function:
            self._app.add(FunctionHandler(self._stage, function, selection))
            return function

        return register if function is None else register(function)


ApprovalPolicy = Literal["prepared", "never"] | Callable[[MaintenanceEvent, bool], bool]
"""`prepared`, `never`, or a function of the event and whether every prepare succeeded."""


class App:
    """The handlers of one agent, in their order, and how events are approved.

    Args:
        handlers: run in this order for prepare and started, in the reverse order for recover.
        approve: `prepared` approves an event once at least one handler's prepare ran and all of them succeeded;
            `never` leaves approving to people; a function `(event, prepared) -> bool` decides in place of
            `prepared`. None of them overrules a veto, nor speaks for a machine that is not ours.
        leader: which machine approves an event that names several: `first` (the first in `resources`) or a
            machine's name. None: such an event is not approved.
        standby: the machine that approves in the leader's place where the event still waits `standby_after`
            its announcement. (Azure's advice for a primary and a secondary.)
        standby_after: how long the standby leaves the leader to it.
        approve_short_freeze: approve a freeze of 0 to 8 seconds at once, prepared or not, unless vetoed.
        approve_consent: give consent, by the same rules, to events that would not happen without it.

    Raises:
        TypeError: what stands among the handlers is none, or a setting of one has the wrong type.
        ValueError: two handlers have one name, or a setting is not one of those above.
    """

    SHORT_FREEZE: ClassVar[timedelta] = timedelta(seconds=8)

    def __init__(
        self,
        handlers: Iterable[Handler] = (),
        *,
        approve: ApprovalPolicy = "prepared",
        leader: str | None = None,
        standby: str | None = None,
        standby_after: timedelta = timedelta(minutes=5),
        approve_short_freeze: bool = False,
        approve_consent: bool = False,
    ) -> None:
        if not (callable(approve) or approve in {"prepared", "never"}):
            raise ValueError(f"approve is 'prepared', 'never' or a function, not {approve!r}")
        self.approve = approve
        self.leader = leader
        self.standby = standby
        self.standby_after = standby_after
        self.approve_short_freeze = approve_short_freeze
        self.approve_consent = approve_consent
        self.prepare = StageDecorator(self, Stage.PREPARE)
        self.started = StageDecorator(self, Stage.STARTED)
        self.recover = StageDecorator(self, Stage.RECOVER)
        self._handlers: dict[str, Handler] = {}
        for handler in handlers:
            self.add(handler)

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """All handlers, in their order."""
        return tuple(self._handlers.values())

    def handler(self, label: str) -> Handler | None:
        """The handler of that name, or None."""
        return self._handlers.get(label)

    def add(self, handler: Handler) -> None:
        """Add a handler behind the others.

        Raises:
            TypeError: it is not a handler, but a class of one, say; or a setting of it has the wrong type.
            ValueError: its name is taken, or a setting of it is out of its range.
        """
        if not isinstance(handler, Handler):
            hint = f"; write {handler.__name__}()" if isinstance(handler, type) else ""
            raise TypeError(f"{handler!r} is not a Handler{hint}")
        _check_settings(handler)
        if handler.label in self._handlers:
            raise ValueError(f"two handlers are called {handler.label!r}; set `name` on one of them")
        self._handlers[handler.label] = handler

    def taking(self, event: MaintenanceEvent) -> tuple[Handler, ...]:
        """The handlers that want the event, in their order."""
        return tuple(handler for handler in self.handlers if handler.takes(event))
