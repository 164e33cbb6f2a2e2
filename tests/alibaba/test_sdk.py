"""The real SDK against a real socket: what goes over the wire, and what is kept from happening."""

import gc
import logging
import re
import socket
import sys
import traceback
from urllib.parse import quote

import pytest
import requests
import vcr
from requests.adapters import BaseAdapter

from stormcone.errors import ProviderError, ProviderUnavailable
from stormcone_alibaba import transport
from stormcone_alibaba.ecs import HistoryQuery
from stormcone_alibaba.errors import ApiFault, ApiRefused
from stormcone_alibaba.redact import LOGS
from stormcone_alibaba.sdk import ReadRetries, SdkEcs, require_sdk

HISTORY = "DescribeInstanceHistoryEvents"
CREATE = "CreateSimulatedSystemEvents"
CANCEL = "CancelSimulatedSystemEvents"
ACCEPT = "AcceptInquiredSystemEvent"


def whole_chain(error):
    """All that anybody could print of an error."""
    texts = traceback.format_exception(error)
    while error is not None:
        texts += [repr(error), str(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


class Recording(BaseAdapter):
    """Answers every request with an empty list, and remembers the URLs and proxies."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, request, **options):
        self.sent.append((request.url, options))
        response = requests.Response()
        response.status_code = 200
        response._content = b'{"RequestId": "R", "InstanceSystemEventSet": {"InstanceSystemEventType": []}}'
        return response

    def close(self):
        pass


@pytest.fixture
def recording(clock):
    adapter = Recording()
    session = transport.ApiSession(clock)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    adapter.session = session
    yield adapter
    session.close()


class TestWhatIsAsked:
    def test_the_history_is_asked_for_by_status_instance_and_page(self, cloud, open_ecs):
        query = HistoryQuery(statuses=("Scheduled", "Executing"), resource_ids=("i-1", "i-2"))
        open_ecs(cloud.url).describe_history_events(query, "a-token")
        (asked,) = cloud.asked
        assert (asked.method, asked.path, asked.action) == ("POST", "/", HISTORY)
        assert asked.values("InstanceEventCycleStatus") == ["Scheduled", "Executing"]
        assert asked.values("ResourceId") == ["i-1", "i-2"]
        facts = {name: asked.query[name] for name in ("Version", "RegionId", "MaxResults", "NextToken", "Format")}
        assert facts == {
            "Version": "2014-05-26",
            "RegionId": "cn-hangzhou",
            "MaxResults": "100",
            "NextToken": "a-token",
            "Format": "JSON",
        }

    def test_a_tag_is_a_key_and_a_value(self, cloud, open_ecs):
        open_ecs(cloud.url).describe_history_events(HistoryQuery(statuses=("Scheduled",), tag=("env", "a~b+c d")))
        assert cloud.asked[0].values("Tag") == ["env", "a~b+c d"]

    def test_every_call_has_a_request_of_its_own(self, cloud, open_ecs):
        ecs = open_ecs(cloud.url)
        ecs.cancel_simulated(("e-1", "e-2", "e-3"))
        ecs.cancel_simulated(("e-4",))
        assert cloud.asked[1].values("EventId") == ["e-4"]

    def test_simulated_events_never_touch_an_instance(self, cloud, open_ecs):
        open_ecs(cloud.url).create_simulated("SystemMaintenance.Reboot", "2026-12-01T06:32:31Z", ("i-1", "i-2"))
        (asked,) = cloud.asked
        assert asked.values("InstanceId") == ["i-1", "i-2"]
        assert asked.query["EventType"] == "SystemMaintenance.Reboot"
        assert asked.query["NotBefore"] == "2026-12-01T06:32:31Z"
        assert "realops" not in asked.target.casefold()

    def test_consent_names_one_event(self, cloud, open_ecs):
        open_ecs(cloud.url).accept("e-1")
        assert (cloud.asked[0].action, cloud.asked[0].query["EventId"]) == (ACCEPT, "e-1")

    def test_an_endpoint_may_have_a_path(self, cloud, open_ecs, query):
        open_ecs(f"{cloud.url}/machines/i-here").describe_history_events(query)
        assert cloud.asked[0].path == "/machines/i-here/"


class TestSigning:
    def test_is_by_the_documented_rules(self, cloud, open_ecs, query, signature, credentials):
        open_ecs(cloud.url).describe_history_events(query)
        (asked,) = cloud.asked
        assert asked.query["AccessKeyId"] == credentials.access_key_id
        assert asked.query["Signature"] == signature(asked, credentials.access_key_secret)

    def test_takes_in_a_security_token(self, cloud, open_ecs, query, signature, temporary):
        open_ecs(cloud.url, signs=temporary).describe_history_events(query)
        (asked,) = cloud.asked
        assert asked.query["SecurityToken"] == temporary.security_token
        assert asked.query["Signature"] == signature(asked, temporary.access_key_secret)

    @pytest.mark.parametrize("kind", ["credentials", "temporary"])
    def test_is_not_taken_over_by_the_environment(self, cloud, open_ecs, query, signature, request, monkeypatch, kind):
        monkeypatch.setenv("ALIYUN_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("ALIYUN_ACCESS_KEY_SECRET", "else")
        credentials = request.getfixturevalue(kind)
        open_ecs(cloud.url, signs=credentials).describe_history_events(query)
        (asked,) = cloud.asked
        assert asked.query["AccessKeyId"] == credentials.access_key_id
        assert asked.query["Signature"] == signature(asked, credentials.access_key_secret)

    def test_follows_credentials_that_change(self, cloud, clock, query, credentials, temporary):
        current = [credentials]
        ecs = SdkEcs(region="r", endpoint=cloud.url, credentials=lambda: current[0], clock=clock)
        ecs.describe_history_events(query)
        current[0] = temporary
        ecs.describe_history_events(query)
        ecs.close()
        gc.collect()
        assert ["SecurityToken" in asked.query for asked in cloud.asked] == [False, True]


class TestTheSession:
    def test_is_ours_and_not_the_sdks_old_copy(self, cloud, open_ecs, query, tmp_path, monkeypatch):
        # vcrpy sees the installed libraries alone: if the SDK went its own way again, nothing would be recorded, and
        # the second call would need a network.
        cassette = str(tmp_path / "history.yaml")
        recorder = vcr.VCR(match_on=["method", "host", "port", "path"])
        with recorder.use_cassette(cassette, record_mode="once"):
            recorded = open_ecs(cloud.url).describe_history_events(query)
        cloud.script.clear()

        def no_network(*_args, **_kwargs):
            raise AssertionError("a replay went to the network")

        monkeypatch.setattr(socket.socket, "connect", no_network)
        with recorder.use_cassette(cassette, record_mode="none") as tape:
            assert open_ecs(cloud.url).describe_history_events(query) == recorded
            assert tape.play_count == 1
        assert len(cloud.asked) == 1

    def test_reaches_the_real_service_by_https_and_asks_nobody_where_it_is(self, recording, open_ecs, query):
        open_ecs("https://ecs.invented-1.aliyuncs.com", session=recording.session).describe_history_events(query)
        ((url, options),) = recording.sent
        assert url.startswith("https://ecs.invented-1.aliyuncs.com/?")
        assert (options["timeout"], options["verify"]) == ((5.0, 20.0), True)

    def test_is_closed_for_good(self, cloud, open_ecs, query):
        ecs = open_ecs(cloud.url)
        ecs.close()
        ecs.close()
        with pytest.raises(ProviderError, match="was closed"):
            ecs.describe_history_events(query)
        assert cloud.asked == []

    def test_takes_no_password_from_a_netrc(self, cloud, open_ecs, query, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password netrc-secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        open_ecs(cloud.url).describe_history_events(query)
        assert "authorization" not in cloud.asked[0].headers

    def test_tells_a_tap_of_every_exchange(self, scripted, open_ecs, query, clock):
        told = []
        scripted.hang_up().answer(200, {"RequestId": "R", "InstanceSystemEventSet": {}})
        open_ecs(scripted.url, session=transport.ApiSession(clock, told.append)).describe_history_events(query)
        lost, answered = told
        assert (lost.status, lost.fault) == (0, "it hung up without an answer")
        assert (answered.method, answered.status, answered.reason, answered.fault) == ("POST", 200, "OK", "")
        assert b'"RequestId"' in answered.body
        assert f"Action={HISTORY}" in answered.url

    def test_reads_no_more_than_the_limit(self, scripted, open_ecs, query, monkeypatch):
        monkeypatch.setattr("stormcone.clouds.http.api.API_BODY_LIMIT", 64 * 1024)
        scripted.answer(200, b"x" * 70_000)
        with pytest.raises(ProviderError, match="larger than 64 KiB"):
            open_ecs(scripted.url, retries=ReadRetries(attempts=1)).describe_history_events(query)


class TestProxies:
    def test_are_the_environments(self, cloud, open_ecs, query, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", cloud.url)
        open_ecs("http://ecs.somewhere.test").describe_history_events(query)
        assert cloud.asked[0].target.startswith("http://ecs.somewhere.test/?")

    def test_of_the_environment_do_not_count_where_no_proxy_says_so(
        self, cloud, dead_url, open_ecs, query, monkeypatch
    ):
        monkeypatch.setenv("HTTP_PROXY", dead_url)
        monkeypatch.setenv("HTTPS_PROXY", dead_url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        open_ecs(cloud.url).describe_history_events(query)
        assert cloud.asked[0].target.startswith("/?")

    def test_that_are_set_win_over_the_environments(self, cloud, dead_url, open_ecs, query, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", dead_url)
        monkeypatch.setenv("NO_PROXY", "*")
        open_ecs("http://ecs.somewhere.test", proxy=cloud.url).describe_history_events(query)
        assert cloud.asked[0].target.startswith("http://ecs.somewhere.test/?")

    def test_that_refuse_a_tunnel_are_named(self, scripted, open_ecs, query):
        scripted.answer(407)
        ecs = open_ecs("https://ecs.somewhere.test", proxy=scripted.url, retries=ReadRetries(attempts=1))
        with pytest.raises(ProviderError, match="the proxy does not let it through"):
            ecs.describe_history_events(query)


class TestRetries:
    def test_reading_is_tried_again_with_a_growing_pause(self, cloud, open_ecs, query, clock):
        cloud.refuses(HISTORY, "ServiceUnavailable", 503)
        cloud.refuses(HISTORY, "InternalError", 500)
        open_ecs(cloud.url).describe_history_events(query)
        assert clock.slept == [0.5, 1.0]

    def test_a_fault_of_the_transport_is_tried_again(self, scripted, open_ecs, query, clock):
        body = {"RequestId": "R", "InstanceSystemEventSet": {}}
        scripted.reset().hang_up().answer(200, body)
        assert open_ecs(scripted.url).describe_history_events(query) == body
        assert len(clock.slept) == 2

    def test_reading_gives_up_after_three_attempts(self, cloud, open_ecs, query):
        for _ in range(3):
            cloud.refuses(HISTORY, "ServiceUnavailable", 503)
        with pytest.raises(ApiFault, match="not available now"):
            open_ecs(cloud.url).describe_history_events(query)
        assert len(cloud.asked) == 3

    @pytest.mark.parametrize("code", ["Throttling", "Throttling.User", "Throttling.Api"])
    def test_throttling_is_left_to_the_next_minute(self, cloud, open_ecs, query, code):
        cloud.refuses(HISTORY, code)
        with pytest.raises(ApiFault) as caught:
            open_ecs(cloud.url).describe_history_events(query)
        assert (caught.value.retry_after, len(cloud.asked)) == (49.0, 1)

    @pytest.mark.parametrize("code", ["Forbidden.RAM", "InvalidAccessKeyId.NotFound", "InvalidParameter"])
    def test_what_stays_is_not_tried_again(self, cloud, open_ecs, query, code):
        cloud.refuses(HISTORY, code, 403)
        with pytest.raises(ProviderError, match=code):
            open_ecs(cloud.url).describe_history_events(query)
        assert len(cloud.asked) == 1

    @pytest.mark.parametrize(
        ("action", "call"),
        [
            (CREATE, lambda ecs: ecs.create_simulated("SystemMaintenance.Reboot", "2026-12-01T06:32:31Z", ("i-1",))),
            (CANCEL, lambda ecs: ecs.cancel_simulated(("e-1",))),
            (ACCEPT, lambda ecs: ecs.accept("e-1")),
        ],
    )
    def test_what_changes_something_is_sent_once(self, cloud, scripted, open_ecs, action, call):
        cloud.refuses(action, "ServiceUnavailable", 503)
        with pytest.raises(ApiFault, match=action):
            call(open_ecs(cloud.url))
        assert len(cloud.asked) == 1
        scripted.hang_up()
        with pytest.raises(ProviderError, match="it hung up without an answer"):
            call(open_ecs(scripted.url))
        assert len(scripted.asked) == 1


class TestOddAnswers:
    def test_a_wrong_secret_is_told_from_a_wrong_request(self, scripted, open_ecs, query):
        # The service echoes the string that it signed; the SDK compares.
        scripted.answer(400, {"Code": "SignatureDoesNotMatch", "Message": "Not matched. to sign is:POST&%2F&x"})
        with pytest.raises(ApiFault, match="the access key secret is wrong"):
            open_ecs(scripted.url).describe_history_events(query)

    def test_a_wrong_signature_without_a_colon_does_not_break_the_sdk(self, cloud, open_ecs, query):
        cloud.refuses(HISTORY, "SignatureDoesNotMatch", 400, "Specified signature is not matched.")
        with pytest.raises(ApiFault, match="the access key secret is wrong"):
            open_ecs(cloud.url).describe_history_events(query)

    @pytest.mark.parametrize("body", [b"null", b"7", b'"text"', b"[]", b"<html>", b"\xff\xfe", b"", b'{"Code": 7}'])
    def test_an_error_that_is_not_the_services_passes(self, cloud, open_ecs, query, body):
        cloud.answers(HISTORY, *[(502, body)] * 3)
        with pytest.raises(ProviderError, match=f"{HISTORY} failed") as caught:
            open_ecs(cloud.url).describe_history_events(query)
        assert caught.value.passing

    @pytest.mark.parametrize("body", [b"null", b"<html>", b"", b"\xff\xfe", b'{"Code": "X", "RequestId": "R"}'])
    def test_a_success_that_is_not_the_services_is_none(self, cloud, open_ecs, query, body):
        cloud.answers(HISTORY, *[(200, body)] * 3)
        with pytest.raises(ProviderError, match=f"{HISTORY} failed"):
            open_ecs(cloud.url).describe_history_events(query)

    def test_a_redirect_is_not_followed(self, cloud, scripted, open_ecs, query):
        scripted.answer(302, b"", {"Location": cloud.url})
        with pytest.raises(ProviderError):
            open_ecs(scripted.url, retries=ReadRetries(attempts=1)).describe_history_events(query)
        assert cloud.asked == []

    def test_a_refusal_keeps_its_code(self, cloud, open_ecs):
        cloud.refuses(ACCEPT, "InvalidEventId.NoInquiringEventFound", 404)
        with pytest.raises(ApiRefused) as caught:
            open_ecs(cloud.url).accept("e-1")
        assert caught.value.code == "InvalidEventId.NoInquiringEventFound"


class TestSecrets:
    """The key's id and secret, the security token and the signature."""

    @pytest.fixture
    def quiet(self, temporary, caplog, monkeypatch, capfd):
        """Fails if one of them shows in a text, in the log at DEBUG, or on the SDK's own output."""
        monkeypatch.setenv("DEBUG", "sdk")
        for name in LOGS.loggers():  # whatever an earlier test has set up
            monkeypatch.setattr(logging.getLogger(name), "filters", [])
        caplog.set_level(logging.DEBUG)
        for name in ("aliyunsdkcore", "urllib3", "stormcone", "stormcone.alibaba"):
            caplog.set_level(logging.DEBUG, logger=name)

        def check(text):
            written = capfd.readouterr()
            everything = "\n".join([text, caplog.text, written.out, written.err])
            values = [*temporary.secrets, *(quote(secret, safe="") for secret in temporary.secrets)]
            assert [value for value in values if value in everything] == []
            assert set(re.findall(r"Signature=([^&\s]*)", everything)) <= {"***"}
            return everything

        return check

    @pytest.mark.parametrize("own_session", [True, False])
    def test_do_not_show_in_a_fault_of_the_transport(self, dead_url, open_ecs, query, temporary, quiet, own_session):
        session = None if own_session else requests.Session()
        ecs = open_ecs(dead_url, signs=temporary, session=session, retries=ReadRetries(attempts=1))
        with pytest.raises(ProviderError) as caught:
            ecs.describe_history_events(query)
        quiet(whole_chain(caught.value))

    def test_do_not_show_when_an_answer_breaks_off(self, scripted, open_ecs, query, temporary, quiet):
        scripted.half(b"{")
        with pytest.raises(ProviderError, match="broke off halfway") as caught:
            open_ecs(scripted.url, signs=temporary, retries=ReadRetries(attempts=1)).describe_history_events(query)
        quiet(whole_chain(caught.value))

    def test_do_not_show_when_a_header_cannot_be_read(self, scripted, open_ecs, query, temporary, quiet):
        body = b'{"RequestId": "R", "InstanceSystemEventSet": {"InstanceSystemEventType": []}}'
        scripted.raw(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: %d\r\n\r\n" % len(body) + body, hang_up=True)
        open_ecs(scripted.url, signs=temporary).describe_history_events(query)
        assert "Failed to parse headers" in quiet("")

    @pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "IncompleteSignature", "Novel.Code"])
    def test_do_not_show_when_the_service_echoes_the_string_to_sign(
        self, scripted, open_ecs, query, temporary, quiet, code
    ):
        once = quote(temporary.security_token, safe="")
        echo = f"POST&%2F&AccessKeyId%3D{temporary.access_key_id}%26SecurityToken%3D{quote(once, safe='')}"
        scripted.answer(400, {"Code": code, "Message": f"No. server string to sign is:{echo}", "RequestId": "R"})
        with pytest.raises(ProviderError, match=code) as caught:
            open_ecs(scripted.url, signs=temporary).describe_history_events(query)
        quiet(whole_chain(caught.value))

    def test_do_not_show_when_all_is_well(self, cloud, open_ecs, query, temporary, quiet):
        open_ecs(cloud.url, signs=temporary).describe_history_events(query)
        assert "DescribeInstanceHistoryEvents" in quiet("")


class TestWithoutTheSdk:
    def test_the_cure_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "aliyunsdkcore.client", None)
        with pytest.raises(ProviderUnavailable, match=r"run pip install stormcone\[alibaba\]"):
            require_sdk()
