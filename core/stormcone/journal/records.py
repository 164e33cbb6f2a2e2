"""What the journal keeps, as values."""

from dataclasses import dataclass
from datetime import datetime

from stormcone.clock import Instant
from stormcone.model import MaintenanceEvent
from stormcone.rules.changes import ChangeKind, Known
from stormcone.rules.runs import Run


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One life of one event, from first sight to its end.

    Attributes:
        id: the journal's number for it.
        number: 1 for the first life of the event's id, one higher for each return.
        event: as last seen.
        boot_id: the machine's boot id at first sight.
        first_seen: when, as a date.
        seen: the same as a steady time, by which it is known how long ago that is.
        started: when it was seen to have begun, or None.
        ended: when its end was seen or inferred, or None.
        decision: why it is or is not approved, as last decided.
        approved: whether an approval was sent: True also where the answer to it was lost.
    """

    id: int
    number: int
    event: MaintenanceEvent
    boot_id: str
    first_seen: datetime
    seen: datetime
    started: datetime | None
    ended: datetime | None
    decision: str
    approved: bool

    def known(self, *, begun: bool = False) -> Known:
        """The part that decides which move an observation means; `begun`: whether a handler's stage has begun."""
        return Known(
            event=self.event,
            episode=self.number,
            approved=self.approved,
            boot_id=self.boot_id,
            started=self.started,
            first_seen=self.first_seen,
            begun=begun,
        )


@dataclass(frozen=True, kw_only=True)
class ChangeRecord:
    """One step in an event's life, when it was seen."""

    at: datetime
    kind: ChangeKind
    event: MaintenanceEvent
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """One attempt at a run; `ended` and `verdict` are None where it was cut off."""

    run: int
    number: int
    begun: datetime
    ended: datetime | None
    verdict: str | None
    note: str


@dataclass(frozen=True, kw_only=True)
class ApprovalRecord:
    """One approval, or one request to put an event off: the intent, written before the request, and the answer.

    Attributes:
        id: the journal's number for it.
        asked: when we were about to send it.
        answered: when the answer, or an error in place of one, came; None where the agent ended before that.
        accepted: True or False by the answer; None where it is not known: the approval may have arrived.
        final: whether a refusal is final.
        note: the reason to approve, or the error.
        again: the steady time before which it is not asked again; None: it may be at once.
        until: to when the event was to be put off; None: it was to be approved.
    """

    id: int
    asked: datetime
    answered: datetime | None
    accepted: bool | None
    final: bool
    note: str
    again: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EpisodeRecord:
    """An episode with all that was done for it.

    Attributes:
        episode: the event's life.
        runs: in the order in which they are to be done.
        approvals: the approvals and postponements, in their order.
    """

    episode: Episode
    runs: tuple[Run, ...]
    approvals: tuple[ApprovalRecord, ...]


@dataclass(frozen=True, kw_only=True)
class ClockRecord:
    """How the clocks stood to one another at some moment, so that the next life can go on with the steady one.

    Attributes:
        instant: the date and the steady time.
        seconds: what the monotonic clock said.
        boot_id: of the boot that the monotonic clock counts from.
    """

    instant: Instant
    seconds: float
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class Life:
    """One life of the agent: from its start to its end, if that was orderly."""

    id: int
    begun: datetime
    ended: datetime | None
    provider: str
    machine: str
    boot_id: str


@dataclass(frozen=True, kw_only=True)
class SinkRecord:
    """How one sink stands.

    Attributes:
        name: the sink's.
        waiting: how many notifications it has not been told of.
        oldest: when the oldest of these happened, or None.
        sent: how many it has taken.
        refused: how many it does not take, which are not sent again.
        dropped: how many were dropped since they waited too long, or too many did.
        attempt: how often in a row it could not be told.
        again: the steady time before which it is not tried again, or None.
        error: why it could not be told the last time, or "".
    """

    name: str
    waiting: int = 0
    oldest: datetime | None = None
    sent: int = 0
    refused: int = 0
    dropped: int = 0
    attempt: int = 0
    again: datetime | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of the notifications that a sink was given.

    Attributes:
        position: the number of the last one that is done with; what comes after it waits.
        sent: how many it has taken.
        refused: how many it does not take.
        attempt: how often in a row it could not be told: 0 where it could.
        again: the steady time before which it is not tried again, or None.
        error: why it could not be told, or "".
    """

    position: int
    sent: int = 0
    refused: int = 0
    attempt: int = 0
    again: datetime | None = None
    error: str = ""
