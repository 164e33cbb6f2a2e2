"""The metadata service of an instance: tokens, who it is, its role, and the release of a spot instance."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.clock import ManualClock

TTL = "X-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN = "X-aliyun-ecs-metadata-token"
SPOT = "/latest/meta-data/instance/spot/termination-time"
ROLE = "/latest/meta-data/ram/security-credentials/"


@pytest.fixture
def get(alibaba, asking):
    return lambda path, name="i-bbb", **more: asking(alibaba.urls()[name], "GET", path, **more)


@pytest.fixture
def token_of(asking):
    def make(url, seconds="60", **headers):
        answer = asking(url, "PUT", "/latest/api/token", headers={TTL: seconds, **headers})
        return answer.body.decode() if answer.status == 200 else answer.status

    return make


class TestValues:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("/latest/meta-data/instance-id", b"i-bbb"),
            ("/latest/meta-data/region-id", b"cn-hangzhou"),
            ("/latest/meta-data/zone-id", b"cn-hangzhou-h"),
            ("/latest/meta-data/owner-account-id", b"1234567890123456"),
            ("/2016-01-01/meta-data/instance-id", b"i-bbb"),
            ("/latest/meta-data/hostname", b"i-bbb"),
            ("/latest/meta-data/instance/instance-type", b"ecs.g6.large"),
            ("/latest/meta-data/private-ipv4", b"10.0.0.11"),
            ("/latest/meta-data/mac", b"00:16:3e:00:00:0b"),
            ("/latest/meta-data/network/interfaces/macs/", b"00:16:3e:00:00:0b/"),
            ("/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:0b/netmask", b"255.255.0.0"),
            ("/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:0b/private-ipv4s", b'["10.0.0.11"]'),
            ("/", b"2016-01-01/\nlatest/"),
            ("/latest", b"dynamic/\nmaintenance/\nmeta-data/"),
            ("/latest/", b"dynamic/\nmaintenance/\nmeta-data/"),
            ("/latest/maintenance/active-system-events", b"None"),
            (ROLE, b"stormcone"),
        ],
    )
    def test_an_instance_learns_of_itself(self, get, path, value):
        answer = get(path)
        assert (answer.status, answer.body) == (200, value)
        assert answer.headers["content-type"].startswith("text/plain")

    def test_without_a_prefix_the_first_machine_asks(self, alibaba, asking):
        assert asking(alibaba.url, "GET", "/latest/meta-data/instance-id").body == b"i-aaa"

    def test_another_region_is_a_setting(self, alibabas, asking):
        simulator = alibabas(region="cn-beijing")
        assert asking(simulator.url, "GET", "/latest/meta-data/region-id").body == b"cn-beijing"

    def test_its_identity_is_a_document(self, get):
        document = get("/latest/dynamic/instance-identity/document").json
        assert document == {
            "zone-id": "cn-hangzhou-h",
            "serial-number": document["serial-number"],
            "instance-id": "i-bbb",
            "region-id": "cn-hangzhou",
            "private-ipv4": "10.0.0.11",
            "owner-account-id": "1234567890123456",
            "mac": "00:16:3e:00:00:0b",
            "image-id": "aliyun_3_x64_20G_alibase_20240528.vhd",
            "instance-type": "ecs.g6.large",
        }

    def test_it_says_what_the_api_says_of_the_instance(self, get, ecs):
        (item,) = ecs.call("DescribeInstances", InstanceIds='["i-bbb"]')["Instances"]["Instance"]
        said = get("/latest/dynamic/instance-identity/document").json
        network = item["VpcAttributes"]
        assert said["private-ipv4"] == network["PrivateIpAddress"]["IpAddress"][0]
        assert said["mac"] == item["NetworkInterfaces"]["NetworkInterface"][0]["MacAddress"]
        assert said["serial-number"] == item["SerialNumber"]
        assert said["image-id"] == item["ImageId"]
        assert get("/latest/meta-data/vswitch-id").body.decode() == network["VSwitchId"]

    def test_whatever_a_listing_names_answers(self, alibaba, get):
        alibaba.schedule("terminate", cause="preemption", resources=["i-bbb"])
        waiting, leaves = ["/"], []
        while waiting:
            folder = waiting.pop()
            for name in get(folder).body.decode().splitlines():
                (waiting if name.endswith("/") else leaves).append(folder + name)
        assert all(get(path).status == 200 and get(path).body for path in leaves)
        dated = {path.removeprefix("/2016-01-01") for path in leaves if path.startswith("/2016")}
        assert dated == {path.removeprefix("/latest") for path in leaves if path.startswith("/latest")}
        assert "/meta-data/instance/spot/termination-time" in dated
        assert len(dated) > 35

    @pytest.mark.parametrize(
        "path", ["/latest/nothing", "/latest/meta-data/nothing", "/latest/user-data", "/2009-04-04/meta-data/"]
    )
    def test_there_is_nothing_else(self, get, path):
        assert get(path).status == 404

    def test_it_is_only_read(self, alibaba, asking):
        assert asking(alibaba.url, "POST", "/latest/meta-data/instance-id").status == 405

    def test_active_events_say_nothing_even_while_there_are_some(self, alibaba, get):
        alibaba.schedule("reboot", resources=["i-bbb"])
        assert get("/latest/maintenance/active-system-events").body == b"None"

    def test_a_failure_is_plain_text(self, alibaba, get):
        alibaba.faults.add(status=503, path="/latest")
        answer = get("/latest/meta-data/instance-id")
        assert (answer.status, answer.body) == (503, b"Service Unavailable")


class TestRole:
    def test_its_credentials_are_good_for_the_api(self, alibaba, get, ecs_of):
        given = json.loads(get(f"{ROLE}stormcone").body)
        assert given["Code"] == "Success"
        role = {"key": given["AccessKeyId"], "secret": given["AccessKeySecret"], "token": given["SecurityToken"]}
        assert ecs_of(alibaba, **role).call("DescribeInstances")["TotalCount"] == 2

    def test_there_is_no_other_role(self, get):
        assert get(f"{ROLE}admin").status == 404

    @pytest.mark.parametrize(("clients_ahead", "expires"), [(0, "2026-01-01T06:00:00Z"), (24, "2026-01-02T06:00:00Z")])
    def test_they_last_for_six_hours_by_either_clock(self, alibabas, asking, clients_ahead, expires):
        clients = ManualClock(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=clients_ahead))
        simulator = alibabas(signing_clock=clients)
        given = asking(simulator.url, "GET", f"{ROLE}stormcone").json
        assert (given["Expiration"], given["LastUpdated"]) == (expires, "2026-01-01T00:00:00Z")


class TestTokens:
    def test_a_token_is_good_for_its_machine_until_it_expires(self, alibaba, get, token_of, clock):
        token = token_of(alibaba.urls()["i-bbb"])
        for _ in range(2):
            assert get("/latest/meta-data/instance-id", headers={TOKEN: token}).body == b"i-bbb"
        assert get("/latest/meta-data/instance-id", "i-aaa", headers={TOKEN: token}).status == 401
        clock.advance(59)
        assert get("/latest/meta-data/instance-id", headers={TOKEN: token}).status == 200
        clock.advance(1)
        assert get("/latest/meta-data/instance-id", headers={TOKEN: token}).status == 401

    @pytest.mark.parametrize("seconds", ["1", "21600"])
    def test_it_lasts_from_a_second_to_six_hours(self, alibaba, token_of, seconds):
        assert len(token_of(alibaba.url, seconds)) > 32

    @pytest.mark.parametrize("seconds", ["", "0", "-1", "21601", "1.5", "x", "1" * 5000, "²"])
    def test_another_span_is_refused(self, alibaba, token_of, seconds):
        assert token_of(alibaba.url, seconds) == 400

    def test_a_request_that_was_forwarded_gets_none(self, alibaba, token_of):
        assert token_of(alibaba.url, **{"X-Forwarded-For": "192.0.2.1"}) == 403

    def test_a_token_is_put_and_not_got(self, alibaba, asking):
        assert asking(alibaba.url, "GET", "/latest/api/token").status == 405

    @pytest.mark.parametrize("token", ["", "x", "YWJj", "é", "A" * 100])
    def test_what_is_no_token_is_refused(self, get, token):
        assert get("/latest/meta-data/instance-id", headers={TOKEN: token}).status == 401

    def test_where_tokens_are_required_nothing_is_answered_without(self, alibabas, asking, token_of):
        simulator = alibabas(token_required=True)
        path = "/latest/meta-data/instance-id"
        assert asking(simulator.url, "GET", path).status == 403
        assert asking(simulator.url, "GET", path, headers={TOKEN: token_of(simulator.url)}).status == 200


class TestSpotRelease:
    def test_its_time_stands_in_the_metadata_of_that_instance_alone(self, alibaba, get, clock):
        assert get(SPOT).status == 404
        alibaba.schedule("terminate", cause="preemption", resources=["i-bbb"])
        assert get(SPOT).body == b"2026-01-01T00:05:00Z"
        assert get(SPOT, "i-aaa").status == 404
        clock.advance(minutes=5)
        assert get(SPOT).body == b"2026-01-01T00:05:00Z"

    def test_the_scenario_announces_it_half_a_minute_ahead(self, alibaba, get):
        alibaba.play("spot-eviction")
        assert get(SPOT, "i-aaa").body == b"2026-01-01T00:00:30Z"

    def test_it_is_gone_when_it_is_called_off(self, alibaba, get):
        alibaba.cancel(alibaba.schedule("terminate", resources=["i-bbb"]))
        assert get(SPOT).status == 404

    def test_the_api_lists_no_event_for_it_but_a_lock(self, alibaba, ecs):
        event_id = alibaba.schedule("terminate", resources=["i-bbb"])
        assert ecs.history() == []
        assert ecs.refused("CancelSimulatedSystemEvents", EventId=[event_id]) == (403, "InvalidEventId.NotFound")
        assert ecs.call("DescribeInstancesFullStatus", EventId=[event_id])["TotalCount"] == 0
        first, second = ecs.call("DescribeInstances")["Instances"]["Instance"]
        assert (first["SpotStrategy"], first["OperationLocks"]["LockReason"]) == ("NoSpot", [])
        assert second["OperationLocks"]["LockReason"] == [{"LockReason": "Recycling"}]
