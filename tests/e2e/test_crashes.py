"""The agent is killed with SIGKILL in the middle, started again, and goes on where it was."""

import signal
from datetime import timedelta
from typing import Any

import pytest

from stormcone.model import Impact

# Each stage writes down that it begins, waits until the test lets it go on, and writes down that it ends.
HANDLERS = """
from pathlib import Path

from stormcone import App, Handler

FOLDER = Path(__file__).parent


def step(name, context):
    with FOLDER.joinpath("calls").open("a") as calls:
        print(name, "begins", f"#{context.attempt}", file=calls)
    while not FOLDER.joinpath(f"go-{name}").exists() and not context.stopping:
        context.wait(0.02)
    with FOLDER.joinpath("calls").open("a") as calls:
        print(name, "ends", file=calls)


class Quick(Handler):
    def prepare(self, event, context):
        step("quick", context)


class Slow(Handler):
    def prepare(self, event, context):
        step("prepare", context)

    def started(self, event, context):
        step("started", context)

    def recover(self, event, context):
        step("recover", context)


app = App([Quick(), Slow()])
"""

QUICK = ["quick begins #1", "quick ends"]
PREPARE = ["prepare begins #1", "prepare ends"]
STARTED = ["started begins #1", "started ends"]
RECOVER = ["recover begins #1", "recover ends"]


class Scene:
    """An agent with the handlers above, its simulator, and the test that directs both."""

    def __init__(self, home: Any, simulator: Any) -> None:
        self.home = home
        self.simulator = simulator
        self.handlers = home.write("handlers.py", HANDLERS)
        self.agent = self.start()
        self.event = simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15))

    def start(self) -> Any:
        return self.home.start("run", self.handlers, "--endpoint", self.simulator.url, "--interval", "0.1s")

    def calls(self) -> list[str]:
        path = self.home.folder / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def let(self, *names: str) -> None:
        for name in names:
            self.home.write(f"go-{name}", "")

    def reached(self, call: str) -> None:
        self.agent.until(lambda: call in self.calls(), f"{call} in {self.calls()}")

    def killed_and_started(self) -> None:
        self.agent.ends_by(signal.SIGKILL)
        self.agent = self.start()

    def told(self, text: str) -> None:
        self.agent.says(text)

    def approvals(self) -> list[str]:
        approvals: list[str] = self.home.approvals(self.simulator)
        return approvals

    def to_its_end(self) -> None:
        """Let everything go on, and the event end; stop the agent when it has recovered."""
        self.let("quick", "prepare", "started", "recover")
        self.reached("started ends")
        self.simulator.complete(self.event)
        self.told("Slow.recover done")
        assert self.agent.ends_by(signal.SIGTERM) == 0


@pytest.fixture
def scene(home: Any, simulator: Any) -> Scene:
    return Scene(home, simulator)


class TestKilled:
    def test_during_prepare_it_repeats_that_prepare_and_not_the_one_that_had_succeeded(self, scene: Scene) -> None:
        scene.let("quick")
        scene.reached("prepare begins #1")
        scene.killed_and_started()
        scene.to_its_end()
        again = ["prepare begins #1", "prepare begins #2", "prepare ends"]
        assert scene.calls() == [*QUICK, *again, *STARTED, *RECOVER]
        assert scene.approvals() == ["web-0"]
        (story,) = scene.home.json("history")["events"]
        begun = [entry for entry in story["timeline"] if entry["what"].startswith("prepare begins")]
        assert [(entry["who"], entry["what"], entry["result"]) for entry in begun] == [
            ("Quick", "prepare begins", ""),
            ("Slow", "prepare begins (attempt 1)", "cut off"),
            ("Slow", "prepare begins (attempt 2)", ""),
        ]

    def test_while_the_approval_is_on_its_way_it_asks_again_since_the_answer_is_lost(self, scene: Scene) -> None:
        scene.simulator.faults.add(method="POST", status=503, delay_seconds=600)
        scene.let("quick", "prepare")
        scene.told("Slow.prepare done")
        scene.home.until(lambda: "approval asked" in scene.home.history(), "the approval in the journal")
        scene.agent.ends_by(signal.SIGKILL)
        scene.simulator.faults.clear()
        scene.agent = scene.start()
        scene.told("repeated, since the answer was lost")
        scene.to_its_end()
        assert scene.calls() == [*QUICK, *PREPARE, *STARTED, *RECOVER]

    def test_while_started_it_repeats_what_was_cut_off_and_nothing_else(self, scene: Scene) -> None:
        scene.let("quick", "prepare")
        scene.reached("started begins #1")
        scene.killed_and_started()
        scene.to_its_end()
        assert scene.calls() == [*QUICK, *PREPARE, "started begins #1", "started begins #2", "started ends", *RECOVER]
        assert scene.approvals() == ["web-0"]

    def test_while_started_and_away_until_the_end_it_still_recovers(self, scene: Scene) -> None:
        scene.let("quick", "prepare", "started", "recover")
        scene.reached("started ends")
        scene.told("Slow.started done")
        scene.agent.ends_by(signal.SIGKILL)
        scene.simulator.complete(scene.event)
        scene.agent = scene.start()
        scene.told("Slow.recover done")
        assert scene.calls() == [*QUICK, *PREPARE, *STARTED, *RECOVER]

    def test_during_recover_it_repeats_recover(self, scene: Scene) -> None:
        scene.let("quick", "prepare", "started")
        scene.reached("started ends")
        scene.simulator.complete(scene.event)
        scene.reached("recover begins #1")
        scene.killed_and_started()
        scene.let("recover")
        scene.told("Slow.recover done")
        again = ["recover begins #1", "recover begins #2", "recover ends"]
        assert scene.calls() == [*QUICK, *PREPARE, *STARTED, *again]


class TestKilledAfterTheApproval:
    def test_it_neither_prepares_nor_approves_again(self, home: Any, simulators: Any) -> None:
        scene = Scene(home, simulators(shared_hardware=True))
        scene.let("quick", "prepare")
        scene.told("approved: prepared by Quick, Slow")
        scene.killed_and_started()
        scene.told("watching web-0")
        seen = len(scene.simulator.requests())
        home.until(lambda: len(scene.simulator.requests()) > seen + 2, "two polls of the new life")
        scene.simulator.start(scene.event)
        scene.to_its_end()
        assert scene.calls() == [*QUICK, *PREPARE, *STARTED, *RECOVER]
        assert scene.approvals() == ["web-0"]

    def test_and_away_until_after_the_end_it_knows_that_the_event_took_place(self, home: Any, simulators: Any) -> None:
        scene = Scene(home, simulators(shared_hardware=True))
        scene.let("quick", "prepare", "recover")
        scene.told("approved: prepared by Quick, Slow")
        scene.agent.ends_by(signal.SIGKILL)
        scene.simulator.start(scene.event)
        scene.simulator.complete(scene.event)
        scene.agent = scene.start()
        scene.told("reboot of web-0 has ended: completed (inferred)")
        scene.told("Slow.recover done")
        assert scene.calls() == [*QUICK, *PREPARE, *RECOVER]
