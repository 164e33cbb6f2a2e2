"""SQS's operations on the queues that there are, in its JSON protocol.

Source: botocore's model of SQS, and SQS's documentation of each operation.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import md5
from types import MappingProxyType
from typing import Any

from stormcone_simulators.aws import site
from stormcone_simulators.aws.api.errors import REQUEST_ID, AwsError, invalid, missing, unsupported
from stormcone_simulators.aws.api.parameters import HONOURED, Table
from stormcone_simulators.aws.sqs.events import Sender
from stormcone_simulators.aws.sqs.queues import SimulatedQueue, StoredMessage
from stormcone_simulators.http.messages import Later, Request, Response, form_of

TARGET = "AmazonSQS."
CONTENT_TYPE = "application/x-amz-json-1.0"
MOST_IN_BATCH = 10
LONGEST_BODY = 1024 * 1024

_MESSAGE_ATTRIBUTES = "messages have no attributes of their own here"
_FIFO = "the queues are not FIFO queues"


class SqsService:
    """The queues of the account.

    Args:
        queues: all of them; the first is what is sent to.
        bridge: who sends.
        region: where they are.
        secure: whether they are reached by https.
    """

    def __init__(
        self,
        queues: Sequence[SimulatedQueue],
        bridge: Sender,
        region: str,
        secure: Callable[[], bool] = lambda: False,
    ) -> None:
        self._queues = {queue.name: queue for queue in queues}
        self._main = queues[0]
        self._bridge = bridge
        self._region = region
        self._secure = secure

    def answer(self, request: Request, now: datetime) -> Response | Later:
        """The service's answer.

        Raises:
            AwsError: the call is refused.
        """
        self._deliver(now)
        if form_of(request):
            raise AwsError("InvalidAction", "SQS is simulated by its JSON protocol alone; use a newer SDK")
        action = (request.header("x-amz-target") or "").removeprefix(TARGET)
        operation = OPERATIONS.get(action)
        if operation is None:
            raise AwsError("UnknownOperationException", f"{action or 'the action'} is not simulated here")
        fields = _fields(request, operation.parameters)
        host = request.header("host") or f"sqs.{self._region}.amazonaws.com"
        call = SqsCall(self, fields, now, f"{'https' if self._secure() else 'http'}://{host}")
        if action == "ReceiveMessage":
            return self._receive(call, now + timedelta(seconds=call.number("WaitTimeSeconds", 0, most=20)), now)
        return _written(operation.run(call))

    def queue(self, name: str) -> SimulatedQueue:
        """The queue of that name.

        Raises:
            AwsError: there is none.
        """
        found = self._queues.get(name)
        if found is None:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        return found

    def arn(self, queue: SimulatedQueue) -> str:
        """The queue's ARN."""
        return f"arn:aws:sqs:{self._region}:{site.ACCOUNT}:{queue.name}"

    def names(self) -> list[str]:
        """The names of all queues."""
        return list(self._queues)

    def bodies(self, now: datetime) -> Mapping[str, list[str]]:
        """What the messages of each queue say."""
        self._deliver(now)
        return {name: queue.bodies() for name, queue in self._queues.items()}

    def _deliver(self, now: datetime) -> None:
        for letter in self._bridge.letters(now):
            self._main.send(letter.body, letter.at, identifier=letter.id, sent=letter.sent)

    def _receive(self, call: "SqsCall", until: datetime, now: datetime) -> Response | Later:
        """The messages that there are, or none once it has waited long enough."""
        self._deliver(now)
        queue = call.queue()
        visibility = timedelta(seconds=call.number("VisibilityTimeout", -1, most=43200))
        most = call.number("MaxNumberOfMessages", 1, least=1, most=MOST_IN_BATCH)
        given = queue.receive(most, None if visibility < timedelta(0) else visibility, now)
        if given or now >= until:
            wanted = {*call.texts("AttributeNames"), *call.texts("MessageSystemAttributeNames")}
            return _written({"Messages": [_shown(message, wanted) for message in given]} if given else {})
        moments = filter(None, (until, queue.next_visible(now), self._bridge.next_at(now)))
        left = (min(moments) - now).total_seconds()
        return Later(left, again=lambda at: self._receive(call, until, at))


@dataclass(frozen=True)
class SqsCall:
    """A call of an operation.

    Attributes:
        service: whose.
        fields: what it says.
        now: the simulator's time.
        base: the address that it was sent to.
    """

    service: SqsService
    fields: Mapping[str, Any]
    now: datetime
    base: str

    def text(self, name: str) -> str:
        """A text.

        Raises:
            AwsError: it is not there, or none.
        """
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise missing(name)
        return value

    def number(self, name: str, otherwise: int, *, least: int = 0, most: int) -> int:
        """A number.

        Raises:
            AwsError: it is none, or out of bounds.
        """
        value = self.fields.get(name)
        if value is None:
            return otherwise
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise invalid(name, str(value), f"Reason: Must be >= {least} and <= {most}, if provided.")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts; empty where it is not there.

        Raises:
            AwsError: it is none.
        """
        value = self.fields.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise invalid(name, str(value))
        return value

    def queue(self) -> SimulatedQueue:
        """The queue that it is about.

        Raises:
            AwsError: there is none.
        """
        return self.service.queue(self.text("QueueUrl").rpartition("/")[2])

    def url(self, queue: SimulatedQueue) -> str:
        """A queue's URL, where the call was sent to."""
        return f"{self.base}/{site.ACCOUNT}/{queue.name}"


def get_queue_url(call: SqsCall) -> dict[str, Any]:
    """A queue's URL."""
    return {"QueueUrl": call.url(call.service.queue(call.text("QueueName")))}


def list_queues(call: SqsCall) -> dict[str, Any]:
    """The queues' URLs."""
    prefix = str(call.fields.get("QueueNamePrefix") or "")
    names = [name for name in call.service.names() if name.startswith(prefix)]
    return {"QueueUrls": [call.url(call.service.queue(name)) for name in names]}


def get_queue_attributes(call: SqsCall) -> dict[str, Any]:
    """What a queue says of itself."""
    queue = call.queue()
    said = {name: str(number) for name, number in queue.counts(call.now).items()}
    said |= {"QueueArn": call.service.arn(queue), "VisibilityTimeout": f"{queue.visibility.total_seconds():.0f}"}
    if queue.dead is not None:
        policy = {"deadLetterTargetArn": call.service.arn(queue.dead), "maxReceiveCount": queue.most_receives}
        said["RedrivePolicy"] = json.dumps(policy)
    wanted = call.texts("AttributeNames")
    return {"Attributes": {name: value for name, value in said.items() if "All" in wanted or name in wanted}}


def send_message(call: SqsCall) -> dict[str, Any]:
    """Put a message in."""
    body = call.text("MessageBody")
    if len(body.encode()) > LONGEST_BODY:
        raise invalid(
            "MessageBody", f"{len(body)} characters", f"Reason: Message must be shorter than {LONGEST_BODY} bytes."
        )
    delay = timedelta(seconds=call.number("DelaySeconds", 0, most=900))
    message = call.queue().send(body, call.now, delay)
    return {"MessageId": message.id, "MD5OfMessageBody": _md5(body)}


def delete_message(call: SqsCall) -> dict[str, Any]:
    """Delete a message."""
    call.queue().delete(call.text("ReceiptHandle"))
    return {}


def change_visibility(call: SqsCall) -> dict[str, Any]:
    """Keep a message from others for longer, or no longer."""
    if "VisibilityTimeout" not in call.fields:
        raise missing("VisibilityTimeout")
    seconds = call.number("VisibilityTimeout", 0, most=43200)
    call.queue().hold(call.text("ReceiptHandle"), timedelta(seconds=seconds), call.now)
    return {}


def _batch(run: Callable[[SqsCall], dict[str, Any]], known: frozenset[str], call: SqsCall) -> dict[str, Any]:
    """An operation on each entry; one that is refused spoils no other."""
    entries = _entries(call.fields.get("Entries"))
    done: dict[str, Any] = {"Successful": [], "Failed": []}
    for entry in entries:
        for name in entry:
            if name not in known:
                raise unsupported(f"the parameter {name} of an entry")
        single = SqsCall(call.service, {**entry, "QueueUrl": call.fields.get("QueueUrl")}, call.now, call.base)
        try:
            run(single)
        except AwsError as error:
            failed = {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}
            done["Failed"].append(failed)
        else:
            done["Successful"].append({"Id": entry["Id"]})
    return done


def _entries(entries: object) -> list[dict[str, Any]]:
    """The entries of a batch, each with an id of its own.

    Raises:
        AwsError: they are none.
    """
    if not isinstance(entries, list) or not entries:
        raise AwsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MOST_IN_BATCH:
        raise AwsError("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")
    if not all(isinstance(entry, dict) for entry in entries):
        raise AwsError("SerializationException", "An entry is no object")
    ids = [entry.get("Id") for entry in entries]
    if not all(isinstance(each, str) and each for each in ids):
        raise AwsError("InvalidBatchEntryId", "The Id of a batch entry in a batch request doesn't abide by the rules.")
    if len(set(ids)) < len(ids):
        raise AwsError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    return entries


@dataclass(frozen=True)
class SqsOperation:
    """One operation: what it does, and what it has of parameters."""

    run: Callable[[SqsCall], dict[str, Any]]
    parameters: Table


def _nothing(_call: SqsCall) -> dict[str, Any]:
    return {}


_URL: Table = {"QueueUrl": HONOURED}
_ENTRY = frozenset({"Id", "ReceiptHandle"})

OPERATIONS: Mapping[str, SqsOperation] = MappingProxyType(
    {
        "GetQueueUrl": SqsOperation(
            get_queue_url, {"QueueName": HONOURED, "QueueOwnerAWSAccountId": "there is one account"}
        ),
        "ListQueues": SqsOperation(
            list_queues,
            {"QueueNamePrefix": HONOURED, "NextToken": "there is one page", "MaxResults": "there is one page"},
        ),
        "GetQueueAttributes": SqsOperation(get_queue_attributes, {**_URL, "AttributeNames": HONOURED}),
        "ReceiveMessage": SqsOperation(
            _nothing,  # it may wait, see `SqsService`
            {
                **_URL,
                "AttributeNames": HONOURED,
                "MessageSystemAttributeNames": HONOURED,
                "MessageAttributeNames": _MESSAGE_ATTRIBUTES,
                "MaxNumberOfMessages": HONOURED,
                "VisibilityTimeout": HONOURED,
                "WaitTimeSeconds": HONOURED,
                "ReceiveRequestAttemptId": _FIFO,
            },
        ),
        "SendMessage": SqsOperation(
            send_message,
            {
                **_URL,
                "MessageBody": HONOURED,
                "DelaySeconds": HONOURED,
                "MessageAttributes": _MESSAGE_ATTRIBUTES,
                "MessageSystemAttributes": _MESSAGE_ATTRIBUTES,
                "MessageDeduplicationId": _FIFO,
                "MessageGroupId": _FIFO,
            },
        ),
        "DeleteMessage": SqsOperation(delete_message, {**_URL, "ReceiptHandle": HONOURED}),
        "DeleteMessageBatch": SqsOperation(partial(_batch, delete_message, _ENTRY), {**_URL, "Entries": HONOURED}),
        "ChangeMessageVisibility": SqsOperation(
            change_visibility, {**_URL, "ReceiptHandle": HONOURED, "VisibilityTimeout": HONOURED}
        ),
        "ChangeMessageVisibilityBatch": SqsOperation(
            partial(_batch, change_visibility, _ENTRY | {"VisibilityTimeout"}), {**_URL, "Entries": HONOURED}
        ),
    }
)
"""By action."""


def _fields(request: Request, table: Table) -> dict[str, Any]:
    try:
        fields = json.loads(request.body or b"{}")
        json.dumps(fields, ensure_ascii=False).encode()  # half a character is none
    except (ValueError, RecursionError):
        raise AwsError("SerializationException", "The request is not JSON") from None
    if not isinstance(fields, dict):
        raise AwsError("SerializationException", "The request is not an object")
    for name in fields:
        if name not in table:
            raise unsupported(f"the parameter {name}")
        if table[name] != HONOURED:
            raise unsupported(f"the parameter {name}: {table[name]}")
    return fields


def _shown(message: StoredMessage, wanted: set[str]) -> dict[str, Any]:
    first = message.first_received or message.sent
    attributes = {
        "SentTimestamp": _milliseconds(message.sent),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": _milliseconds(first),
        "SenderId": "AIDASTORMCONE00000000",
    }
    shown = {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": _md5(message.body),
        "Body": message.body,
    }
    given = {name: value for name, value in attributes.items() if "All" in wanted or name in wanted}
    return {**shown, "Attributes": given} if given else shown


def _milliseconds(time: datetime) -> str:
    return str(int(time.timestamp() * 1000))


def _md5(body: str) -> str:
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def _written(document: Mapping[str, Any]) -> Response:
    return Response(200, json.dumps(document).encode(), CONTENT_TYPE, (("x-amzn-RequestId", REQUEST_ID),))
