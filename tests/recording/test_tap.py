"""Who listens hears of every exchange with a metadata service, and changes nothing about it."""

import contextlib
import threading

import pytest

from stormcone import ManualClock
from stormcone.clouds.http.client import MetadataClient, Timeouts
from stormcone.errors import ProviderError
from stormcone_azure.provider import AzureProvider


@pytest.fixture
def heard():
    return []


@pytest.fixture
def client(heard):
    client = MetadataClient(headers={"Metadata": "true"}, clock=ManualClock(), tap=heard.append)
    yield client
    client.close()


class TestTheTap:
    def test_hears_what_was_asked_and_answered(self, client, heard, scripted):
        scripted.answer(201, b"body", headers={"ETag": '"1"'})
        client.request("POST", f"{scripted.url}/path?a=1", headers={"X": "y"}, body=b"asked")
        (exchange,) = heard
        assert (exchange.method, exchange.url, exchange.request_body) == ("POST", f"{scripted.url}/path?a=1", b"asked")
        assert exchange.request_headers == {"Metadata": "true", "X": "y"}
        assert (exchange.status, exchange.reason, exchange.body, exchange.fault) == (201, "Created", b"body", "")
        assert exchange.headers["etag"] == '"1"'
        assert exchange.at == ManualClock().now()

    @pytest.mark.parametrize("status", [302, 400, 410, 503])
    def test_hears_of_a_refusal_by_its_status_alone(self, client, heard, scripted, status):
        scripted.answer(status, b"why", headers={"Retry-After": "7"})
        with pytest.raises(ProviderError):
            client.request("GET", scripted.url)
        (exchange,) = heard
        assert (exchange.status, exchange.body, exchange.headers["Retry-After"]) == (status, b"", "7")

    def test_hears_why_there_was_no_answer(self, client, heard, scripted):
        scripted.hang_up()
        with pytest.raises(ProviderError) as error:
            client.request("GET", scripted.url)
        (exchange,) = heard
        assert (exchange.status, exchange.fault) == (0, str(error.value))

    def test_hears_nothing_of_what_our_own_closing_ends(self, client, heard, scripted):
        scripted.hang()

        def ask():
            with contextlib.suppress(ProviderError):
                client.request("GET", scripted.url, timeouts=Timeouts(read=30))

        thread = threading.Thread(target=ask)
        thread.start()
        while not scripted.asked:
            pass
        client.close()
        thread.join()
        assert heard == []

    def test_hears_all_that_a_provider_asks(self, heard, scripted):
        scripted.answer(200, {"name": "web-0", "vmId": "1"}).answer(200, {"DocumentIncarnation": 1, "Events": []})
        provider = AzureProvider(endpoint=scripted.url, clock=ManualClock(), tap=heard.append)
        provider.identify()
        provider.poll()
        provider.close()
        assert [exchange.url.partition("?")[0].removeprefix(scripted.url) for exchange in heard] == [
            "/metadata/instance/compute",
            "/metadata/scheduledevents",
        ]
