"""The tree of a VM's metadata: who it is, and what is announced to it.

Source, unless a line says otherwise: Compute Engine's documentation of predefined metadata keys. What a VM is made of
is invented, and the same for all.
"""

import json
from functools import partial

from stormcone_simulators.google.documents import SPELLED, Nothing, Spelling, spelled, upcoming
from stormcone_simulators.google.model import GoogleModel
from stormcone_simulators.google.tokens import SCOPES
from stormcone_simulators.google.tree import Folder, Leaf
from stormcone_simulators.google.types import MAINTENANCE, PREEMPTED, UPCOMING
from stormcone_simulators.google.vms import Vms

MACHINE_TYPE = "n2-standard-4"
IMAGE = "projects/debian-cloud/global/images/debian-12-bookworm-v20260101"

SAYS_NOTHING = {Nothing.NONE: Leaf("NONE"), Nothing.EMPTY: Leaf("{}", {}), Nothing.NULL: Leaf("null", None)}
"""How `upcoming-maintenance` says that nothing is scheduled, but for those ways that are a status."""


def email_of(vms: Vms) -> str:
    """The address of the service account of all VMs."""
    return f"{vms.project_number}-compute@developer.gserviceaccount.com"


def _word(*, yes: bool) -> str:
    return "TRUE" if yes else "FALSE"


def metadata_tree(model: GoogleModel, name: str, spelling: Spelling, nothing: Nothing) -> Folder:
    """All that the metadata server says of a VM."""
    vms = model.vms
    project = Folder(
        {
            "attributes": Folder(is_named=True),
            "numeric-project-id": Leaf(str(vms.project_number), vms.project_number),
            "project-id": Leaf(vms.project),
        }
    )
    instance = {**_identity(vms, name), **_announced(model, name, spelling, nothing)}
    return Folder({"instance": Folder(dict(sorted(instance.items()))), "project": project})


def host_name(vms: Vms, name: str) -> str:
    """The VM's host name within its zone."""
    return f"{name}.{vms.zone}.c.{vms.project}.internal"


def address_of(vms: Vms, name: str) -> str:
    """The VM's address in its network."""
    number = next(place for place, machine in enumerate(vms.machines) if machine.name == name) + 2
    return f"10.{128 + number // 65536 % 64}.{number // 256 % 256}.{number % 256}"


def _identity(vms: Vms, name: str) -> dict[str, Leaf | Folder]:
    place = partial("projects/{}/{}".format, vms.project_number)
    scheduling = vms.scheduling(name)
    identifier, address = vms.id_of(name), address_of(vms, name)
    tail = identifier % 2**24
    interface = Folder(
        {
            "access-configs": Folder(is_list=True),
            "dns-servers": Leaf("169.254.169.254", ["169.254.169.254"]),
            "gateway": Leaf("10.128.0.1"),
            "ip": Leaf(address),
            "mac": Leaf(f"42:01:0a:{tail >> 16 & 255:02x}:{tail >> 8 & 255:02x}:{tail & 255:02x}"),
            "mtu": Leaf("1460", 1460),
            "network": Leaf(place("networks/default")),
            "subnetmask": Leaf("255.255.240.0"),
        }
    )
    disk = Folder(
        {
            "device-name": Leaf(name),
            "index": Leaf("0", 0),
            "interface": Leaf("SCSI"),
            "mode": Leaf("READ_WRITE"),
            "type": Leaf("PERSISTENT"),
        }
    )
    account = Folder(
        {
            "aliases": Leaf("default", ["default"]),
            "email": Leaf(email_of(vms)),
            "scopes": Leaf("\n".join(SCOPES) + "\n", list(SCOPES)),
        }
    )
    return {
        "attributes": Folder(is_named=True),
        "cpu-platform": Leaf("Intel Ice Lake"),
        "description": Leaf(""),
        "disks": Folder({"0": disk}, is_list=True),
        "hostname": Leaf(host_name(vms, name)),
        "id": Leaf(str(identifier), identifier),
        "image": Leaf(IMAGE),
        "machine-type": Leaf(place(f"machineTypes/{MACHINE_TYPE}")),
        "name": Leaf(name),
        "network-interfaces": Folder({"0": interface}, is_list=True),
        "scheduling": Folder(
            {
                "automatic-restart": Leaf(_word(yes=scheduling.restarts)),
                "on-host-maintenance": Leaf("MIGRATE" if scheduling.migrates else "TERMINATE"),
                "preemptible": Leaf(_word(yes=scheduling.spot)),
            }
        ),
        "service-accounts": Folder({"default": account, email_of(vms): account}, is_named=True),
        "tags": Leaf("[]", []),
        "virtual-clock": Folder({"drift-token": Leaf("0")}),
        "zone": Leaf(place(f"zones/{vms.zone}")),
    }


def _announced(model: GoogleModel, name: str, spelling: Spelling, nothing: Nothing) -> dict[str, Leaf | Folder]:
    maintenance = model.announced(name, MAINTENANCE)
    parts: dict[str, Leaf | Folder] = {
        MAINTENANCE: Leaf("NONE" if maintenance is None else maintenance.native_type),
        PREEMPTED: Leaf(_word(yes=model.announced(name, PREEMPTED) is not None)),
    }
    window = model.announced(name, UPCOMING)
    if window is not None:
        document = upcoming(window)
        leaves = {SPELLED[Spelling.KEBAB](each): Leaf(_written(value), value) for each, value in document.items()}
        parts[UPCOMING] = Folder(leaves, whole=spelled(document, spelling))
    elif nothing in SAYS_NOTHING:
        parts[UPCOMING] = SAYS_NOTHING[nothing]
    return parts


def _written(value: object) -> str:
    if isinstance(value, bool):
        return _word(yes=value)
    return value if isinstance(value, str) else json.dumps(value)
