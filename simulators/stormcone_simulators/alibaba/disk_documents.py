"""The API's answers about disks: each instance has one, from which it starts.

Names, shapes and types as in the newer SDK's model of them; what a disk is like is invented, see `site`.
"""

from stormcone_simulators.alibaba import site
from stormcone_simulators.alibaba.documents import IN_USE, Document, coded, minute, stamp
from stormcone_simulators.alibaba.site import Hardware, Site

DEVICE = "/dev/xvda"
HEALTH = "Ok"
_IOPS_AT_LEAST, _IOPS_PER_GIB = 1800, 50
_THROUGHPUT_AT_LEAST = 120


def disk_item(instance: Hardware, where: Site, *, placement: bool) -> Document:
    """The disk of an instance as DescribeDisks lists it.

    Args:
        instance: whose disk it is.
        where: where that is.
        placement: whether `Placement` is said, which is so for those who ask for it.
    """
    attached = stamp(site.CREATED)
    attachment = {"AttachedTime": attached, "Device": DEVICE, "InstanceId": instance.name}
    iops = _IOPS_AT_LEAST + _IOPS_PER_GIB * site.DISK_GIB
    return {
        "AttachedTime": attached,
        "Attachments": {"Attachment": [attachment]},
        "AutoSnapshotPolicyId": "",
        "BdfId": "",
        "BurstingEnabled": False,
        "Category": site.DISK_CATEGORY,
        "CreationTime": stamp(site.CREATED),
        "DeleteAutoSnapshot": False,
        "DeleteWithInstance": True,
        "Description": "",
        "DetachedTime": "",
        "Device": DEVICE,
        "DiskChargeType": "PostPaid",
        "DiskId": instance.disk,
        "DiskName": instance.disk,
        "EnableAutoSnapshot": True,
        "EnableAutomatedSnapshotPolicy": False,
        "Encrypted": False,
        "ExpiredTime": minute(None),
        "IOPS": iops,
        "IOPSRead": iops,
        "IOPSWrite": iops,
        "ImageId": site.IMAGE,
        "InstanceId": instance.name,
        "KMSKeyId": "",
        "MountInstanceNum": 1,
        "MountInstances": {"MountInstance": [attachment]},
        "MultiAttach": "Disabled",
        "OperationLocks": {"OperationLock": []},
        "PerformanceLevel": "PL1",
        **({"Placement": {"ZoneIds": where.zone}} if placement else {}),
        "Portable": True,
        "ProductCode": "",
        "ProvisionedIops": 0,
        "RegionId": where.region,
        "ResourceGroupId": "",
        "SerialNumber": instance.serial.replace("-", "")[:20],
        "Size": site.DISK_GIB,
        "SourceDiskId": "",
        "SourceSnapshotId": "",
        "Status": IN_USE,
        "StorageClusterId": "",
        "StorageSetId": "",
        "StorageSetPartitionNumber": 0,
        "Tags": {"Tag": []},
        "Throughput": _THROUGHPUT_AT_LEAST,
        "ThroughputRead": _THROUGHPUT_AT_LEAST,
        "ThroughputWrite": _THROUGHPUT_AT_LEAST,
        "Type": "system",
        "ZoneId": where.zone,
    }


def disk_full_status_item(instance: Hardware) -> Document:
    """The disk of an instance as DescribeDisksFullStatus lists it; there are no events of disks."""
    return {
        "DiskId": instance.disk,
        "InstanceId": instance.name,
        "Device": DEVICE,
        "Status": coded(IN_USE),
        "HealthStatus": coded(HEALTH),
        "DiskEventSet": {"DiskEventType": []},
    }
