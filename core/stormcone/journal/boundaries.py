"""Where the agent's work can be cut off, for tests that end the process at each of these places.

What the process has done before a boundary is done; what comes after it is not. Nothing in production looks at it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Boundary(StrEnum):
    """A place between two steps of the agent's work."""

    BEFORE_COMMIT = "before_commit"
    """All of a transaction is written and none of it counts yet."""

    AFTER_COMMIT = "after_commit"
    """A transaction is on the disk, and nothing has followed from it yet."""

    BEFORE_STAGE = "before_stage"
    """The journal has a handler's attempt, and the handler has not been called."""

    AFTER_STAGE = "after_stage"
    """The handler's stage has returned or raised, and the journal does not know."""

    BEFORE_APPROVAL = "before_approval"
    """The journal has the intent to approve, and nothing has been sent."""

    AFTER_APPROVAL = "after_approval"
    """The cloud's answer, or an error in its place, is there, and the journal does not know."""

    BEFORE_ACKNOWLEDGEMENT = "before_acknowledgement"
    """The journal has what messages said, and whoever sent them has not been told."""

    AFTER_ACKNOWLEDGEMENT = "after_acknowledgement"
    """Whoever sent them has been told, or could not be."""

    BEFORE_NOTIFICATION = "before_notification"
    """The journal has a notification, and the sink has not been told."""

    AFTER_NOTIFICATION = "after_notification"
    """The sink has been told, or could not be, and the journal does not know."""


def _nobody(_boundary: Boundary) -> None:
    """Who watches in production."""


_watcher: Callable[[Boundary], None] = _nobody


def reached(boundary: Boundary) -> None:
    """Say that this thread has come to the boundary."""
    _watcher(boundary)


@contextmanager
def watched(watcher: Callable[[Boundary], None]) -> Iterator[None]:
    """Have `watcher` told of each boundary of this process, in the thread that comes to it, when it comes to it."""
    global _watcher
    before, _watcher = _watcher, watcher
    try:
        yield
    finally:
        _watcher = before
