"""The operations about what an instance's owner wishes of maintenance.

Source, unless a line says otherwise: ECS's documentation of each operation, version 2014-05-26.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from stormcone_simulators.alibaba import documents
from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.instances import ActionOnMaintenance
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.operations.contract import (
    INSTANCE_IDS,
    OWNERS,
    PAGES,
    REGION,
    Caller,
    Operation,
    Operations,
)
from stormcone_simulators.alibaba.operations.pages import page
from stormcone_simulators.alibaba.parameters import MISSING, Arguments, Form, Parameter, Schema, bad


def _modify(model: AlibabaModel, given: Arguments, _caller: Caller) -> Document:
    names = [model.instances.named(instance_id) for instance_id in given["InstanceId"]]
    changes: dict[str, Any] = {
        "window": _window(given["MaintenanceWindow"]),
        "action": ActionOnMaintenance(given["ActionOnMaintenance"]) if given["ActionOnMaintenance"] else None,
        "notify": given["NotifyOnMaintenance"],
    }
    for name in names:
        model.instances.change(name, **{key: value for key, value in changes.items() if value is not None})
    return {}


def _describe(model: AlibabaModel, given: Arguments, _caller: Caller) -> Document:
    for instance_id in given["InstanceId"]:
        model.instances.named(instance_id)
    paging, names = page(model.instances.some(given["InstanceId"]), given)
    items = [documents.maintenance_item(name, model.instances.of(name)) for name in names]
    return {**paging, "MaintenanceAttributes": {"MaintenanceAttribute": items}}


_HOUR = re.compile(r"(2[0-3]|[01][0-9]):00:00")


def _window(windows: Sequence[Mapping[str, str | None]]) -> tuple[str, str] | None:
    if not windows:
        return None
    (window,) = windows
    first, last = _HOUR.fullmatch(window["StartTime"] or ""), _HOUR.fullmatch(window["EndTime"] or "")
    # From 1 to 23 hours, over midnight too: any two different hours.
    if first is None or last is None or first[1] == last[1]:
        raise bad("MaintenanceWindow")
    return first[0], last[0]


MAINTENANCE_OPERATIONS: Operations = MappingProxyType(
    {
        "ModifyInstanceMaintenanceAttributes": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    INSTANCE_IDS,
                    Parameter(
                        name="MaintenanceWindow",
                        form=Form.RECORDS,
                        fields={"StartTime": False, "EndTime": False},
                        most=1,
                    ),
                    Parameter(name="ActionOnMaintenance", choices=tuple(ActionOnMaintenance)),
                    Parameter(name="NotifyOnMaintenance", form=Form.SWITCH),
                    *OWNERS,
                ),
            ),
            call=_modify,
        ),
        "DescribeInstanceMaintenanceAttributes": Operation(
            schema=Schema(parameters=(REGION, INSTANCE_IDS, *PAGES, *OWNERS), statuses={MISSING: 400}),
            call=_describe,
        ),
    }
)
"""By name."""
