"""Spoilt requests to the Alibaba Cloud simulator."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from urllib.parse import quote

from call import ODD_TEXTS, Ask, Call, Target, path_of, text_of
from documents import CLOUDS
from mutate import ODD_VALUES, spoil_bytes
from stormcone import ManualClock
from stormcone_alibaba.wire import ACTIVE
from stormcone_simulators.alibaba import AlibabaSimulator, signature
from stormcone_simulators.alibaba.operations import OPERATIONS
from stormcone_simulators.alibaba.parameters import Form, Parameter
from stormcone_simulators.alibaba.simulator import DEFAULT_REGION
from stormcone_simulators.http.messages import Request

TOLD_OTHERWISE = "Instance:"
"""How types begin whose events Alibaba Cloud tells by notification and by its metadata service, and does not list."""

_MACHINES = ("i-aaa", "i-bbb")


def _sound(rng: Random, parameter: Parameter, ids: Sequence[str], machines: Sequence[str]) -> tuple[str, str]:
    """A name and a value as the parameter is to be given."""
    texts = list(parameter.choices or (ids if "Event" in parameter.name else machines))
    name = f"{parameter.name}.1.{next(iter(parameter.fields))}" if parameter.fields else parameter.name
    values: dict[Form, str] = {
        Form.NUMBER: str(rng.randint(0, 101)),
        Form.SWITCH: rng.choice(("true", "False")),
        Form.TIME: rng.choice(("2026-01-01T00:15:00Z", "2027-01-01T00:00:00Z")),
        Form.JSON_LIST: json.dumps(texts),
    }
    value = values.get(parameter.form) or str(rng.choice(texts))
    return (f"{name}.1" if parameter.form is Form.LIST else name), value


def _alibaba_call(rng: Random, ids: Sequence[str], machines: Sequence[str]) -> Call:
    if rng.random() < 0.15:
        path = rng.choice(("/latest/api/token", "/latest/meta-data/instance-id", "/latest/meta-data/instance/spot/x"))
        headers = {"x-aliyun-ecs-metadata-token-ttl-seconds": str(rng.choice(ODD_VALUES))[:100]}
        return Call(rng.choice(("GET", "PUT")), path_of(rng, path), headers)
    action = rng.choice((*OPERATIONS, "AcceptInquiredSystemEvent", "CreateSimulatedSystemEvents", "Nothing"))
    known = OPERATIONS.get(action)
    parameters = {
        "Action": action,
        "Format": rng.choice(("JSON", "XML")),
        "RegionId": rng.choice((DEFAULT_REGION, DEFAULT_REGION, DEFAULT_REGION, "x")),
        "SignatureNonce": f"{rng.getrandbits(128):x}",
    }
    for parameter in known.schema.parameters if known else ():
        if parameter.required or rng.random() < 0.2:
            name, value = _sound(rng, parameter, ids, machines)
            if rng.random() < 0.3:
                value = rng.choice(ODD_TEXTS)
            if rng.random() < 0.1:
                name = f"{parameter.name}.{rng.choice((0, 2, 999, 'x', '٣'))}"
            parameters[name] = value
    method = rng.choice(("POST", "GET"))
    query = _signed(method, {text_of(name): text_of(value) for name, value in parameters.items()})
    if rng.random() < 0.2:
        query = quote(spoil_bytes(rng, query.encode()), safe="&=%+;")
    if rng.random() < 0.2:
        body = spoil_bytes(rng, query.encode()) if rng.random() < 0.5 else query.encode()
        return Call("POST", "/", {"content-type": "application/x-www-form-urlencoded"}, body)
    return Call(method, f"/?{query}", {})


def _signed(method: str, parameters: Mapping[str, str]) -> str:
    whole = {
        "Version": "2014-05-26",
        "AccessKeyId": "testid",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "Timestamp": "2026-01-01T00:00:00Z",
        **parameters,
    }
    whole["Signature"] = signature.sign("testsecret", signature.string_to_sign(method, whole))
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in whole.items())


def _poll(machine: str) -> Sequence[Request]:
    parameters = {
        "Action": "DescribeInstanceHistoryEvents",
        "Format": "JSON",
        "RegionId": DEFAULT_REGION,
        "InstanceId": machine,
        "PageSize": "100",
        **{f"InstanceEventCycleStatus.{place}": status for place, status in enumerate(ACTIVE, 1)},
    }
    pages = ({"PageNumber": str(page), "SignatureNonce": f"{machine} {page}"} for page in range(1, 6))
    return [Request("GET", f"/?{_signed('GET', parameters | page)}") for page in pages]


def _shown(ask: Ask, machine: str) -> set[str]:
    return {key for request in _poll(machine) for key in CLOUDS["alibaba"].read(ask(request).body).events}


def _listed(event: Mapping[str, Any], _machine: str) -> str | None:
    return None if event["native_type"].startswith(TOLD_OTHERWISE) else str(event["id"]).casefold()


TARGET = Target(
    lambda clock: AlibabaSimulator(_MACHINES, clock=clock, signing_clock=ManualClock()),
    _alibaba_call,
    _MACHINES,
    _shown,
    _listed,
)
