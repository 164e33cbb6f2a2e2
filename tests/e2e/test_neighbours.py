"""An event that names several machines: approving it speaks for all of them."""

import signal
from datetime import timedelta
from typing import Any

from stormcone.model import Impact

PREPARED = ("--on-prepare", "true", "--interval", "0.1s")


def announce(simulator: Any) -> str:
    event: str = simulator.schedule(Impact.REBOOT, resources=["web-0", "web-1"], notice=timedelta(minutes=15))
    return event


class TestAnEventOfTwoMachines:
    def test_is_not_approved_unless_a_leader_is_named(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", *PREPARED, "--endpoint", simulator.url)
        agent.says("identified")
        announce(simulator)
        agent.says("not approved: it also names web-1 and web-0 is not their leader")
        agent.says("commands.prepare done")
        seen = len(simulator.requests())
        home.until(lambda: len(simulator.requests()) > seen + 2, "two more polls")
        assert home.approvals(simulator) == []

    def test_is_approved_once_by_the_first_of_them(self, home: Any, simulators: Any) -> None:
        simulator = simulators(shared_hardware=True)
        agents = both(home, simulator, "--leader", "first")
        announce(simulator)
        agents[0].says("approved: prepared by commands")
        agents[1].says("not approved: it also names web-0")
        agents[1].says("commands.prepare done")
        assert [agent.ends_by(signal.SIGTERM) for agent in agents] == [0, 0]
        assert home.approvals(simulator) == ["web-0"]

    def test_is_approved_once_by_the_one_that_is_named(self, home: Any, simulators: Any) -> None:
        simulator = simulators(shared_hardware=True)
        agents = both(home, simulator, "--leader", "WEB-1")
        announce(simulator)
        agents[1].says("approved: prepared by commands")
        agents[0].says("not approved: it also names web-1")
        agents[0].says("commands.prepare done")
        assert [agent.ends_by(signal.SIGTERM) for agent in agents] == [0, 0]
        assert home.approvals(simulator) == ["web-1"]

    def test_is_never_approved_where_the_command_line_says_never(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", *PREPARED, "--endpoint", simulator.url, "--approve", "never", "--leader", "first")
        agent.says("identified")
        announce(simulator)
        agent.says("not approved: the policy is never to approve")
        agent.says("commands.prepare done")
        assert home.approvals(simulator) == []


class TestAnEventOfOthers:
    def test_is_warned_of_with_the_names_that_were_seen(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", *PREPARED, "--endpoint", simulator.url, "--machine", "web-9")
        agent.says("watching web-9")
        announce(simulator)
        agent.says("reboot of web-0, web-1: none of them is this machine (web-9), so nothing is done about it")


def both(home: Any, simulator: Any, *options: str) -> list[Any]:
    agents = [
        home.start("run", *PREPARED, *options, "--endpoint", url, "--journal", home.folder / f"{name}.db")
        for name, url in simulator.urls().items()
    ]
    for agent in agents:
        agent.says("identified")
    return agents
