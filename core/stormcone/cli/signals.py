"""Ending in good order: what Ctrl-C, SIGTERM and SIGHUP do to the commands that go on until they are told to stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_LOOK = 0.5
"""Seconds between two looks at whether the work is done; a signal's handler runs at once, whatever this is."""


_AGAIN = 2.0
"""Seconds after which a signal that was not heeded comes again: more than what is open needs to be closed."""


class _Told(KeyboardInterrupt):
    """We are told to stop; like Ctrl-C, it passes through user code that runs meanwhile, as a handler file's."""


@contextmanager
def insisting() -> Iterator[Callable[[int], None]]:
    """Have a signal come again and again until the block is left; a signal's handler calls what is yielded.

    What such a handler raises is lost where it comes up in a destructor, a finalizer or the like: Python prints it and
    goes on. So whoever raises to leave a block insists.
    """
    heard: SimpleQueue[int | None] = SimpleQueue()  # a handler may interrupt even its `put`
    main = threading.main_thread().ident
    assert main is not None  # noqa: S101 - for the type checker: it runs

    def repeat() -> None:
        number = heard.get()
        while number is not None:
            try:
                following = heard.get(timeout=_AGAIN)
            except Empty:
                signal.pthread_kill(main, number)
            else:
                number = following

    repeater = threading.Thread(target=repeat, name="stormcone-signals", daemon=True)
    repeater.start()
    try:
        yield heard.put
    finally:
        heard.put(None)
        repeater.join()


@contextmanager
def on_stop(act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` with its number, in the main thread, for each Ctrl-C, SIGTERM or SIGHUP within the block.

    Not for a SIGHUP that means something else (`on_hangup`), or that who starts us with `nohup` has us ignore.
    """
    numbers = [number for number in STOPPING if number is not signal.SIGHUP or not _hangup_is_taken()]
    before = {number: signal.signal(number, lambda number, _: act(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hangup_is_taken() -> bool:
    found = signal.getsignal(signal.SIGHUP)
    return found is signal.SIG_IGN or isinstance(found, _OnHangup)


class _OnHangup:
    """What a SIGHUP does that does not stop the work."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def __call__(self, _number: int, _frame: object) -> None:
        self._act()


@contextmanager
def on_hangup(act: Callable[[], None]) -> Iterator[None]:
    """Call `act`, in the main thread, for each SIGHUP within the block, which stops nothing then.

    Not where standard input is a terminal, whose end a SIGHUP tells, nor under `nohup`.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN or _on_terminal():
        yield
        return
    before = signal.signal(signal.SIGHUP, _OnHangup(act))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _on_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def run_until_told(work: Callable[[], None], stop: Callable[[], None]) -> int:
    """Do the work in a thread of its own, and call `stop` for each Ctrl-C, SIGTERM or SIGHUP.

    Answers the number of the first of these, or 0 where there was none.

    A signal's handler runs between any two steps of the main thread: were the work there too, `stop` could wait for
    a lock that the very step which it interrupts holds.

    Raises:
        Exception: whatever the work raises.
    """
    failed: list[BaseException] = []
    told: list[int] = []

    def heed(number: int) -> None:
        told.append(number)
        stop()

    def carry_out() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the main thread
            failed.append(error)

    worker = threading.Thread(target=carry_out, name="stormcone-work", daemon=True)
    with on_stop(heed):
        worker.start()
        while worker.is_alive():
            worker.join(_LOOK)
    if failed:
        raise failed[0]
    return next(iter(told), 0)


@contextmanager
def until_stopped() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM or SIGHUP leave the block wherever it is, as its good end.

    Whatever comes out of the block then: what is raised in the middle of a lock or a thread's start may leave it as
    another error.
    """
    told: list[int] = []
    with insisting() as insist:

        def leave(number: int) -> None:
            told.append(number)
            insist(number)
            raise _Told

        try:
            with on_stop(leave):
                yield
        except BaseException:
            if not told:
                raise
