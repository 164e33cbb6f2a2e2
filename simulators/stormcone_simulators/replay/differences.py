"""How what clients ask in a replay differs from what was recorded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from stormcone.text import folded, span
from stormcone_simulators.events import iso
from stormcone_simulators.replay.track import RecordedApproval

TOLERANCE = timedelta(seconds=30)
"""How much earlier or later than recorded an approval may be without being a difference."""

_KEPT = 1000


class DifferenceKind(StrEnum):
    """Which kind of difference."""

    APPROVAL_MISSING = "approval_missing"
    APPROVAL_EARLY = "approval_early"
    APPROVAL_LATE = "approval_late"
    APPROVAL_ADDITIONAL = "approval_additional"
    ASKED_OTHERWISE = "asked_otherwise"
    NOT_RECORDED = "not_recorded"


class _What(NamedTuple):
    machine: str
    kind: DifferenceKind
    text: str


class Differences:
    """Collects them; the same one again is only counted."""

    def __init__(self) -> None:
        self._first: dict[_What, datetime] = {}
        self._counts: Counter[_What] = Counter()

    def add(self, machine: str, kind: DifferenceKind, text: str, at: datetime) -> None:
        """Take note of a difference; `text` is one sentence."""
        what = _What(machine, kind, text)
        if what in self._first or len(self._first) < _KEPT:
            self._first.setdefault(what, at)
            self._counts[what] += 1

    def list(self) -> list[dict[str, Any]]:
        """All of them, as the control API lists them, oldest first."""
        return [difference_json(*what, at=at, count=self._counts[what]) for what, at in self._first.items()]


def difference_json(machine: str, kind: DifferenceKind, text: str, *, at: datetime, count: int = 1) -> dict[str, Any]:
    """A difference as the control API lists it."""
    return {"machine": machine, "kind": kind.value, "text": text, "at": iso(at), "count": count}


class Approvals:
    """The approvals of one machine: the recorded ones, and how those of the replay compare.

    Args:
        recorded: in order.
    """

    def __init__(self, recorded: Sequence[RecordedApproval]) -> None:
        self._recorded: dict[str, list[RecordedApproval]] = {}
        for approval in recorded:
            for event_id in approval.event_ids:
                self._recorded.setdefault(folded(event_id), []).append(approval)
        self._given: Counter[str] = Counter()

    @property
    def given(self) -> Mapping[str, int]:
        """How often each event was approved in the replay, by its id in lower case."""
        return self._given

    def give(self, event_id: str, offset: timedelta) -> tuple[RecordedApproval | None, DifferenceKind | None, str]:
        """Approve an event: the recorded approval that this one repeats, and what is different about it.

        The last recorded approval of an event stands for all further ones.
        """
        recorded = self._recorded.get(folded(event_id))
        number = self._given[folded(event_id)]
        self._given[folded(event_id)] += 1
        if recorded is None:
            return None, DifferenceKind.APPROVAL_ADDITIONAL, f"{event_id} is approved, which was not recorded"
        if number >= len(recorded):
            text = f"{event_id} is approved more often than was recorded ({len(recorded)})"
            return recorded[-1], DifferenceKind.APPROVAL_ADDITIONAL, text
        late = offset - recorded[number].offset
        if abs(late) <= TOLERANCE:
            return recorded[number], None, ""
        kind = DifferenceKind.APPROVAL_EARLY if late < timedelta(0) else DifferenceKind.APPROVAL_LATE
        word = "earlier" if late < timedelta(0) else "later"
        return recorded[number], kind, f"{event_id} is approved {span(abs(late))} {word} than was recorded"

    def missing(self, offset: timedelta) -> list[tuple[str, timedelta]]:
        """The events that were approved with success by now and are not, each with when they were."""
        return [
            (next(name for name in recorded[0].event_ids if folded(name) == event_id), when)
            for event_id, recorded in self._recorded.items()
            if not self._given[event_id]
            and (when := next((one.offset for one in recorded if one.accepted), None)) is not None
            and when + TOLERANCE < offset
        ]
