"""The real program and a journal that is damaged: it says so, keeps it, and goes on with another."""

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stormcone.model import Impact

HANDLER = """
from stormcone import App

app = App()


@app.prepare
def drain(event, context):
    print("drained", flush=True)
"""


def start(home: Any, simulator: Any) -> Any:
    home.write("handlers.py", HANDLER)
    return home.start("run", "handlers.py", "--endpoint", simulator.url, "--interval", "0.1s")


def the_damaged(home: Any) -> list[Any]:
    found = home.folder.glob("journal.db.damaged-*")
    return sorted(path for path in found if not path.name.endswith("-journal"))  # of a transaction that was cut off


def test_at_its_start_it_sets_the_journal_aside_and_doctor_and_history_say_so(home: Any, simulator: Any) -> None:
    start(home, simulator).says("watching web-0")
    home.close()
    home.journal.write_bytes(b"rubbish " * 1000)
    refused = home.run("history")
    assert refused.returncode == 74
    assert "file is not a database any more" in refused.stderr
    agent = start(home, simulator)
    agent.says("a new one is begun, so what was prepared for an event that is still going on is not recovered from")
    simulator.schedule(Impact.REBOOT, resources=["web-0"])
    agent.says("drained")
    assert agent.ends_by(signal.SIGTERM) == 0
    (kept,) = the_damaged(home)
    assert kept.read_bytes() == b"rubbish " * 1000
    told = home.run("history")
    assert (told.returncode, f"an earlier journal was damaged and is kept as {kept}" in told.stderr) == (0, True)
    looked = home.run("doctor", "--provider", "azure", "--endpoint", simulator.url)
    assert (looked.returncode, f"{kept} was set aside" in looked.stdout) == (1, True)


def between_two_transactions(home: Any, change: Callable[[Path], None]) -> None:
    """In the middle of one the agent writes back what it has in memory, and the damage shows at its next start."""
    with closing(sqlite3.connect(home.journal, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        change(home.journal)


def overwritten(journal: Path) -> None:
    with journal.open("r+b") as file:
        file.seek(24)  # SQLite's mark of a change and all that follows
        file.write(b"\xff" * (journal.stat().st_size - 24))


def emptied(journal: Path) -> None:
    os.truncate(journal, 0)


@pytest.mark.parametrize("damage", [overwritten, emptied])
def test_while_it_runs_it_goes_on_with_a_new_one(home: Any, simulator: Any, damage: Callable[[Path], None]) -> None:
    agent = start(home, simulator)
    agent.says("watching web-0")
    between_two_transactions(home, damage)
    simulator.schedule(Impact.REBOOT, resources=["web-0"])
    agent.says("it is kept as")
    agent.says("watching web-0", times=2)
    agent.says("drained")
    assert agent.ends_by(signal.SIGTERM) == 0
    assert len(the_damaged(home)) == 1


def test_one_that_others_may_read_is_told(home: Any, simulator: Any) -> None:
    start(home, simulator).says("watching web-0")
    home.close()
    home.journal.chmod(0o644)
    start(home, simulator).says("can be read by others (mode 0644)")


def test_a_journal_that_is_not_damaged_but_somebody_elses_ends_it(home: Any, simulator: Any) -> None:
    home.journal.write_text("my notes\n" * 50)
    agent = start(home, simulator)
    assert agent.ends() == 74
    assert home.journal.read_text() == "my notes\n" * 50
    assert the_damaged(home) == []


def test_how_long_events_are_kept_can_be_set(home: Any, simulator: Any) -> None:
    home.write("handlers.py", HANDLER)
    agent = home.start("run", "handlers.py", "--endpoint", simulator.url, "--interval", "0.1s", "--keep", "1s")
    event = simulator.schedule(Impact.REBOOT, resources=["web-0"])
    agent.says("drained")
    simulator.complete(event)
    agent.says("has ended")
    assert agent.ends_by(signal.SIGTERM) == 0
    assert len(home.json("history")["events"]) == 1
    home.until(lambda: forgotten(home, simulator), "the event to be forgotten at a start")


def forgotten(home: Any, simulator: Any) -> bool:
    agent = home.start("run", "handlers.py", "--endpoint", simulator.url, "--interval", "0.1s", "--keep", "1s")
    agent.says("watching web-0")
    agent.ends_by(signal.SIGTERM)
    events: list[Any] = home.json("history")["events"]
    return not events
