"""Both providers on our own simulator, whose clock a test moves: the whole way of an event, and what a crash leaves."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import Approval, Cause, Impact, Origin, Outcome, Phase
from stormcone.testing.conformance.providers import FAULTS
from stormcone_aws.queue import AwsQueueProvider
from stormcone_aws.region import AwsRegionProvider
from stormcone_simulators.aws import AwsSimulator


@pytest.fixture(autouse=True)
def the_simulators_key(clean_environment, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testsecret")


@pytest.fixture
def simulator(clock):
    with AwsSimulator(("i-0one@web", "i-0two@web"), clock=clock, heartbeat=timedelta(minutes=10)) as simulator:
        yield simulator


@pytest.fixture
def opened(simulator, clock):
    providers = []

    def opening(kind, **settings):
        options = ProviderOptions(endpoint=simulator.url, region="us-east-1", clock=clock, settings=settings)
        providers.append(kind.from_options(options))
        return providers[-1]

    yield opening
    for provider in providers:
        provider.close()


@pytest.fixture
def region(opened):
    return opened(AwsRegionProvider, scope="region")


@pytest.fixture
def queue(opened):
    return opened(AwsQueueProvider, queue="stormcone")


def by_id(observation):
    return {event.id: event for event in observation.events}


class TestRegion:
    def test_an_event_goes_its_way_to_its_end(self, simulator, region, clock):
        one = simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        two = simulator.schedule(Impact.STOP, resources=["i-0two"])
        seen = by_id(region.poll())
        assert set(seen) == {one, two}
        assert seen[one].aliases == {"i-0one": ("ip-10-0-0-10.ec2.internal",)}
        clock.advance(timedelta(days=12).total_seconds())
        simulator.cancel(two)
        clock.advance(timedelta(days=3).total_seconds())
        seen = by_id(region.poll())
        assert (seen[one].phase, seen[one].outcome) == (Phase.ENDED, Outcome.COMPLETED)
        assert (seen[two].phase, seen[two].outcome) == (Phase.ENDED, Outcome.CANCELED)
        assert seen[one].outcome_origin is Origin.REPORTED

    def test_an_event_is_put_off(self, simulator, region):
        identifier = simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        (event,) = region.poll().events
        until = event.not_before + timedelta(days=3)
        region.postpone(event, until)
        assert by_id(region.poll())[identifier].not_before == until
        with pytest.raises(RequestRefused):
            region.postpone(event, event.movable_until + timedelta(hours=1))

    def test_outcomes_are_known_for_a_week(self, simulator, region, clock):
        one = simulator.schedule(Impact.REBOOT, resources=["i-0one"], notice=timedelta(0))
        two = simulator.schedule(Impact.REBOOT, resources=["i-0two"])
        clock.advance(3600)
        assert region.outcomes([one, two, "instance-event-none"]) == {one: (Outcome.COMPLETED, "completed"), two: None}
        clock.advance(timedelta(days=7).total_seconds())
        assert one not in region.outcomes([one, two])

    def test_by_a_tag_or_by_their_ids(self, simulator, opened):
        identifier = simulator.schedule(Impact.REBOOT, resources=["i-0two"])
        for settings in ({"tag": "Name:i-0two"}, {"instances": "i-0one,i-0two,i-0gone"}):
            assert list(by_id(opened(AwsRegionProvider, **settings).poll())) == [identifier]
        assert opened(AwsRegionProvider, tag="Name:i-0one").poll().events == ()

    def test_one_operation_that_fails_costs_no_other(self, simulator, region):
        simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        simulator.faults.add(status=503, query={"Action": "DescribeInstances"})
        observation = region.poll()
        assert (len(observation.events), observation.whole) == (1, {"scheduled"})
        simulator.faults.clear()
        assert region.poll().events[0].aliases

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_a_fault_is_unknown_and_never_nothing(self, simulator, region, fault):
        simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        simulator.faults.add(**fault)
        with pytest.raises(ProviderError):
            region.poll()
        simulator.faults.clear()
        assert len(region.poll().events) == 1

    @pytest.mark.parametrize(
        ("kind", "settings"), [(AwsRegionProvider, {}), (AwsQueueProvider, {"queue": "stormcone"})]
    )
    def test_the_address_of_one_instance_leads_to_the_apis_too(self, simulator, clock, kind, settings):
        simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        options = replace(simulator.provider_options("i-0two"), region="us-east-1", settings=settings)
        provider = kind.from_options(options)
        assert len(provider.poll().events) == 1
        provider.close()

    def test_a_poll_is_one_call_for_each_thousand_instances(self, clock):
        with AwsSimulator(tuple(f"i-{number}" for number in range(1200)), clock=clock) as many:
            many.schedule(Impact.REBOOT, resources=["i-1100"])
            options = ProviderOptions(endpoint=many.url, region="us-east-1", clock=clock, settings={"scope": "region"})
            provider = AwsRegionProvider.from_options(options)
            for calls in (3, 5):  # the first poll asks for the name of the node, too
                assert len(provider.poll().events) == 1
                assert len(many.requests()) == calls
            provider.close()

    def test_identify_asks_whether_this_is_aws(self, simulator, region):
        assert region.identify().region == "us-east-1"
        simulator.faults.add(status=401)
        with pytest.raises(ProviderError, match="access key is not known"):
            region.identify()


class TestALostAnswer:
    """Auto Scaling has heard that a hook need not wait, and nobody has heard that from Auto Scaling."""

    @pytest.fixture
    def event(self, simulator, queue):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.SCALE_IN)
        (event,) = queue.poll().events
        return event

    def lose(self, simulator, times):
        simulator.faults.add(kind="reset", query={"Action": "CompleteLifecycleAction"}, times=times)

    def test_is_said_to_be_lost_and_the_next_refusal_is_explained(self, simulator, queue, event):
        self.lose(simulator, 2)
        with pytest.raises(ProviderError, match=r"^the answer to .* was lost, so .*it is told again") as lost:
            queue.approve(event)
        assert not isinstance(lost.value, RequestRefused)
        for _ in range(2):
            with pytest.raises(RequestRefused, match=r"^an answer .* was lost, and now .* nothing is left to do"):
                queue.approve(event)

    def test_is_explained_where_the_sdk_itself_has_asked_again(self, simulator, queue, event):
        self.lose(simulator, 1)
        with pytest.raises(RequestRefused, match="it has heard it the first time, or has waited long enough"):
            queue.approve(event)
        assert simulator.events()[-1]["phase"] != "scheduled"

    def test_is_not_blamed_for_a_refusal_of_its_own(self, simulator, queue, event):
        queue.approve(event)
        with pytest.raises(RequestRefused, match="the group waits for that instance no longer") as error:
            queue.approve(event)
        assert "lost" not in str(error.value)


class TestQueue:
    def test_a_reclaim_is_told_from_the_recommendation_to_the_end(self, simulator, queue, clock):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION, notice=timedelta(minutes=10))
        assert list(by_id(queue.poll())) == ["rebalance/i-0one"]
        clock.advance(480)
        spot = by_id(queue.poll())["spot/i-0one"]
        assert (spot.impact, spot.not_before - clock.now()) == (Impact.TERMINATE, timedelta(minutes=2))
        clock.advance(1200)
        ended = by_id(queue.poll())
        assert {event.phase for event in ended.values()} == {Phase.ENDED}
        assert "spot/i-0one" in ended

    def test_two_events_at_once(self, simulator, queue):
        for name in ("i-0one", "i-0two"):
            simulator.schedule(Impact.TERMINATE, resources=[name], cause=Cause.PREEMPTION)
        observation = queue.poll()
        assert set(by_id(observation)) == {"spot/i-0one", "spot/i-0two"}
        queue.acknowledge(observation.receipt)
        assert simulator.queues()["stormcone"] == []

    def test_scheduled_maintenance_has_the_same_id_by_queue_and_by_api(self, simulator, queue, region, clock):
        identifier = simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        (told,), (listed,) = queue.poll().events, region.poll().events
        assert told.key == listed.key
        assert told.id == identifier  # as the simulator's ARN ends with it, which is unverified of AWS Health's
        assert (told.resources, told.cause, told.not_before) == (
            listed.resources,
            listed.cause,
            listed.not_before.replace(microsecond=0),
        )

    def test_a_process_that_dies_before_it_deletes_leaves_the_message_to_the_next(
        self, simulator, queue, opened, clock
    ):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        before = queue.poll()  # and is never heard of again
        heir = opened(AwsQueueProvider, queue="stormcone")
        assert heir.poll().receipt == ()
        clock.advance(30)
        after = heir.poll()
        assert (after.events, after.receipt) == (before.events, before.receipt)
        heir.acknowledge(after.receipt)
        assert simulator.queues()["stormcone"] == []

    def test_who_has_only_had_a_look_gives_the_messages_back(self, simulator, queue, opened):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        before = queue.poll()
        queue.close()
        queue.close()
        assert opened(AwsQueueProvider, queue="stormcone").poll().events == before.events

    def test_a_message_that_is_held_comes_to_nobody_else(self, simulator, queue, opened, clock):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        queue.poll()
        other = opened(AwsQueueProvider, queue="stormcone")
        for _ in range(12):
            clock.advance(10)
            queue.poll()
            assert all("spot" not in event.id for event in other.poll().events)

    def test_a_message_that_is_not_ours_any_more_is_no_trouble(self, simulator, queue, opened, clock):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        observation = queue.poll()
        clock.advance(60)
        other = opened(AwsQueueProvider, queue="stormcone")
        theirs = other.poll()
        other.acknowledge(theirs.receipt)
        assert queue.poll().problems == ()
        queue.acknowledge(observation.receipt)
        assert (queue.poll().problems, simulator.queues()["stormcone"]) == ((), [])

    @pytest.mark.parametrize(("fault", "left"), [({"status": 503}, 1), ({"kind": "reset"}, 0)])
    def test_a_deletion_that_fails_is_made_good_and_told_once(self, simulator, queue, clock, fault, left):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        observation = queue.poll()
        simulator.faults.add(query={"Action": "DeleteMessageBatch"}, **fault)
        with pytest.raises(ProviderError, match="could not be deleted"):
            queue.acknowledge(observation.receipt)
        assert len(simulator.queues()["stormcone"]) == left  # of a reset only the answer was lost
        simulator.faults.clear()
        again = queue.poll()
        assert (again.events, simulator.queues()["stormcone"]) == ((), [])

    def test_a_message_that_cannot_be_read_ends_with_the_dead(self, simulator, queue, clock, opened):
        region = opened(AwsRegionProvider, scope="region")
        url = queue._queue._url()
        region._sdk.call("sqs", "SendMessage", QueueUrl=url, MessageBody="no JSON")
        told = []
        for _ in range(7):
            told += queue.poll().problems
            clock.advance(30)
        assert len(told) == 5
        assert simulator.queues() == {"stormcone": [], "stormcone-dead": ["no JSON"]}

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_a_fault_is_unknown_and_costs_no_message(self, simulator, queue, fault, clock):
        queue.poll()  # by now it knows the queue's URL
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.PREEMPTION)
        simulator.faults.add(**fault)
        with pytest.raises(ProviderError):
            queue.poll()
        simulator.faults.clear()
        clock.advance(30)  # where the answer was lost on its way, the queue thinks that we have the message
        assert list(by_id(queue.poll())) == ["spot/i-0one"]

    def test_what_is_not_sqs_is_told_as_that(self, simulator, queue):
        simulator.faults.add(**FAULTS["another document"])
        for call in (queue.poll, queue.identify):
            with pytest.raises(ProviderError, match="what answers is not SQS"):
                call()


class TestHooks:
    @pytest.fixture
    def event(self, simulator, queue):
        simulator.schedule(Impact.TERMINATE, resources=["i-0one"], cause=Cause.SCALE_IN, notice=timedelta(minutes=10))
        return by_id(queue.poll())["lifecycle/i-0one"]

    def test_the_hook_says_how_long_it_waits(self, event):
        assert (event.heartbeat, event.approval) == (timedelta(minutes=10), Approval.STARTS)
        assert event.ends_by is not None

    def test_it_waits_as_long_as_it_hears(self, simulator, queue, event, clock):
        for _ in range(4):
            clock.advance(540)
            queue.extend(event)
        assert simulator.events()[0]["phase"] == Phase.SCHEDULED

    def test_approving_has_it_go_on(self, simulator, queue, event, clock):
        queue.approve(event)
        assert simulator.events()[0]["phase"] == Phase.STARTED
        clock.advance(3600)
        ended = by_id(queue.poll())["lifecycle/i-0one"]
        assert (ended.phase, ended.outcome) == (Phase.ENDED, Outcome.COMPLETED)

    def test_when_it_waits_no_longer_both_are_refused(self, queue, event, clock):
        clock.advance(601)
        for call in (queue.extend, queue.approve):
            with pytest.raises(RequestRefused, match="waits for that instance no longer"):
                call(event)

    def test_a_hook_that_cannot_be_asked_hears_every_few_seconds(self, simulator, queue):
        simulator.faults.add(status=403, query={"Action": "DescribeLifecycleHooks"})
        for name in ("i-0one", "i-0two"):
            simulator.schedule(Impact.TERMINATE, resources=[name], cause=Cause.SCALE_IN)
        observation = queue.poll()
        assert {event.heartbeat for event in observation.events} == {timedelta(seconds=30)}
        assert len(observation.problems) == 1
        asked = [each for each in simulator.requests() if "DescribeLifecycleHooks" in str(each["body"])]
        assert len(asked) == 1

    def test_a_capacity_block_whose_instances_are_not_found_is_named_itself(self, simulator, queue, letters):
        region = AwsRegionProvider.from_options(
            ProviderOptions(endpoint=simulator.url, region="us-east-1", settings={"scope": "region"})
        )
        body = json.dumps(letters.block())
        region._sdk.call("sqs", "SendMessage", QueueUrl=queue._queue._url(), MessageBody=body)
        (event,) = queue.poll().events
        assert event.resources == ("cr-0one",)  # the simulator has no reservations
        region.close()


def granted(provider):
    return {right.permission: right.granted for right in provider.rights()}


class TestRights:
    def test_of_a_region_are_asked_by_dry_runs(self, simulator, region):
        simulator.schedule(Impact.REBOOT, resources=["i-0one"])
        before = region.poll().events
        assert granted(region) == dict.fromkeys(region.capabilities.permissions, True)
        assert all("DryRun=true" in each["body"] for each in simulator.requests()[-3:])
        assert region.poll().events == before

    @pytest.mark.parametrize("action", ["DescribeInstances", "ModifyInstanceEventStartTime"])
    def test_one_that_is_refused_says_what_to_allow(self, simulator, region, action):
        simulator.faults.add(status=403, query={"Action": action})
        (refused,) = [right for right in region.rights() if not right.granted]
        assert (refused.granted, refused.why) == (False, f"let an IAM policy allow ec2:{action}")

    def test_one_that_cannot_be_asked_is_not_known(self, simulator, region):
        simulator.faults.add(status=503, query={"Action": "DescribeInstances"})
        (unknown,) = [right for right in region.rights() if right.granted is None]
        assert "DescribeInstances failed" in unknown.why

    def test_of_a_queue_are_asked_as_far_as_that_changes_nothing(self, queue):
        told = granted(queue)
        assert {name for name, right in told.items() if right} == {
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "ec2:DescribeInstances",
        }
        assert told["autoscaling:CompleteLifecycleAction"] is None
        assert {right.why for right in queue.rights() if right.granted is None} == {"cannot be asked without doing it"}

    def test_of_a_queue_that_may_not_be_looked_at_are_refused(self, simulator, queue):
        simulator.faults.add(status=403, query={"Action": "GetQueueAttributes"})
        assert granted(queue)["sqs:GetQueueAttributes"] is False

    def test_of_a_queue_with_its_url_need_no_look_up(self, simulator, opened):
        queue = opened(AwsQueueProvider, queue=f"{simulator.url}/123456789012/stormcone")
        assert "sqs:GetQueueUrl" not in granted(queue)
