"""What handlers really did: lines of JSON that are only ever added to a file, written by those who did it.

Handlers in the agent and commands beside it write here; it knows nothing of stormcone, and is quick to import.
"""

import json
import os
import random
import select
import time

DOES = ("begins", "works", "told", "ends")
"""What a line says of a stage: it begins, it is at work, it was told to end, it ends (`how`)."""


def pause(seconds: float) -> None:
    """Sleep. `time.sleep` fails under libfaketime 0.9.10 where that leaves the monotonic clock alone."""
    select.select([], [], [], seconds)


class Deed:
    """One attempt at one stage.

    Args:
        event: its id as the handler was given it.
        handler: whose stage it is.
        stage: which.
        attempt: which attempt, as the handler was told.
    """

    def __init__(self, event: str, handler: str, stage: str, attempt: int) -> None:
        self._file = os.open(os.environ["CHAOS_DEEDS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._what = {
            "life": int(os.environ["CHAOS_LIFE"]),
            "event": event,
            "handler": handler,
            "stage": stage,
            "attempt": attempt,
        }

    def line(self, does: str, **more: object) -> None:
        """Add a line, on the disk before this returns."""
        line = {"at": time.monotonic(), "does": does, **self._what, **more}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


class Temper:
    """How an attempt behaves: by chance, the same for the same seed.

    Attributes:
        seconds: how long it works, real ones.
        fails: how it fails, or "".
        deaf: whether it pays no heed to being told to end.
        talks: whether it says a megabyte.
        helper: whether a process that leaves its session does the work.
    """

    def __init__(self, event: str, handler: str, stage: str, attempt: int) -> None:
        chance = random.Random(f"{os.environ['CHAOS_SEED']} {event} {handler} {stage} {attempt}")  # noqa: S311
        slow = chance.random() < float(os.environ["CHAOS_SLOW"])
        self.seconds = chance.uniform(0.2, 0.8) if slow else chance.uniform(0.0, 0.06)
        if handler == "commands" and chance.random() < 0.1:  # it outlasts the next life's start
            self.seconds = chance.uniform(1.5, 4.0)
        again = ("retry", "error") if stage != "prepare" else ("retry", "error", "gives up", "veto")
        self.fails = chance.choice(again) if attempt <= 2 and chance.random() < 0.12 else ""
        self.deaf = chance.random() < float(os.environ["CHAOS_DEAF"])
        self.talks = chance.random() < 0.01
        self.helper = chance.random() < 0.1
