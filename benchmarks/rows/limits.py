"""What it costs that a member waits for its turn in a large group."""

from collections.abc import Callable

import psycopg

from figures import Curve, Figure, Measured
from fleets import Asking, database, identity, join, load, machine, p50_p99, store
from stormcone.fleet.contract import EventSaid, Saying, TurnSaid
from stormcone.model import EventKey

SIZES = (100, 1_000, 10_000)
SECONDS = 4.0
WAITING = 20


def measure(sizes: tuple[int, ...] = SIZES, seconds: float = SECONDS, waiting: int = WAITING) -> Measured:
    figures, cost = [], []
    with database() as server:
        url = server.url()
        for size in sizes:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA IF EXISTS stormcone_fleet CASCADE")
                join(url, size, web="1")
                connection.execute("UPDATE stormcone_fleet.members SET seen = clock_timestamp()")
            asked = load(server, url, waits, agents=min(waiting, size), seconds=seconds, connections=2)
            cost.append((float(size), asked.each))
            figures += [
                Figure(f"a group of {size:,}: server", asked.each, "ms of a processor"),
                Figure(f"a group of {size:,}: p50 of an exchange", p50_p99(asked.waits)[0], "ms"),
                Figure(f"a group of {size:,}: as many as go", asked.rate, "a second"),
            ]
    return Measured(figures, [Curve("limits", "members of the group", "ms of a processor", {"an exchange": cost})])


def waits(url: str) -> tuple[Asking, Callable[[], object]]:
    """Members that wait for their turn, but for one that has it."""
    fleet = store(url)

    def ask(number: int) -> None:
        key = EventKey("azure", f"event-of-{number}")
        turn = TurnSaid(away=False, what="reboot until 2026-11-26 04:10:00Z")
        names = (machine(number),)
        event = EventSaid(key=key, id=key.id, impact="reboot", phase="scheduled", names=names, turn=turn)
        fleet.exchange(Saying(member=identity(number, web="1"), events=(event,)))

    return ask, fleet.close
