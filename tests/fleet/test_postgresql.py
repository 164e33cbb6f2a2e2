"""A fleet in a real PostgreSQL: who waits for whom, and a server that does not do what it should."""

import random
import threading
from datetime import timedelta

import pytest
from tests.fleet.conftest import waits_for_a_lock

from stormcone.errors import FleetError
from stormcone.fleet.contract import Saying, TurnSaid
from stormcone.rules.agreement import EventKey
from stormcone.testing.conformance.fleets import a_member, an_event

psycopg = pytest.importorskip("psycopg")

from stormcone.fleet.postgresql import KEPT_MEMBER, PostgresqlFleet  # noqa: E402 - it needs the driver
from stormcone.postgresql.address import DatabaseAddress  # noqa: E402


def waiting(name, limit="1"):
    """A member that asks for its turn in its group."""
    said = an_event(name, vote=None, turn=TurnSaid(away=False))
    return Saying(member=a_member(name, groups={"db": limit}), events=(said,))


class TestOneAfterTheOther:
    @pytest.mark.parametrize("events", [[an_event("a", "b")], []], ids=["a vote", "a vote withdrawn"])
    def test_a_vote_waits_while_somebody_decides_on_its_event(self, fleet, other, events):
        said = Saying(member=a_member("a"), events=(an_event("a", "b"),))
        fleet.exchange(said)
        other.execute("SELECT 1 FROM approvals FOR UPDATE")
        assert waits_for_a_lock(other, lambda: fleet.exchange(Saying(member=said.member, events=tuple(events))))

    def test_a_turn_waits_while_somebody_decides_on_its_group(self, fleet, other):
        fleet.exchange(waiting("a", "2"))
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        assert waits_for_a_lock(other, lambda: fleet.exchange(waiting("b", "2")))

    def test_one_who_has_its_turn_waits_for_nobody(self, fleet, other):
        fleet.exchange(waiting("a"))
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        assert not waits_for_a_lock(other, lambda: fleet.exchange(waiting("a")))

    def test_nobody_waits_on_events_of_which_it_speaks_no_more(self, fleet, other):
        quiet = Saying(member=a_member("a"))
        fleet.exchange(Saying(member=a_member("a"), events=(an_event("a", "b"),)))
        fleet.exchange(quiet)
        other.execute("SELECT 1 FROM approvals FOR UPDATE")
        assert not waits_for_a_lock(other, lambda: fleet.exchange(quiet))

    def test_a_sign_of_life_waits_for_nobody(self, fleet, other):
        fleet.exchange(Saying(member=a_member("a", groups={"db": "1"}), events=(an_event("a", "b"),)))
        quiet = Saying(member=a_member("b", groups={"db": "1"}))
        other.execute("SELECT 1 FROM approvals FOR UPDATE")
        other.execute("SELECT 1 FROM groups FOR UPDATE")
        assert not waits_for_a_lock(other, lambda: fleet.exchange(quiet))


class TestManyAtOnce:
    NAMES = ("a", "b", "c", "d")
    LIMIT = 2

    def test_hold_one_claim_and_as_many_turns_as_allowed(self, url):
        holders, away, errors = {}, [], []
        self.together = threading.Barrier(len(self.NAMES))
        threads = [
            threading.Thread(target=self.live, args=(url, *each, holders, away, errors))
            for each in enumerate(self.NAMES)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(holders) > 1
        assert {len(who) for who in holders.values()} == {1}
        assert max(away) <= self.LIMIT

    def live(self, url, seed, name, holders, away, errors):
        """Say this and that, as agents do at the same moment; each claim ends at once, so that the next one follows."""
        luck = random.Random(seed)  # noqa: S311 - the same in each run
        fleet = PostgresqlFleet(DatabaseAddress.parse(url), "shop", claim=timedelta(0))
        keys = [EventKey("test", f"event-{number}") for number in range(3)]
        own = EventKey("test", f"of-{name}")
        try:
            for _ in range(20):
                self.together.wait(60)
                events = [an_event(*self.NAMES, key=key) for key in luck.sample(keys, luck.choice([2, 3, 3]))]
                turn = luck.choice([None, TurnSaid(away=False)])
                events.append(an_event(name, vote=None, key=own, turn=turn))
                member = a_member(name, groups={"db": str(self.LIMIT), name: "1"})
                told = fleet.exchange(Saying(member=member, events=tuple(events)))
                for key, ballot in told.ballots.items():
                    if ballot.claim:
                        holders.setdefault((key, ballot.claim.epoch), set()).add(ballot.claim.holder)
                away.extend(len(group.away(told.at)) for group in told.groups.values())
        except FleetError as error:
            errors.append(str(error))
            self.together.abort()
        finally:
            fleet.close()


class TestAServer:
    def test_that_takes_no_writes_can_be_looked_at(self, fleet, url, other):
        fleet.exchange(Saying(member=a_member("a")))
        fleet.close()
        other.execute(f"ALTER DATABASE {other.info.dbname} SET default_transaction_read_only = on")
        other.commit()
        with pytest.raises(FleetError, match="read-only"):
            fleet.exchange(Saying(member=a_member("a")))
        looks = PostgresqlFleet(DatabaseAddress.parse(url), "shop", reads=True)
        assert [member.name for member in looks.overview().members] == ["a"]
        looks.close()

    def test_that_has_no_fleet_yet_says_so(self, url):
        fleet = PostgresqlFleet(DatabaseAddress.parse(url), "shop", reads=True)
        with pytest.raises(FleetError, match="is not there yet; the first agent that joins it makes it"):
            fleet.overview()
        fleet.close()

    def test_that_does_not_answer_is_one_sentence_without_the_password(self):
        fleet = PostgresqlFleet(DatabaseAddress.parse("postgresql://me:hidden@127.0.0.1:9/x"), "shop")
        with pytest.raises(FleetError) as caught:
            fleet.exchange(Saying(member=a_member("a")))
        assert str(caught.value).startswith("the fleet shop in postgresql://me@127.0.0.1:9/x cannot be used: ")
        assert "hidden" not in str(caught.value)
        fleet.close()

    def test_that_was_emptied_is_filled_again(self, fleet, url, other):
        said = Saying(member=a_member("a"), events=(an_event("a", "b"),))
        before = fleet.exchange(said)
        other.execute("TRUNCATE members, said, approvals, groups")
        other.commit()
        after = fleet.exchange(said)
        assert after.ballots.keys() == before.ballots.keys()
        assert [member.name for member in fleet.overview().members] == ["a"]


def test_nobody_is_told_of_each_member_of_its_group_that_is_heard_and_stays(fleet):
    for name in "abcdef":
        fleet.exchange(Saying(member=a_member(name, groups={"db": "50%", "web": "1"})))
    fleet.exchange(waiting("a", "50%"))
    told = fleet.exchange(waiting("b", "50%"))
    group = told.groups["db"]
    assert [member.name for member in group.members] == ["a", "b"]
    assert (group.size(told.at), group.most(told.at), set(group.away(told.at))) == (6, 3, {"test/a", "test/b"})


class TestWhatNobodyAsksFor:
    def test_is_removed_by_the_next_agent_that_begins(self, fleet, url, other):
        fleet.exchange(Saying(member=a_member("a"), events=(an_event("a", "b"),)))
        fleet.exchange(Saying(member=a_member("a")))
        fleet.exchange(Saying(member=a_member("old")))
        long = KEPT_MEMBER + timedelta(days=1)
        other.execute("UPDATE members SET seen = seen - %s WHERE name = 'old'", [long])
        other.execute("UPDATE said SET changed = changed - %s", [long])
        other.execute("UPDATE tidied SET at = at - %s", [timedelta(days=2)])
        other.commit()
        again = PostgresqlFleet(DatabaseAddress.parse(url), "shop")
        again.exchange(Saying(member=a_member("b")))
        again.close()
        assert [member.name for member in fleet.overview().members] == ["a", "b"]
        for table in ("said", "approvals"):
            assert other.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table

    def test_is_looked_for_by_one_of_all_agents_in_a_day_and_no_other_waits_for_it(self, fleet, url, other):
        fleet.exchange(Saying(member=a_member("a"), events=(an_event("a", "b"),)))
        fleet.exchange(Saying(member=a_member("a")))
        long = [KEPT_MEMBER + timedelta(days=1)]
        other.execute("UPDATE said SET changed = changed - %s", long)
        other.commit()
        again = PostgresqlFleet(DatabaseAddress.parse(url), "shop")
        again.exchange(Saying(member=a_member("b")))
        assert other.execute("SELECT count(*) FROM said").fetchone() == (1,), "it is not a day since the last look"
        other.execute("UPDATE tidied SET at = at - %s", long)
        other.commit()
        other.execute("SELECT 1 FROM tidied FOR UPDATE")
        third = PostgresqlFleet(DatabaseAddress.parse(url), "shop")
        assert not waits_for_a_lock(other, lambda: third.exchange(Saying(member=a_member("c"))))
        again.close()
        third.close()

    def test_two_fleets_in_one_database_do_not_see_each_other(self, fleet, url):
        fleet.exchange(Saying(member=a_member("b"), events=(an_event("a", "b"),)))
        another = PostgresqlFleet(DatabaseAddress.parse(url), "office")
        told = another.exchange(Saying(member=a_member("a"), events=(an_event("a", "b"),)))
        ((_, ballot),) = told.ballots.items()
        assert ballot.claim is None
        assert [member.name for member in another.overview().members] == ["a"]
        another.close()
