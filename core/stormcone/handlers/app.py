"""The app: the handlers of one agent in their order, and how events are approved."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, TypeVar, Unpack, overload

from stormcone.errors import HandlerMistake
from stormcone.handlers.checks import check_handler, check_policy, did_you_mean
from stormcone.handlers.event_rules import ANNOUNCED, EventRule
from stormcone.handlers.handler import Handler, Stage
from stormcone.handlers.settings import SETTINGS, wrong_span
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
    tentative: bool
    when: Callable[[MaintenanceEvent], bool]
    lead: timedelta | None
    timeout: timedelta | None
    retries: int | None


class FunctionHandler(Handler):
    """A handler of one stage, made of a function by `App.prepare` and its like."""

    def __init__(self, stage: Stage, function: StageFunction, selection: Selection) -> None:
        if isinstance(function, type):
            raise HandlerMistake(f"{function.__name__} is a class and no stage; write App([{function.__name__}()])")
        known = (*SETTINGS, "when")
        for name in selection:
            if name not in known:
                hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
                raise HandlerMistake(f"@app.{stage} takes no {name}; {hint}")
        self._stage = stage
        self._function = function
        vars(self).update({"name": getattr(function, "__name__", stage.value), stage.value: function, **selection})

    def has(self, stage: Stage) -> bool:
        """Whether this is its stage."""
        return stage is self._stage

    def origin(self) -> Any:
        """The function."""
        return self._function


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


@dataclass(frozen=True, kw_only=True)
class ApprovalSettings:
    """How an app's events are approved; see `App` for what each means.

    Raises:
        HandlerMistake: one of them cannot be used.
    """

    approve: ApprovalPolicy = "prepared"
    leader: str | None = None
    standby: str | None = None
    standby_after: timedelta = timedelta(minutes=5)
    approve_early: timedelta | None = None
    approve_short_freeze: bool = False
    approve_consent: bool = False
    postpone: Literal["never", "once"] = "never"
    postpone_by: timedelta | None = None

    def __post_init__(self) -> None:
        if callable(self.approve):
            check_policy(self.approve)
        elif self.approve not in ("prepared", "never"):
            raise HandlerMistake(f"approve is 'prepared', 'never' or a function, not {self.approve!r}")
        if self.postpone not in ("never", "once"):
            raise HandlerMistake(f"postpone is 'never' or 'once', not {self.postpone!r}")
        self._check_names()
        self._check_spans()
        for name in ("approve_short_freeze", "approve_consent"):
            if not isinstance(getattr(self, name), bool):
                raise HandlerMistake(f"{name} is True or False, not {getattr(self, name)!r}")

    def _check_names(self) -> None:
        for name in ("leader", "standby"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise HandlerMistake(f"{name} is a machine's name or None, not {value!r}")
        if self.standby is not None and self.leader is None:
            raise HandlerMistake("standby needs a leader to stand in for; set leader as well")

    def _check_spans(self) -> None:
        if self.standby_after is None:
            raise HandlerMistake("standby_after is a timedelta")
        for name in ("standby_after", "approve_early", "postpone_by"):
            if why := wrong_span(getattr(self, name)):
                raise HandlerMistake(f"{name} {why}")
        if self.postpone_by is not None and self.postpone == "never":
            raise HandlerMistake("postpone_by says how far, and nothing is postponed; set postpone='once' as well")


class App:
    """The handlers of one agent, in their order, and how events are approved. Its settings do not change.

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
        approve_early: how long before its time an event is approved at the most. None: as soon as it is prepared for
            where approving only ends the wait (`Approval.STARTS`), and never where it would begin now, however far
            ahead (`Approval.TRIGGERS`).
        approve_short_freeze: approve a freeze of 0 to 8 seconds at once, prepared or not, unless vetoed.
        approve_consent: give consent, by the same rules, to events that would not happen without it.
        postpone: `once` has each event put off once, where its cloud lets it be (`movable_until`), before anything is
            done for it; of one that names several machines only their leader does. `never` leaves it where it is.
        postpone_by: how far from its time at the most; None: as far as the cloud lets it be.
        rules: what is done about events by their impact and cause, before what handlers say of themselves; the first
            that fits an event counts.

    Attributes:
        approval: the settings of approval and postponing.
        rules: those above.

    Raises:
        HandlerMistake: what stands among the handlers is none or would not work, two have one name, or a setting is
            not one of those above. (It is a `TypeError` and a `ValueError` too.)
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
        approve_early: timedelta | None = None,
        approve_short_freeze: bool = False,
        approve_consent: bool = False,
        postpone: Literal["never", "once"] = "never",
        postpone_by: timedelta | None = None,
        rules: Iterable[EventRule] = (),
    ) -> None:
        settings = ApprovalSettings(
            approve=approve,
            leader=leader,
            standby=standby,
            standby_after=standby_after,
            approve_early=approve_early,
            approve_short_freeze=approve_short_freeze,
            approve_consent=approve_consent,
            postpone=postpone,
            postpone_by=postpone_by,
        )
        self.approval: ApprovalSettings
        self.rules: tuple[EventRule, ...]
        self.prepare: StageDecorator
        self.started: StageDecorator
        self.recover: StageDecorator
        self._handlers: dict[str, Handler]
        vars(self).update(
            {stage.value: StageDecorator(self, stage) for stage in Stage},
            approval=settings,
            rules=_checked(rules),
            _handlers={},
        )
        if isinstance(handlers, Handler):
            raise HandlerMistake(f"handlers is a list, not one handler; write App([{handlers.label}()])")
        for handler in handlers:
            self.add(handler)

    def __setattr__(self, name: str, value: object) -> None:
        known = [*(each.name for each in fields(ApprovalSettings)), "rules"]
        hint = f"say App(..., {name}=...)" if name in known else did_you_mean(name, known)
        raise HandlerMistake(f"{name} cannot be set on an app that is made" + (f"; {hint}" if hint else ""))

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
            HandlerMistake: it is not a handler, but a class of one, say; it would not work; or its name is taken.
        """
        if not isinstance(handler, Handler):
            kind = type(handler).__name__
            hint = f"; write {handler.__name__}()" if isinstance(handler, type) else ""
            if not hint and type(handler).__module__ != "builtins":
                hint = f"; write class {kind}(Handler)"
            raise HandlerMistake(f"{handler!r} is not a Handler{hint}")
        check_handler(handler)
        if handler.label in self._handlers:
            raise HandlerMistake(f"two handlers are called {handler.label!r}; set `name` on one of them")
        self._handlers[handler.label] = handler

    def but(self, **changes: Any) -> "App":
        """An app with the same handlers and other settings.

        Raises:
            HandlerMistake: a setting cannot be used.
        """
        settings = {each.name: getattr(self.approval, each.name) for each in fields(ApprovalSettings)}
        return App(self.handlers, **{**settings, "rules": self.rules, **changes})

    def rule_for(self, event: MaintenanceEvent) -> EventRule | None:
        """The rule that counts for the event; None where none fits."""
        return next((rule for rule in self.rules if rule.fits(event)), None)

    def taking(self, event: MaintenanceEvent) -> tuple[Handler, ...]:
        """The handlers that work on the event, in their order: those that want it and that its rule allows."""
        rule = self.rule_for(event)
        allowed = (handler for handler in self.handlers if rule is None or rule.allows(handler.label))
        return tuple(handler for handler in allowed if handler.takes(event))

    def lead_of(self, handler: Handler, event: MaintenanceEvent) -> timedelta | None:
        """How long before the event's time the handler begins; None: as soon as it is announced."""
        rule = self.rule_for(event)
        if rule is None or rule.lead is None:
            return handler.lead
        return None if rule.lead == ANNOUNCED else rule.lead


def _checked(rules: Iterable[EventRule]) -> tuple[EventRule, ...]:
    checked = tuple(rules)
    for rule in checked:
        if not isinstance(rule, EventRule):
            raise HandlerMistake(f"{rule!r} is not a rule; write EventRule(...)")
    return checked
