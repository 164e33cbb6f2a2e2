"""The control API: what it takes, what it answers, and to whom it does not answer."""

import json
import re

import pytest

from stormcone.clock import ManualClock, SystemClock


def calls(answer):
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json


class TestEvents:
    def test_an_event_is_made_listed_moved_started_and_ended(self, azure, control, clock):
        made = control("POST", "events", content={"impact": "reboot", "resources": ["web-0"], "notice_seconds": 60})
        assert made.status == 201
        event_id = made.json["id"]
        assert control("GET", "events").json == {
            "events": [
                {
                    "id": event_id,
                    "phase": "scheduled",
                    "outcome": None,
                    "impact": "reboot",
                    "cause": "maintenance",
                    "native_type": "Reboot",
                    "resources": ["web-0"],
                    "not_before": "2026-01-01T00:01:00Z",
                    "duration_seconds": None,
                    "started_for_seconds": 600.0,
                    "description": "Host server is undergoing maintenance.",
                    "approved_by": [],
                    "created_at": "2026-01-01T00:00:00Z",
                    "started_at": None,
                    "ended_at": None,
                }
            ]
        }
        moved = {"notice_seconds": 120, "duration_seconds": 9, "description": "later", "resources": ["web-1"]}
        assert control("PATCH", f"events/{event_id}", content=moved).status == 204
        (event,) = azure.events()
        assert (event["not_before"], event["duration_seconds"]) == ("2026-01-01T00:02:00Z", 9.0)
        assert (event["description"], event["resources"]) == ("later", ["web-1"])
        assert control("POST", f"events/{event_id}/start").status == 204
        assert azure.events()[0]["phase"] == "started"
        clock.advance(7)
        assert control("POST", f"events/{event_id}/complete", content={"outcome": "failed"}).status == 204
        (event,) = azure.events()
        assert (event["phase"], event["outcome"], event["ended_at"]) == ("ended", "failed", "2026-01-01T00:00:07Z")

    def test_everything_that_an_event_has_can_be_said(self, azure, control):
        told = {
            "impact": "terminate",
            "resources": ["web-1", "web-0"],
            "not_before": "2026-01-01T02:00:00+01:00",
            "duration_seconds": -1,
            "started_for_seconds": 30,
            "cause": "preemption",
            "native_type": "Preempt",
            "description": "",
        }
        assert control("POST", "events", content=told).status == 201
        (event,) = azure.events()
        assert event["not_before"] == "2026-01-01T01:00:00Z"
        assert event["resources"] == ["web-1", "web-0"]
        assert (event["duration_seconds"], event["started_for_seconds"]) == (None, 30.0)
        assert (event["cause"], event["native_type"], event["description"]) == ("preemption", "Preempt", "")

    def test_an_event_can_be_called_off_until_it_starts(self, azure, control):
        event_id = azure.schedule("reboot", resources=["web-0"])
        assert control("DELETE", f"events/{event_id.lower()}").status == 204
        assert azure.events()[0]["outcome"] == "canceled"
        late = control("DELETE", f"events/{event_id}")
        assert (late.status, calls(late)) == (
            409,
            {"error": f"the event {event_id} cannot be called off: it is ended already"},
        )

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ({}, "impact: field required"),
            ({"impact": "reboot"}, "resources: field required"),
            ({"impact": "reboot", "resources": []}, "resources: tuple should have at least 1 item"),
            ({"impact": "reboot", "resources": "web-0"}, "resources: input should be a valid array"),
            ({"impact": "reboot", "resources": ["web-9"]}, "there is no machine 'web-9'; there are: web-0, web-1"),
            ({"impact": "explode", "resources": ["web-0"]}, "impact: input should be 'none', 'degraded', 'freeze'"),
            ({"impact": "stop", "resources": ["web-0"]}, "Azure has no event with the impact stop; it has freeze"),
            ({"impact": "reboot", "resources": ["web-0"], "notice": 5}, "notice: extra inputs are not permitted"),
            ({"impact": "reboot", "resources": ["web-0"], "notice_seconds": -5}, "notice_seconds: input should be"),
            ({"impact": "reboot", "resources": ["web-0"], "notice_seconds": 1e300}, "notice_seconds: input should"),
            ({"impact": "reboot", "resources": ["web-0"], "not_before": "soon"}, "not_before: input should be"),
            ({"impact": "reboot", "resources": ["web-0"], "not_before": "2026-01-01T00:00:00"}, "not_before: input"),
            (
                {
                    "impact": "reboot",
                    "resources": ["web-0"],
                    "notice_seconds": 5,
                    "not_before": "2026-01-01T00:00:00Z",
                },
                "notice_seconds and not_before exclude each other; leave one out",
            ),
            ({"impact": "reboot", "resources": ["web-0"], "native_type": "Boom"}, "Azure has no event type 'Boom'"),
            ({"impact": "reboot", "resources": ["web-0"], "native_type": "freeze"}, "Azure's event type Freeze has"),
            ({"impact": "reboot", "resources": ["web-0"], "cause": "boredom"}, "cause: input should be"),
            ({"impact": "reboot", "resources": ["web-0"], "duration_seconds": -2}, "duration_seconds: input should"),
        ],
    )
    def test_a_bad_event_is_refused_with_the_field_and_the_reason(self, azure, control, content, reason):
        answer = control("POST", "events", content=content)
        assert answer.status == 400
        assert calls(answer)["error"].startswith(reason)
        assert azure.events() == []

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"null"])
    def test_a_body_that_is_no_object_is_refused(self, control, body):
        answer = control("POST", "events", body=body)
        assert answer.status == 400
        assert calls(answer)["error"]

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("DELETE", "events/NO"),
            ("PATCH", "events/NO"),
            ("POST", "events/NO/start"),
            ("POST", "events/NO/complete"),
        ],
    )
    def test_an_unknown_event_is_not_found(self, control, method, path):
        answer = control(method, path)
        assert (answer.status, calls(answer)["error"][:24]) == (404, "there is no event 'NO'; ")

    def test_what_comes_too_late_is_a_conflict(self, azure, control):
        event_id = azure.schedule("reboot", resources=["web-0"])
        azure.start(event_id)
        assert control("POST", f"events/{event_id}/start").status == 409
        assert control("PATCH", f"events/{event_id}", content={"notice_seconds": 5}).status == 409
        azure.complete(event_id)
        assert control("POST", f"events/{event_id}/complete").status == 409


class TestClock:
    def test_a_manual_clock_is_advanced(self, azure, control, clock):
        event_id = azure.schedule("reboot", resources=["web-0"])
        assert control("GET", "clock").json == {"now": "2026-01-01T00:00:00Z", "speed": None}
        answer = control("POST", "clock", content={"advance_seconds": 900})
        assert answer.json == {"now": "2026-01-01T00:15:00Z", "speed": None}
        assert azure.events()[0] | {"id": event_id, "phase": "started"} == azure.events()[0]

    def test_a_system_clock_is_hurried_and_stepped(self, azures):
        from datetime import datetime

        clock = SystemClock()
        simulator = azures(clock=clock)
        ask = simulator._control.answer
        from stormcone_simulators.http.messages import Request

        def call(**content):
            return json.loads(ask(Request("POST", "/_simulator/clock", {}, json.dumps(content).encode())).body)

        before = clock.now()
        after = call(advance_seconds=3600)
        assert (datetime.fromisoformat(after["now"]) - before).total_seconds() >= 3600
        assert call(speed=60)["speed"] == 60

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ({}, "give either advance_seconds or speed"),
            ({"advance_seconds": 5, "speed": 2}, "give either advance_seconds or speed"),
            ({"advance_seconds": -5}, "advance_seconds: input should be greater than or equal to 0"),
            ({"advance_seconds": "soon"}, "advance_seconds: input should be a valid number"),
            ({"speed": 0}, "speed: input should be greater than 0"),
            ({"speed": 60}, "speed: this simulator's clock stands still until it is advanced; use advance_seconds"),
        ],
    )
    def test_a_bad_step_is_refused_and_time_stands(self, control, clock, content, reason):
        before = clock.now()
        answer = control("POST", "clock", content=content)
        assert answer.status == 400
        assert calls(answer)["error"].startswith(reason)
        assert clock.now() == before


class TestFaults:
    def test_rules_are_added_listed_replaced_and_cleared(self, control):
        assert control("GET", "faults").json == {"faults": []}
        assert control("POST", "faults", content={"status": 503, "times": 3}).status == 201
        assert control("POST", "faults", content={"kind": "reset"}).status == 201
        assert [rule.get("status") for rule in control("GET", "faults").json["faults"]] == [503, None]
        assert control("PUT", "faults", content={"delay_seconds": 5}).status == 200
        (rule,) = control("GET", "faults").json["faults"]
        assert (rule["delay_seconds"], rule["times"]) == (5.0, None)
        assert control("DELETE", "faults").status == 204
        assert control("GET", "faults").json == {"faults": []}

    def test_a_bad_rule_leaves_the_old_ones_in_force(self, azure, control):
        azure.faults.add(status=503)
        answer = control("PUT", "faults", content={"kind": "explode"})
        assert answer.status == 400
        assert calls(answer)["error"].startswith("kind: there is no kind 'explode'; there are: ")
        assert len(azure.faults.list()) == 1


class TestRequests:
    def test_what_clients_asked_is_listed_and_control_calls_are_not(self, azure, control, machine, clock):
        clock.advance(5)
        event_id = azure.schedule("reboot", resources=["web-0"])
        machine.approve(event_id)
        control("GET", "health")
        (request,) = control("GET", "requests").json["requests"]
        assert request["headers"].pop("host")
        assert request["headers"].pop("accept-encoding") == "identity"
        assert request["headers"].pop("content-length")
        assert request == {
            "at": "2026-01-01T00:00:05Z",
            "machine": "web-0",
            "method": "POST",
            "path": "/metadata/scheduledevents",
            "query": {"api-version": "2020-07-01"},
            "headers": {"metadata": "true"},
            "body": json.dumps({"StartRequests": [{"EventId": event_id}]}),
            "status": 200,
            "fault": None,
        }

    def test_the_log_keeps_the_last_ten_thousand(self, azure, machine):
        machine.ask(path="/first")
        machine.ask(path="/second")
        logged = next(iter(azure._log))
        for _ in range(9_999):
            azure._log.add(logged)
        assert len(azure.requests()) == 10_000
        assert azure.requests()[0]["path"] == "/second"


class TestScenarios:
    def test_a_scenario_is_played_by_name(self, azure, control):
        assert "live-migration" in control("GET", "scenarios").json["scenarios"]
        assert control("POST", "scenarios/live-migration").json == {"scenario": "live-migration"}
        assert azure.events()[0]["impact"] == "freeze"

    def test_an_unknown_scenario_is_not_found_and_the_known_ones_are_named(self, control):
        answer = control("POST", "scenarios/doomsday")
        assert answer.status == 404
        assert calls(answer)["error"].startswith("there is no scenario 'doomsday'; there are: canceled-maintenance, ")


class TestHealth:
    def test_health_says_what_this_is(self, azure, control):
        assert control("GET", "health").json == {
            "status": "ok",
            "simulator": "azure",
            "machines": azure.urls(),
            "scheduled_events": f"{azure.url}/metadata/scheduledevents?api-version=2020-07-01",
            "header": "Metadata: true",
        }

    def test_the_calls_are_listed(self, control):
        listed = control("GET", "").json["calls"]
        assert "PATCH /_simulator/events/EVENT" in listed
        assert "POST /_simulator/incarnations" in listed

    @pytest.mark.parametrize("path", ["nothing", "events/", "events/1/explode", "health/x"])
    def test_an_unknown_call_is_not_found(self, control, path):
        assert control("GET", path).status == 404

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [("DELETE", "health", "GET"), ("PUT", "events", "GET, POST"), ("GET", "events/1/start", "POST")],
    )
    def test_a_wrong_method_is_told_the_right_ones(self, control, method, path, allowed):
        answer = control(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed)
        assert re.search(f"takes {allowed}, not {method}", calls(answer)["error"])


class TestWebPages:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Host": "evil.example"},
            {"Host": "evil.example:80"},
            {"Host": "127.0.0.1.evil.example"},
            {"Host": "[::1"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
            {"Origin": "http://[bad"},
        ],
    )
    def test_a_call_that_a_foreign_page_could_have_sent_is_refused(self, azure, control, headers):
        answer = control("POST", "scenarios/live-migration", headers=headers)
        assert answer.status == 403
        assert "does not answer to" in calls(answer)["error"]
        assert azure.events() == []

    @pytest.mark.parametrize(
        "host", ["localhost", "localhost:18169", "127.0.0.1", "192.0.2.7:80", "[::1]:80", "simulator"]
    )
    def test_addresses_and_plain_names_are_fine(self, control, host):
        assert control("GET", "health", headers={"Host": host}).status == 200

    def test_a_page_of_the_simulators_own_is_fine(self, azure, control):
        assert control("GET", "health", headers={"Origin": azure.url}).status == 200

    def test_a_machines_requests_may_have_any_host(self, machine):
        assert machine.ask(headers={"Metadata": "true", "Host": "metadata.azure.internal"}).status == 200


def test_a_stepped_system_clock_keeps_its_pace():
    clock = SystemClock(start=ManualClock().now())
    begun = clock.monotonic()
    clock.advance(3600)
    clock.speed = 2
    assert clock.speed == 2
    assert 3600 <= clock.monotonic() - begun < 3700
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="above 0"):
        clock.speed = 0


def test_a_listener_is_told_of_every_step_until_it_has_had_enough():
    for clock in (ManualClock(), SystemClock()):
        told = []
        unsubscribe = clock.subscribe(lambda told=told: told.append(1))
        clock.advance(5)
        unsubscribe()
        clock.advance(5)
        unsubscribe()
        assert told == [1]
