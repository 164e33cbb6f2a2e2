"""The product's promise: a simulator, an agent and a person at three terminals."""

import json
import signal
from pathlib import Path
from typing import Any

from stormcone.simulators.control_client import ControlClient

EXAMPLE = Path(__file__).parents[2] / "examples" / "load_balancer.py"


class TestAReboot:
    def test_is_prepared_approved_ridden_out_and_recovered_from_with_the_program_alone(self, home: Any) -> None:
        server = home.start("simulator", "azure", "--port", 0, "--machine", "web-0", "--machine", "web-1", "--json")
        url = json.loads(server.says("ready"))["url"]
        agent = home.start("run", EXAMPLE, "--provider", "azure", "--endpoint", url, "--interval", "0.1s")
        agent.says("watching web-0 on azure")
        home.env["STORMCONE_ENDPOINT"] = url
        (event,) = home.json("simulate", "reboot", "--machine", "web-0", "--in", "15m")["ids"]
        agent.says("reboot of web-0 has begun")
        home.json("simulate", "complete", event)
        agent.says("LoadBalancer.recover done")
        with ControlClient(url) as control:
            requests = control.call("GET", "requests")["requests"]
        assert agent.ends_by(signal.SIGTERM) == 0
        assert server.ends_by(signal.SIGINT) == 0

        (post,) = [request for request in requests if request["method"] == "POST"]
        assert json.loads(post["body"]) == {"StartRequests": [{"EventId": event}]}
        assert [line.split("Z  ")[1].partition("  ")[0].strip() for line in agent.out] == [
            "handler",
            "handler",
            "handler",
            "identified",
            "announced",
            "run begun",
            "log",
            "run ended",
            "approved",
            "started",
            "ended",
            "run begun",
            "log",
            "run ended",
            "stopped",
        ]
        assert agent.err == server.err == []
        assert home.history() == [
            "cloud announced",
            "LoadBalancer prepare begins",
            "LoadBalancer prepare ends",
            "approval asked",
            "approval accepted",
            "cloud started",
            "cloud ended",
            "LoadBalancer recover begins",
            "LoadBalancer recover ends",
        ]

    def test_starts_and_ends_by_itself_on_a_simulator_whose_clock_runs_fast(self, home: Any, simulators: Any) -> None:
        simulator = simulators(speed=600, shared_hardware=True)
        agent = home.start("run", EXAMPLE, "--endpoint", simulator.url, "--interval", "20s", "--json")
        agent.says("identified")
        home.run("simulate", "reboot", "--machine", "web-0", "--in", "15m", "--endpoint", simulator.url)
        agent.says("LoadBalancer.recover done")
        told = [json.loads(line) for line in agent.out]
        (ended,) = [line for line in told if line["kind"] == "ended"]
        assert ended["text"] == "reboot of web-0 has ended: completed (inferred)"
        assert home.approvals(simulator) == ["web-0"]

    def test_that_is_called_off_is_recovered_from_and_not_approved(self, home: Any, simulator: Any) -> None:
        hold = home.write("hold.py", HOLDING)
        agent = home.start("run", hold, "--endpoint", simulator.url, "--interval", "0.1s")
        agent.says("identified")
        event = home.json("simulate", "reboot", "--machine", "web-0", "--endpoint", simulator.url)["ids"][0]
        agent.says("draining")
        home.run("simulate", "cancel", event, "--endpoint", simulator.url)
        agent.says("back")
        assert home.approvals(simulator) == []


class TestTheCloud:
    def test_is_found_by_its_endpoint_alone(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", EXAMPLE, "--provider", "auto", "--endpoint", simulator.url)
        agent.says("watching web-0 on azure")


HOLDING = """
from stormcone import App

app = App()


@app.prepare
def drain(event, context):
    context.log.info("draining")
    context.wait(600)


@app.recover
def back(event, context):
    context.log.info("back")
"""
