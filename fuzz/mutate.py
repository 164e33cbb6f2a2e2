"""Spoils JSON values and bytes in the ways that break readers; every choice comes from the `Random` that is given."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

DEEP = 60
"""Levels of nesting of an odd value: more than a reader keeps, and far fewer than Python can take."""


def _nested() -> Any:
    value: Any = "bottom"
    for _ in range(DEEP):
        value = [value]
    return value


ODD_VALUES: Sequence[Any] = (
    None,
    True,
    False,
    0,
    -1,
    -2,
    0.5,
    2**31,
    -(2**63),
    10**19,
    10**30,
    10**400,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    " ",
    "0",
    "null",
    "\0",
    "\r\n",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "é\u202e\u0130\u017f",
    "x" * 3000,
    "Scheduled",
    "STARTED",
    "Executing",
    "Canceled",
    "Freeze",
    "User",
    "SystemMaintenance.Reboot",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z",
    "2026-01-01T00:00:00+99:99",
    "2026-01-01",
    "Mon, 11 Apr 2022 22:26:58 GMT",
    "Mon, 32 Foo 99999 99:99:99 GMT",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "infinity",
    [],
    {},
    [None],
    [1, "a", {"b": None}],
    {"Name": None},
    {"Name": "Novelty", "Code": -1},
    {"": ""},
    _nested(),
)
"""What stands where something else is expected."""

ODD_BYTES: Sequence[bytes] = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\u0000",
    b"\0",
    b"\n",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"1e999",
    b"-",
    b"0" * 30,
    b"9" * 5000,
    b"null",
    b"NaN",
    b"-Infinity",
    b"}, {",
    b"], [",
    b'"EventId": "E", ',
    b"[" * 200,
    b"%00",
    b"&",
    b"=",
    b"\r\n\r\n",
)
"""What is put between two bytes."""

RARE_BYTES = b"[" * 100_000
"""Nested deeper than Python can take."""

_RARELY = 0.002

Place = tuple[Any, Any]


def places(value: Any) -> Iterator[Place]:
    """Every place in a value: its container, and the key or index there."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def _replace(rng: Random, container: Any, key: Any, _all: Sequence[Place]) -> None:
    container[key] = copy.deepcopy(rng.choice(ODD_VALUES))


def _remove(_rng: Random, container: Any, key: Any, _all: Sequence[Place]) -> None:
    del container[key]


def _rename(rng: Random, container: Any, key: Any, _all: Sequence[Place]) -> None:
    if isinstance(container, dict):
        container[rng.choice((key.upper(), key.lower(), f"{key} ", f"_{key}", key[:-1], ""))] = container.pop(key)


def _add(rng: Random, container: Any, key: Any, _all: Sequence[Place]) -> None:
    odd = copy.deepcopy(rng.choice(ODD_VALUES))
    if isinstance(container, dict):
        container[rng.choice(("Novelty", f"{key}2", "\ud800", "", "x" * 300))] = odd
    else:
        container.insert(key, odd)


def _wrap(rng: Random, container: Any, key: Any, _all: Sequence[Place]) -> None:
    value = container[key]
    container[key] = rng.choice(([value], {"Name": value}, [value, value], {str(key): value}))


def _swap(rng: Random, container: Any, key: Any, every: Sequence[Place]) -> None:
    other, there = rng.choice(every)
    container[key] = copy.deepcopy(other[there])


def _edit(rng: Random, container: Any, key: Any, _all: Sequence[Place]) -> None:
    value = container[key]
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        container[key] = rng.choice((value[:at], value[at:], value[:at] + rng.choice("\0\n é9-\ud800") + value[at:]))
    elif isinstance(value, int | float):
        container[key] = rng.choice((-1, 1000)) * value if rng.random() < 0.5 else str(value)


VALUE_EDITS: Sequence[Callable[[Random, Any, Any, Sequence[Place]], None]] = (
    _replace,
    _replace,
    _remove,
    _rename,
    _add,
    _wrap,
    _swap,
    _edit,
)


def spoil_value(rng: Random, value: Any) -> None:
    """Spoil one to four places of a JSON value, which is changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        every = list(places(value))
        if not every:
            return
        container, key = rng.choice(every)
        rng.choice(VALUE_EDITS)(rng, container, key, every)


def spoil_bytes(rng: Random, data: bytes) -> bytes:
    """Spoil one to four places of some bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 2, 8, 64)))
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:at] + data[end:]
        elif kind == 1:
            data = data[:end] + data[at:end] + data[end:]
        elif kind == 2:
            data = data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]
        elif kind == 3 and rng.random() < 0.2:
            data = data[:at]
        else:
            odd = RARE_BYTES if rng.random() < _RARELY else rng.choice(ODD_BYTES)
            data = data[:at] + odd + data[at:]
    return data


def written(rng: Random, value: Any) -> bytes:
    """A value as JSON, in one of the ways of writing it."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, None, None, 1)))
    return text.encode("utf-8", "surrogatepass")
