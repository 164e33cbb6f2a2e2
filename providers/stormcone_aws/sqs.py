"""SQS as a provider needs it: receive, hold, delete, and what a queue says of itself."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from stormcone.clouds.payload import read_json
from stormcone.errors import ProviderError
from stormcone_aws.sdk import Sdk

BATCH = 10
"""Messages of one call at the most. Source: SQS's documentation of its operations."""

NOT_OURS = frozenset({"MessageNotInflight", "ReceiptHandleIsInvalid"})
"""Codes of a message that has been given again, or is deleted. Source: SQS's documentation of its operations."""

_ATTRIBUTES = ("QueueArn", "RedrivePolicy")


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as the queue gave it.

    Attributes:
        id: the queue's, the same each time that it is given.
        handle: what it is held and deleted by, new each time that it is given.
        body: what it says.
        sent: when it was sent to the queue, aware UTC; None where the queue does not say.
    """

    id: str
    handle: str
    body: str
    sent: datetime | None


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """What a queue says of itself; "" for what it does not say.

    Attributes:
        region: where it is.
        account: whose it is.
        redrive: what becomes of a message that is left in it.
    """

    region: str
    account: str
    redrive: str


class SqsQueue:
    """One queue. Any thread may use it.

    Args:
        sdk: how it is reached.
        queue: its URL, or its name.

    Attributes:
        has_url: whether it was named by its URL.

    Every method raises `ProviderError` where the service cannot be asked.
    """

    def __init__(self, sdk: Sdk, queue: str) -> None:
        self._sdk = sdk
        self._queue = queue
        self._lock = threading.Lock()
        self.has_url = bool(urlsplit(queue).scheme)
        self._found = queue if self.has_url else ""

    def receive(self, wait: int, visible_after: int) -> tuple[list[Message], str]:
        """Up to ten messages, which nobody else gets for so many seconds; waits so many seconds for the first.

        Answers too what could not be read of the answer, as a sentence, or "".
        """
        answer = self._call(
            "ReceiveMessage",
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait,
            VisibilityTimeout=visible_after,
            AttributeNames=["SentTimestamp"],
        )
        if not answer.get("ResponseMetadata", {}).get("RequestId"):  # an empty answer and any other document look alike
            raise _not_sqs("ReceiveMessage")
        given = answer.get("Messages") or ()
        messages = [_message(each) for each in given if each and each.get("MessageId") and each.get("ReceiptHandle")]
        lost = len(given) - len(messages)
        return messages, f"{lost} message(s) came without an id or a handle, so they come again" if lost else ""

    def hold(self, messages: Sequence[Message], visible_after: int) -> Mapping[str, str]:
        """Keep them from being given again for so many seconds; answers why not, by id, where that failed.

        One that is not ours any more comes again by itself, which is no failure.
        """
        return self._in_batches("ChangeMessageVisibilityBatch", messages, VisibilityTimeout=visible_after)

    def delete(self, messages: Sequence[Message]) -> Mapping[str, str]:
        """Delete them; answers why not, by id, where that failed. One that is not ours any more is not deleted."""
        return self._in_batches("DeleteMessageBatch", messages)

    def facts(self) -> QueueFacts:
        """What the queue says of itself."""
        said = self._call("GetQueueAttributes", AttributeNames=list(_ATTRIBUTES)).get("Attributes") or {}
        if not said.get("QueueArn"):
            raise _not_sqs("GetQueueAttributes")
        arn = [*str(said["QueueArn"]).split(":"), *[""] * 6]
        return QueueFacts(region=arn[3], account=arn[4], redrive=_redrive(str(said.get("RedrivePolicy", ""))))

    def look_up(self) -> str:
        """The URL of the queue, which was named by its name."""
        found = str(self._sdk.call("sqs", "GetQueueUrl", QueueName=self._queue).get("QueueUrl") or "")
        if not found:
            raise _not_sqs("GetQueueUrl")
        return found

    def _url(self) -> str:
        with self._lock:
            found = self._found
        if not found:
            found = self.look_up()
            with self._lock:
                self._found = found
        return found

    def _call(self, action: str, **parameters: Any) -> Mapping[str, Any]:
        return self._sdk.call("sqs", action, QueueUrl=self._url(), **parameters)

    def _in_batches(self, action: str, messages: Sequence[Message], **each: Any) -> dict[str, str]:
        failed: dict[str, str] = {}
        for batch in _batches(messages):
            entries = [{"Id": str(place), "ReceiptHandle": one.handle, **each} for place, one in enumerate(batch)]
            try:
                answer = self._call(action, Entries=entries)
            except ProviderError as error:
                failed |= {one.id: str(error) for one in batch}
                continue
            by_place = {str(place): [one] for place, one in enumerate(batch)}
            for failure in filter(None, answer.get("Failed") or ()):
                code = str(failure.get("Code", ""))
                if code.rpartition(".")[2] not in NOT_OURS:
                    # Of which message it is may not be said: then it may be any of them.
                    for one in by_place.get(str(failure.get("Id")), batch):
                        failed[one.id] = f"{code}: {failure.get('Message', '')}"
        return failed


def _not_sqs(action: str) -> ProviderError:
    return ProviderError(f"AWS's {action} failed: what answers is not SQS; check the endpoint")


def _message(given: Mapping[str, Any]) -> Message:
    return Message(
        id=str(given["MessageId"]),
        handle=str(given["ReceiptHandle"]),
        body=str(given.get("Body", "")),
        sent=_sent((given.get("Attributes") or {}).get("SentTimestamp")),
    )


def _sent(milliseconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _batches(messages: Sequence[Message]) -> Iterator[list[Message]]:
    rest = iter(messages)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _redrive(policy: str) -> str:
    try:
        said = read_json(policy.encode())
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return "none, so that it comes again until the queue forgets it"
    return f"to {said.get('deadLetterTargetArn')} after {said.get('maxReceiveCount')} times"
