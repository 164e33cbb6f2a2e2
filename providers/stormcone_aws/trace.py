"""What AWS's exchanges look like in a trace: which of their fields name nobody, and how they are told.

Source of the fields, unless a line says otherwise: EC2's documentation of instance metadata.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus

from pydantic import JsonValue

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import TraceRules
from stormcone.model import Machine, MaintenanceEvent, Origin
from stormcone_aws.imds import ENDPOINT, TOKEN_PATH
from stormcone_aws.kinds import ENDED

REGION = "us-east-1"
"""The region of a machine of which a journal tells none; made up."""

ACCOUNT = "000000000000"
"""The account of a machine of which a journal tells none; made up."""

_IMDS_FIELDS = (
    "action",
    "architecture",
    "availabilityZone",
    "Code",
    "instance-life-cycle",
    "instanceType",
    "NotAfter",
    "NotBefore",
    "NotBeforeDeadline",
    "noticeTime",
    "pendingTime",
    "region",
    "State",
    "target-lifecycle-state",
    "termination-time",
    "time",
    "version",
)

_IMDS_WORDS = (
    "169.254.169.254",
    "api",
    "autoscaling",
    "document",
    "dynamic",
    "events",
    "history",
    "instance-action",
    "instance-id",
    "instance-identity",
    "latest",
    "local-hostname",
    "machines",
    "maintenance",
    "meta-data",
    "rebalance",
    "recommendations",
    "scheduled",
    "spot",
    "target-lifecycle-state",
    "termination-time",
    "token",
)

_API_FIELDS = (
    "__type",
    "ApproximateFirstReceiveTimestamp",
    "AttributeNames",
    "availabilityZoneId",
    "DefaultResult",
    "GlobalTimeout",
    "HeartbeatTimeout",
    "IncludeAllInstances",
    "LifecycleActionResult",
    "LifecycleTransition",
    "MaxNumberOfMessages",
    "MaxResults",
    "SentTimestamp",
    "Type",
    "VisibilityTimeout",
    "WaitTimeSeconds",
    "xmlns",
)
"""Of the APIs. Source: botocore's models of them."""

_MESSAGE_FIELDS = (
    "azId",
    "Destination",
    "detail-type",
    "detail_type",
    "end-date",
    "endTime",
    "Event",
    "eventRegion",
    "eventScopeCode",
    "eventTypeCategory",
    "eventTypeCode",
    "instance-termination-time",
    "language",
    "Origin",
    "service",
    "source",
    "startTime",
    "statusCode",
    "Timestamp",
)
"""Of what EventBridge, SNS and Auto Scaling send. Source: the services' documentation of their messages."""

_API_WORDS = (
    "autoscaling.*.amazonaws.com*",
    "ec2.*.amazonaws.com*",
    "sqs.*.amazonaws.com*",
    "*.queue.amazonaws.com*",
    "capacity-reservation-id",
    "event.instance-event-id",
    "event",
    "ec2",
    "aws_ec2_*",
    "region:*",
    "hibernate",
    "stop",
    "terminate",
    "pending",
    "running",
    "shutting-down",
    "stopped",
    "stopping",
    "terminated",
    "not-applicable",
    "ok",
    "passed",
    "reachability",
)
"""Hosts, names of filters, actions, states, and the parts of AWS Health's names."""

_FORMS = (
    # Of an ARN its account and its resource name somebody; the service and the region do not.
    r"arn:[\w-]*:[\w-]*:[\w-]*:(\d*):([^\s\"'<>,;()\[\]]+)",
    r"(?:EC2_)?instance-event-([0-9a-f]{8,32})",
    r"(?:vol|eni|sg|subnet|vpc|ami|cr|r|eipalloc)-([0-9a-f]{8,17})",
    r"tag:(\S+)",
    r"[Ee]ncoded authorization failure message: (\S+)",
    r"(i-[0-9a-f]{8,17})",
    r"(\d{12})",
)
"""Ids in AWS's forms, the last two of them for texts: an instance's, and an account's."""

RULES = TraceRules(
    headers=frozenset({"x-amz-target"}),
    plain_fields=frozenset({*_IMDS_FIELDS, *_API_FIELDS, *_MESSAGE_FIELDS}),
    text_fields=frozenset({"Cause", "Description", "latestDescription", "Message", "Subject"}),
    plain_words=(*_IMDS_WORDS, *_API_WORDS),
    forms=_FORMS,
)
"""What of the exchanges with the metadata service and with the APIs is kept, and what of it names nobody."""

_META = "/latest/meta-data/"
_STATE_OF = {outcome: state for state, outcome in ENDED.items()}


class AwsTrace:
    """The metadata service's part of recording."""

    rules = RULES

    def identity(self, machine: Machine, at: datetime) -> Iterator[Exchange]:
        """The token, the identity document and the name of the host, as far as the machine is known."""
        yield _exchange(TOKEN_PATH, at, "(withheld)", method="PUT")
        document = {
            "accountId": machine.account or ACCOUNT,
            "availabilityZone": machine.zone,
            "instanceId": machine.id or machine.name,
            "region": machine.region or REGION,
        }
        yield _exchange("/latest/dynamic/instance-identity/document", at, json.dumps(document))
        yield _exchange(f"{_META}instance-id", at, machine.id or machine.name)
        yield _exchange(f"{_META}local-hostname", at, next(iter(machine.aliases), None))

    def poll(
        self,
        machine: Machine,  # noqa: ARG002 - an instance is told of itself alone
        going_on: Sequence[MaintenanceEvent],
        ended: Sequence[MaintenanceEvent],
        number: int,  # noqa: ARG002 - the service does not count what it shows
        at: datetime,
    ) -> Iterator[Exchange]:
        """The lists that show what goes on, and the history of what has ended."""
        natives = [event.native for event in going_on]
        yield _exchange(f"{_META}spot/instance-action", at, _object(natives, "action"))
        yield _exchange(f"{_META}spot/termination-time", at, _text(natives, "termination-time"))
        yield _exchange(f"{_META}events/recommendations/rebalance", at, _object(natives, "noticeTime"))
        state = _text(natives, "target-lifecycle-state") or "InService"
        yield _exchange(f"{_META}autoscaling/target-lifecycle-state", at, state)
        scheduled = [native for native in natives if "EventId" in native]
        yield _exchange(f"{_META}events/maintenance/scheduled", at, json.dumps(scheduled))
        asked = [event for event in ended if "EventId" in event.native]
        if asked:
            said = [_over(event) for event in asked if event.outcome_origin is Origin.REPORTED]
            yield _exchange(f"{_META}events/maintenance/history", at, json.dumps(said))

    def approval(self, machine: Machine, event: MaintenanceEvent, status: int, at: datetime) -> Iterator[Exchange]:  # noqa: ARG002
        """None: an instance approves nothing here."""
        yield from ()


def _object(natives: Sequence[dict[str, JsonValue]], field: str) -> str | None:
    """The payload that has the field, as it came."""
    return next((json.dumps(native) for native in natives if field in native), None)


def _text(natives: Sequence[dict[str, JsonValue]], field: str) -> str | None:
    """What was told without any JSON around it."""
    return next((str(native[field]) for native in natives if field in native), None)


def _over(event: MaintenanceEvent) -> dict[str, JsonValue]:
    state = _STATE_OF.get(event.outcome, "") if event.outcome else ""
    return {**event.native, "State": state}


def _exchange(path: str, at: datetime, text: str | None, *, method: str = "GET") -> Exchange:
    status = HTTPStatus.OK if text else HTTPStatus.NOT_FOUND
    return Exchange(
        at=at,
        method=method,
        url=f"{ENDPOINT}{path}",
        status=status,
        reason=status.phrase,
        headers={"Content-Type": "text/plain"},
        body=(text or "").encode(),
    )
