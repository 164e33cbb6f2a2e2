"""A small cloud on a real socket: a metadata service and an API that answer what a test says."""

import base64
import hashlib
import hmac
import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from stormcone.clock import ManualClock
from stormcone.clouds.contract import ProviderOptions
from stormcone_alibaba.credentials import ENVIRONMENT, OIDC, URI, Credentials
from stormcone_alibaba.ecs import HistoryQuery
from stormcone_alibaba.provider import AlibabaProvider
from stormcone_alibaba.sdk import SdkEcs
from stormcone_alibaba.wire import ACTIVE

NOW = datetime(2026, 4, 11, 22, 10, 12, tzinfo=UTC)
KEY_ID, KEY_SECRET, TOKEN = "LTAI-testing-key-id", "testing/secret+key", "CAIS+testing/token=="
TOKEN_PATH = "/latest/api/token"
META = "/latest/meta-data/"


class HastyClock(ManualClock):
    """Sleeps by moving on, and remembers how long."""

    def __init__(self):
        super().__init__(NOW)
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.advance(seconds)


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict
    headers: dict
    target: str

    @property
    def action(self):
        return self.query.get("Action", "")

    def values(self, name):
        """The values of a repeated parameter, in order."""
        return [self.query[key] for key in self.query if key.startswith(f"{name}.")]


class _Handler(BaseHTTPRequestHandler):
    def handle_any(self):
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, query, headers, self.path)
        status, body = self.server.cloud.answer(asked)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - http.server's names

    def log_message(self, *_args):
        pass


@dataclass
class Cloud:
    """Answers `metadata` by path, and the API's actions from `script`, in order; then with empty lists."""

    metadata: dict = field(default_factory=dict)
    gives_token: bool = True
    demands_token: bool = False
    script: dict = field(default_factory=lambda: defaultdict(list))
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.cloud = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def calls(self, action):
        return [asked for asked in self.asked if asked.action == action]

    def paths(self):
        return [(asked.method, asked.path) for asked in self.asked if not asked.action]

    def answers(self, action, *documents):
        """Script the next answers: documents, or pairs of a status and a body."""
        self.script[action] += documents

    def lists(self, *entries, token=None):
        self.answers("DescribeInstanceHistoryEvents", history(*entries, token=token))

    def refuses(self, action, code, status=400, message="Some words."):
        self.answers(action, (status, {"RequestId": "R-1", "HostId": "ecs", "Code": code, "Message": message}))

    def answer(self, asked):
        self.asked.append(asked)
        status, body = self._api(asked) if asked.action else self._metadata(asked)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def _api(self, asked):
        script = self.script[asked.action]
        answer = script.pop(0) if script else {**history(), "EventIdSet": {"EventId": ["e-made"]}}
        return answer if isinstance(answer, tuple) else (200, answer)

    def _metadata(self, asked):
        if asked.path == TOKEN_PATH:
            return (200, b"a-token") if self.gives_token else (404, b"")
        if self.demands_token and asked.headers.get("x-aliyun-ecs-metadata-token") != "a-token":
            return 403, b"no"
        text = self.metadata.get(asked.path.removeprefix(META))
        if text is None:
            return 404, b"not found"
        return text if isinstance(text, tuple) else (200, text.encode())


def history(*entries, token=None):
    document = {"RequestId": "R-1", "InstanceSystemEventSet": {"InstanceSystemEventType": list(entries)}}
    return {**document, "NextToken": token} if token else document


def _signature(asked, secret):
    """The signature that the service computes for a request, by its documented rules."""

    def encoded(text):
        return quote(text, safe="-_.~")

    parameters = sorted((name, value) for name, value in asked.query.items() if name != "Signature")
    canonical = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in parameters)
    text = f"{asked.method}&%2F&{encoded(canonical)}"
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path, only_this_machine):
    """No credential, profile or proxy of whoever runs the tests, and no way to the real cloud."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "DEBUG", "ALIBABA_CLOUD_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in (
        "ALIBABA_CLOUD_PROFILE",
        "ALIBABA_CLOUD_IGNORE_PROFILE",
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED",
        "ALIBABA_CLOUD_ROLE_SESSION_NAME",
        "ALIBABA_CLOUD_STS_REGION",
        "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
        *OIDC,
        URI,
        *(name for names in ENVIRONMENT for name in names if name),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="session")
def signature():
    """Computes a request's signature from a secret, as the service does."""
    return _signature


@pytest.fixture
def clock():
    return HastyClock()


@pytest.fixture
def cloud():
    """A cloud in which this is the instance i-here."""
    cloud = Cloud(
        {
            "instance-id": "i-here",
            "region-id": "cn-hangzhou",
            "zone-id": "cn-hangzhou-i",
            "owner-account-id": "1234567890",
        }
    )
    yield cloud
    cloud.close()


@pytest.fixture
def credentials():
    return Credentials(access_key_id=KEY_ID, access_key_secret=KEY_SECRET, source="a test")


@pytest.fixture
def temporary(credentials):
    return Credentials(access_key_id=KEY_ID, access_key_secret=KEY_SECRET, security_token=TOKEN, source="a test")


@pytest.fixture
def query():
    """A query for one instance's active events."""
    return HistoryQuery(statuses=ACTIVE, resource_ids=("i-here",))


@pytest.fixture
def open_ecs(clock, credentials):
    """Opens the SDK's API at an address, and closes it after the test."""
    opened = []

    def opening(endpoint, *, signs=credentials, **options):
        opened.append(
            SdkEcs(region="cn-hangzhou", endpoint=endpoint, credentials=lambda: signs, clock=clock, **options)
        )
        return opened[-1]

    yield opening
    for ecs in opened:
        ecs.close()


@pytest.fixture
def open_provider(cloud, clock):
    """Opens the provider on the cloud with settings, `...` takes one away, and closes it after the test."""
    opened = []

    def opening(*, machine=None, region=None, endpoint=cloud.url, **settings):
        given = {"access-key-id": KEY_ID, "access-key-secret": KEY_SECRET}
        given |= {name.replace("_", "-"): value for name, value in settings.items()}
        given = {name: value for name, value in given.items() if value is not ...}
        options = ProviderOptions(endpoint=endpoint, machine=machine, region=region, clock=clock, settings=given)
        opened.append(AlibabaProvider.from_options(options))
        return opened[-1]

    yield opening
    for provider in opened:
        provider.close()


@pytest.fixture
def provider(open_provider):
    return open_provider()


@pytest.fixture(scope="session")
def entry():
    """A documented entry of the history with other fields; `...` takes one away."""

    def make(**changes):
        documented = {
            "EventId": "e-bp191hqye34x",
            "InstanceId": "i-here",
            "ResourceType": "instance",
            "EventType": {"Code": 1, "Name": "SystemMaintenance.Reboot"},
            "EventCycleStatus": {"Code": 24, "Name": "Scheduled"},
            "EventPublishTime": "2026-04-10T09:00:00Z",
            "NotBefore": "2026-04-12T06:32:31Z",
            "EventFinishTime": "",
            "Reason": "A simulated event.",
            "ReasonCode": "",
            "ImpactLevel": "100",
            "ExtendedAttribute": {},
        }
        for name in ("EventType", "EventCycleStatus"):
            if isinstance(changes.get(name), str):
                changes[name] = {"Code": -1, "Name": changes[name]}
        return {name: value for name, value in {**documented, **changes}.items() if value is not ...}

    return make
