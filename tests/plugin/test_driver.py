"""How an agent lives in a test: by the test's clock, through restarts and faults, alone and in company."""

import threading
from datetime import timedelta

import pytest

from stormcone import App, Handler, Impact, ManualClock, Outcome, Phase, SystemClock
from stormcone.agent.notices import NoticeKind
from stormcone.testing import AgentDriver
from stormcone_simulators.azure import AzureSimulator


class Recorder(Handler):
    """Writes down what it is called for; `work` is done in prepare."""

    lead = None

    def __init__(self, work=lambda context: None, **settings):
        self.calls = []
        self.work = work
        vars(self).update(settings)

    def prepare(self, event, context):
        self.calls.append(f"prepare#{context.attempt}")
        self.work(context)

    def started(self, event, context):
        self.calls.append("started")

    def recover(self, event, context):
        self.calls.append("recover")


@pytest.fixture
def azure():
    with AzureSimulator(["db-0", "db-1"], clock=ManualClock()) as azure:
        yield azure


@pytest.fixture(params=[False, True], ids=["test's thread", "own threads"])
def agent(request, azure):
    """An agent of these handlers, in either way of working."""
    agents = []

    def make(*handlers, machine=None, **app):
        agents.append(AgentDriver(azure, App(handlers, **app), machine=machine, thread=request.param).__enter__())
        return agents[-1]

    yield make
    for one in agents:
        one.close()


def reboot(azure, machine="db-0", notice=timedelta(minutes=15), **order):
    return azure.schedule(Impact.REBOOT, resources=[machine], notice=notice, **order)


def passed(azure):
    return azure.clock.now() - ManualClock().now()


class TestTime:
    def test_stands_still_while_the_event_has_come_far_enough(self, azure, agent):
        agent(Recorder()).run_until(reboot(azure), Phase.SCHEDULED, prepared=True)
        assert passed(azure) < timedelta(seconds=3)

    def test_goes_on_from_poll_to_poll_so_that_no_stage_is_missed(self, azure, agent):
        handler = Recorder()
        agent(handler).run_until(reboot(azure), Phase.ENDED, within=timedelta(minutes=11))
        assert handler.calls == ["prepare#1", "started", "recover"]

    def test_that_a_test_skips_is_as_if_no_agent_had_run(self, azure, agent):
        handler = Recorder()
        driver, event = agent(handler), reboot(azure)
        driver.run_until(event, Phase.SCHEDULED, prepared=True)
        azure.clock.advance(minutes=15)
        driver.run_until(event, Phase.ENDED)
        assert handler.calls[0] == "prepare#1"
        assert handler.calls[-1] == "recover"

    def test_passes_for_as_long_as_the_test_says(self, azure, agent):
        driver = agent(Recorder())
        driver.run_for(seconds=2.5)
        driver.run_for(timedelta(minutes=1))
        assert timedelta(0) <= passed(azure) - timedelta(seconds=62.5) < timedelta(seconds=2)
        assert len([asked for asked in azure.requests() if "scheduledevents" in asked["path"]]) >= 63

    def test_does_not_keep_a_handler_waiting_for_ever(self, azure, agent):
        handler = Recorder(lambda context: context.wait(300))
        driver, event = agent(handler), reboot(azure)
        driver.run_until(event, Phase.SCHEDULED, prepared=True)
        assert timedelta(minutes=5) <= passed(azure) < timedelta(minutes=5, seconds=5)

    def test_needs_a_clock_that_stands_still(self):
        with AzureSimulator(clock=SystemClock()) as azure, pytest.raises(TypeError, match="clock=ManualClock"):
            AgentDriver(azure, App())

    def test_does_not_begin_before_the_with_block(self, azure):
        driver = AgentDriver(azure, App())
        with pytest.raises(RuntimeError, match="use it in a with block"):
            driver.run_for(seconds=1)
        driver.close()


class TestARestart:
    def test_forgets_nothing_and_recovers_after_a_boot(self, azure, agent):
        handler = Recorder()
        driver, event = agent(handler, approve="never"), reboot(azure)
        driver.run_until(event, Phase.SCHEDULED, prepared=True)
        azure.start(event)
        driver.restart(boot_id="boot-2")
        azure.complete(event)
        episode = driver.run_until(event, Phase.ENDED)
        assert handler.calls == ["prepare#1", "recover"]
        assert episode.event.outcome is Outcome.COMPLETED
        assert [life.boot_id for life in driver.journal.lives()] == ["boot-1", "boot-2"]

    def test_without_a_boot_keeps_the_boot_id(self, azure, agent):
        driver = agent(Recorder())
        driver.run_for(seconds=1)
        driver.restart()
        driver.run_for(seconds=1)
        assert [life.boot_id for life in driver.journal.lives()] == ["boot-1", "boot-1"]

    def test_cuts_off_what_still_works_and_does_it_again(self, azure):
        release = threading.Event()

        def hang_once(context):
            if context.attempt == 1:
                context.wait(3600)
                release.wait(10)

        handler = Recorder(hang_once)
        with AgentDriver(azure, App([handler]), thread=True) as driver:
            event = reboot(azure, notice=timedelta(hours=3))
            driver.step()
            driver.restart()
            driver.run_until(event, Phase.SCHEDULED, prepared=True)
            release.set()
        assert handler.calls[:2] == ["prepare#1", "prepare#2"]


class TestFaults:
    @pytest.mark.parametrize(
        "fault",
        [
            {"status": 503, "times": 3},
            {"status": 429, "retry_after": 20, "times": 2},
            {"kind": "reset", "times": 2},
            {"kind": "junk", "times": 2},
            {"kind": "half_body", "times": 2},
            {"kind": "empty", "times": 2},
            {"delay_seconds": 5, "times": 1},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("early", [True, False], ids=["from the start", "later"])
    def test_are_lived_through(self, azure, agent, fault, early):
        driver = agent(Recorder())
        if not early:
            driver.run_for(seconds=2)
        event = reboot(azure)
        azure.faults.add(**fault)
        driver.run_until(event, Phase.SCHEDULED, prepared=True)
        driver.run_for(seconds=10)
        assert azure.faults.list() == []


class TestInItsOwnThreads:
    def test_a_stage_is_told_at_once_that_the_event_is_called_off(self, azure):
        told = []

        def work(context):
            context.wait(3600)
            told.append(context.canceled)

        with AgentDriver(azure, App([Recorder(work)]), thread=True) as driver:
            event = reboot(azure)
            driver.step()
            azure.cancel(event)
            driver.run_until(event, Phase.ENDED, outcome=Outcome.CANCELED)
        assert told == [True]

    def test_a_stage_that_overruns_is_ended(self, azure):
        handler = Recorder(lambda context: context.wait(3600), timeout=timedelta(seconds=30))
        with AgentDriver(azure, App([handler]), thread=True) as driver:
            reboot(azure)
            driver.run_for(seconds=45)
            (failed,) = [notice for notice in driver.notices if notice.kind is NoticeKind.RUN_FAILED]
        assert "overran" in failed.text

    def test_time_waits_for_a_stage_that_really_works(self, azure):
        done = threading.Event()
        threading.Timer(0.1, done.set).start()
        with AgentDriver(azure, App([Recorder(lambda context: done.wait(10) and None)]), thread=True) as driver:
            driver.run_until(reboot(azure), Phase.SCHEDULED, prepared=True)
        assert passed(azure) < timedelta(seconds=3)


class TestCompany:
    def test_polls_while_another_agent_is_run(self, azure, agent):
        first, second = Recorder(), Recorder()
        driver = agent(first, machine="db-0")
        agent(second, machine="db-1")
        event = reboot(azure, "db-1", started_for=timedelta(minutes=1))
        driver.run_until(event, Phase.ENDED)
        assert first.calls == []
        assert second.calls == ["prepare#1", "started", "recover"]

    def test_ends_with_the_agent(self, azure, agent):
        driver, other = agent(Recorder()), agent(Recorder(), machine="db-1")
        other.close()
        other.close()
        driver.run_for(seconds=1)
        assert {asked["machine"] for asked in azure.requests()} <= {"db-0", "db-1"}
