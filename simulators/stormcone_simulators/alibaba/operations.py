"""The operations of ECS's API: what each takes, as data, and what it does.

Source, unless a line says otherwise: ECS's documentation of each operation, version 2014-05-26.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar

from stormcone_simulators.alibaba import documents
from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.instances import ActionOnMaintenance
from stormcone_simulators.alibaba.model import AlibabaModel, EcsEvent, Query
from stormcone_simulators.alibaba.parameters import INVALID, MISSING, Arguments, Form, Parameter, Schema
from stormcone_simulators.alibaba.types import EVENT_TYPES, FINISHED, EventStatus

MOST = 100
"""How many instances or events one call may name, and how many entries a page may have."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls, where and when.

    Attributes:
        machine: the machine that the call comes from.
        region: the region that is served.
        now: the simulator's time.
    """

    machine: str
    region: str
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation.

    Attributes:
        schema: what it takes.
        call: what it does; the answer goes without `RequestId`.
    """

    schema: Schema
    call: Callable[[AlibabaModel, Arguments, Caller], Document]


def _create(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    if given["TriggerRealOps"]:
        raise ApiError(INVALID, " TriggerRealOps: the simulator stops and releases no instances; leave it out")
    ids = model.create_simulated(given["EventType"], given["NotBefore"], given["InstanceId"], caller.now)
    return {"EventIdSet": {"EventId": ids}}


def _cancel(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    model.cancel_simulated(given["EventId"], caller.now)
    return {}


def _history(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    statuses = given.first("InstanceEventCycleStatus", "EventCycleStatus")
    query = Query(
        statuses=[EventStatus(status) for status in statuses] or FINISHED,
        types=given.first("InstanceEventType", "EventType"),
        event_ids=given["EventId"],
        instance_ids=given.first("ResourceId", "InstanceId"),
        not_before=_span(given, "NotBefore"),
        published=_span(given, "EventPublishTime"),
        tags=given["Tag"],
    )
    # Hosts and resource groups exist on the real service only: nothing here belongs to one.
    elsewhere = given["ResourceType"] != "instance" or given["ResourceGroupId"]

    def events(before: int | None) -> Iterator[EcsEvent]:
        return iter(()) if elsewhere else model.history(query, caller.now, before=before)

    paging, page = _page_or_rest(events, given)
    items = [documents.history_item(event) for event in page]
    return {**paging, "InstanceSystemEventSet": {"InstanceSystemEventType": items}}


def _full_status(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    query = Query(
        statuses=(EventStatus.SCHEDULED, EventStatus.INQUIRING),
        types=given.first("InstanceEventType", "EventType"),
        event_ids=given["EventId"],
        instance_ids=given["InstanceId"],
        not_before=_span(given, "NotBefore"),
        published=_span(given, "EventPublishTime"),
    )
    events: dict[str, list[EcsEvent]] = {}
    for event in model.history(query, caller.now):
        events.setdefault(event.instance, []).append(event)

    def fits(name: str) -> bool:
        return (
            # Unverified: that a filter of events leaves instances without such an event out.
            (name in events or not query.narrows)
            and given["Status"] in {None, model.instances.status(name, caller.now)}
            and given["HealthStatus"] in {None, _health(name, events)}
        )

    names = [name for name in model.instances.some(given["InstanceId"]) if fits(name)]
    paging, page = _page(names, given)
    items = [
        documents.full_status_item(
            name, model.instances.status(name, caller.now), _health(name, events), events.get(name, ())
        )
        for name in page
    ]
    return {**paging, "InstanceFullStatusSet": {"InstanceFullStatusType": items}}


def _health(name: str, events: Collection[str]) -> str:
    # Seen in one sample of the documentation; an older one says Ok here.
    return "Warning" if name in events else "Ok"


def _accept(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    model.accept(given["EventId"], caller.machine, caller.now)
    return {}


def _instances(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    paging, page = _page(model.instances.some(given["InstanceIds"]), given)
    items = [
        documents.instance_item(
            name,
            model.instances.status(name, caller.now),
            caller.region,
            released=model.spot_release(name) is not None,
        )
        for name in page
    ]
    return {**paging, "Instances": {"Instance": items}}


def _reboot(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    model.reboot(given["InstanceId"], caller.now, dry_run=bool(given["DryRun"]))
    return {}


def _modify_maintenance(model: AlibabaModel, given: Arguments, _caller: Caller) -> Document:
    names = [model.instances.named(instance_id) for instance_id in given["InstanceId"]]
    changes: dict[str, Any] = {
        "window": _window(given["MaintenanceWindow.1.StartTime"], given["MaintenanceWindow.1.EndTime"]),
        "action": ActionOnMaintenance(given["ActionOnMaintenance"]) if given["ActionOnMaintenance"] else None,
        "notify": given["NotifyOnMaintenance"],
    }
    for name in names:
        model.instances.change(name, **{key: value for key, value in changes.items() if value is not None})
    return {}


def _maintenance(model: AlibabaModel, given: Arguments, _caller: Caller) -> Document:
    for instance_id in given["InstanceId"]:
        model.instances.named(instance_id)
    paging, page = _page(model.instances.some(given["InstanceId"]), given)
    items = [documents.maintenance_item(name, model.instances.of(name)) for name in page]
    return {**paging, "MaintenanceAttributes": {"MaintenanceAttribute": items}}


_HOUR = re.compile(r"(2[0-3]|[01][0-9]):00:00")


def _window(start: str | None, end: str | None) -> tuple[str, str] | None:
    if start is None and end is None:
        return None
    first, last = _HOUR.fullmatch(start or ""), _HOUR.fullmatch(end or "")
    # From 1 to 23 hours, over midnight too: any two different hours.
    if first is None or last is None or first[1] == last[1]:
        raise ApiError(INVALID, " MaintenanceWindow")
    return first[0], last[0]


def _span(given: Arguments, name: str) -> tuple[datetime | None, datetime | None]:
    start, end = given[f"{name}.Start"], given[f"{name}.End"]
    if start is not None and end is not None and end < start:
        raise ApiError("InvalidParameter.TimeEndBeforeStart")
    return start, end


Entry = TypeVar("Entry")


def _page(entries: Sequence[Entry], given: Arguments) -> tuple[Document, Sequence[Entry]]:
    number, size = given["PageNumber"], given["PageSize"]
    paging = {"PageNumber": number, "PageSize": size, "TotalCount": len(entries)}
    return paging, entries[(number - 1) * size : number * size]


def _page_or_rest(
    events: Callable[[int | None], Iterator[EcsEvent]], given: Arguments
) -> tuple[Document, Sequence[EcsEvent]]:
    if given["MaxResults"] is None and given["NextToken"] is None:
        return _page(list(events(None)), given)
    size = min(max(given["MaxResults"] or 10, 10), MOST)
    # A token names the last event that was shown, so that newer ones move no page.
    rest = list(islice(events(_read_token(given["NextToken"])), size + 1))
    # What these three say is meaningless on this way of paging; 0 shows whoever relies on them.
    paging: Document = {"PageNumber": 0, "PageSize": 0, "TotalCount": 0}
    if len(rest) > size:
        paging["NextToken"] = urlsafe_b64encode(f"before {rest[size - 1].number}".encode()).decode()
    return paging, rest[:size]


_TOKEN = re.compile(rb"before ([0-9]{1,18})")


def _read_token(token: str | None) -> int | None:
    if token is None:
        return None
    try:
        match = _TOKEN.fullmatch(urlsafe_b64decode(token))
    except ValueError:
        match = None
    if match is None:
        raise ApiError(INVALID, " NextToken")
    return int(match[1])


_P = Parameter
_SIMULATED = [name for name, event_type in EVENT_TYPES.items() if event_type.simulated]
_INSTANCE_IDS = _P(name="InstanceId", form=Form.LIST, most=MOST, too_many="InstanceIdLimitExceeded")
_EVENT_IDS = _P(name="EventId", form=Form.LIST, most=MOST, too_many="EventIdLimitExceeded")
_TYPES = (
    _P(name="InstanceEventType", form=Form.LIST, most=30, choices=EVENT_TYPES),
    _P(name="EventType", choices=EVENT_TYPES),
)
_SPANS = tuple(
    _P(name=f"{name}.{end}", form=Form.TIME) for name in ("NotBefore", "EventPublishTime") for end in ("Start", "End")
)
_PAGES = (
    _P(name="PageNumber", form=Form.NUMBER, least=1, otherwise=1),
    _P(name="PageSize", form=Form.NUMBER, least=1, most=MOST, otherwise=10),
)
_HEALTH = ("Impaired", "Warning", "Maintaining", "Initializing", "InsufficientData", "NotApplicable")


def _required(parameter: Parameter) -> Parameter:
    return Parameter(**{**vars(parameter), "required": True})


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "CreateSimulatedSystemEvents": Operation(
            schema=Schema(
                parameters=(
                    _P(name="EventType", required=True, choices=_SIMULATED),
                    _P(name="NotBefore", form=Form.TIME, required=True),
                    _required(_INSTANCE_IDS),
                    # Known from the newer SDK alone.
                    _P(name="TriggerRealOps", form=Form.SWITCH),
                ),
            ),
            call=_create,
        ),
        "CancelSimulatedSystemEvents": Operation(
            schema=Schema(parameters=(_required(_EVENT_IDS),), statuses={"EventIdLimitExceeded": 400}),
            call=_cancel,
        ),
        "DescribeInstanceHistoryEvents": Operation(
            schema=Schema(
                parameters=(
                    _P(name="InstanceId"),
                    _P(name="ResourceType", choices=("instance", "ddh", "managedhost"), otherwise="instance"),
                    _P(name="ResourceId", form=Form.LIST, most=MOST),
                    _EVENT_IDS,
                    _P(name="InstanceEventCycleStatus", form=Form.LIST, most=7, choices=tuple(EventStatus)),
                    _P(name="EventCycleStatus", choices=tuple(EventStatus)),
                    *_TYPES,
                    *_SPANS,
                    *_PAGES,
                    _P(name="MaxResults", form=Form.NUMBER, least=1),
                    _P(name="NextToken"),
                    _P(name="ResourceGroupId"),
                    _P(name="Tag", form=Form.TAGS, most=20),
                ),
            ),
            call=_history,
        ),
        "DescribeInstancesFullStatus": Operation(
            schema=Schema(
                parameters=(
                    _INSTANCE_IDS,
                    _EVENT_IDS,
                    _P(name="Status", choices=("Starting", "Running", "Stopped")),
                    _P(name="HealthStatus", choices=_HEALTH),
                    *_TYPES,
                    *_SPANS,
                    *_PAGES,
                ),
            ),
            call=_full_status,
        ),
        "AcceptInquiredSystemEvent": Operation(
            schema=Schema(
                # `Choice` belongs to a preview by invitation.
                parameters=(_P(name="EventId", required=True),),
                statuses={MISSING: 400, INVALID: 400},
            ),
            call=_accept,
        ),
        "DescribeInstances": Operation(
            schema=Schema(parameters=(_P(name="InstanceIds", form=Form.JSON_LIST, most=MOST), *_PAGES)),
            call=_instances,
        ),
        "RebootInstance": Operation(
            schema=Schema(
                parameters=(
                    _P(name="InstanceId", required=True),
                    # Makes no difference to an instance that is not there.
                    _P(name="ForceStop", form=Form.SWITCH),
                    _P(name="DryRun", form=Form.SWITCH),
                ),
            ),
            call=_reboot,
        ),
        "ModifyInstanceMaintenanceAttributes": Operation(
            schema=Schema(
                parameters=(
                    _INSTANCE_IDS,
                    _P(name="MaintenanceWindow.1.StartTime"),
                    _P(name="MaintenanceWindow.1.EndTime"),
                    _P(name="ActionOnMaintenance", choices=tuple(ActionOnMaintenance)),
                    _P(name="NotifyOnMaintenance", form=Form.SWITCH),
                ),
            ),
            call=_modify_maintenance,
        ),
        "DescribeInstanceMaintenanceAttributes": Operation(
            schema=Schema(parameters=(_INSTANCE_IDS, *_PAGES), statuses={MISSING: 400}),
            call=_maintenance,
        ),
    }
)
"""All operations, by name."""
