"""Asking user code a question that must not hold up the agent: a predicate, a policy, a listener.

It is asked in a thread beside the caller's, which waits only so long. What has not answered by then is left to itself
(Python cannot end a thread), and is not asked again before it has come back.
"""

import inspect
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from stormcone.text import one_line

Value = TypeVar("Value")

PATIENCE = 5.0
"""Real seconds that user code has to answer."""

_LATE = "no answer within {:g} s"

_IDLE = 0.05
"""Real seconds for which a thread waits for the next question before it ends."""


class NoAnswer(Exception):
    """User code did not answer in time, or was ended by something that is no `Exception`."""


class _Question:
    """One call, and what came of it."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.answered = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self._function = function
        self._arguments = arguments

    def ask(self) -> None:
        try:
            self.value = self._function(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is for the one who asks
            self.error = error
        self.answered.set()


class _Asker(threading.Thread):
    """A thread that asks one question at a time, and ends when there are none."""

    def __init__(self) -> None:
        super().__init__(name="stormcone-ask", daemon=True)
        self.questions: SimpleQueue[_Question] = SimpleQueue()

    def run(self) -> None:
        while True:
            try:
                question = self.questions.get(timeout=_IDLE)
            except Empty:
                with _lock:
                    if self in _idle:
                        _idle.remove(self)
                        return
                continue  # it has just been taken: its question is on the way
            question.ask()
            with _lock:
                _idle.append(self)


_lock = threading.Lock()
_idle: list[_Asker] = []
_open: dict[Any, _Question] = {}
"""Questions that were not answered in time."""


def answer_of(function: Callable[..., Value], *arguments: Any) -> Value:
    """What user code answers.

    Raises:
        NoAnswer: it has not answered within `PATIENCE`, or still not since an earlier time.
        Exception: whatever it raises.
    """
    key = (getattr(function, "__func__", function), id(getattr(function, "__self__", None)))
    with _lock:
        earlier = _open.get(key)
        if earlier is not None and not earlier.answered.is_set():
            raise NoAnswer(_LATE.format(PATIENCE))
        _open.pop(key, None)
        asker = _idle.pop() if _idle else None
    if asker is None:
        asker = _Asker()
        asker.start()
    question = _Question(function, arguments)
    asker.questions.put(question)
    if not question.answered.wait(PATIENCE):
        with _lock:
            _open[key] = question
        raise NoAnswer(_LATE.format(PATIENCE))
    if isinstance(question.error, Exception):
        raise question.error
    if question.error is not None:
        raise NoAnswer(one_line(question.error)) from question.error
    if inspect.isawaitable(question.value):
        if inspect.iscoroutine(question.value):
            question.value.close()
        raise TypeError("it is async, and an answer is needed at once")
    value: Value = question.value
    return value
