"""What docs/security.md says is done against each threat, where no other test holds it."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from stormcone.agent.loop import Agent
from stormcone.agent.workers import InlineExecutor, attempt_stage
from stormcone.clock import ManualClock
from stormcone.handlers import App, Handler, Stage
from stormcone.handlers.commands import CommandHandler
from stormcone.handlers.context import Context
from stormcone.handlers.control import RunControl
from stormcone.journal import Journal
from stormcone.model import Impact, Machine, MaintenanceEvent, Phase
from stormcone.plugins import provider_class, simulator_class
from stormcone.simulators.contract import SimulatorOptions

KEY, SECRET, TOKEN = "AKIDexampleexample", "sEcReTsEcReTsEcReT", "StsTokenStsTokenStsToken"


class HastyClock(ManualClock):
    """A provider that pauses between two attempts makes the time pass."""

    def sleep(self, seconds):
        self.advance(seconds=seconds)


class Quiet(Handler):
    def prepare(self, event, context): ...

    def recover(self, event, context): ...


class TestAHostileEventText:
    @pytest.mark.parametrize("text", ["$(touch pwned)", "`touch pwned`", "; touch pwned #", "a\nb", "x\0y", "'\"\\"])
    def test_reaches_a_command_as_data_and_no_shell(self, tmp_path, text):
        program = "import json, os, sys; json.dump([json.load(sys.stdin), dict(os.environ)], open('seen', 'w'))"
        handler = CommandHandler(
            {Stage.PREPARE: [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); {program}"]}
        )
        event = MaintenanceEvent(id=text, provider="azure", phase=Phase.SCHEDULED, resources=(text,), description=text)
        machine = Machine(provider="azure", id="1", name="web-0")
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        attempt = attempt_stage(handler, Stage.PREPARE, event, Context(machine, 1, log, RunControl(ManualClock())))
        assert attempt.verdict == "succeeded", attempt
        document, environment = json.loads((tmp_path / "seen").read_text())
        assert (document["id"], document["description"]) == (text, text)
        assert environment["STORMCONE_EVENT_ID"] == text.replace("\0", "")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["seen"]


class TestALeakedJournal:
    def test_has_no_credential_in_it_nor_has_the_log(self, tmp_path, caplog):
        caplog.set_level(logging.DEBUG)
        clock = HastyClock()
        path = tmp_path / "journal.db"
        with ExitStack() as stack:
            settings = {"access-key": f"{KEY}:{SECRET}:{TOKEN}"}
            options = SimulatorOptions(machines=["i-aaa"], clock=clock, settings=settings)
            simulator = stack.enter_context(simulator_class("alibaba").from_options(options))
            provider = provider_class("alibaba").from_options(simulator.provider_options())
            stack.callback(provider.close)
            journal = stack.enter_context(Journal.open(path))
            agent = Agent(provider, App([Quiet()]), journal, clock=clock, executor=InlineExecutor(), boot_id="b")
            simulator.schedule(Impact.REBOOT, resources=["i-aaa"], notice=timedelta(minutes=5))
            agent.step()
            simulator.faults.add(kind="reset", times=2)
            for _ in range(5):
                clock.advance(minutes=2)
                agent.step()
            assert [episode.event.phase for episode in journal.episodes()] == [Phase.ENDED]
        kept = path.read_bytes().decode("latin-1") + caplog.text
        for name, value in (("key id", KEY), ("secret", SECRET), ("token", TOKEN)):
            assert value not in kept, f"the {name} is in the journal or the log"
        assert not re.search(r"Signature=[^*&\s]", caplog.text)


class TestSomeoneWhoReachesASimulator:
    def start(self, tmp_path, *arguments):
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        return subprocess.Popen(
            [sys.executable, "-m", "stormcone", "simulator", "azure", "--port", "0", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ended(self, process):
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        return ready, errors

    def test_it_listens_on_loopback_alone_unless_told_otherwise(self, tmp_path):
        process = self.start(tmp_path)
        port = None
        try:
            ready = json.loads(process.stdout.readline())
            port = int(ready["url"].rpartition(":")[2])
            listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            assert f"0100007F:{port:04X}" in listening
            assert f"00000000:{port:04X}" not in listening
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)

    def test_beyond_loopback_it_says_what_that_exposes(self, tmp_path):
        _, errors = self.ended(self.start(tmp_path, "--bind", "0.0.0.0"))  # noqa: S104
        assert "whoever reaches that address can read and change its events" in errors

    def test_on_loopback_there_is_nothing_to_say(self, tmp_path):
        _, errors = self.ended(self.start(tmp_path))
        assert errors == ""
