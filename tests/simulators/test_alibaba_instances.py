"""Instances over ECS's API: start and stop, what answers which event, and what is said of instances and disks."""

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("alibabacloud_ecs20140526")

from ecs_sdks import SDKS, misfits, names_of
from stormcone_simulators.alibaba.types import ANSWERED_BY_REDEPLOY, EVENT_TYPES

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def status(ecs):
    """The status of an instance."""

    def find(name="i-aaa"):
        statuses = ecs.call("DescribeInstanceStatus", InstanceId=[name])["InstanceStatuses"]["InstanceStatus"]
        return statuses[0]["Status"]

    return find


@pytest.fixture
def stopped(ecs, clock):
    """i-aaa, stopped."""
    ecs.call("StopInstance", InstanceId="i-aaa")
    clock.advance(10)
    return "i-aaa"


class TestCourses:
    """What an instance goes through, by the seconds at which it gets there; how long each takes is unverified."""

    COURSES = (
        ("RebootInstance", {}, ((0, "Starting"), (30, "Running"))),
        ("RebootInstance", {"ForceStop": "true"}, ((0, "Starting"), (22, "Running"))),
        ("StopInstance", {}, ((0, "Stopping"), (10, "Stopped"))),
        ("StopInstance", {"ForceStop": "true"}, ((0, "Stopping"), (2, "Stopped"))),
        ("RedeployInstance", {}, ((0, "Stopping"), (10, "Starting"), (30, "Running"))),
        ("RedeployInstance", {"ForceStop": "true"}, ((0, "Stopping"), (2, "Starting"), (22, "Running"))),
    )

    @pytest.mark.parametrize(("operation", "more", "course"), COURSES)
    def test_of_an_instance_that_runs(self, alibaba, ecs, clock, status, operation, more, course):
        alibaba.schedule("redeploy", resources=["i-aaa"], native_type="SystemMaintenance.Redeploy:Scheduled")
        assert status() == "Running"
        ecs.call(operation, InstanceId="i-aaa", **more)
        before = "Running"
        for seconds, expected in course:
            clock.advance(max(timedelta(0), START + timedelta(seconds=seconds - 1) - clock.now()))
            assert status() == (before if seconds else expected)
            clock.advance(max(timedelta(0), START + timedelta(seconds=seconds) - clock.now()))
            assert status() == expected
            before = expected
        clock.advance(HOUR)
        assert status() == before
        assert status("i-bbb") == "Running"

    @pytest.mark.parametrize("operation", ["StartInstance", "RedeployInstance"])
    def test_of_one_that_is_stopped(self, alibaba, ecs, clock, status, stopped, operation):
        alibaba.schedule("redeploy", resources=[stopped], native_type="SystemMaintenance.Redeploy:Scheduled")
        assert status() == "Stopped"
        ecs.call(operation, InstanceId=stopped)
        assert status() == "Starting"
        clock.advance(20)
        assert status() == "Running"

    @pytest.mark.parametrize(
        ("done", "refused"),
        [
            ("StopInstance", ("StopInstance", "StartInstance", "RebootInstance", "RedeployInstance")),
            ("RebootInstance", ("StopInstance", "StartInstance", "RebootInstance", "RedeployInstance")),
            (None, ("StartInstance",)),
        ],
    )
    def test_what_does_not_fit_the_status_is_refused(self, ecs, status, done, refused):
        if done:
            ecs.call(done, InstanceId="i-aaa", ForceStop="true")
        before = status()
        for operation in refused:
            assert ecs.refused(operation, InstanceId="i-aaa") == (403, "IncorrectInstanceStatus")
        assert status() == before

    def test_a_stopped_one_is_neither_stopped_nor_restarted(self, ecs, stopped):
        for operation in ("StopInstance", "RebootInstance"):
            assert ecs.refused(operation, InstanceId=stopped) == (403, "IncorrectInstanceStatus")

    @pytest.mark.parametrize("operation", ["StartInstance", "StopInstance", "RebootInstance", "RedeployInstance"])
    def test_an_unknown_one_is_not_found(self, ecs, operation):
        assert ecs.refused(operation, InstanceId="i-x") == (404, "InvalidInstanceId.NotFound")
        assert ecs.refused(operation) == (404, "MissingParameter")

    @pytest.mark.parametrize("operation", ["StopInstance", "RebootInstance"])
    def test_a_dry_run_changes_nothing_and_says_what_is_wrong(self, ecs, clock, status, operation):
        ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-aaa")
        assert ecs.refused(operation, InstanceId="i-aaa", DryRun="True") == (400, "DryRunOperation")
        assert (ecs.statuses(), status()) == (["Scheduled"], "Running")
        ecs.call("StopInstance", InstanceId="i-aaa")
        assert ecs.refused(operation, InstanceId="i-aaa", DryRun="True") == (403, "IncorrectInstanceStatus")

    def test_none_of_them_needs_a_region(self, ecs, stopped):
        ecs.call("StartInstance", InstanceId=stopped, RegionId=None)
        for operation in ("RebootInstance", "DescribeInstanceAttribute"):
            ecs.call(operation, InstanceId="i-bbb", RegionId=None)

    @pytest.mark.parametrize("mode", ["KeepCharging", "StopCharging"])
    def test_how_it_is_stopped_is_shown_while_it_is(self, ecs, clock, mode):
        def shown():
            return ecs.call("DescribeInstanceAttribute", InstanceId="i-aaa")["StoppedMode"]

        ecs.call("StopInstance", InstanceId="i-aaa", StoppedMode=mode)
        assert shown() == "Not-applicable"
        clock.advance(10)
        assert shown() == mode
        ecs.call("StartInstance", InstanceId="i-aaa")
        assert shown() == "Not-applicable"

    def test_when_it_began_to_run_is_shown(self, ecs, clock):
        def shown():
            return ecs.call("DescribeInstances", InstanceIds='["i-aaa"]')["Instances"]["Instance"][0]["StartTime"]

        assert shown() == "2025-01-01T00:00Z"
        clock.advance(HOUR)
        ecs.call("RebootInstance", InstanceId="i-aaa")
        assert shown() == "2025-01-01T00:00Z"
        clock.advance(minutes=2)
        assert shown() == "2026-01-01T01:00Z"


class TestReboot:
    def test_it_avoids_a_restart_that_is_scheduled_and_nothing_else(self, alibaba, ecs):
        ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-aaa", "i-bbb")
        ecs.create("SystemMaintenance.Stop", START + HOUR, "i-aaa")
        ecs.create("SystemFailure.Reboot", START + HOUR, "i-aaa")
        ecs.call("RebootInstance", InstanceId="i-aaa")
        assert ecs.statuses() == ["Avoided", "Scheduled", "Scheduled", "Executing"]
        assert [event["EventCycleStatus"]["Code"] for event in ecs.history(InstanceId="i-aaa")][-1] == 8
        assert alibaba.events()[0]["approved_by"] == []

    def test_it_avoids_one_of_the_clouds_own_too(self, alibaba, ecs):
        alibaba.schedule("reboot", resources=["i-aaa"], native_type="SystemMaintenance.Reboot:Scheduled")
        ecs.call("RebootInstance", InstanceId="i-aaa")
        assert ecs.statuses() == ["Avoided"]

    def test_it_comes_too_late_once_the_event_executes(self, ecs, clock):
        ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-aaa")
        clock.advance(HOUR)
        ecs.call("RebootInstance", InstanceId="i-aaa")
        assert ecs.statuses() == ["Executing"]


class TestRedeploy:
    @pytest.mark.parametrize(
        ("name", "first"),
        [
            (name, each)
            for name, firsts in ANSWERED_BY_REDEPLOY.items()
            # A SystemFailure.Redeploy inquires on the page of this operation alone.
            for each in sorted(firsts & EVENT_TYPES[name].statuses)
        ],
    )
    def test_it_answers_an_event_of_the_cloud_that_has_not_begun(self, alibaba, ecs, name, first):
        alibaba.schedule(EVENT_TYPES[name].impact, resources=["i-aaa"], native_type=f"{name}:{first}")
        assert ecs.call("RedeployInstance", InstanceId="i-aaa")["TaskId"].startswith("t-")
        assert ecs.statuses() == ["Executing" if first == "Inquiring" else "Avoided"]

    def test_it_answers_all_of_them(self, alibaba, ecs):
        for name, resource in (("Reboot", "i-aaa"), ("Redeploy", "i-aaa"), ("Redeploy", "i-bbb")):
            native_type = f"SystemMaintenance.{name}:Scheduled"
            alibaba.schedule(name.lower(), resources=[resource], native_type=native_type)
        ecs.call("RedeployInstance", InstanceId="i-aaa")
        assert ecs.statuses() == ["Avoided", "Avoided", "Scheduled"]

    def test_it_is_refused_while_there_is_a_simulated_event(self, alibaba, ecs, status):
        alibaba.schedule("redeploy", resources=["i-aaa"], native_type="SystemMaintenance.Redeploy:Scheduled")
        (event_id,) = ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-aaa")
        answer = ecs.ask("RedeployInstance", InstanceId="i-aaa")
        assert (answer.status, answer.json["Code"]) == (403, "InvalidOperation.RedeployInstance")
        assert answer.json["Message"] == "A simulated event cannot be answered so."
        assert (ecs.statuses(), status()) == (["Scheduled", "Scheduled"], "Running")
        ecs.call("CancelSimulatedSystemEvents", EventId=[event_id])
        ecs.call("RedeployInstance", InstanceId="i-aaa")

    @pytest.mark.parametrize(
        "native_type", [None, "SystemMaintenance.Stop:Scheduled", "SystemFailure.Reboot:Executing"]
    )
    def test_it_is_refused_where_there_is_no_event_that_it_answers(self, alibaba, ecs, status, native_type):
        if native_type:
            impact = "stop" if "Stop" in native_type else "reboot"
            alibaba.schedule(impact, resources=["i-aaa"], native_type=native_type)
        answer = ecs.ask("RedeployInstance", InstanceId="i-aaa")
        assert (answer.status, answer.json["Code"]) == (403, "InvalidOperation.RedeployInstance")
        assert answer.json["Message"] == "There are no maintenance events found on the instance."
        assert status() == "Running"


class TestMovingAnEvent:
    @pytest.fixture(params=["SystemMaintenance.Reboot", "SystemMaintenance.Reboot:Scheduled"])
    def event_id(self, request, alibaba):
        return alibaba.schedule("reboot", resources=["i-aaa"], native_type=request.param, notice=HOUR)

    def test_it_has_the_new_time_and_tells_the_first(self, ecs, clock, event_id):
        moved = {"EventId": event_id, "InstanceId": "i-aaa", "NotBefore": "2026-01-01T02:00:00Z"}
        assert list(ecs.call("ModifySystemEventAttribute", **moved)) == ["RequestId"]
        (event,) = ecs.history()
        assert event["NotBefore"] == "2026-01-01T02:00:00Z"
        assert event["ExtendedAttribute"] == {"InitialNotBefore": "2026-01-01T01:00:00Z"}
        clock.advance(2 * HOUR - timedelta(seconds=1))
        assert ecs.statuses() == ["Scheduled"]
        clock.advance(1)
        assert ecs.statuses() == ["Executing"]

    @pytest.mark.parametrize(
        ("other", "status", "code"),
        [
            ({"EventId": "e-x"}, 403, "InvalidEventId.NotFound"),
            ({"InstanceId": "i-bbb"}, 403, "InvalidEventId.NotFound"),
            ({"InstanceId": "i-x"}, 404, "InvalidInstanceId.NotFound"),
            ({"NotBefore": "2025-12-31T00:00:00Z"}, 403, "InvalidNotBefore.Passed"),
            ({"NotBefore": "soon"}, 403, "InvalidParameter"),
            *(({name: None}, 404, "MissingParameter") for name in ("EventId", "InstanceId", "NotBefore", "RegionId")),
        ],
    )
    def test_what_cannot_be_is_refused_and_nothing_moves(self, ecs, event_id, other, status, code):
        moved = {"EventId": event_id, "InstanceId": "i-aaa", "NotBefore": "2026-01-01T02:00:00Z", **other}
        assert ecs.refused("ModifySystemEventAttribute", **moved) == (status, code)
        assert ecs.history()[0]["NotBefore"] == "2026-01-01T01:00:00Z"

    def test_one_that_executes_or_asks_is_not_moved(self, alibaba, ecs):
        asking = alibaba.schedule("reboot", resources=["i-aaa"], native_type="SystemMaintenance.Reboot:Inquiring")
        (executing,) = ecs.create("SystemFailure.Stop", START + HOUR, "i-aaa")
        for event_id in (asking, executing):
            moved = {"EventId": event_id, "InstanceId": "i-aaa", "NotBefore": "2026-01-01T02:00:00Z"}
            assert ecs.refused("ModifySystemEventAttribute", **moved) == (403, "OperationConflict")


LEFT_OUT = {
    "DescribeInstances": {"DeviceAvailable", "EnableNVS", "SaleCycle", "ISP"},
    "DescribeInstanceAttribute": {"EnableNetworkEncryption", "NetworkOptions"},
    "DescribeDisks": {"DataSource"},
}
"""Fields of the newer SDK's models that are of previews, or of no use here."""

DESCRIPTIONS = {
    "DescribeInstances": {"AdditionalAttributes": ["META_OPTIONS"]},
    "DescribeInstanceAttribute": {"InstanceId": "i-bbb"},
    "DescribeInstanceStatus": {},
    "DescribeInstancesFullStatus": {},
    "DescribeInstanceHistoryEvents": {"EventCycleStatus": "Scheduled"},
    "DescribeInstanceMaintenanceAttributes": {},
    "DescribeDisks": {"AdditionalAttributes": ["Placement"]},
    "DescribeDisksFullStatus": {},
    "DescribeRegions": {},
    "DescribeZones": {},
}


class TestDescriptions:
    @pytest.fixture
    def models(self):
        return SDKS["new"].models

    @pytest.mark.parametrize("operation", DESCRIPTIONS)
    def test_fit_the_newer_sdks_model(self, alibaba, ecs, models, operation):
        alibaba.add_machines(["i-tagged"], {"env": "prod"})
        alibaba.schedule("terminate", cause="preemption", resources=["i-bbb"])
        ecs.create("SystemMaintenance.Reboot", START + HOUR, "i-aaa")
        model = getattr(models, f"{operation}ResponseBody")
        document = ecs.call(operation, **DESCRIPTIONS[operation])
        model().from_map(document).validate()
        assert misfits(model, document) == []

    def test_have_the_elastic_address_before_the_public_one_as_footmark_reads_them(self, ecs):
        listed = list(ecs.call("DescribeInstances")["Instances"]["Instance"][0])
        told = list(ecs.call("DescribeInstanceAttribute", InstanceId="i-aaa"))
        for names in (listed, told):
            assert names.index("EipAddress") < names.index("PublicIpAddress")

    @pytest.mark.parametrize(
        ("operation", "folders", "name"),
        [
            ("DescribeInstances", ("Instances", "Instance"), "InstancesInstance"),
            ("DescribeInstanceAttribute", (), ""),
            ("DescribeDisks", ("Disks", "Disk"), "DisksDisk"),
            ("DescribeDisksFullStatus", ("DiskFullStatusSet", "DiskFullStatusType"), None),
        ],
    )
    def test_have_all_fields_but_those_of_previews(self, ecs, models, operation, folders, name):
        document = ecs.call(operation, **DESCRIPTIONS[operation])
        for folder in folders:
            document = document[folder]
        document = document[0] if isinstance(document, list) else document
        kind = f"{operation}ResponseBody{''.join(folders) if name is None else name}"
        assert set(names_of(getattr(models, kind)).values()) - set(document) == LEFT_OUT.get(operation, set())

    def test_each_instance_has_an_address_of_its_own(self, alibaba, ecs):
        alibaba.add_machines([f"i-{number}" for number in range(600)])
        seen, token = [], None
        while True:
            answer = ecs.call("DescribeInstances", MaxResults=100, NextToken=token)
            seen += answer["Instances"]["Instance"]
            token = answer.get("NextToken")
            if token is None:
                break
        assert [each["InstanceId"] for each in seen] == ["i-aaa", "i-bbb", *(f"i-{number}" for number in range(600))]
        for name in ("MacAddress", "PrimaryIpAddress", "NetworkInterfaceId"):
            assert len({each["NetworkInterfaces"]["NetworkInterface"][0][name] for each in seen}) == 602
        assert len({each["SerialNumber"] for each in seen}) == 602

    def test_the_region_answers_where_it_was_asked(self, alibaba, ecs, asking):
        (region,) = ecs.call("DescribeRegions", RegionId=None)["Regions"]["Region"]
        assert f"http://{region['RegionEndpoint']}" == alibaba.url
        assert (region["RegionId"], region["LocalName"]) == ("cn-hangzhou", "华东1\uff08杭州\uff09")

    @pytest.mark.parametrize(
        ("region", "language", "name"),
        [
            ("cn-hangzhou", "en-US", "China (Hangzhou)"),
            ("sim-1", "en-US", "sim-1"),
            ("cn-beijing", None, "华北2\uff08北京\uff09"),
        ],
    )
    def test_a_region_has_its_name(self, alibabas, ecs_of, region, language, name):
        ecs = ecs_of(alibabas(region=region), region=region)
        assert ecs.call("DescribeRegions", AcceptLanguage=language)["Regions"]["Region"][0]["LocalName"] == name
        (zone,) = ecs.call("DescribeZones", AcceptLanguage=language, Verbose="false")["Zones"]["Zone"]
        assert zone["LocalName"].startswith(f"{name} ")
        assert list(zone) == ["LocalName", "ZoneId", "ZoneType"]


OWN = {
    "InstanceName": "i-a*",
    "Status": "Running",
    "ZoneId": "cn-hangzhou-h",
    "VpcId": "vpc-stormcone",
    "VSwitchId": "vsw-stormcone0",
    "SecurityGroupId": "sg-stormcone",
    "InstanceType": "ecs.g6.large",
    "InstanceTypeFamily": "ecs.g6",
    "InstanceNetworkType": "vpc",
    "InstanceChargeType": "PostPaid",
    "InternetChargeType": "PayByTraffic",
    "IoOptimized": "true",
    "ImageId": "aliyun_3_x64_20G_alibase_20240528.vhd",
    "PrivateIpAddresses": '["10.0.0.10", "192.0.2.1"]',
    "HttpEndpoint": "enabled",
    "HttpTokens": "optional",
}
DISKS_OWN = {
    "InstanceId": "i-aaa",
    "DiskName": "d-i-a*",
    "ZoneId": "cn-hangzhou-h",
    "PerformanceLevel": "PL1",
    "DiskChargeType": "PostPaid",
    "MultiAttach": "Disabled",
    "DeleteWithInstance": "true",
    "DeleteAutoSnapshot": "false",
    "EnableAutoSnapshot": "true",
    "EnableAutomatedSnapshotPolicy": "false",
    "EnableShared": "false",
    "Encrypted": "false",
    "Portable": "true",
    "DiskType": "system",
    "Category": "cloud_essd",
    "Status": "In_use",
}


def names(document):
    return [each["InstanceId"] for each in document["Instances"]["Instance"]]


class TestFilters:
    """That each leaves something out is shown by the walk over all parameters; here, what it leaves."""

    def test_all_of_them_together_leave_what_fits(self, ecs):
        assert names(ecs.call("DescribeInstances", **OWN)) == ["i-aaa"]
        disks = ecs.call("DescribeDisks", **DISKS_OWN)["Disks"]["Disk"]
        assert [each["DiskId"] for each in disks] == ["d-i-aaa"]

    def test_an_empty_list_of_ids_names_nobody_and_an_empty_text_everybody(self, ecs):
        for operation, ids in (("DescribeInstances", "InstanceIds"), ("DescribeDisks", "DiskIds")):
            for text, count in (("[]", 0), ("", 2), (None, 2)):
                assert ecs.call(operation, **{ids: text})["TotalCount"] == count, (operation, text)

    @pytest.mark.parametrize("kind", ["PublicIpAddresses", "EipAddresses", "InnerIpAddresses", "RdmaIpAddresses"])
    def test_a_private_address_is_of_no_other_kind(self, ecs, kind):
        own = '["10.0.0.10", "10.0.0.11"]'
        assert ecs.call("DescribeInstances", PrivateIpAddresses=own)["TotalCount"] == 2
        assert ecs.call("DescribeInstances", **{kind: own})["TotalCount"] == 0
        assert ecs.call("DescribeInstances", **{"Ipv6Address.1": "10.0.0.10"})["TotalCount"] == 0

    @pytest.mark.parametrize("name", ["Category", "DiskType", "Status"])
    def test_of_disks_some_have_a_word_for_all(self, ecs, name):
        assert ecs.call("DescribeDisks", **{name: "All" if name == "Status" else "all"})["TotalCount"] == 2

    def test_by_status_lock_and_tag(self, alibaba, ecs, clock):
        alibaba.add_machines(["i-tagged"], {"env": "prod", "team": "web"})
        alibaba.schedule("terminate", cause="preemption", resources=["i-bbb"])
        ecs.call("StopInstance", InstanceId="i-aaa")
        clock.advance(10)
        for given, expected in (
            ({"Status": "Stopped"}, ["i-aaa"]),
            ({"Status": "Running"}, ["i-bbb", "i-tagged"]),
            ({"LockReason": "Recycling"}, ["i-bbb"]),
            ({"LockReason": "recycling"}, ["i-bbb"]),
            ({"LockReason": "security"}, []),
            ({"Tag.1.Key": "env"}, ["i-tagged"]),
            ({"Tag.1.Key": "env", "Tag.1.Value": "prod", "Tag.2.Key": "team"}, ["i-tagged"]),
            ({"Tag.1.Key": "env", "Tag.1.Value": "test"}, []),
            ({"Status": "Running", "Tag.1.Key": "env", "InstanceIds": '["i-bbb"]'}, []),
        ):
            answer = ecs.call("DescribeInstances", **given)
            assert (names(answer), answer["TotalCount"]) == (expected, len(expected)), given

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("i-aaa", ["i-aaa"]),
            ("*", ["i-aaa", "i-bbb"]),
            ("*bb*", ["i-bbb"]),
            ("i-?aa", []),
            ("aaa", []),
            ("I-AAA", []),
        ],
    )
    def test_a_star_in_a_name_stands_for_anything(self, ecs, pattern, expected):
        assert names(ecs.call("DescribeInstances", InstanceName=pattern)) == expected

    @pytest.mark.parametrize(
        ("key", "time", "count"),
        [
            ("CreationStartTime", "2025-01-01T00:00Z", 2),
            ("CreationStartTime", "2025-01-01T00:01Z", 0),
            ("CreationEndTime", "2025-01-01T00:00Z", 2),
            ("CreationEndTime", "2024-12-31T23:59Z", 0),
        ],
    )
    def test_by_when_they_were_made(self, ecs, key, time, count):
        asked = {"Filter.1.Key": key, "Filter.1.Value": time}
        for operation in ("DescribeInstances", "DescribeDisks"):
            assert ecs.call(operation, **asked)["TotalCount"] == count

    def test_a_disk_that_does_not_expire_fits_no_time_of_expiry(self, ecs):
        asked = {"Filter.1.Key": "ExpiredEndTime", "Filter.1.Value": "2999-01-01T00:00Z"}
        assert ecs.call("DescribeDisks", **asked)["TotalCount"] == 0
        assert ecs.call("DescribeInstances", **asked)["TotalCount"] == 2

    def test_a_dry_run_is_refused_once_all_is_right(self, ecs):
        for operation in ("DescribeInstances", "DescribeDisks"):
            assert ecs.refused(operation, DryRun="true") == (400, "DryRunOperation")
            assert ecs.refused(operation, DryRun="true", NextToken="x")[1] == "InvalidParameter"
            assert ecs.call(operation, DryRun="false")["TotalCount"] == 2


class TestPages:
    @pytest.mark.parametrize(
        ("operation", "folders", "most"),
        [("DescribeInstances", ("Instances", "Instance"), 100), ("DescribeDisks", ("Disks", "Disk"), 500)],
    )
    @pytest.mark.parametrize("filters", [{}, {"InstanceName": "i-*"}])
    def test_tokens_lead_through_all_once_whatever_is_added_meanwhile(
        self, alibaba, ecs, operation, folders, most, filters
    ):
        filters = {"DiskName": "d-i-*"} if filters and operation == "DescribeDisks" else filters
        alibaba.add_machines([f"i-{number}" for number in range(600)])
        seen, token, sizes = [], None, []
        while True:
            answer = ecs.call(operation, MaxResults=1000, NextToken=token, **filters)
            page = answer[folders[0]][folders[1]]
            seen += [each["InstanceId"] for each in page]
            sizes.append(len(page))
            token = answer.get("NextToken")
            if token is None:
                break
            if len(sizes) == 1:
                alibaba.add_machines(["i-late"])
        assert seen == ["i-aaa", "i-bbb", *(f"i-{number}" for number in range(600)), "i-late"]
        assert set(sizes[:-1]) == {most}

    def test_ids_keep_their_order_on_numbered_pages(self, ecs):
        assert names(ecs.call("DescribeInstances", InstanceIds='["i-bbb", "i-aaa", "i-bbb"]')) == ["i-bbb", "i-aaa"]

    def test_fifty_at_most_are_on_a_page_of_statuses(self, ecs):
        ecs.call("DescribeInstanceStatus", PageSize=50)
        assert ecs.refused("DescribeInstanceStatus", PageSize=51) == (403, "InvalidParameter")
