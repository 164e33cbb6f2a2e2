"""The messages of a queue that are in our hands: held until the journal has what they say, and only then deleted.

A queue gives a message again unless it hears of it in time. So what is in our hands is held again and again; where the
process dies, it is given to the next one soon. What was deleted in vain is deleted again, and never told twice.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from stormcone.clock import Clock
from stormcone.errors import ProviderError
from stormcone.text import shortened
from stormcone_aws.sqs import Message, SqsQueue

VISIBLE_AFTER = 30
"""Seconds for which a message is ours unless it is held again; after a crash, how long it takes to come again."""

HELD_EVERY = 10.0
"""Seconds after which it is held again."""

MOST = 500
"""Messages in our hands; beyond that no more are received until the journal has some of them."""

REMEMBERED = 10_000
"""Messages that were done with and may be given once more."""


@dataclass
class _Held:
    message: Message
    until: float
    """When it is held again, by the clock's `monotonic`."""
    told: bool = False


class Inbox:
    """What was received from one queue. Any thread may use it.

    Args:
        queue: where messages come from.
        clock: for when they are held again.
    """

    def __init__(self, queue: SqsQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._done: dict[str, None] = {}
        self._undeleted: dict[str, Message] = {}
        self._troubles: dict[str, str] = {}

    @property
    def full(self) -> bool:
        """Whether no more messages are received for now."""
        return len(self._held) >= MOST

    @property
    def empty(self) -> bool:
        """Whether no message is in our hands."""
        return not self._held

    def receive(self, wait: int) -> int:
        """Receive up to ten messages, and wait so many seconds for the first; answers how many came.

        Raises:
            ProviderError: the queue could not be asked.
        """
        messages, self._troubles["receive"] = self._queue.receive(wait, VISIBLE_AFTER)
        until = self._clock.monotonic() + HELD_EVERY
        with self._lock:
            for message in messages:
                if message.id in self._done:
                    self._undeleted[message.id] = message
                elif message.id in self._held:  # it took too long, and here it is again, by another handle
                    self._held[message.id].message, self._held[message.id].until = message, until
                else:
                    self._held[message.id] = _Held(message, until)
        return len(messages)

    def news(self) -> list[Message]:
        """The messages that were not told of yet, in the order in which they came; from now on they are."""
        with self._lock:
            new = [held for held in self._held.values() if not held.told]
            for held in new:
                held.told = True
            return [held.message for held in new]

    def leave(self, messages: Iterable[Message]) -> None:
        """Hold these no longer: the queue gives them again, or away, as its redrive policy says."""
        with self._lock:
            for message in messages:
                self._held.pop(message.id, None)

    def done(self, ids: Collection[str]) -> None:
        """Delete what the journal has.

        Raises:
            ProviderError: some could not be deleted; that is tried again by `tend`.
        """
        with self._lock:
            for identifier in ids:
                held = self._held.pop(identifier, None)
                if held is not None:
                    self._undeleted[identifier] = held.message
                    self._done[identifier] = None
            while len(self._done) > REMEMBERED:
                del self._done[next(iter(self._done))]
        self._delete()
        trouble = self._troubles.get("delete")
        if trouble:
            raise ProviderError(trouble)

    def tend(self) -> None:
        """Hold what is in our hands, where it is time, and delete what could not be deleted before."""
        now = self._clock.monotonic()
        with self._lock:
            due = [held for held in self._held.values() if held.until <= now]
            for held in due:
                held.until = now + HELD_EVERY
        failed = self._queue.hold([held.message for held in due], VISIBLE_AFTER) if due else {}
        self._note("hold", "held, so that they come again", failed)
        if self._undeleted:
            self._delete()

    def release(self) -> None:
        """Let others have at once what is in our hands, as far as the queue can be told."""
        with self._lock:
            messages = [held.message for held in self._held.values()]
            self._held.clear()
        if messages:
            self._queue.hold(messages, 0)

    def troubles(self) -> tuple[str, ...]:
        """What went wrong when messages were last received, held or deleted, as sentences."""
        return tuple(filter(None, self._troubles.values()))

    def _delete(self) -> None:
        with self._lock:
            messages = list(self._undeleted.values())
        failed = self._queue.delete(messages)
        with self._lock:
            for message in messages:
                if message.id not in failed:
                    self._undeleted.pop(message.id, None)
        self._note("delete", "deleted, so that they come again and are tried again", failed)

    def _note(self, what: str, not_done: str, failed: Mapping[str, str]) -> None:
        why = next(iter(failed.values()), "")
        self._troubles[what] = (
            f"{len(failed)} message(s) could not be {not_done}: {shortened(why, 200)}" if failed else ""
        )
