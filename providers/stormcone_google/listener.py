"""Waits for changes of the keys that announce something, beside the polls, so that one comes the moment it is there.

Nothing that is heard here is believed: it only says that a poll is due. So whatever goes wrong costs no more than the
usual interval, and neither a stop nor a poll waits for it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from stormcone.clouds.http.client import Timeouts
from stormcone.errors import ProviderError
from stormcone_google.metadata import WAIT_SECONDS, KeyAnswer, KeyReader

WAITING = Timeouts(connect=2.0, read=WAIT_SECONDS + 10.0)
"""A request that waits for a change is answered after `WAIT_SECONDS` where there is none."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Real seconds between two requests where the server does not let us wait: each pause is twice the one before."""

_FIRST_ETAG = "0"
_ANSWERS = frozenset({404, 503})
"""What a key may turn to, or from, where nothing is announced."""


class Listener:
    """Calls back whenever one of the keys may have changed, from a thread for each key, until it is closed.

    Args:
        reader: asks the metadata server; closed with the listener, so it is no one else's.
        keys: their paths, with the parameters that each is asked with.
        changed: called from any of the threads.
    """

    def __init__(
        self, reader: KeyReader, keys: Iterable[tuple[str, Mapping[str, str]]], changed: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._changed = changed
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._listen, args=key, name=f"stormcone-google-{key[0]}", daemon=True)
            for key in keys
        ]

    def start(self) -> None:
        """Begin to wait."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it; requests that wait are cut short. Safe to call twice."""
        self._closed.set()
        self._reader.close()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()

    def _listen(self, key: str, parameters: Mapping[str, str]) -> None:
        known: KeyAnswer | None = None
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            begun = time.monotonic()
            try:
                answer = self._ask(key, parameters, known.etag if known and known.etag else _FIRST_ETAG)
            except ProviderError:
                self._closed.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if known is None or (answer.status, answer.etag) != (known.status, known.etag):
                # Also the first time: nobody knows whether the last poll has seen this.
                self._tell()
                pause = FIRST_PAUSE
            elif time.monotonic() - begun < FIRST_PAUSE:
                # It did not wait, as where there is no such key.
                self._closed.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            known = answer

    def _ask(self, key: str, parameters: Mapping[str, str], etag: str) -> KeyAnswer:
        waiting = {"wait_for_change": "true", "last_etag": etag, "timeout_sec": str(WAIT_SECONDS)}
        return self._reader.ask(f"instance/{key}", accept=_ANSWERS, timeouts=WAITING, query={**parameters, **waiting})

    def _tell(self) -> None:
        if not self._closed.is_set():
            self._changed()
