"""A region's journal whose server is lost, and whose standby takes over: with all that it had, or without the last.

What was written last and has not come to the standby is not true any more: nobody goes on as if it were.
"""

import threading
from contextlib import contextmanager
from math import inf

import psycopg
import pytest
from tests.postgresql.turns import PATIENCE, Fleet, store, until
from tests.postgresql.way import Pair, Way, frozen

from stormcone.errors import JournalError, JournalFenced, ProviderError
from stormcone.handlers import Stage
from stormcone.model import Approval
from stormcone.postgresql.server import PostgresqlServer

PREPARE = (Stage.PREPARE, "web-0")
BEGINS_ANEW = "its database is another one now"


@pytest.fixture
def pair(postgresql):
    with PostgresqlServer() as primary, PostgresqlServer(follows=primary) as standby:
        yield Pair(primary, standby)


@pytest.fixture
def fleet(pair):
    fleet = Fleet(pair.url(journal="x"))
    yield fleet
    fleet.close()


class TestWhatWasLost:
    def test_is_no_success_that_an_approval_could_rest_on(self, fleet, pair, monkeypatch):
        """The run had succeeded; the standby knows that it was offered."""
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        pair.part()
        approved = fleet.cloud.approved

        def down(_event):
            raise ProviderError("the cloud is down")

        with monkeypatch.context() as patch:
            patch.setattr(fleet.cloud, "approve", down)
            worker.turn()
            worker.turn()
            watcher.step()
        assert fleet.runs() == {PREPARE: ("succeeded", 1)}
        pair.fail_over()
        fleet.clock.advance(3600)
        with pytest.raises(JournalFenced, match=BEGINS_ANEW):
            watcher.step()
        assert approved == []
        watcher = fleet.watch()
        assert fleet.runs() == {PREPARE: ("pending", 0)}
        worker.turn()  # its connection was the lost server's
        worker.turn()
        assert fleet.did == [("one", "prepare", "web-0", 1)] * 2
        worker.turn()
        watcher.step()
        assert approved == ["E-1"]
        assert fleet.notes() == [(1, "succeeded", "worker one")]

    def test_is_no_run_that_a_worker_goes_on_with(self, fleet, pair):
        """It had taken it; the standby knows nothing of the worker."""
        fleet.cloud.announce()
        fleet.watch()
        worker, other = fleet.worker("one", threads=True, at_once=1), fleet.worker("two")
        over = threading.Event()
        worker.drain.gate = lambda _context: over.wait(PATIENCE)
        pair.part()
        worker.turn()
        ((taken),) = worker._taken.values()
        pair.fail_over()
        worker.turn()
        assert "cannot be used" in worker.said[-1]
        worker.turn()
        assert taken.lost
        assert any("is given up here: it is another's now" in text for text in worker.said)
        watcher = fleet.watch()
        other.turn()
        other.turn()
        watcher.step()
        over.set()
        assert fleet.notes() == [(1, "succeeded", "worker two")]
        assert fleet.cloud.approved == ["E-1"]

    def test_is_no_approval_either_which_is_sent_once_more_and_only_when_all_is_prepared(self, fleet, pair):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        pair.part()
        worker.turn()
        worker.turn()
        watcher.step()
        assert fleet.cloud.approved == ["E-1"]
        pair.fail_over()
        fleet.cloud.announce("E-2", "web-1", approval=Approval.NONE)
        with pytest.raises(JournalFenced, match=BEGINS_ANEW):
            watcher.step()
        watcher = fleet.watch()
        assert fleet.cloud.approved == ["E-1"]
        worker.turn()  # its connection was the lost server's
        worker.turn()
        worker.turn()
        watcher.step()
        assert fleet.cloud.approved == ["E-1"] * 2


@pytest.fixture
def quick(monkeypatch):
    """Whoever asks a server that says nothing gives up soon; to be used only while it is sure to say nothing."""

    @contextmanager
    def within():
        with monkeypatch.context() as patch:
            patch.setattr("stormcone.postgresql.database.ANSWER", 0.1)
            patch.setattr("stormcone.journal.postgresql.session.DOUBT", 0.1)
            yield

    return within


@pytest.fixture
def single(journal_address):
    """A region on the server of all tests."""
    fleet = Fleet(f"{journal_address}&connect_timeout=2")
    yield fleet
    fleet.close()


class TestAServerThatHangs:
    def test_holds_up_a_watcher_and_a_worker_for_a_while_and_nobody_for_good(self, single, postgresql, quick):
        single.cloud.announce()
        watcher, worker = single.watch(), single.worker()
        with frozen(postgresql), quick():
            worker.turn()
            single.cloud.announce("E-2")
            watcher.step()
        for said in (worker.said, single.said):
            assert "cannot be used: connection timeout expired; see that the server runs and can be reached" in said[-1]
        assert single.said[-1].endswith("until it can be written no handler starts and nothing is approved")
        assert worker.said[-1].endswith("what runs goes on, and nothing new is taken")
        for _ in range(3):
            worker.turn()
            watcher.step()
        assert single.cloud.approved == ["E-1", "E-2"]
        assert sorted(note[:2] for note in single.notes()) == [(1, "succeeded"), (1, "succeeded")]

    def test_within_a_statement_is_waited_for_at_the_start_as_one_that_cannot_be_reached(self, single, monkeypatch):
        """As the watcher does that has just been failed over, before the new server has a standby of its own."""
        single.watch()
        single.journal.close()
        usual, said, tries = store.Lease.take, [], []

        def take(lease, connection):
            tries.append(lease)
            if len(tries) < 3:
                raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")
            return usual(lease, connection)

        monkeypatch.setattr(store.Lease, "take", take)
        with pytest.raises(JournalError, match="the server took too long"):
            store.PostgresqlJournal.open(single.address, patience=0.0)
        store.PostgresqlJournal.open(single.address, wait=lambda _, text: said.append(text), patience=inf).close()
        assert len(said) == 1
        assert "canceling statement due to statement timeout; the server took too long" in said[0]

    def test_while_it_commits_is_asked_what_became_of_that_and_else_all_begins_anew(
        self, single, postgresql, quick, monkeypatch
    ):
        single.cloud.announce()
        watcher = single.watch()
        session = single.journal._session
        commit = session._commit

        def frozen_within(*given):
            with frozen(postgresql), quick():
                commit(*given)

        monkeypatch.setattr(session, "_commit", frozen_within)
        single.cloud.announce("E-2")
        with pytest.raises(
            JournalFenced, match="the server was lost while it committed, and cannot say whether it did"
        ):
            watcher.step()
        watcher, worker = single.watch(), single.worker()
        worker.turn()
        worker.turn()
        watcher.step()
        assert single.cloud.approved == ["E-1", "E-2"]


class TestAWorkerThatIsCutOff:
    @pytest.fixture
    def way(self, postgresql):
        way = Way(postgresql.port)
        yield way
        way.close()

    def test_ends_its_run_by_itself_which_another_does(self, single, way, postgresql, quick):
        """What it says when the way is mended counts for nothing."""
        fleet = single
        fleet.cloud.announce()
        watcher, second, over = fleet.watch(), fleet.worker("two"), threading.Event()
        by_the_way = fleet.url.replace(f":{postgresql.port}/", f":{way.port}/")
        first = fleet.worker("one", threads=True, url=by_the_way)
        first.drain.gate = lambda _context: over.wait(PATIENCE)
        first.turn()
        ((taken),) = first._taken.values()
        watcher.step()
        with quick():
            way.cut()
            first.turn()
            assert "the server has said nothing for 0.1 s" in first.said[-1]
            assert "what runs goes on, and nothing new is taken" in first.said[-1]
            assert not taken.control.stopped
            first._clock.advance(60)
            way.close()  # else the next connection is waited for
            first.turn()
        assert (taken.lost, taken.control.stopped) == (True, True)
        fleet.silence(first)
        watcher.step()
        second.turn()
        second.turn()
        watcher.step()
        over.set()
        first.side._database = second.side._database
        until(first, lambda: not first._taken)
        assert "is another's now; what came of it here counts for nothing" in first.said[-1]
        assert fleet.notes() == [(1, "cut_off", "worker one is silent"), (2, "succeeded", "worker two")]
        assert fleet.cloud.approved == ["E-1"]
