"""What is particular to each of the other sinks."""

import json
import logging
import os
import resource
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from stormcone.clock import ManualClock
from stormcone.errors import PluginError, SettingsError, SinkError
from stormcone.plugins import sink_class
from stormcone.sinks.contract import NamedSink, secrets_of
from stormcone.sinks.log import LogSink, LogSinkSettings
from stormcone.sinks.notify import FIELDS, FOR_PEOPLE, NotifySink, NotifySinkSettings
from stormcone.sinks.otlp import OtlpSink, OtlpSinkSettings
from stormcone.sinks.queue import QueueSink, QueueSinkSettings
from stormcone.testing.conformance.sinks import NOW, sample

imghdr = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class TestLog:
    def test_each_line_is_a_cloudevent_in_json(self, tmp_path):
        LogSink(LogSinkSettings(file=tmp_path / "told.jsonl")).send(sample("run.failed"))
        line = json.loads((tmp_path / "told.jsonl").read_text())
        assert line["specversion"] == "1.0"
        assert line["type"] == "dev.stormcone.run.failed"
        assert line["data"]["run"]["handler"] == "lb"

    def test_a_file_that_was_rotated_is_made_anew(self, tmp_path):
        sink = LogSink(LogSinkSettings(file=tmp_path / "told.jsonl"))
        sink.send(sample("run.started"))
        (tmp_path / "told.jsonl").rename(tmp_path / "told.jsonl.1")
        sink.send(sample("run.failed"))
        assert "run.failed" in (tmp_path / "told.jsonl").read_text()

    def test_half_a_line_is_taken_back_where_there_is_no_room(self, tmp_path):
        """A limit of the process stands for a full disk: the write is cut short, and nothing of it stays."""
        file = tmp_path / "told.jsonl"
        sink = LogSink(LogSinkSettings(file=file))
        sink.send(sample("run.started"))
        whole = file.read_text()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, before[1]))
        try:
            with pytest.raises(SinkError, match="cannot be written"):
                sink.send(sample("run.failed"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert file.read_text() == whole
        sink.send(sample("run.failed"))
        assert len(file.read_text().splitlines()) == 2

    def test_what_it_makes_others_cannot_read(self, tmp_path):
        before = os.umask(0)
        try:
            LogSink(LogSinkSettings(file=tmp_path / "told.jsonl")).send(sample("run.started"))
        finally:
            os.umask(before)
        assert (tmp_path / "told.jsonl").stat().st_mode & 0o777 == 0o640

    def test_syslog_gets_a_severity_by_udp_too(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(10)
            sink = LogSink(LogSinkSettings(syslog=f"127.0.0.1:{server.getsockname()[1]}"))
            sink.send(sample("run.succeeded"))
            sink.send(sample("run.failed"))
            sink.close()
            messages = [server.recv(100_000).decode() for _ in range(2)]
        assert [message.partition("stormcone: {")[0] for message in messages] == ["<30>", "<28>"]

    @pytest.mark.parametrize("given", [{}, {"file": "/tmp/x", "syslog": "/dev/log"}])  # noqa: S108
    def test_it_goes_to_one_place(self, given):
        with pytest.raises(ValidationError, match="give it a file, or syslog"):
            LogSinkSettings.model_validate(given)


@imghdr
class TestNotify:
    @pytest.fixture
    def sinks(self, receiver):
        def make(urls=None, **settings):
            urls = urls or [f"json://127.0.0.1:{receiver.port}/a-key"]
            return NotifySink(NotifySinkSettings.model_validate({"urls": urls, **settings}))

        return make

    def test_people_get_a_title_and_a_sentence(self, sinks, receiver):
        sinks().send(sample("run.failed", text="lb.prepare failed: no answer"))
        assert receiver.got[0].json["title"] == "web-0: run.failed"
        assert receiver.got[0].json["message"] == "lb.prepare failed: no answer"
        assert receiver.got[0].json["type"] == "failure"

    def test_every_field_of_a_template_can_be_filled(self, sinks, receiver):
        template = " ".join(f"{name}={{{name}}}" for name in FIELDS)
        sinks(text=template).send(sample("run.failed"))
        said = receiver.got[0].json["message"]
        for part in ("machine=web-0", "provider=test", "impact=reboot", "handler=lb", "stage=prepare", "note=because"):
            assert part in said
        assert "not_before=2026-01-01 00:15:00Z" in said
        assert "outcome= " in said

    @pytest.mark.parametrize(
        ("template", "why"),
        [("{machin}", "there is no {machin}"), ("{", "not a template"), ("{text.__class__}", "there is no")],
    )
    def test_a_template_that_cannot_be_filled_is_refused_before(self, template, why):
        with pytest.raises(ValidationError, match=why):
            NotifySinkSettings.model_validate({"urls": ["json://127.0.0.1/"], "text": template})

    def test_what_people_need_not_know_is_left_out_unless_asked_for(self, receiver):
        assert NotifySinkSettings.model_validate({"urls": "json://127.0.0.1/"}).only == FOR_PEOPLE

    def test_neighbours_events_are_left_out_unless_asked_for(self, sinks, receiver):
        notification = sample("maintenance.scheduled")
        data = notification.data.model_copy(update={"affects_machine": False})
        others = notification.model_copy(update={"data": data})
        sinks().send(others)
        assert receiver.got == []
        sinks(neighbours=True).send(others)
        assert len(receiver.got) == 1

    def test_one_of_two_that_has_taken_it_is_not_told_again(self, sinks, receiver, scripted):
        scripted.answer(500).answer(200)
        sink = sinks([f"json://127.0.0.1:{receiver.port}/", f"json://{scripted.url.removeprefix('http://')}/"])
        notification = sample("run.failed")
        with pytest.raises(SinkError, match="JSON"):
            sink.send(notification)
        sink.send(notification)
        assert (len(receiver.got), len(scripted.asked)) == (1, 2)

    def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown(self):
        with pytest.raises(SettingsError, match="URL number 1") as refused:
            NotifySink(NotifySinkSettings.model_validate({"urls": ["nosuchservice://hunter2"]}))
        assert "hunter2" not in str(refused.value)

    def test_apprise_says_nothing_of_its_own(self, sinks, receiver):
        said = []
        ear = logging.Handler()
        ear.emit = said.append
        logging.getLogger().addHandler(ear)
        receiver.does = 500
        try:
            with pytest.raises(SinkError, match="500"):
                sinks().send(sample("run.failed"))
        finally:
            logging.getLogger().removeHandler(ear)
        assert said == []


class TestQueue:
    def test_each_message_is_persistent_and_has_its_properties(self, broker):
        import pika

        sink = QueueSink(QueueSinkSettings.model_validate({"url": broker.url, "queue": "properties"}))
        sink.send(sample("run.failed"))
        sink.close()
        connection = pika.BlockingConnection(pika.URLParameters(broker.url))
        _, properties, body = connection.channel().basic_get("properties", auto_ack=True)
        connection.close()
        assert (properties.message_id, properties.correlation_id) == (sample("run.failed").id, "E-1")
        assert (properties.type, properties.delivery_mode) == ("dev.stormcone.run.failed", 2)
        assert properties.content_type == "application/cloudevents+json"
        assert properties.timestamp == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC).timestamp()
        assert json.loads(body)["id"] == properties.message_id

    def test_an_exchange_routes_by_the_type(self, broker):
        import pika

        connection = pika.BlockingConnection(pika.URLParameters(broker.url))
        channel = connection.channel()
        channel.exchange_declare("central", exchange_type="topic", durable=True)
        channel.queue_declare("failures", durable=True)
        channel.queue_bind("failures", "central", "dev.stormcone.run.failed")
        sink = QueueSink(QueueSinkSettings.model_validate({"url": broker.url, "exchange": "central", "mode": "binary"}))
        sink.send(sample("run.failed"))
        with pytest.raises(SinkError, match="nothing takes what is published there"):
            sink.send(sample("run.started"))
        sink.close()
        method, properties, _ = channel.basic_get("failures", auto_ack=True)
        assert method is not None
        assert properties.headers["cloudEvents_type"] == "dev.stormcone.run.failed"
        assert channel.basic_get("failures", auto_ack=True)[0] is None
        connection.close()

    def test_a_password_that_is_wrong_is_told_without_it(self, broker):
        url = broker.url.replace("guest:guest", "guest:hunter-two")
        sink = QueueSink(QueueSinkSettings.model_validate({"url": url}))
        with pytest.raises(SinkError) as failed:
            sink.send(sample("run.failed"))
        assert "hunter-two" not in str(failed.value)
        assert "ACCESS_REFUSED" in str(failed.value)

    def test_nobody_there_is_said_in_plain_words(self):
        sink = QueueSink(QueueSinkSettings.model_validate({"url": "amqp://guest:guest@127.0.0.1:1/"}))
        with pytest.raises(SinkError, match=r"^127\.0\.0\.1:1: ConnectionRefusedError: .*Connection refused$"):
            sink.send(sample("run.failed"))


class TestOtlp:
    @pytest.fixture
    def told(self, receiver):
        def tell(*kinds, **settings):
            sink = OtlpSink(
                OtlpSinkSettings.model_validate({"endpoint": f"http://127.0.0.1:{receiver.port}", **settings})
            )
            for kind in kinds:
                sink.send(sample(kind))
            sink.close()
            logs, spans = [], []
            for got in receiver.got:
                if got.path == "/v1/logs":
                    for each in ExportLogsServiceRequest.FromString(got.body).resource_logs:
                        logs += [(each.resource, record) for scope in each.scope_logs for record in scope.log_records]
                else:
                    for each in ExportTraceServiceRequest.FromString(got.body).resource_spans:
                        spans += [span for scope in each.scope_spans for span in scope.spans]
            return logs, spans

        return tell

    @staticmethod
    def values(attributes):
        return {each.key: each.value.string_value or each.value.int_value for each in attributes}

    def test_each_notification_is_an_event_with_the_names_of_opentelemetry(self, told, receiver):
        (((resource_, record),), _) = told("maintenance.scheduled", headers={"Authorization": "Bearer t0ken"})
        assert record.event_name == "dev.stormcone.maintenance.scheduled"
        assert record.body.string_value == "what maintenance.scheduled says"
        assert record.time_unix_nano == 1_767_225_601_000_000_000
        named = self.values(resource_.attributes)
        assert (named["host.name"], named["cloud.provider"]) == ("web-0", "test")
        assert self.values(record.attributes)["stormcone.event.impact"] == "reboot"
        assert receiver.got[0].headers["authorization"] == "Bearer t0ken"

    def test_an_attempt_that_has_ended_is_a_span_too(self, told):
        logs, spans = told("run.started", "run.succeeded", "run.failed")
        assert [span.name for span in spans] == ["lb.prepare", "lb.prepare"]
        assert spans[0].end_time_unix_nano - spans[0].start_time_unix_nano == 1_000_000_000
        assert [span.status.code for span in spans] == [1, 2]
        assert spans[1].status.message == "because"
        assert {span.trace_id for span in spans} == {record.trace_id for _, record in logs}
        assert spans[0].span_id == logs[1][1].span_id

    def test_what_is_sent_twice_has_the_same_ids(self, told):
        _, spans = told("run.failed", "run.failed")
        assert len({span.span_id for span in spans}) == 1

    def test_spans_can_be_left_out(self, told):
        assert told("run.failed", spans=False)[1] == []

    def test_an_address_with_a_password_is_refused(self):
        with pytest.raises(ValidationError, match="without a name and a password"):
            OtlpSinkSettings.model_validate({"endpoint": "http://me:secret@127.0.0.1:4318"})


@pytest.mark.parametrize(
    ("kind", "settings", "module", "extra"),
    [
        ("webhook", {"url": "http://127.0.0.1/"}, "cloudevents", "webhook"),
        ("notify", {"urls": "json://127.0.0.1/"}, "apprise", "notify"),
        ("queue", {"url": "amqp://127.0.0.1/"}, "pika", "queue"),
        ("queue", {"url": "amqp://127.0.0.1/"}, "cloudevents", "queue"),
        ("otlp", {}, "opentelemetry.exporter.otlp.proto.http._log_exporter", "otlp"),
    ],
)
@imghdr
def test_a_part_that_is_not_installed_is_named_with_its_cure(monkeypatch, kind, settings, module, extra):
    plugin = sink_class(kind)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError, match=rf"not installed: pip install 'stormcone\[{extra}\]'$"):
        plugin.from_settings(plugin.Settings.model_validate(settings), ManualClock(NOW))


def test_nothing_heavy_is_imported_before_it_is_used():
    heavy = "{'apprise', 'pika', 'cloudevents', 'opentelemetry'}"
    code = f"import sys; import stormcone.plugins as p; p.load_plugins(p.SINKS); print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


def test_of_an_address_its_password_and_its_keys_are_secrets_too():
    settings = QueueSinkSettings.model_validate(
        {"url": "amqp://me:hunter%2Dtwo@127.0.0.1/a-virtual-host?key=t0ken-t0ken"}
    )
    assert secrets_of(settings) == (
        "amqp://me:hunter%2Dtwo@127.0.0.1/a-virtual-host?key=t0ken-t0ken",
        "hunter%2Dtwo",
        "hunter-two",
        "a-virtual-host",
        "t0ken-t0ken",
    )
    named = NamedSink(
        name="ops", sink=QueueSink(QueueSinkSettings(url="amqp://127.0.0.1/")), secrets=secrets_of(settings)
    )
    assert (
        named.said(OSError("login of me with hunter-two at a-virtual-host")) == "OSError: login of me with *** at ***"
    )
