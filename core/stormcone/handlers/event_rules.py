"""Rules per impact and cause, as data: which handlers work on an event, and how long ahead they begin.

They stand before what handlers say of themselves: the first rule that fits an event counts, and where none does, each
handler decides alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from stormcone.errors import HandlerMistake
from stormcone.handlers.settings import SETTINGS, wrong_span
from stormcone.model import Cause, Impact, MaintenanceEvent

ANNOUNCED: Literal["announced"] = "announced"
"""In the place of a rule's lead: as soon as the event is announced, on some clouds weeks ahead."""


@dataclass(frozen=True, kw_only=True)
class EventRule:
    """What is done about events of one kind.

    Attributes:
        impacts: of which impacts.
        causes: of which causes.
        shorter_than: only events that are known to take less; None: whether that is known or not.
        handlers: the labels of the handlers that may work on them, where they take the event too; None: all.
        lead: how long before an event's time they begin; `ANNOUNCED`; or None: as each of them says.

    Raises:
        HandlerMistake: one of them cannot be used.
    """

    impacts: Collection[Impact] = frozenset(Impact)
    causes: Collection[Cause] = frozenset(Cause)
    shorter_than: timedelta | None = None
    handlers: Collection[str] | None = None
    lead: timedelta | Literal["announced"] | None = None

    def __post_init__(self) -> None:
        checked = {
            "impacts": SETTINGS["impacts"](self.impacts),
            "causes": SETTINGS["causes"](self.causes),
            "shorter_than": wrong_span(self.shorter_than),
            "lead": _wrong_lead(self.lead),
            "handlers": "is a list of handlers' names, not a text" if isinstance(self.handlers, str) else "",
        }
        for name, why in checked.items():
            if why:
                raise HandlerMistake(f"{name} of a rule {why}")

    def fits(self, event: MaintenanceEvent) -> bool:
        """Whether the rule is about the event."""
        if event.impact not in self.impacts or event.cause not in self.causes:
            return False
        return self.shorter_than is None or (event.duration is not None and event.duration < self.shorter_than)

    def allows(self, label: str) -> bool:
        """Whether the handler of that label may work on such events."""
        return self.handlers is None or label in self.handlers


def _wrong_lead(value: object) -> str:
    if value == ANNOUNCED:
        return ""
    return wrong_span(value).replace("is a timedelta or None", f"is a timedelta, {ANNOUNCED!r} or None")
