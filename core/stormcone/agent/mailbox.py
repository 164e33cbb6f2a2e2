"""What other threads have for the loop, until the journal has it."""

from collections import deque
from collections.abc import Callable, Sequence

from stormcone.agent.engine import Engine
from stormcone.clock import Instant
from stormcone.errors import JournalError

Follow = Callable[[], None]
Message = Callable[[Engine, Instant], Follow]
"""What another thread has for the loop: it records something, and answers what follows once that is on the disk."""


class Mailbox:
    """Messages in their order; any thread may post, and the loop alone takes them out.

    Args:
        wake: called when there is one more.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._messages: deque[Message] = deque()
        self._wake = wake

    def post(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        self._wake()

    def empty(self, record: Callable[[Sequence[Message]], None]) -> bool:
        """Record all that there are; True where there was one.

        Args:
            record: takes messages in, all or none; first all together, and where that fails each by itself. One stays
                until it is recorded where the journal cannot be written; one that fails otherwise is dropped.

        Raises:
            Exception: what `record` raised.
        """
        busy = False
        at_once = len(self._messages)
        while self._messages:
            messages = [self._messages[number] for number in range(min(at_once, len(self._messages)))]
            try:
                record(messages)
            except JournalError:
                raise  # they are taken in once the journal can be written
            except Exception:
                if at_once > 1:  # one of them is at fault: each by itself
                    at_once = 1
                    continue
                self._messages.popleft()
                raise
            for _ in messages:
                self._messages.popleft()
            busy = True
        return busy
