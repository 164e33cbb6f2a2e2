"""EC2's metadata service: tokens and who gets none, what an instance learns of itself, and what is announced to it."""

import json
import threading
from datetime import datetime, timedelta

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import SettingsError
from stormcone.model import Cause, Impact, Outcome
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.aws import AwsSimulator
from stormcone_simulators.aws.imds.service import ImdsMode
from stormcone_simulators.aws.imds.tree import VERSIONS, event_date

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
META = "/latest/meta-data/"
SCHEDULED = f"{META}events/maintenance/scheduled"
HISTORY = f"{META}events/maintenance/history"
SPOT = f"{META}spot/instance-action"
TERMINATION = f"{META}spot/termination-time"
REBALANCE = f"{META}events/recommendations/rebalance"
STATE = f"{META}autoscaling/target-lifecycle-state"
ROLE = f"{META}iam/security-credentials/"
MAC = f"{META}network/interfaces/macs/0e:00:0a:00:00:0b"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def get(aws, asking):
    return lambda path, name="i-bbb", **more: asking(aws.urls()[name], "GET", path, **more)


@pytest.fixture
def token_of(asking):
    def make(url, seconds="60", method="PUT", **headers):
        given = {} if seconds is None else {TTL: seconds}
        return asking(url, method, "/latest/api/token", headers={**given, **headers})

    return make


class TestValues:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (f"{META}instance-id", "i-bbb"),
            (f"{META}instance-life-cycle", "spot"),
            (f"{META}instance-type", "m7i.large"),
            (f"{META}local-hostname", "ip-10-0-0-11.ec2.internal"),
            (f"{META}local-ipv4", "10.0.0.11"),
            (f"{META}placement/region", "us-east-1"),
            (f"{META}placement/availability-zone", "us-east-1a"),
            (f"{META}placement/availability-zone-id", "use1-az1"),
            (f"{META}network/interfaces/macs/", "0e:00:0a:00:00:0b/"),
            (f"{MAC}/vpc-ipv4-cidr-block", "10.0.0.0/16"),
            (f"{META}events/", "maintenance/"),
            (f"{META}events/maintenance/", "history\nscheduled"),
            (STATE, "InService"),
            (SCHEDULED, "[]"),
            (HISTORY, "[]"),
            (ROLE, "stormcone"),
            ("/2009-04-04/meta-data/instance-id", "i-bbb"),
            ("/2021-03-23/meta-data/instance-id/", "i-bbb"),
            ("/latest", "dynamic\nmeta-data"),
            ("/latest/", "dynamic\nmeta-data"),
            ("/", "\n".join(VERSIONS)),
        ],
    )
    def test_an_instance_learns_of_itself(self, get, path, value):
        answer = get(path)
        assert (answer.status, answer.body.decode()) == (200, value)
        assert (answer.headers["content-type"], answer.headers["server"]) == ("text/plain", "EC2ws")

    def test_without_a_prefix_the_first_machine_asks(self, aws, asking):
        assert asking(aws.url, "GET", f"{META}instance-id").body == b"i-aaa"

    def test_its_identity_is_a_document(self, get):
        document = get("/latest/dynamic/instance-identity/document").json
        assert document["instanceId"] == "i-bbb"
        assert (document["accountId"], document["region"]) == ("123456789012", "us-east-1")
        assert (document["availabilityZone"], document["privateIp"]) == ("us-east-1a", "10.0.0.11")

    def test_whatever_a_listing_names_answers(self, get):
        def walk(path):
            for name in get(path).body.decode().splitlines():
                answer = get(f"{path}{name}")
                assert answer.status == 200, f"{path}{name}"
                if name.endswith("/"):
                    walk(f"{path}{name}")

        walk(META)

    @pytest.mark.parametrize(
        "path",
        [
            SPOT,
            TERMINATION,
            REBALANCE,
            f"{META}spot/",
            f"{META}public-ipv4",
            "/latest/user-data",
            "/latest/dynamic/instance-identity/pkcs7",
            "/2001-01-01/meta-data/instance-id",
            "/latest/nothing",
            "/metadata/instance",
            "/computeMetadata/v1/",
        ],
    )
    def test_what_is_not_there_is_a_page_that_says_so(self, get, path):
        answer = get(path)
        assert (answer.status, answer.headers["content-type"]) == (404, "text/html")
        assert b"<h1>404 - Not Found</h1>" in answer.body
        assert b'xml version="1.0" encoding="iso-8859-1"' in answer.body

    def test_the_region_is_said_everywhere(self, awss, asking):
        url = awss(region="eu-central-1").url
        assert asking(url, "GET", f"{META}placement/availability-zone").body == b"eu-central-1a"
        assert asking(url, "GET", f"{META}local-hostname").body == b"ip-10-0-0-10.eu-central-1.compute.internal"

    def test_an_on_demand_instance_says_so(self, awss, asking):
        urls = awss(on_demand=["i-bbb"]).urls()
        assert [asking(url, "GET", f"{META}instance-life-cycle").body for url in urls.values()] == [
            b"spot",
            b"on-demand",
        ]

    def test_the_credentials_of_its_role_outlast_both_clocks(self, awss, asking, clock):
        later = ManualClock(clock.now() + timedelta(days=400))
        for signing_clock in (clock, later):
            found = json.loads(asking(awss(signing_clock=signing_clock).url, "GET", f"{ROLE}stormcone").body)
            assert datetime.fromisoformat(found["Expiration"]) > signing_clock.now()
            assert datetime.fromisoformat(found["LastUpdated"]) <= clock.now()
            assert (found["Code"], found["AccessKeyId"][:4]) == ("Success", "ASIA")


class TestTokens:
    @pytest.mark.parametrize("seconds", ["1", "60", "21600"])
    def test_one_is_given_for_as_long_as_it_is_asked_for(self, aws, token_of, seconds):
        answer = token_of(aws.url, seconds)
        assert (answer.status, answer.headers[TTL.lower()]) == (200, seconds)

    @pytest.mark.parametrize("seconds", [None, "", "0", "21601", "-1", "1.5", "long", "٣"])
    def test_none_is_given_for_a_time_that_it_cannot_last(self, aws, token_of, seconds):
        if seconds is not None:
            seconds = seconds.encode().decode("latin-1")
        answer = token_of(aws.url, seconds)
        assert (answer.status, b"400 - Bad Request" in answer.body) == (400, True)

    def test_one_is_good_for_its_instance_until_it_expires(self, aws, asking, token_of, clock):
        url, other = aws.urls()["i-aaa"], aws.urls()["i-bbb"]
        header = {TOKEN: token_of(url, "60").body.decode()}
        assert asking(url, "GET", f"{META}instance-id", headers=header).status == 200
        assert asking(other, "GET", f"{META}instance-id", headers=header).status == 401
        clock.advance(59)
        assert asking(url, "GET", f"{META}instance-id", headers=header).status == 200
        clock.advance(1)
        answer = asking(url, "GET", f"{META}instance-id", headers=header)
        assert (answer.status, b"401 - Unauthorized" in answer.body) == (401, True)

    @pytest.mark.parametrize("token", ["", "x", "x" * 3000, "AAAA"])
    def test_what_is_none_is_refused_though_none_is_needed(self, aws, asking, token):
        assert asking(aws.url, "GET", f"{META}instance-id", headers={TOKEN: token}).status == 401

    def test_two_in_one_request_are_refused(self, aws, asking, token_of):
        token = token_of(aws.url).body.decode()
        assert asking(aws.url, "GET", f"{META}instance-id", headers={TOKEN: f"{token}, {token}"}).status == 401

    def test_none_is_given_through_a_proxy(self, aws, token_of):
        assert token_of(aws.url, **{"X-Forwarded-For": "10.1.2.3"}).status == 403

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    def test_by_no_other_method(self, aws, token_of, method):
        assert token_of(aws.url, method=method).status == 405

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
    def test_nothing_else_is_put_or_posted(self, aws, asking, method):
        assert asking(aws.url, method, f"{META}instance-id").status == 405

    def test_version_2_alone_answers_nobody_without_one(self, awss, asking, token_of):
        url = awss(imds=ImdsMode.V2).url
        assert asking(url, "GET", f"{META}instance-id").status == 401
        assert asking(url, "GET", "/").status == 401
        header = {TOKEN: token_of(url).body.decode()}
        assert asking(url, "GET", f"{META}instance-id", headers=header).status == 200

    def test_a_service_that_is_off_answers_nobody(self, awss, asking, token_of):
        url = awss(imds=ImdsMode.OFF).url
        assert (asking(url, "GET", f"{META}instance-id").status, token_of(url).status) == (403, 403)


class TestHops:
    @pytest.mark.parametrize(("hops", "limit"), [(0, 1), (1, 2), (1, 64), (2, 3)])
    def test_a_token_arrives_within_its_limit(self, awss, token_of, hops, limit):
        assert token_of(awss(hops=hops, hop_limit=limit).url).status == 200

    @pytest.mark.parametrize(("hops", "limit"), [(1, 1), (2, 2), (64, 64)])
    def test_one_that_would_go_further_never_comes_while_all_else_does(
        self, awss, asking, token_of, clock, hops, limit
    ):
        aws = awss(hops=hops, hop_limit=limit)
        came = []

        def wait():
            try:
                came.append(token_of(aws.url).status)
            except OSError:
                came.append("nothing")

        waiting = threading.Thread(target=wait)
        waiting.start()
        for _ in range(3):
            assert asking(aws.url, "GET", f"{META}instance-id").status == 200
            clock.advance(minutes=30)
        assert came == []
        aws.close()
        waiting.join()
        assert came == ["nothing"]


class TestScheduledEvents:
    def test_one_has_the_documented_fields_in_their_order(self, aws, get, clock):
        event_id = aws.schedule(Impact.REBOOT, resources=["i-bbb"], notice=timedelta(days=4, hours=9, seconds=43))
        (event,) = get(SCHEDULED).json
        assert list(event) == [
            "NotBefore",
            "Code",
            "Description",
            "EventId",
            "NotAfter",
            "NotBeforeDeadline",
            "State",
        ]
        assert event == {
            "NotBefore": "5 Jan 2026 09:00:43 GMT",
            "Code": "system-reboot",
            "Description": "scheduled reboot",
            "EventId": event_id,
            "NotAfter": "5 Jan 2026 11:00:43 GMT",
            "NotBeforeDeadline": "12 Jan 2026 09:00:43 GMT",
            "State": "active",
        }
        assert get(SCHEDULED, "i-aaa").json == []

    def test_a_stop_says_when_it_begins_and_no_more(self, aws, get):
        aws.schedule(Impact.STOP, resources=["i-bbb"])
        assert set(get(SCHEDULED).json[0]) == {"NotBefore", "Code", "Description", "EventId", "State"}

    def test_dates_are_in_english_and_of_utc_whatever_the_machine_speaks(self, clock):
        assert event_date(clock.now()) == "1 Jan 2026 00:00:00 GMT"
        east = datetime.fromisoformat("2026-12-31T23:30:00-05:00")
        assert event_date(east) == "1 Jan 2027 04:30:00 GMT"

    def test_one_is_active_while_it_lasts_and_then_in_the_history(self, aws, get, clock):
        event_id = aws.schedule(Impact.REBOOT, resources=["i-bbb"], notice=15 * MINUTE)
        clock.advance(minutes=16)
        assert [event["State"] for event in get(SCHEDULED).json] == ["active"]
        clock.advance(minutes=10)
        assert get(SCHEDULED).json == []
        (ended,) = get(HISTORY).json
        assert (ended["EventId"], ended["State"]) == (event_id, "completed")
        assert ended["Description"] == "[Completed] scheduled reboot"
        clock.advance(timedelta(days=7))
        assert get(HISTORY).json == []

    def test_one_that_is_called_off_says_so_in_the_history(self, aws, get):
        aws.cancel(aws.schedule(Impact.REBOOT, resources=["i-bbb"]))
        assert [(event["State"], event["Description"]) for event in get(HISTORY).json] == [
            ("canceled", "[Canceled] scheduled reboot")
        ]

    def test_one_whose_end_has_no_name_is_in_neither_list(self, aws, get):
        aws.complete(aws.schedule(Impact.REBOOT, resources=["i-bbb"]), Outcome.FAILED)
        assert (get(SCHEDULED).json, get(HISTORY).json) == ([], [])


class TestSpot:
    @pytest.mark.parametrize(("impact", "action"), [("terminate", "terminate"), ("stop", "stop")])
    def test_an_interruption_is_told_two_minutes_ahead(self, aws, get, clock, impact, action):
        aws.schedule(Impact(impact), resources=["i-bbb"], cause=Cause.PREEMPTION)
        assert get(SPOT).json == {"action": action, "time": "2026-01-01T00:02:00Z"}
        assert get(SPOT, "i-aaa").status == 404
        clock.advance(minutes=4)
        assert get(SPOT).status == 404

    def test_only_the_end_has_a_termination_time(self, aws, get):
        aws.schedule(Impact.TERMINATE, resources=["i-bbb"])
        aws.schedule(Impact.STOP, resources=["i-aaa"], cause=Cause.PREEMPTION)
        assert get(TERMINATION).body == b"2026-01-01T00:02:00Z"
        assert get(TERMINATION, "i-aaa").status == 404

    def test_a_hibernation_is_told_as_it_begins(self, aws, get, clock):
        aws.schedule(Impact.HIBERNATE, resources=["i-bbb"], notice=5 * MINUTE)
        assert get(SPOT).status == 404
        clock.advance(minutes=5)
        assert get(SPOT).json == {"action": "hibernate", "time": "2026-01-01T00:05:00Z"}

    def test_an_ordered_interruption_is_first_recommended_for(self, aws, get, clock):
        clock.advance(hours=1)
        aws.schedule(Impact.TERMINATE, resources=["i-bbb"], notice=5 * MINUTE)
        assert (get(REBALANCE).json, get(SPOT).status) == ({"noticeTime": "2026-01-01T01:00:00Z"}, 404)
        clock.advance(minutes=3)
        assert (get(REBALANCE).status, get(SPOT).json["time"]) == (200, "2026-01-01T01:05:00Z")

    def test_a_recommendation_stays_the_same(self, aws, get, clock):
        aws.schedule(Impact.TERMINATE, resources=["i-bbb"], native_type="rebalance")
        first = get(REBALANCE).json
        clock.advance(timedelta(days=3))
        assert get(REBALANCE).json == first
        assert get(SPOT).status == 404


class TestTargetState:
    def test_auto_scaling_takes_an_instance_away(self, aws, get):
        aws.schedule(Impact.TERMINATE, resources=["i-bbb"], cause=Cause.SCALE_IN)
        assert (get(STATE).body, get(STATE, "i-aaa").body) == (b"Terminated", b"InService")


class TestSettings:
    def test_are_read(self):
        settings = {"region": "ap-southeast-2", "on-demand": "i-b", "imds": "v2", "hops": "1", "hop-limit": "2"}
        made = AwsSimulator.from_options(SimulatorOptions(machines=("i-a", "i-b"), settings=settings))
        with made as aws:
            assert aws.facts() == {
                "region": "ap-southeast-2",
                "metadata": f"{aws.url}/latest/meta-data/",
                "queue": "stormcone",
                "aws_access_key_id": "testid",
                "aws_secret_access_key": "testsecret",
            }

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("region", "Virginia", "the region 'Virginia' is not of the form of one"),
            ("on-demand", "i-nobody", "the setting on-demand cannot be used: there is no machine 'i-nobody'"),
            ("imds", "v1", "the setting imds is both, v2, off, not 'v1'"),
            ("hop-limit", "0", "the hop limit is from 1 to 64, not 0"),
            ("hop-limit", "65", "the hop limit is from 1 to 64, not 65"),
            ("hops", "many", "the setting hops is a whole number"),
            ("access-key", "half", "an access key is of the form ID:SECRET"),
            ("queue", "a b", "the queue 'a b' is not of the form"),
            ("heartbeat", "soon", "the setting heartbeat cannot be used"),
        ],
    )
    def test_that_cannot_be_used_are_refused_with_the_reason(self, name, value, says):
        with pytest.raises(SettingsError, match=says):
            AwsSimulator.from_options(SimulatorOptions(settings={name: value}))
