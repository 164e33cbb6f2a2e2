"""ECS's API over raw HTTP: what is refused and how, the shapes of the answers, filters and pages."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.alibaba.rpc import xml

TOMORROW = datetime(2026, 1, 2, tzinfo=UTC)
CREATE = {
    "EventType": "SystemMaintenance.Reboot",
    "NotBefore": "2026-01-02T00:00:00Z",
    "InstanceId": ["i-aaa"],
}
MANY = [f"i-{number}" for number in range(101)]


def parsed(document):
    return ElementTree.fromstring(document)  # noqa: S314 - the simulator's own


class TestRefusals:
    @pytest.mark.parametrize(
        ("action", "parameters", "status", "code"),
        [
            ("CreateSimulatedSystemEvents", {**CREATE, "EventType": None}, 404, "MissingParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "NotBefore": None}, 404, "MissingParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "InstanceId": None}, 404, "MissingParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "InstanceId": "i-aaa"}, 404, "MissingParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "RegionId": None}, 404, "MissingParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "RegionId": "cn-nowhere"}, 404, "InvalidRegionId.NotFound"),
            ("CreateSimulatedSystemEvents", {**CREATE, "EventType": "SystemFailure.Delete"}, 403, "InvalidParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "EventType": "systemfailure.stop"}, 403, "InvalidParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "NotBefore": "tomorrow"}, 403, "InvalidParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "NotBefore": "2026-01-02 00:00:00"}, 403, "InvalidParameter"),
            (
                "CreateSimulatedSystemEvents",
                {**CREATE, "NotBefore": "2025-12-31T23:59:59Z"},
                403,
                "InvalidNotBefore.Passed",
            ),
            (
                "CreateSimulatedSystemEvents",
                {**CREATE, "InstanceId": ["i-aaa", "i-x"]},
                404,
                "InvalidInstanceId.NotFound",
            ),
            ("CreateSimulatedSystemEvents", {**CREATE, "InstanceId": MANY}, 403, "InstanceIdLimitExceeded"),
            ("CreateSimulatedSystemEvents", {**CREATE, "TriggerRealOps": "maybe"}, 403, "InvalidParameter"),
            ("CreateSimulatedSystemEvents", {**CREATE, "TriggerRealOps": "true"}, 403, "InvalidParameter"),
            ("CancelSimulatedSystemEvents", {}, 404, "MissingParameter"),
            ("CancelSimulatedSystemEvents", {"EventId": ["e-x"]}, 403, "InvalidEventId.NotFound"),
            ("CancelSimulatedSystemEvents", {"EventId": MANY}, 400, "EventIdLimitExceeded"),
            ("DescribeInstanceHistoryEvents", {"RegionId": None}, 404, "MissingParameter"),
            ("DescribeInstanceHistoryEvents", {"EventId": MANY}, 403, "EventIdLimitExceeded"),
            ("DescribeInstanceHistoryEvents", {"ResourceId": MANY}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"InstanceEventCycleStatus": ["Done"]}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"InstanceEventCycleStatus": ["Failed"] * 8}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"EventType": "Boom"}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"ResourceType": "disk"}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"PageSize": "101"}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"PageSize": "x"}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"PageNumber": "0"}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"NextToken": "junk"}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"NextToken": "x"}, 403, "InvalidParameter"),
            ("DescribeInstanceHistoryEvents", {"NextToken": "YmVmb3JlIHg="}, 403, "InvalidParameter"),
            (
                "DescribeInstanceHistoryEvents",
                {"NotBefore.Start": "2026-01-02T00:00:00Z", "NotBefore.End": "2026-01-01T00:00:00Z"},
                403,
                "InvalidParameter.TimeEndBeforeStart",
            ),
            ("DescribeInstancesFullStatus", {"InstanceId": MANY}, 403, "InstanceIdLimitExceeded"),
            ("DescribeInstancesFullStatus", {"EventId": MANY}, 403, "EventIdLimitExceeded"),
            ("DescribeInstancesFullStatus", {"Status": "running"}, 403, "InvalidParameter"),
            ("DescribeInstancesFullStatus", {"HealthStatus": "Ok"}, 403, "InvalidParameter"),
            ("AcceptInquiredSystemEvent", {}, 400, "MissingParameter"),
            ("AcceptInquiredSystemEvent", {"RegionId": None, "EventId": "e-x"}, 400, "MissingParameter"),
            ("AcceptInquiredSystemEvent", {"EventId": "e-x"}, 404, "InvalidEventId.NoInquiringEventFound"),
            ("DescribeInstances", {"InstanceIds": "i-aaa"}, 403, "InvalidParameter"),
            ("DescribeInstances", {"InstanceIds": '{"a": 1}'}, 403, "InvalidParameter"),
            ("DescribeInstances", {"InstanceIds": "[1]"}, 403, "InvalidParameter"),
            ("DescribeInstances", {"InstanceIds": "[" * 10_000}, 403, "InvalidParameter"),
            ("RebootInstance", {}, 404, "MissingParameter"),
            ("RebootInstance", {"InstanceId": "i-x"}, 404, "InvalidInstanceId.NotFound"),
            ("RebootInstance", {"InstanceId": "i-aaa", "DryRun": "true"}, 400, "DryRunOperation"),
            ("ModifyInstanceMaintenanceAttributes", {"InstanceId": ["i-x"]}, 404, "InvalidInstanceId.NotFound"),
            (
                "ModifyInstanceMaintenanceAttributes",
                {"InstanceId": ["i-aaa"], "ActionOnMaintenance": "Hope"},
                403,
                "InvalidParameter",
            ),
            (
                "ModifyInstanceMaintenanceAttributes",
                {"InstanceId": ["i-aaa"], "MaintenanceWindow.1.StartTime": "02:00:00"},
                403,
                "InvalidParameter",
            ),
            (
                "ModifyInstanceMaintenanceAttributes",
                {"MaintenanceWindow.1.StartTime": "02:00:00", "MaintenanceWindow.1.EndTime": "02:00:00"},
                403,
                "InvalidParameter",
            ),
            ("DescribeInstanceMaintenanceAttributes", {"RegionId": None}, 400, "MissingParameter"),
            ("DescribeInstanceMaintenanceAttributes", {"InstanceId": ["i-x"]}, 404, "InvalidInstanceId.NotFound"),
            ("RebootInstance", {"InstanceId": "i-aaa", "RegionId": "cn-nowhere"}, 404, "InvalidRegionId.NotFound"),
            ("AcceptInquiredSystemEvent", {"EventId": "e-x", "Choice": "Reject"}, 400, "InvalidParameter"),
            ("DeleteInstance", {"InstanceId": "i-aaa"}, 404, "InvalidApi.NotFound"),
        ],
    )
    def test_a_bad_call_is_refused_with_the_documented_status_and_code(self, ecs, action, parameters, status, code):
        assert ecs.refused(action, **parameters) == (status, code)

    def test_a_refusal_has_the_documented_fields_in_their_order(self, ecs):
        answer = ecs.ask("CancelSimulatedSystemEvents", EventId=["e-x"])
        assert list(answer.json) == ["RequestId", "HostId", "Code", "Message", "Recommend"]
        assert answer.json["Message"] == "Cannot find EventId."
        assert answer.headers["content-type"] == "application/json;charset=utf-8"

    def test_the_message_names_the_parameter(self, ecs):
        assert ecs.ask("RebootInstance").json["Message"].endswith("is not supplied. InstanceId")

    def test_of_a_batch_with_one_bad_instance_nothing_is_made(self, alibaba, ecs):
        ecs.refused("CreateSimulatedSystemEvents", **{**CREATE, "InstanceId": ["i-aaa", "i-x"]})
        assert alibaba.events() == []

    def test_of_a_batch_with_one_bad_event_nothing_is_called_off(self, ecs):
        (event,) = ecs.create("SystemMaintenance.Stop", TOMORROW, "i-aaa")
        ecs.refused("CancelSimulatedSystemEvents", EventId=[event, "e-x"])
        assert ecs.statuses() == ["Scheduled"]

    def test_more_simulated_events_than_the_quota_are_refused_until_some_have_ended(self, alibabas, ecs_of):
        ecs = ecs_of(alibabas(quota=2))
        first = ecs.create("SystemMaintenance.Stop", TOMORROW, "i-aaa", "i-bbb")
        assert ecs.refused("CreateSimulatedSystemEvents", **CREATE) == (403, "SimulatedEventLimitExceeded")
        ecs.call("CancelSimulatedSystemEvents", EventId=first[:1])
        ecs.create("SystemMaintenance.Stop", TOMORROW, "i-aaa")

    def test_an_address_that_is_neither_service_is_said_to_be_none(self, alibaba, asking):
        assert asking(alibaba.url, "GET", "/v2/events").status == 404

    def test_an_unknown_instance_has_no_address(self, alibaba, asking):
        assert asking(alibaba.url, "GET", "/machines/i-x/?Action=DescribeInstances").status == 404


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "code"),
        [(500, "InternalError"), (503, "ServiceUnavailable"), (429, "Throttling"), (418, "UnknownError")],
    )
    def test_a_failure_of_the_service_looks_like_one_of_its_own(self, alibaba, ecs, status, code):
        alibaba.faults.add(status=status, query={"Action": "DescribeInstances"})
        assert ecs.refused("DescribeInstances") == (status, code)
        assert ecs.ask("DescribeInstancesFullStatus").status == 200

    @pytest.mark.parametrize("place", ["query", "form", "header"])
    def test_it_is_told_by_the_operation_wherever_that_stands(self, alibaba, ecs, asking, place):
        alibaba.faults.add(status=503, query={"Action": "DescribeInstances"})
        signed = ecs.signed("DescribeInstances", {}, method="POST")
        if place == "header":
            named = {"x-acs-action": signed.pop("Action"), "x-acs-version": signed.pop("Version")}
            answer = asking(alibaba.url, "POST", "/", headers=named)
        elif place == "form":
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = asking(alibaba.url, "POST", "/", body=urlencode(signed).encode(), headers=form)
        else:
            answer = asking(alibaba.url, "POST", f"/?{urlencode(signed)}")
        assert answer.status == 503

    def test_it_is_xml_where_the_client_wants_xml(self, alibaba, ecs):
        alibaba.faults.add(status=503)
        answer = ecs.ask("DescribeInstances", Format="XML")
        assert parsed(answer.body).findtext("Code") == "ServiceUnavailable"


class TestShapes:
    def test_the_history_has_the_documented_fields_in_their_order(self, ecs):
        ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-aaa")
        answer = ecs.call("DescribeInstanceHistoryEvents", EventCycleStatus="Scheduled")
        assert list(answer) == ["RequestId", "PageNumber", "PageSize", "TotalCount", "InstanceSystemEventSet"]
        (event,) = answer["InstanceSystemEventSet"]["InstanceSystemEventType"]
        assert event.pop("EventId").startswith("e-")
        assert list(event.items()) == [
            ("InstanceId", "i-aaa"),
            ("ResourceType", "instance"),
            ("EventType", {"Code": 1, "Name": "SystemMaintenance.Reboot"}),
            ("EventCycleStatus", {"Code": 24, "Name": "Scheduled"}),
            ("EventPublishTime", "2026-01-01T00:00:00Z"),
            ("NotBefore", "2026-01-02T00:00:00Z"),
            ("EventFinishTime", ""),
            ("Reason", "A simulated event."),
            ("ReasonCode", ""),
            ("ImpactLevel", ""),
            ("ExtendedAttribute", {}),
        ]

    def test_the_full_status_nests_events_in_their_instance(self, ecs):
        (event_id,) = ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-bbb")
        answer = ecs.call("DescribeInstancesFullStatus")
        assert (answer["TotalCount"], answer["PageSize"]) == (2, 10)
        healthy, warned = answer["InstanceFullStatusSet"]["InstanceFullStatusType"]
        assert healthy == {
            "InstanceId": "i-aaa",
            "Status": {"Code": 1, "Name": "Running"},
            "HealthStatus": {"Code": 0, "Name": "Ok"},
            "ScheduledSystemEventSet": {"ScheduledSystemEventType": []},
        }
        assert warned["HealthStatus"] == {"Code": 64, "Name": "Warning"}
        (event,) = warned["ScheduledSystemEventSet"]["ScheduledSystemEventType"]
        assert event["EventId"] == event_id
        assert list(event) == [
            "EventId",
            "EventPublishTime",
            "NotBefore",
            "Reason",
            "ImpactLevel",
            "EventType",
            "EventCycleStatus",
            "ExtendedAttribute",
        ]

    def test_instances_are_asked_for_by_a_json_array(self, ecs):
        answer = ecs.call("DescribeInstances", InstanceIds='["i-bbb", "i-gone"]')
        (instance,) = answer["Instances"]["Instance"]
        assert (instance["InstanceId"], instance["Status"]) == ("i-bbb", "Running")
        assert instance["OperationLocks"] == {"LockReason": []}

    def test_maintenance_attributes_are_kept(self, ecs):
        ecs.call(
            "ModifyInstanceMaintenanceAttributes",
            InstanceId=["i-aaa"],
            ActionOnMaintenance="AutoRedeploy",
            NotifyOnMaintenance="True",
            MaintenanceWindow__1__StartTime="22:00:00",
            MaintenanceWindow__1__EndTime="02:00:00",
        )
        answer = ecs.call("DescribeInstanceMaintenanceAttributes")
        first, second = answer["MaintenanceAttributes"]["MaintenanceAttribute"]
        assert first == {
            "InstanceId": "i-aaa",
            "NotifyOnMaintenance": True,
            "MaintenanceWindows": {"MaintenanceWindow": [{"StartTime": "22:00:00", "EndTime": "02:00:00"}]},
            "ActionOnMaintenance": {
                "Value": "AutoRedeploy",
                "DefaultValue": "AutoRecover",
                "SupportedValues": {"SupportedValue": ["AutoRecover", "Stop", "AutoRedeploy"]},
            },
        }
        assert second["MaintenanceWindows"] == {"MaintenanceWindow": []}
        ecs.call("ModifyInstanceMaintenanceAttributes", InstanceId=["i-aaa"], NotifyOnMaintenance="false")
        (changed,) = ecs.call("DescribeInstanceMaintenanceAttributes", InstanceId=["i-aaa"])["MaintenanceAttributes"][
            "MaintenanceAttribute"
        ]
        assert changed == {**first, "NotifyOnMaintenance": False}

    def test_a_request_id_is_a_guid_in_upper_case_and_never_the_same(self, ecs):
        ids = {ecs.call("DescribeInstances")["RequestId"] for _ in range(3)}
        assert len(ids) == 3
        assert all(each == each.upper() and len(each) == 36 for each in ids)

    def test_an_answer_is_xml_unless_json_is_asked_for(self, ecs):
        ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-aaa", "i-bbb")
        answer = ecs.ask("DescribeInstanceHistoryEvents", EventCycleStatus="Scheduled", Format=None)
        assert answer.headers["content-type"] == "text/xml;charset=utf-8"
        root = parsed(answer.body)
        assert root.tag == "DescribeInstanceHistoryEventsResponse"
        items = root.findall("InstanceSystemEventSet/InstanceSystemEventType")
        assert [item.findtext("InstanceId") for item in items] == ["i-bbb", "i-aaa"]
        assert items[0].findtext("EventType/Name") == "SystemMaintenance.Reboot"

    def test_a_refusal_in_xml_is_an_error_element(self, ecs):
        answer = ecs.ask("Nothing", Format="XML")
        assert [child.tag for child in parsed(answer.body)] == [
            "RequestId",
            "HostId",
            "Code",
            "Message",
            "Recommend",
        ]

    @pytest.mark.parametrize("text", ["<&>\"'", "\x00\x1b\ud800\ufffe", "中 \r\n\t", "]]>"])
    def test_xml_is_well_formed_whatever_stands_in_it(self, text):
        root = parsed(xml("Error", {"Message": text, "Sure": True, "Set": {"Id": [1, 2]}}))
        possible = "".join("\ufffd" if each in "\x00\x1b\ud800\ufffe" else each for each in text)
        assert root.findtext("Message") == possible
        assert root.findtext("Sure") == "true"
        assert [each.text for each in root.findall("Set/Id")] == ["1", "2"]

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_parameters_come_in_the_query_or_in_a_form(self, alibaba, ecs, asking, method):
        signed = ecs.signed("DescribeInstances", {"PageSize": 1}, method="POST")
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        answer = asking(alibaba.url, "POST", "/", body=urlencode(signed).encode(), headers=headers)
        assert answer.status == 200
        assert ecs.ask("DescribeInstances", method=method).json["TotalCount"] == 2

    def test_the_api_answers_under_a_machines_address_too(self, alibaba, ecs_of):
        client = ecs_of(alibaba, url=alibaba.urls()["i-bbb"])
        assert client.call("DescribeInstances")["TotalCount"] == 2
        assert alibaba.requests()[0]["machine"] == "i-bbb"


class TestFilters:
    @pytest.fixture
    def ids(self, alibaba, ecs, clock):
        """Four events: two scheduled, one executing, one called off."""
        reboot, stop = ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-aaa", "i-bbb")
        clock.advance(minutes=1)
        (failure,) = ecs.create("SystemFailure.Reboot", TOMORROW + timedelta(days=1), "i-aaa")
        clock.advance(minutes=1)
        (canceled,) = ecs.create("SystemMaintenance.Stop", TOMORROW, "i-bbb")
        ecs.call("CancelSimulatedSystemEvents", EventId=[canceled])
        return {"reboot": reboot, "other": stop, "failure": failure, "canceled": canceled}

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({"InstanceEventCycleStatus": None}, ["canceled"]),
            ({"InstanceEventCycleStatus": None, "EventCycleStatus": "Executing"}, ["failure"]),
            ({"InstanceEventCycleStatus": ["Scheduled"], "EventCycleStatus": "Executing"}, ["other", "reboot"]),
            ({}, ["canceled", "failure", "other", "reboot"]),
            ({"InstanceId": "i-aaa"}, ["failure", "reboot"]),
            ({"InstanceId": "i-gone"}, []),
            ({"InstanceId": "i-aaa", "ResourceId": ["i-bbb"]}, ["canceled", "other"]),
            ({"ResourceId": ["i-bbb", "i-aaa"]}, ["canceled", "failure", "other", "reboot"]),
            ({"EventType": "SystemFailure.Reboot"}, ["failure"]),
            ({"EventType": "SystemFailure.Reboot", "InstanceEventType": ["SystemMaintenance.Stop"]}, ["canceled"]),
            ({"NotBefore.Start": "2026-01-02T00:00:01Z"}, ["failure"]),
            ({"NotBefore.End": "2026-01-02T00:00:00Z"}, ["canceled", "other", "reboot"]),
            (
                {"EventPublishTime.Start": "2026-01-01T00:01:00Z", "EventPublishTime.End": "2026-01-01T00:01:00Z"},
                ["failure"],
            ),
            ({"ResourceType": "ddh"}, []),
            ({"ResourceGroupId": "rg-1"}, []),
            ({"Tag.1.Key": "env"}, []),
        ],
    )
    def test_the_history_shows_what_is_asked_for(self, ecs, ids, filters, expected):
        names = {event_id: name for name, event_id in ids.items()}
        assert [names[event["EventId"]] for event in ecs.history(**filters)] == expected

    def test_events_are_found_by_their_ids(self, ecs, ids):
        found = ecs.history(EventId=[ids["reboot"], ids["canceled"], "e-x"])
        assert {event["EventId"] for event in found} == {ids["reboot"], ids["canceled"]}
        assert ecs.history(EventId=[ids["reboot"]], InstanceId="i-bbb") == []

    @pytest.mark.parametrize(
        ("filters", "instances"),
        [
            ({}, ["i-aaa", "i-bbb"]),
            ({"InstanceId": ["i-bbb", "i-x"]}, ["i-bbb"]),
            ({"EventType": "SystemMaintenance.Stop"}, []),
            ({"NotBefore.Start": "2026-01-02T00:00:00Z"}, ["i-aaa", "i-bbb"]),
            ({"Status": "Stopped"}, []),
            ({"HealthStatus": "Warning", "PageSize": 1}, ["i-aaa"]),
            ({"PageSize": 1, "PageNumber": 2}, ["i-bbb"]),
        ],
    )
    def test_the_full_status_shows_what_is_asked_for(self, ecs, ids, filters, instances):
        answer = ecs.call("DescribeInstancesFullStatus", **filters)
        found = answer["InstanceFullStatusSet"]["InstanceFullStatusType"]
        assert [each["InstanceId"] for each in found] == instances

    def test_the_full_status_shows_what_is_scheduled_or_asks_and_nothing_else(self, alibaba, ecs, ids):
        inquired = alibaba.schedule("degraded", resources=["i-aaa"], native_type="SystemMaintenance.IsolateErrorDisk")
        answer = ecs.call("DescribeInstancesFullStatus")["InstanceFullStatusSet"]["InstanceFullStatusType"]
        shown = [e["EventId"] for each in answer for e in each["ScheduledSystemEventSet"]["ScheduledSystemEventType"]]
        assert shown == [inquired, ids["reboot"], ids["other"]]

    def test_instances_are_filtered_by_their_tags(self, alibaba, ecs):
        alibaba.add_machines(["i-tagged"], {"env": "a~b+c 中"})
        (event,) = ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-tagged")
        ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-aaa")
        for tags in ({"Tag.1.Key": "env", "Tag.1.Value": "a~b+c 中"}, {"Tag.1.Key": "env"}):
            assert [each["EventId"] for each in ecs.history(**tags)] == [event]
        assert ecs.history(**{"Tag.1.Key": "env", "Tag.1.Value": "other"}) == []

    def test_what_has_ended_is_shown_for_30_days_and_what_has_not_for_ever(self, alibaba, ecs, clock):
        (ended,) = ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-aaa")
        ecs.call("CancelSimulatedSystemEvents", EventId=[ended])
        waiting = alibaba.schedule("degraded", resources=["i-bbb"], native_type="SystemMaintenance.ReInitErrorDisk")
        clock.advance(timedelta(days=30) - timedelta(seconds=1))
        assert [each["EventId"] for each in ecs.history()] == [waiting, ended]
        clock.advance(1)
        assert [each["EventId"] for each in ecs.history()] == [waiting]


class TestPages:
    COUNT = 500

    @pytest.fixture
    def ids(self, alibaba, ecs):
        """500 events, the latest first."""
        instances = [f"i-{number}" for number in range(self.COUNT)]
        alibaba.add_machines(instances)
        made = []
        for start in range(0, self.COUNT, 100):
            made += ecs.create("SystemMaintenance.Reboot", TOMORROW, *instances[start : start + 100])
        return made[::-1]

    def tokens(self, ecs, **parameters):
        token, pages = None, []
        while True:
            asked = {"InstanceEventCycleStatus": ["Scheduled"], "NextToken": token, **parameters}
            answer = ecs.call("DescribeInstanceHistoryEvents", **asked)
            items = answer["InstanceSystemEventSet"]["InstanceSystemEventType"]
            pages.append([item["EventId"] for item in items])
            token = answer.get("NextToken")
            if token is None:
                return pages

    @pytest.mark.parametrize(("asked", "size"), [(1, 10), (9, 10), (64, 64), (100, 100), (5000, 100)])
    def test_tokens_lead_through_all_events_once(self, ecs, ids, asked, size):
        pages = self.tokens(ecs, MaxResults=asked)
        assert [each for page in pages for each in page] == ids
        assert {len(page) for page in pages[:-1]} == {size}

    def test_with_tokens_the_counts_mean_nothing(self, ecs, ids):
        answer = ecs.call("DescribeInstanceHistoryEvents", EventCycleStatus="Scheduled", MaxResults=10)
        assert [answer[name] for name in ("PageNumber", "PageSize", "TotalCount")] == [0, 0, 0]
        assert list(answer)[4] == "NextToken"

    def test_an_event_that_is_made_meanwhile_moves_no_page(self, ecs, ids):
        asked = {"EventCycleStatus": "Scheduled", "MaxResults": 100}
        first = ecs.call("DescribeInstanceHistoryEvents", **asked)
        ecs.create("SystemMaintenance.Reboot", TOMORROW, "i-aaa")
        second = ecs.call("DescribeInstanceHistoryEvents", **asked, NextToken=first["NextToken"])
        items = second["InstanceSystemEventSet"]["InstanceSystemEventType"]
        assert [item["EventId"] for item in items] == ids[100:200]

    @pytest.mark.parametrize("size", [7, 100])
    def test_numbered_pages_lead_through_all_events_once(self, ecs, ids, size):
        found, number = [], 1
        while page := ecs.history(PageSize=size, PageNumber=number):
            found += [event["EventId"] for event in page]
            number += 1
        assert found == ids

    def test_ten_are_on_a_page_where_nothing_is_said(self, ecs, ids):
        answer = ecs.call("DescribeInstanceHistoryEvents", EventCycleStatus="Scheduled")
        assert len(answer["InstanceSystemEventSet"]["InstanceSystemEventType"]) == 10
        assert [answer[name] for name in ("PageNumber", "PageSize", "TotalCount")] == [1, 10, self.COUNT]


class TestThrottling:
    def test_an_operation_is_refused_until_the_next_minute_and_the_others_are_not(self, alibabas, ecs_of, clock):
        ecs = ecs_of(alibabas(throttle=2))
        clock.advance(50)
        for _ in range(2):
            ecs.call("DescribeInstances")
        for _ in range(2):
            assert ecs.refused("DescribeInstances") == (400, "Throttling.User")
        ecs.call("DescribeInstancesFullStatus")
        clock.advance(9)
        assert ecs.refused("DescribeInstances") == (400, "Throttling.User")
        clock.advance(1)
        ecs.call("DescribeInstances")

    def test_it_is_a_setting(self, clock, ecs_of):
        options = SimulatorOptions(clock=clock, settings={"throttle": "1"})
        with AlibabaSimulator.from_options(options) as simulator:
            ecs = ecs_of(simulator)
            ecs.call("DescribeInstances")
            assert ecs.refused("DescribeInstances") == (400, "Throttling.User")
