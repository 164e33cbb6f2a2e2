"""Whatever arrives: a document or "unknown", and no event is lost because of what stands beside it."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.errors import ProviderError
from stormcone.model import MaintenanceEvent, Phase
from stormcone_azure.wire import API_VERSIONS, ScheduledEvent, read_compute, read_document

FIELDS = tuple(field.alias for field in ScheduledEvent.model_fields.values())
STRINGS = st.text() | st.sampled_from(["Scheduled", "Started", "Freeze", "User", "", "2022-04-11", "\ud800"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
ODD_FIELDS = st.dictionaries(st.sampled_from(FIELDS) | st.text(), VALUES, max_size=6)
VERSIONS = st.sampled_from(list(API_VERSIONS))


def is_sound(event):
    assert MaintenanceEvent.model_validate_json(event.model_dump_json()) == event
    assert event.id
    assert event.phase is not Phase.ENDED
    json.dumps(event.native, allow_nan=False).encode()


@given(st.binary(), VERSIONS)
def test_any_bytes_are_a_document_or_unknown(body, version):
    with contextlib.suppress(ProviderError):
        for event in read_document(body, version).events:
            is_sound(event)


@given(VALUES, VERSIONS)
def test_any_json_is_a_document_or_unknown(value, version):
    try:
        observation = read_document(json.dumps(value).encode(), version)
    except ProviderError:
        return
    assert isinstance(value["Events"], list)
    assert observation.events or not value["Events"] or not observation.reads_whole()


@given(st.lists(VALUES | ODD_FIELDS, max_size=6), VALUES, VERSIONS)
def test_any_entries_become_sound_events_or_make_the_observation_incomplete(entries, incarnation, version):
    body = json.dumps({"DocumentIncarnation": incarnation, "Events": entries}).encode()
    observation = read_document(body, version)
    for event in observation.events:
        is_sound(event)
    assert observation.reads_whole() or observation.problems
    assert all("\n" not in problem for problem in observation.problems)


@given(st.lists(ODD_FIELDS, max_size=4), st.data())
def test_a_readable_event_is_read_the_same_among_any_neighbours(entry, document, oddities, data):
    good = [entry(EventId=f"good-{number}") for number in range(3)]
    odd = [entry(**changes) for changes in oddities]
    mixed = data.draw(st.permutations([*good, *odd]))
    read = {event.id: event for event in read_document(document(*mixed)).events}
    for one in good:
        (alone,) = read_document(document(one)).events
        assert read[one["EventId"]] == alone


@given(st.sampled_from(FIELDS), VALUES)
def test_one_odd_field_spoils_no_other_field(entry, document, field, value):
    (sound,) = read_document(document(entry())).events
    (odd,) = read_document(document(entry(**{field: value}))).events
    follows_from = {
        "EventId": {"id", "id_origin", "approval", "withheld"},
        "EventStatus": {"native_status", "phase", "approval"},
        "EventType": {"native_type", "impact", "cause"},
        "Resources": {"resources", "approval", "withheld"},
        "NotBefore": {"not_before", "not_before_origin"},
        "Description": {"description"},
        "EventSource": {"cause"},
        "DurationInSeconds": {"duration"},
    }
    changed = {name for name in MaintenanceEvent.model_fields if getattr(sound, name) != getattr(odd, name)}
    assert changed <= {"native"} | follows_from.get(field, set())


@given(st.integers(min_value=0))
def test_a_document_that_broke_off_is_unknown(entry, document, length):
    whole = document(entry(), entry(EventId="another"))
    with pytest.raises(ProviderError):
        read_document(whole[: length % len(whole)])


@given(st.dictionaries(st.sampled_from(["name", "vmId", "location", "zone", "subscriptionId"]) | st.text(), VALUES))
def test_any_object_is_an_instance_document(fields):
    read = read_compute(json.dumps(fields).encode())
    assert all(isinstance(value, str) for value in read.model_dump().values())
