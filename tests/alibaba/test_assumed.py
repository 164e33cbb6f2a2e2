"""Credentials that STS or a URI gives, by the vendor's own library, over a real socket with TLS that is verified."""

import json
import logging
import ssl
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import trustme

from stormcone.clock import ManualClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import PartMissing, ProviderError, SettingsError
from stormcone_alibaba.assumed import sts_address
from stormcone_alibaba.credentials import OIDC, URI, CredentialChain, CredentialsUnusable, Explicit
from stormcone_alibaba.metadata import MetadataReader
from stormcone_alibaba.profiles import MODES
from stormcone_alibaba.provider import AlibabaProvider
from stormcone_alibaba.settings import read_settings

KEY = {"access_key_id": "LTAI-base-id", "access_key_secret": "base/secret+key"}
TOKEN = "eyJ-the-pod's-own-token"
ARN, PROVIDER_ARN = "acs:ram::1234567890:role/watcher", "acs:ram::1234567890:oidc-provider/cluster"
LENT = ("STS.lent-id", "lent/secret+key", "CAIS+lent/token==")
SECRETS = (*KEY.values(), TOKEN, *LENT, "who-knows-this")

pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")  # the library's


class Sts:
    """STS, and whoever answers at a URI: by HTTPS, with a certificate of `ca_file`."""

    def __init__(self, folder):
        authority = trustme.CA()
        self.ca_file = folder / "sts-ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.asked, self.answer, self.lasts = [], None, timedelta(hours=1)
        sts = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                sts.asked.append(SimpleNamespace(method=self.command, path=parts.path, query=query))
                status, document = sts.answer or (200, sts.lent(query))
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - http.server's names

            def log_message(self, *_args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_args: None  # a client that does not trust us hangs up
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def lent(self, query, **changes):
        ends = (datetime.now(UTC) + self.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = dict(zip(("AccessKeyId", "AccessKeySecret", "SecurityToken"), LENT, strict=True))
        given |= {"Expiration": ends, **changes}
        return {"RequestId": "R-1", "Credentials": given} if "Action" in query else {"Code": "Success", **given}

    def refuses(self, code, status=403):
        self.answer = (
            status,
            {"RequestId": "R-1", "Code": code, "Message": f"who-knows-this {KEY['access_key_secret']}"},
        )

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def sts(tmp_path):
    sts = Sts(tmp_path)
    yield sts
    sts.close()


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def pod(monkeypatch, token_file):
    """The environment of a pod with a role of its own."""
    for name, value in zip(OIDC, (str(token_file), PROVIDER_ARN, ARN), strict=True):
        monkeypatch.setenv(name, value)


@pytest.fixture
def write(tmp_path):
    """Writes the profiles of the command line."""

    def write(*profiles):
        (tmp_path / ".aliyun").mkdir(exist_ok=True)
        document = {"current": profiles[0]["name"], "profiles": list(profiles)}
        (tmp_path / ".aliyun" / "config.json").write_text(json.dumps(document))

    return write


@pytest.fixture
def chain(cloud, sts):
    """Makes a chain that trusts `sts`, on a clock that goes with the real time, by which those that are lent end."""
    opened = []

    def make(*, ca_file=None, host=None, clock=None):
        clock = clock or ManualClock(datetime.now(UTC))
        opened.append(MetadataReader(cloud.url, clock))
        told = Explicit(sts=host or sts.host)
        return CredentialChain(told, opened[-1], clock, verify=str(ca_file or sts.ca_file))

    yield make
    for metadata in opened:
        metadata.close()


def profile(mode, name="default", **fields):
    return {"name": name, "mode": mode, **fields}


def kinds(token_file, uri):
    """A profile of each kind that is lent its credentials, with the call that this makes and what it says there."""
    said = {"RoleArn": ARN, "RoleSessionName": "stormcone", "DurationSeconds": "3600"}
    oidc = {"oidc_provider_arn": PROVIDER_ARN, "oidc_token_file": str(token_file)}
    return {
        "RamRoleArn": (profile("RamRoleArn", **KEY, ram_role_arn=ARN), "AssumeRole", said),
        "ChainableRamRoleArn": (
            profile("ChainableRamRoleArn", ram_role_arn=ARN, source_profile="base"),
            "AssumeRole",
            said,
        ),
        "OIDC": (
            profile("OIDC", ram_role_arn=ARN, **oidc),
            "AssumeRoleWithOIDC",
            {**said, "OIDCProviderArn": PROVIDER_ARN, "OIDCToken": TOKEN},
        ),
        "CredentialsURI": (profile("CredentialsURI", credentials_uri=uri), None, {"for": "who-knows-this"}),
    }


LENDING = ("RamRoleArn", "ChainableRamRoleArn", "OIDC", "CredentialsURI")


@pytest.fixture
def kind(token_file, sts):
    return lambda mode: kinds(token_file, f"https://{sts.host}/mine?for=who-knows-this")[mode]


def in_one_sentence_without_a_secret(error, capfd, caplog):
    streams = capfd.readouterr()
    told = (str(error), repr(error), streams.out, streams.err, caplog.text, repr(getattr(error, "__context__", None)))
    assert [secret for secret in SECRETS if any(secret in text for text in told)] == []
    assert "\n" not in str(error)
    assert (streams.err, caplog.text) == ("", "")


class TestEveryKindOfProfileThatIsLentItsCredentials:
    def test_is_here(self):
        assert set(LENDING) | {"AK", "StsToken", "EcsRamRole"} == set(MODES)

    @pytest.mark.parametrize("mode", LENDING)
    def test_gets_them(self, chain, sts, write, kind, signature, mode, capfd, caplog):
        caplog.set_level(logging.DEBUG, "credentials")
        mine, action, said = kind(mode)
        write(mine, profile("AK", "base", **KEY))
        found = chain().get()
        assert (found.access_key_id, found.access_key_secret, found.security_token) == LENT
        assert found.source == f"profile 'default' in ~/.aliyun/config.json ({mode})"
        assert timedelta(minutes=59) < found.expires - datetime.now(UTC) <= timedelta(hours=1)
        (asked,) = sts.asked
        assert asked.query.get("Action") == action
        assert said.items() <= asked.query.items()
        if action == "AssumeRole":
            assert asked.query["AccessKeyId"] == KEY["access_key_id"]
            assert asked.query["Signature"] == signature(asked, KEY["access_key_secret"])
        in_one_sentence_without_a_secret(found, capfd, caplog)

    @pytest.mark.parametrize("mode", LENDING)
    def test_lacks_nothing_that_it_needs_or_is_an_error(self, chain, sts, write, kind, mode):
        mine, _, _ = kind(mode)
        for field in MODES[mode].needs:
            write({**mine, field: ""}, profile("AK", "base", **KEY))
            with pytest.raises(CredentialsUnusable, match=f"of mode {mode} is not complete: it has no {field};"):
                chain().get()
        assert sts.asked == []

    def test_says_all_that_it_may(self, chain, sts, write, signature):
        more = {"ram_session_name": "the-watch", "expired_seconds": 900, "external_id": "theirs"}
        policy = '{"Version": "1", "Statement": [{"Effect": "Allow"}]}'
        write(profile("RamRoleArn", **KEY, ram_role_arn=ARN, policy=policy, **more))
        chain().get()
        (asked,) = sts.asked
        told = {name: asked.query[name] for name in ("RoleSessionName", "DurationSeconds", "ExternalId", "Policy")}
        assert told == {
            "RoleSessionName": "the-watch",
            "DurationSeconds": "900",
            "ExternalId": "theirs",
            "Policy": policy.replace(" ", ""),
        }
        assert asked.query["Signature"] == signature(asked, KEY["access_key_secret"])

    def test_may_stand_on_temporary_ones(self, chain, sts, write):
        base = profile("StsToken", "base", **KEY, sts_token="base-token")
        write(profile("ChainableRamRoleArn", ram_role_arn=ARN, source_profile="base"), base)
        chain().get()
        assert sts.asked[0].query["SecurityToken"] == "base-token"

    def test_may_stand_on_another_that_does(self, chain, sts, write):
        write(
            profile("ChainableRamRoleArn", ram_role_arn=ARN, source_profile="middle"),
            profile("RamRoleArn", "middle", **KEY, ram_role_arn="acs:ram::1:role/middle"),
        )
        chain().get()
        first, second = sts.asked
        assert (first.query["RoleArn"], second.query["RoleArn"]) == ("acs:ram::1:role/middle", ARN)
        assert (second.query["AccessKeyId"], second.query["SecurityToken"]) == (LENT[0], LENT[2])


class TestThePod:
    def test_has_a_role_of_its_own(self, chain, sts, pod, token_file):
        found = chain().get()
        assert found.source == "environment (ALIBABA_CLOUD_OIDC_TOKEN_FILE)"
        assert sts.asked[0].query["OIDCToken"] == TOKEN
        assert found.security_token == LENT[2]

    def test_reads_its_token_anew_for_each_renewal(self, chain, sts, pod, token_file):
        clock = ManualClock(datetime.now(UTC))
        get = chain(clock=clock).get
        get()
        get()
        assert len(sts.asked) == 1
        token_file.write_text("another")
        clock.advance(minutes=51)
        get()
        assert [asked.query["OIDCToken"] for asked in sts.asked] == [TOKEN, "another"]

    def test_keeps_what_it_has_until_its_end_where_it_cannot_be_renewed(self, chain, sts, pod, token_file):
        clock = ManualClock(datetime.now(UTC))
        get = chain(clock=clock).get
        had = get()
        token_file.unlink()
        clock.advance(minutes=55)
        assert get() == had
        clock.advance(minutes=6)
        with pytest.raises(CredentialsUnusable, match=r"the token file .* cannot be read: No such file or directory"):
            get()

    def test_polls_with_it(self, cloud, sts, pod, clock):
        settings = {"sts-endpoint": f"https://{sts.host}"}
        options = ProviderOptions(endpoint=cloud.url, clock=clock, settings=settings, ca_file=sts.ca_file)
        provider = AlibabaProvider.from_options(options)
        provider.identify()
        provider.poll()
        provider.close()
        assert cloud.calls("DescribeInstanceHistoryEvents")[0].query["SecurityToken"] == LENT[2]

    @pytest.mark.parametrize(("text", "why"), [(None, "cannot be read: No such file"), (" \n", "is empty")])
    def test_without_its_token_is_an_error(self, chain, sts, pod, token_file, text, why):
        token_file.unlink() if text is None else token_file.write_text(text)
        with pytest.raises(CredentialsUnusable, match=f"the token file .*token {why}") as caught:
            chain().get()
        assert (sts.asked, caught.value.passing) == ([], False)


class TestTheUri:
    def test_may_stand_in_the_environment(self, chain, sts, monkeypatch):
        monkeypatch.setenv(URI, f"https://{sts.host}/mine?for=who-knows-this")
        assert chain().get().source == "environment (ALIBABA_CLOUD_CREDENTIALS_URI)"
        assert (sts.asked[0].path, sts.asked[0].query) == ("/mine", {"for": "who-knows-this"})

    def test_may_be_plain_http_as_on_loopback(self, chain, cloud, monkeypatch):
        monkeypatch.setenv(URI, f"{cloud.url}/latest/meta-data/mine")
        lent = dict(zip(("AccessKeyId", "AccessKeySecret", "SecurityToken"), LENT, strict=True))
        cloud.metadata["mine"] = json.dumps({"Code": "Success", "Expiration": "2099-01-01T00:00:00Z", **lent})
        assert chain().get().expires.year == 2099

    @pytest.mark.parametrize("uri", ["who-knows-this", "file:///who-knows-this", "http:///who-knows-this", "https://"])
    def test_that_is_none_is_an_error_that_does_not_show_it(self, chain, cloud, monkeypatch, uri):
        monkeypatch.setenv(URI, uri)
        with pytest.raises(CredentialsUnusable, match="does not begin with http:// or https:// and a host") as caught:
            chain().get()
        assert "who-knows-this" not in str(caught.value)
        assert (caught.value.passing, cloud.asked) == (False, [])


class TestWhereNoneAreGiven:
    @pytest.mark.parametrize("mode", LENDING)
    @pytest.mark.parametrize(
        ("answer", "why", "passing"),
        [
            ((200, b"<html>who-knows-this"), "is not that of one that gives any", True),
            (
                (200, {"RequestId": "R-1", "AccessKeySecret": "who-knows-this"}),
                "is not that of one that gives any",
                True,
            ),
            ((503, b"who-knows-this"), "answers with status 503", True),
            ((200, "a past end"), "those that it gave have ended already; check this machine's clock", True),
        ],
    )
    def test_it_is_said_in_one_sentence(
        self, chain, sts, write, kind, mode, answer, why, passing, cloud, capfd, caplog
    ):
        caplog.set_level(logging.DEBUG, "credentials")
        cloud.metadata["ram/security-credentials/"] = "the-instance's"
        mine, _, _ = kind(mode)
        write(mine, profile("AK", "base", **KEY))
        if answer[1] == "a past end":
            sts.lasts = timedelta(hours=-1)
        else:
            sts.answer = answer
        with pytest.raises(CredentialsUnusable, match=why) as caught:
            chain().get()
        assert str(caught.value).startswith(f"the credentials of profile 'default' in ~/.aliyun/config.json ({mode})")
        assert caught.value.passing is passing
        in_one_sentence_without_a_secret(caught.value, capfd, caplog)
        assert cloud.asked == []

    @pytest.mark.parametrize(
        ("code", "why", "passing"),
        [
            ("NoPermission", "these credentials may not assume the role .*; let its trust policy name them", False),
            ("EntityNotExist.Role", "there is no such role .*; check its ARN", False),
            ("InvalidAccessKeyId.NotFound", "the access key id is not known", False),
            ("InvalidTimeStamp.Expired", "this machine's clock is more than 15 minutes off", False),
            ("InvalidSecurityToken.Expired", "the security token is not valid or has expired", False),
            ("AuthenticationFail.OIDCToken.Expired", "the token is not valid or has expired", False),
            ("AuthenticationFail.NoPermission", "the token does not entitle to the role", False),
            ("Throttling.User", "the account has asked too often", True),
            ("ServiceUnavailable", "the service is not available now", True),
            ("Novelty", "the request is refused", False),
        ],
    )
    def test_a_refusal_says_what_to_do(self, chain, sts, pod, code, why, passing, capfd, caplog):
        sts.refuses(code)
        with pytest.raises(CredentialsUnusable, match=f"AssumeRoleWithOIDC failed: {why}") as caught:
            chain().get()
        assert caught.value.passing is passing
        in_one_sentence_without_a_secret(caught.value, capfd, caplog)

    @pytest.mark.parametrize("mode", LENDING)
    def test_nobody_answers(self, chain, write, kind, dead_url, mode, token_file, capfd, caplog):
        host = urlsplit(dead_url).netloc
        mine, _, _ = kinds(token_file, f"https://{host}/mine?for=who-knows-this")[mode]
        write(mine, profile("AK", "base", **KEY))
        with pytest.raises(CredentialsUnusable, match="does not answer: connection refused") as caught:
            chain(host=host).get()
        assert caught.value.passing
        in_one_sentence_without_a_secret(caught.value, capfd, caplog)

    def test_a_certificate_that_is_not_trusted(self, chain, sts, pod, tmp_path, capfd, caplog):
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(other)
        with pytest.raises(CredentialsUnusable, match="its certificate cannot be verified") as caught:
            chain(ca_file=other).get()
        assert sts.asked == []
        in_one_sentence_without_a_secret(caught.value, capfd, caplog)

    @pytest.mark.parametrize("mode", LENDING)
    def test_the_library_is_not_installed(self, chain, write, kind, mode, monkeypatch):
        monkeypatch.setitem(sys.modules, "alibabacloud_credentials.provider", None)
        mine, _, _ = kind(mode)
        write(mine, profile("AK", "base", **KEY))
        with pytest.raises(PartMissing, match=r"run pip install stormcone\[alibaba-credentials\]"):
            chain().get()


class TestWhatTheLibraryBrings:
    def test_takes_nothing_from_its_own_look_at_the_environment(self, chain, sts, write, monkeypatch, token_file):
        from alibabacloud_credentials.utils import auth_util

        for name in ("role_arn", "oidc_provider_arn", "oidc_token_file", "role_session_name", "sts_region"):
            monkeypatch.setattr(auth_util, f"environment_{name}", "from-elsewhere")
        write(profile("RamRoleArn", **KEY, ram_role_arn=ARN))
        chain().get()
        assert "from-elsewhere" not in sts.asked[0].query.values()

    def test_runs_nothing_in_the_background(self, chain, pod):
        before = {thread.name for thread in threading.enumerate()}
        chain().get()
        after = {thread.name for thread in threading.enumerate()}
        assert {name for name in after - before if "process_request" not in name} == set()

    def test_is_not_needed_for_what_stands_in_a_profile(self, chain, write, monkeypatch):
        monkeypatch.setitem(sys.modules, "alibabacloud_credentials.provider", None)
        write(profile("AK", **KEY))
        assert chain().get().access_key_id == KEY["access_key_id"]

    @pytest.mark.parametrize("mode", LENDING)
    def test_leaves_no_secret_in_anybodys_log(self, chain, write, kind, mode, caplog):
        caplog.set_level(logging.DEBUG)
        mine, _, _ = kind(mode)
        write(mine, profile("AK", "base", **KEY))
        chain().get()
        assert "GET /" in caplog.text  # urllib3's line, which has the whole request
        assert [secret for secret in SECRETS if secret in caplog.text or quote(secret, safe="") in caplog.text] == []

    def test_hides_a_token_that_stands_there_without_its_name(self, chain, pod, token_file, caplog):
        caplog.set_level(logging.DEBUG)
        token_file.write_text("a-token-of-this-test-alone")
        chain().get()
        logging.getLogger("urllib3.connectionpool").debug("broken header: %s", "a-token-of-this-test-alone")
        assert "broken header: " in caplog.text
        assert "of-this-test-alone" not in caplog.text

    def test_lets_others_log_by_the_name_that_it_took(self, chain, pod, caplog):
        chain().get()
        logging.getLogger("credentials").warning("somebody else's")
        assert caplog.messages == ["somebody else's"]


class TestTheAddressOfSts:
    @pytest.mark.parametrize(
        ("region", "vpc", "address"),
        [
            ("", False, "sts.aliyuncs.com"),
            ("", True, "sts.aliyuncs.com"),
            ("cn-hangzhou", False, "sts.cn-hangzhou.aliyuncs.com"),
            ("cn-hangzhou", True, "sts-vpc.cn-hangzhou.aliyuncs.com"),
        ],
    )
    def test_is_of_the_region(self, region, vpc, address):
        assert sts_address(region, vpc=vpc) == address

    def test_is_a_setting(self):
        settings = {"sts-endpoint": "https://sts-vpc.cn-beijing.aliyuncs.com/"}
        assert read_settings(ProviderOptions(settings=settings)).credentials.sts == "sts-vpc.cn-beijing.aliyuncs.com"
        with pytest.raises(SettingsError, match="is not an https URL"):
            read_settings(ProviderOptions(settings={"sts-endpoint": "http://127.0.0.1"}))

    def test_without_one_is_the_public_one(self, chain, pod, monkeypatch):
        chain = chain()
        monkeypatch.setattr(chain, "_explicit", Explicit())
        monkeypatch.setenv("ALIBABA_CLOUD_STS_REGION", "cn-beijing")
        with pytest.raises(ProviderError, match=r"sts\.cn-beijing\.aliyuncs\.com does not answer"):
            chain.get()
