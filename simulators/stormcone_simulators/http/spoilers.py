"""Answers that are HTTP and still not what the cloud would say: documents spoilt in the ways that the field has seen.

Each spoiler works on the body alone, whatever the cloud: in a JSON document it touches the entries, which are the
objects that stand in lists, and leaves each entry's first field (its id, on the clouds so far) unless it says so.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stormcone_simulators.http.bounds import read_json

Spoiler = Callable[[bytes], bytes]

_DEEP = 100_000
_HUGE = 10 * 1024 * 1024
_ENUMERATIONS = ("Type", "Status", "Source", "Level")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}T|\d{2} \w{3} \d{4} ")


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        for child in value.values():
            yield from _entries(child)
    elif isinstance(value, list):
        for child in value:
            if isinstance(child, dict):
                yield child
            else:
                yield from _entries(child)


def _edited(edit: Callable[[dict[str, Any]], None]) -> Spoiler:
    def spoil(body: bytes) -> bytes:
        try:
            document = read_json(body)
        except ValueError:
            return body
        for entry in _entries(document):
            edit(entry)
        return json.dumps(document).encode()

    return spoil


def _others(entry: dict[str, Any]) -> list[str]:
    return list(entry)[1:]


def _missing(entry: dict[str, Any]) -> None:
    for name in _others(entry):
        del entry[name]


def _null(entry: dict[str, Any]) -> None:
    entry.update(dict.fromkeys(_others(entry)))


def _wrong_types(entry: dict[str, Any]) -> None:
    entry.update({name: {"unexpected": [1, None]} for name in _others(entry)})


def _unknown_values(entry: dict[str, Any]) -> None:
    for name in _others(entry):
        if name.endswith(_ENUMERATIONS):
            entry[name] = {**entry[name], "Name": "Novelty"} if isinstance(entry[name], dict) else "Novelty"


def _odd_dates(entry: dict[str, Any]) -> None:
    for name in _others(entry):
        if isinstance(entry[name], str) and _DATE.search(entry[name]):
            entry[name] = "the day after tomorrow"


def _new_fields(entry: dict[str, Any]) -> None:
    entry["Novelty"] = {"since": "today", "list": [1, 2.5, None]}


def _lost_ids(entry: dict[str, Any]) -> None:
    del entry[next(iter(entry))]


def _twice(body: bytes) -> bytes:
    def doubled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: doubled(child) for name, child in value.items()}
        return [*value, *value] if isinstance(value, list) else value

    try:
        return json.dumps(doubled(read_json(body))).encode()
    except ValueError:
        return body


def _no_entries(body: bytes) -> bytes:
    """The document without its lists: it lacks what says what is scheduled."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(child) for name, child in value.items() if not isinstance(child, list)}
        return value

    try:
        return json.dumps(without(read_json(body))).encode()
    except ValueError:
        return body


SPOILERS: Mapping[str, Spoiler] = {
    "missing_fields": _edited(_missing),
    "null_fields": _edited(_null),
    "wrong_types": _edited(_wrong_types),
    "unknown_values": _edited(_unknown_values),
    "odd_dates": _edited(_odd_dates),
    "new_fields": _edited(_new_fields),
    "lost_ids": _edited(_lost_ids),
    "duplicate_ids": _twice,
    "no_entries": _no_entries,
    "no_object": lambda _body: b'["Events"]',
    "no_json": lambda _body: b"<html><body>Busy</body></html>",
    "deep_json": lambda _body: b"[" * _DEEP + b"]" * _DEEP,
    "huge_body": lambda body: body + b" " * _HUGE,
    "invalid_utf8": lambda body: b"\xff\xfe" + body,
}
"""How a body is spoilt, by the name of the fault."""
