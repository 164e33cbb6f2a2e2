"""SQS as moto plays it on a real socket, messages as AWS writes them, and providers on both."""

import json
import threading
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace

import boto3
import pytest

from stormcone.clock import ManualClock
from stormcone.clouds.contract import ProviderOptions
from stormcone_aws.queue import AwsQueueProvider
from stormcone_aws.sdk import SECRETS

NOW = datetime(2026, 4, 11, 22, 10, 12, tzinfo=UTC)
REGION = "eu-west-1"
KEY_ID, KEY_SECRET, TOKEN = "AKIATESTINGKEYID", "testing/secret+key/of/forty+characters", "FwoG+testing/session+token=="
_NUMBERS = count(1)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path, only_this_machine):
    """No credential, profile or proxy of whoever runs the tests, and no way to the real cloud."""
    for name in (
        *(
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "SSL_CERT_FILE",
        ),
        *(
            "AWS_PROFILE",
            "AWS_DEFAULT_PROFILE",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_CA_BUNDLE",
            "AWS_ENDPOINT_URL",
        ),
        *("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", *SECRETS),
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))  # between attempts
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY_SECRET)


@pytest.fixture(scope="session")
def moto():
    """The address of moto's server, which plays SQS for us: somebody else's idea of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Queue:
    """A queue of its own for a test, as whoever sends to it sees it."""

    def __init__(self, endpoint, name):
        self.client = boto3.client(
            "sqs",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=KEY_SECRET,
        )
        self.name = name
        self.url = self.client.create_queue(QueueName=name)["QueueUrl"]

    def send(self, *bodies):
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.client.send_message(QueueUrl=self.url, MessageBody=text)

    def number(self):
        """The messages in it, those in somebody's hands too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        said = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, said.values()))

    def give_again(self, provider):
        """Let the queue give again what is in that provider's hands, as it does when nobody holds it any more."""
        for held in provider._inbox._held.values():
            with suppress(self.client.exceptions.ClientError):
                self.client.change_message_visibility(
                    QueueUrl=self.url, ReceiptHandle=held.message.handle, VisibilityTimeout=0
                )


@pytest.fixture
def queue(moto):
    queue = Queue(moto, f"stormcone-{next(_NUMBERS)}")
    yield queue
    queue.client.delete_queue(QueueUrl=queue.url)
    queue.client.close()


class HastyClock(ManualClock):
    """Sleeps by moving on."""

    def __init__(self):
        super().__init__(NOW)

    def sleep(self, seconds):
        self.advance(seconds)


@pytest.fixture
def clock():
    return HastyClock()


@pytest.fixture
def open_queue(moto, queue, clock):
    """Opens the provider on the queue with settings, and closes it after the test."""
    opened = []

    def opening(*, machine=None, region=REGION, endpoint=moto, tap=None, **settings):
        given = {"queue": queue.url} | {name.replace("_", "-"): value for name, value in settings.items()}
        options = ProviderOptions(
            endpoint=endpoint, machine=machine, region=region, clock=clock, tap=tap, settings=given
        )
        opened.append(AwsQueueProvider.from_options(options))
        return opened[-1]

    yield opening
    for provider in opened:
        provider.close()
        while provider._listener is not None and provider._listener.is_alive():
            queue.send("")  # ends the long poll, for which close does not wait
            provider._listener.join(1)


@pytest.fixture
def provider(open_queue):
    return open_queue()


def _letter(detail_type, detail, *, source="aws.ec2", time="2026-04-11T22:10:00Z", resources=(), **more):
    return {
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": time,
        "region": REGION,
        "resources": list(resources),
        "detail": detail,
        **more,
    }


class Letters:
    """Messages in the forms of AWS's documentation."""

    letter = staticmethod(_letter)

    def spot(self, instance="i-0one", action="terminate", **more):
        detail = {"instance-id": instance, "instance-action": action}
        return _letter("EC2 Spot Instance Interruption Warning", detail, **more)

    def rebalance(self, instance="i-0one", **more):
        return _letter("EC2 Instance Rebalance Recommendation", {"instance-id": instance}, **more)

    def state(self, state, instance="i-0one", **more):
        detail = {"instance-id": instance, "state": state}
        return _letter("EC2 Instance State-change Notification", detail, **more)

    def action(self, instance="i-0one", transition="autoscaling:EC2_INSTANCE_TERMINATING"):
        return {
            "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
            "AutoScalingGroupName": "web",
            "LifecycleHookName": "drain",
            "EC2InstanceId": instance,
            "LifecycleTransition": transition,
        }

    def lifecycle(self, instance="i-0one", **more):
        action = self.action(instance)
        return _letter("EC2 Instance-terminate Lifecycle Action", action, source="aws.autoscaling", **more)

    def sns(self, message):
        text = message if isinstance(message, str) else json.dumps(message)
        return {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:a", "Message": text}

    def health(self, *instances, **changes):
        detail = {
            "eventArn": f"arn:aws:health:{REGION}::event/EC2/AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED/EC2_1",
            "service": "EC2",
            "eventTypeCode": "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED",
            "eventTypeCategory": "scheduledChange",
            "statusCode": "upcoming",
            "startTime": "Sat, 18 Apr 2026 15:05:00 GMT",
            "endTime": "Sat, 18 Apr 2026 17:05:00 GMT",
            "eventDescription": [{"language": "en_US", "latestDescription": "A reboot is scheduled."}],
            "affectedEntities": [{"entityValue": each, "tags": {}} for each in instances or ("i-0one",)],
        } | changes
        return _letter("AWS Health Event", detail, source="aws.health")

    def reservation(self, instance="i-0one", **changes):
        detail = {
            "instance-id": instance,
            "instance-action": "terminate",
            "instance-termination-time": "2026-04-11T22:12:30Z",
            "azId": "euw1-az1",
        } | changes
        kind = "EC2 Capacity Reservation Instance Interruption Warning"
        return _letter(kind, detail) | {"resources": f"arn:aws:ec2:{REGION}:123456789012:instance/{instance}"}

    def block(self, name="Capacity Block Expiration Warning", **changes):
        detail = {"capacity-reservation-id": "cr-0one", "end-date": "2026-04-11T22:50:00Z"} | changes
        return _letter(name, detail)


@pytest.fixture(scope="session")
def letters():
    return Letters()


@pytest.fixture
def news():
    """An event that a hint sets."""
    return threading.Event()
