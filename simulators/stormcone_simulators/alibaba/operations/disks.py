"""The operations that describe disks. There are no events of disks, which cannot be simulated on the service either.

Source, unless a line says otherwise: ECS's documentation of each operation, version 2014-05-26, and the newer SDK's
notes on each parameter.
"""

from collections.abc import Iterator
from types import MappingProxyType

from stormcone_simulators.alibaba.disk_documents import HEALTH, disk_full_status_item, disk_item
from stormcone_simulators.alibaba.documents import IN_USE, Document
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.gate import TIME_FORMAT
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.operations.contract import (
    DRY_RUN,
    EVENT_IDS,
    MOST,
    OWNERS,
    PAGES,
    REGION,
    RESOURCE_GROUP,
    TAGS,
    TOKENS,
    Caller,
    Operation,
    Operations,
)
from stormcone_simulators.alibaba.operations.pages import (
    TIME_FILTERS,
    Filter,
    Numbered,
    asks,
    fits,
    in_time,
    page,
    page_or_rest,
    tagged,
    time_bounds,
    tried,
)
from stormcone_simulators.alibaba.parameters import Arguments, Form, Parameter, Schema

PLACEMENT = "Placement"
_MOST_BY_TOKEN = 500
_P = Parameter
_STATUSES = (IN_USE, "Available", "Attaching", "Detaching", "Creating", "ReIniting")
_CATEGORIES = (
    "cloud",
    "cloud_efficiency",
    "cloud_ssd",
    "cloud_essd",
    "cloud_auto",
    "cloud_regional_disk_auto",
    "cloud_essd_entry",
    "elastic_ephemeral_disk_standard",
    "elastic_ephemeral_disk_premium",
    "local_ssd_pro",
    "local_hdd_pro",
    "ephemeral",
    "ephemeral_ssd",
)


def _switch(name: str) -> Filter:
    return Filter(_P(name=name, form=Form.SWITCH), name)


_FILTERS = (
    Filter(_P(name="InstanceId"), "InstanceId", any_case=True),
    Filter(_P(name="DiskName"), "DiskName", wild=True),
    Filter(_P(name="ZoneId"), "ZoneId"),
    Filter(_P(name="SnapshotId"), "SourceSnapshotId"),
    Filter(_P(name="AutoSnapshotPolicyId"), "AutoSnapshotPolicyId"),
    Filter(_P(name="KMSKeyId"), "KMSKeyId"),
    Filter(_P(name="PerformanceLevel", choices=("PL0", "PL1", "PL2", "PL3")), "PerformanceLevel"),
    Filter(_P(name="DiskChargeType", choices=("PrePaid", "PostPaid")), "DiskChargeType"),
    Filter(_P(name="MultiAttach", choices=("Disabled", "Enabled", "LegacyShared")), "MultiAttach"),
    Filter(_P(name="LockReason", choices=("financial", "security")), "OperationLocks.OperationLock.LockReason"),
    Filter(RESOURCE_GROUP, "ResourceGroupId"),
    _switch("DeleteAutoSnapshot"),
    _switch("DeleteWithInstance"),
    _switch("EnableAutoSnapshot"),
    _switch("EnableAutomatedSnapshotPolicy"),
    _switch("Encrypted"),
    _switch("Portable"),
    Filter(_P(name="DiskType", choices=("all", "system", "data")), "Type", everything="all"),
    Filter(_P(name="Category", choices=("all", *_CATEGORIES)), "Category", everything="all"),
    Filter(_P(name="Status", choices=("All", *_STATUSES)), "Status", everything="All"),
)


def _describe(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    bounds = time_bounds(given)
    narrowed = asks(_FILTERS, given) or given["Tag"] or bounds or given["EnableShared"]
    instances = model.instances

    def item(name: str) -> Document:
        asked = PLACEMENT in given["AdditionalAttributes"]
        return disk_item(instances.hardware(name), caller.site, placement=asked)

    def keeps(name: str) -> bool:
        if not narrowed:
            return True
        document = item(name)
        return (
            fits(document, _FILTERS, given)
            # No disk here is shared.
            and not given["EnableShared"]
            and tagged(document, given)
            and in_time(document, bounds, TIME_FORMAT)
        )

    def disks(behind: int | None) -> Iterator[Numbered]:
        names = instances.with_disks(given["DiskIds"])
        numbered = sorted(Numbered(instances.hardware(name).place, name) for name in names)
        return (each for each in numbered if (behind is None or each.number > behind) and keeps(each.entry))

    paging, names = page_or_rest(disks, given, most=_MOST_BY_TOKEN)
    tried(given)
    return {**paging, "Disks": {"Disk": [item(name) for name in names]}}


def _full_status(model: AlibabaModel, given: Arguments, _caller: Caller) -> Document:
    start, end = given["EventTime.Start"], given["EventTime.End"]
    if start is not None and end is not None and end < start:
        raise ApiError("InvalidParameter.TimeEndBeforeStart")
    # No disk has an event, a tag or a resource group. Unverified: that a filter of events leaves disks without out.
    nothing_has = ("EventId", "EventType", "EventTime.Start", "EventTime.End", "ResourceGroupId", "Tag")
    none = (
        any(given[name] for name in nothing_has)
        or given["Status"] not in {None, IN_USE}
        or given["HealthStatus"] not in {None, HEALTH}
    )
    instances = model.instances
    names = instances.with_disks(given["DiskId"]) if given["DiskId"] else list(instances)
    paging, shown = page([] if none else names, given)
    items = [disk_full_status_item(instances.hardware(name)) for name in shown]
    return {**paging, "DiskFullStatusSet": {"DiskFullStatusType": items}}


DISK_OPERATIONS: Operations = MappingProxyType(
    {
        "DescribeDisks": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    _P(name="DiskIds", form=Form.JSON_LIST, most=MOST),
                    *(each.parameter for each in _FILTERS),
                    _P(name="EnableShared", form=Form.SWITCH),
                    TAGS,
                    TIME_FILTERS,
                    _P(name="AdditionalAttributes", form=Form.LIST, choices=(PLACEMENT,)),
                    *PAGES,
                    *TOKENS,
                    DRY_RUN,
                    *OWNERS,
                )
            ),
            call=_describe,
        ),
        "DescribeDisksFullStatus": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    _P(name="DiskId", form=Form.LIST, most=MOST, too_many="DiskIdLimitExceeded"),
                    EVENT_IDS,
                    _P(name="Status", choices=_STATUSES),
                    _P(
                        name="HealthStatus",
                        choices=("Impaired", "Warning", "Initializing", "InsufficientData", "NotApplicable"),
                    ),
                    _P(name="EventType", choices=("Degraded", "SeverelyDegraded", "Stalled", "ErrorDetected")),
                    *(_P(name=f"EventTime.{end}", form=Form.TIME) for end in ("Start", "End")),
                    RESOURCE_GROUP,
                    TAGS,
                    *PAGES,
                    *OWNERS,
                )
            ),
            call=_full_status,
        ),
    }
)
"""By name."""
