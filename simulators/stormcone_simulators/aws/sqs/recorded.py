"""A queue as a trace has it: what was received then is there to be received now, by whoever asks, once.

A queue's answers cannot be repeated as they were: each message is given until it is deleted, by a handle that no trace
has. So the messages that were recorded are put into a simulated queue, each when it was first received.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from stormcone.clouds.exchange import Exchange
from stormcone.recording.times import shifted
from stormcone_simulators.aws.api.errors import AwsError, in_json
from stormcone_simulators.aws.api.service import refusing
from stormcone_simulators.aws.site import DEFAULT_REGION
from stormcone_simulators.aws.sqs.events import Letter
from stormcone_simulators.aws.sqs.operations import TARGET, SqsService
from stormcone_simulators.aws.sqs.queues import LONGEST_KEPT, SimulatedQueue
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.replay.track import ReplayMoment, Track

RECEIVE = "sqs ReceiveMessage"
_AS_RECORDED = frozenset({"sqs GetQueueAttributes"})
"""What the queue says of itself is in the trace, if it was ever asked."""


class RecordedMessage(NamedTuple):
    """A message that was received.

    Attributes:
        id: the queue's.
        offset: when it was first received, since the trace was begun.
        sent: when it was sent, by the trace's times.
        body: what it says.
    """

    id: str
    offset: timedelta
    sent: datetime
    body: str


def messages_in(exchange: Exchange) -> Iterator[tuple[str, str, datetime]]:
    """Id, text and time of sending of each message that an answer gives; none where it is no answer of this kind."""
    answer = _object(exchange.body)
    given = answer.get("Messages")
    for each in given if exchange.status == 200 and isinstance(given, list) else ():
        if isinstance(each, dict) and isinstance(each.get("Body"), str):
            yield str(each.get("MessageId", "")), each["Body"], _sent(each, exchange.at)


class RecordedQueue:
    """The queue of a track: the `LivePart` of AWS.

    Args:
        track: what was recorded.
        begun: when the replay's first trace was begun.

    Attributes:
        name: the queue's.
    """

    def __init__(self, track: Track, begun: datetime) -> None:
        self._received = track.answers(RECEIVE, timedelta.max)
        self._times = [exchange.at - begun for exchange in self._received]
        self._as_recorded = {each for each in _AS_RECORDED if track.answers(each, timedelta.max)}
        self.name = next(_names(track), "queue")
        self._letters = _Letters(tuple(self._messages(begun)))
        self._service = SqsService(
            (SimulatedQueue(self.name, kept=LONGEST_KEPT),), self._letters, DEFAULT_REGION, lambda: False
        )

    @classmethod
    def of(cls, track: Track, begun: datetime) -> "RecordedQueue | None":
        """The queue of a track; None where it asked none."""
        return cls(track, begun) if any(_names(track)) else None

    def answer(self, request: Request, path: str, moment: ReplayMoment) -> Response | Later | None:  # noqa: ARG002
        """What the queue says; None where this is no request for it, or failed as it was recorded."""
        target = request.header("x-amz-target") or ""
        operation = f"sqs {target.removeprefix(TARGET)}"
        failed = operation == RECEIVE and self._failed(moment.offset)
        if not target.startswith(TARGET) or operation in self._as_recorded or failed:
            return None
        self._letters.begin(moment)
        try:
            return refusing(self._service.answer(request, moment.now), in_json)
        except AwsError as error:
            return in_json(error)

    def _failed(self, offset: timedelta) -> bool:
        """Whether the last that was recorded of receiving by then is that it failed."""
        place = max(bisect_right(self._times, offset) - 1, 0)
        return bool(self._received) and self._received[place].status != 200

    def _messages(self, begun: datetime) -> Iterator[RecordedMessage]:
        seen: set[str] = set()
        for place, exchange in enumerate(self._received):
            # What the first answer gives was there before, for all that is known.
            offset = exchange.at - begun if place else timedelta(0)
            for identifier, body, sent in messages_in(exchange):
                if identifier not in seen:
                    seen.add(identifier)
                    yield RecordedMessage(identifier, offset, sent, body)


class _Letters:
    """Sends the messages, each at its time: the `Sender` of a replay."""

    def __init__(self, messages: Sequence[RecordedMessage]) -> None:
        self._messages = messages
        self._sent = 0
        self._began: datetime | None = None
        self._shift = timedelta(0)

    def begin(self, moment: ReplayMoment) -> None:
        """Take note of when the replay began."""
        self._began, self._shift = moment.began, moment.shift

    def letters(self, now: datetime) -> Sequence[Letter]:
        """What has come since the last time, moved to today."""
        came = [each for each in self._left() if self._at(each) <= now]
        self._sent += len(came)
        return [
            Letter(self._at(each), each.id, shifted(each.body, self._shift), id=each.id, sent=each.sent + self._shift)
            for each in came
        ]

    def next_at(self, now: datetime) -> datetime | None:
        """When the next one comes."""
        return next((at for each in self._left() if (at := self._at(each)) > now), None)

    def _left(self) -> Sequence[RecordedMessage]:
        return self._messages[self._sent :] if self._began else ()

    def _at(self, message: RecordedMessage) -> datetime:
        return (self._began or message.sent) + message.offset


def _names(track: Track) -> Iterator[str]:
    """The names of the queue in what was asked of it."""
    for exchange in track.asked("sqs "):
        asked = _object(exchange.request_body or b"")
        name = str(asked.get("QueueUrl", "")).rpartition("/")[2] or asked.get("QueueName")
        if isinstance(name, str) and name:
            yield name


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = read_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _sent(message: dict[str, Any], otherwise: datetime) -> datetime:
    attributes = message.get("Attributes")
    milliseconds = attributes.get("SentTimestamp") if isinstance(attributes, dict) else None
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return otherwise
