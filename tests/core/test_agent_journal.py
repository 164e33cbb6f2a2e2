"""The agent while its journal cannot be written: nothing begins, nothing is approved, nothing is lost."""

import threading

import pytest

from stormcone import Agent, InlineExecutor, Journal, JournalStore
from stormcone.agent.loop import NOT_SURELY_OURS
from stormcone.agent.notices import NoticeKind
from stormcone.agent.reporter import SELDOM
from stormcone.agent.workers import ThreadExecutor
from stormcone.errors import JournalFenced
from stormcone.handlers import Stage
from stormcone.handlers.context import control_of

ROUND = (Stage.PREPARE, Stage.RECOVER)
SENTENCE = "until it can be written no handler starts and nothing is approved"


def break_journal(world):
    world.journal._connection.execute("PRAGMA query_only = ON")


def mend_journal(world):
    world.journal._connection.execute("PRAGMA query_only = OFF")


@pytest.fixture
def world(world):
    world.handler("lb", ROUND)
    world.step()
    return world


class TestAnAgentThatCannotWrite:
    def test_begins_nothing_says_so_once_and_goes_on_afterwards(self, world):
        break_journal(world)
        world.cloud.announce()
        for _ in range(3):
            world.step(seconds=1)
        assert (world.calls, world.cloud.approvals, world.journal.episodes()) == ([], [], [])
        (complaint,) = world.told(NoticeKind.PROBLEM)
        assert complaint == (
            f"the journal {world.path} cannot be used: attempt to write a readonly database; "
            f"let the file and its folder be written; {SENTENCE}"
        )
        mend_journal(world)
        world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])

    def test_says_it_again_when_it_happens_again(self, world):
        for number in range(2):
            world.cloud.announce(id=f"E-{number}")
            break_journal(world)
            world.step(seconds=1)
            mend_journal(world)
            world.step(seconds=SELDOM)
        assert len(world.told(NoticeKind.PROBLEM)) == 2

    def test_because_the_disk_is_full_is_no_different(self, world):
        connection = world.journal._connection
        connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
        world.cloud.announce(description="x" * 100_000)
        for _ in range(3):
            world.step(seconds=1)
        assert (world.calls, world.cloud.approvals, world.journal.episodes()) == ([], [], [])
        (complaint,) = world.told(NoticeKind.PROBLEM)
        assert "database or disk is full" in complaint
        connection.execute("PRAGMA max_page_count = 1000000")
        world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])

    def test_keeps_the_result_of_a_handler_until_it_can(self, world):
        world.app.handler("lb").script.append(lambda _event, _context: break_journal(world))
        world.cloud.announce()
        world.step()
        for _ in range(3):
            world.step(seconds=1)
        assert world.states() == {"lb.prepare": "running"}
        assert world.cloud.approvals == []
        mend_journal(world)
        world.step(seconds=1)
        assert world.states() == {"lb.prepare": "succeeded"}
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])

    def test_keeps_the_answer_to_an_approval_until_it_can(self, world):
        sent = []

        def approve(event):
            sent.append(event.id)
            break_journal(world)

        world.cloud.approve = approve
        world.cloud.announce()
        for _ in range(3):
            world.step(minutes=1)
        assert world.told(NoticeKind.APPROVED) == []
        mend_journal(world)
        for _ in range(3):
            world.step(minutes=1)
        assert sent == ["E-1"]
        assert [approval.accepted for approval in world.journal.approvals(1)] == [True]
        assert len(world.told(NoticeKind.APPROVED)) == 1

    def test_approves_nothing_that_is_prepared(self, world, held):
        world.executor = held
        world.cloud.announce()
        world.step()
        held.release()
        break_journal(world)
        world.step(seconds=1)
        assert len(held.held) == 0
        mend_journal(world)
        world.step(seconds=1)
        assert len(held.held) == 1

    def test_from_the_start_does_not_know_its_machine_and_does_nothing(self, world):
        world.die()
        world.cloud.announce()
        break_journal(world)
        world.step()
        assert (world.agent.machine, world.calls) == (None, [])
        mend_journal(world)
        world.step()
        assert world.calls == ["lb.prepare"]

    def test_recovers_when_it_can(self, world):
        world.cloud.announce()
        world.step()
        break_journal(world)
        world.cloud.forget()
        world.step(minutes=1)
        assert world.calls == ["lb.prepare"]
        mend_journal(world)
        world.step(minutes=1)
        assert world.calls == ["lb.prepare", "lb.recover"]

    def test_asks_on_meanwhile(self, world):
        break_journal(world)
        world.cloud.announce()
        before = world.cloud.polls
        for _ in range(3):
            world.step(seconds=1)
        assert world.cloud.polls == before + 3


class TestAnAgentWhoseJournalMayBeAnothers:
    """As that of a watcher whose lease could not be renewed, or has passed to another."""

    @pytest.fixture
    def answers(self, monkeypatch):
        """What the journal answers to whether the agent may act, the last one from then on."""
        answers = [True]

        def may_act(self):
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(Journal, "may_act", may_act)
        return answers

    def test_begins_and_approves_nothing_and_goes_on_afterwards(self, world, answers):
        answers[:] = [False]
        world.cloud.announce()
        for _ in range(3):
            world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == ([], [])
        assert len(world.journal.episodes()) == 1
        assert world.told(NoticeKind.PROBLEM) == [NOT_SURELY_OURS]
        assert world.agent.view.journal_error == NOT_SURELY_OURS
        answers[:] = [True]
        world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])

    def test_sends_no_approval_that_was_decided_before(self, world, monkeypatch):
        """The thread that sends it may have waited: the journal is asked once more, right before."""
        monkeypatch.setattr(Journal, "may_act", lambda _: not world.agent._requests.approving)
        world.cloud.announce()
        world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], [])
        (asked,) = world.journal.approvals(1)
        assert "it was not sent, since another agent may have the journal by now" in asked.note
        monkeypatch.setattr(Journal, "may_act", lambda _: True)
        world.step(seconds=60)
        assert world.cloud.approvals == ["E-1"]

    def test_ends_once_another_has_it(self, world, answers):
        answers[:] = [JournalFenced("web-9 has taken it over")]
        world.cloud.announce()
        with pytest.raises(JournalFenced):
            world.step(seconds=1)
        assert (world.calls, world.cloud.approvals, world.journal.episodes()) == ([], [], [])


class OnlyTheContract:
    """A journal of somebody's own: it has what the contract has, and nothing else."""

    def __init__(self, journal):
        self._journal = journal

    def __getattr__(self, name):
        if name not in CONTRACT:
            raise AttributeError(f"the contract of a journal has no {name}")
        return getattr(self._journal, name)


CONTRACT = {*JournalStore.__annotations__, *(name for name in vars(JournalStore) if not name.startswith("_"))}


def test_a_journal_needs_no_more_than_the_contract(world):
    world.calls.clear()
    with Journal.open(":memory:") as journal:
        agent = Agent(
            world.cloud,
            world.app,
            OnlyTheContract(journal),
            clock=world.clock,
            boot_id="boot-1",
            executor=InlineExecutor(),
        )
        world.cloud.announce()
        agent.step()
        world.cloud.start()
        world.clock.advance(hours=25)
        agent.step()
        world.cloud.forget()
        world.clock.advance(hours=25)
        agent.step()
        agent.stop()
        agent.run()
        assert world.calls == ["lb.prepare", "lb.recover"]
        assert [life.ended is not None for life in journal.lives()] == [True]


def test_an_agent_whose_journal_another_has_lets_handlers_end(world, monkeypatch):
    """They are told to stop, and the agent waits for them as long as its grace; what they come to is not recorded."""
    begun, stopping = threading.Event(), threading.Event()

    def prepare(_event, context):
        begun.set()
        context.wait(3600)
        stopping.set() if context.stopping else None

    world.executor = ThreadExecutor()
    (handler,) = world.app.handlers
    handler.script.append(prepare)
    world.cloud.announce()
    raised = []

    def work():
        try:
            world.agent.run()
        except JournalFenced as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)

    def fenced(_journal):
        raise JournalFenced("web-9 has taken it over")

    monkeypatch.setattr(Journal, "may_act", fenced)
    while thread.is_alive():
        world.clock.advance(seconds=0.25)
        thread.join(0.01)
    assert stopping.is_set()
    assert len(raised) == 1
    assert any("handlers are told to stop" in text for text in world.told(NoticeKind.PROBLEM))
    assert [attempt.ended for attempt in world.journal.attempts(1)] == [None]


def test_commands_get_nothing_that_opens_the_journal(world):
    """As they get no credential of the cloud."""
    world.journal.secrets = ("PGPASSWORD",)
    vars(world)["_agent"] = None
    seen = []
    (handler,) = world.app.handlers
    handler.script.append(lambda _event, context: seen.append(control_of(context).secrets))
    world.cloud.announce()
    world.step(seconds=1)
    assert seen == [("PGPASSWORD",)]
