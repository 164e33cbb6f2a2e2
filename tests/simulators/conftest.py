"""Simulators on real sockets, and the plainest of clients to ask them with."""

import base64
import hashlib
import hmac
import json
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from stormcone.clock import ManualClock
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.aws import AwsSimulator
from stormcone_simulators.azure import AzureSimulator
from stormcone_simulators.google import GoogleSimulator

EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


@dataclass(frozen=True)
class Answer:
    """What a server answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    base: str,
    method: str,
    path: str,
    *,
    content: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own; `content` is sent as JSON, `body` as it is."""
    split = urlsplit(base)
    connection = HTTPConnection(split.hostname or "", split.port, timeout=10)
    try:
        data = json.dumps(content).encode() if content is not None else body
        connection.request(method, split.path + path, body=data, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class AzureMachine:
    """A machine's view of the metadata service."""

    url: str

    def ask(self, method: str = "GET", path: str = EVENTS, **more: Any) -> Answer:
        return ask(self.url, method, path, **{"headers": {"Metadata": "true"}, **more})

    def document(self) -> Any:
        answer = self.ask()
        assert answer.status == 200
        return answer.json

    @property
    def incarnation(self) -> int:
        return int(self.document()["DocumentIncarnation"])

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(self.document()["Events"])

    @property
    def event(self) -> dict[str, Any]:
        (only,) = self.events
        return only

    def approve(self, *event_ids: str, path: str = EVENTS) -> Answer:
        requests = [{"EventId": event_id} for event_id in event_ids]
        return self.ask("POST", path, content={"StartRequests": requests})


AzureFactory = Callable[..., AzureSimulator]
AwsFactory = Callable[..., AwsSimulator]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def azures(clock: ManualClock) -> Iterator[AzureFactory]:
    """Makes Azure simulators that listen until the test is over."""
    with ExitStack() as stack:

        def make(machines: tuple[str, ...] = ("web-0", "web-1"), **options: Any) -> AzureSimulator:
            return stack.enter_context(AzureSimulator(machines, **{"clock": clock, **options}))

        yield make


@pytest.fixture
def azure(azures: AzureFactory) -> AzureSimulator:
    """An Azure simulator of the machines web-0 and web-1."""
    return azures()


@pytest.fixture
def awss(clock: ManualClock) -> Iterator[AwsFactory]:
    """Makes AWS simulators that listen until the test is over."""
    with ExitStack() as stack:

        def make(machines: tuple[str, ...] = ("i-aaa", "i-bbb"), **options: Any) -> AwsSimulator:
            return stack.enter_context(AwsSimulator(machines, **{"clock": clock, **options}))

        yield make


@pytest.fixture
def aws(awss: AwsFactory) -> AwsSimulator:
    """An AWS simulator of the instances i-aaa and i-bbb."""
    return awss()


@pytest.fixture
def machine(azure: AzureSimulator) -> AzureMachine:
    """web-0 of `azure`."""
    return AzureMachine(azure.urls()["web-0"])


@pytest.fixture
def machine_of() -> Callable[[AzureSimulator, str], AzureMachine]:
    """A machine of a simulator, by name."""
    return lambda simulator, name: AzureMachine(simulator.urls()[name])


@pytest.fixture
def control(azure: AzureSimulator) -> Callable[..., Answer]:
    """Calls the control API of `azure`."""
    return lambda method, path, **more: ask(azure.url, method, f"/_simulator/{path}", **more)


class Connection:
    """A plain socket, for what no HTTP client would send."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        self.socket = socket.create_connection((split.hostname, split.port), timeout=10)

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode("latin-1"))

    def until_closed(self) -> bytes:
        received = b""
        while data := self.socket.recv(65536):
            received += data
        return received

    def until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            data = self.socket.recv(65536)
            assert data, f"the server closed the connection after {received!r}"
            received += data
        return received


@pytest.fixture
def connect_to() -> Iterator[Callable[[str], Connection]]:
    """Opens plain sockets to an address."""
    opened: list[Connection] = []

    def make(url: str) -> Connection:
        opened.append(Connection(url))
        return opened[-1]

    yield make
    for connection in opened:
        connection.socket.close()


@pytest.fixture
def connect(azure: AzureSimulator, connect_to: Callable[[str], Connection]) -> Callable[[], Connection]:
    """Opens plain sockets to `azure`."""
    return lambda: connect_to(azure.url)


@pytest.fixture
def asking() -> Callable[..., Answer]:
    """One request to any address."""
    return ask


@dataclass(frozen=True)
class EcsClient:
    """A client of ECS's API that signs with HMAC-SHA1, in code of its own."""

    url: str
    key: str = "testid"
    secret: str = "testsecret"
    token: str = ""
    region: str = "cn-hangzhou"

    def signed(self, action: str, parameters: Mapping[str, Any], *, method: str = "GET") -> dict[str, str]:
        """All parameters of a call, with its signature; a list becomes `Name.1`, `Name.2`, None leaves one out."""
        given = {
            "Action": action,
            "Version": "2014-05-26",
            "Format": "JSON",
            "RegionId": self.region,
            "AccessKeyId": self.key,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureType": "",
            "SignatureNonce": uuid.uuid4().hex,
            "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **({"SecurityToken": self.token} if self.token else {}),
            **parameters,
        }
        sent: dict[str, str] = {}
        for name, value in given.items():
            if isinstance(value, list | tuple):
                sent |= {f"{name}.{place}": str(each) for place, each in enumerate(value, 1)}
            elif value is not None:
                sent[name] = str(value)
        query = "&".join(f"{quote(name, safe='~')}={quote(sent[name], safe='~')}" for name in sorted(sent))
        text = f"{method}&{quote('/', safe='')}&{quote(query, safe='~')}"
        digest = hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha1).digest()
        return {**sent, "Signature": base64.b64encode(digest).decode()}

    def ask(self, action: str, *, method: str = "GET", **parameters: Any) -> Answer:
        """One call; a parameter whose name has a dot is written with two underscores."""
        named = {name.replace("__", "."): value for name, value in parameters.items()}
        return ask(self.url, method, "/?" + urlencode(self.signed(action, named, method=method)))

    def call(self, action: str, **parameters: Any) -> Any:
        """The document that a call is answered."""
        answer = self.ask(action, **parameters)
        assert answer.status == 200, answer.body
        return answer.json

    def refused(self, action: str, **parameters: Any) -> tuple[int, str]:
        """Status and code of a call that is refused."""
        answer = self.ask(action, **parameters)
        return answer.status, answer.json["Code"]

    def create(self, event_type: str, not_before: datetime, *instances: str) -> list[str]:
        """CreateSimulatedSystemEvents; answers the ids."""
        told = {"EventType": event_type, "NotBefore": not_before.strftime("%Y-%m-%dT%H:%M:%SZ")}
        made = self.call("CreateSimulatedSystemEvents", **told, InstanceId=list(instances))
        return list(made["EventIdSet"]["EventId"])

    def history(self, **parameters: Any) -> list[dict[str, Any]]:
        """The events on one page of DescribeInstanceHistoryEvents, whatever their status."""
        asked = {"InstanceEventCycleStatus": ALL_STATUSES, "PageSize": 100, **parameters}
        answer = self.call("DescribeInstanceHistoryEvents", **asked)
        return list(answer["InstanceSystemEventSet"]["InstanceSystemEventType"])

    def statuses(self, **parameters: Any) -> list[str]:
        """The statuses of those events, the oldest first."""
        return [event["EventCycleStatus"]["Name"] for event in reversed(self.history(**parameters))]


ALL_STATUSES = ("Scheduled", "Avoided", "Executing", "Executed", "Canceled", "Failed", "Inquiring")

AlibabaFactory = Callable[..., AlibabaSimulator]


@pytest.fixture
def alibabas(clock: ManualClock) -> Iterator[AlibabaFactory]:
    """Makes Alibaba Cloud simulators that listen until the test is over."""
    with ExitStack() as stack:

        def make(machines: tuple[str, ...] = ("i-aaa", "i-bbb"), **options: Any) -> AlibabaSimulator:
            return stack.enter_context(AlibabaSimulator(machines, **{"clock": clock, **options}))

        yield make


@pytest.fixture
def alibaba(alibabas: AlibabaFactory) -> AlibabaSimulator:
    """An Alibaba Cloud simulator of the instances i-aaa and i-bbb."""
    return alibabas()


@pytest.fixture
def ecs(alibaba: AlibabaSimulator) -> EcsClient:
    """A client of `alibaba`'s API."""
    return EcsClient(alibaba.url)


@pytest.fixture
def ecs_of() -> Callable[..., EcsClient]:
    """A client of a simulator's API, with what is not as usual."""
    return lambda simulator, **more: EcsClient(**{"url": simulator.url, **more})


@pytest.fixture(scope="session")
def ecs_client_class() -> type[EcsClient]:
    """The client, for requests that are signed and not sent."""
    return EcsClient


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no key of the environment, which the vendor's SDKs would put before what they are told."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def googles(clock: ManualClock) -> Iterator[Callable[..., GoogleSimulator]]:
    """Makes Google Cloud simulators that listen until the test is over."""
    with ExitStack() as stack:

        def make(machines: tuple[str, ...] = ("web-0", "web-1"), **options: Any) -> GoogleSimulator:
            return stack.enter_context(GoogleSimulator(machines, **{"clock": clock, **options}))

        yield make


@pytest.fixture
def google(googles: Callable[..., GoogleSimulator]) -> GoogleSimulator:
    """A Google Cloud simulator of the VMs web-0 and web-1."""
    return googles()
