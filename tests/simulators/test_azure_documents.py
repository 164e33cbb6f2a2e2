"""Azure's documents as each api-version writes them, and what the service refuses."""

from datetime import timedelta

import pytest

OLD = ["EventId", "EventStatus", "EventType", "ResourceType", "Resources", "NotBefore"]

VERSIONS = {
    "2017-03-01": OLD,
    "2017-08-01": OLD,
    "2017-11-01": OLD,
    "2019-01-01": OLD,
    "2019-04-01": [*OLD, "Description"],
    "2019-08-01": [*OLD, "Description", "EventSource"],
    "2020-07-01": [*OLD, "Description", "EventSource", "DurationInSeconds"],
}


def path(version):
    return f"/metadata/scheduledevents?api-version={version}"


class TestVersions:
    @pytest.mark.parametrize(("version", "fields"), VERSIONS.items())
    def test_a_version_has_its_fields_in_the_services_order(self, azure, machine, version, fields):
        azure.schedule("reboot", resources=["web-0"])
        document = machine.ask(path=path(version)).json
        assert list(document) == ["DocumentIncarnation", "Events"]
        assert list(document["Events"][0]) == fields

    @pytest.mark.parametrize(
        ("version", "types"),
        [
            ("2017-03-01", ["Freeze", "Reboot", "Redeploy"]),
            ("2017-08-01", ["Freeze", "Reboot", "Redeploy"]),
            ("2017-11-01", ["Freeze", "Reboot", "Redeploy", "Preempt"]),
            ("2019-01-01", ["Freeze", "Reboot", "Redeploy", "Preempt", "Terminate"]),
            ("2020-07-01", ["Freeze", "Reboot", "Redeploy", "Preempt", "Terminate"]),
        ],
    )
    def test_a_version_shows_only_the_types_that_it_knows(self, azure, machine, version, types):
        for impact, cause in [
            ("freeze", None),
            ("reboot", None),
            ("redeploy", None),
            ("terminate", "preemption"),
            ("terminate", None),
        ]:
            azure.schedule(impact, resources=["web-0"], cause=cause)
        assert [event["EventType"] for event in machine.ask(path=path(version)).json["Events"]] == types

    def test_the_preview_writes_names_with_a_leading_underscore(self, azure, machine):
        azure.schedule("reboot", resources=["web-0", "web-1"])
        names = {version: machine.ask(path=path(version)).json["Events"][0]["Resources"] for version in VERSIONS}
        assert names.pop("2017-03-01") == ["_web-0", "_web-1"]
        assert set(map(tuple, names.values())) == {("web-0", "web-1")}


class TestRefusals:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        "target",
        [
            "/metadata/scheduledevents",
            path(""),
            path("latest"),
            path("2020-07-02"),
            "/metadata/scheduledevents?version=2020-07-01",
        ],
    )
    def test_an_unknown_or_missing_version_is_a_bad_request(self, machine, method, target):
        answer = machine.ask(method, target)
        assert answer.status == 400
        assert "api-version" in answer.json["error"]

    @pytest.mark.parametrize("headers", [{}, {"Metadata": "false"}, {"Metadata": ""}, {"Metadata-Flavor": "true"}])
    def test_without_the_header_a_request_is_bad(self, machine, headers):
        assert machine.ask(headers=headers).status == 400
        assert machine.ask("POST", headers=headers, body=b"{}").status == 400
        assert machine.ask(path="/metadata/instance?api-version=2021-02-01", headers=headers).status == 400

    def test_the_preview_does_not_demand_the_header(self, machine):
        assert machine.ask(path=path("2017-03-01"), headers={}).status == 200
        assert machine.ask(path=path("2017-08-01"), headers={}).status == 400

    @pytest.mark.parametrize("header", ["true", "True", " TRUE "])
    def test_the_headers_case_does_not_matter(self, machine, header):
        assert machine.ask(headers={"metadata": header}).status == 200

    @pytest.mark.parametrize("target", ["/", "/metadata/nothing", "/metadata/instancex"])
    def test_an_unknown_path_is_not_found(self, machine, target):
        assert machine.ask(path=f"{target}?api-version=2020-07-01").status == 404

    def test_an_unknown_machine_is_not_found_and_logged_without_a_name(self, azure, machine_of):
        from dataclasses import replace

        machine = machine_of(azure, "web-0")
        stranger = replace(machine, url=machine.url.replace("web-0", "web-9"))
        assert stranger.ask().status == 404
        assert azure.requests()[0]["machine"] is None


class TestFields:
    def test_nothing_scheduled_is_an_empty_list(self, machine):
        answer = machine.ask()
        assert answer.json == {"DocumentIncarnation": 1, "Events": []}
        assert answer.headers["content-type"] == "application/json; charset=utf-8"

    def test_an_event_as_documented(self, azure, machine):
        event_id = azure.schedule(
            "freeze", resources=["web-0", "web-1"], notice=timedelta(minutes=15), duration=timedelta(seconds=5)
        )
        assert machine.event == {
            "EventId": event_id,
            "EventStatus": "Scheduled",
            "EventType": "Freeze",
            "ResourceType": "VirtualMachine",
            "Resources": ["web-0", "web-1"],
            "NotBefore": "Thu, 01 Jan 2026 00:15:00 GMT",
            "Description": "Virtual machine is being paused because of a memory-preserving Live Migration operation.",
            "EventSource": "Platform",
            "DurationInSeconds": 5,
        }

    def test_once_started_there_is_no_not_before(self, azure, machine):
        azure.start(azure.schedule("reboot", resources=["web-0"]))
        assert (machine.event["EventStatus"], machine.event["NotBefore"]) == ("Started", "")

    def test_ids_are_upper_case_guids(self, azure, machine):
        from uuid import UUID

        event_id = azure.schedule("reboot", resources=["web-0"])
        assert machine.event["EventId"] == event_id == str(UUID(event_id)).upper()

    @pytest.mark.parametrize(
        ("order", "event_type", "source", "duration", "notice", "description"),
        [
            ({"impact": "freeze"}, "Freeze", "Platform", 5, 900, "paused"),
            ({"impact": "freeze", "duration": timedelta(0)}, "Freeze", "Platform", 0, 900, "paused"),
            ({"impact": "reboot"}, "Reboot", "Platform", -1, 900, "Host server is undergoing maintenance."),
            ({"impact": "reboot", "cause": "user"}, "Reboot", "User", -1, 900, "requested by authorized user"),
            ({"impact": "reboot", "cause": "hardware_failure"}, "Reboot", "Platform", -1, 900, "emergency repair"),
            ({"impact": "redeploy"}, "Redeploy", "Platform", -1, 600, "Host server is undergoing maintenance."),
            ({"impact": "redeploy", "cause": "user"}, "Redeploy", "User", -1, 600, ""),
            ({"impact": "terminate"}, "Terminate", "Platform", -1, 300, ""),
            ({"impact": "terminate", "cause": "user"}, "Terminate", "User", -1, 300, ""),
            ({"impact": "terminate", "cause": "preemption"}, "Preempt", "Platform", -1, 30, ""),
            ({"impact": "terminate", "native_type": "preempt"}, "Preempt", "Platform", -1, 30, ""),
            ({"impact": "reboot", "description": "Wörds"}, "Reboot", "Platform", -1, 900, "Wörds"),
            ({"impact": "reboot", "duration": timedelta(seconds=-1)}, "Reboot", "Platform", -1, 900, "maintenance"),
        ],
    )
    def test_what_is_usual_for_a_type(
        self, azure, machine, clock, order, event_type, source, duration, notice, description
    ):
        azure.schedule(resources=["web-0"], **order)
        event = machine.event
        assert (event["EventType"], event["EventSource"]) == (event_type, source)
        assert event["DurationInSeconds"] == duration
        assert description in event["Description"]
        clock.advance(notice - 1)
        assert machine.event["EventStatus"] == "Scheduled"
        clock.advance(1)
        assert machine.event["EventStatus"] == "Started"

    def test_a_time_zone_other_than_utc_is_written_as_gmt(self, azure, machine):
        from datetime import datetime, timezone

        east = timezone(timedelta(hours=5, minutes=30))
        azure.schedule("reboot", resources=["web-0"], not_before=datetime(2026, 1, 1, 12, 0, tzinfo=east))
        assert machine.event["NotBefore"] == "Thu, 01 Jan 2026 06:30:00 GMT"


class TestEtags:
    def test_by_default_there_is_none(self, machine):
        assert "etag" not in machine.ask().headers

    def test_the_same_document_is_not_sent_twice(self, azures, machine_of):
        simulator = azures(etag=True)
        machine = machine_of(simulator, "web-0")
        first = machine.ask()
        again = machine.ask(headers={"Metadata": "true", "If-None-Match": first.headers["etag"]})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        simulator.schedule("reboot", resources=["web-0"])
        changed = machine.ask(headers={"Metadata": "true", "If-None-Match": first.headers["etag"]})
        assert changed.status == 200
        assert changed.headers["etag"] != first.headers["etag"]

    @pytest.mark.parametrize(
        "asked", ["*", " * ", "W/{0}", '"other", {0}', '"a",W/"b" , {0}', '{0}, "other"', '"a, b", {0}']
    )
    def test_a_client_may_know_several_or_any(self, azures, machine_of, asked):
        machine = machine_of(azures(etag=True), "web-0")
        known = machine.ask().headers["etag"]
        answer = machine.ask(headers={"Metadata": "true", "If-None-Match": asked.format(known)})
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", known)

    @pytest.mark.parametrize("asked", ["", '"other"', '"a", W/"b"', "{1}", "**", "W/*"])
    def test_a_client_that_knows_another_document_gets_this_one(self, azures, machine_of, asked):
        machine = machine_of(azures(etag=True), "web-0")
        known = machine.ask().headers["etag"]
        answer = machine.ask(headers={"Metadata": "true", "If-None-Match": asked.format(known, known.strip('"'))})
        assert answer.status == 200

    @pytest.mark.parametrize("asked", ["*", '"1"'])
    def test_without_tags_the_condition_never_holds(self, machine, asked):
        assert machine.ask(headers={"Metadata": "true", "If-None-Match": asked}).status == 200


class TestInstance:
    def test_a_machine_learns_its_name_as_text(self, azure, machine_of):
        name = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
        answers = [machine_of(azure, machine).ask(path=name) for machine in ("web-0", "web-1")]
        assert [answer.body for answer in answers] == [b"web-0", b"web-1"]
        assert answers[0].headers["content-type"].startswith("text/plain")

    def test_the_whole_document_and_its_parts_agree(self, machine):
        whole = machine.ask(path="/metadata/instance?api-version=2021-02-01").json
        assert machine.ask(path="/metadata/instance/compute?api-version=2021-02-01").json == whole["compute"]
        compute = whole["compute"]
        assert (compute["name"], compute["osType"], compute["vmScaleSetName"]) == ("web-0", "Linux", "")
        assert {"location", "resourceGroupName", "subscriptionId", "vmId", "zone"} <= set(compute)

    def test_the_id_is_the_machines_own_and_the_same_on_every_start(self, azures, machine_of):
        path = "/metadata/instance/compute/vmId?api-version=2021-02-01&format=text"

        def ids():
            simulator = azures()
            return [machine_of(simulator, name).ask(path=path).body for name in ("web-0", "web-1")]

        first, second = ids(), ids()
        assert first == second
        assert first[0] != first[1]

    def test_a_scale_sets_machine_names_it(self, azures, machine_of):
        simulator = azures(("vmss_0@vmss", "db@db"), scale_sets=["vmss"])
        path = "/metadata/instance/compute?api-version=2021-02-01"
        compute = machine_of(simulator, "vmss_0").ask(path=path).json
        assert compute["vmScaleSetName"] == "vmss"
        assert compute["resourceId"].endswith("/virtualMachineScaleSets/vmss/virtualMachines/0")
        assert machine_of(simulator, "db").ask(path=path).json["vmScaleSetName"] == ""

    @pytest.mark.parametrize(
        ("target", "status"),
        [
            ("/metadata/instance", 400),
            ("/metadata/instance?api-version=latest", 400),
            ("/metadata/instance?api-version=2016-01-01", 400),
            ("/metadata/instance/compute/name?api-version=2021-02-01", 400),
            ("/metadata/instance/compute/nothing?api-version=2021-02-01", 404),
            ("/metadata/instance/compute/name/x?api-version=2021-02-01&format=text", 404),
        ],
    )
    def test_what_it_refuses(self, machine, target, status):
        assert machine.ask(path=target).status == status

    def test_it_cannot_be_posted_to(self, machine):
        assert machine.ask("POST", "/metadata/instance?api-version=2021-02-01", body=b"{}").status == 405
