"""The rules of agreement and of limits, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.handlers import Handler
from stormcone.model import Approval, Cause, Impact, MaintenanceEvent, Origin, Phase
from stormcone.rules.agreement import (
    Ballot,
    Claim,
    EventInFleet,
    EventKey,
    Member,
    Vote,
    VoteState,
    approver,
    basis_of,
    obstacles,
)
from stormcone.rules.limits import (
    Crowd,
    Group,
    Limit,
    Turn,
    TurnState,
    need_of,
    refusals,
    ungrouped,
    waits_until,
    what_of,
)

NOW = datetime(2026, 3, 1, 3, tzinfo=UTC)
TIME = NOW + timedelta(hours=1)
KEY = EventKey("test", "e")


def member(name, *, ago=0, **given):
    values = {"id": f"id-{name}", "name": name, "names": frozenset({name}), "silence": timedelta(seconds=30)}
    return Member(**{**values, "seen": NOW - timedelta(seconds=ago), **given})


def vote(name, state=VoteState.PREPARED, **given):
    return Vote(**{"member": f"id-{name}", "state": state, "basis": "reboot", "names": ("a", "b"), **given})


BALLOT = Ballot(key=KEY, votes=(vote("a"), vote("b")), members=(member("a"), member("b")))
CLAIM = Claim(epoch=1, holder="id-a", until=NOW, basis="reboot", names=frozenset({"a", "b"}))


def event(**given):
    values = {
        "id": "e",
        "provider": "test",
        "phase": Phase.SCHEDULED,
        "impact": Impact.REBOOT,
        "cause": Cause.MAINTENANCE,
        "not_before": TIME,
        "approval": Approval.STARTS,
        "resources": ("a",),
    }
    return MaintenanceEvent(**{**values, **given})


class TestWhatStandsAgainstIt:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, []),
            ({"members": (member("a"),)}, ["b is unknown to the fleet"]),
            ({"members": (member("a"), member("b", ago=31))}, ["b is silent since 2026-03-01 02:59:29Z"]),
            ({"members": (member("a"), member("b", ago=30))}, []),
            ({"members": (member("a"), member("b"), member("b", id="x"))}, ["b is the name of 2 members of the fleet"]),
            ({"members": (member("a"), member("b"), member("b", id="x", ago=99))}, []),
            ({"votes": (vote("a"),)}, ["b has not said that it knows of it"]),
            ({"votes": (vote("a"), vote("b", VoteState.WITHDRAWN))}, ["b has not said that it knows of it"]),
            ({"votes": (vote("a"), vote("b", VoteState.PREPARING, reason="x"))}, ["b is preparing: x"]),
            ({"votes": (vote("a"), vote("b", VoteState.VETOED, reason="x"))}, ["b vetoed: x"]),
            ({"votes": (vote("a"), vote("b", VoteState.FAILED, reason="x"))}, ["b failed: x"]),
            (
                {"votes": (vote("a"), vote("b", basis="freeze"))},
                ["b has prepared for it as freeze, not as reboot"],
            ),
            ({"votes": (vote("a"), vote("b", names=("b", "c")))}, ["c is unknown to the fleet"]),
            ({"votes": (vote("a", names=("A", "id-B")), vote("b", names=()))}, ["id-B is unknown to the fleet"]),
        ],
    )
    def test_is_said_with_the_machines_name(self, changes, said):
        assert [each.text for each in obstacles(replace(BALLOT, **changes), "reboot", NOW)] == said

    @pytest.mark.parametrize(
        ("claim", "holds"),
        [(CLAIM, True), (replace(CLAIM, basis="freeze"), False), (replace(CLAIM, names=frozenset({"a"})), False)],
    )
    def test_silence_after_they_had_agreed_on_the_same_does_not(self, claim, holds):
        ballot = replace(BALLOT, members=(member("a", ago=99), member("b")), claim=claim)
        assert (not obstacles(ballot, "reboot", NOW)) is holds
        vetoed = replace(ballot, votes=(vote("a", VoteState.VETOED), vote("b")))
        assert obstacles(vetoed, "reboot", NOW)


class TestWhoApproves:
    @pytest.mark.parametrize(
        ("changes", "who"),
        [
            ({}, "a"),
            ({"members": (member("a", ago=31), member("b"))}, "b"),
            ({"votes": (vote("a", ready=False), vote("b"))}, "b"),
            ({"votes": (vote("a", basis="freeze"), vote("b"))}, "b"),
            ({"votes": (vote("a", names=("b",)), vote("b", names=("b",)))}, "b"),
            ({"claim": CLAIM}, "b"),
            ({"claim": replace(CLAIM, holder="id-b")}, "a"),
            ({"votes": (vote("a", ready=False), vote("b", ready=False))}, None),
        ],
    )
    def test_is_the_first_by_name_that_could_and_had_no_claim_last(self, changes, who):
        chosen = approver(replace(BALLOT, **changes), "reboot", NOW)
        assert (chosen.name if chosen else None) == who


class TestMaySend:
    @pytest.mark.parametrize(
        ("changes", "may"),
        [
            ({}, True),
            ({"claimed": False}, False),
            ({"basis": "freeze"}, False),
            ({"names": ("a", "b", "c")}, False),
            ({"names": ("B",)}, True),
        ],
    )
    def test_only_of_what_the_claim_was_granted_for(self, changes, may):
        seen = EventInFleet(
            now=NOW, ballot=replace(BALLOT, claim=CLAIM), basis="reboot", names=("a", "b"), claimed=True
        )
        assert replace(seen, **changes).may_send is may


class TestTheBasis:
    def test_is_what_happens_and_when_by_the_clouds_own_word(self):
        assert basis_of(event()) == "reboot not before 2026-03-01 04:00:00Z"
        assert basis_of(event(not_before_origin=Origin.INFERRED)) == "reboot at no time told"
        assert basis_of(event(not_before=None)) == "reboot at no time told"


class TestALimit:
    @pytest.mark.parametrize(
        ("text", "size", "allowed"),
        [("0", 9, 0), ("2", 9, 2), ("25%", 8, 2), ("25%", 7, 1), ("25%", 3, 1), ("100%", 3, 3), (" 1 ", 1, 1)],
    )
    def test_is_a_number_or_a_share_rounded_down_but_one_at_the_least(self, text, size, allowed):
        assert Limit.of(text).allows(size) == allowed

    def test_of_none_says_so(self):
        group = Group(name="db", members=(member("a", groups={"db": "0"}),), turns=())
        turn = Turn(member="id-a", event=KEY, state=TurnState.WAITING, since=NOW)
        assert refusals(turn, [group], NOW) == ("waits for its turn in group db: it allows nobody",)

    def test_is_not_about_members_without_a_group_unless_they_have_vanished(self):
        plain, gone = member("plain", groups={}), member("gone", groups={}, ago=4000)
        assert ungrouped([member("a", groups={"db": "1"}), plain, gone], NOW) == {"plain"}


class TestAGroupOfMany:
    """Of members that are heard and stay, a store may tell only how many there are: nothing else follows from that."""

    MANY = tuple(member(f"m{number}", groups={"db": "50%" if number else "2"}) for number in range(9))
    AWAY = member("away", groups={"db": "50%"})
    WAITING = member("waiting", groups={"db": "50%"})
    SILENT = member("silent", ago=60, groups={"db": "50%"})
    GONE = member("gone", ago=7200, groups={"db": "1"})
    TURNS = (
        Turn(member="id-away", event=KEY, state=TurnState.HELD, since=NOW),
        Turn(member="id-waiting", event=EventKey("test", "other"), state=TurnState.WAITING, since=NOW),
    )

    @pytest.mark.parametrize("others", [MANY, MANY[:1], MANY[1:]], ids=["differing", "the strictest", "the others"])
    def test_says_the_same_as_with_each_of_them(self, others):
        of_note = (self.AWAY, self.WAITING, self.SILENT, self.GONE)
        whole = Group(name="db", members=(*of_note, *others), turns=self.TURNS)
        counted = [[each for each in others if each.groups["db"] == limit] for limit in ("2", "50%")]
        quiet = tuple(Crowd(each[0].groups["db"], len(each), each[0].name) for each in counted if each)
        short = Group(name="db", members=of_note, turns=self.TURNS, crowd=quiet)
        assert short.size(NOW) == whole.size(NOW) == len(others) + 3
        assert short.most(NOW) == whole.most(NOW)
        assert short.away(NOW) == whole.away(NOW)
        assert bool(short.disagreement(NOW)) is bool(whole.disagreement(NOW))
        asked = Turn(member="id-waiting", event=EventKey("test", "third"), state=TurnState.WAITING, since=NOW)
        assert refusals(asked, [short], NOW) == refusals(asked, [whole], NOW)


class TestWhatMayNotWait:
    @pytest.mark.parametrize(
        ("given", "need"),
        [
            ({}, ""),
            ({"phase": Phase.STARTED}, "it has begun"),
            ({"cause": Cause.PREEMPTION}, "it is a preemption"),
            ({"not_before": None}, "its time is not known"),
            ({"not_before": None, "approval": Approval.CONSENT}, ""),
            ({"not_before": NOW + timedelta(minutes=2)}, ""),
            ({"not_before": NOW + timedelta(minutes=1, seconds=59)}, "it is no more than 2 min ahead"),
        ],
    )
    def test_says_why(self, given, need):
        assert need_of(event(**given), NOW) == need

    @pytest.mark.parametrize(
        ("timeouts", "left"), [([], 0), ([None], 5), ([None, None], 5), ([1, 2], 3), ([1, None], 6)]
    )
    def test_what_may_waits_until_its_handlers_need_the_time(self, timeouts, left):
        handlers = []
        for minutes in timeouts:
            handlers.append(Handler())
            handlers[-1].timeout = None if minutes is None else timedelta(minutes=minutes)
        assert waits_until(event(), handlers) == TIME - timedelta(minutes=left)
        assert waits_until(event(approval=Approval.CONSENT), handlers) is None

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"duration": timedelta(minutes=10)}, "reboot until 2026-03-01 04:10:00Z"),
            ({"ends_by": TIME + timedelta(hours=1)}, "reboot until 2026-03-01 05:00:00Z"),
            ({}, "reboot not before 2026-03-01 04:00:00Z"),
            ({"not_before": None}, "reboot"),
        ],
    )
    def test_others_are_told_what_happens(self, given, said):
        assert what_of(event(**given)) == said
