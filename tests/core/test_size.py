"""What an answer of a thousand events costs: a few transactions, a bounded number of threads, short sentences."""

import threading

import pytest

from stormcone.agent import stages
from stormcone.agent.notices import MOST_NAMES, NoticeKind, describe
from stormcone.errors import JournalError
from stormcone.journal.boundaries import Boundary, watched
from stormcone.rules.runs import RunState

MANY = 200


@pytest.fixture
def many(world):
    world.handler("lb", ("prepare", "recover"))
    for number in range(MANY):
        world.cloud.announce(id=f"E-{number}")
    return world


def test_many_events_are_prepared_and_approved_in_a_few_transactions(many):
    commits = []
    with watched(lambda boundary: commits.append(boundary) if boundary is Boundary.AFTER_COMMIT else None):
        many.step()
    assert len(many.calls) == MANY
    assert sorted(many.cloud.approvals) == sorted(f"E-{number}" for number in range(MANY))
    assert len(commits) < 20


def test_so_they_are_recovered_from(many):
    many.step()
    many.cloud.listed.clear()
    many.step(seconds=1)
    many.step(seconds=1)
    assert len(many.calls) == 2 * MANY


def test_a_transaction_that_fails_loses_none_of_them(many, monkeypatch):
    end_attempt = many.journal.end_attempt
    calls = []

    def fails_once(*arguments):
        calls.append(arguments)
        if len(calls) == MANY // 2:
            raise JournalError("the disk is full")
        return end_attempt(*arguments)

    monkeypatch.setattr(many.journal, "end_attempt", fails_once)
    many.step()
    many.step(seconds=1)
    assert len(many.calls) == MANY  # nothing is done again: what was undone was only what had been written down
    assert {run.state for run in many.agent._engine.runs()} == {RunState.SUCCEEDED}
    assert len(many.cloud.approvals) == MANY


def test_one_message_that_cannot_be_taken_in_loses_no_other(many, monkeypatch):
    end_attempt = many.journal.end_attempt

    def fails_for_one(run, *more):
        if run.id == 7:
            raise RuntimeError("a fault of ours")
        return end_attempt(run, *more)

    monkeypatch.setattr(many.journal, "end_attempt", fails_for_one)
    assert many.agent._sources.first.who.begin()
    many.agent._sources.first.heard = many.agent._sources.first.who.ask()
    for _ in range(3):
        many.agent._sources.first.ask()
        many.agent._turn_whatever_happens()
    states = [run.state for run in many.agent._engine.runs()]
    assert (states.count(RunState.SUCCEEDED), states.count(RunState.RUNNING)) == (MANY - 1, 1)


class Waiting:
    """Threads for work that waits, counted."""

    def __init__(self):
        self.go_on = threading.Event()
        self.most = 0

    def submit(self, work, name):
        threading.Thread(target=lambda: (self.go_on.wait(30), work()), daemon=True).start()


def test_no_more_stages_run_at_once_than_there_is_room_for_and_it_says_so(many, monkeypatch):
    monkeypatch.setattr(stages, "MOST_STAGES", 5)
    many.executor = Waiting()
    many.step()
    many.step(seconds=1)
    running = [run for run in many.agent._engine.runs() if run.state is RunState.RUNNING]
    assert len(running) == 5
    assert many.told(NoticeKind.PROBLEM) == ["5 stages are running; others wait until one of them ends"]
    many.executor.go_on.set()


def test_a_sentence_names_a_few_machines_and_counts_the_others(event):
    said = describe(event(resources=tuple(f"m{number}" for number in range(80_001))))
    assert said.endswith(f"m{MOST_NAMES - 1} and {80_001 - MOST_NAMES} more")
    assert len(describe(event(resources=("x" * 10_000,)))) < 200
