"""What the lists of the metadata service mean, and what garbage does to them."""

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.errors import ProviderError
from stormcone.model import Approval, Cause, Ending, Impact, Origin, Outcome, Phase
from stormcone_aws.kinds import EVENT_CODES, LIFECYCLE_STATES, SPOT_ACTIONS, ended_in
from stormcone_aws.wire import (
    read_history,
    read_identity,
    read_lifecycle,
    read_rebalance,
    read_scheduled,
    read_spot,
    read_termination_time,
)

HERE = "i-0123456789abcdef0"
DOCUMENTED = {
    "NotBefore": "21 Jan 2019 09:00:43 GMT",
    "Code": "system-reboot",
    "Description": "scheduled reboot",
    "EventId": "instance-event-0d59937288b749b32",
    "NotAfter": "21 Jan 2019 09:17:23 GMT",
    "State": "active",
}
NOT_BEFORE = datetime(2019, 1, 21, 9, 0, 43, tzinfo=UTC)


def entry(**changes):
    """The documented entry with other fields; `...` takes one away."""
    return {name: value for name, value in {**DOCUMENTED, **changes}.items() if value is not ...}


def scheduled(*entries):
    return read_scheduled(json.dumps(list(entries)).encode(), HERE)


def only(observation):
    (event,) = observation.events
    return event


class TestAScheduledEvent:
    def test_as_documented(self):
        observation = scheduled(entry(NotBeforeDeadline="28 Jan 2019 09:00:43 GMT"))
        event = only(observation)
        assert (observation.whole, observation.problems) == ({""}, ())
        assert (event.id, event.id_origin) == ("instance-event-0d59937288b749b32", Origin.REPORTED)
        assert (event.provider, event.native_type, event.native_status) == ("aws", "system-reboot", "active")
        assert (event.impact, event.cause) == (Impact.REBOOT, Cause.MAINTENANCE)
        assert (event.phase, event.phase_origin) == (Phase.SCHEDULED, Origin.INFERRED)
        assert event.resources == (HERE,)
        assert (event.not_before, event.not_before_origin) == (NOT_BEFORE, Origin.REPORTED)
        assert (event.ends_by, event.not_after) == (datetime(2019, 1, 21, 9, 17, 23, tzinfo=UTC), None)
        assert event.movable_until == datetime(2019, 1, 28, 9, 0, 43, tzinfo=UTC)
        assert (event.approval, event.description) == (Approval.NONE, "scheduled reboot")
        assert event.native["Code"] == "system-reboot"

    @pytest.mark.parametrize(
        ("code", "impact", "cause"),
        [
            ("instance-reboot", Impact.REBOOT, Cause.MAINTENANCE),
            ("system-reboot", Impact.REBOOT, Cause.MAINTENANCE),
            ("system-maintenance", Impact.DEGRADED, Cause.MAINTENANCE),
            ("instance-retirement", Impact.STOP, Cause.HARDWARE_FAILURE),
            ("instance-stop", Impact.STOP, Cause.HARDWARE_FAILURE),
        ],
    )
    def test_every_code_has_its_impact(self, code, impact, cause):
        event = only(scheduled(entry(Code=code)))
        assert (event.impact, event.cause, event.native_type) == (impact, cause, code)
        assert len(EVENT_CODES) == 5

    def test_maintenance_of_the_power_restarts_the_instance(self):
        event = only(scheduled(entry(Code="system-maintenance", Description="Scheduled Power maintenance")))
        assert event.impact is Impact.REBOOT
        assert only(scheduled(entry(Code="instance-stop", Description="power"))).impact is Impact.STOP

    def test_a_stop_has_no_end(self):
        observation = scheduled(entry(Code="instance-stop", NotAfter=...))
        assert (only(observation).ends_by, only(observation).movable_until, observation.problems) == (None, None, ())

    @pytest.mark.parametrize(
        "not_before", ["5 Jan 2019 09:00:43 GMT", "2019-01-05T09:00:43.000Z", "2019-01-05T09:00:43Z"]
    )
    def test_its_time_may_be_written_in_other_ways(self, not_before):
        assert only(scheduled(entry(NotBefore=not_before))).not_before == datetime(2019, 1, 5, 9, 0, 43, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("state", "description"), [("completed", "x"), ("", "[Completed] scheduled reboot"), ("COMPLETED", "x")]
    )
    def test_one_that_has_ended_says_so(self, state, description):
        event = only(scheduled(entry(State=state, Description=description)))
        assert (event.phase, event.outcome, event.outcome_origin) == (
            Phase.ENDED,
            Outcome.COMPLETED,
            Origin.REPORTED,
        )

    def test_several_are_told_apart(self):
        observation = scheduled(entry(), entry(EventId="instance-event-2", Code="instance-stop"))
        assert [event.impact for event in observation.events] == [Impact.REBOOT, Impact.STOP]

    def test_a_single_object_is_a_list_of_one(self):
        assert only(read_scheduled(json.dumps(entry()).encode(), HERE)).id == DOCUMENTED["EventId"]

    def test_an_unknown_code_is_told_and_kept(self):
        observation = scheduled(entry(Code="instance-evacuation"))
        event = only(observation)
        assert (event.impact, event.native_type) == (Impact.UNKNOWN, "instance-evacuation")
        assert "unknown Code 'instance-evacuation'" in observation.problems[0]
        assert observation.whole == {""}

    @pytest.mark.parametrize("code", ["", ..., 7, None])
    def test_one_without_a_code_has_a_type_all_the_same(self, code):
        event = only(scheduled(entry(Code=code)))
        assert (event.impact, event.native_type) == (Impact.UNKNOWN, "unknown")

    def test_an_unknown_state_is_told(self):
        observation = scheduled(entry(State="paused"))
        assert only(observation).phase is Phase.SCHEDULED
        assert "unknown State 'paused'" in observation.problems[0]


class TestOneBadField:
    @pytest.mark.parametrize("field", ["NotBefore", "NotAfter", "NotBeforeDeadline", "Description", "State"])
    @pytest.mark.parametrize("value", ["junk \x1b[31m", 5, [], {"a": 1}, True])
    def test_spoils_nothing_else(self, field, value):
        observation = scheduled(entry(**{field: value}), entry(EventId="instance-event-2"))
        first, second = observation.events
        assert (first.id, first.impact) == (DOCUMENTED["EventId"], Impact.REBOOT)
        assert (second.not_before, second.description) == (NOT_BEFORE, "scheduled reboot")
        if not isinstance(value, str) or field.startswith("Not"):
            assert any(field in problem for problem in observation.problems)

    def test_an_entry_that_is_none_hides_no_other_and_the_list_is_not_whole(self):
        observation = scheduled("junk", entry())
        assert only(observation).id == DOCUMENTED["EventId"]
        assert (observation.whole, len(observation.problems)) == (frozenset(), 1)

    def test_one_without_an_id_has_one_of_its_own_that_no_time_moves(self):
        first = only(scheduled(entry(EventId=...)))
        second = only(scheduled(entry(EventId=..., NotBefore="28 Jan 2019 09:00:43 GMT", Description="other")))
        assert (first.id, first.id_origin) == (second.id, Origin.INFERRED)
        assert scheduled(entry(EventId=...)).whole == frozenset()
        assert first.id != only(read_scheduled(json.dumps([entry(EventId=...)]).encode(), "i-other")).id

    def test_a_key_that_stands_twice_is_told(self):
        body = b'[{"EventId": "instance-event-1", "EventId": "instance-event-2", "Code": "system-reboot"}]'
        observation = read_scheduled(body, HERE)
        assert observation.whole == frozenset()
        assert "appears twice" in observation.problems[0]


class TestAnAnswerThatIsNoList:
    @pytest.mark.parametrize("body", [b"", b"null", b"{}", b'"x"', b"<html>log in</html>", b"5", b"[", b"\xff\xfe"])
    def test_is_unknown(self, body):
        with pytest.raises(ProviderError, match="AWS's answer about scheduled events cannot be read: it "):
            read_scheduled(body, HERE)


class TestTheHistory:
    def test_says_how_events_ended(self):
        listed = [
            entry(State="completed", Description="[Completed] scheduled reboot"),
            entry(EventId="instance-event-B", State="canceled"),
            entry(EventId="instance-event-c", State=..., Description="[Canceled] x"),
            entry(EventId="instance-event-d"),
            "junk",
        ]
        assert read_history(json.dumps(listed).encode()) == {
            "instance-event-0d59937288b749b32": Ending(Outcome.COMPLETED, "completed"),
            "instance-event-b": Ending(Outcome.CANCELED, "canceled"),
            "instance-event-c": Ending(Outcome.CANCELED, ""),
        }

    @pytest.mark.parametrize("body", [b"[]", b"", b" \n"])
    def test_may_be_empty(self, body):
        assert read_history(body) == {}

    @pytest.mark.parametrize("body", [b"null", b"<html>", b"{}"])
    def test_that_is_no_list_is_unknown(self, body):
        with pytest.raises(ProviderError, match="ended events cannot be read"):
            read_history(body)

    @pytest.mark.parametrize(
        ("text", "state"),
        [
            ("[Completed] x", "completed"),
            (" [canceled]x", "canceled"),
            ("[Something] x", ""),
            ("Completed] x", ""),
            ("x [Completed]", ""),
            ("", ""),
        ],
    )
    def test_is_read_from_how_a_text_begins(self, text, state):
        assert ended_in(text) == state


class TestASpotInterruption:
    @pytest.mark.parametrize(("action", "impact"), SPOT_ACTIONS.items())
    def test_as_documented(self, action, impact):
        body = json.dumps({"action": action, "time": "2017-09-18T08:22:00Z"}).encode()
        observation = read_spot(body, HERE)
        event = only(observation)
        assert observation.problems == ()
        assert (event.id, event.id_origin) == (f"spot/{HERE}", Origin.INFERRED)
        assert (event.native_type, event.native_status) == (f"spot/{action}", action)
        assert (event.impact, event.cause) == (impact, Cause.PREEMPTION)
        assert event.not_before == datetime(2017, 9, 18, 8, 22, tzinfo=UTC)
        assert event.phase_origin is Origin.INFERRED
        assert event.resources == (HERE,)

    def test_a_hibernation_has_begun(self):
        phases = {
            action: only(read_spot(json.dumps({"action": action, "time": "2099-01-01T00:00:00Z"}).encode(), HERE)).phase
            for action in SPOT_ACTIONS
        }
        assert phases == {"terminate": Phase.SCHEDULED, "stop": Phase.SCHEDULED, "hibernate": Phase.STARTED}

    def test_its_id_stays_when_its_time_moves(self):
        moved = [read_spot(b'{"action": "stop", "time": "2017-09-18T08:2%d:00Z"}' % minute, HERE) for minute in (2, 3)]
        assert len({only(each).id for each in moved}) == 1

    @pytest.mark.parametrize("body", [b'{"action": "terminate"}', b'{"action": "terminate", "time": "soon"}'])
    def test_is_one_even_without_a_time(self, body):
        event = only(read_spot(body, HERE))
        assert (event.not_before, event.impact) == (None, Impact.TERMINATE)

    def test_may_have_fractions_of_a_second(self):
        event = only(read_spot(b'{"action":"stop","time":"2017-09-18T08:22:00.123Z"}', HERE))
        assert event.not_before == datetime(2017, 9, 18, 8, 22, 0, 123000, tzinfo=UTC)

    def test_of_an_unknown_action_is_told(self):
        observation = read_spot(b'{"action": "migrate", "time": "2017-09-18T08:22:00Z"}', HERE)
        assert (only(observation).impact, only(observation).native_type) == (Impact.UNKNOWN, "spot/migrate")
        assert "unknown action 'migrate'" in observation.problems[0]

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"hello": "world"}', b"<html>log in</html>"])
    def test_that_is_no_notice_is_unknown(self, body):
        with pytest.raises(ProviderError, match="spot interruption cannot be read: it "):
            read_spot(body, HERE)

    def test_as_older_services_tell_it(self):
        event = only(read_termination_time(b"2015-01-05T18:02:00Z\n", HERE))
        assert (event.id, event.impact) == (f"spot/{HERE}", Impact.TERMINATE)
        assert event.not_before == datetime(2015, 1, 5, 18, 2, tzinfo=UTC)

    @pytest.mark.parametrize("body", [b"", b"not-a-time", b"<html>404</html>"])
    def test_older_services_say_anything_else_where_there_is_none(self, body):
        assert read_termination_time(body, HERE).events == ()


class TestARebalanceRecommendation:
    def test_is_perhaps_and_has_no_time(self):
        event = only(read_rebalance(b'{"noticeTime":"2020-10-27T08:22:00Z"}', HERE))
        assert (event.id, event.id_origin) == (f"rebalance/{HERE}", Origin.INFERRED)
        assert (event.tentative, event.impact, event.cause) == (True, Impact.TERMINATE, Cause.PREEMPTION)
        assert (event.not_before, event.notice, event.native_type) == (None, None, "rebalance")
        assert event.native == {"noticeTime": "2020-10-27T08:22:00Z"}

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>log in</html>"])
    def test_that_is_none_is_unknown(self, body):
        with pytest.raises(ProviderError, match="rebalance recommendation cannot be read: it "):
            read_rebalance(body, HERE)


class TestATargetState:
    @pytest.mark.parametrize(("state", "impact"), LIFECYCLE_STATES.items())
    def test_that_takes_the_instance_away_is_an_event(self, state, impact):
        event = only(read_lifecycle(f"{state}\n".encode(), HERE))
        assert (event.id, event.id_origin) == (f"lifecycle/{HERE}", Origin.INFERRED)
        assert (event.impact, event.cause, event.native_status) == (impact, Cause.SCALE_IN, state)
        assert (event.native_type, event.not_before, event.notice) == (f"lifecycle/{state}", None, None)

    @pytest.mark.parametrize("state", ["InService", "Standby", "Detached", "Warmed:Running", "", "inservice\n"])
    def test_that_leaves_it_is_none(self, state):
        observation = read_lifecycle(state.encode(), HERE)
        assert (observation.events, observation.whole) == ((), {""})

    def test_that_nobody_knows_is_told(self):
        observation = read_lifecycle(b"Warmed:Frozen", HERE)
        assert only(observation).impact is Impact.UNKNOWN
        assert observation.problems == ("the target lifecycle state 'Warmed:Frozen' is not known",)

    @pytest.mark.parametrize(
        "body", [b"<html>log in</html>", b"null {}", b"x" * 100, b"two words", b'{"a":1}', b"null", b"None"]
    )
    def test_that_is_none_is_unknown(self, body):
        with pytest.raises(ProviderError, match="target state cannot be read: it is no state"):
            read_lifecycle(body, HERE)


class TestTheIdentity:
    def test_without_what_cannot_be_read(self):
        found = read_identity(b'{"instanceId": "i-1", "accountId": 7, "region": "us-west-2", "billingProducts": null}')
        assert (found.instance, found.account, found.region, found.zone) == ("i-1", "", "us-west-2", "")

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>"])
    def test_that_is_no_document_is_an_error(self, body):
        with pytest.raises(ValueError, match="is "):
            read_identity(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
READERS = [read_scheduled, read_spot, read_rebalance, read_lifecycle, read_termination_time]


class TestGarbage:
    @pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
    @given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
    def test_is_an_observation_or_unknown(self, read, body):
        with contextlib.suppress(ProviderError):
            for event in read(body, HERE).events:
                assert event.native_type
                assert event.resources == (HERE,)

    @given(bad=JSON, field=st.sampled_from([*DOCUMENTED, "NotBeforeDeadline"]))
    def test_in_one_entry_leaves_the_next_one_as_it_is(self, bad, field):
        observation = scheduled(entry(**{field: bad}), entry(EventId="instance-event-next"))
        kept = next(event for event in observation.events if event.id == "instance-event-next")
        assert kept == only(scheduled(entry(EventId="instance-event-next")))
