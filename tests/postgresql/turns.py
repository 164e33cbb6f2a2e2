"""A region's journal on a real PostgreSQL, its watcher and its workers, turn by turn, in the test's thread.

The watcher's clock is manual. That a worker is silent is arranged in the database, by whose clock that is judged.
"""

import threading
from datetime import timedelta

import pytest

from stormcone import Agent, App, Handler
from stormcone.agent.worker import Worker
from stormcone.agent.workers import InlineExecutor
from stormcone.clock import ManualClock
from stormcone.model import Approval, Capabilities, Impact, Machine, MaintenanceEvent, Observation, Phase, Scope
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.testing.conformance.journals import NOW, an_event

store = pytest.importorskip("stormcone.journal.postgresql.store")
worker_side = pytest.importorskip("stormcone.journal.postgresql.worker_side")

REGION = Machine(provider="test", id="", name="here", scope=Scope.REGION)
PATIENCE = 120.0


class Cloud:
    """A region's provider: it lists what the test says."""

    name = "test"
    capabilities = Capabilities(scope=Scope.REGION, poll_interval=1.0, can_approve=True)

    def __init__(self):
        self.events, self.approved = {}, []

    def announce(self, name="E-1", *machines, **changes):
        changes = {"approval": Approval.CONSENT, "impact": Impact.REBOOT, **changes}
        self.events[name] = an_event(id=name, resources=machines or ("web-0",), **changes)

    def begin(self, name="E-1"):
        self.events[name] = self.events[name].model_copy(update={"phase": Phase.STARTED})

    def identify(self):
        return REGION

    def poll(self):
        return Observation(events=tuple(self.events.values()))

    def outcomes(self, ids):
        return {}

    def approve(self, event):
        self.approved.append(event.id)

    def close(self):
        pass


class Drain(Handler):
    """Notes what it does; may wait for the test in the midst of prepare."""

    name = "drain"
    lead = None
    timeout = timedelta(minutes=5)

    def __init__(self, who, did):
        self.who, self.did = who, did
        self.gate, self.within, self.raises = None, threading.Event(), None
        self.others = []

    def prepare(self, event: MaintenanceEvent, context):
        self.did.append((self.who, "prepare", context.machine.name, context.attempt))
        self.within.set()
        if self.raises:
            raise self.raises
        if self.gate is not None:
            self.gate(context)

    def recover(self, event: MaintenanceEvent, context):
        self.did.append((self.who, "recover", context.machine.name, context.attempt))
        self.others.append((context.machine.name, [other.id for other in context.others]))


class Brief(Handler):
    """Prepares alone."""

    lead = None

    def prepare(self, event, context):
        pass


class Other(Handler):
    """Has another name, and no prepare."""

    def recover(self, event, context):
        raise AssertionError


class Fleet:
    """One region's journal, its watcher and its workers."""

    def __init__(self, url):
        self.url, self.address = url, DatabaseAddress.parse(url, own=JOURNAL_OPTIONS)
        self.cloud, self.clock, self.did, self.said = Cloud(), ManualClock(NOW), [], []
        self.journal, self.agent, self.workers = None, None, []

    def watch(self, *, workers=True, handlers=None):
        """A watcher's life begins; one that was before is gone without a word."""
        if self.journal is not None:
            self.journal.close()
        self.journal = store.PostgresqlJournal.open(self.address, workers=workers)
        app = App([Drain("watcher", self.did)] if handlers is None else handlers, approve_consent=True)
        self.agent = Agent(
            self.cloud, app, self.journal, clock=self.clock, machine=REGION, boot_id="b", executor=InlineExecutor(),
            listener=lambda notice: self.said.append(notice.text),
        )  # fmt: skip
        self.agent.step()
        return self.agent

    def worker(self, name="one", *, threads=False, handlers=None, at_once=10, url=None):
        """A worker, its handler and its side of the journal; `url`: the address that it has of that."""
        address = DatabaseAddress.parse(url or self.url, own=JOURNAL_OPTIONS)
        side = worker_side.PostgresqlWorkerSide(address, 60.0)
        side.name = name
        drain = Drain(name, self.did)
        executor = None if threads else InlineExecutor()
        said = []
        worker = Worker(
            App([drain] if handlers is None else handlers), side, silence=60.0, at_once=at_once, grace=0.0,
            clock=ManualClock(NOW), executor=executor, listener=lambda notice: said.append(notice.text),
        )  # fmt: skip
        worker.drain, worker.side, worker.said = drain, side, said
        self.workers.append(worker)
        return worker

    def sql(self, statement, *values):
        database, _ = store.database_of(self.address)
        with database.connect() as connection:
            return connection.execute(statement, values)

    def silence(self, worker):
        self.sql("UPDATE workers SET until = clock_timestamp() WHERE id = %s", worker.side.id)

    def runs(self):
        return {
            (run.stage, run.machine): (run.state.value, run.attempt)
            for episode in self.journal.episodes()
            for run in self.journal.runs(episode.id)
        }

    def notes(self):
        return [
            (attempt.number, attempt.verdict, attempt.note)
            for episode in self.journal.episodes()
            for run in self.journal.runs(episode.id)
            for attempt in self.journal.attempts(run.id)
        ]

    def close(self):
        for worker in self.workers:
            worker.side.close()
        if self.journal is not None:
            self.journal.close()


def until(worker, condition):
    """Let the worker turn, as soon as something wakes it, until that is so."""
    for _ in range(100):
        worker._wake.wait(PATIENCE)
        worker._wake.clear()
        worker.turn()
        if condition():
            return
    raise AssertionError("waited in vain")
