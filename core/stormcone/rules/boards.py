"""A group's board: how it stood a moment ago, so that of thousands that wait nearly all are told so by one look.

Pure functions over values. A board gives nobody a turn: it says who need not ask `stormcone.rules.limits.refusals`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from stormcone.rules.limits import Group, Rank

FRONT = 10
"""So many of those that wait in a group ask often whether it is their turn; the others come that far first."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """How a group stood when somebody last looked, for all that wait: enough to tell most of them that they go on.

    It gives no turn to anybody. What it refuses was refused when it was drawn.

    Attributes:
        group: the group, in short.
        room: how many more might be away.
        last: the last of those that wait for whom there is room; None where there is room for more than wait.
        front: the last of those that ask often; None where no more than those wait.
    """

    group: Group
    room: int
    last: Rank | None
    front: Rank | None

    @classmethod
    def of(cls, group: Group, now: datetime) -> "Board":
        """That of a group, which tells of all ranks that are free, and of `FRONT`."""
        room, waiting = group.room(now), group.waiting(now)
        last = waiting[room - 1] if 0 < room <= len(waiting) else None
        front = waiting[FRONT - 1] if len(waiting) > FRONT else None
        return cls(group=group.in_short(now), room=room, last=last, front=front)

    def refuses(self, ranks: Collection[Rank], *, taken: int = 1, away: int = 0, begun: bool = False) -> bool:
        """Whether an event had no turn here.

        Args:
            ranks: where those that it takes in this group wait.
            taken: how many these are.
            away: how many of them are away now.
            begun: whether somebody has a turn for it already: then it comes before all that wait.
        """
        if away == taken:
            return False  # it takes nobody who is not away already
        if self.room + away <= 0:
            return True
        return not (away or begun or self.last is None or any(rank <= self.last for rank in ranks))

    def near(self, rank: Rank) -> bool:
        """Whether the turn of one that waits comes next: else it asks less often, even where there is room for it."""
        return self.front is None or rank <= self.front
