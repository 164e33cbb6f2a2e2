"""A client that asks at a steady pace, however long answers take, and notes what became of each request."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

WORKERS = 256
"""Requests under way at the most; a play has fewer, so that the pace stays."""


class Lost(Exception):
    """A request that the client must count as lost; the text says how."""


class Request(NamedTuple):
    """One request of the client.

    Attributes:
        number: which one it is, from 0.
        at: when it was sent, in seconds since the client began.
        took: seconds until its answer, or until it was lost.
        lost: how it was lost; None: it was answered.
    """

    number: int
    at: float
    took: float
    lost: str | None


class SteadyClient:
    """Sends a request every `interval` seconds, from `start` to `stop`.

    Args:
        ask: sends one, given its number, and returns once it is answered; raises `Lost`.
        interval: seconds between two.

    Attributes:
        requests: what became of those that are over.
        began: when it began, by `time.monotonic`.
    """

    def __init__(self, ask: Callable[[int], None], interval: float) -> None:
        self.requests: list[Request] = []
        self._ask = ask
        self._interval = interval
        self.began = time.monotonic()
        self._told = threading.Event()
        self._pace = threading.Thread(target=self._send_all)

    def start(self) -> None:
        """Begin; times count from here."""
        self.began = time.monotonic()
        self._pace.start()

    def now(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def stop(self) -> None:
        """Send no more, and wait for what is under way."""
        self._told.set()
        if self._pace.ident is not None:
            self._pace.join()

    def _send_all(self) -> None:
        number = 0
        with ThreadPoolExecutor(WORKERS) as pool:
            while not self._told.wait(max(0.0, number * self._interval - self.now())):
                pool.submit(self._send, number)
                number += 1

    def _send(self, number: int) -> None:
        at, lost = self.now(), None
        try:
            self._ask(number)
        except Lost as error:
            lost = str(error)
        except Exception as error:
            lost = f"the play itself failed: {error!r}"
            raise
        finally:
            self.requests.append(Request(number, at, self.now() - at, lost))
