"""What watchers and workers rely on in every store of offers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from stormcone.handlers import Stage
from stormcone.journal import JournalStore
from stormcone.journal.offers import Offer, OfferStore, Orders, Standing, WorkerSide
from stormcone.model import Machine
from stormcone.rules.runs import Attempt, RunState, Settled, Verdict
from stormcone.testing.conformance.journals import LATER, MACHINE, NOW, an_event, announce, the_run

DONE = Attempt(Verdict.SUCCEEDED, "fine")


@dataclass(frozen=True)
class OffersUnderTest:
    """A journal whose offers are held to the suite.

    Attributes:
        open: opens it for writing, with workers.
        side: makes the side of a worker, another one each time.
        silence: lets the time run out in which a worker would have had to say that it lives.
    """

    open: Callable[[], JournalStore]
    side: Callable[[], WorkerSide]
    silence: Callable[[WorkerSide], None]


class OffersSuite:
    """Every store of offers: each attempt is had by one worker, who is fenced once it is another's.

    The module adds the fixture `subject`, an `OffersUnderTest`.
    """

    @pytest.fixture
    def journal(self, subject: OffersUnderTest) -> Iterator[JournalStore]:
        """The journal, open for writing."""
        journal = subject.open()
        yield journal
        journal.close()

    @pytest.fixture
    def worker(self, subject: OffersUnderTest, journal: JournalStore) -> Iterator[Callable[[], WorkerSide]]:  # noqa: ARG002 - first the journal
        """Makes workers that live and have the handler `lb`."""
        with ExitStack() as stack:

            def make() -> WorkerSide:
                side = subject.side()
                stack.callback(side.close)
                side.live(["lb"])
                return side

            yield make

    def test_an_offer_arrives_as_it_was_made(self, journal: JournalStore, worker: Callable[[], WorkerSide]) -> None:
        """With its event, its machine, its deadline and the other events; it is had by one."""
        made = offered(journal)
        first, second = worker(), worker()
        first.reach()
        assert first.take(["lb"], 5) == [made]
        assert second.take(["lb"], 5) == []
        (standing,) = offers_of(journal).all()
        assert (standing.run, standing.attempt, standing.worker, standing.silent) == (made.run, 1, first.name, False)

    def test_is_taken_by_who_has_the_handler_and_as_many_as_there_is_room(
        self, journal: JournalStore, worker: Callable[[], WorkerSide]
    ) -> None:
        """The oldest first."""
        made = [offered(journal, id=f"E-{number}") for number in range(3)]
        side = worker()
        assert side.take(["cache"], 5) == []
        assert side.take(["cache", "lb"], 2) == made[:2]

    def test_tells_whether_anybody_has_the_handler(
        self, journal: JournalStore, subject: OffersUnderTest, worker: Callable[[], WorkerSide]
    ) -> None:
        """Who is silent does not count."""
        offered(journal)
        assert (one(journal).fits, offers_of(journal).living()) == (False, 0)
        side = worker()
        assert (one(journal).fits, offers_of(journal).living()) == (True, 1)
        subject.silence(side)
        assert (one(journal).fits, offers_of(journal).living()) == (False, 0)

    def test_an_end_is_known_until_the_journal_has_it(
        self, journal: JournalStore, subject: OffersUnderTest, worker: Callable[[], WorkerSide]
    ) -> None:
        """And may be said twice, where the answer to the first time was lost."""
        made, side = offered(journal), worker()
        side.take(["lb"], 1)
        later = Attempt(Verdict.RETRY, "not yet\0", timedelta(seconds=2.5))
        assert side.end(made.run, 1, later)
        assert side.end(made.run, 1, later)
        assert side.live(["lb"]) == {}
        subject.silence(side)
        assert not one(journal).silent
        assert one(journal).ended == Attempt(Verdict.RETRY, "not yet\N{REPLACEMENT CHARACTER}", timedelta(seconds=2.5))
        with journal.transaction():
            assert offers_of(journal).close(made.run, 1, ended=True)
        assert offers_of(journal).all() == []

    @pytest.mark.parametrize("taken_in", [True, False])
    def test_an_end_that_is_said_again_counts_only_where_the_journal_has_it(
        self,
        journal: JournalStore,
        worker: Callable[[], WorkerSide],
        taken_in: bool,
    ) -> None:
        """The answer to the first time was lost; meanwhile the watcher has taken it in, or given the attempt up."""
        made, side, other = offered(journal), worker(), worker()
        side.take(["lb"], 1)
        if taken_in:
            assert side.end(made.run, 1, DONE)
        by = f"worker {side.name}"
        recorded = (
            Attempt(DONE.verdict, f"{DONE.note} ({by})") if taken_in else Attempt(Verdict.CUT_OFF, f"{by} is silent")
        )
        with journal.transaction():
            assert offers_of(journal).close(made.run, 1, ended=taken_in)
            run = journal.begin_run(the_run(journal, journal.episode(made.episode)), NOW)
            journal.end_attempt(run, recorded, Settled(RunState.SUCCEEDED, None, ""), LATER)
        assert side.end(made.run, 1, DONE) is taken_in
        assert not other.end(made.run, 1, Attempt(Verdict.ERROR, "it is not this one's"))

    def test_who_is_silent_has_lost_what_it_had(
        self, journal: JournalStore, subject: OffersUnderTest, worker: Callable[[], WorkerSide]
    ) -> None:
        """By the store's clock; once it is another's, its end is refused, and it learns that from its next word."""
        made, first, second = offered(journal), worker(), worker()
        first.take(["lb"], 1)
        subject.silence(first)
        assert one(journal).silent
        again(journal, made)
        assert first.take(["lb"], 1) == []
        assert [offer.attempt for offer in second.take(["lb"], 1)] == [2]
        assert not first.end(made.run, 1, DONE)
        assert not first.end(made.run, 2, DONE)
        assert first.live(["lb"]) == {}
        assert one(journal).ended is None
        assert second.end(made.run, 2, DONE)

    def test_who_speaks_again_in_time_keeps_it(
        self, journal: JournalStore, subject: OffersUnderTest, worker: Callable[[], WorkerSide]
    ) -> None:
        """Nothing is lost before the watcher has given it to another."""
        made, side = offered(journal), worker()
        side.take(["lb"], 1)
        subject.silence(side)
        assert list(side.live(["lb"])) == [(made.run, 1)]
        assert not one(journal).silent
        assert side.end(made.run, 1, DONE)

    def test_who_leaves_gives_back_at_once(self, journal: JournalStore, worker: Callable[[], WorkerSide]) -> None:
        """It counts as silent."""
        offered(journal)
        side = worker()
        side.take(["lb"], 1)
        side.leave()
        assert one(journal).silent

    def test_an_attempt_that_has_just_ended_is_not_given_up(
        self, journal: JournalStore, worker: Callable[[], WorkerSide]
    ) -> None:
        """Nor is one recorded as ended that goes on."""
        made, side = offered(journal), worker()
        side.take(["lb"], 1)
        with journal.transaction():
            assert not offers_of(journal).close(made.run, 1, ended=True)
        side.end(made.run, 1, DONE)
        with journal.transaction():
            assert not offers_of(journal).close(made.run, 1, ended=False)
        assert one(journal).ended == DONE

    def test_what_is_withdrawn_is_nobodys_and_what_is_taken_is_told(
        self, journal: JournalStore, worker: Callable[[], WorkerSide]
    ) -> None:
        """Of one event; the offers of others stay."""
        made, other, side = offered(journal), offered(journal, id="E-2"), worker()
        with journal.transaction():
            assert offers_of(journal).withdraw(made.episode) == []
        assert side.take(["lb"], 5) == [other]
        with journal.transaction():
            (taken,) = offers_of(journal).withdraw(other.episode)
        assert (taken.run, taken.worker) == (other.run, side.name)

    def test_orders_reach_the_worker(self, journal: JournalStore, worker: Callable[[], WorkerSide]) -> None:
        """With its next word."""
        made, side = offered(journal), worker()
        side.take(["lb"], 1)
        orders = Orders(deadline=LATER, canceled=True, stopped=True)
        with journal.transaction():
            offers_of(journal).order(made.run, 1, orders)
        assert side.live(["lb"]) == {(made.run, 1): orders}
        assert [standing.orders for standing in offers_of(journal).all()] == [orders]

    def test_what_is_undone_was_never_offered(self, journal: JournalStore, worker: Callable[[], WorkerSide]) -> None:
        """Offers are written in the journal's transactions."""
        side = worker()

        def fail() -> None:
            with journal.transaction():
                offered(journal)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert side.take(["lb"], 1) == []

    def test_what_a_worker_has_goes_on_in_the_next_life(
        self, journal: JournalStore, subject: OffersUnderTest, worker: Callable[[], WorkerSide]
    ) -> None:
        """The next watcher finds it running, and what it came to."""
        journal.begin_life(NOW, MACHINE)
        made, side = offered(journal), worker()
        side.take(["lb"], 1)
        journal.begin_run(the_run(journal, journal.episode(made.episode)), NOW)
        journal.close()
        following = subject.open()
        assert following.begin_life(LATER, MACHINE)[1] == 0
        assert following.runs(made.episode)[0].state == "running"
        assert side.end(made.run, 1, DONE)
        following.close()


def offers_of(journal: JournalStore) -> OfferStore:
    """Its offers."""
    assert journal.offers is not None
    return journal.offers


def one(journal: JournalStore) -> Standing:
    """How its only offer stands."""
    (standing,) = offers_of(journal).all()
    return standing


def offered(journal: JournalStore, **changes: Any) -> Offer:
    """Write down an announcement, and offer its run."""
    with journal.transaction():
        episode = announce(journal, **changes)
        offer = Offer(
            run=the_run(journal, episode).id,
            attempt=1,
            episode=episode.id,
            handler="lb",
            stage=Stage.PREPARE,
            event=an_event(**changes),
            machine=Machine(provider="test", id="vm-0", name="web-0", aliases=("a", "b")),
            orders=Orders(deadline=LATER),
            others=(an_event(id="E-2"),),
        )
        offers_of(journal).add(offer)
    return offer


def again(journal: JournalStore, made: Offer) -> None:
    """What a watcher does of one who is silent: give its attempt up, and offer the next."""
    with journal.transaction():
        assert offers_of(journal).close(made.run, made.attempt, ended=False)
        following = {**vars(made), "attempt": made.attempt + 1}
        offers_of(journal).add(Offer(**following))
