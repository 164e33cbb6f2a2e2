"""The provider against a cloud on a real socket, through the real SDK."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stormcone.agent.loop import Agent
from stormcone.agent.workers import InlineExecutor
from stormcone.clock import ManualClock
from stormcone.clouds.contract import Provider, ProviderOptions, Simulates, named
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused
from stormcone.handlers import App, Handler
from stormcone.journal import Journal
from stormcone.model import Approval, Ending, Impact, Machine, Outcome, Phase, Scope
from stormcone.plugins import provider_class
from stormcone_alibaba.ecs import BATCH
from stormcone_alibaba.provider import AlibabaProvider, AlibabaRegionProvider

HISTORY = "DescribeInstanceHistoryEvents"
ACCEPT = "AcceptInquiredSystemEvent"
SPOT = "instance/spot/termination-time"
ALL = {"Scheduled", "Avoided", "Executing", "Executed", "Canceled", "Failed", "Inquiring"}

NOTIFICATION = {
    "ver": "1.0",
    "product": "ECS",
    "name": "Instance:SystemMaintenance.Reboot:Scheduled",
    "regionId": "cn-hangzhou",
    "content": {"eventId": "e-1", "instanceId": "i-here"},
}


class TestThePlugIn:
    def test_is_found_by_its_name(self):
        assert provider_class("alibaba") is AlibabaProvider

    def test_keeps_the_contracts(self, provider, open_provider):
        for opened in (provider, open_provider(scope="region")):
            assert isinstance(opened, Provider)
            assert isinstance(opened, Simulates)

    def test_says_what_it_can_do_and_what_it_must_be_allowed(self):
        can = AlibabaProvider.capabilities
        assert (can.scope, can.poll_interval) == (Scope.MACHINE, 30.0)
        assert (can.can_approve, can.can_simulate, can.reports_outcome) == (True, True, True)
        assert "ecs:DescribeInstanceHistoryEvents" in can.permissions

    def test_asks_nobody_before_it_is_used(self, cloud, open_provider):
        open_provider()
        assert cloud.asked == []


class TestIdentity:
    def test_is_the_metadata_services(self, provider):
        machine = provider.identify()
        assert (machine.provider, machine.id, machine.name) == ("alibaba", "i-here", "i-here")
        assert (machine.region, machine.zone, machine.account) == ("cn-hangzhou", "cn-hangzhou-i", "1234567890")
        assert machine.scope is Scope.MACHINE

    def test_of_a_named_machine_needs_no_metadata(self, cloud, open_provider):
        machine = open_provider(machine="i-there", region="cn-beijing").identify()
        assert (machine.id, machine.region) == ("i-there", "cn-beijing")
        assert cloud.paths() == []

    def test_of_a_named_machine_is_not_believed_where_no_api_answers(self, dead_url, open_provider):
        with pytest.raises(ProviderError, match="connection refused"):
            open_provider(machine="web-0", region="westeurope", endpoint=dead_url).identify()

    def test_of_a_named_machine_without_a_region_asks_for_that_and_who_it_really_is(self, cloud, open_provider):
        machine = open_provider(machine="i-there").identify()
        assert (machine.id, machine.region, machine.reported_name) == ("i-there", "cn-hangzhou", "i-here")
        assert machine.disputed
        assert not open_provider(machine="i-here").identify().disputed

    def test_of_an_instance_that_does_not_exist_is_none(self):
        from stormcone_simulators.alibaba import AlibabaSimulator

        with AlibabaSimulator(["i-here"], clock=ManualClock()) as simulator:
            for name, there in (("i-here", True), ("i-nobody", False)):
                options = replace(simulator.provider_options(), machine=name)
                with closing(AlibabaProvider.from_options(options)) as provider:
                    if there:
                        assert provider.identify().id == name
                        continue
                    with pytest.raises(ProviderUnavailable, match="there is no instance i-nobody in cn-hangzhou"):
                        provider.identify()

    def test_on_another_cloud_is_none(self, open_provider, dead_url):
        with pytest.raises(ProviderUnavailable, match="not an Alibaba Cloud instance"):
            open_provider(endpoint=dead_url).identify()

    def test_without_credentials_says_where_it_looked(self, open_provider):
        provider = open_provider(machine="i-1", region="cn-hangzhou", access_key_id=..., access_key_secret=...)
        with pytest.raises(ProviderUnavailable, match="there are no credentials"):
            provider.identify()

    def test_names_where_its_credentials_come_from(self, provider):
        assert provider.credentials.get().source == "settings"


class TestAPoll:
    def test_asks_for_what_the_service_hides_by_default(self, cloud, provider, entry):
        cloud.lists(entry())
        (event,) = provider.poll().events
        (asked,) = cloud.calls(HISTORY)
        assert set(asked.values("InstanceEventCycleStatus")) == {"Scheduled", "Executing", "Inquiring"}
        assert asked.values("ResourceId") == ["i-here"]
        assert (event.id, event.impact, event.phase) == ("e-bp191hqye34x", Impact.REBOOT, Phase.SCHEDULED)

    def test_costs_as_many_calls_as_there_are_pages(self, cloud, provider, entry):
        entries = [entry(EventId=f"e-{number}") for number in range(500)]
        for page in range(5):
            cloud.lists(*entries[page * 100 : page * 100 + 100], token=f"t-{page}" if page < 4 else None)
        seen = provider.poll()
        assert [event.id for event in seen.events] == [entry["EventId"] for entry in entries]
        assert [asked.query.get("NextToken") for asked in cloud.calls(HISTORY)] == [None, "t-0", "t-1", "t-2", "t-3"]
        assert {asked.query["MaxResults"] for asked in cloud.calls(HISTORY)} == {str(BATCH)}

    def test_of_pages_without_an_end_is_an_error(self, cloud, provider, entry):
        for token in ("t-1", "t-2", "t-1"):
            cloud.lists(entry(), token=token)
        with pytest.raises(ProviderError, match="its pages do not end"):
            provider.poll()

    def test_lists_an_event_once_that_stands_on_two_pages(self, cloud, provider, entry):
        cloud.lists(entry(), token="t-1")
        cloud.lists(entry(EventCycleStatus="Executing"))
        (event,) = provider.poll().events
        assert event.phase is Phase.STARTED

    def test_with_an_entry_that_cannot_be_read_is_incomplete(self, cloud, provider, entry):
        cloud.lists(entry(), 7)
        seen = provider.poll()
        assert (len(seen.events), seen.reads_whole()) == (1, False)
        assert seen.problems == ("an entry is no object",)

    def test_with_a_bad_field_is_complete(self, cloud, provider, entry):
        cloud.lists(entry(NotBefore="soon"))
        seen = provider.poll()
        assert (seen.reads_whole(), len(seen.problems)) == (True, 1)

    def test_that_is_throttled_says_how_long_to_wait(self, cloud, provider, clock):
        cloud.refuses(HISTORY, "Throttling.User")
        with pytest.raises(ProviderError) as caught:
            provider.poll()
        assert caught.value.retry_after == 61 - clock.now().second

    def test_after_the_end_is_an_error(self, cloud, provider):
        provider.poll()
        provider.close()
        provider.close()
        with pytest.raises(ProviderError):
            provider.poll()


class TestARecording:
    def test_hears_of_metadata_and_api_alike(self, cloud, clock):
        told = []
        settings = {"access-key-id": "id", "access-key-secret": "secret"}
        options = ProviderOptions(endpoint=cloud.url, clock=clock, settings=settings, tap=told.append)
        provider = AlibabaProvider.from_options(options)
        provider.poll()
        provider.close()
        assert len(told) == len(cloud.asked)
        assert {exchange.method for exchange in told} == {"GET", "PUT", "POST"}


class TestTheReleaseOfASpotInstance:
    def test_is_an_event_beside_the_others(self, cloud, provider, entry):
        cloud.metadata[SPOT] = "2026-04-11T22:15:00Z"
        cloud.lists(entry())
        _, spot = provider.poll().events
        assert (spot.impact, spot.not_before) == (Impact.TERMINATE, datetime(2026, 4, 11, 22, 15, tzinfo=UTC))

    def test_is_reported_even_where_the_api_does_not_answer(self, cloud, provider):
        cloud.metadata[SPOT] = "2026-04-11T22:15:00Z"
        cloud.refuses(HISTORY, "Forbidden.RAM", 403)
        seen = provider.poll()
        assert [event.impact for event in seen.events] == [Impact.TERMINATE]
        assert not seen.reads_whole()
        assert "Forbidden.RAM" in seen.problems[0]

    @pytest.mark.parametrize("answer", [(503, b"later"), (200, b"")])
    def test_that_cannot_be_asked_about_leaves_its_own_list_unread(self, cloud, provider, entry, answer):
        cloud.metadata[SPOT] = answer
        cloud.lists(entry())
        seen = provider.poll()
        assert (len(seen.events), seen.whole, len(seen.problems)) == (1, {""}, 1)

    def test_without_a_readable_time_is_complete(self, cloud, provider):
        cloud.metadata[SPOT] = "soon"
        seen = provider.poll()
        assert (len(seen.events), seen.whole, len(seen.problems)) == (1, {"", "spot"}, 1)

    def test_is_not_looked_for_on_behalf_of_another_machine(self, cloud, open_provider):
        cloud.metadata[SPOT] = "2026-04-11T22:15:00Z"
        assert open_provider(machine="i-there").poll().events == ()

    def test_is_nothing_to_ask_the_api_about(self, cloud, provider):
        cloud.metadata[SPOT] = "2026-04-11T22:15:00Z"
        (spot,) = provider.poll().events
        cloud.asked.clear()
        assert provider.outcomes([spot.key.id]) == {}
        assert cloud.asked == []


class TestOutcomes:
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("Executed", Outcome.COMPLETED),
            ("Avoided", Outcome.AVOIDED),
            ("Canceled", Outcome.CANCELED),
            ("Failed", Outcome.FAILED),
            ("Scheduled", None),
            ("Inquiring", None),
            ("Executing", None),
        ],
    )
    def test_are_the_clouds_word_and_none_while_it_goes_on(self, cloud, provider, entry, status, outcome):
        cloud.lists(entry(EventId="e-1", EventCycleStatus=status))
        assert provider.outcomes(["e-1"]) == {"e-1": outcome and Ending(outcome, status)}

    def test_are_asked_for_by_id_in_every_status(self, cloud, provider):
        assert provider.outcomes(["e-1", "e-2"]) == {}
        (asked,) = cloud.calls(HISTORY)
        assert asked.values("EventId") == ["e-1", "e-2"]
        assert set(asked.values("InstanceEventCycleStatus")) == ALL

    def test_are_asked_for_a_hundred_at_a_time(self, cloud, provider):
        provider.outcomes([f"e-{number}" for number in range(250)])
        assert [len(asked.values("EventId")) for asked in cloud.calls(HISTORY)] == [100, 100, 50]

    def test_of_nothing_cost_nothing(self, cloud, provider):
        assert provider.outcomes([]) == {}
        assert cloud.asked == []

    def test_that_cannot_be_asked_for_are_an_error(self, cloud, provider):
        cloud.refuses(HISTORY, "Forbidden.RAM", 403)
        with pytest.raises(ProviderError, match="ecs:DescribeInstanceHistoryEvents"):
            provider.outcomes(["e-1"])


class TestConsent:
    @pytest.fixture
    def inquiry(self, cloud, provider, entry):
        cloud.lists(entry(EventCycleStatus="Inquiring"))
        (event,) = provider.poll().events
        return event

    def test_is_given_to_an_event_that_waits_for_it(self, cloud, provider, inquiry):
        assert inquiry.approval is Approval.CONSENT
        provider.approve(inquiry)
        (asked,) = cloud.calls(ACCEPT)
        assert asked.query["EventId"] == inquiry.id

    def test_is_not_given_to_what_does_not_wait(self, cloud, provider, entry):
        cloud.lists(entry())
        (event,) = provider.poll().events
        with pytest.raises(RequestRefused, match="is Scheduled and does not wait for consent"):
            provider.approve(event)
        assert cloud.calls(ACCEPT) == []

    def test_can_be_withheld_by_a_setting(self, cloud, open_provider, inquiry, entry):
        provider = open_provider(accept_inquired="false")
        cloud.lists(entry(EventCycleStatus="Inquiring"))
        assert provider.poll().events[0].approval is Approval.NONE
        with pytest.raises(RequestRefused):
            provider.approve(inquiry)
        assert cloud.calls(ACCEPT) == []

    @pytest.mark.parametrize("status", ["Executing", "Executed", "Failed"])
    def test_whose_answer_was_lost_counts_when_it_is_repeated(self, cloud, provider, inquiry, entry, status):
        cloud.refuses(ACCEPT, "InvalidEventId.NoInquiringEventFound", 404)
        cloud.lists(entry(EventCycleStatus=status))
        provider.approve(inquiry)

    @pytest.mark.parametrize("entries", [[], ["Canceled"], ["Scheduled"]])
    def test_to_what_has_gone_another_way_is_refused(self, cloud, provider, inquiry, entry, entries):
        cloud.refuses(ACCEPT, "InvalidEventId.NoInquiringEventFound", 404)
        cloud.lists(*[entry(EventCycleStatus=status) for status in entries])
        with pytest.raises(RequestRefused, match="does not wait for consent"):
            provider.approve(inquiry)

    @pytest.mark.parametrize(
        "code", ["InvalidAccessKeyId.NotFound", "Forbidden.RAM", "Throttling", "OperationConflict"]
    )
    def test_that_may_succeed_later_is_no_refusal(self, cloud, provider, inquiry, code):
        cloud.refuses(ACCEPT, code, 403)
        with pytest.raises(ProviderError) as caught:
            provider.approve(inquiry)
        assert not isinstance(caught.value, RequestRefused)


class TestARegion:
    @pytest.fixture
    def region(self, open_provider):
        return open_provider(scope="region", region="cn-beijing")

    def test_is_a_machine_that_stands_for_all(self, cloud, region):
        machine = region.identify()
        assert (machine.id, machine.region, machine.scope) == ("region:cn-beijing", "cn-beijing", Scope.REGION)
        assert cloud.paths() == []

    def test_may_be_the_one_that_this_runs_in(self, open_provider):
        assert open_provider(scope="region").identify().id == "region:cn-hangzhou"

    def test_says_so_in_its_capabilities(self, region):
        assert (type(region), region.capabilities.scope) == (AlibabaRegionProvider, Scope.REGION)
        assert AlibabaProvider.capabilities.scope is Scope.MACHINE

    def test_is_asked_for_whole_in_one_call(self, cloud, region, entry):
        cloud.lists(entry(InstanceId="i-1", EventId="e-1"), entry(InstanceId="i-2", EventId="e-2"))
        assert [event.resources for event in region.poll().events] == [("i-1",), ("i-2",)]
        (asked,) = cloud.asked
        assert asked.values("ResourceId") == []
        assert asked.query["RegionId"] == "cn-beijing"

    def test_may_be_a_list_of_instances_a_hundred_to_a_call(self, cloud, open_provider, entry):
        names = [f"i-{number}" for number in range(150)]
        provider = open_provider(scope="region", region="cn-beijing", instances=",".join(names))
        cloud.lists(entry(EventId="e-1"))
        cloud.lists(entry(EventId="e-2"))
        assert [event.id for event in provider.poll().events] == ["e-1", "e-2"]
        assert [asked.values("ResourceId") for asked in cloud.asked] == [names[:100], names[100:]]

    def test_may_be_those_with_a_tag(self, cloud, open_provider):
        open_provider(scope="region", region="cn-beijing", tag="env:prod").poll()
        (asked,) = cloud.asked
        assert (asked.query["Tag.1.Key"], asked.query["Tag.1.Value"]) == ("env", "prod")

    def test_has_no_spot_release_of_its_own(self, cloud, region):
        cloud.metadata[SPOT] = "2026-04-11T22:15:00Z"
        assert region.poll().events == ()


class TestHints:
    @pytest.fixture
    def hints(self, provider):
        provider.identify()
        hints = []
        provider.on_hint(lambda: hints.append("poll"))
        return hints

    @pytest.mark.parametrize(
        "notification",
        [
            NOTIFICATION,
            json.dumps(NOTIFICATION),
            json.dumps(NOTIFICATION).encode(),
            {**NOTIFICATION, "content": "not even an object", "regionId": None},
            {"specversion": "1.0", "source": "acs.ecs", "type": "ecs:Instance:SystemFailure.Stop", "data": {}},
            {"product": "ECS", "name": "Instance:PreemptibleInstanceInterruption", "content": {"action": "delete"}},
        ],
    )
    def test_of_a_notification_call_for_a_poll(self, provider, hints, notification):
        assert provider.receive(notification)
        assert hints == ["poll"]

    @pytest.mark.parametrize(
        "notification",
        [
            b"",
            b"\xff",
            "junk",
            "[]",
            "[" * 100_000,
            {},
            {**NOTIFICATION, "product": "RDS"},
            {**NOTIFICATION, "name": 7},
            {**NOTIFICATION, "name": "Instance:StateChange"},
            {**NOTIFICATION, "regionId": "cn-beijing"},
        ],
    )
    def test_of_anything_else_are_none(self, provider, hints, notification):
        assert not provider.receive(notification)
        assert hints == []

    def test_without_a_listener_do_no_harm(self, provider):
        assert provider.receive(NOTIFICATION)

    def test_state_no_facts(self, cloud, provider, hints):
        provider.receive({**NOTIFICATION, "name": "Instance:SystemMaintenance.Reboot:Executed"})
        assert provider.poll().events == ()


class TestAnAgent:
    """What only the agent, the journal and the provider together can get wrong."""

    @pytest.fixture
    def handled(self):
        return []

    @pytest.fixture
    def agent(self, provider, clock, tmp_path, handled):
        class Everything(Handler):
            lead = None

            def prepare(self, event, context):
                handled.append(("prepare", event.id))

            def recover(self, event, context):
                handled.append(("recover", event.outcome))

        with Journal.open(tmp_path / "journal.db") as journal:
            yield Agent(
                provider,
                App([Everything()], approve_consent=True),
                journal,
                clock=clock,
                boot_id="b",
                executor=InlineExecutor(),
            )

    def test_does_not_end_an_event_that_left_the_list_and_goes_on(self, cloud, agent, handled, entry):
        cloud.lists(entry(EventId="e-1"))
        agent.step()
        cloud.lists()
        cloud.lists(entry(EventId="e-1", EventCycleStatus="Executing"))
        agent.step()
        assert handled == [("prepare", "e-1")]
        cloud.lists()
        cloud.lists(entry(EventId="e-1", EventCycleStatus="Avoided"))
        agent.step()
        assert handled == [("prepare", "e-1"), ("recover", Outcome.AVOIDED)]

    def test_gives_consent_once_all_is_prepared(self, cloud, agent, handled, entry):
        cloud.lists(entry(EventId="e-1", EventCycleStatus="Inquiring", NotBefore=""))
        agent.step()
        assert handled == [("prepare", "e-1")]
        assert [asked.query["EventId"] for asked in cloud.calls(ACCEPT)] == ["e-1"]


class TestPollingBesideAMetadataServiceThatFails:
    """What was named needs nothing of it: the API says what is announced."""

    @pytest.fixture
    def silent(self, cloud):
        cloud.metadata.clear()
        return cloud

    def test_needs_none_of_it_for_an_instance_that_is_named(self, silent, open_provider):
        watching = open_provider(machine="i-aaa", region="cn-hangzhou")
        assert named(watching) == Machine(provider="alibaba", id="i-aaa", name="i-aaa", region="cn-hangzhou")
        assert watching.poll().events == ()
        assert [asked.path for asked in silent.asked if asked.path.startswith("/latest")] == []

    def test_asks_it_for_the_region_alone_where_that_is_not_named(self, silent, open_provider):
        silent.metadata["region-id"] = "cn-hangzhou"
        assert open_provider(machine="i-aaa").poll().events == ()
        asked = [each.path.rpartition("/")[2] for each in silent.asked if "/meta-data/" in each.path]
        assert set(asked) == {"region-id"}

    def test_is_the_region_where_that_is_named(self, silent, open_provider):
        watching = open_provider(scope="region", region="cn-hangzhou")
        assert (named(watching).name, named(watching).scope) == ("region:cn-hangzhou", Scope.REGION)
        assert watching.poll().events == ()

    def test_is_nobody_where_nothing_is_named(self, open_provider):
        assert named(open_provider()) is None
        assert named(open_provider(scope="region")) is None


class TestRights:
    TRIED = "ecs:DescribeInstances"

    def test_are_asked_of_the_one_operation_that_has_a_dry_run(self, cloud, provider):
        cloud.refuses("DescribeInstances", "DryRunOperation")
        told = {right.permission: right.granted for right in provider.rights()}
        assert told == dict.fromkeys(provider.capabilities.permissions) | {self.TRIED: True}
        (call,) = cloud.calls("DescribeInstances")
        assert call.query["DryRun"] == "true"
        assert {each.action for each in cloud.asked} - {""} == {"DescribeInstances"}

    @pytest.mark.parametrize(
        ("code", "granted", "why"),
        [
            ("Forbidden.RAM", False, "let a RAM policy allow ecs:DescribeInstances"),
            ("Forbidden.RiskControl", None, "risk control has locked the account"),
            ("ServiceUnavailable", None, "the service is not available now"),
        ],
    )
    def test_that_are_not_granted_say_why(self, cloud, provider, code, granted, why):
        cloud.refuses("DescribeInstances", code, status=403)
        (right,) = [each for each in provider.rights() if each.permission == self.TRIED]
        assert right.granted is granted
        assert why in right.why

    def test_of_an_endpoint_that_ignores_dry_runs_are_not_known(self, cloud, provider):
        cloud.answers("DescribeInstances", {"RequestId": "R-1", "Instances": {"Instance": []}})
        (right,) = [each for each in provider.rights() if each.permission == self.TRIED]
        assert (right.granted, right.why) == (None, "what answers knows no dry run; check the endpoint")
