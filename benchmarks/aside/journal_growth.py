"""What an event costs the journal, and how large the journal grows when very many go through it.

    python benchmarks/aside/journal_growth.py [EVENTS]

Each event is announced, prepared for, approved, begins, ends and is recovered from, as the agent does it; one in ten
minutes of the journal's time, and each day what ended 90 days ago is forgotten. Beside it, in the same run and with the
same pragmas, stands plain SQLite: as many transactions that insert the event's document into one table. By default the
file is in the temporary folder; TMPDIR puts it elsewhere, on a disk in memory say.
"""

import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stormcone import App, Context, Handler, MaintenanceEvent
from stormcone.agent.engine import Engine
from stormcone.clock import Instant
from stormcone.journal import Journal
from stormcone.journal.boundaries import watched
from stormcone.journal.sqlite.connection import AUTO_VACUUM, PRAGMAS
from stormcone.model import Approval, Cause, Impact, Machine, Observation, Phase
from stormcone.rules.runs import Attempt, Verdict

EVENTS = 100_000
EVERY = timedelta(minutes=10)
KEEP = timedelta(days=90)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="azure", id="b4ff4c5e-7c4d-4b0a-8d2a-1d6a1d3a9a50", name="web-0", boot_id="boot-1")
DONE = Attempt(Verdict.SUCCEEDED)


class LoadBalancer(Handler):
    def prepare(self, event: MaintenanceEvent, context: Context) -> None: ...

    def started(self, event: MaintenanceEvent, context: Context) -> None: ...

    def recover(self, event: MaintenanceEvent, context: Context) -> None: ...


def an_event(number: int, now: datetime) -> MaintenanceEvent:
    name = f"C7061BAC-AFDC-4513-B24B-{number:012X}"
    return MaintenanceEvent(
        id=name,
        provider="azure",
        native_type="Reboot",
        native_status="Scheduled",
        impact=Impact.REBOOT,
        cause=Cause.MAINTENANCE,
        phase=Phase.SCHEDULED,
        resources=("web-0",),
        not_before=now + timedelta(minutes=15),
        approval=Approval.STARTS,
        description="Host server is undergoing maintenance.",
        native={"EventId": name, "EventStatus": "Scheduled", "EventType": "Reboot", "Resources": ["web-0"]},
    )


def work(engine: Engine, now: Instant) -> None:
    for due in engine.begin_due(now, confirmed={""}).begun:
        engine.end_attempt(due, DONE, now)


def live_through(engine: Engine, event: MaintenanceEvent, now: Instant) -> None:
    engine.observe(Observation(events=(event,)), now)
    work(engine, now)
    for decided in engine.decisions.approve(now, (), {""}):
        assert decided.request is not None
        engine.decisions.answered(decided.request, None, now)
    engine.observe(Observation(events=(event.but(phase=Phase.STARTED, approval=Approval.NONE),)), now)
    work(engine, now)
    engine.observe(Observation(), now)
    work(engine, now)


def through_a_journal(folder: Path, events: int) -> int:
    """Answers how many transactions one event takes."""
    path, commits = folder / "journal.db", [0]

    def count(_boundary: str) -> None:
        commits[0] += 1

    with Journal.open(path) as journal, watched(count):
        journal.begin_life(BEGIN, MACHINE)
        engine = Engine(journal, App([LoadBalancer()]), MACHINE)
        print(f"{'events':>8} {'kept':>8} {'file':>10} {'ms/event':>9} {'forgetting':>11}")
        print(f"{0:>8} {0:>8} {path.stat().st_size / 1e6:>7.2f} MB")
        now, forgotten_at = BEGIN, BEGIN
        begun = forgetting = time.perf_counter()
        spent = 0.0
        for number in range(1, events + 1):
            now += EVERY
            live_through(engine, an_event(number, now), Instant.of(now))
            if now - forgotten_at >= timedelta(days=1):
                forgetting = time.perf_counter()
                journal.forget(now - KEEP)
                spent += time.perf_counter() - forgetting
                forgotten_at = now
            if number % (events // 10) == 0:
                size, kept = path.stat().st_size / 1e6, len(journal.episodes())
                took = (time.perf_counter() - begun) / (events // 10) * 1e3
                print(f"{number:>8} {kept:>8} {size:>7.2f} MB {took:>9.2f} {spent:>9.2f} s", flush=True)
                begun, spent = time.perf_counter(), 0.0
        journal.forget(now + KEEP)
        print(f"{'after all have gone':<17} {path.stat().st_size / 1e6:>10.2f} MB")
    return commits[0] // 2 // events


def through_plain_sqlite(folder: Path, events: int, transactions: int) -> float:
    """Answers the milliseconds that as many bare transactions take as an event does."""
    document = an_event(1, BEGIN).model_dump_json()
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None)) as book:
        book.execute(f"PRAGMA auto_vacuum = {AUTO_VACUUM}")
        for name, value in PRAGMAS.items():
            book.execute(f"PRAGMA {name} = {value}")
        book.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, document TEXT)")
        begun = time.perf_counter()
        for _ in range(events * transactions):
            book.execute("BEGIN IMMEDIATE")
            book.execute("INSERT INTO events (document) VALUES (?)", (document,))
            book.execute("COMMIT")
        return (time.perf_counter() - begun) / events * 1e3


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as name:
        transactions = through_a_journal(Path(name), events)
        plain = through_plain_sqlite(Path(name), max(events // 20, 1), transactions)
    print(f"plain SQLite, {transactions} transactions with an insert each: {plain:.2f} ms")


if __name__ == "__main__":
    main()
