"""What is asked of a cloud about an event, an approval or to put it off, and when it is asked again. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from stormcone.agent.unfinished import Work
from stormcone.clock import Instant
from stormcone.journal import ApprovalRecord, Episode
from stormcone.model import Approval
from stormcone.rules.approval import Decision

MOVE_SEEN = timedelta(minutes=1)
"""For so long nothing is begun for an event that the cloud was asked to move: its new time may not have been seen."""


@dataclass(frozen=True)
class ApprovalRequest:
    """An approval, or a request to put an event off, that is to be sent now.

    Attributes:
        approval: the journal's number for it.
        number: 1 for the event's first approval.
        episode: of which event.
        decision: why.
        repeated: why it is sent once more, as a clause that follows; "" for the first.
        until: to when the event is to be put off; None: it is to be approved.
    """

    approval: int
    number: int
    episode: Episode
    decision: str
    repeated: str
    until: datetime | None = None

    @property
    def reason(self) -> str:
        """Why it is sent, and sent again."""
        return f"{self.decision}{self.repeated}"


@dataclass(frozen=True)
class Decided:
    """What was decided about one event's approval.

    Attributes:
        episode: of which event, as it was.
        decision: whether to approve it, and why.
        new: whether it differs from the one before.
        request: what to send, recorded already; None where nothing is.
    """

    episode: Episode
    decision: Decision
    new: bool
    request: ApprovalRequest | None


def is_being_put_off(work: Work, now: Instant) -> bool:
    """Whether the cloud has just been asked to begin the event later, so that it may not have said yet that it does."""
    if not work.postponements or work.begun:
        return False
    last, event = work.postponements[-1], work.episode.event
    if last.accepted is False or last.until is None or event.not_before is None or event.not_before >= last.until:
        return False
    return now.date - last.asked < MOVE_SEEN and event.not_before - now.date > 5 * MOVE_SEEN


def may_repeat(earlier: tuple[ApprovalRecord, ...], now: Instant) -> bool:
    """Whether a request may be sent (again): not after an answer, and after a failure only once its pause is over."""
    if any(request.accepted or request.final for request in earlier):
        return False
    again = earlier[-1].again if earlier else None
    return again is None or now.steady >= again


def why_again(earlier: tuple[ApprovalRecord, ...]) -> str:
    """What to add to the reason of an approval that is not the first: an earlier one may have arrived."""
    if not earlier:
        return ""
    return f"; repeated, since {'the answer was lost' if earlier[-1].answered is None else 'the last one failed'}"


def may_ask(work: Work, now: Instant) -> bool:
    """Approve once; after a failure again, with backoff, until the event's time; never after a refusal.

    What waits for consent waits without a limit, whatever its time says.
    """
    if not work.approvals:
        return True
    event = work.episode.event
    if event.not_before is not None and now.date >= event.not_before and event.approval is not Approval.CONSENT:
        return False
    return may_repeat(work.approvals, now)
