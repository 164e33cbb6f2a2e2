"""The Azure provider over a real socket: what it asks, what it makes of the answers, and how it fails."""

import json
import threading
import time

import pytest

from stormcone.clouds.contract import Provider, ProviderOptions, named
from stormcone.clouds.http.client import Timeouts
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, SettingsError, Unreachable
from stormcone.model import Machine, Phase, Scope
from stormcone.plugins import provider_class
from stormcone_azure import provider as provider_module
from stormcone_azure.provider import AzureProvider, IdentityRetries

EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
COMPUTE = "/metadata/instance/compute?api-version=2021-02-01"


@pytest.fixture
def azure(provider, scripted):
    return provider(scripted.url)


class TestThePlugin:
    def test_is_found_by_its_name(self):
        assert provider_class("azure") is AzureProvider

    def test_is_a_provider_of_one_machine_that_approves(self, azure):
        assert isinstance(azure, Provider)
        assert azure.name == "azure"
        assert azure.capabilities.scope is Scope.MACHINE
        assert azure.capabilities.poll_interval == 1.0
        assert azure.capabilities.can_approve
        assert azure.capabilities.permissions == ()
        assert azure.outcomes(["C7061BAC"]) == {}


class TestAnAnswerThatComesAgain:
    def test_is_not_read_again_while_it_is_the_same_to_the_letter(self, azure, scripted, document, entry, monkeypatch):
        read = []
        usual = provider_module.read_document
        monkeypatch.setattr(provider_module, "read_document", lambda *given: read.append(given) or usual(*given))
        for body in (document(entry()), document(entry()), document(), document(entry())):
            scripted.answer(200, body)
        assert [len(azure.poll().events) for _ in range(4)] == [1, 1, 0, 1]
        assert len(read) == 3


class TestOptions:
    def test_reach_the_provider(self, scripted, clock, document, compute):
        scripted.answer(200, document()).answer(200, compute())
        options = ProviderOptions(
            endpoint=scripted.url,
            machine="web-0",
            region="here",
            clock=clock,
            settings={"api-version": "2017-08-01"},
        )
        azure = AzureProvider.from_options(options)
        azure.poll()
        machine = azure.identify()
        azure.close()
        assert scripted.asked[0].target == "/metadata/scheduledevents?api-version=2017-08-01"
        assert (machine.name, machine.region) == ("web-0", "here")

    @pytest.mark.parametrize("suffix", ["", "/", "//"])
    @pytest.mark.parametrize("prefix", ["", "/machines/web-0"])
    def test_may_put_a_path_before_the_services(self, provider, scripted, document, compute, prefix, suffix):
        scripted.answer(200, document()).answer(200, compute())
        azure = provider(f"{scripted.url}{prefix}{suffix}")
        azure.poll()
        azure.identify()
        assert [asked.target for asked in scripted.asked] == [f"{prefix}{EVENTS}", f"{prefix}{COMPUTE}"]

    def test_name_the_settings_that_there_are(self):
        with pytest.raises(SettingsError, match="azure has no setting api_version, speed; it has api-version"):
            AzureProvider.from_options(ProviderOptions(settings={"speed": "9", "api_version": "2020-07-01"}))

    @pytest.mark.parametrize("version", ["latest", "2020", "", "2020-07-01&x=y"])
    def test_name_the_versions_that_there_are(self, version):
        with pytest.raises(SettingsError, match=r"2017-03-01, .*2020-07-01"):
            AzureProvider(api_version=version)

    @pytest.mark.parametrize(
        "endpoint",
        [
            "169.254.169.254",
            "ftp://host",
            "http://",
            "http://host:port",
            "http://host:0",
            "http://host/?a=b",
            "http://host/#a",
            "http://[::1",
            "",
            "http:/host",
        ],
    )
    def test_refuse_an_endpoint_that_is_no_address_of_a_server(self, endpoint):
        with pytest.raises(SettingsError, match="is not a server's address; give one such as http"):
            AzureProvider(endpoint=endpoint)

    def test_never_show_a_password(self):
        with pytest.raises(SettingsError) as caught:
            AzureProvider(endpoint="ftp://me:hidden@host")
        assert "hidden" not in str(caught.value)


class TestPolling:
    def test_asks_with_the_header_that_azure_demands(self, azure, scripted, document, entry):
        scripted.answer(200, document(entry()))
        (event,) = azure.poll().events
        (asked,) = scripted.asked
        assert (asked.method, asked.target, asked.headers["metadata"]) == ("GET", EVENTS, "true")
        assert event.id == "C7061BAC-AFDC-4513-B24B-AA5F13A16123"

    def test_reads_names_as_the_asked_version_writes_them(self, provider, scripted, document, entry):
        scripted.answer(200, document(entry(Resources=["_web_0"])))
        (event,) = provider(scripted.url, api_version="2017-03-01").poll().events
        assert event.resources == ("web_0",)

    def test_uses_one_connection_for_all_polls(self, azure, scripted, document):
        for _ in range(3):
            scripted.answer(200, document())
            azure.poll()
        assert scripted.connections == 1

    def test_goes_on_after_any_failure(self, azure, scripted, document):
        scripted.reset().answer(503).half(b"{").answer(200, b"").answer(200, document(incarnation=5))
        for _ in range(4):
            with pytest.raises(ProviderError) as caught:
                azure.poll()
            assert caught.value.passing
        assert azure.poll().version == "5"

    def test_does_not_hold_an_approval_up(self, azure, scripted, document, entry):
        scripted.answer(200, document(entry())).hang().answer(200)
        (event,) = azure.poll().events
        failures = []

        def hang():
            with pytest.raises(ProviderError) as caught:
                azure.poll()
            failures.append(str(caught.value))

        polls = threading.Thread(target=hang)
        polls.start()
        while len(scripted.asked) < 2:
            time.sleep(0.001)
        azure.approve(event)
        assert polls.is_alive()
        azure.close()
        polls.join()
        assert failures[0].endswith("the client was closed")


class TestPatience:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch):
        monkeypatch.setattr(provider_module, "FIRST_POLL", Timeouts(connect=30, read=2))
        monkeypatch.setattr(provider_module, "LATER_CALLS", Timeouts(connect=30, read=0.2))

    def test_is_two_minutes_at_first_and_ten_seconds_later(self, monkeypatch):
        monkeypatch.undo()
        first, later = provider_module.FIRST_POLL, provider_module.LATER_CALLS
        assert (first.connect, first.read, later.connect, later.read) == (2.0, 130.0, 2.0, 10.0)

    def test_is_long_until_a_document_has_arrived(self, azure, scripted):
        scripted.answer(200, b"").answer(503).hang()
        for why in ("it is empty", "status 503", "no answer within 2 s"):
            with pytest.raises(ProviderError, match=why):
                azure.poll()

    def test_is_short_once_a_document_has_arrived(self, azure, scripted, document):
        scripted.answer(200, document()).hang()
        azure.poll()
        with pytest.raises(ProviderError, match=r"no answer within 0\.2 s"):
            azure.poll()


class TestEntityTags:
    def test_are_sent_back_and_not_modified_means_the_same_again(self, azure, scripted, document, entry):
        scripted.answer(200, document(entry()), {"ETag": '"7"'}).answer(304).answer(304)
        first = azure.poll()
        assert azure.poll() == azure.poll() == first
        assert "if-none-match" not in scripted.asked[0].headers
        assert [asked.headers["if-none-match"] for asked in scripted.asked[1:]] == ['"7"', '"7"']

    def test_are_forgotten_with_an_answer_that_has_none(self, azure, scripted, document):
        scripted.answer(200, document(), {"ETag": '"7"'}).answer(200, document()).answer(200, document())
        for _ in range(3):
            azure.poll()
        assert "if-none-match" not in scripted.asked[2].headers

    def test_survive_an_answer_that_failed(self, azure, scripted, document, entry):
        scripted.answer(200, document(entry()), {"ETag": 'W/"7"'}).answer(200, b"", {"ETag": '"8"'}).answer(304)
        first = azure.poll()
        with pytest.raises(ProviderError):
            azure.poll()
        assert azure.poll() == first
        assert scripted.asked[2].headers["if-none-match"] == 'W/"7"'

    @pytest.mark.parametrize("etag", ["", '"\xa0"', '"a b"', "\x85"])
    def test_that_no_request_could_carry_are_not_sent(self, azure, scripted, document, etag):
        scripted.answer(200, document(), {"ETag": etag}).answer(200, document())
        azure.poll()
        azure.poll()
        assert "if-none-match" not in scripted.asked[1].headers

    def test_never_had_make_not_modified_an_error(self, azure, scripted, document):
        scripted.answer(304).answer(200, document()).answer(304)
        with pytest.raises(ProviderError, match="nothing has changed since an answer that it never gave"):
            azure.poll()
        azure.poll()
        with pytest.raises(ProviderError, match="nothing has changed since an answer that it never gave"):
            azure.poll()


class TestApproving:
    @pytest.fixture
    def event(self, azure, scripted, document, entry):
        scripted.answer(200, document(entry(EventId="c7061bac-AFDC")))
        return azure.poll().events[0]

    def test_posts_the_id_as_it_came(self, azure, scripted, event):
        scripted.answer(200)
        azure.approve(event)
        asked = scripted.asked[-1]
        assert (asked.method, asked.target) == ("POST", EVENTS)
        assert (asked.headers["metadata"], asked.headers["content-type"]) == ("true", "application/json")
        assert asked.json == {"StartRequests": [{"EventId": "c7061bac-AFDC"}]}

    def test_that_azure_refuses_is_a_refusal(self, azure, scripted, event):
        scripted.answer(400, b'{"error": "no such event"}')
        with pytest.raises(RequestRefused, match="status 400, Azure finds the Metadata header"):
            azure.approve(event)

    @pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
    def test_that_meets_a_passing_status_may_be_repeated(self, azure, scripted, event, status):
        scripted.answer(status)
        with pytest.raises(ProviderError) as caught:
            azure.approve(event)
        assert caught.value.passing
        assert not isinstance(caught.value, RequestRefused)

    def test_an_event_without_an_id_asks_nothing(self, azure, scripted, document, entry):
        scripted.answer(200, document(entry(EventId=...)))
        (event,) = azure.poll().events
        with pytest.raises(RequestRefused, match="cannot be approved: Azure gave it no EventId"):
            azure.approve(event)
        assert [asked.method for asked in scripted.asked] == ["GET"]


class TestTheTimeThatAzureAsksFor:
    @pytest.mark.parametrize(("headers", "seconds"), [({}, 70.0), ({"Retry-After": "5"}, 5.0)])
    def test_is_that_of_an_update_where_it_says_no_other(self, azure, scripted, headers, seconds):
        scripted.answer(410, headers=headers)
        with pytest.raises(ProviderError) as caught:
            azure.poll()
        assert caught.value.retry_after == seconds


class TestIdentifying:
    def test_takes_the_name_that_events_use(self, azure, scripted, compute):
        scripted.answer(200, compute())
        assert azure.identify() == Machine(
            provider="azure",
            id="02aab8a4-74ef-476e-8182-f6d2ba4166a6",
            name="WestNO_0",
            region="westus",
            zone="2",
            account="8d10da13-8125-4ba9-a717-bf7490507b3d",
        )
        (asked,) = scripted.asked
        assert (asked.target, asked.headers["metadata"]) == (COMPUTE, "true")

    @pytest.mark.parametrize("missing", ["name", "vmId"])
    @pytest.mark.parametrize("value", [..., "", None])
    def test_asks_again_while_parts_are_missing(self, azure, scripted, compute, clock, missing, value):
        scripted.answer(200, compute(**{missing: value})).answer(200, b"").answer(503).answer(200, compute())
        assert azure.identify().name == "WestNO_0"
        assert clock.slept == [1.0, 2.0, 4.0]

    def test_gives_up_in_the_end_and_says_what_to_do(self, provider, scripted, compute, clock):
        for _ in range(4):
            scripted.answer(200, compute(name=""))
        azure = provider(scripted.url, retries=IdentityRetries(attempts=4, first_wait=3, longest_wait=5))
        with pytest.raises(ProviderError, match=r"lacks the name or the vmId .*; try again once .* or name it"):
            azure.identify()
        assert clock.slept == [3.0, 5.0, 5.0]
        assert len(scripted.asked) == 4

    @pytest.mark.parametrize(("asked", "granted"), [("0", 1.0), ("12", 12.0), ("3600", 15.0), ("soon", 1.0)])
    @pytest.mark.parametrize("status", [404, 429, 503])
    def test_pauses_as_long_as_azure_asks_up_to_half_of_the_shortest_notice(
        self, azure, scripted, compute, clock, status, asked, granted
    ):
        scripted.answer(status, headers={"Retry-After": asked}).answer(200, compute())
        assert azure.identify().name == "WestNO_0"
        assert clock.slept == [granted]

    def test_lasts_as_long_as_an_update_of_the_service(self, azure, scripted, compute, clock):
        for _ in range(5):
            scripted.answer(410)
        scripted.answer(200, compute())
        assert azure.identify().name == "WestNO_0"
        assert clock.slept == [15.0] * 5

    @pytest.mark.parametrize("status", [410, 503])
    def test_ends_after_the_time_of_an_update_whatever_azure_asks_for(self, azure, scripted, clock, status):
        for _ in range(6):
            scripted.answer(status, headers={"Retry-After": "3600"})
        with pytest.raises(ProviderError, match=f"status {status}"):
            azure.identify()
        assert clock.slept == [15.0] * 5

    @pytest.mark.parametrize("fault", ["reset", "hang_up"])
    def test_survives_a_passing_fault(self, azure, scripted, compute, fault):
        getattr(scripted, fault)().answer(410).answer(404).answer(200, compute())
        assert azure.identify().name == "WestNO_0"

    @pytest.mark.parametrize("body", [b"<html>router</html>", b"[]", b"latest/meta-data"])
    def test_of_a_server_that_says_something_else_is_not_azure(self, azure, scripted, clock, body):
        scripted.answer(200, body)
        with pytest.raises(ProviderUnavailable, match=r"this is not Azure .*--endpoint"):
            azure.identify()
        assert clock.slept == []

    @pytest.mark.parametrize("status", [401, 403, 405])
    def test_of_a_server_that_refuses_is_not_azure(self, azure, scripted, clock, status):
        scripted.answer(status)
        with pytest.raises(ProviderUnavailable, match=f"this is not Azure .*status {status}"):
            azure.identify()
        assert clock.slept == []

    def test_of_a_server_that_never_has_it_is_not_azure(self, azure, scripted, clock):
        for _ in range(5):
            scripted.answer(404)
        with pytest.raises(ProviderUnavailable, match=r"this is not Azure .*no instance/compute"):
            azure.identify()
        assert clock.slept == [1.0, 2.0, 4.0, 8.0]

    def test_where_nothing_answers_says_what_to_do_at_once(self, provider, dead_url, clock):
        with pytest.raises(Unreachable, match="connection refused; run this on an Azure VM, or say where"):
            provider(dead_url).identify()
        assert clock.slept == []


class TestIdentifyingWithAGivenName:
    @pytest.fixture
    def azure(self, provider, scripted):
        return provider(scripted.url, machine="web-0", retries=IdentityRetries(attempts=2))

    def test_that_name_is_there_without_a_question(self, azure, provider, scripted):
        assert named(azure) == Machine(provider="azure", id="", name="web-0")
        assert named(provider(scripted.url)) is None
        assert scripted.asked == []

    def test_keeps_the_rest_that_azure_says(self, azure, scripted, compute):
        scripted.answer(200, compute())
        machine = azure.identify()
        assert (machine.name, machine.id, machine.region) == ("web-0", "02aab8a4-74ef-476e-8182-f6d2ba4166a6", "westus")
        assert not machine.owns("WestNO_0")

    def test_needs_no_name_from_azure(self, azure, scripted, compute):
        scripted.answer(200, compute(name=""))
        assert azure.identify().id == "02aab8a4-74ef-476e-8182-f6d2ba4166a6"

    def test_makes_do_with_what_azure_says(self, azure, scripted, compute):
        scripted.answer(200, compute(vmId="")).answer(200, compute(vmId=""))
        machine = azure.identify()
        assert (machine.name, machine.id, machine.region) == ("web-0", "", "westus")

    def test_needs_no_instance_endpoint_where_the_events_are(self, azure, scripted, document):
        scripted.answer(404).answer(404).answer(200, document())
        assert azure.identify() == Machine(provider="azure", id="", name="web-0")
        assert [asked.target for asked in scripted.asked] == [COMPUTE, COMPUTE, EVENTS]

    def test_does_not_take_another_cloud_for_azure(self, azure, scripted):
        scripted.answer(404).answer(404).answer(404)
        with pytest.raises(ProviderError, match="status 404"):
            azure.identify()

    def test_where_nothing_answers_is_still_an_error(self, provider, dead_url):
        with pytest.raises(Unreachable):
            provider(dead_url, machine="web-0").identify()


class TestClosing:
    def test_ends_the_attempts_to_identify(self, azure, scripted, clock):
        scripted.answer(503)
        clock.sleep = lambda seconds: azure.close()
        with pytest.raises(ProviderError, match="the client was closed"):
            azure.identify()
        assert len(scripted.asked) == 1

    def test_twice_does_no_harm(self, azure):
        azure.close()
        azure.close()


def test_an_approval_arrives_while_events_move_on(azure, scripted, document, entry):
    started = entry(EventStatus="Started", NotBefore="")
    scripted.answer(200, document(entry())).answer(200).answer(200, document(started, incarnation=4))
    (event,) = azure.poll().events
    azure.approve(event)
    (event,) = azure.poll().events
    assert event.phase is Phase.STARTED
    assert json.loads(scripted.asked[1].body)["StartRequests"] == [{"EventId": event.id}]
