"""EC2, SQS and Auto Scaling through boto3, and by the SDK's own models: what is answered, honoured and refused."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from aws_clients import client, model
from stormcone.clock import ManualClock
from stormcone.model import Cause, Impact, Phase
from stormcone.testing.conformance.clouds import ask
from stormcone_simulators.aws import AwsSimulator
from stormcone_simulators.aws.api.fidelity import APIS
from stormcone_simulators.aws.api.parameters import HONOURED, NOTHING_SUCH
from stormcone_simulators.aws.autoscaling import hooks
from stormcone_simulators.aws.ec2 import operations as ec2
from stormcone_simulators.aws.sqs import operations as sqs
from stormcone_simulators.fidelity import Fidelity

pytestmark = pytest.mark.usefixtures("only_this_machine")

TABLES = {"ec2": ec2.OPERATIONS, "autoscaling": hooks.OPERATIONS, "sqs": sqs.OPERATIONS}
CALLS = [(service, action) for service, table in TABLES.items() for action in table]


def code_of(caught):
    return caught.value.response["Error"]["Code"]


@pytest.fixture
def clients(aws: AwsSimulator) -> Iterator[Any]:
    made = {}

    def of(service, **options):
        key = (service, tuple(sorted(options.items())))
        if key not in made:
            made[key] = client(aws, service, **options)
        return made[key]

    yield of
    for each in made.values():
        each.close()


@pytest.fixture
def api(clients):
    return clients("ec2")


def signed(simulator, service, body, headers=None):
    """A request as botocore signs it, to be changed on its way."""
    request = AWSRequest("POST", f"{simulator.url}/", data=body, headers=dict(headers or {}))
    SigV4Auth(Credentials("testid", "testsecret"), service, "us-east-1").add_auth(request)
    return dict(request.headers)


def post(simulator, body, headers):
    """Send exactly that."""
    place = urlsplit(simulator.url)
    connection = HTTPConnection(place.hostname, place.port, timeout=10)
    try:
        connection.request("POST", "/", body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


class TestSignatures:
    def test_the_key_lets_in(self, clients):
        for service, call in (
            ("ec2", lambda of: of.describe_regions()),
            ("autoscaling", lambda of: of.describe_lifecycle_hooks(AutoScalingGroupName="default")),
            ("sqs", lambda of: of.get_queue_url(QueueName="stormcone")),
        ):
            assert call(clients(service))["ResponseMetadata"]["HTTPStatusCode"] == 200

    @pytest.mark.parametrize(
        ("service", "options", "code", "status"),
        [
            ("ec2", {"key": "nobody"}, "AuthFailure", 401),
            ("ec2", {"secret": "wrong"}, "AuthFailure", 401),
            ("ec2", {"token": "surplus"}, "AuthFailure", 401),
            ("ec2", {"region": "eu-west-1"}, "SignatureDoesNotMatch", 403),
            ("autoscaling", {"key": "nobody"}, "InvalidClientTokenId", 403),
            ("autoscaling", {"secret": "wrong"}, "SignatureDoesNotMatch", 403),
            ("sqs", {"key": "nobody"}, "InvalidClientTokenId", 403),
            ("sqs", {"secret": "wrong"}, "SignatureDoesNotMatch", 403),
        ],
    )
    def test_any_other_does_not(self, clients, service, options, code, status):
        of = clients(service, **options)
        call = {"ec2": "describe_regions", "sqs": "list_queues"}.get(service, "describe_lifecycle_hooks")
        more = {"AutoScalingGroupName": "default"} if service == "autoscaling" else {}
        with pytest.raises(ClientError) as caught:
            getattr(of, call)(**more)
        assert (code_of(caught), caught.value.response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)

    def test_the_instances_role_lets_in(self, aws, clients):
        said = ask(aws.url, "GET", "/latest/meta-data/iam/security-credentials/stormcone").json
        of = clients("ec2", key=said["AccessKeyId"], secret=said["SecretAccessKey"], token=said["Token"])
        assert of.describe_regions()["Regions"]

    def test_a_body_that_was_changed_on_its_way_is_refused(self, aws):
        body = f"Action=DescribeRegions&Version={ec2.VERSION}"
        headers = signed(aws, "ec2", body, FORM)
        assert post(aws, body, headers)[0] == 200
        status, said = post(aws, body.replace("Regions", "Instances"), headers)
        assert (status, b"AuthFailure" in said) == (401, True)

    def test_so_is_a_header_that_was_signed(self, aws):
        body = f"Action=DescribeRegions&Version={ec2.VERSION}"
        headers = signed(aws, "ec2", body, FORM) | {"X-Amz-Date": "20200101T000000Z"}
        assert post(aws, body, headers)[0] == 401

    def test_a_signature_of_another_hour_is_refused(self, awss):
        late = awss(signing_clock=ManualClock(datetime.now(UTC) + timedelta(hours=1)))
        of = client(late, "ec2")
        with pytest.raises(ClientError) as caught:
            of.describe_regions()
        assert code_of(caught) == "RequestExpired"
        of.close()

    def test_without_one_nobody_is_let_in(self, aws):
        answer = ask(aws.url, "GET", f"/?Action=DescribeRegions&Version={ec2.VERSION}")
        assert (answer.status, b"MissingAuthenticationToken" in answer.body) == (403, True)


# the SDK's models


def names_of(shape, protocol):
    """What the members of an input are called on the wire, by the SDK's names."""
    if protocol == "sqs":
        return {name: name for name in shape.members}
    found = {}
    for name, member in shape.members.items():
        said = member.serialization
        wire = said.get("queryName") or said.get("name") or name
        found[name] = wire[:1].upper() + wire[1:] if protocol == "ec2" else wire
    return found


def unknown_in(element, shape, place):
    """The places of an answer that the SDK's model does not know."""
    names = {child.tag.partition("}")[2] for child in element}
    if shape.type_name == "structure":
        known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            tag = child.tag.partition("}")[2]
            if tag not in known:
                yield f"{place}/{tag}"
            else:
                yield from unknown_in(child, known[tag], f"{place}/{tag}")
    elif shape.type_name == "list":
        wanted = shape.member.serialization.get("name", "member")
        yield from (f"{place}/{name}" for name in names if name != wanted)
        for child in element:
            yield from unknown_in(child, shape.member, f"{place}/*")
    elif len(element):
        yield f"{place} has members"


def unknown_in_json(value, shape, place):
    if shape.type_name == "structure":
        for name, item in value.items():
            if name not in shape.members:
                yield f"{place}/{name}"
            else:
                yield from unknown_in_json(item, shape.members[name], f"{place}/{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from unknown_in_json(item, shape.member, f"{place}/*")
    elif shape.type_name == "map":
        yield from (place for item in value.values() if not isinstance(item, str))


@pytest.fixture
def busy(aws, clock):
    """A simulator with an event of every family, one that has ended, and a message in somebody's hands."""
    done = aws.schedule(Impact.REBOOT, resources=["i-aaa"], notice=timedelta(0))
    clock.advance(60)
    aws.complete(done)
    aws.schedule(Impact.REBOOT, resources=["i-aaa"])
    aws.schedule(Impact.TERMINATE, resources=["i-bbb"], cause=Cause.SCALE_IN)
    aws.schedule(Impact.TERMINATE, resources=["i-bbb"], cause=Cause.PREEMPTION)
    return aws


def good_calls(aws, clients):
    """Parameters with which each operation succeeds."""
    url = clients("sqs").get_queue_url(QueueName="stormcone")["QueueUrl"]
    given = clients("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=5)["Messages"]
    handles = [message["ReceiptHandle"] for message in given]
    event = next(each for each in aws.events() if each["impact"] == "reboot" and each["phase"] == "scheduled")
    action = {"AutoScalingGroupName": "default", "LifecycleHookName": "stormcone", "InstanceId": "i-bbb"}
    entry = {"Id": "1", "ReceiptHandle": handles[0]}
    return {
        ("ec2", "ModifyInstanceEventStartTime"): {
            "InstanceId": "i-aaa",
            "InstanceEventId": event["id"],
            "NotBefore": datetime.fromisoformat(event["not_before"]) + timedelta(days=1),
        },
        ("autoscaling", "DescribeLifecycleHooks"): {"AutoScalingGroupName": "default"},
        ("autoscaling", "CompleteLifecycleAction"): {**action, "LifecycleActionResult": "CONTINUE"},
        ("autoscaling", "RecordLifecycleActionHeartbeat"): action,
        ("sqs", "GetQueueUrl"): {"QueueName": "stormcone"},
        ("sqs", "GetQueueAttributes"): {"QueueUrl": url, "AttributeNames": ["All"]},
        ("sqs", "ReceiveMessage"): {"QueueUrl": url, "AttributeNames": ["All"]},
        ("sqs", "SendMessage"): {"QueueUrl": url, "MessageBody": "hello"},
        ("sqs", "DeleteMessage"): {"QueueUrl": url, "ReceiptHandle": handles[1]},
        ("sqs", "DeleteMessageBatch"): {"QueueUrl": url, "Entries": [entry, {"Id": "2", "ReceiptHandle": "none"}]},
        ("sqs", "ChangeMessageVisibility"): {"QueueUrl": url, "ReceiptHandle": handles[0], "VisibilityTimeout": 9},
        ("sqs", "ChangeMessageVisibilityBatch"): {
            "QueueUrl": url,
            "Entries": [{**entry, "VisibilityTimeout": 9}, {"Id": "2", "ReceiptHandle": "none"}],
        },
    }


class TestTheSdksModels:
    @pytest.mark.parametrize(("service", "action"), CALLS)
    def test_know_every_member_of_every_answer(self, busy, clients, service, action):
        bodies = []
        of = clients(service)
        of.meta.events.register("response-received", lambda response_dict, **_: bodies.append(response_dict["body"]))
        given = good_calls(busy, clients).get((service, action), {})
        bodies.clear()
        of._make_api_call(action, given)
        shape = model(service).operation_model(action).output_shape
        (body,) = bodies
        if service == "sqs":
            assert list(unknown_in_json(json.loads(body), shape, action) if shape else []) == []
            return
        element = Xml.fromstring(body)  # noqa: S314
        if service == "autoscaling":
            element = element[0]
        odd = list(unknown_in(element, shape, action))
        assert [place for place in odd if not place.endswith("/requestId")] == []

    @pytest.mark.parametrize(("service", "action"), CALLS)
    def test_have_no_parameter_that_the_tables_lack_and_no_other(self, service, action):
        shape = model(service).operation_model(action).input_shape
        assert set(TABLES[service][action].parameters) == set(names_of(shape, service).values())

    @pytest.mark.parametrize(("service", "action"), CALLS)
    def test_what_is_refused_is_named_with_the_reason(self, busy, clients, service, action):
        shape = model(service).operation_model(action).input_shape
        names = names_of(shape, service)
        table = TABLES[service][action].parameters
        given = good_calls(busy, clients).get((service, action), {})
        for name, member in shape.members.items():
            why = table[names[name]]
            if why in {HONOURED, NOTHING_SUCH}:
                continue
            with pytest.raises(ClientError, match=why) as caught:
                clients(service)._make_api_call(action, given | {name: sample(member)})
            assert code_of(caught) == "UnsupportedOperation"

    def test_what_no_model_has_is_refused_by_its_name(self, aws):
        body = f"Action=DescribeRegions&Version={ec2.VERSION}&Colour=red"
        status, said = post(aws, body, signed(aws, "ec2", body, FORM))
        assert (status, b"UnknownParameter" in said, b"Colour" in said) == (400, True, True)

    @pytest.mark.parametrize(
        ("service", "call"),
        [
            ("ec2", f"Action=DescribeRegions&Version={ec2.VERSION}&RegionName.1=a&RegionName.1=b"),
            (
                "autoscaling",
                "Action=DescribeLifecycleHooks&Version=2011-01-01&AutoScalingGroupName=a&AutoScalingGroupName=a",
            ),
        ],
    )
    def test_what_is_said_twice_is_refused(self, aws, service, call):
        status, said = post(aws, call, signed(aws, service, call, FORM))
        assert (status, b"InvalidQueryParameter" in said, b"given more than once" in said) == (400, True, True)


def sample(member):
    """A value of a parameter's type."""
    if member.type_name == "list":
        return [sample(member.member)]
    if member.type_name == "structure":
        return {name: sample(each) for name, each in member.members.items() if each.type_name in {"string", "list"}}
    if member.type_name == "map":
        return {"a": {"DataType": "String", "StringValue": "b"}} if "Message" in member.name else {}
    return {"integer": 1, "boolean": True}.get(member.type_name, "text")


class TestStatuses:
    def test_events_are_shown_with_their_ends(self, busy, api):
        (first,) = [
            each for each in api.describe_instance_status()["InstanceStatuses"] if each["InstanceId"] == "i-aaa"
        ]
        live, ended = first["Events"]
        assert live["Code"] == "system-reboot"
        assert live["NotBeforeDeadline"] > live["NotBefore"]
        assert ended["Description"] == "[Completed] scheduled reboot"
        assert first["InstanceState"] == {"Code": 16, "Name": "running"}

    def test_what_has_ended_is_shown_for_a_week(self, busy, api, clock):
        clock.advance(timedelta(days=7, seconds=1).total_seconds())
        events = api.describe_instance_status(InstanceIds=["i-aaa"])["InstanceStatuses"][0]["Events"]
        assert len(events) == 1

    def test_an_instance_that_is_gone_is_shown_to_who_asks_for_all(self, aws, api, clock):
        aws.schedule(Impact.STOP, resources=["i-aaa"], notice=timedelta(0))
        for state, seconds in (("stopping", 0), ("stopped", 3600)):
            clock.advance(seconds)
            seen = api.describe_instance_status()["InstanceStatuses"]
            everything = api.describe_instance_status(IncludeAllInstances=True)["InstanceStatuses"]
            assert [each["InstanceId"] for each in seen] == ["i-bbb"]
            assert {each["InstanceId"]: each["InstanceState"]["Name"] for each in everything}["i-aaa"] == state

    def test_pages_lead_through_all(self, awss):
        many = awss(tuple(f"i-{number}" for number in range(12)))
        of = client(many, "ec2")
        first = of.describe_instance_status(MaxResults=5)
        pages = of.get_paginator("describe_instance_status").paginate(PaginationConfig={"PageSize": 5})
        seen = [each["InstanceId"] for page in pages for each in page["InstanceStatuses"]]
        assert (len(first["InstanceStatuses"]), seen) == (5, [f"i-{number}" for number in range(12)])
        of.close()

    @pytest.mark.parametrize(
        ("name", "fits", "does_not"),
        [
            ("event.code", "system-*", "instance-stop"),
            ("event.description", "scheduled reboot", "no*"),
            ("event.instance-event-id", "instance-event-*", "instance-event-0"),
            ("event.not-before", "20*", "19*"),
            ("event.not-after", "20*", "19*"),
            ("event.not-before-deadline", "20*", "19*"),
            ("instance-state-name", "running", "stopped"),
            ("instance-state-code", "16", "80"),
            ("availability-zone", "us-east-1a", "us-east-1b"),
            ("availability-zone-id", "use1-az1", "use1-az2"),
            ("instance-status.status", "ok", "impaired"),
            ("instance-status.reachability", "passed", "failed"),
            ("system-status.status", "ok", "impaired"),
            ("system-status.reachability", "passed", "failed"),
            ("attached-ebs-status.status", "ok", "impaired"),
        ],
    )
    def test_a_filter_makes_a_difference(self, busy, api, name, fits, does_not):
        def shown(value):
            filters = [{"Name": name, "Values": [value]}]
            return [each["InstanceId"] for each in api.describe_instance_status(Filters=filters)["InstanceStatuses"]]

        assert "i-aaa" in shown(fits)
        assert shown(does_not) == []

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ({"InstanceIds": ["i-none"]}, "InvalidInstanceID.NotFound"),
            ({"InstanceIds": [f"i-{number}" for number in range(101)]}, "InvalidParameterValue"),
            ({"InstanceIds": ["i-aaa"], "MaxResults": 5}, "InvalidParameterCombination"),
            ({"MaxResults": 4}, "InvalidParameterValue"),
            ({"NextToken": "???"}, "InvalidParameterValue"),
            ({"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameterValue"),
            ({"DryRun": True}, "DryRunOperation"),
        ],
    )
    def test_what_cannot_be_done_is_refused(self, api, given, code):
        with pytest.raises(ClientError) as caught:
            api.describe_instance_status(**given)
        assert code_of(caught) == code


class TestInstances:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("instance-id", "i-aaa"),
            ("tag:Name", "i-aaa"),
            ("private-dns-name", "ip-10-0-0-10.ec2.internal"),
            ("private-ip-address", "10.0.0.10"),
        ],
    )
    def test_a_filter_finds_one(self, api, name, value):
        said = api.describe_instances(Filters=[{"Name": name, "Values": [value]}])
        (instance,) = [each for one in said["Reservations"] for each in one["Instances"]]
        assert instance["InstanceId"] == "i-aaa"

    def test_the_nodes_name_is_that_of_the_metadata_service(self, aws, api):
        said = api.describe_instances(InstanceIds=["i-bbb"])["Reservations"][0]["Instances"][0]
        asked = ask(aws.url, "GET", "/machines/i-bbb/latest/meta-data/local-hostname")
        assert said["PrivateDnsName"] == asked.body.decode()

    def test_a_filter_that_is_not_here_is_refused(self, api):
        with pytest.raises(ClientError, match="does not support the filter"):
            api.describe_instances(Filters=[{"Name": "hypervisor", "Values": ["xen"]}])

    def test_places_are_one_region_and_one_zone(self, api):
        assert [each["RegionName"] for each in api.describe_regions()["Regions"]] == ["us-east-1"]
        zones = api.describe_availability_zones(ZoneNames=["us-east-1a"])["AvailabilityZones"]
        assert [each["ZoneId"] for each in zones] == ["use1-az1"]
        for call in (
            lambda: api.describe_regions(RegionNames=["eu-west-1"]),
            lambda: api.describe_availability_zones(ZoneIds=["use1-az9"]),
        ):
            with pytest.raises(ClientError, match="InvalidParameterValue"):
                call()


class TestRescheduling:
    @pytest.fixture
    def event(self, aws):
        identifier = aws.schedule(Impact.REBOOT, resources=["i-aaa"])
        return next(each for each in aws.events() if each["id"] == identifier)

    def move(self, api, event, when, instance="i-aaa"):
        return api.modify_instance_event_start_time(InstanceId=instance, InstanceEventId=event["id"], NotBefore=when)

    def test_moves_the_start_and_the_end(self, aws, api, event):
        when = datetime.fromisoformat(event["not_before"]) + timedelta(days=2)
        said = self.move(api, event, when)["Event"]
        assert said["NotBefore"] == when
        assert said["NotAfter"] == when + timedelta(hours=2)
        assert datetime.fromisoformat(aws.events()[0]["not_before"]) == when

    def test_not_beyond_the_deadline_nor_within_the_hour(self, aws, api, event, clock):
        start = datetime.fromisoformat(event["not_before"])
        for when in (start + timedelta(days=7, seconds=1), clock.now() + timedelta(minutes=59)):
            with pytest.raises(ClientError) as caught:
                self.move(api, event, when)
            assert code_of(caught) == "InvalidInstanceEventStartTime"

    def test_not_just_before_it_starts(self, api, event, clock):
        start = datetime.fromisoformat(event["not_before"])
        clock.advance((start - clock.now()).total_seconds() - 299)
        with pytest.raises(ClientError) as caught:
            self.move(api, event, start + timedelta(days=1))
        assert code_of(caught) == "UnsupportedInstanceEventReschedule"

    def test_not_one_without_a_deadline_or_of_another_instance(self, aws, api, event, clock):
        fixed = {"id": aws.schedule(Impact.STOP, resources=["i-aaa"])}
        later = clock.now() + timedelta(days=15)
        with pytest.raises(ClientError) as caught:
            self.move(api, fixed, later)
        assert code_of(caught) == "UnsupportedInstanceEventReschedule"
        with pytest.raises(ClientError) as caught:
            self.move(api, event, later, instance="i-bbb")
        assert code_of(caught) == "InvalidInstanceEventIDNotFound"


class TestHooks:
    @pytest.fixture
    def waiting(self, aws):
        return aws.schedule(Impact.TERMINATE, resources=["i-aaa"], cause=Cause.SCALE_IN)

    @pytest.fixture
    def group(self, clients):
        return clients("autoscaling")

    ACTION = {"AutoScalingGroupName": "default", "LifecycleHookName": "stormcone", "InstanceId": "i-aaa"}  # noqa: RUF012

    def phase(self, aws):
        return aws.events()[0]["phase"]

    def test_a_group_has_a_hook_that_waits_an_hour(self, group):
        (hook,) = group.describe_lifecycle_hooks(AutoScalingGroupName="default")["LifecycleHooks"]
        assert (hook["HeartbeatTimeout"], hook["GlobalTimeout"]) == (3600, 172800)
        assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
        names = {"AutoScalingGroupName": "default", "LifecycleHookNames": ["other"]}
        assert group.describe_lifecycle_hooks(**names)["LifecycleHooks"] == []

    @pytest.mark.parametrize("result", ["CONTINUE", "ABANDON"])
    def test_completing_ends_the_wait(self, aws, group, waiting, result):
        group.complete_lifecycle_action(**self.ACTION, LifecycleActionResult=result)
        assert self.phase(aws) == Phase.STARTED

    def test_a_heartbeat_has_it_wait_as_long_again(self, aws, group, waiting, clock):
        clock.advance(3000)
        group.record_lifecycle_action_heartbeat(**self.ACTION)
        clock.advance(3000)
        assert self.phase(aws) == Phase.SCHEDULED
        clock.advance(601)
        assert self.phase(aws) == Phase.STARTED

    def test_but_not_for_ever(self, awss, clock):
        short = awss(heartbeat=timedelta(seconds=30))
        short.schedule(Impact.TERMINATE, resources=["i-aaa"], cause=Cause.SCALE_IN, notice=timedelta(seconds=30))
        of = client(short, "autoscaling")
        for _ in range(103):
            of.record_lifecycle_action_heartbeat(**self.ACTION)
            clock.advance(29)
        clock.advance(29)
        with pytest.raises(ClientError) as caught:
            of.record_lifecycle_action_heartbeat(**self.ACTION)
        assert code_of(caught) == "ValidationError"
        of.close()

    @pytest.mark.parametrize(
        "changes",
        [
            {"AutoScalingGroupName": "none"},
            {"LifecycleHookName": "none"},
            {"InstanceId": "i-bbb"},
            {"LifecycleActionToken": "12345678-1234-1234-1234-123456789012"},
        ],
    )
    def test_what_does_not_wait_is_refused(self, group, waiting, changes):
        with pytest.raises(ClientError) as caught:
            group.record_lifecycle_action_heartbeat(**{**self.ACTION, **changes})
        assert code_of(caught) == "ValidationError"


class TestQueues:
    @pytest.fixture
    def queue(self, clients):
        return clients("sqs")

    @pytest.fixture
    def url(self, queue):
        return queue.get_queue_url(QueueName="stormcone")["QueueUrl"]

    def receive(self, queue, url, **options):
        return queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **options).get("Messages", [])

    def kinds(self, messages):
        return [json.loads(message["Body"])["detail-type"] for message in messages]

    def test_eventbridge_tells_of_a_spot_interruption_ahead_and_of_its_end(self, aws, queue, url, clock):
        aws.schedule(Impact.TERMINATE, resources=["i-aaa"], cause=Cause.PREEMPTION, notice=timedelta(minutes=10))
        assert self.kinds(self.receive(queue, url)) == ["EC2 Instance Rebalance Recommendation"]
        clock.advance(480)
        (warning,) = [json.loads(each["Body"]) for each in self.receive(queue, url) if "Interruption" in each["Body"]]
        assert warning["detail"] == {"instance-id": "i-aaa", "instance-action": "terminate"}
        clock.advance(120)
        clock.advance(600)
        states = [json.loads(each["Body"])["detail"].get("state") for each in self.receive(queue, url)]
        assert [state for state in states if state] == ["shutting-down", "terminated"]

    def test_a_message_comes_again_once_its_time_is_over(self, queue, url, clock):
        queue.send_message(QueueUrl=url, MessageBody="hello")
        (first,) = self.receive(queue, url)
        assert self.receive(queue, url) == []
        clock.advance(30)
        (second,) = self.receive(queue, url, VisibilityTimeout=5)
        assert (second["MessageId"], second["ReceiptHandle"] != first["ReceiptHandle"]) == (first["MessageId"], True)
        queue.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=60)
        clock.advance(59)
        assert self.receive(queue, url) == []
        queue.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
        clock.advance(60)
        assert self.receive(queue, url) == []

    def test_by_an_old_handle_nothing_is_deleted(self, queue, url, clock):
        queue.send_message(QueueUrl=url, MessageBody="hello")
        (first,) = self.receive(queue, url)
        clock.advance(30)
        self.receive(queue, url)
        queue.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
        clock.advance(30)
        assert len(self.receive(queue, url)) == 1

    def test_what_nobody_deletes_goes_to_the_dead(self, awss, clock):
        strict = awss(max_receives=2)
        of = client(strict, "sqs")
        url = of.get_queue_url(QueueName="stormcone")["QueueUrl"]
        of.send_message(QueueUrl=url, MessageBody="poison")
        for _ in range(2):
            assert len(self.receive(of, url)) == 1
            clock.advance(30)
        assert self.receive(of, url) == []
        dead = of.get_queue_url(QueueName="stormcone-dead")["QueueUrl"]
        assert [message["Body"] for message in self.receive(of, dead)] == ["poison"]
        assert ask(strict.url, "GET", "/_simulator/queues").json == {
            "queues": {"stormcone": [], "stormcone-dead": ["poison"]}
        }
        of.close()

    def test_who_waits_is_answered_as_soon_as_something_is_told(self, aws, queue, url):
        seen = []
        waits = threading.Thread(target=lambda: seen.extend(self.receive(queue, url, WaitTimeSeconds=20)))
        waits.start()
        aws.schedule(Impact.REBOOT, resources=["i-aaa"])
        waits.join(20)
        assert self.kinds(seen) == ["AWS Health Event"]

    def test_who_waits_in_vain_is_answered_by_the_simulators_clock(self, queue, url, clock):
        seen = []
        waits = threading.Thread(target=lambda: seen.append(self.receive(queue, url, WaitTimeSeconds=20)))
        waits.start()
        while waits.is_alive():
            clock.advance(5)
            waits.join(0.05)
        assert seen == [[]]

    def test_counts_and_attributes_are_said(self, queue, url):
        queue.send_message(QueueUrl=url, MessageBody="hello")
        queue.send_message(QueueUrl=url, MessageBody="there", DelaySeconds=60)
        self.receive(queue, url)
        said = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert said["QueueArn"] == "arn:aws:sqs:us-east-1:123456789012:stormcone"
        assert [said[f"ApproximateNumberOfMessages{kind}"] for kind in ("", "NotVisible", "Delayed")] == ["0", "1", "1"]
        assert json.loads(said["RedrivePolicy"])["maxReceiveCount"] == 5

    @pytest.mark.parametrize(
        ("call", "given", "code"),
        [
            ("get_queue_url", {"QueueName": "none"}, "QueueDoesNotExist"),
            ("delete_message", {"ReceiptHandle": "none"}, "ReceiptHandleIsInvalid"),
            ("change_message_visibility", {"ReceiptHandle": "x#1", "VisibilityTimeout": 1}, "MessageNotInflight"),
            ("receive_message", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
            ("receive_message", {"WaitTimeSeconds": 21}, "InvalidParameterValue"),
            ("delete_message_batch", {"Entries": []}, "EmptyBatchRequest"),
        ],
    )
    def test_what_cannot_be_done_is_refused(self, queue, url, call, given, code):
        place = {} if call == "get_queue_url" else {"QueueUrl": url}
        with pytest.raises(ClientError) as caught:
            getattr(queue, call)(**place, **given)
        assert code_of(caught).rpartition(".")[2] in {code, "NonExistentQueue"}


class TestFaults:
    def test_one_service_fails_and_the_others_answer(self, aws, clients):
        aws.faults.add(status=503, query={"Service": "sqs"})
        assert clients("ec2").describe_regions()["Regions"]
        with pytest.raises(ClientError) as caught:
            clients("sqs").list_queues()
        assert code_of(caught) == "Unavailable"

    def test_one_operation_fails(self, aws, api):
        aws.faults.add(status=503, query={"Action": "DescribeInstances"})
        assert api.describe_instance_status()["InstanceStatuses"]
        with pytest.raises(ClientError):
            api.describe_instances()


def test_the_sheet_names_tests_that_are_here():
    tied = [test for feature in APIS for test in feature.tests]
    here = {
        f"test_aws_api.py::{group}::{name}"
        for group, found in globals().items()
        for name in dir(found)
        if group.startswith("Test") and name.startswith("test_")
    }
    assert sorted(set(tied) - here) == []
    assert {feature.verdict for feature in APIS} == set(Fidelity)
