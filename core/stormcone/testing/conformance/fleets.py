"""What the agent relies on in every fleet's store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from stormcone.fleet.contract import EventSaid, Fleet, MemberIdentity, Saying, Snapshot, TurnSaid
from stormcone.model import EventKey
from stormcone.rules.agreement import Ballot, Claim, CloudReply, VoteState, Why, obstacles
from stormcone.rules.limits import VANISHED, TurnState

KEY = EventKey("test", "event-1")
OTHER = EventKey("test", "event-2")
OWN = EventKey("test", "event-of")
SILENCE = timedelta(minutes=10)

_BASIS = "reboot not before 2026-03-01 04:00:00Z"
_TIME = datetime(2026, 3, 1, 4, tzinfo=UTC)


@dataclass(frozen=True)
class FleetUnderTest:
    """A fleet's store as a case uses it.

    Attributes:
        open: a way into the fleet, as one agent has it; all of them lead to the same fleet.
        pass_time: have the store's clock, as far as it shows, go on by that much.
        claim: how long a claim lasts in it: much longer than a case takes, and less than five minutes.
    """

    open: Callable[[], Fleet]
    pass_time: Callable[[timedelta], None]
    claim: timedelta


def a_member(name: str, **given: Any) -> MemberIdentity:
    """A machine of that name."""
    return replace(MemberIdentity(id=f"test/{name}", name=name, names=(name, f"id-{name}"), silence=SILENCE), **given)


def an_event(*names: str, vote: VoteState | None = VoteState.PREPARED, key: EventKey = KEY, **given: Any) -> EventSaid:
    """What is said of an event that names these machines."""
    event = EventSaid(
        key=key, id=key.id, impact="reboot", phase="scheduled", not_before=_TIME, names=names, vote=vote, basis=_BASIS
    )
    return replace(event, **given)


def a_turn(event: EventKey | None = None, *names: str, **given: Any) -> EventSaid:
    """What is said of an event for which a turn is wanted; of an event of the machine's own, unless it is named."""
    turn = replace(TurnSaid(away=False, until=_TIME, what="reboot"), **given)
    return an_event(*names, vote=None, key=event or OWN, turn=turn)


class FleetSuite:
    """Every fleet's store: nothing is approved that is not agreed, by one member at a time, and limits hold.

    The module adds the fixture `subject`, a `FleetUnderTest`.
    """

    @pytest.fixture
    def fleet(self, subject: FleetUnderTest) -> Iterator[Fleet]:
        """A way into the fleet."""
        fleet = subject.open()
        yield fleet
        fleet.close()

    def test_all_that_is_said_comes_back(self, fleet: Fleet) -> None:
        """The overview has every member as it made itself known, with what it says, to the microsecond.

        Source: `Fleet.overview`.
        """
        member = a_member("Web-0", groups={"db": "25%"}, about={"provider": "test", "region": "x"})
        said = an_event(
            "web-0", vote=VoteState.VETOED, reason="not today", running=("Drain.prepare",), turn=TurnSaid(away=True)
        )
        told = fleet.exchange(Saying(member=member, events=(said,)))
        seen = fleet.overview()
        (known,) = seen.members
        assert (known.id, known.name, known.groups, known.about) == (member.id, "Web-0", member.groups, member.about)
        assert known.names == {"web-0", "id-web-0"}
        assert (known.seen, known.silence) == (told.at, SILENCE)
        assert seen.events == {member.id: (said,)}
        assert [ballot.key for ballot in seen.ballots] == [KEY]
        assert [group.name for group in seen.groups] == ["db"]

    def test_what_is_said_no_more_is_withdrawn(self, fleet: Fleet) -> None:
        """A vote counts as long as it is said, and no longer; so does a turn.

        Source: `Saying`.
        """
        said = an_event("a", "b", turn=TurnSaid(away=True))
        say(fleet, "a", said, groups={"db": "1"})
        ballot = say(fleet, "b", an_event("a", "b")).ballots[KEY]
        assert vote_of(ballot, "a") is VoteState.PREPARED
        say(fleet, "a", groups={"db": "1"})
        ballot = say(fleet, "b", an_event("a", "b")).ballots[KEY]
        assert vote_of(ballot, "a") is VoteState.WITHDRAWN
        assert fleet.overview().groups[0].turns == ()

    def test_one_of_them_gets_the_claim_once_all_are_prepared(self, fleet: Fleet) -> None:
        """It is granted to the first by name, once, and all are told who has it.

        Source: `stormcone.rules.agreement`.
        """
        names = ("b", "a")
        assert claim_of(say(fleet, "a", an_event(*names))) is None
        assert claim_of(say(fleet, "b", an_event(*names))) is None, "b is not the first by name"
        claim = claim_of(say(fleet, "a", an_event(*names)))
        assert claim is not None
        assert (claim.holder, claim.epoch, sorted(claim.names)) == ("test/a", 1, ["a", "b"])
        assert claim_of(say(fleet, "b", an_event(*names))) == claim
        assert claim_of(say(fleet, "a", an_event(*names))) == claim, "nor is it granted anew while it lasts"

    @pytest.mark.parametrize(
        "other",
        [
            {"vote": VoteState.PREPARING},
            {"vote": VoteState.VETOED},
            {"vote": VoteState.FAILED},
            {"basis": "redeploy not before 2026-03-01 04:00:00Z"},
            {"key": KEY._replace(id="event-2")},
            {"names": ("a", "b", "c")},
            {"vote": None},
        ],
    )
    def test_nobody_gets_it_where_one_is_not_prepared(self, fleet: Fleet, other: dict[str, Any]) -> None:
        """It is preparing, has vetoed or failed, speaks of another time or event, or sees a machine more.

        Source: `stormcone.rules.agreement`.
        """
        say(fleet, "b", replace(an_event("a", "b"), **other))
        assert claim_of(say(fleet, "a", an_event("a", "b"))) is None

    def test_nobody_gets_it_where_one_is_unknown_or_silent(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """A machine that the fleet has never heard of, or not for long, means no; once it is heard, that is over.

        Source: `stormcone.rules.agreement`.
        """
        assert claim_of(say(fleet, "a", an_event("a", "b"))) is None
        say(fleet, "b", an_event("a", "b"))
        subject.pass_time(SILENCE * 1.1)
        assert claim_of(say(fleet, "a", an_event("a", "b"))) is None
        say(fleet, "b", an_event("a", "b"))
        assert claim_of(say(fleet, "a", an_event("a", "b"))) is not None

    def test_a_machine_is_known_by_every_name(self, fleet: Fleet) -> None:
        """Events may name it by its id, and in another case.

        Source: `MemberIdentity.names`.
        """
        say(fleet, "b", an_event("a", "ID-B"))
        assert claim_of(say(fleet, "a", an_event("a", "ID-B"))) is not None

    def test_a_claim_that_ends_without_an_answer_goes_to_another(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """Its holder may be dead; the next claim has the next epoch, also once the holder counts as silent.

        Source: `stormcone.rules.agreement`.
        """
        agreed(fleet)
        subject.pass_time(subject.claim / 2)
        assert holder(say(fleet, "b", an_event("a", "b"))) == ("test/a", 1)
        subject.pass_time(subject.claim)
        assert holder(say(fleet, "b", an_event("a", "b"))) == ("test/b", 2)
        subject.pass_time(SILENCE * 1.1)
        assert holder(say(fleet, "b", an_event("a", "b"))) == ("test/b", 3)

    def test_a_claim_that_is_given_back_goes_on_at_once(self, fleet: Fleet) -> None:
        """Its holder could not send the approval; only its own epoch can be given back.

        Source: `EventSaid.released`.
        """
        agreed(fleet)
        say(fleet, "a", an_event("a", "b", ready=False, released=7))
        assert holder(say(fleet, "b", an_event("a", "b"))) == ("test/a", 1)
        say(fleet, "a", an_event("a", "b", ready=False, released=1))
        assert holder(say(fleet, "b", an_event("a", "b"))) == ("test/b", 2)

    @pytest.mark.parametrize("reply", CloudReply)
    def test_the_clouds_answer_is_final(self, subject: FleetUnderTest, fleet: Fleet, reply: CloudReply) -> None:
        """Nobody gets a claim after it, and everybody is told; it may come late, and from whom the claim has passed.

        Source: `CloudAnswer`.
        """
        agreed(fleet)
        subject.pass_time(subject.claim)
        told = say(fleet, "a", an_event("a", "b", reply=reply)).ballots[KEY]
        assert told.answer is not None
        assert (told.answer.reply, told.answer.by) == (reply, "test/a")
        ballot = say(fleet, "b", an_event("a", "b")).ballots[KEY]
        assert (ballot.answer, ballot.claim and ballot.claim.epoch) == (told.answer, 1)

    def test_an_answer_is_taken_when_the_event_has_begun(self, fleet: Fleet) -> None:
        """By then its member has no vote any more.

        Source: `EventSaid.vote`.
        """
        agreed(fleet)
        say(fleet, "a", an_event("a", "b", vote=None, phase="started", reply=CloudReply.ACCEPTED))
        ballot = say(fleet, "b", an_event("a", "b")).ballots[KEY]
        assert ballot.answer is not None

    def test_an_answer_holds_for_the_event_as_its_member_sees_it(self, fleet: Fleet) -> None:
        """It moves with the event as long as that is the same one for its member. Once it is another, all are asked.

        Source: `CloudAnswer.basis`.
        """
        agreed(fleet)
        moved = partial(an_event, "a", "b", basis="reboot not before 2026-03-01 04:20:00Z")
        say(fleet, "a", an_event("a", "b", reply=CloudReply.ACCEPTED))
        say(fleet, "b", moved())
        told = say(fleet, "a", moved(reply=CloudReply.ACCEPTED)).ballots[KEY]
        assert told.answered(moved().basis)
        far = partial(an_event, "a", "b", basis="reboot not before 2026-03-03 04:00:00Z")
        say(fleet, "b", far())
        told = say(fleet, "a", far()).ballots[KEY]
        assert not told.answered(far().basis)

    def test_what_has_moved_far_is_agreed_on_again(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """All must be prepared for what it is now; what was agreed and answered before does not help.

        Source: `stormcone.rules.agreement`.
        """
        agreed(fleet)
        say(fleet, "a", an_event("a", "b", reply=CloudReply.ACCEPTED))
        subject.pass_time(subject.claim)
        later = partial(an_event, "a", "b", basis="reboot not before 2026-03-03 04:00:00Z")
        assert holder(say(fleet, "a", later())) == ("test/a", 1), "b has said nothing of the new time"
        say(fleet, "b", later(vote=VoteState.PREPARING))
        assert holder(say(fleet, "a", later())) == ("test/a", 1)
        assert holder(say(fleet, "b", later())) == ("test/b", 2), "one that has had a claim comes after the others"
        told = say(fleet, "b", later(reply=CloudReply.ACCEPTED)).ballots[KEY]
        assert (told.answered(later().basis), told.answer and told.answer.by) == (True, "test/b")

    def test_what_nobody_speaks_of_any_more_is_agreed_on_anew(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """The same id may be announced again; epochs go on, so that an old claim is not taken for the new one.

        Source: `stormcone.fleet.rows.outlived`.
        """
        agreed(fleet)
        say(fleet, "a", an_event("a", "b", reply=CloudReply.ACCEPTED))
        say(fleet, "a")
        assert say(fleet, "b", an_event("a", "b")).ballots[KEY].answer is not None, "b speaks of it still"
        say(fleet, "b")
        subject.pass_time(subject.claim)
        assert holder(say(fleet, "b", an_event("a", "b"))) == ("test/a", 1)
        assert say(fleet, "a", an_event("a", "b")).ballots[KEY].answer is None
        assert holder(say(fleet, "b", an_event("a", "b"))) == ("test/b", 2)

    def test_a_silent_machine_has_not_agreed_on_what_came_again(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """That all had agreed on it in its first life counts for that one.

        Source: `stormcone.rules.agreement.obstacles`.
        """
        agreed(fleet)
        for name in "ab":
            say(fleet, name)
        say(fleet, "b", an_event("a", "b"))
        subject.pass_time(SILENCE * 1.1)
        told = say(fleet, "a", an_event("a", "b"))
        assert [each.why for each in obstacles(told.ballots[KEY], _BASIS, told.at)] == [Why.SILENT]

    def test_text_of_any_kind_is_taken(self, fleet: Fleet) -> None:
        """A character that the store cannot keep costs that character, and not the exchange.

        Source: PostgreSQL's `text` and `jsonb` take no NUL.
        """
        odd = EventKey("test", "odd\0 id")
        said = an_event("a\0", vote=VoteState.VETOED, reason="not\0 today", key=odd, turn=TurnSaid(away=True))
        for _ in range(2):
            told = fleet.exchange(Saying(member=a_member("a\0", about={"region": "x\0y"}), events=(said,)))
            assert (set(told.ballots), set(told.turns)) == ({odd}, {odd})
        assert len(fleet.overview().ballots) == 1
        fleet.exchange(Saying(member=a_member("a\0")))
        assert fleet.overview().ballots == ()

    def test_a_veto_that_comes_later_stops_what_is_not_sent_yet(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """No further claim is granted; that they had agreed once does not help.

        Source: `stormcone.rules.agreement.obstacles`.
        """
        agreed(fleet)
        say(fleet, "b", an_event("a", "b", vote=VoteState.VETOED))
        subject.pass_time(subject.claim)
        assert holder(say(fleet, "a", an_event("a", "b"))) == ("test/a", 1)

    def test_an_event_of_one_machine_needs_no_claim(self, fleet: Fleet) -> None:
        """By none of its names.

        Source: `stormcone.rules.agreement.granted`.
        """
        assert claim_of(say(fleet, "a", an_event("a", "id-a"))) is None

    def test_a_group_gives_as_many_turns_as_it_allows(self, fleet: Fleet) -> None:
        """The next one gets its turn once another has been given back.

        Source: `stormcone.rules.limits`.
        """
        one = {"db": "1"}
        assert turn_in(say(fleet, "a", a_turn(), groups=one)) is TurnState.HELD
        assert turn_in(say(fleet, "b", a_turn(), groups=one)) is TurnState.WAITING
        assert turn_in(say(fleet, "a", a_turn(), groups=one)) is TurnState.HELD
        say(fleet, "a", groups=one)
        assert turn_in(say(fleet, "b", a_turn(), groups=one)) is TurnState.HELD

    def test_who_waits_is_told_what_for(self, fleet: Fleet) -> None:
        """By name, where that is a few; each time that it asks, until it has its turn.

        Source: `Snapshot.refused`.
        """
        one = {"db": "1"}
        assert say(fleet, "a", a_turn(), groups=one).refused == {}
        for _ in range(2):
            (why,) = say(fleet, "b", a_turn(), groups=one).refused.values()
            assert why == ("waits for its turn in group db: a is away (reboot)",)
        say(fleet, "a", groups=one)
        assert say(fleet, "b", a_turn(), groups=one).refused == {}

    def test_of_many_that_are_away_a_few_are_named(self, fleet: Fleet) -> None:
        """Their names alone would fill pages.

        Source: `stormcone.rules.limits.TOLD`.
        """
        many = {"db": "7"}
        for name in "abcdefg":
            say(fleet, name, a_turn(), groups=many)
        ((why,),) = say(fleet, "h", a_turn(), groups=many).refused.values()
        assert why.startswith("waits for its turn in group db: a is away (reboot); b is away (reboot); c is away")
        assert why.endswith("; and 2 more")

    def test_what_may_not_wait_counts(self, fleet: Fleet) -> None:
        """It has its turn without asking, and others wait for it.

        Source: `TurnSaid.away`.
        """
        one = {"db": "1"}
        say(fleet, "a", a_turn(away=True, need="it is a preemption"), groups=one)
        say(fleet, "b", a_turn(away=True, need="it has begun"), groups=one)
        told = say(fleet, "c", a_turn(), groups=one)
        assert turn_in(told) is TurnState.WAITING
        assert set(told.groups["db"].away(told.at)) == {"test/a", "test/b"}

    def test_a_silent_machine_counts_as_away_until_it_has_vanished(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """With its turn or without one: it may be down.

        Source: `stormcone.rules.limits.VANISHED`.
        """
        one = {"db": "1"}
        say(fleet, "a", groups=one)
        subject.pass_time(SILENCE * 1.1)
        assert turn_in(say(fleet, "b", a_turn(), groups=one)) is TurnState.WAITING
        subject.pass_time(VANISHED)
        assert turn_in(say(fleet, "b", a_turn(), groups=one)) is TurnState.HELD

    def test_a_machine_waits_for_all_of_its_groups(self, fleet: Fleet) -> None:
        """One without room is enough to wait.

        Source: `stormcone.rules.limits.refusals`.
        """
        say(fleet, "a", a_turn(), groups={"db": "1"})
        assert turn_in(say(fleet, "b", a_turn(), groups={"db": "1", "web": "2"})) is TurnState.WAITING
        assert turn_in(say(fleet, "c", a_turn(), groups={"web": "2"})) is TurnState.HELD

    def test_several_events_of_one_machine_take_one_place(self, fleet: Fleet) -> None:
        """It is away once.

        Source: `stormcone.rules.limits.refusals`.
        """
        one = {"db": "1"}
        say(fleet, "a", a_turn(), groups=one)
        told = say(fleet, "a", a_turn(), a_turn(OTHER), groups=one)
        assert {turn.state for turn in told.turns.values()} == {TurnState.HELD}

    def test_an_event_of_several_takes_them_together(self, fleet: Fleet) -> None:
        """Nobody waits for one that is away for the same event; for that of another, it does.

        Source: `stormcone.rules.limits.refusals`.
        """
        one, both = {"db": "1"}, ("a", "id-c")
        say(fleet, "a", a_turn(KEY, *both), groups=one)
        assert turn_in(say(fleet, "b", a_turn(OTHER, "b"), groups=one)) is TurnState.WAITING
        assert turn_in(say(fleet, "c", a_turn(KEY, *both), groups=one)) is TurnState.HELD

    def test_it_begins_where_there_is_room_for_all_of_them(self, fleet: Fleet) -> None:
        """Room for the first of them would lead the others past the limit.

        Source: `stormcone.rules.limits.refusals`.
        """
        two, both = {"db": "2"}, ("b", "c")
        say(fleet, "a", a_turn(), groups=two)
        say(fleet, "c", groups=two)
        assert turn_in(say(fleet, "b", a_turn(KEY, *both), groups=two)) is TurnState.WAITING
        say(fleet, "a", groups=two)
        assert turn_in(say(fleet, "b", a_turn(KEY, *both), groups=two)) is TurnState.HELD

    def test_it_takes_nobody_beside_one_that_is_away_for_something_else(self, fleet: Fleet) -> None:
        """One machine that is away for two events must not lead a third one past the limit.

        Source: `stormcone.rules.limits.refusals`.
        """
        one, first, second = {"db": "1"}, a_turn(KEY, "a", "b"), a_turn(OTHER, "b", "c")
        say(fleet, "c", groups=one)
        say(fleet, "a", first, groups=one)
        say(fleet, "b", first, groups=one)
        told = say(fleet, "b", first, second, groups=one)
        assert {key: turn.state for key, turn in told.turns.items()} == {KEY: TurnState.HELD, OTHER: TurnState.WAITING}
        say(fleet, "a", groups=one)
        say(fleet, "b", second, groups=one)
        assert turn_in(say(fleet, "c", second, groups=one)) is TurnState.HELD

    def test_it_begins_where_there_is_room_in_the_groups_of_all(self, fleet: Fleet) -> None:
        """Else two events could each take a machine of one group, and wait for ever for one of the other.

        Source: `stormcone.rules.limits.refusals`.
        """
        db, web = {"db": "1"}, {"web": "1"}
        say(fleet, "db-2", groups=db)
        say(fleet, "web-2", groups=web)
        first, second = a_turn(KEY, "db-1", "web-1"), a_turn(OTHER, "id-db-2", "web-2")
        say(fleet, "web-1", first, groups=web)
        assert turn_in(say(fleet, "db-2", second, groups=db)) is TurnState.WAITING
        assert turn_in(say(fleet, "db-1", first, groups=db)) is TurnState.HELD
        say(fleet, "web-1", groups=web)
        say(fleet, "db-1", groups=db)
        assert turn_in(say(fleet, "db-2", second, groups=db)) is TurnState.HELD
        assert turn_in(say(fleet, "web-2", second, groups=web)) is TurnState.HELD

    def test_a_machine_that_is_not_known_yet_may_be_of_the_group(self, fleet: Fleet) -> None:
        """Two events that name it would wait for each other once it is.

        Source: `stormcone.rules.limits.refusals`.
        """
        one, other = {"db": "1"}, EventKey("test", "event-3")
        first, second = a_turn(KEY, "a", "late"), a_turn(OTHER, "b", "late")
        both = a_turn(other, "a", "b")
        say(fleet, "b", groups=one)
        say(fleet, "a", first, both, groups=one)
        say(fleet, "b", both, groups=one)
        told = say(fleet, "b", both, second, groups=one)
        assert {key: turn.state for key, turn in told.turns.items()} == {
            other: TurnState.HELD,
            OTHER: TurnState.WAITING,
        }
        say(fleet, "a", first, groups=one)
        assert turn_in(say(fleet, "b", second, groups=one)) is TurnState.WAITING
        assert turn_in(say(fleet, "late", first, groups=one)) is TurnState.HELD

    def test_a_member_that_is_in_no_group_takes_no_place(self, fleet: Fleet) -> None:
        """The fleet knows it, and that no limit is about it.

        Source: `stormcone.rules.limits.ungrouped`.
        """
        two, named = {"db": "2"}, a_turn(KEY, "b", "plain")
        say(fleet, "a", a_turn(OTHER, "a"), groups=two)
        assert turn_in(say(fleet, "b", named, groups=two)) is TurnState.WAITING  # it may be of the group
        say(fleet, "plain")
        assert turn_in(say(fleet, "b", named, groups=two)) is TurnState.HELD

    def test_the_one_whose_time_runs_out_sooner_comes_first(self, fleet: Fleet) -> None:
        """Where both wait for one turn.

        Source: `stormcone.rules.limits.Group.before`.
        """
        one = {"db": "1"}
        say(fleet, "a", a_turn(), groups=one)
        say(fleet, "b", a_turn(until=None), groups=one)
        say(fleet, "c", a_turn(until=_TIME), groups=one)
        say(fleet, "a", groups=one)
        assert turn_in(say(fleet, "b", a_turn(until=None), groups=one)) is TurnState.WAITING
        assert turn_in(say(fleet, "c", a_turn(until=_TIME), groups=one)) is TurnState.HELD

    def test_the_strictest_limit_counts(self, fleet: Fleet) -> None:
        """Where members differ in it, and that is told.

        Source: `stormcone.rules.limits.Group.most`.
        """
        say(fleet, "a", a_turn(), groups={"db": "1"})
        told = say(fleet, "b", a_turn(), groups={"db": "2"})
        assert turn_in(told) is TurnState.WAITING
        assert "differ" in told.groups["db"].disagreement(told.at)

    def test_a_member_can_be_forgotten(self, fleet: Fleet) -> None:
        """With its turn and its votes, by its name or its id.

        Source: `Fleet.forget`.
        """
        one = {"db": "1"}
        say(fleet, "a", a_turn(), groups=one)
        assert fleet.forget("nobody") == 0
        assert fleet.forget("ID-A") == 1
        assert turn_in(say(fleet, "b", a_turn(), groups=one)) is TurnState.HELD
        assert [member.name for member in fleet.overview().members] == ["b"]

    def test_all_who_have_a_way_in_see_the_same(self, subject: FleetUnderTest, fleet: Fleet) -> None:
        """Two agents have two ways in.

        Source: `Fleet`.
        """
        other = subject.open()
        say(other, "b", an_event("a", "b"))
        assert claim_of(say(fleet, "a", an_event("a", "b"))) is not None
        assert other.overview().members == fleet.overview().members
        other.close()


def say(fleet: Fleet, name: str, *events: EventSaid, groups: dict[str, str] | None = None) -> Snapshot:
    """Say that of a machine."""
    own = OWN._replace(id=f"{OWN.id}-{name}")
    events = tuple(replace(event, key=own) if event.key == OWN else event for event in events)
    return fleet.exchange(Saying(member=a_member(name, groups=groups or {}), events=events))


def agreed(fleet: Fleet) -> None:
    """Have a and b agree, and a get the claim."""
    say(fleet, "b", an_event("a", "b"))
    assert holder(say(fleet, "a", an_event("a", "b"))) == ("test/a", 1)


def claim_of(told: Snapshot) -> Claim | None:
    """The claim on the event that was voted on."""
    (ballot,) = told.ballots.values()
    return ballot.claim


def holder(told: Snapshot) -> tuple[str, int]:
    """Who has the claim, and its epoch."""
    claim = claim_of(told)
    assert claim is not None
    return claim.holder, claim.epoch


def vote_of(ballot: Ballot, name: str) -> VoteState | None:
    """What a machine says."""
    vote = ballot.vote(f"test/{name}")
    return vote.state if vote else None


def turn_in(told: Snapshot) -> TurnState:
    """Where the turn is that was said something of."""
    (turn,) = told.turns.values()
    return turn.state
