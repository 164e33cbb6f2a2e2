"""Our sinks through the suite that anybody's goes through, each with a receiver that is really there."""

import base64
import gzip
import json
import socket
import threading
from contextlib import contextmanager

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stormcone.testing.conformance import SinkSuite, SinkUnderTest

SECRET = "whsec_" + base64.b64encode(b"a key that nobody knows").decode()


def plain(line):
    """JSON as its texts read."""
    return str(json.loads(line[line.index("{") :]))


class TestWebhook(SinkSuite):
    @pytest.fixture(params=["structured", "binary"])
    def subject(self, receiver, request):
        return SinkUnderTest(
            type="webhook",
            settings={
                "url": f"http://127.0.0.1:{receiver.port}/services/T0000/B0000/a-key-in-the-path",
                "mode": request.param,
                "secret": SECRET,
                "headers": {"Authorization": "Bearer something-secret"},
            },
            received=lambda: [str(got.json) for got in receiver.got],
            away=receiver.away,
        )


class TestLogToAFile(SinkSuite):
    @pytest.fixture
    def subject(self, tmp_path):
        folder = tmp_path / "log"
        folder.mkdir()

        def received():
            file = folder / "told.jsonl"
            return (
                [line.encode().decode("unicode_escape") for line in file.read_text().splitlines()]
                if file.exists()
                else []
            )

        @contextmanager
        def away():
            folder.rename(tmp_path / "elsewhere")
            yield
            (tmp_path / "elsewhere").rename(folder)

        return SinkUnderTest("log", {"file": str(folder / "told.jsonl")}, received, away)


class Syslog:
    """The system's log, as far as it takes messages on a socket."""

    def __init__(self, place):
        self.place = place
        self.taken = []
        self.read = threading.Event()
        self.start()

    def start(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.place))
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _say(self, word):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.connect(str(self.place))
            own.send(word)

    def stop(self):
        self._say(b"the end")
        self.thread.join()
        self.socket.close()
        self.place.unlink()

    def _read(self):
        while (message := self.socket.recv(200_000)) != b"the end":
            if message == b"all so far":
                self.read.set()
            else:
                self.taken.append(plain(message.decode()))

    def received(self):
        self.read.clear()
        self._say(b"all so far")
        assert self.read.wait(10)
        return list(self.taken)

    @contextmanager
    def away(self):
        self.stop()
        yield
        self.start()


class TestLogToSyslog(SinkSuite):
    @pytest.fixture
    def subject(self, tmp_path):
        syslog = Syslog(tmp_path / "log")
        yield SinkUnderTest("log", {"syslog": str(syslog.place)}, syslog.received, syslog.away)
        syslog.stop()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
class TestNotify(SinkSuite):
    @pytest.fixture
    def subject(self, receiver):
        return SinkUnderTest(
            type="notify",
            settings={
                "urls": [f"json://user:hunter-two@127.0.0.1:{receiver.port}/a-key-in-the-path"],
                "only": "*",
            },
            received=lambda: [got.json["message"] for got in receiver.got],
            away=receiver.away,
        )


class TestQueue(SinkSuite):
    @pytest.fixture(params=["structured", "binary"])
    def subject(self, broker, request):
        import pika

        queue = f"told-{request.param}-{id(request)}"
        taken = []

        def received():
            connection = pika.BlockingConnection(pika.URLParameters(broker.url))
            channel = connection.channel()
            channel.queue_declare(queue, durable=True)
            while True:
                method, _, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    connection.close()
                    return list(taken)
                taken.append(plain(body.decode()))

        return SinkUnderTest("queue", {"url": broker.url, "queue": queue, "mode": request.param}, received)


class TestOtlp(SinkSuite):
    @pytest.fixture
    def subject(self, receiver, monkeypatch):
        # The library tries again by itself, with pauses: what is away stays away here.
        monkeypatch.setattr("stormcone.sinks.otlp.PATIENCE", 0.2)

        def received():
            told = []
            for got in receiver.got:
                if got.path == "/v1/logs":
                    body = gzip.decompress(got.body) if got.headers.get("content-encoding") == "gzip" else got.body
                    request = ExportLogsServiceRequest.FromString(body)
                    told += [
                        record.body.string_value
                        for resource in request.resource_logs
                        for scope in resource.scope_logs
                        for record in scope.log_records
                    ]
            return told

        settings = {"endpoint": f"http://127.0.0.1:{receiver.port}", "headers": {"Authorization": "Bearer a-secret"}}
        return SinkUnderTest("otlp", settings, received, receiver.away)
