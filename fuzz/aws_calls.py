"""Spoilt requests to the AWS simulator: its metadata service, and the APIs of EC2, SQS and EC2 Auto Scaling."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from call import ODD_TEXTS, Ask, Call, Target, path_of, text_of
from documents import CLOUDS
from mutate import spoil_bytes, spoil_value, written
from stormcone import ManualClock
from stormcone_simulators.aws import AwsSimulator
from stormcone_simulators.aws.api import sigv4
from stormcone_simulators.aws.autoscaling import hooks
from stormcone_simulators.aws.ec2 import operations as ec2
from stormcone_simulators.aws.site import DEFAULT_REGION
from stormcone_simulators.aws.sqs import operations as sqs
from stormcone_simulators.aws.types import EVENT_TYPES, Family
from stormcone_simulators.http.messages import Request, Response

_MACHINES = ("i-0aaa", "i-0bbb")
_SCHEDULED = "/latest/meta-data/events/maintenance/scheduled"
_PATHS = (
    _SCHEDULED,
    "/latest/meta-data/events/maintenance/history",
    "/latest/meta-data/spot/instance-action",
    "/latest/meta-data/events/recommendations/rebalance",
    "/latest/meta-data/autoscaling/target-lifecycle-state",
    "/latest/meta-data/iam/security-credentials/",
    "/latest/dynamic/instance-identity/document",
    "/latest/meta-data/",
    "/",
)
_TTL, _TOKEN = "x-aws-ec2-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token"
_FORM = "application/x-www-form-urlencoded"
_QUEUE = "http://localhost/123456789012/stormcone"


def _odd(rng: Random) -> str:
    return text_of(rng.choice(ODD_TEXTS))[:200]


def _header(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text)


def _metadata(rng: Random, machines: Sequence[str]) -> Call:
    path = rng.choice(_PATHS)
    headers = {}
    if rng.random() < 0.3:
        path, headers = "/latest/api/token", {_TTL: rng.choice(("60", "21600", _header(_odd(rng))))}
    if rng.random() < 0.3:
        headers[rng.choice((_TOKEN, "x-forwarded-for"))] = _header(_odd(rng))
    if rng.random() < 0.5:
        path = f"/machines/{rng.choice(machines)}{path}"
    return Call(rng.choice(("GET", "GET", "GET", "PUT", "HEAD", "POST")), path_of(rng, path), headers)


_QUERY: Sequence[tuple[str, str, Mapping[str, Mapping[str, str]]]] = (
    ("ec2", ec2.VERSION, {name: operation.parameters for name, operation in ec2.OPERATIONS.items()}),
    ("autoscaling", hooks.VERSION, {name: operation.parameters for name, operation in hooks.OPERATIONS.items()}),
)
_SOUND: Mapping[str, Sequence[str]] = {
    "Filter": ("event.code", "instance-id", "event.instance-event-id"),
    "MaxResults": ("5", "100"),
    "NextToken": ("MQ==", "LTU="),
    "NotBefore": ("2026-01-09T04:00:00Z",),
    "DryRun": ("true", "false"),
    "IncludeAllInstances": ("true", "false"),
    "AutoScalingGroupName": ("i-0aaa", "default"),
    "LifecycleHookName": (hooks.HOOK,),
    "LifecycleActionResult": hooks.RESULTS,
}


def _query(rng: Random, ids: Sequence[str], machines: Sequence[str]) -> Call:
    """A call of EC2 or EC2 Auto Scaling, signed as it is."""
    service, version, operations = rng.choice(_QUERY)
    action = rng.choice((*operations, "Nothing"))
    given = {"Action": action, "Version": version if rng.random() < 0.95 else _odd(rng)}
    for name in operations.get(action, ()):
        if rng.random() < 0.4:
            usual = _SOUND.get(name, ids if "Event" in name else machines)
            value = _odd(rng) if rng.random() < 0.3 else rng.choice(usual)
            end = rng.choice(("", "", ".1", ".1", ".²", ".-1", ".1.Name", ".1.Value.1", ".member.1", ".x.y"))
            given[f"{name}{end}"] = value
            if end == ".1.Name":
                given[f"{name}.1.Value.1"] = rng.choice((*ids, _odd(rng)))
    body = "&".join(f"{quote(name, safe='')}={quote(text_of(value), safe='')}" for name, value in given.items())
    if rng.random() < 0.2:
        body = quote(spoil_bytes(rng, body.encode()), safe="&=%+;")
    return _signed(service, "POST", "/", {"content-type": _FORM}, body.encode())


def _message(rng: Random) -> Call:
    """A call of SQS, signed as it is."""
    action = rng.choice((*sqs.OPERATIONS, "ReceiveMessage", "ReceiveMessage", "Nothing"))
    entry = {"Id": "0", "ReceiptHandle": "x", "VisibilityTimeout": 30}
    usual: dict[str, Any] = {
        "QueueUrl": _QUEUE,
        "QueueName": "stormcone",
        "AttributeNames": ["All"],
        "MaxNumberOfMessages": rng.choice((1, 10)),
        "VisibilityTimeout": rng.choice((0, 30)),
        "WaitTimeSeconds": rng.choice((0, 20)),
        "MessageBody": "{}",
        "DelaySeconds": 0,
        "ReceiptHandle": "x",
        "Entries": [entry] * rng.choice((0, 1, 2, 11)),
    }
    table = sqs.OPERATIONS[action].parameters if action in sqs.OPERATIONS else {}
    fields = {name: usual[name] for name in table if name in usual and (name == "QueueUrl" or rng.random() < 0.7)}
    holder = [fields]
    if rng.random() < 0.6:
        spoil_value(rng, holder)
    body = written(rng, holder[0] if holder else None)
    if rng.random() < 0.2:
        body = spoil_bytes(rng, body)
    headers = {"content-type": sqs.CONTENT_TYPE, "x-amz-target": f"{sqs.TARGET}{action}"}
    return _signed("sqs", "POST", "/", headers, body)


def _signed(service: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Call:
    sent = {**headers, "host": "localhost", "x-amz-date": "20260101T000000Z"}
    names = ("host", "x-amz-date")
    by = sigv4.SignedBy("testid", "20260101", DEFAULT_REGION, service, names, "")
    signature = sigv4.sign("testsecret", by, sigv4.string_to_sign(method, target, sent, body, by))
    sent["authorization"] = (
        f"{sigv4.ALGORITHM} Credential=testid/{by.scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return Call(method, target, sent, body)


def _call(rng: Random, ids: Sequence[str], machines: Sequence[str]) -> Call:
    makes: Sequence[Callable[[], Call]] = (
        lambda: _metadata(rng, machines),
        lambda: _query(rng, ids, machines),
        lambda: _message(rng),
    )
    call = rng.choice(makes)()
    if rng.random() < 0.05:  # what it is signed for is another request then
        name = rng.choice((*call.headers, "x-amz-security-token", "authorization"))
        call = call._replace(headers={**call.headers, name: _header(_odd(rng))})
    return call


def _shown(ask: Ask, machine: str) -> set[str]:
    """The scheduled events that both the metadata service and EC2's API show."""
    told = CLOUDS["aws"].read(ask(Request("GET", f"/machines/{machine}{_SCHEDULED}")).body)
    body = f"Action=DescribeInstanceStatus&Version={ec2.VERSION}&InstanceId.1={machine}&IncludeAllInstances=true"
    call = _signed("ec2", "POST", "/", {"content-type": _FORM}, body.encode())
    listed = ask(Request(call.method, call.target, call.headers, call.body))
    return set(told.events) & {_text(each).casefold() for each in _root(listed.body).iterfind(".//{*}instanceEventId")}


def _listed(event: Mapping[str, Any], _machine: str) -> str | None:
    scheduled = EVENT_TYPES[event["native_type"]].family is Family.SCHEDULED
    return str(event["id"]).casefold() if scheduled else None


def _refuses(_request: Request, answer: Response) -> bool:
    """Whether it is an error as one of the services writes it: JSON with a type, XML with a code, or a page."""
    if answer.body.startswith(b"{"):
        said = json.loads(answer.body)
        return isinstance(said.get("__type"), str) and isinstance(said.get("message"), str)
    try:
        root = _root(answer.body)
    except ElementTree.ParseError:
        return False
    code, title = root.find(".//{*}Error/{*}Code"), root.find(".//{*}h1")
    return bool(_text(code)) or _text(title).startswith(str(answer.status))


def _root(body: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(body)  # noqa: S314 - our own simulator has written it


def _text(element: ElementTree.Element | None) -> str:
    return (element.text or "") if element is not None else ""


TARGET = Target(
    lambda clock: AwsSimulator(_MACHINES, clock=clock, signing_clock=ManualClock()),
    _call,
    _MACHINES,
    _shown,
    _listed,
    _refuses,
)
