"""HTTPS, with certificates that are made and with one's own; every client here verifies them."""

import json
import socket
import ssl
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import trustme
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http.protocol_type import HTTPS
from aliyunsdkecs.request.v20140526.DescribeInstancesRequest import DescribeInstancesRequest
from cryptography.hazmat.primitives import serialization

from stormcone.clock import ManualClock, SystemClock
from stormcone.clouds.exchange import Exchange
from stormcone.errors import PartMissing, ProviderError, SettingsError, SimulationError
from stormcone.plugins import provider_class, simulator_class
from stormcone.recording.trace_file import Header, Trace, TraceEntry
from stormcone.simulators.contract import SimulatorOptions, Tls
from stormcone.simulators.control_client import ControlClient, clock_of
from stormcone_simulators.http import server

EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
HEADERS = {"Metadata": "true"}
NOTHING = {"DocumentIncarnation": 1, "Events": []}

pytestmark = pytest.mark.usefixtures("no_proxies", "no_authorities")


@pytest.fixture
def no_authorities(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "ALIBABA_CLOUD_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def azure(azures):
    return azures(tls=Tls())


@pytest.fixture
def alibaba(alibabas):
    return alibabas(tls=Tls())


@pytest.fixture
def get(azure):
    """Asks for the events as a client that trusts the authority and nobody else."""

    def get(path=EVENTS, url=None, **more):
        return requests.get((url or azure.url) + path, headers=HEADERS, verify=str(azure.ca_file), timeout=10, **more)

    return get


@pytest.fixture
def shake(azure):
    """Opens a socket to `azure` with the handshake done."""
    trusting = ssl.create_default_context(cafile=azure.ca_file)
    opened = []

    def shake(name="127.0.0.1", url=None):
        split = urlsplit(url or azure.url)
        raw = socket.create_connection((split.hostname, split.port), timeout=10)
        opened.append(raw)
        opened.append(trusting.wrap_socket(raw, server_hostname=name))
        return opened[-1]

    yield shake
    for each in opened:
        each.close()


@pytest.fixture
def own(tmp_path):
    """A certificate of the user's own, its key, and its authority, as files."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    paths = {name: tmp_path / f"{name}.pem" for name in ("cert", "key", "both", "authority")}
    issued.cert_chain_pems[0].write_to_path(paths["cert"])
    issued.private_key_pem.write_to_path(paths["key"])
    issued.private_key_and_cert_chain_pem.write_to_path(paths["both"])
    authority.cert_pem.write_to_path(paths["authority"])
    return paths


class TestTheCertificate:
    def test_is_good_for_this_machine_and_for_the_clouds_own_names(self, azure, alibaba, get, shake):
        assert get().json() == NOTHING
        assert get(url=azure.url.replace("127.0.0.1", "localhost")).json() == NOTHING
        for name in ("localhost", "127.0.0.1", "::1", "169.254.169.254"):
            shake(name)
        trusting = ssl.create_default_context(cafile=alibaba.ca_file)
        for name in ("100.100.100.200", "ecs.cn-hangzhou.aliyuncs.com", "ecs-vpc.cn-hangzhou.aliyuncs.com"):
            split = urlsplit(alibaba.url)
            with socket.create_connection((split.hostname, split.port), timeout=10) as raw:
                trusting.wrap_socket(raw, server_hostname=name).close()

    def test_is_good_for_no_other_name_but_those_that_are_asked_for(self, azures, shake):
        with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'simulator'"):
            shake("simulator")
        named = azures(tls=Tls(names=["simulator"]))
        trusting = ssl.create_default_context(cafile=named.ca_file)
        split = urlsplit(named.url)
        with socket.create_connection((split.hostname, split.port), timeout=10) as raw:
            trusting.wrap_socket(raw, server_hostname="simulator").close()

    @pytest.mark.parametrize(("bind", "name"), [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", socket.gethostname())])  # noqa: S104
    def test_is_good_for_the_address_that_it_listens_on(self, azures, bind, name):
        simulator = azures(bind=bind, tls=Tls())
        trusting = ssl.create_default_context(cafile=simulator.ca_file)
        split = urlsplit(simulator.url)
        with socket.create_connection((split.hostname, split.port), timeout=10) as raw:
            trusting.wrap_socket(raw, server_hostname=name).close()

    def test_is_trusted_by_nobody_who_was_not_told(self, azure, azures):
        with pytest.raises(requests.exceptions.SSLError, match="unable to get local issuer"):
            requests.get(azure.url + EVENTS, headers=HEADERS, timeout=10)
        other = azures(tls=Tls())
        with pytest.raises(requests.exceptions.SSLError, match="certificate verify failed"):
            requests.get(azure.url + EVENTS, headers=HEADERS, verify=str(other.ca_file), timeout=10)

    def test_leaves_nothing_behind(self, azures):
        simulator = azures(tls=Tls())
        ca_file = simulator.ca_file
        assert b"PRIVATE KEY" not in ca_file.read_bytes()
        assert ca_file.stat().st_mode & 0o777 == 0o644
        simulator.close()
        assert not ca_file.exists()
        assert simulator.ca_file is None

    def test_nor_where_the_port_is_taken(self, azure, azures, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with pytest.raises(SimulationError, match="cannot listen on port"):
            azures(port=urlsplit(azure.url).port, tls=Tls())
        assert list(tmp_path.iterdir()) == []

    def test_has_its_authority_where_that_is_wanted(self, azures, tmp_path):
        wanted = tmp_path / "ca.pem"
        for _ in range(2):  # that of an earlier simulator is replaced
            simulator = azures(tls=Tls(ca_file=wanted))
            assert simulator.ca_file == wanted
            assert requests.get(simulator.url + EVENTS, headers=HEADERS, verify=str(wanted), timeout=10).ok
        simulator.close()
        assert wanted.exists()

    def test_replaces_no_file_of_anything_else(self, azures, tmp_path):
        diary = tmp_path / "diary.txt"
        diary.write_text("Dear diary")
        with pytest.raises(SettingsError, match="holds no certificate, so it is not overwritten"):
            azures(tls=Tls(ca_file=diary))
        assert diary.read_text() == "Dear diary"
        with pytest.raises(SettingsError, match="cannot be written: No such file"):
            azures(tls=Tls(ca_file=tmp_path / "no" / "ca.pem"))

    @pytest.mark.parametrize("name", ["two words", "a..b", ""])
    def test_is_made_for_no_name_that_cannot_be(self, azures, name):
        with pytest.raises(SettingsError, match="no certificate can be made for"):
            azures(tls=Tls(names=[name]))

    def test_needs_a_part_that_is_named_where_it_is_missing(self, azures, monkeypatch):
        monkeypatch.setitem(sys.modules, "trustme", None)
        with pytest.raises(PartMissing, match=r"run pip install stormcone\[https\]"):
            azures(tls=Tls())


class TestACertificateOfOnesOwn:
    @pytest.mark.parametrize("files", [("cert", "key"), ("both", None)])
    def test_is_shown(self, azures, own, files, monkeypatch):
        monkeypatch.setitem(sys.modules, "trustme", None)  # it needs nothing that makes certificates
        cert, key = files
        simulator = azures(tls=Tls(certificate=own[cert], key=own[key] if key else None))
        assert simulator.ca_file is None
        answer = requests.get(simulator.url + EVENTS, headers=HEADERS, verify=str(own["authority"]), timeout=10)
        assert answer.json() == NOTHING

    @pytest.mark.parametrize(
        ("tls", "why"),
        [
            (lambda own: Tls(certificate=own["cert"]), "is not PEM with certificate and unlocked key"),
            (lambda own: Tls(certificate=own["key"], key=own["key"]), "is not PEM with certificate and unlocked key"),
            (lambda own: Tls(certificate=own["locked"]), "is not PEM with certificate and unlocked key"),
            (lambda own: Tls(certificate=own["cert"], key=own["other"]), "the key is another one's"),
            (lambda own: Tls(certificate=Path("nowhere.pem")), "No such file or directory"),
            (lambda own: Tls(key=own["key"]), "a key without its certificate"),
            (lambda own: Tls(certificate=own["both"], names=["x"]), "has its names and its authority"),
            (lambda own: Tls(certificate=own["both"], ca_file=own["authority"]), "has its names and its authority"),
        ],
    )
    def test_that_cannot_be_used_is_refused_with_the_reason(self, azures, own, tmp_path, tls, why):
        key = serialization.load_pem_private_key(own["key"].read_bytes(), None)
        own["locked"] = tmp_path / "locked.pem"
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        locked = key.private_bytes(*form, serialization.BestAvailableEncryption(b"sesame"))
        own["locked"].write_bytes(locked + own["cert"].read_bytes())
        own["other"] = tmp_path / "other.pem"
        trustme.CA().issue_cert("x").private_key_pem.write_to_path(own["other"])
        with pytest.raises(SettingsError, match=why):
            azures(tls=tls(own))


class TestTheWrongProtocol:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
    def test_plain_http_is_told_what_to_speak(self, azure, get, method):
        plain = requests.request(method, azure.url.replace("https:", "http:") + EVENTS, data=b"x" * 1000, timeout=10)
        assert plain.status_code == 400
        assert plain.json() == {"error": "this port speaks HTTPS; write https:// in front of its address"}
        assert get().json() == NOTHING

    def test_tls_where_plain_http_is_spoken_fails_at_once_and_disturbs_nobody(self, azures, asking):
        plain = azures(tls=None)
        with pytest.raises(requests.exceptions.SSLError, match=r"WRONG_VERSION_NUMBER|wrong version number"):
            requests.get(plain.url.replace("http:", "https:") + EVENTS, timeout=10)
        assert asking(plain.url, "GET", EVENTS, headers=HEADERS).json == NOTHING

    @pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00 no handshake", b"\x00" * 70_000])
    def test_whoever_leaves_in_the_handshake_or_sends_junk_disturbs_nobody(self, azure, get, sent, caplog):
        split = urlsplit(azure.url)
        with socket.create_connection((split.hostname, split.port), timeout=10) as raw:
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
            try:
                while raw.recv(65536):
                    pass
            except ConnectionResetError:
                pass
        assert get().json() == NOTHING
        assert caplog.text == ""

    def test_a_handshake_that_does_not_come_is_waited_for_a_minute(self, azure, get, monkeypatch):
        monkeypatch.setattr(server, "PATIENCE", 0.05)
        split = urlsplit(azure.url)
        with socket.create_connection((split.hostname, split.port), timeout=10) as silent:
            assert silent.recv(1) == b""

    def test_a_simulator_with_open_connections_ends_at_once(self, azure, shake):
        split = urlsplit(azure.url)
        with socket.create_connection((split.hostname, split.port), timeout=10) as silent:
            shake()
            azure.close()
            assert silent.recv(1) == b""


class TestFaults:
    def test_a_reset_is_one(self, azure, shake):
        azure.faults.add(kind="reset")
        secure = shake()
        secure.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with socket.socket(fileno=secure.detach()) as raw:  # Python's TLS shows a reset as an end
            raw.settimeout(10)
            with pytest.raises(ConnectionResetError):
                list(iter(lambda: raw.recv(65536), b""))

    @pytest.mark.parametrize(
        ("kind", "error", "words"),
        [
            ("reset", requests.ConnectionError, "reset|RemoteDisconnected"),
            ("close", requests.ConnectionError, "RemoteDisconnected"),
            ("half_body", requests.exceptions.ChunkedEncodingError, "IncompleteRead"),
            ("junk", requests.ConnectionError, "BadStatusLine"),
        ],
    )
    def test_cut_an_answer_as_they_do_without_tls(self, azure, get, kind, error, words):
        azure.faults.add(kind=kind, times=1)
        with pytest.raises(error, match=words):
            get()
        assert get().json() == NOTHING

    def test_hang_until_the_client_leaves(self, azure, get, shake):
        azure.faults.add(kind="hang", times=1)
        secure = shake()
        secure.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n\r\n".encode())
        secure.settimeout(0.05)
        with pytest.raises(TimeoutError):
            secure.recv(1)
        assert get().json() == NOTHING

    def test_replace_hold_back_and_drip(self, azure, get, clock):
        azure.faults.add(status=503, retry_after=5, times=1)
        answer = get()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        azure.faults.add(kind="drip", times=1)
        got = []
        asking = threading.Thread(target=lambda: got.append(get()))
        asking.start()
        while asking.is_alive():
            clock.advance(seconds=1)
        assert got[0].json() == NOTHING


@pytest.mark.filterwarnings("ignore:ssl.* is deprecated:DeprecationWarning")  # the old one's own urllib3
class TestTheVendorsSdks:
    """With the verification of certificates on, as it is unless somebody switches it off."""

    @pytest.fixture(params=["by argument", "by ALIBABA_CLOUD_CA_BUNDLE"])
    def verify(self, request, alibaba, monkeypatch):
        if request.param == "by argument":
            return str(alibaba.ca_file)
        monkeypatch.setenv("ALIBABA_CLOUD_CA_BUNDLE", str(alibaba.ca_file))
        return None

    def old(self, alibaba, verify):
        client = AcsClient("testid", "testsecret", "cn-hangzhou", verify=verify, auto_retry=False)
        sent = DescribeInstancesRequest()
        sent.set_endpoint(alibaba.url.removeprefix("https://"))
        sent.set_protocol_type(HTTPS)
        try:
            return json.loads(client.do_action_with_exception(sent))
        finally:
            client.session.close()

    def test_the_old_one(self, alibaba, verify):
        assert self.old(alibaba, verify)["TotalCount"] == 2

    def test_the_old_one_that_was_not_told(self, alibaba):
        with pytest.raises(Exception, match="certificate verify failed"):
            self.old(alibaba, None)
        assert alibaba.requests() == []

    @pytest.fixture
    def new(self, alibaba):
        client_module = pytest.importorskip("alibabacloud_ecs20140526.client")
        models = pytest.importorskip("alibabacloud_ecs20140526").models
        config_models = pytest.importorskip("alibabacloud_tea_openapi.utils_models")

        def ask(**more):
            config = config_models.Config(
                access_key_id="testid",
                access_key_secret="testsecret",
                region_id="cn-hangzhou",
                endpoint=alibaba.url.removeprefix("https://"),
                **more,
            )
            asked = models.DescribeInstancesRequest(region_id="cn-hangzhou")
            return client_module.Client(config).describe_instances(asked).body.total_count

        return ask

    @pytest.mark.parametrize("signature", [None, "v2"])
    def test_the_newer_one_which_speaks_https_unless_told_otherwise(self, alibaba, new, signature):
        assert new(ca=str(alibaba.ca_file), signature_algorithm=signature) == 2

    def test_the_newer_one_that_was_not_told(self, alibaba, new):
        with pytest.raises(Exception, match="certificate verify failed"):
            new()
        assert alibaba.requests() == []


class TestOurOwnClients:
    @pytest.mark.parametrize("name", ["azure", "alibaba"])
    def test_a_provider_is_told_by_the_simulators_options(self, name, azure, alibaba):
        simulator = {"azure": azure, "alibaba": alibaba}[name]
        provider = provider_class(name).from_options(simulator.provider_options())
        machine = provider.identify()
        simulator.schedule("reboot", resources=[machine.name or machine.id])
        assert len(provider.poll().events) == 1
        provider.close()

    @pytest.mark.parametrize("name", ["azure", "alibaba"])
    def test_a_provider_that_was_not_told_says_what_to_do(self, name, azure, alibaba):
        simulator = {"azure": azure, "alibaba": alibaba}[name]
        options = replace(simulator.provider_options(), ca_file=None, machine="i-aaa", clock=SystemClock(speed=1000))
        provider = provider_class(name).from_options(options)
        with pytest.raises(ProviderError, match=r"its certificate cannot be verified.*REQUESTS_CA_BUNDLE"):
            provider.poll()
        provider.close()

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_the_control_client_is_told_by_the_environment(self, azure, monkeypatch, variable, clock):
        monkeypatch.setenv(variable, str(azure.ca_file))
        with ControlClient(azure.url) as control:
            assert control.now() == clock.now()

    def test_a_clock_is_taken_over_https(self, azures, monkeypatch):
        ahead = SystemClock(start=datetime(2040, 1, 1, tzinfo=UTC))
        simulator = azures(clock=ahead, tls=Tls())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(simulator.ca_file))
        assert clock_of(simulator.url).now().year == 2040

    def test_the_control_client_says_what_to_do(self, azure, azures, tmp_path):
        with (
            ControlClient(azure.url) as control,
            pytest.raises(ProviderError, match="cannot be verified; name its CA file in REQUESTS_CA_BUNDLE"),
        ):
            control.now()
        with (
            ControlClient(azure.url.replace("https:", "http:")) as control,
            pytest.raises(SimulationError, match="speaks HTTPS"),
        ):
            control.now()
        with (
            ControlClient(azures(tls=None).url.replace("http:", "https:")) as control,
            pytest.raises(ProviderError, match="speaks no HTTPS; write http://"),
        ):
            control.now()
        with pytest.raises(SettingsError, match="is not there, so no certificate can be verified by it"):
            ControlClient(azure.url, tmp_path / "nowhere.pem")


class TestTheOptions:
    @pytest.mark.parametrize("name", ["azure", "alibaba", "aws"])
    def test_reach_every_simulator(self, name):
        options = SimulatorOptions(clock=ManualClock(), tls=Tls())
        with simulator_class(name).from_options(options) as simulator:
            assert simulator.url.startswith("https://127.0.0.1:")
            health = requests.get(f"{simulator.url}/_simulator/health", verify=str(simulator.ca_file), timeout=10)
            assert health.ok

    def test_reach_the_variables_by_which_a_clouds_own_sdk_is_told(self):
        serve = [str(Path(sys.executable).with_name("stormcone")), "simulator", "alibaba", "--port", "0", "--https"]
        with subprocess.Popen([*serve, "--json"], stdout=subprocess.PIPE, text=True) as process:
            ready = json.loads(process.stdout.readline())
            process.terminate()
            assert process.wait(10) == 0
        assert ready["trust"]["ALIBABA_CLOUD_CA_BUNDLE"] == ready["ca_file"]

    def test_reach_a_replay(self, clock):
        exchange = Exchange(
            at=clock.now(),
            method="GET",
            url=f"http://169.254.169.254{EVENTS}",
            request_headers=HEADERS,
            status=200,
            body=json.dumps(NOTHING).encode(),
        )
        header = Header(provider="azure", machine="web-0", begun=clock.now())
        trace = Trace(header=header, entries=(TraceEntry(exchange=exchange, last_seen=clock.now()),))
        options = SimulatorOptions(clock=clock, tls=Tls())
        with simulator_class("azure").replay([trace], options) as replay:
            answer = requests.get(replay.url + EVENTS, headers=HEADERS, verify=str(replay.ca_file), timeout=10)
            assert answer.json() == NOTHING

    def test_reach_the_command_whose_ready_line_says_how_to_trust_it(self, tmp_path):
        serve = [str(Path(sys.executable).with_name("stormcone")), "simulator", "azure", "--port", "0", "--https"]
        with subprocess.Popen([*serve, "--json", "--https-name", "sim"], stdout=subprocess.PIPE, text=True) as process:
            ready = json.loads(process.stdout.readline())
            answer = requests.get(ready["url"] + EVENTS, headers=HEADERS, verify=ready["ca_file"], timeout=10)
            process.terminate()
            assert process.wait(10) == 0
        assert answer.json() == NOTHING
        assert set(ready["trust"].values()) == {ready["ca_file"]}
        assert {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"} <= set(ready["trust"])
        assert not Path(ready["ca_file"]).exists()

        ca_file = tmp_path / "a folder" / "ca.pem"
        ca_file.parent.mkdir()
        with subprocess.Popen([*serve, "--ca-file", str(ca_file)], stdout=subprocess.PIPE, text=True) as process:
            trust, line = process.stdout.readline(), process.stdout.readline()
            process.terminate()
            assert process.wait(10) == 0
        assert f"export REQUESTS_CA_BUNDLE='{ca_file}' SSL_CERT_FILE='{ca_file}'" in trust
        assert "ready at https://127.0.0.1:" in line
