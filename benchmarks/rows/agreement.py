"""What events of several machines cost a fleet's database, and how long a claim takes once all have voted."""

import heapq
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count

import psycopg

from figures import Curve, Figure, Measured
from fleets import PAUSE, Load, database, exchanging, identity, join, load, p50_p99, processor, store
from stormcone.fleet.contract import EventSaid, Saying, Snapshot
from stormcone.model import EventKey
from stormcone.postgresql.server import PostgresqlServer
from stormcone.rules.agreement import CloudReply, VoteState

AGENTS = 10_000
RATE = 8.0
"""Events a second: 29 times as many as 1,000 an hour, so that a minute is enough."""
SECONDS = 15.0
KEPT = (0, 16_800, 168_000)
"""Events that have ended and are still kept, for a week: none, of 100 an hour, of 1,000 an hour."""

BUSY = 0.95
"""Seconds between two exchanges of an agent that waits for others, on average."""
CONNECTIONS = 8

ANOTHER = {
    "event": "event || %(mark)s || copy",
    "member": "left(member, -8) || lpad(((right(member, 8)::int + copy * 3) %% %(agents)s)::text, 8, '0')",
}
"""What tells a copy of a row from the row."""


class Event:
    """One event in the eyes of the machines that it names.

    Attributes:
        name: its id.
        machines: their numbers.
        names: their names.
        voted: when the last of them began to say that it is prepared.
        granted: when one of them was told that it has the claim.
        exchanges: how many there were of it.
    """

    def __init__(self, name: str, machines: list[int]) -> None:
        self.machines = machines
        self.voted = self.granted = 0.0
        self.exchanges = 0
        self._key = EventKey("azure", name)
        self.name = name
        self.names = tuple(identity(number).name for number in machines)
        self._not_before = datetime.now(UTC) + timedelta(minutes=15)

    def said(self, vote: VoteState, *, reply: CloudReply | None = None) -> EventSaid:
        """What one of them says of it."""
        return EventSaid(
            key=self._key,
            id=self.name,
            impact="reboot",
            phase="scheduled",
            not_before=self._not_before,
            names=self.names,
            running=("drain.prepare",) if vote is VoteState.PREPARING else (),
            vote=vote,
            reason="drain is preparing" if vote is VoteState.PREPARING else "",
            basis=f"reboot not before {self._not_before:%Y-%m-%d %H:%M:%S}Z",
            reply=reply,
        )

    def holder(self, heard: Snapshot) -> str:
        """Who has the claim, by what one was told."""
        claim = heard.ballots[self._key].claim
        return claim.holder if claim else ""

    def answered(self, heard: Snapshot) -> bool:
        """Whether the cloud has answered, by what one was told."""
        return heard.ballots[self._key].answer is not None


class Agents:
    """Agents that go through events, each at its own pace, over a few connections.

    Args:
        url: of the database.
        connections: how many.
        pace: what all of their waits are multiplied by.
    """

    def __init__(self, url: str, connections: int, pace: float = 1.0) -> None:
        self._pace = pace
        self._stores = [store(url) for _ in range(connections)]
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._open = 0
        self._local = threading.local()

    def add(self, event: Event, at: float) -> None:
        """An event is announced: each agent sees it with its next poll."""
        for number in event.machines:
            self._open += 1
            self._at(at + random.random() * self._pace, lambda number=number: self._announced(event, number))  # type: ignore[misc]

    def run(self) -> None:
        """Have all come to their end."""
        with ThreadPoolExecutor(len(self._stores)) as threads:
            for done in [threads.submit(self._work, each) for each in self._stores]:
                done.result()
        for each in self._stores:
            each.close()

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._at(time.monotonic() + seconds * self._pace, what)

    def _at(self, due: float, what: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, next(self._numbers), what))
            self._changed.notify()

    def _work(self, fleet: object) -> None:
        self._local.fleet = fleet
        while True:
            with self._changed:
                while self._open and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(max(self._due[0][0] - time.monotonic(), 0.001) if self._due else 0.5)
                if not self._open:
                    return
                _, _, what = heapq.heappop(self._due)
            what()

    def _exchange(self, event: Event, number: int, *said: EventSaid) -> Snapshot:
        event.exchanges += 1
        heard: Snapshot = self._local.fleet.exchange(Saying(member=identity(number), events=said))
        return heard

    def _announced(self, event: Event, number: int) -> None:
        self._exchange(event, number, event.said(VoteState.PREPARING))
        self._later(random.uniform(0.2, 1.5), lambda: self._prepared(event, number, new=True))

    def _prepared(self, event: Event, number: int, *, new: bool = False) -> None:
        if new:
            event.voted = time.monotonic()
        heard = self._exchange(event, number, event.said(VoteState.PREPARED))
        if event.answered(heard):
            self._later(2.0, lambda: self._ended(event, number))
        elif event.holder(heard) == identity(number).id:
            event.granted = time.monotonic()
            self._later(0.1, lambda: self._sent(event, number))
        else:
            self._later(BUSY, lambda: self._prepared(event, number))

    def _sent(self, event: Event, number: int) -> None:
        self._exchange(event, number, event.said(VoteState.PREPARED, reply=CloudReply.ACCEPTED))
        self._later(2.0, lambda: self._ended(event, number))

    def _ended(self, event: Event, number: int) -> None:
        self._exchange(event, number)
        with self._changed:
            self._open -= 1
            self._changed.notify_all()


def go_through(url: str, names: str, events: int, rate: float, agents: int, pace: float) -> list[Event]:
    """Have so many events go through, each naming two or three machines that no other one names."""
    numbers = random.sample(range(agents), min(agents, events * 3))
    done, fleet, begun = [], Agents(url, CONNECTIONS, pace), time.monotonic()
    for each in range(events):
        machines = sorted(numbers.pop() for _ in range(min(random.choice((2, 3)), len(numbers))))
        done.append(Event(f"{names}-{each:05d}-4b1e-9a52-c1b6c1b6c1b6", machines))
        fleet.add(done[-1], begun + each / rate * pace)
    fleet.run()
    return done


def measure(
    agents: int = AGENTS,
    rate: float = RATE,
    seconds: float = SECONDS,
    kept: tuple[int, ...] = KEPT,
    pace: float = 1.0,
) -> Measured:
    figures: list[Figure] = []
    of_events, of_signs = [], []
    with database() as server:
        url = server.url()
        join(url, agents)
        events = max(int(rate * seconds), 1)
        for behind in kept:
            _keep(url, behind, agents)
            cost, made = _cost(server, url, f"{behind:06d}a", events, rate, agents, pace)
            signs = load(server, url, exchanging, agents=agents, seconds=seconds / 4)
            of_events.append((float(behind), cost))
            of_signs.append((float(behind), signs.each))
            if behind == kept[0]:
                figures.append(Figure("exchanges of an event", made, ""))
        figures += [
            Figure("an event: server", of_events[0][1], "ms of a processor"),
            Figure("an event, with a week of events kept: server", of_events[-1][1], "ms of a processor"),
            Figure("a sign of life: server", of_signs[0][1], "ms of a processor"),
            Figure("a sign of life, with a week of events kept: server", of_signs[-1][1], "ms of a processor"),
            Figure("1,000 events an hour: server", of_events[-1][1] / 3600 * 100, "% of a processor"),
            *_with_signs(server, url, events, rate, agents, pace, seconds),
        ]
    series = {"an event, in all of its exchanges": of_events, "a sign of life": of_signs}
    return Measured(figures, [Curve("kept", "events that have ended and are kept", "ms of a processor", series)])


def _cost(
    server: PostgresqlServer, url: str, names: str, events: int, rate: float, agents: int, pace: float
) -> tuple[float, float]:
    """Milliseconds of a processor for each event, and its exchanges."""
    before = processor(server)
    done = go_through(url, names, events, rate, agents, pace)
    spent = processor(server) - before
    return spent / events * 1e3, sum(event.exchanges for event in done) / events


def _with_signs(
    server: PostgresqlServer, url: str, events: int, rate: float, agents: int, pace: float, seconds: float
) -> list[Figure]:
    """How long claims take beside the signs of life of all agents."""
    with ThreadPoolExecutor(1) as other:
        beside = other.submit(load, server, url, exchanging, agents=agents, seconds=seconds, rate=agents / PAUSE)
        done = go_through(url, "beside", events, rate, agents, pace)
        signs: Load = beside.result()
    p50, p99 = p50_p99([event.granted - event.voted for event in done])
    return [
        Figure("p50 from the last vote to the claim", p50, "s"),
        Figure("p99 from the last vote to the claim", p99, "s"),
        Figure("the pause of one who waits for others", BUSY, "s"),
        Figure("signs of life meanwhile", signs.rate, "a second"),
    ]


def _keep(url: str, events: int, agents: int) -> None:
    """Have so many events in the tables that have ended: copies of those that were gone through."""
    if not events:
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO stormcone_fleet")
        row = connection.execute("SELECT count(*) FROM approvals").fetchone()
        there = int(row[0]) if row else 0
        of_one = connection.execute("SELECT event FROM approvals ORDER BY event LIMIT 100").fetchall()
        given = {
            "events": [event for (event,) in of_one],
            "copies": max(events - there, 0) // len(of_one),
            "agents": agents,
            "mark": f"-{events}-",
        }
        connection.execute("SET session_replication_role TO replica")  # the members are there: look none of them up
        for table in ("approvals", "said"):
            columns = connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()
            values = (ANOTHER.get(column.name, column.name) for column in columns)
            connection.execute(
                f"INSERT INTO {table} SELECT {', '.join(values)} FROM {table}, generate_series(1, %(copies)s) AS copy "
                "WHERE event = ANY (%(events)s)",
                given,
            )
        connection.execute("VACUUM ANALYZE")
