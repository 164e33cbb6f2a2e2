"""Carrying out work beside the agent's loop: one attempt at one stage, in a thread of its own.

`attempt_stage` never raises: whatever a handler does becomes an `Attempt`.
"""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from stormcone.errors import GiveUp, Retry, Veto
from stormcone.handlers import Handler, Stage
from stormcone.handlers.context import Context, control_of
from stormcone.handlers.control import Word
from stormcone.model import MaintenanceEvent
from stormcone.rules.runs import Attempt, Verdict
from stormcone.text import one_line, said


class Executor(Protocol):
    """Where work is done; the agent does not care whether it returns before the work is finished."""

    def submit(self, work: Callable[[], None], name: str) -> None:
        """Do the work; it reports its own end and never raises."""


class ThreadExecutor:
    """A daemon thread for each piece of work, so that one that hangs holds up nothing, not even the exit."""

    def submit(self, work: Callable[[], None], name: str) -> None:
        """Start the work in a new thread."""
        threading.Thread(target=work, name=name, daemon=True).start()


class InlineExecutor:
    """Does the work before it returns: for tests, and for programs with a loop of their own."""

    def submit(self, work: Callable[[], None], name: str) -> None:
        """Do the work now; beside an event loop that runs in this thread, since an `async` stage needs its own."""
        if not _in_a_loop():
            work()
            return
        beside = threading.Thread(target=work, name=name)
        beside.start()
        beside.join()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


_UNFINISHED = frozenset({Verdict.SUCCEEDED, Verdict.RETRY, Verdict.ERROR})
"""What a stage that was told to end may come to without having said how it stands."""


def attempt_stage(handler: Handler, stage: Stage, event: MaintenanceEvent, context: Context) -> Attempt:
    """Run a handler's stage once, to its end. Of one that was told to end, only its own word counts.

    Raises:
        KeyboardInterrupt: Ctrl-C in the main thread, as where a test runs stages.
    """
    attempt = _attempt(handler, stage, event, context)
    control = control_of(context)
    told = control.told
    if not told or control.finished or attempt.verdict not in _UNFINISHED:
        return attempt
    return replace(attempt, verdict=Verdict.CUT_OFF, note=f"{told}: {attempt.note}" if attempt.note else told)


def _attempt(handler: Handler, stage: Stage, event: MaintenanceEvent, context: Context) -> Attempt:
    try:
        answer = getattr(handler, stage.value)(event, context)
        if inspect.isawaitable(answer):
            asyncio.run(_until_stopped(answer, context))
        elif inspect.isgenerator(answer) or inspect.isasyncgen(answer):
            return Attempt(Verdict.GAVE_UP, "it returned a generator, of which nothing has run")
    except Retry as error:
        after = error.after if isinstance(error.after, timedelta) else None
        return Attempt(Verdict.RETRY, said(error) or "asked to be tried again", after)
    except GiveUp as error:
        return Attempt(Verdict.GAVE_UP, said(error))
    except Veto as error:
        return Attempt(Verdict.VETOED if stage is Stage.PREPARE else Verdict.GAVE_UP, said(error))
    except asyncio.CancelledError:
        return Attempt(Verdict.ERROR, "it was cancelled")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        return Attempt(Verdict.ERROR, one_line(error), error=error)
    return Attempt(Verdict.SUCCEEDED)


async def _until_stopped(work: Awaitable[None], context: Context) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)

    def cancel() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has just been closed: the work is over
            loop.call_soon_threadsafe(task.cancel)

    control_of(context).on(Word.STOP, cancel)
    await task
