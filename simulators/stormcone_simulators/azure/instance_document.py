"""The instance document: what a machine can learn of itself, in each version.

Source: the samples of Azure's page on the Instance Metadata Service; the host name of a scale set's machine was seen in
the field. The values are invented, and the same on every start. Every value is a string, and "" is "not applicable".
"""

import ipaddress
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from stormcone.text import folded
from stormcone_simulators.azure.instance_fields import PREVIEW, PREVIEW_NAMES, PREVIEW_ONLY, introduced
from stormcone_simulators.azure.model import AzureRules
from stormcone_simulators.machines import Machines, SimulatedMachine

_SUBSCRIPTION = str(uuid5(NAMESPACE_DNS, "subscription.stormcone.invalid"))
_RESOURCE_GROUP = "stormcone"
_PARENT = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{_RESOURCE_GROUP}/providers/Microsoft.Compute"
_LOCATION = "westeurope"
_USER = "azureuser"
_IMAGE = {"offer": "0001-com-ubuntu-server-jammy", "publisher": "Canonical", "sku": "22_04-lts-gen2"}
# Well formed, and nobody has its private half.
_PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMJXjBT3E5iZU0ChGRHHDnnCCmavfF8UOt6sUyAqBjsj stormcone"
_FIRST_ADDRESS = ipaddress.IPv4Address("10.0.0.4")
"""The lowest address that a virtual network gives to a machine."""
_NETWORK_BITS = 16
_DNS_SERVER = "168.63.129.16"
_NO_KEY = {"sourceVault": {"id": ""}}
_BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class InstanceDocuments:
    """The documents of some machines.

    Args:
        machines: all of them.
        rules: which of their groups are scale sets.
    """

    def __init__(self, machines: Machines, rules: AzureRules) -> None:
        self._scale_sets = rules.scale_sets
        self._places = {machine.name: place for place, machine in enumerate(machines)}

    def document(self, machine: SimulatedMachine, version: str) -> dict[str, Any]:
        """The whole document of a machine, as that version shows it."""
        shown: dict[str, Any] = _as_of(self._newest(machine), "", version)
        return shown

    def _newest(self, machine: SimulatedMachine) -> dict[str, Any]:
        return {"compute": self._compute(machine), "network": {"interface": [self._interface(machine)]}}

    def _compute(self, machine: SimulatedMachine) -> dict[str, Any]:
        in_scale_set = machine.group in self._scale_sets
        scale_set, _, instance = machine.name.rpartition("_")
        return {
            "additionalCapabilities": {"hibernationEnabled": "false"},
            "azEnvironment": "AzurePublicCloud",
            "customData": "",
            "evictionPolicy": "",
            "extendedLocation": {"name": "", "type": ""},
            "host": {"id": ""},
            "hostGroup": {"id": ""},
            "isHostCompatibilityLayerVm": "false",
            "licenseType": "",
            "location": _LOCATION,
            "name": machine.name,
            "offer": _IMAGE["offer"],
            "osProfile": {
                "adminUsername": _USER,
                "computerName": _host_name(scale_set, instance) if in_scale_set else machine.name,
                "disablePasswordAuthentication": "true",
            },
            "osType": "Linux",
            "physicalZone": f"{_LOCATION}-AZ01",
            "placementGroupId": str(uuid5(NAMESPACE_DNS, machine.group)) if in_scale_set else "",
            "plan": {"name": "", "product": "", "publisher": ""},
            "platformFaultDomain": "0",
            "platformSubFaultDomain": "",
            "platformUpdateDomain": "0",
            "priority": "Regular",
            "provider": "Microsoft.Compute",
            "publicKeys": [{"keyData": _PUBLIC_KEY, "path": f"/home/{_USER}/.ssh/authorized_keys"}],
            "publisher": _IMAGE["publisher"],
            "resourceGroupName": _RESOURCE_GROUP,
            "resourceId": (
                f"{_PARENT}/virtualMachineScaleSets/{machine.group}/virtualMachines/{instance}"
                if in_scale_set and scale_set
                else f"{_PARENT}/virtualMachines/{machine.name}"
            ),
            "securityProfile": {
                "encryptionAtHost": "false",
                "secureBootEnabled": "true",
                "securityType": "TrustedLaunch",
                "virtualTpmEnabled": "true",
            },
            "sku": _IMAGE["sku"],
            "storageProfile": _storage(machine),
            "subscriptionId": _SUBSCRIPTION,
            "tags": "",
            "tagsList": [],
            "userData": "",
            "version": "22.04.202510210",
            # Documented for scale sets of flexible orchestration only; names such as vmss_0 are those of the other one.
            "virtualMachineScaleSet": {"id": ""},
            "vmId": str(uuid5(NAMESPACE_DNS, f"{folded(machine.name)}.stormcone.invalid")),
            "vmScaleSetName": machine.group if in_scale_set else "",
            "vmSize": "Standard_D2s_v5",
            "zone": "1",
        }

    def _interface(self, machine: SimulatedMachine) -> dict[str, Any]:
        place = self._places[machine.name]
        own = ipaddress.ip_address(machine.address or _FIRST_ADDRESS + place)
        fourth = own if own.version == 4 else _FIRST_ADDRESS + place
        subnet = ipaddress.ip_network((fourth, _NETWORK_BITS), strict=False)
        return {
            "ipv4": {
                "ipAddress": [{"privateIpAddress": str(fourth), "publicIpAddress": ""}],
                "subnet": [
                    {
                        "address": str(subnet.network_address),
                        "dnsservers": [{"ipaddress": _DNS_SERVER}],
                        "prefix": str(_NETWORK_BITS),
                    }
                ],
            },
            "ipv6": {"ipAddress": [] if own is fourth else [{"privateIpAddress": str(own)}]},
            "macAddress": f"000D3A{place:06X}",
        }


def _storage(machine: SimulatedMachine) -> dict[str, Any]:
    return {
        "dataDisks": [
            {
                "bytesPerSecondThrottle": "",
                **_disk(machine, f"{machine.name}_DataDisk_0", size="64", created="Empty", caching="None"),
                "diskCapacityBytes": "",
                "isSharedDisk": "",
                "isUltraDisk": "false",
                "lun": "0",
                "opsPerSecondThrottle": "",
            }
        ],
        "imageReference": {
            "communityGalleryImageId": "",
            "exactVersion": "",
            "id": "",
            **_IMAGE,
            "sharedGalleryImageId": "",
            "version": "latest",
        },
        "osDisk": {
            **_disk(machine, f"{machine.name}_OsDisk_1", size="30", created="FromImage", caching="ReadWrite"),
            "diffDiskSettings": {"option": ""},
            "encryptionSettings": {
                "diskEncryptionKey": {**_NO_KEY, "secretUrl": ""},
                "enabled": "false",
                "keyEncryptionKey": {**_NO_KEY, "keyUrl": ""},
            },
            "osType": "Linux",
        },
        # In kilobytes; 0: a size without a local disk, as this one.
        "resourceDisk": {"size": "0"},
    }


def _disk(machine: SimulatedMachine, name: str, *, size: str, created: str, caching: str) -> dict[str, Any]:
    number = uuid5(NAMESPACE_DNS, f"{folded(name)}.{folded(machine.name)}.stormcone.invalid").hex
    return {
        "caching": caching,
        "createOption": created,
        "diskSizeGB": size,
        "image": {"uri": ""},
        "managedDisk": {"id": f"{_PARENT}/disks/{name}_{number}", "storageAccountType": "Premium_LRS"},
        "name": f"{name}_{number}",
        "vhd": {"uri": ""},
        "writeAcceleratorEnabled": "false",
    }


def _host_name(scale_set: str, instance: str) -> str:
    """`vmss_18` is `vmss00000i` on its own console: six digits of base 36."""
    if not (scale_set and instance.isascii() and instance.isdigit() and len(instance) < 10):
        return f"{scale_set}_{instance}" if scale_set else instance
    digits, number = "", int(instance)
    while number:
        number, digit = divmod(number, len(_BASE_36))
        digits = _BASE_36[digit] + digits
    return scale_set + digits.rjust(6, "0")


def _as_of(node: Any, path: str, version: str) -> Any:
    """What a version shows of a node of the newest document."""
    if isinstance(node, list):
        return [_as_of(item, path, version) for item in node]
    if not isinstance(node, dict):
        return node
    shown = {}
    for name, child in node.items():
        below = f"{path}.{name}" if path else name
        if introduced(below) <= version and (version == PREVIEW or below not in PREVIEW_ONLY):
            known_as = PREVIEW_NAMES.get(below, name) if version == PREVIEW else name
            shown[known_as] = _as_of(child, below, version)
    return shown
