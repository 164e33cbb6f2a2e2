"""What the agent relies on in every journal."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from stormcone.clock import Instant
from stormcone.errors import JournalError, JournalLocked
from stormcone.handlers import Stage
from stormcone.journal import ClockRecord, Episode, EpisodeRecord, JournalStore
from stormcone.model import Approval, Impact, Machine, MaintenanceEvent, Phase
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import RUN_MOVES, Attempt, NewRun, Run, RunState, Settled, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1, microseconds=7)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")


@dataclass(frozen=True)
class JournalUnderTest:
    """A journal that is held to the suite.

    Attributes:
        open: opens it for writing, one and the same each time.
        read: opens it for reading beside the writer; None: it cannot be.
    """

    open: Callable[[], JournalStore]
    read: Callable[[], JournalStore] | None = None


class JournalSuite:
    """Every journal: durable, whole transactions, one agent, only allowed moves.

    The module adds the fixture `subject`, a `JournalUnderTest`.
    """

    @pytest.fixture
    def journal(self, subject: JournalUnderTest) -> Iterator[JournalStore]:
        """The journal, open for writing."""
        journal = subject.open()
        yield journal
        journal.close()

    # durable

    def test_what_is_written_is_there_after_it_was_closed(self, subject: JournalUnderTest) -> None:
        """No state lives only in memory: every fact comes back as it was written, to the microsecond.

        Source: design, "The journal".
        """
        journal = subject.open()
        journal.begin_life(NOW, MACHINE)
        episode = announce(journal)
        self._ends(journal, journal.begin_run(the_run(journal, episode), NOW))
        approval = journal.ask_approval(episode.id, NOW, "prepared by lb")
        journal.answer_approval(approval, LATER, accepted=True, final=False, note="")
        with journal.transaction():
            journal.save_decision(episode.id, "prepared by lb")
        journal.close()

        journal = subject.open()
        (kept,) = journal.episodes()
        assert (kept.event, kept.boot_id, kept.first_seen) == (an_event(), "boot-1", NOW)
        assert (kept.decision, kept.approved, kept.started, kept.ended) == ("prepared by lb", True, None, None)
        run = the_run(journal, kept)
        assert (run.state, run.attempt, run.begun, run.ended) == (RunState.SUCCEEDED, 1, NOW, LATER)
        (attempt,) = journal.attempts(run.id)
        assert (attempt.number, attempt.ended, attempt.verdict, attempt.note) == (1, LATER, "succeeded", "fine")
        (said,) = journal.approvals(kept.id)
        assert (said.asked, said.answered, said.accepted, said.note) == (NOW, LATER, True, "prepared by lb")
        (change,) = journal.changes(kept.id)
        assert (change.at, change.kind, change.event) == (NOW, ChangeKind.ANNOUNCED, an_event())
        (life,) = journal.lives()
        assert (life.begun, life.ended, life.machine, life.boot_id) == (NOW, None, "web-0", "boot-1")
        journal.close()

    def test_it_follows_an_event_to_its_end(self, journal: JournalStore) -> None:
        """Every step of an event's life is kept, with the time at which the agent saw it.

        Source: design, "The life of an event".
        """
        episode = announce(journal)
        for kind, phase in ((ChangeKind.STARTED, Phase.STARTED), (ChangeKind.ENDED, Phase.ENDED)):
            change = Change(kind=kind, event=an_event(phase=phase), before=episode.event, episode=1)
            with journal.transaction():
                episode = journal.save_change(change, Instant.of(LATER), MACHINE)
        assert (episode.started, episode.ended) == (LATER, LATER)
        assert [step.kind for step in journal.changes(episode.id)] == ["announced", "started", "ended"]

    def test_an_event_that_gets_its_id_is_found_by_it(self, journal: JournalStore) -> None:
        """An event that was first seen without the cloud's id is one event when the id comes, under its new key.

        Source: `stormcone.rules.identity`.
        """
        episode = announce(journal, id="inferred-1", id_origin="inferred")
        event = episode.event.but(id="E-1", id_origin="reported")
        change = Change(kind=ChangeKind.REVISED, event=event, before=episode.event, episode=1, fields=("id",))
        with journal.transaction():
            journal.save_change(change, Instant.of(LATER), MACHINE)
        assert [found.event for found in journal.latest(MACHINE, [event.key])] == [event]
        assert journal.latest(MACHINE, [episode.event.key]) == []
        assert [found.id for found in journal.unfinished(MACHINE)] == [episode.id]

    def test_an_episode_is_asked_for_by_a_number_that_exists(self, journal: JournalStore) -> None:
        """An unknown number is a KeyError.

        Source: `Journal.episode`.
        """
        with pytest.raises(KeyError):
            journal.episode(7)

    def test_what_lasts_is_kept_as_a_steady_time_beside_the_date(self, journal: JournalStore) -> None:
        """How the clocks stand, when an event was seen and when something may be done again outlive the agent.

        Source: `stormcone.clock.Instant`.
        """
        assert journal.clock() is None
        for seconds in (1.5, 2.5):
            record = ClockRecord(instant=Instant(NOW, LATER), seconds=seconds, boot_id="boot-1")
            journal.save_clock(record)
        assert journal.clock() == record
        change = Change(kind=ChangeKind.ANNOUNCED, event=an_event(), before=None, episode=1)
        with journal.transaction():
            episode = journal.save_change(change, Instant(NOW, LATER), MACHINE)
        assert (episode.first_seen, episode.seen) == (NOW, LATER)
        approval = journal.ask_approval(episode.id, NOW, "why", LATER)
        assert journal.approvals(episode.id)[0].again == LATER
        journal.answer_approval(approval, LATER, accepted=None, final=False, note="", again=NOW)
        assert journal.approvals(episode.id)[0].again == NOW

    def test_it_says_which_lives_ended_in_good_order(self, journal: JournalStore) -> None:
        """A life that was cut off has no end.

        Source: design, "The agent".
        """
        first, _ = journal.begin_life(NOW, MACHINE)
        journal.begin_life(LATER, MACHINE)
        journal.end_life(first, LATER)
        assert [life.ended for life in journal.lives()] == [LATER, None]

    # whole transactions

    def test_a_transaction_within_another_is_a_part_of_it(self, journal: JournalStore) -> None:
        """What an inner transaction wrote is undone with the outer one, and stays with it.

        Source: `JournalStore.transaction`.
        """
        for fails in (True, False):
            with suppress(ZeroDivisionError), journal.transaction():
                journal.begin_life(NOW, MACHINE)
                journal.begin_life(LATER, MACHINE)
                if fails:
                    raise ZeroDivisionError
            assert len(journal.lives()) == (0 if fails else 2)

    def test_a_transaction_that_fails_leaves_nothing(self, journal: JournalStore) -> None:
        """All writes within a transaction happen together, or none of them.

        Source: design, "The journal": one transaction per poll.
        """

        def half() -> None:
            journal.save_change(
                Change(kind=ChangeKind.ANNOUNCED, event=an_event(), before=None, episode=1), Instant.of(NOW), MACHINE
            )
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), journal.transaction():
            half()
        assert journal.episodes() == []

    def test_a_transaction_that_fails_does_not_spoil_the_next(self, journal: JournalStore) -> None:
        """After a failure the journal goes on.

        Source: design, "The journal".
        """
        with pytest.raises(ZeroDivisionError), journal.transaction():
            raise ZeroDivisionError
        announce(journal)
        assert len(journal.episodes()) == 1

    # one agent

    def test_it_refuses_a_second_agent(self, subject: JournalUnderTest, journal: JournalStore) -> None:
        """One agent per journal: a second one is `JournalLocked`, until the first has closed it.

        Source: design, "The journal".
        """
        with pytest.raises(JournalLocked):
            subject.open()
        journal.close()
        subject.open().close()

    def test_it_may_be_closed_twice_and_then_is_an_error(self, journal: JournalStore) -> None:
        """`close` is safe to call twice; what is asked after it is a `JournalError`.

        Source: `Journal.close`.
        """
        journal.close()
        journal.close()
        with pytest.raises(JournalError):
            journal.episodes()
        with pytest.raises(JournalError):
            announce(journal)

    def test_a_reader_sees_what_the_agent_writes(self, subject: JournalUnderTest, journal: JournalStore) -> None:
        """`stormcone history` reads beside the agent, and can change nothing.

        Source: design, "The journal".
        """
        if subject.read is None:
            pytest.skip("this journal cannot be read beside its writer")
        reader = subject.read()
        assert reader.episodes() == []
        announce(journal)
        assert len(reader.episodes()) == 1
        with pytest.raises(JournalError):
            announce(reader, id="E-2")
        reader.close()

    # runs

    @pytest.mark.parametrize(("before", "after"), [pair for pair in product(RunState, RunState) if pair[0] != pair[1]])
    def test_a_run_makes_only_allowed_moves(self, journal: JournalStore, before: RunState, after: RunState) -> None:
        """A move that is not in `RUN_MOVES` is a `JournalError`, and the run stays where it is.

        Source: `stormcone.rules.runs.RUN_MOVES`.
        """
        run = self._run_in(journal, before)
        allowed = (before, after) in RUN_MOVES
        if allowed:
            self._move(journal, run, after)
        else:
            with pytest.raises(JournalError):
                self._move(journal, run, after)
        assert the_run(journal, journal.episode(run.episode)).state is (after if allowed else before)

    def test_a_run_moves_only_from_where_it_is(self, journal: JournalStore) -> None:
        """Whoever holds an old copy of a run cannot begin it a second time.

        Source: design, "Handlers": a run is recorded before it starts.
        """
        run = the_run(journal, announce(journal))
        journal.begin_run(run, NOW)
        with pytest.raises(JournalError):
            journal.begin_run(run, NOW)
        assert len(journal.attempts(run.id)) == 1

    def test_a_run_counts_its_attempts(self, journal: JournalStore) -> None:
        """Runs are at-least-once, and each attempt has its number.

        Source: design, "Handlers": `context.attempt` one higher.
        """
        run = the_run(journal, announce(journal))
        for attempt in (1, 2):
            run = journal.begin_run(run, NOW)
            assert (run.attempt, run.state, run.due) == (attempt, RunState.RUNNING, None)
            run = self._ends(journal, run, RunState.PENDING, LATER)
            assert (run.state, run.again, run.ended) == (RunState.PENDING, LATER, None)
        assert [attempt.number for attempt in journal.attempts(run.id)] == [1, 2]

    def test_a_run_that_was_dropped_can_be_scheduled_again(self, journal: JournalStore) -> None:
        """An event that changes again may want a handler after all.

        Source: `stormcone.rules.runs.RUN_MOVES`.
        """
        run = the_run(journal, announce(journal))
        with journal.transaction():
            journal.drop_run(run, NOW, "the event has changed")
        run = the_run(journal, journal.episode(run.episode))
        assert (run.state, run.ended, run.note) == (RunState.DROPPED, NOW, "the event has changed")
        with journal.transaction():
            journal.schedule_run(run, LATER)
        run = the_run(journal, journal.episode(run.episode))
        assert (run.state, run.ended, run.note, run.due) == (RunState.PENDING, None, "", LATER)

    def test_a_run_that_was_cut_off_is_pending_in_the_next_life(self, journal: JournalStore) -> None:
        """After a crash, unfinished runs go on; the attempt that was cut off has no end.

        Source: design, "The journal".
        """
        run = journal.begin_run(the_run(journal, announce(journal)), NOW)
        _, cut_off = journal.begin_life(LATER, MACHINE)
        assert cut_off == 1
        (run,) = journal.runs(run.episode)
        assert (run.state, run.attempt) == (RunState.PENDING, 1)
        (attempt,) = journal.attempts(run.id)
        assert (attempt.ended, attempt.verdict) == (None, None)

    def test_a_run_of_another_machine_is_not_this_ones(self, journal: JournalStore) -> None:
        """A journal that was copied to another machine, or whose machine was renamed, moves nobody else's runs.

        Source: `Journal.begin_life`.
        """
        journal.begin_run(the_run(journal, announce(journal)), NOW)
        other = Machine(provider="test", id="vm-1", name="web-0")
        _, cut_off = journal.begin_life(LATER, other)
        assert cut_off == 0
        assert journal.unfinished(other) == []
        assert [run.state for run in journal.runs(1)] == [RunState.RUNNING]

    # what is unfinished

    def test_unfinished_is_what_goes_on_or_has_work_left(self, journal: JournalStore) -> None:
        """An event that has ended is unfinished until its runs are over.

        Source: `Journal.unfinished`.
        """
        episode = announce(journal)
        assert [each.id for each in journal.unfinished(MACHINE)] == [episode.id]
        ended = Change(kind=ChangeKind.ENDED, event=an_event(phase="ended"), before=episode.event, episode=1)
        with journal.transaction():
            journal.save_change(ended, Instant.of(LATER), MACHINE)
        assert [each.id for each in journal.unfinished(MACHINE)] == [episode.id]
        self._ends(journal, journal.begin_run(the_run(journal, episode), NOW))
        assert journal.unfinished(MACHINE) == []

    def test_many_episodes_are_read_at_once_as_they_are_one_by_one(self, journal: JournalStore) -> None:
        """What has changed is read back in few questions; of any number, and what there is not is left out.

        Source: `JournalStore.records`.
        """
        for number in range(80):
            episode = announce(journal, id=f"E-{number}")
            with journal.transaction():
                for stage in (Stage.STARTED, Stage.PREPARE):
                    journal.add_run(episode.id, NewRun("db", stage, 0, None))
            if number % 3 == 0:
                journal.ask_approval(episode.id, NOW, f"prepared by {number}")
        numbers = [episode.id for episode in journal.episodes()]
        for asked in ([], numbers[:1], numbers[:7], numbers[3:17], numbers):
            one_by_one = [
                EpisodeRecord(
                    episode=journal.episode(number),
                    runs=tuple(journal.runs(number)),
                    approvals=tuple(journal.approvals(number)),
                )
                for number in asked
            ]
            assert journal.records([*asked, 10**6]) == one_by_one

    def test_unfinished_is_found_by_the_machines_id_without_regard_to_case(self, journal: JournalStore) -> None:
        """A machine is the same by the cloud's id, whatever its name.

        Source: `Journal.unfinished`.
        """
        announce(journal)
        same = Machine(provider="test", id="VM-0", name="another name")
        assert len(journal.unfinished(same)) == 1
        assert journal.unfinished(Machine(provider="other", id="vm-0", name="web-0")) == []

    def test_unfinished_is_found_by_the_name_where_there_is_no_id(self, journal: JournalStore) -> None:
        """Some clouds know a machine by its name alone.

        Source: `Journal.unfinished`.
        """
        announce(journal, Machine(provider="test", id="", name="web-0"))
        assert len(journal.unfinished(Machine(provider="test", id="", name="WEB-0"))) == 1

    @pytest.mark.parametrize(
        "later",
        [
            Machine(provider="test", id="", name="WEB-0"),
            Machine(provider="test", id="", name="node-7", aliases=("web-0",)),
            Machine(provider="test", id="vm-0", name="node-7"),
            Machine(provider="test", id="VM-0", name="web-0"),
        ],
    )
    def test_a_machine_is_found_by_whatever_it_has_ever_been_known_for(
        self, journal: JournalStore, later: Machine
    ) -> None:
        """A name was given on the command line, or the cloud did not say the id this time: it is the same machine.

        Source: `JournalStore.begin_life`.
        """
        journal.begin_life(NOW, MACHINE)
        run = journal.begin_run(the_run(journal, announce(journal)), NOW)
        _, cut_off = journal.begin_life(LATER, later)
        assert cut_off == 1
        assert [episode.id for episode in journal.unfinished(later)] == [run.episode]
        _, cut_off = journal.begin_life(LATER, MACHINE)
        assert [episode.id for episode in journal.unfinished(MACHINE)] == [run.episode]

    def test_a_machine_whose_id_becomes_known_keeps_its_events(self, journal: JournalStore) -> None:
        """At early boot a cloud may know a machine by its name alone.

        Source: `JournalStore.begin_life`.
        """
        nameless = Machine(provider="test", id="", name="web-0")
        journal.begin_life(NOW, nameless)
        episode = announce(journal, nameless)
        journal.begin_life(LATER, MACHINE)
        renamed = Machine(provider="test", id="vm-0", name="web-9")
        journal.begin_life(LATER, renamed)
        for machine in (nameless, MACHINE, renamed):
            assert [each.id for each in journal.unfinished(machine)] == [episode.id]

    def test_a_machine_of_another_id_is_another_although_it_has_the_name(self, journal: JournalStore) -> None:
        """A journal in an image that another machine of the same name is made of has no work for it.

        Source: `JournalStore.begin_life`.
        """
        journal.begin_life(NOW, MACHINE)
        announce(journal)
        clone = Machine(provider="test", id="vm-9", name="web-0")
        journal.begin_life(LATER, clone)
        assert journal.unfinished(clone) == []
        assert len(journal.unfinished(MACHINE)) == 1

    def test_a_life_of_a_machine_that_is_known_by_name_alone_learns_its_id(self, journal: JournalStore) -> None:
        """The agent begins in the name that it was given, and the cloud says later which machine that is.

        Source: `JournalStore.confirm_life`.
        """
        life, _ = journal.begin_life(NOW, Machine(provider="test", id="", name="web-0"))
        announce(journal, Machine(provider="test", id="", name="web-0"))
        assert journal.confirm_life(life, MACHINE)
        assert len(journal.unfinished(Machine(provider="test", id=MACHINE.id, name="renamed"))) == 1

    def test_a_life_is_not_that_of_another_machine_of_its_name(self, journal: JournalStore) -> None:
        """Where the journal knows the name as that of another id, the life was taken for that machine's.

        Source: `JournalStore.confirm_life`.
        """
        journal.begin_life(NOW, MACHINE)
        announce(journal)
        life, _ = journal.begin_life(LATER, Machine(provider="test", id="", name=MACHINE.name))
        clone = Machine(provider="test", id="vm-9", name=MACHINE.name)
        assert not journal.confirm_life(life, clone)
        assert journal.unfinished(clone) == []
        assert len(journal.unfinished(MACHINE)) == 1

    @pytest.mark.parametrize("later", [False, True])
    def test_a_life_has_no_name_that_the_cloud_disputes(self, journal: JournalStore, later: bool) -> None:
        """The next life may believe the name of the last one before the cloud has said it.

        Source: `JournalStore.confirm_life`.
        """
        said = Machine(provider="test", id="vm-9", name="web-9", reported_name="web-7")
        life, _ = journal.begin_life(NOW, Machine(provider="test", id="", name="web-9") if later else said)
        assert not later or journal.confirm_life(life, said)
        assert journal.lives()[-1].machine == "web-7"

    def test_latest_is_the_last_episode_of_an_id(self, journal: JournalStore) -> None:
        """An id that comes back after its end is a new episode, and the last one counts.

        Source: design, "The life of an event".
        """
        announce(journal)
        again = Change(kind=ChangeKind.ANNOUNCED, event=an_event(id="e-1"), before=None, episode=2)
        with journal.transaction():
            journal.save_change(again, Instant.of(LATER), MACHINE)
        (latest,) = journal.latest(MACHINE, [an_event().key, an_event(id="unknown").key])
        assert latest.number == 2

    # approvals

    @pytest.mark.parametrize(("accepted", "approved"), [(True, True), (False, False), (None, True)])
    def test_an_approval_counts_unless_it_was_turned_down(
        self, journal: JournalStore, accepted: bool | None, approved: bool
    ) -> None:
        """Approved once: an approval whose answer was lost may have arrived.

        Source: design, "Approval".
        """
        episode = announce(journal)
        approval = journal.ask_approval(episode.id, NOW, "why")
        if accepted is not None:
            journal.answer_approval(approval, LATER, accepted=accepted, final=False, note="")
        assert journal.episode(episode.id).approved is approved

    # what the agent no longer needs

    def test_an_event_is_forgotten_once_it_ended_long_ago_and_nothing_is_left_to_do(
        self, journal: JournalStore
    ) -> None:
        """`forget` takes what ended before then, and nothing that goes on or has work left.

        Source: `JournalStore.forget`.
        """
        episode = announce(journal)
        assert journal.forget(LATER + timedelta(days=1)) == 0
        ended = Change(kind=ChangeKind.ENDED, event=an_event(phase="ended"), before=episode.event, episode=1)
        with journal.transaction():
            journal.save_change(ended, Instant.of(LATER), MACHINE)
        assert journal.forget(LATER + timedelta(days=1)) == 0
        self._ends(journal, journal.begin_run(the_run(journal, episode), NOW))
        assert journal.forget(LATER) == 0
        assert journal.forget(LATER + timedelta(days=1)) == 1
        assert journal.episodes() == []

    def test_a_new_one_has_lost_nothing_and_says_where_it_is(self, journal: JournalStore) -> None:
        """`loss` is for what a damaged journal took with it; `path` is for people.

        Source: `JournalStore`.
        """
        assert journal.loss == ""
        assert journal.path

    def _ends(
        self, journal: JournalStore, run: Run, state: RunState = RunState.SUCCEEDED, due: datetime | None = None
    ) -> Run:
        return journal.end_attempt(run, Attempt(Verdict.SUCCEEDED, "fine"), Settled(state, due, "fine"), LATER)

    def _move(self, journal: JournalStore, run: Run, state: RunState) -> None:
        if state is RunState.RUNNING:
            journal.begin_run(run, NOW)
        elif state is RunState.DROPPED and run.state is not RunState.RUNNING:
            with journal.transaction():
                journal.drop_run(run, NOW, "why")
        elif state is RunState.PENDING and run.state is not RunState.RUNNING:
            with journal.transaction():
                journal.schedule_run(run, None)
        else:
            self._ends(journal, run, state)

    def _run_in(self, journal: JournalStore, state: RunState) -> Run:
        run = the_run(journal, announce(journal))
        if state not in {RunState.PENDING, RunState.DROPPED}:
            run = journal.begin_run(run, NOW)
        if run.state is not state:
            self._move(journal, run, state)
        return the_run(journal, journal.episode(run.episode))


def an_event(**changes: Any) -> MaintenanceEvent:
    """A reboot of web-0 that can be approved, but for the changes."""
    return MaintenanceEvent.model_validate(
        {
            "id": "E-1",
            "provider": "test",
            "impact": Impact.REBOOT,
            "phase": Phase.SCHEDULED,
            "resources": ("web-0",),
            "not_before": NOW + timedelta(minutes=15),
            "approval": Approval.STARTS,
            **changes,
        }
    )


def announce(journal: JournalStore, machine: Machine = MACHINE, **changes: Any) -> Episode:
    """Write down an announcement, with one run to do."""
    with journal.transaction():
        change = Change(kind=ChangeKind.ANNOUNCED, event=an_event(**changes), before=None, episode=1)
        episode = journal.save_change(change, Instant.of(NOW), machine)
        journal.add_run(episode.id, NewRun("lb", Stage.PREPARE, 0, LATER))
    return journal.episode(episode.id)


def the_run(journal: JournalStore, episode: Episode) -> Run:
    """The only run of the episode."""
    (run,) = journal.runs(episode.id)
    return run
