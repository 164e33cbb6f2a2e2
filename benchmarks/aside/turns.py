"""What it costs that many members of one group wait for their turn at once, while one machine is away.

A PostgreSQL of its own; all members have said that they wait, and say so again. First one asks at a time, then several
connections, each as often as it gets its answer; beside that, as many signs of life of members that wait for nothing.
At last a quarter of the group may be away, and those ask for whom there is room. The group's limit is 1 before that.
Run with: python benchmarks/aside/turns.py [--sizes 100,1000,10000] [--seconds 5]
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parent.parent))

from fleets import Asking, Load, database, exchanging, identity, join, load, machine, p50_p99, processor, store
from stormcone.fleet.contract import EventSaid, Saying, Snapshot, TurnSaid
from stormcone.model import EventKey
from stormcone.postgresql.server import PostgresqlServer
from stormcone.rules.agreement import VoteState
from stormcone.rules.limits import TurnState

SIZES = (100, 1_000, 10_000)
SECONDS = 5.0
UNTIL = datetime(2026, 11, 28, 4, 10, tzinfo=UTC)


def saying(number: int, *, away: bool = False, limit: str = "1") -> Saying:
    """What a member says that waits; the lower its number, the sooner its time runs out."""
    key = EventKey("azure", f"event-of-{number:05d}")
    until = UNTIL + timedelta(seconds=number)
    turn = TurnSaid(away=away, until=until, what="reboot until 2026-11-28 04:10:00Z")
    event = EventSaid(
        key=key,
        id=key.id,
        impact="reboot",
        phase="scheduled",
        names=(machine(number),),
        vote=VoteState.PREPARING,
        reason="Drain has not prepared yet",
        basis="reboot not before 2026-11-28 04:10:00Z",
        turn=turn,
    )
    return Saying(member=identity(number, web=limit), events=(event,))


def waits(url: str) -> tuple[Asking, Callable[[], object]]:
    """Members that wait; the first is away and is not asked for."""
    fleet = store(url)
    return lambda number: fleet.exchange(saying(number + 1)), fleet.close


def begin(url: str) -> tuple[Asking, Callable[[], object]]:
    """The same once a quarter of the group may be away."""
    fleet = store(url)
    return lambda number: fleet.exchange(saying(number + 1, limit="25%")), fleet.close


def wait_all(url: str, size: int) -> None:
    """Have all members wait but the first, which is away: by copies of what two of them have said."""
    with psycopg.connect(url, autocommit=True, options="-c search_path=stormcone_fleet") as connection:
        connection.execute("DROP SCHEMA IF EXISTS stormcone_fleet CASCADE")
        join(url, size, web="1")
        fleet = store(url)
        fleet.exchange(saying(0, away=True))
        fleet.exchange(saying(1))
        fleet.close()
        columns = [
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'stormcone_fleet' "
                "AND table_name = 'said' ORDER BY ordinal_position"
            )
        ]
        instead = {
            "member": "left(member, -8) || lpad(n::text, 8, '0')",
            "event": "'event-of-' || lpad(n::text, 5, '0')",
            "said": "replace(replace(said::text, '00001', lpad(n::text, 5, '0')), said #>> '{turn,until}', to_char("
            "timestamptz '2026-11-28 04:10Z' + n * interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))::jsonb",
            "until": "timestamptz '2026-11-28 04:10Z' + n * interval '1 s'",
        }
        connection.execute("SET TimeZone TO 'UTC'")
        connection.execute(
            f"INSERT INTO said SELECT {', '.join(instead.get(each, each) for each in columns)} "
            "FROM said, generate_series(2, %s) AS n WHERE event = 'event-of-00001'",
            [size - 1],
        )
        connection.execute("UPDATE members SET seen = clock_timestamp()")
        connection.execute("VACUUM ANALYZE")


def one_at_a_time(server: PostgresqlServer, url: str, size: int, seconds: float) -> str:
    fleet = store(url)
    took: list[float] = []
    fleet.exchange(saying(1))
    before, end = processor(server), time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.perf_counter()
        told: Snapshot = fleet.exchange(saying(1 + len(took) * 7919 % (size - 1)))
        took.append((time.perf_counter() - begun) * 1e3)
        assert {turn.state for turn in told.turns.values()} == {TurnState.WAITING}
    spent = (processor(server) - before) / len(took) * 1e3
    fleet.close()
    p50, p99 = p50_p99(took)
    return f"one at a time: {p50:.1f} ms (p99 {p99:.1f}), {spent:.2f} ms of the server's processors"


def side_by_side(asked: Load, living: Load) -> str:
    p50, p99 = p50_p99(asked.waits)
    return (
        f"eight at once: {asked.rate:.0f} a second, {p50:.1f} ms (p99 {p99:.1f}), {asked.each:.2f} ms of the server; "
        f"a sign of life: {living.each:.2f} ms"
    )


def given_out(server: PostgresqlServer, url: str, size: int, seconds: float) -> str:
    with psycopg.connect(url, autocommit=True, options="-c search_path=stormcone_fleet") as connection:
        connection.execute("UPDATE members SET groups = jsonb_build_object('web', '25%'), seen = clock_timestamp()")
        asked = load(server, url, begin, agents=size // 4 - 1, seconds=seconds)
        row = connection.execute("SELECT count(*) FROM said WHERE held").fetchone()
    given = (row[0] if row else 0) - 1
    p50, p99 = p50_p99(asked.waits)
    return f"{given} of {size // 4 - 1} turns given in {asked.seconds:.1f} s, an exchange {p50:.0f} ms (p99 {p99:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f}")
    with database() as server:
        url = server.url()
        for size in map(int, given.sizes.split(",")):
            wait_all(url, size)
            print(f"{size:,} wait; {one_at_a_time(server, url, size, given.seconds)}", flush=True)
            asked = load(server, url, waits, agents=size - 1, seconds=given.seconds)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DELETE FROM stormcone_fleet.said")
            living = load(server, url, exchanging, agents=size - 1, seconds=given.seconds / 2)
            print(f"{size:,} wait; {side_by_side(asked, living)}", flush=True)
            wait_all(url, size)
            print(f"{size:,} wait; {given_out(server, url, size, given.seconds)}", flush=True)


if __name__ == "__main__":
    main()
