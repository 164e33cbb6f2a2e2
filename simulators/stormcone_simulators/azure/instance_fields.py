"""Which version of the metadata service added which field of the instance document, as data.

Source: the tables "Version introduced" of Azure's page on the Instance Metadata Service; for the preview 2017-03-01,
the page of that time. A field that is not named is as old as what it is in.
"""

from collections.abc import Mapping

PREVIEW = "2017-03-01"

_FIELDS: Mapping[str, tuple[str, ...]] = {
    PREVIEW: (
        "compute",
        "compute.location",
        "compute.name",
        "compute.offer",
        "compute.osType",
        "compute.platformFaultDomain",
        "compute.platformUpdateDomain",
        "compute.publisher",
        "compute.sku",
        "compute.version",
        "compute.vmId",
        "compute.vmSize",
        "network",
    ),
    "2017-08-01": (
        "compute.placementGroupId",
        "compute.resourceGroupName",
        "compute.subscriptionId",
        "compute.tags",
    ),
    "2017-12-01": ("compute.vmScaleSetName", "compute.zone"),
    "2018-04-02": ("compute.plan", "compute.publicKeys"),
    "2018-10-01": ("compute.azEnvironment", "compute.provider"),
    "2019-02-01": ("compute.customData",),
    "2019-03-11": ("compute.resourceId",),
    "2019-06-01": ("compute.storageProfile",),
    "2019-06-04": ("compute.tagsList",),
    "2020-06-01": ("compute.isHostCompatibilityLayerVm", "compute.securityProfile"),
    "2020-07-15": ("compute.osProfile",),
    "2020-09-01": ("compute.licenseType",),
    "2020-10-01": ("compute.osProfile.disablePasswordAuthentication",),
    "2020-12-01": ("compute.evictionPolicy", "compute.priority"),
    "2021-01-01": ("compute.userData",),
    "2021-02-01": ("compute.storageProfile.resourceDisk",),
    "2021-03-01": ("compute.extendedLocation", "compute.virtualMachineScaleSet"),
    "2021-05-01": (
        "compute.storageProfile.dataDisks.bytesPerSecondThrottle",
        "compute.storageProfile.dataDisks.diskCapacityBytes",
        "compute.storageProfile.dataDisks.isSharedDisk",
        "compute.storageProfile.dataDisks.isUltraDisk",
        "compute.storageProfile.dataDisks.opsPerSecondThrottle",
    ),
    "2021-10-01": ("compute.platformSubFaultDomain",),
    "2021-11-01": (
        "compute.additionalCapabilities",
        "compute.securityProfile.encryptionAtHost",
        "compute.storageProfile.osDisk.encryptionSettings.diskEncryptionKey",
        "compute.storageProfile.osDisk.encryptionSettings.keyEncryptionKey",
    ),
    "2021-11-15": ("compute.host", "compute.hostGroup"),
    "2021-12-13": ("compute.securityProfile.securityType",),
    "2023-07-01": (
        "compute.storageProfile.imageReference.communityGalleryImageId",
        "compute.storageProfile.imageReference.exactVersion",
        "compute.storageProfile.imageReference.sharedGalleryImageId",
    ),
    "2023-11-15": ("compute.physicalZone",),
}

INTRODUCED: Mapping[str, str] = {field: version for version, fields in _FIELDS.items() for field in fields}
"""The version that added a field; a path through the document, without the indices of lists."""

PREVIEW_ONLY = frozenset({"network.interface.ipv4.subnet.dnsservers"})

PREVIEW_NAMES: Mapping[str, str] = {
    "network.interface.ipv4.ipAddress": "ipaddress",
    "network.interface.ipv4.ipAddress.privateIpAddress": "ipaddress",
    "network.interface.ipv4.ipAddress.publicIpAddress": "publicip",
    "network.interface.ipv6.ipAddress": "ipaddress",
    "network.interface.macAddress": "mac",
}
"""What the preview called what has another name since."""


def introduced(path: str) -> str:
    """The version that added what is at that path."""
    while path not in INTRODUCED:
        path = path.rpartition(".")[0]
    return INTRODUCED[path]
