"""Who is let into the API: both kinds of signature, temporary keys, clocks, nonces."""

import hashlib
import hmac
import string
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stormcone.clock import ManualClock, SystemClock
from stormcone.errors import SettingsError
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.gate import Call, Gate
from stormcone_simulators.alibaba.signature import (
    acs3_sign,
    acs3_string_to_sign,
    read_authorization,
    sign,
    string_to_sign,
)
from stormcone_simulators.http.messages import Request
from stormcone_simulators.settings import AccessKey

KEY = AccessKey(id="testid", secret="testsecret")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def admit(request, path="/", *, key=KEY, signing_clock=None):
    Gate([key], signing_clock or SystemClock(), None).admit(Call.of(request, path), NOW)


def code_of(request, **more):
    with pytest.raises(ApiError) as caught:
        admit(request, **more)
    return caught.value.code


class Acs3Client:
    """Signs as signature version 3 is documented, in code of its own."""

    def __init__(self, host="127.0.0.1:1", key="testid", secret="testsecret", token=""):  # noqa: S107
        self.host, self.key, self.secret, self.token = host, key, secret, token

    def headers(self, query, *, method="POST", path="/", body=b"", action="DescribeInstances", leave_out=(), **changed):
        headers = {
            "host": self.host,
            "x-acs-action": action,
            "x-acs-version": "2014-05-26",
            "x-acs-date": stamp(datetime.now(UTC)),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            **({"x-acs-security-token": self.token} if self.token else {}),
            **changed,
        }
        names = sorted(name for name in headers if name not in leave_out)
        pairs = "&".join(f"{quote(k, safe='~')}={quote(query[k], safe='~')}" for k in sorted(query))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        request = f"{method}\n{path}\n{pairs}\n{lines}\n{';'.join(names)}\n{hashlib.sha256(body).hexdigest()}"
        text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        signed = f"Credential={self.key},SignedHeaders={';'.join(names)},Signature={signature}"
        return {**headers, "authorization": f"ACS3-HMAC-SHA256 {signed}"}


class TestPublishedExamples:
    def test_version_1_of_the_documentation(self):
        parameters = {
            "Format": "XML",
            "Version": "2014-05-26",
            "Action": "DescribeRegions",
            "AccessKeyId": "testid",
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
            "Timestamp": "2016-02-23T12:46:24Z",
        }
        text = string_to_sign("GET", parameters)
        assert text == (
            "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML%26SignatureMethod%3DHMAC-SHA1"
            "%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf%26SignatureVersion%3D1.0"
            "%26Timestamp%3D2016-02-23T12%253A46%253A24Z%26Version%3D2014-05-26"
        )
        assert sign("testsecret", text) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="

    def test_version_3_of_the_documentation(self):
        headers = {
            "host": "ecs.cn-shanghai.aliyuncs.com",
            "x-acs-action": "RunInstances",
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
            "x-acs-date": "2023-10-26T10:22:32Z",
            "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
            "x-acs-version": "2014-05-26",
        }
        query = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
        text = acs3_string_to_sign("POST", "/", query, headers, sorted(headers), b"")
        assert text.endswith("7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259")
        assert acs3_sign("YourAccessKeySecret", text) == (
            "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        )


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(
    "a ~*+%&=/?#;:,'é中\U0001f600\n", max_size=12
)
PARAMETERS = st.dictionaries(NAMES.map(lambda name: f"Own.{name}"), VALUES, max_size=6)


class TestAnyParameters:
    @given(PARAMETERS, st.sampled_from(["GET", "POST"]), st.booleans())
    def test_version_1_is_accepted(self, ecs_client, parameters, method, in_form):
        signed = urlencode(ecs_client.signed("DescribeInstances", parameters, method=method))
        if in_form and method == "POST":
            admit(Request("POST", "/", {"content-type": FORM}, signed.encode()))
        else:
            admit(Request(method, f"/?{signed}"))

    @given(PARAMETERS, st.data())
    def test_version_1_is_refused_once_a_name_or_value_is_another(self, ecs_client, parameters, data):
        signed = ecs_client.signed("DescribeInstances", {"Own": "x", **parameters})
        name = data.draw(st.sampled_from(sorted(set(parameters) | {"Own", "RegionId", "SignatureType"})))
        changed = {**signed, name: data.draw(VALUES)}
        assume(changed != signed)
        assert code_of(Request("GET", f"/?{urlencode(changed)}")) == "SignatureDoesNotMatch"
        without = {key: value for key, value in signed.items() if key != name}
        assert code_of(Request("GET", f"/?{urlencode(without)}")) == "SignatureDoesNotMatch"
        assert code_of(Request("GET", f"/?{urlencode({**signed, 'More': ''})}")) == "SignatureDoesNotMatch"

    @given(PARAMETERS, st.data())
    def test_version_1_is_refused_once_a_character_of_the_signature_is_another(self, ecs_client, parameters, data):
        signed = ecs_client.signed("DescribeInstances", parameters)
        place = data.draw(st.integers(0, len(signed["Signature"]) - 1))
        other = data.draw(st.sampled_from(string.ascii_letters))
        assume(other != signed["Signature"][place])
        changed = signed["Signature"][:place] + other + signed["Signature"][place + 1 :]
        query = urlencode({**signed, "Signature": changed})
        assert code_of(Request("GET", f"/?{query}")) == "SignatureDoesNotMatch"

    @given(PARAMETERS, st.sampled_from(["GET", "POST"]), st.binary(max_size=8))
    def test_version_3_is_accepted_and_refused_once_anything_is_another(self, parameters, method, body):
        headers = Acs3Client().headers(parameters, method=method, body=body)
        target = f"/?{urlencode(parameters, quote_via=quote)}"
        admit(Request(method, target, headers, body))
        other = "GET" if method == "POST" else "POST"
        for changed in (
            Request(other, target, headers, body),
            Request(method, f"{target}&More=1", headers, body),
            Request(method, target, headers, body + b"x"),
            Request(method, target, {**headers, "x-acs-action": "RebootInstance"}, body),
            Request(method, target, {**headers, "host": "127.0.0.1:2"}, body),
            Request(method, target, {**headers, "x-acs-content-sha256": hashlib.sha256(b"y").hexdigest()}, body),
        ):
            assert code_of(changed) == "SignatureDoesNotMatch"

    @given(st.text(st.characters(codec="latin-1"), max_size=60))
    def test_a_header_that_is_no_signature_is_refused_and_never_a_fault(self, text):
        header = f"ACS3-HMAC-SHA256 {text}"
        assert read_authorization(header) is None or "Signature=" in text
        code_of(Request("GET", "/", {"authorization": header, "x-acs-action": "A", "x-acs-version": "2014-05-26"}))


@pytest.fixture(scope="module")
def ecs_client(ecs_client_class):
    return ecs_client_class("")


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "status", "code"),
        [
            ({"AccessKeyId": "nobody"}, 404, "InvalidAccessKeyId.NotFound"),
            ({"AccessKeyId": None}, 400, "MissingAccessKeyId"),
            ({"SignatureMethod": "HMAC-MD5"}, 400, "InvalidSignatureMethod"),
            ({"SignatureVersion": "2.0"}, 400, "InvalidSignatureVersion"),
            ({"SignatureNonce": None}, 400, "MissingSignatureNonce"),
            ({"Timestamp": None}, 400, "MissingTimestamp"),
            ({"Timestamp": "yesterday"}, 400, "InvalidTimeStamp.Format"),
            ({"Timestamp": "2020-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
            ({"Timestamp": "2099-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
            ({"Action": None}, 400, "MissingAction"),
            ({"Version": None}, 400, "MissingVersion"),
            ({"Version": "2014-05-27"}, 400, "InvalidVersion"),
            ({"Format": "YAML"}, 400, "InvalidParameter.Format"),
            ({"SecurityToken": "any"}, 400, "InvalidSecurityToken.MismatchWithAccessKey"),
        ],
    )
    def test_a_call_that_is_not_let_in(self, ecs, changed, status, code):
        answer = ecs.ask("DescribeInstances", **{"Format": "JSON", **changed})
        if changed.get("Format"):
            assert (answer.status, code in answer.body.decode()) == (status, True)
        else:
            assert (answer.status, answer.json["Code"]) == (status, code)

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
    def test_another_method(self, ecs, method):
        answer = ecs.ask("DescribeInstances", method=method)
        assert (answer.status, answer.json["Code"]) == (400, "UnsupportedHTTPMethod")

    def test_a_wrong_secret_is_told_with_the_string_that_the_server_signed(self, alibaba, ecs_of):
        ecs = ecs_of(alibaba, secret="wrong")
        answer = ecs.ask("DescribeInstances")
        assert (answer.status, answer.json["Code"]) == (400, "SignatureDoesNotMatch")
        said, text = answer.json["Message"].split(":")
        assert said == "Specified signature is not matched with our calculation. server string to sign is"
        assert text.startswith("GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeInstances")

    def test_a_signature_counts_once(self, alibaba, ecs, asking):
        query = urlencode(ecs.signed("DescribeInstances", {}))
        assert asking(alibaba.url, "GET", f"/?{query}").status == 200
        again = asking(alibaba.url, "GET", f"/?{query}")
        assert (again.status, again.json["Code"]) == (400, "SignatureNonceUsed")

    def test_a_call_that_was_refused_does_not_use_its_nonce_up(self, alibaba, ecs, ecs_of):
        wrong = ecs_of(alibaba, secret="wrong")
        assert wrong.refused("DescribeInstances", SignatureNonce="n")[1] == "SignatureDoesNotMatch"
        ecs.call("DescribeInstances", SignatureNonce="n")

    def test_nothing_of_the_secret_is_in_an_answer(self, alibaba, ecs_of):
        assert b"testsecret" not in ecs_of(alibaba, secret="wrong").ask("DescribeInstances").body


class TestClocks:
    @pytest.mark.parametrize("off", [timedelta(minutes=15), timedelta(minutes=-15)])
    def test_a_client_may_be_15_minutes_off(self, ecs_client, off):
        signing = ManualClock(NOW)
        for more, code in ((timedelta(0), None), (timedelta(seconds=1), "InvalidTimeStamp.Expired")):
            at = NOW + off + (more if off > timedelta(0) else -more)
            query = urlencode(ecs_client.signed("DescribeInstances", {"Timestamp": stamp(at)}))
            request = Request("GET", f"/?{query}")
            if code is None:
                admit(request, signing_clock=signing)
            else:
                assert code_of(request, signing_clock=signing) == code

    def test_the_simulators_own_clock_may_be_anywhere(self, alibabas, ecs_of, clock):
        ecs = ecs_of(alibabas())
        clock.advance(hours=10_000)
        assert ecs.call("DescribeInstances")["TotalCount"] == 2

    def test_a_nonce_is_forgotten_when_its_signature_is_too_old_in_any_case(self, ecs_client):
        signing = ManualClock(NOW)
        gate = Gate([KEY], signing, None)

        def call():
            told = {"Timestamp": stamp(signing.now()), "SignatureNonce": "n"}
            query = urlencode(ecs_client.signed("DescribeInstances", told))
            gate.admit(Call.of(Request("GET", f"/?{query}"), "/"), NOW)

        call()
        signing.advance(minutes=30)
        with pytest.raises(ApiError, match="SignatureNonceUsed"):
            call()
        signing.advance(1)
        call()


class TestTemporaryKeys:
    def test_the_token_has_to_be_there_and_right(self, alibabas, ecs_of):
        simulator = alibabas(access_key="STS.a:secret:to:ken+/=")
        key = {"key": "STS.a", "secret": "secret"}
        assert ecs_of(simulator, **key, token="to:ken+/=").call("DescribeInstances")["TotalCount"] == 2
        assert ecs_of(simulator, **key).refused("DescribeInstances") == (400, "MissingSecurityToken")
        wrong = ecs_of(simulator, **key, token="wrong").refused("DescribeInstances")
        assert wrong == (400, "InvalidSecurityToken.MismatchWithAccessKey")

    def test_with_signature_version_3_too(self):
        key = AccessKey(id="STS.a", secret="s", token="t")
        for token, code in (
            ("t", None),
            ("", "MissingSecurityToken"),
            ("x", "InvalidSecurityToken.MismatchWithAccessKey"),
        ):
            headers = Acs3Client(key="STS.a", secret="s", token=token).headers({})
            request = Request("POST", "/", headers)
            if code is None:
                admit(request, key=key)
            else:
                assert code_of(request, key=key) == code

    @pytest.mark.parametrize("text", ["", "id", "id:", ":secret", ":"])
    def test_a_key_has_two_or_three_parts(self, text):
        with pytest.raises(SettingsError, match="ID:SECRET"):
            AccessKey.parse(text)

    def test_a_secret_is_not_in_the_keys_representation(self):
        assert "s3cret" not in repr(AccessKey.parse("id:s3cret:t0ken"))
        assert "t0ken" not in repr(AccessKey.parse("id:s3cret:t0ken"))


class TestVersion3:
    def ask(self, alibaba, asking, *, query=None, path="/", base=None, method="POST", **more):
        query = {"RegionId": "cn-hangzhou", **(query or {})}
        headers = Acs3Client(alibaba.url.removeprefix("http://")).headers(query, method=method, path=path, **more)
        return asking(base or alibaba.url, method, f"/?{urlencode(query)}", headers=headers)

    def test_action_and_version_come_in_headers_and_the_answer_is_json(self, alibaba, asking):
        answer = self.ask(alibaba, asking)
        assert (answer.status, answer.json["TotalCount"]) == (200, 2)

    @pytest.mark.parametrize("path", ["/", "/machines/i-bbb/"])
    def test_under_a_machines_address_it_may_be_signed_with_or_without_that(self, alibaba, asking, path):
        assert self.ask(alibaba, asking, path=path, base=alibaba.urls()["i-bbb"]).status == 200

    @pytest.mark.parametrize(
        ("more", "status", "code"),
        [
            ({"leave_out": ["host"]}, 400, "IncompleteSignature"),
            ({"leave_out": ["x-acs-action"]}, 400, "IncompleteSignature"),
            ({"x-acs-date": "2020-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
            ({"x-acs-date": "now"}, 400, "InvalidTimeStamp.Format"),
            ({"x-acs-version": "1"}, 400, "InvalidVersion"),
            ({"action": "Nothing"}, 404, "InvalidApi.NotFound"),
            ({"path": "/elsewhere"}, 400, "SignatureDoesNotMatch"),
        ],
    )
    def test_a_call_that_is_not_let_in(self, alibaba, asking, more, status, code):
        answer = self.ask(alibaba, asking, **more)
        assert (answer.status, answer.json["Code"]) == (status, code)

    def test_a_signed_header_that_is_not_there_is_named(self, alibaba, asking):
        headers = Acs3Client(alibaba.url.removeprefix("http://")).headers({})
        del headers["x-acs-date"]
        answer = asking(alibaba.url, "POST", "/", headers=headers)
        assert answer.json["Code"] == "Missingx-acs-date"

    def test_a_nonce_counts_once(self, alibaba, asking):
        told = {"x-acs-signature-nonce": "n"}
        assert self.ask(alibaba, asking, **told).status == 200
        assert self.ask(alibaba, asking, **told).json["Code"] == "SignatureNonceUsed"
