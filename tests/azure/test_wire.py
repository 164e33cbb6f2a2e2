"""What a document of Scheduled Events means in neutral words."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.clouds.sightings import TOLD
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import Approval, Cause, Impact, Origin, Phase
from stormcone_azure.wire import API_VERSIONS, EVENT_TYPES, MOST_NAMELESS, approval, read_compute, read_document

NOT_BEFORE = datetime(2022, 4, 11, 22, 26, 58, tzinfo=UTC)


@pytest.fixture
def read(entry, document):
    """The one event of a document, with its observation."""

    def only(**changes):
        observation = read_document(document(entry(**changes)))
        (event,) = observation.events
        return event, observation

    return only


class TestTheDocumentedEvent:
    def test_is_read_whole(self, entry, read):
        event, observation = read()
        assert event.id == "C7061BAC-AFDC-4513-B24B-AA5F13A16123"
        assert event.id_origin is Origin.REPORTED
        assert event.provider == "azure"
        assert (event.native_type, event.native_status) == ("Freeze", "Scheduled")
        assert (event.impact, event.cause, event.phase) == (Impact.FREEZE, Cause.MAINTENANCE, Phase.SCHEDULED)
        assert event.resources == ("WestNO_0", "WestNO_1")
        assert (event.not_before, event.not_before_origin) == (NOT_BEFORE, Origin.REPORTED)
        assert event.duration == timedelta(seconds=5)
        assert event.approval is Approval.STARTS
        assert event.description.startswith("Virtual machine is being paused")
        assert event.native == entry()
        assert (observation.version, observation.reads_whole(), observation.problems) == ("1", True, ())

    def test_once_started_cannot_be_approved_and_has_no_time(self, read):
        event, observation = read(EventStatus="Started", NotBefore="")
        assert (event.phase, event.approval) == (Phase.STARTED, Approval.NONE)
        assert (event.not_before, event.not_before_origin) == (None, None)
        assert observation.problems == ()

    def test_may_follow_a_mark_of_its_encoding(self, document, entry):
        assert len(read_document(b"\xef\xbb\xbf" + document(entry())).events) == 1


class TestAnEventType:
    @pytest.mark.parametrize(
        ("native", "impact", "cause"),
        [
            ("Freeze", Impact.FREEZE, Cause.MAINTENANCE),
            ("Reboot", Impact.REBOOT, Cause.MAINTENANCE),
            ("Redeploy", Impact.REDEPLOY, Cause.MAINTENANCE),
            ("Preempt", Impact.TERMINATE, Cause.PREEMPTION),
            ("Terminate", Impact.TERMINATE, Cause.SCALE_IN),
            ("reboot", Impact.REBOOT, Cause.MAINTENANCE),
        ],
    )
    def test_means_an_impact_and_maybe_a_cause(self, read, native, impact, cause):
        event, observation = read(EventType=native)
        assert (event.impact, event.cause, event.native_type) == (impact, cause, native)
        assert observation.problems == ()

    @pytest.mark.parametrize("native", ["Evacuate", "", "Reboots", ..., None, 5, ["Reboot"]])
    def test_that_is_unknown_is_kept_with_an_unknown_impact(self, read, entry, native):
        event, observation = read(EventType=native)
        assert event.impact is Impact.UNKNOWN
        assert event.native == entry(EventType=native)
        assert "unknown EventType" in observation.problems[-1]

    def test_that_says_the_cause_itself_outweighs_the_source(self, read):
        assert read(EventType="Preempt", EventSource="User")[0].cause is Cause.PREEMPTION
        assert read(EventType="Terminate", EventSource="Platform")[0].cause is Cause.SCALE_IN


class TestAnEventStatus:
    @pytest.mark.parametrize("native", ["Completed", "", ..., 1])
    def test_that_is_unknown_is_taken_for_scheduled_and_not_approved(self, read, native):
        event, observation = read(EventStatus=native)
        assert (event.phase, event.approval) == (Phase.SCHEDULED, Approval.NONE)
        assert "unknown EventStatus" in observation.problems[-1]


class TestAnEventSource:
    @pytest.mark.parametrize(
        ("native", "cause"), [("Platform", Cause.MAINTENANCE), ("User", Cause.USER), (..., Cause.UNKNOWN)]
    )
    def test_is_the_cause(self, read, native, cause):
        event, observation = read(EventSource=native)
        assert event.cause is cause
        assert observation.problems == ()

    def test_that_is_unknown_leaves_the_cause_unknown(self, read):
        event, observation = read(EventSource="Weather")
        assert (event.cause, event.native["EventSource"]) == (Cause.UNKNOWN, "Weather")
        assert observation.problems == ()


class TestNotBefore:
    @pytest.mark.parametrize(
        "text",
        [
            "Mon, 11 Apr 2022 22:26:58 GMT",
            "Mon, 11 Apr 2022 22:26:58 -0000",
            "Tue, 12 Apr 2022 00:26:58 +0200",
            "2022-04-11T22:26:58Z",
            "2022-04-11T22:26:58",
            "2022-04-11T22:26:58.0000000Z",
            "2022-04-12T00:26:58+02:00",
            " 2022-04-11 22:26:58 ",
        ],
    )
    def test_is_read_as_rfc_1123_and_as_iso_8601(self, read, text):
        event, observation = read(NotBefore=text)
        assert event.not_before == NOT_BEFORE
        assert event.not_before.tzinfo is UTC
        assert observation.problems == ()

    @pytest.mark.parametrize("text", ["2022-04-11T22:26:58", "Mon, 11 Apr 2022 22:26:58"])
    def test_without_a_zone_is_utc_wherever_the_machine_is(self, read, text, monkeypatch):
        monkeypatch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        event, _ = read(NotBefore=text)
        monkeypatch.undo()
        time.tzset()
        assert event.not_before == NOT_BEFORE

    @pytest.mark.parametrize("blank", ["", "  ", None, ...])
    def test_that_is_blank_is_not_known(self, read, blank):
        event, observation = read(NotBefore=blank)
        assert event.not_before is None
        assert observation.problems == ()

    @pytest.mark.parametrize(
        "value",
        [
            "soon",
            "Mon, 41 Apr 2022 22:26:58 GMT",
            "0001-01-01T00:00:00+23:59",
            1649716018,
            True,
            [],
            {"at": 1},
            "9" * 99,
        ],
    )
    def test_that_cannot_be_read_spoils_itself_alone(self, read, value):
        event, observation = read(NotBefore=value)
        assert event.not_before is None
        assert (event.impact, event.resources) == (Impact.FREEZE, ("WestNO_0", "WestNO_1"))
        (problem,) = observation.problems
        assert problem.startswith("event C7061BAC-AFDC-4513-B24B-AA5F13A16123 NotBefore cannot be read: ")
        assert observation.reads_whole()


class TestDuration:
    @pytest.mark.parametrize(
        ("value", "duration"),
        [
            (-1, None),
            (0, timedelta(0)),
            (5, timedelta(seconds=5)),
            (2.5, timedelta(seconds=2.5)),
            (None, None),
            (..., None),
        ],
    )
    def test_is_in_seconds(self, read, value, duration):
        event, observation = read(DurationInSeconds=value)
        assert event.duration == duration
        assert observation.problems == ()

    @pytest.mark.parametrize("value", [-2, "5", True, [5], 10**18, 1e300])
    def test_that_cannot_be_read_spoils_itself_alone(self, read, value):
        event, observation = read(DurationInSeconds=value)
        assert event.duration is None
        assert "DurationInSeconds cannot be read" in observation.problems[0]


class TestResources:
    def test_keep_the_clouds_order_and_spelling(self, read):
        assert read(Resources=["b_1", "A_0", "B_1"])[0].resources == ("b_1", "A_0", "B_1")

    def test_lose_only_the_name_that_cannot_be_read(self, read):
        event, observation = read(Resources=["a", 5, None, "b", ["c"]])
        assert event.resources == ("a", "b")
        assert "3 of its resources cannot be read" in observation.problems[0]

    @pytest.mark.parametrize(
        "value", [["web-0", 7], ["web-0", None], ["web-0", {}], ["web-0", ["web-1"]], 5, {"a": "b"}]
    )
    def test_that_could_not_be_read_whole_are_never_approved(self, read, value):
        """An approval speaks for every machine that is named, so for one that nobody could read as well."""
        event, observation = read(Resources=value)
        assert event.approval is Approval.NONE
        assert event.withheld == "1 of its resources cannot be read"
        assert any("is never approved" in problem for problem in observation.problems)

    def test_of_an_event_that_is_listed_twice_are_those_of_both(self, entry, document):
        alone, both = entry(Resources=["web-0"]), entry(Resources=["web-0", "db-0"])
        for entries in ([alone, both], [both, alone]):
            (event,) = read_document(document(*entries)).events
            assert set(event.resources) == {"web-0", "db-0"}
            assert event.approval is Approval.NONE
            assert event.withheld == "it is listed twice with different machines"

    def test_may_be_one_name_without_a_list(self, read):
        assert read(Resources="web-0")[0].resources == ("web-0",)

    @pytest.mark.parametrize("value", [..., [], 5, {"a": "b"}])
    def test_that_name_nobody_are_a_problem(self, read, value):
        event, observation = read(Resources=value)
        assert event.resources == ()
        assert event.approval is Approval.NONE
        assert event.withheld
        assert "names no resources" in observation.problems[-1]


class TestAnEventId:
    def test_is_spelt_as_it_came_and_compared_without_case(self, read):
        lower, upper = read(EventId="abc-DEF")[0], read(EventId="ABC-def")[0]
        assert (lower.id, upper.id) == ("abc-DEF", "ABC-def")
        assert lower.key == upper.key

    @pytest.mark.parametrize("absent", ["", " ", None, ...])
    def test_that_is_absent_is_replaced_for_as_long_as_the_event_lasts(self, read, absent):
        scheduled, observation = read(EventId=absent)
        started, _ = read(EventId=absent, EventStatus="Started", NotBefore="", Resources=["WestNO_1", "WestNO_0"])
        other, _ = read(EventId=absent, Resources=["WestNO_2"])
        assert scheduled.id_origin is Origin.INFERRED
        assert scheduled.key == started.key != other.key
        assert scheduled.approval is Approval.NONE
        assert "has no EventId" in observation.problems[0]
        assert not observation.reads_whole()

    @pytest.mark.parametrize("unreadable", [5, ["C7061BAC"], True])
    def test_that_cannot_be_read_proves_no_other_event_absent(self, read, unreadable):
        event, observation = read(EventId=unreadable)
        assert event.id_origin is Origin.INFERRED
        assert not observation.reads_whole()

    def test_that_is_listed_twice_counts_once_and_as_what_is_further_on(self, entry, document):
        listed = [
            entry(EventStatus="Scheduled"),
            entry(EventId="another"),
            entry(EventId=entry()["EventId"].lower(), EventStatus="Started", NotBefore=""),
            entry(EventStatus="Scheduled", EventType="Reboot"),
        ]
        observation = read_document(document(*listed))
        assert [event.id for event in observation.events] == [entry()["EventId"].lower(), "another"]
        assert observation.events[0].phase is Phase.STARTED
        (problem,) = observation.problems
        assert "listed twice" in problem


class TestAKeyThatStandsTwice:
    """One reader takes the first value, another one the last: what the cloud means is anybody's guess."""

    @pytest.mark.parametrize(
        "doubled",
        [
            '"Resources": ["web-0", "db-0"], "Resources": ["web-0"]',
            '"Resources": ["web-0"], "Other": {"a": 1, "a": 2}',
        ],
    )
    def test_leaves_the_events_of_the_answer_to_be_handled_and_not_approved(self, doubled):
        body = f'{{"Events": [{{"EventId": "e", "EventStatus": "Scheduled", "EventType": "Reboot", {doubled}}}]}}'
        observation = read_document(body.encode())
        (event,) = observation.events
        assert event.resources == ("web-0",)
        assert event.approval is Approval.NONE
        assert event.withheld == "a key appears twice in Azure's answer"
        assert not observation.reads_whole()

    def test_proves_no_event_absent(self):
        assert not read_document(b'{"Events": [{"EventId": "e"}], "Events": []}').reads_whole()


class TestApiVersions:
    @pytest.mark.parametrize("version", API_VERSIONS)
    def test_are_each_read_with_what_they_lack(self, entry, document, version):
        known = list(API_VERSIONS)[: list(API_VERSIONS).index(version) + 1]
        fields = {name for one in known for name in API_VERSIONS[one].adds_fields}
        types = [name for one in known for name in API_VERSIONS[one].adds_types]
        lacking = dict.fromkeys(set(entry()) - fields, ...)
        for native_type in types:
            observation = read_document(document(entry(**lacking, EventType=native_type)), version)
            (event,) = observation.events
            assert event.impact is EVENT_TYPES[native_type].impact
            assert (event.duration is None) == ("DurationInSeconds" not in fields)
            assert bool(event.description) == ("Description" in fields)
            assert observation.problems == ()

    def test_between_them_bring_every_type(self):
        assert {name for version in API_VERSIONS.values() for name in version.adds_types} == set(EVENT_TYPES)

    @pytest.mark.parametrize(
        ("version", "names"),
        [
            ("2017-03-01", ("web_0", "_web_1", "web_2", "")),
            ("2017-08-01", ("_web_0", "__web_1", "web_2", "_")),
            ("2031-01-01", ("_web_0", "__web_1", "web_2", "_")),
        ],
    )
    def test_strip_one_underscore_only_where_the_version_wrote_it(self, entry, document, version, names):
        written = ["_web_0", "__web_1", "web_2", "_"]
        (event,) = read_document(document(entry(Resources=written)), version).events
        assert event.resources == names
        assert event.native["Resources"] == written


class TestTheIncarnation:
    @pytest.mark.parametrize(
        ("incarnation", "version"), [(1, "1"), (0, "0"), ("7", "7"), (None, ""), (10**30, "1" + "0" * 30)]
    )
    def test_is_the_version_as_text(self, document, incarnation, version):
        observation = read_document(document(incarnation=incarnation))
        assert (observation.version, observation.problems) == (version, ())

    def test_may_be_missing(self):
        assert read_document(b'{"Events": []}').version == ""

    @pytest.mark.parametrize("incarnation", [True, 1.5, [], {}])
    def test_of_another_type_is_a_problem_and_no_more(self, document, entry, incarnation):
        observation = read_document(document(entry(), incarnation=incarnation))
        assert (observation.version, len(observation.events), len(observation.problems)) == ("", 1, 1)


class TestWhatIsNoDocument:
    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b"", "it is empty"),
            (b" \r\n", "it is empty"),
            (b"\xef\xbb\xbf", "it is empty"),
            (b"Service is starting", "it is not JSON"),
            (b"<html></html>", "it is not JSON"),
            (b'{"DocumentIncarnation": 1, "Events": [', "it is not JSON"),
            (b"\xff\xfe\x00", "it is not JSON"),
            (b"null", "it is not a JSON object"),
            (b"[]", "it is not a JSON object"),
            (b'"Events"', "it is not a JSON object"),
            (b"{}", "it has no Events"),
            (b'{"error": "try later"}', "it has no Events"),
            (b'{"Events": null}', "its Events is not a list"),
            (b'{"Events": {}}', "its Events is not a list"),
            (b'{"Events": "none"}', "its Events is not a list"),
            (b"[" * 200_000, "it is nested too deep"),
            (b'{"Events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it is nested too deep"),
        ],
    )
    def test_is_unknown_and_never_nothing(self, body, why):
        with pytest.raises(ProviderError) as caught:
            read_document(body)
        assert str(caught.value) == f"Azure's answer about scheduled events cannot be read: {why}"
        assert caught.value.passing
        assert not isinstance(caught.value, RequestRefused)

    def test_is_not_an_empty_list_which_says_that_nothing_is_scheduled(self, document):
        observation = read_document(document())
        assert (observation.events, observation.reads_whole()) == ((), True)


class TestAnOddNeighbour:
    @pytest.mark.parametrize("odd", [None, 5, "event", [], True])
    def test_that_is_no_object_makes_the_observation_incomplete(self, document, entry, odd):
        observation = read_document(document(odd, entry()))
        assert [event.id for event in observation.events] == [entry()["EventId"]]
        assert not observation.reads_whole()
        assert observation.problems == ("entry 1 of Events cannot be read: it is not an object",)

    @pytest.mark.parametrize(
        "odd",
        [
            b'"a": NaN',
            b'"a": -Infinity',
            b'"a": 1e999',
            b'"a": ' + b"9" * 100_000,
            b'"a": "\\ud800"',
            b'"\\udfff": 1',
            b'"a": "\xff\xfe"',
            b'"a": ' + b"[" * 200 + b"]" * 200,
            b'"a": "\\u0000"',
            b'"DurationInSeconds": NaN',
            b'"NotBefore": 1e999',
        ],
        ids=lambda odd: repr(odd[:20]),
    )
    def test_with_an_odd_value_keeps_it_in_a_form_that_any_journal_takes(self, entry, odd):
        body = b'{"Events": [{"EventId": "odd", ' + odd + b"}, " + json.dumps(entry()).encode() + b"]}"
        observation = read_document(body)
        assert [event.id for event in observation.events] == ["odd", entry()["EventId"]]
        for event in observation.events:
            assert type(event).model_validate_json(event.model_dump_json()) == event
            json.dumps(event.native, allow_nan=False).encode()

    def test_with_fields_that_nobody_knows_keeps_them(self, read):
        event, observation = read(Severity={"level": [1, 2.5, None, True]})
        assert event.native["Severity"] == {"level": [1, 2.5, None, True]}
        assert observation.problems == ()


class TestTheInstanceDocument:
    def test_is_read_as_far_as_it_matters(self, compute):
        read = read_compute(compute())
        assert (read.name, read.vm_id, read.location) == ("WestNO_0", "02aab8a4-74ef-476e-8182-f6d2ba4166a6", "westus")
        assert (read.zone, read.subscription_id) == ("2", "8d10da13-8125-4ba9-a717-bf7490507b3d")

    def test_loses_only_the_fields_that_cannot_be_read(self, compute):
        read = read_compute(compute(zone=2, vmId=None))
        assert (read.name, read.zone, read.vm_id) == ("WestNO_0", "", "")

    @pytest.mark.parametrize("body", [b"[]", b"null", b"<html>", b""])
    def test_is_an_object(self, body):
        with pytest.raises(ValueError, match=r"^is "):
            read_compute(body)


def test_an_approval_carries_the_ids_as_they_came():
    assert json.loads(approval(["abc-DEF", "x"])) == {"StartRequests": [{"EventId": "abc-DEF"}, {"EventId": "x"}]}


class TestADocumentThatIsNonsense:
    """What repeats a hundred thousand times is counted, not kept."""

    def test_entries_without_ids_are_read_up_to_a_number(self, document):
        observation = read_document(document(*[{"Resources": [f"m{number}"]} for number in range(MOST_NAMELESS + 50)]))
        assert len(observation.events) == MOST_NAMELESS
        assert not observation.reads_whole()
        assert len(observation.problems) <= TOLD + 1

    def test_one_with_an_id_is_read_after_them_all_the_same(self, document, entry):
        observation = read_document(document(*[{}] * (MOST_NAMELESS * 3), entry(EventId="ours")))
        assert observation.events[-1].id == "ours"

    def test_an_entry_that_is_repeated_to_the_letter_is_one(self, document, entry):
        (once,) = read_document(document(entry())).events
        observation = read_document(document(*[entry()] * 1000))
        assert (observation.events, observation.problems) == ((once,), ())
