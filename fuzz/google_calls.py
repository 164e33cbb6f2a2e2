"""Spoilt requests to the Google Cloud simulator: its metadata server and the Compute API."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

from call import ODD_TEXTS, Ask, Call, Target, path_of, text_of
from mutate import spoil_bytes
from stormcone import ManualClock
from stormcone_google.keys import HostPolicy, KeyContext, Vm
from stormcone_google.metadata import KeyAnswer
from stormcone_google.wire import KEYS, read_key
from stormcone_simulators.google import GoogleSimulator
from stormcone_simulators.google.documents import Nothing
from stormcone_simulators.google.simulator import DEFAULT_PROJECT, DEFAULT_ZONE
from stormcone_simulators.google.tokens import Tokens
from stormcone_simulators.google.types import EVENT_TYPES
from stormcone_simulators.http.messages import Request, Response

_MACHINES = ("web-0", "db-0")
_ROOT = "/computeMetadata/v1/"
_ZONE = f"/compute/v1/projects/{DEFAULT_PROJECT}/zones/{DEFAULT_ZONE}"
_KEYS = (
    *(f"instance/{key}" for key in KEYS),
    "instance/",
    "instance/scheduling/",
    "instance/id",
    "instance/service-accounts/default/token",
    "instance/service-accounts/default/identity",
    "project/project-id",
    "",
)
_PARAMETERS: Mapping[str, Sequence[str]] = {
    "wait_for_change": ("true", "false"),
    "last_etag": ("0", "0123456789abcdef"),
    "timeout_sec": ("0", "1", "3600"),
    "recursive": ("true", "false"),
    "alt": ("json", "text"),
    "novelty": ("x",),
}
_OF_CALLS: Mapping[str, Sequence[str]] = {
    "requestId": ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c9"),
    "withExtendedNotifications": ("true", "false"),
    "alt": ("json", "$alt"),
    "fields": ("*", "id"),
}


def _tokens(tokens: Tokens) -> Tokens:
    """With a key that is always the same, so that a run can be repeated."""
    tokens._key = bytes(32)
    return tokens


_BEARER = f"Bearer {_tokens(Tokens(ManualClock())).give('web-0')['access_token']}"


def _query(rng: Random, usual: Mapping[str, Sequence[str]]) -> str:
    given = [
        (name, text_of(rng.choice(ODD_TEXTS))[:200] if rng.random() < 0.2 else rng.choice(values))
        for name, values in usual.items()
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2) if rng.random() < 0.1 else (0, 1)))
    ]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in given)
    if rng.random() < 0.1:
        query = quote(spoil_bytes(rng, query.encode()), safe="&=%+;")
    return f"?{query}" if query else ""


def _metadata(rng: Random, machines: Sequence[str]) -> Call:
    path = f"{_ROOT}{rng.choice(_KEYS)}"
    if rng.random() < 0.3:
        path = f"/machines/{rng.choice(machines)}{path}"
    headers = {"metadata-flavor": rng.choice((*("Google",) * 9, "google ", "x"))}
    if rng.random() < 0.05:
        headers["x-forwarded-for"] = "10.0.0.1"
    method = rng.choice((*("GET",) * 9, "HEAD", "POST"))
    return Call(method, path_of(rng, path) + _query(rng, _PARAMETERS), headers)


def _compute(rng: Random, machines: Sequence[str]) -> Call:
    place = rng.choice(
        (
            "/instances",
            *(f"/instances/{name}" for name in machines),
            *(f"/instances/{name}/performMaintenance" for name in machines),
            f"/instances/{machines[0]}/simulateMaintenanceEvent",
            "/instances/nobody/performMaintenance",
            "/operations/operation-1",
            "/operations/operation-1/wait",
            "/nothing",
        )
    )
    headers = {"authorization": _BEARER} if rng.random() < 0.95 else {}
    if rng.random() < 0.05:
        headers["authorization"] = f"Bearer ya29.stormcone.{rng.choice(('', 'x', '===', '????', 'QUFB'))}"
    body = b"" if rng.random() < 0.8 else spoil_bytes(rng, b"{}")
    method = rng.choice(("GET", "POST", "POST", "DELETE"))
    return Call(method, path_of(rng, f"{_ZONE}{place}") + _query(rng, _OF_CALLS), headers, body)


def _call(rng: Random, _ids: Sequence[str], machines: Sequence[str]) -> Call:
    return _metadata(rng, machines) if rng.random() < 0.6 else _compute(rng, machines)


def _shown(ask: Ask, machine: str) -> set[str]:
    """The keys in which the provider reads an event."""
    context = KeyContext(Vm(id="1", name=machine), scheduling=HostPolicy)
    found = set()
    for key in KEYS:
        target = f"/machines/{machine}{_ROOT}instance/{key}?alt=json&recursive=true"
        answer = ask(Request("GET", target if key == "upcoming-maintenance" else target.partition("?")[0], _FLAVOR))
        if read_key(key, KeyAnswer(answer.status, answer.body), context).event is not None:
            found.add(key)
    return found


_FLAVOR = {"metadata-flavor": "Google"}


def _listed(event: Mapping[str, Any], _machine: str) -> str:
    return EVENT_TYPES[event["native_type"]].listing


def _refuses(request: Request, answer: Response) -> bool:
    """Whether it is an error as the API writes it, a page of the metadata server's, or its word for nothing yet."""
    if answer.body.startswith(b"<!DOCTYPE html>"):
        return f"Error {answer.status} ".encode() in answer.body and ("Metadata-Flavor", "Google") in answer.headers
    error = json.loads(answer.body)["error"]
    if isinstance(error, str):
        return answer.status == 503 and "upcoming-maintenance" in request.path
    return bool(error["code"] == answer.status and error["message"] and error["errors"][0]["reason"])


def _make(clock: ManualClock) -> GoogleSimulator:
    simulator = GoogleSimulator(_MACHINES, clock=clock, clients_clock=ManualClock(), nothing=Nothing.NONE)
    _tokens(simulator._wire._compute._tokens)  # type: ignore[attr-defined]
    return simulator


TARGET = Target(_make, _call, _MACHINES, _shown, _listed, _refuses)
