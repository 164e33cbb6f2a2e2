"""The mistakes that people make with handlers, found when an app is made and not in the middle of an event."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any

from stormcone.errors import HandlerMistake
from stormcone.handlers.handler import Handler, Stage
from stormcone.handlers.settings import SETTINGS, check_setting, place_of

_CALLED = {**{stage.value: "event, context" for stage in Stage}, "when": "event"}
"""What a handler's methods are called with."""

_CLOSE = 0.75
_OURS = "stormcone."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that names the nearest of the known names; "" where none is near."""
    near = get_close_matches(name, list(known), 1, _CLOSE)
    return f"did you mean {near[0]}?" if near else ""


def check_handler(handler: Handler) -> None:
    """Refuse a handler that would not do what it was written for.

    Raises:
        HandlerMistake: a name is misspelt, a setting cannot be used, or a stage cannot be called.
    """
    who, origin = handler.label, handler.origin()
    for name, place, known in _strange_names(handler):
        if hint := did_you_mean(name, known):
            raise HandlerMistake(f"{who} has {name}, which means nothing; {hint} (or call it _{name})", place())
    for name in SETTINGS:
        check_setting(who, name, getattr(handler, name), partial(place_of, origin, name))
    stages = [stage.value for stage in Stage if handler.has(stage)]
    if not stages:
        raise HandlerMistake(f"{who} does nothing; write prepare, started or recover in it", place_of(origin))
    for name in (*stages, "when"):
        check_call(f"{who}.{name}", getattr(handler, name), _CALLED[name], method=name not in vars(handler))
    _check_at_once(f"{who}.when", handler.when)


def check_policy(policy: Callable[..., Any]) -> None:
    """Refuse an approval policy that cannot be asked, or whose answer would always count as yes.

    Raises:
        HandlerMistake: it is such a one.
    """
    check_call("approve", policy, "event, prepared")
    _check_at_once("approve", policy)


def check_call(what: str, function: Any, given: str, *, method: bool = False) -> None:
    """Refuse what cannot be called with these arguments, or would do nothing when it is.

    Args:
        what: what it is, for the sentence.
        function: what is to be called.
        given: the names of the arguments.
        method: whether it is written with `self`.

    Raises:
        HandlerMistake: it cannot be.
    """
    if not callable(function):
        raise HandlerMistake(f"{what} must be a function, not {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise HandlerMistake(
            f"{what} is a generator, which cannot go on after a restart; write a class with prepare and recover",
            _place(function),
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some functions that are not written in Python nothing is known
        return
    try:
        signature.bind(*given.split(", "))
    except TypeError:
        form = f"def {what.rpartition('.')[2]}({'self, ' if method else ''}{given})"
        raise HandlerMistake(f"{what} cannot be called with {given}; write {form}", _place(function)) from None


def _check_at_once(what: str, function: Any) -> None:
    if inspect.iscoroutinefunction(function):
        raise HandlerMistake(f"{what} is async, and an answer is needed at once; write def", _place(function))


def _place(function: Any) -> str:
    return place_of(inspect.unwrap(getattr(function, "__func__", function)))


def _strange_names(handler: Handler) -> Iterator[tuple[str, Callable[[], str], Iterable[str]]]:
    """Names that mean nothing in a handler, with what tells their places, and what they may have been meant for."""
    for kind in type(handler).__mro__:
        if kind.__module__.startswith(_OURS) or kind is object:
            continue
        for name, value in vars(kind).items():
            if isinstance(value, property) or not _is_strange(name):
                continue
            if not callable(value) or _takes_an_event(value):
                yield name, partial(place_of, kind, name), _CALLED if callable(value) else SETTINGS
    for name, value in vars(handler).items():
        if _is_strange(name) and not callable(value):
            yield name, partial(place_of, handler.origin(), name), SETTINGS


def _is_strange(name: str) -> bool:
    return not name.startswith("_") and not hasattr(Handler, name)


def _takes_an_event(function: Callable[..., Any]) -> bool:
    """Whether a method looks like one of a handler's own, and not like a helper of the author's."""
    try:
        own = list(inspect.signature(function).parameters)[1:]
    except (TypeError, ValueError):
        return False
    return own[:1] == ["event"] or len(own) == 2
