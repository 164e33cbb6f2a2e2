"""Clients of Alibaba Cloud's metadata service and API that others wrote, unchanged, at the address that they know."""

import pytest

ROLE = {"id": "STS.stormcone", "token": "roletoken"}
FENCE = "fence-agents/usr/sbin/fence_aliyun"


class TestMetadata:
    @pytest.mark.parametrize(
        ("ask", "name"),
        [("python", "alibaba_credentials"), ("python", "alibaba_core"), ("node", "alicloud-credentials")],
    )
    def test_the_credentials_libraries_take_the_role(self, ask, name, request, alibaba):
        found = request.getfixturevalue(ask)(name)
        assert {key: found[key] for key in ROLE} == ROLE


class TestApi:
    @pytest.fixture
    def fence(self, agent):
        keys = ("--access-key=testid", "--secret-key=testsecret", "--region=cn-hangzhou")
        return lambda *arguments: agent(FENCE, *keys, *arguments)

    def test_the_fence_agent_sees_the_instances(self, fence, alibaba):
        assert fence("--action=list").text.startswith("i-web0,")
        assert fence("--action=status", "--plug=i-web0").status == 0
