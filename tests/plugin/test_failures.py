"""What a user reads when a test fails: the event's whole story, from both sides."""

import re
from datetime import timedelta

import pytest

from stormcone import App, Context, GiveUp, Handler, Impact, MaintenanceEvent, ManualClock, Outcome, Phase, Veto
from stormcone.testing import AgentDriver
from stormcone_simulators.azure import AzureSimulator

IN_15_MINUTES = timedelta(minutes=15)


class Drain(Handler):
    """Does what the test wants of it."""

    def __init__(self, work=lambda: None, **settings):
        self.work = work
        vars(self).update(settings)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        self.work()

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        pass


@pytest.fixture
def azure():
    with AzureSimulator(["db-0", "db-1"], clock=ManualClock()) as azure:
        yield azure


@pytest.fixture
def agent(azure):
    agents = []

    def make(*handlers, machine=None, **app):
        agents.append(AgentDriver(azure, App(handlers, **app), machine=machine).__enter__())
        return agents[-1]

    yield make
    for one in agents:
        one.close()


@pytest.fixture
def reboot(azure):
    return lambda *machines, **order: azure.schedule(
        Impact.REBOOT, resources=machines or ["db-0"], **{"notice": IN_15_MINUTES, **order}
    )


def story_of(call, *arguments, **named):
    with pytest.raises(AssertionError) as caught:
        call(*arguments, **named)
    head, _, lines = str(caught.value).partition("\n\n")
    return head.partition(": ")[2], [line.strip() for line in lines.splitlines()]


def fails(error):
    def work():
        raise error

    return work


class TestTheStory:
    def test_tells_both_sides_in_the_order_of_time(self, azure, agent, reboot):
        driver, event = agent(Drain()), reboot()
        driver.run_until(event, Phase.STARTED, prepared=True)
        azure.clock.advance(minutes=15)
        head, lines = story_of(driver.run_until, event, Phase.ENDED, outcome=Outcome.CANCELED)
        assert head == "it ended completed, not canceled"
        assert lines == [
            "2026-01-01 00:00:00Z  azure  announced: reboot of db-0, not before 2026-01-01 00:15:00Z",
            "2026-01-01 00:00:00Z  agent  sees it announced: not before 2026-01-01 00:15:00Z",
            "2026-01-01 00:00:00Z  Drain  prepare begins",
            "2026-01-01 00:00:00Z  Drain  prepare ends: succeeded",
            "2026-01-01 00:00:00Z  agent  approval asked",
            "2026-01-01 00:00:00Z  agent  approval accepted: prepared by Drain",
            "2026-01-01 00:00:00Z  azure  started, approved by db-0",
            "2026-01-01 00:00:01Z  agent  sees it started",
            "2026-01-01 00:10:00Z  azure  ended: completed",
            "2026-01-01 00:15:01Z  agent  sees it ended: completed (inferred)",
            "2026-01-01 00:15:01Z  Drain  recover begins",
            "2026-01-01 00:15:01Z  Drain  recover ends: succeeded",
            "2026-01-01 00:15:01Z  now: azure has it ended (completed), the agent sees it ended",
        ]

    def test_has_what_the_cloud_failed_to_answer_in_one_line(self, azure, agent, reboot):
        driver, event = agent(Drain()), reboot()
        azure.faults.add(status=503, path="/metadata/scheduledevents")
        head, lines = story_of(driver.run_until, event, Phase.SCHEDULED, within=timedelta(seconds=30))
        assert head.startswith("after 30 s of the clock, the agent has not seen it: it cannot ask: ")
        answers = [line for line in lines if "answers 503 to GET /metadata/scheduledevents of db-0, " in line]
        assert len(answers) == 1
        assert re.search(r"\d+ times until 2026-01-01 00:00:\d\dZ$", answers[0])
        assert "what is scheduled is unknown" in lines[-1]

    def test_shows_the_handlers_own_error_with_its_traceback(self, agent, reboot):
        error = ValueError("no standby")
        driver, event = agent(Drain(fails(error), retries=0)), reboot()
        with pytest.raises(AssertionError) as caught:
            driver.run_until(event, Phase.SCHEDULED, prepared=True, within=timedelta(seconds=1))
        assert caught.value.__cause__ is error
        assert error.__traceback__ is not None


class TestTheReason:
    """The first line: what is missing, and the nearest thing that did happen."""

    def prepared(self, driver, event):
        return story_of(driver.run_until, event, Phase.SCHEDULED, prepared=True, within=timedelta(seconds=3))[0]

    def test_an_app_without_a_handler(self, agent, reboot):
        assert self.prepared(agent(), reboot()) == (
            "after 3 s of the clock, it was not prepared for: "
            "no handler takes a reboot with the cause maintenance (the app has no handler)"
        )

    def test_a_handler_that_takes_other_impacts(self, agent, reboot):
        head = self.prepared(agent(Drain(impacts={Impact.FREEZE, Impact.STOP})), reboot())
        assert head.endswith("no handler takes a reboot with the cause maintenance (Drain takes freeze, stop)")

    def test_an_event_of_another_machine(self, agent, reboot):
        head = self.prepared(agent(Drain()), reboot("db-1"))
        assert head.endswith("it was not prepared for: it does not name db-0, which the agent runs on")

    def test_a_handler_that_fails_again_and_again(self, agent, reboot):
        head = self.prepared(agent(Drain(fails(OSError("pool is busy")))), reboot())
        assert head.endswith("nearest: Drain.prepare is pending after 3 attempt(s) (OSError: pool is busy)")

    def test_a_handler_whose_lead_has_not_begun(self, agent, reboot):
        head = self.prepared(agent(Drain()), reboot(notice=timedelta(hours=30)))
        assert "Drain.prepare is pending after 0 attempt(s) (its lead begins at 2026-01-02 05:00:00Z; " in head

    def test_a_handler_that_gave_up(self, agent, reboot):
        head = self.prepared(agent(Drain(fails(GiveUp("no pool")))), reboot())
        assert head.endswith("nearest: Drain.prepare is failed after 1 attempt(s) (no pool)")

    def test_a_handler_that_only_recovers(self, agent, reboot):
        class Back(Handler):
            def recover(self, event, context):
                pass

        assert self.prepared(agent(Back()), reboot()).endswith("Back takes it and has no prepare")

    def test_an_event_that_came_without_notice_is_not_waited_for(self, azure, agent, reboot):
        driver, event = agent(Drain()), reboot(notice=timedelta(0))
        head, _ = story_of(driver.run_until, event, Phase.SCHEDULED, prepared=True)
        assert head == (
            "too late: it was not prepared for: "
            "the agent first saw it when it had started, so there was no time to prepare"
        )
        assert azure.clock.now() - ManualClock().now() < timedelta(seconds=2)

    def test_an_event_that_is_not_approved(self, agent, reboot):
        driver, event = agent(Drain(fails(Veto("not today")))), reboot()
        head, _ = story_of(driver.run_until, event, Phase.SCHEDULED, approved=True, within=timedelta(seconds=1))
        assert head.endswith("it was not approved: vetoed by Drain")
        assert story_of(driver.assert_approved, event)[0] == "it was not approved: vetoed by Drain"

    def test_an_event_that_is_approved_and_should_not_be(self, agent, reboot):
        driver, event = agent(Drain()), reboot()
        driver.step()
        head, _ = story_of(driver.assert_approved, event, approved=False)
        assert head == "it was approved: prepared by Drain"

    def test_an_event_that_has_not_begun_yet(self, agent, reboot):
        driver, event = agent(Drain(), approve="never"), reboot()
        head, _ = story_of(driver.run_until, event, Phase.STARTED, within=timedelta(minutes=1))
        assert head == "after 60 s of the clock, it is scheduled and starts in 14 min"

    def test_a_handler_that_does_not_come_to_an_end(self, agent, reboot):
        class Stuck(Drain):
            def recover(self, event, context):
                raise RuntimeError("still down")

        driver, event = agent(Stuck()), reboot(started_for=timedelta(seconds=1))
        head, _ = story_of(driver.run_until, event, Phase.ENDED, within=timedelta(seconds=20))
        assert head == "after 20 s of the clock, its handlers have not ended: Stuck.recover is pending"

    def test_an_id_that_nobody_knows(self, agent, reboot):
        driver, event = agent(Drain()), reboot()
        head, lines = story_of(driver.run_until, "gone", Phase.ENDED, within=timedelta(seconds=1))
        assert head.endswith(f"the simulator has no event of this id; it has {event}")
        assert lines[-1].endswith("now: azure has no such event")

    def test_a_stage_that_did_not_run(self, agent, reboot):
        driver, event = agent(Drain()), reboot()
        driver.step()
        head, _ = story_of(driver.assert_ran, Drain, "recover", event)
        assert head == "Drain.recover did not succeed; nearest: Drain.prepare is succeeded after 1 attempt(s)"
        head, _ = story_of(driver.assert_ran, "Pool", "prepare", event)
        assert head == "Pool.prepare did not succeed; nearest: Drain.prepare is succeeded after 1 attempt(s)"

    def test_a_stage_that_ran_and_should_not_have(self, agent, reboot):
        driver, event = agent(Drain()), reboot()
        driver.step()
        head, _ = story_of(driver.assert_not_ran, Drain(), "prepare", event)
        assert head == "Drain.prepare began: it is succeeded after 1 attempt(s)"


def test_pytest_shows_the_story_and_not_the_drivers_own_lines(suite):
    result = suite("""
        class Standby(Exception):
            pass

        @pytest.mark.stormcone(machines=["db-0", "db-1"])
        def test_it(azure, agent, database):
            def lags():
                raise Standby("lags")

            database.fail_over = lags
            event = azure.schedule(Impact.REBOOT, resources=["db-0"], notice=timedelta(seconds=2))
            agent.run_until(event, Phase.SCHEDULED, prepared=True)
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*self.database.fail_over()",
            ">*raise Standby(*lags*",
            "E*Standby: lags",
            "The above exception was the direct cause of the following exception:",
            ">*agent.run_until(event, Phase.SCHEDULED, prepared=True)",
            "E*AssertionError: reboot of db-0 (*): too late: it was not prepared for: nearest: Failover.prepare *",
            "E*00:00:00Z  azure * announced: reboot of db-0, not before 2026-01-01 00:00:02Z",
            "E*00:00:00Z  Failover  prepare ends: error: Standby: lags",
            "E*00:00:02Z  agent * sees it started",
        ]
    )
    result.stdout.no_fnmatch_line("*driver.py*")
