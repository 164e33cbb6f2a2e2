"""The app: the handlers of one agent in their order, and how events are approved."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict, TypeVar, Unpack, overload

from stormcone.handlers.handler import Handler, Stage, check_settings
from stormcone.model import Cause, Impact, MaintenanceEvent

if TYPE_CHECKING:
    from stormcone.handlers.context import Context

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
        check_settings(handler)
        if handler.label in self._handlers:
            raise ValueError(f"two handlers are called {handler.label!r}; set `name` on one of them")
        self._handlers[handler.label] = handler

    def taking(self, event: MaintenanceEvent) -> tuple[Handler, ...]:
        """The handlers that want the event, in their order."""
        return tuple(handler for handler in self.handlers if handler.takes(event))
