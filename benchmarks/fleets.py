"""A PostgreSQL of its own for a fleet, what it costs, and agents that ask it all at once."""

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from stormcone.fleet.contract import SILENCE, MemberIdentity, Saying
from stormcone.fleet.postgresql import PostgresqlFleet
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.server import PostgresqlServer

PAUSE = SILENCE.total_seconds() / 3 * 0.95
"""Seconds between two exchanges of an agent that waits for nobody, on average."""

SETTINGS = {"fsync": "on", "shared_buffers": "256MB", "max_connections": "300", "max_wal_size": "1GB"}
"""As on a machine of two processors that has a few gigabytes; what is committed is on the disk."""

FLEET = "bench"

START: Any = multiprocessing.get_context("spawn").Process
"""What those who ask are: processes of their own, so that Python's lock holds none of them up."""


@contextmanager
def database(**settings: str) -> Iterator[PostgresqlServer]:
    """A server of its own; once this ends it is gone."""
    with PostgresqlServer(SETTINGS | settings) as server:
        yield server


def store(url: str) -> PostgresqlFleet:
    """An agent's store, with a connection of its own."""
    return PostgresqlFleet(DatabaseAddress.parse(url), FLEET)


def machine(number: int) -> str:
    """What a machine is called."""
    return f"web-{number:05d}"


def identity(number: int, **groups: str) -> MemberIdentity:
    """A machine as its agent makes it known."""
    name = machine(number)
    about = {"provider": "azure", "region": "westeurope", "version": "0.1.0"}
    # As Azure has them: a name, an id, and what the machine is called inside its scale set.
    names = (name, f"0f8fad5b-d9cb-469f-a165-7087{number:08d}", f"web_{number}")
    return MemberIdentity(id=f"azure/{names[1]}", name=name, names=names, groups=groups, about=about)


def join(url: str, agents: int, **groups: str) -> None:
    """Have so many agents in the fleet: the first by an exchange, the others as copies of what that has written."""
    fleet = store(url)
    for number in range(min(agents, 2)):
        fleet.exchange(Saying(member=identity(number, **groups)))
    fleet.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO stormcone_fleet")
        connection.execute(
            "INSERT INTO members SELECT fleet, replace(id, '00000001', n), replace(name, '00001', right(n, 5)), "
            "array(SELECT replace(replace(each, '00000001', n), 'web_1', 'web_' || n::int) FROM unnest("
            "array_replace(names, 'web-00001', 'web-' || right(n, 5))) AS each), seen, silence, groups, about "
            "FROM members, (SELECT lpad(i::text, 8, '0') AS n FROM generate_series(2, %s) AS i) AS more "
            "WHERE name = 'web-00001'",
            [agents - 1],
        )
        connection.execute("VACUUM ANALYZE")


def processor(server: PostgresqlServer) -> float:
    """Seconds of a processor that the server has had, with all of its processes, those that have ended too."""
    main = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    processes = [main, *map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())]
    ticks = 0
    for process in processes:
        with_ended = 4 if process == main else 2
        try:
            words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        ticks += sum(map(int, words[11 : 11 + with_ended]))
    return ticks / 100


class Load(NamedTuple):
    """What a load came to.

    Attributes:
        asked: how often.
        seconds: how long that took.
        waits: milliseconds for which each waited.
        server: seconds of a processor that the server had for it.
        log: bytes of the server's log of changes (WAL).
    """

    asked: int
    seconds: float
    waits: Sequence[float]
    server: float
    log: int

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.asked / self.seconds

    @property
    def each(self) -> float:
        """Milliseconds of the server's processors for each."""
        return self.server / self.asked * 1e3


def p50_p99(waits: Sequence[float]) -> tuple[float, float]:
    """The median and the 99th percentile."""
    if len(waits) == 1:
        return waits[0], waits[0]
    return statistics.median(waits), statistics.quantiles(waits, n=100, method="inclusive")[98]


Asking = Callable[[int], object]
Maker = Callable[[str], tuple[Asking, Callable[[], object]]]
"""Makes what one connection asks of a machine's number, and how to close it; a function of a module, which another
process can find."""


def load(
    server: PostgresqlServer,
    url: str,
    maker: Maker,
    *,
    agents: int,
    seconds: float,
    rate: float | None = None,
    processes: int = 2,
    connections: int = 4,
) -> Load:
    """Ask for so many agents, at that rate, or as often as it goes (`rate` None), from processes of their own.

    Each connection waits for its answer before it asks again. What is measured is from the asking to the answer.
    """
    pipes, started = [], []
    for part in range(processes):
        ours, theirs = multiprocessing.Pipe()
        slots = range(part * connections, (part + 1) * connections)
        arguments = (theirs, url, maker, agents, list(slots), processes * connections, rate)
        process = START(target=_ask, args=arguments, daemon=True)
        process.start()
        pipes.append(ours)
        started.append(process)
    for pipe in pipes:
        pipe.recv()
    with psycopg.connect(url, autocommit=True) as connection:
        before, log = processor(server), _log(connection)
        begun = time.monotonic()
        for pipe in pipes:
            pipe.send((begun + 0.2, seconds))
        waits = [wait for pipe in pipes for wait in pipe.recv()]
        took, spent = time.monotonic() - begun - 0.2, processor(server) - before
        written = _log(connection) - log
    for process in started:
        process.join()
    return Load(len(waits), took, waits, spent, written)


def _log(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    return int(row[0]) if row else 0


def _ask(
    pipe: "multiprocessing.connection.Connection",
    url: str,
    maker: Maker,
    agents: int,
    slots: Sequence[int],
    of: int,
    rate: float | None,
) -> None:
    made = [maker(url) for _ in slots]
    for ask, _ in made:
        ask(0)
    pipe.send("ready")
    begin, seconds = pipe.recv()
    waits: list[float] = []

    def work(slot: int, ask: Asking) -> None:
        turn = slot
        while True:
            due = begin + (turn / rate if rate else 0.0)
            if due > begin + seconds or (rate is None and time.monotonic() > begin + seconds):
                return
            time.sleep(max(due - time.monotonic(), 0.0))
            asked = time.perf_counter()
            ask(turn % agents)
            waits.append((time.perf_counter() - asked) * 1e3)
            turn += of

    threads = [threading.Thread(target=work, args=(slot, ask)) for slot, (ask, _) in zip(slots, made, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(waits)
    for _, close in made:
        close()


def exchanging(url: str) -> tuple[Asking, Callable[[], object]]:
    """Agents that say that they live, and nothing else."""
    fleet = store(url)
    return lambda number: fleet.exchange(Saying(member=identity(number))), fleet.close


def updating(url: str) -> tuple[Asking, Callable[[], object]]:
    """The least that a sign of life can be: one row, by its key; as ours, it may be lost with the server's machine."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET synchronous_commit TO off")
    return lambda number: connection.execute("UPDATE bare SET seen = now() WHERE id = %s", [number]), connection.close


def selecting(url: str) -> tuple[Asking, Callable[[], object]]:
    """The least that a question can be."""
    connection = psycopg.connect(url, autocommit=True)
    return lambda number: connection.execute("SELECT 1").fetchone(), connection.close


def bare(url: str, agents: int) -> None:
    """The table of `updating`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute("CREATE TABLE bare (id int PRIMARY KEY, seen timestamptz) WITH (fillfactor = 70)")
        connection.execute("INSERT INTO bare SELECT n, now() FROM generate_series(0, %s) n", [agents - 1])
        connection.execute("VACUUM ANALYZE bare")
