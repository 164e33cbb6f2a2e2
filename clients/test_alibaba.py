"""Clients of Alibaba Cloud's metadata service and API that others wrote, unchanged, at the address that they know."""

import pytest

ROLE = {"id": "STS.stormcone", "token": "roletoken"}
FENCE = "fence-agents/usr/sbin/fence_aliyun"


class TestMetadata:
    def test_cloud_init_walks_through_all_of_it(self, python, alibaba):
        found = python("cloud_init_alibaba", debian=True)
        assert found["meta-data"]["instance-id"] == "i-web0"
        assert found["meta-data"]["region-id"] == "cn-hangzhou"
        assert found["hostname"] == found["meta-data"]["hostname"]
        assert found["user-data"] == ""  # it has none

    def test_the_detector_of_opentelemetry_fills_every_attribute(self, node, alibaba):
        found = node("opentelemetry-alibaba")
        assert found["cloud.provider"] == "alibaba_cloud"
        assert found["cloud.region"] == "cn-hangzhou"
        assert found["host.id"] == "i-web0"
        assert set(found) == {
            "cloud.provider",
            "cloud.platform",
            "cloud.account.id",
            "cloud.region",
            "cloud.availability_zone",
            "host.id",
            "host.type",
            "host.name",
        }

    @pytest.mark.parametrize(
        ("ask", "name"),
        [("python", "alibaba_credentials"), ("python", "alibaba_core"), ("node", "alicloud-credentials")],
    )
    def test_the_credentials_libraries_take_the_role(self, ask, name, request, alibaba):
        found = request.getfixturevalue(ask)(name)
        assert {key: found[key] for key in ROLE} == ROLE


class TestApi:
    @pytest.mark.parametrize("sdk", ["alicloud-ecs", "alicloud-pop-core"])
    def test_the_sdks_for_node_answer_a_restart(self, sdk, node, alibaba):
        assert node(sdk) == {
            "id": "i-web0",
            "type": "ecs.g6.large",
            "redeployed": "InvalidOperation.RedeployInstance",
            "event": "Avoided",
        }

    def test_libcloud_lists_the_regions(self, python, alibaba):
        assert "cn-hangzhou" in python("libcloud", "places")

    @pytest.mark.parametrize("action", ["reboot", "stop"])
    def test_libcloud_lists_the_instances_and_acts_on_one(self, action, python, alibaba):
        assert python("libcloud", action) == [{"id": "i-web0", "name": "i-web0", "state": "running", "done": True}]

    @pytest.fixture
    def fence(self, agent):
        keys = ("--access-key=testid", "--secret-key=testsecret", "--region=cn-hangzhou")
        return lambda *arguments: agent(FENCE, *keys, *arguments)

    def test_the_fence_agent_sees_the_instances(self, fence, alibaba):
        assert fence("--action=list").text.startswith("i-web0,")
        assert fence("--action=status", "--plug=i-web0").status == 0

    def test_the_fence_agent_stops_an_instance_and_starts_it(self, fence, alibaba):
        off = fence("--action=off", "--plug=i-web0")
        assert off.status == 0, off.errors
        assert fence("--action=status", "--plug=i-web0").status == 2  # it is off
        on = fence("--action=on", "--plug=i-web0")
        assert on.status == 0, on.errors
