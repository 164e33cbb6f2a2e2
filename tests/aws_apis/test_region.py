"""The region's provider on the wire: what it asks, what it makes of odd answers, and what it says of errors."""

import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from stormcone.clouds.contract import Postpones, ProviderOptions
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, SettingsError, Unreachable
from stormcone.model import Approval, Ending, Impact, Origin, Outcome, Phase, Scope
from stormcone_aws.region import AwsRegionProvider

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"


def entry(identifier="instance-event-0d59937288b749b32", code="system-reboot", text="scheduled reboot", **times):
    known = {"notBefore": "2026-04-18T15:00:00.000Z", "notAfter": "2026-04-18T17:00:00.000Z", **times}
    said = "".join(f"<{name}>{value}</{name}>" for name, value in known.items() if value)
    return (
        f"<item><instanceEventId>{identifier}</instanceEventId><code>{code}</code>"
        f"<description>{text}</description>{said}</item>"
    )


def statuses(*instances, token=""):
    """An answer about instances, each a pair of its id and its entries."""
    items = "".join(
        f"<item><instanceId>{name}</instanceId><availabilityZone>eu-west-1a</availabilityZone>"
        f"<eventsSet>{entries}</eventsSet></item>"
        for name, entries in instances
    )
    more = f"<nextToken>{token}</nextToken>" if token else ""
    body = f"<instanceStatusSet>{items}</instanceStatusSet>{more}"
    return f'<DescribeInstanceStatusResponse xmlns="{NAMESPACE}">{body}</DescribeInstanceStatusResponse>'.encode()


def instances(*names):
    items = "".join(
        f"<item><instancesSet><item><instanceId>{name}</instanceId><privateDnsName>{name}.internal</privateDnsName>"
        f"</item></instancesSet></item>"
        for name in names
    )
    body = f"<reservationSet>{items}</reservationSet>"
    return f'<DescribeInstancesResponse xmlns="{NAMESPACE}">{body}</DescribeInstancesResponse>'.encode()


def refusal(code, message="Some words."):
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>".encode()


@pytest.fixture
def open_region(scripted, clock):
    opened = []

    def opening(*, region="eu-west-1", endpoint=scripted.url, machine=None, tap=None, **settings):
        given = {"scope": "region"} | settings
        options = ProviderOptions(
            endpoint=endpoint, region=region, machine=machine, clock=clock, tap=tap, settings=given
        )
        opened.append(AwsRegionProvider.from_options(options))
        return opened[-1]

    yield opening
    for provider in opened:
        provider.close()


def asked(scripted):
    return [{name: values[0] for name, values in parse_qs(each.body.decode()).items()} for each in scripted.asked]


class TestEvents:
    def test_an_event_is_read_with_its_times_and_its_instances_node(self, open_region, scripted):
        scripted.answer(200, statuses(("i-0a", entry(notBeforeDeadline="2026-04-25T15:00:00.000Z"))))
        scripted.answer(200, instances("i-0a"))
        (event,) = open_region().poll().events
        assert (event.id, event.provider, event.native_type) == (
            "instance-event-0d59937288b749b32",
            "aws",
            "system-reboot",
        )
        assert (event.impact, event.phase, event.phase_origin) == (Impact.REBOOT, Phase.SCHEDULED, Origin.INFERRED)
        assert event.not_before == datetime(2026, 4, 18, 15, tzinfo=UTC)
        assert event.ends_by == datetime(2026, 4, 18, 17, tzinfo=UTC)
        assert event.movable_until == datetime(2026, 4, 25, 15, tzinfo=UTC)
        assert event.native_status == "active"  # as the metadata service calls it
        assert event.aliases == {"i-0a": ("i-0a.internal",)}
        assert event.approval is Approval.NONE

    @pytest.mark.parametrize(
        ("text", "outcome"),
        [("[Completed] scheduled reboot", Outcome.COMPLETED), ("[Canceled] scheduled reboot", Outcome.CANCELED)],
    )
    def test_an_end_stands_at_the_beginning_of_the_text(self, open_region, scripted, text, outcome):
        scripted.answer(200, statuses(("i-0a", entry(text=text)))).answer(200, instances("i-0a"))
        (event,) = open_region().poll().events
        assert (event.phase, event.outcome, event.outcome_origin) == (Phase.ENDED, outcome, Origin.REPORTED)
        assert event.native_status == outcome.value

    def test_maintenance_of_the_power_restarts(self, open_region, scripted):
        text = "The instance is scheduled for power maintenance"
        scripted.answer(200, statuses(("i-0a", entry(code="system-maintenance", text=text))))
        scripted.answer(200, instances("i-0a"))
        assert open_region().poll().events[0].impact is Impact.REBOOT

    def test_an_unknown_code_and_an_odd_time_spoil_nothing_beside_them(self, open_region, scripted):
        odd = entry("instance-event-1", "instance-teleport", notBefore="soon")
        scripted.answer(200, statuses(("i-0a", odd), ("i-0b", entry()))).answer(200, instances("i-0a", "i-0b"))
        observation = open_region().poll()
        assert [(event.impact, event.not_before is None) for event in observation.events] == [
            (Impact.UNKNOWN, True),
            (Impact.REBOOT, False),
        ]
        assert "the code 'instance-teleport' is not known" in observation.problems[0]
        assert "NotBefore cannot be read: it is not a time" in observation.problems[1]
        assert observation.whole == {"scheduled"}

    def test_one_without_an_id_gets_one_that_stays_and_ends_nothing(self, open_region, scripted):
        for _ in range(2):
            scripted.answer(200, statuses(("i-0a", entry(""))))
            scripted.answer(200, instances("i-0a")) if len(scripted.steps) == 1 else None
        provider = open_region()
        first, second = provider.poll(), provider.poll()
        assert first.events == second.events
        assert (first.events[0].id_origin, first.whole) == (Origin.INFERRED, frozenset())
        assert first.problems == (f"an event of i-0a has no id, so it is known as {first.events[0].id}",)


class TestAsking:
    def test_all_instances_are_asked_about_page_by_page(self, open_region, scripted):
        scripted.answer(200, statuses(("i-0a", entry("instance-event-1")), token="two"))
        scripted.answer(200, statuses(("i-0b", entry("instance-event-2"))))
        scripted.answer(200, instances("i-0a", "i-0b"))
        observation = open_region().poll()
        assert [event.id for event in observation.events] == ["instance-event-1", "instance-event-2"]
        first, second, names = asked(scripted)
        assert (first["Action"], first["IncludeAllInstances"], first["MaxResults"]) == (
            "DescribeInstanceStatus",
            "true",
            "1000",
        )
        assert second["NextToken"] == "two"
        assert (names["Filter.1.Name"], names["Filter.1.Value.2"]) == ("instance-id", "i-0b")

    def test_the_names_of_nodes_are_asked_once(self, open_region, scripted):
        scripted.answer(200, statuses(("i-0a", entry()))).answer(200, instances("i-0a"))
        scripted.answer(200, statuses(("i-0a", entry())))
        provider = open_region()
        assert provider.poll().events == provider.poll().events
        assert len(scripted.asked) == 3

    def test_events_are_told_where_the_nodes_cannot_be_asked(self, open_region, scripted):
        scripted.answer(200, statuses(("i-0a", entry()))).answer(403, refusal("UnauthorizedOperation"))
        observation = open_region().poll()
        assert observation.events[0].aliases == {}
        assert "let an IAM policy allow ec2:DescribeInstances" in observation.problems[0]
        assert observation.whole == {"scheduled"}

    def test_a_later_page_that_fails_takes_nothing_from_the_others_and_ends_nothing(self, open_region, scripted):
        scripted.answer(200, statuses(("i-0a", entry()), token="two"))
        for _ in range(2):
            scripted.answer(503, refusal("Unavailable"))
        scripted.answer(200, instances("i-0a"))
        observation = open_region().poll()
        assert len(observation.events) == 1
        assert observation.whole == frozenset()
        assert "not all instances could be asked about" in observation.problems[0]

    def test_pages_that_do_not_end_are_not_believed(self, open_region, scripted):
        scripted.answer(200, statuses(token="same")).answer(200, statuses(token="same"))
        observation = open_region().poll()
        assert "its pages do not end" in observation.problems[0]
        assert observation.whole == frozenset()

    def test_instances_that_are_listed_are_asked_about_by_their_ids_a_hundred_at_a_time(self, open_region, scripted):
        scripted.answer(200, statuses()).answer(200, statuses())
        names = [f"i-{number:017x}" for number in range(130)]
        open_region(instances=",".join(names)).poll()
        first, second = asked(scripted)
        assert (first["InstanceId.1"], first["InstanceId.100"]) == (names[0], names[99])
        assert (second["InstanceId.30"], "MaxResults" in first) == (names[129], False)

    def test_one_that_is_gone_spoils_nothing_for_the_others(self, open_region, scripted):
        message = "The instance ID 'i-0b' does not exist"
        scripted.answer(400, refusal("InvalidInstanceID.NotFound", message)).answer(200, statuses(("i-0a", entry())))
        scripted.answer(200, instances("i-0a"))
        observation = open_region(instances="i-0a,i-0b").poll()
        assert len(observation.events) == 1
        assert observation.problems == ("not in this region, or terminated long ago: i-0b",)
        assert "InstanceId.2" not in asked(scripted)[1]
        assert observation.whole == {"scheduled"}

    def test_a_refusal_that_names_none_of_them_is_an_error(self, open_region, scripted):
        scripted.answer(400, refusal("InvalidInstanceID.NotFound", "No."))
        with pytest.raises(RequestRefused, match="one of the instances is not in this region"):
            open_region(instances="i-0a").poll()

    def test_a_tag_is_looked_up_first(self, open_region, scripted):
        scripted.answer(200, instances("i-0a", "i-0b")).answer(200, statuses())
        open_region(tag="env:prod").poll()
        lookup, status = asked(scripted)
        assert (lookup["Filter.1.Name"], lookup["Filter.1.Value.1"]) == ("tag:env", "prod")
        assert status["InstanceId.2"] == "i-0b"

    def test_a_tag_that_nobody_has_is_told(self, open_region, scripted):
        scripted.answer(200, instances())
        assert "no instance has the tag" in open_region(tag="env:prod").poll().problems[0]


class TestOutcomes:
    def test_events_are_looked_up_by_their_ids(self, open_region, scripted):
        done = entry("instance-event-1", text="[Completed] scheduled reboot")
        scripted.answer(200, statuses(("i-0a", done), ("i-0b", entry("instance-event-2"))))
        said = open_region().outcomes(["instance-event-1", "instance-event-2", "instance-event-3"])
        assert said == {
            "instance-event-1": Ending(Outcome.COMPLETED, "completed"),
            "instance-event-2": None,
        }
        assert asked(scripted)[0]["Filter.1.Name"] == "event.instance-event-id"


class TestPostponing:
    def movable(self, open_region, scripted, **times):
        scripted.answer(200, statuses(("i-0a", entry(notBeforeDeadline="2026-04-25T15:00:00.000Z", **times))))
        scripted.answer(200, instances("i-0a"))
        provider = open_region()
        return provider, provider.poll().events[0]

    def test_names_event_instance_and_time(self, open_region, scripted):
        provider, event = self.movable(open_region, scripted)
        body = f'<R xmlns="{NAMESPACE}"><event><instanceEventId>{event.id}</instanceEventId></event></R>'
        scripted.answer(200, body.encode())
        provider.postpone(event, datetime(2026, 4, 20, 1, 2, 3, 456, tzinfo=UTC))
        assert isinstance(provider, Postpones)
        said = asked(scripted)[-1]
        assert (said["Action"], said["InstanceId"], said["InstanceEventId"], said["NotBefore"]) == (
            "ModifyInstanceEventStartTime",
            "i-0a",
            event.id,
            "2026-04-20T01:02:03Z",
        )

    def test_beyond_the_deadline_nobody_is_asked(self, open_region, scripted):
        provider, event = self.movable(open_region, scripted)
        with pytest.raises(RequestRefused, match="can be put off until 2026-04-25"):
            provider.postpone(event, event.movable_until + timedelta(seconds=1))
        with pytest.raises(RequestRefused, match="no deadline"):
            provider.postpone(event.but(movable_until=None), event.movable_until)
        assert len(scripted.asked) == 2

    def test_nothing_is_approved(self, open_region, scripted):
        provider, event = self.movable(open_region, scripted)
        with pytest.raises(RequestRefused, match="EC2 does not wait"):
            provider.approve(event)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "why", "passing"),
        [
            (401, "AuthFailure", "the access key is not known .*check it", False),
            (403, "UnauthorizedOperation", "let an IAM policy allow ec2:DescribeInstanceStatus", False),
            (400, "RequestExpired", "clock is too far off .*NTP", False),
            (503, "RequestLimitExceeded", "has asked too often", True),
            (500, "InternalError", "does not answer properly now", True),
            (418, "SomethingNew", "is refused: 'Some words.*look the code up", False),
            (599, "SomethingNew", "does not answer properly now: 'Some words", True),
        ],
    )
    def test_a_code_is_told_in_a_sentence(self, open_region, scripted, status, code, why, passing):
        for _ in range(2):
            scripted.answer(status, refusal(code))
        with pytest.raises(ProviderError, match=why) as caught:
            open_region().poll()
        assert caught.value.passing is passing
        assert str(caught.value).startswith("AWS's DescribeInstanceStatus failed: ")

    @pytest.mark.parametrize("body", [b"<html><body>Sign in</body></html>", b"<R/>"])
    def test_what_is_not_ec2_is_never_an_empty_list(self, open_region, scripted, body):
        scripted.answer(200, body)
        with pytest.raises(ProviderError, match="has no list of instances"):
            open_region().poll()

    def test_junk_is_told_as_what_it_is(self, open_region, scripted):
        for _ in range(2):
            scripted.answer(200, b"no XML")
        with pytest.raises(ProviderError, match="what answers is not that service"):
            open_region().poll()

    def test_nobody_there(self, open_region, dead_url):
        with pytest.raises(Unreachable, match="no connection could be made"):
            open_region(endpoint=dead_url).poll()

    def test_without_a_region(self, open_region):
        with pytest.raises(ProviderUnavailable, match="no region is named"):
            open_region(region=None).identify()

    def test_after_close_nobody_is_asked(self, open_region):
        provider = open_region()
        provider.close()
        with pytest.raises(ProviderError, match="the provider was closed"):
            provider.poll()


class TestSecrets:
    def test_no_error_holds_what_signs(self, open_region, scripted, monkeypatch):
        token = "FwoG+testing/session+token=="
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
        message = f"The canonical string was x-amz-security-token:{token} and the token {token} is not valid"
        scripted.answer(418, refusal("SomethingNew", message))
        with pytest.raises(ProviderError) as caught:
            open_region().poll()
        assert token not in "".join(traceback.format_exception(caught.value))
        assert "***" in str(caught.value)

    def test_an_error_carries_no_signed_request(self, open_region, scripted):
        scripted.answer(400, refusal("RequestExpired"))
        with pytest.raises(ProviderError) as caught:
            open_region().poll()
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    def test_the_tap_sees_what_was_asked_and_what_was_answered(self, open_region, scripted):
        seen = []
        scripted.answer(200, statuses())
        open_region(tap=seen.append).poll()
        assert (seen[0].status, seen[0].method) == (200, "POST")
        assert b"DescribeInstanceStatus" in seen[0].request_body
        assert b"instanceStatusSet" in seen[0].body

    def test_and_that_there_was_no_answer(self, open_region, dead_url):
        seen = []
        with pytest.raises(ProviderError):
            open_region(endpoint=dead_url, tap=seen.append).poll()
        assert {(exchange.status, bool(exchange.fault)) for exchange in seen} == {(0, True)}


class TestSettings:
    def test_a_region_stands_for_its_instances(self, open_region):
        provider = open_region()
        assert (provider.named().id, provider.named().scope) == ("region:eu-west-1", Scope.REGION)
        assert provider.capabilities.can_postpone

    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({"instances": "i-1", "tag": "a:b"}, "do not go together"),
            ({"tag": "env"}, "KEY:VALUE"),
            ({"instances": "i 1"}, "the instance 'i 1'"),
            ({"bucket": "b"}, "has no setting bucket"),
        ],
    )
    def test_one_that_cannot_be_used_is_told(self, open_region, settings, why):
        with pytest.raises(SettingsError, match=why):
            open_region(**settings)

    def test_a_machine_and_a_region_do_not_go_together(self, open_region):
        with pytest.raises(SettingsError, match="use the setting instances"):
            open_region(machine="i-1")


class TestAnAnswerWithoutAnEnd:
    @pytest.mark.parametrize("status", [200, 400])
    def test_is_read_to_the_limit_only(self, open_region, scripted, monkeypatch, status):
        monkeypatch.setattr("stormcone_aws.sdk.BODY_LIMIT", 64 * 1024)
        told = []
        scripted.answer(status, b"x" * 70_000)
        with pytest.raises(ProviderError, match="larger than 64 KiB, so it is not read; check the endpoint"):
            open_region(tap=told.append).poll()
        assert len(scripted.asked) == 1
        assert [(one.status, one.fault.startswith("AWS's answer is larger")) for one in told] == [(0, True)]

    def test_below_the_limit_counts_like_any_other(self, open_region, scripted, monkeypatch):
        body = statuses(("i-0a", entry()))
        monkeypatch.setattr("stormcone_aws.sdk.BODY_LIMIT", len(body))
        scripted.answer(200, body).answer(200, instances("i-0a"))
        assert len(open_region().poll().events) == 1
