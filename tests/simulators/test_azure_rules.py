"""Azure's rules: who sees an event, when it starts, whose approval counts, and how the incarnation counts."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.errors import SettingsError, SimulationError
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.azure import AzureSimulator


class TestWhoSeesAnEvent:
    def test_every_machine_of_the_group_sees_it(self, azure, machine_of):
        azure.schedule("reboot", resources=["web-0"])
        for name in ("web-0", "web-1"):
            assert machine_of(azure, name).event["Resources"] == ["web-0"]

    def test_another_group_does_not(self, azures, machine_of):
        simulator = azures(("a@one", "b@one", "c@two"))
        simulator.schedule("reboot", resources=["b"])
        assert [len(machine_of(simulator, name).events) for name in "abc"] == [1, 1, 0]

    def test_in_an_isolated_group_only_the_machine_itself_does(self, azures, machine_of):
        simulator = azures(("a@gpu", "b@gpu", "c@web"), isolated_groups=["gpu"])
        simulator.schedule("reboot", resources=["B"])
        simulator.schedule("freeze", resources=["c"])
        assert [len(machine_of(simulator, name).events) for name in "abc"] == [0, 1, 1]
        assert [machine_of(simulator, name).incarnation for name in "abc"] == [1, 1, 1]

    def test_an_event_names_machines_of_one_group(self, azures):
        simulator = azures(("a@one", "b@two"))
        with pytest.raises(SimulationError, match="machines of one group only, these are of one, two"):
            simulator.schedule("reboot", resources=["a", "b"])

    def test_a_machine_is_known_by_its_source_address(self, azures, machine_of):
        from http.client import HTTPConnection
        from urllib.parse import urlsplit

        simulator = azures(("web-0", "web-1=127.0.0.2"))
        split = urlsplit(simulator.url)
        for source in ("127.0.0.2", "127.0.0.3"):
            connection = HTTPConnection(split.hostname, split.port, source_address=(source, 0), timeout=10)
            connection.request("GET", "/metadata/scheduledevents?api-version=2020-07-01", headers={"Metadata": "true"})
            connection.getresponse().read()
            connection.close()
        assert [request["machine"] for request in simulator.requests()] == ["web-1", "web-0"]

    def test_names_are_shown_as_the_caller_spelt_them(self, azure, machine):
        azure.schedule("reboot", resources=["WEB-0"])
        assert machine.event["Resources"] == ["WEB-0"]


class TestWhenItStarts:
    def test_it_waits_for_its_time_stays_started_and_is_gone(self, azure, machine, clock):
        azure.schedule("reboot", resources=["web-0"])
        clock.advance(minutes=14, seconds=59)
        assert machine.event["EventStatus"] == "Scheduled"
        clock.advance(1)
        assert machine.event["EventStatus"] == "Started"
        clock.advance(minutes=9, seconds=59)
        assert machine.event["EventStatus"] == "Started"
        clock.advance(1)
        assert machine.events == []
        assert azure.events()[0]["outcome"] == "completed"

    def test_a_long_jump_passes_through_every_state_at_its_time(self, azure, clock):
        azure.schedule("reboot", resources=["web-0"])
        clock.advance(hours=5)
        (event,) = azure.events()
        assert (event["started_at"], event["ended_at"]) == ("2026-01-01T00:15:00Z", "2026-01-01T00:25:00Z")

    def test_the_time_that_it_stays_started_is_not_the_impacts_duration(self, azure, machine, clock):
        azure.schedule(
            "freeze",
            resources=["web-0"],
            notice=timedelta(0),
            duration=timedelta(seconds=5),
            started_for=timedelta(seconds=90),
        )
        clock.advance(89)
        assert machine.event["DurationInSeconds"] == 5
        clock.advance(1)
        assert machine.events == []

    def test_a_shorter_notice_than_the_least_documented_one_is_possible(self, azure, machine, clock):
        azure.schedule("freeze", resources=["web-0"], notice=timedelta(minutes=5, seconds=19))
        clock.advance(319)
        assert machine.event["EventStatus"] == "Started"

    def test_a_time_that_has_passed_starts_it_now(self, azure, machine, clock):
        azure.schedule("reboot", resources=["web-0"], not_before=clock.now() - timedelta(days=1))
        assert machine.event["EventStatus"] == "Started"
        assert azure.events()[0]["started_at"] == "2026-01-01T00:00:00Z"

    def test_a_moved_event_starts_at_its_new_time(self, azure, machine, clock):
        event_id = azure.schedule("reboot", resources=["web-0"])
        clock.advance(60)
        azure.change(event_id, notice=timedelta(hours=1))
        assert machine.event["NotBefore"] == "Thu, 01 Jan 2026 01:01:00 GMT"
        clock.advance(minutes=59)
        assert machine.event["EventStatus"] == "Scheduled"
        azure.change(event_id, not_before=datetime(2026, 1, 1, 1, 0, tzinfo=UTC))
        assert machine.event["EventStatus"] == "Started"

    def test_two_events_pass_each_other(self, azure, machine, clock):
        azure.schedule("reboot", resources=["web-0"], notice=timedelta(minutes=20))
        azure.schedule("freeze", resources=["web-1"], notice=timedelta(minutes=5))
        clock.advance(minutes=6)
        assert [event["EventStatus"] for event in machine.events] == ["Scheduled", "Started"]

    @pytest.mark.parametrize(
        ("order", "why"),
        [
            ({"resources": []}, "at least one machine"),
            ({"resources": "web-0"}, "not one name"),
            ({"resources": ["web-0"], "notice": timedelta(-1)}, "cannot be negative"),
            (
                {"resources": ["web-0"], "notice": timedelta(1), "not_before": datetime(2026, 1, 1, tzinfo=UTC)},
                "a notice or a not_before, not both",
            ),
            ({"resources": ["web-0"], "not_before": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
            ({"resources": ["web-0"], "started_for": timedelta(-1)}, "negative"),
            ({"resources": ["web-0"], "native_type": "Freeze"}, "Azure's event type Freeze has the impact freeze"),
        ],
    )
    def test_an_order_that_makes_no_sense_is_refused(self, azure, order, why):
        with pytest.raises(SimulationError, match=why):
            azure.schedule("reboot", **order)

    @pytest.mark.parametrize("impact", ["none", "degraded", "stop", "unknown"])
    def test_an_impact_that_azure_does_not_announce_is_refused_with_those_that_it_does(self, azure, impact):
        with pytest.raises(SimulationError, match=f"{impact}; it has freeze, reboot, redeploy, terminate$"):
            azure.schedule(impact, resources=["web-0"])


class TestApproval:
    def test_one_machine_speaks_for_all(self, azure, machine_of):
        event_id = azure.schedule("reboot", resources=["web-0", "web-1"])
        assert machine_of(azure, "web-1").approve(event_id).status == 200
        (event,) = azure.events()
        assert (event["phase"], event["approved_by"]) == ("started", ["web-1"])

    def test_it_is_fine_to_approve_again_and_after_the_start(self, azure, machine, machine_of):
        event_id = azure.schedule("reboot", resources=["web-0"])
        assert [machine.approve(event_id).status for _ in range(2)] == [200, 200]
        assert machine_of(azure, "web-1").approve(event_id).status == 200
        assert azure.events()[0]["approved_by"] == ["web-0", "web-1"]

    def test_on_shared_hardware_an_approval_is_only_noted(self, azures, machine_of, clock):
        simulator = azures(shared_hardware=True)
        machine = machine_of(simulator, "web-0")
        event_id = simulator.schedule("reboot", resources=["web-0"])
        assert machine.approve(event_id).status == 200
        assert machine.event["EventStatus"] == "Scheduled"
        assert simulator.events()[0]["approved_by"] == ["web-0"]
        clock.advance(minutes=15)
        assert machine.event["EventStatus"] == "Started"

    def test_on_shared_hardware_the_other_tenants_can_be_played(self, azures, machine_of):
        simulator = azures(shared_hardware=True)
        event_id = simulator.schedule("reboot", resources=["web-0"])
        simulator.start(event_id)
        assert machine_of(simulator, "web-0").event["EventStatus"] == "Started"

    def test_ids_are_compared_without_regard_to_case(self, azure, machine):
        assert machine.approve(azure.schedule("reboot", resources=["web-0"]).lower()).status == 200

    def test_several_events_can_be_approved_at_once(self, azure, machine):
        ids = [azure.schedule("reboot", resources=["web-0"]) for _ in range(3)]
        assert machine.approve(*ids).status == 200
        assert {event["phase"] for event in azure.events()} == {"started"}

    def test_with_an_unknown_id_among_them_none_is_approved(self, azure, machine):
        event_id = azure.schedule("reboot", resources=["web-0"])
        assert machine.approve(event_id, "NO-SUCH-EVENT").status == 400
        assert azure.events()[0]["approved_by"] == []

    def test_an_event_that_is_gone_or_of_another_group_is_unknown(self, azures, machine_of):
        simulator = azures(("a@one", "b@two"))
        gone = simulator.schedule("reboot", resources=["a"])
        simulator.complete(gone)
        foreign = simulator.schedule("reboot", resources=["b"])
        assert [machine_of(simulator, "a").approve(event_id).status for event_id in (gone, foreign)] == [400, 400]

    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", None])
    def test_any_content_type_does(self, azure, machine, content_type):
        event_id = azure.schedule("reboot", resources=["web-0"])
        headers = {"Metadata": "true"} | ({"Content-Type": content_type} if content_type else {})
        body = {"StartRequests": [{"EventId": event_id}], "DocumentIncarnation": 2}
        assert machine.ask("POST", content=body, headers=headers).status == 200

    def test_another_version_than_the_one_read_does(self, azure, machine):
        event_id = azure.schedule("reboot", resources=["web-0"])
        assert machine.approve(event_id, path="/metadata/scheduledevents?api-version=2017-08-01").status == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"{}",
            b'{"StartRequests": []}',
            b'{"StartRequests": {}}',
            b'{"StartRequests": [{}]}',
            b'{"StartRequests": [{"EventId": 5}]}',
            b'{"StartRequests": [{"EventId": ""}]}',
            b'{"startRequests": [{"EventId": "X"}]}',
            b"\xff\xfe",
        ],
    )
    def test_a_malformed_body_is_a_bad_request(self, machine, body):
        assert machine.ask("POST", body=body).status == 400


class TestNewIds:
    """As the vendor's mock server does, and the real service does not."""

    @pytest.fixture
    def mock(self, azures):
        return azures(new_ids=True)

    def test_an_event_that_starts_has_a_new_id_and_keeps_it(self, mock, machine_of, clock):
        machine = machine_of(mock, "web-0")
        ours = mock.schedule("reboot", resources=["web-0"])
        assert machine.event["EventId"] == ours
        clock.advance(minutes=15)
        started = machine.event
        assert started["EventStatus"] == "Started"
        assert started["EventId"] != ours
        clock.advance(minutes=9)
        assert machine.event["EventId"] == started["EventId"] == machine_of(mock, "web-1").event["EventId"]
        clock.advance(minutes=1)
        assert machine.events == []

    def test_the_control_api_knows_it_by_its_first_id(self, mock, machine_of):
        machine = machine_of(mock, "web-0")
        ours = mock.schedule("reboot", resources=["web-0"])
        machine.approve(ours)
        assert mock.events()[0]["id"] == ours
        mock.complete(ours)
        assert machine.events == []

    def test_what_is_approved_is_what_is_shown(self, mock, machine_of):
        machine = machine_of(mock, "web-0")
        ours = mock.schedule("reboot", resources=["web-0"])
        assert machine.approve(ours).status == 200
        assert machine.approve(ours).status == 400
        assert machine.approve(machine.event["EventId"].lower()).status == 200

    def test_otherwise_an_id_stays_to_the_end(self, azure, machine):
        ours = azure.schedule("reboot", resources=["web-0"])
        azure.start(ours)
        assert machine.event["EventId"] == ours


class TestIncarnation:
    def test_it_starts_at_one_and_counts_changes_only(self, azure, machine, clock):
        seen = [machine.incarnation, machine.incarnation]
        event_id = azure.schedule("reboot", resources=["web-0"])
        seen += [machine.incarnation, machine.incarnation]
        azure.change(event_id, description="Host server is undergoing maintenance.")
        seen += [machine.incarnation]
        azure.change(event_id, description="Something else.")
        seen += [machine.incarnation]
        machine.approve(event_id)
        seen += [machine.incarnation]
        clock.advance(minutes=10)
        seen += [machine.incarnation]
        assert seen == [1, 1, 2, 2, 2, 3, 4, 5]

    def test_an_approval_that_starts_nothing_changes_nothing(self, azures, machine_of):
        simulator = azures(shared_hardware=True)
        machine = machine_of(simulator, "web-0")
        event_id = simulator.schedule("reboot", resources=["web-0"])
        before = machine.incarnation
        machine.approve(event_id)
        assert machine.incarnation == before

    def test_it_skips_what_nobody_saw(self, azure, machine, clock):
        assert machine.incarnation == 1
        azure.schedule("reboot", resources=["web-0"])
        assert machine.incarnation == 2
        clock.advance(hours=1)
        assert machine.incarnation == 4

    def test_it_can_be_made_to_skip_and_to_start_over(self, azure, machine, control):
        assert machine.incarnation == 1
        azure.skip_incarnations(3)
        assert machine.incarnation == 4
        assert control("POST", "incarnations", content={"skip": 2}).status == 204
        assert machine.incarnation == 6
        azure.restart_incarnations()
        assert machine.incarnation == 1
        assert control("POST", "incarnations", content={"restart": True, "skip": 1}).status == 204
        assert machine.incarnation == 2
        assert control("POST", "incarnations", content={"skip": -1}).status == 400

    def test_it_starts_over_after_a_day_without_a_request_of_that_machine(self, azure, machine_of, clock):
        asks, sleeps = machine_of(azure, "web-0"), machine_of(azure, "web-1")
        assert (asks.incarnation, sleeps.incarnation) == (1, 1)
        azure.cancel(azure.schedule("reboot", resources=["web-0"]))
        for _ in range(2):
            clock.advance(hours=12)
            assert asks.incarnation == 3
        azure.schedule("reboot", resources=["web-0"])
        assert sleeps.document() | {"Events": []} == {"DocumentIncarnation": 1, "Events": []}
        assert asks.incarnation == 4

    def test_another_groups_events_do_not_count(self, azures, machine_of):
        simulator = azures(("a@one", "b@two"))
        machines = [machine_of(simulator, name) for name in "ab"]
        assert [machine.incarnation for machine in machines] == [1, 1]
        simulator.schedule("reboot", resources=["a"])
        assert [machine.incarnation for machine in machines] == [2, 1]


class TestFirstCall:
    def test_the_first_answer_takes_its_time_and_the_next_ones_do_not(self, azures, machine_of, clock):
        simulator = azures(first_call_delay=timedelta(minutes=2))
        machine = machine_of(simulator, "web-0")
        incarnations = []
        thread = threading.Thread(target=lambda: incarnations.append(machine.incarnation))
        began = clock.now()
        thread.start()
        while thread.is_alive():
            clock.advance(1)
            thread.join(0.001)
        assert incarnations == [1]
        assert clock.now() - began >= timedelta(minutes=2)
        assert machine.incarnation == 1

    def test_a_request_that_is_refused_does_not_switch_the_service_on(self, azures, machine_of):
        simulator = azures(first_call_delay=timedelta(minutes=2))
        assert machine_of(simulator, "web-0").ask(headers={}).status == 400
        assert simulator._azure._services["web-0"].last_request is None


class TestEventsThatComeLater:
    @pytest.fixture
    def late(self, azures):
        return azures(("web-0", "web-1", "db@db"), events_delay=timedelta(minutes=5))

    def test_they_reach_a_machine_five_minutes_after_its_first_request(self, late, machine_of, clock):
        first, second = machine_of(late, "web-0"), machine_of(late, "web-1")
        event_id = late.schedule("reboot", resources=["web-0"], notice=timedelta(hours=1))
        assert first.document() == {"DocumentIncarnation": 1, "Events": []}
        clock.advance(minutes=1)
        assert second.events == []
        clock.advance(minutes=3, seconds=59)
        assert first.document() == {"DocumentIncarnation": 1, "Events": []}
        clock.advance(1)
        assert (first.incarnation, first.event["EventId"]) == (2, event_id)
        assert second.events == []
        clock.advance(minutes=1)
        assert (second.incarnation, second.event["EventId"]) == (2, event_id)

    def test_what_happened_before_is_not_counted_and_what_happens_after_is(self, late, machine_of, clock):
        machine = machine_of(late, "web-0")
        assert machine.incarnation == 1
        late.cancel(late.schedule("reboot", resources=["web-0"]))
        clock.advance(minutes=5)
        assert machine.document() == {"DocumentIncarnation": 1, "Events": []}
        late.schedule("freeze", resources=["web-1"])
        assert machine.incarnation == 2

    def test_what_a_machine_does_not_see_yet_it_cannot_approve(self, late, machine_of, clock):
        machine = machine_of(late, "web-0")
        event_id = late.schedule("reboot", resources=["web-0"])
        assert machine.approve(event_id).status == 400
        clock.advance(minutes=5)
        assert machine.approve(event_id).status == 200

    def test_after_a_day_without_a_request_it_begins_again(self, late, machine_of, clock):
        machine = machine_of(late, "web-0")
        assert machine.incarnation == 1
        clock.advance(hours=24)
        late.schedule("reboot", resources=["web-0"], notice=timedelta(hours=1))
        assert machine.document() == {"DocumentIncarnation": 1, "Events": []}
        clock.advance(minutes=5)
        assert machine.incarnation == 2

    def test_machines_of_another_group_have_their_own_time(self, late, machine_of, clock):
        database, web = machine_of(late, "db"), machine_of(late, "web-0")
        assert database.events == []
        clock.advance(minutes=5)
        late.schedule("reboot", resources=["db"])
        late.schedule("reboot", resources=["web-0"])
        assert (len(database.events), web.events) == (1, [])


class TestThrottling:
    IDENTITY = "/metadata/identity/info?api-version=2018-02-01"
    INSTANCE = "/metadata/instance?api-version=2021-02-01"

    @pytest.fixture
    def busy(self, azures):
        return azures(throttle=True)

    def test_the_sixth_request_in_a_second_is_refused_whatever_it_asks(self, busy, machine_of, clock):
        machine = machine_of(busy, "web-0")
        asked = ["/metadata/versions", self.INSTANCE, "/nothing", self.INSTANCE, "/metadata/versions"]
        assert 429 not in [machine.ask(path=path).status for path in asked]
        answers = [machine.ask(), machine.ask(path=self.INSTANCE), machine.approve("X")]
        assert [(answer.status, answer.json) for answer in answers] == [(429, {"error": "Too many requests"})] * 3
        clock.advance(0.999)
        assert machine.ask().status == 429
        clock.advance(0.001)
        assert machine.ask().status == 200

    def test_the_second_slides(self, busy, machine_of, clock):
        machine = machine_of(busy, "web-0")
        statuses = []
        for _ in range(20):
            statuses.append(machine.ask().status)
            clock.advance(0.1)
        assert statuses == ([200] * 5 + [429] * 5) * 2

    def test_a_poll_each_second_is_never_refused(self, busy, machine_of, clock):
        machine = machine_of(busy, "web-0")
        for _ in range(30):
            assert machine.ask().status == 200
            clock.advance(1)

    def test_every_machine_has_its_own_limit(self, busy, machine_of):
        first, second = machine_of(busy, "web-0"), machine_of(busy, "web-1")
        assert [first.ask().status for _ in range(6)] == [200] * 5 + [429]
        assert second.ask().status == 200

    def test_managed_identity_has_a_limit_of_its_own(self, busy, machine_of):
        machine = machine_of(busy, "web-0")
        assert [machine.ask(path=self.IDENTITY).status for _ in range(21)] == [400] * 20 + [429]
        assert machine.ask(path=self.IDENTITY).json["error"] == "too_many_requests"
        assert machine.ask().status == 200

    def test_unless_asked_for_nobody_is_refused(self, machine):
        assert {machine.ask().status for _ in range(20)} == {200}


class TestOptions:
    def test_settings_come_as_text(self):
        simulator = AzureSimulator.from_options(
            SimulatorOptions(
                machines=["a@gpu", "b@web"],
                settings={
                    "shared-hardware": "true",
                    "first-call-delay": "2.5",
                    "events-delay": "5m",
                    "throttle": "true",
                    "etag": "true",
                    "isolated-group": "gpu, web",
                    "scale-set": "gpu",
                    "new-ids": "true",
                },
            )
        )
        rules = simulator._azure.rules
        assert rules.shared_hardware
        assert rules.first_call_delay == timedelta(seconds=2.5)
        assert rules.events_delay == timedelta(minutes=5)
        assert simulator._wire._throttle is not None
        assert rules.isolated_groups == {"gpu", "web"}
        assert rules.scale_sets == {"gpu"}
        assert rules.new_ids

    def test_without_machines_there_is_one(self):
        with AzureSimulator.from_options(SimulatorOptions()) as simulator:
            assert list(simulator.urls()) == ["web-0"]

    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            (
                {"colour": "red"},
                "the azure simulator has no setting 'colour'; there are: etag, events-delay, first-call-delay",
            ),
            ({"etag": "yes"}, "the setting etag is a switch: true or false, not 'yes'"),
            (
                {"first-call-delay": "soon"},
                "first-call-delay cannot be used: 'soon' is not a length of time",
            ),
            ({"first-call-delay": "nan"}, "'nan' is not a length of time"),
            ({"first-call-delay": "-1"}, "'-1' is not a length of time"),
            ({"isolated-group": "gpu"}, "no machine is in the group 'gpu'; there are: default"),
        ],
    )
    def test_a_setting_that_cannot_be_used_is_named(self, settings, why):
        with pytest.raises(SettingsError, match=why):
            AzureSimulator.from_options(SimulatorOptions(settings=settings))

    @pytest.mark.parametrize(
        ("machines", "why"),
        [
            ((), "at least one machine"),
            (("",), "not of the form"),
            (("a b",), "not of the form"),
            (("a@",), "not of the form"),
            (("a/b",), "not of the form"),
            (("a=localhost",), "not an IP address: localhost"),
            (("a", "A"), "the same name"),
            (("a=127.0.0.2", "b=127.0.0.2"), "the same address"),
        ],
    )
    def test_machines_that_cannot_be_used_are_named(self, machines, why):
        with pytest.raises(SettingsError, match=why):
            AzureSimulator(machines)

    def test_a_name_with_signs_of_its_own_is_quoted_in_its_url(self, azures, machine_of):
        simulator = azures(("vm 1#?%".replace(" ", "_"),))
        (name,) = simulator.urls()
        assert machine_of(simulator, name).incarnation == 1
        assert simulator.requests()[0]["machine"] == name
