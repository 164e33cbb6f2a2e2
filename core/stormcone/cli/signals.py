"""Ending in good order: what Ctrl-C and SIGTERM do to the commands that go on until they are told to stop."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPPING = (signal.SIGINT, signal.SIGTERM)


class _Told(BaseException):
    """We are told to stop."""


@contextmanager
def on_stop(act: Callable[[], None]) -> Iterator[None]:
    """Call `act`, in the main thread, for each Ctrl-C or SIGTERM within the block."""
    before = {number: signal.signal(number, lambda *_: act()) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def until_stopped() -> Iterator[None]:
    """Let Ctrl-C or SIGTERM leave the block wherever it is, as its good end."""

    def leave() -> None:
        raise _Told

    try:
        with on_stop(leave):
            yield
    except _Told:
        pass
