"""What the entries of ECS's history mean, and what garbage does to them."""

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.clouds.dates import read_time
from stormcone.errors import ProviderError
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Origin, Outcome, Phase
from stormcone_alibaba.wire import (
    ACTIVE,
    EVENT_TYPES,
    STATUSES,
    format_time,
    read_answer,
    read_created,
    read_entry,
    read_page,
    spot_event,
)

PUBLISHED = datetime(2026, 4, 10, 9, tzinfo=UTC)
EARLY = datetime(1000, 1, 1)  # noqa: DTZ001 - hypothesis wants it so
NOT_BEFORE = datetime(2026, 4, 12, 6, 32, 31, tzinfo=UTC)

TYPES = {
    "SystemMaintenance.Reboot": (Impact.REBOOT, Cause.MAINTENANCE),
    "SystemMaintenance.Redeploy": (Impact.REDEPLOY, Cause.MAINTENANCE),
    "SystemMaintenance.Stop": (Impact.STOP, Cause.MAINTENANCE),
    "SystemFailure.Reboot": (Impact.REBOOT, Cause.HARDWARE_FAILURE),
    "SystemFailure.Redeploy": (Impact.REDEPLOY, Cause.HARDWARE_FAILURE),
    "SystemFailure.Stop": (Impact.STOP, Cause.HARDWARE_FAILURE),
    "SystemFailure.Delete": (Impact.TERMINATE, Cause.HARDWARE_FAILURE),
    "InstanceFailure.Reboot": (Impact.REBOOT, Cause.GUEST_FAILURE),
    "SystemMaintenance.RebootAndIsolateErrorDisk": (Impact.REBOOT, Cause.HARDWARE_FAILURE),
    "SystemMaintenance.RebootAndReInitErrorDisk": (Impact.REBOOT, Cause.HARDWARE_FAILURE),
    "SystemMaintenance.IsolateErrorDisk": (Impact.DEGRADED, Cause.HARDWARE_FAILURE),
    "SystemMaintenance.ReInitErrorDisk": (Impact.DEGRADED, Cause.HARDWARE_FAILURE),
    "SystemMaintenance.CleanInactiveDisks": (Impact.NONE, Cause.MAINTENANCE),
    "SystemMaintenance.CleanReleasedDisks": (Impact.NONE, Cause.MAINTENANCE),
    "SystemMaintenance.PerformanceImpact": (Impact.DEGRADED, Cause.MAINTENANCE),
    "SystemMaintenance.StopAndRepair": (Impact.STOP, Cause.MAINTENANCE),
    "SystemUpgrade.Migrate": (Impact.UNKNOWN, Cause.MAINTENANCE),
    "SecurityPunish.Locked": (Impact.UNKNOWN, Cause.SECURITY),
    "SecurityPunish.WebsiteBanned": (Impact.UNKNOWN, Cause.SECURITY),
    "InstanceExpiration.Stop": (Impact.STOP, Cause.BILLING),
    "InstanceExpiration.Delete": (Impact.TERMINATE, Cause.BILLING),
    "AccountUnbalanced.Stop": (Impact.STOP, Cause.BILLING),
    "AccountUnbalanced.Delete": (Impact.TERMINATE, Cause.BILLING),
    "Degraded": (Impact.DEGRADED, Cause.HARDWARE_FAILURE),
    "SeverelyDegraded": (Impact.DEGRADED, Cause.HARDWARE_FAILURE),
    "Stalled": (Impact.DEGRADED, Cause.HARDWARE_FAILURE),
    "ErrorDetected": (Impact.DEGRADED, Cause.HARDWARE_FAILURE),
    "Instance:PreemptibleInstanceInterruption": (Impact.TERMINATE, Cause.PREEMPTION),
    "Instance:LiveMigrationAcrossDDH": (Impact.FREEZE, Cause.USER),
}

LIVES = {
    "Inquiring": (Phase.SCHEDULED, None, Approval.CONSENT),
    "Scheduled": (Phase.SCHEDULED, None, Approval.NONE),
    "Executing": (Phase.STARTED, None, Approval.NONE),
    "Executed": (Phase.ENDED, Outcome.COMPLETED, Approval.NONE),
    "Avoided": (Phase.ENDED, Outcome.AVOIDED, Approval.NONE),
    "Canceled": (Phase.ENDED, Outcome.CANCELED, Approval.NONE),
    "Failed": (Phase.ENDED, Outcome.FAILED, Approval.NONE),
}


def read(entry):
    event, problems = read_entry(entry)
    assert problems == ()
    return event


class TestADocumentedEntry:
    def test_is_read_whole(self, entry):
        event = read(entry())
        assert (event.id, event.id_origin, event.provider) == ("e-bp191hqye34x", Origin.REPORTED, "alibaba")
        assert (event.native_type, event.native_status) == ("SystemMaintenance.Reboot", "Scheduled")
        assert event.resources == ("i-here",)
        assert (event.not_before, event.not_before_origin) == (NOT_BEFORE, Origin.REPORTED)
        assert event.description == "A simulated event."

    def test_keeps_its_payload_verbatim(self, entry):
        payload = entry(ExtendedAttribute={"DiskId": "d-1", "InactiveDisks": {"InactiveDisk": [{"DeviceSize": "40"}]}})
        assert read(payload).native == payload

    @pytest.mark.parametrize("level", [100, "100", "", None, {}])
    def test_may_have_an_impact_level_of_any_type(self, entry, level):
        assert read(entry(ImpactLevel=level)).native["ImpactLevel"] == level


class TestTypes:
    def test_the_table_of_this_test_has_them_all(self):
        assert set(TYPES) == set(EVENT_TYPES)

    @pytest.mark.parametrize(("name", "meaning"), TYPES.items())
    def test_means(self, entry, name, meaning):
        event = read(entry(EventType=name))
        assert (event.impact, event.cause) == meaning

    def test_the_numeric_code_counts_for_nothing(self, entry):
        assert read(entry(EventType={"Code": 1, "Name": "SystemMaintenance.Stop"})).impact is Impact.STOP

    def test_an_unknown_one_is_kept(self, entry):
        event = read(entry(EventType="SystemMaintenance.Teleport"))
        assert (event.impact, event.cause, event.native_type) == (
            Impact.UNKNOWN,
            Cause.UNKNOWN,
            "SystemMaintenance.Teleport",
        )


class TestStatuses:
    def test_the_table_of_this_test_has_them_all(self):
        assert set(LIVES) == set(STATUSES)

    @pytest.mark.parametrize(("name", "life"), LIVES.items())
    def test_means(self, entry, name, life):
        event = read(entry(EventCycleStatus=name))
        assert (event.phase, event.outcome, event.approval) == life
        assert event.outcome_origin is (Origin.REPORTED if event.outcome else None)

    def test_those_that_have_not_ended_are_asked_for(self):
        assert set(ACTIVE) == {"Scheduled", "Inquiring", "Executing"}

    def test_an_unknown_one_is_announced_and_complained_of(self, entry):
        event, problems = read_entry(entry(EventCycleStatus="Pondering"))
        assert (event.phase, event.approval) == (Phase.SCHEDULED, Approval.NONE)
        assert problems == ("event e-bp191hqye34x: the status 'Pondering' is not known",)

    def test_an_unknown_one_with_an_end_has_ended(self, entry):
        event, _ = read_entry(entry(EventCycleStatus="Pondered", EventFinishTime="2026-04-12T07:00:00Z"))
        assert (event.phase, event.outcome) == (Phase.ENDED, Outcome.UNKNOWN)


class TestNotBefore:
    @pytest.mark.parametrize("name", [name for name in TYPES if "Failure." in name])
    def test_of_a_failure_that_executes_is_the_time_of_its_publishing(self, entry, name):
        event = read(entry(EventType=name, EventCycleStatus="Executing"))
        assert (event.not_before, event.not_before_origin) == (PUBLISHED, Origin.INFERRED)

    def test_of_a_failure_without_a_time_of_publishing_is_not_known(self, entry):
        event = read(entry(EventType="SystemFailure.Reboot", EventCycleStatus="Executing", EventPublishTime=...))
        assert (event.not_before, event.not_before_origin) == (None, None)

    def test_of_a_failure_that_is_scheduled_is_its_own(self, entry):
        event = read(entry(EventType="SystemFailure.Redeploy"))
        assert (event.not_before, event.not_before_origin) == (NOT_BEFORE, Origin.REPORTED)

    def test_of_maintenance_that_executes_is_its_own(self, entry):
        assert read(entry(EventCycleStatus="Executing")).not_before == NOT_BEFORE


class TestTimes:
    @pytest.mark.parametrize(
        "text",
        ["2026-04-12T06:32:31Z", " 2026-04-12T06:32:31Z ", "2026-04-12T14:32:31+08:00", "2026-04-12T06:32:31"],
    )
    def test_are_utc_however_written(self, text):
        assert read_time(text) == NOT_BEFORE

    @pytest.mark.parametrize("value", ["soon", "", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", 1, None, True])
    def test_that_are_none_are_refused(self, value):
        with pytest.raises(ValueError, match="it is no"):
            read_time(value)

    @given(st.datetimes(min_value=EARLY, timezones=st.just(UTC)))
    def test_survive_the_way_to_the_service_and_back(self, time):
        assert read_time(format_time(time)) == time.replace(microsecond=0)


class TestOneBadField:
    @pytest.mark.parametrize(
        ("field", "value", "lost"),
        [
            ("NotBefore", "whenever", "not_before"),
            ("NotBefore", 20260412, "not_before"),
            ("Reason", ["why"], "description"),
            ("EventType", 7, "native_type"),
            ("EventType", {"Name": 7}, "native_type"),
            ("InstanceId", {}, "resources"),
        ],
    )
    def test_spoils_itself_alone(self, entry, field, value, lost):
        event, problems = read_entry(entry(**{field: value}))
        whole = read(entry())
        assert not getattr(event, lost)
        assert (event.id, event.phase) == (whole.id, whole.phase)
        assert len(problems) == 1
        assert field in problems[0]

    def test_a_type_may_be_a_bare_name(self, entry):
        payload = entry() | {"EventType": "SystemMaintenance.Stop", "EventCycleStatus": "Executing"}
        event = read(payload)
        assert (event.impact, event.phase) == (Impact.STOP, Phase.STARTED)


class TestAnInstanceThatCannotBeRead:
    @pytest.mark.parametrize("changes", [{"InstanceId": 7}, {"InstanceId": ["i-1"], "ResourceId": "i-1"}])
    def test_leaves_an_event_that_nobody_approves(self, entry, changes):
        event = read_entry(entry(EventCycleStatus={"Name": "Inquiring"}, **changes)).event
        assert event is not None
        assert event.approval is Approval.NONE
        assert event.withheld == "1 of its resources cannot be read"

    def test_or_is_not_there_leaves_one_too(self, entry):
        event = read_entry(entry(EventCycleStatus={"Name": "Inquiring"}, InstanceId="", ResourceId="")).event
        assert event is not None
        assert (event.approval, event.withheld) == (Approval.NONE, "it names no machine")


class TestAnEntryWithoutAnId:
    def test_gets_one_that_stays_when_its_time_moves(self, entry):
        first = read(entry(EventId=...))
        moved = read(entry(EventId=..., NotBefore="2026-04-13T00:00:00Z", EventCycleStatus="Executing"))
        assert (first.id, first.id_origin) == (moved.id, Origin.INFERRED)
        assert first.id.startswith("inferred:")

    def test_of_another_instance_gets_another(self, entry):
        assert read(entry(EventId=...)).id != read(entry(EventId=..., InstanceId="i-there")).id

    def test_and_without_an_instance_is_no_event(self, entry):
        event, problems = read_entry(entry(EventId=..., InstanceId=...))
        assert event is None
        assert problems == ("an entry names neither an event nor an instance",)

    def test_names_the_resource_where_there_is_no_instance(self, entry):
        assert read(entry(InstanceId=..., ResourceId="i-other")).resources == ("i-other",)


class TestAnswers:
    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b"null", b'{"Code": "Oops", "RequestId": "R"}', b'{"error": 1}']
    )
    def test_that_are_not_the_services_are_refused(self, body):
        with pytest.raises(ProviderError, match="DescribeInstances failed"):
            read_answer(body, "DescribeInstances")

    @pytest.mark.parametrize("events", [{}, {"InstanceSystemEventSet": None}, {"InstanceSystemEventSet": []}])
    def test_without_a_list_are_not_an_empty_list(self, events):
        with pytest.raises(ProviderError, match="no list of events"):
            read_page({"RequestId": "R", **events})

    def test_an_empty_list_says_that_nothing_is_scheduled_and_a_missing_one_nothing_at_all(self):
        empty = {"InstanceSystemEventType": []}
        assert read_page({"RequestId": "R", "InstanceSystemEventSet": empty}).entries == ()
        with pytest.raises(ProviderError, match="no list of events"):
            read_page({"RequestId": "R", "InstanceSystemEventSet": {}})

    @pytest.mark.parametrize("made", [{}, {"EventIdSet": {}}, {"EventIdSet": {"EventId": []}}])
    def test_of_making_events_have_ids(self, made):
        with pytest.raises(ProviderError, match="without ids"):
            read_created(made)

    def test_in_which_a_key_stands_twice_are_doubtful(self):
        text = (
            b'{"RequestId": "r", "InstanceSystemEventSet": {"InstanceSystemEventType": [{"EventId": 1, "EventId": 2}]}}'
        )
        assert read_page(read_answer(text, "Describe")).doubt == "a key appears twice in Alibaba Cloud's answer"
        assert read_page(read_answer(text.replace(b', "EventId": 2', b""), "Describe")).doubt == ""


class TestTheReleaseOfASpotInstance:
    def test_is_an_event(self):
        event, problems = spot_event("2026-04-12T06:32:31Z", "i-here")
        assert problems == ()
        assert (event.impact, event.cause, event.phase) == (Impact.TERMINATE, Cause.PREEMPTION, Phase.SCHEDULED)
        assert (event.not_before, event.not_before_origin) == (NOT_BEFORE, Origin.REPORTED)
        assert (event.resources, event.id_origin) == (("i-here",), Origin.INFERRED)

    def test_keeps_its_id_when_the_time_moves(self):
        assert spot_event("2026-04-12T06:32:31Z", "i-here")[0].id == spot_event("2026-04-12T07:00:00Z", "i-here")[0].id

    def test_is_an_event_even_without_a_time(self):
        event, problems = spot_event("soon", "i-here")
        assert (event.not_before, event.impact) == (None, Impact.TERMINATE)
        assert problems == ("the spot termination time cannot be read: it is not a time: 'soon'",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=10,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            *("EventId", "InstanceId", "ResourceId", "EventType", "EventCycleStatus", "EventPublishTime"),
            *("NotBefore", "EventFinishTime", "Reason", "ExtendedAttribute", "ImpactLevel", "Other"),
        ]
    ),
    JSON,
)


class TestWhateverComes:
    @given(JSON | FIELDS)
    def test_an_entry_becomes_an_event_or_a_problem(self, entry):
        document = read_answer(json.dumps({"RequestId": "R", "Entry": entry}).encode(), "Anything")
        event, problems = read_entry(document["Entry"])
        assert event or problems
        if event:
            assert MaintenanceEvent.model_validate_json(event.model_dump_json()) == event

    @given(st.binary(max_size=200))
    def test_a_body_becomes_a_document_or_an_error(self, body):
        with contextlib.suppress(ProviderError):
            assert "RequestId" in read_answer(body, "Anything")

    @given(st.dictionaries(st.sampled_from(["InstanceSystemEventSet", "NextToken", "EventIdSet"]), JSON))
    def test_a_document_becomes_a_page_or_an_error(self, document):
        for reading in (read_page, read_created):
            with contextlib.suppress(ProviderError):
                assert all(isinstance(part, tuple | str) for part in reading(document))

    @given(st.text())
    def test_a_termination_time_becomes_an_event(self, text):
        assert spot_event(text, "i-here")[0].impact is Impact.TERMINATE

    def test_a_lone_surrogate_does_not_reach_the_journal(self, entry):
        body = json.dumps({"RequestId": "R", "Entry": entry(Reason="\ud800")}).encode()
        event = read(read_answer(body, "Anything")["Entry"])
        assert event.model_dump_json()
