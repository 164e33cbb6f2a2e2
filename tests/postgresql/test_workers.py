"""A watcher that offers its work, and workers that do it."""

import json
import threading
from datetime import timedelta

import pytest
from tests.postgresql.turns import PATIENCE, REGION, Brief, Drain, Other, until

from stormcone import App
from stormcone.agent.stages import CrewView
from stormcone.agent.worker import Worker
from stormcone.clock import ManualClock
from stormcone.errors import JournalError, Retry
from stormcone.handlers import Stage
from stormcone.health.face import STATUS, Health
from stormcone.journal.offers import Offer, Orders
from stormcone.model import Approval
from stormcone.testing.conformance.journals import NOW, an_event

crew = pytest.importorskip("stormcone.journal.postgresql.crew")
PREPARE = (Stage.PREPARE, "web-0")
RECOVER = (Stage.RECOVER, "web-0")


class TestARun:
    def test_is_done_by_a_worker_and_approved_by_the_watcher(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        assert fleet.runs() == {PREPARE: ("pending", 0)}
        worker.turn()
        worker.turn()
        assert fleet.did == [("one", "prepare", "web-0", 1)]
        assert fleet.cloud.approved == []
        assert [stage.worker for stage in watcher.view.running] == []
        watcher.step()
        assert fleet.runs() == {PREPARE: ("succeeded", 1)}
        assert fleet.notes() == [(1, "succeeded", "worker one")]
        assert fleet.cloud.approved == ["E-1"]
        assert "drain.prepare of web-0 begins at worker one" in fleet.said
        worker.turn()
        watcher.step()
        assert (len(fleet.did), fleet.cloud.approved) == (1, ["E-1"])

    def test_of_several_machines_goes_to_several_workers_once_each(self, fleet):
        machines = [f"web-{number}" for number in range(9)]
        fleet.cloud.announce("E-1", *machines)
        watcher = fleet.watch()
        workers = [fleet.worker(name, at_once=3) for name in ("one", "two", "three")]
        for worker in workers:
            worker.turn()
        assert sorted(did[2] for did in fleet.did) == machines
        assert [len([did for did in fleet.did if did[0] == name]) for name in ("one", "two", "three")] == [3, 3, 3]
        for worker in workers:
            worker.turn()
        watcher.step()
        assert {state for state, _ in fleet.runs().values()} == {"succeeded"}
        assert fleet.cloud.approved == ["E-1"]

    @pytest.mark.parametrize("number", [1, 2, 4])
    def test_of_two_hundred_machines_is_done_once_for_each_by_workers_side_by_side(self, fleet, number):
        machines = [f"web-{each}" for each in range(200)]
        fleet.cloud.announce("E-1", *machines)
        watcher = fleet.watch()
        workers = [fleet.worker(f"w{each}", at_once=7) for each in range(number)]
        together = threading.Barrier(number)

        def work(worker):
            worker.turn()  # each has a share, however quick the others are
            together.wait(PATIENCE)
            for _ in range(200):
                worker.turn()
                if not worker._taken:
                    return

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(did[1:] for did in fleet.did) == sorted(("prepare", machine, 1) for machine in machines)
        assert {did[0] for did in fleet.did} == {f"w{each}" for each in range(number)}
        watcher.step()
        assert set(fleet.runs().values()) == {("succeeded", 1)}
        assert fleet.cloud.approved == ["E-1"]

    def test_is_told_of_the_other_events_of_its_machine_alone(self, fleet):
        fleet.cloud.announce("E-1", "web-0", "web-1", approval=Approval.NONE)
        fleet.cloud.announce("E-2", "WEB-0", approval=Approval.NONE)
        watcher, worker = fleet.watch(), fleet.worker()
        for _ in range(2):
            worker.turn()
        watcher.step()
        del fleet.cloud.events["E-1"]
        watcher.step()
        worker.turn()
        assert sorted(worker.drain.others) == [("web-0", ["E-2"]), ("web-1", [])]

    def test_is_told_nothing_that_its_offer_has_said_already(self, fleet, monkeypatch):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        told = []
        monkeypatch.setattr(watcher.journal.offers, "order", lambda *orders: told.append(orders))
        worker.turn()
        watcher.step()
        watcher.step()
        assert [run.deadline for run in watcher.view.running] != [None]
        assert told == []

    def test_is_tried_again_by_the_usual_rules(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        worker.drain.raises = Retry(after=timedelta(seconds=20))
        worker.turn()
        worker.turn()
        watcher.step()
        worker.turn()
        assert fleet.runs() == {PREPARE: ("pending", 1)}
        worker.drain.raises = None
        fleet.clock.advance(timedelta(seconds=21))
        watcher.step()
        worker.turn()
        assert [did[3] for did in fleet.did] == [1, 2]

    def test_waits_where_no_worker_has_its_handler_and_the_watcher_says_so(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker(handlers=[Other()])
        worker.turn()
        watcher.step()
        assert not any("no worker" in text for text in fleet.said)
        fleet.sql("UPDATE offers SET offered = offered - interval '10 s'")
        watcher.step()
        assert "no worker has the handler drain; its runs wait" in fleet.said
        fleet.worker("two").turn()
        assert fleet.did == [("two", "prepare", "web-0", 1)]

    def test_of_a_stage_that_the_workers_file_lacks_is_no_success(self, fleet):
        other = Other()
        other.name = "drain"
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker(handlers=[other])
        worker.turn()
        worker.turn()
        watcher.step()
        assert fleet.runs() == {PREPARE: ("failed", 1)}
        assert "give all the same handler file" in fleet.notes()[0][2]

    def test_keeps_what_opens_the_journal_from_commands(self, fleet):
        fleet.cloud.announce()
        fleet.watch()
        worker, secrets = fleet.worker(), []
        worker.drain.gate = lambda context: secrets.extend(context._control.secrets)
        worker.turn()
        assert {"PGPASSWORD", "STORMCONE_JOURNAL"} <= set(secrets)

    def test_of_a_handler_that_the_watcher_has_no_more_is_recorded_all_the_same(self, fleet):
        fleet.cloud.announce()
        watcher = fleet.watch(handlers=[Brief()])
        worker = fleet.worker(handlers=[Brief()])
        worker.turn()
        watcher.take_app(App([Other()], approve_consent=True))
        watcher.step()
        worker.turn()
        watcher.step()
        assert fleet.notes() == [(1, "succeeded", "worker one")]


class TestAnotherVersion:
    def test_whose_offer_a_worker_cannot_read_gives_the_run_up_and_ends_no_worker(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        fleet.sql("UPDATE offers SET stage = 'rehearse'")
        worker.turn()
        watcher.step()
        assert fleet.did == []
        assert [note[1] for note in fleet.notes()] == ["gave_up"]
        assert "its worker cannot read what is offered: the watcher is newer" in fleet.notes()[0][2]
        fleet.cloud.announce("E-2")
        watcher.step()
        worker.turn()
        assert fleet.did == [("one", "prepare", "web-0", 1)]

    def test_whose_word_for_an_end_the_watcher_does_not_know_is_an_error_of_that_run_alone(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        worker.turn()
        worker.turn()
        fleet.sql("UPDATE offers SET verdict = 'excelled'")
        fleet.cloud.announce("E-2")
        watcher.step()
        assert fleet.notes()[0][1] == "error"
        assert "its worker says 'excelled', which this watcher does not know" in fleet.notes()[0][2]
        worker.turn()
        assert fleet.did[-1] == ("one", "prepare", "web-0", 1), "the other event's run is offered and done"

    def test_or_any_fault_that_nobody_has_foreseen_does_not_end_a_worker(self, fleet, monkeypatch):
        fleet.cloud.announce()
        _, worker = fleet.watch(), fleet.worker()
        with monkeypatch.context() as patch:
            patch.setattr(worker.side, "live", lambda handlers: int("of another version"))
            worker.turn()
        assert any("the worker has hit a fault of its own, and goes on" in text for text in worker.said)
        worker.turn()
        assert fleet.did == [("one", "prepare", "web-0", 1)]


class TestAnEventThatGoesOn:
    def test_before_anybody_took_its_run_leaves_nothing_to_recover(self, fleet):
        """Recover runs if, and only if, something has begun: an offer is no beginning."""
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        fleet.cloud.events.clear()
        watcher.step()
        worker.turn()
        assert fleet.did == []
        assert fleet.runs() == {PREPARE: ("dropped", 0)}

    def test_after_a_worker_took_it_unseen_is_recovered_from(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        worker.turn()
        fleet.cloud.events.clear()
        fleet.agent._stages.heard = list  # the watcher has not looked yet
        watcher.step()
        assert fleet.runs() == {PREPARE: ("running", 1), RECOVER: ("pending", 0)}
        del fleet.agent._stages.heard
        for _ in range(3):
            worker.turn()
            watcher.step()
        assert fleet.did == [("one", "prepare", "web-0", 1), ("one", "recover", "web-0", 1)]
        assert fleet.runs() == {PREPARE: ("succeeded", 1), RECOVER: ("succeeded", 1)}

    def test_is_told_to_the_worker_that_prepares_for_it(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker(threads=True)
        seen, over = [], threading.Event()

        def gate(context):
            context._control._wake.wait(PATIENCE)
            seen.append((context.canceled, context.deadline))
            over.set()

        worker.drain.gate = gate
        worker.turn()
        assert worker.drain.within.wait(PATIENCE)
        watcher.step()
        fleet.cloud.events.clear()
        watcher.step()
        worker.turn()
        assert over.wait(PATIENCE)
        assert seen == [(True, NOW + timedelta(minutes=5))]

    def test_past_the_deadline_ends_the_run_at_the_worker(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker(threads=True)
        over = threading.Event()
        worker.drain.gate = lambda _context: over.wait(PATIENCE)
        worker.turn()
        watcher.step()
        fleet.clock.advance(timedelta(minutes=5, seconds=1))
        watcher.step()
        worker.turn()
        ((taken),) = worker._taken.values()
        assert (taken.control.stopped, taken.lost) == (True, False)
        fleet.clock.advance(timedelta(seconds=11))
        watcher.step()
        assert fleet.runs() == {PREPARE: ("failed", 1)}
        worker.turn()
        assert taken.lost
        over.set()
        until(worker, lambda: not worker._taken)
        assert fleet.notes() == [(1, "overran", "it did not end when its time was up (worker one)")]


class TestAWorkerThatIsSilent:
    def test_loses_its_run_to_another_and_its_end_counts_for_nothing(self, fleet):
        fleet.cloud.announce()
        watcher, first, second = fleet.watch(), fleet.worker("one", threads=True), fleet.worker("two")
        over = threading.Event()
        first.drain.gate = lambda _context: over.wait(PATIENCE)
        first.turn()
        assert first.drain.within.wait(PATIENCE)
        watcher.step()
        fleet.silence(first)
        watcher.step()
        second.turn()
        second.turn()
        over.set()
        assert fleet.did == [("one", "prepare", "web-0", 1), ("two", "prepare", "web-0", 2)]
        until(first, lambda: not first._taken)
        watcher.step()
        assert fleet.notes() == [(1, "cut_off", "worker one is silent"), (2, "succeeded", "worker two")]
        assert fleet.cloud.approved == ["E-1"]
        assert any("is another's now" in text and "stays done" in text for text in first.said)

    def test_has_it_still_where_it_speaks_before_the_watcher_looks(self, fleet):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        worker.turn()
        fleet.silence(worker)
        worker.turn()
        watcher.step()
        assert fleet.notes() == [(1, "succeeded", "worker one")]

    def test_ends_what_it_does_once_nobody_can_have_heard_of_it(self):
        """Cut off from the database: another begins its run at that time."""
        clock, told = ManualClock(NOW), []
        offer = Offer(
            run=1, attempt=1, episode=1, handler="drain", stage=Stage.PREPARE, event=an_event(), machine=REGION,
            orders=Orders(),
        )  # fmt: skip

        class CutOff:
            name, id, secrets, offers = "one", "x", (), [offer]

            def live(self, handlers):
                if not self.offers:
                    raise JournalError("the database is away")
                return {}

            def take(self, handlers, most):
                return [self.offers.pop()]

        class Never:
            def submit(self, work, name):
                pass

        drain = Drain("one", [])
        worker = Worker(
            App([drain]), CutOff(), silence=30.0, clock=clock, executor=Never(),
            listener=lambda notice: told.append(notice.text),
        )  # fmt: skip
        worker.turn()
        (taken,) = worker._taken.values()
        clock.advance(timedelta(seconds=29))
        worker.turn()
        assert not taken.control.stopped
        clock.advance(timedelta(seconds=1))
        worker.turn()
        assert (taken.control.stopped, taken.lost) == (True, True)
        assert any("nobody has heard of this worker for 30 s" in text for text in told)

    def test_gives_back_what_it_was_given_and_never_heard_of(self, fleet):
        """The answer to its taking was lost: nobody else could take that while it lives."""
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        worker.turn()
        worker._taken.clear()
        worker._over.clear()
        worker.turn()
        watcher.step()
        worker.turn()
        assert [did[3] for did in fleet.did] == [1, 2]
        assert fleet.notes()[0][1] == "cut_off"


class TestWhoLooks:
    """What status and metrics say of the workers."""

    def test_sees_who_lives_what_is_at_whom_and_what_waits(self, fleet):
        fleet.cloud.announce("E-1", "web-0", "web-1")
        watcher, worker, other = (
            fleet.watch(),
            fleet.worker(threads=True, at_once=1),
            fleet.worker("two", handlers=[Other()]),
        )
        over = threading.Event()
        worker.drain.gate = lambda _context: over.wait(PATIENCE)
        other.turn()
        assert [each.fits for each in crew.crew_of(fleet.address).waiting] == [False, False]
        worker.turn()
        watcher.step()
        found = crew.crew_of(fleet.address)
        one, two = found.workers
        assert [(each.name, each.silent, each.handlers) for each in (one, two)] == [
            ("one", False, ("drain",)), ("two", False, ("Other",)),
        ]  # fmt: skip
        (at_it,), (waits,) = one.runs, found.waiting
        assert (at_it.event, at_it.handler, at_it.stage, at_it.attempt) == ("E-1", "drain", "prepare", 1)
        assert {at_it.machine, waits.machine} == {"web-0", "web-1"}
        assert (two.runs, waits.fits) == ((), True)
        assert watcher.view.crew == CrewView(living=2, waiting=1, running=1, taken_over=0)
        fleet.silence(worker)
        watcher.step()
        assert [each.silent for each in crew.crew_of(fleet.address).workers] == [True, False]
        over.set()
        watcher.step()
        assert watcher.view.crew == CrewView(living=1, waiting=2, running=0, taken_over=1)
        status = Health(fleet.clock)
        status.watch(watcher)
        assert json.loads(status.answer(STATUS, private=True).body)["workers"]["waiting"] == 2

    def test_sees_of_an_agent_without_workers_that_there_are_none(self, fleet):
        assert fleet.watch(workers=False).view.crew is None


class TestAnEndWhoseAnswerWasLost:
    """What a worker says of it is what the journal has, whichever way that went."""

    @pytest.fixture
    def lost(self, fleet, monkeypatch):
        """Loses the answer to the first word of an end; that word itself may arrive."""

        def lose(worker, *, arrives):
            usual, words = worker.side.end, []

            def end(*said):
                words.append(said)
                if len(words) > 1:
                    return usual(*said)
                if arrives:
                    usual(*said)
                raise JournalError("the answer is lost")

            monkeypatch.setattr(worker.side, "end", end)
            worker.turn()
            worker.turn()
            assert len(words) == 1

        return lose

    @pytest.mark.parametrize("seen", [True, False])
    def test_and_that_arrived_is_a_success(self, fleet, lost, seen):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        lost(worker, arrives=True)
        if seen:
            watcher.step()
        worker.turn()
        watcher.step()
        assert fleet.notes() == [(1, "succeeded", "worker one")]
        assert worker.said[-1] == "drain.prepare of web-0 (attempt 1) succeeded"
        assert not any("another's" in text for text in worker.said)

    def test_and_that_did_not_arrive_before_the_run_was_anothers_is_none(self, fleet, lost):
        fleet.cloud.announce()
        watcher, worker = fleet.watch(), fleet.worker()
        lost(worker, arrives=False)
        watcher.step()
        fleet.silence(worker)
        watcher.step()
        worker.turn()
        assert worker.said[-2] == (
            "drain.prepare of web-0 (attempt 1) is another's now; what came of it here counts for nothing (succeeded)"
        )
        watcher.step()
        assert fleet.notes()[0][1] == "cut_off"


class TestAWorkerThatStops:
    def test_gives_back_what_does_not_end_in_time(self, fleet):
        fleet.cloud.announce()
        watcher, first, second = fleet.watch(), fleet.worker("one", threads=True), fleet.worker("two")
        over = threading.Event()
        first.drain.gate = lambda _context: over.wait(PATIENCE)
        first.turn()
        assert first.drain.within.wait(PATIENCE)
        watcher.step()
        first.stop()
        first.run()
        watcher.step()
        second.turn()
        over.set()
        assert fleet.did == [("one", "prepare", "web-0", 1), ("two", "prepare", "web-0", 2)]


class TestTheNextWatcher:
    def test_takes_what_a_worker_did_meanwhile(self, fleet):
        fleet.cloud.announce()
        fleet.watch()
        worker = fleet.worker()
        worker.turn()
        fleet.agent.step()
        assert fleet.runs() == {PREPARE: ("running", 1)}
        assert [stage.worker for stage in fleet.agent.view.running] == ["one"]
        worker.turn()
        fleet.clock.advance(timedelta(seconds=1))
        watcher = fleet.watch()
        watcher.step()
        assert "drain.prepare of web-0 goes on at worker one" in fleet.said
        assert fleet.notes() == [(1, "succeeded", "worker one")]
        assert (fleet.did, fleet.cloud.approved) == ([("one", "prepare", "web-0", 1)], ["E-1"])

    def test_takes_what_was_taken_and_done_with_nobody_to_see_it(self, fleet):
        fleet.cloud.announce()
        fleet.watch()
        worker = fleet.worker()
        worker.turn()
        worker.turn()
        fleet.watch().step()
        assert fleet.notes() == [(1, "succeeded", "worker one")]
        assert fleet.cloud.approved == ["E-1"]

    def test_without_workers_does_it_anew_and_the_worker_is_fenced(self, fleet):
        fleet.cloud.announce()
        fleet.watch()
        worker = fleet.worker()
        worker.turn()
        watcher = fleet.watch(workers=False)
        watcher.step()
        worker.turn()
        assert fleet.did == [("one", "prepare", "web-0", 1), ("watcher", "prepare", "web-0", 2)]
        assert any("is another's now" in text for text in worker.said)
        assert fleet.cloud.approved == ["E-1"]
