"""Spoilt requests to the simulators: the clouds' own calls, approvals among them, and the control API's.

What must hold: a request is answered, with a status below 500; what the control API says is JSON; and afterwards the
simulator still lists every event, so that its cloud's provider reads each of them that is going on.
"""

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

from documents import CLOUDS, Wrong
from mutate import ODD_BYTES, ODD_VALUES, spoil_bytes, spoil_value, written
from stormcone import Impact, ManualClock
from stormcone.model import Cause, Outcome
from stormcone_alibaba.wire import ACTIVE
from stormcone_simulators.alibaba import AlibabaSimulator, signature
from stormcone_simulators.alibaba.operations import OPERATIONS
from stormcone_simulators.alibaba.parameters import Form, Parameter
from stormcone_simulators.alibaba.simulator import DEFAULT_REGION
from stormcone_simulators.azure import AzureSimulator
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.control import CONTROL_PREFIX
from stormcone_simulators.http.faults import KINDS
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.scenarios.format import scenario_names

LIFE = 250
"""How many requests one simulator is sent."""

_SERVER_ERROR = 500
SOCKET_SECONDS = 10.0
"""How long an exchange over a socket may take before it counts as a hang."""

TOLD_OTHERWISE = "Instance:"
"""How types begin whose events Alibaba Cloud tells by notification and by its metadata service, and does not list."""

_DOCUMENT = "/metadata/scheduledevents?api-version=2020-07-01"


class Call(NamedTuple):
    """A request to be made."""

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


def _control_call(rng: Random, ids: Sequence[str], machines: Sequence[str]) -> Call:
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
    return Call(method, CONTROL_PREFIX + _path(rng, path), {}, data)


def _path(rng: Random, path: str) -> str:
    if rng.random() < 0.1:
        return quote(spoil_bytes(rng, path.encode()), safe="/?&=%")
    return quote(path, safe="/?&=%")


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


def _azure_call(rng: Random, ids: Sequence[str], machines: Sequence[str]) -> Call:
    headers = {"metadata": rng.choice((*("true",) * 9, "True", "", "\0"))}
    target = rng.choice((*(_DOCUMENT,) * 9, "/metadata/instance/compute?api-version=2021-02-01", "/metadata/x"))
    if rng.random() < 0.2:
        target = f"/machines/{rng.choice(machines)}{target}"
    if rng.random() < 0.15:
        target = _path(rng, spoil_bytes(rng, target.encode()).decode("latin-1"))
    approval: Any = {"StartRequests": [{"EventId": rng.choice(ids)} for _ in range(rng.randint(1, 3))]}
    holder = [approval]
    if rng.random() < 0.6:
        spoil_value(rng, holder)
    body = written(rng, holder[0] if holder else None)
    if rng.random() < 0.4:
        body = spoil_bytes(rng, body)
    return Call(rng.choice((*("POST",) * 9, "GET", "GET", "PUT")), target, headers, body)


_ODD_TEXTS = (
    *map(str, ODD_VALUES),
    *(odd.decode("latin-1") for odd in ODD_BYTES),
    "٣",
    "1e9",
    "true",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
)


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
        return Call(rng.choice(("GET", "PUT")), _path(rng, path), headers)
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
                value = rng.choice(_ODD_TEXTS)
            if rng.random() < 0.1:
                name = f"{parameter.name}.{rng.choice((0, 2, 999, 'x', '٣'))}"
            parameters[name] = value
    method = rng.choice(("POST", "GET"))
    query = _signed(method, {_text(name): _text(value) for name, value in parameters.items()})
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


def _azure_poll(machine: str) -> Sequence[Request]:
    return [Request("GET", f"/machines/{machine}{_DOCUMENT}", {"metadata": "true"})]


def _alibaba_poll(machine: str) -> Sequence[Request]:
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


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class Target:
    """One cloud's simulator.

    Attributes:
        make: a new one on that clock.
        call: a spoilt request in the cloud's own protocol.
        machines: its machines.
        poll: sound requests for all that a machine is shown.
    """

    make: Callable[[ManualClock], BaseSimulator]
    call: Callable[[Random, Sequence[str], Sequence[str]], Call]
    machines: tuple[str, ...]
    poll: Callable[[str], Sequence[Request]]


_WEB, _ECS = ("web-0", "web-1", "db-0"), ("i-aaa", "i-bbb")

TARGETS: Mapping[str, Target] = {
    "azure": Target(lambda clock: AzureSimulator(_WEB, clock=clock), _azure_call, _WEB, _azure_poll),
    "alibaba": Target(
        lambda clock: AlibabaSimulator(_ECS, clock=clock, signing_clock=ManualClock()),
        _alibaba_call,
        _ECS,
        _alibaba_poll,
    ),
}


class CallFuzzer:
    """Sends spoilt requests to one cloud's simulators, to each of them a limited number."""

    def __init__(self, cloud: str) -> None:
        self.target = TARGETS[cloud]
        self._cloud = cloud
        self._sent = 0
        self.taken = 0
        self._begin()

    def _begin(self) -> None:
        self.simulator = self.target.make(ManualClock())
        self._ids = [
            self.simulator.schedule(Impact.REBOOT, resources=[machine], notice=timedelta(hours=hours))
            for hours in (1, 10_000)
            for machine in self.target.machines
        ]

    def close(self) -> None:
        """Stop what listens."""
        self.simulator.close()

    def make(self, rng: Random) -> Call:
        """A spoilt request."""
        make = _control_call if rng.random() < 0.5 else self.target.call
        return make(rng, self._ids, self.target.machines)

    def check(self, call: Call) -> None:
        """Have it answered, without a socket.

        Raises:
            Wrong: a promise was broken.
        """
        self._sent += 1
        try:
            request = Request(call.method, call.target, call.headers, call.body, "127.0.0.1")
        except ValueError:
            return
        self._judge(self._answer(request), control=request.path.startswith(CONTROL_PREFIX))
        if self._sent % LIFE == 0:
            self._look()
            self.close()
            self._begin()

    def _answer(self, request: Request) -> Response | Later:
        simulator = self.simulator
        if request.path.startswith(CONTROL_PREFIX):
            return simulator._control.answer(request)
        machine, path = simulator._machines.route(request.path, request.peer)
        if machine is None:
            return Response(404)
        rule = simulator.faults.take(request, path, machine.name, simulator.parameters(request, path))
        if rule is not None:
            rule.replacement(simulator._wire.failure(rule.status or 200, request, path))
        with simulator._settled() as now:
            return simulator._wire.answer(request, path, machine, now)

    def _judge(self, answer: Response | Later, *, control: bool) -> None:
        if isinstance(answer, Later):
            raise Wrong("it is not answered now")
        if answer.status >= _SERVER_ERROR:
            raise Wrong(f"it is answered {answer.status}: {answer.body[:200]!r}")
        self.taken += answer.status < HTTPStatus.MULTIPLE_CHOICES
        if control and answer.body:
            json.loads(answer.body)

    def check_raw(self, rng: Random, call: Call) -> None:
        """Have it answered over a socket, where its bytes may be spoilt too.

        Raises:
            Wrong: a promise was broken.
        """
        self.simulator.start_server()
        self.simulator.faults.clear()  # what they do to an answer on purpose is not looked for here
        host, _, port = self.simulator.url.removeprefix("http://").partition(":")
        head = [f"{call.method} {call.target} HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {len(call.body)}"]
        head += [f"{name}: {value}" for name, value in call.headers.items()]
        data = "\r\n".join([*head, "", ""]).encode(errors="replace") + call.body
        if rng.random() < 0.6:
            data = spoil_bytes(rng, data)
        answer = _exchange((host, int(port)), data)
        if answer and not answer.startswith(b"HTTP/1.1 "):
            raise Wrong(f"what is answered over the socket is no HTTP: {answer[:100]!r}")
        if answer and int(answer[9:12]) >= _SERVER_ERROR and b"501" not in answer[9:12]:
            raise Wrong(f"it is answered over the socket: {answer[:300]!r}")
        health = _exchange((host, int(port)), b"GET /_simulator/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if not health.startswith(b"HTTP/1.1 200"):
            raise Wrong(f"afterwards the simulator is not well: {health[:300]!r}")

    def _look(self) -> None:
        """Every event that goes on is shown to its machine, and read by its provider."""
        events = self.simulator.events()
        known = {event["id"].casefold() for event in events}
        for identifier in self._ids:
            if identifier.casefold() not in known:
                raise Wrong(f"the simulator has lost the event {identifier}")
        shown: set[str] = set()
        for machine in self.target.machines:
            for request in self.target.poll(machine):
                answer = self._answer(request)
                if not isinstance(answer, Response) or answer.status != HTTPStatus.OK:
                    raise Wrong(f"a sound poll is answered {answer}")
                shown |= CLOUDS[self._cloud].read(answer.body).events.keys()
        for event in events:
            ours = set(map(str.casefold, event["resources"])) & set(self.target.machines)
            listed = event["phase"] != "ended" and not event["native_type"].startswith(TOLD_OTHERWISE)
            if ours and listed and event["id"].casefold() not in shown:
                raise Wrong(f"the event {event['id']} is shown to nobody")


def _exchange(address: tuple[str, int], data: bytes) -> bytes:
    """What a server says to some bytes until it closes.

    Raises:
        Wrong: it does not close.
    """
    parts: list[bytes] = []
    try:
        with socket.create_connection(address, timeout=SOCKET_SECONDS) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(1 << 16):
                parts.append(part)
    except TimeoutError:
        raise Wrong(f"the server does not end the exchange within {SOCKET_SECONDS:g} s") from None
    except OSError:
        pass  # a server may cut what it refuses
    return b"".join(parts)
