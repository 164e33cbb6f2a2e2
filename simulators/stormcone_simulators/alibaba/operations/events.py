"""The operations about system events.

Source, unless a line says otherwise: ECS's documentation of each operation, version 2014-05-26.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from types import MappingProxyType

from stormcone_simulators.alibaba import documents
from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.model import AlibabaModel, EcsEvent, Query
from stormcone_simulators.alibaba.operations.contract import (
    EVENT_IDS,
    EVENT_SPANS,
    EVENT_TYPE_FILTERS,
    INSTANCE_ID,
    INSTANCE_IDS,
    MOST,
    OWNERS,
    PAGES,
    PREVIEW,
    REGION,
    RESOURCE_GROUP,
    TAGS,
    TOKENS,
    Caller,
    Operation,
    Operations,
    refused,
    required,
)
from stormcone_simulators.alibaba.operations.pages import Numbered, page, page_or_rest, tags_of
from stormcone_simulators.alibaba.parameters import INVALID, MISSING, Arguments, Form, Parameter, Schema
from stormcone_simulators.alibaba.types import EVENT_TYPES, FINISHED, EventStatus


def _create(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
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
        tags=tags_of(given),
    )
    # Hosts and resource groups exist on the real service only: nothing here belongs to one.
    elsewhere = given["ResourceType"] != "instance" or given["ResourceGroupId"]

    def events(before: int | None) -> Iterator[Numbered]:
        found = iter(()) if elsewhere else model.history(query, caller.now, before=before)
        return (Numbered(event.number, event) for event in found)

    paging, shown = page_or_rest(events, given)
    items = [documents.history_item(event) for event in shown]
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

    paging, names = page([name for name in model.instances.some(given["InstanceId"]) if fits(name)], given)
    items = [
        documents.full_status_item(
            name, model.instances.status(name, caller.now), _health(name, events), events.get(name, ())
        )
        for name in names
    ]
    return {**paging, "InstanceFullStatusSet": {"InstanceFullStatusType": items}}


def _health(name: str, events: Collection[str]) -> str:
    # Seen in one sample of the documentation; an older one says Ok here.
    return "Warning" if name in events else "Ok"


def _accept(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    model.accept(given["EventId"], caller.machine, caller.now)
    return {}


def _move(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    model.move(given["EventId"], given["InstanceId"], given["NotBefore"], caller.now)
    return {}


def _span(given: Arguments, name: str) -> tuple[datetime | None, datetime | None]:
    start, end = given[f"{name}.Start"], given[f"{name}.End"]
    if start is not None and end is not None and end < start:
        raise ApiError("InvalidParameter.TimeEndBeforeStart")
    return start, end


_P = Parameter
_SIMULATED = [name for name, event_type in EVENT_TYPES.items() if event_type.simulated]
_HEALTH = ("Impaired", "Warning", "Maintaining", "Initializing", "InsufficientData", "NotApplicable")
_NOT_BEFORE = _P(name="NotBefore", form=Form.TIME, required=True)

EVENT_OPERATIONS: Operations = MappingProxyType(
    {
        "CreateSimulatedSystemEvents": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    _P(name="EventType", required=True, choices=_SIMULATED),
                    _NOT_BEFORE,
                    required(INSTANCE_IDS),
                    # Known from the newer SDK alone.
                    refused("TriggerRealOps", "the simulator stops and releases no instances", but="false"),
                    *OWNERS,
                ),
            ),
            call=_create,
        ),
        "CancelSimulatedSystemEvents": Operation(
            schema=Schema(parameters=(REGION, required(EVENT_IDS), *OWNERS), statuses={"EventIdLimitExceeded": 400}),
            call=_cancel,
        ),
        "DescribeInstanceHistoryEvents": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    _P(name="InstanceId"),
                    _P(name="ResourceType", choices=("instance", "ddh", "managedhost"), otherwise="instance"),
                    _P(name="ResourceId", form=Form.LIST, most=MOST),
                    EVENT_IDS,
                    _P(name="InstanceEventCycleStatus", form=Form.LIST, most=7, choices=tuple(EventStatus)),
                    _P(name="EventCycleStatus", choices=tuple(EventStatus)),
                    *EVENT_TYPE_FILTERS,
                    *EVENT_SPANS,
                    *PAGES,
                    *TOKENS,
                    RESOURCE_GROUP,
                    TAGS,
                    refused("ImpactLevel", "it is documented as not available"),
                    *OWNERS,
                ),
            ),
            call=_history,
        ),
        "DescribeInstancesFullStatus": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    INSTANCE_IDS,
                    EVENT_IDS,
                    _P(name="Status", choices=("Starting", "Running", "Stopped")),
                    _P(name="HealthStatus", choices=_HEALTH),
                    *EVENT_TYPE_FILTERS,
                    *EVENT_SPANS,
                    *PAGES,
                    *OWNERS,
                ),
            ),
            call=_full_status,
        ),
        "AcceptInquiredSystemEvent": Operation(
            schema=Schema(
                parameters=(REGION, _P(name="EventId", required=True), refused("Choice", PREVIEW), *OWNERS),
                statuses={MISSING: 400, INVALID: 400},
            ),
            call=_accept,
        ),
        # All that is public of it is what the SDKs send.
        "ModifySystemEventAttribute": Operation(
            schema=Schema(parameters=(REGION, _P(name="EventId", required=True), INSTANCE_ID, _NOT_BEFORE)),
            call=_move,
        ),
    }
)
"""By name."""
