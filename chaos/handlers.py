"""The handlers that agents under attack carry: each writes down what it does, and behaves by chance."""

import asyncio
import time
from datetime import timedelta

from deeds import Deed, Temper, pause
from stormcone import App, Context, GiveUp, Handler, MaintenanceEvent, Retry, Veto

PIECE = 0.02
"""Seconds between two lines of one that works long."""


def _end(deed: Deed, temper: Temper, context: Context, *, told: bool) -> None:
    how = "told" if told else temper.fails or "well"
    if how == "well":
        context.finished()
    deed.line("ends", how=how)
    deed.close()
    if how == "retry":
        raise Retry(after=0.3)
    if how == "error":
        raise RuntimeError("it went wrong " + "x" * 1000)
    if how == "gives up":
        raise GiveUp("it cannot be prepared for")
    if how == "veto":
        raise Veto("not now")


TIMEOUT = timedelta(minutes=5)
"""Of the agent's clock: more than any stage takes, less than some steps of the wall clock."""


class First(Handler):
    """Works in a thread."""

    lead = None
    timeout = TIMEOUT

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        """Prepare."""
        self._work("prepare", event, context)

    def started(self, event: MaintenanceEvent, context: Context) -> None:
        """It has begun."""
        self._work("started", event, context)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        """Recover."""
        self._work("recover", event, context)

    def _work(self, stage: str, event: MaintenanceEvent, context: Context) -> None:
        what = (event.id, "First", stage, context.attempt)
        deed, temper = Deed(*what), Temper(*what)
        deed.line("begins", resources=list(event.resources))
        end, told = time.monotonic() + temper.seconds, False
        while time.monotonic() < end and not told:
            if temper.deaf:
                pause(PIECE)
            else:
                told = not context.wait(PIECE)
            deed.line("works")
        _end(deed, temper, context, told=told)


class Second(Handler):
    """Works in an event loop of its own, and has no `started`."""

    lead = None
    timeout = TIMEOUT

    async def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        """Prepare."""
        await self._work("prepare", event, context)

    async def recover(self, event: MaintenanceEvent, context: Context) -> None:
        """Recover."""
        await self._work("recover", event, context)

    async def _work(self, stage: str, event: MaintenanceEvent, context: Context) -> None:
        what = (event.id, "Second", stage, context.attempt)
        deed, temper = Deed(*what), Temper(*what)
        deed.line("begins", resources=list(event.resources))
        try:
            await asyncio.sleep(temper.seconds)
        except asyncio.CancelledError:
            deed.line("ends", how="told")
            raise
        _end(deed, temper, context, told=False)


app = App([First(), Second()], approve_consent=True)
