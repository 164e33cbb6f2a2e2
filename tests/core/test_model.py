"""The neutral event: what it says of consequences, whom it names, and that it survives JSON."""

import functools
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stormcone.model import (
    CONSEQUENCES,
    Approval,
    Cause,
    Impact,
    Machine,
    MaintenanceEvent,
    Observation,
    Origin,
    Outcome,
    Phase,
    Scope,
    affected,
)

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "maintenance-event.json"


class TestConsequences:
    @pytest.mark.parametrize(
        ("impact", "memory", "disk", "returns"),
        [
            (Impact.NONE, False, False, True),
            (Impact.DEGRADED, False, False, True),
            (Impact.FREEZE, False, False, True),
            (Impact.REBOOT, True, False, True),
            (Impact.REDEPLOY, True, True, True),
            (Impact.STOP, True, None, None),
            (Impact.TERMINATE, True, True, False),
            (Impact.UNKNOWN, None, None, None),
        ],
    )
    def test_of_each_impact(self, impact, memory, disk, returns):
        assert (impact.loses_memory, impact.loses_local_disk, impact.machine_returns) == (memory, disk, returns)

    def test_are_stated_for_every_impact(self):
        assert set(CONSEQUENCES) == set(Impact)

    def test_an_event_that_was_called_off_spared_the_machine(self):
        assert [outcome for outcome in Outcome if outcome.called_off] == [
            Outcome.CANCELED,
            Outcome.POSTPONED,
            Outcome.AVOIDED,
        ]


class TestTheKey:
    def test_does_not_regard_case(self, event):
        assert event(id="ABC").key == event(id="abc").key

    def test_tells_providers_apart(self, event):
        assert event(provider="other").key != event().key

    def test_finds_an_event_in_an_observation(self, event):
        seen = Observation(events=(event(id="ABC"),))
        assert seen.find(event(id="abc").key) == event(id="ABC")
        assert seen.find(event(id="abcd").key) is None


class TestAMachineIsNamed:
    @pytest.mark.parametrize(
        ("resource", "owned"),
        [
            ("web-0", True),
            ("WEB-0", True),
            ("vm-0", True),
            ("other-name", True),
            ("web-0_1", False),
            ("web-", False),
            ("web-01", False),
            (" web-0", False),
            ("", False),
        ],
    )
    def test_by_a_whole_name_without_regard_to_case(self, resource, owned):
        machine = Machine(provider="test", id="vm-0", name="web-0", aliases=("Other-Name", ""))
        assert machine.owns(resource) is owned

    def test_and_vm1_is_not_vm10_0(self, event):
        machine = Machine(provider="test", id="", name="vm1")
        assert not machine.affected_by(event(resources=("vm10_0", "vm10_1")))

    def test_beside_its_neighbours(self, event):
        machine = Machine(provider="test", id="vm-0", name="web-0")
        assert machine.neighbours_in(event(resources=("db-0", "WEB-0", "db-1"))) == ("db-0", "db-1")

    def test_by_none_of_an_event_that_names_nobody(self, event):
        assert not Machine(provider="test", id="vm-0", name="web-0").affected_by(event(resources=()))

    def test_by_every_name_where_a_region_is_watched(self, event):
        region = Machine(provider="test", id="", name="cn-hangzhou", scope=Scope.REGION)
        assert region.affected_by(event(resources=("i-1",)))
        assert region.neighbours_in(event(resources=("i-1", "i-2"))) == ()

    def test_so_that_its_events_can_be_picked_out(self, event):
        ours, theirs = event(), event(id="E-2", resources=("db-0",))
        assert affected(Machine(provider="test", id="vm-0", name="web-0"), [theirs, ours]) == (ours,)

    def test_in_the_names_of_opentelemetry_without_what_is_not_known(self):
        machine = Machine(provider="azure", id="1", name="web-0", region="westeurope")
        assert machine.attributes() == {
            "cloud.provider": "azure",
            "cloud.region": "westeurope",
            "host.id": "1",
            "host.name": "web-0",
        }


class TestTimes:
    def test_are_turned_into_utc(self, event):
        east = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
        told = event(not_before=east, not_after=east)
        assert (told.not_before, told.not_before.tzinfo) == (datetime(2026, 1, 1, tzinfo=UTC), UTC)
        assert told.not_after.tzinfo is UTC

    def test_without_a_zone_are_refused(self, event):
        with pytest.raises(ValidationError):
            event(not_before=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused

    @pytest.mark.parametrize("time", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
    def test_that_utc_cannot_hold_are_refused_like_any_bad_field(self, event, time):
        with pytest.raises(ValidationError):
            event(not_before=time)


class TestAnEvent:
    def test_is_frozen(self, event):
        with pytest.raises(ValidationError):
            event().phase = Phase.ENDED

    def test_changed_in_some_fields_is_validated_again(self, event):
        assert event().but(phase="ended").phase is Phase.ENDED
        with pytest.raises(ValidationError):
            event().but(phase="paused")

    @pytest.mark.parametrize("changes", [{"id": ""}, {"provider": ""}, {"surprise": 1}])
    def test_needs_its_names_and_no_others(self, event, changes):
        with pytest.raises(ValidationError):
            event(**changes)

    def test_that_says_nothing_of_itself_is_unknown(self):
        bare = MaintenanceEvent(id="1", provider="p", phase=Phase.SCHEDULED)
        assert (bare.impact, bare.cause, bare.approval) == (Impact.UNKNOWN, Cause.UNKNOWN, Approval.NONE)
        assert (bare.not_before, bare.duration, bare.outcome) == (None, None, None)


class TestThePayload:
    def test_is_kept_verbatim(self, event):
        native = {"EventId": "1", "Nested": {"list": [1, None, "\N{SNOWMAN}"]}}
        assert event(native=native).native == native

    @pytest.mark.parametrize("payload", ["\ud800", functools.reduce(lambda inner, _: [inner], range(220), 0)])
    def test_that_json_cannot_carry_is_kept_as_text(self, event, payload):
        odd = event(native={"field": payload})
        assert list(odd.native) == ["unreadable"]
        assert MaintenanceEvent.model_validate_json(odd.model_dump_json()) == odd


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(
    st.builds(
        MaintenanceEvent,
        id=TEXTS.filter(bool),
        id_origin=st.sampled_from(Origin),
        provider=TEXTS.filter(bool),
        native_type=TEXTS,
        native_status=TEXTS,
        impact=st.sampled_from(Impact),
        cause=st.sampled_from(Cause),
        phase=st.sampled_from(Phase),
        outcome=st.none() | st.sampled_from(Outcome),
        outcome_origin=st.none() | st.sampled_from(Origin),
        resources=st.lists(TEXTS, max_size=3).map(tuple),
        not_before=TIMES,
        not_before_origin=st.none() | st.sampled_from(Origin),
        not_after=TIMES,
        duration=st.none() | st.timedeltas(),
        approval=st.sampled_from(Approval),
        description=TEXTS,
        native=st.dictionaries(TEXTS, JSON_VALUES, max_size=3),
    )
)
def test_any_event_survives_json(event):
    assert MaintenanceEvent.model_validate_json(event.model_dump_json()) == event


def test_the_published_schema_is_that_of_the_model():
    assert json.loads(SCHEMA.read_text()) == MaintenanceEvent.model_json_schema(), (
        f"the model has changed: write MaintenanceEvent.model_json_schema() to {SCHEMA.name}"
    )


class TestTheMachineOfAnEvent:
    def test_it_is_ours_where_we_watch_one_machine(self, event):
        machine = Machine(provider="azure", id="1", name="web-0")
        assert machine.in_event(event(resources=("web-1", "web-0")), "") is machine

    def test_it_is_the_one_that_is_named_where_we_watch_a_region(self, event):
        region = Machine(provider="alibaba", id="region:cn", name="cn", region="cn", boot_id="b", scope=Scope.REGION)
        machine = region.in_event(event(resources=("i-0", "i-1"), aliases={"I-1": ("node-1",)}), "i-1")
        assert (machine.id, machine.name, machine.region, machine.scope) == ("i-1", "i-1", "cn", Scope.MACHINE)
        assert (machine.boot_id, machine.aliases) == ("", ("node-1",))


@pytest.mark.parametrize(
    ("ours", "named"), [("straße", "STRASSE"), ("\u212aelvin", "kelvin"), ("\u017ftorm", "storm"), ("\ufb01", "fi")]
)
def test_names_that_a_cloud_tells_apart_are_two_machines(ours, named):
    """Only the case of ASCII letters does not count: a wider folding would speak for a neighbour."""
    assert not Machine(provider="test", id="", name=ours).owns(named)
    assert not Machine(provider="test", id="", name=named).owns(ours)
    assert Machine(provider="test", id="", name="Web-0").owns("wEB-0")
