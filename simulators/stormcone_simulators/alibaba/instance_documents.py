"""The API's answers about instances: names, shapes and types as in the newer SDK's model of them.

Left out is what belongs to a preview by invitation (`DeviceAvailable`, `EnableNVS`, `SaleCycle`) or is said to be
without use (`ISP`). What an instance is made of is invented, see `site`.
"""

from dataclasses import dataclass
from datetime import datetime

from stormcone_simulators.alibaba import site
from stormcone_simulators.alibaba.documents import Document, minute
from stormcone_simulators.alibaba.instances import Attributes, InstanceStatus, StoppedMode
from stormcone_simulators.alibaba.site import Hardware, Site

_NO_EXPIRY = "2099-12-31T15:59Z"
RECYCLING = "Recycling"


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What there is to say of an instance.

    Attributes:
        site: where it is.
        hardware: what it is made of.
        kept: what is kept of it.
        status: whether it runs.
        stopped_mode: how it is stopped.
        started_at: when it began to run the last time.
        released: whether it is a spot instance that is being taken away.
    """

    site: Site
    hardware: Hardware
    kept: Attributes
    status: InstanceStatus
    stopped_mode: StoppedMode
    started_at: datetime
    released: bool


def instance_item(instance: Instance, *, metadata_options: bool) -> Document:
    """An instance as DescribeInstances lists it.

    Args:
        instance: it.
        metadata_options: whether `MetadataOptions` is said, which is so for those who ask for it.
    """
    made, where = instance.hardware, instance.site
    return {
        **({"MetadataOptions": _metadata_options(where)} if metadata_options else {}),
        "AdditionalInfo": {"EnableHighDensityMode": False},
        "AutoReleaseTime": "",
        "ClockOptions": {"PtpStatus": "disabled"},
        "CpuOptions": {"CoreCount": site.CPUS // 2, "Numa": "", "ThreadsPerCore": 2},
        "DedicatedHostAttribute": {"DedicatedHostClusterId": "", "DedicatedHostId": "", "DedicatedHostName": ""},
        "DedicatedInstanceAttribute": {"Affinity": "", "Tenancy": ""},
        "DeletionProtection": False,
        "DeploymentSetGroupNo": 0,
        "DeploymentSetId": "",
        "EcsCapacityReservationAttr": {"CapacityReservationId": "", "CapacityReservationPreference": ""},
        "EipAddress": {
            "AllocationId": "",
            "Bandwidth": 0,
            "InternetChargeType": "",
            "IpAddress": "",
            "IsSupportUnassociate": False,
        },
        "GPUAmount": 0,
        "GPUSpec": "",
        "HibernationOptions": {"Configured": False},
        "HpcClusterId": "",
        "ImageOptions": {"CurrentOSNVMeSupported": True, "LoginAsNonRoot": False},
        "InstanceTypeFamily": site.TYPE_FAMILY,
        "IoOptimized": True,
        "KeyPairName": "",
        "LocalStorageAmount": 0,
        "LocalStorageCapacity": 0,
        "NetworkInterfaces": {
            "NetworkInterface": [
                {
                    "Ipv4PrefixSets": {"Ipv4PrefixSet": []},
                    "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
                    "Ipv6Sets": {"Ipv6Set": []},
                    "MacAddress": made.mac,
                    "NetworkInterfaceId": made.interface,
                    "PrimaryIpAddress": made.address,
                    "PrivateIpSets": {"PrivateIpSet": [{"Primary": True, "PrivateIpAddress": made.address}]},
                    "Type": "Primary",
                }
            ]
        },
        "OSName": site.OS_NAME,
        "OSNameEn": site.OS_NAME_EN,
        "OSType": "linux",
        "PrivateDnsNameOptions": {
            "EnableInstanceIdDnsAAAARecord": False,
            "EnableInstanceIdDnsARecord": False,
            "EnableIpDnsARecord": False,
            "EnableIpDnsPtrRecord": False,
            "HostnameType": "Custom",
        },
        "RdmaIpAddress": {"IpAddress": []},
        "Recyclable": False,
        "ResourceGroupId": "",
        **_spot(instance),
        # After EipAddress, without which the vendor's footmark cannot read PublicIpAddress.
        **_usual(instance),
        "StartTime": minute(instance.started_at),
        "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in instance.kept.tags.items()]},
    }


def attribute_item(instance: Instance) -> Document:
    """An instance as DescribeInstanceAttribute tells of it."""
    return {
        "DedicatedHostAttribute": {"DedicatedHostId": "", "DedicatedHostName": ""},
        "EipAddress": {"AllocationId": "", "Bandwidth": 0, "InternetChargeType": "", "IpAddress": ""},
        "EnableJumboFrame": False,
        "IoOptimized": "optimized",
        # After EipAddress, without which the vendor's footmark cannot read PublicIpAddress.
        **_usual(instance),
    }


def _usual(instance: Instance) -> Document:
    made, where = instance.hardware, instance.site
    # Unverified: that a release shows as this lock, and that nothing else about an instance's state shows here.
    locks = [{"LockReason": RECYCLING}] if instance.released else []
    return {
        "ClusterId": "",
        "Cpu": site.CPUS,
        "CreationTime": minute(site.CREATED),
        "CreditSpecification": "",
        "Description": "",
        "ExpiredTime": _NO_EXPIRY,
        "HostName": made.name,
        "ImageId": site.IMAGE,
        "InnerIpAddress": {"IpAddress": []},
        "InstanceChargeType": "PostPaid",
        "InstanceId": made.name,
        "InstanceName": made.name,
        "InstanceNetworkType": "vpc",
        "InstanceType": site.INSTANCE_TYPE,
        "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthIn": 0,
        "InternetMaxBandwidthOut": 0,
        "Memory": site.MEMORY_MIB,
        "OperationLocks": {"LockReason": locks},
        "PublicIpAddress": {"IpAddress": []},
        "RegionId": where.region,
        "SecurityGroupIds": {"SecurityGroupId": [site.SECURITY_GROUP]},
        "SecurityOptions": {"EnableSecureBoot": False},
        "SerialNumber": made.serial,
        "Status": instance.status.value,
        "StoppedMode": instance.stopped_mode.value,
        "VlanId": "",
        "VpcAttributes": {
            "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": [made.address]},
            "VSwitchId": made.switch,
            "VpcId": site.VPC,
        },
        "ZoneId": where.zone,
    }


def _metadata_options(where: Site) -> Document:
    return {
        "HttpEndpoint": "enabled",
        "HttpPutResponseHopLimit": 1,
        "HttpTokens": "required" if where.token_required else "optional",
        "InstanceMetadataTags": "disabled",
    }


def _spot(instance: Instance) -> Document:
    # Unverified: that only such an instance would be shown as one; the simulator knows of no other sign.
    return {
        "SpotDuration": int(instance.released),
        "SpotInterruptionBehavior": "Terminate" if instance.released else "",
        "SpotPriceLimit": 0.0,
        "SpotStrategy": "SpotAsPriceGo" if instance.released else "NoSpot",
    }


def status_item(instance: Instance) -> Document:
    """An instance as DescribeInstanceStatus lists it."""
    return {"InstanceId": instance.hardware.name, "Status": instance.status.value}
