"""What the keys' answers mean, in every spelling that they have been seen in."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.model import Approval, Cause, Impact, Origin, Outcome, Phase
from stormcone_google.keys import (
    MAINTENANCE,
    PREEMPTED,
    UPCOMING,
    HostPolicy,
    KeyContext,
    Vm,
    event_id,
    same_name,
    truth,
)
from stormcone_google.metadata import KeyAnswer
from stormcone_google.wire import KEYS, read_key, read_scheduling

VM = Vm(id="4515870919141281073", name="web-0")
RESTARTS = HostPolicy(migrates=False, restarts=True)
DOCUMENTED = {
    "can_reschedule": "true",
    "latest_window_start_time": "2024-12-01T19:00:01Z",
    "maintenance_status": "PENDING",
    "type": "SCHEDULED",
    "window_end_time": "2024-12-01T23:00:00Z",
    "window_start_time": "2024-12-01T19:00:00Z",
    "maintenance_reasons": ["PLANNED_UPDATE"],
}


def read(key, body, *, status=200, scheduling=RESTARTS, vm=VM, **context):
    told = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return read_key(key, KeyAnswer(status, told), KeyContext(vm, lambda: scheduling, **context))


class TestNothing:
    @pytest.mark.parametrize(
        ("key", "body", "status"),
        [
            (MAINTENANCE, "NONE", 200),
            (MAINTENANCE, "NONE\n", 200),
            (PREEMPTED, "FALSE", 200),
            (PREEMPTED, "false", 200),
            (UPCOMING, "NONE", 200),
            (UPCOMING, '"NONE"', 200),
            (UPCOMING, "{}", 200),
            (UPCOMING, "null", 200),
            (UPCOMING, '{ "error": "no notifications have been received yet, try again later" }', 503),
            (UPCOMING, "<html>Not Found</html>", 404),
            (MAINTENANCE, "", 404),
            (PREEMPTED, "", 404),
        ],
    )
    def test_is_said_in_many_ways(self, key, body, status):
        reading = read(key, body, status=status)
        assert (reading.event, reading.problems, reading.whole) == (None, (), True)

    @pytest.mark.parametrize(
        ("key", "body", "status"),
        [
            (MAINTENANCE, "", 200),
            (MAINTENANCE, "null", 200),
            (MAINTENANCE, "{}", 200),
            (MAINTENANCE, "<html>please log in</html>", 200),
            (MAINTENANCE, b"\xff\xfe", 200),
            (PREEMPTED, "", 200),
            (PREEMPTED, "MAYBE", 200),
            (PREEMPTED, "null", 200),
            (UPCOMING, "", 200),
            (UPCOMING, "[]", 200),
            (UPCOMING, "7", 200),
            (UPCOMING, '{"hello": "world"}', 200),
            (UPCOMING, "<html>", 200),
            (UPCOMING, '{ "error": "unavailable" }', 503),
            (UPCOMING, "", 503),
        ],
    )
    def test_is_not_what_cannot_be_read(self, key, body, status):
        reading = read(key, body, status=status)
        assert (reading.event, reading.whole) == (None, False)
        assert len(reading.problems) == 1


class TestPreempted:
    @pytest.mark.parametrize("word", ["TRUE", "true", "True\n"])
    def test_takes_the_vm_away_within_half_a_minute(self, word):
        event = read(PREEMPTED, word).event
        assert (event.id, event.id_origin) == (f"preempted/{VM.id}", Origin.INFERRED)
        assert (event.impact, event.cause, event.phase) == (Impact.TERMINATE, Cause.PREEMPTION, Phase.SCHEDULED)
        assert (event.not_before, event.notice, event.phase_origin) == (None, timedelta(seconds=30), Origin.INFERRED)
        assert (event.native_type, event.listing, event.resources) == ("PREEMPTED", "preempted", ("web-0",))
        assert event.approval is Approval.NONE

    def test_is_what_the_vm_was_made_for(self):
        event = read(PREEMPTED, "TRUE", preemption=Impact.STOP, preemption_notice=timedelta(minutes=2)).event
        assert (event.impact, event.notice) == (Impact.STOP, timedelta(seconds=150))


class TestMaintenance:
    @pytest.mark.parametrize(
        ("word", "scheduling", "impact"),
        [
            ("MIGRATE_ON_HOST_MAINTENANCE", HostPolicy(), Impact.FREEZE),
            ("MIGRATE_ON_HOST_MAINTENANCE", RESTARTS, Impact.FREEZE),
            ("TERMINATE_ON_HOST_MAINTENANCE", RESTARTS, Impact.REBOOT),
            ("TERMINATE_ON_HOST_MAINTENANCE", HostPolicy(migrates=False, restarts=False), Impact.STOP),
            # Whether it comes back is not known, which is what STOP says.
            ("TERMINATE_ON_HOST_MAINTENANCE", HostPolicy(), Impact.STOP),
            ("migrate_on_host_maintenance", RESTARTS, Impact.FREEZE),
        ],
    )
    def test_is_what_the_vms_own_settings_make_of_it(self, word, scheduling, impact):
        event = read(MAINTENANCE, word, scheduling=scheduling).event
        assert (event.impact, event.cause, event.native_type) == (impact, Cause.MAINTENANCE, word)
        assert (event.id, event.listing) == (f"maintenance-event/{VM.id}", "maintenance-event")
        assert (event.notice, event.not_before, event.phase_origin) == (timedelta(minutes=1), None, Origin.INFERRED)

    def test_of_a_word_that_nobody_knows_is_told_all_the_same(self):
        reading = read(MAINTENANCE, "REBOOT_ON_HOST_MAINTENANCE")
        assert (reading.event.impact, reading.event.native_type) == (Impact.UNKNOWN, "REBOOT_ON_HOST_MAINTENANCE")
        assert reading.problems
        assert reading.whole

    @pytest.mark.parametrize("word", ["TRUE", "x" * 101, "TWO WORDS", "A__B", "-A"])
    def test_is_no_event_where_it_is_no_such_word(self, word):
        assert (read(MAINTENANCE, word).event, read(MAINTENANCE, word).whole) == (None, False)


class TestUpcoming:
    def test_is_read_as_documented(self):
        reading = read(UPCOMING, DOCUMENTED)
        event = reading.event
        assert reading.problems == ()
        assert (event.id, event.native_type, event.native_status) == (
            f"upcoming-maintenance/{VM.id}",
            "SCHEDULED",
            "PENDING",
        )
        assert (event.impact, event.cause, event.phase) == (Impact.REBOOT, Cause.MAINTENANCE, Phase.SCHEDULED)
        assert event.not_before == datetime(2024, 12, 1, 19, tzinfo=UTC)
        assert event.not_after == datetime(2024, 12, 1, 19, 0, 1, tzinfo=UTC)
        assert event.ends_by == datetime(2024, 12, 1, 23, tzinfo=UTC)
        # The window is no length of the outage, and nothing can be put off.
        assert (event.duration, event.movable_until) == (None, None)
        assert (event.phase_origin, event.not_before_origin) == (Origin.REPORTED, Origin.REPORTED)
        assert (event.approval, event.description) == (Approval.TRIGGERS, "PLANNED_UPDATE")
        assert event.native == DOCUMENTED

    @pytest.mark.parametrize("spell", [str, str.upper, lambda name: name.replace("_", "-"), lambda name: _camel(name)])
    @pytest.mark.parametrize("value", [True, "true", "TRUE"])
    def test_is_the_same_in_every_spelling(self, spell, value):
        document = {spell(name): each for name, each in {**DOCUMENTED, "can_reschedule": value}.items()}
        assert read(UPCOMING, document).event.but(native={}) == read(UPCOMING, DOCUMENTED).event.but(native={})

    @pytest.mark.parametrize("title", ["Upcoming maintenance", "upcoming-maintenance", "upcomingMaintenance"])
    def test_may_stand_below_its_title(self, title):
        assert read(UPCOMING, {title: DOCUMENTED}).event == read(UPCOMING, DOCUMENTED).event

    def test_may_stand_behind_the_samples_title(self):
        body = f'"Upcoming maintenance": {json.dumps(DOCUMENTED)}'
        assert read(UPCOMING, body).event == read(UPCOMING, DOCUMENTED).event

    @pytest.mark.parametrize(
        ("status", "phase", "outcome"),
        [
            ("PENDING", Phase.SCHEDULED, None),
            ("ONGOING", Phase.STARTED, None),
            ("COMPLETE", Phase.ENDED, Outcome.COMPLETED),
            ("UNKNOWN", Phase.SCHEDULED, None),
        ],
    )
    def test_is_where_its_status_says(self, status, phase, outcome):
        event = read(UPCOMING, {**DOCUMENTED, "maintenance_status": status}).event
        assert (event.phase, event.outcome) == (phase, outcome)
        assert event.approval is (Approval.TRIGGERS if phase is Phase.SCHEDULED else Approval.NONE)

    @pytest.mark.parametrize("migrates", [True, False, None])
    def test_is_what_the_vms_own_settings_make_of_it(self, migrates):
        impact = {True: Impact.FREEZE, False: Impact.REBOOT, None: Impact.UNKNOWN}[migrates]
        assert read(UPCOMING, DOCUMENTED, scheduling=HostPolicy(migrates, restarts=True)).event.impact is impact

    def test_of_failing_hardware_says_so(self):
        event = read(UPCOMING, {**DOCUMENTED, "maintenance_reasons": ["PLANNED_UPDATE", "FAILURE_GPU"]}).event
        assert event.cause is Cause.HARDWARE_FAILURE

    def test_cannot_be_begun_unless_the_cloud_says_so(self):
        for value in ("false", False, None, "perhaps"):
            assert read(UPCOMING, {**DOCUMENTED, "can_reschedule": value}).event.approval is Approval.NONE

    def test_may_have_the_older_name_of_its_time(self):
        document = {"startTime": "2024-12-01T19:00:00Z", "maintenanceStatus": "PENDING"}
        event = read(UPCOMING, document).event
        assert (event.not_before, event.native_type) == (datetime(2024, 12, 1, 19, tzinfo=UTC), "UNKNOWN_TYPE")

    @pytest.mark.parametrize("bad", ["soon", "2024-12-01T19:00:00", 7, {"a": 1}])
    def test_loses_one_field_where_one_is_bad(self, bad):
        reading = read(UPCOMING, {**DOCUMENTED, "window_start_time": bad})
        assert (reading.event.not_before, reading.event.not_before_origin, reading.whole) == (None, None, True)
        assert reading.event.ends_by is not None
        (problem,) = reading.problems
        assert "windowStartTime is not a time" in problem

    def test_says_which_word_it_does_not_know(self):
        reading = read(UPCOMING, {**DOCUMENTED, "maintenance_status": "Waiting", "type": "ODD"})
        assert reading.event.phase is Phase.SCHEDULED
        assert (reading.event.native_type, reading.event.native_status) == ("ODD", "Waiting")
        assert ["Waiting" in reading.problems[0], "ODD" in reading.problems[1]] == [True, True]

    def test_that_says_two_things_is_never_approved(self):
        body = json.dumps(DOCUMENTED)[:-1] + ', "type": "UNSCHEDULED"}'
        event = read(UPCOMING, body).event
        assert (event.approval, event.withheld) == (Approval.NONE, "a field appears twice in it")


class TestIds:
    def test_are_made_of_what_stays(self):
        before = read(UPCOMING, DOCUMENTED).event
        moved = {
            **DOCUMENTED,
            "window_start_time": "2025-01-09T00:00:00Z",
            "maintenance_status": "ONGOING",
            "type": "X",
        }
        assert read(UPCOMING, moved).event.id == before.id
        assert {event_id(key, VM) for key in KEYS} == {f"{key}/{VM.id}" for key in KEYS}

    def test_are_made_of_the_name_while_only_that_is_known(self):
        event = read(PREEMPTED, "TRUE", vm=Vm(name="web-0")).event
        assert (event.id, event.resources) == ("preempted/web-0", ("web-0",))

    def test_wait_for_the_vm_to_be_known(self):
        reading = read(PREEMPTED, "TRUE", vm=Vm())
        assert (reading.event, reading.whole) == (None, False)
        assert "which machine" in reading.problems[0]


class TestWords:
    @pytest.mark.parametrize(
        ("value", "said"),
        [(True, True), ("TRUE", True), (" true ", True), (False, False), ("False", False), ("yes", None), (1, None)],
    )
    def test_of_truth(self, value, said):
        assert truth(value) is said

    def test_of_fields_are_the_same_in_every_spelling(self):
        names = ["windowStartTime", "window_start_time", "window-start-time", "Window Start Time"]
        assert len({same_name(name) for name in names}) == 1


class TestScheduling:
    @pytest.mark.parametrize(
        ("document", "read"),
        [
            ({"automaticRestart": "TRUE", "onHostMaintenance": "MIGRATE"}, (True, True)),
            ({"automatic-restart": False, "on-host-maintenance": "terminate"}, (False, False)),
            ({"on_host_maintenance": "ELSEWHERE"}, (None, None)),
            ([], (None, None)),
            ("x", (None, None)),
        ],
    )
    def test_is_read_in_every_spelling(self, document, read):
        assert read_scheduling(json.dumps(document).encode()) == read

    def test_that_cannot_be_read_is_not_known(self):
        assert read_scheduling(b"<html>") == (None, None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2024-12-01T19:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*DOCUMENTED]) | st.text(), inner),
    max_leaves=8,
)


class TestWhateverComes:
    @given(st.sampled_from([*KEYS]), st.one_of(st.binary(max_size=40), anything.map(json.dumps).map(str.encode)))
    def test_is_an_event_or_nothing_or_said_to_be_unreadable(self, key, body):
        reading = read(key, body)
        assert reading.event is not None or reading.whole or reading.problems
        assert all(len(problem.splitlines()) == 1 for problem in reading.problems)


def _camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
