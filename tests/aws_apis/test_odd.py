"""Whatever stands in a message or in an entry, reading it raises nothing and loses nothing."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from stormcone_aws.instance_status import read_event
from stormcone_aws.messages import KINDS, TYPES, read_message

SENT = datetime(2026, 4, 11, 22, 10, tzinfo=UTC)
SOURCES = sorted({source for source, _ in KINDS})
WORDS = ("i-0one", "terminate", "stopped", "EC2", "scheduledChange", "closed", "autoscaling:EC2_INSTANCE_TERMINATING")
TIMES = ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-04-11T22:10:00Z", "Sat, 18 Apr 2026 15:05:00 GMT")

texts = st.sampled_from((*WORDS, *TIMES)) | st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *("instance-id", "instance-action", "state", "capacity-reservation-id", "end-date", "instance-termination-time"),
    *("EC2InstanceId", "LifecycleTransition", "AutoScalingGroupName", "LifecycleHookName", "LifecycleActionToken"),
    *("service", "eventTypeCategory", "eventArn", "statusCode", "startTime", "endTime", "eventDescription"),
    "affectedEntities",
)
details = st.dictionaries(st.sampled_from(FIELDS), values, max_size=len(FIELDS))
letters = st.fixed_dictionaries(
    {"detail-type": st.sampled_from(tuple(TYPES)), "source": st.sampled_from(SOURCES), "detail": details | values},
    optional={"time": texts | values, "resources": values, "Message": texts},
)


@given(letters | values)
def test_a_message_is_read_or_says_why_not(document):
    said = read_message(json.dumps(document), SENT)
    assert not (said.unread and said.events)
    for event in said.events:
        assert event.provider == "aws"
        assert event.outcome is not None or event.ends_by is not None  # nothing that was pushed goes on for ever


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_so_is_any_text(text):
    assert read_message(text, SENT).events == ()


ENTRY = ("InstanceEventId", "Code", "Description", "NotBefore", "NotAfter", "NotBeforeDeadline")
entries = st.dictionaries(st.sampled_from(ENTRY), texts | st.none() | st.just(SENT), max_size=len(ENTRY))


@given(entries, st.dictionaries(st.sampled_from(("InstanceId", "AvailabilityZone")), texts, max_size=2))
def test_an_entry_of_the_api_is_read_or_says_why_not(entry, status):
    event, problems = read_event(status, entry)
    assert event is not None or problems
