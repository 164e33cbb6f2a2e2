"""Clients of EC2's metadata service that others wrote, unchanged, at the address that they know."""

from pathlib import Path

import pytest

from stormcone_simulators.aws.imds.role import ROLE_KEY
from stormcone_simulators.aws.imds.service import ImdsMode

CLI = Path(__file__).parents[1] / ".venv-clients" / "python" / "bin" / "aws"
HERE = "i-0123456789abcdef0"


def test_cloud_init_walks_through_all_of_it(python, imds):
    found = python("cloud_init_ec2", debian=True)
    assert found["meta-data"]["instance-id"] == found["id"] == HERE
    assert found["hostname"] == "ip-10-0-0-10"
    assert (found["region"], found["zone"]) == ("us-east-1", "us-east-1a")
    assert found["meta-data"]["events"] == {"maintenance": {"history": "[]", "scheduled": "[]"}}


def test_botocore_takes_the_role_and_the_region(python, imds):
    found = python("botocore_imds")
    assert (found["access_key"], found["secret_key"], found["token"]) == ROLE_KEY
    assert (found["role_name"], found["region"]) == ("stormcone", "us-east-1")
    asked = [request["status"] for request in imds.requests()]
    assert set(asked) == {200}


@pytest.mark.parametrize(("ask", "name"), [("python", "opentelemetry_aws"), ("node", "opentelemetry-aws")])
def test_the_detector_of_opentelemetry_fills_every_attribute(ask, name, request, imds):
    found = request.getfixturevalue(ask)(name)
    assert found == {
        "cloud.provider": "aws",
        "cloud.platform": "aws_ec2",
        "cloud.account.id": "123456789012",
        "cloud.region": "us-east-1",
        "cloud.availability_zone": "us-east-1a",
        "host.id": HERE,
        "host.type": "m7i.large",
        "host.name": "ip-10-0-0-10.ec2.internal",
    }


@pytest.mark.parametrize("imds", [ImdsMode.V2], indirect=True)
def test_the_cli_finds_the_credentials_of_the_role(run, need, imds):
    need("python")
    done = run(CLI, "configure", "list")
    assert done.status == 0, done.errors
    (line,) = [line.split() for line in done.text.splitlines() if "access_key" in line]
    assert line[1].endswith(ROLE_KEY.id[-4:])
    assert line[2] == "iam-role"
