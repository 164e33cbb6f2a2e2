"""What one answer lists: sightings of events put together by their ids, and what could not be read, counted.

A cloud may list an event twice, spoil one entry, or fill an answer with nonsense. What is here keeps that from
costing an event, a neighbour or the memory.
"""

from collections.abc import Iterable

from stormcone.model import Approval, EventKey, MaintenanceEvent, Observation, Origin, Phase
from stormcone.text import folded, shortened

TOLD = 5
"""Problems of one answer that are told in full; the others are counted."""

_LONGEST_PROBLEM = 300
_FURTHER_ON = tuple(Phase)


class Sightings:
    """One answer being read: what it has given so far."""

    def __init__(self) -> None:
        self._sightings: dict[EventKey, list[MaintenanceEvent]] = {}
        self._problems: list[str] = []
        self._number = 0
        self._complete = True
        self._doubt = ""

    def add(self, event: MaintenanceEvent) -> None:
        """An event that the answer lists; one without an id of the cloud's makes the sightings incomplete."""
        if event.id_origin is Origin.INFERRED:
            self._complete = False  # it may be one that is known by its id, which is then not gone
        self._sightings.setdefault(event.key, []).append(event)

    def problem(self, text: str) -> None:
        """Something could not be read as it should."""
        self._number += 1
        if self._number <= TOLD:
            self._problems.append(shortened(text, _LONGEST_PROBLEM))

    def unreadable(self, text: str) -> None:
        """Something that may be an event could not be read at all: what is absent may be there after all."""
        self._complete = False
        self.problem(text)

    def doubtful(self, why: str) -> None:
        """The answer as a whole can be read in more than one way: nobody approves anything in it."""
        self._doubt = why
        self.unreadable(f"no event is approved, since {why}")

    def observation(self, version: str = "") -> Observation:
        """All that was listed."""
        events = tuple(self._together(each) for each in self._sightings.values())
        if self._doubt:
            events = tuple(withheld(event, self._doubt) for event in events)
        more = self._number - len(self._problems)
        problems = (*self._problems, f"and {more} more such problem(s)") if more else tuple(self._problems)
        whole = frozenset({""} if self._complete else ())
        return Observation(events=events, version=version, whole=whole, problems=problems)

    def _together(self, sightings: list[MaintenanceEvent]) -> MaintenanceEvent:
        """One event of all entries with its id: the one that is furthest on, of the machines of all."""
        kept = max(sightings, key=lambda event: _FURTHER_ON.index(event.phase))
        if all(event == kept for event in sightings):
            return kept  # pages shift while they are read, so that an event may stand on two of them
        self.problem(f"event {kept.id[:60]} is listed twice: what is further on counts, and the machines of both")
        for event in sightings:
            if event.approval is Approval.NONE:
                kept = kept.but(approval=Approval.NONE, withheld=kept.withheld or event.withheld)
        machines = {folded(name) for name in kept.resources}
        if all({folded(name) for name in event.resources} == machines for event in sightings):
            return kept
        union = dict.fromkeys(name for event in sightings for name in event.resources)
        return withheld(kept.but(resources=tuple(union)), "it is listed twice with different machines")


def withheld(event: MaintenanceEvent, why: str) -> MaintenanceEvent:
    """The event as one that nobody may approve, although the cloud might take it."""
    return event.but(approval=Approval.NONE, withheld=event.withheld or why)


def unnamed(event: MaintenanceEvent, unread: Iterable[object] = ()) -> str:
    """Why the machines of an event are not all known, as a clause; "" where they are.

    Approving speaks for every machine that is named, so all of them must be known.

    Args:
        event: what could be read of it.
        unread: those of its resources that could not be read.
    """
    if number := len(tuple(unread)):
        return f"{number} of its resources cannot be read"
    if not all(name.strip() for name in event.resources):
        return "one of its resources has no name"
    return "" if event.resources else "it names no machine"
