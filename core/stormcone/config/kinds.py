"""The kinds of values that a configuration has, as people write them: in a file, in a variable, or as a flag.

What is wrong with a value is a `ValueError` of one sentence.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from stormcone.errors import SettingsError
from stormcone.handlers.event_rules import ANNOUNCED as ANNOUNCED
from stormcone.health.addresses import address_of
from stormcone.model import Cause, Impact
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress, is_address
from stormcone.text import span_of, written


def _shown(value: Any) -> str:
    """What was written; of a table nothing: it may hold a secret."""
    return "a table" if isinstance(value, Mapping) else repr(value)


def _span(value: Any) -> Any:
    if value is None or isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f'it is a length of time with its unit, such as "90s", "15m" or "7d", not {_shown(value)}')
    return span_of(value)


def _span_or_announced(value: Any) -> Any:
    if value is None or value == ANNOUNCED:
        return value
    try:
        return _span(value)
    except ValueError as error:
        raise ValueError(f"{error}, or {ANNOUNCED}: as soon as the event is announced") from None


def _positive(value: Any) -> Any:
    value = _span(value)
    if value is not None and not value:
        raise ValueError("it must be longer than 0; write 1s, for example")
    return value


def texts_of(value: Any) -> Any:
    """One text, a list of them, or, as variables have them, several with blanks between.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, str):
        return tuple(value.split())
    if not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"it is a text or a list of texts, not {_shown(value)}")
    return tuple(value)


def _journal(value: Any) -> Any:
    if value is None or isinstance(value, Path | DatabaseAddress):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError(f"it is a file, or the URL of a database: postgresql://..., not {_shown(value)}")
    if not is_address(value):
        return Path(value)
    try:
        return DatabaseAddress.parse(value, own=JOURNAL_OPTIONS)
    except SettingsError as error:
        raise ValueError(str(error)) from None


def _addresses(value: Any) -> Any:
    texts = texts_of(value)
    for text in texts:
        try:
            address_of(text)
        except SettingsError as error:
            raise ValueError(str(error)) from None
    return texts


def words_of(value: Any) -> Any:
    """A command as it was written: a list of words, such a list as JSON, or a line.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"it is not a list of words: {error}") from None
    if isinstance(value, str) or value is None:
        return value
    if not isinstance(value, Sequence) or not value or not all(isinstance(word, str) for word in value):
        raise ValueError(f'{value!r} is not a command; write a line, or a list of words such as ["systemctl", "stop"]')
    return tuple(value)


def _choice_of_handlers(value: Any) -> Any:
    if isinstance(value, str) and value not in _ALL_OR_NONE:
        raise ValueError(f"it is all, none or a list of names, not {value!r}")
    return value if isinstance(value, str) else texts_of(value)


def _handler_file(value: Any) -> Any:
    if isinstance(value, Mapping):
        name = next(iter(value), "drain")
        raise ValueError(
            f"it is a Python file with handlers, not a table; a handler made of commands is a table [commands.{name}]"
        )
    if not isinstance(value, str):
        raise ValueError(f'it is a Python file with handlers, such as "/etc/stormcone/handlers.py", not {value!r}')
    return value


_ALL_OR_NONE = ("all", "none")


def _flag(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    plain = value.strip().casefold() if isinstance(value, str) else ""
    if plain not in _YES_NO:
        raise ValueError(f"it is true or false, not {value!r}")
    return _YES_NO[plain]


_YES_NO = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

_WRITTEN = PlainSerializer(lambda value: written(value) if isinstance(value, timedelta) else value)
_TIME = WithJsonSchema({"type": "string", "format": "stormcone-span"})

JournalPlace = Annotated[
    Path | DatabaseAddress, PlainValidator(_journal), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
"""Where a journal is: a file, or a database."""

Span = Annotated[timedelta, BeforeValidator(_span), _WRITTEN, _TIME]
"""A length of time, written with its unit."""

PositiveSpan = Annotated[timedelta, BeforeValidator(_positive), _WRITTEN, _TIME]
"""A length of time that is longer than nothing."""

Lead = Annotated[timedelta | Literal["announced"], BeforeValidator(_span_or_announced), _WRITTEN, _TIME]
"""How long ahead, or `announced`."""

Texts = Annotated[tuple[str, ...], BeforeValidator(texts_of)]
"""One text or several."""

Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
"""Where to listen: one address or several."""

Flag = Annotated[bool, BeforeValidator(_flag)]
"""Yes or no."""

Words = Annotated[str | tuple[str, ...], BeforeValidator(words_of)]
"""A command: a line, or its words."""

HandlerFile = Annotated[str, BeforeValidator(_handler_file)]
"""A Python file with handlers, with or without the name of its app."""

Handlers = Annotated[tuple[str, ...] | Literal["all", "none"], BeforeValidator(_choice_of_handlers)]
"""All handlers, none, or some by name."""

Impacts = Annotated[frozenset[Impact], BeforeValidator(texts_of)]
"""A list of impacts."""

Causes = Annotated[frozenset[Cause], BeforeValidator(texts_of)]
"""A list of causes."""
