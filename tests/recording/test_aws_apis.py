"""AWS's APIs and a queue, recorded and replayed: the same events in the same order, and nothing secret in the file."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.recording.conftest import Drain

from stormcone import App, Impact
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import Cause
from stormcone.plugins import provider_class
from stormcone.recording import read_trace
from stormcone.testing.driver import AgentDriver
from stormcone_aws.sdk import SECRETS

KEY_ID, KEY_SECRET, TOKEN = "AKIATESTINGKEYID", "testing/secret+key/of/forty+characters", "FwoG+testing/session+token=="
HERE, THERE = "i-0acbe0123456789ab", "i-0acbe0123456789cd"
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture(autouse=True)
def credentials(monkeypatch, tmp_path, only_this_machine):
    """The credentials of these tests, and nobody else's."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", *SECRETS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY_SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))  # between attempts


REGION = ("aws", {"scope": "region"})
QUEUE = ("aws-queue", {"queue": "acmequeue"})


@pytest.fixture
def lived(archive):
    """A recorded half hour of an agent on one of AWS's APIs, with what the director makes of it."""

    def live(source, director, **recorder):
        provider, settings = source

        def make(lab, path):
            cloud = lab.simulator(
                "aws",
                machines=(f"{HERE}@acmegroup", f"{THERE}@acmegroup"),
                **{"access-key": f"{KEY_ID}:{KEY_SECRET}:{TOKEN}", "queue": "acmequeue"},
            )
            agent = lab.watch(cloud)
            options = replace(cloud.provider_options(), provider=provider, region="us-east-1", settings=settings)
            agent.start(path, options, machine="region:us-east-1", **recorder)
            director(agent)
            agent.run(HALF_HOUR, pace=60.0)
            return path, agent

        return archive((provider, *settings.items(), director, *recorder.items()), make)

    return live


def lives_again(path, agent, replay, watch):
    again = watch(replay(path, cloud="aws"))
    again.start(options=again.simulator.provider_options())
    begun = again.clock.now()
    again.run(timedelta(minutes=32), pace=60.0)
    assert again.history(begun) == agent.history(read_trace(path).header.begun)
    assert agent.journal.episodes()
    assert again.simulator.differences() == []
    return again


def two_reboots(agent):
    agent.simulator.schedule(Impact.REBOOT, resources=[HERE], notice=timedelta(minutes=15))
    agent.simulator.cancel(agent.simulator.schedule(Impact.REBOOT, resources=[THERE]))


def told_while_it_runs(agent):
    agent.simulator.schedule(Impact.TERMINATE, resources=[HERE], notice=timedelta(minutes=10))
    agent.walk(timedelta(minutes=3), pace=60.0)
    agent.simulator.schedule(Impact.REBOOT, resources=[THERE], notice=timedelta(minutes=15))


def a_hook(agent):
    agent.simulator.schedule(Impact.TERMINATE, resources=[HERE], cause=Cause.SCALE_IN, notice=timedelta(minutes=20))


LIVES = [(REGION, two_reboots), (QUEUE, told_while_it_runs), (QUEUE, a_hook)]
IDS = ["region", "queue", "hook"]


class TestARecordedHalfHour:
    @pytest.mark.parametrize(("source", "director"), LIVES, ids=IDS)
    @pytest.mark.parametrize("anonymise", [False, True])
    def test_is_replayed_with_the_same_history(self, source, director, anonymise, lived, replay, watch):
        path, agent = lived(source, director, anonymise=anonymise)
        lives_again(path, agent, replay, watch)

    @pytest.mark.parametrize(("source", "director"), LIVES, ids=IDS)
    @pytest.mark.parametrize("anonymise", [False, True])
    def test_holds_nothing_secret_by_value(self, source, director, anonymise, lived):
        path, agent = lived(source, director, anonymise=anonymise)
        text = path.read_text()
        requests = agent.simulator.requests()
        signed = {one["headers"]["authorization"] for one in requests}
        secrets = {KEY_ID, KEY_SECRET, TOKEN} | {each.rpartition("Signature=")[2] for each in signed}
        answers = [json.loads(body) for one in requests if (body := one["body"]) and body.startswith("{")]
        secrets |= {entry["ReceiptHandle"] for answer in answers for entry in answer.get("Entries", ())}
        assert len(secrets) > 5
        assert not [secret for secret in secrets if secret in text]
        assert "x-amz-security-token" not in text.lower()

    @pytest.mark.parametrize(("source", "director"), LIVES, ids=IDS)
    def test_names_nobody_if_anonymised(self, source, director, lived):
        path, agent = lived(source, director, anonymise=True)
        text = path.read_text()
        ids = [event["id"].removeprefix("instance-event-") for event in agent.simulator.events()]
        for identifier in (HERE, THERE, "acme", "123456789012", "10.0.0.1", "10-0-0-1", *ids):
            assert identifier not in text, identifier

    @pytest.mark.parametrize(("source", "director"), LIVES, ids=IDS)
    def test_keeps_every_body_well_formed(self, source, director, lived):
        path, _ = lived(source, director, anonymise=True)
        for entry in read_trace(path).entries:
            body = entry.exchange.body.decode()
            read = ElementTree.fromstring if body.startswith("<") else json.loads  # our own
            assert read(body) is not None
            asked = entry.exchange.request_body.decode()
            assert json.loads(asked) if asked.startswith("{") else "Action=" in asked

    def test_does_not_grow_while_nothing_changes(self, lived):
        path, agent = lived(QUEUE, lambda _agent: None)
        assert len(read_trace(path).entries) < 4 < agent.recorder.asked

    def test_lists_events_as_every_simulator_does(self, lived, replay, watch):
        path, agent = lived(QUEUE, told_while_it_runs)
        again = lives_again(path, agent, replay, watch)
        seen = {(event["native_type"], *event["resources"]) for event in again.simulator.events()}
        assert {("spot/terminate", HERE), ("system-reboot", THERE), ("rebalance", HERE)} <= seen


class TestARegionsReplay:
    @pytest.fixture
    def cloud(self, lived, replay):
        path, _ = lived(REGION, two_reboots)
        return replay(path, cloud="aws")

    def test_gives_boto3_what_it_was_given(self, cloud):
        client = boto3.client("ec2", region_name="us-east-1", endpoint_url=cloud.url)
        first = client.describe_instance_status(IncludeAllInstances=True, MaxResults=1000)["InstanceStatuses"]
        (event,) = first[0]["Events"]
        assert abs(event["NotBefore"] - cloud.clock.now() - timedelta(minutes=15)) < timedelta(seconds=2)
        cloud.clock.advance(1700)
        later = client.describe_instance_status(IncludeAllInstances=True, MaxResults=1000)["InstanceStatuses"]
        assert later[0]["Events"][0]["Description"].startswith("[Completed]")
        assert {event["phase"] for event in cloud.events()} == {"ended"}

    def test_refuses_in_xml_what_was_not_recorded(self, cloud):
        client = boto3.client("ec2", region_name="us-east-1", endpoint_url=cloud.url)
        with pytest.raises(ClientError, match="DescribeVolumes was not recorded") as refused:
            client.describe_volumes()
        assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"
        assert [each["kind"] for each in cloud.differences()] == ["not_recorded"]
        scaling = boto3.client("autoscaling", region_name="us-east-1", endpoint_url=cloud.url)
        with pytest.raises(ClientError, match="DescribePolicies was not recorded"):
            scaling.describe_policies()

    def test_answers_a_postponement_as_it_was(self, lived, replay, watch):
        def put_off(agent):
            agent.simulator.schedule(Impact.REBOOT, resources=[HERE], notice=timedelta(hours=5))
            options = replace(
                agent.simulator.provider_options(),
                region="us-east-1",
                settings={"scope": "region"},
                tap=agent.recorder.record,
            )
            provider = provider_class("aws").from_options(options)
            (event,) = provider.poll().events
            agent.clock.advance(60)
            provider.postpone(event, event.not_before + timedelta(days=1))
            agent.clock.advance(60)
            provider.close()

        path, _ = lived(REGION, put_off)
        cloud = replay(path, cloud="aws")
        provider = provider_class("aws").from_options(cloud.provider_options())
        (event,) = provider.poll().events
        cloud.clock.advance(60)
        provider.postpone(event, event.not_before + timedelta(days=1))
        assert cloud.differences() == []
        with pytest.raises(RequestRefused):
            provider.postpone(event, event.movable_until + timedelta(hours=1))
        provider.close()


class TestAQueuesReplay:
    @pytest.fixture
    def cloud(self, lived, replay):
        path, _ = lived(QUEUE, told_while_it_runs)
        return replay(path, cloud="aws")

    @pytest.fixture
    def sqs(self, cloud):
        client = boto3.client("sqs", region_name="us-east-1", endpoint_url=cloud.url)
        return SimpleNamespace(client=client, url=client.get_queue_url(QueueName="acmequeue")["QueueUrl"])

    def received(self, sqs, **how):
        return sqs.client.receive_message(QueueUrl=sqs.url, MaxNumberOfMessages=10, AttributeNames=["All"], **how).get(
            "Messages", []
        )

    def test_gives_each_message_when_it_came_and_until_it_is_deleted(self, cloud, sqs):
        first = self.received(sqs)
        kinds = [json.loads(one["Body"])["detail-type"] for one in first]
        assert kinds[0] == "EC2 Instance Rebalance Recommendation"
        assert self.received(sqs) == []
        cloud.clock.advance(31)
        again = self.received(sqs)
        assert [one["MessageId"] for one in again] == [one["MessageId"] for one in first]
        for one in again:
            sqs.client.delete_message(QueueUrl=sqs.url, ReceiptHandle=one["ReceiptHandle"])
        cloud.clock.advance(1800)
        rest = self.received(sqs)
        assert "AWS Health Event" in [json.loads(one["Body"])["detail-type"] for one in rest]
        assert not {one["MessageId"] for one in rest} & {one["MessageId"] for one in first}

    def test_moves_the_times_in_messages_to_today(self, cloud, sqs):
        message = self.received(sqs)[0]
        now = cloud.clock.now()
        assert json.loads(message["Body"])["time"].startswith(f"{now:%Y-%m-%dT%H:%M}")
        assert abs(int(message["Attributes"]["SentTimestamp"]) / 1000 - now.timestamp()) < 2

    def test_gives_messages_in_the_order_in_which_they_were_received(self, cloud, sqs):
        times = []
        for _ in range(32):
            times += [int(one["Attributes"]["SentTimestamp"]) for one in self.received(sqs, VisibilityTimeout=43200)]
            cloud.clock.advance(60)
        assert len(times) >= 4
        assert all(one <= other for one, other in pairwise(times))

    def test_refuses_in_sqss_own_words(self, cloud, sqs):
        with pytest.raises(sqs.client.exceptions.QueueDoesNotExist):
            sqs.client.get_queue_url(QueueName="other")
        with pytest.raises(ClientError, match="UnknownOperation"):
            sqs.client.purge_queue(QueueUrl=sqs.url)

    def test_fails_where_receiving_failed(self, lived, replay):
        def refused_for_a_while(agent):
            agent.simulator.schedule(Impact.REBOOT, resources=[HERE])
            agent.walk(timedelta(minutes=2), pace=60.0)
            agent.simulator.faults.add(status=403, times=100)
            agent.walk(timedelta(minutes=2), pace=60.0)
            agent.simulator.faults.clear()

        path, _ = lived(QUEUE, refused_for_a_while)
        cloud = replay(path, cloud="aws")
        provider = provider_class("aws-queue").from_options(cloud.provider_options())
        provider.poll()
        cloud.clock.advance(190)
        with pytest.raises(ProviderError, match="may not do that"):
            provider.poll()
        cloud.clock.advance(180)
        provider.poll()
        provider.close()

    def test_is_of_its_own_provider_in_a_test_with_the_plug_in(self, cloud):
        with AgentDriver(cloud, App([Drain()])) as agent:
            agent.run_for(cloud.length)
            told = {episode.event.native_type for episode in agent.journal.episodes()}
        assert "EC2 Spot Instance Interruption Warning" in told
        assert cloud.differences() == []
