"""What the signs of life of a fleet's agents cost its database."""

import time
from pathlib import Path

import psycopg

from figures import Curve, Figure, Measured
from fleets import (
    PAUSE,
    Load,
    bare,
    database,
    exchanging,
    identity,
    join,
    load,
    p50_p99,
    processor,
    selecting,
    store,
    updating,
)
from stormcone.fleet.contract import Saying
from stormcone.postgresql.server import PostgresqlServer

AGENTS = (100, 1_000, 10_000)
SECONDS = 6.0
IDLE = 40


def measure(agents: tuple[int, ...] = AGENTS, seconds: float = SECONDS, idle: int = IDLE) -> Measured:
    figures, cost, plain = [], [], []
    with database() as server:
        url = server.url()
        for count in agents:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS stormcone_fleet CASCADE")
            join(url, count)
            bare(url, count)
            asked = load(server, url, exchanging, agents=count, seconds=seconds, rate=count / PAUSE)
            updated = load(server, url, updating, agents=count, seconds=seconds, rate=count / PAUSE)
            cost.append((float(count), asked.each * count / PAUSE))
            plain.append((float(count), updated.each * count / PAUSE))
            figures += _paced(count, asked, updated)
        figures += _most(server, url, agents[-1], seconds / 2)
        figures += _size(url)
        figures += _connections(server, url, idle)
    name, across, up = "heartbeats", "agents", "milliseconds of a processor each second"
    curve = Curve(name, across, up, {"exchanges": cost, "a bare UPDATE for each": plain})
    return Measured(figures, [curve])


def _paced(count: int, asked: Load, updated: Load) -> list[Figure]:
    p50, p99 = p50_p99(asked.waits)
    name = f"{count:,} agents"
    return [
        Figure(f"{name}: exchanges due", count / PAUSE, "a second"),
        Figure(f"{name}: exchanges done", asked.rate, "a second"),
        Figure(f"{name}: server", asked.each * count / PAUSE / 10, "% of a processor"),
        Figure(f"{name}: server, a bare UPDATE for each", updated.each * count / PAUSE / 10, "% of a processor"),
        Figure(f"{name}: p50 of an exchange", p50, "ms"),
        Figure(f"{name}: p99 of an exchange", p99, "ms"),
        Figure(f"{name}: log of changes", asked.log / asked.asked * count / PAUSE / 1e3, "kB a second"),
    ]


def _most(server: PostgresqlServer, url: str, count: int, seconds: float) -> list[Figure]:
    """As many as go, in turns, with what agents and server have together of the machine's processors."""
    found = {}
    for maker, name in (
        (exchanging, "an exchange"),
        (updating, "UPDATE by its key"),
        (selecting, "SELECT 1"),
    ):
        found[name] = load(server, url, maker, agents=count, seconds=seconds)
    return [
        figure
        for name, each in found.items()
        for figure in (
            Figure(f"{name}: server", each.each, "ms of a processor"),
            Figure(f"{name}: as many as go", each.rate, "a second"),
        )
    ]


def _size(url: str) -> list[Figure]:
    """The table of members after all of these, as autovacuum leaves it."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_total_relation_size('stormcone_fleet.members'), n_tup_upd, n_tup_hot_upd "
            "FROM pg_stat_user_tables WHERE relid = 'stormcone_fleet.members'::regclass"
        ).fetchone()
    size, updates, hot = row or (0, 0, 0)
    return [
        Figure("table of members", size / 1e6, "MB"),
        Figure("updates that leave the indexes alone", 100 * hot / max(updates, 1), "%"),
    ]


def _connections(server: PostgresqlServer, url: str, count: int) -> list[Figure]:
    """What a connection takes that waits between two exchanges, and what it costs to make one for each exchange."""
    fleets = [store(url) for _ in range(count)]
    for number, fleet in enumerate(fleets):
        fleet.exchange(Saying(member=identity(number)))
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'stormcone' AND pid <> pg_backend_pid() "
        ).fetchall()
    taken = sum(_own_memory(pid) for (pid,) in rows) / len(rows)
    before, begun = processor(server), time.perf_counter()
    for number, fleet in enumerate(fleets):
        fleet.close()
        fleet.exchange(Saying(member=identity(number)))
    time.sleep(0.2)  # those that have been closed are gone by now
    spent, took = processor(server) - before, time.perf_counter() - begun - 0.2
    for fleet in fleets:
        fleet.close()
    return [
        Figure("a connection that waits", taken, "MB"),
        Figure("an exchange with a new connection: server", spent / count * 1e3, "ms of a processor"),
        Figure("an exchange with a new connection: by the clock", took / count * 1e3, "ms"),
    ]


def _own_memory(process: int) -> float:
    """What a process has that it shares with no other, in MB."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) * 1024 / 1e6
