"""Agents of a fleet on the simulator of Azure: one event that names several machines, an agent on each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import Retry, Veto
from stormcone.fleet.membership import GroupRule, Membership
from stormcone.fleet.memory import MemoryFleet
from stormcone.handlers import App, Context, Handler, Stage
from stormcone.model import Cause, Impact, Machine, MaintenanceEvent
from stormcone.rules.runs import RunState
from stormcone.testing.driver import AgentDriver
from stormcone_simulators.azure import AzureSimulator

SILENCE = timedelta(seconds=30)


class Drain(Handler):
    """Prepares and recovers; says no where it is told to."""

    def __init__(self) -> None:
        self.why = ""
        self.recovers = True
        self.begun: list[str] = []

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        self.begun.append(context.machine.name)
        if self.why:
            raise Veto(self.why)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        if not self.recovers:
            raise Retry("not yet", after=60)


class Small:
    """A small fleet: a simulator, a store, and agents on its machines."""

    def __init__(self, stack: ExitStack, *machines: str, groups: tuple[GroupRule, ...] = ()) -> None:
        self.clock = ManualClock()
        self.simulator = stack.enter_context(
            AzureSimulator(machines=[f"{name}@0" for name in machines], clock=self.clock, shared_hardware=True)
        )
        self.fleet = MemoryFleet(self.clock)
        self.groups = groups
        self.handlers = {name: Drain() for name in machines}
        self.agents: dict[str, AgentDriver] = {}
        self._stack = stack

    def start(self, *names: str) -> None:
        for name in names:
            membership = Membership(fleet=self.fleet, silence=SILENCE, groups=self.groups)
            driver = AgentDriver(self.simulator, App([self.handlers[name]]), machine=name, fleet=membership)
            self.agents[name] = self._stack.enter_context(driver)

    def live(self, seconds: float, *names: str) -> None:
        """Let some of the agents, or all, live for so long; the others hang."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            for name in names or self.agents:
                self.agents[name].step()

    def approvals(self) -> list[str]:
        return [r["machine"] for r in self.simulator.requests() if r["method"] == "POST"]

    def decision(self, name: str) -> str:
        return self.agents[name].journal.episodes()[-1].decision

    def told(self, name: str) -> str:
        return "\n".join(notice.text for notice in self.agents[name].notices)


BOTH = ("web-0", "web-1")


@pytest.fixture
def small() -> Iterator[Callable[..., Small]]:
    with ExitStack() as stack:
        yield lambda *names, groups=(): Small(stack, *names, groups=groups)


def announce(small: Small, *names: str, **given: Any) -> str:
    return small.simulator.schedule(Impact.REBOOT, resources=list(names), **{"notice": timedelta(minutes=15), **given})


class TestAnAgentThatEnds:
    def test_leaves_the_approval_to_another_at_once(self, small):
        fleet = small(*BOTH)
        fleet.handlers["web-1"].lead = timedelta(minutes=5)
        fleet.start(*BOTH)
        fleet.live(2)
        announce(fleet, *BOTH, notice=timedelta(minutes=6))
        fleet.live(10)
        fleet.agents["web-0"].agent.stop()
        fleet.live(56)
        assert fleet.approvals() == ["web-1"]

    def test_tells_the_fleet_what_the_cloud_has_answered_before_it_is_gone(self, small, monkeypatch):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        announce(fleet, *BOTH)
        agent = fleet.agents["web-0"].agent
        exchange, clock = agent._exchange, agent._clock
        ask = exchange.ask
        with monkeypatch.context() as patch:  # no exchange after the approval: it is the last that this agent does
            patch.setattr(exchange, "ask", lambda: not fleet.approvals() and ask())
            while not fleet.approvals():
                fleet.live(1, "web-1")
                fleet.live(1, "web-0")

        class Meanwhile:
            """While the loop waits, the thread beside it exchanges."""

            def __getattr__(self, name):
                return getattr(clock, name)

            def wait(self, wake, seconds):
                exchange.ask()

        agent._clock = Meanwhile()
        agent.stop()
        agent._finish()
        (ballot,) = fleet.fleet.overview().ballots
        assert ballot.answer is not None
        fleet.live(15, "web-1")
        assert fleet.approvals() == ["web-0"], "nobody asks the cloud again"


UNLISTED = {"path": "/metadata/scheduledevents", "status": 200, "body": '{"DocumentIncarnation": 99, "Events": []}'}


class TestMembersThatCountDifferentLivesOfAnEvent:
    """One has begun it anew, and another has not: they agree all the same, on what it is now."""

    def agreed_once(self, fleet: Small) -> bool:
        ends = [self.prepared(fleet, name) for name in BOTH]
        return len(fleet.approvals()) == 1 and all(ends)

    @staticmethod
    def prepared(fleet: Small, name: str) -> bool:
        journal = fleet.agents[name].journal
        runs = journal.runs(journal.episodes()[-1].id)
        return any(run.stage is Stage.PREPARE and run.state is RunState.SUCCEEDED for run in runs)

    @staticmethod
    def numbers(fleet: Small) -> list[int]:
        return [fleet.agents[name].journal.episodes()[-1].number for name in BOTH]

    def test_since_it_moved_when_one_had_begun_to_prepare(self, small):
        fleet = small(*BOTH)
        fleet.handlers["web-1"].lead = timedelta(minutes=30)
        fleet.start(*BOTH)
        fleet.live(2)
        event = announce(fleet, *BOTH, notice=timedelta(minutes=40))
        fleet.live(5)
        fleet.simulator.change(event, not_before=fleet.clock.now() + timedelta(hours=3))
        fleet.live(5)
        assert (self.numbers(fleet), fleet.approvals()) == ([2, 1], [])
        fleet.clock.advance(hours=2)
        fleet.live(5)
        assert fleet.approvals() == [], "web-1 has not prepared"
        fleet.clock.advance(minutes=30)
        fleet.live(15)
        assert self.agreed_once(fleet)

    def test_since_one_poll_of_one_of_them_lacked_it(self, small):
        fleet = small(*BOTH)
        fleet.handlers["web-1"].lead = timedelta(minutes=5)
        fleet.start(*BOTH)
        fleet.live(2)
        announce(fleet, *BOTH)
        fleet.live(5)
        fleet.simulator.faults.add(machine="web-0", times=1, **UNLISTED)
        fleet.live(5)
        assert (self.numbers(fleet), fleet.approvals()) == ([2, 1], [])
        fleet.clock.advance(minutes=10)
        fleet.live(15)
        assert self.agreed_once(fleet)

    def test_since_one_has_lost_its_journal(self, small):
        fleet = small(*BOTH)
        fleet.handlers["web-0"].lead = fleet.handlers["web-1"].lead = timedelta(minutes=5)
        fleet.start(*BOTH)
        fleet.live(2)
        announce(fleet, *BOTH)
        fleet.live(2)
        for name in BOTH:
            fleet.simulator.faults.add(machine=name, times=1, **UNLISTED)
        fleet.live(5)
        assert self.numbers(fleet) == [2, 2]
        fleet.agents["web-1"].agent.stop()
        fleet.start("web-1")
        fleet.live(5)
        assert (self.numbers(fleet), fleet.approvals()) == ([2, 1], [])
        fleet.clock.advance(minutes=10)
        fleet.live(15)
        assert self.agreed_once(fleet)

    def test_one_is_away_while_any_life_of_it_is(self, small):
        fleet = small("web-0", "web-1", groups=(GroupRule(name="web", max_unavailable="1", machines=("web-*",)),))
        fleet.handlers["web-0"].recovers = False
        fleet.start(*BOTH)
        fleet.live(2)
        event = announce(fleet, "web-0")
        fleet.live(5)
        fleet.simulator.change(event, not_before=fleet.clock.now() + timedelta(hours=3))
        fleet.live(5)
        announce(fleet, "web-1")
        fleet.live(5)
        first, second, _ = fleet.agents["web-0"].journal.episodes()
        assert (first.ended is None, second.ended) == (False, None)
        assert fleet.handlers["web-1"].begun == []
        assert "web-0 is away" in fleet.decision("web-1")


class TestWhatNobodyHasForeseen:
    def test_in_what_the_fleet_says_holds_up_no_event_of_ours(self, small, monkeypatch):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        exchange = fleet.agents["web-0"].agent._exchange
        monkeypatch.setattr(exchange, "say", lambda *given, **named: int("of another version"))
        announce(fleet, "web-0")
        fleet.live(3)
        assert fleet.approvals() == ["web-0"]
        assert "what the fleet has said is not understood" in fleet.told("web-0")


class TestAnEventOfTwoMachines:
    def test_is_approved_once_when_both_are_prepared(self, small):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        announce(fleet, *BOTH)
        fleet.live(20)
        assert fleet.approvals() == ["web-0"]
        assert "approved: prepared by Drain; agreed by web-0, web-1" in fleet.told("web-0")
        assert "web-0 (at 2026-01-01" in fleet.decision("web-1")

    def test_is_approved_by_the_other_where_the_first_cannot_send_it(self, small):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        fleet.simulator.faults.add(method="POST", machine="web-0", status=500)
        announce(fleet, *BOTH)
        fleet.live(8)
        assert fleet.approvals() == ["web-0", "web-1"], "at once, and not when the first claim has ended"

    def test_is_not_approved_while_one_is_silent_and_is_once_it_is_heard(self, small):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        fleet.live(40, "web-0")
        announce(fleet, *BOTH)
        fleet.live(10, "web-0")
        assert fleet.approvals() == []
        assert fleet.decision("web-0").startswith("web-1 is silent since 2026-01-01 00:00:0")
        fleet.live(5)
        assert fleet.approvals() == ["web-0"]

    def test_is_not_approved_while_one_is_unknown(self, small):
        fleet = small(*BOTH)
        fleet.start("web-0")
        fleet.live(2)
        announce(fleet, *BOTH)
        fleet.live(10)
        assert fleet.approvals() == []
        assert fleet.decision("web-0") == "web-1 is unknown to the fleet"

    def test_is_not_approved_where_one_vetoes(self, small):
        fleet = small(*BOTH)
        fleet.handlers["web-1"].why = "a backup runs"
        fleet.start(*BOTH)
        fleet.live(2)
        announce(fleet, *BOTH)
        fleet.live(10)
        assert fleet.approvals() == []
        assert fleet.decision("web-0") == "web-1 vetoed: vetoed by Drain"
        assert fleet.decision("web-1") == "vetoed by Drain"

    def test_waits_for_the_one_that_still_prepares(self, small):
        fleet = small(*BOTH)
        fleet.handlers["web-1"].lead = timedelta(minutes=5)
        fleet.start(*BOTH)
        fleet.live(2)
        announce(fleet, *BOTH, notice=timedelta(minutes=6))
        fleet.live(10)
        assert fleet.approvals() == []
        assert fleet.decision("web-0") == "waiting for others: web-1 is preparing: waiting for Drain to prepare"
        fleet.live(60)
        assert fleet.approvals() == ["web-0"]
        assert "waiting for others" not in fleet.told("web-1"), "the one that still prepared waits for nobody"

    def test_is_approved_after_a_restart_of_both(self, small):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        fleet.fleet.away = "it is down"
        announce(fleet, *BOTH)
        fleet.live(5)
        for agent in fleet.agents.values():
            agent.restart()
        fleet.fleet.away = ""
        fleet.live(60)
        assert fleet.approvals() == ["web-0"]


class TestAnAgentUnderAWrongName:
    def test_stays_out_of_the_fleet(self, small, monkeypatch):
        """Its votes would be taken for those of the machine that it is on."""
        fleet = small(*BOTH)
        fleet.start("web-0")
        fleet.live(2)
        monkeypatch.setattr(Machine, "disputed", True)
        fleet.live(40)
        (member,) = fleet.fleet.overview().members
        assert (member.name, member.silent(fleet.clock.now())) == ("web-0", True)


class TestTheDatabaseAway:
    def test_what_names_others_waits_and_what_is_ours_alone_goes_on(self, small):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        fleet.fleet.away = "the fleet shop in postgresql://db/shop cannot be used: it is down"
        fleet.live(40)
        announce(fleet, *BOTH)
        fleet.simulator.schedule(Impact.FREEZE, resources=["web-1"], notice=timedelta(minutes=15))
        fleet.live(10)
        assert fleet.approvals() == ["web-1"]
        waits = "it names other machines, and the fleet's database is silent since 2026-01-01 00:00:0"
        assert waits in fleet.told("web-0")
        assert "it is down; meanwhile events that name others wait" in fleet.told("web-0")
        fleet.fleet.away = ""
        fleet.live(60)
        assert fleet.approvals() == ["web-1", "web-0"]
        assert "the fleet answers again" in fleet.told("web-0")

    def test_a_store_that_has_forgotten_all_is_told_anew(self, small):
        fleet = small(*BOTH)
        fleet.start(*BOTH)
        fleet.live(2)
        event = announce(fleet, *BOTH)
        fleet.live(20)
        fleet.fleet.__init__(fleet.clock)  # restored from before all that
        fleet.live(40)
        assert fleet.approvals() == ["web-0"], "what the cloud has answered is known to who was answered"
        (ballot,) = fleet.fleet.overview().ballots
        assert ballot.key.id == event.lower()
        assert ballot.answer is not None
        assert ballot.name_of(ballot.answer.by) == "web-0"


class TestLimits:
    GROUPS = (GroupRule(name="db", max_unavailable="1", machines=("db-*",)),)
    TWO = ("db-0", "db-1")

    def test_the_second_waits_until_the_first_has_recovered(self, small):
        fleet = small(*self.TWO, groups=self.GROUPS)
        fleet.start(*self.TWO)
        fleet.live(2)
        first = announce(fleet, "db-0")
        fleet.live(3)
        announce(fleet, "db-1", notice=timedelta(hours=1))
        fleet.live(10)
        assert fleet.handlers["db-1"].begun == []
        assert fleet.decision("db-1").startswith("waits for its turn in group db: db-0 is away (reboot")
        assert fleet.told("db-1").count("waits for its turn in group db: db-0 is away") == 1  # once, however long
        fleet.simulator.start(first)
        fleet.live(3)
        fleet.simulator.complete(first)
        fleet.live(15)
        assert fleet.handlers["db-1"].begun == ["db-1"]
        assert "has its turn" in fleet.told("db-1")
        assert fleet.approvals() == ["db-0", "db-1"]

    def test_what_may_not_wait_does_not(self, small):
        fleet = small(*self.TWO, groups=self.GROUPS)
        fleet.start(*self.TWO)
        fleet.live(2)
        announce(fleet, "db-0")
        fleet.live(5)
        fleet.simulator.schedule(
            Impact.TERMINATE, resources=["db-1"], notice=timedelta(seconds=30), cause=Cause.PREEMPTION
        )
        fleet.live(3)
        assert fleet.handlers["db-1"].begun == ["db-1"]
        (group,) = fleet.fleet.overview().groups
        assert len(group.away(fleet.clock.now())) == 2
        assert "it is a preemption" in {turn.need for turn in group.turns}

    def test_it_goes_on_when_its_time_allows_no_more_waiting(self, small):
        fleet = small(*self.TWO, groups=self.GROUPS)
        fleet.start(*self.TWO)
        fleet.live(2)
        announce(fleet, "db-0")
        fleet.live(3)
        fleet.handlers["db-1"].lead = timedelta(minutes=30)
        announce(fleet, "db-1", notice=timedelta(minutes=6))
        fleet.live(50)
        assert fleet.handlers["db-1"].begun == []
        fleet.live(20)
        assert fleet.handlers["db-1"].begun == ["db-1"], "five minutes are left to prepare"

    def test_without_the_database_it_waits_as_long_as_its_time_allows(self, small):
        fleet = small(*self.TWO, groups=self.GROUPS)
        fleet.start(*self.TWO)
        fleet.live(2)
        fleet.fleet.away = "it is down"
        fleet.live(40)
        announce(fleet, "db-1", notice=timedelta(minutes=6))
        fleet.live(50)
        assert fleet.handlers["db-1"].begun == []
        assert fleet.decision("db-1").startswith("waits for its turn: the fleet's database is silent since")
        fleet.live(20)
        assert fleet.handlers["db-1"].begun == ["db-1"]

    @pytest.mark.parametrize(("soon", "least", "most"), [(True, 20, 35), (False, 2, 5)])
    def test_it_asks_often_only_where_its_turn_may_come_soon(self, small, monkeypatch, soon, least, most):
        fleet = small(*self.TWO, groups=self.GROUPS)
        exchange = fleet.fleet.exchange
        monkeypatch.setattr(fleet.fleet, "exchange", lambda saying: replace(exchange(saying), soon=soon))
        fleet.start(*self.TWO)
        fleet.live(2)
        announce(fleet, "db-0")
        fleet.live(3)
        announce(fleet, "db-1", notice=timedelta(hours=1))
        fleet.live(5)
        before = fleet.agents["db-1"].agent.view.fleet.exchanges
        fleet.live(30)
        asked = fleet.agents["db-1"].agent.view.fleet.exchanges - before
        assert least <= asked <= most
        assert fleet.decision("db-1").startswith("waits for its turn in group db: db-0 is away (reboot")


class TestAConfigurationOfBoth:
    def test_a_leader_in_a_fleet_is_refused(self, small):
        fleet = small(*BOTH)
        with pytest.raises(ValueError, match="the app names a leader"):
            AgentDriver(fleet.simulator, App(leader="first"), fleet=Membership(fleet=fleet.fleet))


class TestWhatIsSeenOfIt:
    def test_status_and_metrics_say_who_is_waited_for(self, small):
        pytest.importorskip("prometheus_client")
        from stormcone.health.metrics import Metrics
        from stormcone.health.readiness import readiness
        from stormcone.health.status import status_document

        machines = ("web-0", "web-1", "db-0")
        fleet = small(*machines, groups=(GroupRule(name="web", max_unavailable="1", machines=("web-*",)),))
        fleet.start(*machines)
        fleet.live(2)
        fleet.live(40, "web-0", "db-0")
        announce(fleet, "web-0", "db-0", notice=timedelta(minutes=6))
        fleet.live(3, "web-0")
        clock, view = fleet.clock, fleet.agents["web-0"].agent.view
        document = status_document(
            view, readiness(view, clock.monotonic()), clock.now(), clock.monotonic(), process=1, size=None
        )
        (event,) = document["events"]
        assert event["rule"] == "turn"
        assert event["decision"].startswith("waits for its turn in group web: web-1 is silent since 2026-01-01 00:00:")
        text = Metrics(clock, lambda: view, lambda each: readiness(each, clock.monotonic())).text().decode()
        said = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("stormcone_fleet_"))
        assert float(said['stormcone_fleet_exchanges_total{result="success"}']) > 3
        assert said['stormcone_fleet_exchanges_total{result="failure"}'] == "0.0"
        assert float(said["stormcone_fleet_last_exchange_age_seconds"]) <= 1
        assert said["stormcone_fleet_turns_waiting"] == "1.0"
        assert said["stormcone_fleet_approvals_waiting"] == "1.0"
        assert said['stormcone_fleet_members{state="heard"}'] == "2.0"
        assert said['stormcone_fleet_members{state="silent"}'] == "1.0"


class TestAPolicy:
    def test_is_not_asked_any_more_once_the_cloud_has_answered(self, small):
        fleet = small(*BOTH)
        asked = []

        def policy(event: MaintenanceEvent, prepared: bool) -> bool:
            asked.append(prepared)
            return prepared

        membership = Membership(fleet=fleet.fleet, silence=SILENCE)
        app = App([fleet.handlers["web-0"]], approve=policy)
        driver = AgentDriver(fleet.simulator, app, machine="web-0", fleet=membership)
        fleet.agents["web-0"] = fleet._stack.enter_context(driver)
        fleet.live(2)
        fleet.simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15))
        fleet.live(3)
        assert fleet.approvals() == ["web-0"]
        before = len(asked)
        fleet.live(1)
        engine = driver.agent._engine
        engine.decisions.votes(driver.agent._steady.now())
        assert (before > 0, len(asked)) == (True, before)


class TestAShortFreeze:
    def test_waits_for_its_turn_from_the_first_sight_on(self, small):
        """Also before the fleet has said what for: it is approved without a prepare that would wait."""
        fleet = small(*BOTH, groups=(GroupRule(name="web", max_unavailable="1", machines=("web-*",)),))
        fleet.start("web-0")
        membership = Membership(fleet=fleet.fleet, silence=SILENCE, groups=fleet.groups)
        app = App([fleet.handlers["web-1"]], approve_short_freeze=True)
        driver = AgentDriver(fleet.simulator, app, machine="web-1", fleet=membership)
        fleet.agents["web-1"] = fleet._stack.enter_context(driver)
        fleet.live(2)
        announce(fleet, "web-0")
        fleet.live(6)
        assert fleet.approvals() == ["web-0"]
        fleet.simulator.schedule(
            Impact.FREEZE, resources=["web-1"], notice=timedelta(minutes=15), duration=timedelta(seconds=5)
        )
        fleet.live(3)
        assert fleet.approvals() == ["web-0"]
        assert "waits for its turn in group web: web-0 is away" in fleet.told("web-1")
