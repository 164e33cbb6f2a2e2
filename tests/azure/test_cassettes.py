"""The documented exchanges at the service's own address pin what we ask and what we read.

The cassettes are written after the documentation; none was recorded on a real machine.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException

from stormcone.errors import RequestRefused
from stormcone.model import Approval, Phase
from stormcone_azure.provider import ENDPOINT
from stormcone_azure.wire import API_VERSIONS

CASSETTES = Path(__file__).with_name("cassettes")
EVENT = "C7061BAC-AFDC-4513-B24B-AA5F13A16123"


def _metadata(asked, recorded):
    """Both carry `Metadata`, with one value."""
    values = [request.headers.get("Metadata") for request in (asked, recorded)]
    assert values[0] == values[1] is not None, f"Metadata is {values[0]!r}, recorded as {values[1]!r}"


def _content_type(asked, recorded):
    """Both say the same of their body, or have none."""
    values = [request.headers.get("Content-Type") for request in (asked, recorded)]
    assert values[0] == values[1], f"Content-Type is {values[0]!r}, recorded as {values[1]!r}"


@pytest.fixture
def play():
    """Plays a cassette from its beginning, and nothing that is not on it."""
    recorder = vcr.VCR(
        cassette_library_dir=str(CASSETTES),
        record_mode=vcr.mode.NONE,
        match_on=["method", "scheme", "host", "port", "path", "query", "metadata", "content_type", "raw_body"],
    )
    recorder.register_matcher("metadata", _metadata)
    recorder.register_matcher("content_type", _content_type)
    return lambda name: recorder.use_cassette(f"{name}.yaml")


@pytest.fixture
def azure(provider):
    return provider(ENDPOINT)


class TestADocumentedExchange:
    def test_without_events_says_that_nothing_is_scheduled(self, play, azure):
        with play("empty") as cassette:
            observation = azure.poll()
        assert (observation.events, observation.version, observation.reads_whole()) == ((), "1", True)
        assert cassette.all_played

    def test_announces_an_event(self, play, azure):
        with play("scheduled"):
            (event,) = azure.poll().events
        assert (event.id, event.phase, event.approval) == (EVENT, Phase.SCHEDULED, Approval.STARTS)
        assert event.resources == ("WestNO_0", "WestNO_1")
        assert event.not_before == datetime(2022, 4, 11, 22, 26, 58, tzinfo=UTC)

    def test_says_that_an_event_has_started(self, play, azure):
        with play("started"):
            (event,) = azure.poll().events
        assert (event.phase, event.approval, event.not_before) == (Phase.STARTED, Approval.NONE, None)

    def test_approves(self, play, azure):
        with play("approval") as cassette:
            (event,) = azure.poll().events
            azure.approve(event)
        assert cassette.all_played

    def test_refuses_an_approval(self, play, azure):
        with play("refused") as cassette:
            (event,) = azure.poll().events
            with pytest.raises(RequestRefused, match="status 400"):
                azure.approve(event)
        assert cassette.all_played

    def test_refuses_a_version(self, play, provider):
        with play("bad_version"), pytest.raises(RequestRefused, match="status 400"):
            provider(ENDPOINT, api_version="2020-07-02").poll()

    def test_says_which_machine_this_is(self, play, azure):
        with play("identity"):
            machine = azure.identify()
        assert (machine.name, machine.id) == ("WestNO_0", "02aab8a4-74ef-476e-8182-f6d2ba4166a6")
        assert (machine.region, machine.zone) == ("westus", "2")

    def test_leads_an_event_through_its_life(self, play, azure):
        with play("life") as cassette:
            before = azure.poll()
            (scheduled,) = azure.poll().events
            azure.approve(scheduled)
            (started,) = azure.poll().events
            after = azure.poll()
        assert (before.events, scheduled.phase, started.phase, after.events) == ((), Phase.SCHEDULED, Phase.STARTED, ())
        assert scheduled.key == started.key
        assert cassette.all_played


class TestWhatIsNotRecorded:
    def test_is_not_asked_at_all(self, play, azure):
        with play("empty") as cassette:
            azure.poll()
            with pytest.raises(CannotOverwriteExistingCassetteException):
                azure.poll()
        assert cassette.play_count == 1

    @pytest.mark.parametrize("version", [version for version in API_VERSIONS if version != "2020-07-01"])
    def test_has_another_version(self, play, provider, version):
        with play("empty"), pytest.raises(CannotOverwriteExistingCassetteException):
            provider(ENDPOINT, api_version=version).poll()

    def test_approves_another_event(self, play, azure):
        with play("approval"):
            (event,) = azure.poll().events
            with pytest.raises(CannotOverwriteExistingCassetteException):
                azure.approve(event.but(id=EVENT.lower()))

    def test_lacks_the_metadata_header(self, play, azure, monkeypatch):
        monkeypatch.setattr(azure._client, "_headers", {})
        with play("empty"), pytest.raises(CannotOverwriteExistingCassetteException):
            azure.poll()
