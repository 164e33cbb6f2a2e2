"""What other handlers of Scheduled Events got wrong, carried through the agent, the provider and the simulator.

The numbers are those of the list "What the field's other handlers got wrong" in the project's reference on Azure.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from stormcone import Agent, App, GiveUp, Handler, Impact, Journal, ManualClock, Outcome, Phase
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.workers import InlineExecutor
from stormcone_azure.provider import AzureProvider
from stormcone_simulators.azure import AzureSimulator


class Recorder(Handler):
    """Writes down what it is asked to do; `script` says what a stage does beyond that."""

    lead = None  # a predicted hardware failure is announced a week ahead

    def __init__(self) -> None:
        self.calls = []
        self.contexts = []
        self.script = {}

    def prepare(self, event, context):
        self._do("prepare", event, context)

    def started(self, event, context):
        self._do("started", event, context)

    def recover(self, event, context):
        self._do("recover", event, context)

    def _do(self, stage, event, context):
        self.calls.append((stage, event.id))
        self.contexts.append((context.deadline, context.remaining()))
        self.script.get(stage, lambda: None)()

    def stages(self, event_id):
        return [stage for stage, of in self.calls if of == event_id]


class World:
    """A simulator, and an agent on one of its machines that can be restarted."""

    def __init__(self, stack, path, machines=("web-0", "web-1"), machine="web-0", **settings) -> None:
        self.stack = stack
        self.path = path
        self.clock = ManualClock()
        self.simulator = stack.enter_context(AzureSimulator(machines, clock=self.clock))
        self.machine = machine
        self.settings = settings
        self.handler = Recorder()
        self.notices: list[Notice] = []
        self.start_agent()

    def start_agent(self) -> None:
        self.journal = self.stack.enter_context(Journal.open(self.path))
        provider = AzureProvider.from_options(self.simulator.provider_options(self.machine))
        self.stack.callback(provider.close)
        self.agent = Agent(
            provider,
            App([self.handler], **self.settings),
            self.journal,
            clock=self.clock,
            boot_id="boot-1",
            executor=InlineExecutor(),
            listener=self.notices.append,
        )

    def restart(self) -> None:
        self.journal.close()
        self.start_agent()

    def schedule(self, impact=Impact.REBOOT, resources=("web-0",), notice=timedelta(minutes=15), **more):
        return self.simulator.schedule(impact, resources=resources, notice=notice, **more)

    def steps(self, number=3, seconds=1.0) -> None:
        for _ in range(number):
            self.agent.step()
            self.clock.advance(seconds)

    @property
    def approved(self) -> list[str]:
        posts = [request["body"] for request in self.simulator.requests() if request["method"] == "POST"]
        return [event["id"] for post in posts for event in self.simulator.events() if event["id"] in post]

    def episode(self, event_id):
        return next(episode for episode in self.journal.episodes() if episode.event.id == event_id)

    def texts(self, kind) -> list[str]:
        return [notice.text for notice in self.notices if notice.kind is kind]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def world(stack, tmp_path) -> World:
    return World(stack, tmp_path / "journal.db")


class Test1ApprovesTheRightEventOnce:
    def test_of_two_events_only_the_one_that_was_prepared_is_approved(self, world):
        world.handler.when = lambda event: event.impact is Impact.REBOOT
        other = world.schedule(Impact.FREEZE)
        ours = world.schedule(Impact.REBOOT)
        world.steps()
        assert world.approved == [ours]
        assert not world.episode(other).approved

    def test_an_event_is_approved_once_however_often_it_is_polled(self, stack, tmp_path):
        world = World(stack, tmp_path / "journal.db")
        world.simulator.close()
        shared = AzureSimulator(["web-0"], clock=world.clock, shared_hardware=True)
        world.simulator = stack.enter_context(shared)
        world.restart()
        event = world.schedule()
        world.steps(30)
        assert world.episode(event).event.phase is Phase.SCHEDULED
        assert world.approved == [event]

    def test_an_event_is_not_approved_after_its_preparation_failed(self, world):
        def fail():
            raise GiveUp("the pool does not let go")

        world.handler.script["prepare"] = fail
        event = world.schedule()
        world.steps(5)
        assert world.approved == []
        assert world.episode(event).decision == "Recorder did not prepare"


class Test2NeverApprovesForANeighbour:
    def test_an_event_that_names_a_machine_nobody_prepared_is_not_approved(self, world):
        event = world.schedule(resources=["web-0", "web-1"])
        world.steps(5)
        assert world.handler.stages(event) == ["prepare"]
        assert world.approved == []
        assert "also names web-1" in world.episode(event).decision

    def test_the_leader_approves_it_once(self, stack, tmp_path):
        leader = World(stack, tmp_path / "0.db", leader="first")
        event = leader.schedule(resources=["web-0", "web-1"])
        leader.steps(5)
        assert leader.approved == [event]

    def test_who_is_not_the_leader_does_not(self, stack, tmp_path):
        follower = World(stack, tmp_path / "1.db", machine="web-1", leader="first")
        follower.schedule(resources=["web-0", "web-1"])
        follower.steps(5)
        assert follower.approved == []

    def test_an_event_whose_second_entry_has_lost_its_id_is_not_approved(self, world):
        """Listed twice, it names a neighbour in an entry that nobody can tell is its own."""
        world.steps(1)  # which finds out which machine this is
        event = world.schedule()
        said = {"EventStatus": "Scheduled", "EventType": "Reboot", "ResourceType": "VirtualMachine", "NotBefore": ""}
        listed = {**said, "EventId": event, "Resources": ["web-0"]}
        lost = {**listed, "EventId": "", "Resources": ["web-0", "web-1"]}
        document = json.dumps({"DocumentIncarnation": 9, "Events": [listed, lost]})
        world.simulator.faults.add(body=document, content_type="application/json")
        world.steps(5)
        assert "prepare" in world.handler.stages(event)
        assert world.approved == []
        assert "could not be read whole" in world.episode(event).decision
        world.simulator.faults.clear()
        world.steps(2)
        assert world.approved == [event]


class Test3MatchesWholeNames:
    def test_an_event_of_vm1_is_not_ours_on_vm10_0(self, stack, tmp_path):
        world = World(stack, tmp_path / "j.db", machines=("vm10_0", "vm1"), machine="vm10_0")
        event = world.schedule(resources=["vm1"])
        world.steps()
        assert world.handler.calls == []
        assert world.episode(event).event.resources == ("vm1",)
        assert any("vm1" in text for text in world.texts(NoticeKind.NOT_OURS))

    def test_our_own_name_is_ours_in_any_case(self, stack, tmp_path):
        world = World(stack, tmp_path / "j.db", machines=("WestNO_0",), machine="WestNO_0")
        event = world.schedule(resources=["WestNO_0"])
        world.simulator.faults.add(path="/metadata/scheduledevents", body=_document(event, '"westno_0"'), times=1)
        world.agent.step()
        assert world.handler.stages(event) == ["prepare"]


class Test4GoesOnAfterWhatItCannotRead:
    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param('"NotBefore": "soon"', id="an unparsable date"),
            pytest.param('"NotBefore": "", "Novelty": {"a": [1]}', id="an unknown field"),
            pytest.param('"DurationInSeconds": "long"', id="a wrong type"),
        ],
    )
    def test_one_odd_field_hides_neither_its_event_nor_the_next(self, world, fields):
        body = (
            '{"DocumentIncarnation": 1, "Events": ['
            '{"EventId": "ODD", "EventStatus": "Scheduled", "EventType": "Reboot", "Resources": ["web-0"],'
            f"{fields}}},"
            '{"EventId": "NEXT", "EventStatus": "Scheduled", "EventType": "Freeze", "Resources": ["web-0"]}]}'
        )
        world.simulator.faults.add(path="/metadata/scheduledevents", body=body, method="GET")
        world.agent.step()
        assert world.handler.stages("ODD") == ["prepare"]
        assert world.handler.stages("NEXT") == ["prepare"]

    @pytest.mark.parametrize("body", ["", "<html>busy</html>", "{}", "[]", '{"Events": null}'])
    def test_an_answer_without_a_document_says_unknown_and_ends_nothing(self, world, body):
        event = world.schedule()
        world.agent.step()
        world.simulator.faults.add(path="/metadata/scheduledevents", body=body, method="GET", times=3)
        world.steps(3)
        assert world.agent.status.error is not None
        assert world.episode(event).ended is None
        world.agent.step()
        assert world.agent.status.error is None


class Test5OutlastsABadEndpoint:
    @pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
    def test_ten_seconds_of_errors_end_neither_the_agent_nor_the_event(self, world, status):
        event = world.schedule()
        world.agent.step()
        world.simulator.faults.add(path="/metadata/scheduledevents", status=status)
        world.steps(10)
        assert world.episode(event).ended is None
        world.simulator.faults.clear()
        later = world.schedule(Impact.FREEZE)
        world.agent.step()
        assert "prepare" in world.handler.stages(later)

    def test_it_says_what_is_wrong_once_with_the_age_of_the_last_success(self, world):
        world.agent.step()
        world.clock.advance(minutes=5)
        world.simulator.faults.add(path="/metadata/scheduledevents", status=503)
        world.steps(10)
        (text,) = world.texts(NoticeKind.UNKNOWN)
        assert "unknown" in text
        assert "5 min ago" in text


class Test6RemembersOverARestart:
    def test_it_does_not_prepare_twice_and_recovers_after_the_restart(self, world):
        event = world.schedule(resources=["web-0", "web-1"])
        world.steps(2)
        world.restart()
        world.steps(2)
        assert world.handler.stages(event) == ["prepare"]
        world.clock.advance(minutes=40)
        world.restart()
        world.steps(2)
        assert world.handler.stages(event) == ["prepare", "recover"]
        assert world.episode(event).event.outcome is Outcome.COMPLETED


class Test7UndoesOnlyWhatItDid:
    def test_an_event_that_was_never_prepared_for_is_not_recovered_from(self, world):
        world.handler.lead = timedelta(minutes=5)
        event = world.schedule()
        world.steps()
        world.simulator.cancel(event)
        world.steps()
        assert world.episode(event).event.outcome is Outcome.CANCELED
        assert world.handler.calls == []


class Test8SeesWhatChanges:
    def test_a_moved_not_before_moves_the_deadline_and_the_lead(self, world):
        world.handler.lead = timedelta(minutes=5)
        event = world.schedule(notice=timedelta(minutes=20))
        world.steps(1)
        world.simulator.change(event, notice=timedelta(minutes=60))
        world.clock.advance(minutes=16)
        world.steps(1)
        assert world.handler.calls == []
        world.clock.advance(minutes=40)
        world.steps(1)
        assert world.handler.stages(event) == ["prepare"]
        assert world.texts(NoticeKind.REVISED)

    def test_a_canceled_event_ends_and_is_recovered_from(self, world):
        event = world.schedule(resources=["web-0", "web-1"])
        world.steps(2)
        world.simulator.cancel(event)
        world.steps(2)
        assert world.handler.stages(event) == ["prepare", "recover"]
        assert world.episode(event).event.outcome is Outcome.CANCELED


class Test9TellsBeforeItWorks:
    def test_the_announcement_and_the_failure_are_told(self, world):
        told = []

        def fail():
            told.extend(notice.kind for notice in world.notices)
            raise GiveUp("the drain is stuck")

        world.handler.script["prepare"] = fail
        world.schedule()
        world.steps(1)
        assert NoticeKind.ANNOUNCED in told
        assert any("the drain is stuck" in text for text in world.texts(NoticeKind.RUN_FAILED))


class Test10KeepsTheDeadline:
    def test_prepare_has_the_whole_notice(self, world):
        world.schedule(notice=timedelta(minutes=15))
        world.agent.step()
        deadline, remaining = world.handler.contexts[0]
        assert deadline == world.clock.now() + timedelta(minutes=15)
        assert remaining == timedelta(minutes=15)


class TestIncarnations:
    def test_a_started_document_that_was_never_seen_is_no_loss(self, world):
        event = world.schedule(resources=["web-0", "web-1"])
        world.agent.step()
        world.clock.advance(minutes=26)
        world.steps(2)
        assert world.handler.stages(event) == ["prepare", "recover"]
        assert world.episode(event).event.outcome is Outcome.COMPLETED

    def test_an_incarnation_that_starts_over_hides_no_event(self, world):
        world.agent.step()
        world.simulator.skip_incarnations(5)
        world.agent.step()
        world.simulator.restart_incarnations()
        event = world.schedule()
        world.agent.step()
        assert world.handler.stages(event) == ["prepare"]

    def test_the_same_document_is_handled_again_where_handling_it_failed(self, world):
        event = world.schedule()
        failures = iter([OSError("busy"), OSError("busy")])

        def fail_twice():
            for error in failures:
                raise error

        world.handler.script["prepare"] = fail_twice
        world.steps(8)
        assert world.handler.stages(event)[:3] == ["prepare", "prepare", "prepare"]
        assert world.approved == [event]


class TestSpecialCases:
    def test_an_event_first_seen_started_skips_prepare(self, world):
        event = world.schedule(notice=timedelta(0))
        world.steps(1)
        assert world.handler.stages(event) == ["started"]
        world.clock.advance(minutes=11)
        world.steps(2)
        assert world.handler.stages(event) == ["started", "recover"]

    def test_the_next_event_may_follow_at_once(self, world):
        first = world.schedule(notice=timedelta(0))
        world.steps(1)
        world.simulator.complete(first)
        second = world.schedule()
        world.steps(3)
        assert world.handler.stages(first)[-1] == "recover"
        assert world.handler.stages(second)[:2] == ["prepare", "started"]

    @pytest.mark.parametrize(
        ("scenario", "stages"),
        [
            ("live-migration", ["prepare", "started", "recover"]),
            ("user-reboot", ["prepare", "started", "recover"]),
            ("host-agent-maintenance", ["prepare", "started", "recover"]),
            ("redeploy", ["prepare", "started", "recover"]),
            ("user-redeploy", ["prepare", "started", "recover"]),
            ("spot-eviction", ["prepare", "started", "recover"]),
            ("hardware-failure", ["started", "recover"]),
            ("degraded-hardware", ["prepare", "started", "recover"]),
            ("terminate", ["prepare", "started", "recover"]),
            ("network-update", ["prepare", "started", "recover"]),
            ("second-impact", ["prepare", "started", "recover"]),
        ],
    )
    def test_every_scenario_of_one_machine_is_carried_to_its_end(self, stack, tmp_path, scenario, stages):
        world = World(stack, tmp_path / "j.db", machines=("web-0",))
        world.simulator.play(scenario)
        world.steps(60, seconds=1)
        world.steps(60, seconds=60)
        (episode,) = world.journal.episodes()
        assert world.handler.stages(episode.event.id) == stages
        assert episode.event.outcome is Outcome.COMPLETED
        assert world.approved == ([] if "prepare" not in stages else [episode.event.id])

    def test_a_maintenance_that_is_called_off_before_it_is_approved_is_recovered_from(self, stack, tmp_path):
        world = World(stack, tmp_path / "j.db", machines=("web-0",), approve="never")
        world.simulator.play("canceled-maintenance")
        world.steps(20, seconds=60)
        (episode,) = world.journal.episodes()
        assert world.handler.stages(episode.event.id) == ["prepare", "recover"]
        assert episode.event.outcome is Outcome.CANCELED

    def test_fault_domains_are_carried_one_after_the_other(self, stack, tmp_path):
        world = World(stack, tmp_path / "j.db")
        world.simulator.play("fault-domains")
        world.steps(90, seconds=60)
        first, second = world.journal.episodes()
        assert world.handler.stages(first.event.id) == ["prepare", "started", "recover"]
        assert world.handler.stages(second.event.id) == []


def _document(event: str, resource: str) -> str:
    entry = f'"EventId": "{event}", "EventStatus": "Scheduled", "EventType": "Reboot", "Resources": [{resource}]'
    return f'{{"DocumentIncarnation": 1, "Events": [{{{entry}, "NotBefore": ""}}]}}'
