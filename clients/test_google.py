"""Clients of Google Cloud that others wrote, unchanged, at the address that they know."""

import pytest
import requests

from stormcone.model import Impact

ROOT = "http://169.254.169.254/computeMetadata/v1"


@pytest.fixture
def vm(google):
    """What the metadata server says of web-0, read without a client's help."""
    answer = requests.get(f"{ROOT}/?recursive=true", headers={"Metadata-Flavor": "Google"}, timeout=5)
    answer.raise_for_status()
    return answer.json()


class TestMetadata:
    def test_cloud_init_configures_the_machine_from_it(self, python, google, vm):
        found = python("cloud_init_google", debian=True)
        assert found["success"] is True
        assert found["meta"]["instance-id"] == str(vm["instance"]["id"])
        assert found["meta"]["local-hostname"] == vm["instance"]["hostname"]
        assert found["meta"]["availability-zone"] == "us-central1-a"

    def test_google_auth_has_the_vms_token(self, python, google, vm):
        found = python("google_auth")
        assert found["pings"] is True
        assert found["project"] == vm["project"]["projectId"]
        assert found["email"] == vm["instance"]["serviceAccounts"]["default"]["email"]
        assert found["token"].startswith("ya29.")

    @pytest.mark.parametrize(("ask", "name"), [("python", "opentelemetry_google"), ("node", "opentelemetry-google")])
    def test_the_detector_of_opentelemetry_knows_the_machine(self, ask, name, request, google, vm):
        found = request.getfixturevalue(ask)(name)
        assert found["cloud.provider"] == "gcp"
        assert found["cloud.platform"] == "gcp_compute_engine"
        assert found["cloud.account.id"] == vm["project"]["projectId"]
        assert found["cloud.availability_zone"] == "us-central1-a"
        assert found["host.id"] == str(vm["instance"]["id"])
        assert found["host.name"] in {"web-0", vm["instance"]["hostname"]}


class TestApi:
    def test_the_client_begins_upcoming_maintenance(self, python, google):
        google.schedule(Impact.FREEZE, resources=["web-0"], native_type="SCHEDULED")
        found = python("google_compute")
        assert found == {"name": "web-0", "status": "PENDING", "operation": "performMaintenance"}
        assert google.events()[0]["phase"] == "started"
