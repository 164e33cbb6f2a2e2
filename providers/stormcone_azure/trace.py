"""What Azure's exchanges look like in a trace: which of their fields name nobody, and how they are told anew.

Source of the fields: Azure's documentation of Scheduled Events and of the Instance Metadata Service.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from uuid import NAMESPACE_DNS, uuid5

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import TraceRules
from stormcone.model import Machine, MaintenanceEvent
from stormcone.text import folded
from stormcone_azure.wire import CURRENT_VERSION, approval

ENDPOINT = "http://169.254.169.254"
"""The metadata service of a VM in a virtual network. Source: Azure's documentation of Scheduled Events."""

EVENTS_PATH = "/metadata/scheduledevents"
COMPUTE_PATH = "/metadata/instance/compute?api-version=2021-02-01"

RULES = TraceRules(
    headers=frozenset({"Metadata"}),
    plain_fields=frozenset(
        {
            "api-version",
            "azEnvironment",
            "DocumentIncarnation",
            "DurationInSeconds",
            "EventSource",
            "EventStatus",
            "EventType",
            "evictionPolicy",
            "isHostCompatibilityLayerVm",
            "licenseType",
            "location",
            "NotBefore",
            "offer",
            "osType",
            "platformFaultDomain",
            "platformSubFaultDomain",
            "platformUpdateDomain",
            "priority",
            "provider",
            "publisher",
            "ResourceType",
            "securityType",
            "sku",
            "version",
            "vmSize",
            "zone",
        }
    ),
    text_fields=frozenset({"Description", "error"}),
    plain_words=(
        "metadata",
        "scheduledevents",
        "instance",
        "compute",
        "machines",
        "subscriptions",
        "resourceGroups",
        "providers",
        "Microsoft.Compute",
        "virtualMachines",
        "virtualMachineScaleSets",
        "disks",
    ),
)

_JSON = {"Content-Type": "application/json; charset=utf-8"}


class AzureTrace:
    """Azure's part of recording."""

    rules = RULES

    def identity(self, machine: Machine, at: datetime) -> Iterator[Exchange]:
        """The instance endpoint's answer, as far as the machine is known; a `vmId` that is not known is made up."""
        fields = {
            "location": machine.region,
            "name": machine.name,
            "subscriptionId": machine.account,
            "vmId": machine.id or str(uuid5(NAMESPACE_DNS, folded(machine.name))),
            "zone": machine.zone,
        }
        yield _exchange("GET", COMPUTE_PATH, at, body=json.dumps(fields).encode())

    def poll(
        self,
        machine: Machine,  # noqa: ARG002 - every machine is shown the same
        going_on: Sequence[MaintenanceEvent],
        ended: Sequence[MaintenanceEvent],  # noqa: ARG002 - what has ended is just not listed
        number: int,
        at: datetime,
    ) -> Iterator[Exchange]:
        """The document that lists what goes on."""
        document = {"DocumentIncarnation": number, "Events": [event.native for event in going_on]}
        yield _exchange("GET", f"{EVENTS_PATH}?api-version={CURRENT_VERSION}", at, body=json.dumps(document).encode())

    def approval(
        self,
        machine: Machine,  # noqa: ARG002 - every machine asks in the same way
        event: MaintenanceEvent,
        status: int,
        at: datetime,
    ) -> Iterator[Exchange]:
        """The start request of the event."""
        asked = approval([event.id])
        yield _exchange("POST", f"{EVENTS_PATH}?api-version={CURRENT_VERSION}", at, status=status, asked=asked)


def _exchange(
    method: str, path: str, at: datetime, *, status: int = 200, body: bytes = b"", asked: bytes | None = None
) -> Exchange:
    headers: Mapping[str, str] = {"Metadata": "true"}
    if asked is not None:
        headers = {**headers, "Content-Type": "application/json"}
    return Exchange(
        at=at,
        method=method,
        url=f"{ENDPOINT}{path}",
        request_headers=headers,
        request_body=asked,
        status=status,
        reason=HTTPStatus(status).phrase if status else "",
        headers=_JSON,
        body=body,
        fault="" if status else "the answer was lost",
    )
