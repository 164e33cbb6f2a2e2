"""The provider of one machine: which machine it is, what it sees, and what it makes of a service that is ill."""

import time
from datetime import timedelta
from functools import partial

import pytest

from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.http.client import Timeouts
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, SettingsError
from stormcone.model import Cause, Ending, Impact, Outcome, Phase, Scope
from stormcone.plugins import provider_class
from stormcone_aws import provider as module
from stormcone_aws.provider import LISTS, AwsProvider
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.aws.imds.service import ImdsMode
from stormcone_simulators.azure import AzureSimulator

HERE = "i-0123456789abcdef0"
SPOT = "spot/instance-action"
IDENTITY = "/latest/dynamic/instance-identity/document"
NOTICE = b'{"action": "terminate", "time": "2026-01-01T00:02:00Z"}'
TWO_MINUTES = timedelta(minutes=2)


@pytest.fixture
def on(aws, clock):
    """Providers on the simulator's machines."""
    opened = []

    def make(simulator=aws, machine=None):
        opened.append(AwsProvider.from_options(simulator.provider_options(machine)))
        return opened[-1]

    yield make
    for provider in opened:
        provider.close()


class TestWhichMachine:
    def test_is_in_the_identity_document_and_nodes_are_named_by_its_host_name(self, provider):
        machine = provider.identify()
        assert (machine.provider, machine.id, machine.name) == ("aws", HERE, HERE)
        assert machine.aliases == ("ip-10-158-112-84.us-west-2.compute.internal",)
        assert (machine.region, machine.zone, machine.account) == ("us-west-2", "us-west-2b", "123456789012")
        assert not machine.disputed

    def test_may_have_another_name_and_region(self, open_provider):
        provider = open_provider(machine="web-0", region="eu-west-1")
        assert provider.named().name == "web-0"
        machine = provider.identify()
        assert (machine.name, machine.id, machine.region) == ("web-0", HERE, "eu-west-1")
        assert machine.owns(HERE)

    @pytest.mark.parametrize("answer", [404, 500, None, b"", b"<html>x</html>", b"two words"])
    def test_is_told_without_a_host_name_where_there_is_none(self, service, provider, answer):
        service.says("local-hostname", answer)
        assert provider.identify().aliases == ()

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"instanceId": "i-1", "region": "us-east-1"}'])
    def test_a_service_without_an_identity_of_aws_is_not_aws(self, service, provider, body):
        service.answers[IDENTITY] = body
        with pytest.raises(ProviderUnavailable, match="this is not an AWS instance: "):
            provider.identify()

    def test_an_openstack_that_speaks_the_same_paths_is_not_aws(self, service, provider):
        service.token, service.demands = 404, False
        del service.answers[IDENTITY]
        with pytest.raises(ProviderUnavailable, match="answers, and has no identity document"):
            provider.identify()

    @pytest.mark.parametrize("status", [401, 429, 500, 503])
    def test_a_service_that_fails_is_no_other_cloud(self, service, provider, status):
        service.answers[IDENTITY] = status
        with pytest.raises(ProviderError) as said:
            provider.identify()
        assert not isinstance(said.value, ProviderUnavailable)


class TestDetection:
    @pytest.mark.parametrize("simulator", [AzureSimulator, AlibabaSimulator], ids=lambda each: each.name)
    def test_another_clouds_service_is_not_aws(self, simulator, clock, on):
        with simulator(("web-0",), clock=clock) as other:
            provider = AwsProvider(endpoint=other.url, clock=clock)
            with pytest.raises(ProviderUnavailable):
                provider.identify()
            provider.close()

    def test_awss_own_is_no_other_clouds(self, aws):
        for name in ("azure", "alibaba"):
            provider = provider_class(name).from_options(ProviderOptions(endpoint=aws.url, clock=aws.clock))
            with pytest.raises(ProviderError):
                provider.identify()
            provider.close()

    def test_an_address_that_nobody_named_is_waited_for_two_seconds_at_the_most(self, monkeypatch):
        asked = []
        monkeypatch.setattr(module, "Imds", lambda *_args, timeouts, **_more: asked.append(timeouts))
        AwsProvider()
        AwsProvider(endpoint="http://127.0.0.1:1")
        assert asked[0].connect + asked[0].read <= 2.0 < asked[1].read
        assert asked[0].whole <= 2.0

    def test_where_there_is_no_way_to_it_the_no_comes_at_once(self, monkeypatch, clock):
        """The address is one of the documentation's, which nobody has; a network that refuses at once is as good."""
        monkeypatch.setattr(module, "ENDPOINT", "http://192.0.2.1")
        monkeypatch.setattr(module, "QUICK", Timeouts(connect=0.05, read=0.05, slack=0.0))
        provider = AwsProvider(endpoint="http://192.0.2.1", clock=clock)
        begun = time.monotonic()
        with pytest.raises(ProviderUnavailable, match=r"this is not an AWS instance: .*--endpoint"):
            provider.identify()
        assert time.monotonic() - begun < 30
        provider.close()


class TestWhatItSees:
    def test_nothing_where_nothing_is_announced(self, service, provider):
        observation = provider.poll()
        assert (observation.events, observation.whole, observation.problems) == ((), set(LISTS), ())
        assert provider.poll() is observation

    def test_each_kind_of_notice_in_its_list(self, aws, on):
        here = ["i-aaa"]
        aws.schedule(Impact.REBOOT, resources=here)
        aws.schedule(Impact.TERMINATE, resources=here)
        aws.schedule(Impact.TERMINATE, resources=here, native_type="rebalance")
        aws.schedule(Impact.TERMINATE, resources=here, cause=Cause.SCALE_IN)
        seen = {event.listing: event for event in on().poll().events}
        assert {name: event.native_type for name, event in seen.items()} == {
            "spot": "spot/terminate",
            "rebalance": "rebalance",
            "lifecycle": "lifecycle/Terminated",
            "scheduled": "system-reboot",
        }
        assert {event.provider for event in seen.values()} == {"aws"}
        assert on(machine="i-bbb").poll().events == ()

    def test_a_spot_notice_of_an_older_service(self, service, provider):
        service.says("spot/termination-time", b"2026-01-01T00:02:00Z")
        (event,) = provider.poll().events
        assert (event.listing, event.id, event.impact) == ("spot", f"spot/{HERE}", Impact.TERMINATE)

    def test_one_token_serves_all_lists(self, service, provider):
        provider.poll()
        provider.poll()
        assert [method for method, _ in service.paths()].count("PUT") == 1

    def test_it_speaks_version_1_where_there_is_no_other(self, service, provider):
        service.token, service.demands = 404, False
        service.says(SPOT, NOTICE)
        assert len(provider.poll().events) == 1


class TestWhoseNoticesTheyAre:
    @pytest.mark.parametrize("answer", [404, 500, None, b"", b"<html>log in</html>"])
    def test_is_in_the_identity_where_the_id_is_not_told(self, service, provider, answer):
        service.says("instance-id", answer)
        service.says(SPOT, NOTICE)
        (event,) = provider.poll().events
        assert event.resources == (HERE,)

    def test_is_as_named_where_nobody_tells_it_and_stays_so(self, service, open_provider):
        service.says("instance-id", 500)
        service.answers[IDENTITY] = 500
        service.says(SPOT, NOTICE)
        provider = open_provider(machine="web-0")
        assert provider.poll().events[0].id == "spot/web-0"
        service.says("instance-id", HERE.encode())
        assert provider.poll().events[0].id == "spot/web-0"

    def test_is_an_error_where_nobody_tells_it(self, service, provider):
        service.says("instance-id", 404)
        service.answers[IDENTITY] = 503
        service.says(SPOT, NOTICE)
        with pytest.raises(
            ProviderError, match=r"does not say which instance this is: .*503.*; name it with --machine"
        ):
            provider.poll()


class TestOneListThatFails:
    @pytest.mark.parametrize("listing", LISTS)
    @pytest.mark.parametrize("answer", [429, 500, 503, 401, None, b"<html>log in</html>", b"\xff"])
    def test_costs_none_of_the_others(self, service, provider, listing, answer):
        service.says(SPOT, NOTICE)
        service.says("events/recommendations/rebalance", b'{"noticeTime": "2026-01-01T00:00:00Z"}')
        service.says("autoscaling/target-lifecycle-state", b"Terminated")
        service.says("events/maintenance/scheduled", b'[{"EventId": "instance-event-1", "Code": "instance-stop"}]')
        (place, *_) = LISTS[listing].places
        service.answers[f"/latest/{place}"] = answer
        observation = provider.poll()
        others = set(LISTS) - {listing}
        assert {event.listing for event in observation.events} == others
        assert observation.whole == others
        assert any(listing in problem for problem in observation.problems)

    @pytest.mark.parametrize("listing", LISTS)
    def test_with_404_means_what_its_table_says(self, service, provider, listing):
        (place, *_) = LISTS[listing].places
        service.answers[f"/latest/{place}"] = 404
        observation = provider.poll()
        assert observation.events == ()
        assert (listing in observation.whole) is LISTS[listing].absent_is_none
        assert bool(observation.problems) is not LISTS[listing].absent_is_none

    def test_only_the_scheduled_events_are_not_none_by_404(self):
        assert {name for name, each in LISTS.items() if not each.absent_is_none} == {"scheduled"}

    @pytest.mark.parametrize("answer", [429, 500, 503, None, b"<html>log in</html>"])
    def test_where_all_of_them_do_nothing_is_known(self, service, provider, answer):
        for each in LISTS.values():
            for place in each.places:
                service.answers[f"/latest/{place}"] = answer
        if answer == b"<html>log in</html>":
            service.says("spot/termination-time", 404)
        with pytest.raises(ProviderError):
            provider.poll()

    def test_where_metadata_is_off_that_is_said_with_what_to_do(self, awss, on):
        provider = on(awss(imds=ImdsMode.OFF))
        for ask in (provider.poll, provider.identify):
            with pytest.raises(RequestRefused, match="--http-endpoint enabled"):
                ask()
        assert "switched off" in provider.facts()["metadata-version"]

    def test_where_the_token_is_lost_one_request_finds_that_out(self, service, provider):
        service.token = None
        with pytest.raises(ProviderError, match="hop-limit"):
            provider.poll()
        assert len(service.paths()) == 2
        assert "hop-limit" in provider.facts()["metadata-version"]


class TestHowAnEventEnded:
    @pytest.mark.parametrize(
        ("end", "outcome", "word"),
        [("complete", Outcome.COMPLETED, "completed"), ("cancel", Outcome.CANCELED, "canceled")],
    )
    def test_is_in_the_history(self, aws, on, end, outcome, word):
        provider = on()
        event_id = aws.schedule(Impact.REBOOT, resources=["i-aaa"])
        getattr(aws, end)(event_id)
        assert provider.poll().events == ()
        assert provider.outcomes([event_id.upper(), "instance-event-other"]) == {
            event_id.upper(): Ending(outcome, word)
        }

    def test_is_not_known_of_what_has_no_id_of_awss_and_is_not_asked(self, service, provider):
        assert provider.outcomes([f"spot/{HERE}", f"rebalance/{HERE}", f"lifecycle/{HERE}"]) == {}
        assert service.paths() == []

    def test_is_not_known_where_there_is_no_history(self, service, provider):
        service.says("events/maintenance/history", 404)
        assert provider.outcomes(["instance-event-1"]) == {}

    @pytest.mark.parametrize("answer", [500, b"<html>", None])
    def test_is_an_error_where_it_cannot_be_asked(self, service, provider, answer):
        service.says("events/maintenance/history", answer)
        with pytest.raises(ProviderError):
            provider.outcomes(["instance-event-1"])


class TestWhatItIs:
    def test_it_needs_no_permission_and_has_no_secret(self):
        assert (AwsProvider.capabilities.permissions, AwsProvider.capabilities.secrets) == ((), ())
        assert AwsProvider.capabilities.poll_interval == 5.0
        assert AwsProvider.capabilities.shortest_notice == TWO_MINUTES.total_seconds()

    def test_nothing_can_be_approved(self, service, provider):
        service.says(SPOT, NOTICE)
        with pytest.raises(RequestRefused, match="cannot be approved"):
            provider.approve(provider.poll().events[0])

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"settings": {"hop-limit": "2"}}, "aws has no setting hop-limit"),
            ({"settings": {"scope": "planet"}}, "the setting scope is machine or region, not 'planet'"),
            ({"endpoint": "169.254.169.254"}, "the endpoint '169.254.169.254' is not a URL"),
            ({"endpoint": "http://me:pw@host"}, "holds a name or a password"),
        ],
    )
    def test_what_cannot_be_used_is_refused(self, options, says):
        with pytest.raises(SettingsError, match=says):
            AwsProvider.from_options(ProviderOptions(**options))

    def test_a_region_is_watched_by_another(self):
        settings = {"scope": "region"}
        made = AwsProvider.from_options(ProviderOptions(region="us-east-1", settings=settings))
        assert (type(made).__name__, made.capabilities.scope) == ("AwsRegionProvider", Scope.REGION)
        made.close()

    def test_it_tells_which_version_it_speaks(self, service, provider, open_provider):
        assert provider.facts() == {"metadata": service.url, "metadata-version": "IMDSv2"}
        service.token, service.demands = 405, False
        assert open_provider().facts()["metadata-version"] == "IMDSv1"

    def test_whoever_records_hears_of_every_exchange_and_no_token(self, service, open_provider):
        told = []
        provider = open_provider(tap=told.append)
        provider.poll()
        assert [(each.method, each.status) for each in told][:3] == [("PUT", 200), ("GET", 200), ("GET", 404)]


def test_a_hibernation_has_begun_when_it_is_seen(aws, on, clock):
    aws.schedule(Impact.HIBERNATE, resources=["i-aaa"], notice=5 * timedelta(minutes=1))
    provider = on()
    listed = partial(lambda: {event.native_type: event.phase for event in provider.poll().events})
    assert listed() == {"rebalance": Phase.SCHEDULED}
    clock.advance(minutes=5)
    assert listed() == {"rebalance": Phase.SCHEDULED, "spot/hibernate": Phase.STARTED}
