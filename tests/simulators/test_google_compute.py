"""The Compute API: by plain requests, and by the real client library with the library's own credentials."""

from datetime import timedelta

import pytest

from stormcone.errors import SettingsError
from stormcone.model import Impact

FLAVOR = {"Metadata-Flavor": "Google"}
ZONE = "/compute/v1/projects/stormcone-project/zones/us-central1-a"
VM = f"{ZONE}/instances/web-0"
HOUR = timedelta(hours=1)


@pytest.fixture
def token(google, asking):
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    return asking(google.url, "GET", path, headers=FLAVOR).json["access_token"]


@pytest.fixture
def call(google, asking, token):
    def call(method, path, **more):
        return asking(google.url, method, path, **{"headers": {"Authorization": f"Bearer {token}"}, **more})

    return call


def said(answer):
    error = answer.json["error"]
    assert error["code"] == answer.status
    return error["status"], error["errors"][0]["reason"]


class TestEveryCall:
    @pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic abc", "Bearer ya29.stormcone.AAAA"])
    def test_needs_a_token_of_the_metadata_server(self, call, authorization):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = call("GET", VM, headers=headers)
        assert (answer.status, said(answer)[0]) == (401, "UNAUTHENTICATED")

    def test_takes_no_token_that_is_too_old(self, googles, asking, clock):
        google = googles(clients_clock=clock)
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        token = asking(google.url, "GET", path, headers=FLAVOR).json["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert asking(google.url, "GET", VM, headers=headers).status == 200
        clock.advance(hours=1)
        assert asking(google.url, "GET", VM, headers=headers).status == 401

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", f"{ZONE}/instances/nobody", 404),
            ("GET", "/compute/v1/projects/other/zones/us-central1-a/instances/web-0", 404),
            ("GET", "/compute/v1/projects/stormcone-project/zones/mars-a/instances/web-0", 404),
            ("DELETE", VM, 404),
            ("POST", f"{VM}/reset", 404),
            ("GET", "/compute/v1/projects/stormcone-project/aggregated/instances", 404),
            ("GET", f"{ZONE}/operations/operation-0", 404),
            ("GET", f"{VM}?colour=red", 400),
            ("GET", f"{VM}?alt=json&alt=json", 400),
            ("GET", f"{VM}?alt=media", 501),
            ("GET", f"{VM}?fields=name", 501),
            ("POST", f"{VM}/simulateMaintenanceEvent?withExtendedNotifications=true", 501),
        ],
    )
    def test_that_there_is_not_is_refused_in_the_apis_own_way(self, call, method, path, status):
        answer = call(method, path)
        assert answer.status == status
        assert said(answer)

    def test_takes_no_body(self, call):
        assert call("POST", f"{VM}/performMaintenance", content={"reservation": "x"}).status == 400


class TestPermissions:
    NAMES = ("compute.instances.get", "compute.instances.performMaintenance")

    @pytest.fixture
    def google(self, googles):
        return googles(denied=["compute.instances.performMaintenance"])

    def test_are_told_as_far_as_they_are_granted(self, call):
        answer = call("POST", f"{VM}/testIamPermissions", content={"permissions": list(self.NAMES)})
        assert (answer.status, answer.json) == (200, {"permissions": ["compute.instances.get"]})
        answer = call("POST", f"{VM}/testIamPermissions", content={"permissions": [self.NAMES[1]]})
        assert (answer.status, answer.json) == (200, {})

    def test_what_is_denied_is_refused(self, google, call):
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        answer = call("POST", f"{VM}/performMaintenance")
        assert (answer.status, said(answer)[0]) == (403, "PERMISSION_DENIED")
        assert "'compute.instances.performMaintenance'" in answer.json["error"]["message"]
        assert google.events()[0]["phase"] == "scheduled"
        assert call("GET", VM).status == 200

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            (VM, {"permissions": ["compute.instances.fly"]}, 400),
            (VM, {"permissions": "compute.instances.get"}, 400),
            (VM, {"rights": []}, 400),
            (VM, [], 400),
            (f"{ZONE}/instances/nobody", {"permissions": []}, 404),
        ],
    )
    def test_that_cannot_be_asked_for_are_refused(self, call, path, body, status):
        assert call("POST", f"{path}/testIamPermissions", content=body).status == status

    def test_that_there_are_not_cannot_be_denied(self, googles):
        with pytest.raises(
            SettingsError, match=r"there is no permission 'fly' here; there are compute\.instances\.get"
        ):
            googles(denied=["fly"])


class TestAVm:
    def test_is_told_with_what_becomes_of_it(self, google, call):
        google.schedule(Impact.TERMINATE, resources=["web-0"])
        told = call("GET", VM).json
        assert (told["name"], told["status"]) == ("web-0", "RUNNING")
        assert told["scheduling"] == {
            "automaticRestart": False,
            "onHostMaintenance": "TERMINATE",
            "preemptible": True,
            "provisioningModel": "SPOT",
            "instanceTerminationAction": "DELETE",
        }

    def test_is_told_with_its_upcoming_maintenance(self, google, call):
        assert "upcomingMaintenance" not in call("GET", VM).json["resourceStatus"]
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        assert call("GET", VM).json["resourceStatus"]["upcomingMaintenance"] == {
            "canReschedule": True,
            "latestWindowStartTime": "2026-01-02T01:00:00Z",
            "maintenanceReasons": ["PLANNED_UPDATE"],
            "maintenanceStatus": "PENDING",
            "type": "SCHEDULED",
            "windowEndTime": "2026-01-01T05:00:00Z",
            "windowStartTime": "2026-01-01T01:00:00Z",
        }

    def test_has_the_id_that_its_metadata_says_and_is_found_by_it(self, google, call, asking):
        identifier = asking(google.url, "GET", "/computeMetadata/v1/instance/id", headers=FLAVOR).body.decode()
        assert call("GET", VM).json["id"] == identifier
        assert call("GET", f"{ZONE}/instances/{identifier}").json["name"] == "web-0"

    def test_is_listed_with_the_others(self, call):
        assert [each["name"] for each in call("GET", f"{ZONE}/instances").json["items"]] == ["web-0", "web-1"]


class TestMaintenance:
    def test_that_is_planned_can_be_begun(self, google, call):
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        operation = call("POST", f"{VM}/performMaintenance").json
        assert (operation["operationType"], operation["status"]) == ("performMaintenance", "RUNNING")
        assert call("GET", f"{ZONE}/operations/{operation['name']}").json["status"] == "DONE"
        assert google.events()[0]["phase"] == "started"

    @pytest.mark.parametrize("order", [None, {"cause": "hardware_failure"}, {"native_type": None}])
    def test_that_is_not_cannot(self, google, call, order):
        if order:
            google.schedule(Impact.FREEZE, resources=["web-0"], **order)
        answer = call("POST", f"{VM}/performMaintenance")
        assert (answer.status, said(answer)) == (400, ("INVALID_ARGUMENT", "conditionNotMet"))

    def test_asked_for_twice_by_one_request_id_is_one(self, google, call):
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        path = f"{VM}/performMaintenance?requestId=00000000-0000-4000-8000-000000000001"
        assert call("POST", path).json["name"] == call("POST", path).json["name"]

    @pytest.mark.parametrize(
        ("setup", "native_type"),
        [
            ({}, "MIGRATE_ON_HOST_MAINTENANCE"),
            ({"terminated": ["web-0"]}, "TERMINATE_ON_HOST_MAINTENANCE"),
            ({"spot": ["web-0"]}, "PREEMPTED"),
        ],
    )
    def test_that_is_simulated_is_what_the_vms_settings_say(self, googles, asking, setup, native_type):
        google = googles(**setup)
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        token = asking(google.url, "GET", path, headers=FLAVOR).json["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert asking(google.url, "POST", f"{VM}/simulateMaintenanceEvent", headers=headers).status == 200
        assert google.events()[0]["native_type"] == native_type
        assert asking(google.url, "POST", f"{VM}/simulateMaintenanceEvent", headers=headers).status == 400


class TestFailing:
    @pytest.mark.parametrize("status", [401, 403, 404, 409, 412, 429, 500, 503])
    def test_is_an_error_of_the_apis_form(self, google, call, status):
        google.faults.add(status=status, path="/compute")
        answer = call("GET", VM)
        assert answer.status == status
        assert said(answer)


class TestTheRealLibrary:
    @pytest.fixture
    def client(self, google, monkeypatch):
        compute = pytest.importorskip("google.cloud.compute_v1")
        from google.auth.compute_engine import Credentials
        from google.auth.compute_engine import _metadata as metadata

        host = google.url.removeprefix("http://")
        monkeypatch.setattr(metadata, "_GCE_METADATA_HOST", host, raising=False)
        monkeypatch.setenv("GCE_METADATA_HOST", host)
        return compute.InstancesClient(
            credentials=Credentials(), transport="rest", client_options={"api_endpoint": google.url}
        )

    ADDRESS = {"project": "stormcone-project", "zone": "us-central1-a", "instance": "web-0"}  # noqa: RUF012

    def test_reads_a_vm(self, google, client):
        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        vm = client.get(**self.ADDRESS)
        assert vm.resource_status.upcoming_maintenance.maintenance_status == "PENDING"
        assert vm.resource_status.upcoming_maintenance.can_reschedule is True
        assert [each.name for each in client.list(project="stormcone-project", zone="us-central1-a")] == [
            "web-0",
            "web-1",
        ]

    def test_waits_for_an_operation_to_its_end(self, google, client):
        from google.auth.compute_engine import Credentials
        from google.cloud.compute_v1 import Operation, ZoneOperationsClient

        google.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        operation = client.perform_maintenance_unary(**self.ADDRESS)
        options = {"api_endpoint": google.url}
        operations = ZoneOperationsClient(credentials=Credentials(), transport="rest", client_options=options)
        place = {"project": "stormcone-project", "zone": "us-central1-a", "operation": operation.name}
        assert operations.wait(**place).status == Operation.Status.DONE
        assert google.events()[0]["phase"] == "started"

    def test_sees_a_refusal_as_what_it_is(self, client):
        from google.api_core.exceptions import BadRequest, NotFound

        with pytest.raises(BadRequest, match="no upcoming maintenance"):
            client.perform_maintenance(**self.ADDRESS)
        with pytest.raises(NotFound):
            client.get(**{**self.ADDRESS, "instance": "nobody"})

    def test_simulates_maintenance(self, google, client):
        client.simulate_maintenance_event(**self.ADDRESS)
        assert google.events()[0]["native_type"] == "MIGRATE_ON_HOST_MAINTENANCE"
