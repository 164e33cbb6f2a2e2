"""The four operations that the provider calls, replayed through the real SDK at the service's own address.

They are CreateSimulatedSystemEvents, CancelSimulatedSystemEvents, DescribeInstanceHistoryEvents and
AcceptInquiredSystemEvent. The cassettes were recorded from the simulator, none from the live service; to record anew:

    STORMCONE_RECORD=1 python -m pytest tests/alibaba/test_cassettes.py

Who signs, and what changes from one signature to the next, is taken off before a request is written or compared.
"""

import os
import re
import socket
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException

from stormcone import Approval, Impact, Phase
from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import ProviderError
from stormcone_alibaba.ecs import HistoryQuery
from stormcone_alibaba.provider import OPERATIONS, AlibabaProvider
from stormcone_alibaba.wire import STATUSES

CASSETTES = Path(__file__).with_name("cassettes")
RECORDING = bool(os.environ.get("STORMCONE_RECORD"))
SERVICE = "ecs.cn-hangzhou.aliyuncs.com"
SIGNING = {"AccessKeyId", "SecurityToken", "Signature", "SignatureNonce", "Timestamp"}
NOT_BEFORE = datetime(2026, 5, 1, tzinfo=UTC)
KEYS = {"access-key-id": "testid", "access-key-secret": "testsecret"}


def scrubbed(request):
    """The request as it would go to the service, without who signs and when."""
    parts = urlsplit(request.uri)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in SIGNING]
    request.uri = f"https://{SERVICE}{parts.path}?{urlencode(sorted(kept))}"
    request.headers = {name: value for name, value in request.headers.items() if name.startswith("x-acs-")}
    return request


@pytest.fixture
def network(monkeypatch):
    """Refuses every connection, so that nothing slips past a cassette; answers the addresses that were refused."""
    refused = []

    def refuse(_socket, address):
        refused.append(address)
        raise OSError(f"a test asked for {address}, which is on no cassette")

    def no_address(host, *_arguments, **_options):
        refused.append(host)
        raise OSError(f"a test asked for {host}, which is on no cassette")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    return refused


@pytest.fixture
def play(request):
    """Plays a cassette from its beginning, and nothing that is not on it."""
    if not RECORDING:
        request.getfixturevalue("network")
    recorder = vcr.VCR(
        cassette_library_dir=str(CASSETTES),
        record_mode=vcr.mode.ALL if RECORDING else vcr.mode.NONE,
        match_on=["method", "scheme", "host", "port", "path", "query"],
        before_record_request=scrubbed,
    )
    return lambda name: recorder.use_cassette(f"{name}.yaml")


@pytest.fixture
def simulator(clock):
    """The cloud that is recorded from; None where nothing is recorded."""
    if not RECORDING:
        yield None
        return
    from stormcone_simulators.alibaba import AlibabaSimulator

    with AlibabaSimulator(["i-aaa", "i-bbb"], clock=clock) as simulator:
        simulator.schedule("reboot", resources=["i-aaa"], native_type="SystemMaintenance.Reboot:Inquiring")
        simulator.schedule("redeploy", resources=["i-aaa"])
        yield simulator


@pytest.fixture
def alibaba(simulator, clock):
    """A provider at the service's own address."""
    options = ProviderOptions(
        endpoint=simulator.url if simulator else None,
        machine="i-aaa",
        region="cn-hangzhou",
        clock=clock,
        settings=KEYS,
    )
    with closing(AlibabaProvider.from_options(options)) as provider:
        yield provider


class TestARecordedExchange:
    def test_lists_what_is_announced(self, play, alibaba):
        with play("describe_history") as cassette:
            observation = alibaba.poll()
        found = {event.impact: (event.approval, event.phase) for event in observation.events}
        assert found == {
            Impact.REBOOT: (Approval.CONSENT, Phase.SCHEDULED),
            Impact.REDEPLOY: (Approval.NONE, Phase.SCHEDULED),
        }
        assert cassette.play_count == (0 if RECORDING else 1)

    def test_finds_the_instance_that_was_named(self, play, alibaba):
        with play("describe_instances"):
            assert alibaba.identify().id == "i-aaa"

    def test_makes_two_simulated_events_and_calls_one_off(self, play, alibaba):
        with play("create_and_cancel"):
            first, second = alibaba.simulate(Impact.REBOOT, resources=["i-aaa", "i-bbb"], not_before=NOT_BEFORE)
            alibaba.cancel_simulated([first])
            ended = alibaba.outcomes([first, second])
        assert ended == {first: ("canceled", "Canceled"), second: None}

    def test_gives_consent(self, play, alibaba):
        with play("accept"):
            (event,) = (event for event in alibaba.poll().events if event.approval is Approval.CONSENT)
            alibaba.approve(event)
            begun = [found.phase for found in alibaba.poll().events if found.key == event.key]
        assert begun == [Phase.STARTED]


@pytest.mark.skipif(RECORDING, reason="it is about what is not recorded")
class TestWhatIsNotRecorded:
    def test_is_not_asked_at_all(self, play, alibaba, network):
        with play("describe_history"):
            alibaba.poll()
            with pytest.raises(CannotOverwriteExistingCassetteException):
                alibaba.poll()
        assert network == []

    def test_is_another_event_to_be_called_off(self, play, alibaba):
        with play("create_and_cancel"), pytest.raises(CannotOverwriteExistingCassetteException):
            alibaba.cancel_simulated(["e-other"])

    def test_is_another_machine(self, play, alibaba):
        asked = HistoryQuery(statuses=tuple(STATUSES), resource_ids=("i-other",))
        with play("describe_history"), pytest.raises(CannotOverwriteExistingCassetteException):
            alibaba._api().describe_history_events(asked)

    def test_does_not_slip_past_in_the_sdks_own_session(self, play, alibaba, network, monkeypatch):
        """The SDK brings old copies of requests and urllib3, of which a cassette sees nothing."""
        from aliyunsdkcore.vendored import requests as brought

        monkeypatch.setattr("stormcone_alibaba.provider.ApiSession", lambda *_: brought.Session())
        with play("describe_history") as cassette, pytest.raises(ProviderError, match="failed at"):
            alibaba.poll()
        assert cassette.play_count == 0
        assert set(network) == {SERVICE}

    def test_reaches_no_network(self, network):
        with pytest.raises(requests.ConnectionError, match="on no cassette"):
            requests.get(f"https://{SERVICE}/", timeout=1)
        with pytest.raises(OSError, match="on no cassette"), socket.socket() as connection:
            connection.connect(("127.0.0.1", 9))


@pytest.mark.parametrize("address", ["http://100.100.100.200/", f"https://{SERVICE}/"])
def test_no_test_here_reaches_another_machine(address):
    with pytest.raises(requests.ConnectionError, match="not this machine"):
        requests.get(address, timeout=1)


@pytest.mark.skipif(RECORDING, reason="they are being recorded")
class TestTheCassettes:
    @pytest.fixture
    def texts(self):
        return [path.read_text("utf-8") for path in sorted(CASSETTES.glob("*.yaml"))]

    def test_hold_the_operations_that_the_provider_calls(self, texts):
        assert set(re.findall(r"[?&]Action=(\w+)", "".join(texts))) == set(OPERATIONS)

    def test_hold_nothing_of_whoever_signed_and_nobodys_address(self, texts):
        whole = "".join(texts)
        told = [f"{name}=" for name in SIGNING]
        assert [word for word in (*told, *KEYS.values(), "127.0.0.1") if word in whole] == []
