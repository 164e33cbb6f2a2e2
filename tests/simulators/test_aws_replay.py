"""A replay of AWS speaks the protocols of its APIs to any client, out of a trace that anybody could have written."""

import json
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from stormcone.clock import ManualClock
from stormcone.clouds.exchange import Exchange
from stormcone.recording import Header, Trace, TraceEntry
from stormcone_simulators.aws.replay import AwsReplay

THEN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 6, 5, 4, 3, 2, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/web"


def entry(seconds, method, headers, asked, status, answered, content_type):
    at = THEN + timedelta(seconds=seconds)
    exchange = Exchange(
        at=at,
        method=method,
        url="https://service.eu-west-1.amazonaws.com/",
        request_headers=headers,
        request_body=asked,
        status=status,
        headers={"Content-Type": content_type},
        body=answered,
        fault="" if status else "no answer within 10 s",
    )
    return TraceEntry(exchange=exchange, last_seen=at)


def form(seconds, asked, answered, status=200):
    return entry(seconds, "POST", FORM, asked.encode(), status, answered.encode(), "text/xml;charset=UTF-8")


def json_call(seconds, action, asked, answered, status=200):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
    asked, answered = json.dumps(asked).encode(), json.dumps(answered).encode()
    return entry(seconds, "POST", headers, asked, status, answered, "application/x-amz-json-1.0")


def received(seconds, *bodies, status=200):
    messages = [
        {
            "MessageId": f"message-{body}",
            "ReceiptHandle": "(withheld)",
            "Body": json.dumps({"text": body, "time": "2026-01-01T00:00:00Z"}),
            "Attributes": {"SentTimestamp": str(int(THEN.timestamp() * 1000))},
        }
        for body in bodies
    ]
    answer = {"Messages": messages} if messages else {}
    return json_call(seconds, "ReceiveMessage", {"QueueUrl": URL}, answer, status)


@pytest.fixture
def replay():
    clouds = []

    def make(provider, *entries):
        trace = Trace(header=Header(provider=provider, machine="region:eu-west-1", begun=THEN), entries=entries)
        clouds.append(AwsReplay(trace, clock=ManualClock(NOW)))
        clouds[-1].start_server()
        return clouds[-1]

    yield make
    for cloud in clouds:
        cloud.close()


def client(cloud, service):
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=cloud.url,
        aws_access_key_id="anybody",
        aws_secret_access_key="anything",
        config=Config(retries={"total_max_attempts": 1}),
    )


STATUS = "Action=DescribeInstanceStatus&Version=2016-11-15"
LISTED = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstanceStatusResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>
<instanceStatusSet><item><instanceId>i-0123456789abcdef0</instanceId><eventsSet><item><code>system-reboot</code>
<description>scheduled reboot</description><instanceEventId>instance-event-0123456789abcdef0</instanceEventId>
<notBefore>2026-01-01T01:00:00.000Z</notBefore></item></eventsSet></item></instanceStatusSet>
</DescribeInstanceStatusResponse>"""


class TestEc2:
    def test_answers_what_was_recorded_on_todays_date(self, replay):
        cloud = replay("aws", form(0, STATUS, LISTED))
        (status,) = client(cloud, "ec2").describe_instance_status()["InstanceStatuses"]
        (event,) = status["Events"]
        assert event["NotBefore"] == NOW + timedelta(hours=1)
        (told,) = cloud.events()
        assert (told["native_type"], told["resources"]) == ("system-reboot", ["i-0123456789abcdef0"])
        assert cloud.differences() == []

    def test_refuses_in_its_own_xml_what_was_not_recorded(self, replay):
        cloud = replay("aws", form(0, STATUS, LISTED))
        with pytest.raises(ClientError, match="DescribeVolumes was not recorded") as refused:
            client(cloud, "ec2").describe_volumes()
        assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"
        with pytest.raises(ClientError, match="DescribePolicies was not recorded"):
            client(cloud, "autoscaling").describe_policies()
        assert [each["kind"] for each in cloud.differences()] == ["not_recorded", "not_recorded"]

    def test_fails_where_no_answer_came(self, replay):
        cloud = replay("aws", form(0, STATUS, "", status=0))
        with pytest.raises(ClientError) as failed:
            client(cloud, "ec2").describe_instance_status()
        assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 504

    def test_ends_the_wait_of_a_hook_as_it_was_ended(self, replay):
        asked = "Action=CompleteLifecycleAction&Version=2011-01-01&InstanceId=i-1&LifecycleActionResult=CONTINUE"
        answer = "<CompleteLifecycleActionResponse><CompleteLifecycleActionResult/></CompleteLifecycleActionResponse>"
        cloud = replay("aws-queue", received(0), form(60, asked, answer))
        complete = client(cloud, "autoscaling").complete_lifecycle_action
        how = {"AutoScalingGroupName": "web", "LifecycleHookName": "drain", "LifecycleActionResult": "CONTINUE"}
        client(cloud, "sqs").receive_message(QueueUrl=URL)
        cloud.clock.advance(60)
        complete(InstanceId="i-1", **how)
        assert cloud.differences() == []
        with pytest.raises(ClientError, match="No active Lifecycle Action found"):
            complete(InstanceId="i-2", **how)
        assert [each["kind"] for each in cloud.differences()] == ["approval_additional"]


class TestSqs:
    def test_gives_each_message_when_it_came_and_until_it_is_deleted(self, replay):
        cloud = replay("aws-queue", received(5, "one"), received(60, "two", "three"), received(90, "two"))
        sqs = client(cloud, "sqs")
        url = sqs.get_queue_url(QueueName="web")["QueueUrl"]
        assert url.startswith(cloud.url)

        def receive(**how):
            given = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], **how)
            return given.get("Messages", [])

        (one,) = receive()
        assert one["MessageId"] == "message-one"
        assert json.loads(one["Body"])["time"] == "2027-06-05T04:03:02Z"
        assert int(one["Attributes"]["SentTimestamp"]) == int(NOW.timestamp() * 1000)
        assert receive() == []
        cloud.clock.advance(31)
        (again,) = receive()
        assert (again["MessageId"], again["ReceiptHandle"] == one["ReceiptHandle"]) == ("message-one", False)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
        cloud.clock.advance(30)
        two, three = receive(VisibilityTimeout=10)
        assert [two["MessageId"], three["MessageId"]] == ["message-two", "message-three"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=two["ReceiptHandle"])
        cloud.clock.advance(60)
        assert [each["MessageId"] for each in receive()] == ["message-three"]  # the other was given again in the trace

    def test_fails_where_receiving_failed(self, replay):
        refused = json_call(
            10, "ReceiveMessage", {"QueueUrl": URL}, {"__type": "com.amazonaws.sqs#AccessDenied", "message": "no"}, 403
        )
        cloud = replay("aws-queue", received(0), refused, received(20, "one"))
        sqs = client(cloud, "sqs")
        assert "Messages" not in sqs.receive_message(QueueUrl=URL)
        cloud.clock.advance(10)
        with pytest.raises(ClientError, match="AccessDenied"):
            sqs.receive_message(QueueUrl=URL)
        cloud.clock.advance(10)
        assert len(sqs.receive_message(QueueUrl=URL)["Messages"]) == 1

    def test_refuses_in_its_own_words(self, replay):
        cloud = replay("aws-queue", received(0))
        sqs = client(cloud, "sqs")
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName="other")
        with pytest.raises(ClientError, match="UnknownOperation"):
            sqs.purge_queue(QueueUrl=URL)

    def test_refuses_its_older_protocol_in_xml(self, replay):
        cloud = replay("aws-queue", received(0))
        answer = requests.post(cloud.url, data={"Action": "ReceiveMessage", "Version": "2012-11-05"}, timeout=10)
        error = ElementTree.fromstring(answer.content).find("{*}Error")  # noqa: S314 - our own
        assert error.findtext("{*}Code") == "UnsupportedOperation"
        assert answer.status_code == 400
