"""The handlers that agents, watchers and workers under attack carry: each writes down what it does, for which time."""

import os
import random
from datetime import timedelta

from deeds import Deed
from stormcone import App, Context, GiveUp, Handler, MaintenanceEvent, Retry, Veto

PIECE = 0.05
"""Seconds between two lines of one that works."""

LONGEST = 1.2
"""Seconds that a stage works."""


class Drain(Handler):
    """Works for a while, and ends as the seed has it."""

    lead = None
    timeout = timedelta(minutes=5)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        """Prepare."""
        self._work("prepare", event, context)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        """Recover."""
        self._work("recover", event, context)

    def _work(self, stage: str, event: MaintenanceEvent, context: Context) -> None:
        machine = event.resources[0] if os.environ["WALK_SCENE"] == "region" else context.machine.name
        deed = Deed(event.id, "Drain", stage, context.attempt)
        chance = random.Random(f"{os.environ['WALK_SEED']}/{machine}/{event.id}/{stage}")  # noqa: S311 - repeatable
        seconds, fate = chance.uniform(0.05, LONGEST), chance.random()
        about = {"machine": machine, "pid": os.getpid(), "not_before": str(event.not_before)}
        deed.line("begins", **about)
        told = False
        for _ in range(int(seconds / PIECE)):
            told = told or not context.wait(PIECE)
            deed.line("works", **about)
        how = "told" if told else _fate(stage, fate, context.attempt)
        deed.line("ends", how=how, **about)
        deed.close()
        if how == "retry":
            raise Retry(after=0.3)
        if how == "veto":
            raise Veto("not now")
        if how == "gives up":
            raise GiveUp("it cannot be prepared for")


def _fate(stage: str, fate: float, attempt: int) -> str:
    if attempt == 1 and fate > 0.85:
        return "retry"
    if stage == "prepare" and fate < 0.08:
        return "veto" if fate < 0.05 else "gives up"
    return "well"


app = App([Drain()], approve_consent=True)
