"""A metadata service that says what a test wants, simulators, and providers on either, closed after the test."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stormcone.clock import ManualClock
from stormcone_aws.imds import TOKEN_PATH
from stormcone_aws.provider import AwsProvider
from stormcone_simulators.aws import AwsSimulator

META = "/latest/meta-data/"
HERE = "i-0123456789abcdef0"
IDENTITY = b"""{
  "accountId" : "123456789012", "architecture" : "x86_64", "availabilityZone" : "us-west-2b",
  "billingProducts" : null, "instanceId" : "i-0123456789abcdef0", "instanceType" : "t2.micro",
  "privateIp" : "10.158.112.84", "region" : "us-west-2", "version" : "2017-09-30"
}"""


class HastyClock(ManualClock):
    """Sleeps by moving on."""

    def sleep(self, seconds):
        self.advance(seconds)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        answer = self.server.service.answer(self.command, self.path, headers)
        if answer is None:
            self.close_connection = True  # hung up without a word
            return
        status, body = answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = handle_any  # noqa: N815 - http.server's names

    def log_message(self, *_args):
        pass


@dataclass
class Service:
    """A metadata service whose every answer is the test's.

    Attributes:
        answers: by path: a body, a status, both, or None to hang up.
        token: what is given to who asks for one: the same.
        demands: whether it answers nothing without that token.
        asked: method, path and headers of each request, in order.
    """

    answers: dict = field(default_factory=dict)
    token: object = b"token-1"
    demands: bool = True
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self.answers = {
            f"{META}instance-id": HERE.encode(),
            f"{META}local-hostname": b"ip-10-158-112-84.us-west-2.compute.internal",
            "/latest/dynamic/instance-identity/document": IDENTITY,
            f"{META}events/maintenance/scheduled": b"[]",
            f"{META}events/maintenance/history": b"[]",
            **self.answers,
        }
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.service = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, method, path, headers):
        self.asked.append((method, path, headers))
        if method == "PUT":
            answer = self.token if path == TOKEN_PATH else 405
        else:
            tokens = [value.encode() for name, value in headers if name == "x-aws-ec2-metadata-token"]
            refused = tokens != [self.token] if self.demands or tokens else False
            answer = 401 if refused else self.answers.get(path, 404)
        if isinstance(answer, int):
            return answer, b"<html>a page</html>"
        return (200, answer) if isinstance(answer, bytes) else answer

    def says(self, path, answer):
        self.answers[f"{META}{path}"] = answer

    def paths(self):
        return [(method, path) for method, path, _ in self.asked]


@pytest.fixture
def clock():
    return HastyClock()


@pytest.fixture
def service():
    """A metadata service of the instance `HERE` to which nothing is announced."""
    service = Service()
    yield service
    service.close()


@pytest.fixture
def open_provider(service, clock):
    """Opens providers on the service, or at another address, that are closed after the test."""
    with ExitStack() as stack:

        def opening(endpoint=service.url, **options):
            provider = AwsProvider(endpoint=endpoint, clock=clock, **options)
            stack.callback(provider.close)
            return provider

        yield opening


@pytest.fixture
def provider(open_provider):
    return open_provider()


@pytest.fixture
def aws(clock):
    """A running simulator of two instances."""
    with AwsSimulator(("i-aaa", "i-bbb"), clock=clock) as simulator:
        yield simulator


@pytest.fixture
def awss(clock):
    """Makes simulators that run until the test is over."""
    with ExitStack() as stack:

        def make(**options):
            return stack.enter_context(AwsSimulator(("i-aaa", "i-bbb"), clock=clock, **options))

        yield make
