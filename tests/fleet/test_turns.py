"""Turns in groups, by the rules alone: limits hold, and no events wait for each other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from stormcone.model import EventKey
from stormcone.rules.agreement import Member
from stormcone.rules.limits import Group, Turn, TurnState, refusals

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ("a", "b", "c", "d", "e")
ELSEWHERE = "not of the group"

events = st.lists(st.frozensets(st.sampled_from((*NAMES, ELSEWHERE)), min_size=1), min_size=1, max_size=6)


class Machines:
    """Two groups that share a machine, and the turns that their members wait for or have."""

    GROUPS: ClassVar = {"g": ("a", "b", "c"), "h": ("c", "d", "e")}

    def __init__(self, most: int) -> None:
        self.most = most
        self.turns: list[Turn] = []
        self.members = tuple(
            Member(
                id=name,
                name=name,
                names=frozenset({name}),
                seen=NOW,
                silence=timedelta(hours=1),
                groups={group: str(most) for group, names in self.GROUPS.items() if name in names},
            )
            for name in NAMES
        )

    @property
    def groups(self) -> list[Group]:
        return [
            Group(
                name=group,
                members=tuple(each for each in self.members if each.name in names),
                turns=tuple(turn for turn in self.turns if turn.member in names),
            )
            for group, names in self.GROUPS.items()
        ]

    @property
    def away(self) -> set[str]:
        return {turn.member for turn in self.turns if turn.state is TurnState.HELD}

    def grant(self) -> bool:
        """Give each its turn that may have it, one after the other; True where there was one."""
        granted = False
        for place, turn in enumerate(self.turns):
            if turn.state is TurnState.WAITING and not refusals(turn, self.groups, NOW):
                before, granted = self.away, True
                self.turns[place] = replace(turn, state=TurnState.HELD)
                for names in self.GROUPS.values():
                    away = self.away & {*names}
                    assert away == before & {*names} or len(away) <= self.most or away <= turn.names
        return granted

    def complete(self) -> bool:
        """End each event for which all are away that it takes; True where there was one."""
        waiting = {turn.event for turn in self.turns if turn.state is TurnState.WAITING}
        left = [turn for turn in self.turns if turn.event in waiting]
        over = len(left) < len(self.turns)
        self.turns = left
        return over


@given(events, st.integers(1, 4), st.randoms(use_true_random=False), st.lists(st.booleans(), min_size=30, max_size=30))
def test_all_get_their_turn_within_the_limit(named, most, chance, asked_at_once):
    machines = Machines(most)
    asking = [
        Turn(member=name, event=EventKey("test", str(number)), state=TurnState.WAITING, names=names, since=NOW)
        for number, names in enumerate(named)
        for name in sorted(names - {ELSEWHERE})
    ]
    chance.shuffle(asking)
    for turn, at_once in zip(asking, asked_at_once, strict=False):
        machines.turns.append(turn)
        if at_once:
            machines.grant()
    while machines.grant() or machines.complete():
        pass
    assert machines.turns == [], "they wait for each other"
