"""Groups told in short, and their boards: they say of a turn what the whole group would say."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from stormcone.model import EventKey
from stormcone.rules.agreement import Member
from stormcone.rules.boards import FRONT, Board
from stormcone.rules.limits import TOLD, Group, Rank, Turn, TurnState, refusals

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SILENCE = timedelta(minutes=1)
NAMES = tuple(f"m{number}" for number in range(9))
EVENTS = tuple(EventKey("test", name) for name in "uvwxyz")

members = st.builds(
    lambda name, ago, limit: Member(
        id=name, name=name, names=frozenset({name}), seen=NOW - ago, silence=SILENCE, groups={"g": limit}
    ),
    st.sampled_from(NAMES),
    st.sampled_from([timedelta(0)] * 4 + [2 * SILENCE, timedelta(hours=2)]),
    st.sampled_from(["1", "2", "3", "5", "50%", "0"]),
)
turns = st.builds(
    lambda member, event, held, until, since, names: Turn(
        member=member,
        event=event,
        state=TurnState.HELD if held else TurnState.WAITING,
        until=until and NOW + timedelta(hours=until),
        since=NOW - timedelta(minutes=since),
        names=names,
    ),
    st.sampled_from(NAMES),
    st.sampled_from(EVENTS),
    st.sampled_from([True, False, False]),
    st.sampled_from([None, 1, 2, 3]),
    st.integers(0, 3),
    st.frozensets(st.sampled_from((*NAMES, "stranger")), max_size=3),
)


@st.composite
def groups(draw):
    """A group that tells of all, and a turn that one of it asks for, who is heard."""
    found = draw(st.lists(members, min_size=1, max_size=9, unique_by=lambda each: each.id))
    asks = draw(st.sampled_from(found))
    found = [each for each in found if each is not asks] + [
        Member(id=asks.id, name=asks.name, names=asks.names, seen=NOW, silence=SILENCE, groups=asks.groups)
    ]
    inside = {each.id for each in found}
    said = draw(st.lists(turns, max_size=12, unique_by=lambda each: (each.member, each.event)))
    own = draw(turns)
    turn = Turn(
        member=asks.id, event=own.event, state=TurnState.WAITING, until=own.until, since=own.since, names=own.names
    )
    others = [each for each in said if each.member in inside and (each.member, each.event) != (turn.member, turn.event)]
    return Group(name="g", members=tuple(found), turns=(*others, turn)), turn


def kin_of(group, turn):
    """Those of whom one that asks must be told."""
    same = {each.member for each in group.held() if each.event == turn.event}
    return group.named(turn, NOW) | same


def in_short(group, turn):
    """The group as a store tells of it to one that asks."""
    kin, short = kin_of(group, turn), group.in_short(NOW)
    told = kin | {each.id for each in short.members}
    rest = Group(
        name="g",
        members=tuple(each for each in group.members if each.id not in told),
        turns=tuple(each for each in group.turns if each.member not in told),
    )
    counted = Group(name="g", members=rest.members, turns=rest.turns).in_short(NOW)
    ranks = [each for each in group.waiting(NOW) if each.member not in kin]
    room = max(group.room(NOW), 0) + len(kin)
    more = {each.id for each in counted.members}  # those are told of as well: a store may
    return Group(
        name="g",
        members=tuple(each for each in group.members if each.id in told | more),
        turns=tuple(
            each
            for each in group.turns
            if each.member in kin or (each.member in told | more and each.state is TurnState.HELD)
        ),
        crowd=counted.crowd,
        queue=tuple(ranks[:room]),
    )


@given(groups())
def test_a_group_in_short_refuses_what_the_whole_group_refuses(asked):
    group, turn = asked
    short = in_short(group, turn)
    assert (short.size(NOW), short.most(NOW), short.room(NOW)) == (group.size(NOW), group.most(NOW), group.room(NOW))
    assert bool(short.disagreement(NOW)) is bool(group.disagreement(NOW))
    assert bool(refusals(turn, [short], NOW)) is bool(refusals(turn, [group], NOW))


@given(groups())
def test_a_board_refuses_nothing_that_the_group_would_give(asked):
    group, turn = asked
    board = Board.of(group, NOW)
    kin, away = group.named(turn, NOW), group.away(NOW)
    waiting = [each for each in group.turns if each.state is TurnState.WAITING]
    ranks = [Rank.of(each) for each in waiting if each.member in kin and each.member not in away]
    begun = any(each.event == turn.event and each.member in away for each in group.held())
    if board.refuses(ranks, taken=len(kin), away=len(kin & away.keys()), begun=begun):
        assert refusals(turn, [group], NOW)


class TestMany:
    """Forty that wait, of whom two may be away."""

    GROUP = Group(
        name="g",
        members=tuple(
            Member(
                id=f"{n:02}", name=f"{n:02}", names=frozenset({f"{n:02}"}), seen=NOW, silence=SILENCE, groups={"g": "2"}
            )
            for n in range(40)
        ),
        turns=tuple(
            Turn(
                member=f"{n:02}",
                event=EventKey("test", f"{n:02}"),
                state=TurnState.WAITING,
                until=NOW + timedelta(minutes=n),
                since=NOW,
                names=frozenset({f"{n:02}"}),
            )
            for n in range(40)
        ),
    )

    def asked(self, group):
        """Who would ask for a decision, by the group's board."""
        board = Board.of(group, NOW)
        waiting = [each for each in group.turns if each.state is TurnState.WAITING]
        return [each.member for each in waiting if not board.refuses([Rank.of(each)])]

    def test_as_many_are_decided_on_as_there_is_room_for_and_get_their_turn(self):
        assert self.asked(self.GROUP) == ["00", "01"]
        assert [t.member for t in self.GROUP.turns if not refusals(t, [self.GROUP], NOW)] == ["00", "01"]
        begun = self.GROUP.given(self.GROUP.turns[0])
        assert self.asked(begun) == ["01"]
        assert self.asked(begun.given(self.GROUP.turns[1])) == []

    def test_the_first_of_them_ask_often(self):
        full = self.GROUP.given(self.GROUP.turns[0]).given(self.GROUP.turns[1])
        board = Board.of(full, NOW)
        near = [each.member for each in full.turns if each.state is TurnState.WAITING and board.near(Rank.of(each))]
        assert near == [f"{n:02}" for n in range(2, 2 + FRONT)]

    def test_a_few_that_are_away_are_named_and_the_others_counted(self):
        group = self.GROUP
        for turn in group.turns[:30]:
            group = group.given(turn)
        said = "waits for its turn in group g: 00 is away; 01 is away; 02 is away; 03 is away; 04 is away; and 25 more"
        assert refusals(group.turns[0], [group], NOW) == (said,)
        short = Board.of(group, NOW).group
        assert (len(short.members), len(short.turns)) == (TOLD, TOLD)
        assert short.why(frozenset(), NOW) == said
