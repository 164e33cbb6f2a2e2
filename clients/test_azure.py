"""Clients of Azure's metadata service that others wrote, unchanged, at the address that they know."""

import pytest

from stormcone.model import Impact


class TestInstance:
    def test_the_check_of_walinuxagent_finds_the_document_healthy(self, python, azure, compute):
        found = python("waagent", debian=True)
        assert (found["healthy"], found["why"]) == (True, "")
        assert {name: found["compute"][name] for name in ("name", "vmId", "location", "resourceGroupName")} == {
            name: compute[name] for name in ("name", "vmId", "location", "resourceGroupName")
        }

    def test_cloud_init_configures_the_machine_from_it(self, python, azure, compute):
        found = python("cloud_init_azure", debian=True)
        assert found["hostname"] == "web-0"
        assert found["username"]
        assert found["without_password"] is True
        assert all(key.startswith("ssh-") for key in found["keys"])
        (interface,) = found["document"]["network"]["interface"]
        (card,) = found["network"]["ethernets"].values()
        assert card["match"]["macaddress"].replace(":", "").upper() == interface["macAddress"]

    @pytest.mark.parametrize("ask", ["python", "node"])
    def test_the_agent_of_elastic_knows_the_machine(self, ask, request, azure, compute):
        found = request.getfixturevalue(ask)("elastic_apm" if ask == "python" else "elastic-apm")
        assert found == {
            "provider": "azure",
            "account": {"id": compute["subscriptionId"]},
            "instance": {"id": compute["vmId"], "name": "web-0"},
            "project": {"name": compute["resourceGroupName"]},
            "availability_zone": compute["zone"],
            "machine": {"type": compute["vmSize"]},
            "region": compute["location"],
        }

    @pytest.mark.parametrize("ask", ["python", "node"])
    def test_the_agent_of_new_relic_knows_the_machine(self, ask, request, azure, compute):
        found = request.getfixturevalue(ask)("newrelic")
        assert found == {name: compute[name] for name in ("location", "name", "vmId", "vmSize")}

    @pytest.mark.parametrize(("ask", "name"), [("python", "opentelemetry"), ("node", "opentelemetry-azure")])
    def test_the_detector_of_opentelemetry_fills_every_attribute(self, ask, name, request, azure, compute):
        found = request.getfixturevalue(ask)(name)
        assert found["cloud.provider"] == "azure"
        assert found["cloud.region"] == compute["location"]
        assert found["cloud.resource_id"] == compute["resourceId"]
        assert (found["host.id"], found["host.name"]) == (compute["vmId"], "web-0")
        assert found["host.type"] == compute["vmSize"]
        assert [attribute for attribute, value in found.items() if value is None] == []

    def test_cloud_detect_knows_the_cloud(self, python, azure):
        assert python("cloud_detect", "azure") is True

    def test_the_region_of_msal(self, python, azure, compute):
        assert python("msal_region") == compute["location"]

    def test_the_fence_agent_learns_its_subscription(self, python, azure, compute):
        assert python("fence_azure", debian=True) == {
            "subscriptionId": compute["subscriptionId"],
            "resourceGroupName": compute["resourceGroupName"],
        }


class TestIdentity:
    def test_the_sdk_is_refused_at_once_as_on_a_machine_without_an_identity(self, python, azure):
        found = python("azure_identity")
        assert found["refused"] == "CredentialUnavailableError"
        assert [request["status"] for request in azure.requests()] == [400]


class TestScheduledEvents:
    """Pacemaker's agents: the older one approves for the other node, the newer one for its own."""

    @pytest.mark.parametrize(
        ("name", "target", "back"),
        [("azure-events", "web-1", ("standby", "off")), ("azure-events-az", "web-0", ("#health-azure", "0"))],
    )
    def test_pacemaker_waits_for_an_empty_node_approves_and_takes_it_back(self, name, target, back, cluster, azure):
        event = azure.schedule(Impact.REBOOT, resources=[target])
        cluster.monitor(name)
        assert azure.events()[0]["phase"] == "scheduled"
        if target == "web-1":  # the agent of that node would say so
            cluster.attribute("", "hostName_web-1").write_text(cluster.nodes[target])
            cluster.attribute(target, f"{name}_curNodeState").write_text("STOPPING")
            cluster.attribute(target, f"{name}_pendingEventIDs").write_text(event)
        cluster.monitor(name)
        assert (azure.events()[0]["phase"], azure.events()[0]["approved_by"]) == ("started", ["web-0"])
        assert cluster.attribute(target, f"{name}_curNodeState").read_text().strip() == "IN_EVENT"
        azure.complete(event)
        cluster.monitor(name)
        assert cluster.attribute(target, back[0]).read_text().strip() == back[1]
        assert {request["status"] for request in azure.requests()} == {200}
