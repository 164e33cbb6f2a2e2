"""A queue's rules: who has which message, until when, and what becomes of one that nobody can read.

Time is a parameter.

Source: SQS's documentation of visibility time-outs, receipt handles and dead-letter queues.
"""

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from stormcone_simulators.aws.api.errors import AwsError

LONGEST_HOLD = timedelta(hours=12)
"""How long a message may be kept from others since it was received."""

KEPT = timedelta(days=4)
"""How long a queue keeps a message, as is usual."""

LONGEST_KEPT = timedelta(days=14)
"""How long a queue keeps a message at the most."""


@dataclass(kw_only=True)
class StoredMessage:
    """One message.

    Attributes:
        id: the same each time that it is given.
        body: what it says.
        sent: when it was sent.
        visible_at: from when on it is given again.
        receives: how often it was given.
        first_received: when it was first given, or None.
        received: when it was given last, or None.
    """

    id: str
    body: str
    sent: datetime
    visible_at: datetime
    receives: int = 0
    first_received: datetime | None = None
    received: datetime | None = None

    @property
    def handle(self) -> str:
        """The handle by which who was given it last deletes it."""
        return f"{self.id}#{self.receives}"


@dataclass
class SimulatedQueue:
    """One queue.

    Attributes:
        name: its name.
        visibility: how long a message is kept from others, where nobody says otherwise.
        dead: where messages go that were given too often, or None.
        most_receives: how often that is.
        kept: how long it keeps a message.
    """

    name: str
    visibility: timedelta = timedelta(seconds=30)
    dead: "SimulatedQueue | None" = None
    most_receives: int = 5
    kept: timedelta = KEPT
    _messages: dict[str, StoredMessage] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def send(
        self,
        body: str,
        now: datetime,
        delay: timedelta = timedelta(0),
        *,
        identifier: str = "",
        sent: datetime | None = None,
    ) -> StoredMessage:
        """Put a message in, with an id of its own and sent now unless it is said otherwise."""
        number = next(self._numbers)
        digest = sha256(f"{self.name} {number}".encode()).hexdigest()
        identifier = identifier or f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
        message = StoredMessage(id=identifier, body=body, sent=sent or now, visible_at=now + delay)
        self._messages[identifier] = message
        return message

    def receive(self, most: int, visibility: timedelta | None, now: datetime) -> list[StoredMessage]:
        """Up to so many messages that nobody has, oldest first."""
        self._tidy(now)
        found = [message for message in self._messages.values() if message.visible_at <= now][:most]
        for message in found:
            message.receives += 1
            message.received = now
            message.first_received = message.first_received or now
            message.visible_at = now + (self.visibility if visibility is None else visibility)
        return found

    def delete(self, handle: str) -> None:
        """Delete a message; by the handle of an earlier time that it was given nothing happens.

        Raises:
            AwsError: there never was such a handle.
        """
        message = self._of(handle)
        if message is not None and message.handle == handle:
            del self._messages[message.id]

    def hold(self, handle: str, visibility: timedelta, now: datetime) -> None:
        """Keep a message from others for so long from now on.

        Raises:
            AwsError: there never was such a handle, or nobody has the message by it.
        """
        message = self._of(handle)
        if message is None or message.handle != handle or message.visible_at <= now:
            raise AwsError("MessageNotInflight", "The specified message isn't in flight.")
        if message.received is not None and now + visibility > message.received + LONGEST_HOLD:
            raise AwsError(
                "InvalidParameterValue",
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            )
        message.visible_at = now + visibility

    def counts(self, now: datetime) -> dict[str, int]:
        """How many messages may be received, are in somebody's hands, and are delayed."""
        self._tidy(now)
        kinds = {
            "ApproximateNumberOfMessages": 0,
            "ApproximateNumberOfMessagesNotVisible": 0,
            "ApproximateNumberOfMessagesDelayed": 0,
        }
        for message in self._messages.values():
            if message.visible_at <= now:
                kinds["ApproximateNumberOfMessages"] += 1
            elif message.receives:
                kinds["ApproximateNumberOfMessagesNotVisible"] += 1
            else:
                kinds["ApproximateNumberOfMessagesDelayed"] += 1
        return kinds

    def bodies(self) -> list[str]:
        """What its messages say, oldest first."""
        return [message.body for message in self._messages.values()]

    def next_visible(self, now: datetime) -> datetime | None:
        """When the next message that somebody has is given again; None: none is."""
        return min((each.visible_at for each in self._messages.values() if each.visible_at > now), default=None)

    def _tidy(self, now: datetime) -> None:
        """Move what was given too often, and forget what is too old."""
        for message in list(self._messages.values()):
            if message.sent <= now - self.kept:
                del self._messages[message.id]
            elif self.dead is not None and message.visible_at <= now and message.receives >= self.most_receives:
                del self._messages[message.id]
                self.dead.send(message.body, now)

    def _of(self, handle: str) -> StoredMessage | None:
        """The message of a handle; None where it is gone."""
        identifier, mark, number = handle.partition("#")
        if not mark or not number.isdigit():
            raise AwsError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
        return self._messages.get(identifier)
