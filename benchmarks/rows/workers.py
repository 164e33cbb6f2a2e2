"""How many runs a second the workers of a region do, through the offers of its watcher.

The watcher is `stormcone run --workers` on a simulator of a region, each worker a `stormcone worker`. Beside it stands
a loop by hand, in as many processes: it claims a row with SKIP LOCKED, does the same, and ends the row.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from figures import Curve, Figure, Measured
from fleets import database
from processes import SimulatorProcess, wait_until
from stormcone.postgresql.server import PostgresqlServer

RUNS = 1_000
WORKERS = (1, 2, 4)
WORKS = {"no time": 0.0, "50 ms": 0.05}
AT_ONCE = 10

LONG = 600.0
"""Seconds after which runs are given up; on a machine with much else to do they take minutes."""

HANDLERS = """
import time
from stormcone import App

app = App()

@app.prepare(lead=None)
def prepare(event, context):
    time.sleep({seconds})
"""

LOOP = """
import sys, threading, time
import psycopg

CLAIM = '''UPDATE jobs SET worker = %s, attempt = attempt + 1 WHERE id = (
    SELECT id FROM jobs WHERE worker IS NULL ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id'''

def work(name):
    with psycopg.connect(sys.argv[1], autocommit=True) as connection:
        while row := connection.execute(CLAIM, [name]).fetchone():
            time.sleep({seconds})
            connection.execute("UPDATE jobs SET done = clock_timestamp() WHERE id = %s AND worker = %s", [row[0], name])

threads = [threading.Thread(target=work, args=(f"{{sys.argv[2]}}/{{number}}",)) for number in range({at_once})]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def measure(runs: int = RUNS, workers: Sequence[int] = WORKERS, works: Mapping[str, float] = WORKS) -> Measured:
    figures: list[Figure] = []
    series: dict[str, list[tuple[float, float]]] = {}
    with database() as server:
        for work, seconds in works.items():
            ours, by_hand = [], []
            for number in workers:
                rate = _through_offers(server, f"{number}w{round(seconds * 1e3)}", runs, number, seconds)
                plain = _by_hand(server, runs, number, seconds)
                ours.append((float(number), rate))
                by_hand.append((float(number), plain))
                name = f"{work}, {number} worker{'s' if number > 1 else ''}"
                figures += [Figure(name, rate, "runs a second"), Figure(f"{name}, by hand", plain, "a second")]
            series |= {f"handlers that take {work}": ours, f"the same by hand, {work}": by_hand}
    return Measured(figures, [Curve("workers", "workers", "runs a second", series)])


def _through_offers(server: PostgresqlServer, journal: str, runs: int, workers: int, seconds: float) -> float:
    """Runs a second, from when the first one begins until the journal has the end of the last."""
    machines = [f"i-{number:04d}" for number in range(runs)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        Path(folder, "handlers.py").write_text(HANDLERS.format(seconds=seconds), "utf-8")
        simulator = stack.enter_context(SimulatorProcess("alibaba", machines))
        url = server.url(journal=journal)
        watcher = stack.enter_context(
            _program(folder, "watcher", "run", "handlers.py", "--workers", *_region(simulator), url=url)
        )
        wait_until(lambda: watcher.poll() is not None or "watching " in (folder / "watcher").read_text())
        if watcher.poll() is not None:
            raise RuntimeError(f"the watcher has ended: {(folder / 'watcher').read_text()}")
        crew = [stack.enter_context(_program(folder, f"{n}", "worker", "handlers.py", url=url)) for n in range(workers)]
        connection = stack.enter_context(psycopg.connect(server.url(), autocommit=True))
        connection.execute(f'SET search_path TO "stormcone_journal_{journal}"')
        wait_until(lambda: _first(connection, "SELECT count(*) FROM workers") == len(crew), 0.05)
        simulator.call("announce", machines)
        wait_until(lambda: _first(connection, "SELECT count(*) FROM runs WHERE state = 'succeeded'") == runs, 0.2, LONG)
        return runs / float(str(_first(connection, "SELECT extract(epoch FROM max(ended) - min(begun)) FROM attempts")))


def _region(simulator: SimulatorProcess) -> list[str]:
    return [
        "--provider", "alibaba", "--region", "cn-hangzhou", "--set", "scope=region", "--endpoint", simulator.url,
        "--interval", "1", "--approve", "never",
    ]  # fmt: skip


@contextmanager
def _program(folder: Path, name: str, *words: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(folder / f"state-{name}"),
        "STORMCONE_JOURNAL": url,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
    }
    with (folder / name).open("wb") as said:
        program = subprocess.Popen(
            [sys.executable, "-m", "stormcone", *words],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def _by_hand(server: PostgresqlServer, runs: int, workers: int, seconds: float) -> float:
    """The same rate, of a loop that knows nothing of heartbeats, deadlines or a journal."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS jobs")
        connection.execute("CREATE TABLE jobs (id int PRIMARY KEY, worker text, attempt int, done timestamptz)")
        loop = LOOP.format(seconds=seconds, at_once=AT_ONCE)
        connection.execute("INSERT INTO jobs SELECT n, NULL, 0 FROM generate_series(1, %s) n", [runs])
        command = [sys.executable, "-c", loop, server.url()]
        begun = time.monotonic()
        started = [subprocess.Popen([*command, str(number)]) for number in range(workers)]
        wait_until(lambda: _first(connection, "SELECT count(*) FROM jobs WHERE worker IS NOT NULL"), 0.01)
        begun = time.monotonic()
        for each in started:
            each.wait()
        return runs / (time.monotonic() - begun)


def _first(connection: "psycopg.Connection[tuple[object, ...]]", question: str) -> object:
    row = connection.execute(question).fetchone()
    return row[0] if row else None
