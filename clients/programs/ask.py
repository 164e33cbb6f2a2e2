"""Asks one of the Python clients, unchanged, what it learns of this machine, and prints that as JSON.

    python ask.py NAME [ARGUMENT]

Each function is one client: it calls what the client itself calls, and sets nothing but what its users can set.
"""

import asyncio
import json
import sys
from typing import Any


def waagent() -> Any:
    """WALinuxAgent's check of the instance document, and what it reads of it."""
    from azurelinuxagent.common.protocol.imds import ImdsClient

    client = ImdsClient("127.0.0.1")  # the wire server, which is asked where there is no metadata service
    healthy, why = client.validate()
    return {"healthy": healthy, "why": why, "compute": vars(client.get_compute())}


def cloud_init_azure() -> Any:
    """Cloud-init's data source for Azure: what it fetches, and what it makes of that."""
    from cloudinit.helpers import Paths
    from cloudinit.sources import DataSourceAzure as Azure

    source = Azure.DataSourceAzure({}, None, Paths({}))
    document = source.get_imds_data_with_api_fallback(retries=0)
    return {
        "document": document,
        "network": Azure.generate_network_config_from_instance_network_metadata(document["network"]),
        "hostname": Azure._hostname_from_imds(document),
        "username": Azure._username_from_imds(document),
        "without_password": Azure._disable_password_from_imds(document),
        "keys": source._get_public_keys_from_imds(document),
    }


def cloud_init_alibaba() -> Any:
    """Cloud-init's data source for Alibaba Cloud: its walk through the metadata."""
    from cloudinit.helpers import Paths
    from cloudinit.sources.DataSourceAliYun import DataSourceAliYun

    patience = {"datasource": {"AliYun": {"max_wait": 2, "timeout": 2}}}
    source = DataSourceAliYun(patience, None, Paths({}))
    found = source.crawl_metadata()
    source.metadata = found["meta-data"]
    return {**found, "hostname": source.get_hostname().hostname}


def cloud_init_ec2() -> Any:
    """Cloud-init's data source for EC2: what it fetches, and the platform that it takes it for."""
    from cloudinit.helpers import Paths
    from cloudinit.sources import DataSourceEc2 as Ec2

    source = Ec2.DataSourceEc2({"datasource": {"Ec2": {"max_wait": 2, "timeout": 2}}}, None, Paths({}))
    source._cloud_name = Ec2.CloudNames.AWS  # what it finds in the firmware of an instance
    found = source.crawl_metadata()
    source.metadata, source.identity = found["meta-data"], found["dynamic"]["instance-identity"]["document"]
    return {
        "meta-data": source.metadata,
        "version": source.metadata_address,
        "id": source.get_instance_id(),
        "hostname": source.get_hostname().hostname,
        "region": source.region,
        "zone": source.availability_zone,
    }


def botocore_imds() -> Any:
    """Botocore's credentials of the instance's role, and the region that it finds."""
    from botocore.utils import IMDSRegionProvider, InstanceMetadataFetcher, InstanceMetadataRegionFetcher

    role = InstanceMetadataFetcher().retrieve_iam_role_credentials()
    return {
        **{name: role[name] for name in ("role_name", "access_key", "secret_key", "token")},
        "region": InstanceMetadataRegionFetcher().retrieve_region(),
        "provider": IMDSRegionProvider.__name__,
    }


def opentelemetry_aws() -> Any:
    """OpenTelemetry's resource detector for EC2."""
    from opentelemetry.sdk.extension.aws.resource.ec2 import AwsEc2ResourceDetector

    return dict(AwsEc2ResourceDetector(raise_on_error=True).detect().attributes)


def cloud_init_google() -> Any:
    """Cloud-init's data source for Compute Engine: how it knows the VM, and what it fetches."""
    from cloudinit.helpers import Paths
    from cloudinit.sources import DataSourceGCE as Gce

    source = Gce.DataSourceGCE({}, None, Paths({}))
    # Whether this is a VM of Compute Engine at all it knows by its firmware, which a simulator has no part in.
    found = Gce.read_md(address=source.metadata_address, url_params=source.get_url_params(), platform_check=False)
    return {"success": found["success"], "meta": found["meta-data"]}


def google_auth() -> Any:
    """Google's own credentials of a VM: whether this is one, whose token it is, and that there is one."""
    import google.auth.transport.requests
    from google.auth.compute_engine import Credentials, _metadata

    request = google.auth.transport.requests.Request()
    credentials = Credentials()
    credentials.refresh(request)
    return {
        "pings": _metadata.ping(request),
        "project": _metadata.get_project_id(request),
        "email": credentials.service_account_email,
        "token": credentials.token,
    }


def google_compute() -> Any:
    """Google's client of the Compute API: a VM, and its upcoming maintenance begun."""
    from google.auth.compute_engine import Credentials
    from google.cloud.compute_v1 import InstancesClient

    options = {"api_endpoint": "http://169.254.169.254"}
    client = InstancesClient(credentials=Credentials(), transport="rest", client_options=options)
    address = {"project": "stormcone-project", "zone": "us-central1-a", "instance": "web-0"}
    vm = client.get(**address)
    operation = client.perform_maintenance_unary(**address)
    return {
        "name": vm.name,
        "status": vm.resource_status.upcoming_maintenance.maintenance_status,
        "operation": operation.operation_type,
    }


def opentelemetry_google() -> Any:
    """OpenTelemetry's detector of Google Cloud."""
    from opentelemetry.resourcedetector.gcp_resource_detector import GoogleCloudResourceDetector

    return dict(GoogleCloudResourceDetector(raise_on_error=True).detect().attributes)


def elastic_apm() -> Any:
    """Elastic's monitoring agent."""
    from elasticapm.utils.cloud import azure_metadata

    return azure_metadata()


def newrelic() -> Any:
    """New Relic's monitoring agent."""
    from newrelic.common.utilization import AzureUtilization

    return AzureUtilization.detect()


def opentelemetry() -> Any:
    """OpenTelemetry's resource detector for Azure VMs."""
    from opentelemetry.resource.detector.azure.vm import AzureVMResourceDetector

    return dict(AzureVMResourceDetector().detect().attributes)


def cloud_detect(which: str) -> Any:
    """cloud-detect's look for one cloud."""
    from cloud_detect.providers import AlibabaProvider, AzureProvider

    provider = {"azure": AzureProvider, "alibaba": AlibabaProvider}[which]()
    return asyncio.run(provider.check_metadata_server())


def msal_region() -> Any:
    """The region that Microsoft's authentication library finds."""
    import requests
    from msal.region import _detect_region

    return _detect_region(requests.Session())


def azure_identity() -> Any:
    """The managed identity of Azure's SDK: a refusal, as there are no identities."""
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ManagedIdentityCredential

    try:
        return ManagedIdentityCredential().get_token("https://management.azure.com/.default").token
    except ClientAuthenticationError as error:
        return {"refused": type(error).__name__, "why": str(error)}


def fence_azure() -> Any:
    """The fence agent for Azure: its subscription and group."""
    import azure_fence

    return {name: azure_fence.get_from_metadata(name) for name in ("subscriptionId", "resourceGroupName")}


def alibaba_credentials() -> Any:
    """Alibaba Cloud's credentials library, with the role of the instance."""
    from alibabacloud_credentials.client import Client
    from alibabacloud_credentials.models import Config

    found = Client(Config(type="ecs_ram_role", disable_imds_v1=True)).get_credential()
    return {"id": found.access_key_id, "secret": found.access_key_secret, "token": found.security_token}


def alibaba_core() -> Any:
    """The older SDK's role of the instance, as it signs with it."""
    from aliyunsdkcore.auth.credentials import EcsRamRoleCredential
    from aliyunsdkcore.auth.signers.ecs_ram_role_signer import EcsRamRoleSigner

    signer = EcsRamRoleSigner(EcsRamRoleCredential("stormcone"))
    signer._refresh_session_ak_and_sk()
    return {"id": signer._session_credential[0], "token": signer._session_credential[2]}


def libcloud(action: str) -> Any:
    """Apache Libcloud's driver for ECS: its nodes, and one of its operations."""
    from libcloud.compute.drivers.ecs import ECSDriver

    driver = ECSDriver("testid", "testsecret", region="cn-hangzhou", host="100.100.100.200", port=80, secure=False)
    if action == "places":
        return [place.id for place in driver.list_locations()]
    nodes = driver.list_nodes()
    done = {"reboot": driver.reboot_node, "stop": driver.stop_node, "start": driver.start_node}.get(action)
    return [{"id": node.id, "name": node.name, "state": node.state, "done": done and done(node)} for node in nodes]


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*arguments), default=str))
