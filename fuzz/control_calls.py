"""Spoilt requests to the control API, which all simulators have."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from call import Call, path_of
from mutate import spoil_bytes, spoil_value, written
from stormcone import Impact
from stormcone.model import Cause, Outcome
from stormcone_simulators.control import CONTROL_PREFIX
from stormcone_simulators.http.faults import KINDS
from stormcone_simulators.scenarios.format import scenario_names


def control_call(rng: Random, ids: Sequence[str], machines: Sequence[str]) -> Call:
    """A spoilt request about one of these events or machines."""
    event = rng.choice((*ids, *ids, *ids, "none", "%00", "é"))
    path, method, body = rng.choice(_CONTROL)(rng, event, machines)
    if body and rng.random() < 0.5:
        holder = [body]
        spoil_value(rng, holder)
        body = holder[0] if holder else None
    data = b"" if body is None else written(rng, body)
    if rng.random() < 0.2:
        data = spoil_bytes(rng, data)
    method = rng.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "BREW")) if rng.random() < 0.1 else method
    return Call(method, CONTROL_PREFIX + path_of(rng, path), {}, data)


Control = tuple[str, str, Any]


def _new_event(rng: Random, _event: str, machines: Sequence[str]) -> Control:
    body = {
        "impact": rng.choice(list(Impact)).value,
        "resources": rng.sample(machines, rng.randint(1, len(machines))),
        "notice_seconds": rng.choice((0, 60, 900, 1e8, None)),
        "duration_seconds": rng.choice((-1, 0, 5, None)),
        "started_for_seconds": rng.choice((0, 60, None)),
        "cause": rng.choice((None, *(cause.value for cause in Cause))),
    }
    return "events", "POST", body


def _changed_event(rng: Random, event: str, machines: Sequence[str]) -> Control:
    body = {"notice_seconds": rng.choice((0, 60, 1e8)), "resources": rng.sample(machines, 1), "description": "moved"}
    return f"events/{event}", "PATCH", body


def _fault(rng: Random, _event: str, machines: Sequence[str]) -> Control:
    body = rng.choice(
        (
            {"status": rng.choice((200, 204, 304, 400, 503, 599)), "times": 3, "retry_after": 1},
            {"kind": rng.choice(list(KINDS)), "path": "/metadata", "machine": machines[0]},
            {"body": "é\0", "content_type": "text/plain", "query": {"Action": "x"}, "method": "post"},
            {"delay_seconds": 5},
        )
    )
    return "faults", rng.choice(("POST", "PUT")), body


_CONTROL: Sequence[Callable[[Random, str, Sequence[str]], Control]] = (
    _new_event,
    _new_event,
    _changed_event,
    _fault,
    lambda _rng, event, _machines: (f"events/{event}", "DELETE", None),
    lambda _rng, event, _machines: (f"events/{event}/start", "POST", {}),
    lambda rng, event, _machines: (f"events/{event}/complete", "POST", {"outcome": rng.choice(list(Outcome)).value}),
    lambda rng, _event, _machines: ("clock", "POST", {"advance_seconds": rng.choice((0, 1, 900, 86400))}),
    lambda rng, _event, _machines: ("clock", "POST", {"speed": rng.choice((1, 60, 0, -1))}),
    lambda rng, _event, _machines: (f"scenarios/{rng.choice((*scenario_names(), 'none'))}", "POST", None),
    lambda rng, _event, _machines: ("machines", "POST", {"ids": [f"i-{rng.getrandbits(20)}"], "tags": {"a": "b"}}),
    lambda rng, _event, _machines: (
        "machines",
        "POST",
        {"count": rng.randint(1, 5), "prefix": f"i-{rng.getrandbits(20)}-"},
    ),
    lambda rng, _event, _machines: ("incarnations", "POST", {"skip": rng.randint(0, 9), "restart": rng.random() < 0.5}),
    lambda rng, _event, _machines: (
        rng.choice(("", "health", "events", "requests", "clock", "faults", "scenarios", "machines", "notifications")),
        "GET",
        None,
    ),
)
