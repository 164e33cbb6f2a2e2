"""What CloudMonitor and EventBridge push about ECS's events: a hint to poll, never a fact.

Anybody may be able to send one, samples in the vendor's pages contradict themselves, and some come late; so of its
content only what it is about is read, and the API is asked for the facts.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

_OWN = frozenset({"ecs", "acs.ecs"})
_NO_MAINTENANCE = "StateChange"


class Hint(NamedTuple):
    """What a notification is about; "" for what it does not say.

    Attributes:
        name: the event's name, such as `Instance:SystemMaintenance.Reboot:Scheduled`.
        region: where.
    """

    name: str
    region: str


def read_hint(notification: bytes | str | Mapping[str, object]) -> Hint | None:
    """What a notification is about; None for one that is not of ECS's events, or not to be read."""
    if isinstance(notification, bytes | str):
        try:
            document = json.loads(notification)
        except (ValueError, RecursionError):
            return None
    else:
        document = notification
    if not isinstance(document, Mapping):
        return None
    about = _text(document.get("product")) or _text(document.get("source"))
    name = _text(document.get("name")) or _text(document.get("type")).removeprefix("ecs:")
    if about.casefold() not in _OWN or not name or _NO_MAINTENANCE in name:
        return None
    return Hint(name, _text(document.get("regionId")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
