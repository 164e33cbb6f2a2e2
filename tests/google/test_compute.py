"""The Compute API through the real client library: beginning maintenance, simulating it, and what goes wrong."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from stormcone.clouds.contract import Simulates
from stormcone.errors import PartMissing, ProviderError, RequestRefused, SimulationError
from stormcone.model import Approval, Impact, MaintenanceEvent, Phase
from stormcone_google import provider as provider_module
from stormcone_google.provider import GoogleProvider

HOUR = timedelta(hours=1)
API = "/compute/v1/"


@pytest.fixture(autouse=True)
def alone(monkeypatch, only_this_machine):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def announced(cloud, provider):
    cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=30 * 24 * HOUR)
    (event,) = provider.poll().events
    return event


def calls(cloud):
    return [each for each in cloud.requests() if each["path"].startswith(API)]


class TestBeginning:
    def test_begins_the_maintenance_now_however_far_ahead(self, cloud, provider, announced):
        assert (announced.approval, announced.phase) == (Approval.TRIGGERS, Phase.SCHEDULED)
        provider.approve(announced)
        (event,) = cloud.events()
        assert (event["phase"], event["approved_by"], event["started_at"]) == (
            "started",
            ["web-0"],
            "2026-01-01T00:00:00Z",
        )
        (seen,) = provider.poll().events
        assert (seen.phase, seen.approval) == (Phase.STARTED, Approval.NONE)

    def test_is_refused_the_second_time_and_does_no_harm(self, provider, announced):
        provider.approve(announced)
        with pytest.raises(RequestRefused, match="status 400, Instance 'web-0' has no upcoming maintenance"):
            provider.approve(announced)

    def test_takes_a_token_of_the_vms_own_account(self, cloud, provider, announced):
        provider.approve(announced)
        (call,) = calls(cloud)
        assert call["status"] == 200
        assert "authorization" in call["headers"]

    def test_is_of_the_vm_whatever_it_was_named(self, cloud, make_provider):
        cloud.schedule(Impact.FREEZE, resources=["web-0"], notice=HOUR)
        provider = make_provider(cloud, machine="db-0")
        (event,) = provider.poll().events
        provider.approve(event)
        assert calls(cloud)[-1]["path"].endswith("/instances/web-0/performMaintenance")

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"approval": Approval.NONE}, "does not let the customer"),
            ({"id": "upcoming-maintenance/1"}, "no upcoming maintenance of this VM"),
            ({"id": "preempted/4515870919141281073"}, "no upcoming maintenance of this VM"),
        ],
    )
    def test_is_refused_without_asking_for_what_cannot_be(self, cloud, provider, announced, changes, why):
        with pytest.raises(RequestRefused, match=why):
            provider.approve(announced.but(**changes))
        assert calls(cloud) == []


class TestFaults:
    @pytest.mark.parametrize(
        "fault",
        [
            {"status": 500},
            {"status": 503},
            {"status": 429},
            {"kind": "reset"},
            {"kind": "close"},
            {"kind": "half_body"},
            {"kind": "junk"},
            {"kind": "empty"},
            {"body": "<html>please log in</html>"},
            {"body": "[]"},
        ],
    )
    def test_leave_it_open_whether_it_has_begun(self, cloud, provider, announced, fault):
        cloud.faults.add(path=API, **fault)
        with pytest.raises(ProviderError) as caught:
            provider.approve(announced)
        assert not isinstance(caught.value, RequestRefused)
        assert "performMaintenance" in str(caught.value)

    @pytest.mark.parametrize("status", [400, 403, 404, 409, 412])
    def test_that_are_a_no_are_final(self, cloud, provider, announced, status):
        cloud.faults.add(path=API, status=status)
        with pytest.raises(RequestRefused, match=f"status {status}") as caught:
            provider.approve(announced)
        assert ("grant the caller compute.instances.performMaintenance" in str(caught.value)) is (status == 403)

    def test_of_the_token_leave_it_open_too(self, cloud, provider, announced):
        cloud.faults.add(path="/computeMetadata/v1/instance/service-accounts", status=500)
        with pytest.raises(ProviderError):
            provider.approve(announced)
        cloud.faults.clear()
        cloud.faults.add(path="/computeMetadata/v1/instance/service-accounts", body="{}")
        with pytest.raises(ProviderError, match="gives no token"):
            provider.approve(announced)

    def test_tell_no_token(self, cloud, make_provider, announced):
        told = []
        provider = make_provider(cloud, tap=told.append)
        provider.poll()
        for fault in ({"status": 500}, {"kind": "reset"}, {"status": 403}):
            cloud.faults.add(path=API, times=1, **fault)
            with pytest.raises(ProviderError) as caught:
                provider.approve(announced)
            token = told[-1].request_headers["authorization"].removeprefix("Bearer ")
            assert token not in repr(caught.value)
            assert caught.value.__context__ is None or token not in repr(caught.value.__context__)
        assert not [each for each in told if b"access_token" in each.body]

    def test_come_as_soon_as_it_is_closed(self, provider, announced):
        provider.poll()
        provider.close()
        with pytest.raises(ProviderError):
            provider.approve(announced)


class TestWhatCanBeDone:
    def test_is_what_the_library_and_the_account_allow(self, provider):
        provider.identify()
        assert (provider.capabilities.can_approve, provider.capabilities.can_simulate) == (True, True)
        assert isinstance(provider, Simulates)
        assert provider.facts()["credentials"] == "the VM's service account"

    def test_is_to_watch_where_the_library_is_not_installed(self, cloud, make_provider, announced, monkeypatch):
        monkeypatch.setattr(provider_module, "has_library", lambda: False)
        provider = make_provider(cloud)
        assert (provider.capabilities.can_approve, provider.capabilities.can_simulate) == (False, False)
        assert provider.facts()["credentials"] == "google-cloud-compute is not installed"
        assert provider.poll().events == (announced,)
        with pytest.raises(PartMissing, match=r"run pip install stormcone\[google\]"):
            provider.approve(announced)

    def test_is_to_watch_where_a_part_of_the_library_is_not_there(self, monkeypatch):
        def missing(_name):
            raise ModuleNotFoundError

        assert provider_module.has_library()
        monkeypatch.setattr(provider_module, "find_spec", missing)
        assert not provider_module.has_library()

    @pytest.mark.parametrize(
        ("fault", "why"),
        [
            ({"status": 404}, "the VM has no service account"),
            ({"body": "https://www.googleapis.com/auth/devstorage.read_only\n"}, "lacks the scope compute"),
        ],
    )
    def test_is_to_watch_where_the_vm_has_no_account_for_more(self, cloud, provider, fault, why):
        cloud.faults.add(path="/computeMetadata/v1/instance/service-accounts/default/scopes", **fault)
        provider.identify()
        assert not provider.capabilities.can_approve
        assert why in provider.facts()["credentials"]
        assert GoogleProvider.capabilities.can_approve

    def test_is_left_open_where_the_account_cannot_be_asked(self, cloud, provider):
        cloud.faults.add(path="/computeMetadata/v1/instance/service-accounts", status=500)
        provider.identify()
        assert provider.capabilities.can_approve

    @pytest.mark.parametrize("way", ["setting", "variable"])
    def test_may_be_by_a_file_of_credentials(self, cloud, make_provider, announced, tmp_path, monkeypatch, way):
        file = tmp_path / "key.json"
        file.write_text(json.dumps({"type": "no-such-type"}))
        if way == "variable":
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        settings = {"credentials-file": str(file)} if way == "setting" else {}
        provider = make_provider(cloud, settings=settings)
        provider.poll()
        assert provider.facts()["credentials"] == str(file)
        with pytest.raises(ProviderError, match="its type 'no-such-type' is none of service_account, authorized_user"):
            provider.approve(announced)
        file.write_text(json.dumps({"type": "service_account"}))
        with pytest.raises(ProviderError, match=r"credentials file .*key\.json cannot be used: it cannot be read"):
            provider.approve(announced)

    def test_is_not_changed_by_a_netrc(self, provider, announced, tmp_path, monkeypatch):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        provider.approve(announced)

    def test_may_be_through_a_proxy(self, cloud, make_provider, announced, dead_url):
        provider = make_provider(cloud, settings={"proxy": dead_url.replace("http://", "http://me:pass-word@")})
        assert provider.poll().events
        assert provider.facts()["proxy"] == dead_url
        with pytest.raises(ProviderError, match="the proxy does not let it through") as caught:
            provider.approve(announced)
        assert "pass-word" not in str(caught.value)


class TestSimulating:
    def test_does_what_the_vms_settings_say(self, cloud, provider, clock):
        made = provider.simulate(Impact.FREEZE, resources=["web-0", "web-1"], not_before=clock.now())
        assert made == tuple(f"maintenance-event/{each}" for each in ids_of(cloud))
        assert {event["native_type"] for event in cloud.events()} == {"MIGRATE_ON_HOST_MAINTENANCE"}
        assert provider.poll().events[0].id == f"maintenance-event/{ids_of(cloud)[0]}"

    def test_preempts_a_spot_vm(self, make_cloud, make_provider, clock):
        cloud = make_cloud(spot=["web-0"])
        provider = make_provider(cloud)
        (made,) = provider.simulate(Impact.TERMINATE, resources=["web-0"], not_before=clock.now())
        assert made.startswith("preempted/")
        assert provider.poll().events[0].id == made

    def test_terminates_a_vm_that_cannot_be_moved(self, make_cloud, make_provider, clock):
        provider = make_provider(make_cloud(terminated=["web-0"]))
        provider.simulate(Impact.REBOOT, resources=["web-0"], not_before=clock.now())
        assert provider.poll().events[0].impact is Impact.REBOOT

    @pytest.mark.parametrize(
        ("impact", "order", "why"),
        [
            (Impact.FREEZE, {"ahead": HOUR}, "within a minute and at no other time"),
            (Impact.FREEZE, {"duration": HOUR}, "has no duration"),
            (Impact.FREEZE, {"native_type": "PREEMPTED"}, "takes no native type"),
            (Impact.FREEZE, {"resources": []}, "needs a machine"),
            (Impact.REBOOT, {}, "maintenance of web-0 is a freeze by its own settings, not a reboot"),
            (Impact.FREEZE, {"resources": ["nobody"]}, "instances/nobody' was not found"),
        ],
    )
    def test_that_the_cloud_does_not_have_is_refused(self, cloud, provider, clock, impact, order, why):
        ahead = order.pop("ahead", timedelta(0))
        order = {"resources": ["web-0"], **order}
        with pytest.raises(SimulationError, match=why):
            provider.simulate(impact, not_before=clock.now() + ahead, **order)
        assert cloud.events() == []

    def test_is_refused_while_maintenance_goes_on(self, provider, clock):
        provider.simulate(Impact.FREEZE, resources=["web-0"], not_before=clock.now())
        with pytest.raises(SimulationError, match="is under maintenance"):
            provider.simulate(Impact.FREEZE, resources=["web-0"], not_before=clock.now())

    def test_is_never_called_off(self, provider):
        with pytest.raises(SimulationError, match="cannot call off maintenance-event/1"):
            provider.cancel_simulated(["maintenance-event/1"])


def ids_of(cloud):
    return [str(cloud._google.vms.id_of(name)) for name in ("web-0", "web-1")]


def test_an_event_of_nobody_is_refused(provider):
    event = MaintenanceEvent(id="x", provider="google", phase=Phase.SCHEDULED, approval=Approval.TRIGGERS)
    with pytest.raises(RequestRefused):
        provider.approve(event)


def test_making_a_provider_imports_nothing_of_the_library():
    code = (
        "import sys; from stormcone.clouds.contract import ProviderOptions; "
        "from stormcone_google.provider import GoogleProvider; "
        "GoogleProvider.from_options(ProviderOptions()).close(); "
        "print([name for name in sys.modules if name.startswith('google.cloud.compute')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestRights:
    NAMES = tuple(f"compute.instances.{call}" for call in ("get", "performMaintenance", "simulateMaintenanceEvent"))

    def test_are_asked_in_one_call_and_told_one_by_one(self, make_cloud, make_provider):
        cloud = make_cloud(denied=["compute.instances.performMaintenance"])
        rights = make_provider(cloud).rights()
        assert {each.permission: each.granted for each in rights} == dict(
            zip(self.NAMES, (True, False, True), strict=True)
        )
        assert rights[1].why == "grant the caller compute.instances.performMaintenance"
        (call,) = calls(cloud)
        assert call["path"].endswith("/instances/web-0/testIamPermissions")

    def test_that_cannot_be_asked_are_not_known(self, cloud, provider):
        cloud.faults.add(path=API, status=503)
        assert {each.granted for each in provider.rights()} == {None}
        assert "testIamPermissions failed: status 503" in provider.rights()[0].why

    def test_are_not_asked_for_without_the_library(self, cloud, make_provider, monkeypatch):
        monkeypatch.setattr(provider_module, "has_library", lambda: False)
        rights = make_provider(cloud).rights()
        assert [each.why for each in rights] == ["google-cloud-compute is not installed"] * 3
        assert calls(cloud) == []
