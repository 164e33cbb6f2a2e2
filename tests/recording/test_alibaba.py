"""Alibaba Cloud's traces: signed requests, consent, ends that are reported, and the metadata service beside the API."""

from datetime import timedelta

import pytest

from stormcone import Impact, Outcome
from stormcone.clouds.contract import ProviderOptions
from stormcone.export import export
from stormcone.model import Ending
from stormcone.plugins import provider_class
from stormcone.recording import read_trace

HALF_HOUR = timedelta(minutes=30)
INQUIRING = "SystemMaintenance.Reboot:Inquiring"


@pytest.fixture
def lived(archive):
    """A recorded half hour of an agent, with what the director makes of it."""

    def live(director, **options):
        def make(lab, path):
            agent = lab.watch(lab.simulator("alibaba"), approve_consent=True)
            agent.start(path, **options)
            director(agent.simulator)
            agent.run(HALF_HOUR)
            return path, agent

        return archive((director, *options.items()), make)

    return live


def a_reboot(cloud):
    cloud.schedule(Impact.REBOOT, resources=["i-acmeweb18"], notice=timedelta(minutes=15))


def a_question(cloud):
    cloud.schedule(Impact.REBOOT, resources=["i-acmeweb18"], native_type=INQUIRING)


def a_spot_release(cloud):
    cloud.schedule(Impact.TERMINATE, resources=["i-acmeweb18"])


def called_off(cloud):
    cloud.cancel(cloud.schedule(Impact.REBOOT, resources=["i-acmeweb18"]))
    a_reboot(cloud)


DIRECTORS = [a_reboot, a_question, a_spot_release, called_off]


def lives_again(path, agent, replay, watch):
    again = watch(replay(path, cloud="alibaba"), approve_consent=True)
    again.start()
    begun = again.clock.now()
    again.run(timedelta(minutes=32))
    assert again.history(begun) == agent.history(read_trace(path).header.begun)
    assert agent.journal.episodes()
    assert again.simulator.differences() == []
    return again


class TestARecordedHalfHour:
    @pytest.mark.parametrize("director", DIRECTORS)
    @pytest.mark.parametrize("anonymise", [False, True])
    def test_is_replayed_with_the_same_history(self, director, anonymise, lived, replay, watch):
        path, agent = lived(director, anonymise=anonymise)
        lives_again(path, agent, replay, watch)

    @pytest.mark.parametrize("anonymise", [False, True])
    def test_holds_nothing_that_signs(self, lived, anonymise):
        path, _agent = lived(a_reboot, anonymise=anonymise)
        text = path.read_text()
        for word in ("testid", "testsecret", "Signature", "Nonce", "Timestamp", "AccessKey", "SecurityToken"):
            assert word not in text
        assert "(withheld)" in text, "the metadata service's token"

    def test_holds_no_identifier_if_anonymised(self, lived):
        path, agent = lived(a_question, anonymise=True)
        text = path.read_text()
        (event,) = agent.simulator.events()
        for identifier in ("acmeweb", event["id"], "1234567890123456"):
            assert identifier not in text

    def test_does_not_grow_while_nothing_changes(self, lived):
        path, agent = lived(lambda _: None)
        entries = read_trace(path).entries
        assert len({(entry.exchange.method, entry.exchange.url) for entry in entries}) == len(entries)
        assert sum(entry.count for entry in entries) == agent.recorder.asked > 10 * len(entries)

    def test_lists_events_as_every_simulator_does(self, lived, replay, watch):
        path, agent = lived(a_reboot)
        again = lives_again(path, agent, replay, watch)
        (event,), (known,) = again.simulator.events(), agent.simulator.events()
        same = ("id", "impact", "cause", "native_type", "resources", "phase", "outcome", "description")
        assert {name: event[name] for name in same} == {name: known[name] for name in same}


class TestAnExport:
    @pytest.mark.parametrize("director", DIRECTORS)
    @pytest.mark.parametrize("anonymise", [False, True])
    def test_is_replayed_with_the_same_history(self, director, anonymise, lived, replay, watch, tmp_path):
        _, agent = lived(director)
        export(agent.journal, tmp_path / "export.yaml", anonymise=anonymise)
        lives_again(tmp_path / "export.yaml", agent, replay, watch)


class TestTheReplay:
    @pytest.fixture
    def provider(self, lived, replay):
        path, _agent = lived(a_question)
        cloud = replay(path, cloud="alibaba")
        provider = provider_class("alibaba").from_options(cloud.provider_options())
        provider.cloud = cloud
        yield provider
        provider.close()

    def test_answers_whoever_signs(self, provider):
        options = provider.cloud.provider_options()
        other = provider_class("alibaba").from_options(
            ProviderOptions(
                endpoint=options.endpoint,
                region=options.region,
                clock=options.clock,
                settings={"access-key-id": "somebody", "access-key-secret": "else"},
            )
        )
        assert other.identify().name == "i-acmeweb18"
        other.close()

    def test_takes_a_consent_as_it_was_taken(self, provider):
        provider.identify()
        (event,) = provider.poll().events
        provider.approve(event)
        assert provider.cloud.differences() == []
        provider.cloud.clock.advance(1800)
        assert provider.outcomes([event.id]) == {event.id: Ending(Outcome.COMPLETED, "Executed")}

    def test_says_no_to_a_consent_to_nothing(self, provider):
        provider.identify()
        (event,) = provider.poll().events
        with pytest.raises(Exception, match="NoInquiringEventFound"):
            provider.approve(event.but(id="e-other"))
        kinds = [difference["kind"] for difference in provider.cloud.differences()]
        assert kinds[0] == "approval_additional"

    def test_tells_the_end_of_events_in_whatever_company_they_are_asked_for(self, provider):
        provider.identify()
        (event,) = provider.poll().events
        provider.cloud.clock.advance(1800)
        assert provider.outcomes(["e-unknown", event.id]) == {event.id: Ending(Outcome.COMPLETED, "Executed")}
        kinds = [difference["kind"] for difference in provider.cloud.differences()]
        assert kinds == ["asked_otherwise", "approval_missing"]

    def test_fails_in_the_words_of_the_service_that_was_asked(self, provider):
        provider.identify()
        provider.cloud.faults.add(status=403, times=9)
        with pytest.raises(Exception, match="Forbidden"):
            provider.poll()
