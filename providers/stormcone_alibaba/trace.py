"""What Alibaba Cloud's exchanges look like in a trace: which of their fields name nobody, and how they are told anew.

Source of the fields: ECS's documentation of DescribeInstanceHistoryEvents and of instance metadata.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode

from pydantic import JsonValue

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import TraceRules
from stormcone.model import Machine, MaintenanceEvent, Origin
from stormcone_alibaba.ecs import BATCH
from stormcone_alibaba.metadata import ENDPOINT, TOKEN_PATH
from stormcone_alibaba.wire import ACTIVE, SPOT_TYPE, STATUSES

REGION = "cn-hangzhou"
"""The region of a machine of which a journal tells none; made up."""

RULES = TraceRules(
    plain_fields=frozenset(
        {
            "Action",
            "Code",
            "EventCycleStatus",
            "EventFinishTime",
            "EventPublishTime",
            "EventType",
            "Format",
            "ImpactLevel",
            "InstanceEventCycleStatus",
            "MaxResults",
            "Name",
            "NotBefore",
            "PageNumber",
            "PageSize",
            "ReasonCode",
            "Recommend",
            "region-id",
            "RegionId",
            "ResourceType",
            "termination-time",
            "TotalCount",
            "Version",
            "zone-id",
        }
    ),
    text_fields=frozenset({"Message", "Reason"}),
    plain_words=(
        "*.aliyuncs.com",
        "100.100.100.200",
        "active-system-events",
        "api",
        "instance",
        "instance-id",
        "latest",
        "machines",
        "maintenance",
        "meta-data",
        "owner-account-id",
        "ram",
        "region-id",
        "security-credentials",
        "spot",
        "termination-time",
        "token",
        "zone-id",
    ),
)

_STATUS_OF = {meaning.outcome: name for name, meaning in STATUSES.items() if meaning.outcome}
_FAILURES = {400: "InvalidParameter", 503: "ServiceUnavailable"}


class AlibabaTrace:
    """Alibaba Cloud's part of recording."""

    rules = RULES

    def identity(self, machine: Machine, at: datetime) -> Iterator[Exchange]:
        """The metadata service's answers, as far as the machine is known; a region that is not known is made up."""
        yield _metadata(TOKEN_PATH, at, "(withheld)", method="PUT")
        yield _metadata("/latest/meta-data/instance-id", at, machine.name)
        yield _metadata("/latest/meta-data/region-id", at, machine.region or REGION)
        yield _metadata("/latest/meta-data/zone-id", at, machine.zone or None)
        yield _metadata("/latest/meta-data/owner-account-id", at, machine.account or None)

    def poll(
        self,
        machine: Machine,
        going_on: Sequence[MaintenanceEvent],
        ended: Sequence[MaintenanceEvent],
        number: int,  # noqa: ARG002 - the service does not count what it shows
        at: datetime,
    ) -> Iterator[Exchange]:
        """The list of what goes on, what the service said of what has ended, and the release of a spot instance."""
        spot = [event for event in going_on if event.native_type == SPOT_TYPE]
        yield _metadata("/latest/meta-data/instance/spot/termination-time", at, _release(spot[0]) if spot else None)
        listed = [event.native for event in going_on if event.native_type != SPOT_TYPE]
        about = [("ResourceType", "instance"), ("ResourceId.1", machine.name)]
        yield _history(machine, at, ACTIVE, about, listed)
        asked = [event for event in ended if event.id_origin is Origin.REPORTED]
        if asked:
            ids = [(f"EventId.{place}", event.id) for place, event in enumerate(asked, 1)]
            said = [_ended(event) for event in asked if event.outcome_origin is Origin.REPORTED]
            yield _history(machine, at, tuple(STATUSES), ids, said)

    def approval(self, machine: Machine, event: MaintenanceEvent, status: int, at: datetime) -> Iterator[Exchange]:
        """The owner's consent to the event."""
        said: dict[str, JsonValue] = {} if status == HTTPStatus.OK else {"Code": _FAILURES.get(status, "UnknownError")}
        yield _call(machine, at, "AcceptInquiredSystemEvent", [("EventId", event.id)], said, status)


def _release(event: MaintenanceEvent) -> str:
    return str(event.native.get("termination-time", ""))


def _ended(event: MaintenanceEvent) -> dict[str, JsonValue]:
    name = _STATUS_OF.get(event.outcome) if event.outcome else None
    return {**event.native, "EventCycleStatus": {"Name": name or ""}}


def _history(
    machine: Machine,
    at: datetime,
    statuses: Sequence[str],
    about: Sequence[tuple[str, str]],
    listed: Sequence[JsonValue],
) -> Exchange:
    asked = [(f"InstanceEventCycleStatus.{place}", name) for place, name in enumerate(statuses, 1)]
    asked += [*about, ("MaxResults", str(BATCH))]
    said: dict[str, JsonValue] = {"InstanceSystemEventSet": {"InstanceSystemEventType": list(listed)}}
    return _call(machine, at, "DescribeInstanceHistoryEvents", asked, said)


def _call(
    machine: Machine,
    at: datetime,
    action: str,
    asked: Sequence[tuple[str, str]],
    said: dict[str, JsonValue],
    status: int = HTTPStatus.OK,
) -> Exchange:
    region = machine.region or REGION
    query = [*asked, ("Version", "2014-05-26"), ("Action", action), ("Format", "JSON"), ("RegionId", region)]
    return Exchange(
        at=at,
        method="POST",
        url=f"https://ecs.{region}.aliyuncs.com/?{urlencode(query)}",
        status=status,
        reason=HTTPStatus(status).phrase if status else "",
        headers={"Content-Type": "application/json;charset=utf-8"},
        body=json.dumps({"RequestId": "00000000-0000-0000-0000-000000000000", **said}).encode() if status else b"",
        fault="" if status else "the answer was lost",
    )


def _metadata(path: str, at: datetime, text: str | None, *, method: str = "GET") -> Exchange:
    status = HTTPStatus.OK if text else HTTPStatus.NOT_FOUND
    return Exchange(
        at=at,
        method=method,
        url=f"{ENDPOINT}{path}",
        status=status,
        reason=status.phrase,
        headers={"Content-Type": "text/plain; charset=utf-8"},
        body=(text or "").encode(),
    )
