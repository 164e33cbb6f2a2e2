"""What recorded calls of EC2's and EC2 Auto Scaling's APIs asked and what their answers say of events."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from xml.etree import ElementTree

from stormcone.clouds.exchange import Exchange
from stormcone.model import Outcome, Phase
from stormcone_simulators.aws.api.errors import FORMS, AwsError, failure
from stormcone_simulators.aws.api.gate import call_of, protocol_of
from stormcone_simulators.aws.api.xml import autoscaling_answer
from stormcone_simulators.aws.events import event_of
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.replay.track import Listing, time_in

_STATUSES = "DescribeInstanceStatus"
_COMPLETE = "CompleteLifecycleAction"
_NOT_FOUND = 404
_PARTS = ("NextToken", "InstanceId.", "Filter.")
"""Parameters of a question about some of the instances, or some of their events."""

_ENDS: Mapping[str, Outcome] = {"[Completed]": Outcome.COMPLETED, "[Canceled]": Outcome.CANCELED}
"""How the text of an event begins that has ended. Source: EC2's documentation of scheduled events."""


class RecordedCall(NamedTuple):
    """A call of an operation, by the protocol that it speaks."""

    protocol: str
    action: str
    parameters: Mapping[str, str]


def call_in(request: Request) -> RecordedCall | None:
    """The call that a request is; None where it is none."""
    said = call_of(request)
    if not said.get("Service") or not said.get("Action"):
        return None
    return RecordedCall(protocol_of(request), said["Action"], said)


def approved(call: RecordedCall) -> tuple[str, ...]:
    """The ids of the events that a call approves: the end of a lifecycle hook's wait."""
    instance = call.parameters.get("InstanceId")
    return (f"lifecycle/{instance}",) if call.action == _COMPLETE and instance else ()


def approval(request: Request, unknown: str | None) -> Response:
    """What Auto Scaling says to the end of a wait, or where nobody waits."""
    if unknown is None:
        return autoscaling_answer(_COMPLETE, {})
    what = f"No active Lifecycle Action found with instance ID {unknown.partition('/')[2]}"
    return FORMS[protocol_of(request)](AwsError("ValidationError", what))


def refused(status: int, request: Request) -> Response:
    """What a service says where it fails with that status, or to what the trace has no answer for."""
    call = call_in(request)
    if status != _NOT_FOUND or call is None:
        return failure(protocol_of(request), status)
    error = AwsError("UnsupportedOperation", f"{call.action} was not recorded, so the replay has no answer to it")
    return FORMS[protocol_of(request)](error)


def listed(call: RecordedCall, exchange: Exchange) -> Listing | None:
    """The scheduled events of instances that an answer lists; None where it is no such list."""
    if call.action != _STATUSES or exchange.status != 200:
        return None
    try:
        answer = ElementTree.fromstring(exchange.body)  # noqa: S314 - expat bounds what entities grow to
    except ElementTree.ParseError:
        return None
    part = any(name.startswith(_PARTS) for name in call.parameters) or bool(_text(answer, "nextToken"))
    return Listing(list(_events(answer, exchange.at)), complete=not part, of=_STATUSES)


def _events(answer: ElementTree.Element, at: datetime) -> Iterator[SimulatedEvent]:
    for status in answer.findall("{*}instanceStatusSet/{*}item"):
        for item in status.findall("{*}eventsSet/{*}item"):
            event = event_of(
                _text(item, "instanceEventId"),
                _text(item, "code"),
                time_in(_text(item, "notBefore"), at),
                at,
                resources=(_text(status, "instanceId"),),
            )
            event.description = _text(item, "description")
            event.outcome = next((end for text, end in _ENDS.items() if event.description.startswith(text)), None)
            event.phase = Phase.ENDED if event.outcome else event.phase
            yield event


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(f"{{*}}{name}") or "").strip()
