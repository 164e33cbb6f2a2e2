"""The AWS CLI, unchanged, on the APIs of EC2, SQS and Auto Scaling; boto3 is tried in tests/simulators."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stormcone.clock import ManualClock
from stormcone.model import Cause, Impact
from stormcone_simulators.aws import AwsSimulator

CLI = Path(__file__).parents[1] / ".venv-clients" / "python" / "bin" / "aws"


@pytest.fixture
def apis() -> Iterator[AwsSimulator]:
    """The instances i-web0 and i-web1 of the group web."""
    with AwsSimulator(("i-web0@web", "i-web1@web"), clock=ManualClock()) as simulator:
        yield simulator


@pytest.fixture
def aws(apis: AwsSimulator, need: Callable[..., None], run: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the CLI with the simulator's key; answers the JSON that it prints."""
    need("python")

    def running(*words: str) -> Any:
        done = run(
            CLI,
            "--endpoint-url",
            apis.url,
            "--output",
            "json",
            *words,
            AWS_ACCESS_KEY_ID="testid",
            AWS_SECRET_ACCESS_KEY="testsecret",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
        )
        assert done.status == 0, done.errors
        return json.loads(done.text or "null")

    return running


def test_it_shows_scheduled_events_and_puts_one_off(aws, apis):
    identifier = apis.schedule(Impact.REBOOT, resources=["i-web0"])
    shown = aws("ec2", "describe-instance-status", "--filters", "Name=event.code,Values=system-reboot")
    (status,) = shown["InstanceStatuses"]
    (event,) = status["Events"]
    assert (status["InstanceId"], event["InstanceEventId"]) == ("i-web0", identifier)
    moved = aws(
        *("ec2", "modify-instance-event-start-time", "--instance-id", "i-web0"),
        *("--instance-event-id", identifier, "--not-before", event["NotBeforeDeadline"]),
    )
    assert moved["Event"]["NotBefore"] == event["NotBeforeDeadline"]


def test_it_takes_a_message_and_deletes_it(aws, apis):
    apis.schedule(Impact.TERMINATE, resources=["i-web0"], cause=Cause.PREEMPTION)
    url = aws("sqs", "get-queue-url", "--queue-name", "stormcone")["QueueUrl"]
    (message,) = aws("sqs", "receive-message", "--queue-url", url)["Messages"]
    assert json.loads(message["Body"])["detail"]["instance-id"] == "i-web0"
    aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    assert apis.queues()["stormcone"] == []


def test_it_completes_a_hook(aws, apis):
    apis.schedule(Impact.TERMINATE, resources=["i-web1"], cause=Cause.SCALE_IN)
    names = ("--auto-scaling-group-name", "web", "--lifecycle-hook-name", "stormcone", "--instance-id", "i-web1")
    aws("autoscaling", "record-lifecycle-action-heartbeat", *names)
    aws("autoscaling", "complete-lifecycle-action", *names, "--lifecycle-action-result", "CONTINUE")
    assert apis.events()[0]["phase"] == "started"
