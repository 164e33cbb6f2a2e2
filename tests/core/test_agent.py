"""The agent on a cloud in memory: what is done for an event, in which order, and what is never done."""

import logging
from datetime import timedelta

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.cli.run_output import notice_line
from stormcone.errors import GiveUp, ProviderError, RequestRefused, Retry, Veto
from stormcone.handlers import Stage
from stormcone.handlers.control import Word
from stormcone.model import Approval, Capabilities, Impact, Outcome, Phase, Scope

PREPARES = (Stage.PREPARE,)
ROUND = (Stage.PREPARE, Stage.RECOVER)
MINUTE = timedelta(minutes=1)


def outcome(world):
    return world.episode().event.outcome


class TestAReboot:
    def test_is_prepared_for_approved_ridden_out_and_recovered_from(self, world):
        world.handler("lb")
        world.handler("db")
        world.cloud.announce()
        world.step()
        assert world.calls == ["lb.prepare", "db.prepare"]
        assert world.cloud.approvals == ["E-1"]
        world.cloud.start()
        world.step(minutes=1)
        assert world.calls[2:] == ["lb.started", "db.started"]
        world.cloud.forget()
        world.step(minutes=10)
        assert world.calls[4:] == ["db.recover", "lb.recover"]
        assert outcome(world) is Outcome.COMPLETED
        assert set(world.states().values()) == {"succeeded"}

    def test_is_told_as_it_goes(self, world):
        world.handler("lb")
        world.cloud.announce()
        world.step()
        world.cloud.start()
        world.step(minutes=1)
        world.cloud.forget()
        world.step(minutes=10)
        assert [notice.text for notice in world.notices] == [
            "watching web-0 on test",
            "reboot of web-0 announced, not before 2026-01-01 00:15:00Z (in 15 min), cause: unknown",
            "lb.prepare begins",
            "lb.prepare done",
            "reboot of web-0 approved: prepared by lb",
            "reboot of web-0 has begun",
            "lb.started begins",
            "lb.started done",
            "reboot of web-0 has ended: completed (inferred)",
            "lb.recover begins",
            "lb.recover done",
        ]

    def test_is_handled_once_however_often_it_is_seen(self, world):
        world.handler("lb")
        world.cloud.announce()
        for _ in range(5):
            world.step(seconds=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])

    def test_goes_on_beside_others(self, world):
        world.handler("lb", ROUND)
        world.cloud.announce(id="E-1")
        world.cloud.announce(id="E-2", impact="freeze")
        world.step()
        assert world.calls == ["lb.prepare", "lb.prepare"]
        assert sorted(world.cloud.approvals) == ["E-1", "E-2"]
        world.cloud.forget("E-1")
        world.step()
        assert world.calls[2:] == ["lb.recover"]
        assert [episode.event.phase for episode in world.journal.episodes()] == [Phase.ENDED, Phase.SCHEDULED]

    def test_that_returns_under_its_old_id_is_handled_anew(self, world):
        world.handler("lb", ROUND)
        for _ in range(3):
            world.cloud.announce()
            world.step(minutes=1)
            world.cloud.forget()
            world.step(minutes=1)
        assert world.calls == ["lb.prepare", "lb.recover"] * 3
        assert [episode.number for episode in world.journal.episodes()] == [1, 2, 3]

    def test_that_returns_while_its_last_recovery_is_still_tried_is_handled_anew(self, world):
        lb = world.handler("lb", ROUND)
        lb.script.extend([None, Retry(after=86400)])
        for _ in range(3):
            world.cloud.announce()
            world.step(minutes=1)
            world.cloud.forget()
            world.step(minutes=1)
        assert world.calls == ["lb.prepare", "lb.recover"] * 3
        assert world.told(NoticeKind.PROBLEM) == []

    @pytest.mark.parametrize("begins", [False, True], ids=["prepared", "started"])
    def test_that_is_prepared_for_anew_is_not_undone_by_the_recovery_from_its_earlier_life(self, world, begins):
        lb = world.handler("lb")
        lb.script.extend([None, Retry(after=60)])
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        announced = (
            world.cloud.announce(phase=Phase.STARTED, approval=Approval.NONE) if begins else world.cloud.announce()
        )
        world.step()
        stage = "started" if announced.phase is Phase.STARTED else "prepare"
        assert world.calls == ["lb.prepare", "lb.recover", f"lb.{stage}"]
        world.step(minutes=2)
        assert len(world.calls) == 3
        assert world.states(0)["lb.recover"] == "dropped"
        (told,) = [text for text in world.told(NoticeKind.RUN_CUT_OFF) if "left out" in text]
        assert told == "lb.recover is left out: its handler has begun for the event anew, and recovers at its next end"
        world.cloud.forget()
        world.step(minutes=20)
        assert world.calls[3:] == ["lb.recover"]

    def test_is_recovered_from_until_it_is_prepared_for_anew(self, world):
        lb = world.handler("lb", ROUND, lead=5 * MINUTE)
        world.cloud.announce(not_before=world.clock.now() + 5 * MINUTE)
        lb.script.extend([None, Retry(after=60)])
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        world.cloud.announce(not_before=world.clock.now() + 15 * MINUTE)
        world.step()
        world.step(minutes=2)
        assert world.calls == ["lb.prepare", "lb.recover", "lb.recover#2"]


class TestAnEventOfOtherMachines:
    def test_is_noted_and_left_alone(self, world):
        world.handler("lb")
        world.cloud.announce(resources=("db-0", "web-01"))
        world.step()
        world.cloud.forget()
        world.step(minutes=20)
        assert (world.calls, world.cloud.approvals) == ([], [])
        assert len(world.told(NoticeKind.NOT_OURS)) == 1
        assert outcome(world) is Outcome.COMPLETED

    def test_is_information_and_no_warning(self, world, caplog):
        """Clouds tell all machines of a set of each other's events: nobody has to do anything about that."""
        caplog.set_level(logging.INFO, "stormcone")
        world.handler("lb")
        world.cloud.announce(resources=("db-0",))
        world.step()
        (said,) = [record for record in caplog.records if "none of them is this machine" in record.getMessage()]
        assert said.levelno == logging.INFO
        (notice,) = [each for each in world.notices if each.kind is NoticeKind.NOT_OURS]
        assert notice_line(notice).level == "info"

    def test_is_ours_when_it_comes_to_name_this_one(self, world):
        world.handler("lb")
        world.cloud.announce(resources=("db-0",))
        world.step()
        world.cloud.revise(resources=("db-0", "web-0"))
        world.step()
        assert world.calls == ["lb.prepare"]


class TestTwoEventsAtOnce:
    @staticmethod
    def first_ends(world):
        world.step()
        world.cloud.forget()
        world.step(minutes=1)

    def test_each_stage_is_told_of_the_others_for_which_its_handler_has_begun(self, world):
        lb = world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.cloud.announce(id="E-2")
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        world.cloud.forget("E-2")
        world.step(minutes=1)
        assert world.calls == ["lb.prepare", "lb.prepare", "lb.recover", "lb.recover"]
        others = [[event.id for event in context.others] for context in lb.contexts]
        assert others == [[], ["E-1"], ["E-2"], []]

    def test_not_of_one_for_which_only_another_handler_has_begun(self, world):
        lb = world.handler("lb", ROUND, impacts={Impact.REBOOT})
        world.handler("db", ROUND)
        world.cloud.announce()
        world.cloud.announce(id="E-2", impact="freeze")
        self.first_ends(world)
        assert [context.others for context in lb.contexts] == [(), ()]

    def test_not_of_its_own_at_another_try(self, world):
        lb = world.handler("lb", ROUND)
        lb.script.append(Retry(after=60))
        world.cloud.announce()
        world.step()
        world.step(minutes=2)
        assert [context.others for context in lb.contexts] == [(), ()]

    def test_not_of_one_for_which_it_has_not_begun_yet(self, world):
        world.handler("db", ROUND, lead=None)
        lb = world.handler("lb", ROUND, lead=timedelta(minutes=5))
        world.cloud.announce(not_before=world.clock.now() + timedelta(minutes=5))
        world.cloud.announce(id="E-2", not_before=world.clock.now() + timedelta(hours=5))
        self.first_ends(world)
        assert [context.others for context in lb.contexts] == [(), ()]

    def test_not_of_one_that_is_over_though_its_recovery_is_still_tried(self, world):
        lb = world.handler("lb", ROUND)
        lb.script.extend([None, None, Retry(after=86400)])
        world.cloud.announce()
        world.cloud.announce(id="E-2")
        self.first_ends(world)
        world.cloud.forget("E-2")
        world.step(minutes=1)
        assert [[event.id for event in context.others] for context in lb.contexts[2:]] == [["E-2"], []]

    def test_also_in_the_next_life(self, world):
        lb = world.handler("lb", ROUND)
        world.cloud.announce()
        world.cloud.announce(id="E-2")
        world.step()
        world.begin_anew()
        world.cloud.forget()
        world.step(minutes=1)
        assert world.calls[-1] == "lb.recover"
        assert [event.id for event in lb.contexts[-1].others] == ["E-2"]


class TestAnEventThatIsCalledOff:
    def test_stops_the_work_at_once_and_is_recovered_from(self, world, held):
        lb = world.handler("lb", ROUND)
        world.executor = held
        world.cloud.announce()
        world.step()
        (order,) = world.agent._stages.live.values()
        world.cloud.forget()
        world.step(minutes=1)
        assert order.control.canceled
        assert world.states() == {"lb.prepare": "running", "lb.recover": "pending"}
        held.release()
        world.step()
        held.release()
        world.step()
        assert lb.contexts[0].canceled
        assert world.calls == ["lb.prepare", "lb.recover"]
        assert outcome(world) is Outcome.CANCELED
        assert world.cloud.approvals == []

    def test_drops_what_had_not_begun(self, world):
        world.handler("lb", lead=5 * MINUTE)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        assert world.calls == []
        assert world.states() == {"lb.prepare": "dropped"}

    def test_is_told_from_one_that_is_over_by_what_the_cloud_says(self, world):
        world.cloud.capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0, reports_outcome=True)
        world.cloud.known_outcomes = {"E-1": Outcome.AVOIDED}
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step()
        assert outcome(world) is Outcome.AVOIDED


class TestATimeThatIsMoved:
    def test_moves_the_lead(self, world):
        world.handler("lb", PREPARES, lead=5 * MINUTE)
        world.cloud.announce()
        world.step()
        world.cloud.revise(not_before=world.clock.now() + 60 * MINUTE)
        world.step(minutes=10)
        assert world.calls == []
        world.step(minutes=44)
        assert world.calls == []
        world.step(minutes=1)
        assert world.calls == ["lb.prepare"]
        assert "changed (not_before)" in world.told(NoticeKind.REVISED)[0]

    def test_moves_the_deadline_of_what_runs(self, world, held):
        world.handler("lb", PREPARES)
        world.executor = held
        announced = world.cloud.announce()
        world.step()
        (order,) = world.agent._stages.live.values()
        assert order.control.deadline == announced.not_before
        world.cloud.revise(not_before=announced.not_before + 30 * MINUTE)
        world.step(minutes=16)
        assert order.control.deadline == announced.not_before + 30 * MINUTE
        assert not order.control.stopped

    def test_nearer_begins_what_is_due_now(self, world):
        world.handler("lb", PREPARES, lead=5 * MINUTE)
        world.cloud.announce(not_before=world.clock.now() + 60 * MINUTE)
        world.step()
        world.cloud.revise(not_before=world.clock.now() + 2 * MINUTE)
        world.step()
        assert world.calls == ["lb.prepare"]

    def test_does_not_repeat_what_is_prepared(self, world):
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        world.cloud.revise(not_before=world.clock.now() + 60 * MINUTE)
        world.step()
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])


class TestAnImpactThatChangesAndChangesBack:
    def test_leaves_no_handler_unasked(self, world):
        world.handler("reboots", PREPARES, impacts={Impact.REBOOT}, lead=5 * MINUTE)
        world.handler("all", PREPARES, lead=4 * MINUTE)
        world.cloud.announce()
        world.step()
        for impact in (Impact.FREEZE, Impact.REBOOT):
            world.cloud.revise(impact=impact)
            world.step()
        world.step(minutes=12)
        assert world.calls == ["reboots.prepare", "all.prepare"]


class TestAnEventThatStartsWithoutNotice:
    def test_is_not_prepared_for_but_ridden_out(self, world):
        world.handler("lb")
        world.handler("only-prepares", ROUND)
        world.cloud.announce(phase="started", not_before=None, approval="none")
        world.step()
        assert world.calls == ["lb.started"]
        assert world.told(NoticeKind.STARTED) == ["reboot of web-0 has begun without notice"]
        world.cloud.forget()
        world.step()
        assert world.calls[1:] == ["lb.recover"]
        assert world.cloud.approvals == []

    def test_skips_the_prepare_that_waits_for_its_lead(self, world):
        world.handler("lb", lead=5 * MINUTE)
        world.cloud.announce()
        world.step()
        world.cloud.start()
        world.step(minutes=1)
        world.cloud.forget()
        world.step(minutes=1)
        assert world.calls == ["lb.started", "lb.recover"]


class TestRecovery:
    def test_is_not_for_those_that_never_began(self, world):
        world.handler("late", ROUND, lead=MINUTE)
        world.handler("early", ROUND)
        world.handler("picky", ROUND, impacts={Impact.FREEZE})
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step(minutes=5)
        assert world.calls == ["early.prepare", "early.recover"]

    @pytest.mark.parametrize("error", [GiveUp("x"), Veto("x"), Retry(after=3600), ZeroDivisionError()])
    def test_is_for_those_whose_prepare_failed_too(self, world, error):
        world.handler("lb", ROUND).script.append(error)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step()
        assert world.calls == ["lb.prepare", "lb.recover"]

    def test_is_tried_until_it_succeeds(self, world):
        world.handler("lb", ROUND).script.extend([None, *[OSError("no")] * 10])
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        for _ in range(12):
            world.step(minutes=1)
        assert world.calls == ["lb.prepare", "lb.recover", *[f"lb.recover#{attempt}" for attempt in range(2, 12)]]
        assert world.states()["lb.recover"] == "succeeded"


class TestAStageThatFails:
    def test_is_tried_again_with_backoff(self, world):
        world.handler("lb", PREPARES).script.extend([OSError("1"), OSError("2"), OSError("3")])
        world.cloud.announce()
        seen = []
        for second in range(8):
            world.step(seconds=1 if second else 0)
            seen.append(len(world.calls))
        assert seen == [1, 2, 2, 3, 3, 3, 3, 4]
        assert world.cloud.approvals == ["E-1"]
        assert [attempt.note for attempt in world.journal.attempts(1)] == ["OSError: 1", "OSError: 2", "OSError: 3", ""]

    def test_is_tried_again_after_the_pause_that_it_asked_for(self, world):
        world.handler("lb", PREPARES).script.append(Retry("not yet", after=90))
        world.cloud.announce()
        world.step()
        assert world.told(NoticeKind.RUN_FAILED) == ["lb.prepare failed and is tried again in 90 s: not yet"]
        world.step(seconds=89)
        assert world.calls == ["lb.prepare"]
        world.step(seconds=1)
        assert world.calls == ["lb.prepare", "lb.prepare#2"]

    def test_is_tried_as_often_as_its_handler_says_and_then_the_event_is_not_approved(self, world):
        world.handler("lb", PREPARES, retries=1).script.extend([OSError("x")] * 9)
        world.handler("db", PREPARES)
        world.cloud.announce()
        for _ in range(10):
            world.step(seconds=10)
        assert world.calls.count("lb.prepare#2") == 1
        assert "lb.prepare#3" not in world.calls
        assert "db.prepare" in world.calls
        assert world.cloud.approvals == []
        assert world.told(NoticeKind.DECIDED) == ["reboot of web-0 is not approved: lb did not prepare"]

    def test_is_not_tried_again_after_the_events_time(self, world):
        world.handler("lb", PREPARES).script.append(Retry(after=15 * 60))
        world.cloud.announce()
        world.step()
        world.step(minutes=16)
        assert world.calls == ["lb.prepare"]
        assert world.states() == {"lb.prepare": "failed"}

    def test_does_not_hold_up_the_next_handler(self, world):
        world.handler("lb", PREPARES).script.append(GiveUp("no"))
        world.handler("db", PREPARES)
        world.cloud.announce()
        world.step()
        assert world.calls == ["lb.prepare", "db.prepare"]

    def test_with_a_veto_is_not_tried_again_and_the_event_not_approved(self, world):
        world.handler("lb", PREPARES).script.append(Veto("a release is going on"))
        world.cloud.announce()
        for _ in range(3):
            world.step(minutes=1)
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], [])
        assert world.told(NoticeKind.RUN_FAILED) == ["lb.prepare vetoes the approval: a release is going on"]


class TestAStageThatOverruns:
    @pytest.fixture(autouse=True)
    def running(self, world, held):
        world.executor = held
        world.handler("slow", ROUND, timeout=2 * MINUTE)
        world.handler("next", ROUND)
        world.cloud.announce()
        world.step()

    def test_is_asked_to_end_and_recorded_as_overrun(self, world, held):
        (order,) = world.agent._stages.live.values()
        world.step(seconds=119)
        assert not order.control.stopped
        world.step(seconds=1)
        assert order.control.stopped
        held.release()
        world.step()
        (attempt,) = world.journal.attempts(world.runs()["slow.prepare"].id)
        assert (attempt.verdict, attempt.note) == ("overran", "it overran its deadline")
        assert world.states()["slow.prepare"] == "failed"

    def test_and_does_not_end_is_left_behind(self, world, held):
        (order,) = world.agent._stages.live.values()
        killed = []
        order.control.on(Word.KILL, lambda: killed.append(world.clock.now()))
        world.step(minutes=2)
        world.step(seconds=9)
        assert killed == []
        world.step(seconds=1)
        assert len(killed) == 1
        assert world.states() == {"slow.prepare": "failed", "next.prepare": "running"}
        stuck = held.held.popleft()
        held.release()
        world.step()
        assert world.cloud.approvals == []
        stuck()
        world.step()
        assert world.states() == {"slow.prepare": "failed", "next.prepare": "succeeded"}

    def test_is_recovered_from(self, world, held):
        world.step(minutes=2)
        held.release()
        world.step()
        held.release()
        world.step()
        world.cloud.forget()
        world.step(minutes=1)
        for _ in range(2):
            held.release()
            world.step()
        assert world.calls[2:] == ["next.recover", "slow.recover"]

    def test_is_asked_to_end_when_the_event_starts_early(self, world):
        (order,) = world.agent._stages.live.values()
        world.cloud.start()
        world.step(seconds=1)
        assert order.control.stopped
        assert not order.control.canceled


def test_a_stage_that_goes_on_after_the_events_end_does_not_hold_up_recovery_for_ever(world, held):
    world.executor = held
    world.handler("slow", (Stage.STARTED, Stage.RECOVER))
    world.cloud.announce(phase="started", not_before=None)
    world.step()
    (order,) = world.agent._stages.live.values()
    world.cloud.forget()
    world.step(minutes=60)
    world.step(seconds=29)
    assert not order.control.stopped
    world.step(seconds=1)
    assert order.control.stopped
    world.step(seconds=10)
    assert world.states() == {"slow.started": "failed", "slow.recover": "running"}


class TestApproval:
    def test_waits_for_all_to_prepare(self, world, held):
        world.executor = held
        world.handler("lb", PREPARES)
        world.handler("db", PREPARES)
        world.cloud.announce()
        for done in range(2):
            world.step()
            assert world.cloud.approvals == []
            assert world.calls == ["lb.prepare", "db.prepare"][:done]
            held.release()
        world.step()
        held.release()
        assert world.cloud.approvals == ["E-1"]

    def test_is_sent_once_while_its_answer_is_awaited(self, world, held):
        world.executor = held
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        held.release()
        for _ in range(3):
            world.step(minutes=1)
        assert len(held.held) == 1
        held.release()
        world.step()
        assert (len(held.held), world.cloud.approvals) == (0, ["E-1"])

    def test_that_failed_is_sent_again_with_backoff_until_the_events_time(self, world):
        world.cloud.approve_faults.extend(ProviderError("503") for _ in range(1000))
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        seen = []
        for _ in range(7):
            world.step(seconds=1)
            seen.append(len(world.cloud.approvals))
        assert seen == [2, 2, 3, 3, 3, 3, 4]
        for _ in range(60):
            world.step(minutes=1)
        before = len(world.cloud.approvals)
        assert 10 < before < 25
        assert world.journal.approvals(1)[-1].asked < world.cloud.listed["E-1"].not_before

    def test_that_failed_and_then_arrived_is_not_sent_again(self, world):
        world.cloud.approve_faults.extend([ProviderError("503"), KeyError("x")])
        world.handler("lb", PREPARES)
        world.cloud.announce()
        for _ in range(20):
            world.step(seconds=10)
        assert world.cloud.approvals == ["E-1"] * 3
        assert [approval.accepted for approval in world.journal.approvals(1)] == [None, None, True]
        assert [approval.note for approval in world.journal.approvals(1)][-1].endswith(
            "repeated, since the last one failed"
        )
        assert world.told(NoticeKind.APPROVAL_FAILED) == [
            "reboot of web-0 could not be approved: 503",
            "reboot of web-0 could not be approved: KeyError: 'x'",
        ]

    def test_that_failed_may_have_arrived_so_an_event_that_goes_early_was_not_called_off(self, world):
        world.cloud.approve_faults.append(ProviderError("no answer"))
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step()
        assert outcome(world) is Outcome.COMPLETED

    def test_that_was_refused_is_not_sent_again(self, world):
        world.cloud.approve_faults.append(RequestRefused("unknown event"))
        world.handler("lb", PREPARES)
        world.cloud.announce()
        for _ in range(5):
            world.step(minutes=1)
        assert world.cloud.approvals == ["E-1"]
        (approval,) = world.journal.approvals(1)
        assert (approval.accepted, approval.final, approval.note) == (False, True, "unknown event")
        world.cloud.forget()
        world.step()
        assert outcome(world) is Outcome.CANCELED

    def test_speaks_for_neighbours_only_as_their_leader(self, world):
        world.handler("lb", PREPARES)
        world.cloud.announce(resources=("web-0", "db-0"))
        world.step()
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], [])
        world.app = world.app.but(leader="first")
        world.begin_anew()
        world.step()
        assert world.cloud.approvals == ["E-1"]

    def test_is_of_the_event_that_is_prepared_and_no_other(self, world):
        world.handler("reboots", PREPARES, impacts={Impact.REBOOT})
        world.handler("freezes", PREPARES, impacts={Impact.FREEZE}).script.append(GiveUp("no"))
        world.cloud.announce(id="E-1", impact="freeze")
        world.cloud.announce(id="E-2")
        world.step()
        assert world.cloud.approvals == ["E-2"]

    def test_is_not_sent_to_a_cloud_that_has_none(self, world):
        world.cloud.capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0, can_approve=False)
        world.handler("lb", PREPARES)
        world.cloud.announce()
        world.step()
        assert world.cloud.approvals == []

    def test_by_a_policy_that_raises_is_refused_and_said_once(self, world):
        def policy(_event, _prepared):
            raise KeyError("team")

        world.app = world.app.but(approve=policy)
        world.handler("lb", PREPARES)
        world.cloud.announce()
        for _ in range(3):
            world.step(seconds=1)
        assert world.cloud.approvals == []
        assert world.told(NoticeKind.DECIDED) == [
            "reboot of web-0 is not approved: the app's own policy failed: KeyError: 'team'"
        ]

    def test_is_decided_again_when_the_event_can_be_approved_at_last(self, world):
        world.handler("lb", PREPARES)
        world.cloud.announce(approval=Approval.NONE)
        world.step()
        world.cloud.revise(approval=Approval.STARTS)
        world.step()
        assert world.cloud.approvals == ["E-1"]


class TestAnEndpointThatFails:
    def test_is_told_once_with_the_age_of_the_last_success(self, world):
        world.step()
        world.cloud.poll_faults.extend(ProviderError("the endpoint answered 503") for _ in range(3))
        world.step(seconds=30)
        for _ in range(2):
            world.step(seconds=1)
        assert world.told(NoticeKind.UNKNOWN) == [
            "what is scheduled is unknown (last asked with success 30 s ago): the endpoint answered 503"
        ]
        assert world.agent.status.error == "the endpoint answered 503"
        world.step(seconds=1)
        assert world.told(NoticeKind.ANSWERED) == ["test answers again after 33 s"]
        assert world.agent.status.error is None

    def test_from_the_start_is_told_too(self, world):
        world.cloud.poll_faults.append(ProviderError("no route"))
        world.step()
        assert world.told(NoticeKind.UNKNOWN) == ["what is scheduled is unknown (never asked with success): no route"]
        assert world.agent.status.last_success is None

    @pytest.mark.parametrize("error", [ProviderError("no"), KeyError("x"), ProviderError("x", retry_after=70)])
    def test_ends_nothing_and_starts_nothing(self, world, error):
        world.handler("lb", ROUND)
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        for _ in range(5):
            world.cloud.poll_faults.append(error)
            world.step(minutes=10)
        assert world.episode().event.phase is Phase.SCHEDULED
        assert world.calls == ["lb.prepare"]
        world.step()
        assert world.calls == ["lb.prepare", "lb.recover"]

    def test_does_not_hold_up_what_is_due(self, world):
        world.handler("lb", PREPARES, lead=5 * MINUTE)
        world.cloud.announce()
        world.step()
        world.cloud.poll_faults.append(ProviderError("no"))
        world.step(minutes=10)
        assert world.calls == ["lb.prepare"]

    def test_in_part_ends_nothing_and_says_what_is_wrong_once(self, world):
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.cloud.complete = False
        world.cloud.problems = ("one event could not be read",)
        for _ in range(3):
            world.step(minutes=10)
        assert world.episode().event.phase is Phase.SCHEDULED
        assert world.told(NoticeKind.PROBLEM) == ["one event could not be read"]


class TestAListenerThatFails:
    def test_does_not_disturb_the_work(self, world, caplog):
        def listener(_notice):
            raise BrokenPipeError

        world.handler("lb")
        world.agent._reporter._listener = listener
        world.cloud.announce()
        world.step()
        assert (world.calls, world.cloud.approvals) == (["lb.prepare"], ["E-1"])
        assert "the listener failed at a notice" in caplog.text
