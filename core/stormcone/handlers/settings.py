"""The settings of a handler: what each may be, and where in its file it stands."""

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from stormcone.errors import HandlerMistake
from stormcone.model import Cause, Impact

LONGEST_SPAN = timedelta(days=365)
"""How long a lead or a timeout may be; None says that there is none."""


def check_setting(who: str, name: str, value: Any, place: Callable[[], str] = str) -> None:
    """Refuse a setting that would fail in the middle of an event, or never take one.

    Args:
        who: the handler's label.
        name: one of `SETTINGS`.
        value: what it is to be.
        place: answers file and line, for the sentence; to find them takes long, so it is asked only where they count.

    Raises:
        HandlerMistake: it cannot be used.
    """
    if why := SETTINGS[name](value):
        raise HandlerMistake(f"{name} of {who!r} {why}", place())


def _name(value: Any) -> str:
    return "" if isinstance(value, str) else f"is a text, not {value!r}"


def wrong_span(value: Any) -> str:
    """Why the value is no length of time from 0 to 365 days, nor None; "" where it is."""
    if value is None:
        return ""
    if not isinstance(value, timedelta):
        return f"is a timedelta or None, not {value!r}"
    usable = timedelta(0) <= value <= LONGEST_SPAN
    return "" if usable else f"is from 0 to 365 days, not {value}; None says that there is none"


def _retries(value: Any) -> str:
    usable = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
    return "" if usable else f"is a number from 0 up or None, not {value!r}"


def _yes_or_no(value: Any) -> str:
    return "" if isinstance(value, bool) else f"is True or False, not {value!r}"


def _choice(known: Collection[str]) -> Callable[[Any], str]:
    words = ", ".join(sorted(known))

    def check(value: Any) -> str:
        if isinstance(value, Iterator):
            return f"is an iterator, which can be read only once; write a set of {words}"
        if isinstance(value, str) or not isinstance(value, Collection) or not all(each in known for each in value):
            return f"is a set of {words}, not {value!r}"
        return "" if value else f"is empty, so it would take no event; write a set of {words}"

    return check


SETTINGS = MappingProxyType(
    {
        "name": _name,
        "impacts": _choice(frozenset(Impact)),
        "causes": _choice(frozenset(Cause)),
        "tentative": _yes_or_no,
        "lead": wrong_span,
        "timeout": wrong_span,
        "retries": _retries,
    }
)
"""Every setting, with the check that answers what is wrong with a value, or ""."""


def place_of(found: Any, name: str = "") -> str:
    """`FILE, line N` of a function or a class, or of what a class calls `name`; "" where that is not known."""
    try:
        file = inspect.getsourcefile(found) or ""
        lines, first = inspect.getsourcelines(found)
    except (OSError, TypeError):
        return ""
    if name:
        named = re.compile(rf"\s*(?:(?:async\s+)?def\s+|self\.)?{re.escape(name)}\b")
        first += next((number for number, line in enumerate(lines) if named.match(line)), 0)
    return f"{file}, line {max(first, 1)}"
