"""`GET /metadata/instance`: what a machine can learn of itself.

Source: Azure's documentation of the Instance Metadata Service. The values are invented, and the same on every start.
"""

import re
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from stormcone.text import folded
from stormcone_simulators.azure.errors import error
from stormcone_simulators.azure.model import AzureRules
from stormcone_simulators.http.messages import Request, Response, json_response
from stormcone_simulators.machines import SimulatedMachine

_SUBSCRIPTION = str(uuid5(NAMESPACE_DNS, "subscription.stormcone.invalid"))
_RESOURCE_GROUP = "stormcone"
_FIRST_VERSION = "2017-04-02"
_VERSION = re.compile(r"20\d\d-[01]\d-[0-3]\d")


def instance_document(machine: SimulatedMachine, rules: AzureRules) -> dict[str, Any]:
    """The whole document of a machine."""
    in_scale_set = machine.group in rules.scale_sets
    parent = f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/{_RESOURCE_GROUP}/providers/Microsoft.Compute"
    scale_set, _, instance = machine.name.rpartition("_")
    return {
        "compute": {
            "azEnvironment": "AzurePublicCloud",
            "location": "westeurope",
            "name": machine.name,
            "offer": "0001-com-ubuntu-server-jammy",
            "osType": "Linux",
            "placementGroupId": str(uuid5(NAMESPACE_DNS, machine.group)) if in_scale_set else "",
            "platformFaultDomain": "0",
            "platformUpdateDomain": "0",
            "provider": "Microsoft.Compute",
            "publisher": "Canonical",
            "resourceGroupName": _RESOURCE_GROUP,
            "resourceId": (
                f"{parent}/virtualMachineScaleSets/{machine.group}/virtualMachines/{instance}"
                if in_scale_set and scale_set
                else f"{parent}/virtualMachines/{machine.name}"
            ),
            "sku": "22_04-lts-gen2",
            "subscriptionId": _SUBSCRIPTION,
            "tags": "",
            "tagsList": [],
            "version": "latest",
            "vmId": str(uuid5(NAMESPACE_DNS, f"{folded(machine.name)}.stormcone.invalid")),
            "vmScaleSetName": machine.group if in_scale_set else "",
            "vmSize": "Standard_D2s_v5",
            "zone": "1",
        },
        "network": {"interface": []},
    }


def instance_answer(request: Request, path: str, machine: SimulatedMachine, rules: AzureRules) -> Response:
    """The part of the document that `path` names, such as `/compute/name`.

    A single value is given as text only, and has to be asked for with `format=text`. Unverified: which versions there
    are (any date from 2017-04-02 on will do here), and the statuses of a wrong `format` and of an unknown path.
    """
    version = request.query.get("api-version", "")
    if not _VERSION.fullmatch(version) or version < _FIRST_VERSION:
        return error(400, "api-version is invalid or missing, give one such as 2021-02-01")
    node: Any = instance_document(machine, rules)
    for part in filter(None, path.split("/")):
        named = {folded(key): value for key, value in node.items()} if isinstance(node, dict) else {}
        if part not in named:
            return error(404)
        node = named[part]
    wanted = request.query.get("format", "json").lower()
    if isinstance(node, str):
        if wanted != "text":
            return error(400, "A single value is given as text, add format=text")
        return Response(200, node.encode(), content_type="text/plain; charset=utf-8")
    if wanted != "json":
        return error(400, "A document is given as JSON, leave format out")
    return json_response(200, node)
