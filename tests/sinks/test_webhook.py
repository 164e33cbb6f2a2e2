"""The webhook: CloudEvents as the specification has them, signed, and what becomes of every answer."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from pydantic import ValidationError

from stormcone.clock import ManualClock
from stormcone.clouds.http.faults import Timeouts
from stormcone.errors import SinkError, SinkRefused
from stormcone.sinks import webhook
from stormcone.sinks.webhook import STATUSES, WebhookSink, WebhookSinkSettings, key_of
from stormcone.testing.conformance.sinks import NOW, sample

KEY = b"a key that nobody else knows"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
PATH = "/services/T0000/a-key-in-the-path"


@pytest.fixture
def sinks(receiver):
    made = []

    def make(url=None, **settings):
        given = WebhookSinkSettings(url=url or f"http://127.0.0.1:{receiver.port}{PATH}?token=abc", **settings)
        made.append(WebhookSink(given, ManualClock(NOW)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUTS", Timeouts(connect=30, read=1, slack=0.1))


class TestTheCloudEvent:
    @pytest.mark.parametrize("mode", ["structured", "binary"])
    def test_is_read_by_the_library_of_cloudevents(self, sinks, receiver, mode):
        notification = sample("run.failed")
        sinks(mode=mode).send(notification)
        (got,) = receiver.got
        event = from_http_event(HTTPMessage(headers=got.headers, body=got.body))
        assert event.get_specversion() == "1.0"
        assert event.get_id() == notification.id
        assert event.get_source() == "/stormcone/test/vm-0"
        assert event.get_type() == "dev.stormcone.run.failed"
        assert event.get_subject() == "web-0"
        assert event.get_time() == notification.time
        assert event.get_extension("correlationid") == "E-1"
        assert event.get_data() == json.loads(json.dumps(notification.payload()))

    def test_has_its_content_type_by_its_mode(self, sinks, receiver):
        sinks().send(sample("run.failed"))
        sinks(mode="binary").send(sample("run.failed"))
        types = [got.headers["content-type"] for got in receiver.got]
        assert types == ["application/cloudevents+json", "application/json"]
        assert receiver.got[1].headers["ce-correlationid"] == "E-1"
        assert "native" not in receiver.got[1].json["event"] or receiver.got[1].json["event"]["native"] == {}

    def test_goes_to_the_whole_address_with_the_headers_that_were_given(self, sinks, receiver, monkeypatch, tmp_path):
        token = tmp_path / "token"
        token.write_text("Bearer from-a-file\n")
        monkeypatch.setenv("HOOK_TEAM", "from-the-environment")
        sinks(headers={"Authorization": f"file:{token}", "X-Team": "env:HOOK_TEAM", "X-Plain": "as it is"}).send(
            sample("run.failed")
        )
        (got,) = receiver.got
        assert got.path == f"{PATH}?token=abc"
        assert got.headers["authorization"] == "Bearer from-a-file"
        assert got.headers["x-team"] == "from-the-environment"
        assert got.headers["x-plain"] == "as it is"


class TestTheSignature:
    @pytest.mark.parametrize("mode", ["structured", "binary"])
    def test_is_that_of_standard_webhooks(self, sinks, receiver, mode):
        notification = sample("run.failed")
        sinks(secret=SECRET, mode=mode).send(notification)
        (got,) = receiver.got
        assert got.headers["webhook-id"] == notification.id
        assert datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC) == NOW
        signed = f"{notification.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert got.headers["webhook-signature"] == f"v1,{expected}"

    def test_agrees_with_the_example_of_standard_webhooks(self):
        body = b'{"test": 2432232314}'
        key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        headers = webhook.signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, key)
        assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_any_text_is_a_key_too(self):
        assert key_of("hunter2") == b"hunter2"
        assert key_of("whsec_not base64!") == b"whsec_not base64!"

    def test_is_left_out_without_a_secret(self, sinks, receiver):
        sinks().send(sample("run.failed"))
        assert not [name for name in receiver.got[0].headers if name.startswith("webhook-")]


class TestAnAnswer:
    @pytest.mark.parametrize("status", [200, 202, 204])
    def test_of_success_is_taken(self, sinks, receiver, status):
        receiver.does = status
        sinks().send(sample("run.failed"))

    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    def test_about_this_notification_alone_drops_it(self, sinks, receiver, status):
        receiver.does = status
        with pytest.raises(SinkRefused, match=rf"^POST 127.0.0.1:\d+ failed: status {status}, "):
            sinks().send(sample("run.failed"))

    @pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 408, 409, 410, 418, 425, 429, 500, 502, 503, 504, 599])
    def test_that_may_pass_keeps_it(self, sinks, receiver, status):
        receiver.does = status
        receiver.headers = {"Location": "http://127.0.0.1:1/elsewhere"}
        with pytest.raises(SinkError) as failed:
            sinks().send(sample("run.failed"))
        assert not isinstance(failed.value, SinkRefused)
        assert receiver.tried == 1

    def test_may_say_when_to_come_again(self, sinks, receiver):
        receiver.does = 429
        receiver.headers = {"Retry-After": "37"}
        with pytest.raises(SinkError) as failed:
            sinks().send(sample("run.failed"))
        assert failed.value.retry_after == 37

    @pytest.mark.parametrize("fault", ["hang", "cut"])
    def test_that_does_not_come_is_a_failure_in_bounded_time(self, sinks, receiver, quick, fault):
        receiver.does = fault
        with pytest.raises(SinkError, match=r"POST 127\.0\.0\.1"):
            sinks().send(sample("run.failed"))

    def test_whose_body_never_ends_is_not_read(self, sinks, scripted, quick):
        scripted.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        sinks(url=scripted.url).send(sample("run.failed"))

    def test_that_sends_us_elsewhere_is_not_followed_nor_read(self, sinks, scripted, quick):
        scripted.drip(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 100000\r\n\r\n")
        with pytest.raises(SinkError, match="status 302, which is not expected here; redirects are not followed"):
            sinks(url=scripted.url).send(sample("run.failed"))

    def test_every_status_has_words_of_its_own(self):
        assert {status for status, meaning in STATUSES.items() if not meaning.passing} == {400, 413, 415, 422}


class TestSecrets:
    def test_are_in_no_error(self, sinks, receiver):
        receiver.does = 500
        with pytest.raises(SinkError) as failed:
            sinks(secret=SECRET, headers={"Authorization": "Bearer t0ken"}).send(sample("run.failed"))
        text = repr(failed.value) + str(failed.value.__cause__) + str(failed.value.__context__ and "")
        assert not [secret for secret in (PATH, "token", "abc", SECRET, "t0ken") if secret in text]

    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"url": "ftp://127.0.0.1/x"}, "not an http:// or https:// address"),
            ({"url": "http:///nowhere"}, "not an http:// or https:// address"),
            ({"url": "env:NO_SUCH_VARIABLE"}, "the environment has no NO_SUCH_VARIABLE"),
            ({"url": "http://127.0.0.1/x", "secret": "file:/no/such/file"}, "/no/such/file cannot be read"),
            ({"url": "http://127.0.0.1/x", "mode": "batch"}, "structured"),
            ({"url": "http://127.0.0.1/x", "only": "run.exploded"}, "no notification has the type run.exploded"),
        ],
    )
    def test_and_other_settings_that_cannot_be_used_are_refused(self, given, why):
        with pytest.raises(ValidationError, match=why):
            WebhookSinkSettings.model_validate(given)

    def test_of_an_empty_file_are_refused(self, tmp_path):
        (tmp_path / "key").touch()
        with pytest.raises(ValidationError, match="is empty"):
            WebhookSinkSettings.model_validate({"url": f"file:{tmp_path / 'key'}"})


def test_a_proxy_of_the_environment_is_used_and_no_proxy_is_heeded(receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{receiver.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    through = WebhookSink(WebhookSinkSettings(url="http://hooks.invalid/x"), ManualClock(NOW))
    through.send(sample("run.failed"))
    through.close()
    assert receiver.got[0].path == "http://hooks.invalid/x"
    monkeypatch.setenv("no_proxy", "hooks.invalid")
    past = WebhookSink(WebhookSinkSettings(url="http://hooks.invalid/x"), ManualClock(NOW))
    with pytest.raises(SinkError):
        past.send(sample("run.failed"))
    past.close()
