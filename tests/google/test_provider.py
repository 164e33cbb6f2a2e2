"""The provider on a simulated VM: which machine it is, what a poll says, and how it fails."""

from datetime import timedelta

import pytest

from stormcone.clouds.contract import Hints, Postpones, Provider, ProviderOptions
from stormcone.errors import ProviderError, ProviderUnavailable, Unreachable
from stormcone.model import Approval, Impact, Machine, Phase, Scope
from stormcone.plugins import SIMULATORS, load_plugins, provider_class, simulator_class
from stormcone.simulators.contract import SimulatorOptions
from stormcone_google import provider as provider_module
from stormcone_google.metadata import DETECTION
from stormcone_google.provider import GoogleProvider

KEY = "/computeMetadata/v1/instance/{}".format
FLAVOR = {"Metadata-Flavor": "Google"}
KEYS = ("preempted", "maintenance-event", "upcoming-maintenance")


def asked_for(simulator):
    return [each["path"].rpartition("/v1/")[2] for each in simulator.requests()]


class TestThePlugin:
    def test_is_found_by_its_name(self):
        assert provider_class("google") is GoogleProvider

    def test_is_a_provider_of_one_machine_that_hears_of_news(self, provider):
        assert isinstance(provider, Provider)
        assert isinstance(provider, Hints)
        assert provider.capabilities.scope is Scope.MACHINE
        assert provider.outcomes(["x"]) == {}

    def test_finds_a_notice_within_a_sixth_of_the_shortest(self, provider):
        assert provider.capabilities.poll_interval <= provider.capabilities.shortest_notice / 6


class TestWhichMachine:
    def test_is_known_by_id_name_and_host_name(self, cloud, provider):
        machine = provider.identify()
        assert (machine.name, machine.zone, machine.region) == ("web-0", "us-central1-a", "us-central1")
        assert machine.account == "stormcone-project"
        assert machine.id.isdigit()
        assert machine.owns(machine.id)
        assert machine.owns("web-0.us-central1-a.c.stormcone-project.internal")
        assert machine.reported_name == ""

    def test_is_told_apart_from_others(self, cloud, make_provider):
        first, second = (make_provider(cloud, name).identify() for name in ("web-0", "web-1"))
        assert first.id != second.id

    def test_may_be_named(self, cloud, make_provider):
        provider = make_provider(cloud, machine="db-0", region="here")
        assert provider.named() == Machine(provider="google", id="", name="db-0", region="here")
        machine = provider.identify()
        assert (machine.name, machine.reported_name, machine.disputed, machine.region) == (
            "db-0",
            "web-0",
            True,
            "here",
        )
        assert make_provider(cloud, machine="web-0").identify().disputed is False

    def test_is_not_made_up_where_nothing_answers(self, dead_url):
        provider = GoogleProvider.from_options(ProviderOptions(endpoint=dead_url))
        with pytest.raises(Unreachable, match="run this on a VM of Compute Engine"):
            provider.identify()
        provider.close()


class TestDetection:
    @pytest.mark.parametrize("flavor", [{}, {"Metadata-Flavor": "Ibm"}])
    def test_is_no_wrong_yes_of_a_server_that_is_not_googles(self, scripted, flavor):
        scripted.answer(200, b"4515870919141281073", headers=flavor)
        provider = GoogleProvider.from_options(ProviderOptions(endpoint=scripted.url))
        with pytest.raises(ProviderUnavailable, match="lacks the header Metadata-Flavor: Google"):
            provider.identify()
        provider.close()
        assert scripted.asked[0].headers["metadata-flavor"] == "Google"

    @pytest.mark.parametrize("status", [400, 401, 404])
    def test_is_a_no_where_the_key_is_not_there(self, scripted, status):
        scripted.answer(status, b"?")
        provider = GoogleProvider.from_options(ProviderOptions(endpoint=scripted.url))
        with pytest.raises(ProviderUnavailable, match="not a VM of Compute Engine"):
            provider.identify()
        provider.close()

    @pytest.mark.parametrize("other", sorted(set(load_plugins(SIMULATORS).found) - {"google"}))
    def test_is_a_no_on_every_other_cloud_and_theirs_is_one_here(self, cloud, other):
        with simulator_class(other).from_options(SimulatorOptions()) as simulator:
            endpoint = simulator.provider_options().endpoint
            provider = GoogleProvider.from_options(ProviderOptions(endpoint=endpoint))
            with pytest.raises(ProviderError):
                provider.identify()
            provider.close()
        theirs = provider_class(other).from_options(ProviderOptions(endpoint=cloud.url))
        with pytest.raises(ProviderError):
            theirs.identify()
        theirs.close()

    def test_takes_two_seconds_at_the_most(self):
        assert DETECTION.whole <= 2.0


class TestAPoll:
    def test_asks_each_key_once_and_who_it_is_the_first_time(self, cloud, provider):
        provider.poll()
        provider.poll()
        assert asked_for(cloud) == ["instance/id", "instance/name"] + 2 * [f"instance/{key}" for key in KEYS]

    def test_asks_what_becomes_of_the_vm_only_where_something_is_announced(self, cloud, provider):
        provider.poll()
        assert "instance/scheduling/" not in asked_for(cloud)
        cloud.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(hours=1))
        assert provider.poll().events[0].impact is Impact.REBOOT
        assert asked_for(cloud).count("instance/scheduling/") == 1

    def test_sees_what_each_key_announces(self, cloud, provider):
        cloud.schedule(Impact.STOP, resources=["web-0"])
        cloud.schedule(Impact.STOP, resources=["web-0"], notice=timedelta(days=1))
        cloud.schedule(Impact.FREEZE, resources=["web-1"])
        events = provider.poll().events
        assert [event.listing for event in events] == ["maintenance-event", "upcoming-maintenance"]
        assert {event.impact for event in events} == {Impact.STOP}

    @pytest.mark.parametrize("nothing", ["unavailable", "none", "empty", "null", "unsupported"])
    @pytest.mark.parametrize("spelling", ["snake", "camel", "kebab"])
    def test_reads_every_spelling(self, make_cloud, make_provider, nothing, spelling):
        cloud = make_cloud(spelling=spelling, nothing=nothing)
        provider = make_provider(cloud)
        assert (provider.poll().events, provider.poll().problems) == ((), ())
        event = cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(hours=1))
        (seen,) = provider.poll().events
        assert (seen.phase, seen.not_before.isoformat()) == (Phase.SCHEDULED, "2026-01-01T01:00:00+00:00")
        cloud.start(event)
        assert provider.poll().events[0].phase is Phase.STARTED
        cloud.complete(event)
        assert (provider.poll().events, provider.poll().whole) == ((), frozenset(KEYS))

    def test_knows_the_impact_from_before_where_the_vms_settings_cannot_be_asked(self, cloud, provider):
        cloud.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(hours=1))
        assert provider.poll().events[0].impact is Impact.REBOOT
        cloud.faults.add(status=500, path=KEY("scheduling"))
        observation = provider.poll()
        assert observation.events[0].impact is Impact.REBOOT
        assert "the last one counts" in observation.problems[0]
        assert "upcoming-maintenance" in observation.whole


class TestWhatIsNotKnown:
    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("fault", [{"status": 500}, {"status": 403}, {"status": 429}, {"kind": "reset"}])
    def test_is_one_listing_where_one_key_fails(self, cloud, provider, key, fault):
        cloud.faults.add(path=KEY(key), **fault)
        observation = provider.poll()
        assert observation.whole == frozenset(KEYS) - {key}
        assert len(observation.problems) == 1

    def test_is_everything_where_all_keys_fail(self, cloud, provider):
        provider.identify()
        cloud.faults.add(status=503)
        with pytest.raises(ProviderError) as caught:
            provider.poll()
        assert caught.value.passing

    @pytest.mark.parametrize("body", ["", "<html>busy</html>", "[]"])
    def test_is_everything_where_nothing_that_the_keys_say_can_be_read(self, cloud, provider, body):
        provider.identify()
        cloud.faults.add(body=body)
        with pytest.raises(
            ProviderError, match=r"^Google's answer about preempted cannot be read: it says .* no value of it$"
        ):
            provider.poll()

    def test_is_everything_where_the_server_has_none_of_the_keys(self, cloud, provider):
        provider.identify()
        cloud.faults.add(status=404)
        with pytest.raises(ProviderError, match="has none of the keys"):
            provider.poll()

    def test_is_everything_where_the_only_key_that_the_server_has_fails(self, cloud, provider):
        provider.identify()
        cloud.faults.add(status=500, path=KEY("preempted"))
        cloud.faults.add(status=404)
        with pytest.raises(ProviderError, match=r"^preempted: .*500"):
            provider.poll()

    def test_is_left_alone_for_as_long_as_the_server_asks_and_the_other_keys_are_not(self, cloud, clock, provider):
        cloud.faults.add(status=429, retry_after=7, path=KEY("maintenance-event"), times=1)
        assert provider.poll().whole == {"preempted", "upcoming-maintenance"}
        before = len(asked_for(cloud))
        assert provider.poll().whole == {"preempted", "upcoming-maintenance"}
        assert asked_for(cloud)[before:] == ["instance/preempted", "instance/upcoming-maintenance"]
        clock.advance(7)
        assert provider.poll().whole == frozenset(KEYS)

    def test_is_asked_again_no_later_than_the_server_says(self, cloud, provider):
        provider.identify()
        cloud.faults.add(status=429, retry_after=7)
        with pytest.raises(ProviderError) as caught:
            provider.poll()
        assert caught.value.retry_after == 7

    def test_is_what_a_server_says_that_is_not_googles(self, cloud, provider, scripted):
        for _ in range(9):
            scripted.answer(200, b"TRUE")
        other = GoogleProvider.from_options(ProviderOptions(endpoint=scripted.url, machine="web-0"))
        with pytest.raises(ProviderUnavailable):
            other.poll()
        other.close()


class TestWhatTheCloudDoesNotSay:
    def test_is_how_an_event_ended_so_that_no_provider_guesses(self, cloud, provider):
        event = cloud.schedule(Impact.FREEZE, resources=["web-0"])
        (seen,) = provider.poll().events
        cloud.complete(event)
        assert provider.poll().events == ()
        assert provider.outcomes([seen.id]) == {}

    def test_is_that_it_could_be_put_off_as_rescheduling_there_is_to_begin_now(self, cloud, provider):
        cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(days=1))
        (seen,) = provider.poll().events
        assert str(seen.native["can_reschedule"]).lower() == "true"
        assert (seen.approval, seen.movable_until) == (Approval.TRIGGERS, None)
        assert not isinstance(provider, Postpones)
        assert not provider.capabilities.can_postpone


class TestAMachineThatIsNotKnownYet:
    def test_has_its_events_told_by_its_name(self, cloud, make_provider):
        provider = make_provider(cloud, machine="web-0")
        cloud.faults.add(status=500, path=KEY("id"))
        cloud.schedule(Impact.TERMINATE, resources=["web-0"])
        (event,) = provider.poll().events
        assert (event.id, event.resources) == ("preempted/web-0", ("web-0",))

    def test_has_none_of_its_events_lost(self, cloud, provider):
        cloud.faults.add(status=500, path=KEY("id"))
        cloud.schedule(Impact.TERMINATE, resources=["web-0"])
        observation = provider.poll()
        assert (observation.events, "preempted" in observation.whole) == ((), False)
        assert observation.problems
        cloud.faults.clear()
        assert [event.listing for event in provider.poll().events] == ["preempted"]


def test_a_poll_order_puts_the_shortest_notice_first():
    assert next(iter(provider_module.KEYS)) == "preempted"
