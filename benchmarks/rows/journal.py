"""What a committed change costs beside bare sqlite3 that writes the same rows, and opening a large journal."""

import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from figures import Curve, Figure, Measured
from rows.advance import MACHINE, NOW, an_event
from stormcone import Journal, Outcome, Phase
from stormcone.clock import Instant
from stormcone.journal.sqlite.connection import PRAGMAS
from stormcone.rules.changes import Change, ChangeKind

CHANGES = {"on a disk": (None, 100, 4), "in memory": ("/dev/shm", 1_000, 4)}  # noqa: S108
"""Where: the folder of temporary files, how many changes in a row, how often in turn."""

KEPT = (1_000, 10_000, 100_000)

OPEN = """
import sys, time
from pathlib import Path
from stormcone import App, Journal, Machine
from stormcone.agent.engine import Engine

def most():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6

before, begun = most(), time.process_time()
with Journal.open(sys.argv[1]) as journal:
    Engine(journal, App(), Machine(provider="azure", id="vm-0", name="web-0"))
    print(time.process_time() - begun, most() - before)
"""


def _announced(number: int) -> Change:
    return Change(kind=ChangeKind.ANNOUNCED, event=an_event(number), before=None, episode=1)


def _by_journal(path: Path, first: int, number: int) -> float:
    """Seconds that so many changes take, each in a transaction."""
    changes = [_announced(each) for each in range(first, first + number)]
    with Journal.open(path) as journal:
        begun = time.perf_counter()
        for change in changes:
            with journal.transaction():
                journal.save_change(change, Instant.of(NOW), MACHINE)
        return time.perf_counter() - begun


def _by_hand(path: Path, first: int, number: int) -> float:
    """The same for the rows alone that such a change leaves, in the same tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as book:
        for name, value in PRAGMAS.items():
            book.execute(f"PRAGMA {name} = {value}")
        columns = [name for (_, name, *_) in book.execute("PRAGMA table_info(episodes)")]
        key = columns.index("key")
        _, *episode = book.execute("SELECT * FROM episodes").fetchone()
        _, _, *change = book.execute("SELECT * FROM changes").fetchone()
        episodes = f"INSERT INTO episodes VALUES (NULL, {', '.join('?' * len(episode))})"
        changes = f"INSERT INTO changes VALUES (NULL, {', '.join('?' * (len(change) + 1))})"
        begun = time.perf_counter()
        for each in range(first, first + number):
            episode[key - 1] = f"by-hand-{each:024}"
            book.execute("BEGIN IMMEDIATE")
            inserted = book.execute(episodes, episode)
            book.execute(changes, (inserted.lastrowid, *change))
            book.execute("COMMIT")
        return time.perf_counter() - begun


def _side_by_side(where: str, folder: str | None, number: int, times: int) -> list[Figure]:
    """Changes a second, by the journal and by hand, in turns."""
    spent = {_by_journal: 0.0, _by_hand: 0.0}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        paths = {way: Path(name, f"{way.__name__}.db") for way in spent}
        for path in paths.values():
            with Journal.open(path) as journal, journal.transaction():
                journal.save_change(_announced(0), Instant.of(NOW), MACHINE)
        for turn in range(times):
            for way, path in paths.items():
                spent[way] += way(path, 1 + turn * number, number)
    names = {_by_journal: f"changes, {where}", _by_hand: f"bare sqlite3, {where}"}
    return [Figure(names[way], times * number / seconds, "/s") for way, seconds in spent.items()]


def _opening(number: int) -> tuple[float, float]:
    """Seconds of a processor and MB that it takes to open a journal of so many events, all of which have ended."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.db")
        with Journal.open(path) as journal, journal.transaction():
            for each in range(number):
                begun = _announced(each)
                over = begun.event.but(phase=Phase.ENDED, outcome=Outcome.COMPLETED)
                journal.save_change(begun, Instant.of(NOW), MACHINE)
                ended = Change(kind=ChangeKind.ENDED, event=over, before=begun.event, episode=1)
                journal.save_change(ended, Instant.of(NOW), MACHINE)
        said = subprocess.run([sys.executable, "-c", OPEN, path], capture_output=True, text=True, check=True).stdout
    seconds, megabytes = map(float, said.split())
    return seconds, megabytes


def measure() -> Measured:
    figures = [figure for where, how in CHANGES.items() for figure in _side_by_side(where, *how)]
    opened = {number: _opening(number) for number in KEPT}
    seconds, megabytes = opened[KEPT[-1]]
    return Measured(
        [
            *figures,
            Figure(f"opening it, {KEPT[-1]:,} events that have ended", seconds, "s"),
            Figure("memory to open it", megabytes, "MB"),
        ],
        [
            Curve(
                "opening",
                "events that have ended",
                "seconds of a processor",
                {"opening the journal": [(number, took) for number, (took, _) in opened.items()]},
            )
        ],
    )
