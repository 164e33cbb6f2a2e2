"""The law that nothing is ignored: what the SDKs can send is honoured, refused, or without effect in any case.

The walk is over the SDKs' own request classes. Of each parameter it makes a call with and one without it, over a
socket and through the SDK; a parameter that is honoured has to make a difference, in the answer or in what it leaves.
"""

import json
import re
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

pytest.importorskip("alibabacloud_ecs20140526")

from ecs_sdks import SDKS, Outcome
from stormcone.clock import ManualClock
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.alibaba.gate import GATE_PARAMETERS
from stormcone_simulators.alibaba.instances import InstanceStatus
from stormcone_simulators.alibaba.operations import OPERATIONS
from stormcone_simulators.alibaba.parameters import NO_SUCH, Handling

pytestmark = pytest.mark.usefixtures("no_proxies")

TOMORROW, LATER = "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"
NONE = '["192.0.2.1"]'
INSTANCES = ("i-aaa", "i-bbb", "i-ccc")

BASE = {
    "CreateSimulatedSystemEvents": {
        "EventType": "SystemMaintenance.Stop",
        "NotBefore": TOMORROW,
        "InstanceId.1": "i-aaa",
    },
    "CancelSimulatedSystemEvents": {"EventId.1": "{simulated}"},
    "AcceptInquiredSystemEvent": {"EventId": "{inquiring}"},
    "ModifySystemEventAttribute": {"EventId": "{scheduled}", "InstanceId": "i-bbb", "NotBefore": TOMORROW},
    "ModifyInstanceMaintenanceAttributes": {"InstanceId.1": "i-aaa"},
    "DescribeInstanceAttribute": {"InstanceId": "i-aaa"},
    "StartInstance": {"InstanceId": "i-ccc"},
    "StopInstance": {"InstanceId": "i-aaa"},
    "RebootInstance": {"InstanceId": "i-aaa"},
    "RedeployInstance": {"InstanceId": "i-bbb"},
}
"""A call that is carried out, where one without a parameter is not; an id stands between braces by its event's name."""

EVENT_FILTERS = {
    "InstanceEventType": {"InstanceEventType.1": "SystemMaintenance.Stop"},
    "EventType": {"EventType": "SystemMaintenance.Stop"},
    "EventId": {"EventId.1": "e-none"},
    "NotBefore.Start": {"NotBefore.Start": "2027-01-01T00:00:00Z"},
    "NotBefore.End": {"NotBefore.End": "2025-01-01T00:00:00Z"},
    "EventPublishTime.Start": {"EventPublishTime.Start": "2027-01-01T00:00:00Z"},
    "EventPublishTime.End": {"EventPublishTime.End": "2025-01-01T00:00:00Z"},
}
PAGES = {"PageNumber": {"PageNumber": "2"}, "PageSize": {"PageSize": "1"}}
TOKENS = {"MaxResults": {"MaxResults": "10"}, "NextToken": {"NextToken": "YmVoaW5kIDA="}}
TAG = {"Tag": {"Tag.1.Key": "env", "Tag.1.Value": "prod"}}
RESOURCE_GROUP = {"ResourceGroupId": {"ResourceGroupId": "rg-1"}}
DRY_RUN = {"DryRun": {"DryRun": "true"}}
OTHER = {"InstanceId": {"InstanceId": "i-bbb"}}

PROBES = {
    "CreateSimulatedSystemEvents": {
        "EventType": {"EventType": "SystemFailure.Stop"},
        "NotBefore": {"NotBefore": LATER},
        "InstanceId": {"InstanceId.1": "i-bbb"},
    },
    "CancelSimulatedSystemEvents": {"EventId": {"EventId.1": "{other}"}},
    "AcceptInquiredSystemEvent": {"EventId": {"EventId": "{asks}"}},
    "ModifySystemEventAttribute": {
        "EventId": {"EventId": "{inquiring}"},
        "InstanceId": {"InstanceId": "i-aaa"},
        "NotBefore": {"NotBefore": LATER},
    },
    "DescribeInstanceHistoryEvents": {
        **EVENT_FILTERS,
        **PAGES,
        **TOKENS,
        **TAG,
        **RESOURCE_GROUP,
        **OTHER,
        "ResourceType": {"ResourceType": "ddh"},
        "ResourceId": {"ResourceId.1": "i-bbb"},
        "InstanceEventCycleStatus": {"InstanceEventCycleStatus.1": "Scheduled"},
        "EventCycleStatus": {"EventCycleStatus": "Inquiring"},
    },
    "DescribeInstancesFullStatus": {
        **EVENT_FILTERS,
        **PAGES,
        "InstanceId": {"InstanceId.1": "i-bbb"},
        "Status": {"Status": "Stopped"},
        "HealthStatus": {"HealthStatus": "Warning"},
    },
    "ModifyInstanceMaintenanceAttributes": {
        "InstanceId": {"InstanceId.1": "i-none"},
        "MaintenanceWindow": {
            "MaintenanceWindow.1.StartTime": "02:00:00",
            "MaintenanceWindow.1.EndTime": "03:00:00",
        },
        "ActionOnMaintenance": {"ActionOnMaintenance": "Stop"},
        "NotifyOnMaintenance": {"NotifyOnMaintenance": "true"},
    },
    "DescribeInstanceMaintenanceAttributes": {**PAGES, "InstanceId": {"InstanceId.1": "i-bbb"}},
    "DescribeInstances": {
        **PAGES,
        **TOKENS,
        **TAG,
        **RESOURCE_GROUP,
        **DRY_RUN,
        "InstanceIds": {"InstanceIds": '["i-bbb"]'},
        "InstanceName": {"InstanceName": "*-b*"},
        "Status": {"Status": "Stopped"},
        **{name: {name: "none"} for name in ("ZoneId", "VpcId", "VSwitchId", "SecurityGroupId", "ImageId")},
        **{name: {name: "none"} for name in ("InstanceType", "InstanceTypeFamily", "KeyPairName", "HpcClusterId")},
        "InstanceNetworkType": {"InstanceNetworkType": "classic"},
        "InstanceChargeType": {"InstanceChargeType": "PrePaid"},
        "InternetChargeType": {"InternetChargeType": "PayByBandwidth"},
        "IoOptimized": {"IoOptimized": "false"},
        "LockReason": {"LockReason": "Recycling"},
        **{f"{name}IpAddresses": {f"{name}IpAddresses": NONE} for name in ("Private", "Public", "Inner", "Rdma")},
        "EipAddresses": {"EipAddresses": NONE},
        "Ipv6Address": {"Ipv6Address.1": "2001:db8::1"},
        "HttpEndpoint": {"HttpEndpoint": "disabled"},
        "HttpTokens": {"HttpTokens": "required"},
        "Filter": {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "2026-01-01T00:00Z"},
        "AdditionalAttributes": {"AdditionalAttributes.1": "META_OPTIONS"},
    },
    "DescribeInstanceStatus": {**PAGES, "ZoneId": {"ZoneId": "none"}, "InstanceId": {"InstanceId.1": "i-bbb"}},
    "DescribeInstanceAttribute": OTHER,
    "StartInstance": {**DRY_RUN, **OTHER},
    "StopInstance": {
        **DRY_RUN,
        **OTHER,
        "ForceStop": {"ForceStop": "true"},
        "StoppedMode": {"StoppedMode": "StopCharging"},
    },
    "RebootInstance": {**DRY_RUN, **OTHER, "ForceStop": {"ForceStop": "true"}},
    "RedeployInstance": {"InstanceId": {"InstanceId": "i-aaa"}, "ForceStop": {"ForceStop": "true"}},
    "DescribeDisks": {
        **PAGES,
        **TOKENS,
        **TAG,
        **RESOURCE_GROUP,
        **DRY_RUN,
        **OTHER,
        "DiskIds": {"DiskIds": '["d-i-bbb"]'},
        "DiskName": {"DiskName": "*bbb"},
        **{name: {name: "none"} for name in ("ZoneId", "SnapshotId", "AutoSnapshotPolicyId", "KMSKeyId")},
        "PerformanceLevel": {"PerformanceLevel": "PL3"},
        "DiskChargeType": {"DiskChargeType": "PrePaid"},
        "MultiAttach": {"MultiAttach": "Enabled"},
        "LockReason": {"LockReason": "financial"},
        **{name: {name: "true"} for name in ("DeleteAutoSnapshot", "EnableAutomatedSnapshotPolicy", "Encrypted")},
        **{name: {name: "false"} for name in ("DeleteWithInstance", "EnableAutoSnapshot", "Portable")},
        "EnableShared": {"EnableShared": "true"},
        "DiskType": {"DiskType": "data"},
        "Category": {"Category": "cloud_ssd"},
        "Status": {"Status": "Available"},
        "Filter": {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "2026-01-01T00:00Z"},
        "AdditionalAttributes": {"AdditionalAttributes.1": "Placement"},
    },
    "DescribeDisksFullStatus": {
        **PAGES,
        **TAG,
        **RESOURCE_GROUP,
        "DiskId": {"DiskId.1": "d-i-bbb"},
        "EventId": {"EventId.1": "e-none"},
        "Status": {"Status": "Available"},
        "HealthStatus": {"HealthStatus": "Impaired"},
        "EventType": {"EventType": "Stalled"},
        "EventTime.Start": {"EventTime.Start": TOMORROW},
        "EventTime.End": {"EventTime.End": TOMORROW},
    },
    "DescribeRegions": {
        "AcceptLanguage": {"AcceptLanguage": "en-US"},
        # All resources and ways of paying are in the one region; others than those that there are, are refused.
        "InstanceChargeType": {"InstanceChargeType": "Barter"},
        "ResourceType": {"ResourceType": "castle"},
    },
    "DescribeZones": {
        "AcceptLanguage": {"AcceptLanguage": "en-US"},
        "InstanceChargeType": {"InstanceChargeType": "Barter"},
        "SpotStrategy": {"SpotStrategy": "Luck"},
        "Verbose": {"Verbose": "false"},
    },
}
"""By operation and parameter, what makes a difference to the call in `BASE`."""


class Case(NamedTuple):
    """One parameter of one operation, as one SDK sends it."""

    sdk: str
    operation: str
    parameter: str

    @property
    def table(self):
        return next(each for each in OPERATIONS[self.operation].schema.parameters if each.name == self.parameter)


def cases(handling):
    return [
        pytest.param(Case(sdk, operation, parameter.name), id=f"{sdk}-{operation}-{parameter.name}")
        for sdk, it in SDKS.items()
        for operation, known in OPERATIONS.items()
        for names in [it.names(operation)]
        for parameter in known.schema.parameters
        if parameter.handling is handling and any(parameter.names.fullmatch(name) for name in names)
    ]


EVENTS = {
    "over": ("reboot", "i-aaa", "SystemMaintenance.Reboot"),
    "simulated": ("reboot", "i-aaa", "SystemMaintenance.Reboot"),
    "other": ("stop", "i-aaa", "SystemFailure.Stop"),
    "inquiring": ("degraded", "i-bbb", "SystemMaintenance.IsolateErrorDisk"),
    "asks": ("degraded", "i-bbb", "SystemMaintenance.ReInitErrorDisk"),
    "scheduled": ("redeploy", "i-bbb", "SystemMaintenance.Redeploy:Scheduled"),
}


class Stage:
    """A simulator with events in several statuses, and an instance that is stopped."""

    def __init__(self):
        self.clock = ManualClock()
        self.simulator = AlibabaSimulator(INSTANCES, clock=self.clock)
        self.instances = self.simulator._alibaba.instances
        self.instances.change("i-bbb", tags={"env": "prod"})
        self.instances.set_out("i-ccc", self.clock.now(), (InstanceStatus.STOPPED, timedelta(0)))
        self.ids = {
            name: self.simulator.schedule(impact, resources=[instance], native_type=native_type)
            for name, (impact, instance, native_type) in EVENTS.items()
        }
        self.simulator.cancel(self.ids["over"])

    def call(self, case, extra):
        """What comes of the call of the case with these values more or others; ids by their names."""
        schema = OPERATIONS[case.operation].schema
        region = any(each.name == "RegionId" and each.required for each in schema.parameters)
        given = {**({"RegionId": "cn-hangzhou"} if region else {}), **BASE.get(case.operation, {}), **extra}
        values = {name: value.format(**self.ids) for name, value in given.items()}
        outcome = SDKS[case.sdk].call(self.simulator.url, case.operation, values)
        document = {k: v for k, v in (outcome.document or {}).items() if k not in {"RequestId", "TaskId"}}
        return Outcome(self.named(document), outcome.code, outcome.message)

    def future(self):
        """All that can be told apart of events and instances, now and later."""
        seen = []
        for seconds in (5, 20, 60):
            self.clock.advance(seconds)
            kept = [vars(self.instances.of(name)) for name in INSTANCES]
            seen.append([self.simulator.events(), self.simulator.machines(), kept])
        return self.named(seen)

    def named(self, value):
        text = json.dumps(value, default=str)
        for name, event_id in self.ids.items():
            text = text.replace(event_id, f"<{name}>")
        return re.sub(r"e-bp1[0-9a-f]{17}", "<new>", text)


@pytest.fixture(scope="module")
def reading():
    """A stage for calls that change nothing."""
    stage = Stage()
    with stage.simulator:
        yield stage


@pytest.fixture(scope="module")
def usual():
    """What comes of the calls in `BASE`, by SDK and operation."""
    return {}


@pytest.fixture
def perform(reading, usual):
    """Makes one call; answers what came of it and, of a call that may change something, what it left behind."""

    def run(case, extra):
        key = (case.sdk, case.operation)
        if not extra and key in usual:
            return usual[key]
        if case.operation.startswith("Describe"):
            done = reading.call(case, extra), ""
        else:
            stage = Stage()
            with stage.simulator:
                done = stage.call(case, extra), stage.future()
        if not extra:
            usual[key] = done
        return done

    return run


class TestTheTables:
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_name_all_that_the_sdks_can_send_and_nothing_else(self, operation):
        sent = set().union(*(sdk.names(operation) for sdk in SDKS.values()))
        parameters = OPERATIONS[operation].schema.parameters
        assert [name for name in sorted(sent) if not any(each.names.fullmatch(name) for each in parameters)] == []
        assert [each.name for each in parameters if not any(each.names.fullmatch(name) for name in sent)] == []

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_have_a_probe_for_each_parameter_that_is_honoured(self, operation):
        honoured = {e.name for e in OPERATIONS[operation].schema.parameters if e.handling is Handling.HONOURED}
        assert honoured - {"RegionId"} == set(PROBES.get(operation, {}))

    def test_say_why_a_parameter_is_refused(self):
        tables = [each for known in OPERATIONS.values() for each in known.schema.parameters]
        assert all(bool(each.why) is (each.handling is Handling.REFUSED) for each in tables)


class TestTheWalk:
    @pytest.mark.parametrize("case", cases(Handling.HONOURED))
    def test_what_is_honoured_makes_a_difference(self, perform, case):
        assert perform(case, {})[0].code == ""
        probe = {"RegionId": "cn-nowhere"} if case.parameter == "RegionId" else PROBES[case.operation][case.parameter]
        assert perform(case, probe) != perform(case, {})

    @pytest.mark.parametrize("case", cases(Handling.REFUSED))
    def test_what_is_refused_is_named_with_the_reason(self, perform, case):
        for value in ("true", "7"):
            outcome, _ = perform(case, {case.parameter: value})
            assert outcome.code == "InvalidParameter"
            assert f"{case.parameter}: {case.table.why}; leave it out" in outcome.message

    @pytest.mark.parametrize("case", [case for case in cases(Handling.REFUSED) if case.values[0].table.choices])
    def test_what_asks_for_nothing_is_no_reason_to_refuse(self, perform, case):
        for value in case.table.choices:
            for text in (value, value.capitalize()):
                assert perform(case, {case.parameter: text})[0].code == ""

    @pytest.mark.parametrize("case", cases(Handling.LEGACY))
    def test_what_is_legacy_makes_no_difference(self, perform, case):
        assert perform(case, {case.parameter: "7"}) == perform(case, {})


class TestWhatNoTableNames:
    @pytest.mark.parametrize(
        ("operation", "name"),
        [
            ("DescribeInstances", "Color"),
            ("DescribeInstances", "instancename"),
            ("DescribeInstances", "InstanceId"),
            ("DescribeInstances", "Tag.1.Colour"),
            ("DescribeInstances", "Tag.0.Key"),
            ("DescribeInstancesFullStatus", "InstanceId"),
            ("DescribeInstanceHistoryEvents", "InstanceId.1"),
            ("ModifyInstanceMaintenanceAttributes", "MaintenanceWindow.1.Day"),
        ],
    )
    def test_is_refused_by_its_name(self, ecs, operation, name):
        answer = ecs.ask(operation, **{name: "x"})
        assert (answer.status, answer.json["Code"]) == (403, "InvalidParameter")
        assert answer.json["Message"].endswith(f" {name}: {NO_SUCH}")

    def test_is_ignored_where_that_is_asked_for(self, alibabas, ecs_of):
        ecs = ecs_of(alibabas(ignore_unknown=True))
        answer = ecs.ask("RebootInstance", InstanceId="i-aaa", on="RebootInstance")  # as footmark sends it
        assert answer.status == 200
        assert ecs.ask("DescribeInstances", InstanceName="x", on="DescribeInstances").json["TotalCount"] == 0

    def test_what_is_known_and_not_done_is_refused_even_then(self, alibabas, ecs_of):
        answer = ecs_of(alibabas(ignore_unknown=True)).ask("DescribeInstances", HttpPutResponseHopLimit="1")
        assert (answer.status, answer.json["Code"]) == (403, "InvalidParameter")

    def test_but_what_is_said_to_the_gateway_is_its_own(self, ecs):
        assert set(ecs.signed("DescribeInstances", {})) - {"RegionId"} <= GATE_PARAMETERS


class TestWhatWouldGetLost:
    """Of two values of one parameter one would count, and a body that is no form would not."""

    FORM = "application/x-www-form-urlencoded"

    @pytest.mark.parametrize("ignore_unknown", [True, False])
    @pytest.mark.parametrize("body", [False, True])
    @pytest.mark.parametrize("value", ["Stopped", "Running"])
    def test_a_parameter_that_is_given_twice_is_refused(self, alibabas, ecs_of, asking, ignore_unknown, body, value):
        ecs = ecs_of(alibabas(ignore_unknown=ignore_unknown))
        signed = urlencode(ecs.signed("DescribeInstances", {"Status": "Running"}, method="POST"))
        query, form = (f"Status={value}", signed) if body else (f"Status={value}&{signed}", "")
        answer = asking(ecs.url, "POST", f"/?{query}", body=form.encode(), headers={"Content-Type": self.FORM})
        assert (answer.status, answer.json["Code"]) == (403, "InvalidParameter")
        assert answer.json["Message"].endswith(" Status: it is given more than once")

    @pytest.mark.parametrize(
        ("kind", "body"),
        [("application/json", b'{"Status": "Stopped"}'), (None, b"Status=Stopped"), (FORM, b"Status=\xff")],
    )
    def test_a_body_that_is_no_form_is_refused(self, ecs, asking, kind, body):
        path = "/?" + urlencode(ecs.signed("DescribeInstances", {}, method="POST"))
        answer = asking(ecs.url, "POST", path, body=body, headers={"Content-Type": kind} if kind else {})
        assert (answer.status, answer.json["Code"]) == (403, "InvalidParameter")
        assert answer.json["Message"].endswith(" The body is no form of parameters; leave it out")

    def test_who_may_not_call_is_told_that_first(self, ecs_of, alibaba, asking):
        ecs = ecs_of(alibaba, secret="wrong")
        signed = urlencode(ecs.signed("DescribeInstances", {"Status": "Running"}))
        answer = asking(ecs.url, "GET", f"/?Status=Stopped&{signed}")
        assert answer.json["Code"] == "SignatureDoesNotMatch"


class TestRecords:
    @pytest.mark.parametrize(
        ("operation", "given", "code"),
        [
            ("DescribeInstances", {"Tag.1.Value": "prod"}, "MissingParameter"),
            ("DescribeInstanceHistoryEvents", {"Tag.1.Value": "prod"}, "MissingParameter"),
            ("DescribeInstances", {"Tag.1.Key": "env", "Tag.2.Value": "prod"}, "MissingParameter"),
            ("DescribeInstances", {"Tag.1.Key": "", "Tag.1.Value": "prod"}, "MissingParameter"),
            ("DescribeInstances", {f"Tag.{number}.Key": "env" for number in range(1, 22)}, "InvalidParameter"),
            ("DescribeInstances", {"Filter.1.Key": "CreationStartTime"}, "MissingParameter"),
            ("DescribeInstances", {"Filter.1.Key": "Colour", "Filter.1.Value": "x"}, "InvalidParameter"),
            ("DescribeDisks", {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": "x"}, "InvalidParameter"),
            (
                "ModifyInstanceMaintenanceAttributes",
                {
                    f"MaintenanceWindow.{number}.{end}": hour
                    for number in (1, 2)
                    for end, hour in (("StartTime", "01:00:00"), ("EndTime", "02:00:00"))
                },
                "InvalidParameter",
            ),
            (
                "ModifyInstanceMaintenanceAttributes",
                {"MaintenanceWindow.1.StartTime": "01:00:00"},
                "InvalidParameter",
            ),
        ],
    )
    def test_half_of_one_or_one_too_many_is_refused(self, ecs, operation, given, code):
        document = ecs.ask(operation, **given).json
        assert document["Code"] == code
        assert next(iter(given)).partition(".")[0] in document["Message"]

    def test_two_tags_of_one_key_are_both_asked_for(self, alibaba, ecs):
        alibaba.add_machines(["i-tagged"], {"env": "prod"})
        twice = {"Tag.1.Key": "env", "Tag.1.Value": "test", "Tag.2.Key": "env", "Tag.2.Value": "prod"}
        assert ecs.call("DescribeInstances", **twice)["TotalCount"] == 0
