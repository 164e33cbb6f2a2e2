"""Spoilt requests to the Azure simulator."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from call import Ask, Call, Target, path_of
from documents import CLOUDS
from mutate import spoil_bytes, spoil_value, written
from stormcone_simulators.azure import AzureSimulator
from stormcone_simulators.http.messages import Request

_MACHINES = ("web-0", "web-1", "db-0")
_DOCUMENT = "/metadata/scheduledevents?api-version=2020-07-01"


def _azure_call(rng: Random, ids: Sequence[str], machines: Sequence[str]) -> Call:
    headers = {"metadata": rng.choice((*("true",) * 9, "True", "", "\0"))}
    target = rng.choice((*(_DOCUMENT,) * 9, "/metadata/instance/compute?api-version=2021-02-01", "/metadata/x"))
    if rng.random() < 0.2:
        target = f"/machines/{rng.choice(machines)}{target}"
    if rng.random() < 0.15:
        target = path_of(rng, spoil_bytes(rng, target.encode()).decode("latin-1"))
    approval: Any = {"StartRequests": [{"EventId": rng.choice(ids)} for _ in range(rng.randint(1, 3))]}
    holder = [approval]
    if rng.random() < 0.6:
        spoil_value(rng, holder)
    body = written(rng, holder[0] if holder else None)
    if rng.random() < 0.4:
        body = spoil_bytes(rng, body)
    return Call(rng.choice((*("POST",) * 9, "GET", "GET", "PUT")), target, headers, body)


def _shown(ask: Ask, machine: str) -> set[str]:
    document = ask(Request("GET", f"/machines/{machine}{_DOCUMENT}", {"metadata": "true"}))
    return set(CLOUDS["azure"].read(document.body).events)


def _listed(event: Mapping[str, Any], _machine: str) -> str:
    return str(event["id"]).casefold()


TARGET = Target(lambda clock: AzureSimulator(_MACHINES, clock=clock), _azure_call, _MACHINES, _shown, _listed)
