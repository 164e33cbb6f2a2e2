"""How an agent works, as values."""

from dataclasses import dataclass
from datetime import timedelta

from stormcone.rules.sharding import WHOLE, Part

KEEP = timedelta(days=90)
"""How long the journal keeps an event after its end, unless told otherwise."""

GRACE = timedelta(seconds=10)
"""How long handlers may go on when the agent is told to stop, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """How an agent works.

    Attributes:
        interval: seconds between polls; None takes the provider's.
        grace: how many seconds handlers have to finish when the agent is told to stop.
        keep: how long the journal keeps an event after its end; None: for ever.
        dry_run: whether to go through everything but run no handler and approve nothing, and only say what would be
            done. Give it a journal of its own: in it, handlers that did not run have succeeded.
        part: of a region that several agents share: which events are this one's. Of the others nothing is told.
    """

    interval: float | None = None
    grace: float = GRACE.total_seconds()
    keep: timedelta | None = KEEP
    dry_run: bool = False
    part: Part = WHOLE
