"""Engines that do work from a table of PostgreSQL, side by side: what ADR 0017 decides by. Not a part of `make bench`.

    pip install procrastinate dbos "tooz[postgresql]" psycopg2-binary
    python benchmarks/engines/engines.py

Each engine does the same: jobs that do nothing (how many a second), and one job whose worker is frozen in the middle
while another one takes it over, and goes on afterwards. What is looked for is who may then say that the job is done.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "core"))

from stormcone.postgresql.server import PostgresqlServer

JOBS = 500
SILENCE = 1.0
"""Seconds without a word from a worker after which its job is given to another one."""

PATIENCE = 20.0


def wait_until(holds: Callable[[], bool]) -> float:
    """Seconds until it holds."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > PATIENCE:
            raise TimeoutError(f"{holds.__qualname__} does not hold within {PATIENCE:g} s")
        time.sleep(0.01)
    return time.monotonic() - begun


class Log:
    """What workers did, in a table of its own: each line is committed by itself."""

    def __init__(self, url: str) -> None:
        self._url = url

    def write(self, who: str, what: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("INSERT INTO log (who, what) VALUES (%s, %s)", (who, what))

    def has(self, who: str, what: str) -> bool:
        with psycopg.connect(self._url, autocommit=True) as connection:
            return (
                connection.execute("SELECT 1 FROM log WHERE who = %s AND what = %s", (who, what)).fetchone() is not None
            )

    def lines(self) -> list[str]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            return [f"{who} {what}" for who, what in connection.execute("SELECT who, what FROM log ORDER BY at")]


@contextmanager
def worker(engine: str, url: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own."""
    program = subprocess.Popen([sys.executable, __file__, "--engine", engine, "--url", url, "--worker", name])
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def hold(log: Log, who: str) -> None:
    """The job: says that it has begun, and goes on once it is told to."""
    log.write(who, "begins")
    wait_until(lambda: log.has(who, "go on"))
    log.write(who, "acts")


def frozen(engine: str, url: str, state: Callable[[], str], take_over: Callable[[], None]) -> tuple[float, list[str]]:
    """Freeze the first worker in mid-job, let a second one take over, wake the first while the second works.

    Answers the seconds until the second one has begun, and what was said.
    """
    log = Log(url)
    with worker(engine, url, "first") as first:
        wait_until(lambda: log.has("first", "begins"))
        first.send_signal(signal.SIGSTOP)
        with worker(engine, url, "second"):

            def begun() -> bool:
                take_over()
                return log.has("second", "begins")

            try:
                took = wait_until(begun)
            except TimeoutError:
                took = float("inf")
            log.write("first", "go on")
            first.send_signal(signal.SIGCONT)
            wait_until(lambda: log.has("first", "acts"))
            with_end = time.monotonic() + 3
            while time.monotonic() < with_end and not log.has("first", "has ended it"):
                time.sleep(0.05)
            log.write("the engine", state())
            log.write("second", "go on")
            if took != float("inf"):
                wait_until(lambda: log.has("second", "acts"))
            time.sleep(2)
    return took, log.lines()


ENGINES = {"rows": "rows", "procrastinate": "with_procrastinate", "dbos": "with_dbos", "tooz": "with_tooz"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--engine")
    options.add_argument("--url", default="")
    options.add_argument("--worker", default="")
    given = options.parse_args()
    if given.worker:
        part(given.engine).work(given.url, given.worker)
        return
    with PostgresqlServer({"fsync": "on"}) as server:
        for name in [given.engine] if given.engine else ENGINES:
            print(name, json.dumps(measured(server, name), indent=2), flush=True)


def part(name: str):
    return __import__(ENGINES[name])


def fresh(server: PostgresqlServer, name: str) -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    url = server.url(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE log (at timestamptz DEFAULT clock_timestamp(), who text, what text)")
    return url


def asked(url: str, question: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        return ", ".join(str(value) for value in connection.execute(question).fetchone() or ())


def measured(server: PostgresqlServer, name: str) -> dict[str, object]:
    engine, found = part(name), {}
    if hasattr(engine, "throughput"):
        found["jobs a second"] = round(engine.throughput(fresh(server, f"{name}_many")))
    url = fresh(server, f"{name}_one")
    engine.prepare(url)
    take_over = getattr(engine, "take_over", None)
    state = getattr(engine, "STATE", "SELECT 'is not asked'")
    took, lines = frozen(
        name, url, lambda: f"says {asked(url, state)}", (lambda: take_over(url)) if take_over else lambda: None
    )
    found["seconds until another has it"], found["said"] = round(took, 1), lines
    return found


if __name__ == "__main__":
    sys.modules["engines"] = sys.modules["__main__"]
    main()
    os._exit(0)  # some leave threads behind
