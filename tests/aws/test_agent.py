"""An agent on an instance, from notice to end: what AWS does not say is concluded, and what it cannot say ends nothing.

Where a class has a number, it is the point of the list of what is lost between clouds that it holds us to.
"""

from contextlib import ExitStack
from datetime import timedelta

import pytest

from stormcone import App, Handler, Impact, Outcome, Phase
from stormcone.agent.notices import NoticeKind
from stormcone.model import Cause, Origin
from stormcone.testing import AgentDriver
from stormcone_simulators.aws.imds.service import ImdsMode

HERE = ["i-aaa"]
MINUTE = timedelta(minutes=1)
SCHEDULED = "/latest/meta-data/events/maintenance/scheduled"


class Notes(Handler):
    """Writes down what it is called for."""

    lead = None

    def __init__(self, **settings):
        self.calls = []
        vars(self).update(settings)

    def prepare(self, event, context):
        self.calls.append(("prepare", event.id))

    def started(self, event, context):
        self.calls.append(("started", event.id))

    def recover(self, event, context):
        self.calls.append(("recover", event.id))

    def stages(self, event_id):
        return [stage for stage, of in self.calls if of == event_id]


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def agent_on(notes):
    with ExitStack() as stack:

        def make(simulator, *handlers):
            return stack.enter_context(AgentDriver(simulator, App(list(handlers or (notes,)))))

        yield make


@pytest.fixture
def agent(aws, agent_on):
    return agent_on(aws)


def episodes(agent, event_id):
    return [episode for episode in agent.journal.episodes() if episode.event.id == event_id]


def later(agent, **span):
    """Let time pass without a poll, and poll then, twice, as the agent asks which machine this is beside the first."""
    agent.clock.advance(**span)
    agent.step()
    agent.step()


def last(agent, event_id):
    return episodes(agent, event_id)[-1].event


class TestAScheduledEvent:
    def test_is_prepared_for_begins_at_its_time_and_ended_as_the_history_says(self, aws, agent, notes):
        event = aws.schedule(Impact.REBOOT, resources=HERE, notice=15 * MINUTE)
        agent.step()
        later(agent, minutes=15)
        known = last(agent, event)
        assert (known.phase, known.phase_origin) == (Phase.STARTED, Origin.INFERRED)
        later(agent, minutes=11)
        known = last(agent, event)
        assert (known.outcome, known.outcome_origin, known.native_status) == (
            Outcome.COMPLETED,
            Origin.REPORTED,
            "completed",
        )
        assert notes.stages(event) == ["prepare", "started", "recover"]

    def test_that_is_called_off_is_recovered_from(self, aws, agent, notes):
        event = aws.schedule(Impact.REBOOT, resources=HERE, notice=15 * MINUTE)
        agent.step()
        aws.cancel(event)
        agent.step()
        assert (last(agent, event).outcome, last(agent, event).outcome_origin) == (Outcome.CANCELED, Origin.REPORTED)
        assert notes.stages(event) == ["prepare", "recover"]

    def test_that_is_put_off_is_another_notice(self, aws, agent, notes):
        event = aws.schedule(Impact.REBOOT, resources=HERE, notice=15 * MINUTE)
        agent.step()
        aws.change(event, notice=timedelta(days=7))
        agent.step()
        assert [episode.event.outcome for episode in episodes(agent, event)] == [Outcome.POSTPONED, None]
        assert notes.stages(event) == ["prepare", "recover", "prepare"]

    def test_whose_history_cannot_be_asked_has_not_ended(self, aws, agent):
        event = aws.schedule(Impact.REBOOT, resources=HERE, notice=15 * MINUTE)
        agent.step()
        aws.faults.add(path="/latest/meta-data/events/maintenance/history", status=503)
        aws.cancel(event)
        later(agent, seconds=5)
        assert last(agent, event).outcome is None
        aws.faults.clear()
        later(agent, seconds=5)
        assert last(agent, event).outcome is Outcome.CANCELED


class TestPoint1NoId:
    def test_an_interruption_is_one_event_over_restarts_and_moving_times(self, aws, agent, notes):
        aws.schedule(Impact.TERMINATE, resources=HERE)
        agent.step()
        agent.restart()
        later(agent, seconds=30)
        assert len(episodes(agent, "spot/i-aaa")) == 1
        assert notes.stages("spot/i-aaa") == ["prepare"]

    def test_two_interruptions_of_one_instance_are_two_episodes(self, aws, agent, notes):
        for _ in range(2):
            aws.schedule(Impact.STOP, resources=HERE, cause=Cause.PREEMPTION)
            agent.step()
            later(agent, minutes=2)
            later(agent, minutes=2)
        assert [episode.number for episode in episodes(agent, "spot/i-aaa")] == [1, 2]
        assert notes.stages("spot/i-aaa") == ["prepare", "started", "recover"] * 2

    def test_two_of_which_nobody_saw_the_gap_are_no_merger(self, aws, agent):
        aws.schedule(Impact.STOP, resources=HERE, cause=Cause.PREEMPTION)
        agent.step()
        aws.clock.advance(timedelta(hours=5))
        aws.schedule(Impact.STOP, resources=HERE, cause=Cause.PREEMPTION)
        agent.step()
        assert [episode.event.outcome for episode in episodes(agent, "spot/i-aaa")] == [Outcome.COMPLETED, None]


class TestPoint2NoTime:
    def test_a_target_state_is_prepared_for_at_once_and_has_no_deadline(self, aws, agent, notes):
        aws.schedule(Impact.TERMINATE, resources=HERE, cause=Cause.SCALE_IN)
        agent.step()
        known = last(agent, "lifecycle/i-aaa")
        assert (known.not_before, known.cause) == (None, Cause.SCALE_IN)
        assert notes.stages("lifecycle/i-aaa") == ["prepare"]


class TestPoint3NoEnd:
    def test_an_interruption_whose_notice_is_gone_after_its_time_is_completed_by_inference(self, aws, agent):
        aws.schedule(Impact.TERMINATE, resources=HERE)
        agent.step()
        later(agent, minutes=4)
        known = last(agent, "spot/i-aaa")
        assert (known.outcome, known.outcome_origin) == (Outcome.COMPLETED, Origin.INFERRED)

    def test_one_that_took_the_machine_is_recovered_from_after_the_next_boot(self, aws, agent, notes):
        aws.schedule(Impact.STOP, resources=HERE, cause=Cause.PREEMPTION)
        agent.step()
        aws.clock.advance(timedelta(hours=1))
        agent.restart(boot_id="boot-2")
        later(agent, seconds=5)
        assert last(agent, "spot/i-aaa").outcome is Outcome.COMPLETED
        assert notes.stages("spot/i-aaa") == ["prepare", "recover"]


class TestPoint5UnknownIsNotNone:
    @pytest.mark.parametrize("rule", [{"status": 503}, {"status": 404}, {"status": 429}, {"kind": "reset"}])
    def test_a_list_that_cannot_be_asked_ends_nothing_and_the_others_go_on(self, aws, agent, notes, rule):
        event = aws.schedule(Impact.REBOOT, resources=HERE, notice=timedelta(days=3))
        agent.step()
        aws.faults.add(path=SCHEDULED, **rule)
        aws.schedule(Impact.STOP, resources=HERE, cause=Cause.PREEMPTION)
        agent.step()
        later(agent, minutes=2)
        later(agent, minutes=2)
        assert last(agent, event).outcome is None
        assert notes.stages("spot/i-aaa") == ["prepare", "started", "recover"]
        assert agent.agent.status.error is None
        problems = [notice.text for notice in agent.notices if notice.kind is NoticeKind.PROBLEM]
        assert problems
        assert all("scheduled" in text for text in problems)

    def test_a_service_that_answers_nothing_ends_nothing(self, aws, agent):
        event = aws.schedule(Impact.REBOOT, resources=HERE, notice=timedelta(days=3))
        agent.step()
        aws.faults.add(status=500)
        later(agent, minutes=1)
        later(agent, minutes=1)
        assert last(agent, event).outcome is None
        assert agent.agent.status.error is not None


class TestPoint11NoApproval:
    def test_nothing_is_sent_but_questions(self, aws, agent):
        for order in ({}, {"native_type": "rebalance", "impact": Impact.TERMINATE}, {"impact": Impact.HIBERNATE}):
            aws.schedule(**{"impact": Impact.REBOOT, "resources": HERE, "notice": 10 * MINUTE, **order})
        agent.step()
        later(agent, minutes=30)
        asked = {(request["method"], request["path"]) for request in aws.requests() if request["method"] != "GET"}
        assert {path.rpartition("/latest/")[2] for _, path in asked} == {"api/token"}
        assert not any(episode.approved for episode in agent.journal.episodes())


class TestPerhaps:
    def test_a_recommendation_is_for_those_who_want_it(self, aws, agent_on):
        usual, careful = Notes(name="usual"), Notes(name="careful", tentative=True)
        agent = agent_on(aws, usual, careful)
        aws.schedule(Impact.TERMINATE, resources=HERE, native_type="rebalance")
        agent.step()
        assert (usual.calls, careful.calls) == ([], [("prepare", "rebalance/i-aaa")])
        assert last(agent, "rebalance/i-aaa").tentative

    def test_one_that_is_never_taken_back_is_not_waited_for_for_ever(self, aws, agent):
        aws.schedule(Impact.TERMINATE, resources=HERE, native_type="rebalance")
        agent.step()
        later(agent, hours=48)
        later(agent, seconds=5)
        assert [episode.event.outcome for episode in episodes(agent, "rebalance/i-aaa")] == [Outcome.UNKNOWN]

    def test_one_that_comes_true_is_told_as_the_interruption_that_it_was(self, aws, agent, notes):
        aws.schedule(Impact.TERMINATE, resources=HERE, notice=10 * MINUTE)
        agent.step()
        for span in (8, 2, 4):
            later(agent, minutes=span)
        assert [stage for stage, _ in notes.calls] == ["prepare", "started", "recover"]


class TestAHibernation:
    def test_has_begun_when_it_is_seen_so_nothing_is_prepared(self, aws, agent, notes):
        aws.schedule(Impact.HIBERNATE, resources=HERE)
        agent.step()
        assert notes.stages("spot/i-aaa") == ["started"]


class TestTokens:
    def test_a_day_of_version_2_alone_asks_for_four_of_them(self, awss, agent_on):
        aws = awss(imds=ImdsMode.V2)
        agent = agent_on(aws)
        for _ in range(24):
            agent.step()
            aws.clock.advance(hours=1)
        asked = [request for request in aws.requests() if request["method"] == "PUT"]
        assert len(asked) <= 6
        assert agent.agent.status.error is None
