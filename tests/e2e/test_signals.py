"""Ctrl-C and SIGTERM."""

import signal
from pathlib import Path
from typing import Any

import pytest

GO_ON = {
    "run": (("run", "--on-prepare", "true"), "identified"),
    "simulator": (("simulator", "azure", "--port", "0"), "ready"),
    "events": (("events", "--watch"), "Nothing is announced"),
}


class TestWhatGoesOnUntilItIsStopped:
    @pytest.mark.parametrize(
        ("arguments", "sign", "number"),
        [
            (*what, number)
            for name, what in GO_ON.items()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            if (name, number) != ("run", signal.SIGHUP)  # without a terminal it reloads
        ],
    )
    def test_ends_with_status_0_and_no_word_of_error(
        self, home: Any, simulator: Any, arguments: tuple[str, ...], sign: str, number: signal.Signals
    ) -> None:
        running = home.start(*arguments, STORMCONE_ENDPOINT=simulator.url)
        running.says(sign)
        assert running.ends_by(number) == 0
        assert running.err == []


class TestAHandlerFileThatIsBeingRead:
    """It may take long: it imports what it needs."""

    SLOW = "import time\nprint('reading', flush=True)\ntime.sleep(60)\n"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_is_not_blamed_for_the_end(self, home: Any, simulator: Any, number: signal.Signals) -> None:
        (home.folder / "slow.py").write_text(self.SLOW)
        running = home.start("run", "slow.py", STORMCONE_ENDPOINT=simulator.url)
        running.says("reading")
        assert running.ends_by(number) == 0
        assert running.err == []


class TestASignalThatComesWhileADestructorRuns:
    """Python drops what its handler raises there, so it has to come again."""

    SWALLOWS = (
        "import os, signal\n"
        "from stormcone import App, Handler\n"
        "class Swallows:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.{name})\n"
        "        print('swallowed', flush=True)\n"
        "Swallows()\n"
        "class Nothing(Handler):\n"
        "    def prepare(self, event, context): pass\n"
        "app = App([Nothing()])\n"
    )

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_the_agent_all_the_same(self, home: Any, simulator: Any, number: signal.Signals) -> None:
        (home.folder / "swallows.py").write_text(self.SWALLOWS.format(name=number.name))
        running = home.start("run", "swallows.py", STORMCONE_ENDPOINT=simulator.url)
        assert running.ends() == 0
        assert "Exception ignored" in "\n".join(running.err)

    def test_ends_what_would_end_by_itself(self, home: Any, tmp_path: Path) -> None:
        file = tmp_path / "swallows.py"
        file.write_text(self.SWALLOWS.format(name="SIGTERM") + "while True: pass\n")
        running = home.start("check", file)
        assert running.ends() != 0


class TestAnEndpointThatHangs:
    """The program waits for it, so the signal arrives in the middle of a request."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    @pytest.mark.parametrize("arguments", [GO_ON["run"][0], GO_ON["events"][0]], ids=["run", "events"])
    def test_does_not_keep_a_command_from_ending(
        self, home: Any, scripted: Any, arguments: tuple[str, ...], number: signal.Signals
    ) -> None:
        running = start(home, scripted, *arguments)
        assert running.ends_by(number) == 0
        assert running.err == []

    @pytest.mark.parametrize(
        ("number", "status", "said"),
        [(signal.SIGINT, 130, ["stormcone: interrupted"]), (signal.SIGTERM, 143, [])],
    )
    def test_is_interrupted_with_a_status_of_its_own_by_what_would_end_by_itself(
        self, home: Any, scripted: Any, number: signal.Signals, status: int, said: list[str]
    ) -> None:
        running = start(home, scripted, "events")
        assert running.ends_by(number) == status
        assert [line for line in running.err if line] == said


def start(home: Any, scripted: Any, *arguments: str) -> Any:
    """Start a command on an endpoint that hangs, and wait until it hangs."""
    scripted.answer(404).hang()  # no simulator's clock is there; then comes the provider
    running = home.start(*arguments, "--provider", "azure", STORMCONE_ENDPOINT=scripted.url)
    home.until(lambda: len(scripted.asked) == 2, "the request that hangs")
    return running
