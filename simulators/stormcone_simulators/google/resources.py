"""The Compute API's resources: instances and operations, as far as they are about maintenance.

Source: the definition of the API that Google publishes, by its client library. What a VM is made of is invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from stormcone.model import Phase
from stormcone_simulators.google.documents import Document, stamp, upcoming
from stormcone_simulators.google.instance import MACHINE_TYPE, address_of, email_of
from stormcone_simulators.google.model import GoogleModel
from stormcone_simulators.google.tokens import SCOPES
from stormcone_simulators.google.types import UPCOMING
from stormcone_simulators.google.vms import Vms

BASE = "https://www.googleapis.com/compute/v1"
"""What every resource's own address begins with, wherever the API was asked."""

CREATED = "2026-01-01T00:00:00.000-08:00"


def link(vms: Vms, *path: str) -> str:
    """The address of something in the project."""
    return "/".join((f"{BASE}/projects/{vms.project}", *path))


def instance(model: GoogleModel, name: str) -> Document:
    """A VM as `instances.get` has it."""
    vms = model.vms
    scheduling = vms.scheduling(name)
    going_on = model.going_on(name)
    stops = going_on is not None and going_on.phase is Phase.STARTED and going_on.impact.loses_memory
    window = model.announced(name, UPCOMING)
    settings: Document = {
        "automaticRestart": scheduling.restarts,
        "onHostMaintenance": "MIGRATE" if scheduling.migrates else "TERMINATE",
        "preemptible": scheduling.spot,
        "provisioningModel": "SPOT" if scheduling.spot else "STANDARD",
    }
    if scheduling.spot:
        settings["instanceTerminationAction"] = "DELETE" if scheduling.deletes else "STOP"
    status: Document = {"scheduling": {}}
    if window is not None:
        status["upcomingMaintenance"] = upcoming(window)
    return {
        "kind": "compute#instance",
        "id": str(vms.id_of(name)),
        "creationTimestamp": CREATED,
        "name": name,
        "machineType": link(vms, "zones", vms.zone, "machineTypes", MACHINE_TYPE),
        # Unverified: what it is while maintenance that it does not survive goes on.
        "status": "STOPPING" if stops else "RUNNING",
        "zone": link(vms, "zones", vms.zone),
        "cpuPlatform": "Intel Ice Lake",
        "networkInterfaces": [
            {
                "kind": "compute#networkInterface",
                "name": "nic0",
                "network": link(vms, "global", "networks", "default"),
                "networkIP": address_of(vms, name),
            }
        ],
        "disks": [{"kind": "compute#attachedDisk", "boot": True, "deviceName": name, "index": 0, "type": "PERSISTENT"}],
        "serviceAccounts": [{"email": email_of(vms), "scopes": list(SCOPES)}],
        "scheduling": settings,
        "resourceStatus": status,
        "selfLink": link(vms, "zones", vms.zone, "instances", name),
    }


@dataclass(frozen=True, kw_only=True)
class ComputeOperation:
    """What a call began.

    Attributes:
        number: counts them.
        kind: the call's name.
        vm: what it is about.
        user: who called.
        at: when.
    """

    number: int
    kind: str
    vm: str
    user: str
    at: datetime

    @property
    def name(self) -> str:
        """Its name in the API."""
        return f"operation-{int(self.at.timestamp() * 1000)}-{self.number:013x}"

    def document(self, vms: Vms, *, done: bool) -> Document:
        """The operation as the API has it."""
        told: Document = {
            "kind": "compute#operation",
            "id": str(4 * 10**18 + self.number),
            "name": self.name,
            "zone": link(vms, "zones", vms.zone),
            "operationType": self.kind,
            "targetLink": link(vms, "zones", vms.zone, "instances", self.vm),
            "targetId": str(vms.id_of(self.vm)),
            "status": "DONE" if done else "RUNNING",
            "user": self.user,
            "progress": 100 if done else 0,
            "insertTime": stamp(self.at),
            "startTime": stamp(self.at),
            "selfLink": link(vms, "zones", vms.zone, "operations", self.name),
        }
        return {**told, "endTime": stamp(self.at)} if done else told


def as_list(kind: str, path: str, items: list[Document]) -> Mapping[str, object]:
    """A list as the API has it."""
    return {"kind": kind, "id": path, "items": items, "selfLink": f"{BASE}/{path}"}
